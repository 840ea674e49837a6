"""Quantities: units that people send, well meant or not."""

from __future__ import annotations

import pytest

from app.engine.errors import WrongDimension
from app.engine.quantity import convert

HOSTILE = (
    "m(", "m)", "m/", "m^", "m^-", "m^^2", "m^m", "m^(1/0)", "()", "1/", "1/1", "None", "__class__", "no_such_unit", "mdegC", "Np/m",
    "neper/m", "%dB", "km^9^9/m^9^9", "m^99", "m^m^m^m", "a" * 41, "m;m", "m\n",
)  # fmt: skip


@pytest.mark.parametrize("to", ["1", "m", "K", "dB"])
@pytest.mark.parametrize("unit", HOSTILE)
def test_a_unit_that_means_nothing_is_refused_as_a_unit(unit: str, to: str) -> None:
    with pytest.raises(WrongDimension) as refused:
        convert(3.0, unit, to, "mass")
    assert refused.value.field == "mass"


def test_a_unit_of_another_dimension_is_refused_by_the_one_expected() -> None:
    with pytest.raises(WrongDimension, match=r"'s' is a unit of another dimension; expected a unit such as m \(\[length\]\)"):
        convert(3.0, "s", "m")


def test_units_are_converted() -> None:
    assert convert(162.0, "cm/s^2", "m/s^2") == pytest.approx(1.62)
    assert convert(20.0, "degC", "K") == pytest.approx(293.15)
    assert convert(50.0, "%", "1") == pytest.approx(0.5)

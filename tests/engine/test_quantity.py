"""Quantities: units that people send, well meant or not."""

from __future__ import annotations

import math

import pytest

from app.engine.catalogue import CATALOGUE
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


def test_hertz_are_refused_where_an_angle_turns() -> None:
    with pytest.raises(WrongDimension, match="turns or radians; expected rad/s, deg/s or rpm"):
        convert(1.0, "Hz", "rad/s")
    assert convert(60.0, "rpm", "rad/s") == pytest.approx(2.0 * math.pi, rel=1e-15)
    assert convert(1.0, "kHz", "Hz") == 1000.0


def test_units_are_converted() -> None:
    assert convert(162.0, "cm/s^2", "m/s^2") == pytest.approx(1.62)
    assert convert(20.0, "degC", "K") == pytest.approx(293.15)
    assert convert(50.0, "%", "1") == pytest.approx(0.5)


def test_astronomers_units_are_the_nominal_ones() -> None:
    """IAU 2015 resolution B3 (nominal solar, terrestrial and jovian values); the Sun's mass of 1.988e30 kg is the usual textbook figure."""
    assert convert(1.0, "au", "m") == convert(1.0, "AU", "m") == 149597870700.0
    assert convert(1.0, "M_sun", "kg") == pytest.approx(1.98841e30, rel=1e-5)
    assert convert(1.0, "M_sun", "kg") / convert(1.0, "M_earth", "kg") == pytest.approx(332946.05, rel=1e-6)
    assert convert(1.0, "M_sun", "kg") / convert(1.0, "M_jup", "kg") == pytest.approx(1047.57, rel=1e-5)
    assert [convert(1.0, f"R_{name}", "km") for name in ("sun", "earth", "jup")] == pytest.approx([695700.0, 6378.1, 71492.0])


@pytest.mark.parametrize("group", CATALOGUE)
def test_every_quantity_says_how_each_system_of_units_shows_it(group: str) -> None:
    for quantity in CATALOGUE[group].values():
        shown = quantity.describe()["display"]
        assert shown["si"] == {"unit": quantity.unit, "factor": 1.0}
        assert convert(shown["astro"]["factor"], shown["astro"]["unit"], quantity.unit) == pytest.approx(1.0, rel=1e-12)

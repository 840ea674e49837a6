"""Physical quantities: one definition of each name, unit, range, default and source.

Schemas, CHECK constraints, the served catalogue and error messages all read these.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from tokenize import TokenError
from typing import Any

from app.engine.errors import OutOfRange, WrongDimension

ASTRONOMICAL = {"m": "au", "kg": "M_sun", "s": "d", "m/s": "km/s", "m/s^2": "mm/s^2", "rad": "deg", "rad/s": "deg/d"}
"""How people in universes of the unit system `astro` like to read SI units; units that are not here stay."""

_MASSES = {"M_sun": 1.3271244e20, "M_earth": 3.986004e14, "M_jup": 1.2668653e17}
_RADII = {"R_sun": 6.957e8, "R_earth": 6.3781e6, "R_jup": 7.1492e7}
_G = 6.67430e-11

_UNIT_TEXT = re.compile(r"(?:1/)?[A-Za-zµμ°ΩÅ%][A-Za-z0-9µμ°ΩÅ²³⁻¹·*/^ ()_%-]{0,39}")
_LARGE_EXPONENT = re.compile(r"(\^|\*\*)\s*\(?\s*-?\s*\d{2,}")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A physical or musical quantity and everything that is known about it.

    `minimum` and `maximum` are inclusive unless `above` says that the minimum itself is excluded; both and
    `default` are in `unit`. `default` is None where a value must be given or may be absent.
    """

    name: str
    symbol: str
    unit: str
    minimum: float
    maximum: float
    default: float | None
    description: str
    source: str
    above: bool = False
    integer: bool = False

    @property
    def range_text(self) -> str:
        """The allowed range in words, with the unit: `-300 to 300 m/s^2`."""
        unit = "" if self.unit == "1" else f" {self.unit}"
        low = f"more than {_short(self.minimum)}" if self.above else _short(self.minimum)
        return f"{low} to {_short(self.maximum)}{unit}"

    def check(self, value: float, field: str = "") -> float:
        """`value` itself when it is finite and in range, else OutOfRange naming the range and unit."""
        low = value > self.minimum if self.above else value >= self.minimum
        if not (math.isfinite(value) and low and value <= self.maximum):
            raise OutOfRange(f"Must be in the range {self.range_text}.", field or self.name)
        return value

    def read(self, given: float | Mapping[str, Any], field: str = "") -> float:
        """A bare number (in `unit`) or {"value": number, "unit": text} as a checked number in `unit`.

        Raises OutOfRange, or WrongDimension when the unit is unknown or of another dimension.
        """
        if not isinstance(given, Mapping):
            return self.check(float(given), field)
        return self.check(convert(float(given["value"]), str(given["unit"]), self.unit, field or self.name), field)

    def describe(self) -> dict[str, Any]:
        """The catalogue entry, as served."""
        return {
            "name": self.name,
            "symbol": self.symbol,
            "unit": self.unit,
            "display": {"si": _shown(self.unit, self.unit), "astro": _shown(self.unit, ASTRONOMICAL.get(self.unit, self.unit))},
            "dimension": dimension_of(self.unit),
            "minimum": self.minimum,
            "maximum": self.maximum,
            "exclusive_minimum": self.above,
            "default": self.default,
            "integer": self.integer,
            "description": self.description,
            "source": self.source,
        }


def _shown(unit: str, as_unit: str) -> dict[str, Any]:
    """A unit to show values in, and what a value in `unit` is multiplied by for it."""
    return {"unit": as_unit, "factor": convert(1.0, unit, as_unit)}


def convert(value: float, unit: str, to: str, field: str = "") -> float:
    """`value` in `unit`, expressed in the unit `to`.

    Raises WrongDimension for an unknown unit, one of another dimension, or one too large to reckon with. Units are those of the
    pint registry, with M_sun, M_earth, M_jup (kg), R_sun, R_earth and R_jup (m): the nominal values of IAU 2015 resolution B3, masses
    by the constant of gravitation of CODATA 2022; LUFS, or LKFS, is the loudness of ITU-R BS.1770.
    """
    registry, target = _registry(), _unit(to)
    try:
        source = _unit(unit)
        alike = source.dimensionality == target.dimensionality
        found = float(registry.Quantity(value, source).to(target).magnitude) if alike else math.nan
    except _refusals():
        raise WrongDimension(f"Unknown unit {unit[:40]!r}; expected {_dimension_text(to)}.", field) from None
    if not alike:
        raise WrongDimension(f"{unit[:40]!r} is a unit of another dimension; expected {_dimension_text(to)}.", field)
    if "hertz" in str(source) and "radian" in str(target):
        raise WrongDimension(f"{unit[:40]!r} may count turns or radians; expected rad/s, deg/s or rpm.", field)
    return found


@functools.lru_cache(maxsize=256)
def dimension_of(unit: str) -> str:
    """The dimension of a unit in words, such as `[length] / [time] ** 2`; `1` for a pure number."""
    text = str(_unit(unit).dimensionality)
    return "1" if text == "dimensionless" else text


def _dimension_text(unit: str) -> str:
    return "a pure number" if unit == "1" else f"a unit such as {unit} ({dimension_of(unit)})"


@functools.lru_cache(maxsize=1)
def _registry() -> Any:
    import pint  # noqa: PLC0415  it takes a third of a second, and most requests give bare numbers

    registry: Any = pint.UnitRegistry(autoconvert_offset_to_baseunit=True, on_redefinition="ignore")
    registry.define("AU = astronomical_unit")  # pint's own is a unit of absorbance
    registry.define("LUFS = [loudness] = LUFS = LKFS")
    for name, parameter in _MASSES.items():
        registry.define(f"{name} = {parameter / _G!r} kilogram")
    for name, radius in _RADII.items():
        registry.define(f"{name} = {radius!r} meter")
    return registry


@functools.lru_cache(maxsize=1)
def _refusals() -> tuple[type[Exception], ...]:
    """What pint raises for text that is no unit, there or only when it is used: `m(`, `m/`, `m^m`, `m^(1/0)`, `km^9^9/m^9^9`."""
    from pint.errors import PintError  # noqa: PLC0415  as the registry

    return PintError, ValueError, TokenError, AssertionError, TypeError, ZeroDivisionError, OverflowError


@functools.lru_cache(maxsize=1024)
def _unit(text: str) -> Any:
    if text in ("", "1"):
        return _registry().Unit("")
    if not _UNIT_TEXT.fullmatch(text) or _LARGE_EXPONENT.search(text):
        raise ValueError(text)
    return _registry().parse_units(text)


def _short(number: float) -> str:
    return f"{number:.12g}"

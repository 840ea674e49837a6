"""A body's resonator and material, read number by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.engine.catalogue import MATERIAL, RESONATOR
from app.engine.errors import Contradiction, EngineError, OutOfRange, Unsupported
from app.engine.physics.presets import MATERIALS
from app.engine.physics.resonators.kinds import BOUNDARIES, DIMENSIONS
from app.engine.physics.scene import Body
from app.engine.quantity import Quantity

SLOWEST, FASTEST = 1e-6, 1e9
"""Hz between which a first mode must lie."""


class Reader:
    """A body's resonator and material, read number by number; what is missing is refused with its path, range and unit.

    Making one raises EngineError for a kind that there is not, a boundary or measure that the kind has not, and an unknown material.
    """

    def __init__(self, body: Body, path: str) -> None:
        self.body, self.path = body, path
        self.resonator: Mapping[str, Any] = body.resonator or {}
        self.material = _material(body.material, f"{path}.material")
        self.kind = str(self.resonator.get("kind"))
        if self.kind not in BOUNDARIES:
            raise self.refusal(EngineError, "kind", f"the kind of a resonator must be one of {', '.join(BOUNDARIES)}.")
        self.boundary = str(self.resonator.get("boundary") or BOUNDARIES[self.kind][0])
        if self.boundary not in BOUNDARIES[self.kind]:
            raise self.refusal(Unsupported, "boundary", f"a {self.kind} is {' or '.join(BOUNDARIES[self.kind])}, not {self.boundary}.")
        for name in RESONATOR:
            if name not in DIMENSIONS[self.kind] and self.measured(name) is not None:
                raise self.refusal(Contradiction, name, f"a {self.kind} has no {name}; it has {', '.join(DIMENSIONS[self.kind])}.")

    def measure(self, name: str, why: str = "") -> float:
        """A measure of the resonator that must be there."""
        return self._needed(RESONATOR[name], self.resonator, "resonator", why)

    def matter(self, name: str) -> float:
        """A number of the material that must be there."""
        return self._needed(MATERIAL[name], self.material, "material")

    def measured(self, name: str) -> float | None:
        """A measure of the resonator, None where it is not given."""
        return self._given(RESONATOR[name], self.resonator, "resonator")

    def mattered(self, name: str) -> float | None:
        """A number of the material, None where it is not given."""
        return self._given(MATERIAL[name], self.material, "material")

    def check_first(self, hz: float) -> None:
        """Refuse a first mode that lies nowhere near anything real. Raises OutOfRange."""
        if not SLOWEST <= hz <= FASTEST:
            limits = f"{SLOWEST:g} to {FASTEST:g} Hz"
            raise self.refusal(
                OutOfRange, "length", f"its first mode would be at {hz:.3g} Hz; its size and material must bring it to {limits}."
            )

    def refusal(self, kind: type[EngineError], name: str, text: str, part: str = "resonator") -> EngineError:
        """The error for a part of the body."""
        return kind(f"Body {self.body.name!r}: {text}", f"{self.path}.{part}.{name}")

    def _needed(self, quantity: Quantity, given: Mapping[str, Any], part: str, why: str = "") -> float:
        value = self._given(quantity, given, part)
        if value is None:
            whose = f"A {self.kind}{why} needs" if part == "resonator" else f"The material of a {self.kind} needs"
            name = quantity.name
            raise self.refusal(EngineError, name, f"{whose} a {name} in the range {quantity.range_text}.", part)
        return value

    def _given(self, quantity: Quantity, given: Mapping[str, Any], part: str) -> float | None:
        value = given.get(quantity.name)
        if value is None:
            return None
        try:
            if not isinstance(value, bool) and isinstance(value, int | float):
                return quantity.check(float(value))
        except OutOfRange:
            pass
        raise self.refusal(OutOfRange, quantity.name, f"{quantity.name} must be a number in the range {quantity.range_text}.", part)


def _material(given: Mapping[str, Any] | None, path: str) -> Mapping[str, Any]:
    """The numbers of a material, of a preset those of its table."""
    preset = (given or {}).get("preset")
    if preset is None:
        return given or {}
    if preset not in MATERIALS:
        raise EngineError(f"Must be one of {', '.join(MATERIALS)}.", f"{path}.preset")
    return MATERIALS[preset]

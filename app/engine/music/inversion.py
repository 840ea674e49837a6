"""Inversion: which physical value a heard pitch stands for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.engine.errors import EngineError, OutOfRange, Unsupported
from app.engine.music.curves import MIDDLE, value_at
from app.engine.music.harmony import Harmony
from app.engine.music.rules import TARGETS, Shape, decibels_of, read_shape, root_source
from app.engine.music.sources import UNITS, unit_of
from app.engine.music.tunings import resonance
from app.engine.physics.scene import Scene

# A pitch that rounding errors carried past the end of the range still belongs to it.
_ROUNDING = 1e-9
_AT_END = 1e-12

Domain = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Inverse:
    """A mapping's shape with its domain and the limits, low and high, of what it gives.

    `decibels` is 20 or 10 where loudness follows impulse or energy itself, else 0.
    """

    shape: Shape
    domain: Domain
    limits: tuple[float, float]
    decibels: float = 0.0

    def value(self, target: float) -> float:
        """The source value of a target value within the limits."""
        shape, (low, high) = self.shape, self.limits
        if shape.curve == "frequency_scale":
            return shape.factor / target if shape.unit == "s" else target / shape.factor
        if self.decibels:
            reference = self.domain[1] if shape.polarity == 1 else self.domain[0]
            return float(reference * 10.0 ** (shape.polarity * (target - high) / self.decibels))
        part = (target - low) / (high - low) if high > low else MIDDLE
        return value_at(shape.curve, shape.exponent, *self.domain, part if shape.polarity == 1 else 1.0 - part)

    def values(self, low: float, high: float) -> tuple[float, float]:
        """The least and the greatest source value that give targets from `low` to `high`; they may lie at infinity."""
        bottom, top = self.limits
        within = (min(max(low, bottom), top), min(max(high, bottom), top))
        ends = [self.value(end) for end in within] if bottom < top else list(self.domain)
        if self.shape.clamp == "clamp":
            ends += [self._beyond(True)] if high >= top - _AT_END * abs(top) else []
            ends += [self._beyond(False)] if low <= bottom + _AT_END * abs(bottom) else []
        return min(ends), max(ends)

    def _beyond(self, top: bool) -> float:
        """Where the values end that are clamped to the top, or to the bottom: all of them sound the same."""
        rises = (self.shape.polarity == 1) == (self.shape.curve != "frequency_scale" or self.shape.unit == "Hz")
        if rises == top:
            return math.inf
        return 0.0 if self.decibels or self.shape.curve == "frequency_scale" else -math.inf


def invert(
    mapping: Mapping[str, Any],
    harmony: Mapping[str, Any],
    hz: float,
    domain: Domain | None = None,
    *,
    scene: Scene | None = None,
    domains: Mapping[str, Sequence[float]] | None = None,
    pitches: Sequence[float] = (),
) -> dict[str, Any]:
    """The physical value that a heard pitch stands for.

    Parameters
    ----------
    mapping, harmony : as in the scene snapshot
    hz : the sounding pitch
    domain : the mapping's domain in force (as in the score's report); an explicit one need not be given
    scene, domains : for a mapping that reads another one or a custom parameter: its scene, and the domains in the score's report
    pitches : the physical pitches of the voice; needed in resonance tuning alone

    Returns
    -------
    {"value", "unit"}, and where several values sound at that pitch (quantization, a clamped end) `interval` {"min", "max"} of
    them; None is an end that lies at infinity.

    Raises
    ------
    EngineError naming the field; OutOfRange when no value sounds at that pitch.
    """
    if mapping.get("target") != "pitch":
        raise EngineError("Only a mapping to pitch can be inverted from a pitch.", "target")
    read = Harmony.read(harmony)
    inverse = _inverse(mapping, domain, scene, read)
    low, high = _pitch_span(read, hz, pitches)
    answer = _answer(inverse, low, high, min(max(_heard(read, hz, pitches), low), high))
    return _through(mapping, answer, scene, domains or {}, read)


def _inverse(mapping: Mapping[str, Any], domain: Sequence[float] | None, scene: Scene | None, harmony: Harmony) -> _Inverse:
    shape = read_shape(mapping, _unit(mapping, scene))
    kind, low, high = shape.domain
    if domain is None and kind == "explicit" and low is not None and high is not None:
        domain = (low, high)
    if domain is None and shape.curve != "frequency_scale":
        raise EngineError("The domain comes from the data; make a score first.", "domain")
    target = TARGETS[shape.target]
    widest = (harmony.low_hz, harmony.high_hz) if shape.target == "pitch" else (target.minimum, target.maximum)
    decibels = decibels_of(shape, mapping["source"].get("quantity"))
    return _Inverse(shape, (domain[0], domain[1]) if domain else (0.0, math.inf), shape.range or widest, decibels)


def _unit(mapping: Mapping[str, Any], scene: Scene | None) -> str:
    source = mapping["source"]
    if source.get("mapping_id") is not None:
        return TARGETS[str(_upstream(source, scene)["target"])].unit
    quantity = str(source["quantity"])
    return unit_of(quantity, scene) if scene is not None else UNITS.get(quantity, "1")


def _upstream(source: Mapping[str, Any], scene: Scene | None) -> Mapping[str, Any]:
    found = next((one for one in scene.mappings if str(one["id"]) == str(source["mapping_id"])), None) if scene else None
    if found is None:
        raise EngineError("There is no such mapping in this scene.", "source.mapping_id")
    return found


def _heard(harmony: Harmony, hz: float, pitches: Sequence[float]) -> float:
    """The physical pitch nearest to what is heard."""
    if not harmony.resonant:
        return harmony.sounding(hz)
    return _resonant_source(hz, pitches)


def _pitch_span(harmony: Harmony, hz: float, pitches: Sequence[float]) -> tuple[float, float]:
    """The physical pitches that sound like this one: from midway, in cents, to the pitch below to midway to the one above."""
    if harmony.resonant:
        physical = _resonant_source(hz, pitches)
        return physical, physical
    allowed = harmony.allowed()
    if allowed is None:
        return hz, hz
    index = allowed.nearest(harmony.sounding(hz))
    below, here, above = (allowed.hz(index + step) for step in (-1, 0, 1))
    return math.sqrt(below * here), math.sqrt(here * above)


def _resonant_source(hz: float, pitches: Sequence[float]) -> float:
    if not pitches:
        raise Unsupported("In resonance tuning a pitch stands for a value only among the pitches of a score.", "harmony.tuning")
    tuned = resonance(pitches)
    return min(tuned, key=lambda physical: abs(math.log(tuned[physical] / hz)))


def _answer(inverse: _Inverse, low: float, high: float, heard: float) -> dict[str, Any]:
    bottom, top = inverse.limits
    if high < bottom * (1.0 - _ROUNDING) or low > top * (1.0 + _ROUNDING):
        raise OutOfRange(f"No value sounds at that pitch: the mapping gives {bottom:.6g} to {top:.6g} Hz.", "hz")
    value = inverse.value(min(max(heard, bottom), top))
    least, greatest = inverse.values(low, high)
    answer: dict[str, Any] = {"value": value, "unit": inverse.shape.unit}
    if least == greatest:
        return answer
    ends = {name: end if math.isfinite(end) else None for name, end in (("min", least), ("max", greatest))}
    return {**answer, "interval": ends}


def _through(
    mapping: Mapping[str, Any], answer: dict[str, Any], scene: Scene | None, domains: Mapping[str, Sequence[float]], harmony: Harmony
) -> dict[str, Any]:
    """The answer led back through the mappings that this one reads, to the physical quantity."""
    if mapping["source"].get("mapping_id") is None or scene is None:
        return answer
    root_source(mapping, scene.mappings)
    upstream = _upstream(mapping["source"], scene)
    inverse = _inverse(upstream, domains.get(str(upstream["id"])), scene, harmony)
    span = answer.get("interval") or {"min": answer["value"], "max": answer["value"]}
    bottom, top = inverse.limits
    low, high = (bottom if span["min"] is None else span["min"]), (top if span["max"] is None else span["max"])
    return _through(upstream, _answer(inverse, low, high, answer["value"]), scene, domains, harmony)

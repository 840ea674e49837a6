"""Harmony in force: key, scale, tuning and the grid of time, and the pitches they allow."""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from app.engine.catalogue import HARMONY
from app.engine.errors import EngineError
from app.engine.music.pitch import cents, key_class, round_half_away
from app.engine.music.scales import CUSTOM, scale_cents
from app.engine.music.tunings import DIVISIONS, JUST, PYTHAGOREAN, TUNINGS

QUANTIZE_PITCH = ("none", "scale", "tuning")
QUANTIZE_TIME = ("none", "1/4", "1/8", "1/16", "1/32")
_RATIOS = {"just": JUST, "pythagorean": PYTHAGOREAN}
_SIGNATURE = re.compile(r"([1-9]\d?)/(1|2|4|8|16|32)")
_A_CLASS = 9


@dataclass(frozen=True, slots=True)
class PitchSet:
    """Pitches that repeat at the octave: a4_hz times one of `factors` (rising, within an octave) times a power of two.

    Index 0 is the key note of octave 4 (for the steps of an equal tuning without a scale: A4); indices rise with the pitch.
    """

    a4_hz: float
    factors: tuple[float, ...]

    def hz(self, index: int) -> float:
        """The pitch of an index, in Hz."""
        octave, degree = divmod(index, len(self.factors))
        return math.ldexp(self.a4_hz * self.factors[degree], octave)

    def nearest(self, hz: float) -> int:
        """The index of the pitch nearest to `hz` in cents; of two equally near, the lower."""
        octave = math.floor(math.log2(hz / (self.a4_hz * self.factors[0])))
        degree = bisect.bisect_right(self.factors, math.ldexp(hz / self.a4_hz, -octave)) - 1
        below = octave * len(self.factors) + degree
        return min((below - 1, below, below + 1), key=lambda index: (abs(round(cents(self.hz(index), hz), 9)), index))


@dataclass(frozen=True, slots=True)
class Harmony:
    """The harmony of a scene. Frequencies in Hz; `key` is a pitch class from 0 (C) to 11 (B); `divisions` is for equal tuning."""

    key: int = 0
    scale: tuple[float, ...] = scale_cents("major")
    custom: bool = False
    tempo_bpm: float = 120.0
    time_signature: str = "4/4"
    a4_hz: float = 440.0
    tuning: str = "equal"
    divisions: int = 12
    low_hz: float = 16.0
    high_hz: float = 16000.0
    quantize_pitch: str = "none"
    quantize_time: str = "none"
    max_notes_per_second: float = 40.0

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Harmony:
        """The harmony of a snapshot; what is absent takes its default.

        Raises EngineError, with the field, for anything unknown or out of range.
        """
        tuning = given.get("tuning") or {"type": "equal"}
        limits = given.get("range") or {}
        harmony = cls(
            key=key_class(str(given.get("key", "C"))),
            scale=scale_cents(given.get("scale", "major"), given.get("scale_cents")),
            custom=given.get("scale") == CUSTOM,
            tempo_bpm=_number(given, "tempo_bpm"),
            time_signature=str(given.get("time_signature", "4/4")),
            a4_hz=_number(given, "a4_hz"),
            tuning=_one_of(str(tuning.get("type")), tuple(TUNINGS), "tuning.type"),
            divisions=_divisions(tuning),
            low_hz=_number(limits, "low_hz", "range."),
            high_hz=_number(limits, "high_hz", "range."),
            quantize_pitch=_one_of(given.get("quantize_pitch", "none"), QUANTIZE_PITCH, "quantize_pitch"),
            quantize_time=_one_of(given.get("quantize_time", "none"), QUANTIZE_TIME, "quantize_time"),
            max_notes_per_second=_number(given, "max_notes_per_second"),
        )
        if harmony.low_hz >= harmony.high_hz:
            raise EngineError("low_hz must be below high_hz.", "range.low_hz")
        if not _SIGNATURE.fullmatch(harmony.time_signature):
            raise EngineError("Must be a time signature such as 4/4 or 6/8.", "time_signature")
        return harmony

    @property
    def grid_s(self) -> float | None:
        """The spacing of the time grid in s; None without one."""
        if self.quantize_time == "none":
            return None
        return 60.0 / self.tempo_bpm * 4.0 / int(self.quantize_time.removeprefix("1/"))

    def degrees(self) -> PitchSet:
        """The degrees of the scale in the tuning; index 0 is the key note of octave 4.

        In equal tuning a degree takes the nearest step; the cents of a custom scale are kept as given. Resonance tuning
        knows no degrees before there are pitches, so they are those of equal temperament.
        """
        if self.custom:
            return PitchSet(self.a4_hz, tuple(self._key_factor() * 2.0 ** (step / 1200.0) for step in self.scale))
        if self.tuning in _RATIOS:
            return self._ratio_degrees(tuple(round(step / 100.0) for step in self.scale))
        return self._equal_degrees()

    def steps(self) -> PitchSet:
        """Every pitch of the tuning; resonance tuning has none of its own before there are pitches."""
        if self.tuning in _RATIOS:
            return self._ratio_degrees(tuple(range(12)))
        return PitchSet(self.a4_hz, tuple(2.0 ** (step / self.divisions) for step in range(self.divisions)))

    def allowed(self) -> PitchSet | None:
        """The pitches that quantization moves to; None when it is off, or when the tuning is made from the pitches (resonance)."""
        if self.quantize_pitch == "scale":
            return self.degrees()
        return self.steps() if self.quantize_pitch == "tuning" and self.tuning != "resonance" else None

    def sounding(self, hz: float) -> float:
        """The pitch that sounds for a physical one: the nearest allowed, within the range where one lies there."""
        pitches = self.allowed()
        if pitches is None:
            return hz
        index = pitches.nearest(hz)
        step = 1 if pitches.hz(index) < self.low_hz else -1 if pitches.hz(index) > self.high_hz else 0
        inside = pitches.hz(index + step)
        return inside if self.low_hz <= inside <= self.high_hz else pitches.hz(index)

    @property
    def resonant(self) -> bool:
        """Whether pitches move to resonance tuning."""
        return self.quantize_pitch == "tuning" and self.tuning == "resonance"

    def _equal_degrees(self) -> PitchSet:
        divisions = self.divisions if self.tuning == "equal" else 12
        key = round_half_away((self.key - _A_CLASS) * divisions / 12.0)
        # Degrees that fall on one step of a coarse division are one pitch.
        steps = sorted({round_half_away(step * divisions / 1200.0) for step in self.scale} - {divisions})
        return PitchSet(self.a4_hz, tuple(2.0 ** ((key + step) / divisions) for step in steps))

    def _ratio_degrees(self, semitones: Sequence[int]) -> PitchSet:
        key = self._key_ratio()
        return PitchSet(self.a4_hz, tuple(float(key * _RATIOS[self.tuning][step]) for step in semitones))

    def _key_ratio(self) -> Fraction:
        """The key note of octave 4 against A4, in a tuning by ratios: A4 keeps its pitch."""
        ratio = 1 / _RATIOS[self.tuning][(_A_CLASS - self.key) % 12]
        return ratio if self.key <= _A_CLASS else 2 * ratio

    def _key_factor(self) -> float:
        if self.tuning in _RATIOS:
            return float(self._key_ratio())
        return self._equal_degrees().factors[0]


def _number(given: Mapping[str, Any], name: str, prefix: str = "") -> float:
    quantity = HARMONY[prefix + name]
    value = given.get(name)
    return quantity.read(value if value is not None else quantity.default or 0.0, prefix + name)


def _divisions(tuning: Mapping[str, Any]) -> int:
    given = tuning.get("divisions")
    if given is None:
        return 12
    if isinstance(given, bool) or given != int(given):
        raise EngineError("Must be a whole number.", DIVISIONS.name)
    return int(DIVISIONS.check(given))


def _one_of(given: str, choices: tuple[str, ...], field: str) -> str:
    if given not in choices:
        raise EngineError(f"Must be one of {', '.join(choices)}.", field)
    return given

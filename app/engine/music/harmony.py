"""Harmony in force: key, scale, tuning and the grid of time, and the pitches they allow."""

from __future__ import annotations

import bisect
import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from app.engine.catalogue import HARMONY
from app.engine.errors import EngineError
from app.engine.music.grid import STRAIGHT, Grid
from app.engine.music.pitch import cents, key_class, round_half_away
from app.engine.music.scales import CUSTOM, scale_cents
from app.engine.music.tunings import CUSTOM as CUSTOM_TUNING
from app.engine.music.tunings import (
    DIVISIONS,
    JUST,
    PYTHAGOREAN,
    ROOT_HZ,
    TUNINGS,
    degrees_of,
    factor,
    whole,
)

QUANTIZE_PITCH = ("none", "scale", "tuning")
QUANTIZE_TIME = ("none", "1/4", "1/8", "1/16", "1/32")
_RATIOS = {"just": JUST, "pythagorean": PYTHAGOREAN}
_SIGNATURE = re.compile(r"([1-9]\d?)/(1|2|4|8|16|32)")
_A_CLASS = 9
_TABLES = ("harmonic", CUSTOM_TUNING)
# A scale is made for octaves: of a tuning whose period is farther from one than this it takes every pitch.
_OCTAVE_WITHIN_CENTS = 50.0


@dataclass(frozen=True, slots=True)
class PitchSet:
    """Pitches that repeat at a period: base_hz times one of `factors` (rising, within a period) times a power of the period.

    Index 0 is the key note of octave 4, or the 1/1 of a tuning that has its own (for the steps of an equal tuning without a scale: A4);
    indices rise with the pitch.
    """

    base_hz: float
    factors: tuple[float, ...]
    period: float = 2.0

    def hz(self, index: int) -> float:
        """The pitch of an index, in Hz."""
        octave, degree = divmod(index, len(self.factors))
        return float(self.base_hz * self.factors[degree] * self.period**octave)

    def nearest(self, hz: float) -> int:
        """The index of the pitch nearest to `hz` in cents; of two equally near, the lower."""
        octave = math.floor(math.log2(hz / (self.base_hz * self.factors[0])) / math.log2(self.period))
        degree = bisect.bisect_right(self.factors, hz / self.base_hz * self.period**-octave) - 1
        below = octave * len(self.factors) + degree
        return min((below - 1, below, below + 1), key=lambda index: (abs(round(cents(self.hz(index), hz), 9)), index))


@dataclass(frozen=True, slots=True)
class Harmony:
    """The harmony of a scene.

    Frequencies in Hz; `key` is a pitch class from 0 (C) to 11 (B); `divisions` is for equal tuning, `table` (the ratio of every pitch
    to 1/1, the period last) for the tunings harmonic and custom, `root_hz` (of 1/1) for custom.
    """

    key: int = 0
    scale: tuple[float, ...] = scale_cents("major")
    custom: bool = False
    tempo_bpm: float = 120.0
    time_signature: str = "4/4"
    a4_hz: float = 440.0
    tuning: str = "equal"
    divisions: int = 12
    table: tuple[float, ...] = ()
    root_hz: float | None = None
    low_hz: float = 16.0
    high_hz: float = 16000.0
    quantize_pitch: str = "none"
    quantize_time: str = "none"
    swing: float = STRAIGHT
    max_notes_per_second: float = 40.0

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Harmony:
        """The harmony of a snapshot; what is absent takes its default.

        Raises EngineError, with the field, for anything unknown or out of range.
        """
        tuning = given.get("tuning") or {"type": "equal"}
        kind = _one_of(str(tuning.get("type")), tuple(TUNINGS), "tuning.type")
        root = tuning.get("root_hz")
        limits = given.get("range") or {}
        harmony = cls(
            key=key_class(str(given.get("key", "C"))),
            scale=scale_cents(given.get("scale", "major"), given.get("scale_cents")),
            custom=given.get("scale") == CUSTOM,
            tempo_bpm=_number(given, "tempo_bpm"),
            time_signature=str(given.get("time_signature", "4/4")),
            a4_hz=_number(given, "a4_hz"),
            tuning=kind,
            divisions=whole(tuning, DIVISIONS),
            table=tuple(factor(degree) for degree in degrees_of(tuning)) if kind in _TABLES else (),
            root_hz=ROOT_HZ.read(root) if kind == CUSTOM_TUNING and root is not None else None,
            low_hz=_number(limits, "low_hz", "range."),
            high_hz=_number(limits, "high_hz", "range."),
            quantize_pitch=_one_of(given.get("quantize_pitch", "none"), QUANTIZE_PITCH, "quantize_pitch"),
            quantize_time=_one_of(given.get("quantize_time", "none"), QUANTIZE_TIME, "quantize_time"),
            swing=_number(given, "swing"),
            max_notes_per_second=_number(given, "max_notes_per_second"),
        )
        if harmony.low_hz >= harmony.high_hz:
            raise EngineError("low_hz must be below high_hz.", "range.low_hz")
        if not _SIGNATURE.fullmatch(harmony.time_signature):
            raise EngineError("Must be a time signature such as 4/4 or 6/8.", "time_signature")
        return harmony

    @property
    def grid(self) -> Grid | None:
        """The grid of time that notes move to; None without one."""
        if self.quantize_time == "none":
            return None
        return Grid(60.0 / self.tempo_bpm * 4.0 / int(self.quantize_time.removeprefix("1/")), self.swing)

    def degrees(self) -> PitchSet:
        """The degrees of the scale in the tuning; index 0 is the key note of octave 4.

        In tunings equal, harmonic and custom a degree takes the nearest pitch, of a tuning without octaves every pitch is one; the cents
        of a custom scale are kept as given. Resonance tuning knows no degrees before there are pitches, so they are those of equal
        temperament.
        """
        if self.custom:
            base = self.root_hz or self.a4_hz
            key = 1.0 if self.root_hz else self._key_factor()
            return PitchSet(base, tuple(key * 2.0 ** (step / 1200.0) for step in self.scale))
        if self.table:
            return self._of_table(self._nearest_in_table())
        if self.tuning in _RATIOS:
            return self._ratio_degrees(tuple(round(step / 100.0) for step in self.scale))
        return self._equal_degrees()

    def steps(self) -> PitchSet:
        """Every pitch of the tuning; resonance tuning has none of its own before there are pitches."""
        if self.tuning in _RATIOS:
            return self._ratio_degrees(tuple(range(12)))
        if self.table:
            return self._of_table(range(len(self.table)))
        return PitchSet(self.a4_hz, tuple(2.0 ** (step / self.divisions) for step in range(self.divisions)))

    def allowed(self) -> PitchSet | None:
        """The pitches that quantization moves to; None when it is off, or when the tuning is made from the pitches (resonance)."""
        return _allowed(self)

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

    def _of_table(self, places: Sequence[int]) -> PitchSet:
        """Pitches of the table by their places, 0 being 1/1."""
        factors = (1.0, *self.table[:-1])
        base = self.root_hz or self.a4_hz * self._key_factor()
        return PitchSet(base, tuple(factors[place] for place in places), self.table[-1])

    def _nearest_in_table(self) -> Sequence[int]:
        """The places that the degrees of the scale take: of two equally near the lower; the period is the next 1/1."""
        sizes = (0.0, *(cents(1.0, ratio) for ratio in self.table))
        count = len(self.table)
        if abs(sizes[-1] - 1200.0) > _OCTAVE_WITHIN_CENTS:
            return range(count)
        return sorted(
            {min(range(count + 1), key=lambda place: (abs(round(sizes[place] - step, 9)), place)) for step in self.scale} - {count}
        )

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


@functools.lru_cache(maxsize=64)
def _allowed(harmony: Harmony) -> PitchSet | None:
    if harmony.quantize_pitch == "scale":
        return harmony.degrees()
    return harmony.steps() if harmony.quantize_pitch == "tuning" and harmony.tuning != "resonance" else None


def _number(given: Mapping[str, Any], name: str, prefix: str = "") -> float:
    quantity = HARMONY[prefix + name]
    value = given.get(name)
    return quantity.read(value if value is not None else quantity.default or 0.0, prefix + name)


def _one_of(given: str, choices: tuple[str, ...], field: str) -> str:
    if given not in choices:
        raise EngineError(f"Must be one of {', '.join(choices)}.", field)
    return given

"""Tunings: which exact ratios the named intervals take."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from app.engine.errors import EngineError
from app.engine.music.pitch import cents, interval
from app.engine.quantity import Quantity

DIVISIONS = Quantity("tuning.divisions", "n", "1", 1, 72, 12, "Equal steps of the octave.", "chosen for this service", integer=True)

JUST = tuple(Fraction(ratio) for ratio in ("1", "16/15", "9/8", "6/5", "5/4", "4/3", "45/32", "3/2", "8/5", "5/3", "9/5", "15/8"))
"""Five-limit just intonation above the key note (Helmholtz, On the Sensations of Tone)."""

PYTHAGOREAN = tuple(
    Fraction(ratio) for ratio in ("1", "256/243", "9/8", "32/27", "81/64", "4/3", "729/512", "3/2", "128/81", "27/16", "16/9", "243/128")
)
"""Twelve pitches of a chain of pure fifths from five below the key note to six above it."""

RESONANCE = tuple(Fraction(ratio) for ratio in ("1", "16/15", "9/8", "6/5", "5/4", "4/3", "7/5", "3/2", "8/5", "5/3", "9/5", "15/8"))
"""The small-integer ratio of each interval name."""

_FEWEST, _MOST, _CLOSEST_CENTS = 2, 24, 50.0
# Pitches meant to lie exactly 50 cents apart may come out a rounding error closer.
_ROUNDING_CENTS = 1e-9


@dataclass(frozen=True, slots=True)
class Tuning:
    """A tuning as served: its name, what it does, its ratios where it has them, and its parameters."""

    name: str
    description: str
    ratios: tuple[Fraction, ...] = ()
    parameters: tuple[Quantity, ...] = field(default=())

    def describe(self) -> dict[str, Any]:
        """The tuning as JSON."""
        return {
            "name": self.name,
            "description": self.description,
            "ratios": [f"{ratio.numerator}:{ratio.denominator}" for ratio in self.ratios],
            "parameters": [parameter.describe() for parameter in self.parameters],
        }


TUNINGS: dict[str, Tuning] = {
    tuning.name: tuning
    for tuning in (
        Tuning("equal", "The octave in equal steps, A4 exact; 12 is the piano's tuning.", parameters=(DIVISIONS,)),
        Tuning("just", "Five-limit just intonation on the key note, A4 exact.", JUST),
        Tuning("pythagorean", "Pure fifths on the key note, A4 exact.", PYTHAGOREAN),
        Tuning(
            "resonance",
            "Small-integer ratios that keep the names of all neighbouring intervals of the physics, from the lowest pitch up; "
            f"for {_FEWEST} to {_MOST} pitches of a voice at least {_CLOSEST_CENTS:g} cents apart, with quantize_pitch tuning.",
            RESONANCE,
        ),
    )
}


def resonance(frequencies: Sequence[float]) -> dict[float, float]:
    """Each frequency (Hz) with its pitch in resonance tuning, in rising order.

    The lowest stays exact; each next is the one below times the fixed ratio of their interval name and its octaves,
    so that all neighbouring names stay. Raises EngineError unless there are 2 to 24 distinct pitches, 50 cents apart at least.
    """
    rising = sorted(set(frequencies))
    if not _FEWEST <= len(rising) <= _MOST:
        raise EngineError(f"Resonance tuning needs {_FEWEST} to {_MOST} distinct pitches in a voice; there are {len(rising)}.", "tuning")
    tuned = {rising[0]: rising[0]}
    for low, high in itertools.pairwise(rising):
        tuned[high] = tuned[low] * float(_resonant_ratio(low, high))
    return tuned


def _resonant_ratio(low: float, high: float) -> Fraction:
    size = cents(low, high)
    if size < _CLOSEST_CENTS - _ROUNDING_CENTS:
        raise EngineError(
            f"Resonance tuning needs pitches at least {_CLOSEST_CENTS:g} cents apart; {low:.6g} and {high:.6g} Hz are {size:.3g} apart.",
            "tuning",
        )
    named = interval(max(size, _CLOSEST_CENTS))
    return RESONANCE[named.semitones % 12] * (1 << named.octaves)

"""Tunings: which exact ratios the named intervals take."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from app.engine.errors import EngineError, OutOfRange
from app.engine.music.pitch import cents, interval
from app.engine.quantity import Quantity

Degree = float | Fraction
"""A pitch above the key note: a float in cents, or an exact ratio."""

CUSTOM = "custom"
MOST_DEGREES = 72
LEAST_CENTS, MOST_CENTS = 0.001, 12000.0
"""How close two degrees of a tuning may lie, and how far above the key note."""

_OURS = "chosen for this service"
DIVISIONS = Quantity("tuning.divisions", "n", "1", 1, 72, 12, "Equal steps of the octave.", _OURS, integer=True)
HARMONICS = Quantity(
    "tuning.harmonics", "n", "1", 1, 72, 16, "Harmonics n to 2n of the series fill the octave above the key note.", _OURS, integer=True
)
ROOT_HZ = Quantity(
    "tuning.root_hz", "f", "Hz", 1, 20000, None, "Frequency of 1/1; without it the key note has its pitch of equal temperament.", _OURS
)

JUST = tuple(Fraction(ratio) for ratio in ("1", "16/15", "9/8", "6/5", "5/4", "4/3", "45/32", "3/2", "8/5", "5/3", "9/5", "15/8"))
"""Five-limit just intonation above the key note (Helmholtz, On the Sensations of Tone)."""

PYTHAGOREAN = tuple(
    Fraction(ratio) for ratio in ("1", "256/243", "9/8", "32/27", "81/64", "4/3", "729/512", "3/2", "128/81", "27/16", "16/9", "243/128")
)
"""Twelve pitches of a chain of pure fifths from five below the key note to six above it."""

RESONANCE = tuple(Fraction(ratio) for ratio in ("1", "16/15", "9/8", "6/5", "5/4", "4/3", "7/5", "3/2", "8/5", "5/3", "9/5", "15/8"))
"""The small-integer ratio of each interval name."""

RATIOS = {"just": JUST, "pythagorean": PYTHAGOREAN, "resonance": RESONANCE}
_RATIO = re.compile(r"([0-9]{1,40})(?:[:/]([0-9]{1,40}))?")
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
        Tuning(
            "harmonic",
            "The harmonic series over the key note: its harmonics up to 2n and their octaves, those from n to 2n in every octave. "
            "The key note has its pitch of equal temperament.",
            parameters=(HARMONICS,),
        ),
        Tuning(
            CUSTOM,
            f"Up to {MOST_DEGREES} degrees of your own, rising above 1/1: numbers are cents, text is a ratio such as 3/2; the last is the "
            "period at which they repeat. Scala files (.scl, .kbm) give them too. A scale takes the nearest pitches; of a period more than "
            "50 cents from the octave it takes all.",
            parameters=(ROOT_HZ,),
        ),
    )
}


def degree_cents(degree: Degree) -> float:
    """A degree in cents above the key note."""
    return cents(1.0, float(degree)) if isinstance(degree, Fraction) else degree


def factor(degree: Degree) -> float:
    """A degree as a ratio of frequencies."""
    return float(degree) if isinstance(degree, Fraction) else float(2.0 ** (degree / 1200.0))


def spelled(degree: Degree) -> float | str:
    """A degree as JSON: cents as a number, a ratio as text."""
    return f"{degree.numerator}/{degree.denominator}" if isinstance(degree, Fraction) else degree


def read_degrees(given: Any) -> tuple[Degree, ...]:
    """The degrees of a custom tuning above 1/1, the period last. Raises EngineError, telling which is wrong."""
    if not isinstance(given, Sequence) or isinstance(given, str) or not 1 <= len(given) <= MOST_DEGREES:
        raise EngineError(f"Must be 1 to {MOST_DEGREES} degrees above 1/1, the last of them the period.", "tuning.degrees")
    degrees = tuple(_degree(one, place) for place, one in enumerate(given, 1))
    sizes = [0.0, *(degree_cents(degree) for degree in degrees)]
    for place, (low, high) in enumerate(itertools.pairwise(sizes), 1):
        if not high - low >= LEAST_CENTS * (1.0 - _ROUNDING_CENTS):
            raise EngineError(
                f"Degree {place} is {high:.9g} cents; degrees must rise from 0 by at least {LEAST_CENTS:g} cents each.", "tuning.degrees"
            )
        if high > MOST_CENTS:
            raise OutOfRange(f"Degree {place} must be in the range {LEAST_CENTS:g} to {MOST_CENTS:g} cents.", "tuning.degrees")
    return degrees


def _degree(given: Any, place: int) -> Degree:
    if isinstance(given, int | float) and not isinstance(given, bool):
        if not abs(given) <= MOST_CENTS:
            raise OutOfRange(f"Degree {place} must be in the range {LEAST_CENTS:g} to {MOST_CENTS:g} cents.", "tuning.degrees")
        return float(given)
    match = _RATIO.fullmatch(given.strip()) if isinstance(given, str) else None
    if not match or int(match[1]) == 0 or int(match[2] or 1) == 0:
        raise EngineError(f"Degree {place} must be a number of cents, or a ratio as text such as 3/2.", "tuning.degrees")
    return Fraction(int(match[1]), int(match[2] or 1))


def degrees_of(tuning: Mapping[str, Any]) -> tuple[Degree, ...]:
    """Every pitch of a tuning above the key note, up to and with its period. Raises EngineError naming the field."""
    name = tuning.get("type")
    if name == CUSTOM:
        return read_degrees(tuning.get("degrees"))
    if name in RATIOS:
        return *RATIOS[name][1:], Fraction(2)
    if name == "harmonic":
        first = whole(tuning, HARMONICS)
        return tuple(Fraction(harmonic, first) for harmonic in range(first + 1, 2 * first + 1))
    divisions = whole(tuning, DIVISIONS)
    return *(1200.0 * step / divisions for step in range(1, divisions)), Fraction(2)


def whole(tuning: Mapping[str, Any], quantity: Quantity) -> int:
    """A parameter of a tuning that counts something; its default where it is absent."""
    given = tuning.get(quantity.name.removeprefix("tuning."))
    if given is None:
        return int(quantity.default or 0)
    if isinstance(given, bool) or given != int(given):
        raise EngineError("Must be a whole number.", quantity.name)
    return int(quantity.check(given))


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

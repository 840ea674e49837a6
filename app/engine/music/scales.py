"""Scales: steps above the key note, in cents of equal temperament."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.engine.errors import EngineError

CUSTOM = "custom"
_MOST_DEGREES = 72


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale that repeats at the octave; `semitones` rise from 0, the key note."""

    name: str
    semitones: tuple[int, ...]
    description: str

    @property
    def cents(self) -> tuple[float, ...]:
        """The degrees in cents above the key note."""
        return tuple(100.0 * step for step in self.semitones)

    def describe(self) -> dict[str, Any]:
        """The scale as served."""
        return {"name": self.name, "semitones": list(self.semitones), "cents": list(self.cents), "description": self.description}


def _by_name(*scales: Scale) -> dict[str, Scale]:
    return {scale.name: scale for scale in scales}


SCALES: dict[str, Scale] = _by_name(
    Scale("major", (0, 2, 4, 5, 7, 9, 11), "Major, or Ionian: two tetrachords of tone, tone, semitone."),
    Scale("natural_minor", (0, 2, 3, 5, 7, 8, 10), "Natural minor, or Aeolian."),
    Scale("harmonic_minor", (0, 2, 3, 5, 7, 8, 11), "Natural minor with a raised seventh, the leading note."),
    Scale("melodic_minor", (0, 2, 3, 5, 7, 9, 11), "Minor with raised sixth and seventh, as when it rises."),
    Scale("dorian", (0, 2, 3, 5, 7, 9, 10), "Natural minor with a raised sixth."),
    Scale("phrygian", (0, 1, 3, 5, 7, 8, 10), "Natural minor with a lowered second."),
    Scale("lydian", (0, 2, 4, 6, 7, 9, 11), "Major with a raised fourth."),
    Scale("mixolydian", (0, 2, 4, 5, 7, 9, 10), "Major with a lowered seventh."),
    Scale("locrian", (0, 1, 3, 5, 6, 8, 10), "Natural minor with lowered second and fifth."),
    Scale("major_pentatonic", (0, 2, 4, 7, 9), "Five notes without a semitone, with a major third."),
    Scale("minor_pentatonic", (0, 3, 5, 7, 10), "Five notes without a semitone, with a minor third."),
    Scale("blues", (0, 3, 5, 6, 7, 10), "Minor pentatonic with the lowered fifth."),
    Scale("whole_tone", (0, 2, 4, 6, 8, 10), "Six equal steps of a tone."),
    Scale("chromatic", tuple(range(12)), "All twelve semitones."),
)


def scale_cents(scale: str, custom: Sequence[float] | None = None) -> tuple[float, ...]:
    """The degrees of a scale in cents above the key note, rising from 0 and below 1200.

    `custom` holds them for the scale `custom` alone. Raises EngineError for an unknown scale or wrong cents.
    """
    if scale == CUSTOM:
        return _checked(custom)
    if custom is not None:
        raise EngineError("Only the scale custom takes cents of its own.", "scale_cents")
    if scale not in SCALES:
        raise EngineError(f"Must be one of {', '.join([*SCALES, CUSTOM])}.", "scale")
    return SCALES[scale].cents


def _checked(degrees: Sequence[float] | None) -> tuple[float, ...]:
    steps = tuple(float(step) for step in degrees or ())
    rising = all(low < high for low, high in itertools.pairwise(steps))
    if not (steps and steps[0] == 0.0 and rising and steps[-1] < 1200.0 and len(steps) <= _MOST_DEGREES):
        raise EngineError(f"Must be 1 to {_MOST_DEGREES} cents that start at 0, rise, and stay below 1200.", "scale_cents")
    return steps

"""Strokes: struck notes before they are tuned, their places on the grid, and the merging of those too close to tell apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.engine.music.grid import Grid

# Notes exactly 1/n apart may come out a rounding error closer.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Stroke:
    """A note before tuning.

    `t_s` and `duration_s` in score seconds, `hz` the physical pitch, `power` the square of the amplitude. `proportional` says that
    the pitch is proportional to the frequency that the provenance's value is or is the period of.
    """

    t_s: float
    duration_s: float
    hz: float
    power: float
    pan: float
    brightness: float | None
    provenance: Mapping[str, Any]
    proportional: bool = False


def on_grid(strokes: Iterable[Stroke], grid: Grid | None, duration_s: float, origin_s: float = 0.0) -> list[Stroke]:
    """Strokes moved to the nearest grid line before the end, of two equally near to the earlier; as they are without a grid.

    Times count from `origin_s` on the grid; no stroke moves to before it.
    """
    if grid is None:
        return list(strokes)
    first, last = grid.first_from(origin_s), grid.first_from(origin_s + duration_s) - 1

    def moved(stroke: Stroke) -> Stroke:
        line = min(grid.nearest(origin_s + stroke.t_s), last)
        return replace(stroke, t_s=max(grid.at(max(line, first)) - origin_s, 0.0))

    return [moved(stroke) for stroke in strokes]


def merged(strokes: Iterable[Stroke], sounding: Callable[[float], float], most_per_second: float) -> tuple[list[Stroke], int]:
    """The strokes of one voice that are kept, in order of time and pitch, and how many were merged into them.

    A stroke closer than 1/n after the last kept one is merged into it: the kept one has time and pitch of the first and the
    summed power. Strokes of several bodies and pitches at one instant are a chord; after a chord of k notes the next may follow
    k/n later, so that a voice never has more than n notes per second.
    """
    kept: list[Stroke] = []
    chord: list[int] = []
    count = 0
    for stroke in sorted(strokes, key=lambda one: (one.t_s, sounding(one.hz))):
        alike = next((place for place in chord if _alike(kept[place], stroke, sounding)), None)
        since = stroke.t_s - kept[chord[0]].t_s if chord else math.inf
        if since >= len(chord) / most_per_second - _ROUNDING:
            chord = []
        elif since > 0.0 or alike is not None or len(chord) + 1 > most_per_second:
            place = chord[0] if alike is None else alike
            kept[place] = replace(kept[place], power=kept[place].power + stroke.power)
            count += 1
            continue
        chord.append(len(kept))
        kept.append(stroke)
    return kept, count


def _alike(one: Stroke, other: Stroke, sounding: Callable[[float], float]) -> bool:
    """Whether two strokes would be one note of a chord: they are of one body, or sound one pitch."""
    return one.provenance["body_id"] == other.provenance["body_id"] or sounding(one.hz) == sounding(other.hz)

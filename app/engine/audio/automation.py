"""Automation: gain and place of a voice that move with the score."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.catalogue import VOICE
from app.engine.errors import EngineError, OutOfRange
from app.engine.quantity import Quantity

AUTOMATED = ("gain_db", "pan")
AUTOMATION_CURVES = ("linear", "step")
MOST_POINTS = 1000
MOMENT = Quantity("t_s", "t", "s", 0, 600, None, "A moment of the scene, in score seconds.", "chosen for this service")

_RATE = 200


@dataclass(frozen=True)
class Lane:
    """A voice's setting as it moves: `values` at 200 per score second from 0, linear between them, the last one held.

    `moments` are those of its points in s. In a loop of `turn_s` it starts again with every turn.
    """

    values: NDArray[np.float64]
    moments: NDArray[np.float64]
    turn_s: float = math.inf

    def at(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values at score seconds (n,)."""
        inside = np.mod(times_s, self.turn_s) if math.isfinite(self.turn_s) else times_s
        found: NDArray[np.float64] = np.interp(inside * _RATE, np.arange(len(self.values)), self.values)
        return found


def lanes(given: Sequence[Mapping[str, Any]], field: str, turn_s: float = math.inf) -> dict[str, Lane]:
    """The lanes of a voice by what they move; gains are linear. Raises EngineError naming the field, under `field`."""
    found: dict[str, Lane] = {}
    for place, lane in enumerate(given):
        target, curve, path = lane.get("target"), lane.get("curve", "linear"), f"{field}.{place}"
        if target not in AUTOMATED:
            raise EngineError(f"Must be one of {', '.join(AUTOMATED)}.", f"{path}.target")
        if target in found:
            raise EngineError(f"There may be one lane for {target}.", f"{path}.target")
        if curve not in AUTOMATION_CURVES:
            raise EngineError(f"Must be one of {', '.join(AUTOMATION_CURVES)}.", f"{path}.curve")
        times, values = _points(lane.get("points") or [], VOICE[target], f"{path}.points")
        grid = np.arange(math.ceil(times[-1] * _RATE) + 1) / _RATE
        if curve == "linear":
            sampled = np.interp(grid, times, values)
        else:
            sampled = values[np.maximum(np.searchsorted(times, grid, side="right") - 1, 0)]
        found[target] = Lane(10 ** (sampled / 20) if target == "gain_db" else sampled, times, turn_s)
    return found


def _points(points: Sequence[Mapping[str, Any]], quantity: Quantity, field: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not 1 <= len(points) <= MOST_POINTS:
        raise OutOfRange(f"There must be 1 to {MOST_POINTS} points.", field)
    times = [MOMENT.read(point["t_s"], f"{field}.{place}.t_s") for place, point in enumerate(points)]
    values = [quantity.read(point["value"], f"{field}.{place}.value") for place, point in enumerate(points)]
    for place, (before, after) in enumerate(itertools.pairwise(times), start=1):
        if after <= before:
            raise EngineError("Must be after the point before.", f"{field}.{place}.t_s")
    return np.array(times), np.array(values)

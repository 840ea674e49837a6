"""The grid of time: evenly spaced lines, of which swing delays every second one."""

from __future__ import annotations

import math
from dataclasses import dataclass

# A time meant to be that of a line may come out a rounding error later.
_ROUNDING_STEPS = 1e-9

STRAIGHT = 0.5
"""The swing of even steps."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Lines `step_s` apart from 0 on; `swing` is the share of a pair of steps that the first of them takes, 0.5 in straight time.

    Line 2p lies at 2p steps and line 2p + 1 at 2(p + swing).
    """

    step_s: float
    swing: float = STRAIGHT

    def at(self, line: int) -> float:
        """The time of a line in s."""
        return (line - 1 + 2.0 * self.swing if line % 2 else line) * self.step_s

    def nearest(self, time_s: float) -> int:
        """The line nearest to a time; of two equally near, the earlier."""
        pair, inside = self._within(time_s)
        return 2 * pair + (inside > self.swing) + (inside > self.swing + 1.0)

    def first_from(self, time_s: float) -> int:
        """The first line at a time or after it."""
        pair, inside = self._within(time_s)
        return 2 * pair + (inside > _ROUNDING_STEPS) + (inside > 2.0 * self.swing + _ROUNDING_STEPS)

    def _within(self, time_s: float) -> tuple[int, float]:
        """The pair of steps that a time lies in, and how many steps in."""
        steps = time_s / self.step_s
        pair = math.floor(steps / 2.0)
        return pair, steps - 2.0 * pair

"""The motion between the steps of an integrator: quintic Hermite polynomials through place, velocity and acceleration at both ends.

Their error is (h w)^6 / 46,080 of the radius for a circle that is turned through by h w in a step (Hildebrand 1974, Introduction to
Numerical Analysis, section 8.2): at 50 steps per turn 1e-10, far below that of the steps themselves. The acceleration is their second
derivative, off by (h w)^4 / 1,920: 1.3e-7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_AT_ONCE = 100_000


@dataclass(frozen=True)
class SteppedMotion:
    """Motion in equal steps of `step` s from 0; after the last one every body stays where it is.

    `states` (S + 1, N, 9) holds position (m), velocity (m/s) and acceleration (m/s^2) of each body at the ends of the S >= 1 steps.
    `end` is the simulated time (s) up to which the motion holds.
    """

    states: Array
    step: float
    end: float

    def columns(self) -> dict[str, Any]:
        """All that it is made of."""
        return {"states": self.states, "step": self.step, "end": self.end}

    @classmethod
    def of_columns(cls, columns: Mapping[str, NDArray[Any]]) -> SteppedMotion:
        """The motion that gave `columns`."""
        return cls(columns["states"], float(columns["step"]), float(columns["end"]))

    def at(self, times: Array) -> tuple[Array, Array]:
        """Positions (m) and velocities (m/s), (T, N, 3), at simulated times (T,)."""
        times = np.asarray(times, dtype=np.float64)
        shape = (len(times), self.states.shape[1], 3)
        positions, velocities = np.empty(shape), np.empty(shape)
        for part in self._parts(times):
            row, s = self._place(times[part])
            positions[part], velocities[part], _ = self._between(self.states[row], self.states[row + 1], s[:, None, None])
            velocities[part][times[part] > self.end] = 0.0
        return positions, velocities

    def acceleration(self, times: Array) -> Array:
        """Accelerations (T, N, 3), m/s^2, at simulated times (T,)."""
        times = np.asarray(times, dtype=np.float64)
        found = np.empty((len(times), self.states.shape[1], 3))
        for part in self._parts(times):
            row, s = self._place(times[part])
            found[part] = self._between(self.states[row], self.states[row + 1], s[:, None, None])[2]
            found[part][times[part] > self.end] = 0.0
        return found

    def of(self, body: int, row: Integers, s: Array) -> tuple[Array, Array]:
        """Position and velocity (n, 3) of one body at the fractions `s` (n,), 0 to 1, of the steps that begin at rows `row` (n,)."""
        position, velocity, _ = self._between(self.states[row, body], self.states[row + 1, body], s[:, None])
        return position, velocity

    def _parts(self, times: Array) -> list[slice]:
        size = max(_AT_ONCE // self.states.shape[1], 1)
        return [slice(first, first + size) for first in range(0, len(times), size)]

    def _place(self, times: Array) -> tuple[Integers, Array]:
        """The row at which the step of each time begins, and how far into the step it is."""
        steps = np.clip(times, 0.0, self.end) / self.step
        rows = np.minimum(np.floor(steps), len(self.states) - 2).astype(np.int64)
        return rows, np.minimum(steps - rows, 1.0)

    def _between(self, before: Array, after: Array, s: Array) -> tuple[Array, Array, Array]:
        h = self.step
        x, v, a = before[..., 0:3], h * before[..., 3:6], 0.5 * h * h * before[..., 6:9]
        dx = after[..., 0:3] - x - v - a
        dv = h * after[..., 3:6] - v - 2.0 * a
        da = 0.5 * h * h * after[..., 6:9] - a
        c3, c4, c5 = 10.0 * dx - 4.0 * dv + da, -15.0 * dx + 7.0 * dv - 2.0 * da, 6.0 * dx - 3.0 * dv + da
        position = x + s * (v + s * (a + s * (c3 + s * (c4 + s * c5))))
        velocity = before[..., 3:6] + s * (2.0 * a + s * (3.0 * c3 + s * (4.0 * c4 + s * (5.0 * c5)))) / h
        acceleration = (2.0 * a + s * (6.0 * c3 + s * (12.0 * c4 + s * (20.0 * c5)))) / (h * h)
        return position, velocity, acceleration

"""The motion between the steps of an integrator: Hermite polynomials through place, velocity and acceleration at up to four moments.

Between two moments the polynomial goes also through the ones before and after, where the motion is smooth there: of degree 11, its error is
(h w)^12 / 2.7e9 of the radius for a circle that is turned through by h w in a step (Hildebrand 1974, Introduction to Numerical Analysis,
section 8.2), far below that of the steps. Velocity and acceleration are its derivatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_NODES = 4
_AT_ONCE = 20_000


@dataclass(frozen=True)
class PiecewiseMotion:
    """Motion in pieces, each of them smooth; after the last one every body stays where it is.

    `times` (R,) are simulated seconds that do not decrease, `states` (R, N, 9) position (m), velocity (m/s) and acceleration (m/s^2)
    of each body then. Piece p begins at row `first[p]` and has two rows or more; it ends at the time at which the next one begins.
    `end` is the simulated time (s) up to which the motion holds.
    """

    times: Array
    states: Array
    first: Integers
    end: float

    def columns(self) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
        """All of it as arrays, from which `of_columns` makes it again."""
        return {"times": self.times, "states": self.states, "first": self.first, "end": np.array([self.end])}

    @classmethod
    def of_columns(cls, columns: Mapping[str, NDArray[np.float64] | NDArray[np.int64]]) -> Self:
        """The motion whose `columns` these are."""
        return cls(
            columns["times"].astype(np.float64),
            columns["states"].astype(np.float64),
            columns["first"].astype(np.int64),
            float(columns["end"][0]),
        )

    def at(self, times: Array) -> tuple[Array, Array]:
        """Positions (m) and velocities (m/s), (T, N, 3), at simulated times (T,)."""
        positions, velocities, _ = self._read(times)
        return positions, velocities

    def acceleration(self, times: Array) -> Array:
        """Accelerations (T, N, 3), m/s^2, at simulated times (T,)."""
        return self._read(times)[2]

    def _read(self, times: Array) -> tuple[Array, Array, Array]:
        times = np.asarray(times, dtype=np.float64)
        found = np.empty((3, len(times), self.states.shape[1], 3))
        held = np.clip(times, self.times[0], self.end)
        rows = np.searchsorted(self.times, held, side="right") - 1
        pieces = np.searchsorted(self.first, rows, side="right") - 1
        final = np.append(self.first[1:], len(self.times))[pieces] - 1
        rows = np.minimum(rows, final - 1)
        nodes = np.minimum(final - self.first[pieces] + 1, _NODES)
        low = np.clip(rows - 1, self.first[pieces], final - nodes + 1)
        size = max(_AT_ONCE // max(self.states.shape[1], 1), 1)
        for count in range(2, _NODES + 1):
            alike = np.flatnonzero(nodes == count)
            for start in range(0, len(alike), size):
                part = alike[start : start + size]
                found[:, part] = self._between(held[part], rows[part], low[part], count)
        late = times > self.end
        found[1:, late] = 0.0
        return found[0], found[1], found[2]

    def _between(self, times: Array, rows: Integers, low: Integers, count: int) -> Array:
        """Position, velocity and acceleration (3, n, N, 3) by the polynomials through `count` rows from `low` on."""
        began, h = self.times[rows], self.times[rows + 1] - self.times[rows]
        places = [((self.times[low + node] - began) / h)[:, None, None] for node in range(count)]
        scale = h[:, None, None]
        base = self.states[rows, :, 0:3]
        x = [self.states[low + node, :, 0:3] - base for node in range(count)]
        v = [self.states[low + node, :, 3:6] * scale for node in range(count)]
        a = [self.states[low + node, :, 6:9] * (0.5 * scale * scale) for node in range(count)]
        own = [node for node in range(count) for _ in range(3)]
        column = [x[node] for node in own]
        terms = [column[0]]
        for order in range(1, len(own)):
            following = []
            for at in range(len(own) - order):
                left, right = own[at], own[at + order]
                if left == right:
                    following.append(v[left] if order == 1 else a[left])
                else:
                    following.append((column[at + 1] - column[at]) / (places[right] - places[left]))
            column = following
            terms.append(column[0])
        s = ((times - began) / h)[:, None, None]
        value, slope, bend = terms[-1], np.zeros_like(base), np.zeros_like(base)
        for order in range(len(own) - 2, -1, -1):
            away = s - places[own[order]]
            bend = bend * away + 2.0 * slope
            slope = slope * away + value
            value = value * away + terms[order]
        return np.stack([base + value, slope / scale, bend / (scale * scale)])

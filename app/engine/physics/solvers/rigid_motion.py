"""The motion of rigid bodies between what a run keeps: frames at equal times, and the moments at which a body was hit.

Between two of them the motion is the cubic through places and velocities at both ends (Hermite), so that uniform acceleration is exact. At
a hit the velocity has two values, that before and that after it: no piece of the motion goes through what the body met.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-14
"""What times of frames may be off, in lengths of the run."""

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

WIDTH = 6
"""Columns of a frame: x, y (m), angle (rad) of the centre of mass, their rates (m/s, rad/s)."""

HIT_WIDTH = 10
"""Columns of a hit: time (s), then x, y, angle, their rates before it, their rates after it."""


@dataclass(frozen=True)
class RigidMotion:
    """Motion in the plane z = 0; after `end` every body stays where it is.

    Attributes
    ----------
    frames : float64 (F + 1, N, 6), at equal times from 0 to `end`, F >= 1
    hits : float64 (H, 10), in order of body, then time
    first : int64 (N + 1,), where each body's hits begin
    centres : float64 (N, 2), m, each body's centre of mass as seen from its position in its own axes
    end : simulated s
    """

    frames: Array
    hits: Array
    first: Integers
    centres: Array
    end: float

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """All that the motion is, as arrays by name."""
        return {
            "frames": self.frames, "hits": self.hits, "first": self.first, "centres": self.centres, "end": np.array([self.end]),
        }  # fmt: skip

    @classmethod
    def of_columns(cls, columns: Mapping[str, NDArray[Any]]) -> RigidMotion:
        """The motion of such arrays."""
        floats = {name: np.asarray(columns[name], dtype=np.float64) for name in ("frames", "hits", "centres", "end")}
        return cls(
            floats["frames"], floats["hits"], np.asarray(columns["first"], dtype=np.int64), floats["centres"], float(floats["end"][0])
        )

    def at(self, times: Array) -> tuple[Array, Array]:
        """Positions (m) and velocities (m/s), (T, N, 3), at simulated times (T,)."""
        times = np.asarray(times, dtype=np.float64)
        shape = (len(times), self.frames.shape[1], 3)
        positions, velocities = np.zeros(shape), np.zeros(shape)
        rows = self._on_frames(times)
        if rows is not None and not self.centres.any():
            frames = self._frames(rows)
            for axis in range(2):  # one at a time: numpy is slow with short rows
                positions[:, :, axis], velocities[:, :, axis] = frames[:, :, axis], frames[:, :, 3 + axis]
            velocities[times > self.end] = 0.0
            return positions, velocities
        for body in range(shape[1]):
            place, rate, _ = self._of(body, times)
            self._to_position(body, place, rate)
            positions[:, body, :2], velocities[:, body, :2] = place[:, :2], rate[:, :2]
        return positions, velocities

    def acceleration(self, times: Array) -> Array:
        """Accelerations of the centres of mass (T, N, 3), m/s^2, at simulated times (T,)."""
        times = np.asarray(times, dtype=np.float64)
        found = np.zeros((len(times), self.frames.shape[1], 3))
        for body in range(found.shape[1]):
            found[:, body, :2] = self._of(body, times)[2][:, :2]
        return found

    def turned(self, times: Array) -> tuple[Array, Array]:
        """Angles (T, N) in rad, not wrapped, and rates (T, N) in rad/s, at simulated times (T,)."""
        times = np.asarray(times, dtype=np.float64)
        rows = self._on_frames(times)
        if rows is not None:
            frames = self._frames(rows)
            return frames[:, :, 2].copy(), np.where((times > self.end)[:, None], 0.0, frames[:, :, 5])
        angles, rates = (np.zeros((len(times), self.frames.shape[1])) for _ in range(2))
        for body in range(angles.shape[1]):
            place, rate, _ = self._of(body, times)
            angles[:, body], rates[:, body] = place[:, 2], rate[:, 2]
        return angles, rates

    def _on_frames(self, times: Array) -> Integers | None:
        """The frames at the times when each is the time of a frame but for rounding, else None."""
        count = len(self.frames) - 1
        places = np.clip(times, 0.0, self.end) * (count / self.end)
        rows = np.rint(places)
        return rows.astype(np.int64) if np.all(np.abs(places - rows) < _ROUNDING * count) else None

    def _frames(self, rows: Integers) -> Array:
        """Frames by their numbers, without a copy when these are all."""
        return self.frames if np.array_equal(rows, np.arange(len(self.frames))) else self.frames[rows]

    def _to_position(self, body: int, place: Array, rate: Array) -> None:
        """Turn places and rates of the centre of mass into those of the body's position."""
        x, y = self.centres[body].tolist()
        if x == 0 and y == 0:
            return
        cos, sin = np.cos(place[:, 2]), np.sin(place[:, 2])
        lever = np.stack([cos * x - sin * y, sin * x + cos * y], axis=1)
        place[:, :2] -= lever
        rate[:, 0] += rate[:, 2] * lever[:, 1]
        rate[:, 1] -= rate[:, 2] * lever[:, 0]

    def _of(self, body: int, times: Array) -> tuple[Array, Array, Array]:
        """Place, rate and acceleration (T, 3) of one body's centre of mass and angle."""
        count = len(self.frames) - 1
        step, clipped = self.end / count, np.clip(times, 0.0, self.end)
        row = np.minimum(np.floor(clipped / step), count - 1).astype(np.int64)
        start, stop = row * step, (row + 1) * step
        before, after = self.frames[row, body], self.frames[row + 1, body]
        hits = self.hits[self.first[body] : self.first[body + 1]]
        if len(hits):
            last = np.searchsorted(hits[:, 0], clipped, side="right") - 1
            left, right = hits[np.maximum(last, 0)], hits[np.minimum(last + 1, len(hits) - 1)]
            begun = (last >= 0) & (left[:, 0] >= start)
            before = np.where(begun[:, None], left[:, (1, 2, 3, 7, 8, 9)], before)
            start = np.where(begun, left[:, 0], start)
            ended = (last + 1 < len(hits)) & (right[:, 0] <= stop)
            after = np.where(ended[:, None], right[:, 1:7], after)
            stop = np.where(ended, right[:, 0], stop)
        place, rate, pull = _between(before, after, clipped - start, stop - start)
        rate[times > self.end] = 0.0
        pull[times > self.end] = 0.0
        return place, rate, pull


def _between(before: Array, after: Array, t: Array, h: Array) -> tuple[Array, Array, Array]:
    """The cubic through two states (T, 6) that are `h` s apart, `t` s after the first."""
    h = np.where(h > 0, h, 1.0)[:, None]
    s = np.minimum(t[:, None] / h, 1.0)
    x, v, w = before[:, :3], h * before[:, 3:], h * after[:, 3:]
    gap = after[:, :3] - x
    square, cube = 3.0 * gap - 2.0 * v - w, v + w - 2.0 * gap
    place = x + s * (v + s * (square + s * cube))
    rate = (v + s * (2.0 * square + 3.0 * s * cube)) / h
    return place, rate, (2.0 * square + 6.0 * s * cube) / (h * h)

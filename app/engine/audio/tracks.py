"""Tracks: how pitch, level and place of a continuous note move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.engine.music.score import Note


@dataclass(frozen=True)
class Track:
    """Values at `rate` per score second from the note's start, linear between them, the last one held.

    Attributes
    ----------
    hz, gain_db, pan : float64 (k,), the note's own value where the track has none
    """

    rate: float
    hz: NDArray[np.float64]
    gain_db: NDArray[np.float64]
    pan: NDArray[np.float64]

    @classmethod
    def of(cls, note: Note) -> Track:
        """The track of a note; a note without one holds its pitch."""
        given = {"rate": 1.0, "hz": note.hz, "gain_db": 0.0, "pan": note.pan} | dict(note.track or {})
        columns = (np.asarray(given[name], dtype=np.float64).reshape(-1) for name in ("hz", "gain_db", "pan"))
        return cls(float(given["rate"]), *columns)

    @property
    def still(self) -> bool:
        """Whether nothing moves."""
        return all(len(column) == 1 or bool((column == column[0]).all()) for column in (self.hz, self.gain_db, self.pan))

    def hz_at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pitch in Hz at `times` (n,), s after the start."""
        return _between(self.hz, times * self.rate)

    def gain_at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Linear gain at `times` (n,): linear between the values, as amplitudes are."""
        return _between(10 ** (self.gain_db / 20), times * self.rate)

    def pan_at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Place, -1 to 1, at `times` (n,)."""
        return _between(self.pan, times * self.rate)

    def cycles_at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """The integral of the pitch from the start to `times` (n,), in cycles: exact for a piecewise linear pitch."""
        return _integral(self.hz, times * self.rate) / self.rate


def _between(column: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(column) == 1:
        return np.full(len(places), column[0])
    between: NDArray[np.float64] = np.interp(places, np.arange(len(column)), column)
    return between


def _integral(column: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral from 0 to `places` (n,) of the values at 0, 1, 2, ..., linear between them and the last one held."""
    if len(column) == 1:
        return float(column[0]) * places
    before = np.concatenate(([0.0], np.cumsum(0.5 * (column[1:] + column[:-1]))))
    step = np.concatenate((np.diff(column), [0.0]))
    knot = np.minimum(places.astype(np.int64), len(column) - 1)
    past = places - knot
    area: NDArray[np.float64] = before[knot] + past * (column[knot] + 0.5 * step[knot] * past)
    return area

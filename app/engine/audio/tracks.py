"""Tracks: how pitch, level and place of a continuous note move, and the strikes of one that repeats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

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
        track = note.track or {"rate": 1.0}
        return cls(
            float(track["rate"]), *(values(track, name, held) for name, held in (("hz", note.hz), ("gain_db", 0.0), ("pan", note.pan)))
        )

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
        return integral(self.hz, times * self.rate) / self.rate


def values(track: Mapping[str, Any], name: str, held: float) -> NDArray[np.float64]:
    """The column `name` of a note's track; a single `held` value where it has none."""
    given = track.get(name)
    return np.array([held] if given is None else given, dtype=np.float64).reshape(-1)


def _between(column: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(column) == 1:
        return np.full(len(places), column[0])
    between: NDArray[np.float64] = np.interp(places, np.arange(len(column)), column)
    return between


def integral(column: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral from 0 to `places` (n,) of the values at 0, 1, 2, ..., linear between them and the last one held."""
    if len(column) == 1:
        return float(column[0]) * places
    before = np.concatenate(([0.0], np.cumsum(0.5 * (column[1:] + column[:-1]))))
    step = np.concatenate((np.diff(column), [0.0]))
    knot = np.minimum(places.astype(np.int64), len(column) - 1)
    past = places - knot
    area: NDArray[np.float64] = before[knot] + past * (column[knot] + 0.5 * step[knot] * past)
    return area


def strikes(note: Note) -> Iterator[Note]:
    """The notes that a continuous note with a `rate_hz` track strikes.

    One at the start and one each time the integral of the rate passes a whole number; each lasts until the next.
    """
    track = Track.of(note)
    times = _whole_turns(values(note.track or {}, "rate_hz", 0.0) / track.rate, note.duration_s * track.rate) / track.rate
    ends = np.append(times[1:], note.duration_s)
    for time, end, hz, gain, pan in zip(times, ends, track.hz_at(times), track.gain_at(times), track.pan_at(times), strict=True):
        yield replace(
            note,
            t_s=note.t_s + float(time),
            duration_s=float(end - time),
            hz=float(hz),
            amplitude=note.amplitude * float(gain),
            pan=float(pan),
            track=None,
        )


def _whole_turns(rate: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """Places below `length` where the integral of `rate` is 0, 1, 2, ...; rates are turns per place and not negative."""
    knots = np.append(np.arange(min(len(rate), int(np.ceil(length)))), length).astype(np.float64)
    area = integral(rate, knots)
    turns = np.arange(np.floor(area[-1] - 1e-9) + 1)
    span = np.clip(np.searchsorted(area, turns, side="right") - 1, 0, len(knots) - 2)
    start = np.minimum(knots[span].astype(np.int64), len(rate) - 1)
    slope = np.append(np.diff(rate), 0.0)[start] if len(rate) > 1 else np.zeros(len(start))
    wanted = turns - area[span]
    # The root of slope/2 x^2 + rate x = wanted, in the form that neither a flat nor a vanishing rate upsets.
    root = rate[start] + np.sqrt(np.maximum(rate[start] ** 2 + 2 * slope * wanted, 0.0))
    return knots[span] + np.divide(2 * wanted, root, out=np.zeros_like(wanted), where=root > 0)

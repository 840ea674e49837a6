"""Sounds that hold their pitch, level and place: all of them together, as one matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.engine.audio.envelopes import Samples
from app.engine.audio.instruments.partials import powers, sum_of_powers
from app.engine.audio.products import product

_HALF = 96
_GROUP = 64


@dataclass(frozen=True, slots=True)
class Line:
    """The partials of a sound that does not move: Hz, amplitudes and cycles at its start, all (P,); gains of the two channels."""

    hz: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    cycles: NDArray[np.float64]
    gains: tuple[float, float]

    def alone(self, first: int, last: int, sample_rate: int) -> Samples:
        """Samples `first` to `last` before the gains, float32 (last - first,)."""
        return sum_of_powers(
            self.amplitude * _start(self.hz, self.cycles, first / sample_rate), np.exp(2j * np.pi * self.hz / sample_rate), last - first
        )


def _start(hz: NDArray[np.float64], cycles: NDArray[np.float64], time_s: float) -> NDArray[np.complex128]:
    """Complex amplitudes at a time, of which the real part sounds."""
    turned = hz * time_s + cycles
    return np.asarray(-1j * np.exp(2j * np.pi * (turned - np.floor(turned))), dtype=np.complex128)


@dataclass(frozen=True, slots=True)
class Member:
    """A line from sample `start` of the file on, at a level."""

    line: Line
    start: int
    level: float

    @property
    def key(self) -> tuple[int, int, float]:
        """The same for the same line at the same place and level."""
        return id(self.line), self.start, self.level


class Choir:
    """Members whose sum is asked for, in spans of up to `frames` samples.

    A span is cut into blocks of 2 H samples around centres between two samples. With c a partial's value at a centre, its value at k
    samples from there is Re c cos wk - Im c sin wk: the first is even in k and the second odd, so that two real products over the
    partials, for k = 1/2 to H - 1/2, give the even and the odd half of all blocks. Every span starts from exact phases, so that errors
    do not grow.
    """

    def __init__(self, members: Sequence[Member], sample_rate: int, frames: int) -> None:
        self.members = tuple(members)
        self._rate = sample_rate
        hz = np.concatenate([one.line.hz for one in members])
        left, right = (np.concatenate([one.level * one.line.gains[side] * one.line.amplitude for one in members]) for side in (0, 1))
        cycles = np.concatenate([one.line.cycles - one.line.hz * (one.start / sample_rate) for one in members])
        groups = [slice(first, first + _GROUP) for first in range(0, len(hz), _GROUP)]
        rows = -(-frames // (2 * _HALF))
        self._groups = [_Group.of(hz[group], cycles[group], (left[group], right[group]), sample_rate, rows) for group in groups]

    def sings(self, members: Sequence[Member]) -> bool:
        """Whether these are its members."""
        return [one.key for one in members] == [one.key for one in self.members]

    def span(self, first: int, last: int) -> Samples:
        """Samples `first` to `last` of the file, (2, last - first)."""
        blocks = -(-(last - first) // (2 * _HALF))
        out = np.empty((2, blocks, 2 * _HALF), np.float32)
        centre_s = (first + _HALF - 0.5) / self._rate
        halves = self._groups[0].halves_from(centre_s, blocks)
        for group in self._groups[1:]:
            halves += group.halves_from(centre_s, blocks)
        even, odd = halves
        np.subtract(even, odd, out=out[..., _HALF:])
        np.add(even, odd, out=out[..., _HALF - 1 :: -1])
        return out.reshape(2, -1)[:, : last - first]


@dataclass(frozen=True, slots=True)
class _Group:
    """Partials (P,), their tables: cos wk and sin wk for k = 1/2 to H - 1/2 with the gains of a channel, (P, H); z^(2 H r), (rows, P)."""

    hz: NDArray[np.float64]
    cycles: NDArray[np.float64]
    tables: tuple[tuple[Samples, Samples], ...]
    steps: NDArray[np.complex128]

    @classmethod
    def of(
        cls, hz: NDArray[np.float64], cycles: NDArray[np.float64], gains: Sequence[NDArray[np.float64]], sample_rate: int, rows: int
    ) -> _Group:
        """The tables of partials at `hz`."""
        z = np.exp(2j * np.pi * hz / sample_rate)
        table = np.exp(1j * np.pi * hz / sample_rate)[:, None] * powers(z, _HALF)
        tables = tuple(((gain[:, None] * table.real).astype(np.float32), (gain[:, None] * table.imag).astype(np.float32)) for gain in gains)
        return cls(hz, cycles, tables, np.ascontiguousarray(powers(np.exp(4j * np.pi * _HALF * hz / sample_rate), rows).T))

    def halves_from(self, time_s: float, blocks: int) -> Samples:
        """The even and the odd halves, each (2, blocks, H), of what sounds around centres from a time on."""
        centres = _start(self.hz, self.cycles, time_s) * self.steps[:blocks]
        halves = np.empty((2, 2, blocks, _HALF), np.float32)
        for part, waves in enumerate((centres.real.astype(np.float32), centres.imag.astype(np.float32))):
            for side, tables in enumerate(self.tables):
                product(waves, tables[part], out=halves[part, side])
        return halves

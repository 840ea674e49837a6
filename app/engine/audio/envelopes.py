"""How loud a note is from its start to its end."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


@functools.lru_cache(maxsize=256)
def rise(frames: int) -> Samples:
    """A raised cosine from 0 to 1, float32 (frames,); the first value is 0, and 1 follows the last."""
    curve = (0.5 - 0.5 * np.cos(np.pi * np.arange(frames) / max(frames, 1))).astype(np.float32)
    curve.flags.writeable = False
    return curve


@dataclass(frozen=True, slots=True)
class Adsr:
    """Attack, decay and release in s; `sustain` is the level, 0 to 1, between decay and release."""

    attack_s: float
    decay_s: float
    sustain: float
    release_s: float


@dataclass(frozen=True, slots=True)
class Envelope:
    """An ADSR in samples: raised cosines between 0, 1, the sustain level and 0. The release starts at `gate`, from the level reached."""

    attack: int
    decay: int
    sustain: float
    gate: int
    release: int

    @classmethod
    def of(cls, adsr: Adsr, gate: int, sample_rate: int) -> Envelope:
        """The envelope of a note held for `gate` samples."""
        attack, decay, release = (math.ceil(s * sample_rate) for s in (adsr.attack_s, adsr.decay_s, adsr.release_s))
        return cls(attack, decay, adsr.sustain, gate, release)

    @property
    def frames(self) -> int:
        """Samples until the envelope is 0 for good."""
        return self.gate + self.release

    def apply(self, samples: Samples, start: int = 0) -> None:
        """Multiply `samples`, which begin `start` samples after the note does, in place."""
        stop = start + len(samples)
        for first, last, curve in self._segments():
            low, high = max(first, start), min(last, stop)
            if low < high:
                samples[low - start : high - start] *= curve if isinstance(curve, float) else curve[low - first : high - first]

    def level(self, first: int, last: int) -> float | None:
        """The level from sample `first` to `last`, None where it changes."""
        held = self.attack if self.sustain == 1.0 else self.attack + self.decay
        return self.sustain if held <= first and last <= self.gate else None

    def _segments(self) -> Iterator[tuple[int, int, Samples | float]]:
        """(first, last, curve or constant) of each part that is not simply 1."""
        yield 0, min(self.attack, self.gate), rise(self.attack)
        held = self.attack + self.decay
        if self.sustain != 1.0:
            yield self.attack, min(held, self.gate), np.float32(self.sustain) + np.float32(1 - self.sustain) * rise(self.decay)[::-1]
            yield held, self.gate, self.sustain
        yield self.gate, self.frames, np.float32(self._level_at_gate()) * (1 - rise(self.release))

    def _level_at_gate(self) -> float:
        if self.gate < self.attack:
            return float(rise(self.attack)[self.gate])
        if self.gate < self.attack + self.decay:
            return float(self.sustain + (1 - self.sustain) * rise(self.decay)[::-1][self.gate - self.attack])
        return self.sustain

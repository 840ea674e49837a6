"""Recorded sounds, read at any speed without aliases.

A recording is low-passed once, and halved again and again for high speeds; between its samples a sinc under a Kaiser window goes.

References
----------
Smith, Gossett (1984), A flexible sampling-rate conversion method, Proc. ICASSP, 19.4.
Kaiser (1974), Nonrecursive digital filter design using the I0-sinh window function, Proc. ISCAS, 20-23: length for 90 dB.
"""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy
import soundfile
from numpy.typing import NDArray

from app.engine.errors import EngineError, Unsupported

Floats = NDArray[np.float64]

MOST_S = 60.0
"""Longest recording that is played, in s."""

MOST_SPEED = 64.0
"""Most samples of a recording that one sample of sound may pass over."""

_BETA, _REACH, _STEPS, _PHASES = 8.96, 16, 512, 512
_SLOWED = 1.18
_CLEAR_TO = 0.4
_TAPS = 257


@functools.lru_cache(maxsize=1)
def _kernel() -> Floats:
    """A sinc of cut-off 1/2 under a Kaiser window, at 0, 1/512, ... 16 samples from its middle; 90 dB down from 0.59 on."""
    x = np.arange(_REACH * _STEPS + 2) / _STEPS
    window = np.i0(_BETA * np.sqrt(np.maximum(1 - (x / _REACH) ** 2, 0.0))) / np.i0(_BETA)
    table: Floats = np.where(x <= _REACH, np.sinc(x) * window, 0.0)
    table.flags.writeable = False
    return table


@dataclass(frozen=True, eq=False)
class Recording:
    """A recorded sound: float32 (n,), without mean, its highest magnitude 1."""

    samples: NDArray[np.float32]
    sample_rate: int

    @classmethod
    def read(cls, path: Path, sha256: str) -> Recording:
        """The recording in a file, its channels as one. Raises EngineError for another file, for silence, and for one that is too long."""
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise EngineError("It is not the file that it was.")
        with soundfile.SoundFile(path) as file:
            if file.frames > MOST_S * file.samplerate:
                raise Unsupported(f"It lasts {file.frames / file.samplerate:.6g} s; at most {MOST_S:g} s can be played.")
            samples, rate = file.read(dtype="float64", always_2d=True).mean(axis=1), file.samplerate
        return cls.of(samples, rate)

    @classmethod
    def of(cls, samples: Floats, sample_rate: int) -> Recording:
        """The recording of samples (n,). Raises EngineError for silence."""
        level = samples - samples.mean()
        peak = float(np.abs(level).max())
        if peak < 1e-6:
            raise EngineError("It is silent.")
        return cls((level / peak).astype(np.float32), sample_rate)

    @functools.cached_property
    def _levels(self) -> list[Floats]:
        """The recording without what lies above 0.41 of its rate, and the same at a half, a quarter, ... of the rate."""
        levels = [_low_passed(self.samples.astype(np.float64), 0.5 * (_CLEAR_TO - 0.015 + 0.41))]
        for _ in range(int(math.log2(MOST_SPEED)) - 1):
            levels.append(_low_passed(levels[-1], 0.5 * 0.4)[::2])
        return levels

    def at(self, first: float, speed: float, count: int) -> Floats:
        """`count` samples from place `first` on, each `speed` samples after the one before, (count,); 0 outside the recording.

        What aliases is 80 dB down or more.
        """
        number = max(0, math.ceil(math.log2(speed)) - 1)
        level, step = self._levels[number], speed / 2**number
        places = first / 2**number + step * np.arange(count)
        wide = max(1.0, _SLOWED * step)
        reach = math.ceil(_REACH * wide)
        base = np.floor(places).astype(np.int64)
        phase = (places - base) * _PHASES
        cell = phase.astype(np.int64)
        weights, slopes = _phases(wide)
        weight = weights[cell]
        weight += (phase - cell)[:, None] * slopes[cell]
        low, high = int(base[0]) - reach, int(base[-1]) + reach + 1
        heard = np.zeros(high - low)
        inside = slice(min(max(0, low), len(level)), max(0, min(len(level), high)))
        heard[inside.start - low : inside.start - low + max(0, inside.stop - inside.start)] = level[inside]
        weight *= np.lib.stride_tricks.sliding_window_view(heard, 2 * reach)[base - base[0] + 1]
        found: Floats = weight.sum(axis=1)
        return found


@functools.lru_cache(maxsize=8)
def _phases(wide: float) -> tuple[Floats, Floats]:
    """The kernel, `wide` times as wide, at 512 places between two samples, (512, taps), and how it changes to the next of them."""
    reach = math.ceil(_REACH * wide)
    distance = np.abs(np.arange(_PHASES + 1)[:, None] / _PHASES - np.arange(1 - reach, reach + 1)) * (_STEPS / wide)
    cell = np.minimum(distance, _REACH * _STEPS).astype(np.int64)
    table = _kernel()
    weights = (table[cell] + np.minimum(distance - cell, 1.0) * (table[cell + 1] - table[cell])) / wide
    return weights[:-1], np.diff(weights, axis=0)


def _low_passed(samples: Floats, cutoff: float) -> Floats:
    """Samples (n,) without what lies above `cutoff` (a fraction of the rate), in place in time."""
    taps = scipy.signal.firwin(_TAPS, 2 * cutoff, window=("kaiser", _BETA))
    found: Floats = scipy.signal.oaconvolve(samples, taps)[_TAPS // 2 : _TAPS // 2 + len(samples)]
    return found

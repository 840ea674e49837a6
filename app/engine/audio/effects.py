"""What the whole mix goes through: DC blocker, true-peak limiter and the fade at the end.

Each takes planar chunks (2, n) float32 one after another and carries its state, so the size of the chunks does not matter.
"""

from __future__ import annotations

import math

import numpy as np
import scipy
from numpy.typing import NDArray

from app.engine.audio.envelopes import rise
from app.engine.audio.meters import TAPS, interpolated_peak

Samples = NDArray[np.float32]

_BLOCKER_HZ = 10.0
_LOOK_AHEAD_S = 0.006
_MARGIN_DB = 0.3


class DcBlocker:
    """A first-order high pass at 10 Hz."""

    def __init__(self, sample_rate: int) -> None:
        self._b, self._a = scipy.signal.butter(1, _BLOCKER_HZ, "highpass", fs=sample_rate)
        self._state = np.zeros((2, 1))

    def process(self, chunk: Samples) -> Samples:
        """The chunk without its offset."""
        # In double precision: the pole is so near 1 that single precision would add an offset of its own.
        out, self._state = scipy.signal.lfilter(self._b, self._a, chunk.astype(np.float64), axis=1, zi=self._state)
        blocked: Samples = out.astype(np.float32)
        return blocked


def blocker_gain(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the DC blocker makes of amplitudes at `hz` (n,), as the analogue filter does."""
    gain: NDArray[np.float64] = hz / np.hypot(hz, _BLOCKER_HZ)
    return gain


class Limiter:
    """A true-peak limiter with look-ahead.

    The gain each place needs is held over a window (minimum filter) and then smoothed by a window as long, so the gain
    is where it must be before the peak comes. The inner ceiling is 0.3 dB below the asked one, because the gain changes between samples.
    """

    def __init__(self, sample_rate: int, ceiling_db: float) -> None:
        self._ceiling = 10 ** ((ceiling_db - _MARGIN_DB) / 20)
        self._half = max(1, math.ceil(_LOOK_AHEAD_S * sample_rate))
        self._context = 2 * self._half + TAPS
        self._held = np.zeros((2, self._context), np.float32)

    def process(self, chunk: Samples) -> Samples:
        """What is decided so far: as much as came in, later by the look-ahead; less at the start."""
        held = np.concatenate((self._held, chunk), axis=1)
        decided = held.shape[1] - self._context
        if decided <= self._context:
            self._held = held
            return held[:, :0]
        self._held = held[:, decided - self._context :]
        now = held[:, self._context : decided]
        gain = self._gain(held)
        return now if gain is None else now * gain

    def finish(self) -> Samples:
        """The rest, with silence after it."""
        return self.process(np.zeros((2, self._context), np.float32))

    def _gain(self, held: Samples) -> Samples | None:
        """Gain of the decided places, float32 (n,); None where it is 1 throughout."""
        peak = np.abs(held).max(axis=0)
        for channel in held:
            between = interpolated_peak(channel, self._ceiling)
            # A value between two samples counts for both of them.
            for place in (TAPS // 2 - 1, TAPS // 2):
                near = peak[place : place + len(between)]
                np.maximum(near, between, out=near)
        if peak.max() <= self._ceiling:
            return None
        need = self._ceiling / np.maximum(peak.astype(np.float64), self._ceiling)
        smooth = scipy.ndimage.minimum_filter1d(need, 2 * self._half + 1, mode="nearest")
        for _ in range(2):
            smooth = scipy.ndimage.uniform_filter1d(smooth, self._half + (self._half + 1) % 2, mode="nearest")
        gain: Samples = smooth[self._context : -self._context].astype(np.float32)
        return gain


class EndFade:
    """A raised cosine over the last `fade` of `frames` samples."""

    def __init__(self, frames: int, fade: int) -> None:
        self._fade = min(fade, frames)
        self._first = frames - self._fade
        self._done = 0

    def process(self, chunk: Samples) -> Samples:
        """The chunk, fading where the end is near."""
        start, stop = max(self._first - self._done, 0), chunk.shape[1]
        if start < stop:
            place = self._done + start - self._first
            chunk = chunk.copy()
            chunk[:, start:] *= (1 - rise(self._fade))[place : place + stop - start]
        self._done += stop
        return chunk

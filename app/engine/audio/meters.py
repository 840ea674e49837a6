"""Meters: true peak and loudness after ITU-R BS.1770-5, level and offset.

A meter reads planar chunks (2, n) one after another, so that a file of any length fits.
"""

from __future__ import annotations

import math

import numpy as np
import scipy
from numpy.typing import NDArray

from app.engine.audio.products import product

# BS.1770-5, annex 2, table 1: four phases of twelve taps; the third and fourth are the second and first reversed.
_FIRST = (
    0.0017089843750, 0.0109863281250, -0.0196533203125, 0.0332031250000, -0.0594482421875, 0.1373291015625,
    0.9721679687500, -0.1022949218750, 0.0476074218750, -0.0266113281250, 0.0148925781250, -0.0083007812500,
)  # fmt: skip
_SECOND = (
    -0.0291748046875, 0.0292968750000, -0.0517578125000, 0.0891113281250, -0.1665039062500, 0.4650878906250,
    0.7797851562500, -0.2003173828125, 0.1015625000000, -0.0582275390625, 0.0330810546875, -0.0189208984375,
)  # fmt: skip
PHASES = np.array((_FIRST, _SECOND, _SECOND[::-1], _FIRST[::-1]))
TAPS = PHASES.shape[1]

OVERSHOOT = 2.1
"""No interpolated value is more than this times the largest sample: the taps of a phase add up to 2.03 at most."""

_BLOCK = 32

_MOMENTARY, _SHORT_TERM, _STEP = 40, 300, 10
_ABSOLUTE_GATE = -70.0
_STEPS = 16


def _toeplitz() -> NDArray[np.float32]:
    """(BLOCK + TAPS - 1, 4 BLOCK): all four phases of a whole block as one matrix product."""
    matrix = np.zeros((_BLOCK + TAPS - 1, 4, _BLOCK), np.float32)
    for place in range(_BLOCK):
        matrix[place : place + TAPS, :, place] = PHASES[:, ::-1].T
    return matrix.reshape(_BLOCK + TAPS - 1, 4 * _BLOCK)


_INTERPOLATOR = _toeplitz()


def interpolated_peak(samples: NDArray[np.float32], floor: float = 0.0) -> NDArray[np.float32]:
    """The largest magnitude of the four-fold interpolation near each place, float32 (n - TAPS + 1,).

    `samples` (n,) is one channel; place i is made from samples i to i + TAPS - 1. Where no sample of a block reaches
    `floor` / OVERSHOOT the answer is 0, for nothing there can reach `floor`.
    """
    places = len(samples) - TAPS + 1
    blocks = -(-places // _BLOCK)
    padded = np.zeros(blocks * _BLOCK + TAPS - 1, np.float32)
    padded[: len(samples)] = samples
    windows = np.lib.stride_tricks.sliding_window_view(padded, _BLOCK + TAPS - 1)[::_BLOCK]
    loud = np.abs(windows).max(axis=1) * OVERSHOOT >= floor
    peak = np.zeros((blocks, _BLOCK), np.float32)
    if loud.any():
        peak[loud] = np.abs(product(windows[loud], _INTERPOLATOR)).reshape(-1, 4, _BLOCK).max(axis=1)
    return peak.reshape(-1)[:places]


def decibels(value: float) -> float | None:
    """20 log10(value); None for silence."""
    return 20 * math.log10(value) if value > 0 else None


class PeakMeter:
    """Sample peak and true peak, the latter by the four-fold interpolation of BS.1770-5."""

    def __init__(self) -> None:
        self.sample_peak = 0.0
        self.true_peak = 0.0
        self._before = np.zeros((2, TAPS - 1), np.float32)

    def read(self, chunk: NDArray[np.float32]) -> None:
        """Take in (2, n)."""
        self.sample_peak = max(self.sample_peak, float(np.abs(chunk).max(initial=0.0)))
        self._interpolate(chunk)

    def finish(self) -> None:
        """Take in the end of the file, where the interpolation runs out into silence."""
        self._interpolate(np.zeros((2, TAPS - 1), np.float32))

    def _interpolate(self, chunk: NDArray[np.float32]) -> None:
        joined = np.concatenate((self._before, chunk), axis=1)
        for channel in joined:
            self.true_peak = max(self.true_peak, float(interpolated_peak(channel, self.true_peak).max(initial=0.0)))
        self.true_peak = max(self.true_peak, self.sample_peak)
        self._before = joined[:, -(TAPS - 1) :]


def k_weighting(sample_rate: int) -> NDArray[np.float64]:
    """The two sections (2, 6) of the K weighting, as `sosfilt` takes them.

    At 48 kHz they are the coefficients printed in BS.1770-5, annex 1; other rates use the analogue filters behind them.
    """
    shelf = _shelf(1681.974450955533, 0.7071752369554196, 3.999843853973347, sample_rate)
    return np.array((shelf, _highpass(38.13547087602444, 0.5003270373238773, sample_rate)))


def _shelf(hz: float, q: float, gain_db: float, sample_rate: int) -> tuple[float, ...]:
    k = math.tan(math.pi * hz / sample_rate)
    high = 10 ** (gain_db / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    b = (high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k)
    return *(value / a0 for value in b), 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0


def _highpass(hz: float, q: float, sample_rate: int) -> tuple[float, ...]:
    k = math.tan(math.pi * hz / sample_rate)
    a0 = 1 + k / q + k * k
    return 1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0


class LoudnessMeter:
    """Loudness after BS.1770-5 and EBU Tech 3341: mean squares of 10 ms, of which the longer windows are made.

    Momentary loudness is that of 400 ms, short-term loudness that of 3 s. Integrated loudness is over gated blocks of 400 ms, one
    every 100 ms.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sections = k_weighting(sample_rate)
        self._state = np.zeros((2, 2, 2))
        self._hop = round(sample_rate / 100)
        self._rest = np.zeros((2, 0))
        self._hops: list[NDArray[np.float64]] = []

    def read(self, chunk: NDArray[np.float32]) -> None:
        """Take in (2, n)."""
        weighted, self._state = scipy.signal.sosfilt(self._sections, chunk.astype(np.float64), axis=1, zi=self._state)
        joined = np.concatenate((self._rest, weighted), axis=1)
        whole = joined.shape[1] // self._hop
        squares = (joined[:, : whole * self._hop] ** 2).reshape(2, whole, self._hop)
        self._hops.append(squares.mean(axis=2).sum(axis=0))
        self._rest = joined[:, whole * self._hop :]

    def lufs(self, gain_db: float = 0.0) -> float | None:
        """Integrated loudness of what was read, as if it were louder by `gain_db`; None when no block passes the gate at -70 LUFS."""
        blocks = self._windows(_MOMENTARY, _STEP) * 10 ** (gain_db / 10)
        blocks = blocks[_lufs(blocks) > _ABSOLUTE_GATE]
        if not len(blocks):
            return None
        return float(_lufs(blocks[_lufs(blocks) > _lufs(blocks.mean()) - 10.0].mean()))

    def gain_db_to(self, target: float) -> float | None:
        """The gain that brings the integrated loudness to `target` LUFS; None for silence, and for less than a block of 400 ms.

        A gain moves blocks over the gates, so it is found step by step, from the one that brings the loudest block there.
        """
        loudest = self.highest_momentary()
        if loudest is None:
            return None
        tried = [target - loudest]
        for _ in range(_STEPS):
            tried.append(tried[-1] + target - self._reached(tried[-1]))
        return min(tried, key=lambda gain_db: abs(self._reached(gain_db) - target))

    def _reached(self, gain_db: float) -> float:
        found = self.lufs(gain_db)
        return _ABSOLUTE_GATE if found is None else found

    def highest_momentary(self) -> float | None:
        """The highest momentary loudness in LUFS; None for silence, and for less than 400 ms."""
        return _highest(self._windows(_MOMENTARY))

    def highest_short_term(self) -> float | None:
        """The highest short-term loudness in LUFS; None for silence, and for less than 3 s."""
        return _highest(self._windows(_SHORT_TERM))

    def loudness_range(self) -> float | None:
        """Loudness range in LU after EBU Tech 3342: between the percentiles 10 and 95 of the gated short-term loudness; None as there."""
        windows = self._windows(_SHORT_TERM, _STEP)
        windows = windows[_lufs(windows) > _ABSOLUTE_GATE]
        if not len(windows):
            return None
        levels = _lufs(windows)
        low, high = np.percentile(levels[levels > _lufs(windows.mean()) - 20.0], (10, 95))
        return float(high - low)

    def _windows(self, hops: int, step: int = 1) -> NDArray[np.float64]:
        """Mean squares of both channels together over windows of `hops`, one every `step`."""
        squares = np.concatenate(self._hops) if self._hops else np.zeros(0)
        if len(squares) < hops:
            return np.zeros(0)
        means: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(squares, hops)[::step].mean(axis=1)
        return means


def _highest(windows: NDArray[np.float64]) -> float | None:
    power = float(windows.max(initial=0.0))
    return float(_lufs(np.array(power))) if power > 0.0 else None


def _lufs(power: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        loudness: NDArray[np.float64] = -0.691 + 10 * np.log10(power)
    return loudness


class LevelMeter:
    """RMS, and the offset of each channel as a mean under a Hann window over the whole file.

    A plain mean would call a low tone that ends within a period an offset.
    """

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self._read = 0
        self._squares = 0.0
        self._weighted = np.zeros(2)

    def read(self, chunk: NDArray[np.float32]) -> None:
        """Take in (2, n)."""
        exact = chunk.astype(np.float64)
        places = np.arange(self._read, self._read + chunk.shape[1])
        self._squares += float(np.vdot(exact, exact))
        self._weighted += exact @ (1 - np.cos(2 * np.pi * (places + 0.5) / self.frames))
        self._read += chunk.shape[1]

    @property
    def rms(self) -> float:
        """Root mean square over both channels."""
        return math.sqrt(self._squares / (2 * max(self._read, 1)))

    @property
    def offset(self) -> float:
        """The larger of the two channels' offsets."""
        return float(np.abs(self._weighted).max()) / max(self.frames, 1)

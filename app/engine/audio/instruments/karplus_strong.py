"""A plucked string: noise going round a delay line of one period, losing its high partials on the way.

References
----------
Karplus, Strong (1983), Computer Music Journal 7(2), 43-55.
Jaffe, Smith (1983), Computer Music Journal 7(2), 56-69: tuning by an allpass, decay stretching.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from app.engine.audio.instruments import karplus_kernel as kernel
from app.engine.audio.instruments.instrument import Instrument, Partials, Samples, Tone, inaudible_s
from app.engine.audio.instruments.partials import STOP_AT
from app.engine.quantity import Quantity

_LONG_LOOP = 90
_SETTLED = 12
_PADDED = 16
_PEAK_FRAMES, _PEAK_TRIPS = 512, 4


@dataclass(frozen=True, slots=True)
class _Loop:
    """The loop g (1-s + s/z) (C + 1/z)/(1 + C/z) z^-N, whose phase delay at the pitch is one period."""

    delay: int
    gain: float
    smoothing: float
    allpass: float

    @property
    def numerator(self) -> NDArray[np.float64]:
        """Of everything in the loop but the delay."""
        numerator: NDArray[np.float64] = self.gain * np.convolve((1 - self.smoothing, self.smoothing), (self.allpass, 1.0))
        return numerator

    @property
    def denominator(self) -> NDArray[np.float64]:
        return np.array((1.0, self.allpass))

    def response(self, omega: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Of everything in the loop but the delay, at `omega` rad per sample."""
        back = np.exp(-1j * omega)
        forward, backward = np.polyval(self.numerator[::-1], back), np.polyval(self.denominator[::-1], back)
        return np.asarray(forward / backward, dtype=np.complex128)


def _loop(tone: Tone) -> _Loop:
    """The loop that is in tune at the pitch and falls by 60 dB there in `decay_s`."""
    omega = 2 * math.pi * tone.hz / tone.sample_rate
    keep = 10 ** (-3 / (tone.hz * tone.parameters["decay_s"]))
    smoothing = min(0.5 * (1 - tone.parameters["brightness"]), _most_smoothing(omega, keep))
    lowpass = 1 - smoothing + smoothing * complex(math.cos(omega), -math.sin(omega))
    period = tone.sample_rate / tone.hz + math.atan2(lowpass.imag, lowpass.real) / omega
    delay = math.floor(period - 0.5)
    rest = period - delay
    allpass = math.sin((1 - rest) * omega / 2) / math.sin((1 + rest) * omega / 2)
    return _Loop(delay, min(1.0, keep / abs(lowpass)), smoothing, allpass)


def _most_smoothing(omega: float, keep: float) -> float:
    """The most smoothing that a round trip can afford at the pitch; with more, high notes would die at once and go flat."""
    square = 0.25 - (1 - keep**2) / (2 * (1 - math.cos(omega)))
    return 0.5 - math.sqrt(square) if square > 0 else 0.5


def _pluck(tone: Tone, delay: int) -> NDArray[np.float64]:
    """One period of noise without mean, (delay,)."""
    noise = tone.rng().uniform(-1.0, 1.0, delay)
    return np.asarray(noise - noise.mean(), dtype=np.float64)


def _render(tone: Tone) -> Samples:
    loop = _loop(tone)
    sound = _rung(loop, _pluck(tone, loop.delay), tone.frames)
    return (sound / max(1.0, float(np.abs(sound).max(initial=0.0)))).astype(np.float32)


def _rung(loop: _Loop, pluck: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
    """The pluck and its round trips, (frames,)."""
    sound = np.zeros(max(frames, loop.delay))
    sound[: loop.delay] = pluck
    _ring(sound, loop.delay, *loop.numerator.tolist(), loop.allpass)
    return sound[:frames]


def plain(sound: NDArray[np.float64], delay: int, b0: float, b1: float, b2: float, a1: float) -> None:
    """What the kernel does, to the byte: long loops trip by trip, short ones sample by sample."""
    if delay >= _LONG_LOOP:
        by_trips(sound, delay, b0, b1, b2, a1)
        return
    samples = sound.tolist()
    kernel.ring(samples, delay, b0, b1, b2, a1)
    sound[:] = samples


def by_trips(sound: NDArray[np.float64], delay: int, b0: float, b1: float, b2: float, a1: float) -> None:
    """Each round trip from the one before; its cost goes with their number.

    In a filter of one pole and no zeros every product but one is by 0 or 1, so that it rounds alike fused or not.
    """
    before, pole, state = np.concatenate((np.zeros(2), sound[:delay])), (1.0, a1), np.zeros(1)
    for first in range(delay, len(sound), delay):
        driven = b0 * before[2:] + b1 * before[1:-1] + b2 * before[:-2]
        trip, state = scipy.signal.lfilter((1.0,), pole, driven, zi=state)
        sound[first : first + delay] = trip[: len(sound) - first]
        before = np.concatenate((before[-2:], trip))


_ring: Callable[..., None] = plain


def compiled(enabled: bool) -> None:
    """Use the compiled loop (True) or the plain one (False) from now on. Both give the same bytes; compiling needs numba."""
    global _ring  # noqa: PLW0603  one switch for the process, set when a worker starts
    if not enabled:
        _ring = plain
        return
    from app.engine.audio.instruments import karplus_compiled  # noqa: PLC0415  140 MB that the web process does without

    _ring = karplus_compiled.ring


def _rings(tone: Tone) -> float:
    """As long as the fundamental: the smoothing takes as much or more from all above it."""
    return inaudible_s(tone.parameters["decay_s"])


def _partials(tone: Tone) -> Partials:
    """Where the loop's phase is a whole number of turns; strengths are those of this very pluck."""
    loop = _loop(tone)
    count = max(1, int(STOP_AT * tone.sample_rate / tone.hz))
    turns = 2 * np.pi * np.arange(1, count + 1)
    omega = turns * tone.hz / tone.sample_rate
    for _ in range(_SETTLED):
        omega = omega * turns / (loop.delay * omega - _unwrapped(loop, omega))
    kept = np.abs(loop.response(omega))
    hz = omega * tone.sample_rate / (2 * np.pi)
    strength = _residues(loop, _pluck(tone, loop.delay), omega, float(kept[0] ** (hz[0] / tone.sample_rate)))
    t60 = -3 * np.arange(1, count + 1) / hz / np.log10(np.minimum(kept, 1 - 1e-12))
    return Partials(ratio=hz / tone.hz, amplitude=strength, t60=t60)


def _residues(loop: _Loop, pluck: NDArray[np.float64], omega: NDArray[np.float64], keep: float) -> NDArray[np.float64]:
    """Amplitudes of the loop's poles at `omega`, which keep `keep` from one sample to the next: 2 |X(z) / (-z L'(z))| for a loop L.

    What goes round the loop is at its highest in the first few trips; where that is above 1 the sound is brought down to it.
    """
    back = np.exp(-1j * omega) / keep
    late = loop.smoothing * back / (1 - loop.smoothing + loop.smoothing * back)
    late += back / (loop.allpass + back) - loop.allpass * back / (1 + loop.allpass * back)
    spectrum = np.abs(np.fft.rfft(pluck * keep ** -np.arange(len(pluck)), _PADDED * len(pluck)))
    spectrum /= max(1.0, float(np.abs(_rung(loop, pluck, max(_PEAK_FRAMES, _PEAK_TRIPS * loop.delay))).max()))
    found: NDArray[np.float64] = 2 * np.interp(omega, np.linspace(0, np.pi, len(spectrum)), spectrum) / np.abs(loop.delay + late)
    return found


def _unwrapped(loop: _Loop, omega: NDArray[np.float64]) -> NDArray[np.float64]:
    """Phase of the loop's filters at `omega`; it stays between 0 and -3 pi, and is continuous from 0."""
    lowpass = np.angle(1 - loop.smoothing + loop.smoothing * np.exp(-1j * omega))
    back = np.exp(-1j * omega)
    allpass = np.angle((loop.allpass + back) / (1 + loop.allpass * back))
    phase: NDArray[np.float64] = lowpass + np.where(allpass > 0, allpass - 2 * np.pi, allpass)
    return phase


INSTRUMENT = Instrument(
    name="karplus_strong",
    description="A plucked string, in tune at every pitch and dying away like one.",
    quantities=(
        Quantity("decay_s", "T60", "s", 0.5, 10, 2.0, "Time in which the fundamental falls by 60 dB.", "Jaffe & Smith 1983"),
        Quantity("brightness", "b", "1", 0, 1, 0.5, "How long high partials last: 1 as long as the fundamental.", "Jaffe & Smith 1983"),
    ),
    choices=(),
    pitch_range=(30.0, 8000.0),
    sustains=False,
    partials=_partials,
    render=_render,
    rings=_rings,
)

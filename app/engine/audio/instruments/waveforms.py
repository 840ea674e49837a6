"""Triangle, square and sawtooth as their Fourier series up to the limit of the band: the shape of the wave, and nothing aliased.

References
----------
Zygmund (2002), Trigonometric Series, 3rd ed., section II.9: the partial sums of the sawtooth stay below Si(pi).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.engine.audio.instruments.instrument import Instrument, Partials, Tone
from app.engine.audio.instruments.partials import STOP_AT, WAVE_PHASE, render_with, wave_phases

_SI_PI = 1.8519370519824662
"""Si(pi), the integral of sin(x)/x from 0 to pi."""


def _triangle(n: NDArray[np.float64]) -> NDArray[np.float64]:
    """8/pi^2 (sin x - sin(3x)/9 + sin(5x)/25 - ...): from 0 up, between -1 and 1."""
    return 8 / np.pi**2 * np.sin(np.pi / 2 * n).round() / n**2


def _square(n: NDArray[np.float64]) -> NDArray[np.float64]:
    """sin x + sin(3x)/3 + sin(5x)/5 + ...: pi/4 for half a period, then -pi/4. The first harmonic alone is the highest of its sums."""
    return n % 2 / n


def _saw(n: NDArray[np.float64]) -> NDArray[np.float64]:
    """(sin x + sin(2x)/2 + sin(3x)/3 + ...) / Si(pi): a jump up, then a straight line down."""
    return 1 / (_SI_PI * n)


def _partials_of(series: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Callable[[Tone], Partials]:
    """The harmonics below the limit of the band.

    All partial sums of the three series lie within [-1, 1]; weights that fall with n, as those of the limit do, make a mean of
    them (Abel's summation), and so does a limit that moves with the pitch.
    """

    def partials(tone: Tone) -> Partials:
        n = np.arange(1, max(1, int(STOP_AT * tone.sample_rate / tone.hz)) + 1, dtype=np.float64)
        amplitude = series(n)
        present = amplitude != 0
        n = n[present]
        return Partials(ratio=n, amplitude=amplitude[present], t60=np.full(len(n), np.inf), phase=wave_phases(tone, n))

    return partials


def _wave(name: str, description: str, series: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Instrument:
    partials = _partials_of(series)
    return Instrument(
        name=name,
        description=description,
        quantities=(WAVE_PHASE,),
        choices=(),
        pitch_range=(16.0, 16000.0),
        sustains=True,
        partials=partials,
        render=render_with(partials),
    )


TRIANGLE = _wave("triangle", "A triangle wave: odd harmonics that fall with the square of their number, without aliases.", _triangle)
SQUARE = _wave("square", "A square wave: odd harmonics that fall with their number, without aliases.", _square)
SAW = _wave("saw", "A sawtooth wave: all harmonics, falling with their number, without aliases.", _saw)

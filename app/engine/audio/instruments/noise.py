"""Noise: white, pink or brown, of the whole spectrum or of a band around the pitch.

White Gaussian noise goes through a filter of linear phase without delay, block by block, so that any stretch of a note can be made alone.
The filter follows the pitch: between the ends of a block, one filter fades into the next.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from app.engine.audio.instruments.instrument import Bands, Choice, Instrument, Noise, Samples, Tone
from app.engine.audio.instruments.partials import STOP_AT, band_limit, no_partials, render_along
from app.engine.quantity import Quantity

Floats = NDArray[np.float64]

_RMS = 0.2
"""Five standard deviations are full scale: at 48 kHz a sample in half a minute is cut off."""

_SLOPES = {"white": 0.0, "pink": 1.0, "brown": 2.0}
_LOWEST_HZ = 20.0
_TURNS, _FEWEST_TAPS = 6.0, 1024
_PER_OCTAVE = 48
_CREST = 3.0


def _power(hz: Floats, tone: Tone) -> Floats:
    """Power density at `hz` (n,), above 0, up to a factor: f^-1 for pink and f^-2 for brown, between 20 Hz and the limit of the band.

    A band has the response of a Butterworth filter of fourth order, whose half-power points are the band's edges.
    """
    density = hz ** -_SLOPES[tone.parameters["color"]] * band_limit(hz, tone.sample_rate) ** 2 / (1 + (_LOWEST_HZ / hz) ** 8)
    if tone.parameters["spectrum"] == "band":
        density /= 1 + (tone.hz / _width_hz(tone) * (hz / tone.hz - tone.hz / hz)) ** 4
    return np.asarray(density, dtype=np.float64)


def _width_hz(tone: Tone) -> float:
    """Between the half-power points."""
    if tone.parameters["spectrum"] == "whole":
        return STOP_AT * tone.sample_rate
    half = 2.0 ** (tone.parameters["bandwidth"] / 2)
    return float(tone.hz * (half - 1 / half))


def _taps(tone: Tone) -> int:
    """Length of a filter that has room for the narrowest feature of the spectrum: the band, or its lower end."""
    lower = 0.0 if tone.parameters["spectrum"] == "whole" else tone.hz * 2 ** (-tone.parameters["bandwidth"] / 2)
    narrowest = min(_width_hz(tone), max(_LOWEST_HZ, lower))
    return max(_FEWEST_TAPS, 1 << math.ceil(math.log2(_TURNS * tone.sample_rate / narrowest)))


def _response(tone: Tone, hz: float, taps: int) -> NDArray[np.complex128]:
    """The filter at pitch `hz` over blocks of twice its length, (taps + 1,)."""
    return _designed(*_shape(tone, hz), taps)


def _shape(tone: Tone, hz: float) -> tuple[float, int, tuple[tuple[str, Any], ...]]:
    """All that the spectrum depends on at pitch `hz`."""
    return hz if tone.parameters["spectrum"] == "band" else 1.0, tone.sample_rate, tuple(tone.parameters.items())


@functools.lru_cache(maxsize=16)
def _designed(hz: float, sample_rate: int, parameters: tuple[tuple[str, Any], ...], taps: int) -> NDArray[np.complex128]:
    strength = np.zeros(taps // 2 + 1)
    frequencies = np.linspace(sample_rate / taps, sample_rate / 2, taps // 2)
    strength[1:] = np.sqrt(_power(frequencies, Tone(hz, 0, sample_rate, dict(parameters), ())))
    kernel = scipy.fft.irfft(strength, taps)
    kernel *= _RMS / math.sqrt(float((kernel**2).sum()))
    padded = np.concatenate((kernel[: taps // 2], np.zeros(taps), kernel[taps // 2 :]))
    response: NDArray[np.complex128] = scipy.fft.rfft(padded)
    response.flags.writeable = False
    return response


def _piece(tone: Tone, number: int, taps: int) -> Floats:
    """White noise of variance 1, (taps,); the pieces of one tone follow each other."""
    return np.random.Generator(np.random.PCG64((*tone.seed, number))).standard_normal(taps)


def _along(tone: Tone, first: int, last: int, hz_at: Callable[[Floats], Floats]) -> Samples:
    taps = _taps(tone)
    out = np.empty(last - first, np.float32)
    for block in range(first // taps, -(-last // taps)):
        begin, end = block * taps, (block + 1) * taps
        white = scipy.fft.rfft(np.concatenate((_piece(tone, block, taps), _piece(tone, block + 1, taps))))
        here, there = (float(hz) for hz in hz_at(np.array([begin, end]) / tone.sample_rate))
        sound = _filtered(white, _response(tone, here, taps))
        if here != there:
            sound += (np.arange(taps) / taps) * (_filtered(white, _response(tone, there, taps)) - sound)
        low, high = max(first, begin), min(last, end)
        np.clip(sound[low - begin : high - begin], -1.0, 1.0, out=out[low - first : high - first], casting="same_kind")
    return out


def _filtered(white: NDArray[np.complex128], response: NDArray[np.complex128]) -> Floats:
    """What lies in the middle of a block, where the filter has all that it reaches."""
    taps = len(white) - 1
    sound: Floats = scipy.fft.irfft(white * response, 2 * taps)
    return sound[taps // 2 : taps // 2 + taps]


def _bands(tone: Tone) -> Bands:
    """Octaves up to the limit of the band, from 2^-11 of it on; each as loud as it may be for a moment."""
    return _octaves(*_shape(tone, tone.hz))


@functools.lru_cache(maxsize=1024)
def _octaves(hz: float, sample_rate: int, parameters: tuple[tuple[str, Any], ...]) -> Bands:
    tone = Tone(hz, 0, sample_rate, dict(parameters), ())
    edges = STOP_AT * sample_rate / np.exp2(np.arange(11, -1, -1, dtype=np.float64))
    middles = edges[0] * np.exp2((np.arange(11 * _PER_OCTAVE, dtype=np.float64) + 0.5) / _PER_OCTAVE)
    power = (_power(middles, tone) * middles).reshape(11, _PER_OCTAVE).sum(axis=1)
    return Bands(edges[:-1], edges[1:], _CREST * _RMS * np.sqrt(2 * power / power.sum()), _width_hz(tone))


INSTRUMENT = Instrument(
    name="noise",
    description="Noise: a band around the pitch, which may glide as wind does, or the whole spectrum whatever the pitch.",
    quantities=(
        Quantity(
            "bandwidth",
            "B",
            "1",
            1 / 6,
            8,
            1.0,
            "Octaves between the half-power points of a band; the narrower, the clearer its pitch.",
            "chosen for this service",
        ),
    ),
    choices=(
        Choice("color", tuple(_SLOPES), "white", "How power falls with frequency f: not at all, as 1/f (pink) or as 1/f^2 (brown)."),
        Choice("spectrum", ("band", "whole"), "band", "What is heard: a band around the pitch, or all from 20 Hz up whatever the pitch."),
    ),
    pitch_range=(16.0, 16000.0),
    sustains=True,
    partials=no_partials,
    render=render_along(_along),
    rings=lambda _tone: math.inf,
    noise=Noise(_along, _bands),
)

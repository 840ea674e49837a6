"""Frequency modulation with two operators, synthesised from its side bands so that nothing is aliased.

References
----------
Chowning (1973), The Synthesis of Complex Audio Spectra by Means of Frequency Modulation, J. Audio Eng. Soc. 21(7), 526-534.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from app.engine.audio.instruments.instrument import Instrument, Partials, Samples, Tone
from app.engine.audio.instruments.partials import STOP_AT, WAVE_PHASE, band_limit, decaying, start_phases, sustained, wave_phases
from app.engine.errors import Unsupported
from app.engine.quantity import Quantity

_CHOWNING = "Chowning 1973"
_UNHEARD = 1e-6
_MOST_LOST = 0.9
_DIGITS = 9
_STEP = 0.25
_INDEX = Quantity("index", "I", "1", 0, 50, 1.0, "Modulation index: peak deviation over the frequency of the modulator.", _CHOWNING)


@functools.lru_cache(maxsize=1)
def _bessel() -> NDArray[np.float64]:
    """J_k(i/4) as [k, i] for k from 0 and i up to the largest index, some further orders and one further step."""
    most = 2 * _INDEX.maximum
    table: NDArray[np.float64] = scipy.special.jv(np.arange(_reach(most) + 2)[:, None], _STEP * np.arange(int(most / _STEP) + 2))
    table.flags.writeable = False
    return table


def _reach(index: float) -> int:
    """The highest order that matters: Carson's rule holds most of the sound within index + 1; beyond this J_k is below 1e-21."""
    return int(index + 10 * np.cbrt(index) + 10)


def _between(value: NDArray[np.float64], slope: NDArray[np.float64], index: NDArray[np.float64]) -> NDArray[np.float64]:
    """A function of the index at `index` (n,), by the cubics through its values and slopes: exact to 1e-5."""
    place = (index / _STEP).astype(np.int64)
    x = index / _STEP - place
    rise = value[place + 1] - value[place]
    first, last = _STEP * slope[place] - rise, rise - _STEP * slope[place + 1]
    found: NDArray[np.float64] = value[place] + x * (rise + (1 - x) * ((1 - x) * first + x * last))
    return found


@dataclass(frozen=True)
class _Bands:
    """The lines of the sound: ratios (P,), and amplitudes and their slopes (P, steps) at indices 0, 1/4, 2/4, ..."""

    ratio: NDArray[np.float64]
    values: NDArray[np.float64]
    slopes: NDArray[np.float64]

    def amplitudes(self, index: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        """Of each line in turn at `index` (n,)."""
        return (_between(value, slope, index) for value, slope in zip(self.values, self.slopes, strict=True))


def _bands(carrier: float, modulator: float, index: float) -> _Bands:
    """The side bands up to `index`: sin(c x + I sin(m x)) is the sum over k of J_k(I) sin((c + k m) x).

    One below 0 is heard at its magnitude, with the other sign, and adds to what is there already. The magnitudes of all
    together are at most 1.
    """
    reach, steps = _reach(index), math.ceil(index / _STEP) + 2
    order = np.arange(-reach - 1, reach + 2)
    strength = _bessel()[np.abs(order), :steps] * np.where((order < 0) & (order % 2 == 1), -1.0, 1.0)[:, None]
    strength /= np.abs(strength[:, :-1]).sum(axis=0).max()
    line = np.round(carrier + order[1:-1] * modulator, _DIGITS)
    ratio, place = np.unique(np.abs(line), return_inverse=True)
    values, slopes = np.zeros((2, len(ratio), steps))
    np.add.at(values, place, np.sign(line)[:, None] * strength[1:-1])
    np.add.at(slopes, place, np.sign(line)[:, None] * (strength[:-2] - strength[2:]) / 2)
    present = (np.abs(values[:, :-1]).max(axis=1) > _UNHEARD) & (ratio > 0)
    return _Bands(ratio[present], values[present], slopes[present])


def _partials(tone: Tone) -> Partials:
    """The side bands, all starting from one phase of the wave, so that every note has the same spectrum."""
    given = tone.parameters
    index, decay_s = given["index"] * 2 * given["brightness"], given["index_decay_s"]
    bands = _bands(given["carrier_ratio"], given["modulator_ratio"], index)
    amplitude = np.concatenate(list(bands.amplitudes(np.array([index]))))
    _check_heard(tone, bands.ratio, amplitude)

    def moving(times: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        return bands.amplitudes(index * 10 ** (-3 * times / decay_s))

    phase = wave_phases(tone, bands.ratio)
    return Partials(bands.ratio, amplitude, np.full(len(phase), np.inf), phase, None if decay_s is None else moving)


def _render(tone: Tone) -> Samples:
    partials = _partials(tone)
    if partials.moving is None:
        return decaying(tone, partials)
    times = np.arange(tone.frames) / tone.sample_rate
    return sustained(partials, start_phases(tone, partials), times, tone.hz * times, np.full(tone.frames, tone.hz), tone.sample_rate)


def _check_heard(tone: Tone, ratio: NDArray[np.float64], amplitude: NDArray[np.float64]) -> None:
    """Unsupported when next to nothing of the sound lies below the limit of the band."""
    kept = np.abs(amplitude) * band_limit(ratio * tone.hz, tone.sample_rate)
    if kept.sum() < (1 - _MOST_LOST) * np.abs(amplitude).sum():
        limit = STOP_AT * tone.sample_rate
        raise Unsupported(
            f"At {tone.hz:.6g} Hz nine tenths of the sound lie above {limit:g} Hz, where the sample rate ends it; take smaller ratios.",
            "parameters.carrier_ratio",
        )


INSTRUMENT = Instrument(
    name="fm",
    description="Two-operator frequency modulation: a carrier whose side bands grow with the index, without aliases.",
    quantities=(
        Quantity("carrier_ratio", "c", "1", 0.5, 20, 1.0, "Frequency of the carrier over the pitch.", _CHOWNING),
        Quantity(
            "modulator_ratio",
            "m",
            "1",
            0.05,
            20,
            1.0,
            "Frequency of the modulator over the pitch: harmonic where it and that of the carrier are whole.",
            _CHOWNING,
        ),
        _INDEX,
        Quantity(
            "index_decay_s",
            "T60",
            "s",
            0.05,
            30,
            None,
            "Time in which the index falls by 60 dB, to a thousandth; null holds it.",
            _CHOWNING,
        ),
        Quantity("brightness", "b", "1", 0, 1, 0.5, "Strength of the side bands: the index is multiplied by 2b.", _CHOWNING),
        WAVE_PHASE,
    ),
    choices=(),
    pitch_range=(16.0, 16000.0),
    sustains=True,
    partials=_partials,
    render=_render,
)

"""Frequency modulation with two operators, synthesised from its side bands so that nothing is aliased.

References
----------
Chowning (1973), The Synthesis of Complex Audio Spectra by Means of Frequency Modulation, J. Audio Eng. Soc. 21(7), 526-534.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from app.engine.audio.instruments.instrument import Instrument, Partials, Tone
from app.engine.audio.instruments.partials import STOP_AT, WAVE_PHASE, band_limit, normalised, render_with, wave_phases
from app.engine.errors import Unsupported
from app.engine.quantity import Quantity

_CHOWNING = "Chowning 1973"
_UNHEARD = 1e-6
_MOST_LOST = 0.9
_DIGITS = 9


def _partials(tone: Tone) -> Partials:
    """The side bands: sin(c x + I sin(m x)) is the sum over k of J_k(I) sin((c + k m) x).

    One below 0 is heard at its magnitude, with the other sign, and adds to what is there already; all start from one phase x, so that
    every note has the same spectrum. The magnitudes of all of them together are at most 1.
    """
    given = tone.parameters
    index = given["index"] * 2 * given["brightness"]
    # Carson's rule holds most of the sound within index + 1; beyond this reach J_k is below 1e-21.
    reach = int(index + 10 * np.cbrt(index) + 10)
    order = np.arange(-reach, reach + 1)
    strength = normalised(scipy.special.jv(order, index))
    line = np.round(given["carrier_ratio"] + order * given["modulator_ratio"], _DIGITS)
    ratio, place = np.unique(np.abs(line), return_inverse=True)
    amplitude = np.bincount(place, np.sign(line) * strength).astype(np.float64)
    present = (np.abs(amplitude) > _UNHEARD) & (ratio > 0)
    ratio, amplitude = ratio[present], amplitude[present]
    _check_heard(tone, ratio, amplitude)
    return Partials(ratio=ratio, amplitude=amplitude, t60=np.full(len(ratio), np.inf), phase=wave_phases(tone, ratio))


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
        Quantity("index", "I", "1", 0, 50, 1.0, "Modulation index: peak deviation over the frequency of the modulator.", _CHOWNING),
        Quantity("brightness", "b", "1", 0, 1, 0.5, "Strength of the side bands: the index is multiplied by 2b.", _CHOWNING),
        WAVE_PHASE,
    ),
    choices=(),
    pitch_range=(16.0, 16000.0),
    sustains=True,
    partials=_partials,
    render=render_with(_partials),
)

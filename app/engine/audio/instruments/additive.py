"""Band-limited periodic waves: harmonics added one by one, so that nothing is aliased."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.engine.audio.instruments.instrument import Choice, Instrument, Partials, Tone
from app.engine.audio.instruments.partials import BRIGHTNESS, START_PHASE, normalised, render_with, tilt
from app.engine.quantity import Quantity


def _series(waveform: str, n: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fourier coefficients b_n of the wave, up to a common factor."""
    odd = n % 2
    if waveform == "square":
        return odd / n
    if waveform == "triangle":
        return odd * (-1.0) ** ((n - 1) // 2) / n**2
    return 1.0 / n


def _partials(tone: Tone) -> Partials:
    count = tone.parameters["partials"]
    n = np.arange(1, count + 1, dtype=np.float64)
    amplitude = _series(tone.parameters["waveform"], n) * tilt(count, tone.parameters["brightness"])
    present = amplitude != 0
    return Partials(ratio=n[present], amplitude=normalised(amplitude[present]), t60=np.full(int(present.sum()), np.inf))


INSTRUMENT = Instrument(
    name="additive",
    description="A held tone of harmonics: sawtooth, square or triangle without aliases, tilted by brightness.",
    quantities=(
        Quantity("partials", "N", "1", 1, 64, 16.0, "Highest harmonic.", "chosen for this service", integer=True),
        BRIGHTNESS,
        START_PHASE,
    ),
    choices=(Choice("waveform", ("sawtooth", "square", "triangle"), "sawtooth", "The wave whose Fourier series is added."),),
    pitch_range=(16.0, 16000.0),
    sustains=True,
    partials=_partials,
    render=render_with(_partials),
)

"""Grains of a recorded sound: short pieces under a Hann window, scattered in time, place and pitch.

References
----------
Roads (2001), Microsound, chapter 3: asynchronous granular synthesis.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.engine.audio.instruments.instrument import Bands, Instrument, Noise, Reference, Samples, Tone
from app.engine.audio.instruments.partials import no_partials, render_along
from app.engine.audio.recordings import MOST_S, MOST_SPEED, Recording
from app.engine.errors import EngineError, Unsupported
from app.engine.quantity import Quantity

Floats = NDArray[np.float64]

_ROADS = "Roads, Microsound"


def _recording(tone: Tone) -> Recording:
    if tone.recording is None:
        raise EngineError("Must name an uploaded sound that the owner of the universe has.", "parameters.material")
    return tone.recording


def _speed(tone: Tone, hz: float) -> float:
    """Samples of the recording that pass in a sample of the sound, without detuning."""
    given, recording = tone.parameters, _recording(tone)
    return float((hz / given["root_hz"]) ** given["pitch_follow"] * recording.sample_rate / tone.sample_rate)


def _rings(tone: Tone) -> float:
    """It sounds as long as it is held."""
    speed, most = _speed(tone, tone.hz), MOST_SPEED / 2 ** (tone.parameters["detune"] / 1200)
    if not 1 / MOST_SPEED <= speed <= most:
        raise Unsupported(
            f"At {tone.hz:.6g} Hz the sound would pass at {speed:.6g} samples a sample; {1 / MOST_SPEED:.3g} to {most:.3g} can be.",
            "parameters.root_hz",
        )
    return math.inf


def _along(tone: Tone, first: int, last: int, hz_at: Callable[[Floats], Floats]) -> Samples:
    given, rate = tone.parameters, tone.sample_rate
    length, gap = max(2, round(given["grain_s"] * rate)), rate / given["density"]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(length) + 0.5) / length)
    window /= 1 + 0.5 * length / gap
    sum_ = np.zeros(last - first)
    for number in range(max(0, math.floor((first - length) / gap) - 1), math.ceil(last / gap)):
        random = np.random.Generator(np.random.PCG64((*tone.seed, number))).uniform(size=3)
        begin = math.floor((number + random[0]) * gap) if number else 0
        low, high = max(first, begin), min(last, begin + length)
        if low < high:
            grain = _grain(tone, float(hz_at(np.array([begin / rate]))[0]), random[1:], length) * window
            sum_[low - first : high - first] += grain[low - begin : high - begin]
    return np.clip(sum_, -1.0, 1.0).astype(np.float32)


def _grain(tone: Tone, hz: float, random: Floats, length: int) -> Floats:
    """A stretch of the recording that lies within it, where it is long enough; `random` (2,), 0 to 1, chooses its place and detuning."""
    given, recording = tone.parameters, _recording(tone)
    speed = min(MOST_SPEED, _speed(tone, hz) * 2 ** (given["detune"] * (2 * random[1] - 1) / 1200))
    place = min(1.0, max(0.0, given["position"] + given["spread"] * (random[0] - 0.5)))
    return recording.at(place * max(0.0, len(recording.samples) - speed * length), float(speed), length)


def _bands(tone: Tone) -> Bands:
    """It may be anywhere, and as loud as it can be."""
    return Bands(np.zeros(1), np.full(1, 0.5 * tone.sample_rate), np.ones(1), 0.0)


INSTRUMENT = Instrument(
    name="granular",
    description="Grains of an uploaded sound, each a short piece of it, played at the speed that brings it to the pitch.",
    quantities=(
        Quantity(
            "root_hz", "f_0", "Hz", 16, 16000, 440.0, "Pitch that the uploaded sound has: a note of it plays at its own speed.", _ROADS
        ),
        Quantity("grain_s", "T", "s", 0.005, 0.5, 0.08, "Length of a grain.", _ROADS),
        Quantity("density", "n", "1/s", 1, 200, 40.0, "Grains that begin in a second.", _ROADS),
        Quantity("position", "x", "1", 0, 1, 0.0, "Where grains are taken from: 0 the beginning, 1 the end of the sound.", _ROADS),
        Quantity("spread", "dx", "1", 0, 1, 0.05, "Share of the sound, around the position, that grains are taken from.", _ROADS),
        Quantity("detune", "c", "1", 0, 1200, 5.0, "Most cents that a grain is off its pitch.", _ROADS),
        Quantity("pitch_follow", "p", "1", 0, 1, 1.0, "Power of pitch over root_hz that is the speed: 0 plays every note alike.", _ROADS),
    ),
    choices=(),
    pitch_range=(16.0, 16000.0),
    sustains=True,
    partials=no_partials,
    render=render_along(_along),
    rings=_rings,
    noise=Noise(_along, _bands),
    references=(Reference("material", f"Id of an uploaded sound of the universe's owner, of at most {MOST_S:g} s."),),
)

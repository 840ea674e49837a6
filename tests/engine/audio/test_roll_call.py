"""Every instrument in a written file, read back by libsndfile: whole, bounded, repeatable, in tune and without aliases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy
import soundfile

from app.engine.audio import files, mix
from app.engine.audio.instruments import INSTRUMENTS, Instrument
from tests.engine.audio.conftest import voice_of

Make = Callable[..., Any]
Written = Callable[..., tuple[Path, files.Written]]
RATE = 48000
NOTE_S = 1.0
SWEEP = tuple(float(place) for place in np.linspace(0.0, 1.0, 11))


def roll_call() -> list[Any]:
    """One pitch of each instrument, and slowly eleven over its range, by their places in it."""
    middle = [pytest.param(player, 0.5, id=f"{name}-middle") for name, player in INSTRUMENTS.items()]
    swept = [
        pytest.param(player, place, id=f"{name}-{place:.1f}", marks=pytest.mark.slow)
        for name, player in INSTRUMENTS.items()
        for place in SWEEP
        if place != 0.5
    ]
    return middle + swept


@pytest.mark.parametrize(("player", "place"), roll_call())
def test_an_instrument_in_a_file_is_what_it_says(player: Instrument, place: float, written: Written, note: Make, score_of: Make) -> None:
    low, high = player.pitch_range
    low, high = max(low, 30.0), min(high, 0.4 * RATE)
    hz = min(high, low * (high / low) ** place)
    score = score_of([note(0.1, hz, duration_s=NOTE_S)], 1.2, voices=voice_of(player))
    settings = mix.Settings(tail_s=0.3)
    (path, _), (again, _) = (written(score, settings, name=name) for name in ("once", "twice"))
    assert path.read_bytes() == again.read_bytes()

    samples, rate = soundfile.read(path)
    assert (samples.shape, rate) == ((round(1.5 * RATE), 2), RATE)
    assert np.isfinite(samples).all()
    assert 0.01 < np.abs(samples).max() <= 1.0
    assert np.abs(samples[[0, -1]]).max() <= 1e-3

    (sound,) = mix.lay_out(score, settings).sounds
    partials = sound.partials()
    if not len(partials.ratio):  # noise and grains have none
        return
    heard = samples[round(0.12 * RATE) : round(min(0.12 + 0.9 * NOTE_S, 0.1 + sound.envelope.gate / RATE) * RATE), 0]
    window = scipy.signal.windows.blackmanharris(len(heard), sym=False)
    spectrum = np.abs(np.fft.rfft(heard * window, 4 * len(heard)))
    places = np.fft.rfftfreq(4 * len(heard), 1 / RATE)

    strength = np.abs(partials.amplitude) * 10 ** (-1.0 / partials.t60) * (partials.ratio * hz < 0.40 * RATE)
    asked = hz * float(partials.ratio[int(np.argmax(strength))])
    near = np.flatnonzero(np.abs(places - asked) < 4 * RATE / len(heard))
    top = int(near[np.argmax(spectrum[near])])
    before, here, after = np.log(spectrum[top - 1 : top + 2])
    found = (top + 0.5 * (before - after) / (before - 2 * here + after)) * RATE / (4 * len(heard))
    # A cent is a fifth of the least difference that anyone hears.
    assert abs(1200 * np.log2(found / asked)) < 1.0

    if player.name != "karplus_strong":  # noise going round a loop has wide lines; a linear filter makes no others
        lines = np.sort(partials.ratio * hz)
        above = np.searchsorted(lines, places).clip(1, max(len(lines) - 1, 1))
        off = np.minimum(np.abs(places - lines[above - 1]), np.abs(places - lines[np.minimum(above, len(lines) - 1)]))
        between = spectrum[(off > 60.0) & (places > 20.0)]
        assert 20 * np.log10(between.max(initial=1e-12) / spectrum.max()) < -80.0

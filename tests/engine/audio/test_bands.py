"""The octaves of a file are those of its score."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from app.engine.audio import files, mix
from app.engine.audio.verify import verify
from app.engine.music.score import Score

Make = Callable[..., Any]
Written = Callable[..., tuple[Path, files.Written]]


@pytest.fixture
def busy(note: Make, score_of: Make) -> Score:
    """Sixty notes of four instruments in six seconds."""
    rng = np.random.default_rng(2)
    names = ("modal", "additive", "fm", "karplus_strong")
    notes = [
        note(float(t), float(np.exp(rng.uniform(4.6, 7.0))), voice_id=names[place % 4], amplitude=0.2)
        for place, t in enumerate(rng.uniform(0.0, 5.5, 60))
    ]
    return score_of(notes, 6.0, voices=tuple({"id": name, "instrument": name} for name in names))


def test_a_sine_has_its_power_in_its_octave(written: Written, note: Make, score_of: Make) -> None:
    """A sine of amplitude a has the mean square a^2 / 2, wherever it stands between the channels."""
    held = note(0.0, 1000.0, duration_s=4.0, pan=0.4, track={"rate": 200, "hz": [1000.0]})
    score = score_of([held], 4.0, voices=({"id": "v", "instrument": "sine"},))
    path, _ = written(score, mix.Settings(tail_s=0.0))
    spectrum = verify(path, score, mix.Settings(tail_s=0.0))["spectrum"]
    rows = {round(row["hz"]): row for row in spectrum["rows"]}
    peak = np.hypot(*np.abs(soundfile.read(path)[0]).max(axis=0))
    inside = rows[1000]["found_db"] - 10 * np.log10(spectrum["windows"])
    # The first and the last of the windows have the attack and the release under their edges, where they hardly count.
    assert inside == pytest.approx(10 * np.log10(peak**2 / 2), abs=0.05)
    assert all(row["low_db"] is None and row["found_db"] < inside - 40.0 for hz, row in rows.items() if hz != 1000)


@pytest.mark.parametrize("format", ["wav", pytest.param("ogg", marks=pytest.mark.slow)])
def test_what_is_not_in_the_score_is_heard(busy: Score, written: Written, format: str) -> None:
    settings = mix.Settings(format=format)
    path, _ = written(busy, settings)
    report = verify(path, busy, settings)
    assert report["ok"], report["reasons"]
    assert len(report["spectrum"]["rows"]) >= 8
    samples, rate = soundfile.read(path)
    hum = 0.1 * np.sin(2 * np.pi * 50.0 * np.arange(len(samples)) / rate)[:, None] * np.hanning(len(samples))[:, None]
    dull = np.apply_along_axis(lambda channel: np.convolve(channel, np.full(24, 1 / 24), "same"), 0, samples)
    for spoilt, octave in ((samples + hum, 63), (dull, 3981)):
        files.write(
            path,
            files.quantized([spoilt.T.astype(np.float32)], settings.bit_depth, 0),
            format=format,
            bit_depth=settings.bit_depth,
            sample_rate=rate,
            quality=settings.quality,
        )
        found = verify(path, busy, settings)
        assert octave in [round(row["hz"]) for row in found["spectrum"]["rows"] if row["status"] == "outside"]

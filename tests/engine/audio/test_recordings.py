"""Recorded sounds at any speed: the right pitch and level, and nothing that was not there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import scipy
import soundfile

from app.engine.audio.listening import strongest_line
from app.engine.audio.recordings import Recording
from app.engine.errors import EngineError, Unsupported

RATE = 48000
COUNT = 12000


def tone(hz: float, seconds: float = 12.0) -> Recording:
    return Recording(np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32), RATE)


@pytest.mark.parametrize("speed", [0.03, 0.5, 0.83, 0.86, 1.0, 1.4983, 2.0, 2.01, 3.7, 8.1, 31.0])
def test_a_tone_is_heard_at_its_speed_and_nothing_beside_it(speed: float) -> None:
    for hz in (997.0, 300.0 / speed, 6000.0 / speed, 16000.0 / speed):
        if not 40.0 < hz < 16500.0:
            continue
        sound = tone(hz).at(5000.5, speed, COUNT)
        if speed * hz > RATE / 2:
            assert np.abs(sound).max() < 1e-4
            continue
        found, strength = strongest_line(sound, RATE, speed * hz, 40.0)
        assert abs(1200 * np.log2(found / (speed * hz))) < 0.1
        spectrum = np.abs(np.fft.rfft(sound * scipy.signal.windows.blackmanharris(COUNT, sym=False))) * 2 / (0.35875 * COUNT)
        spectrum[np.abs(np.fft.rfftfreq(COUNT, 1 / RATE) - speed * hz) < 30.0] = 0.0
        assert spectrum.max() < 1e-4
        if speed * hz < 0.33 * RATE and hz < 0.33 * RATE:
            assert strength == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("speed", [1.7, 2.0, 5.3, 17.0])
def test_what_would_lie_above_half_the_rate_does_not_come_back_below_it(speed: float) -> None:
    for hz in np.linspace(0.505 * RATE / speed, min(0.49 * RATE, 3 * RATE / speed), 9):
        assert np.abs(tone(float(hz)).at(5000.5, speed, 2000)).max() < 1e-4


def test_outside_there_is_silence() -> None:
    short = tone(1000.0, 0.1)
    assert np.abs(short.at(-2000.0, 1.0, 1000)).max() == 0.0
    assert np.abs(short.at(6000.0, 1.0, 1000)).max() == 0.0
    assert np.abs(short.at(-100.0, 1.0, 1000)[300:]).max() > 0.9


def test_a_file_is_read_as_one_channel_and_only_if_it_is_the_same(tmp_path: Path) -> None:
    wave = 0.25 * np.sin(2 * np.pi * 1000 * np.arange(4800) / RATE)
    path = tmp_path / "two.wav"
    soundfile.write(path, np.stack((2 * wave + 0.1, 0 * wave), 1), RATE, "FLOAT")
    found = Recording.read(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert found.sample_rate == RATE
    assert found.samples == pytest.approx(4 * wave, abs=1e-4)
    with pytest.raises(EngineError, match="not the file"):
        Recording.read(path, "0" * 64)


def test_silence_and_what_is_too_long_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="silent"):
        Recording.of(np.full(100, 0.5), RATE)
    path = tmp_path / "long.flac"
    soundfile.write(path, np.zeros(8000 * 61, np.int16), 8000)
    with pytest.raises(Unsupported, match="at most 60 s"):
        Recording.read(path, hashlib.sha256(path.read_bytes()).hexdigest())

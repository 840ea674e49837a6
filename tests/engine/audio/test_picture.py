"""Pictures of sounds, read back by another program's reader: what is bright is what sounds."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from app.engine.audio import files, picture

RATE = 48000


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def tone(path: Path, hz: float, seconds: float = 2.0, level: float = 0.5, rate: int = RATE) -> Path:
    """A sine in both channels."""
    wave = level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, np.stack((wave, wave), 1), rate, subtype="PCM_24")
    return path


def row_of(hz: float, height: int, scale: str, rate: int = RATE) -> float:
    """Where a frequency lies, in rows from the top."""
    part = np.log(hz / 27.5) / np.log(rate / 2 / 27.5) if scale == "log" else hz / (rate / 2)
    return height * (1 - part)


@pytest.mark.parametrize("scale", ["log", "linear"])
@pytest.mark.parametrize("hz", [110.0, 1000.0, 9000.0])
def test_a_tone_is_a_bright_line_at_its_frequency(tmp_path: Path, scale: str, hz: float) -> None:
    data = picture.spectrogram(tone(tmp_path / "tone.wav", hz), 300, 400, scale)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size) == ("PNG", (300, 400))
    brightest = pixels(data)[:, 20:280].argmax(axis=0)
    assert np.abs(brightest + 0.5 - row_of(hz, 400, scale)).max() <= 1.0
    low, high, kind = image.text["Frequency"].split()
    assert (float(low), float(high), kind) == (27.5 if scale == "log" else 0.0, 24000.0, scale)


@pytest.mark.parametrize("level", [1.0, 0.1, 0.001])
def test_brightness_is_the_level_in_decibels(tmp_path: Path, level: float) -> None:
    data = picture.spectrogram(tone(tmp_path / "tone.wav", 1000.0, level=0.9999 * level), 100, 200, floor_db=-80.0)
    # A line between two bins shows up to 0.4 dB softer: with windows padded to twice their length bins are half a resolution apart.
    assert -80 * (1 - pixels(data)[:, 10:90].max() / 255) == pytest.approx(20 * np.log10(level), abs=0.6)


def test_time_runs_to_the_right(tmp_path: Path) -> None:
    rate, click = 44100, np.zeros((88200, 2))
    click[22050] = 0.9
    soundfile.write(tmp_path / "click.wav", click, rate)
    columns = pixels(picture.spectrogram(tmp_path / "click.wav", 200, 100)).max(axis=0)
    lit = np.flatnonzero(columns)
    # 50 of 200 columns are half a second; a window reaches half its 93 ms, five columns, to both sides.
    assert lit.mean() == pytest.approx(50, abs=1.0)
    assert 8 <= len(lit) <= 12


@pytest.mark.parametrize("frames", [1, 50, 4801, 100_000])
@pytest.mark.parametrize("rate", [8000, 192000])
def test_files_of_any_length_have_a_picture_and_silence_is_black(tmp_path: Path, frames: int, rate: int) -> None:
    soundfile.write(tmp_path / "silence.flac", np.zeros((frames, 2)), rate, subtype="PCM_16")
    assert not pixels(picture.spectrogram(tmp_path / "silence.flac", 64, 48)).any()
    soundfile.write(tmp_path / "noise.flac", np.random.default_rng(1).uniform(-0.5, 0.5, (frames, 2)), rate, subtype="PCM_16")
    drawn = pixels(picture.spectrogram(tmp_path / "noise.flac", 64, 48, "linear"))
    assert (drawn.max(axis=0) > 0).all() or frames < 64


@pytest.mark.parametrize("format", ["wav", "mp3"])
def test_a_picture_is_the_same_to_the_byte_when_drawn_again(tmp_path: Path, format: str) -> None:
    path, noise = tmp_path / "noise", np.random.default_rng(2).normal(0, 0.1, (60_000, 2)).astype("<f4")
    files.write(path, [noise], format=format, bit_depth="32f" if format == "wav" else None, sample_rate=RATE, quality=0.5)
    assert picture.spectrogram(path, 120, 90) == picture.spectrogram(path, 120, 90)
    peaks = files.peaks(path, 500)
    assert picture.waveform(peaks, 120, 90) == picture.waveform(peaks, 120, 90)


@pytest.mark.parametrize("width", [40, 100, 1000])
def test_a_waveform_reaches_from_the_lowest_to_the_highest_sample(tmp_path: Path, width: int) -> None:
    wave = np.linspace(0, 1, 10_000) * np.where(np.arange(10_000) % 2, 0.8, -0.4)
    soundfile.write(tmp_path / "ramp.wav", np.stack((wave, wave), 1), RATE, subtype="FLOAT")
    image = Image.open(io.BytesIO(picture.waveform(files.peaks(tmp_path / "ramp.wav", 100), width, 200)))
    assert image.size == (width, 200)
    ink = np.asarray(image) == 2
    # The last column shows +0.8 and -0.4 of full scale, 100 rows each way.
    assert np.flatnonzero(ink[:, -1])[[0, -1]] == pytest.approx([20, 139], abs=1)
    assert 0 < ink[:, 0].sum() <= 3
    assert (np.diff(ink.sum(axis=0)) >= 0).all()

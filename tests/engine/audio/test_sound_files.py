"""Files, read back by other programs than wrote them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy.io import wavfile

from app.engine.audio import files, mix
from app.engine.music.score import Score

Written = Callable[..., tuple[Path, files.Written]]
KINDS = pytest.mark.parametrize(("format", "bit_depth"), [("wav", 16), ("wav", 24), ("wav", "32f"), ("flac", 16), ("flac", 24)])


@KINDS
def test_the_samples_in_a_file_are_those_that_were_hashed(crowd: Score, written: Written, format: str, bit_depth: Any) -> None:
    settings = mix.Settings(format=format, bit_depth=bit_depth)
    path, told = written(crowd, settings)
    kind = {16: "int16", 24: "int32", "32f": "float32"}[bit_depth]
    samples, rate = soundfile.read(path, dtype=kind)
    samples = samples >> 8 if bit_depth == 24 else samples
    assert rate == 48000
    assert len(samples) == told.frames
    assert hashlib.sha256(samples.tobytes()).hexdigest() == told.samples_hash == mix.render(crowd, settings).samples_hash


@KINDS
def test_equal_content_gives_equal_files(crowd: Score, written: Written, format: str, bit_depth: Any) -> None:
    settings = mix.Settings(format=format, bit_depth=bit_depth)
    first = written(crowd, settings, "first")[0].read_bytes()
    # A container that notes the time notes it in whole seconds.
    time.sleep(1.05 - time.time() % 1)
    assert written(crowd, settings, "second")[0].read_bytes() == first


@pytest.mark.parametrize("bit_depth", [16, "32f"])
def test_another_reader_finds_the_same_samples(crowd: Score, written: Written, bit_depth: Any) -> None:
    path, told = written(crowd, mix.Settings(bit_depth=bit_depth))
    rate, samples = wavfile.read(path)
    assert rate == 48000
    assert samples.shape == (told.frames, 2)
    assert hashlib.sha256(np.ascontiguousarray(samples).tobytes()).hexdigest() == told.samples_hash


@KINDS
@pytest.mark.skipif(shutil.which("sox") is None, reason="sox is not installed")
def test_sox_reads_the_file(crowd: Score, written: Written, tmp_path: Path, format: str, bit_depth: Any) -> None:
    path, told = written(crowd, mix.Settings(format=format, bit_depth=bit_depth))
    raw = tmp_path / "samples.raw"
    as_stored = {16: ("signed", "16"), 24: ("signed", "24"), "32f": ("float", "32")}[bit_depth]
    done = subprocess.run(
        ["sox", str(path), "-D", "-L", "-e", as_stored[0], "-b", as_stored[1], str(raw)], capture_output=True, text=True, check=False
    )
    if "no handler" in done.stderr:
        pytest.skip(f"this sox does not read {format}")
    assert done.returncode == 0, done.stderr
    data = raw.read_bytes()
    assert len(data) == told.frames * 2 * int(as_stored[1]) // 8
    if bit_depth == 16:
        assert hashlib.sha256(data).hexdigest() == told.samples_hash


@pytest.mark.parametrize(("bits", "floor_db"), [(16, -96.3), (24, -144.5)])
def test_dither_is_triangular_and_at_its_textbook_level(bits: int, floor_db: float) -> None:
    """Quantizing with TPDF dither of +-1 step leaves an error of variance 1/4 step^2, independent of the signal."""
    full = 2 ** (bits - 1)
    rng = np.random.default_rng(3)
    wave = (0.3 * rng.uniform(-1, 1, (2, 200_000))).astype(np.float32)
    whole = np.concatenate(list(files.quantized([wave], bits, 1)))
    error = whole - wave.T.astype(np.float64) * full
    # The standard error of these estimates is some 0.3 % with 400,000 samples.
    assert error.mean() == pytest.approx(0.0, abs=0.005)
    assert error.var() == pytest.approx(0.25, rel=0.015)
    assert abs(np.corrcoef(error[:, 0], wave[0])[0, 1]) < 0.01
    assert np.abs(error).max() <= 1.5
    assert 10 * np.log10(error.var() / full**2) == pytest.approx(floor_db, abs=0.1)


def test_dither_keeps_what_is_smaller_than_a_step() -> None:
    wave = np.full((2, 100_000), 0.3 / 2**15, np.float32)
    assert np.concatenate(list(files.quantized([wave], 16, 1))).mean() == pytest.approx(0.3, abs=0.01)


def test_dither_does_not_depend_on_the_chunks() -> None:
    wave = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 10_001)).astype(np.float32)
    whole = np.concatenate(list(files.quantized([wave], 16, 9)))
    pieces = np.concatenate(list(files.quantized(np.array_split(wave, 7, axis=1), 16, 9)))
    assert np.array_equal(whole, pieces)
    assert not np.array_equal(whole, np.concatenate(list(files.quantized([wave], 16, 10))))


@pytest.mark.parametrize("count", [1, 7, 1000, 10**7])
def test_peaks_are_the_extremes_of_equal_stretches(crowd: Score, written: Written, count: int) -> None:
    path, told = written(crowd)
    drawn = files.peaks(path, count)
    samples = soundfile.read(path, dtype="float32")[0]
    stretches = min(count, told.frames)
    assert drawn["frames"] == told.frames
    assert len(drawn["min"]) == len(drawn["max"]) == stretches
    edges = np.arange(stretches + 1) * told.frames // stretches
    for place in np.unique(np.linspace(0, stretches - 1, 50).astype(int)):
        stretch = samples[edges[place] : edges[place + 1]]
        # Zero is drawn too, so that a stretch always crosses the axis.
        assert drawn["min"][place] == pytest.approx(min(stretch.min(), 0.0))
        assert drawn["max"][place] == pytest.approx(max(stretch.max(), 0.0))


@pytest.mark.parametrize("rate", [8000, 11025, 65535, 96010, 192000])
def test_flac_holds_the_rates_it_says(crowd: Score, written: Written, rate: int) -> None:
    low = Score(tuple(note for note in crowd.notes if note.hz < 2000), crowd.voices, (), 120.0, "4/4", 440.0, 0.5)
    path, told = written(low, mix.Settings(format="flac", sample_rate=rate))
    assert soundfile.info(path).samplerate == rate
    assert soundfile.info(path).frames == told.frames

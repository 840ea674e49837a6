"""Files, read back by other programs than wrote them."""

from __future__ import annotations

import hashlib
import json
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

from app.engine import VERSION
from app.engine.audio import files, mix
from app.engine.audio.meters import PeakMeter
from app.engine.audio.tags import Tags
from app.engine.errors import OutOfRange, Unsupported
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


LOSSY = pytest.mark.parametrize(("format", "codec"), [("ogg", "vorbis"), ("mp3", "mp3")])


@LOSSY
def test_a_lossy_file_decodes_to_as_many_frames_and_to_what_was_hashed(crowd: Score, written: Written, format: str, codec: str) -> None:
    settings = mix.Settings(format=format, sample_rate=32000)
    path, told = written(crowd, settings)
    samples, rate = soundfile.read(path, dtype="float32")
    assert (rate, len(samples)) == (32000, told.frames) == (32000, mix.lay_out(crowd, settings).frames)
    assert hashlib.sha256(samples.tobytes()).hexdigest() == told.samples_hash
    plain = mix.render(crowd, settings).samples
    error = samples - plain * np.float32(told.gain)
    # In step with the mix to the sample: one frame late, the error of this music would be as strong as the music.
    assert 20 * np.log10(error.std() / plain.std()) < -12.0


@LOSSY
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_another_decoder_hears_the_same_in_a_lossy_file(crowd: Score, written: Written, format: str, codec: str) -> None:
    path, told = written(crowd, mix.Settings(format=format, sample_rate=44100))
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,sample_rate,channels", "-of", "csv=p=0", path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == f"{codec},44100,2"
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "f32le", "-"], capture_output=True, check=True).stdout
    other = np.frombuffer(raw, "<f4").reshape(-1, 2)
    assert len(other) == told.frames
    assert np.abs(other - soundfile.read(path, dtype="float32")[0]).max() < 1e-4


@LOSSY
def test_equal_samples_give_equal_lossy_files_however_they_are_cut(tmp_path: Path, format: str, codec: str) -> None:
    noise = np.random.default_rng(2).normal(0, 0.1, (2 * 48000, 2)).astype(np.float32)

    def encoded(name: str, pieces: int) -> bytes:
        path = tmp_path / name
        files.write(path, np.array_split(noise, pieces), format=format, bit_depth=None, sample_rate=48000, quality=0.5)
        return path.read_bytes()

    assert encoded("one", 1) == encoded("other", 7)


def test_every_page_of_an_ogg_file_has_the_serial_number_of_its_content_and_its_checksum(tmp_path: Path) -> None:
    serials = set()
    for place in range(2):
        path, wave = tmp_path / f"{place}.ogg", np.full((48000, 2), 0.1 * place, np.float32)
        files.write(path, [wave], format="ogg", bit_depth=None, sample_rate=48000, quality=0.5)
        data, at, numbers = path.read_bytes(), 0, set()
        while at < len(data):
            assert data[at : at + 4] == b"OggS"
            size = 27 + data[at + 26] + sum(data[at + 27 : at + 27 + data[at + 26]])
            page = bytearray(data[at : at + size])
            told, page[22:26] = int.from_bytes(page[22:26], "little"), bytes(4)
            assert _long_division(bytes(page)) == told
            numbers.add(bytes(page[14:18]))
            at += size
        assert len(numbers) == 1
        serials |= numbers
    assert len(serials) == 2


def _long_division(data: bytes) -> int:
    """The remainder of the bits of `data`, 32 zeros behind them, on division by the polynomial 0x104c11db7."""
    rest = 0
    for byte in data + bytes(4):
        for place in range(7, -1, -1):
            rest = rest << 1 | (byte >> place & 1)
            rest ^= 0x104C11DB7 if rest >> 32 else 0
    return rest


@LOSSY
@pytest.mark.parametrize("quality", [0.3, pytest.param(1.0, marks=pytest.mark.slow)])
def test_what_an_encoder_makes_louder_is_turned_down(tmp_path: Path, format: str, codec: str, quality: float) -> None:
    """Noise and square waves up to the ceiling: their decoded peaks are the worst there are."""
    rng, place = np.random.default_rng(1), np.arange(48000) / 48000
    hard = np.concatenate((rng.uniform(-1, 1, 48000), np.sign(np.sin(2 * np.pi * 100.3 * place)))) * 10 ** (-1.5 / 20)
    path = tmp_path / "hard"
    told = files.write(
        path, [np.stack((hard, hard[::-1]), 1).astype("<f4")], format=format, bit_depth=None, sample_rate=48000, quality=quality
    )
    meter = PeakMeter()
    for chunk in files.read(path):
        meter.read(chunk)
    meter.finish()
    assert meter.true_peak <= 1.0
    assert 0.5 < told.gain <= 1.0
    assert quality == 1.0 or told.gain < 1.0


@pytest.mark.parametrize("rate", [44101, 64000, 96000])
def test_mp3_refuses_rates_that_it_does_not_have(rate: int) -> None:
    with pytest.raises(Unsupported, match="44100, 48000 Hz") as refused:
        mix.Settings(format="mp3", sample_rate=rate)
    assert refused.value.field == "sample_rate"


def test_a_lossy_format_has_a_quality_and_no_bit_depth() -> None:
    for format in ("ogg", "mp3"):
        assert mix.Settings(format=format, bit_depth=16) == mix.Settings(format=format)
        assert mix.Settings(format=format).bit_depth is None
        with pytest.raises(OutOfRange, match=r"0\.3 to 1"):
            mix.Settings(format=format, quality=0.2)
    assert mix.Settings(format="wav", quality=0.2) == mix.Settings(format="wav")


ALL = pytest.mark.parametrize("format", ["wav", "flac", "ogg", "mp3"])
TAGS = Tags(title="Zwölf ♪ " + "tones " * 15, artist="Ada\x00\nLovelace", license="CC-BY-4.0", comment="https://example.org/api/scenes/1")


def tagged(path: Path, format: str, tags: Tags, bit_depth: Any = None) -> files.Written:
    """A little noise in a file with tags."""
    depth = bit_depth or (None if files.FORMATS[format].lossy else 16)
    noise = np.random.default_rng(4).normal(0, 0.1, (2, 12_000)).astype(np.float32)
    samples = list(files.quantized([noise], depth, 1))
    return files.write(path, samples, format=format, bit_depth=depth, sample_rate=48000, quality=0.5, tags=tags)


@ALL
@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_another_reader_finds_the_tags(tmp_path: Path, format: str) -> None:
    tagged(tmp_path / "tagged", format, TAGS)
    asked = ["ffprobe", "-v", "error", "-show_entries", "format_tags:stream_tags", "-of", "json", tmp_path / "tagged"]
    told = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
    found = {name.lower(): text for part in (*told["streams"], told["format"]) for name, text in part.get("tags", {}).items()}
    assert found["title"] == TAGS.title.strip()
    assert found["artist"] == "Ada  Lovelace"
    assert found["copyright"] == "CC-BY-4.0"
    assert found["comment"] == TAGS.comment
    assert f"engine {VERSION}" in found["software" if format in ("flac", "ogg") else "encoder"]


@ALL
def test_tags_change_the_file_and_not_its_samples(tmp_path: Path, format: str) -> None:
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    told = tagged(first, format, TAGS)
    assert tagged(again, format, TAGS) == told == tagged(other, format, Tags(title="Another"))
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()
    assert np.array_equal(soundfile.read(first)[0], soundfile.read(other)[0])


def test_a_float_file_tells_no_time_however_long_its_title(tmp_path: Path) -> None:
    path = tmp_path / "tagged.wav"
    tagged(path, "wav", TAGS, "32f")
    data = path.read_bytes()
    place = data.index(b"PEAK")
    assert place > 256
    assert data[place + 12 : place + 16] == bytes(4)
    assert len(soundfile.read(path)[0]) == 12_000

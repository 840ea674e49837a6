"""Sounds from outside: the good are kept as they came and measured, the others refused by what is wrong with them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest

from app.engine.audio import uploads
from app.engine.errors import EngineError
from tests.uploads import DATA, HOSTILE, Hostile, chunk, fmt, riff, sound


def received(data: bytes, path: Path) -> uploads.Material:
    return uploads.measure(path, uploads.take_in(io.BytesIO(data).read, path))


@pytest.mark.parametrize(
    ("format", "subtype", "depth"),
    [
        ("WAV", "PCM_16", 16),
        ("WAV", "PCM_24", 24),
        ("WAV", "PCM_32", 32),
        ("WAV", "FLOAT", "32f"),
        ("WAVEX", "PCM_24", 24),
        ("WAVEX", "FLOAT", "32f"),
        ("FLAC", "PCM_16", 16),
        ("FLAC", "PCM_24", 24),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_good_file_is_kept_as_it_came_and_measured(tmp_path: Path, format: str, subtype: str, depth: int | str, channels: int) -> None:
    data = sound(format, subtype, 44100, channels, 44100)
    found = received(data, tmp_path / "came")
    assert (tmp_path / "came").read_bytes() == data
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert (found.file_bytes, found.bit_depth, found.channels) == (len(data), depth, channels)
    assert (found.sample_rate, found.frames, found.duration_s) == (44100, 44100, 1.0)
    assert found.format == ("flac" if format == "FLAC" else "wav")
    assert found.peak_dbtp == pytest.approx(-6.02, abs=0.05)
    # By BS.1770 a sine of 997 Hz at full scale in one channel is at -3.01 LUFS; the second adds 3.01.
    assert found.lufs == pytest.approx(-3.01 - 6.02 + (3.01 if channels == 2 else 0.0), abs=0.05)


def test_chunks_that_are_not_known_are_passed_over(tmp_path: Path) -> None:
    data = riff(chunk(b"JUNK", bytes(27)), chunk(b"fmt ", fmt()), chunk(b"LIST", b"INFO"), DATA, chunk(b"bext", bytes(301)))
    found = received(data, tmp_path / "came")
    assert (found.frames, found.peak_dbtp, found.lufs) == (480, None, None)


def test_there_are_more_than_forty_hostile_files_of_different_names() -> None:
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE) > 40


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_a_hostile_file_is_refused_by_name_before_more_of_it_is_read(tmp_path: Path, hostile: Hostile) -> None:
    stream = io.BytesIO(hostile.data())
    with pytest.raises(EngineError) as refused:
        uploads.measure(tmp_path / "came", uploads.take_in(stream.read, tmp_path / "came"))
    assert refused.value.field.startswith(hostile.field), refused.value.message
    assert isinstance(refused.value, uploads.TooLarge) == (hostile.status == 413)
    assert hostile.read is None or stream.tell() <= hostile.read


@pytest.mark.parametrize("head", [b"RIFF", b"fLaC"])
def test_of_an_endless_stream_no_more_than_64_mib_are_read(tmp_path: Path, head: bytes) -> None:
    """A FLAC file does not say how many bytes it has."""
    start = sound("FLAC") if head == b"fLaC" else riff(chunk(b"fmt ", fmt()), chunk(b"data", b"", 2**26 - 36), size=2**26 + 100)
    taken = 0

    def read(size: int) -> bytes:
        nonlocal taken
        part = start[taken : taken + size] or bytes(size)
        taken += len(part)
        return part

    with pytest.raises(uploads.TooLarge):
        uploads.take_in(read, tmp_path / "came")
    assert taken <= uploads.MOST_BYTES + 1


@pytest.mark.slow
def test_no_damage_to_a_file_is_more_than_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for data in (sound(), sound("FLAC"), sound("WAV", "FLOAT")):
        for _ in range(400):
            spoilt = bytearray(data)
            for place in rng.integers(0, min(len(data), rng.choice([64, 256, 10**6])), rng.integers(1, 8)):
                spoilt[place] = rng.integers(0, 256)
            try:
                found = received(bytes(spoilt), tmp_path / "came")
            except EngineError as refused:
                assert refused.field.startswith("file")
            else:
                assert found.channels in (1, 2) and 8000 <= found.sample_rate <= 192000


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
@pytest.mark.parametrize("lie", ["md5", "frames"])
def test_a_flac_file_is_the_sound_that_its_stream_info_has(tmp_path: Path, subtype: str, lie: str) -> None:
    """RFC 9639, section 8.2: 36 bits of the number of samples up to byte 18 of the block, then the MD5 of all samples."""
    data = bytearray(sound("FLAC", subtype, 44100, 2, 44100))
    first = 8
    if lie == "md5":
        data[first + 18] ^= 1
    else:
        packed = int.from_bytes(data[first + 10 : first + 18], "big") - 1000
        data[first + 10 : first + 18] = packed.to_bytes(8, "big")
    with pytest.raises(EngineError) as refused:
        received(bytes(data), tmp_path / "came")
    assert refused.value.field in ("file.streaminfo", "file.frames")

"""Ogg Vorbis and MP3, by libsndfile: no decoded peak is above full scale, and equal samples give equal bytes."""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import soundfile
from numpy.typing import NDArray

from app.engine.audio.meters import PeakMeter

_PIECE = 4096
_FRAME_BYTES = 8
_TRIES = 8
_MARGIN = 10 ** (-0.05 / 20)
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

Open = Callable[[Path], soundfile.SoundFile]


def encode(path: Path, samples: Iterable[NDArray[np.float32]], open_file: Open) -> tuple[int, str, float]:
    """Encode interleaved float chunks (n, 2) to `path`, as loud as they are or as much softer as keeps the decoded true peak at 0 dBTP.

    An encoder overshoots: noise limited to -1 dBTP comes back at up to +2 dBTP. What does so is turned down by that much and encoded again.

    Parameters
    ----------
    open_file : opens `path` for writing, with the encoder set; the file does not depend on how the chunks are cut

    Returns
    -------
    frames, samples_hash, gain : the hash is the SHA-256 in hex of the decoded samples, little-endian float32; the gain is linear, at most 1
    """
    with tempfile.TemporaryFile(dir=path.parent) as spool:
        digest = _spool(samples, spool)
        gain = 1.0
        for _ in range(_TRIES):
            _write(path, spool, gain, open_file)
            frames, decoded_hash, peak = _decoded(path)
            if peak <= 1.0:
                break
            gain *= _MARGIN / peak
    if path.open("rb").read(4) == b"OggS":
        _number(path, int.from_bytes(digest[:4], "little"))
    return frames, decoded_hash, gain


class _Forward(soundfile.SoundFile):  # type: ignore[misc]  # it has no types
    """A file that is read on and on: soundfile seeks after each block, and a frame of MP3 that is sought lacks those before it."""

    def seekable(self) -> bool:
        """Never."""
        return False


def blocks(path: Path, frames: int) -> Iterator[NDArray[np.float32]]:
    """The samples of any sound file from beginning to end, as (n, channels), `frames` at a time."""
    with _Forward(path) as file:
        while len(block := file.read(frames, dtype="float32", always_2d=True)):
            yield block


def _spool(samples: Iterable[NDArray[np.float32]], spool: IO[bytes]) -> bytes:
    digest = hashlib.sha256()
    for chunk in samples:
        digest.update(chunk.data)
        spool.write(chunk.data)
    return digest.digest()


def _write(path: Path, spool: IO[bytes], gain: float, open_file: Open) -> None:
    """Encode the spooled samples in pieces of one size: libvorbis looks ahead as far as what it has been given."""
    spool.seek(0)
    with open_file(path) as file:
        while data := spool.read(_PIECE * _FRAME_BYTES):
            file.write(np.frombuffer(data, "<f4").reshape(-1, 2) * np.float32(gain))


def _decoded(path: Path) -> tuple[int, str, float]:
    """Frames, hash and true peak (linear) of what a file decodes to."""
    meter, digest, frames = PeakMeter(), hashlib.sha256(), 0
    for block in blocks(path, 1 << 16):
        digest.update(np.ascontiguousarray(block, "<f4").data)
        frames += len(block)
        meter.read(np.ascontiguousarray(block.T))
    meter.finish()
    return frames, digest.hexdigest(), meter.true_peak


def _number(path: Path, serial: int) -> None:
    """Give the stream of an Ogg file its serial number, which libsndfile draws at random (RFC 3533, section 6)."""
    with path.open("r+b") as file:
        while header := file.read(27):
            sizes = file.read(header[26])
            body = file.read(sum(sizes))
            page = bytearray(header + sizes + body)
            page[14:18] = serial.to_bytes(4, "little")
            page[22:26] = bytes(4)
            page[22:26] = _checksum(page).to_bytes(4, "little")
            file.seek(-len(page), 1)
            file.write(page)


def _checksum(page: bytes | bytearray) -> int:
    """The CRC of a page: polynomial 0x04c11db7, highest bit first, from 0 and not inverted; zlib's is the same with its bits mirrored."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)

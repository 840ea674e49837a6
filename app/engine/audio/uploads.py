"""Sounds from outside: what a WAV or FLAC file claims is read and judged here, before a decoder sees it; then it is decoded and measured.

References
----------
RIFF WAVE: IBM and Microsoft, Multimedia Programming Interface and Data Specifications 1.0 (1991), and WAVEFORMATEXTENSIBLE. FLAC: RFC 9639,
sections 8 and 9.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from app.engine.audio import lossy
from app.engine.audio.meters import LoudnessMeter, PeakMeter, decibels
from app.engine.catalogue import MATERIAL_FILE
from app.engine.errors import EngineError, OutOfRange, Unsupported

MOST_BYTES = 64 << 20
_MOST_HEADER = 1 << 16
_MOST_CHUNKS = 64
_LOUDEST = 16.0
_BLOCK = 1 << 16
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_SUBTYPES = {
    ("wav", _PCM, 16): "PCM_16",
    ("wav", _PCM, 24): "PCM_24",
    ("wav", _PCM, 32): "PCM_32",
    ("wav", _FLOAT, 32): "FLOAT",
    ("flac", _PCM, 16): "PCM_16",
    ("flac", _PCM, 24): "PCM_24",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """What the header of a file says of it; `md5` of its samples, empty where it does not say."""

    format: str
    subtype: str
    sample_rate: int
    channels: int
    frames: int
    md5: bytes = b""


@dataclass(frozen=True, slots=True)
class Material:
    """A file that is what it claims. `bit_depth` is 16, 24, 32 or `32f`; None of the peak and the loudness is silence."""

    format: str
    bit_depth: int | str
    sample_rate: int
    channels: int
    frames: int
    file_bytes: int
    sha256: str
    peak_dbtp: float | None
    lufs: float | None

    @property
    def duration_s(self) -> float:
        """Length in s."""
        return self.frames / self.sample_rate


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was taken in: its claim, and what came."""

    claim: Claim
    file_bytes: int
    sha256: str


class TooLarge(EngineError):
    """More bytes than a file may have."""


class _Source:
    """Bytes as they come, kept in a file; nothing is read that was not asked for."""

    def __init__(self, read: Callable[[int], bytes], kept: BinaryIO) -> None:
        self._read, self._kept = read, kept
        self._digest = hashlib.sha256()
        self.taken = 0

    def take(self, size: int, field: str) -> bytes:
        """Exactly so many bytes, else EngineError."""
        return b"".join(self._parts(size, field))

    def skip(self, size: int, field: str) -> None:
        """Keep so many bytes without looking at them."""
        for _ in self._parts(size, field):
            pass

    def at_end(self) -> bool:
        """Whether nothing follows."""
        return not self._read(1)

    def sha256(self) -> str:
        """Of all that was kept, in hex."""
        return self._digest.hexdigest()

    def rest(self, field: str) -> None:
        """Keep all that follows."""
        while part := self._read(min(_BLOCK, MOST_BYTES - self.taken + 1)):
            self._keep(part, field)

    def _parts(self, size: int, field: str) -> Iterator[bytes]:
        if self.taken + size > MOST_BYTES:
            raise TooLarge(f"The file may have {MOST_BYTES} bytes; it claims at least {self.taken + size}.", field)
        while size:
            part = self._read(min(size, _BLOCK))
            if not part:
                raise EngineError(f"The file ends after {self.taken} bytes, {size} before it says.", field)
            self._keep(part, field)
            size -= len(part)
            yield part

    def _keep(self, part: bytes, field: str) -> None:
        self.taken += len(part)
        if self.taken > MOST_BYTES:
            raise TooLarge(f"The file may have {MOST_BYTES} bytes.", field)
        self._kept.write(part)
        self._digest.update(part)


def take_in(read: Callable[[int], bytes], path: Path) -> Taken:
    """Take in a file whose header may be believed, as far as it goes.

    Parameters
    ----------
    read : gives at most so many of the bytes that come next, and none at the end; asked for no more than the header until that is judged,
        and for no more than 64 MiB and a byte
    path : where the file is kept, as it came

    Raises
    ------
    EngineError : naming the part of the file that is wrong (`file.channels`); TooLarge past 64 MiB. What is at `path` is then unfinished
    """
    with path.open("wb") as kept:
        source = _Source(read, kept)
        head = source.take(4, "file")
        if head == b"RIFF":
            claim = _wav(source)
        elif head == b"fLaC":
            claim = _flac(source)
        else:
            raise Unsupported("Must be a WAV (RIFF) or FLAC file.", "file")
    return Taken(claim, source.taken, source.sha256())


def _judged(format: str, tag: int, bits: int, sample_rate: int, channels: int, frames: int) -> Claim:
    """The claim, when everything in it may be."""
    MATERIAL_FILE["channels"].check(channels, "file.channels")
    MATERIAL_FILE["sample_rate"].check(sample_rate, "file.sample_rate")
    subtype = _SUBTYPES.get((format, tag, bits))
    if subtype is None:
        raise Unsupported("Must be PCM of 16 or 24 bits, or in WAV of 32 bits or float of 32.", "file.bit_depth")
    if frames < 1:
        raise OutOfRange("Must have at least one frame, and say how many it has.", "file.frames")
    MATERIAL_FILE["duration_s"].check(frames / sample_rate, "file.duration_s")
    return Claim(format, subtype, sample_rate, channels, frames)


def _wav(source: _Source) -> Claim:
    """Walk the chunks of a WAV file; the sound is passed over."""
    size = int.from_bytes(source.take(4, "file.size"), "little")
    if size + 8 > MOST_BYTES:
        raise TooLarge(f"The file may have {MOST_BYTES} bytes; it claims {size + 8}.", "file.size")
    if source.take(4, "file") != b"WAVE":
        raise Unsupported("Must be a WAV (RIFF) or FLAC file.", "file")
    layout, claim, seen = b"", None, 0
    while source.taken < size + 8:
        seen += 1
        name, length = source.take(4, "file.chunks"), int.from_bytes(source.take(4, "file.chunks"), "little")
        place = f"file.chunks.{_shown(name)}"
        if seen > _MOST_CHUNKS or name in (b"RIFF", b"RF64") or not all(0x20 <= sign < 0x7F for sign in name):
            raise EngineError("Must be a flat row of at most 64 named chunks.", "file.chunks")
        padded = length + length % 2
        if source.taken + padded > size + 8:
            raise EngineError(f"Claims {length} bytes; {size + 8 - source.taken} are left of the file.", place)
        if (name == b"fmt " and layout) or (name == b"data" and (claim or not layout)):
            raise EngineError("There must be one fmt, and after it one data.", place)
        if name == b"data":
            claim = _of_layout(layout, length)
            source.skip(padded, place)
        elif name == b"fmt ":
            if length not in (16, 18, 40):
                raise EngineError("Must have 16, 18 or 40 bytes.", place)
            layout = source.take(length, place)
        else:
            if not claim and source.taken + padded > _MOST_HEADER:
                raise EngineError(f"The sound must begin within {_MOST_HEADER} bytes.", place)
            source.skip(padded, place)
    if claim is None:
        raise EngineError("There must be one fmt, and after it one data.", "file.chunks.data")
    if not source.at_end():
        raise EngineError(f"Claims {size + 8} bytes, and has more.", "file.size")
    return claim


def _of_layout(layout: bytes, length: int) -> Claim:
    """The claim of a fmt chunk, and of a data chunk of so many bytes."""
    tag, channels, rate, speed, frame, bits = (
        int.from_bytes(layout[first:last], "little") for first, last in ((0, 2), (2, 4), (4, 8), (8, 12), (12, 14), (14, 16))
    )
    if tag == _EXTENSIBLE:
        if len(layout) != 40 or layout[26:] != _GUID_TAIL or int.from_bytes(layout[18:20], "little") != bits:
            raise Unsupported("Must be PCM of 16 or 24 bits, or in WAV of 32 bits or float of 32.", "file.bit_depth")
        tag = int.from_bytes(layout[24:26], "little")
    frames = length // frame if frame else 0
    claim = _judged("wav", tag, bits, rate, channels, frames)
    if frame != channels * bits // 8 or speed != rate * frame:
        raise EngineError("Contradicts the channels, bits and rate: bytes of a frame, or of a second.", "file.frame_bytes")
    if length % frame:
        raise EngineError(f"Must be whole frames of {frame} bytes.", "file.chunks.data")
    return claim


def _flac(source: _Source) -> Claim:
    """Walk the metadata of a FLAC file, and take in its frames."""
    claim, last, seen = None, False, 0
    while not last:
        seen += 1
        head = source.take(4, "file.metadata")
        last, kind, length = head[0] >= 0x80, head[0] & 0x7F, int.from_bytes(head[1:], "big")
        if kind == 0x7F or (kind == 0) != (claim is None) or seen > _MOST_CHUNKS:
            raise EngineError("Must be one stream info, and at most 63 other blocks after it.", "file.metadata")
        if kind == 0:
            claim = _of_stream_info(source.take(length, "file.streaminfo") if length == 34 else b"")
        elif source.taken + length > _MOST_HEADER:
            raise EngineError(f"The sound must begin within {_MOST_HEADER} bytes.", "file.metadata")
        else:
            source.skip(length, "file.metadata")
    if claim is None or source.take(2, "file.frames") not in (b"\xff\xf8", b"\xff\xf9"):
        raise EngineError("After the metadata there must be a frame.", "file.frames")
    source.rest("file.size")
    return claim


def _of_stream_info(info: bytes) -> Claim:
    """The claim of a STREAMINFO block."""
    if not info:
        raise EngineError("Must have 34 bytes.", "file.streaminfo")
    least, most = int.from_bytes(info[:2], "big"), int.from_bytes(info[2:4], "big")
    packed = int.from_bytes(info[10:18], "big")
    if not 16 <= least <= most:
        raise EngineError("Blocks must have 16 samples or more, and the largest no fewer than the smallest.", "file.streaminfo")
    rate, channels, bits, frames = packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & (1 << 36) - 1
    md5 = info[18:] if any(info[18:]) else b""
    return replace(_judged("flac", _PCM, bits, rate, channels, frames), md5=md5)


def measure(path: Path, taken: Taken) -> Material:
    """Decode a file that was taken in: it must be what it claims, and every sample a number. Raises EngineError naming what is not."""
    claim = taken.claim
    peaks, loudness, frames, digest = PeakMeter(), LoudnessMeter(claim.sample_rate), 0, hashlib.md5(usedforsecurity=False)
    try:
        told = soundfile.info(path)
        if (told.samplerate, told.channels, told.frames, told.subtype) != (
            claim.sample_rate,
            claim.channels,
            claim.frames,
            claim.subtype,
        ):
            raise EngineError("The sound is not what the header says.", "file.frames")
        for block in lossy.blocks(path, _BLOCK):
            frames += len(block)
            if not np.isfinite(block).all() or np.abs(block).max() > _LOUDEST:
                raise OutOfRange(f"Every sample must be a number from -{_LOUDEST:g} to {_LOUDEST:g}.", "file.samples")
            if claim.md5:
                digest.update(_integers(block, int(claim.subtype.removeprefix("PCM_"))))
            # One channel beside silence: BS.1770 sums the channels that there are.
            planar = np.zeros((2, len(block)), np.float32)
            planar[: claim.channels] = block.T
            peaks.read(planar)
            loudness.read(planar)
    except soundfile.SoundFileError as error:
        raise EngineError(f"Cannot be decoded: {error}", "file") from None
    if frames != claim.frames:
        raise EngineError(f"Says {claim.frames} frames, and has {frames}.", "file.frames")
    if claim.md5 and digest.digest() != claim.md5:
        raise EngineError("The sound is not the one whose MD5 the stream info has.", "file.streaminfo")
    peaks.finish()
    depth = claim.subtype.removeprefix("PCM_")
    return Material(
        format=claim.format,
        bit_depth=int(depth) if depth.isdigit() else "32f",
        sample_rate=claim.sample_rate,
        channels=claim.channels,
        frames=frames,
        file_bytes=taken.file_bytes,
        sha256=taken.sha256,
        peak_dbtp=decibels(peaks.true_peak),
        lufs=loudness.lufs(),
    )


def _integers(block: NDArray[np.float32], bits: int) -> bytes:
    """Samples of full scale 1 as the little-endian integers that the MD5 of a FLAC file is made of."""
    whole = np.rint(block * np.float32(1 << bits - 1)).astype("<i4")
    return np.ascontiguousarray(whole).view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()


def _shown(name: bytes) -> str:
    return "".join(chr(sign) if chr(sign).isalnum() else "_" for sign in name if sign < 0x7F).strip("_") or "unnamed"

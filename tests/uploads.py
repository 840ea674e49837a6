"""Sound files as they should be, and as nobody should send them."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soundfile

PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    """A chunk, with its pad byte; `size` is what it claims, if not the truth."""
    return name + struct.pack("<I", len(data) if size is None else size) + data + bytes(len(data) % 2)


def fmt(tag: int = 1, channels: int = 1, rate: int = 48000, bits: int = 16, speed: int | None = None, frame: int | None = None) -> bytes:
    """The content of a fmt chunk."""
    frame = channels * bits // 8 if frame is None else frame
    return struct.pack("<HHIIHH", tag, channels, rate, (rate * frame) % 2**32 if speed is None else speed, frame, bits)


def riff(*chunks: bytes, size: int | None = None, head: bytes = b"RIFF", kind: bytes = b"WAVE") -> bytes:
    """A WAV file of chunks; `size` is what it claims, if not the truth."""
    body = kind + b"".join(chunks)
    return head + struct.pack("<I", len(body) if size is None else size) + body


def block(kind: int, data: bytes, last: bool = False, size: int | None = None) -> bytes:
    """A metadata block of FLAC."""
    return bytes([kind | 0x80 * last]) + (len(data) if size is None else size).to_bytes(3, "big") + data


def stream_info(rate: int = 48000, channels: int = 2, bits: int = 16, frames: int = 4800, least: int = 4096, most: int = 4096) -> bytes:
    """The content of a STREAMINFO block."""
    packed = rate << 44 | channels - 1 << 41 | bits - 1 << 36 | frames
    return struct.pack(">HH", least, most) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)


def sound(format: str = "WAV", subtype: str = "PCM_16", rate: int = 48000, channels: int = 2, frames: int = 4800) -> bytes:
    """A good file: a tone of 1 kHz at half of full scale."""
    buffer = io.BytesIO()
    wave = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(frames) / rate)
    soundfile.write(buffer, np.repeat(wave[:, None], channels, 1), rate, subtype=subtype, format=format)
    return buffer.getvalue()


@dataclass(frozen=True)
class Hostile:
    """A file, the field that is to be named, and how much of it may be read before it is refused (None: all)."""

    name: str
    data: Callable[[], bytes]
    field: str
    read: int | None = 128
    status: int = 422


DATA = chunk(b"data", bytes(960))
GOOD_FLAC = sound("FLAC")
ZEROS = 70_000


def _floats(*values: float) -> bytes:
    return riff(chunk(b"fmt ", fmt(3, 1, 48000, 32)), chunk(b"data", np.array([0.1, *values], "<f4").tobytes()))


def _with_info(**given: int) -> bytes:
    return b"fLaC" + block(0, stream_info(**given)) + GOOD_FLAC[42:]


def _wav(**given: int) -> bytes:
    return riff(chunk(b"fmt ", fmt(**given)), DATA)


HOSTILE = (
    Hostile("nothing", lambda: b"", "file"),
    Hostile("three bytes", lambda: b"RIF", "file"),
    Hostile("an archive", lambda: b"PK\x03\x04" + bytes(ZEROS), "file", 4),
    Hostile("a picture", lambda: b"\x89PNG\r\n\x1a\n" + bytes(ZEROS), "file", 4),
    Hostile("an mp3 called wav", lambda: sound("MP3", "MPEG_LAYER_III"), "file", 4),
    Hostile("an ogg file", lambda: sound("OGG", "VORBIS"), "file", 4),
    Hostile("aiff", lambda: sound("AIFF"), "file", 4),
    Hostile("big-endian riff", lambda: riff(chunk(b"fmt ", fmt()), DATA, head=b"RIFX"), "file", 4),
    Hostile("RF64 that lies", lambda: riff(chunk(b"ds64", bytes(28)), DATA, head=b"RF64", size=0xFFFFFFFF), "file", 4),
    Hostile("a riff of pictures", lambda: riff(chunk(b"fmt ", fmt()), DATA, kind=b"WEBP"), "file", 12),
    Hostile("a size of 4 GB", lambda: riff(chunk(b"fmt ", fmt()), DATA, size=0xFFFFFFFF), "file.size", 12, 413),
    Hostile("a size of 65 MiB", lambda: riff(chunk(b"fmt ", fmt()), DATA, size=65 << 20), "file.size", 12, 413),
    Hostile("a size of nothing", lambda: riff(chunk(b"fmt ", fmt()), DATA, size=0), "file.chunks.data", 12),
    Hostile("a size that is too small", lambda: riff(chunk(b"fmt ", fmt()), DATA, size=100), "file.chunks.data", 44),
    Hostile("a size that is too large", lambda: riff(chunk(b"fmt ", fmt()), DATA, size=5000), "file.chunks", None),
    Hostile("more behind the end", lambda: riff(chunk(b"fmt ", fmt()), DATA) + bytes(ZEROS), "file.size", 1200),
    Hostile("sound of 4 GB", lambda: riff(chunk(b"fmt ", fmt()), chunk(b"data", bytes(960), 0xFFFFFFFF)), "file.chunks.data", 44),
    Hostile(
        "sound of a negative size", lambda: riff(chunk(b"fmt ", fmt()), chunk(b"data", bytes(960), 2**32 - 960)), "file.chunks.data", 44
    ),
    Hostile("sound that is cut short", lambda: riff(chunk(b"fmt ", fmt()), DATA)[:-400], "file.chunks.data", None),
    Hostile("no sound", lambda: riff(chunk(b"fmt ", fmt())), "file.chunks.data"),
    Hostile("no frame", lambda: riff(chunk(b"fmt ", fmt()), chunk(b"data", b"")), "file.frames"),
    Hostile("half a frame", lambda: riff(chunk(b"fmt ", fmt()), chunk(b"data", bytes(961))), "file.chunks.data"),
    Hostile("sound before its layout", lambda: riff(DATA, chunk(b"fmt ", fmt())), "file.chunks.data"),
    Hostile("two layouts", lambda: riff(chunk(b"fmt ", fmt()), chunk(b"fmt ", fmt()), DATA), "file.chunks.fmt"),
    Hostile("two sounds", lambda: riff(chunk(b"fmt ", fmt()), DATA, DATA), "file.chunks.data", 1100),
    Hostile("a layout of one byte", lambda: riff(chunk(b"fmt ", b"\x01"), DATA), "file.chunks.fmt"),
    Hostile("a layout of 60,000 bytes", lambda: riff(chunk(b"fmt ", fmt() + bytes(60_000)), DATA), "file.chunks.fmt"),
    Hostile("no channel", lambda: _wav(channels=0), "file.channels"),
    Hostile("65,535 channels", lambda: _wav(channels=65535, frame=65534), "file.channels"),
    Hostile("a rate of 0", lambda: _wav(rate=0), "file.sample_rate"),
    Hostile("a rate of 1 GHz", lambda: _wav(rate=10**9), "file.sample_rate"),
    Hostile("samples of no bits", lambda: _wav(bits=0), "file.bit_depth"),
    Hostile("samples of 17 bits", lambda: _wav(bits=17), "file.bit_depth"),
    Hostile("a codec of the telephone", lambda: _wav(tag=7, bits=8), "file.bit_depth"),
    Hostile("mp3 inside", lambda: _wav(tag=0x55), "file.bit_depth"),
    Hostile("frames of another size", lambda: _wav(frame=3), "file.frame_bytes"),
    Hostile("another speed", lambda: _wav(speed=1), "file.frame_bytes"),
    Hostile("an extension that is none", lambda: riff(chunk(b"fmt ", fmt(0xFFFE) + bytes(24)), DATA), "file.bit_depth"),
    Hostile("riff within riff", lambda: riff(riff(chunk(b"fmt ", fmt()), DATA)), "file.chunks"),
    Hostile("an odd chunk without its pad", lambda: riff(b"note\x03\0\0\0abc", chunk(b"fmt ", fmt()), DATA), "file.chunks"),
    Hostile("a huge list", lambda: riff(chunk(b"LIST", bytes(ZEROS)), chunk(b"fmt ", fmt()), DATA), "file.chunks.LIST"),
    Hostile("a list of 4 GB", lambda: riff(chunk(b"LIST", bytes(4), 0xFFFFFFF0), chunk(b"fmt ", fmt()), DATA), "file.chunks.LIST"),
    Hostile("a thousand chunks", lambda: riff(*[chunk(b"junk", b"")] * 1000, chunk(b"fmt ", fmt()), DATA), "file.chunks", 600),
    Hostile("eleven minutes", lambda: riff(chunk(b"fmt ", fmt(rate=8000)), chunk(b"data", bytes(16000 * 660))), "file.duration_s"),
    Hostile("a sample that is no number", lambda: _floats(float("nan")), "file.samples", None),
    Hostile("an infinite sample", lambda: _floats(float("inf")), "file.samples", None),
    Hostile("a sample of 1e30", lambda: _floats(1e30), "file.samples", None),
    Hostile("flac without blocks", lambda: b"fLaC", "file.metadata"),
    Hostile("flac without stream info", lambda: b"fLaC" + block(4, bytes(40), last=True) + GOOD_FLAC[42:], "file.metadata"),
    Hostile("a stream info of 33 bytes", lambda: b"fLaC" + block(0, stream_info()[:33]) + GOOD_FLAC[42:], "file.streaminfo"),
    Hostile("flac blocks of no samples", lambda: _with_info(least=0, most=0), "file.streaminfo"),
    Hostile("flac of 1 Hz", lambda: _with_info(rate=1), "file.sample_rate"),
    Hostile("flac of eight channels", lambda: _with_info(channels=8), "file.channels"),
    Hostile("flac of 4 bits", lambda: _with_info(bits=4), "file.bit_depth"),
    Hostile("flac of unknown length", lambda: _with_info(frames=0), "file.frames"),
    Hostile("flac of sixteen days", lambda: _with_info(frames=2**36 - 1), "file.duration_s"),
    Hostile("flac longer than its sound", lambda: _with_info(frames=48000), "file", None),
    Hostile(
        "flac with a picture of 16 MB", lambda: b"fLaC" + block(0, stream_info()) + block(6, bytes(9), size=2**24 - 1), "file.metadata"
    ),
    Hostile("flac without a frame", lambda: b"fLaC" + block(0, stream_info(), last=True) + bytes(ZEROS), "file.frames"),
    Hostile("flac that is cut short", lambda: GOOD_FLAC[: len(GOOD_FLAC) // 2], "file", None),
    Hostile("flac with noise for frames", lambda: GOOD_FLAC[:-2000] + bytes(range(200)) * 10, "file", None),
)

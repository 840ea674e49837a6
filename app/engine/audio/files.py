"""Audio files: dithered, rounded and written chunk by chunk; equal samples give equal bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from app.engine.errors import Unsupported

BitDepth = int | str


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file and the bit depths it holds, by their names in libsndfile.

    Rates above `any_rate_to` Hz must be multiples of 10: the frame headers of FLAC hold no others.
    """

    container: str
    media_type: str
    extension: str
    subtypes: dict[BitDepth, str]
    any_rate_to: int = 2**31 - 1

    def subtype(self, bit_depth: BitDepth) -> str:
        """libsndfile's name of a bit depth, else Unsupported naming those that the format has."""
        if bit_depth not in self.subtypes:
            raise Unsupported(f"{self.container} holds {', '.join(map(str, self.subtypes))} bits.", "bit_depth")
        return self.subtypes[bit_depth]

    def check_rate(self, sample_rate: int) -> None:
        """Raise Unsupported when the format cannot hold the rate."""
        if sample_rate > self.any_rate_to and sample_rate % 10:
            raise Unsupported(f"{self.container} holds rates above {self.any_rate_to} Hz in multiples of 10 only.", "sample_rate")


FORMATS: dict[str, Format] = {
    "wav": Format("WAV", "audio/wav", ".wav", {16: "PCM_16", 24: "PCM_24", "32f": "FLOAT"}),
    "flac": Format("FLAC", "audio/flac", ".flac", {16: "PCM_16", 24: "PCM_24"}, any_rate_to=65535),
}

_TYPES: dict[BitDepth, str] = {16: "<i2", 24: "<i4", "32f": "<f4"}
_DITHER = 0x64697468
_READ_FRAMES = 1 << 18


def step(bit_depth: BitDepth) -> float:
    """The step between sample values, of full scale; 0 for floats."""
    return 0.0 if bit_depth == "32f" else 2.0 ** (1 - int(bit_depth))


@dataclass(frozen=True, slots=True)
class Written:
    """What went into a file: frames, and the SHA-256 in hex of its interleaved samples.

    Samples count as little-endian int16, int32 (24-bit values, not shifted) or float32.
    """

    frames: int
    samples_hash: str


def quantized(chunks: Iterable[NDArray[np.float32]], bit_depth: BitDepth, seed: int) -> Iterator[NDArray[Any]]:
    """Planar float chunks (2, n) as interleaved samples (n, 2) of the bit depth.

    Integers get triangular dither of +-1 step, from the seed, and are rounded to the nearest: libsndfile's own conversion rounds down.
    """
    rng = np.random.Generator(np.random.PCG64((seed, _DITHER)))
    for chunk in chunks:
        yield chunk.T.astype("<f4", order="C") if bit_depth == "32f" else _rounded(chunk, int(bit_depth), rng)


def _rounded(chunk: NDArray[np.float32], bits: int, rng: np.random.Generator) -> NDArray[Any]:
    full = 1 / step(bits)
    noise = rng.random((chunk.shape[1], 2, 2), dtype=np.float32)
    steps = chunk.T * np.float64(full)
    steps += noise[..., 0]
    steps -= noise[..., 1]
    np.rint(steps, out=steps)
    np.clip(steps, -full, full - 1, out=steps)
    return steps.astype(_TYPES[bits], order="C")


def write(path: Path, samples: Iterable[NDArray[Any]], *, format: str, bit_depth: BitDepth, sample_rate: int) -> Written:
    """Write chunks of `quantized` samples to `path` as they come."""
    kind = FORMATS[format]
    digest, frames = hashlib.sha256(), 0
    with soundfile.SoundFile(path, "w", sample_rate, 2, kind.subtype(bit_depth), format=kind.container) as file:
        for chunk in samples:
            digest.update(chunk.data)
            frames += len(chunk)
            # 24-bit samples travel in the upper three bytes of an int32.
            file.write(chunk << 8 if bit_depth == 24 else chunk)
    if bit_depth == "32f":
        _forget_time(path)
    return Written(frames, digest.hexdigest())


def _forget_time(path: Path) -> None:
    """Zero the time stamp that libsndfile puts into the PEAK chunk of float files."""
    with path.open("r+b") as file:
        place = file.read(256).find(b"PEAK")
        if place >= 0:
            file.seek(place + 12)
            file.write(bytes(4))


def read(path: Path, frames: int = _READ_FRAMES) -> Iterator[NDArray[np.float32]]:
    """The samples of a file as planar float chunks (2, n) of `frames`."""
    with soundfile.SoundFile(path) as file:
        for block in file.blocks(frames, dtype="float32", always_2d=True):
            yield np.ascontiguousarray(block.T)


def peaks(path: Path, count: int) -> dict[str, Any]:
    """Lowest and highest sample of each of `count` equal stretches of a file, both channels together, for drawing it.

    A file of fewer frames gives one stretch per frame.
    """
    with soundfile.SoundFile(path) as file:
        frames, sample_rate = file.frames, file.samplerate
    count = max(1, min(count, frames))
    edges = np.arange(count + 1) * frames // count
    low, high, done = np.zeros(count, np.float32), np.zeros(count, np.float32), 0
    for chunk in read(path):
        first, last = np.searchsorted(edges, (done, done + chunk.shape[1] - 1), side="right") - 1
        starts = np.maximum(edges[first : last + 1] - done, 0)
        np.minimum(low[first : last + 1], np.minimum.reduceat(chunk.min(axis=0), starts), out=low[first : last + 1])
        np.maximum(high[first : last + 1], np.maximum.reduceat(chunk.max(axis=0), starts), out=high[first : last + 1])
        done += chunk.shape[1]
    return {"frames": frames, "sample_rate": sample_rate, "min": low.tolist(), "max": high.tolist()}

"""Audio files: dithered, rounded and written chunk by chunk, or encoded; equal samples give equal bytes."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from app.engine.audio import lossy
from app.engine.audio.tags import Tags
from app.engine.errors import Unsupported

BitDepth = int | str | None
"""16, 24, "32f", or None of a file that is encoded without keeping samples."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a file may be from what it is a file of.

    Attributes
    ----------
    edge : the largest first or last sample, of full scale
    ceiling_dbtp : highest true peak
    onset_s, pitch_cents, level_db : errors of single notes, and of each of their partials; the level also of voices
    octave_db : how far the power of an octave may be from the range of what its notes make before the report says so
    quiet, highest : notes are looked for above this amplitude, and their partials below this fraction of the rate
    noise : of full scale: the smallest that is taken for more than noise
    beat_hz : error of the rate at which two partials beat
    loudness_lu : how far loudness may be from what was asked
    at_ceiling_db : how far below the limiter's ceiling the true peak of a limited file may be
    """

    edge: float = 1e-3
    ceiling_dbtp: float = -1.0
    onset_s: float = 0.003
    pitch_cents: float = 1.0
    level_db: float = 12.0
    octave_db: float = 3.0
    beat_hz: float = 0.02
    quiet: float = 10 ** (-70 / 20)
    highest: float = 0.5
    noise: float = 0.0
    loudness_lu: float = 0.2
    at_ceiling_db: float = 0.5


EXACT = Tolerance()


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file and the bit depths it holds, by their names in libsndfile; one that is `lossy` has a quality instead.

    Rates above `any_rate_to` Hz must be multiples of 10: the frame headers of FLAC hold no others. `rates` are all there are, if not None.
    """

    container: str
    media_type: str
    extension: str
    subtypes: dict[BitDepth, str]
    any_rate_to: int = 2**31 - 1
    rates: tuple[int, ...] | None = None
    tolerance: Tolerance = EXACT

    @property
    def lossy(self) -> bool:
        """Whether it keeps what is heard, not the samples."""
        return None in self.subtypes

    def subtype(self, bit_depth: BitDepth) -> str:
        """libsndfile's name of a bit depth, else Unsupported naming those that the format has."""
        if bit_depth not in self.subtypes:
            raise Unsupported(f"{self.container} holds {', '.join(map(str, self.subtypes))} bits.", "bit_depth")
        return self.subtypes[bit_depth]

    def check_rate(self, sample_rate: int) -> None:
        """Raise Unsupported when the format cannot hold the rate."""
        if sample_rate > self.any_rate_to and sample_rate % 10:
            raise Unsupported(f"{self.container} holds rates above {self.any_rate_to} Hz in multiples of 10 only.", "sample_rate")
        if self.rates is not None and sample_rate not in self.rates:
            raise Unsupported(f"{self.container} holds {', '.join(map(str, self.rates))} Hz.", "sample_rate")


_MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_HEARD = Tolerance(
    edge=0.05,
    ceiling_dbtp=0.0,
    onset_s=0.012,
    pitch_cents=10.0,
    octave_db=6.0,
    beat_hz=0.05,
    quiet=10 ** (-40 / 20),
    highest=0.3,
    noise=10 ** (-60 / 20),
    loudness_lu=0.5,
    at_ceiling_db=3.0,
)
"""An encoder drops what is masked or too high to be heard, spreads noise over some milliseconds before an onset, and overshoots."""

FORMATS: dict[str, Format] = {
    "wav": Format("WAV", "audio/wav", ".wav", {16: "PCM_16", 24: "PCM_24", "32f": "FLOAT"}),
    "flac": Format("FLAC", "audio/flac", ".flac", {16: "PCM_16", 24: "PCM_24"}, any_rate_to=65535),
    "ogg": Format("OGG", "audio/ogg", ".ogg", {None: "VORBIS"}, tolerance=_HEARD),
    "mp3": Format("MP3", "audio/mpeg", ".mp3", {None: "MPEG_LAYER_III"}, rates=_MPEG_RATES, tolerance=_HEARD),
}

_TYPES: dict[BitDepth, str] = {16: "<i2", 24: "<i4", "32f": "<f4"}
_DITHER = 0x64697468
_UNTOLD = Tags()
_READ_FRAMES = 1 << 18


def step(bit_depth: BitDepth) -> float:
    """The step between sample values, of full scale; 0 for floats."""
    return 0.0 if bit_depth in (None, "32f") else 2.0 ** (1 - int(bit_depth or 0))


@dataclass(frozen=True, slots=True)
class Written:
    """What is in a file: frames, and the SHA-256 in hex of its interleaved samples.

    Samples count as little-endian int16, int32 (24-bit values, not shifted) or float32; of a lossy file they are what libsndfile decodes.
    `gain` is by how much, linear, a lossy file is softer than the mix, so that it does not come back above full scale.
    """

    frames: int
    samples_hash: str
    gain: float = 1.0


def quantized(chunks: Iterable[NDArray[np.float32]], bit_depth: BitDepth, seed: int) -> Iterator[NDArray[Any]]:
    """Planar float chunks (2, n) as interleaved samples (n, 2) of the bit depth.

    Integers get triangular dither of +-1 step, from the seed, and are rounded to the nearest: libsndfile's own conversion rounds down.
    """
    rng = np.random.Generator(np.random.PCG64((seed, _DITHER)))
    for chunk in chunks:
        yield (
            np.stack((chunk[0], chunk[1]), axis=1).astype("<f4", copy=False)
            if bit_depth in (None, "32f")
            else _rounded(chunk, int(bit_depth or 0), rng)
        )


def _rounded(chunk: NDArray[np.float32], bits: int, rng: np.random.Generator) -> NDArray[Any]:
    full = 1 / step(bits)
    noise = rng.random((chunk.shape[1], 2, 2), dtype=np.float32)
    steps = chunk.T * np.float64(full)
    steps += noise[..., 0]
    steps -= noise[..., 1]
    np.rint(steps, out=steps)
    np.clip(steps, -full, full - 1, out=steps)
    return steps.astype(_TYPES[bits], order="C")


def write(
    path: Path,
    samples: Iterable[NDArray[Any]],
    *,
    format: str,
    bit_depth: BitDepth,
    sample_rate: int,
    quality: float | None = None,
    tags: Tags = _UNTOLD,
) -> Written:
    """Write chunks of `quantized` samples and the tags to `path` as they come; of lossy formats `quality` says how well."""
    kind = FORMATS[format]
    subtype = kind.subtype(bit_depth)
    # What libsndfile calls the level of compression is 1 - quality for Vorbis, and a tenth of the number of LAME's setting V.
    encoder: dict[str, Any] = {"compression_level": 1.0 - (quality or 0.0)} if kind.lossy else {}
    if subtype == "MPEG_LAYER_III":
        encoder["bitrate_mode"] = "VARIABLE"

    def to_write(place: Path) -> soundfile.SoundFile:
        file = soundfile.SoundFile(place, "w", sample_rate, 2, subtype, format=kind.container, **encoder)
        if subtype != "MPEG_LAYER_III":  # there libsndfile writes but 30 letters of each
            tags.put(file)
        return file

    if kind.lossy:
        written = Written(*lossy.encode(path, samples, to_write))
        if subtype == "MPEG_LAYER_III":
            path.write_bytes(tags.id3() + path.read_bytes())
        return written
    digest, frames = hashlib.sha256(), 0
    with to_write(path) as file:
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
        file.seek(12)
        while (head := file.read(8))[:4] not in (b"PEAK", b"data", b""):
            file.seek(int.from_bytes(head[4:], "little"), 1)
        if head[:4] == b"PEAK":
            file.seek(4, 1)
            file.write(bytes(4))


def read(path: Path, frames: int = _READ_FRAMES) -> Iterator[NDArray[np.float32]]:
    """The samples of a file as planar float chunks (2, n) of `frames`."""
    for block in lossy.blocks(path, frames):
        yield np.ascontiguousarray(block.T)


@contextmanager
def opened(path: Path, format: str) -> Iterator[soundfile.SoundFile]:
    """A file to seek in. A lossy one is decoded first, from beginning to end: a frame of MP3 needs those before it."""
    with tempfile.TemporaryFile(dir=path.parent) as place:
        if FORMATS[format].lossy:
            with soundfile.SoundFile(place, "w", soundfile.info(path).samplerate, 2, "FLOAT", format="WAV") as plain:
                for chunk in read(path):
                    plain.write(chunk.T)
            place.seek(0)
        with soundfile.SoundFile(place if FORMATS[format].lossy else path) as file:
            yield file


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

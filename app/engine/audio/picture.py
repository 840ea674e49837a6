"""A sound as pictures: its waveform and its spectrogram, as PNG files of so many pixels."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import soundfile
from numpy.typing import NDArray

from app.engine.audio.files import read
from app.engine.errors import Unsupported

LOWEST_HZ = 27.5
"""The lowest frequency of a logarithmic spectrogram: A0. Both kinds reach up to half the sample rate."""

SCALES = ("log", "linear")

Floats = NDArray[np.float32]

_PAPER, _AXIS, _INK = (255, 255, 255), (200, 204, 212), (79, 124, 255)
_GLOW = ((0, 0, 0), (38, 22, 92), (126, 32, 122), (214, 66, 86), (251, 152, 52), (252, 246, 190))
_WINDOWS_PER_S = 12
_PER_COLUMN = 8
_PADDED = 2
_BATCH = 64


def waveform(peaks: Mapping[str, Sequence[float]], width: int, height: int) -> bytes:
    """The lowest and highest samples (`min`, `max`, as `files.peaks` gives them) from left to right; full scale is the whole height."""
    low, high = (np.asarray(peaks[name], np.float64) for name in ("min", "max"))
    edges = np.arange(width) * len(low) // width
    if width <= len(low):
        low, high = np.minimum.reduceat(low, edges), np.maximum.reduceat(high, edges)
    else:
        low, high = low[edges], high[edges]
    rows = np.arange(height)[:, None]
    top = np.clip(np.floor((1 - high) / 2 * height), 0, height - 1)
    bottom = np.clip(np.ceil((1 - low) / 2 * height) - 1, top, height - 1)
    pixels = np.where((rows >= top) & (rows <= bottom), 2, 0).astype(np.uint8)
    axis = pixels[height // 2]
    axis[axis == 0] = 1
    return _png(pixels, (_PAPER, _AXIS, _INK), {"Title": "waveform"})


def spectrogram(path: Path, width: int, height: int, scale: str = "log", floor_db: float = -90.0) -> bytes:
    """The spectrum of a sound file over time: from left to right its length, upwards frequency, and the brighter the louder.

    Parameters
    ----------
    scale : "log", from 27.5 Hz, or "linear", from 0; up to half the sample rate
    floor_db : what is black, in dB below a sine at full scale; that is the brightest

    Returns
    -------
    data : PNG with a palette of 256 colours, the index linear in dB; its text `Frequency` has the lowest and highest Hz and the scale

    Notes
    -----
    Hann windows of about 1/12 s, padded to twice their length; of the windows of a column the loudest counts at each frequency. The file
    is read once, and of long ones eight windows a column. Raises Unsupported for a sample rate that leaves no room above 27.5 Hz.
    """
    info = soundfile.info(path)
    rate, frames = info.samplerate, max(1, info.frames)
    top = rate / 2
    if top <= LOWEST_HZ:
        raise Unsupported(f"Must be above {2 * LOWEST_HZ:g} Hz.", "sample_rate")
    size = 1 << round(math.log2(rate / _WINDOWS_PER_S))
    hop = max(1, frames // width if frames < width * size // 2 else max(size // 2, frames // (_PER_COLUMN * width)))
    window = scipy.signal.windows.hann(size, sym=False).astype(np.float32)
    edges = LOWEST_HZ * (top / LOWEST_HZ) ** (np.arange(height + 1) / height) if scale == "log" else np.arange(height + 1) * (top / height)
    rows = _Rows(edges * (_PADDED * size / rate))
    levels = np.zeros((height, width), np.float32)
    done = 0
    for stack in _windows(path, size, hop, frames):
        spectra = np.abs(scipy.fft.rfft(stack * window, _PADDED * size, axis=-1))
        loudest = spectra.max(axis=0) * np.float32(2 / window.sum())
        columns = np.minimum((done + np.arange(len(loudest))) * hop * width // frames, width - 1)
        for column, found in zip(columns.tolist(), rows.of(loudest), strict=True):
            np.maximum(levels[:, column], found, out=levels[:, column])
        done += len(loudest)
    decibels = 20 * np.log10(np.maximum(levels, np.float32(1e-10)))
    pixels = np.rint(np.clip(1 - decibels / floor_db, 0, 1) * 255).astype(np.uint8)[::-1]
    return _png(pixels, _glow(), {"Frequency": f"{edges[0]:g} {edges[-1]:g} {scale}", "Level": f"{floor_db:g} 0 dBFS"})


class _Rows:
    """Which bins of a spectrum belong to which row: the loudest of those inside, or where there is none what lies between two."""

    def __init__(self, edges: NDArray[np.float64]) -> None:
        low, high = np.ceil(edges[:-1]).astype(int), np.ceil(edges[1:]).astype(int)
        self._wide = high > low
        self._starts = low[self._wide]
        self._last = int(high[self._wide][-1]) if self._wide.any() else 0
        middle = ((edges[:-1] + edges[1:]) / 2)[~self._wide]
        self._below = middle.astype(int)
        self._part = (middle - self._below).astype(np.float32)

    def of(self, spectra: Floats) -> Floats:
        """Amplitudes (n, bins) as those of the rows (n, height)."""
        found = np.empty((len(spectra), len(self._wide)), np.float32)
        if len(self._starts):
            found[:, self._wide] = np.maximum.reduceat(spectra[:, : self._last], self._starts, axis=1)
        below, above = spectra[:, self._below], spectra[:, self._below + 1]
        found[:, ~self._wide] = below + (above - below) * self._part
        return found


def _windows(path: Path, size: int, hop: int, frames: int) -> Iterator[Floats]:
    """Stretches (2, n, size) of a file, the middles of which are `hop` apart from the first sample on; silence surrounds it."""
    count = -(-frames // hop)
    kept = np.zeros((2, size // 2), np.float32)
    first, done = -(size // 2), 0
    chunks = read(path)
    while done < count:
        batch = min(_BATCH, count - done)
        begin = done * hop - size // 2
        kept, first = kept[:, max(0, begin - first) :], max(first, begin)
        needed = (batch - 1) * hop + size
        parts = [kept]
        held = kept.shape[1]
        while held < needed:
            part = next(chunks, None)
            parts.append(np.zeros((2, needed - held), np.float32) if part is None else part)
            held += parts[-1].shape[1]
        kept = np.concatenate(parts, axis=1)
        yield np.lib.stride_tricks.sliding_window_view(kept[:, :needed], size, axis=1)[:, ::hop]
        done += batch


def _glow() -> tuple[tuple[int, int, int], ...]:
    """256 colours from black to a light yellow, ever lighter."""
    places = np.linspace(0, 255, len(_GLOW))
    channels = [np.rint(np.interp(np.arange(256), places, [color[channel] for color in _GLOW])) for channel in range(3)]
    return tuple((int(red), int(green), int(blue)) for red, green, blue in zip(*channels, strict=True))


def _png(pixels: NDArray[np.uint8], palette: Sequence[tuple[int, int, int]], texts: Mapping[str, str]) -> bytes:
    """Indices (height, width) into a palette as a PNG file. Equal pixels give equal bytes."""
    from PIL import Image  # noqa: PLC0415  few requests need it
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415

    image: Any = Image.fromarray(np.ascontiguousarray(pixels)).convert("L")
    image.putpalette([level for color in palette for level in color])
    told = PngInfo()
    for name, text in texts.items():
        told.add_text(name, text)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=told, optimize=False)
    return buffer.getvalue()

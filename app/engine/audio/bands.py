"""The long-term spectrum of a finished file in octaves, and that which the partials of its notes have together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.audio.instruments.partials import STOP_AT
from app.engine.audio.listening import Expected, Hearing, Reader, blackman_harris

CENTRES_HZ = 1000.0 * 10 ** (0.3 * np.arange(-5, 5))
"""Octaves of IEC 61260-1, 31.6 Hz to 15.8 kHz."""

_WINDOWS, _WINDOW_S = 24, 0.5
_MOST_SOUNDS = 100
_LOBE = 4.0
_SIGMAS = 4.0
_FAR_BELOW = 10 ** (-20 / 10)
_SILENT = 10 ** (-80 / 10)


def bands(
    expected: Iterable[Expected], faded: Iterable[Expected], sample_rate: int, frames: int, read: Reader, hearing: Hearing
) -> dict[str, Any]:
    """Compare the power of the octaves in windows over the whole file with what the partials of all notes should have there.

    Partials nearer than four bins may add up or cancel, as their phases have it: the asked power is a range, as wide as four standard
    deviations of that and the tolerance on both sides. Octaves 20 dB and more below the strongest have to stay there.

    Parameters
    ----------
    expected : all that sounds
    faded : what nobody can say the level of: windows keep clear of it, and of what has no partials

    Returns
    -------
    report : JSON
        `windows`, how many; `tolerance_db`; `rows` [{hz, low_db, high_db, found_db, status}], summed over the windows and both
        channels, 0 dB one window of mean square 1; low_db null: no least power, found_db null: silence.
    """
    sounding, away = list(expected), [(one.onset, one.end) for one in faded]
    onsets, ends = (np.array([getattr(one, name) for one in sounding]) for name in ("onset", "end"))
    asked, doubt, found = np.zeros(len(CENTRES_HZ)), np.zeros(len(CENTRES_HZ)), np.zeros(len(CENTRES_HZ))
    windows = 0
    for first, last in _windows(sample_rate, frames):
        first_s, last_s = first / sample_rate, last / sample_rate
        near = [sounding[place] for place in np.flatnonzero((onsets < last_s) & (ends > first_s))]
        unknown = not all(len(one.partials.ratio) for one in near) or any(onset < last_s and end > first_s for onset, end in away)
        if len(near) > _MOST_SOUNDS or unknown:
            continue
        windows += 1
        found += _found(read(first, last), sample_rate)
        hz, power = _lines(near, first_s, last_s, hearing)
        for channel in power:
            _add(hz, channel, _LOBE * sample_rate / (last - first), asked, doubt)
    rows = [_row(place, asked, doubt, found, hearing, sample_rate) for place in range(len(CENTRES_HZ))] if windows else []
    return {"windows": windows, "tolerance_db": hearing.tolerance.octave_db, "rows": [row for row in rows if row is not None]}


def _windows(sample_rate: int, frames: int) -> Iterator[tuple[int, int]]:
    """Windows of half a second, evenly over the file."""
    length = min(round(_WINDOW_S * sample_rate), frames)
    count = min(_WINDOWS, frames // max(length, 1))
    for place in range(count):
        first = (frames - length) * place // max(count - 1, 1)
        yield first, first + length


def _edges(place: int) -> tuple[float, float]:
    half = 10**0.15
    return float(CENTRES_HZ[place]) / half, float(CENTRES_HZ[place]) * half


def _found(samples: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """Power of the octaves in a window (n, 2), both channels together."""
    window = blackman_harris(len(samples))
    power = (np.abs(np.fft.rfft(samples * window[:, None], axis=0)) ** 2).sum(axis=1) * 2 / (len(samples) * float((window**2).sum()))
    whole = np.concatenate(([0.0], np.cumsum(power)))
    places = np.array([np.ceil(np.array(_edges(place)) * len(samples) / sample_rate) for place in range(len(CENTRES_HZ))]).astype(int)
    places = np.minimum(places, len(power))
    found: NDArray[np.float64] = whole[places[:, 1]] - whole[places[:, 0]]
    return found


def _lines(near: Sequence[Expected], first_s: float, last_s: float, hearing: Hearing) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies of all partials in a window, ascending (L,), and their powers in both channels (2, L)."""
    every = [one.powers(first_s, last_s) for one in near]
    hz = np.concatenate([each[0] for each in every] or [np.zeros(0)])
    power = np.concatenate([each[1] for each in every] or [np.zeros((2, 0))], axis=1) * hearing.response(hz) ** 2
    order = np.argsort(hz, kind="stable")
    return hz[order], power[:, order]


def _add(hz: NDArray[np.float64], power: NDArray[np.float64], near: float, asked: NDArray[np.float64], doubt: NDArray[np.float64]) -> None:
    """Add lines of a channel to what is asked of the octaves, and to how far that may be off."""
    crossed = np.zeros(len(hz))
    for step in range(1, len(hz)):
        close = hz[step:] - hz[:-step] < near
        if not close.any():
            break
        # Two lines at one place have the power (a^2 + b^2) / 2 + a b cos(phase); the variance of the last term is (a b)^2 / 2.
        crossed[step:] += np.where(close, 2 * power[step:] * power[:-step], 0.0)
    for place in range(len(CENTRES_HZ)):
        low, high = _edges(place)
        inside = (hz >= low) & (hz < high)
        edge = (np.abs(hz - low) < near) | (np.abs(hz - high) < near)
        asked[place] += power[inside].sum()
        doubt[place] += _SIGMAS * math.sqrt(float(crossed[inside].sum())) + power[edge].sum()


def _row(
    place: int, asked: NDArray[np.float64], doubt: NDArray[np.float64], found: NDArray[np.float64], hearing: Hearing, sample_rate: int
) -> dict[str, Any] | None:
    if _edges(place)[1] > min(hearing.tolerance.highest, STOP_AT) * sample_rate:
        return None
    tolerance = hearing.tolerance.octave_db
    loudest = float(asked.max())
    low = (float(asked[place]) - float(doubt[place])) * 10 ** (-(tolerance + hearing.softer_db) / 10)
    high = max(float(asked[place]) + float(doubt[place]), _FAR_BELOW * loudest, _SILENT) * 10 ** (tolerance / 10)
    least = low if asked[place] > max(_FAR_BELOW * loudest, _SILENT) and low > 0.0 else 0.0
    right = least <= found[place] <= high
    return {
        "hz": float(CENTRES_HZ[place]),
        "low_db": _db(least),
        "high_db": _db(high),
        "found_db": _db(float(found[place])),
        "status": "measured" if right else "outside",
    }


def _db(power: float) -> float | None:
    return 10 * math.log10(power) if power > 0.0 else None

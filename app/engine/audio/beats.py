"""Beats of two long notes in a finished file: two near partials together swell as often in a second as their frequencies differ in Hz."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from app.engine.audio.listening import Expected, Hearing, Reader, blackman_harris
from app.engine.audio.sounds import pan_gains

_TOGETHER_S = 10.0
_SETTLED_S = 0.02
_SLOWEST_HZ, _FASTEST_HZ = 0.2, 20.0
_REACH_HZ, _STEP_HZ = 1.0, 0.02
_EDGE = 8.0
_STEADY_CENTS, _STEADY_GAIN = 0.1, 10 ** (1 / 20)
_NEARLY_EQUAL, _OTHERS = 10 ** (-20 / 20), 10 ** (-40 / 20)
_MOST_NOTES, _MOST_PAIRS = 64, 20


@dataclass(frozen=True, slots=True)
class Pair:
    """Two partials of two notes (places in the order of onsets), frequencies in Hz and amplitudes in the channel they are clearest in."""

    notes: tuple[int, int]
    window: tuple[float, float]
    channel: int
    hz: tuple[float, float]
    level: tuple[float, float]

    @property
    def rate(self) -> float:
        """Beats per second."""
        return abs(self.hz[0] - self.hz[1])


def beats(
    expected: Sequence[Expected], places: Sequence[int], sample_rate: int, frames: int, read: Reader, hearing: Hearing
) -> dict[str, Any]:
    """Measure the pairs of notes that sound together for 10 s and beat with 0.2 to 20 Hz, of each the loudest pair of partials.

    Parameters
    ----------
    expected : all that sounds
    places : of the notes among them that may be listened to

    Returns
    -------
    report : JSON
        `pairs`, how many there are; counts of measured, masked and failed ones; `tolerance_hz`; `rows` of the 20 loudest pairs, [{notes,
        hz, from_s, to_s, asked_hz, found_hz, status, why}].
    """
    found = sorted(_pairs(expected, places, sample_rate, frames / sample_rate, hearing), key=lambda pair: (-min(pair.level), pair.notes))
    chosen, rows = sorted(found[:_MOST_PAIRS], key=lambda pair: (pair.window, pair.channel, pair.notes)), []
    for (window, channel), pairs in itertools.groupby(chosen, key=lambda pair: (pair.window, pair.channel)):
        spectrum = _Spectrum(read, window, channel, sample_rate)
        around = [one for one in expected if one.onset < window[1] and one.end > window[0]]
        rows += [_row(pair, [one for one in around if one not in (expected[n] for n in pair.notes)], spectrum, hearing) for pair in pairs]
    counts = {status: sum(row["status"] == status for row in rows) for status in ("measured", "masked", "failed")}
    return {"pairs": len(found), **counts, "tolerance_hz": hearing.tolerance.beat_hz, "rows": rows}


def _pairs(expected: Sequence[Expected], places: Sequence[int], sample_rate: int, end_s: float, hearing: Hearing) -> Iterator[Pair]:
    long = [place for place in places if min(expected[place].gate_end, end_s) - expected[place].onset > _TOGETHER_S + _SETTLED_S]
    long = sorted(sorted(long, key=lambda place: -expected[place].sound.gain)[:_MOST_NOTES])
    for one, other in itertools.combinations(long, 2):
        both = (expected[one], expected[other])
        first = max(each.onset + (each.sound.envelope.attack + each.sound.envelope.decay) / sample_rate for each in both) + _SETTLED_S
        window = (first, first + _TOGETHER_S)
        if window[1] <= min(end_s, *(each.gate_end for each in both)) and all(_is_steady(each, window) for each in both):
            pair = _loudest((one, other), both, window, hearing)
            if pair is not None:
                yield pair


def _is_steady(one: Expected, window: tuple[float, float]) -> bool:
    """Whether neither pitch nor level moves in the window."""
    first, last = window
    line, later = one.lines(first, last, first), one.lines(first, last, last)
    low, high = one.gain_between(first, last)
    if line.low[0] <= 0 or 1200 * math.log2(line.high[0] / line.low[0]) > _STEADY_CENTS or high > _STEADY_GAIN * low:
        return False
    return one.partials.moving is None and bool(np.all(line.level <= later.level * _STEADY_GAIN))


def _loudest(notes: tuple[int, int], both: tuple[Expected, Expected], window: tuple[float, float], hearing: Hearing) -> Pair | None:
    """The pair of partials that is loudest in either channel; None where none beats, or where they are too quiet."""
    (hz, level), (other_hz, other_level) = (_partials(one, window) for one in both)
    apart = np.abs(hz[:, None] - other_hz[None, :])
    weaker = np.minimum(level[:, :, None], other_level[:, None, :])
    weaker *= (apart >= _SLOWEST_HZ) & (apart <= _FASTEST_HZ) & (weaker >= hearing.tolerance.quiet)
    weaker *= weaker >= _NEARLY_EQUAL * np.maximum(level[:, :, None], other_level[:, None, :])
    channel, one, other = (int(place) for place in np.unravel_index(np.argmax(weaker), weaker.shape))
    if weaker[channel, one, other] <= 0.0:
        return None
    frequencies, levels = (float(hz[one]), float(other_hz[other])), (float(level[channel, one]), float(other_level[channel, other]))
    return Pair(notes, window, channel, frequencies, levels)


def _partials(one: Expected, window: tuple[float, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies (P,) and amplitudes in both channels (2, P)."""
    line = one.lines(*window, window[0])
    gains = np.stack(pan_gains(np.array(one.sound.place_at(window[0] - one.onset))))
    return line.low, gains[:, None] * line.level * one.sound.envelope.sustain


class _Spectrum:
    """A window of one channel under a Blackman-Harris window, transformed once for all pairs in it."""

    def __init__(self, read: Reader, window: tuple[float, float], channel: int, sample_rate: int) -> None:
        first, last = round(window[0] * sample_rate), round(window[1] * sample_rate)
        self.seconds = (last - first) / sample_rate
        self._values = scipy.fft.rfft(read(first, last)[:, channel] * blackman_harris(last - first))

    def power(self, low: float, high: float) -> NDArray[np.float64]:
        """The power of what lies between `low` and `high` Hz as it goes in the window, at as many times as the band allows, (k,)."""
        band = self._values[max(0, round(low * self.seconds)) : round(high * self.seconds) + 1]
        # Twice as many times as frequencies: the square of the magnitude has twice the bandwidth.
        return np.asarray(np.abs(scipy.fft.ifft(band, 2 * len(band))) ** 2, dtype=np.float64)


def _row(pair: Pair, around: Sequence[Expected], spectrum: _Spectrum, hearing: Hearing) -> dict[str, Any]:
    margin = _REACH_HZ + _EDGE / spectrum.seconds
    low, high = min(pair.hz) - margin, max(pair.hz) + margin
    row = {
        "notes": list(pair.notes),
        "hz": list(pair.hz),
        "from_s": pair.window[0],
        "to_s": pair.window[1],
        "asked_hz": pair.rate,
        "found_hz": None,
    }
    if any(_sounds_within(one, pair, low, high) for one in around):
        return row | {"status": "masked", "why": "another partial is too near"}
    found = _rate(spectrum.power(low, high), spectrum.seconds, pair.rate)
    right = abs(found - pair.rate) <= hearing.tolerance.beat_hz
    why = "" if right else f"beat with {found:.3f} Hz, must be {pair.rate:.3f}"
    return row | {"found_hz": found, "status": "measured" if right else "failed", "why": why}


def _sounds_within(one: Expected, pair: Pair, low: float, high: float) -> bool:
    line = one.lines(*pair.window, max(pair.window[0], one.onset))
    return bool(np.any((line.high > low) & (line.low < high) & (line.level > _OTHERS * min(pair.level))))


def _rate(power: NDArray[np.float64], seconds: float, expected: float) -> float:
    """The rate near the expected one at which a constant and a swell, both under the window, leave the least of the power."""
    times = np.arange(len(power)) / len(power) * seconds
    window = blackman_harris(len(power)) ** 2
    tried = np.arange(max(0.25 * _SLOWEST_HZ, expected - _REACH_HZ), expected + _REACH_HZ, _STEP_HZ)
    rest = np.array([_rest(power, window, times, hz) for hz in tried])
    at = int(np.clip(np.argmin(rest), 1, len(rest) - 2))
    before, here, after = rest[at - 1 : at + 2]
    bend = before - 2 * here + after
    return float(tried[at] + (_STEP_HZ * float(np.clip(0.5 * (before - after) / bend, -1.0, 1.0)) if bend > 0 else 0.0))


def _rest(power: NDArray[np.float64], window: NDArray[np.float64], times: NDArray[np.float64], hz: float) -> float:
    turns = 2 * np.pi * hz * times
    basis = np.stack((window, window * np.cos(turns), window * np.sin(turns)), axis=1)
    solution = np.linalg.solve(basis.T @ basis, basis.T @ power)
    return float(((power - basis @ solution) ** 2).sum())

"""How loud each voice is in a finished file, by least squares.

In short windows where a voice sounds, what sounds there is rendered again voice by voice, x_v, and the file is taken for a sum of
g_v x_v. The gains that leave the smallest rest are 1 where each voice is in the file as it should be, and 0 for one that is silent,
however many others cover it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.audio.alone import Alone
from app.engine.audio.effects import DcBlocker
from app.engine.audio.envelopes import Samples
from app.engine.audio.listening import Expected, Hearing, Reader

_WINDOW_S, _SHORTEST_S = 0.2, 0.03
_LEAD_S = 0.1
_CANDIDATES, _WINDOWS = 32, 2
_MOST_RENDERED_S = 60.0
_SOFTER, _SILENT = 10 ** (-60 / 20), 10 ** (-40 / 20)
_DOUBT = 0.02
_ENTANGLED = 30.0
_TOO_MANY = 200


@dataclass
class _Sums:
    """Sums over windows, each of weight 1: products of the voices with each other and with the file, and the power of the file."""

    voices: list[str]
    products: NDArray[np.float64] = field(init=False)
    with_file: NDArray[np.float64] = field(init=False)
    power: float = 0.0
    samples: int = 0

    def __post_init__(self) -> None:
        self.products = np.zeros((len(self.voices), len(self.voices)))
        self.with_file = np.zeros(len(self.voices))

    def add(self, parts: dict[str, NDArray[np.float64]], file: NDArray[np.float64]) -> None:
        """Add a window: what each voice makes of it, and what is there, all (2, n)."""
        weight = 1 / max(sum(float((part * part).sum()) for part in parts.values()), 1e-30)
        for one, part in parts.items():
            row = self.voices.index(one)
            self.with_file[row] += weight * float((part * file).sum())
            for other, against in parts.items():
                self.products[row, self.voices.index(other)] += weight * float((part * against).sum())
        self.power += weight * float((file * file).sum())
        self.samples += file.size


class Balance:
    """Gains of the voices of a mix in the file that `read` reads.

    `expected` is all that sounds and `faded` what nobody can say the level of: windows keep clear of it.
    """

    def __init__(self, expected: Iterable[Expected], faded: Iterable[Expected], sample_rate: int, frames: int, read: Reader) -> None:
        self._all = list(expected)
        self._faded = [(one.onset, one.end) for one in faded]
        self._rate, self._end_s, self._read = sample_rate, frames / sample_rate, read
        self._onsets, self._ends = (np.array([getattr(one, name) for one in self._all]) for name in ("onset", "end"))

    def voices(self, hearing: Hearing, seed: int) -> list[dict[str, Any]]:
        """A row for each voice: its status, its gain in dB over what was asked, in how many windows, and why not."""
        of: dict[str, list[Expected]] = {}
        for one in self._all:
            of.setdefault(one.sound.note.voice_id, []).append(one)
        sums, left_s = _Sums(list(of)), _MOST_RENDERED_S
        windows = dict.fromkeys(of, 0)
        for place, (voice, notes) in enumerate(of.items()):
            share = left_s / (len(of) - place)
            for cost_s, first, last, around in self._windows(notes, (seed, place))[:_WINDOWS]:
                if cost_s <= share:
                    share, left_s = share - cost_s, left_s - cost_s
                    windows[voice] += 1
                    self._add(sums, first, last, around)
        return self._judged(sums, windows, hearing)

    def _windows(self, notes: Sequence[Expected], seeds: tuple[int, int]) -> list[tuple[float, float, float, list[Expected]]]:
        """Windows at the beginning of notes, (seconds to be rendered, first s, last s, what sounds there), the cheapest first."""
        if len(notes) > _CANDIDATES:
            rng = np.random.Generator(np.random.PCG64(seeds))
            notes = [notes[index] for index in np.sort(rng.choice(len(notes), _CANDIDATES, replace=False))]
        found = []
        for one in notes:
            first = max(one.onset, 0.0) + min(one.sound.envelope.attack / self._rate, 0.5 * (one.gate_end - one.onset))
            last = min(first + _WINDOW_S, one.gate_end, self._end_s)
            if last - first < _SHORTEST_S or any(onset < last and end > first - _LEAD_S for onset, end in self._faded):
                continue
            near = np.flatnonzero((self._onsets < last) & (self._ends > first - _LEAD_S))
            if len(near) > _TOO_MANY:
                continue
            floor = _SOFTER * _level(one, first, last)
            around = [other for other in (self._all[place] for place in near) if other is one or _level(other, first, last) > floor]
            cost = sum(last - first if other.sound.held else last - other.onset for other in around)
            if floor > 0.0:
                found.append((cost, first, last, around))
        return sorted(found, key=lambda window: window[:2])

    def _add(self, sums: _Sums, first: float, last: float, around: Sequence[Expected]) -> None:
        begin, stop, lead = round(first * self._rate), round(last * self._rate), round(_LEAD_S * self._rate)
        parts: dict[str, Samples] = {}
        for one in around:
            part = Alone(one, self._rate).span(begin - lead, stop)
            voice = one.sound.note.voice_id
            parts[voice] = parts[voice] + part if voice in parts else part
        blocked = {voice: DcBlocker(self._rate).process(part)[:, lead:].astype(np.float64) for voice, part in parts.items()}
        sums.add(blocked, self._read(begin, stop).T)

    def _judged(self, sums: _Sums, windows: dict[str, int], hearing: Hearing) -> list[dict[str, Any]]:
        own = np.sqrt(np.diag(sums.products))
        heard = np.flatnonzero(own > 0.0)
        alike = sums.products[np.ix_(heard, heard)] / np.outer(own[heard], own[heard])
        inverse = np.linalg.inv(alike + 1e-9 * np.eye(len(heard)))
        scaled = inverse @ (sums.with_file[heard] / own[heard])
        rest = max(sums.power - float(scaled @ (sums.with_file[heard] / own[heard])), 0.0) / max(sums.samples, 1)
        rows = []
        for place, voice in enumerate(sums.voices):
            where = np.flatnonzero(heard == place)
            if not len(where):
                silent = ("failed", "does not sound even alone") if windows[voice] else ("masked", "no window is clear enough")
                rows.append(_row(voice, silent[0], None, windows[voice], silent[1]))
                continue
            at = int(where[0])
            entangled, gain = float(inverse[at, at]), float(scaled[at] / own[place])
            if entangled > _ENTANGLED or math.sqrt(rest * entangled) > _DOUBT * own[place]:
                rows.append(_row(voice, "masked", None, windows[voice], "it cannot be told from the others"))
            else:
                rows.append(_verdict(voice, gain, windows[voice], hearing))
        return rows


def _level(one: Expected, first: float, last: float) -> float:
    return float(one.lines(first, last, first).level.sum())


def _verdict(voice: str, gain: float, windows: int, hearing: Hearing) -> dict[str, Any]:
    if gain < _SILENT:
        return _row(voice, "failed", None, windows, "does not sound")
    level_db, tolerance = 20 * math.log10(gain), hearing.tolerance.level_db
    right = -tolerance - hearing.softer_db <= level_db <= tolerance
    return _row(voice, "measured" if right else "failed", level_db, windows, "" if right else f"is {level_db:+.2f} dB off")


def _row(voice: str, status: str, level_db: float | None, windows: int, why: str) -> dict[str, Any]:
    return {"voice_id": voice, "status": status, "level_db": level_db, "windows": windows, "why": why}

"""Listening to single notes in a finished file: when does each begin, at what pitch, with which partials, and how loud?

A note is measured only where it stands alone; where others cover it, it is `masked`, which is not a fault.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import NDArray

from app.engine.audio.files import EXACT, Tolerance
from app.engine.audio.instruments import Noise
from app.engine.audio.instruments.partials import FADE_FROM, band_limit
from app.engine.audio.sounds import Sound, pan_gains

_ONSET_CLEAR_S = 0.050
_LONGEST_ATTACK_S = 0.005
_NARROWEST_NOISE_HZ = 1000.0
_LOWEST_ONSET_HZ, _LOWEST_IN_STEP_HZ = 50.0, 500.0
_BEFORE_S, _GUARD_S, _AFTER_S = 0.030, 0.010, 0.020
_RISE = 10 ** (12 / 20)
_LEVEL_S = 0.001
_ATTACK_DELAY_S = 0.0007

_PITCH_FROM_S = 0.020
_SHORTEST_S, _LONGEST_S = 0.050, 0.5
_PERIODS, _FEWEST = 10, 9.9
_CHANCES = 16
_LOOKS = 33
_NEAR, _SEARCH = 6.0, 2.0
_NEAR_LEVEL, _FAR_LEVEL = 10 ** (-50 / 20), 10 ** (30 / 20)
_LOST_LEVEL = 10 ** (-30 / 20)
_STEADY_CENTS = 0.1
_STEADY_GAIN = 10 ** (6 / 20)
_MOMENTS = 64
_MOST_PARTIALS = 4
_WEAKEST = 10 ** (-30 / 20)

Reader = Callable[[int, int], NDArray[np.float64]]
"""Samples `first` to `last` of the file as (n, 2), also where they lie outside it."""


@dataclass(frozen=True, slots=True)
class Peak:
    """A partial that stands alone: where it was asked and where it was found, Hz, and how much louder than asked it is, dB."""

    hz: float
    found_hz: float
    level_db: float

    @property
    def cents(self) -> float:
        """How sharp it is."""
        return 1200 * math.log2(self.found_hz / self.hz)


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of measuring one thing: `status` measured, masked or failed; `value` s or cents off; `why` in words.

    Of a pitch, `peaks` are the partials it was measured on, the strongest first.
    """

    status: str
    value: float | None = None
    why: str = ""
    peaks: tuple[Peak, ...] = ()


Response = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""What a file makes of amplitudes at frequencies in Hz (P,)."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What a file makes of what is asked, besides its noise.

    Attributes
    ----------
    tolerance : how far it may be off
    response : gains of all that stands between notes and file
    softer_db : what a limiter may have taken
    """

    tolerance: Tolerance = EXACT
    response: Response = np.ones_like
    softer_db: float = 0.0


@dataclass(frozen=True)
class _Line:
    """The partials of one sound over a stretch of time: lowest and highest Hz of each, and amplitudes in the file."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    level: NDArray[np.float64]


class Expected:
    """One sound as the score has it; times in s from the start of the file."""

    def __init__(self, sound: Sound, shift_s: float = 0.0) -> None:
        self.sound = sound
        self.onset = sound.note.t_s + shift_s
        self.gate_end = self.onset + sound.envelope.gate / sound.tone.sample_rate
        self.end = self.onset + sound.frames / sound.tone.sample_rate
        self.partials = sound.partials()
        self.track = sound.track
        self.moments = [moment + shift_s for lane in sound.part.lanes.values() for moment in lane.moments.tolist()]

    @property
    def in_step(self) -> bool:
        """Whether the partials share a phase: such a wave may change all at once, and as late as a period after its onset."""
        fixed = self.partials.phase is not None or self.sound.tone.parameters.get("start_phase") is not None
        return fixed and len(self.partials.ratio) > 1

    @property
    def narrow_noise(self) -> bool:
        """Whether it is noise that may be silent by itself for longer than a millisecond."""
        noise = self.sound.part.instrument.noise
        return noise is not None and noise.bands(replace(self.sound.tone, hz=float(self.track.hz[0]))).width_hz < _NARROWEST_NOISE_HZ

    def of_one_sign(self, first: float, last: float) -> NDArray[np.bool_]:
        """Which partials (P,) keep their sign from `first` to `last` (s): the peak of one that does not is split, and beside its line."""
        if self.partials.moving is None:
            return np.ones(len(self.partials.ratio), bool)
        rows = np.stack(list(self.partials.moving(np.clip(np.linspace(first, last, _LOOKS) - self.onset, 0.0, None))))
        return np.asarray(np.abs(np.sign(rows).sum(axis=1)) == _LOOKS, dtype=np.bool_)

    def gain_between(self, first: float, last: float) -> tuple[float, float]:
        """The least and the most that automation makes of the level from `first` to `last` (s)."""
        if not self.sound.part.lanes:
            return 1.0, 1.0
        gain = self.sound.part.gain_at(np.linspace(first, last, _LOOKS) - self.onset + self.sound.note.t_s)
        return float(gain.min()), float(gain.max())

    def through(self, first: float, last: float) -> NDArray[np.float64]:
        """Amplitudes of the partials in both channels, (2, P), as a Blackman-Harris window from `first` to `last` (s) weighs them."""
        window = blackman_harris(_MOMENTS)
        found: NDArray[np.float64] = np.abs(self._course(first, last) @ window) / window.sum()
        return found

    def powers(self, first: float, last: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Frequencies (P,) and powers in both channels (2, P) of the partials under a Blackman-Harris window from `first` to `last` (s)."""
        window = blackman_harris(_MOMENTS) ** 2
        power: NDArray[np.float64] = 0.5 * (self._course(first, last) ** 2 @ window) / window.sum()
        return self._middle_hz(first, last) * self.partials.ratio, power

    def _middle_hz(self, first: float, last: float) -> float:
        return float(self.track.hz_at(np.clip([0.5 * (first + last) - self.onset], 0.0, None))[0])

    def _course(self, first: float, last: float) -> NDArray[np.float64]:
        """Amplitudes of the partials in both channels at 64 moments from `first` to `last` (s), (2, P, 64); 0 where the note is not."""
        sound, rate = self.sound, self.sound.tone.sample_rate
        begin, frames = round((first - self.onset) * rate), max(1, round((last - first) * rate))
        envelope = np.ones(frames, np.float32)
        sound.envelope.apply(envelope, begin)
        places = np.arange(_MOMENTS) * frames // _MOMENTS
        sounds = (begin + places >= 0) & (begin + places < sound.frames)
        times = np.maximum(begin + places, 0) / rate
        score_s = sound.note.t_s + times
        gain = sound.gain * sound.part.gain_at(score_s) * self.track.gain_at(times) * envelope[places] * sounds
        gains = np.stack(pan_gains(np.clip(self.track.pan_at(times) + sound.part.pan_at(score_s), -1.0, 1.0))) * gain
        moving = self.partials.moving
        amplitude = self.partials.amplitude[:, None] if moving is None else np.stack(list(moving(times)))
        if not sound.held:
            amplitude = amplitude * 10 ** (-3 * times / self.partials.t60[:, None])
        amplitude = amplitude * band_limit(self._middle_hz(first, last) * self.partials.ratio, rate)[:, None]
        return np.asarray(gains[:, None] * amplitude)

    def lines(self, first: float, last: float, at: float) -> _Line:
        """The partials between `first` and `last`, with the levels they have at `at` (all s)."""
        hz = self.track.hz_at(np.clip(np.linspace(first, last, 9) - self.onset, 0.0, None))
        if noise := self.sound.part.instrument.noise:
            return self._bands(noise, hz, first, last)
        ratio = self.partials.ratio
        decay = 10 ** (-3 * max(0.0, at - self.onset) / self.partials.t60) if not self.sound.held else 1.0
        gain = self.sound.gain * self.gain_between(first, last)[1] * float(self.track.gain_at(np.array([max(0.0, at - self.onset)]))[0])
        amplitude = self.partials.amplitude_at(max(0.0, at - self.onset))
        limit = band_limit(hz.max() * ratio, self.sound.tone.sample_rate)
        return _Line(hz.min() * ratio, hz.max() * ratio, gain * np.abs(amplitude) * decay * limit)

    def _bands(self, noise: Noise, hz: NDArray[np.float64], first: float, last: float) -> _Line:
        """The bands of noise between `first` and `last` (s), where its pitches are `hz`, each at its loudest."""
        found = [noise.bands(replace(self.sound.tone, hz=float(pitch))) for pitch in np.unique(hz)]
        moving = self.track.gain_at(np.clip(np.linspace(first, last, 9) - self.onset, 0.0, None))
        gain = self.sound.gain * self.gain_between(first, last)[1] * float(moving.max())
        return _Line(found[0].low_hz, found[0].high_hz, gain * np.max([bands.amplitude for bands in found], axis=0))


class Listener:
    """Measures notes in the file that `read` reads up to `end_s`, knowing all that should sound in it; `step` is that of its samples."""

    def __init__(
        self,
        expected: Iterable[Expected],
        sample_rate: int,
        step: float,
        read: Reader,
        hearing: Hearing = Hearing(),
        end_s: float = math.inf,
    ) -> None:
        self._all = sorted(expected, key=lambda one: one.onset)
        self._end_s = end_s
        self._rate = sample_rate
        self._read = read
        self._hearing = hearing
        self._tolerance = tolerance = hearing.tolerance
        # Dither leaves an error of variance step^2 / 4: the changes of two channels have four times that. Single milliseconds reach more.
        self._noise = max(1.5 * step, tolerance.noise)
        self._onsets = np.array([one.onset for one in self._all])
        self._borders = np.sort([time for one in self._all for time in (one.onset, one.gate_end, one.end, *one.moments)])
        self._longest = max((one.end - one.onset for one in self._all), default=0.0)

    def onset(self, one: Expected) -> Finding:
        """How late the note begins, in s."""
        attack = one.sound.envelope.attack / self._rate
        lowest = _LOWEST_IN_STEP_HZ if one.in_step else _LOWEST_ONSET_HZ
        if attack > _LONGEST_ATTACK_S or one.sound.tone.hz < lowest:
            return Finding("masked", why="too slow or too low for its onset to be seen")
        if one.narrow_noise:
            return Finding("masked", why="a band of noise this narrow swells too slowly for its onset to be seen")
        if self._borders_within(one.onset - _ONSET_CLEAR_S, one.onset + _ONSET_CLEAR_S) > 1:
            return Finding("masked", why="another note begins or ends within 50 ms")
        rise = self._rise(one.onset)
        if rise is None:
            return Finding("masked", why="it does not rise 12 dB above what sounds before it")
        late, level = rise
        if late < -self._tolerance.onset_s and level <= self._swell(one.onset):
            return Finding("masked", why="what sounds before it swells just then")
        within = abs(late) <= self._tolerance.onset_s
        return Finding("measured" if within else "failed", late, "" if within else f"begins {late * 1000:+.1f} ms off")

    def _borders_within(self, first: float, last: float) -> int:
        low, high = np.searchsorted(self._borders, (first, last))
        return int(high - low)

    def _swell(self, onset: float) -> float:
        """The most that the changes of all that sounds before `onset` add up to, when every partial is at its highest at once."""
        first = onset - _BEFORE_S
        low, high = np.searchsorted(self._onsets, (first - self._longest, onset))
        lines = [other.lines(first, onset, first) for other in self._all[low:high] if other.end > first]
        return sum((float((2 * np.pi * line.high / self._rate * line.level).sum()) for line in lines), 0.0)

    def _rise(self, onset: float) -> tuple[float, float] | None:
        """When the level leaves what was there before, in s after `onset`, and the level then; None when it does not rise 12 dB."""
        width = max(2, round(_LEVEL_S * self._rate))
        first = round((onset - _BEFORE_S) * self._rate) - width
        last = round((onset + _AFTER_S) * self._rate)
        change = np.diff(self._read(first, last), axis=0)
        power = np.cumsum(np.concatenate(([0.0], (change**2).sum(axis=1))))
        level = np.sqrt(np.maximum(power[width:] - power[:-width], 0.0) / width)
        split = round((_BEFORE_S - _GUARD_S) * self._rate)
        before, after = max(self._noise, float(level[:split].max())), float(level[split:].max())
        if after < max(before * _RISE, 1e-9):
            return None
        found = int(np.argmax(level[split:] > max(1.5 * before, 0.1 * after)))
        # Level i covers the `width` changes up to sample first + i + width.
        return (first + split + found + width / 2) / self._rate - onset - _ATTACK_DELAY_S, float(level[split + found])

    def pitch(self, one: Expected) -> Finding:
        """How sharp the note is, in cents, where it can be measured first; a held note has several chances."""
        if one.sound.part.instrument.noise:
            return Finding("masked", why="noise has no pitch to be measured")
        finding = Finding("masked", why="no stretch long enough without another onset or end")
        shortest = max(_SHORTEST_S, _PERIODS / one.sound.tone.hz)
        for first, last in self._windows(one):
            if last - first >= shortest:
                finding = self._pitch_within(one, first, last)
            if finding.status != "masked":
                break
        return finding

    def _windows(self, one: Expected) -> list[tuple[float, float]]:
        """The stretch after the onset; for a held note the ends of its longest stretches, where what was struck before is softest."""
        end = min(one.gate_end, self._end_s)
        inside = self._borders[(self._borders > one.onset + 1e-9) & (self._borders < end)]
        edges = np.concatenate(([one.onset], inside, [end]))
        settled = one.onset + max(_PITCH_FROM_S, one.sound.envelope.attack / self._rate)
        if not one.sound.held:
            return [(settled, min(float(edges[1]), settled + _LONGEST_S))]
        longest = np.argsort(np.diff(edges), kind="stable")[::-1][:_CHANCES]
        gaps = [(max(float(edges[place]) + _PITCH_FROM_S, settled), float(edges[place + 1])) for place in longest]
        return [(max(first, last - _LONGEST_S), last) for first, last in gaps]

    def _pitch_within(self, one: Expected, first: float, last: float) -> Finding:
        own = one.lines(first, last, (first + last) / 2)
        if own.low[0] <= 0 or 1200 * math.log2(own.high[0] / own.low[0]) > _STEADY_CENTS:
            return Finding("masked", why="its pitch moves")
        low, high = one.gain_between(first, last)
        if high > _STEADY_GAIN * low:
            return Finding("masked", why="its level moves")
        highest = min(FADE_FROM, self._tolerance.highest)
        fit = (own.low * (last - first) > _FEWEST) & (own.high <= highest * self._rate) & one.of_one_sign(first, last)
        level = own.level * one.sound.envelope.sustain * fit
        strongest = int(np.argmax(level))
        if level[strongest] < self._tolerance.quiet:
            return Finding("masked", why="too quiet, or no partial is steady")
        if self._covered(one, strongest, float(level[strongest]), (first, last)):
            return Finding("masked", why="another partial is too near or too loud")
        return self._compare(one, own, level, (first, last))

    def _covered(self, one: Expected, place: int, level: float, window: tuple[float, float]) -> bool:
        """Whether another partial, of this note or another, spoils the measurement of the one at `place`."""
        first, last = window
        near = _NEAR / (last - first)
        own = one.lines(first, last, first)
        hz = float(own.low[place])
        others = np.arange(len(own.low)) != place
        if np.any(others & (np.abs(own.low - hz) < near) & (own.level > level * _NEAR_LEVEL)):
            return True
        return any(_spoils(line, hz, level, near) for line in self._around(one, window))

    def _around(self, one: Expected, window: tuple[float, float]) -> Iterator[_Line]:
        """What else sounds in the window, at its loudest."""
        first, last = window
        low, high = np.searchsorted(self._onsets, (first - self._longest, last))
        return (other.lines(first, last, first) for other in self._all[low:high] if other is not one and other.end > first)

    def _compare(self, one: Expected, own: _Line, level: NDArray[np.float64], window: tuple[float, float]) -> Finding:
        """Measure the strongest partials in the louder channel, those besides the first one where they stand alone too."""
        first, last = window
        asked = one.through(first, last) * self._hearing.response(own.low)
        order = np.argsort(-level, kind="stable")[:_MOST_PARTIALS]
        side = int(asked[1, order[0]] > asked[0, order[0]])
        spectrum = Spectrum(self._read(math.ceil(first * self._rate), math.floor(last * self._rate))[:, side], self._rate)
        peaks: list[Peak] = []
        for place in order:
            hz, strength = float(own.low[place]), float(asked[side, place])
            if peaks and (
                level[place] < max(level[order[0]] * _WEAKEST, self._tolerance.quiet)
                or self._covered(one, int(place), float(level[place]), window)
            ):
                continue
            found_hz, found = spectrum.line(hz, _SEARCH / (last - first))
            if found < strength * _LOST_LEVEL:
                return Finding("failed", why=f"nothing sounds near {hz:.2f} Hz")
            peaks.append(Peak(hz, found_hz, 20 * math.log10(found / strength)))
        return self._judged(tuple(peaks))

    def _judged(self, peaks: tuple[Peak, ...]) -> Finding:
        tolerance, softest = self._tolerance, -self._tolerance.level_db - self._hearing.softer_db
        for peak in peaks:
            if abs(peak.cents) > tolerance.pitch_cents:
                which = "" if peak is peaks[0] else f"its partial at {peak.hz:.2f} Hz is "
                return Finding("failed", peaks[0].cents, f"{which}{peak.cents:+.2f} cents off", peaks)
        for peak in peaks:
            if not softest <= peak.level_db <= tolerance.level_db:
                return Finding("failed", peaks[0].cents, f"its partial at {peak.hz:.2f} Hz is {peak.level_db:+.2f} dB off", peaks)
        return Finding("measured", peaks[0].cents, peaks=peaks)


def _spoils(line: _Line, hz: float, level: float, near: float) -> bool:
    close = (line.low - near < hz) & (hz < line.high + near)
    return bool(np.any(close & (line.level > level * _NEAR_LEVEL)) or np.any(line.level > level * _FAR_LEVEL))


@functools.lru_cache(maxsize=4)
def blackman_harris(frames: int) -> NDArray[np.float64]:
    """The window of Blackman and Harris with four terms, float64 (frames,): side lobes lie 92 dB down."""
    window: NDArray[np.float64] = scipy.signal.windows.blackmanharris(frames, sym=False)
    window.flags.writeable = False
    return window


def strongest_line(samples: NDArray[np.float64], sample_rate: int, hz: float, reach: float) -> tuple[float, float]:
    """Frequency in Hz and amplitude of the strongest sinusoid within `reach` Hz of `hz`."""
    return Spectrum(samples, sample_rate).line(hz, reach)


class Spectrum:
    """The spectrum of samples (n,): Blackman-Harris window, four-fold zero padding."""

    def __init__(self, samples: NDArray[np.float64], sample_rate: int) -> None:
        window = blackman_harris(len(samples))
        size = scipy.fft.next_fast_len(4 * len(samples), real=True)
        self._magnitude = np.abs(scipy.fft.rfft(samples * window, size)) * (2 / window.sum()) + 1e-30
        self._bin_hz = sample_rate / size

    def line(self, hz: float, reach: float) -> tuple[float, float]:
        """Frequency in Hz and amplitude of the strongest sinusoid within `reach` Hz of `hz`, by a parabola through the logarithms."""
        low = max(1, math.floor((hz - reach) / self._bin_hz))
        high = min(len(self._magnitude) - 2, math.ceil((hz + reach) / self._bin_hz))
        top = low + int(np.argmax(self._magnitude[low : high + 1]))
        before, here, after = np.log(self._magnitude[top - 1 : top + 2])
        bend = before - 2 * here + after
        past = 0.5 * (before - after) / bend if bend < 0 else 0.0
        return float((top + past) * self._bin_hz), float(np.exp(here - 0.25 * (before - after) * past))

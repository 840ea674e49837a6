"""Sensory dissonance: how rough the notes of a score are that sound together, from the partials of their instruments.

Two sines are roughest about a quarter of a critical band apart; Sethares fits what Plomp and Levelt measured by

    d(f, g) = exp(-3.51 s |f - g|) - exp(-5.75 s |f - g|),   s = 0.24 / (0.0207 min(f, g) + 18.96),

frequencies in Hz. Here it is divided by its peak, 0.1798, so that 1 is two sines of equal power where they are roughest.

Two notes with partials f_p, a_p and g_q, b_q, each of power 1 (sum of squares), have the dissonance

    D = sum a_p b_q d(f_p, g_q) - (sum a_p a_q d(f_p, f_q) + sum b_p b_q d(g_p, g_q)) / 2,

and 0 where that is less: the roughness that lies between them beyond what a unison of such notes would have. It is near 0 of an octave of
harmonic tones. Notes that are rough in themselves, as a drum's are, can be less rough apart than in unison, and then there is none.
The dissonance of a score is the mean of D over all pairs of notes while both sound, weighted by the product of their levels.

References
----------
Plomp, Levelt (1965), Tonal consonance and critical bandwidth, J. Acoust. Soc. Am. 38, 548-560.
Sethares (1993), Local consonance and the relationship between timbre and scale, J. Acoust. Soc. Am. 94, 1218-1228.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.audio.instruments import Partials, Tone
from app.engine.audio.sounds import Part, body_modes
from app.engine.audio.tracks import Track
from app.engine.errors import EngineError
from app.engine.music.pitch import hz_to_midi, midi_to_hz, round_half_away
from app.engine.music.score import Note, Score

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SLOW, _FAST = 3.51, 5.75
_WIDTH, _PER_HZ, _OFFSET = 0.24, 0.0207, 18.96
_ROUGHEST = math.log(_FAST / _SLOW) / (_FAST - _SLOW)
_PEAK = math.exp(-_SLOW * _ROUGHEST) - math.exp(-_FAST * _ROUGHEST)

_RATE = 48000
_PARTIALS = 16
_PLUCKS = 4
_BRIGHTNESS_STEPS = 16
_MOMENTS = 8
_SIXTY_DB = 3.0 * math.log(10.0)

_STEP_S, _MOST_STEPS = 0.25, 120
_MOST_NOTES = 2000
_MOST_KINDS = 20_000
_CHUNK = 500
_DIGITS = 6


def roughness(hz: Floats, others_hz: Floats) -> Floats:
    """The roughness of two sines of equal power at `hz` and `others_hz` (any shapes that go together): 1 at its highest."""
    x = _WIDTH / (_PER_HZ * np.minimum(hz, others_hz) + _OFFSET) * np.abs(hz - others_hz)
    found: Floats = (np.exp(-_SLOW * x) - np.exp(-_FAST * x)) / _PEAK
    return found


def between(hz: Floats, amplitude: Floats, other_hz: Floats, other_amplitude: Floats) -> float:
    """The dissonance D of two notes with these partials: frequencies in Hz and linear amplitudes, (P,) and (Q,)."""
    ratios, amplitudes = np.ones((2, max(len(hz), len(other_hz)))), np.zeros((2, max(len(hz), len(other_hz))))
    for place, (frequencies, strengths) in enumerate(((hz, amplitude), (other_hz, other_amplitude))):
        ratios[place, : len(frequencies)], amplitudes[place, : len(frequencies)] = frequencies, strengths
    amplitudes /= np.sqrt((amplitudes**2).sum(axis=1))[:, None]
    spectra = _Kinds(np.ones(2), ratios, amplitudes)
    return float(spectra.dissonance(np.array([0]), np.array([1]))[0])


def dissonance(score: Score) -> dict[str, Any]:
    """The dissonance of a score.

    A note counts from its onset to its end, by its level: that of its voice and its own, falling as its strongest partial does. Its
    spectrum is the energy that each of its 16 strongest partials has in that time; a note that moves is taken in steps of 0.25 s or more.
    Of a long score the 2,000 notes and steps of most energy count, and of these the 20,000 pairs of pitches that weigh most.

    Returns
    -------
    {"value": the dissonance, None where no two notes sound together, "pairs": how many do, "share": of their weight that is counted, 0 to
    1, "left_out": notes without partials, or whose instrument cannot play them}
    """
    spectra = _Spectra(score)
    steps, left_out = _steps(score, spectra)
    first, second, weight = _together(steps)
    if not len(weight):
        return {"value": None, "pairs": 0, "share": 1.0, "left_out": left_out}
    pitches, kind = np.unique(np.stack((steps.spectrum.astype(np.float64), steps.hz)), axis=1, return_inverse=True)
    kind = kind.reshape(-1)
    low, high = np.minimum(kind[first], kind[second]), np.maximum(kind[first], kind[second])
    found, place = np.unique(low * pitches.shape[1] + high, return_inverse=True)
    weights = np.bincount(place.reshape(-1), weights=weight)
    heaviest = np.argsort(-weights, kind="stable")[:_MOST_KINDS]
    low, high = np.divmod(found[heaviest], pitches.shape[1])
    ratios, amplitudes = spectra.table()
    of = pitches[0].astype(np.int64)
    each = _Kinds(pitches[1], ratios[of], amplitudes[of]).dissonance(low, high)
    counted = float(weights[heaviest].sum())
    return {
        "value": round(float((each * weights[heaviest]).sum()) / counted, _DIGITS),
        "pairs": len(weight),
        "share": round(counted / float(weights.sum()), _DIGITS),
        "left_out": left_out,
    }


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Notes by pitch `hz` (K,) and spectrum: ratios and amplitudes (K, P) of power 1, with amplitude 0 where there are fewer partials."""

    hz: Floats
    ratio: Floats
    amplitude: Floats

    def dissonance(self, one: Integers, other: Integers) -> Floats:
        """The dissonance (n,) of kinds `one` and `other` (n,)."""
        own = self._crossed(every := np.arange(len(self.hz)), every)
        found: Floats = np.maximum(self._crossed(one, other) - 0.5 * (own[one] + own[other]), 0.0)
        found[one == other] = 0.0
        return found

    def _crossed(self, one: Integers, other: Integers) -> Floats:
        found = np.empty(len(one))
        hz = self.hz[:, None] * self.ratio
        for start in range(0, len(one), _CHUNK):
            a, b = one[start : start + _CHUNK], other[start : start + _CHUNK]
            rough = roughness(hz[a][:, :, None], hz[b][:, None, :])
            rough *= self.amplitude[a][:, :, None]
            rough *= self.amplitude[b][:, None, :]
            found[start : start + _CHUNK] = rough.reshape(len(a), -1).sum(axis=1)
        return found


@dataclass(frozen=True, slots=True)
class _Spectrum:
    """A note's partials over its length: ratios and amplitudes (P,) of power 1, the strongest first; `decay` of its level in 1/s."""

    ratio: Floats
    amplitude: Floats
    decay: float
    ring_s: float


class _Spectra:
    """The spectra of a score's notes, each made once.

    They are those at the nearest key of equal temperament, so that tuning moves partials and does not make them anew, at 16 levels of
    brightness, over lengths of powers of two. Of an instrument that draws at random they are the mean of four tones.
    """

    def __init__(self, score: Score) -> None:
        self._parts = {str(voice["id"]): _part(voice, place) for place, voice in enumerate(score.voices)}
        self._modes = {body: body_modes(given) for body, given in score.modes.items()}
        self._places: dict[Any, int | None] = {}
        self._found: list[_Spectrum] = []

    def __getitem__(self, place: int) -> _Spectrum:
        return self._found[place]

    def gain(self, voice_id: str) -> float:
        """The linear gain of a voice that can play."""
        part = self._parts[voice_id]
        return part.gain if part else 0.0

    def place(self, note: Note) -> int | None:
        """The place of a note's spectrum; None when it has no partials, or its instrument cannot play it."""
        body = str(note.provenance.get("body_id", ""))
        brightness = None if note.brightness is None else round(min(1.0, max(0.0, note.brightness)) * _BRIGHTNESS_STEPS)
        lasting = math.ceil(math.log2(max(note.duration_s, 1e-3)))
        key = (note.voice_id, round_half_away(hz_to_midi(note.hz)), brightness, body if body in self._modes else None, lasting)
        if key not in self._places:
            made = self._made(*key)
            self._places[key] = None if made is None else len(self._found)
            if made is not None:
                self._found.append(made)
        return self._places[key]

    def table(self) -> tuple[Floats, Floats]:
        """Ratios and amplitudes of all, (S, P), with amplitude 0 where there are fewer partials."""
        shape = len(self._found), max(len(one.ratio) for one in self._found)
        ratios, amplitudes = np.ones(shape), np.zeros(shape)
        for place, one in enumerate(self._found):
            ratios[place, : len(one.ratio)], amplitudes[place, : len(one.ratio)] = one.ratio, one.amplitude
        return ratios, amplitudes

    def _made(self, voice_id: str, key: int, brightness: int | None, body: str | None, lasting: int) -> _Spectrum | None:
        part = self._parts[voice_id]
        if part is None:
            return None
        parameters = dict(part.parameters)
        if brightness is not None and "brightness" in parameters:
            parameters["brightness"] = brightness / _BRIGHTNESS_STEPS
        modes, length = self._modes.get(body or ""), 2.0**lasting

        def tone(seed: int) -> Partials:
            return part.instrument.partials(Tone(midi_to_hz(key), _RATE, _RATE, parameters, (seed,), modes))

        try:
            return _spectrum(tone, length)
        except EngineError:
            return None


def _part(voice: Any, place: int) -> Part | None:
    try:
        return Part.of(voice, f"voices.{place}")
    except EngineError:
        return None


def _spectrum(tone: Callable[[int], Partials], length_s: float) -> _Spectrum | None:
    """The spectrum of a tone, given by its seed; None of one without energy, as of a body struck where none of its modes moves."""
    first, second = tone(0), tone(1)
    tones = [first] if np.array_equal(first.amplitude, second.amplitude) else [first, second, *(tone(seed) for seed in range(2, _PLUCKS))]
    energy: Floats = np.stack([_energy(one, length_s) for one in tones]).mean(axis=0)
    strongest = np.argsort(-energy, kind="stable")[:_PARTIALS]
    strongest = strongest[energy[strongest] > 0.0]
    if not len(strongest):
        return None
    amplitude: Floats = np.sqrt(energy[strongest] / energy[strongest].sum())
    return _Spectrum(first.ratio[strongest], amplitude, float(_SIXTY_DB / first.t60[strongest[0]]), first.ring_s)


def _energy(partials: Partials, length_s: float) -> Floats:
    """The energy (P,) of each partial in `length_s`, up to a factor."""
    fall = 2.0 * _SIXTY_DB / partials.t60
    lasting = np.full(len(fall), length_s)
    np.divide(-np.expm1(-fall * length_s), fall, out=lasting, where=fall > 0.0)
    if partials.moving is None:
        found: Floats = partials.amplitude**2 * lasting
        return found
    times = np.linspace(0.0, length_s, _MOMENTS)
    means = np.array([float((column**2).mean()) for column in partials.moving(times)])
    return np.asarray(means * lasting, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Steps:
    """Notes, or the steps of those that move, in order of start; all columns (n,). `level` holds at `onset_s` and falls by `decay`."""

    start_s: Floats
    end_s: Floats
    onset_s: Floats
    hz: Floats
    level: Floats
    decay: Floats
    spectrum: Integers
    note: Integers


def _steps(score: Score, spectra: _Spectra) -> tuple[_Steps, int]:
    """The steps of a score's notes, the strongest 2,000 at most, and how many notes cannot be played."""
    rows: list[tuple[float, ...]] = []
    left_out = 0
    for index, note in enumerate(score.notes):
        place = spectra.place(note)
        if place is None:
            left_out += 1
        elif note.t_s < score.duration_s:
            rows += _steps_of(note, spectra[place], spectra.gain(note.voice_id), (place, index))
    columns = np.array(rows, dtype=np.float64).reshape(-1, 8)
    if len(columns) > _MOST_NOTES:
        energy = columns[:, 4] ** 2 * (columns[:, 1] - columns[:, 0])
        columns = columns[np.sort(np.argsort(-energy, kind="stable")[:_MOST_NOTES])]
    columns = columns[np.argsort(columns[:, 0], kind="stable")].T.copy()
    start, end, onset, hz, level, decay = columns[:6]
    return _Steps(start, end, onset, hz, level, decay, columns[6].astype(np.int64), columns[7].astype(np.int64)), left_out


def _steps_of(note: Note, spectrum: _Spectrum, gain: float, place: tuple[int, int]) -> Iterator[tuple[float, ...]]:
    length = min(note.duration_s, spectrum.ring_s)
    level = gain * note.amplitude
    if not note.track or not {"hz", "gain_db"} & note.track.keys():
        yield note.t_s, note.t_s + length, note.t_s, note.hz, level, spectrum.decay, *place
        return
    track = Track.of(note)
    count = min(max(1, math.ceil(length / _STEP_S)), _MOST_STEPS)
    edges = np.arange(count + 1) * (length / count)
    middles = 0.5 * (edges[1:] + edges[:-1])
    levels = level * track.gain_at(middles)
    for start, end, hz, now in zip(edges[:-1].tolist(), edges[1:].tolist(), track.hz_at(middles).tolist(), levels.tolist(), strict=True):
        yield note.t_s + start, note.t_s + end, note.t_s + start, hz, now, 0.0, *place


def _together(steps: _Steps) -> tuple[Integers, Integers, Floats]:
    """Pairs of steps of different notes that sound together, and their weights: the product of their levels over that time."""
    count = len(steps.start_s)
    following = np.searchsorted(steps.start_s, steps.end_s, side="left") - np.arange(1, count + 1)
    following = np.maximum(following, 0)
    first = np.repeat(np.arange(count), following)
    second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(following) - following, following)
    apart = steps.note[first] != steps.note[second]
    first, second = first[apart], second[apart]
    begin = steps.start_s[second]
    lasting = np.minimum(steps.end_s[first], steps.end_s[second]) - begin
    fallen = steps.decay[first] * (begin - steps.onset_s[first]) + steps.decay[second] * (begin - steps.onset_s[second])
    falls = (steps.decay[first] + steps.decay[second]) * lasting
    mean = np.ones(len(falls))
    np.divide(-np.expm1(-falls), falls, out=mean, where=falls > 0.0)
    weight = steps.level[first] * steps.level[second] * np.exp(-fallen) * lasting * mean
    heard = weight > 0.0
    return first[heard], second[heard], weight[heard]

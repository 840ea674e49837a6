"""Notes made ready to sound: each with its instrument, its envelope and its place in the file."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.audio.automation import Lane, lanes
from app.engine.audio.envelopes import Adsr, Envelope, Samples
from app.engine.audio.instruments import INSTRUMENTS, Instrument, Partials, Tone, instrument
from app.engine.audio.instruments.partials import FADE_FROM, band_limit, start_phases, sustained
from app.engine.audio.recordings import Recording
from app.engine.audio.steady import Line, Member
from app.engine.audio.tracks import Track
from app.engine.catalogue import VOICE
from app.engine.errors import EngineError, Unsupported
from app.engine.music.score import Note, Score

HEADROOM = 10 ** (-15 / 20)
"""Peak of the loudest note alone: room for four such notes at once, whatever their phases, before the limiter acts."""

_LONG_S = 10.0
_NONE: Mapping[str, Recording] = {}
_SIXTY_DB = 3 * math.log(10)


@dataclass(frozen=True)
class Part:
    """A voice that sounds; `gain` is linear. Where a lane moves gain or pan, the voice's own is 1 or 0.

    `recording` is the one that its parameters name, if it has been brought.
    """

    instrument: Instrument
    parameters: Mapping[str, Any]
    adsr: Adsr
    gain: float
    pan: float
    field: str
    lanes: Mapping[str, Lane] = dataclasses.field(default_factory=dict)
    recording: Recording | None = None

    @classmethod
    def of(cls, voice: Mapping[str, Any], field: str, turn_s: float = math.inf, recordings: Mapping[str, Recording] = _NONE) -> Part:
        """The part of a voice in a score. Raises EngineError naming the field, under `field`."""
        player = instrument(voice.get("instrument") or next(iter(INSTRUMENTS)), f"{field}.instrument")
        parameters = player.validate(voice.get("parameters") or {}, f"{field}.parameters")
        adsr = voice.get("adsr") or {}
        times = {name: _setting(adsr, name, f"adsr.{name}", field) for name in ("attack_s", "decay_s", "sustain", "release_s")}
        gain_db, pan = (_setting(voice, name, name, field) for name in ("gain_db", "pan"))
        moving = lanes(voice.get("automation") or [], f"{field}.automation", turn_s)
        gain, pan = 1.0 if "gain_db" in moving else 10 ** (gain_db / 20), 0.0 if "pan" in moving else pan
        recording = next((recordings.get(parameters[reference.name]) for reference in player.references), None)
        return cls(player, parameters, Adsr(**times), gain, pan, field, moving, recording)

    def gain_at(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """What its lane makes of its gain at score seconds (n,)."""
        return self.lanes["gain_db"].at(times_s) if "gain_db" in self.lanes else np.ones(len(times_s))

    def pan_at(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Its place at score seconds (n,)."""
        return self.lanes["pan"].at(times_s) if "pan" in self.lanes else np.full(len(times_s), self.pan)


def _setting(given: Mapping[str, Any], name: str, quantity: str, field: str) -> float:
    value = given.get(name, VOICE[quantity].default)
    if not isinstance(value, int | float | Mapping):
        raise EngineError(f"Must be a number in the range {VOICE[quantity].range_text}.", f"{field}.{quantity}")
    return VOICE[quantity].read(value, f"{field}.{quantity}")


def parts(score: Score) -> dict[str, Part]:
    """The voices that are heard, by id: those that solo where any does, and none that is muted."""
    solo = any(voice.get("solo") for voice in score.voices)
    turn_s = score.duration_s if score.loop else math.inf
    return {
        str(voice["id"]): Part.of(voice, f"voices.{place}", turn_s, score.recordings)
        for place, voice in enumerate(score.voices)
        if not voice.get("mute") and (voice.get("solo") or not solo)
    }


@dataclass(frozen=True)
class Sound:
    """A note in the file: `start` and `envelope` in samples, `gain` linear. It is rendered whole, or span by span when `held`."""

    note: Note
    part: Part
    tone: Tone
    envelope: Envelope
    start: int
    gain: float
    held: bool

    @property
    def frames(self) -> int:
        """Length in samples, release included."""
        return self.envelope.frames

    @functools.cached_property
    def track(self) -> Track:
        """How the note moves."""
        return Track.of(self.note)

    def partials(self) -> Partials:
        """What the note is made of, wherever its track leads: the lowest pitch has the most partials below the limit of the band."""
        return self.part.instrument.partials(self._lowest)

    @property
    def _lowest(self) -> Tone:
        return replace(self.tone, hz=float(self.track.hz.min()))

    def render(self) -> Samples:
        """The whole note as (2, frames)."""
        out = np.zeros((2, self.frames), np.float32)
        self.add_to(out, 0)
        return out

    def add_to(self, bus: Samples, place: int) -> None:
        """Add the whole note to a bus (2, n) from `place` on; what comes before its beginning is past."""
        samples, skip = self.part.instrument.render(self.tone), max(0, -place)
        self.envelope.apply(samples)
        into = bus[:, place + skip : place + len(samples)]
        if self.part.lanes:
            into += self._moved(samples, self._moments(0, len(samples)), np.array(self.note.pan))[:, skip:]
            return
        scaled = np.empty(len(samples) - skip, np.float32)
        for side, gain in enumerate(pan_gains(np.array(self.place))):
            into[side] += np.multiply(samples[skip:], np.float32(self.gain * gain), out=scaled)

    def member(self, start: int, first: int, last: int) -> Member | None:
        """A held note that starts at `start`, where it sounds unchanged from sample `first` to `last`; None where something moves."""
        level = self.envelope.level(first - start, last - start)
        return None if level is None or self.line is None else Member(self.line, start, level)

    @functools.cached_property
    def line(self) -> Line | None:
        """A held note at full level, if nothing but its envelope moves; else None."""
        partials = self.partials()
        if self.part.instrument.noise or self.part.lanes or partials.moving is not None or not self.track.still:
            return None
        hz = float(self.track.hz[0]) * partials.ratio
        amplitude = partials.amplitude * band_limit(hz, self.tone.sample_rate)
        cycles, heard = start_phases(self.tone, partials) / (2 * np.pi), amplitude != 0.0
        gain = self.gain * 10 ** (float(self.track.gain_db[0]) / 20)
        left, right = pan_gains(np.clip(self.track.pan[0] + self.part.pan, -1.0, 1.0))
        return Line(hz[heard], amplitude[heard], cycles[heard], (gain * float(left), gain * float(right)))

    def _sustained(self, first: int, last: int) -> Samples:
        """Samples `first` to `last` as the instrument makes them, (last - first,)."""
        track, noise = self.track, self.part.instrument.noise
        if noise:
            return noise.along(self._lowest, first, last, track.hz_at)
        times = np.arange(first, last) / self.tone.sample_rate
        partials = self.partials()
        phases = start_phases(self.tone, partials)
        return sustained(partials, phases, times, track.cycles_at(times), track.hz_at(times), self.tone.sample_rate)

    @property
    def place(self) -> float:
        """Pan of note and voice together, -1 to 1, at the start."""
        return self.place_at(0.0)

    def place_at(self, time_s: float) -> float:
        """Pan of note and voice together so many s after the start, where no track moves it."""
        voice = float(self.part.pan_at(np.array([self.note.t_s + time_s]))[0]) if self.part.lanes else self.part.pan
        return min(1.0, max(-1.0, self.note.pan + voice))

    def _moments(self, first: int, last: int) -> NDArray[np.float64]:
        """Score seconds of samples `first` to `last`."""
        return np.arange(self.start + first, self.start + last) / self.tone.sample_rate

    def _moved(self, samples: Samples, moments: NDArray[np.float64], pan: NDArray[np.float64]) -> Samples:
        """Samples (n,) with all gains but the envelope, and in their place, (2, n)."""
        gain = self.gain * self.part.gain_at(moments)
        left, right = pan_gains(np.clip(pan + self.part.pan_at(moments), -1.0, 1.0))
        return np.stack((samples * (gain * left).astype(np.float32), samples * (gain * right).astype(np.float32)))

    def span(self, first: int, last: int) -> Samples:
        """Samples `first` to `last` of a held note, (2, last - first)."""
        if self.line is not None:
            samples = self.line.alone(first, last, self.tone.sample_rate)
            self.envelope.apply(samples, first)
            return np.multiply.outer(np.array(self.line.gains, dtype=np.float32), samples)
        track = self.track
        times = np.arange(first, last) / self.tone.sample_rate
        samples = self._sustained(first, last)
        if self.part.lanes:
            samples *= track.gain_at(times).astype(np.float32)
            self.envelope.apply(samples, first)
            return self._moved(samples, self._moments(first, last), track.pan_at(times))
        samples *= (self.gain * track.gain_at(times)).astype(np.float32)
        self.envelope.apply(samples, first)
        left, right = pan_gains(np.clip(track.pan_at(times) + self.part.pan, -1.0, 1.0))
        return np.stack((samples * left.astype(np.float32), samples * right.astype(np.float32)))


def pan_gains(pan: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Constant-power gains of left and right for `pan` from -1 to 1: their squares add up to 1."""
    angle = (pan + 1) * (math.pi / 4)
    return np.cos(angle), np.sin(angle)


def sounds(score: Score, sample_rate: int, duration_s: float, seed: int) -> list[Sound]:
    """The sounds of the notes that start before `duration_s`, in order of their start.

    Raises EngineError when a voice or a pitch is not playable, or too high for the sample rate.
    """
    heard = parts(score)
    modes = {body: body_modes(given) for body, given in score.modes.items()}
    found = [
        _sound(note, heard[note.voice_id], sample_rate, duration_s, (seed, index), modes.get(note.provenance.get("body_id", "")))
        for index, note in enumerate(score.notes)
        if note.voice_id in heard and note.t_s < duration_s
    ]
    return sorted(found, key=lambda sound: sound.start)


def body_modes(given: Mapping[str, Any]) -> Partials:
    """The modes of a body in a score; one without decay rings for ever."""
    ratio, amplitude, decay = (np.asarray(given[name], dtype=np.float64) for name in ("ratio", "amplitude", "decay"))
    lasting = np.full(len(decay), np.inf)
    np.divide(_SIXTY_DB, decay, out=lasting, where=decay > 0.0)
    return Partials(ratio=ratio, amplitude=amplitude, t60=lasting)


def _sound(note: Note, part: Part, sample_rate: int, duration_s: float, seeds: tuple[int, ...], modes: Partials | None = None) -> Sound:
    _check_pitch(note, part, sample_rate)
    parameters = dict(part.parameters)
    if note.brightness is not None and "brightness" in parameters:
        parameters["brightness"] = min(1.0, max(0.0, note.brightness))
    gate_s = min(note.duration_s, duration_s - note.t_s) if note.track else note.duration_s
    gate = max(1, round(gate_s * sample_rate))
    try:
        ring = part.instrument.ring_s(Tone(note.hz, gate, sample_rate, parameters, seeds, modes, part.recording))
    except EngineError as error:
        raise type(error)(error.message, f"{part.field}.{error.field}") from None
    held = part.instrument.sustains and (note.track is not None or (gate_s > _LONG_S and math.isinf(ring)))
    if not held and ring < gate_s:
        gate = math.ceil(ring * sample_rate)
    envelope = Envelope.of(part.adsr, gate, sample_rate)
    tone = Tone(note.hz, envelope.frames, sample_rate, parameters, seeds, modes, part.recording)
    return Sound(note, part, tone, envelope, round(note.t_s * sample_rate), HEADROOM * part.gain * note.amplitude, held)


def _check_pitch(note: Note, part: Part, sample_rate: int) -> None:
    field = f"{part.field}.instrument"
    if note.track and not part.instrument.sustains:
        able = ", ".join(name for name, player in INSTRUMENTS.items() if player.sustains)
        raise Unsupported(f"{part.instrument.name} cannot hold a continuous note; give its mapping a rate, or take one of {able}.", field)
    pitches = Track.of(note).hz if note.track else (note.hz,)
    part.instrument.check_pitch(float(min(pitches)), field)
    highest = part.instrument.check_pitch(float(max(pitches)), field)
    if highest > FADE_FROM * sample_rate:
        needed = math.ceil(highest / FADE_FROM)
        raise Unsupported(f"The score reaches {highest:.6g} Hz; that needs a sample rate of at least {needed} Hz.", "sample_rate")

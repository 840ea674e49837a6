"""What every way to keep microtones in a MIDI file shares: notes on a grid of ticks, tempo and names, and a track for each voice."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.engine.music import smf
from app.engine.music.pitch import fifths, hz_to_midi, round_half_away
from app.engine.music.score import Note, Score

# A track moves the pitch this often at most; a synthesizer steps between its values.
_MOVES_PER_SECOND = 50
_PROGRAMS = {
    "modal": 11,
    "karplus_strong": 24,
    "sine": 79,
    "additive": 19,
    "triangle": 74,
    "square": 80,
    "saw": 81,
    "fm": 5,
    "noise": 122,
    "granular": 99,
}
_DEFAULT_PROGRAM = 0
# A minor key has the signature of the major key three fifths below.
_MINOR, _MINOR_FIFTHS = ("natural_minor", "harmonic_minor", "melodic_minor"), 3
_MOST_ACCIDENTALS = 7
_VELOCITY_FULL = 127

Timbre = tuple[int, int, int]
"""General MIDI program, and the controllers volume and pan."""


@dataclass(slots=True)
class Placed:
    """A note on the file's grid: ticks, pitch as a float MIDI number (of a moving note that of its middle), and its key."""

    index: int
    voice: int
    start: int
    end: int
    pitch: float
    key: int
    velocity: int
    channel: int = -1


@dataclass
class Report:
    """What becomes of the notes."""

    overflow: list[dict[str, Any]] = field(default_factory=list)
    restruck: int = 0
    worst: float = 0.0
    tracks: list[dict[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


class Layout:
    """One score on channels and ticks. Who keeps microtones in another way writes `lay_out`."""

    def __init__(self, score: Score) -> None:
        self.score = score
        self.tempo = round(60e6 / score.tempo_bpm)
        self.report = Report()
        self.timbres = [_timbre(voice) for voice in score.voices]
        self._voices = {str(voice["id"]): index for index, voice in enumerate(score.voices)}
        self._events: list[list[smf.Event]] = [[] for _ in score.voices]
        self._ends: list[tuple[int, int]] = []
        self.placed = [self._place(index, note) for index, note in enumerate(score.notes)]
        self.lay_out()
        for placed in self.placed:
            self.add(placed.voice, placed.end, smf.END, bytes((0x80 | placed.channel, placed.key, 64)))

    def lay_out(self) -> None:
        """Give every note its channel, and begin it there."""
        raise NotImplementedError

    def opening(self) -> list[bytes]:
        """Messages before all others."""
        return []

    def file(self) -> bytes:
        """The whole file."""
        return smf.file([self._conductor(), *(self._voice_track(index) for index in range(len(self.score.voices)))])

    def summary(self) -> dict[str, Any]:
        """The report, as `write_midi` gives it."""
        return {
            "notes": len(self.placed),
            "channels": len({placed.channel for placed in self.placed}),
            "max_error_cents": self.report.worst,
            "overflow": self.report.overflow,
            "restruck": self.report.restruck,
            "tracks": self.report.tracks,
            "not_kept": [*self.report.said, *self._not_kept()],
        }

    def tick(self, seconds: float) -> int:
        """The nearest tick by the tempo as the file holds it, in whole microseconds per quarter."""
        return int(seconds * 1e6 / self.tempo * smf.TICKS_PER_QUARTER + 0.5)

    def in_order(self) -> list[Placed]:
        """The notes as they begin."""
        return sorted(self.placed, key=lambda one: (one.start, one.index))

    def begin(self, placed: Placed, channel: int, sounding: dict[int, int]) -> None:
        """Begin a note on a channel where the keys `sounding` sound; the same key ends before it."""
        earlier = sounding.get(placed.key)
        if earlier is not None:
            last = self.placed[earlier]
            # In another track the end must come a tick before the restrike: tracks are read in any order.
            last.end = max(last.start, min(last.end, placed.start - (last.voice != placed.voice)))
            self.report.restruck += 1
        sounding[placed.key] = placed.index
        placed.channel = channel
        heapq.heappush(self._ends, (placed.end, placed.index))
        self.add(placed.voice, placed.start, smf.BEGIN, bytes((0x90 | channel, placed.key, placed.velocity)))

    def ended(self, tick: int) -> Iterator[Placed]:
        """The notes that have ended before a tick; one that ends on it still holds its key, for any order of tracks."""
        while self._ends and self._ends[0][0] < tick:
            yield self.placed[heapq.heappop(self._ends)[1]]

    def measure(self, placed: Placed, error: float, limit: float) -> None:
        """Keep account of how far a note is off its pitch, in cents; `limit` is what rounding costs at most."""
        if abs(error) <= limit * (1.0 + 1e-6):
            self.report.worst = max(self.report.worst, abs(error))
        else:
            self.report.overflow.append({"note": placed.index, "channel": placed.channel + 1, "error_cents": error})

    def moves(self, placed: Placed, pitches: Sequence[float], rate: float) -> Iterator[tuple[int, float]]:
        """Ticks and pitches of a moving note after its onset, while it sounds."""
        stride = max(1, math.ceil(rate / _MOVES_PER_SECOND))
        for place in range(stride, len(pitches), stride):
            tick = placed.start + self.tick(place / rate)
            if tick >= placed.end:
                return
            yield tick, pitches[place]

    def add(self, voice: int, tick: int, order: int, message: bytes) -> None:
        """Add a message to the track of a voice."""
        self._events[voice].append((smf.at(tick, order), message))

    def _place(self, index: int, note: Note) -> Placed:
        start = self.tick(note.t_s)
        end = max(start + 1, self.tick(note.t_s + note.duration_s))
        pitch = hz_to_midi(note.hz if note.track is None or "hz" not in note.track else _middle(note.track["hz"]))
        key = min(127, max(0, round_half_away(pitch)))
        velocity = max(1, int(_VELOCITY_FULL * note.velocity + 0.5))
        return Placed(index, self._voices[note.voice_id], start, end, pitch, key, velocity)

    def _not_kept(self) -> list[str]:
        notes, said = self.score.notes, []
        if any(note.pan for note in notes):
            said.append("The places of single notes: a channel has the pan of its voice.")
        if any(note.brightness is not None for note in notes):
            said.append("Brightness.")
        if any(note.track and ("gain_db" in note.track or "pan" in note.track) for note in notes):
            said.append("Moving levels and places of continuous notes: the loudest level gives the velocity.")
        return said

    def _conductor(self) -> bytes:
        numerator, denominator = (int(part) for part in self.score.time_signature.split("/"))
        heads = [
            smf.meta(0x03, str(self.score.report.get("name") or "Score").encode()),
            smf.meta(0x51, self.tempo.to_bytes(3, "big")),
            smf.meta(0x58, bytes((numerator, denominator.bit_length() - 1, 24, 8))),
            *self._key(),
            *self.opening(),
        ]
        events = [(smf.at(0, smf.FIRST), head) for head in heads]
        for marker in self.score.report.get("markers", ()):
            events.append((smf.at(self.tick(marker["time_s"]), smf.SET), smf.meta(0x06, str(marker["name"]).encode())))
        return smf.track(events, self.tick(self.score.duration_s))

    def _key(self) -> list[bytes]:
        """The key as it is spelled, as text; a major or minor one of up to seven accidentals also as a signature."""
        key, scale = (str(self.score.report.get(name) or "") for name in ("key", "scale"))
        if not key:
            return []
        words = smf.meta(0x01, f"Key: {key} {scale.replace('_', ' ')}".encode())
        accidentals = fifths(key) - (_MINOR_FIFTHS if scale in _MINOR else 0)
        if scale not in ("major", *_MINOR) or abs(accidentals) > _MOST_ACCIDENTALS:
            return [words]
        return [words, smf.meta(0x59, bytes((accidentals % 256, scale in _MINOR)))]

    def _voice_track(self, index: int) -> bytes:
        name = str(self.score.voices[index].get("name") or f"Voice {index + 1}")
        return smf.track([(smf.at(0, smf.FIRST), smf.meta(0x03, name.encode())), *self._events[index]])


def timbre_messages(channel: int, timbre: Timbre) -> list[bytes]:
    """Program, volume and pan of a channel."""
    program, volume, pan = timbre
    return [bytes((0xC0 | channel, program)), bytes((0xB0 | channel, 7, volume)), bytes((0xB0 | channel, 10, pan))]


def moving(note: Note) -> bool:
    """Whether the pitch of a note has a track."""
    return note.track is not None and "hz" in note.track


def _middle(track: Sequence[float]) -> float:
    """Midway between the ends of a track, in Hz."""
    return math.sqrt(min(track) * max(track))


def _timbre(voice: Mapping[str, Any]) -> Timbre:
    """The timbre of a voice; volume by the General MIDI curve, gain = 40 log10(volume / 127) dB."""
    program = voice.get("midi_program")
    if program is None:
        program = _PROGRAMS.get(str(voice.get("instrument")), _DEFAULT_PROGRAM)
    volume = round_half_away(127.0 * 10.0 ** (float(voice.get("gain_db") or 0.0) / 40.0))
    pan = round_half_away(64.0 + 63.0 * float(voice.get("pan") or 0.0))
    return int(program), min(127, max(0, volume)), min(127, max(0, pan))

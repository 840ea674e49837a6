"""Standard MIDI Files, type 1, with microtones kept by pitch bend.

Every note takes the nearest key and a pitch bend on its channel, so that it sounds at its frequency on any synthesizer (whose key 69 is
440 Hz). Channels are shared by equal bends, programs, volumes and pans; a key that sounds on its channel takes another one. Channel 10
is left to percussion. What fifteen channels cannot keep is reported note by note.

References
----------
Standard MIDI Files 1.0; MIDI 1.0 Detailed Specification (registered parameter 0, pitch bend sensitivity); General MIDI 2 (volume curve).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.engine.music.pitch import hz_to_midi, round_half_away
from app.engine.music.score import Note, Score

TICKS_PER_QUARTER = 960
BEND_RANGE = 2
_CENTRE = 8192
# What rounding to steps of the bend costs at most, with room for the rounding of floats.
_HALF_STEP_CENTS = 50.0 * BEND_RANGE / _CENTRE * (1.0 + 1e-6)
_PERCUSSION = 9
_CHANNELS = 16
_WIDEST_RANGE = 96
# A track moves the bend this often at most; a synthesizer steps between its values.
_BENDS_PER_SECOND = 50
_PROGRAMS = {"modal": 11, "karplus_strong": 24, "sine": 79, "additive": 19, "triangle": 74, "square": 80, "saw": 81, "fm": 5}
_DEFAULT_PROGRAM = 0
_VELOCITY_FULL = 127
# Order of events at one tick: what ends comes first, then the channel is set, then notes begin.
_END, _SET, _BEGIN = 0, 1, 2

Event = tuple[int, int, int, bytes]


@dataclass(frozen=True, slots=True)
class _Setting:
    """What a channel is set to: General MIDI program, volume and pan controllers, pitch bend in steps, and its range in semitones."""

    program: int
    volume: int
    pan: int
    bend: int = 0
    bend_range: int = BEND_RANGE

    @property
    def timbre(self) -> tuple[int, int, int]:
        return self.program, self.volume, self.pan


@dataclass
class _Channel:
    """One of the sixteen: its setting, the sounding keys with their notes, and the moving note that has it to itself."""

    number: int
    setting: _Setting | None = None
    sounding: dict[int, int] = field(default_factory=dict)
    alone: int | None = None


@dataclass(slots=True)
class _Placed:
    """A note on the file's grid: ticks, key, and the bend that it wants."""

    index: int
    voice: int
    start: int
    end: int
    key: int
    bend: int
    velocity: int
    channel: int = -1


@dataclass
class _Report:
    overflow: list[dict[str, Any]] = field(default_factory=list)
    restruck: int = 0
    worst: float = 0.0
    tracks: list[dict[str, Any]] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)


def write_midi(score: Score) -> tuple[bytes, dict[str, Any]]:
    """A score as the bytes of a Standard MIDI File, and a report on what the file keeps.

    Returns
    -------
    data : type 1, 960 ticks per quarter; a track for the tempo and markers, then one per voice; one note-on per note
    report : {"notes", "channels" (used), "max_error_cents" (of notes in budget), "overflow": [{"note" (index), "channel", "error_cents"}],
        "restruck" (notes ended early because their key sounded on every channel), "tracks": [{"note", "bend_range", "bends"}],
        "not_kept": sentences}
    """
    writer = _Writer(score)
    return writer.file(), writer.summary()


class _Writer:
    """Lays one score out on channels and ticks."""

    def __init__(self, score: Score) -> None:
        self.score = score
        self.tempo = round(60e6 / score.tempo_bpm)
        self.report = _Report()
        self._voices = {str(voice["id"]): index for index, voice in enumerate(score.voices)}
        self._timbres = [_timbre(voice) for voice in score.voices]
        self._events: list[list[Event]] = [[] for _ in score.voices]
        self._order = 0
        self._notes = [self._placed(index, note) for index, note in enumerate(score.notes)]
        self._own_settings: dict[int, _Setting] = {}
        self._own = self._own_channels()
        self._pool = _Pool(channel for channel in range(_CHANNELS) if channel != _PERCUSSION and channel not in self._own.values())
        self._fixed = {channel: _Channel(channel) for channel in self._own.values()}
        self._ends: list[tuple[int, int]] = []
        for placed in sorted(self._notes, key=lambda one: (one.start, one.index)):
            self._play(placed)
        for placed in self._notes:
            self._add(placed.voice, placed.end, _END, bytes((0x80 | placed.channel, placed.key, 64)))

    def file(self) -> bytes:
        """The whole file."""
        tracks = [self._conductor(), *(self._voice_track(index) for index in range(len(self.score.voices)))]
        header = b"MThd" + (6).to_bytes(4, "big") + b"".join(value.to_bytes(2, "big") for value in (1, len(tracks), TICKS_PER_QUARTER))
        return header + b"".join(_chunk(track) for track in tracks)

    def summary(self) -> dict[str, Any]:
        """The report."""
        return {
            "notes": len(self._notes),
            "channels": len({placed.channel for placed in self._notes}),
            "max_error_cents": self.report.worst,
            "overflow": self.report.overflow,
            "restruck": self.report.restruck,
            "tracks": self.report.tracks,
            "not_kept": self._not_kept(),
        }

    def _tick(self, seconds: float) -> int:
        """The nearest tick by the tempo as the file holds it, in whole microseconds per quarter."""
        return round_half_away(seconds * 1e6 / self.tempo * TICKS_PER_QUARTER)

    def _placed(self, index: int, note: Note) -> _Placed:
        start = self._tick(note.t_s)
        end = max(start + 1, self._tick(note.t_s + note.duration_s))
        pitch = hz_to_midi(_middle(note))
        key = min(127, max(0, round_half_away(pitch)))
        velocity = max(1, round_half_away(_VELOCITY_FULL * note.velocity))
        return _Placed(index, self._voices[note.voice_id], start, end, key, _steps(pitch - key, BEND_RANGE), velocity)

    def _own_channels(self) -> dict[int, int]:
        """Channels of voices that ask for one and whose notes all have one bend, none of them moving."""
        own: dict[int, int] = {}
        for index, voice in enumerate(self.score.voices):
            wanted = voice.get("midi_channel")
            if wanted is None:
                continue
            mine = [placed for placed in self._notes if placed.voice == index]
            still = not any(_bent(self.score.notes[placed.index]) for placed in mine)
            taken = len(set(own.values()) - {_PERCUSSION}) >= _CHANNELS - 2 and wanted - 1 not in own.values()
            shared = any(channel == wanted - 1 and self._setting_of(other) != self._setting_of(index) for other, channel in own.items())
            if still and len({placed.bend for placed in mine}) <= 1 and not taken and not shared:
                own[index] = wanted - 1
            else:
                self.report.moved.append(str(voice["id"]))
        return own

    def _setting_of(self, voice: int) -> _Setting:
        """The setting of a voice whose notes have one bend."""
        if voice not in self._own_settings:
            program, volume, pan = self._timbres[voice]
            bend = next((placed.bend for placed in self._notes if placed.voice == voice), 0)
            self._own_settings[voice] = _Setting(program, volume, pan, bend)
        return self._own_settings[voice]

    def _play(self, placed: _Placed) -> None:
        self._release(placed.start)
        note = self.score.notes[placed.index]
        if placed.voice in self._own:
            channel = self._fixed[self._own[placed.voice]]
            self._set(channel, self._setting_of(placed.voice), placed)
        elif _bent(note):
            channel = self._play_moving(placed, note)
        else:
            program, volume, pan = self._timbres[placed.voice]
            wanted = _Setting(program, volume, pan, placed.bend)
            channel = self._pool.find(wanted, placed.key)
            self._set(channel, wanted, placed)
        self._begin(channel, placed)

    def _begin(self, channel: _Channel, placed: _Placed) -> None:
        """Note the beginning; a key that still sounds there ends before it."""
        earlier = channel.sounding.get(placed.key)
        if earlier is not None:
            last = self._notes[earlier]
            # In another track the end must come a tick before the restrike: tracks are read in any order.
            last.end = max(last.start, min(last.end, placed.start - (last.voice != placed.voice)))
            self.report.restruck += 1
        channel.sounding[placed.key] = placed.index
        placed.channel = channel.number
        heapq.heappush(self._ends, (placed.end, placed.index))
        self._add(placed.voice, placed.start, _BEGIN, bytes((0x90 | channel.number, placed.key, placed.velocity)))
        if channel.alone != placed.index and channel.setting is not None:
            self._measure(channel.number, channel.setting, placed)

    def _measure(self, channel: int, setting: _Setting, placed: _Placed) -> None:
        """Keep account of the error between what was asked and what the channel plays; of a moving pitch, the largest."""
        note = self.score.notes[placed.index]
        played = placed.key + setting.bend * setting.bend_range / _CENTRE
        asked = note.track["hz"] if note.track and _bent(note) else [note.hz]
        error = max((100.0 * (played - hz_to_midi(hz)) for hz in asked), key=abs)
        if abs(error) <= _HALF_STEP_CENTS:
            self.report.worst = max(self.report.worst, abs(error))
        else:
            self.report.overflow.append({"note": placed.index, "channel": channel + 1, "error_cents": error})

    def _release(self, tick: int) -> None:
        """Let go of the notes that have ended before a tick; one that ends on it still holds its key, for any order of tracks."""
        while self._ends and self._ends[0][0] < tick:
            _, index = heapq.heappop(self._ends)
            placed = self._notes[index]
            channel = self._fixed.get(placed.channel) or self._pool.channels[placed.channel]
            if channel.sounding.get(placed.key) == index:
                del channel.sounding[placed.key]
                if not channel.sounding:
                    self._pool.free(channel, placed.end)

    def _set(self, channel: _Channel, wanted: _Setting, placed: _Placed) -> None:
        """Set a silent channel to what a note wants; one that sounds keeps what it has."""
        if channel.setting == wanted or channel.sounding:
            return
        for message in _changes(channel, wanted):
            self._add(placed.voice, placed.start, _SET, message)
        self._pool.assign(channel, wanted)

    def _play_moving(self, placed: _Placed, note: Note) -> _Channel:
        """A note whose pitch moves has a channel to itself, bent along its track; without a free one it keeps its first pitch."""
        pitches = [hz_to_midi(hz) for hz in (note.track or {})["hz"]]
        reach = max(abs(pitch - placed.key) for pitch in pitches)
        bend_range = min(_WIDEST_RANGE, max(BEND_RANGE, math.ceil(reach)))
        channel = self._pool.silent()
        program, volume, pan = self._timbres[placed.voice]
        if channel is None:
            placed.bend = _steps(pitches[0] - placed.key, BEND_RANGE)
            return self._pool.find(_Setting(program, volume, pan, placed.bend), placed.key)
        self._set(channel, _Setting(program, volume, pan, _steps(pitches[0] - placed.key, bend_range), bend_range), placed)
        self._pool.reserve(channel, placed.index)
        bends = self._bends(channel, placed, pitches, bend_range, float((note.track or {})["rate"]))
        self.report.tracks.append({"note": placed.index, "bend_range": bend_range, "bends": bends})
        return channel

    def _bends(self, channel: _Channel, placed: _Placed, pitches: Sequence[float], bend_range: int, rate: float) -> int:
        """Write the bends of a track; their number."""
        stride = max(1, math.ceil(rate / _BENDS_PER_SECOND))
        last, count = channel.setting.bend if channel.setting else 0, 0
        for place in range(stride, len(pitches), stride):
            tick, bend = placed.start + self._tick(place / rate), _steps(pitches[place] - placed.key, bend_range)
            if tick >= placed.end:
                break
            if bend != last:
                self._add(placed.voice, tick, _SET, _bend_message(channel.number, bend))
                last, count = bend, count + 1
        return count

    def _not_kept(self) -> list[str]:
        notes = self.score.notes
        said = [
            f"Voice {voice_id} does not keep its MIDI channel: it has microtones, or no channel is left." for voice_id in self.report.moved
        ]
        if any(note.pan for note in notes):
            said.append("The places of single notes: a channel has the pan of its voice.")
        if any(note.brightness is not None for note in notes):
            said.append("Brightness.")
        if any(note.track and ("gain_db" in note.track or "pan" in note.track) for note in notes):
            said.append("Moving levels and places of continuous notes: the loudest level gives the velocity.")
        return said

    def _add(self, voice: int, tick: int, rank: int, message: bytes) -> None:
        self._order += 1
        self._events[voice].append((tick, rank, self._order, message))

    def _conductor(self) -> bytes:
        numerator, denominator = (int(part) for part in self.score.time_signature.split("/"))
        events: list[Event] = [
            (0, 0, 0, _meta(0x03, str(self.score.report.get("name") or "Score").encode())),
            (0, 0, 1, _meta(0x51, self.tempo.to_bytes(3, "big"))),
            (0, 0, 2, _meta(0x58, bytes((numerator, denominator.bit_length() - 1, 24, 8)))),
        ]
        for order, marker in enumerate(self.score.report.get("markers", ())):
            events.append((self._tick(marker["time_s"]), 2, order, _meta(0x06, str(marker["name"]).encode())))
        return _track(events, self._tick(self.score.duration_s))

    def _voice_track(self, index: int) -> bytes:
        name = str(self.score.voices[index].get("name") or f"Voice {index + 1}")
        return _track([(0, -1, 0, _meta(0x03, name.encode())), *self._events[index]], 0)


class _Pool:
    """Channels shared by equal settings: by setting in a dictionary, the silent ones in a heap by how long they have been."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self.channels = {number: _Channel(number) for number in numbers}
        self._by_setting: dict[_Setting, list[_Channel]] = {}
        self._silent = [(-1, number) for number in self.channels]

    def find(self, wanted: _Setting, key: int) -> _Channel:
        """The channel for a note: one of its setting where its key is free, else a silent one, else the nearest bend whose key is
        free, else the one of its setting (or the nearest) where its key sounds."""
        same = self._by_setting.get(wanted, ())
        found = next((channel for channel in same if key not in channel.sounding), None) or self.silent()
        return found or min(self.channels.values(), key=lambda channel: _distance(channel, wanted, key))

    def silent(self) -> _Channel | None:
        """The channel that has been silent longest, if any."""
        while self._silent:
            channel = self.channels[self._silent[0][1]]
            if not channel.sounding:
                return channel
            heapq.heappop(self._silent)
        return None

    def assign(self, channel: _Channel, setting: _Setting) -> None:
        """Remember what a channel is set to."""
        self._forget(channel)
        channel.setting = setting
        if channel.number in self.channels:
            self._by_setting.setdefault(setting, []).append(channel)

    def reserve(self, channel: _Channel, note: int) -> None:
        """Give a channel to a moving note alone."""
        self._forget(channel)
        channel.alone = note

    def free(self, channel: _Channel, tick: int) -> None:
        """Remember since when a channel has been silent."""
        if channel.alone is not None:
            # Its bend has moved away from the setting, so that all is to be set again.
            channel.setting, channel.alone = None, None
        if channel.number in self.channels:
            heapq.heappush(self._silent, (tick, channel.number))

    def _forget(self, channel: _Channel) -> None:
        if channel.setting is not None and channel in self._by_setting.get(channel.setting, ()):
            self._by_setting[channel.setting].remove(channel)


def _distance(channel: _Channel, wanted: _Setting, key: int) -> tuple[bool, bool, bool, int]:
    """How badly a sounding channel suits a note: one to itself least, then a sounding key, then another timbre, then the bend."""
    have = channel.setting or wanted
    return channel.alone is not None, key in channel.sounding, have.timbre != wanted.timbre, abs(have.bend - wanted.bend)


def _timbre(voice: Mapping[str, Any]) -> tuple[int, int, int]:
    """Program, volume and pan of a voice; volume by the General MIDI curve, gain = 40 log10(volume / 127) dB."""
    program = voice.get("midi_program")
    if program is None:
        program = _PROGRAMS.get(str(voice.get("instrument")), _DEFAULT_PROGRAM)
    volume = round_half_away(127.0 * 10.0 ** (float(voice.get("gain_db") or 0.0) / 40.0))
    pan = round_half_away(64.0 + 63.0 * float(voice.get("pan") or 0.0))
    return int(program), min(127, max(0, volume)), min(127, max(0, pan))


def _bent(note: Note) -> bool:
    return bool(note.track and "hz" in note.track)


def _middle(note: Note) -> float:
    """The pitch that a note's key is nearest to: its own, or midway between the ends of its track."""
    if not (note.track and "hz" in note.track):
        return note.hz
    return math.sqrt(min(note.track["hz"]) * max(note.track["hz"]))


def _steps(semitones: float, bend_range: int) -> int:
    return min(_CENTRE - 1, max(-_CENTRE, round_half_away(semitones * _CENTRE / bend_range)))


def _changes(channel: _Channel, wanted: _Setting) -> list[bytes]:
    """Messages that set a channel; the bend range is 2 semitones from the start of the file."""
    number, have = channel.number, channel.setting
    before = have.bend_range if have else None
    messages = _range_messages(number, wanted.bend_range) if wanted.bend_range != before else []
    if have is None or have.timbre != wanted.timbre:
        messages += [
            bytes((0xC0 | number, wanted.program)),
            bytes((0xB0 | number, 7, wanted.volume)),
            bytes((0xB0 | number, 10, wanted.pan)),
        ]
    return [*messages, _bend_message(number, wanted.bend)]


def _range_messages(number: int, semitones: int) -> list[bytes]:
    """Registered parameter 0, pitch bend sensitivity, in semitones; then none selected, so that later data entry is harmless."""
    values = ((101, 0), (100, 0), (6, semitones), (38, 0), (101, 127), (100, 127))
    return [bytes((0xB0 | number, controller, value)) for controller, value in values]


def _bend_message(number: int, bend: int) -> bytes:
    value = bend + _CENTRE
    return bytes((0xE0 | number, value & 0x7F, value >> 7))


def _meta(kind: int, data: bytes) -> bytes:
    return bytes((0xFF, kind)) + _variable(len(data)) + data


def _variable(value: int) -> bytes:
    """A variable-length quantity: seven bits a byte, the high bit on all but the last."""
    found = [value & 0x7F]
    while value := value >> 7:
        found.append(0x80 | (value & 0x7F))
    return bytes(reversed(found))


def _track(events: Iterable[Event], end: int) -> bytes:
    """Events in order with their delta times, and the end of the track not before `end`."""
    data, last = bytearray(), 0
    for tick, _, _, message in sorted(events):
        data += _variable(tick - last)
        data += message
        last = tick
    return bytes(data + _variable(max(0, end - last)) + _meta(0x2F, b""))


def _chunk(track: bytes) -> bytes:
    return b"MTrk" + len(track).to_bytes(4, "big") + track

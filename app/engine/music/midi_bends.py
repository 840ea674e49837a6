"""Microtones by pitch bend: every note takes the nearest key, and its channel the bend that leads from there to its pitch.

In `GENERAL` channels are shared by equal bends, programs, volumes and pans, and channel 10 is left to percussion. In `EXPRESSIVE`, the
lower zone of MIDI Polyphonic Expression, every note has a channel of its own. A key that sounds on its channel takes another one. What
fifteen channels cannot keep is reported note by note.

References
----------
MIDI 1.0 Detailed Specification (registered parameter 0, pitch bend sensitivity); General MIDI 2 (volume curve); MIDI Polyphonic
Expression 1.0 (registered parameter 6, the zone; bend range of 48 semitones).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.engine.music import smf
from app.engine.music.midi_layout import Layout, Placed, Timbre, moving, timbre_messages
from app.engine.music.pitch import hz_to_midi, round_half_away
from app.engine.music.score import Note, Score

_BEND_SENSITIVITY, _ZONE = 0, 6
_WIDEST_RANGE = 96
_OTHER_TIMBRE = 2 * smf.BEND_CENTRE
_WORST = 8 * _OTHER_TIMBRE


@dataclass(frozen=True, slots=True)
class Zone:
    """Which channels there are, and what for.

    Attributes
    ----------
    bend_range : semitones; of a moving note at least that, and at most `widest`
    shared : notes of equal bend share a channel, and a voice without microtones may keep its own
    master : the channel that speaks for all of them, if any
    """

    channels: tuple[int, ...]
    bend_range: int
    widest: int
    shared: bool
    master: int | None = None


GENERAL = Zone(tuple(channel for channel in range(smf.CHANNELS) if channel != smf.PERCUSSION), 2, _WIDEST_RANGE, shared=True)
EXPRESSIVE = Zone(tuple(range(1, smf.CHANNELS)), 48, 48, shared=False, master=0)


@dataclass(frozen=True, slots=True)
class _Setting:
    """What a channel is set to: program, volume and pan, pitch bend in steps, and its range in semitones."""

    timbre: Timbre
    bend: int
    bend_range: int


@dataclass
class _Channel:
    """One of the sixteen: its setting, the sounding keys with their notes, and the moving note that has it to itself."""

    number: int
    setting: _Setting | None = None
    sounding: dict[int, int] = field(default_factory=dict)
    alone: int | None = None


class Bends(Layout):
    """Lays one score out on the channels of a zone."""

    def __init__(self, score: Score, zone: Zone = GENERAL) -> None:
        self.zone = zone
        super().__init__(score)

    def lay_out(self) -> None:
        """Play the notes in order, each on the channel that suits it best."""
        self._bends = [_steps(placed.pitch - placed.key, self.zone.bend_range) for placed in self.placed]
        self._own_settings: dict[int, _Setting] = {}
        self._own = self._own_channels()
        free = [channel for channel in self.zone.channels if channel not in self._own.values()]
        self._pool = _Pool(free, self.zone.shared)
        self._fixed = {channel: _Channel(channel) for channel in self._own.values()}
        for placed in self.in_order():
            self._play(placed)

    def opening(self) -> list[bytes]:
        """What makes a zone of channels, and its program."""
        if self.zone.master is None:
            return []
        zone = smf.parameter(self.zone.master, _ZONE, len(self.zone.channels))
        return [*zone, *(timbre_messages(self.zone.master, self.timbres[0])[:1] if self.timbres else [])]

    def _own_channels(self) -> dict[int, int]:
        """Channels of voices that ask for one and whose notes all have one bend, none of them moving."""
        own: dict[int, int] = {}
        if self.zone.master is not None and len({program for program, _, _ in self.timbres}) > 1:
            self.report.said.append("The voices may all sound as the first: a zone has one program.")
        for index, voice in enumerate(self.score.voices):
            wanted = voice.get("midi_channel")
            if wanted is None:
                continue
            mine = [placed for placed in self.placed if placed.voice == index]
            still = self.zone.shared and not any(moving(self.score.notes[placed.index]) for placed in mine)
            taken = len(set(own.values()) - {smf.PERCUSSION}) >= smf.CHANNELS - 2 and wanted - 1 not in own.values()
            shared = any(channel == wanted - 1 and self._setting_of(other) != self._setting_of(index) for other, channel in own.items())
            if still and len({self._bends[placed.index] for placed in mine}) <= 1 and not taken and not shared:
                own[index] = wanted - 1
            else:
                why = "it has microtones, or no channel is left" if self.zone.shared else "every note has its own"
                self.report.said.append(f"Voice {voice['id']} does not keep its MIDI channel: {why}.")
        return own

    def _setting_of(self, voice: int) -> _Setting:
        """The setting of a voice whose notes have one bend."""
        if voice not in self._own_settings:
            bend = next((self._bends[placed.index] for placed in self.placed if placed.voice == voice), 0)
            self._own_settings[voice] = _Setting(self.timbres[voice], bend, self.zone.bend_range)
        return self._own_settings[voice]

    def _play(self, placed: Placed) -> None:
        self._release(placed.start)
        note = self.score.notes[placed.index]
        if placed.voice in self._own:
            channel = self._fixed[self._own[placed.voice]]
            self._set(channel, self._setting_of(placed.voice), placed)
        elif moving(note):
            channel = self._play_moving(placed, note)
        else:
            wanted = _Setting(self.timbres[placed.voice], self._bends[placed.index], self.zone.bend_range)
            channel = self._pool.find(wanted, placed.key)
            self._set(channel, wanted, placed)
        self.begin(placed, channel.number, channel.sounding)
        if channel.alone != placed.index and channel.setting is not None:
            self._measure(channel.setting, placed, note)

    def _measure(self, setting: _Setting, placed: Placed, note: Note) -> None:
        """Measure what the channel plays against what was asked; of a moving pitch, where it is farthest off."""
        played = placed.key + setting.bend * setting.bend_range / smf.BEND_CENTRE
        asked = [hz_to_midi(hz) for hz in note.track["hz"]] if note.track and moving(note) else [placed.pitch]
        self.measure(placed, max((100.0 * (played - pitch) for pitch in asked), key=abs), _half_step_cents(setting.bend_range))

    def _release(self, tick: int) -> None:
        for placed in self.ended(tick):
            channel = self._fixed.get(placed.channel) or self._pool.channels[placed.channel]
            if channel.sounding.get(placed.key) == placed.index:
                del channel.sounding[placed.key]
                if not channel.sounding:
                    self._pool.free(channel, placed.end)

    def _set(self, channel: _Channel, wanted: _Setting, placed: Placed) -> None:
        """Set a silent channel to what a note wants; one that sounds keeps what it has."""
        if channel.setting == wanted or channel.sounding:
            return
        self.add(placed.voice, placed.start, smf.SET, smf.at_once(_changes(channel, wanted)))
        self._pool.assign(channel, wanted)

    def _play_moving(self, placed: Placed, note: Note) -> _Channel:
        """A note whose pitch moves has a channel to itself, bent along its track; without a free one it keeps its first pitch."""
        pitches = [hz_to_midi(hz) for hz in (note.track or {})["hz"]]
        reach = max((pitch - placed.key for pitch in pitches), key=abs)
        bend_range = min(self.zone.widest, max(self.zone.bend_range, math.ceil(abs(reach))))
        timbre, channel = self.timbres[placed.voice], self._pool.silent()
        if channel is None:
            first = _steps(pitches[0] - placed.key, self.zone.bend_range)
            return self._pool.find(_Setting(timbre, first, self.zone.bend_range), placed.key)
        self._set(channel, _Setting(timbre, _steps(pitches[0] - placed.key, bend_range), bend_range), placed)
        self._pool.reserve(channel, placed.index)
        placed.channel = channel.number
        if abs(reach) > bend_range:
            self.measure(placed, 100.0 * (math.copysign(bend_range, reach) - reach), _half_step_cents(bend_range))
        last, count = channel.setting.bend if channel.setting else 0, 0
        for tick, pitch in self.moves(placed, pitches, float((note.track or {})["rate"])):
            steps = _steps(pitch - placed.key, bend_range)
            if steps != last:
                self.add(placed.voice, tick, smf.SET, smf.bend(channel.number, steps))
                last, count = steps, count + 1
        self.report.tracks.append({"note": placed.index, "bend_range": bend_range, "bends": count})
        return channel


class _Pool:
    """Channels by setting in a dictionary, the silent ones in a heap by how long they have been."""

    def __init__(self, numbers: Iterable[int], shared: bool) -> None:
        self.channels = {number: _Channel(number) for number in numbers}
        self._shared = shared
        self._by_setting: dict[_Setting, list[_Channel]] = {}
        self._silent = [(-1, number) for number in self.channels]

    def find(self, wanted: _Setting, key: int) -> _Channel:
        """The channel for a note: where they are shared one of its setting where its key is free; else a silent one, else the
        nearest bend whose key is free, else the one of its setting (or the nearest) where its key sounds."""
        same = self._by_setting.get(wanted, ()) if self._shared else ()
        for channel in same:
            if key not in channel.sounding:
                return channel
        return self.silent() or self._nearest(wanted, key)

    def _nearest(self, wanted: _Setting, key: int) -> _Channel:
        """The channel that suits a note best while all sound: one to itself least, then one where the key sounds, then of another
        timbre, then by the distance of the bends."""
        found, least = next(iter(self.channels.values())), _WORST
        for channel in self.channels.values():
            have = channel.setting or wanted
            away = abs(have.bend - wanted.bend)
            if have.timbre != wanted.timbre:
                away += _OTHER_TIMBRE
            if key in channel.sounding:
                away += 2 * _OTHER_TIMBRE
            if channel.alone is not None:
                away += 4 * _OTHER_TIMBRE
            if away < least:
                found, least = channel, away
        return found

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


def _half_step_cents(bend_range: int) -> float:
    """What rounding to steps of the bend costs at most."""
    return 50.0 * bend_range / smf.BEND_CENTRE


def _steps(semitones: float, bend_range: int) -> int:
    return min(smf.BEND_CENTRE - 1, max(-smf.BEND_CENTRE, round_half_away(semitones * smf.BEND_CENTRE / bend_range)))


def _changes(channel: _Channel, wanted: _Setting) -> list[bytes]:
    """Messages that set a channel."""
    number, have = channel.number, channel.setting
    messages = []
    if have is None or have.bend_range != wanted.bend_range:
        messages += smf.parameter(number, _BEND_SENSITIVITY, wanted.bend_range, 0)
    if have is None or have.timbre != wanted.timbre:
        messages += timbre_messages(number, wanted.timbre)
    return [*messages, smf.bend(number, wanted.bend)]

"""Microtones by tuning: before every note a message of the MIDI Tuning Standard tunes its key, in steps of 2^-14 semitones (0.006 cent).

A voice, with others of its sound, has a channel and a tuning program of the same number; keys of a program are tuned one by one, so that
a channel can play 128 different pitches at once. A note takes the key that is nearest to its pitch and free.

References
----------
MIDI Tuning Standard (CA-020): real-time single note tuning change; registered parameters 3 and 4, tuning program and bank.
"""

from __future__ import annotations

from app.engine.music import smf
from app.engine.music.midi_layout import Layout, Placed, Timbre, moving, timbre_messages
from app.engine.music.pitch import hz_to_midi, round_half_away

_PROGRAM, _BANK = 3, 4
_STEPS = 1 << 14
_HALF_STEP_CENTS = 50.0 / _STEPS
_HIGHEST = 128 * _STEPS - 2  # the one above says that nothing changes
_KEYS = 128


class Tunings(Layout):
    """Lays one score out on channels with tunings of their own."""

    def lay_out(self) -> None:
        """Play the notes in order, each on its voice's channel."""
        self._channels = self._by_timbre()
        self._sounding: dict[int, dict[int, int]] = {}
        for placed in self.in_order():
            self._play(placed)

    def _by_timbre(self) -> dict[int, int]:
        """The channel of every voice: that it asks for where it can have it alone, else the next one free but the percussion's."""
        heard = sorted({placed.voice for placed in self.placed})
        taken: dict[Timbre, int] = {}
        for voice in heard:
            wanted = self.score.voices[voice].get("midi_channel")
            if wanted is not None and wanted - 1 not in taken.values():
                taken.setdefault(self.timbres[voice], wanted - 1)
        free = [channel for channel in range(smf.CHANNELS) if channel != smf.PERCUSSION and channel not in taken.values()]
        for voice in heard:
            if self.timbres[voice] not in taken and free:
                taken[self.timbres[voice]] = free.pop(0)
        last = max(taken.values(), default=0)
        for voice in heard:
            channel = taken.get(self.timbres[voice], last)
            wanted = self.score.voices[voice].get("midi_channel")
            if wanted is not None and channel != wanted - 1:
                self.report.said.append(f"Voice {self.score.voices[voice]['id']} does not keep its MIDI channel: another voice has it.")
            if self.timbres[voice] not in taken:
                self.report.said.append(f"Voice {self.score.voices[voice]['id']} sounds as another one: no channel is left.")
        return {voice: taken.get(self.timbres[voice], last) for voice in heard}

    def _play(self, placed: Placed) -> None:
        for over in self.ended(placed.start):
            keys = self._sounding[over.channel]
            if keys.get(over.key) == over.index:
                del keys[over.key]
        channel = self._channels[placed.voice]
        if channel not in self._sounding:
            self._sounding[channel] = {}
            program = [*smf.parameter(channel, _BANK, 0), *smf.parameter(channel, _PROGRAM, channel)]
            messages = (*program, *timbre_messages(channel, self.timbres[placed.voice]))
            self.add(placed.voice, placed.start, smf.SET, smf.at_once(messages))
        placed.key = _free(placed.pitch, placed.key, self._sounding[channel])
        note = self.score.notes[placed.index]
        track = note.track if note.track and moving(note) else {}
        pitches = [hz_to_midi(hz) for hz in track["hz"]] if track else [placed.pitch]
        last = self._tune(placed, placed.start, pitches[0], channel)
        self.begin(placed, channel, self._sounding[channel])
        self._follow(placed, pitches, float(track.get("rate", 1.0)), last)

    def _follow(self, placed: Placed, pitches: list[float], rate: float, last: int) -> None:
        """Tune the key along a track while it sounds."""
        farthest = max((100.0 * (_steps(pitch) / _STEPS - pitch) for pitch in pitches), key=abs)
        self.measure(placed, farthest, _HALF_STEP_CENTS)
        if len(pitches) == 1:
            return
        count = 0
        for tick, pitch in self.moves(placed, pitches, rate):
            if _steps(pitch) != last:
                last, count = self._tune(placed, tick, pitch, placed.channel), count + 1
        self.report.tracks.append({"note": placed.index, "tunings": count})

    def _tune(self, placed: Placed, tick: int, pitch: float, channel: int) -> int:
        steps = _steps(pitch)
        self.add(placed.voice, tick, smf.SET, smf.tune(channel, placed.key, steps))
        return steps


def _steps(pitch: float) -> int:
    """A float MIDI number as a tuning, the nearest there is."""
    return min(_HIGHEST, max(0, round_half_away(pitch * _STEPS)))


def _free(pitch: float, nearest: int, sounding: dict[int, int]) -> int:
    """The key nearest to a pitch that does not sound; where all do, the nearest."""
    if nearest not in sounding:
        return nearest
    free = (key for key in range(_KEYS) if key not in sounding)
    return min(free, key=lambda key: abs(key - pitch), default=nearest)

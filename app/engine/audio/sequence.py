"""Scenes one after another as one mix, cut or crossfaded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.audio.envelopes import Samples
from app.engine.audio.mix import Mix, Settings, lay_out, tail_within
from app.engine.audio.sounds import Sound
from app.engine.errors import EngineError, OutOfRange
from app.engine.music.score import Score

Progress = Callable[[float], None]

LONGEST_S = 3600.0


@dataclass(frozen=True)
class Passage:
    """A scene in the piece: from sample `start` on, `length` samples without what rings on, of which the first and last are faded."""

    mix: Mix
    start: int
    length: int
    fade_in: int = 0
    fade_out: int = 0

    @property
    def last(self) -> int:
        """The sample after the last that sounds: a crossfade ends all, a cut lets ring out."""
        return self.start + (self.length if self.fade_out else self.mix.frames)

    @property
    def start_s(self) -> float:
        """s from the beginning of the piece."""
        return self.start / self.mix.settings.sample_rate

    def gain(self, first: int, last: int) -> NDArray[np.float32] | None:
        """Gain of its samples `first` to `last`; None where it is 1. Of two scenes the squares add up to 1."""
        if first >= self.fade_in and not (self.fade_out and last > self.length - self.fade_out):
            return None
        places = np.arange(first, last) + 0.5
        gain = np.ones(len(places))
        if self.fade_in:
            gain *= np.sin(0.5 * np.pi * np.clip(places / self.fade_in, 0.0, 1.0))
        if self.fade_out:
            gain *= np.cos(0.5 * np.pi * np.clip((places - self.length + self.fade_out) / self.fade_out, 0.0, 1.0))
        return gain.astype(np.float32)

    def is_plain(self, sound: Sound) -> bool:
        """Whether no crossfade touches the note."""
        end = sound.start + sound.envelope.gate
        return sound.start >= self.fade_in and (end <= self.length - self.fade_out or not self.fade_out)


@dataclass(frozen=True)
class SequenceMix(Mix):
    """The mix of a piece in passages; what is said of a mix holds of it."""

    passages: tuple[Passage, ...] = ()

    def bus(self, first: int, last: int, chunk: int, progress: Progress | None = None) -> Iterator[Samples]:
        """The sum of all passages; only those that sound are in memory."""
        waiting = sorted(self.passages, key=lambda passage: passage.start)
        playing: list[_Player] = []
        for begin in range(first, last, chunk):
            end = min(begin + chunk, last)
            while waiting and waiting[0].start < end:
                playing.append(_Player(waiting.pop(0), chunk))
            out = np.zeros((2, end - begin), np.float32)
            for player in playing:
                player.add(out, begin)
            playing = [player for player in playing if player.passage.last > end]
            yield out
            if progress:
                progress((end - first) / (last - first))

    def placed(self) -> Iterator[tuple[Sound, float, bool]]:
        """Every sound with the time in s that its passage begins, and whether it can be listened to: none in a crossfade."""
        for passage in self.passages:
            for sound in passage.mix.sounds:
                yield sound, passage.start_s, passage.is_plain(sound)

    def stems(self) -> dict[str, Mix]:
        """The mix of each voice that sounds, by id, in the order of the scenes."""
        return {
            voice: replace(self, sounds=part.sounds, passages=(replace(passage, mix=part),))
            for passage in self.passages
            for voice, part in passage.mix.stems().items()
        }


class _Player:
    """Plays a passage into the chunks that come one after another."""

    def __init__(self, passage: Passage, chunk: int) -> None:
        self.passage = passage
        self._chunks = passage.mix.bus(0, passage.mix.frames, chunk)
        self._held = np.zeros((2, 0), np.float32)

    def add(self, out: Samples, begin: int) -> None:
        """Add what lies in `out`, whose first sample is `begin` of the piece."""
        start = self.passage.start
        low, high = max(begin, start), min(begin + out.shape[1], self.passage.last)
        if low >= high:
            return
        while self._held.shape[1] < high - low:
            self._held = np.concatenate((self._held, next(self._chunks)), axis=1)
        part, self._held = self._held[:, : high - low], self._held[:, high - low :]
        gain = self.passage.gain(low - start, high - start)
        out[:, low - begin : high - begin] += part if gain is None else part * gain


def lay_out_sequence(scores: Sequence[Score], transitions: Sequence[Mapping[str, Any]], settings: Settings) -> SequenceMix:
    """The mix of scenes one after another.

    Parameters
    ----------
    scores : of the scenes, voices with ids of their own; what loops is played once
    transitions : how each begins after the one before, {"type": cut or crossfade, "seconds"}; the first one's is not used

    Raises EngineError for crossfades that overlap, and for more than an hour.
    """
    rate = settings.sample_rate
    starts, ends = passage_times([score.duration_s for score in scores], transitions)
    begins, closes = ([round(time * rate) for time in times] for times in (starts, ends))
    fades = [0, *(closes[place - 1] - begins[place] for place in range(1, len(scores))), 0]
    alone = replace(settings, loudness_lufs=None, reverb=None, tail_s=None, duration_s=None)
    mixes = [lay_out(replace(score, loop=False), alone) for score in scores]
    passages = tuple(
        Passage(mix, begins[place], closes[place] - begins[place], fades[place], fades[place + 1]) for place, mix in enumerate(mixes)
    )
    duration_s = ends[-1]
    tail_s = tail_within(settings, max(passage.last for passage in passages) / rate - duration_s)
    frames = math.floor((duration_s + tail_s) * rate + 0.5)
    return SequenceMix(settings, tuple(sound for mix in mixes for sound in mix.sounds), duration_s, tail_s, frames, 0, passages)


def passage_times(durations_s: Sequence[float], transitions: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    """When each scene begins and ends, in s. Raises as `lay_out_sequence`."""
    if not durations_s:
        raise EngineError("There must be a scene.", "scenes")
    starts, ends, free = [0.0], [durations_s[0]], durations_s[0]
    for place, duration_s in enumerate(durations_s[1:], start=1):
        seconds = float(transitions[place]["seconds"]) if transitions[place]["type"] == "crossfade" else 0.0
        longest = min(free, duration_s)
        if seconds > longest:
            message = f"Must be at most {longest:g} s: a crossfade lies within both of its scenes, and outside of their other crossfades."
            raise OutOfRange(message, f"scenes.{place}.transition.seconds")
        starts.append(ends[-1] - seconds)
        ends.append(starts[-1] + duration_s)
        free = duration_s - seconds
    if ends[-1] > LONGEST_S:
        raise OutOfRange(f"All scenes together may last {LONGEST_S:g} s; these last {ends[-1]:g} s.", "scenes")
    return starts, ends


def apart(scores: Sequence[Score]) -> list[Score]:
    """The scores with ids of voices that no two of them share: a scene without voices of its own has the same as any such."""
    seen: set[str] = set()
    found = []
    for place, score in enumerate(scores):
        names = {str(voice["id"]): f"{voice['id']}-{place + 1}" if voice["id"] in seen else str(voice["id"]) for voice in score.voices}
        seen.update(names)
        found.append(_renamed(score, names) if any(name != new for name, new in names.items()) else score)
    return found


def _renamed(score: Score, names: Mapping[str, str]) -> Score:
    merged = score.report.get("merged") or {}
    return replace(
        score,
        notes=tuple(replace(note, voice_id=names[note.voice_id]) for note in score.notes),
        voices=tuple({**voice, "id": names[str(voice["id"])]} for voice in score.voices),
        mappings=tuple({**mapping, "voice_id": names.get(str(mapping["voice_id"]), mapping["voice_id"])} for mapping in score.mappings),
        report={**score.report, "merged": {names.get(str(voice), voice): count for voice, count in merged.items()}},
    )


def joined(scores: Sequence[Score], starts_s: Sequence[float], duration_s: float, name: str) -> Score:
    """One score of all scenes, for tables and MIDI; tempo, meter and A4 are those of the first."""
    notes = [replace(note, t_s=note.t_s + start) for score, start in zip(scores, starts_s, strict=True) for note in score.notes]
    first = scores[0]
    return Score(
        notes=tuple(sorted(notes, key=lambda note: note.t_s)),
        voices=tuple(_moved(voice, start) for score, start in zip(scores, starts_s, strict=True) for voice in score.voices),
        mappings=tuple(mapping for score in scores for mapping in score.mappings),
        tempo_bpm=first.tempo_bpm,
        time_signature=first.time_signature,
        a4_hz=first.a4_hz,
        duration_s=duration_s,
        report={
            **{key: _all(scores, key) for key in ("merged", "clamped", "dropped", "domains")},
            **{key: [row for score in scores for row in score.report.get(key, ())] for key in ("intervals", "interval_names_changed")},
            "name": name,
            "markers": [
                {**marker, "time_s": marker["time_s"] + start}
                for score, start in zip(scores, starts_s, strict=True)
                for marker in score.report.get("markers", ())
            ],
            "warnings": list(dict.fromkeys(warning for score in scores for warning in score.report.get("warnings", ()))),
        },
        modes={body: modes for score in scores for body, modes in score.modes.items()},
    )


def _all(scores: Sequence[Score], key: str) -> dict[str, Any]:
    return {name: value for score in scores for name, value in (score.report.get(key) or {}).items()}


def _moved(voice: Mapping[str, Any], start_s: float) -> dict[str, Any]:
    """A voice that sounds, with its automation in the time of the piece; whether others are silenced by it has been settled."""
    lanes = [
        {**lane, "points": [{**point, "t_s": point["t_s"] + start_s} for point in lane["points"]]} for lane in voice.get("automation") or []
    ]
    return {**voice, "solo": False, "mute": False, "automation": lanes}

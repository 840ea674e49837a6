"""The score: notes with their times, pitches and the physics they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Note:
    """One note. Times in score seconds, pitch in Hz.

    `midi` is the sounding pitch as a float MIDI number against the scene's a4_hz; `cents_error` = 1200 log2(sounding / physical).
    `velocity` 0 to 1, `amplitude` linear (1 = loudest), `pan` -1 to 1. `provenance` = {mapping_id, body_id, quantity, value, unit}.
    `track` is set on continuous notes only: {"rate": values per score second, "hz"|"gain_db"|"pan": [..]} followed linearly.
    """

    t_s: float
    duration_s: float
    hz: float
    midi: float
    cents_error: float
    velocity: float
    amplitude: float
    pan: float
    voice_id: str
    provenance: Mapping[str, Any]
    brightness: float | None = None
    track: Mapping[str, Any] | None = None

    def row(self) -> dict[str, Any]:
        """The note as a JSON object, as stored and served."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True)
class Score:
    """Notes in order of (t_s, voice order, pitch).

    Attributes
    ----------
    notes : the notes
    voices : the voices that sound, as in the scene snapshot (or the default voice of the scene)
    mappings : the mappings used; those of the scene, or its default ones
    tempo_bpm, time_signature, a4_hz : as in the harmony
    duration_s : score seconds of the scene
    report : {"name" (of the scene), "key" (as it is spelled there), "scale", "merged": {voice_id: count}, "clamped": {mapping_id: count},
        "dropped": {mapping_id: count}, "domains": {mapping_id: [low, high]} in the source's unit, "tuning": [what it did to each voice, as
        `TunedVoice.summary` says it], "intervals": neighbouring pitches of each voice, physical and tuned, [{"voice_id", "low", "high"
        (Hz), "low_body_id", "high_body_id", "cents", "name", "octaves", "tuned_cents", "tuned_name", "tuned_octaves"}],
        "interval_names_changed": the same rows with "neighbours", "markers": [{"time_s", "name"}], "warnings": [str]}, and of
        a whole scene "dissonance" as `app.engine.audio.consonance` finds it
    modes : how bodies that ring sound, by body id: {"ratio": frequencies over the first, "amplitude": linear, "decay": 1/s}, a value each
        for every mode; of the bodies of the notes that have modes of their own
    recordings : `app.engine.audio.recordings.Recording` by id, those that parameters of voices name; no part of the document
    """

    notes: tuple[Note, ...]
    voices: tuple[Mapping[str, Any], ...]
    mappings: tuple[Mapping[str, Any], ...]
    tempo_bpm: float
    time_signature: str
    a4_hz: float
    duration_s: float
    loop: bool = False
    report: Mapping[str, Any] = field(default_factory=dict)
    modes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recordings: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def document(self) -> dict[str, Any]:
        """The score as JSON, as stored and served; `Score.from_document` reads it back. Modes are there where a body has some."""
        return {
            "notes": [note.row() for note in self.notes],
            "voices": list(self.voices),
            "mappings": list(self.mappings),
            "tempo_bpm": self.tempo_bpm,
            "time_signature": self.time_signature,
            "a4_hz": self.a4_hz,
            "duration_s": self.duration_s,
            "loop": self.loop,
            "report": dict(self.report),
            **({"modes": {body: dict(modes) for body, modes in self.modes.items()}} if self.modes else {}),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Score:
        """The score of a stored document."""
        plain = {key: value for key, value in document.items() if key not in ("notes", "voices", "mappings")}
        notes = tuple(Note(**row) for row in document["notes"])
        return cls(notes=notes, voices=tuple(document["voices"]), mappings=tuple(document["mappings"]), **plain)

    def hash(self) -> str:
        """SHA-256, in hex, of the canonical JSON of the score."""
        return hashlib.sha256(orjson.dumps(self.document(), option=orjson.OPT_SORT_KEYS)).hexdigest()

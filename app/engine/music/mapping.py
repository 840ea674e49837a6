"""Mapping: from a scene and its trajectory to the score, and the checks on mappings that writing them needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from app.engine.errors import EngineError, TooExpensive
from app.engine.music.curves import Floats, each
from app.engine.music.defaults import (
    ORBITING,
    content,
    default_content,
    loudness_from_impulse,
    periods,
    pitch_from_frequency,
    pitch_from_period,
)
from app.engine.music.harmony import Harmony
from app.engine.music.inversion import invert
from app.engine.music.merging import Stroke, merged, on_grid
from app.engine.music.modes import modes_of
from app.engine.music.pitch import cents, hz_to_midi
from app.engine.music.rules import TARGETS, Rule, read_rule, read_rules, selected
from app.engine.music.score import Note, Score
from app.engine.music.sources import Occurrences, Readings, moments
from app.engine.music.strikes import strike_times
from app.engine.music.triggers import TRACK_RATE, occurrences, sounding_end, track_times
from app.engine.music.tuned import TunedVoice
from app.engine.music.values import Evaluator, Values
from app.engine.physics.scene import Scene
from app.engine.physics.solvers import resonator
from app.engine.physics.trajectory import Trajectory

STROKE_S = 1.5
"""Length of a note whose duration nothing sets, of a body that does not ring for a time of its own."""

DROPPED_DB = -120.0
"""Level of a continuous note where its mapping drops the value."""

FULL_SCALE_DB = 40.0
"""Span of MIDI-like velocity: velocity = 1 + level / 40 dB."""

_MOST_NOTES = 500_000
_TRACK_NAMES = {"pitch": "hz", "loudness": "gain_db", "pan": "pan"}

__all__ = ["build_score", "check_mappings", "content", "default_content", "invert", "validate_mapping"]


def check_mappings(scene: Scene) -> None:
    """Check every mapping of a scene against it, without a trajectory.

    Raises EngineError (WrongDimension, OutOfRange, Unsupported) whose field is `mappings.INDEX.` and the path within.
    """
    read_rules(scene)


def validate_mapping(mapping: Mapping[str, Any], scene: Scene) -> None:
    """Check one new or changed mapping against the scene it is to be part of, before it is written.

    Raises EngineError (WrongDimension, OutOfRange, Unsupported) whose field is the path within the mapping.
    """
    others = tuple(other for other in scene.mappings if str(other["id"]) != str(mapping["id"]))
    read_rule(mapping, replace(scene, mappings=(*others, mapping)))


def build_score(
    scene: Scene,
    trajectory: Trajectory,
    *,
    bounds: tuple[Scene, Trajectory] | None = None,
    origin_s: float = 0.0,
    known: dict[Any, Occurrences] | None = None,
) -> Score:
    """The score of a scene: its mappings, or the default ones, applied to a trajectory. Pure; nothing is drawn at random.

    Parameters
    ----------
    bounds : the scene as it was run another time, and that trajectory; domains that come from data come from there
    origin_s : where the scene begins on the grid of its music; after the first beat a rate strikes nothing at the start
    known : what befell the bodies, as far as earlier scores of the same run have found it; what this one finds is added

    Raises
    ------
    EngineError : a mapping, the harmony or a value that cannot be honoured; `field` names it
    TooExpensive : more notes or continuous values than can be kept
    """
    in_force = content(scene)
    scene = replace(scene, voices=tuple(in_force["voices"]), mappings=tuple(in_force["mappings"]))
    return _Builder(scene, trajectory, bounds, origin_s, {} if known is None else known).score()


def heard(voices: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The voices that sound: those that solo where any does, and none that is muted."""
    solo = any(voice.get("solo") for voice in voices)
    return tuple(voice for voice in voices if not voice.get("mute") and (voice.get("solo") or not solo))


@dataclass
class _Columns:
    """The targets of n notes before they are notes; NaN where nothing sets one."""

    at: Occurrences
    targets: dict[str, Floats]
    source: Floats
    by: list[Rule | None]
    kept: Any


@dataclass
class _Counts:
    clamped: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    merged: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class _Builder:
    """Builds one score."""

    def __init__(
        self,
        scene: Scene,
        trajectory: Trajectory,
        bounds: tuple[Scene, Trajectory] | None,
        origin_s: float,
        known: dict[Any, Occurrences],
    ) -> None:
        self.scene = scene
        self.known = known
        self.origin_s = origin_s
        self.harmony = Harmony.read(scene.harmony)
        self.readings = Readings(scene, trajectory)
        self.rules = read_rules(scene)
        self.evaluator = Evaluator(self.rules, self.harmony, self.readings, self._evaluator_of(*bounds) if bounds else None)
        self.counts = _Counts()
        self.voices = heard(scene.voices)
        self._degrees = self._default_degrees()

    def _evaluator_of(self, scene: Scene, trajectory: Trajectory) -> Evaluator | None:
        """These mappings on another run of the scene; None where that run cannot have them."""
        other = replace(scene, voices=self.scene.voices, mappings=self.scene.mappings, harmony=self.scene.harmony)
        try:
            return Evaluator(read_rules(other), self.harmony, Readings(other, trajectory))
        except EngineError:
            return None

    def score(self) -> Score:
        """Notes, in order, with the report on how they came about."""
        notes: list[Note] = []
        tuned = [self._voice(str(voice["id"])) for voice in self.voices]
        for found, _ in tuned:
            notes.extend(found)
        order = {str(voice["id"]): index for index, voice in enumerate(self.voices)}
        notes.sort(key=lambda note: (note.t_s, order[note.voice_id], note.hz))
        return Score(
            notes=tuple(notes),
            voices=self.voices,
            mappings=self.scene.mappings,
            tempo_bpm=self.harmony.tempo_bpm,
            time_signature=self.harmony.time_signature,
            a4_hz=self.harmony.a4_hz,
            duration_s=self.scene.duration_s,
            loop=self.scene.loop,
            modes=modes_of(self.scene, notes),
            report=self._report([voice for _, voice in tuned], notes),
        )

    def _report(self, tuned: Sequence[TunedVoice], notes: Sequence[Note]) -> dict[str, Any]:
        errors: dict[str, list[tuple[int, float]]] = {voice.voice_id: [] for voice in tuned}
        for index, note in enumerate(notes):
            errors[note.voice_id].append((index, note.cents_error))
        return {
            "name": self.scene.name,
            "key": str(self.scene.harmony.get("key", "C")),
            "scale": str(self.scene.harmony.get("scale", "major")),
            "merged": self.counts.merged,
            "clamped": self.counts.clamped,
            "dropped": self.counts.dropped,
            "domains": self.evaluator.domains(),
            "tuning": [voice.summary(errors[voice.voice_id]) for voice in tuned],
            "intervals": [row for voice in tuned for row in voice.intervals()],
            "interval_names_changed": [row for voice in tuned for row in voice.changed()],
            "markers": [{"time_s": marker.time_s, "name": marker.name} for marker in self.scene.markers],
            "warnings": [*self.counts.warnings, *(sentence for voice in tuned for sentence in voice.warnings)],
        }

    def _voice(self, voice_id: str) -> tuple[list[Note], TunedVoice]:
        """The notes of one voice, tuned, on the grid, and merged."""
        strokes: list[Stroke] = []
        sustained: list[tuple[Stroke, dict[str, Floats]]] = []
        for group in self._groups(voice_id):
            if group[0].trigger != "continuous":
                strokes += self._strokes(group, self._occurrences(group))
            elif any(rule.target == "rate" for rule in group):
                strokes += self._restrikes(group)
            else:
                sustained += self._sustained(group)
        tuned = TunedVoice(voice_id, self.harmony, [*strokes, *(stroke for stroke, _ in sustained)], [track for _, track in sustained])
        struck, self.counts.merged[voice_id] = merged(
            on_grid(strokes, self.harmony.grid, self.scene.duration_s, self.origin_s), tuned.sounding, self.harmony.max_notes_per_second
        )
        notes = [self._note(stroke, tuned, None) for stroke in struck]
        return [*notes, *(self._note(stroke, tuned, track) for stroke, track in sustained)], tuned

    def _groups(self, voice_id: str) -> list[list[Rule]]:
        groups: dict[Any, list[Rule]] = {}
        for rule in self.rules:
            if rule.voice_id == voice_id:
                groups.setdefault(rule.group, []).append(rule)
        return [self._completed(group) for group in groups.values()]

    def _completed(self, group: list[Rule]) -> list[Rule]:
        """A group with the default rules for the targets that it leaves open; they come first, so that its own rules hold."""
        first, targets = group[0], {rule.target for rule in group}
        trigger = {"type": "event", "event": first.trigger, "filter": dict(first.filter)}
        missing = []
        if first.trigger == "collision" and "loudness" not in targets:
            missing.append(loudness_from_impulse(first.id, first.voice_id, trigger))
        rules = [replace(read_rule(mapping, self._alone(mapping)), bodies=self._bodies_named(group)) for mapping in missing]
        if self.scene.solver in ORBITING:
            given = {"type": "continuous"} if first.trigger == "continuous" else trigger
            pitch = pitch_from_period(first.id, first.voice_id, given, self.scene)
            rules.append(replace(read_rule(pitch, self._alone(pitch)), bodies=self._turning(group)))
        if self.scene.solver == resonator.NAME and "pitch" not in targets:
            given = {"type": "continuous"} if first.trigger == "continuous" else trigger
            pitch = pitch_from_frequency(first.id, first.voice_id, given, self.scene)
            rules.append(replace(read_rule(pitch, self._alone(pitch)), bodies=self._bodies_named(group)))
        return [*rules, *group]

    def _turning(self, group: Sequence[Rule]) -> tuple[str, ...]:
        """The bodies of a group that have a period; with `kepler` all of them, or the mapping says which has none."""
        named = self._bodies_named(group)
        if self.scene.solver != "nbody":
            return named
        known = {self.scene.bodies[index].id for index in periods(self.scene)}
        return tuple(body for body in named if body in known)

    def _alone(self, mapping: Mapping[str, Any]) -> Scene:
        return replace(self.scene, mappings=(mapping,))

    def _bodies_named(self, group: Sequence[Rule]) -> tuple[str, ...]:
        return tuple(self.scene.bodies[index].id for index in self._bodies(group))

    def _bodies(self, group: Sequence[Rule]) -> list[int]:
        return sorted({body for rule in group for body in self.evaluator.bodies(rule)})

    def _occurrences(self, group: Sequence[Rule]) -> Occurrences:
        rule, bodies = group[0], self._bodies(group)
        name = rule.group[1], tuple(bodies)
        if name not in self.known:
            with self.evaluator.naming(rule):
                self.known[name] = occurrences(rule.trigger, rule.filter, bodies, self.readings)
        found = self.known[name]
        if not len(found):
            self.counts.warnings.append(f"Voice {rule.voice_id} has no {rule.trigger} notes: no such event befalls its bodies.")
        return found

    def _columns(self, group: Sequence[Rule], at: Occurrences) -> _Columns:
        """Every target of every occurrence, by the rules in order: of two that set one target, the later holds."""
        targets = {name: np.full(len(at), np.nan) for name in ("pitch", "loudness", "pan", "duration", "brightness")}
        columns = _Columns(at, targets, np.full(len(at), np.nan), [None] * len(at), np.ones(len(at), dtype=np.bool_))
        for position, rule in enumerate(group):
            if rule.target != "rate":
                later = {body for other in group[position + 1 :] if other.target == rule.target for body in self.evaluator.bodies(other)}
                self._apply(rule, columns, sorted(set(self.evaluator.bodies(rule)) - later))
        return columns

    def _apply(self, rule: Rule, columns: _Columns, bodies: list[int]) -> None:
        mine = np.flatnonzero(np.isin(columns.at.body, np.asarray(bodies, dtype=np.int64)))
        values = self.evaluator.values(rule, columns.at.where(mine))
        columns.targets[rule.target][mine] = values.target
        columns.kept[mine[~values.kept]] = False
        self._count(rule, values)
        if rule.target == "pitch":
            columns.source[mine] = self.evaluator.physical(rule, columns.at.where(mine))
            for index in mine.tolist():
                columns.by[index] = rule

    def _count(self, rule: Rule, values: Values) -> None:
        for counts, number in ((self.counts.clamped, values.clamped), (self.counts.dropped, int((~values.kept).sum()))):
            if number:
                counts[rule.id] = counts.get(rule.id, 0) + number

    def _strokes(self, group: Sequence[Rule], at: Occurrences, lengths: Floats | None = None) -> list[Stroke]:
        """A note per occurrence; `lengths` (s) are those of notes whose duration no rule sets."""
        self._check_count(len(at), group[-1])
        columns = self._columns(group, at)
        usual = self._rings(at) if lengths is None else lengths
        times = at.time / self.scene.physics.time_scale
        return [self._stroke(group, columns, index, times[index], usual[index]) for index in np.flatnonzero(columns.kept).tolist()]

    def _rings(self, at: Occurrences) -> Floats:
        """How long (s) each body rings where its solver says so: until it has fallen by 60 dB, as far as a note can be so long.

        A body without damping rings until the scene falls silent.
        """
        known = self.readings.trajectory.quantities.get("decay_time")
        if known is None:
            return np.full(len(at), STROKE_S)
        rest = sounding_end(self.readings) / self.scene.physics.time_scale - at.time / self.scene.physics.time_scale
        lasting = known[at.body]
        return np.minimum(np.where(np.isfinite(lasting), lasting, rest), TARGETS["duration"].maximum)

    def _stroke(self, group: Sequence[Rule], columns: _Columns, index: int, t_s: float, usual_s: float) -> Stroke:
        row = {name: float(column[index]) for name, column in columns.targets.items()}
        level = 0.0 if math.isnan(row["loudness"]) else row["loudness"]
        body = int(columns.at.body[index])
        degree = self._degrees.get(body, self.harmony.low_hz)
        rule = columns.by[index]
        return Stroke(
            t_s=float(t_s),
            duration_s=float(usual_s) if math.isnan(row["duration"]) else row["duration"],
            hz=degree if rule is None else row["pitch"],
            power=10.0 ** (level / 10.0),
            pan=0.0 if math.isnan(row["pan"]) else row["pan"],
            brightness=None if math.isnan(row["brightness"]) else row["brightness"],
            provenance=self._provenance(rule, group[-1], body, float(columns.source[index])),
            proportional=rule is not None and rule.curve == "frequency_scale" and rule.upstream is None,
        )

    def _provenance(self, rule: Rule | None, last: Rule, body: int, value: float) -> dict[str, Any]:
        """Where a note's pitch comes from; by the default rule, from the mass of the body."""
        found = self.scene.bodies[body]
        if rule is None:
            return {"mapping_id": last.id, "body_id": found.id, "quantity": "mass", "value": float(found.mass), "unit": "kg"}
        root = self.evaluator.root(rule)
        return {"mapping_id": rule.id, "body_id": found.id, "quantity": root.quantity, "value": value, "unit": root.unit}

    def _default_degrees(self) -> dict[int, float]:
        """Bodies by falling mass on rising degrees of the scale from the key note of octave 3; from the top they start again."""
        pitches = self.harmony.degrees()
        lowest = -len(pitches.factors)
        while pitches.hz(lowest) < self.harmony.low_hz:
            lowest += len(pitches.factors)
        count = 1
        while pitches.hz(lowest + count) <= self.harmony.high_hz:
            count += 1
        ranked = sorted(selected(None, self.scene), key=lambda index: (-self.scene.bodies[index].mass, index))
        return {body: min(pitches.hz(lowest + rank % count), self.harmony.high_hz) for rank, body in enumerate(ranked)}

    def _sustained(self, group: Sequence[Rule]) -> list[tuple[Stroke, dict[str, Floats]]]:
        """One note per body, from the start until the scene falls silent, with the tracks of its moving targets."""
        bodies = self._bodies(group)
        moving = sorted({rule.target for rule in group if not self.evaluator.constant(rule)})
        with self.evaluator.naming(group[-1]):
            times = track_times(self.readings, len(bodies), len(moving)) if moving else np.zeros(1)
        columns = self._columns(group, moments(times, bodies))
        end = sounding_end(self.readings) / self.scene.physics.time_scale
        found = []
        for place, _ in enumerate(bodies):
            span = slice(place * len(times), (place + 1) * len(times))
            if columns.kept[span].any():
                stroke = self._stroke(group, columns, span.start, 0.0, end)
                found.append(self._with_tracks(replace(stroke, duration_s=min(end, stroke.duration_s)), columns, span, moving))
        return found

    def _with_tracks(self, stroke: Stroke, columns: _Columns, span: slice, moving: Sequence[str]) -> tuple[Stroke, dict[str, Floats]]:
        kept = columns.kept[span]
        found = {_TRACK_NAMES[name]: columns.targets[name][span] for name in moving if name in _TRACK_NAMES}
        # What no rule sets for this body stays as it is on the note.
        tracks = {name: column for name, column in found.items() if not np.isnan(column).any()}
        if "brightness" in moving:
            self.counts.warnings.append("The brightness of a sustained note keeps its first value.")
        if not kept.all():
            level = tracks.get("gain_db", np.full(len(kept), 10.0 * math.log10(stroke.power)))
            tracks["gain_db"] = np.where(kept, level, DROPPED_DB)
        return stroke, tracks

    def _restrikes(self, group: Sequence[Rule]) -> list[Stroke]:
        """Notes struck whenever the integral of the rate passes a whole number, the first at the start."""
        rate = next(rule for rule in reversed(group) if rule.target == "rate")
        bodies = self.evaluator.bodies(rate)
        with self.evaluator.naming(rate):
            times = track_times(self.readings, len(bodies), 1)
        values = self.evaluator.values(rate, moments(times, bodies))
        self._count(rate, values)
        rates = np.where(values.kept, values.target, 0.0).reshape(len(bodies), len(times))
        end = sounding_end(self.readings) / self.scene.physics.time_scale
        struck = [strike_times(column, TRACK_RATE, end)[1 if self.origin_s else 0 :] for column in rates]
        self._check_count(sum(len(times) for times in struck), rate)
        found: list[Stroke] = []
        for body, starts in zip(bodies, struck, strict=True):
            at = moments(starts * self.scene.physics.time_scale, [body])
            found += self._strokes(group, at, np.diff(np.append(starts, end)))
        return found

    def _check_count(self, notes: int, rule: Rule) -> None:
        if notes > _MOST_NOTES:
            with self.evaluator.naming(rule):
                raise TooExpensive(f"A voice would strike {notes} notes; the limit is {_MOST_NOTES}.", "trigger")

    def _note(self, stroke: Stroke, tuned: TunedVoice, tracks: Mapping[str, Floats] | None) -> Note:
        sounding = tuned.sounding(stroke.hz)
        loudest = tracks.get("gain_db") if tracks else None
        level = 10.0 * math.log10(stroke.power) if loudest is None else float(loudest.max())
        return Note(
            t_s=stroke.t_s,
            duration_s=stroke.duration_s,
            hz=sounding,
            midi=hz_to_midi(sounding, self.harmony.a4_hz),
            cents_error=cents(stroke.hz, sounding),
            velocity=min(1.0, max(0.0, 1.0 + level / FULL_SCALE_DB)),
            amplitude=math.sqrt(stroke.power) if loudest is None else 1.0,
            pan=stroke.pan,
            voice_id=tuned.voice_id,
            provenance=stroke.provenance,
            brightness=stroke.brightness,
            track=None if tracks is None else self._track(tracks),
        )

    def _track(self, tracks: Mapping[str, Floats]) -> dict[str, Any]:
        columns = dict(tracks)
        if "hz" in columns:
            columns["hz"] = each(self.harmony.sounding, columns["hz"])
        return {"rate": TRACK_RATE, **{name: column.tolist() for name, column in columns.items()}}

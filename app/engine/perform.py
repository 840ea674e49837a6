"""A scene performed, or all of a universe: scene, trajectory, score, samples, file and report, in one call."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from app.engine.audio import files, mix
from app.engine.audio.consonance import dissonance
from app.engine.audio.mix import Settings
from app.engine.audio.recordings import Recording
from app.engine.audio.sequence import apart, joined, lay_out_sequence
from app.engine.audio.tags import Tags
from app.engine.audio.verify import verify_mix
from app.engine.errors import EngineError
from app.engine.music.mapping import build_score
from app.engine.music.midi import write_midi
from app.engine.music.score import Score
from app.engine.physics import solvers
from app.engine.physics.scene import Scene
from app.engine.physics.trajectory import Trajectory

Progress = Callable[[float], None]

_NONE: Mapping[str, Recording] = {}
_SIMULATED, _SCORED, _RENDERED, _VERIFIED = 0.35, 0.45, 0.65, 0.8


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """A scene that was run.

    Attributes
    ----------
    trajectory_hash : SHA-256 in hex
    events : rows as `Events.rows` gives them
    status, settled_at : as in `Events`; the latter in simulated seconds
    steps : work done
    conservation, closed_form, warnings : as in `Trajectory`, with the warnings of the events
    """

    scene: Scene
    trajectory: Trajectory
    trajectory_hash: str
    events: list[dict[str, Any]]
    status: str
    settled_at: float | None
    steps: int
    conservation: Mapping[str, Any]
    closed_form: list[dict[str, Any]]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Stem:
    """One voice alone, in a file of 32-bit floats: what it adds to the mix before loudness, limiter and end fade."""

    voice_id: str
    name: str
    path: Path
    frames: int
    samples_hash: str


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A score rendered to a file and measured there.

    Attributes
    ----------
    score_hash, samples_hash : SHA-256 in hex
    frames, duration_s, tail_s : length of the file, in samples and s
    peak_dbtp, rms_db, lufs : measured in the file; None is silence
    report : what `verify` found; where `ok` is false the file is not what it should be, and `reasons` says why
    midi, midi_report : a Standard MIDI File, and what it could not keep
    stems : of each voice that sounds, if they were asked for
    """

    score: Score
    score_hash: str
    samples_hash: str
    frames: int
    duration_s: float
    tail_s: float
    peak_dbtp: float | None
    rms_db: float | None
    lufs: float | None
    report: Mapping[str, Any]
    midi: bytes
    midi_report: Mapping[str, Any]
    stems: tuple[Stem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Performance(Rendered, Simulation):
    """A scene that was run, scored, rendered to a file and measured there."""


@dataclass(frozen=True, kw_only=True)
class SequencePerformance(Rendered):
    """Scenes that were run, scored, rendered to one file and measured there.

    `trajectory_hash` is the SHA-256, in hex, of those of the scenes. The report has `scenes`, [{"scene_id", "name", "starts_s", "ends_s"}].
    """

    trajectory_hash: str


def simulate(snapshot: Mapping[str, Any], progress: Progress | None = None) -> Simulation:
    """Run the scene of a snapshot.

    Raises EngineError for what cannot be run, and whatever `progress` raises (Cancelled).
    """
    scene = Scene.from_snapshot(snapshot)
    trajectory = solvers.run(scene, progress or _ignore)
    events = trajectory.events
    return Simulation(
        scene=scene,
        trajectory=trajectory,
        trajectory_hash=trajectory.hash(),
        events=list(events.rows(trajectory.body_ids, scene.physics.time_scale)),
        status=events.status,
        settled_at=events.settled_at,
        steps=trajectory.steps,
        conservation=trajectory.conservation,
        closed_form=trajectory.closed_form,
        warnings=tuple(dict.fromkeys((*trajectory.warnings, *events.warnings))),
    )


def score_of(simulation: Simulation) -> Score:
    """The score of a scene that was run, with the dissonance of what sounds together in its report. Raises as `build_score`."""
    score = build_score(simulation.scene, simulation.trajectory)
    return replace(score, report={**score.report, "dissonance": dissonance(score)})


def perform(
    snapshot: Mapping[str, Any],
    settings: Settings,
    path: Path,
    progress: Progress | None = None,
    tags: Tags | None = None,
    stems: Path | None = None,
    recordings: Mapping[str, Recording] = _NONE,
) -> Performance:
    """Perform the scene of a snapshot into an audio file at `path`.

    Parameters
    ----------
    snapshot : as `Scene.from_snapshot` reads it
    settings : with a `duration_s`, the scene is performed as if that were its own
    path : written chunk by chunk; what is there after an exception is unfinished
    tags : what the file says of itself; None: the name of the scene
    progress : gets fractions from 0 to 1, and may raise Cancelled
    stems : a folder for a file of each voice that sounds; None for none
    recordings : by id, the uploaded sounds that voices name

    Raises
    ------
    EngineError : naming the field, for a scene or a setting that cannot be honoured
    """
    report = progress or _ignore
    if settings.duration_s is not None:
        snapshot = {**snapshot, "duration_s": settings.duration_s}
    simulation = simulate(snapshot, _share(report, 0.0, _SIMULATED))
    score = replace(score_of(simulation), recordings=recordings)
    report(_SCORED)
    rendered = _render(mix.lay_out(score, settings), score, path, report, tags or Tags(title=simulation.scene.name), stems)
    return Performance(**_fields(simulation), **_fields(rendered))


def perform_sequence(
    universe: Mapping[str, Any],
    settings: Settings,
    path: Path,
    progress: Progress | None = None,
    tags: Tags | None = None,
    stems: Path | None = None,
    recordings: Mapping[str, Recording] = _NONE,
) -> SequencePerformance:
    """Perform the scenes of a universe one after another into an audio file at `path`.

    Parameters
    ----------
    universe : {"name", "scenes"}, each scene as `Scene.from_snapshot` reads it, with its `transition`
    others, and what is raised : as of `perform`; fields begin with `scenes` and the scene's place
    """
    report, scenes = progress or _ignore, universe["scenes"]
    scores, digest = [], hashlib.sha256()
    for place, scene in enumerate(scenes):
        share = _share(report, _SCORED * place / len(scenes), _SCORED * (place + 1) / len(scenes))
        try:
            simulation = simulate(scene, share)
            scores.append(replace(score_of(simulation), recordings=recordings))
        except EngineError as error:
            raise type(error)(error.message, f"scenes.{place}.{error.field}".rstrip(".")) from None
        digest.update(simulation.trajectory_hash.encode())
    scores = apart(scores)
    laid_out = lay_out_sequence(scores, [scene["transition"] for scene in scenes], settings)
    starts = [passage.start_s for passage in laid_out.passages]
    score = joined(scores, starts, laid_out.duration_s, universe["name"])
    rendered = _render(laid_out, score, path, report, tags or Tags(title=universe["name"]), stems)
    told = [
        {"scene_id": scene["id"], "name": scene["name"], "starts_s": start, "ends_s": start + part.duration_s}
        for scene, start, part in zip(scenes, starts, scores, strict=True)
    ]
    found = {**_fields(rendered), "report": {**rendered.report, "scenes": told}}
    return SequencePerformance(**found, trajectory_hash=digest.hexdigest())


def _fields(found: Simulation | Rendered) -> dict[str, Any]:
    return {field.name: getattr(found, field.name) for field in fields(found)}


def _render(laid_out: mix.Mix, score: Score, path: Path, report: Progress, tags: Tags, stems: Path | None) -> Rendered:
    settings, levelling = laid_out.settings, mix.Levelling(path.parent)
    written = files.write(
        path,
        laid_out.samples(_share(report, _SCORED, _RENDERED), levelling=levelling),
        format=settings.format,
        bit_depth=settings.bit_depth,
        sample_rate=settings.sample_rate,
        quality=settings.quality,
        tags=tags,
    )
    found = verify_mix(path, laid_out, _share(report, _RENDERED, _VERIFIED if stems else 1.0), gain=levelling.gain)
    midi, midi_report = write_midi(score)
    return Rendered(
        score=score,
        score_hash=score.hash(),
        samples_hash=written.samples_hash,
        frames=written.frames,
        duration_s=laid_out.duration_s,
        tail_s=laid_out.tail_s,
        peak_dbtp=found["peak_dbtp"],
        rms_db=found["rms_db"],
        lufs=found["lufs"],
        report=found,
        midi=midi,
        midi_report=midi_report,
        stems=_write_stems(laid_out, score, stems, _share(report, _VERIFIED, 1.0)) if stems else (),
    )


def _write_stems(whole: mix.Mix, score: Score, folder: Path, progress: Progress) -> tuple[Stem, ...]:
    """The stems one after another, so that no more than one voice is in memory."""
    names = {str(voice["id"]): str(voice.get("name") or "") for voice in score.voices}
    parts, found, rate = whole.stems(), [], whole.settings.sample_rate
    for place, (voice_id, part) in enumerate(parts.items()):
        path = folder / f"stem-{place}.wav"
        samples = files.quantized(part.unmastered(_share(progress, place / len(parts), (place + 1) / len(parts))), "32f", 0)
        written = files.write(path, samples, format="wav", bit_depth="32f", sample_rate=rate)
        found.append(Stem(voice_id, names[voice_id], path, written.frames, written.samples_hash))
    return tuple(found)


def _share(progress: Progress, first: float, last: float) -> Progress:
    return lambda fraction: progress(first + (last - first) * fraction)


def _ignore(_fraction: float) -> None:
    pass

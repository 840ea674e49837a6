"""What a worker makes: simulations, scores and renders. No transaction is open while it works."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import orjson
from flask import current_app
from sqlalchemy import Row, select, update
from sqlalchemy.orm import Session

from app.audio import artefacts, service, tables
from app.audio.artefacts import Artefact, key_of
from app.audio.models import AudioRender, Score, Simulation, Suggestions
from app.audio.storage import sha256, storage
from app.database import now
from app.engine import perform as engine
from app.engine import suggest as suggestions
from app.engine.audio import files
from app.engine.audio.tags import Tags
from app.engine.music.midi import write_midi
from app.errors import Gone, Problem
from app.extensions import db
from app.jobs.registry import JobType, Outcome, Progress
from app.materials import service as materials
from app.users.models import User

TRAJECTORY, EVENTS = "trajectory.npz", "events.json"
NOTES, MIDI, TABLE = "score.json", "score.mid", "events.csv"
PEAKS, STEMS = "peaks.json", "stems.json"
PEAK_COUNT = 4096
_SIMULATED = 0.9


class NotTrue(Problem):
    """A file that does not sound as its score says."""

    code, message = "RENDER_NOT_TRUE", "The finished file does not agree with its score."


@dataclass(frozen=True, slots=True)
class Made:
    """An artefact whose files are in place: its row's values, and for a new row all of them."""

    kind: type[Artefact]
    id: UUID
    values: dict[str, Any]
    new: bool = False

    def record(self, session: Session) -> None:
        """Write the row."""
        if self.new:
            session.add(self.kind(id=self.id, **self.values))
            session.flush()
        else:
            session.execute(update(self.kind).where(self.kind.id == self.id).values(self.values))

    def discard(self) -> None:
        """Take the files away."""
        storage().delete(key_of(self.kind, self.id))


def sound_name(format: str) -> str:
    """The name of a render's sound file in the storage."""
    return "sound" + files.FORMATS[format].extension


def simulate(simulation_id: UUID, progress: Progress) -> Outcome:
    """Run the scene of a queued simulation."""
    row = _row(Simulation, simulation_id)
    with storage().draft(simulation_id) as draft:
        found = engine.simulate(row.snapshot, progress)
        return _outcome([_keep_simulation(draft / "simulation", simulation_id, found)])


def write_score(score_id: UUID, progress: Progress) -> Outcome:
    """Write the notes of a queued score, and keep the run they come from."""
    row = _row(Score, score_id)
    with storage().draft(score_id) as draft:
        found = engine.simulate(row.snapshot, lambda fraction: progress(_SIMULATED * fraction))
        score = engine.score_of(found)
        midi, midi_report = write_midi(score)
        progress(_SIMULATED)
        simulation = _simulation_for(row, found, draft)
        made = _keep_score(draft / "score", score_id, score, midi, midi_report)
        made.values["simulation_id"] = simulation.id
        return _outcome([simulation, made])


def suggest(suggestions_id: UUID, progress: Progress) -> Outcome:
    """Find what would make the scene of queued suggestions more consonant."""
    row = _row(Suggestions, suggestions_id)
    found = suggestions.suggest(row.snapshot, row.most, progress)
    made = Made(Suggestions, suggestions_id, {**found, "finished_at": now()})
    return Outcome(made.record)


def render(render_id: UUID, progress: Progress) -> Outcome:
    """Render a queued piece to a sound file, and keep the run and the score it comes from."""
    row = _row(AudioRender, render_id)
    with storage().draft(render_id) as draft:
        folder = draft / "render"
        folder.mkdir()
        sound = folder / sound_name(row.format)
        settings, stems = artefacts.settings_of(row), folder if row.stems else None
        sounds = materials.recordings(row.snapshot)
        if row.scene_id is None:
            piece = engine.perform_sequence(row.snapshot, settings, sound, progress, _tags(row), stems, sounds)
            _keep_measured(row, folder, sound, piece)
            _write_notes(folder, piece.score, piece.midi)
            return _outcome([_keep_render(folder, render_id, sound, piece)])
        found = engine.perform(row.snapshot, settings, sound, progress, _tags(row), stems, sounds)
        _keep_measured(row, folder, sound, found)
        simulation = _simulation_for(row, found, draft)
        score = _score_for(row, found, draft, simulation.id)
        made = _keep_render(folder, render_id, sound, found)
        made.values.update(simulation_id=simulation.id, score_id=score.id)
        return _outcome([simulation, score, made])


def _keep_measured(row: Row[Any], folder: Path, sound: Path, found: engine.Rendered) -> None:
    """What is kept beside a sound file. Raises NotTrue for one that does not sound as its score says."""
    if not found.report["ok"]:
        raise NotTrue(errors={"report": list(found.report["reasons"])})
    (folder / PEAKS).write_bytes(orjson.dumps(files.peaks(sound, PEAK_COUNT)))
    if row.stems:
        (folder / STEMS).write_bytes(orjson.dumps([_stem(stem) for stem in found.stems]))


RENDER = JobType("/audio/{}", render)
SIMULATE = JobType("/simulations/{}", simulate)
SCORE = JobType("/scores/{}", write_score)
SUGGEST = JobType("/suggestions/{}", suggest)


def _row(kind: type[Artefact], artefact_id: UUID) -> Row[Any]:
    with db.engine.connect() as connection:
        found = connection.execute(select(*kind.__table__.columns).where(kind.id == artefact_id)).one_or_none()
    if found is None or getattr(found, "deleted_at", None) is not None:
        raise Gone
    return found


def _tags(row: Row[Any]) -> Tags:
    """What a file says of itself. It names the scene and not the render: equal renders are equal to the byte."""
    with db.engine.connect() as connection:
        maker = connection.execute(select(User.display_name, User.username).where(User.id == row.user_id)).one_or_none()
    source = f"scenes/{row.scene_id}" if row.scene_id else f"universes/{row.universe_id}"
    place = f"{current_app.config['SETTINGS'].public_url.rstrip('/')}/api/{source}"
    artist = (maker.display_name or maker.username) if maker else ""
    return Tags(title=row.name, artist=artist, license=row.license or "", comment=f"{place} seed {row.seed} inputs {row.inputs_hash}")


def _simulation_for(row: Row[Any], found: engine.Simulation, draft: Path) -> Made:
    """The finished simulation of the universe with this result, else a new one with its files in place."""
    inputs = artefacts.simulation_hash(row.snapshot)
    known = _known(Simulation, row.universe_id, inputs, Simulation.trajectory_hash == found.trajectory_hash)
    if known:
        return Made(Simulation, known, {"inputs_hash": inputs})
    made = _keep_simulation(draft / "simulation", uuid4(), found)
    values = {"solver": row.snapshot["solver"], "duration_s": row.snapshot["duration_s"], "inputs_hash": inputs}
    return Made(Simulation, made.id, {**_origin(row), **values, **made.values}, new=True)


def _score_for(row: Row[Any], found: engine.Performance, draft: Path, simulation_id: UUID) -> Made:
    """The finished score of the universe with this result, else a new one with its files in place."""
    inputs = artefacts.score_hash(row.snapshot)
    known = _known(Score, row.universe_id, inputs, Score.score_hash == found.score_hash)
    if known:
        return Made(Score, known, {"inputs_hash": inputs})
    made = _keep_score(draft / "score", uuid4(), found.score, found.midi, found.midi_report)
    values = {"duration_s": found.score.duration_s, "inputs_hash": inputs, "simulation_id": simulation_id}
    return Made(Score, made.id, {**_origin(row), **values, **made.values}, new=True)


def _known(kind: type[Simulation] | type[Score], universe_id: UUID, inputs: str, same: Any) -> UUID | None:
    with Session(db.engine) as session:
        return service.finished(session, kind, universe_id, inputs, same)


def _origin(row: Row[Any]) -> dict[str, Any]:
    names = ("universe_id", "scene_id", "user_id", "job_id", "engine_version", "seed", "snapshot")
    return {name: getattr(row, name) for name in names}


def _keep_simulation(folder: Path, simulation_id: UUID, found: engine.Simulation) -> Made:
    folder.mkdir()
    path = found.trajectory
    ids = np.array(path.body_ids, dtype="U36")
    columns: dict[str, Any] = {"times": path.times, "positions": path.positions, "velocities": path.velocities, "body_ids": ids}
    if path.angles is not None:
        columns["angles"] = path.angles
    np.savez_compressed(folder / TRAJECTORY, **columns)
    (folder / EVENTS).write_bytes(orjson.dumps(found.events))
    values = {
        "trajectory_hash": found.trajectory_hash,
        "outcome": found.status,
        "settled_at": found.settled_at,
        "steps": found.steps,
        "event_count": len(found.events),
        "sample_count": len(path.times),
        "conservation": dict(found.conservation),
        "closed_form": found.closed_form,
        "warnings": list(found.warnings),
    }
    return _publish(Simulation, simulation_id, folder, values)


def _keep_score(folder: Path, score_id: UUID, score: Any, midi: bytes, midi_report: Any) -> Made:
    folder.mkdir()
    document = _write_notes(folder, score, midi)
    values = {
        "score_hash": score.hash(),
        "note_count": len(score.notes),
        "report": document["report"],
        "midi_report": dict(midi_report),
    }
    return _publish(Score, score_id, folder, values)


def _write_notes(folder: Path, score: Any, midi: bytes) -> dict[str, Any]:
    """Write notes, MIDI file and table into a folder; the document of the score."""
    document: dict[str, Any] = score.document()
    (folder / NOTES).write_bytes(orjson.dumps(document))
    (folder / MIDI).write_bytes(midi)
    (folder / TABLE).write_text(tables.notes(document["notes"]), newline="")
    return document


def _stem(stem: engine.Stem) -> dict[str, Any]:
    return {
        "voice_id": stem.voice_id,
        "name": stem.name,
        "frames": stem.frames,
        "sha256": sha256(stem.path),
        "samples_hash": stem.samples_hash,
        "file": stem.path.name,
    }


def _keep_render(folder: Path, render_id: UUID, sound: Path, found: engine.Performance | engine.SequencePerformance) -> Made:
    values = {
        "sha256": sha256(sound),
        "file_bytes": sound.stat().st_size,
        "report": dict(found.report),
        **{name: getattr(found, name) for name in _MEASURED},
    }
    return _publish(AudioRender, render_id, folder, values)


_MEASURED = ("frames", "duration_s", "tail_s", "samples_hash", "trajectory_hash", "score_hash", "peak_dbtp", "rms_db", "lufs")


def _publish(kind: type[Artefact], artefact_id: UUID, folder: Path, values: dict[str, Any]) -> Made:
    size = storage().publish(folder, key_of(kind, artefact_id))
    return Made(kind, artefact_id, {**values, "stored_bytes": size, "finished_at": now()})


def _outcome(made: Iterable[Made]) -> Outcome:
    fresh = [part for part in made if "finished_at" in part.values]
    return Outcome(_all(part.record for part in fresh), _none(part.discard for part in fresh))


def _all(steps: Iterable[Callable[[Session], None]]) -> Callable[[Session], None]:
    kept = list(steps)

    def record(session: Session) -> None:
        for step in kept:
            step(session)

    return record


def _none(steps: Iterable[Callable[[], None]]) -> Callable[[], None]:
    kept = list(steps)

    def discard() -> None:
        for step in kept:
            step()

    return discard

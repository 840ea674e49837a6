"""What an artefact depends on, what is kept of it, and how its row is answered."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import scipy
from sqlalchemy import ColumnElement, Row, case, func

from app.audio.models import AudioRender, Score, Simulation, Suggestions
from app.database import timestamp
from app.engine import VERSION
from app.engine.audio.mix import Settings
from app.engine.audio.rooms import Reverb
from app.engine.physics.scene import inputs_hash
from app.jobs.models import Job

Artefact = Simulation | Score | AudioRender | Suggestions
_SIMULATED = ("solver", "duration_s", "seed", "physics", "timeline", "bodies", "constraints")
_BACKEND = f"numpy {np.__version__}, scipy {scipy.__version__}, pymunk {version('pymunk')}, {platform.machine()}"


def simulation_hash(snapshot: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of what a trajectory depends on: the physical half of a scene, the engine and its numerical backend."""
    return _hash({name: snapshot.get(name) for name in _SIMULATED})


def score_hash(snapshot: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of what the notes and their files depend on: the whole scene."""
    return _hash({"scene": dict(snapshot)})


def render_hash(snapshot: Mapping[str, Any], settings: Settings) -> str:
    """SHA-256, in hex, of what the samples depend on. Settings that are not used do not count, so that new ones change no hash."""
    given = {name: value for name in Settings.__slots__ if (value := getattr(settings, name)) is not None}
    return _hash({"score": score_hash(snapshot), "settings": given})


def suggestions_hash(snapshot: Mapping[str, Any], target: str, most: int) -> str:
    """SHA-256, in hex, of what suggestions depend on."""
    return _hash({"score": score_hash(snapshot), "suggest": target, "most": most})


def settings_of(render: Any) -> Settings:
    """The engine's settings of a render's row."""
    return Settings(
        sample_rate=render.sample_rate,
        format=render.format,
        bit_depth=bit_depth(render.bit_depth),
        quality=render.quality,
        channels=render.channels,
        seed=int(render.seed),
        loudness_lufs=render.loudness_lufs,
        reverb=Reverb(**render.reverb) if render.reverb else None,
    )


def bit_depth(text: str) -> int | str | None:
    """A stored bit depth as it is spoken of: 16, 24 or `32f`; None where there is none."""
    return int(text) if text.isdigit() else text or None


def key_of(kind: type[Artefact], artefact_id: Any) -> str:
    """Where the storage keeps an artefact's files."""
    return f"{kind.__tablename__}/{artefact_id}"


def status_of(kind: type[Artefact]) -> ColumnElement[str]:
    """SQL: the state of an artefact, its job joined; without a job it is what its result says."""
    return case((kind.finished_at.is_not(None), "succeeded"), else_=func.coalesce(Job.state, "failed"))


def fewer_peaks(peaks: Mapping[str, Any], points: int) -> dict[str, Any]:
    """Peaks of at most so many stretches, from those of more."""
    count = min(points, len(peaks["min"]))
    edges = np.arange(count) * len(peaks["min"]) // count
    low, high = np.minimum.reduceat(peaks["min"], edges), np.maximum.reduceat(peaks["max"], edges)
    return {**peaks, "min": low.tolist(), "max": high.tolist()}


def render_json(row: Row[Any]) -> dict[str, Any]:
    """A render as it is answered."""
    found = {name: getattr(row, name) for name in _RENDER_PLAIN}
    return {
        **_common(row),
        **found,
        "bit_depth": bit_depth(row.bit_depth),
        "updated_at": timestamp(row.updated_at),
        **_ids(row, _RENDER_IDS),
    }


def simulation_json(row: Row[Any]) -> dict[str, Any]:
    """A simulation as it is answered."""
    return {**_common(row), **{name: getattr(row, name) for name in _SIMULATION_PLAIN}}


def score_json(row: Row[Any]) -> dict[str, Any]:
    """A score as it is answered, without its notes."""
    return {**_common(row), **{name: getattr(row, name) for name in _SCORE_PLAIN}, **_ids(row, ("simulation_id",))}


def suggestions_json(row: Row[Any]) -> dict[str, Any]:
    """Suggestions as they are answered: each change with the place that its merge patch is sent to."""
    found = {name: getattr(row, name) for name in ("target", "before", "tried", "reason")}
    return {**_common(row), **found, "limit": row.most, "items": [_sendable(item) for item in row.items or ()]}


def _sendable(item: Mapping[str, Any]) -> dict[str, Any]:
    change = item["change"]
    return {**item, "change": {"method": "PATCH", "path": f"/api/{change['collection']}/{change['id']}", "patch": change["patch"]}}


COMMON = ("id", "universe_id", "scene_id", "user_id", "job_id", "seed", "inputs_hash", "engine_version", "created_at", "finished_at")
_SIMULATION_PLAIN = (
    "solver", "duration_s", "trajectory_hash", "outcome", "settled_at", "steps", "event_count", "sample_count",
    "conservation", "closed_form", "warnings",
)  # fmt: skip
_SCORE_PLAIN = ("duration_s", "score_hash", "note_count", "report", "midi_report")
_RENDER_PLAIN = (
    "name", "format", "sample_rate", "channels", "quality", "duration_s", "tail_s", "frames", "file_bytes", "sha256", "samples_hash",
    "trajectory_hash", "score_hash", "peak_dbtp", "rms_db", "lufs", "loudness_lufs", "reverb", "stems", "license",
)  # fmt: skip
_RENDER_IDS = ("simulation_id", "score_id")
PLAIN: dict[type[Artefact], tuple[str, ...]] = {
    Simulation: _SIMULATION_PLAIN,
    Score: (*_SCORE_PLAIN, "simulation_id"),
    Suggestions: ("target", "most", "before", "tried", "reason", "items"),
    AudioRender: (*_RENDER_PLAIN, *_RENDER_IDS, "bit_depth", "updated_at"),
}
JSON = {Simulation: simulation_json, Score: score_json, AudioRender: render_json, Suggestions: suggestions_json}


def _common(row: Row[Any]) -> dict[str, Any]:
    return {
        **_ids(row, ("id", "universe_id", "scene_id", "user_id", "job_id")),
        "status": row.state,
        "progress": 1.0 if row.state == "succeeded" else row.progress or 0.0,
        "error": row.error,
        "seed": row.seed,
        "inputs_hash": row.inputs_hash,
        "engine_version": row.engine_version,
        "created_at": timestamp(row.created_at),
        "finished_at": timestamp(row.finished_at),
    }


def _ids(row: Row[Any], names: tuple[str, ...]) -> dict[str, str | None]:
    return {name: str(value) if (value := getattr(row, name)) is not None else None for name in names}


def _hash(inputs: Mapping[str, Any]) -> str:
    return inputs_hash({"engine": VERSION, "backend": _BACKEND, **inputs})

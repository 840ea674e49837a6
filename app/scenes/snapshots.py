"""Snapshots: everything a performance of a scene depends on, frozen as plain JSON with every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.changes.content import Document, document_of
from app.engine.audio.instruments import instrument
from app.engine.music.mapping import content
from app.engine.physics.scene import Scene as EngineScene
from app.engine.physics.solvers import SOLVERS
from app.errors import NotFound
from app.scenes import in_force
from app.scenes.materials import with_sounds
from app.scenes.models import Body, Constraint, InScene, Scene, Voice
from app.scenes.models import Mapping as MappingRow
from app.scenes.refusals import by_engine
from app.scenes.schemas import OrbitSchema
from app.universes.models import Universe
from app.universes.rules import harmony_in_force

PARTS: dict[str, type[InScene]] = {"bodies": Body, "constraints": Constraint, "voices": Voice, "mappings": MappingRow}
_SCENES: Any = Scene.__table__
_UNIVERSES: Any = Universe.__table__
_PLACE = ("scene_id", "order_key")
_HEARD = ("temperature", "pressure")


def snapshot(session: Session, scene_id: UUID) -> Document:
    """The snapshot of a scene. Raises NotFound when there is no such scene."""
    scene, universe = _scene(session, scene_id)
    physics = in_force.of_scene(session, scene["universe_id"], scene_id, scene["physics_parameters_id"]).values
    parts = {name: _documents(session, model, scene_id) for name, model in PARTS.items()}
    voices = with_sounds(session, scene["universe_id"], [_whole_voice(voice) for voice in parts["voices"]])
    return {
        "id": str(scene_id),
        "name": scene["name"],
        "solver": scene["solver"],
        "duration_s": scene["duration_s"],
        "loop": scene["loop"],
        "seed": universe["seed"],
        "physics": physics,
        "harmony": harmony_in_force(universe["harmony"], scene["harmony"]),
        "timeline": _in_time(scene["timeline"]),
        "bodies": [_whole_orbit(body) for body in parts["bodies"]],
        "constraints": [{**one, "damping": one["damping"] or 0.0} if one["kind"] == "spring" else one for one in parts["constraints"]],
        "voices": voices,
        "mappings": parts["mappings"],
    }


def sequence(session: Session, universe_id: UUID) -> Document:
    """Name and seed of a universe, and the snapshots of all its scenes in order, each with its `transition`. Raises NotFound."""
    universe = session.execute(select(_UNIVERSES.c.name, _UNIVERSES.c.seed).where(_UNIVERSES.c.id == universe_id)).one_or_none()
    if universe is None:
        raise NotFound
    query = select(_SCENES.c.id, _SCENES.c.transition).where(_SCENES.c.universe_id == universe_id).order_by(_SCENES.c.order_key)
    held = [{**snapshot(session, row.id), "transition": row.transition} for row in session.execute(query).all()]
    return {"name": universe.name, "seed": universe.seed, "scenes": held}


def effective(session: Session, scene_id: UUID) -> Document:
    """Every value in force in a scene and where it comes from. Raises NotFound when there is no such scene."""
    scene, universe = _scene(session, scene_id)
    frozen = snapshot(session, scene_id)
    found = in_force.of_scene(session, scene["universe_id"], scene_id, scene["physics_parameters_id"])
    with by_engine():
        sounding = content(EngineScene.from_snapshot(frozen))
    return {
        "scene_id": str(scene_id),
        "universe_id": str(scene["universe_id"]),
        "solver": scene["solver"],
        "duration_s": scene["duration_s"],
        "loop": scene["loop"],
        "seed": universe["seed"],
        "physics": _physics(found, scene["solver"]),
        "harmony": _harmony(frozen["harmony"], scene["harmony"]),
        "bodies": [_surface(body, frozen["physics"]) for body in frozen["bodies"]],
        "voices": _with_origin(sounding["voices"], frozen["voices"]),
        "mappings": _with_origin(sounding["mappings"], frozen["mappings"]),
    }


def _scene(session: Session, scene_id: UUID) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    scene = session.execute(select(_SCENES).where(_SCENES.c.id == scene_id)).mappings().first()
    if scene is None:
        raise NotFound
    universe = session.execute(select(_UNIVERSES).where(_UNIVERSES.c.id == scene["universe_id"])).mappings().one()
    return {**scene}, {**universe}


def _documents(session: Session, model: type[InScene], scene_id: UUID) -> list[Document]:
    table: Any = model.__table__  # type: ignore[attr-defined]
    rows = session.execute(select(table).where(table.c.scene_id == scene_id).order_by(table.c.order_key, table.c.id)).mappings()
    return [{"id": str(row["id"]), **_own(document_of(model, row))} for row in rows]


def _own(document: Document) -> Document:
    return {name: value for name, value in document.items() if name not in _PLACE}


def _in_time(timeline: Mapping[str, Any]) -> Document:
    return {name: sorted(moments, key=lambda moment: moment["time_s"]) for name, moments in timeline.items()}


def _whole_orbit(body: Document) -> Document:
    """A body whose orbit was given piece by piece has the other elements at their defaults."""
    return body if body["orbit"] is None else {**body, "orbit": {**OrbitSchema().load({}), **body["orbit"]}}


def _whole_voice(voice: Document) -> Document:
    return {**voice, "parameters": instrument(voice["instrument"]).validate(voice["parameters"])}


def _physics(found: in_force.InForce, solver: str) -> Document:
    """Every physics parameter by dotted name: its value, its origin, and whether the scene's solver uses it."""
    flat = {**found.values, **{f"gravity.{axis}": value for axis, value in found.values["gravity"].items()}}
    flat |= {f"custom.{name}": value for name, value in found.values["custom"].items()}
    uses = SOLVERS[solver].USES
    return {
        name: {"value": flat[name], **origin, "used": name in uses, "read_by_mappings": name in _HEARD or name.startswith("custom.")}
        for name, origin in found.origins.items()
    }


def _harmony(whole: Mapping[str, Any], override: Mapping[str, Any]) -> Document:
    return {name: {"value": value, "from": "scene" if name in override else "universe"} for name, value in whole.items()}


def _surface(body: Mapping[str, Any], physics: Mapping[str, Any]) -> Document:
    """The restitution and friction of a body: its own, or the scene's."""
    found: Document = {"id": body["id"], "name": body["name"]}
    for name in ("restitution", "friction"):
        own = body[name] is not None
        found[name] = {"value": body[name] if own else physics[name], "from": "body" if own else "physics"}
    return found


def _with_origin(sounding: list[dict[str, Any]], own: list[Document]) -> list[Document]:
    """Voices or mappings in force; those that a scene without mappings is given say so."""
    mine = {one["id"] for one in own}
    return [{**one, "from": "scene" if one["id"] in mine else "default"} for one in sounding]

"""What can be done with sets of physics parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as copied
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.changes.content import AXES, entity_json
from app.changes.intents import Intent, new_id
from app.changes.service import Done, commit_change
from app.errors import NotFound
from app.extensions import db
from app.physics_parameters.models import PhysicsParameters
from app.physics_parameters.schemas import MAY_BE_NULL
from app.scenes import in_force
from app.scenes.reading import universe_of
from app.scenes.rules import check_honoured
from app.scenes.service import logged

_SETS: Any = PhysicsParameters.__table__
_COLLECTION = "physics-parameters"


def create(universe_id: UUID, scene_id: UUID | None, fields: Mapping[str, Any], head: Mapping[str, Any]) -> Done:
    """Add a set to a universe or, with `scene_id`, to a scene; the first of its scope is active unless `active` says no."""
    return commit_change(creation(universe_id, scene_id, fields, head))


def creation(universe_id: UUID, scene_id: UUID | None, fields: Mapping[str, Any], head: Mapping[str, Any]) -> Intent:
    """The intent to add a set."""
    own = complete(fields, of_scene=scene_id is not None)
    set_id = own.pop("id", None) or new_id(head["actor"], head["op_id"])
    if "active" not in own:
        first = logged(universe_id, head["actor"], head["op_id"])
        own["active"] = first["active"] if first and "active" in first else not _others(universe_id, scene_id)
    fields = {**own, "scene_id": scene_id}
    head = {**head, "if_match": None}
    return Intent(op="create", collection=_COLLECTION, universe_id=universe_id, entity_id=set_id, fields=fields, **head)


def change(set_id: UUID, fields: Mapping[str, Any], head: Mapping[str, Any]) -> Done:
    """Change some parameters of a set. Null is a universe's default; a scene's set then leaves the value to its universe's."""
    return commit_change(alteration(set_id, fields, head))


def alteration(set_id: UUID, fields: Mapping[str, Any], head: Mapping[str, Any]) -> Intent:
    """The intent to change some parameters of a set."""
    if _has_null(fields) and not _is_of_scene(set_id):
        fields = _with_defaults(fields)
    return Intent(op="update", collection=_COLLECTION, entity_id=set_id, fields=fields, **head)


def replace(set_id: UUID, fields: Mapping[str, Any], head: Mapping[str, Any]) -> Done:
    """Set all parameters of a set; what is absent becomes a universe's default, or is left to the universe's set."""
    fields = complete(fields, of_scene=_is_of_scene(set_id))
    return commit_change(Intent(op="update", collection=_COLLECTION, entity_id=set_id, fields=fields, replace=True, **head))


def delete(set_id: UUID, head: Mapping[str, Any]) -> Done:
    """Delete a set. Raises Conflict while scenes name it."""
    return commit_change(Intent(op="delete", collection=_COLLECTION, entity_id=set_id, **head))


def reset(set_id: UUID, head: Mapping[str, Any]) -> Done:
    """Put every parameter of the catalogue back to its default, or to what the universe says; custom parameters stay."""
    fields = complete({}, of_scene=_is_of_scene(set_id))
    return commit_change(Intent(op="update", collection=_COLLECTION, entity_id=set_id, fields=fields, replace=True, **head))


def apply(set_id: UUID, head: Mapping[str, Any]) -> Done:
    """Make a set the active one of its scope, in place of the one that is, in one change."""
    universe_id = universe_of(_COLLECTION, set_id)
    first = logged(universe_id, head["actor"], head["op_id"])
    switches = _logged_switches(first) if first is not None else [*_active_beside(set_id), (set_id, True)]
    items = tuple(
        Intent(actor=head["actor"], op="update", collection=_COLLECTION, universe_id=universe_id, entity_id=one, fields={"active": active})
        for one, active in switches
    )
    done = commit_change(Intent(op="batch", collection=_COLLECTION, universe_id=universe_id, items=items, **{**head, "if_match": None}))
    entity = done.entity["items"][-1] if done.entity is not None else _shown(set_id)
    return copied(done, entity_id=set_id, entity=entity, entity_revision=entity["revision"])


def validate(fields: Mapping[str, Any], solver: str | None) -> None:
    """Raises Invalid for a value that a solver cannot honour; the schema has seen to the rest."""
    if solver is not None:
        check_honoured(complete(fields, of_scene=True), solver)


def complete(fields: Mapping[str, Any], *, of_scene: bool) -> dict[str, Any]:
    """The fields of a whole set: what is not given is left to the universe's set, or in that one takes its default."""
    empty: dict[str, Any] = {"gravity": dict.fromkeys(AXES), **dict.fromkeys(in_force.SCALARS)}
    if of_scene:
        return {**empty, "bounds": None, **fields, "gravity": {**empty["gravity"], **fields.get("gravity", {})}}
    return _with_defaults({**empty, "bounds": in_force.FLOOR, **fields})


def _with_defaults(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields with the catalogue's defaults in the place of nulls."""
    defaults = in_force.defaults()
    found = {name: defaults[name] if name in in_force.SCALARS and value is None else value for name, value in fields.items()}
    if "gravity" in fields:
        given = fields["gravity"]
        found["gravity"] = {axis: defaults["gravity"][axis] if value is None else value for axis, value in given.items()}
    return found


def _has_null(fields: Mapping[str, Any]) -> bool:
    scalars = any(fields.get(name, 0) is None for name in in_force.SCALARS if name not in MAY_BE_NULL)
    return scalars or None in (fields.get("gravity") or {}).values()


def _is_of_scene(set_id: UUID) -> bool:
    """Whether a set is of a scene. For one that is gone it does not matter."""
    return db.session.scalar(select(_SETS.c.scene_id).where(_SETS.c.id == set_id)) is not None


def _scope(universe_id: UUID, scene_id: UUID | None) -> tuple[Any, ...]:
    return (_SETS.c.universe_id == universe_id, _SETS.c.scene_id.is_(None) if scene_id is None else _SETS.c.scene_id == scene_id)


def _others(universe_id: UUID, scene_id: UUID | None) -> bool:
    return db.session.scalar(select(_SETS.c.id).where(*_scope(universe_id, scene_id)).limit(1)) is not None


def _active_beside(set_id: UUID) -> list[tuple[UUID, bool]]:
    """The set that is active in the scope of another, as the step that switches it off."""
    row = db.session.execute(select(_SETS.c.universe_id, _SETS.c.scene_id).where(_SETS.c.id == set_id)).first()
    if row is None:
        return []
    where = (*_scope(row.universe_id, row.scene_id), _SETS.c.active.is_(True), _SETS.c.id != set_id)
    return [(one, False) for one in db.session.scalars(select(_SETS.c.id).where(*where))]


def _logged_switches(first: Mapping[str, Any]) -> list[tuple[UUID, bool]]:
    """The steps of an earlier request with the same key; none when it was another kind of request."""
    steps = [step for step in first.get("items", []) if step["path"].startswith(f"{_COLLECTION}/") and "active" in (step["after"] or {})]
    return [(UUID(step["path"].partition("/")[2]), step["after"]["active"]) for step in steps]


def _shown(set_id: UUID) -> dict[str, Any]:
    row = db.session.execute(select(_SETS).where(_SETS.c.id == set_id)).mappings().first()
    if row is None:
        raise NotFound
    return entity_json(PhysicsParameters, row)

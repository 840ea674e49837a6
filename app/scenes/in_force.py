"""The physics in force in a scene: its own active set, over its universe's, over the catalogue's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.changes.content import AXES, document_of
from app.engine.catalogue import PHYSICS
from app.physics_parameters.models import PhysicsParameters

Row = Mapping[Any, Any] | None
SCALARS = tuple(name for name in PHYSICS if not name.startswith("gravity."))
FLOOR: dict[str, Any] = {"min": {"x": None, "y": 0.0, "z": None}, "max": dict.fromkeys(AXES)}
"""The default bounds: a floor at y = 0."""

_SETS: Any = PhysicsParameters.__table__


@dataclass(frozen=True, slots=True)
class InForce:
    """Values in force and, by dotted name, where each comes from.

    An origin is {"from": "scene" | "universe" | "default", "id": the set's id or None}.
    """

    values: dict[str, Any]
    origins: dict[str, dict[str, Any]]


def of_scene(session: Session, universe_id: UUID, scene_id: UUID, chosen: UUID | None) -> InForce:
    """The physics in force in a scene; `chosen` is the set it names in place of its universe's active one."""
    shared = _SETS.c.id == chosen if chosen is not None else (_SETS.c.scene_id.is_(None) & _SETS.c.active.is_(True))
    mine = (_SETS.c.scene_id == scene_id) & _SETS.c.active.is_(True)
    rows = session.execute(select(_SETS).where(_SETS.c.universe_id == universe_id, or_(shared, mine))).mappings().all()
    own = next((row for row in rows if row["scene_id"] is not None), None)
    common = next((row for row in rows if row["scene_id"] is None), None)
    return resolve(own, common)


def of_universe(session: Session, universe_id: UUID) -> InForce:
    """The physics of a universe's active set, or the defaults."""
    active = (_SETS.c.universe_id == universe_id, _SETS.c.scene_id.is_(None), _SETS.c.active.is_(True))
    return resolve(None, session.execute(select(_SETS).where(*active)).mappings().first())


def resolve(own: Row, shared: Row) -> InForce:
    """Values in force from a scene's set and its universe's, given as rows; either may be None."""
    layers = [(name, row["id"], _flat(row)) for name, row in (("scene", own), ("universe", shared)) if row is not None]
    found: dict[str, Any] = {}
    origins: dict[str, dict[str, Any]] = {}
    for name in PHYSICS:
        found[name], origins[name] = _first(layers, name, PHYSICS[name].default)
    found["bounds"], origins["bounds"] = _bounds(layers)
    gravity = {axis: found.pop(f"gravity.{axis}") for axis in AXES}
    custom, customs = _custom(layers)
    return InForce({"gravity": gravity, **found, "custom": custom}, origins | customs)


def defaults() -> dict[str, Any]:
    """Every parameter at its default."""
    return {
        "gravity": {axis: PHYSICS[f"gravity.{axis}"].default for axis in AXES},
        **{name: PHYSICS[name].default for name in SCALARS},
        "bounds": FLOOR,
    }


def _flat(row: Mapping[Any, Any]) -> dict[str, Any]:
    document = document_of(PhysicsParameters, row)
    return {**document, **{f"gravity.{axis}": document["gravity"][axis] for axis in AXES}}


def _first(layers: list[tuple[str, UUID, dict[str, Any]]], name: str, default: Any) -> tuple[Any, dict[str, Any]]:
    for origin, set_id, values in layers:
        if values[name] is not None:
            return values[name], {"from": origin, "id": str(set_id)}
    return default, {"from": "default", "id": None}


def _bounds(layers: list[tuple[str, UUID, dict[str, Any]]]) -> tuple[Any, dict[str, Any]]:
    """A universe's null means that there are no bounds; a scene's leaves them to the universe."""
    for origin, set_id, values in layers:
        if values["bounds"] is not None or origin == "universe":
            return values["bounds"], {"from": origin, "id": str(set_id)}
    return FLOOR, {"from": "default", "id": None}


def _custom(layers: list[tuple[str, UUID, dict[str, Any]]]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    found: dict[str, Any] = {}
    origins: dict[str, dict[str, Any]] = {}
    for origin, set_id, values in reversed(layers):
        for name, value in values["custom"].items():
            found[name], origins[f"custom.{name}"] = value, {"from": origin, "id": str(set_id)}
    return found, origins

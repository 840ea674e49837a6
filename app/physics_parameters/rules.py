"""What must hold of a set of physics parameters, whoever changes it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.changes.content import AXES
from app.changes.rule import Check, Removal
from app.engine.catalogue import PHYSICS
from app.errors import Conflict
from app.physics_parameters.models import PhysicsParameters
from app.physics_parameters.schemas import CUSTOM_LIMIT, MAY_BE_NULL
from app.scenes.models import Scene
from app.scenes.refusals import refused
from app.scenes.rules import check_honoured

_SETS: Any = PhysicsParameters.__table__
_SCENES: Any = Scene.__table__


def check(check: Check) -> None:
    """A set is whole (a universe's) or honoured by its solver (a scene's), and the only active one of its scope."""
    after, before = check.after, check.before
    if len(after["custom"]) > CUSTOM_LIMIT:
        raise refused("custom", f"There may be at most {CUSTOM_LIMIT} custom parameters; these are {len(after['custom'])}.")
    if after["scene_id"] is None:
        _check_whole(check)
    else:
        _check_of_scene(check, UUID(after["scene_id"]))
    if after["active"] and not (before and before["active"]):
        _refuse_second_active(check)


def may_remove(removal: Removal) -> None:
    """Raises Conflict while scenes name the set."""
    names = removal.session.scalars(select(_SCENES.c.name).where(_SCENES.c.physics_parameters_id == removal.id)).all()
    if names:
        raise Conflict(f"Scenes use it: {', '.join(names)}.")


def _check_whole(check: Check) -> None:
    gravity = {f"gravity.{axis}": check.after["gravity"][axis] for axis in AXES}
    for name, value in {**check.after, **gravity}.items():
        if name in PHYSICS and name not in MAY_BE_NULL and value is None:
            raise refused(name, f"A universe's set has every value: {PHYSICS[name].range_text}.")


def _check_of_scene(check: Check, scene_id: UUID) -> None:
    where = (_SCENES.c.id == scene_id, _SCENES.c.universe_id == check.universe_id)
    solver = check.session.scalar(select(_SCENES.c.solver).where(*where))
    if solver is None:
        raise refused("scene_id", "There is no such scene in this universe.")
    check_honoured(check.after, solver)


def _refuse_second_active(check: Check) -> None:
    scene_id = check.after["scene_id"]
    scope = _SETS.c.scene_id.is_(None) if scene_id is None else _SETS.c.scene_id == UUID(scene_id)
    others = (_SETS.c.universe_id == check.universe_id, scope, _SETS.c.active.is_(True), _SETS.c.id != check.id)
    other = check.session.scalar(select(_SETS.c.name).where(*others))
    if other is not None:
        raise Conflict(
            f"{other!r} is active, and only one set may be; POST /physics-parameters/{check.id}/apply makes this one active instead.",
            errors={"active": ["Another set is active."]},
        )

"""Constraints as they are at the start of a run: with every length, arm and turn that the scene leaves to its first moment."""

from __future__ import annotations

import dataclasses
import math

from app.engine.errors import EngineError
from app.engine.physics.scene import Body, Constraint, Scene, Vector

LINKS = ("spring", "distance")
"""Kinds between two centres; the others hold two bodies together at a point."""


def resolved(scene: Scene) -> tuple[Constraint, ...]:
    """The scene's constraints with `rest_length`, `arm`, `other_arm` and `turn` filled in from where the bodies start.

    A run that begins later takes them along, so that a spring does not forget its length. Raises EngineError for one that names no body of
    the scene, or neither a body nor an anchor.
    """
    return tuple(_resolved(one, f"constraints.{index}", scene) for index, one in enumerate(scene.constraints))


def ends(constraint: Constraint, path: str, scene: Scene) -> tuple[int, int | None]:
    """The indices of the body and of the other one; None for a fixed point. Raises EngineError naming the field under `path`."""
    index = {body.id: number for number, body in enumerate(scene.bodies)}
    for name in ("body_id", "other_body_id"):
        named = getattr(constraint, name)
        if named is not None and named not in index:
            raise EngineError(f"There is no body {named!r} in the scene.", f"{path}.{name}")
    if constraint.other_body_id is None and constraint.anchor is None and constraint.other_arm is None:
        raise EngineError("A constraint needs another body or an anchor.", f"{path}.other_body_id")
    return index[constraint.body_id], None if constraint.other_body_id is None else index[constraint.other_body_id]


def _resolved(constraint: Constraint, path: str, scene: Scene) -> Constraint:
    body_index, other_index = ends(constraint, path, scene)
    body = scene.bodies[body_index]
    other = None if other_index is None else scene.bodies[other_index]
    if constraint.kind in LINKS:
        if constraint.rest_length is not None:
            return constraint
        return dataclasses.replace(constraint, rest_length=math.dist(body.position, _place(constraint, other)))
    if constraint.arm is not None:
        return constraint
    point = constraint.anchor if constraint.anchor is not None else _place(constraint, other)
    return dataclasses.replace(
        constraint,
        arm=_seen_from(body, point),
        other_arm=(point[0], point[1]) if other is None else _seen_from(other, point),
        turn=(0.0 if other is None else other.angle) - body.angle,
    )


def _place(constraint: Constraint, other: Body | None) -> Vector:
    """Where the other end is: a body's centre, or the anchor."""
    if other is not None:
        return other.position
    return constraint.anchor or (0.0, 0.0, 0.0)


def _seen_from(body: Body, point: Vector) -> tuple[float, float]:
    x, y = point[0] - body.position[0], point[1] - body.position[1]
    cos, sin = math.cos(body.angle), math.sin(body.angle)
    return cos * x + sin * y, cos * y - sin * x

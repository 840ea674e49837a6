"""Rigid bodies against Coulomb, Newton, pendula, and what must be conserved; and whatever scene there is must end."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.engine.errors import Cancelled, Contradiction, EngineError, OutOfRange, TooExpensive, Unsupported
from app.engine.physics import solvers
from app.engine.physics.events import BOUND, KINDS
from app.engine.physics.scene import Body, Bounds, Constraint, Keyframe, Scene
from app.engine.physics.solvers import rigid
from app.engine.physics.solvers.rigid_motion import RigidMotion
from app.engine.physics.trajectory import Trajectory, Turning
from tests.engine.physics.scenes import OPEN, G, ball, drop, gas, scene

RANDOM_SCENES = int(os.environ.get("RANDOM_SCENES", "200"))


def rigid_scene(*bodies: Body, **fields: Any) -> Scene:
    return scene(*bodies, solver="rigid", **fields)


def box(name: str, x: float, y: float, *, width: float = 1.0, height: float = 1.0, **fields: Any) -> Body:
    return Body(name, name, "box", {"width": width, "height": height}, position=(x, y, 0.0), **fields)


def polygon(name: str, x: float, y: float, *vertices: tuple[float, float], **fields: Any) -> Body:
    return Body(name, name, "polygon", {"vertices": [list(v) for v in vertices]}, position=(x, y, 0.0), **fields)


def count(run: Trajectory) -> Counter[str]:
    return Counter(KINDS[kind] for kind in run.events.kind)


def times_of(run: Trajectory, kind: str = "collision") -> np.ndarray:
    return run.events.time[run.events.kind == KINDS.index(kind)]


NUMBER = st.floats(-3.0, 3.0, allow_nan=False)
SIZES = st.sampled_from([0.05, 0.3, 0.8])
SHAPES = ("point", "circle", "box", "triangle", "concave")


@st.composite
def bodies(draw: st.DrawFn, number: int) -> Body:
    shape, size = draw(st.sampled_from(SHAPES)), draw(SIZES)
    outline = {
        "triangle": [[0, 0], [size, 0], [0.2 * size, size]],
        "concave": [[0, 0], [size, 0], [size, size], [0.5 * size, 0.3 * size], [0, size]],
    }
    given_size: dict[str, Any] = {
        "point": {}, "circle": {"radius": size}, "box": {"width": size, "height": 0.5 * size},
    }.get(shape) or ({"vertices": outline[shape]} if shape in outline else {})  # fmt: skip
    return Body(
        str(number), str(number), shape if shape not in outline else "polygon", given_size,
        mass=draw(st.sampled_from([1e-3, 1.0, 50.0])), position=(1.1 * number + 0.1 * draw(NUMBER), draw(NUMBER) + 4.0, 0.0),
        velocity=(draw(NUMBER), draw(NUMBER), 0.0), angle=draw(NUMBER), angular_velocity=draw(st.sampled_from([0.0, 0.0, 5.0])),
        restitution=draw(st.sampled_from([None, 0.0, 0.5, 1.0])), friction=draw(st.sampled_from([None, 0.0, 1.0])),
        static=draw(st.integers(0, 3)) == 0, sensor=draw(st.integers(0, 9)) == 0,
    )  # fmt: skip


@st.composite
def ties(draw: st.DrawFn, number: int, count: int) -> Constraint:
    other = draw(st.sampled_from([None, *range(count)]))
    anchor = (draw(NUMBER), draw(NUMBER) + 4.0, 0.0) if other is None or draw(st.booleans()) else None
    return Constraint(
        str(number), draw(st.sampled_from(rigid.KINDS)), str(draw(st.integers(0, count - 1))), None if other is None else str(other),
        anchor=anchor, stiffness=draw(st.sampled_from([1.0, 300.0])), damping=draw(st.sampled_from([0.0, 2.0])),
        rest_length=draw(st.sampled_from([None, 0.0, 1.0])), break_force=draw(st.sampled_from([None, None, 1e-3, 30.0])),
    )  # fmt: skip


@st.composite
def small_scenes(draw: st.DrawFn) -> Scene:
    """Up to six bodies of every kind, tied or not, in any gravity, with or without walls, drag and keyframes."""
    number = draw(st.integers(1, 6))
    frames = {
        0: (),
        1: (Keyframe(draw(st.floats(0.0, 0.5)), "gravity.y", draw(NUMBER)),),
        2: (Keyframe(0.0, "friction", 0.0, "linear"), Keyframe(0.4, "friction", 1.0), Keyframe(0.3, "restitution", 0.3)),
    }[draw(st.integers(0, 2))]
    return rigid_scene(
        *(draw(bodies(n)) for n in range(number)),
        constraints=tuple(draw(ties(n, number)) for n in range(draw(st.sampled_from([0, 0, 1, 2])))),
        duration_s=0.6,
        gravity=(draw(st.sampled_from([0.0, 1.0])), draw(st.sampled_from([0.0, -G, 3.0])), 0.0),
        restitution=draw(st.sampled_from([0.0, 0.6, 1.0])),
        friction=draw(st.sampled_from([0.0, 0.5])),
        linear_damping=draw(st.sampled_from([0.0, 0.0, 0.5, 30.0])),
        air_density=draw(st.sampled_from([0.0, 0.0, 1.2])),
        timestep=draw(st.sampled_from([None, 1 / 240, 0.02])),
        bounds=draw(st.sampled_from([None, Bounds(), Bounds((-1.0, 0.0, None), (8.0, 8.0, None))])),
        keyframes=frames,
    )


@settings(max_examples=RANDOM_SCENES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(small_scenes())
def test_any_small_scene_ends_finite_ordered_and_the_same_again(given_scene: Scene) -> None:
    try:
        run = solvers.run(given_scene, limit=20_000)
    except EngineError as refusal:
        assert refusal.field
        return
    events = run.events
    for column in (run.positions, run.velocities, run.angles, events.time, events.impulse, events.energy, events.speed, events.position):
        assert np.isfinite(column).all()
    assert np.all(np.diff(events.time) >= 0) and np.all(events.energy >= 0) and np.all(events.impulse >= 0)
    assert run.steps <= 3 * solvers.check(given_scene)
    assert solvers.run(given_scene, limit=20_000).hash() == run.hash()

"""Scenes for the physics tests: plain functions, one line at the call."""

from __future__ import annotations

import math
import random
from typing import Any

from app.engine import reference
from app.engine.physics.scene import Body, Bounds, Orbit, Physics, Scene

G = 9.80665
YEAR = 365.25 * 86400.0
AU = 149597870700.0
OPEN = Bounds((None, None, None), (None, None, None))


def ball(name: str, x: float, y: float, *, radius: float = 0.1, v: tuple[float, float, float] = (0.0, 0.0, 0.0), **fields: Any) -> Body:
    return Body(name, name, "circle", {"radius": radius}, position=(x, y, fields.pop("z", 0.0)), velocity=v, **fields)


def scene(*bodies: Body, solver: str = "ballistic", duration_s: float = 10.0, **fields: Any) -> Scene:
    keep = {name: fields.pop(name) for name in ("keyframes", "markers", "constraints") if name in fields}
    return Scene("scene", "Scene", solver, duration_s, False, 1, Physics(**fields), tuple(bodies), **keep)


def drop(e: float, *, height: float = 1.0, duration_s: float = 10.0, **physics: Any) -> Scene:
    """A ball whose lowest point is `height` above the floor."""
    return scene(ball("ball", 0.0, height + 0.1), duration_s=duration_s, restitution=e, **physics)


def gas(count: int, *, duration_s: float, fill: float = 0.05, seed: int = 3, **physics: Any) -> Scene:
    """Discs with random velocities in a square box that they fill in part."""
    draw, radius = random.Random(seed), 0.05
    side = math.sqrt(count * math.pi * radius * radius / fill)
    rows = math.ceil(math.sqrt(count))
    step = side / rows
    bodies = [
        ball(f"disc {i}", (i % rows + 0.5) * step, (i // rows + 0.5) * step, radius=radius, v=(draw.gauss(0, 1), draw.gauss(0, 1), 0.0))
        for i in range(count)
    ]
    physics.setdefault("gravity", (0.0, 0.0, 0.0))
    return scene(*bodies, duration_s=duration_s, bounds=Bounds((0.0, 0.0, None), (side, side, None)), **physics)


def star(mass: float = 1.98841e30) -> Body:
    return Body("star", "star", mass=mass, static=True)


def planet(
    name: str, period: float | None, axis: float | None = None, *, mass: float = 1.0, parent: str | None = None, **orbit: Any
) -> Body:
    return Body(name, name, mass=mass, orbit=Orbit(axis, period, parent_body_id=parent, **orbit))


def orbits(*bodies: Body, duration_s: float, time_scale: float = 1.0, **fields: Any) -> Scene:
    return scene(*bodies, solver="kepler", duration_s=duration_s, time_scale=time_scale, **fields)


def reference_scene(name: str) -> Scene:
    """The scene of a reference system, with names for ids."""
    content = reference.as_scene_content(name)
    bodies = []
    for body in content["bodies"]:
        orbit = body["orbit"] and body["orbit"] | {"parent_body_id": body["orbit"]["parent_name"]}
        bodies.append(body | {"id": body["name"], "orbit": orbit})
    return Scene.from_snapshot({"id": name, "seed": 1, **content["scene"], "physics": content["physics"], "bodies": bodies})

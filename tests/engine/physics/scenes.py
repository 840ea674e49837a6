"""Scenes for the physics tests: plain functions, one line at the call."""

from __future__ import annotations

import math
import random
from typing import Any

from app.engine import reference
from app.engine.physics.scene import Body, Bounds, Constraint, Marker, Orbit, Physics, Scene

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


def springs(*, duration_s: float = 3.0, **fields: Any) -> Scene:
    """Two balls: one hangs on a rod, the other from it on a damped spring that gives way."""
    ties = (
        Constraint("rod", "distance", "upper", anchor=(0.0, 0.0, 0.0)),
        Constraint("spring", "spring", "lower", "upper", stiffness=50.0, damping=0.2, break_force=14.0),
    )
    bodies = (ball("upper", 0.8, -0.6), ball("lower", 1.2, -1.0, radius=0.05))
    return scene(*bodies, solver="particles", duration_s=duration_s, constraints=ties, bounds=None, **fields)


def boxes(*, duration_s: float = 3.0, **fields: Any) -> Scene:
    """A box that falls on a corner, a disc that rolls, and one that hangs on a hinge."""
    box = Body("box", "box", "box", {"width": 0.4, "height": 0.2}, position=(0.0, 1.0, 0.0), angle=0.4, angular_velocity=1.0)
    hinge = Constraint("hinge", "hinge", "pendulum", anchor=(3.0, 2.0, 0.0))
    rolling, hanging = ball("disc", 1.0, 0.1, v=(1.0, 0.0, 0.0)), ball("pendulum", 3.5, 2.0)
    return scene(box, rolling, hanging, solver="rigid", duration_s=duration_s, constraints=(hinge,), restitution=0.5, **fields)


def bars(*, duration_s: float = 3.0, **fields: Any) -> Scene:
    """Two steel bars, the first struck at the start, both by a marker."""
    steel = {"density": 7860.0, "youngs_modulus": 2.119e11, "poisson": 0.291, "damping_ratio": 1e-4}
    made = [
        Body(
            name, name, mass=0.05, velocity=(speed, 0.0, 0.0), material=steel, resonator={"kind": "bar", "length": 0.2, "thickness": 0.006}
        )
        for name, speed in (("first", 1.0), ("second", 0.0))
    ]
    return scene(*made, solver="resonator", duration_s=duration_s, markers=(Marker(1.0, "both"),), **fields)


ONE_OF_EACH = {
    "ballistic": gas(12, duration_s=3.0, gravity=(0.0, -G, 0.0), restitution=0.9),
    "kepler": orbits(star(), planet("near", 1.0, eccentricity=0.3), planet("far", 2.7, mean_anomaly=1.0), duration_s=3.0),
    "nbody": scene(
        Body("sun", "sun", mass=1.0), Body("planet", "planet", mass=1e-3, position=(1.0, 0.0, 0.0), velocity=(0.0, 1.1, 0.0)),
        solver="nbody", duration_s=9.0, gravitational_constant=1.0,
    ),
    "particles": springs(),
    "resonator": bars(),
    "rigid": boxes(),
}  # fmt: skip
"""A scene for each solver of the roll-call in which something happens."""

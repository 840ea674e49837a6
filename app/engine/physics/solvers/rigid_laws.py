"""What acts on rigid bodies from outside and may change in time: gravity, drag, and the surfaces' restitution and friction."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pymunk import batch

from app.engine.physics.scene import Scene
from app.engine.physics.solvers.rigid_library import Reading
from app.engine.physics.solvers.rigid_plan import CHANGEABLE
from app.engine.physics.solvers.rigid_space import World
from app.engine.physics.timeline import frames_of, value_at

Array = NDArray[np.float64]


class Laws:
    """The laws of a world at the moment, by its scene's keyframes; `act` applies the drag that the library does not know.

    Linear damping takes the same part of every velocity, exp(-k t), and leaves rotation alone. Air takes c |v| v of it, with
    c = rho C_d A / (2 m); A is the body's area in the plane, which is the frontal area of a sphere or cube, and C_d theirs.

    Attributes
    ----------
    gravity : m/s^2, as it is now
    slowest : the speed of approach (m/s) up to which two bodies that meet stay together: the next bounce would be over in two steps
    changing : whether anything changes in time
    acts_after : whether there is drag
    """

    def __init__(self, world: World) -> None:
        self._world, self._scene = world, world.scene
        self._frames = {name: frames for name in CHANGEABLE if (frames := frames_of(world.scene, name))}
        self._values = start_values(world.scene)
        self._now: dict[str, float] = {}
        self._velocities = Reading(world.space, batch.BodyFields.BODY_ID | batch.BodyFields.VELOCITY)
        self._drag: Array | None = None
        self.gravity, self.slowest = (0.0, 0.0), 0.0
        self.changing = bool(self._frames)
        self.acts_after = any(
            max([self._values[name], *(frame.value for frame in self._frames.get(name, ()))]) > 0
            for name in ("linear_damping", "air_density")
        )
        self.change(0.0)

    @property
    def damping(self) -> float:
        """Linear damping (1/s) as it is now."""
        return self._now["linear_damping"]

    def change(self, time: float) -> None:
        """Put in force what holds at a simulated time (s)."""
        scale = self._scene.physics.time_scale
        now = self._values | {name: value_at(frames, self._values[name], time / scale) for name, frames in self._frames.items()}
        before, self._now = self._now, now
        if any(now[name] != before.get(name) for name in ("gravity.x", "gravity.y", "linear_damping")):
            # After the step a velocity decays: what gravity gave it in the step is to be (1 - exp(-z)) / z of g dt then.
            z = now["linear_damping"] * self._world.plan.step
            more = math.expm1(z) / z if z > 0 else 1.0
            self._world.space.gravity = now["gravity.x"] * more, now["gravity.y"] * more
            self.gravity = now["gravity.x"], now["gravity.y"]
            self.slowest = math.hypot(*self.gravity) * self._world.plan.step + 1e-12 * self._world.plan.speed
        if any(now[name] != before.get(name, self._values[name]) for name in ("restitution", "friction")):
            self._world.set_surfaces(now["restitution"], now["friction"])

    def act(self) -> None:
        """Let the drag of a step act on all bodies."""
        world, step = self._world, self._world.plan.step
        self._velocities.read()
        velocities = np.frombuffer(self._velocities.floats(), dtype=np.float64).reshape(-1, 2)
        if self._drag is None:
            order = [world.index[identity] for identity in memoryview(self._velocities.integers()).cast("P")]
            self._drag = np.array([0.0 if index < 0 else _drag(world, index) for index in order])
        if self.damping > 0:
            velocities *= math.exp(-self.damping * step)
        if self._now["air_density"] > 0:
            speeds = np.sqrt(velocities[:, 0] * velocities[:, 0] + velocities[:, 1] * velocities[:, 1])
            velocities /= (1.0 + self._now["air_density"] * step * self._drag * speeds)[:, None]
        batch.set_space_bodies(world.space, batch.BodyFields.VELOCITY, self._velocities.buffer)

    def begin(self, vx: float, vy: float, index: int) -> tuple[float, float]:
        """The mean velocity of a body's first step from that without drag."""
        z = self.damping * self._world.plan.step
        part = -math.expm1(-z) / z if z > 0 else 1.0
        part /= 1.0 + self._now["air_density"] * 0.5 * self._world.plan.step * _drag(self._world, index) * math.hypot(vx, vy)
        return vx * part, vy * part


def start_values(scene: Scene) -> dict[str, float]:
    """The parameters of CHANGEABLE before the first keyframe."""
    physics = scene.physics
    return {
        "gravity.x": physics.gravity[0], "gravity.y": physics.gravity[1], "linear_damping": physics.linear_damping,
        "air_density": physics.air_density, "restitution": physics.restitution, "friction": physics.friction,
    }  # fmt: skip


def _drag(world: World, index: int) -> float:
    """C_d A / (2 m) of a body, m^2/kg."""
    form = world.forms[index]
    return 0.5 * form.drag * form.area / world.mass[index]

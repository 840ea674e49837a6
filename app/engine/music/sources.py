"""Sources: the physical quantities that music is made from, read off a trajectory at any moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.errors import EngineError
from app.engine.music.curves import Floats, each
from app.engine.physics.constraints import LINKS
from app.engine.physics.scene import Orbit, Scene
from app.engine.physics.timeline import frames_of, value_at
from app.engine.physics.trajectory import Trajectory, Turning

Integers = NDArray[np.int64]

UNITS = {
    "period": "s",
    "frequency": "Hz",
    "position.x": "m",
    "position.y": "m",
    "position.z": "m",
    "speed": "m/s",
    "acceleration": "m/s^2",
    "kinetic_energy": "J",
    "impulse": "N*s",
    "angle": "rad",
    "separation": "m",
    "temperature": "K",
    "mass": "kg",
}
"""Quantities that a mapping can read, with their units; besides them `custom.NAME`."""

CONSTANT = frozenset({"period", "frequency", "mass"})
"""Quantities that a body keeps for the whole scene."""

EVENT_ONLY = frozenset({"impulse"})
"""Quantities that exist only in a collision."""

_CUSTOM = "custom."
_AXES = {"position.x": 0, "position.y": 1, "position.z": 2}
_STATES_AT_ONCE = 500_000


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Moments at which bodies are read; all columns have the same length n.

    Attributes
    ----------
    time : float64 (n,), simulated s
    body, other : int64 (n,), indices in the scene; `other` is -1 where there is none
    impulse : float64 (n,), N s
    arriving : read the state that a body arrives with (a collision), not the one it leaves with
    """

    time: Floats
    body: Integers
    other: Integers
    impulse: Floats
    arriving: bool = False

    def __len__(self) -> int:
        return len(self.time)

    def where(self, chosen: NDArray[Any]) -> Occurrences:
        """Those chosen by a mask or by indices."""
        return Occurrences(self.time[chosen], self.body[chosen], self.other[chosen], self.impulse[chosen], self.arriving)


def moments(times: Floats, bodies: Sequence[int]) -> Occurrences:
    """Every body at every time: all times of the first body, then of the next."""
    count = len(times) * len(bodies)
    body = np.repeat(np.asarray(bodies, dtype=np.int64), len(times))
    return Occurrences(np.tile(times, len(bodies)), body, np.full(count, -1, dtype=np.int64), np.zeros(count))


def unit_of(quantity: str, scene: Scene) -> str:
    """The unit of a quantity. Raises EngineError when there is none of that name."""
    if quantity in UNITS:
        return UNITS[quantity]
    custom = scene.physics.custom.get(quantity.removeprefix(_CUSTOM)) if quantity.startswith(_CUSTOM) else None
    if custom is None:
        raise EngineError(f"Must be one of {', '.join(UNITS)}, or {_CUSTOM}NAME of a custom parameter of the scene.", "source.quantity")
    return str(custom.get("unit") or "1")


def is_constant(quantity: str, scene: Scene) -> bool:
    """Whether a quantity keeps its value over the scene."""
    is_parameter = quantity == "temperature" or quantity.startswith(_CUSTOM)
    return quantity in CONSTANT or (is_parameter and all(frame.parameter != quantity for frame in scene.keyframes))


def parent_of(orbit: Orbit, scene: Scene) -> int | None:
    """The index of the body that an orbit goes round: its own parent, else the heaviest static body."""
    if orbit.parent_body_id is not None:
        return next((index for index, body in enumerate(scene.bodies) if body.id == str(orbit.parent_body_id)), None)
    static = [index for index, body in enumerate(scene.bodies) if body.static]
    return max(static, key=lambda index: scene.bodies[index].mass, default=None)


class Readings:
    """Reads quantities off a finished trajectory."""

    def __init__(self, scene: Scene, trajectory: Trajectory) -> None:
        self.scene = scene
        self.trajectory = trajectory
        self._parents = [parent_of(body.orbit, scene) if body.orbit else None for body in scene.bodies]
        self._anchors = _anchors(scene)

    def values(self, quantity: str, at: Occurrences) -> Floats:
        """The quantity of each occurrence's body, in the unit of `unit_of`, shape (n,).

        Raises EngineError, naming body and quantity, where a body does not have it.
        """
        if quantity in _AXES:
            return self._states(at)[0][:, _AXES[quantity]]
        if quantity in ("speed", "kinetic_energy"):
            velocity = self._states(at)[1]
            return _length(velocity) if quantity == "speed" else 0.5 * self._masses(at) * _square(velocity)
        if quantity == "acceleration":
            return _length(self._picked(at, lambda times: (self.trajectory.motion.acceleration(times),))[0])
        if quantity == "separation":
            return self._separation(at)
        if quantity == "angle":
            return self._angle(at)
        if quantity == "mass":
            return self._masses(at)
        if quantity == "impulse":
            return at.impulse
        if quantity in CONSTANT:
            return self._of_orbits(quantity, at)
        return self._parameter(quantity, at.time)

    def _masses(self, at: Occurrences) -> Floats:
        return np.array([body.mass for body in self.scene.bodies])[at.body]

    def _of_orbits(self, quantity: str, at: Occurrences) -> Floats:
        columns = self.trajectory.quantities
        known = columns.get(quantity)
        values = np.full(len(at), np.nan) if known is None else np.asarray(known, dtype=np.float64)[at.body]
        missing = np.flatnonzero(~np.isfinite(values))
        if len(missing):
            raise EngineError(f"{self._name(at.body[missing[0]])} has no {quantity} of its own in this scene.", "source.quantity")
        return values

    def _states(self, at: Occurrences) -> tuple[Floats, Floats]:
        """Positions and velocities (n, 3) of the occurrences' bodies."""
        position, velocity = self._picked(at, self.trajectory.motion.at)
        return position, velocity

    def _picked(self, at: Occurrences, read: Callable[[Floats], tuple[Floats, ...]]) -> list[Floats]:
        """What `read` gives for all bodies, (T, N, 3) each, picked for the occurrences' bodies, (n, 3) each."""
        # Just before a collision the motion is still on the flight that leads to it.
        times = np.maximum(np.nextafter(at.time, -np.inf), 0.0) if at.arriving else at.time
        unique, place = np.unique(times, return_inverse=True)
        order = np.argsort(place, kind="stable")
        step = max(1, _STATES_AT_ONCE // max(1, len(self.scene.bodies)))
        picked: list[Floats] = []
        for start in range(0, max(1, len(unique)), step):
            here = order[np.searchsorted(place[order], start) : np.searchsorted(place[order], start + step)]
            columns = read(unique[start : start + step])
            picked = picked or [np.empty((len(at), 3)) for _ in columns]
            for column, values in zip(picked, columns, strict=True):
                column[here] = values[place[here] - start, at.body[here]]
        return picked

    def _separation(self, at: Occurrences) -> Floats:
        others = np.array([self._partner(int(body), int(other)) for body, other in zip(at.body, at.other, strict=True)], dtype=np.int64)
        return _length(self._states(at)[0] - self._others(at, others)[0])

    def _partner(self, body: int, other: int) -> int:
        if other >= 0:
            return other
        parent = self._parents[body]
        if parent is not None:
            return parent
        if len(self.scene.bodies) == 2:
            return 1 - body
        raise EngineError(
            f"{self._name(body)} has no other body to be separated from; take an event of two bodies or an orbit.", "source.quantity"
        )

    def _others(self, at: Occurrences, others: Integers) -> tuple[Floats, Floats]:
        return self._states(Occurrences(at.time, others, at.body, at.impulse, at.arriving))

    def _angle(self, at: Occurrences) -> Floats:
        """In rad: of a body that turns its own angle, of one that hangs on a fixed point that from straight down, else its longitude."""
        motion = self.trajectory.motion
        if isinstance(motion, Turning):
            times, place = np.unique(at.time, return_inverse=True)
            angles: Floats = motion.turned(times)[0]
            return angles[place, at.body]
        anchors = [self._anchors.get(body) for body in at.body.tolist()]
        if self._anchors and None not in anchors:
            hanging = self._states(at)[0] - np.array(anchors)
            swung: Floats = np.arctan2(hanging[:, 0], -hanging[:, 1])
            return swung
        return self._true_longitude(at)

    def _true_longitude(self, at: Occurrences) -> Floats:
        """Node plus angle in the plane of the orbit, from the parent, in (-pi, pi]."""
        orbits = [self.scene.bodies[body].orbit for body in at.body.tolist()]
        parents = [self._parents[body] for body in at.body.tolist()]
        lost = next((body for body, parent in zip(at.body, parents, strict=True) if parent is None), None)
        if lost is not None:
            raise EngineError(f"{self._name(lost)} has no angle: it has no orbit and hangs on no fixed point.", "source.quantity")
        relative = self._states(at)[0] - self._others(at, np.asarray(parents, dtype=np.int64))[0]
        angles = [_longitude(vector, orbit) for vector, orbit in zip(relative.tolist(), orbits, strict=True) if orbit is not None]
        return np.array(angles, dtype=np.float64)

    def _parameter(self, quantity: str, times: Floats) -> Floats:
        """A parameter of the scene, by its keyframes where it has some."""
        physics = self.scene.physics
        start = physics.temperature if quantity == "temperature" else float(physics.custom[quantity.removeprefix(_CUSTOM)]["value"])
        frames = frames_of(self.scene, quantity)
        if not frames:
            return np.full(len(times), start)
        return each(lambda time: value_at(frames, start, time / physics.time_scale), times)

    def _name(self, body: int) -> str:
        return f"Body {self.scene.bodies[int(body)].name!r}"


def _anchors(scene: Scene) -> dict[int, tuple[float, float, float]]:
    """By the index of a body, the fixed point or static body that a spring or distance holds it to; the first one where there are more."""
    index = {body.id: number for number, body in enumerate(scene.bodies)}
    found: dict[int, tuple[float, float, float]] = {}
    for one in scene.constraints:
        if one.kind not in LINKS or one.body_id not in index:
            continue
        ends = [(one.body_id, one.other_body_id), (one.other_body_id, one.body_id)] if one.other_body_id else [(one.body_id, None)]
        for mine, other in ends:
            held = scene.bodies[index[other]] if other in index else None
            place = one.anchor if other is None else held.position if held is not None and held.static else None
            if place is not None and mine in index:
                found.setdefault(index[mine], place)
    return found


def _square(vectors: Floats) -> Floats:
    squares: Floats = vectors[:, 0] * vectors[:, 0] + vectors[:, 1] * vectors[:, 1] + vectors[:, 2] * vectors[:, 2]
    return squares


def _length(vectors: Floats) -> Floats:
    lengths: Floats = np.sqrt(_square(vectors))
    return lengths


def _longitude(vector: list[float], orbit: Orbit) -> float:
    x, y, z = vector
    node, tilt = orbit.longitude_of_node, orbit.inclination
    along = x * math.cos(node) + y * math.sin(node)
    across = (y * math.cos(node) - x * math.sin(node)) * math.cos(tilt) + z * math.sin(tilt)
    angle = math.remainder(node + math.atan2(across, along), math.tau)
    return math.pi if angle == -math.pi else angle

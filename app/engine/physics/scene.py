"""The scene as a solver sees it: a frozen snapshot with every value in force.

A snapshot is plain JSON, in the shapes of the REST API with every default filled in; `Scene.from_snapshot` reads it.
Services build it from rows, and it is stored with each artefact, so that a piece can be made again from it alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.engine.errors import EngineError

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Planes that the bodies stay within, in m; None leaves a side open. Vectors are (x, y, z)."""

    minimum: tuple[float | None, float | None, float | None] = (None, 0.0, None)
    maximum: tuple[float | None, float | None, float | None] = (None, None, None)


@dataclass(frozen=True, slots=True)
class Physics:
    """The physics parameters in force; fields and units as in the catalogue (`app.engine.catalogue.PHYSICS`)."""

    gravity: Vector = (0.0, -9.80665, 0.0)
    time_scale: float = 1.0
    linear_damping: float = 0.0
    air_density: float = 0.0
    restitution: float = 1.0
    friction: float = 0.1
    temperature: float = 293.15
    pressure: float = 101325.0
    gravitational_constant: float = 6.67430e-11
    timestep: float | None = None
    bounds: Bounds | None = Bounds()
    custom: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Orbit:
    """Keplerian elements about `parent_body_id` (None: the scene's heaviest static body); SI, angles in rad.

    Without an axis and a period it says in `nbody` what a body goes around, and the body has a state of its own.
    """

    semi_major_axis: float | None
    period: float | None
    eccentricity: float = 0.0
    inclination: float = 0.0
    longitude_of_node: float = 0.0
    argument_of_periapsis: float = 0.0
    mean_anomaly: float = 0.0
    epoch: str | None = None
    parent_body_id: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """One body. Lengths in m, mass in kg, angles in rad.

    `size` holds {"radius"} for a circle, {"width", "height"} for a box, {"vertices": [[x, y], ...]} for a polygon, {} for a point.
    `static` bodies never move and count as infinitely heavy in collisions; `sensor` bodies are passed through.
    """

    id: str
    name: str
    shape: str = "point"
    size: Mapping[str, Any] = field(default_factory=dict)
    mass: float = 1.0
    position: Vector = (0.0, 0.0, 0.0)
    velocity: Vector = (0.0, 0.0, 0.0)
    angle: float = 0.0
    angular_velocity: float = 0.0
    restitution: float | None = None
    friction: float | None = None
    static: bool = False
    sensor: bool = False
    material: Mapping[str, Any] | None = None
    orbit: Orbit | None = None
    resonator: Mapping[str, Any] | None = None

    @property
    def radius(self) -> float:
        """The radius in m; 0 for anything but a circle."""
        return float(self.size.get("radius", 0.0)) if self.shape == "circle" else 0.0


@dataclass(frozen=True, slots=True)
class Constraint:
    """What ties a body to another one, or to a fixed point of the scene. Lengths in m.

    Attributes
    ----------
    kind : `spring` pulls the two centres towards its length; `distance` keeps them at it, like a massless rod; `hinge` holds the two
        together at one point about which they turn freely; `pin` holds them together so that they neither slide nor turn
    other_body_id : None for a fixed point of the scene
    anchor : where the fixed point is, or with another body the point of a hinge or pin at the start (None: the other body's centre)
    stiffness, damping : of a spring, N/m and N s/m along it
    rest_length : of a spring or a distance; None is their distance at the start
    break_force : N, past which the constraint is gone; None never
    arm, other_arm : the point of a hinge or pin as seen by the body and by the other one, in their own axes from their centres (without
        another body in scene coordinates); None where `anchor` says it for the start
    turn : the other body's angle less the body's that a pin keeps, rad; None as at the start
    """

    id: str
    kind: str
    body_id: str
    other_body_id: str | None = None
    anchor: Vector | None = None
    stiffness: float | None = None
    damping: float = 0.0
    rest_length: float | None = None
    break_force: float | None = None
    arm: tuple[float, float] | None = None
    other_arm: tuple[float, float] | None = None
    turn: float | None = None


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A value of one physics parameter (`gravity.y`, `restitution`, ...) from a score time (s) on."""

    time_s: float
    parameter: str
    value: float
    interpolation: str = "step"


@dataclass(frozen=True, slots=True)
class Marker:
    """A named moment of score time (s); it becomes an event of kind `marker`."""

    time_s: float
    name: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a performance depends on. `voices`, `mappings` and `harmony` are read by app.engine.music."""

    id: str
    name: str
    solver: str
    duration_s: float
    loop: bool
    seed: int
    physics: Physics
    bodies: tuple[Body, ...]
    constraints: tuple[Constraint, ...] = ()
    voices: tuple[Mapping[str, Any], ...] = ()
    mappings: tuple[Mapping[str, Any], ...] = ()
    harmony: Mapping[str, Any] = field(default_factory=dict)
    keyframes: tuple[Keyframe, ...] = ()
    markers: tuple[Marker, ...] = ()

    @classmethod
    def from_snapshot(cls, snapshot: Mapping[str, Any]) -> Scene:
        """The scene of a stored snapshot. Raises EngineError when it is not one."""
        try:
            timeline = snapshot.get("timeline") or {}
            return cls(
                id=str(snapshot["id"]),
                name=snapshot["name"],
                solver=snapshot["solver"],
                duration_s=float(snapshot["duration_s"]),
                loop=bool(snapshot.get("loop", False)),
                seed=int(snapshot["seed"]),
                physics=_physics(snapshot["physics"]),
                bodies=tuple(_body(body) for body in snapshot["bodies"]),
                constraints=tuple(_constraint(one) for one in snapshot.get("constraints", ())),
                voices=tuple(snapshot.get("voices", ())),
                mappings=tuple(snapshot.get("mappings", ())),
                harmony=snapshot.get("harmony") or {},
                keyframes=tuple(Keyframe(**frame) for frame in timeline.get("keyframes", ())),
                markers=tuple(Marker(**marker) for marker in timeline.get("markers", ())),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, EngineError):
                raise
            raise EngineError(f"Not a scene snapshot: {error!r}") from error


def inputs_hash(document: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of the canonical JSON of some inputs: keys sorted, no spaces, shortest floats."""
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def vector(value: Mapping[str, float] | None) -> Vector:
    """{"x", "y", "z"} as a tuple; absent components are 0."""
    value = value or {}
    return float(value.get("x") or 0.0), float(value.get("y") or 0.0), float(value.get("z") or 0.0)


def _physics(given: Mapping[str, Any]) -> Physics:
    plain = {key: value for key, value in given.items() if key not in ("gravity", "bounds")}
    box = given.get("bounds")
    sides = None
    if box is not None:
        low, high = box.get("min") or {}, box.get("max") or {}
        sides = Bounds((low.get("x"), low.get("y"), low.get("z")), (high.get("x"), high.get("y"), high.get("z")))
    return Physics(gravity=vector(given["gravity"]), bounds=sides, **plain)


def _constraint(given: Mapping[str, Any]) -> Constraint:
    fields = {name: given[name] for name in Constraint.__slots__ if given.get(name) is not None}
    for name in ("id", "body_id", "other_body_id"):
        if name in fields:
            fields[name] = str(fields[name])
    if "anchor" in fields:
        fields["anchor"] = vector(fields["anchor"])
    return Constraint(**fields)


def _body(given: Mapping[str, Any]) -> Body:
    fields = {name: given[name] for name in Body.__slots__ if name in given}
    fields["id"] = str(given["id"])
    fields["size"] = given.get("size") or {}
    fields["position"] = vector(given.get("position"))
    fields["velocity"] = vector(given.get("velocity"))
    orbit = given.get("orbit")
    fields["orbit"] = Orbit(**{k: v for k, v in orbit.items() if k in Orbit.__slots__}) if orbit else None
    return Body(**fields)

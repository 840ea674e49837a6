"""What a run of rigid bodies takes: the step, the frames that are kept, and the scales that sizes and speeds give."""

from __future__ import annotations

import math
from dataclasses import dataclass

from app.engine.errors import Contradiction, TooExpensive
from app.engine.physics.scene import Bounds, Scene
from app.engine.physics.solvers.rigid_shapes import Form, form_of
from app.engine.physics.timeline import frames_of

CHANGEABLE = ("gravity.x", "gravity.y", "linear_damping", "air_density", "restitution", "friction")
"""Parameters whose keyframes are followed."""

STEP_S = 1.0 / 960.0
"""The longest step (simulated s) where the scene sets none."""

TRAVEL = 0.25
"""Part of the thinnest body's half thickness that the fastest one moves in a step, at most, where the scene sets none."""

SWING = 0.1
"""Radians that the stiffest spring swings through in a step, at most, where the scene sets none; past STIFF it would not hold together."""

STIFF = 1.0
DECAY = 0.02
"""Part of its speed that a body loses to linear damping in a step, at most, where the scene sets none."""

DISC_FRAME_S, FRAME_S, TIED_FRAME_S, FRAMES_PER_S = 1.0 / 60.0, 1.0 / 120.0, 1.0 / 240.0, 30
"""Simulated s between the frames that a run keeps, of discs, of other shapes and with constraints, and the fewest frames per second."""

STATE_LIMIT = 2_500_000
"""Frames times bodies that a run may keep; each takes 48 bytes."""

FEWEST_STEPS = 16
OVERLAP = 1e-4
"""Overlap of resting bodies that is let be, in thicknesses of the thinnest; more where a step of gravity is longer."""

IDLE = 0.01
"""Speed below which a body counts as lying still, in steps of gravity."""

FURTHEST = 1e8
"""How far the bounds go on past the bodies, at most, in sizes of the room."""

OPEN = Bounds((None, None, None), (None, None, None))


@dataclass(frozen=True, slots=True)
class Plan:
    """How a scene is run.

    Attributes
    ----------
    steps, step, every : the number of steps, their length (simulated s), and the steps from one frame to the next
    slop : overlap (m) that is let be
    idle : speed (m/s) below which a body lies still
    sleeps : whether bodies that lie still may be left out of the steps
    range : x_low, x_high, y_low, y_high that bodies may reach, m
    thickness : half that of the bounds, m
    speed : the speed (m/s) that bodies are taken to reach
    longest : the longest step (s) in which no body moves further than half its thickness
    """

    steps: int
    step: float
    every: int
    slop: float
    idle: float
    sleeps: bool
    range: tuple[float, float, float, float]
    thickness: float
    speed: float
    longest: float


def forms_of(scene: Scene) -> tuple[Form, ...]:
    """The forms of all bodies. Raises EngineError for a size that is none."""
    return tuple(form_of(body, f"bodies.{index}") for index, body in enumerate(scene.bodies))


def plan_of(scene: Scene, forms: tuple[Form, ...]) -> Plan:
    """The plan of a scene. Raises Contradiction for a step in which a spring would not hold, TooExpensive for too many frames."""
    end, room = scene.duration_s * scene.physics.time_scale, room_of(scene, forms)
    speed = _speed(scene, forms, room)
    thin = min(
        (form.thickness for body, form in zip(scene.bodies, forms, strict=True) if form.thickness > 0 and not body.sensor), default=1.0
    )
    longest = thin / speed if speed > 0 else math.inf
    swing = _fastest_swing(scene)
    asked = scene.physics.timestep
    if asked is not None and swing * asked > STIFF:
        raise Contradiction(
            f"In steps of {asked:g} s the stiffest spring would not hold: the timestep must be {STIFF / swing:.3g} s or less.",
            "physics.timestep",
        )
    wanted = asked or min(STEP_S, TRAVEL * longest, SWING / swing if swing > 0 else math.inf, _slowest_decay(scene))
    steps, every = _counts(scene, forms, end, wanted)
    step = end / steps
    gravity = largest_gravity(scene)
    box = _range(scene, forms, room, speed * end, end)
    return Plan(
        steps=steps,
        step=step,
        every=every,
        slop=min(max(2.0 * OVERLAP * thin, 2.0 * gravity * step * step), 0.1 * thin),
        idle=max(IDLE * gravity * step, 1e-9 * speed),
        sleeps=gravity > 0 and not scene.constraints and not _is_damped(scene),
        range=box,
        thickness=2.0 ** math.ceil(math.log2(max(box[1] - box[0], box[3] - box[2], 4.0 * speed * step, thin))),
        speed=speed,
        longest=longest,
    )


def _counts(scene: Scene, forms: tuple[Form, ...], end: float, wanted: float) -> tuple[int, int]:
    """The number of steps, and of steps from frame to frame, which divides it."""
    count = max(len(scene.bodies), 1)
    steps = max(end / wanted, FEWEST_STEPS)
    fewest = FRAMES_PER_S * max(scene.duration_s, min(end, steps / FRAMES_PER_S))
    if not fewest * count <= STATE_LIMIT:
        raise TooExpensive(
            f"The run would keep {fewest:.3g} states of {count} bodies; the limit is {STATE_LIMIT // count}. Shorten duration_s, "
            "lower time_scale or take fewer bodies.",
            "duration_s",
        )
    if not steps < 1e15:
        raise TooExpensive(
            f"The scene would take {steps:.3g} steps. Shorten duration_s, lower time_scale or set a longer timestep.", "duration_s"
        )
    usual = FRAME_S if any(form.parts for form in forms) else DISC_FRAME_S
    usual = (TIED_FRAME_S if scene.constraints else usual) / wanted
    every = max(math.floor(usual + 1e-9), math.ceil(steps * count / STATE_LIMIT), 1)
    return math.ceil(steps / every) * every, every


def _speed(scene: Scene, forms: tuple[Form, ...], room: tuple[float, float]) -> float:
    """The speed (m/s) that the fastest body reaches: its own and that of its fall to the bound, or through the room."""
    gravity, found = strongest_gravity(scene), 0.0
    bounds = scene.physics.bounds or OPEN
    for body, form in zip(scene.bodies, forms, strict=True):
        if body.static or body.sensor:
            continue
        fall = 0.0
        for axis, (low, high) in enumerate(gravity):
            for g, plane in ((low, bounds.minimum[axis]), (high, bounds.maximum[axis])):
                depth = room[axis] if plane is None else abs(body.position[axis] - plane)
                fall = max(fall, abs(g) * depth)
        own = math.hypot(*body.velocity[:2])
        found = max(found, math.sqrt(own * own + 2.0 * fall) + abs(body.angular_velocity) * form.reach)
    return found


def room_of(scene: Scene, forms: tuple[Form, ...]) -> tuple[float, float]:
    """The width and height (m) of the space between the bounds, or else of what the bodies span."""
    bounds, sizes = scene.physics.bounds or OPEN, []
    extents = [form.extent(body) for body, form in zip(scene.bodies, forms, strict=True)]
    for axis in range(2):
        places = [edge for extent in extents for edge in extent[2 * axis : 2 * axis + 2]]
        places += [side for side in (bounds.minimum[axis], bounds.maximum[axis]) if side is not None]
        sizes.append(max(places) - min(places) if places else 0.0)
    return sizes[0], sizes[1]


def strongest_gravity(scene: Scene) -> tuple[tuple[float, float], tuple[float, float]]:
    """The lowest (0 or less) and highest (0 or more) gravity on each axis, m/s^2, keyframes included."""
    found = []
    for axis, name in enumerate(("gravity.x", "gravity.y")):
        values = [scene.physics.gravity[axis], *(frame.value for frame in frames_of(scene, name))]
        found.append((min(*values, 0.0), max(*values, 0.0)))
    return found[0], found[1]


def largest_gravity(scene: Scene) -> float:
    """The strength (m/s^2) of gravity at its strongest, about."""
    return math.hypot(*(max(-low, high) for low, high in strongest_gravity(scene)))


def _largest(scene: Scene, name: str, start: float) -> float:
    return max(start, *(frame.value for frame in frames_of(scene, name)), 0.0)


def _is_damped(scene: Scene) -> bool:
    physics = scene.physics
    return _largest(scene, "linear_damping", physics.linear_damping) > 0 or _largest(scene, "air_density", physics.air_density) > 0


def _slowest_decay(scene: Scene) -> float:
    damping = _largest(scene, "linear_damping", scene.physics.linear_damping)
    return DECAY / damping if damping > 0 else math.inf


def _fastest_swing(scene: Scene) -> float:
    """The largest rate (rad/s) at which the springs of a body swing it, all together."""
    pull: dict[str, float] = {}
    for one in scene.constraints:
        if one.kind == "spring":
            for end in (one.body_id, one.other_body_id):
                if end is not None:
                    pull[end] = pull.get(end, 0.0) + (one.stiffness or 0.0)
    rates = [pull[body.id] / body.mass for body in scene.bodies if body.id in pull and not body.static]
    # Two bodies of a spring swing against each other: at most the sum of their rates' squares.
    return math.sqrt(sum(sorted(rates)[-2:]))


def _range(
    scene: Scene, forms: tuple[Form, ...], room: tuple[float, float], travel: float, end: float
) -> tuple[float, float, float, float]:
    """What the bodies may reach: no further than the bounds where there are two, else as far as they may come."""
    bounds, gravity, found = scene.physics.bounds or OPEN, strongest_gravity(scene), []
    extents = [form.extent(body) for body, form in zip(scene.bodies, forms, strict=True)]
    size = max(*room, 1e-3)
    for axis in range(2):
        low, high = bounds.minimum[axis], bounds.maximum[axis]
        edges = [edge for extent in extents for edge in extent[2 * axis : 2 * axis + 2]]
        edges += [side for side in (low, high) if side is not None]
        fall = 0.5 * max(-gravity[axis][0], gravity[axis][1]) * end * end
        far = size if low is not None and high is not None else size + min(travel + fall, FURTHEST * size)
        found += [min(edges, default=0.0) - far, max(edges, default=0.0) + far]
    return found[0], found[1], found[2], found[3]

"""Rigid bodies in the plane z = 0: circles, boxes and polygons that turn, rub, stack and are tied, in steps of Chipmunk2D (pymunk).

Contacts have the restitution sqrt(e_a e_b) and the Coulomb friction sqrt(mu_a mu_b). A collision is the first touch of two bodies, or the
coming down of a second corner of a body that stands on one: its impulse is that along the normal over the whole hit, which is resolved in
the step in which they touch, and its time is the moment inside that step. Two that meet so slowly that a bounce would be over in two steps
of gravity stay together: a `contact`, which makes no note. Bodies tied by a hinge or pin do not collide with each other. A point does not
turn and meets everything but points; a sensor meets nothing. Concave polygons are made of triangles; a polygon's mass is spread evenly,
about its own centre of mass, wherever its position is. Linear damping and air slow velocities and leave rotation alone; the drag of air is
rho C_d A v^2 / 2 with the body's area in the plane for A and C_d of a sphere (0.47) for circles, of a cube (1.05) for boxes and polygons.

References: Catto (2005), Iterative Dynamics with Temporal Coherence, Game Developers Conference; Stronge (2000), Impact Mechanics (Newton's
law of restitution and Coulomb's law of friction).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from app.engine.errors import Contradiction, EngineError, OutOfRange, Unsupported
from app.engine.physics import constraints
from app.engine.physics.scene import Body, Constraint, Scene
from app.engine.physics.solvers import rigid_report as report
from app.engine.physics.solvers.rigid_motion import RigidMotion
from app.engine.physics.solvers.rigid_plan import CHANGEABLE, OPEN, forms_of, plan_of
from app.engine.physics.solvers.rigid_shapes import Form
from app.engine.physics.solvers.solution import Progress, Solution, check_keyframes, masses_of, named

NAME = "rigid"
DESCRIPTION = (
    "Circles, boxes and polygons in the plane that turn, rub, stack and are tied by springs, rods, hinges and pins, in small steps."
)
USES = frozenset({*CHANGEABLE, "bounds", "timestep", "time_scale"})

MOST_BODIES = 2000
KINDS = ("spring", "distance", "hinge", "pin")

FEWEST_PER_STEP, BODIES_PER_EVENT, BODIES_OF_A_STEP = 0.4, 64, 8
"""A step of N bodies counts as (8 + N) / 64 events in an estimate, and at least as 0.4."""

OUTSIDE = 0.1
"""How far outside the bounds a body may start, in half thicknesses; it is pushed back in."""

LARGEST = 1e9
"""How far from the origin bodies may be, in half thicknesses of the thinnest, so that places keep their digits."""

_LIGHTEST, _HEAVIEST = 1e-60, 1e60


def check(scene: Scene) -> None:
    """Refuse what this solver cannot honour. Raises EngineError whose `field` is the path of the offending value."""
    check_keyframes(scene, frozenset(CHANGEABLE), NAME, ramps=True)
    _check_physics(scene)
    if len(scene.bodies) > MOST_BODIES:
        raise OutOfRange(f"The solver 'rigid' takes up to {MOST_BODIES} bodies; the scene has {len(scene.bodies)}.", "bodies")
    for index, body in enumerate(scene.bodies):
        _check_body(body, f"bodies.{index}")
    forms = forms_of(scene)
    for index, (body, form) in enumerate(zip(scene.bodies, forms, strict=True)):
        _check_weight(body, form, f"bodies.{index}")
        if not (body.static or body.sensor):
            _check_inside(body, form, scene, f"bodies.{index}")
    _check_digits(scene, forms)
    for index, one in enumerate(scene.constraints):
        _check_constraint(one, scene, f"constraints.{index}")
    plan_of(scene, forms)


def _check_physics(scene: Scene) -> None:
    physics = scene.physics
    if physics.gravity[2] != 0:
        raise Unsupported("The solver 'rigid' is planar: gravity.z must be 0 m/s^2.", "physics.gravity.z")
    for axis, g in zip("xy", physics.gravity, strict=False):
        if not math.isfinite(g):
            raise OutOfRange(f"gravity.{axis} must be a finite number of m/s^2.", f"physics.gravity.{axis}")
    for name in ("linear_damping", "air_density", "restitution", "friction"):
        value = getattr(physics, name)
        if not 0.0 <= value < math.inf:
            raise OutOfRange(f"{name} must be 0 or more.", f"physics.{name}")
    if physics.timestep is not None and not 0.0 < physics.timestep < math.inf:
        raise OutOfRange("timestep must be a number of seconds above 0, or null.", "physics.timestep")
    bounds = physics.bounds or OPEN
    for axis, low, high in zip("xyz", bounds.minimum, bounds.maximum, strict=True):
        if low is not None and high is not None and low >= high:
            raise Contradiction(f"The bounds leave no room: minimum {low:g} m and maximum {high:g} m.", f"physics.bounds.max.{axis}")
    if (bounds.minimum[2] or 0.0) > 0.0 or (bounds.maximum[2] or 0.0) < 0.0:
        raise Contradiction("The solver 'rigid' is planar, and the bounds leave out the plane z = 0 m.", "physics.bounds")


def _check_body(body: Body, path: str) -> None:
    if body.orbit is not None:
        raise Unsupported(f"{named(body)} has an orbit, which 'rigid' does not follow; use 'kepler'.", f"{path}.orbit")
    for name in ("position", "velocity"):
        vector = getattr(body, name)
        if not all(math.isfinite(component) for component in vector):
            raise OutOfRange(f"The {name} of {body.name!r} must be finite numbers.", f"{path}.{name}")
        if vector[2] != 0:
            raise Unsupported(f"The solver 'rigid' is planar: the {name} of {body.name!r} must have z = 0.", f"{path}.{name}")
    for name in ("angle", "angular_velocity"):
        if not math.isfinite(getattr(body, name)):
            raise OutOfRange(f"The {name} of {body.name!r} must be a finite number.", f"{path}.{name}")
    for name in ("restitution", "friction"):
        value = getattr(body, name)
        if value is not None and not 0.0 <= value < math.inf:
            raise OutOfRange(f"The {name} of {body.name!r} must be 0 or more.", f"{path}.{name}")


def _check_weight(body: Body, form: Form, path: str) -> None:
    moment = body.mass if math.isinf(form.gyration) else body.mass * form.gyration
    if not (_LIGHTEST < body.mass < _HEAVIEST and _LIGHTEST < moment < _HEAVIEST):
        raise OutOfRange(
            f"{named(body)} needs a mass and a moment of inertia between {_LIGHTEST:g} and {_HEAVIEST:g} kg and kg m^2.", f"{path}.mass"
        )


def _check_inside(body: Body, form: Form, scene: Scene, path: str) -> None:
    bounds, extent = scene.physics.bounds or OPEN, form.extent(body)
    for axis, name in enumerate("xy"):
        low, high = bounds.minimum[axis], bounds.maximum[axis]
        slack = OUTSIDE * form.thickness + 1e-9 * abs(body.position[axis])
        if low is not None and extent[2 * axis] < low - slack:
            raise EngineError(f"{named(body)} is outside the bounds: {name} must be {low:g} m or more at its edge.", f"{path}.position")
        if high is not None and extent[2 * axis + 1] > high + slack:
            raise EngineError(f"{named(body)} is outside the bounds: {name} must be {high:g} m or less at its edge.", f"{path}.position")


def _check_digits(scene: Scene, forms: tuple[Form, ...]) -> None:
    thin = min((form.thickness for form in forms if form.thickness > 0), default=0.0)
    for index, body in enumerate(scene.bodies):
        furthest = max(abs(body.position[0]), abs(body.position[1]), forms[index].reach)
        if thin > 0 and furthest > LARGEST * thin:
            raise OutOfRange(
                f"{named(body)} reaches {furthest:.3g} m from the origin; beside a body {2 * thin:.3g} m thick the limit is "
                f"{LARGEST * thin:.3g} m.",
                f"bodies.{index}.position",
            )


def _check_constraint(one: Constraint, scene: Scene, path: str) -> None:
    if one.kind not in KINDS:
        raise Unsupported(f"The solver 'rigid' has the constraints {', '.join(KINDS)}, not {one.kind!r}.", f"{path}.kind")
    body, other = constraints.ends(one, path, scene)
    if body == other:
        raise Contradiction("A constraint ties a body to another one, not to itself.", f"{path}.other_body_id")
    if all(scene.bodies[index].static for index in (body, other) if index is not None):
        raise Contradiction("A constraint needs a body that moves at one of its ends.", f"{path}.body_id")
    if one.kind in ("hinge", "pin") and all(index is not None and _is_point(scene.bodies[index]) for index in (body, other)):
        raise Unsupported(f"A {one.kind} of two points has nothing to turn; use the constraint distance.", f"{path}.kind")
    if one.kind == "spring" and not (one.stiffness is not None and 0.0 < one.stiffness < math.inf):
        raise OutOfRange("A spring needs a stiffness above 0 N/m.", f"{path}.stiffness")
    if not 0.0 <= one.damping < math.inf:
        raise OutOfRange("The damping of a spring must be 0 N s/m or more.", f"{path}.damping")
    if one.rest_length is not None and not 0.0 <= one.rest_length < math.inf:
        raise OutOfRange("rest_length must be 0 m or more, or null.", f"{path}.rest_length")
    if one.break_force is not None and not 0.0 < one.break_force < math.inf:
        raise OutOfRange("break_force must be more than 0 N, or null.", f"{path}.break_force")
    if one.anchor is not None and one.anchor[2] != 0:
        raise Unsupported("The solver 'rigid' is planar: an anchor must have z = 0.", f"{path}.anchor")
    for name in ("anchor", "arm", "other_arm"):
        if not all(math.isfinite(number) for number in getattr(one, name) or ()):
            raise OutOfRange(f"{name} must be finite numbers of m.", f"{path}.{name}")


def _is_point(body: Body) -> bool:
    return body.shape == "point" and not body.static


def estimate(scene: Scene) -> int:
    """The work of a run: its steps, which are known, weighted by the number of bodies. The scene has passed `check`."""
    plan = plan_of(scene, forms_of(scene))
    return math.ceil(plan.steps * max(FEWEST_PER_STEP, (BODIES_OF_A_STEP + len(scene.bodies)) / BODIES_PER_EVENT))


def restored(scene: Scene, columns: Mapping[str, NDArray[Any]]) -> RigidMotion:
    """The motion of a run of the scene, from what its `columns()` gave."""
    return RigidMotion.of_columns(columns)


def solve(scene: Scene, progress: Progress, limit: int) -> Solution:
    """Run the scene to its end. Raises TooExpensive when more than `limit` events happen, and whatever `progress` raises."""
    from app.engine.physics.solvers import rigid_steps  # noqa: PLC0415  pymunk, which a process that only checks does without

    forms = forms_of(scene)
    plan = plan_of(scene, forms)
    run = rigid_steps.Run(scene, forms, plan, progress, limit)
    motion, events = run.motion(), run.events()
    ended_at = None if run.whole == plan.steps else motion.end
    if ended_at is not None:
        events = events[events[:, 0] <= motion.end]
    account = report.Account(scene, forms, plan, run.frames[0], run.frames[-1], events, run.contacts.lasting)
    return Solution(
        motion=motion,
        events=events,
        masses=masses_of(scene),
        steps=run.whole,
        settled_at=ended_at,
        conservation=report.conservation(account),
        closed_form=[] if run.overlaps else report.bounce_times(account),
        warnings=report.warnings(scene, plan, run.overlaps, ended_at),
    )

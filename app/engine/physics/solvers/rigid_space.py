"""A scene as a space of the rigid-body library: bodies, bounds and constraints, in the order of the scene.

The library multiplies the restitutions and frictions of two shapes; each shape has the root of its own, so that a contact has
sqrt(e_a e_b) and sqrt(mu_a mu_b). Shapes have a skin a little thinner than the overlap that is let be: what touches is in contact at once.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import pymunk

from app.engine.physics import constraints
from app.engine.physics.constraints import LINKS
from app.engine.physics.events import BOUND
from app.engine.physics.scene import Body, Constraint, Scene
from app.engine.physics.solvers.rigid_plan import OPEN, Plan
from app.engine.physics.solvers.rigid_shapes import Form

SKIN = 1e-3
"""Thickness of the skin of a shape, in overlaps that are let be."""

SLEEP_S = 0.5
"""Bodies that have lain still for so long, in simulated s, sleep until something meets them."""

JOINT_STIFFNESS = 0.2
"""Part of a joint's error that is taken back in a step."""

_DISC_ITERATIONS, _ITERATIONS = 10, 20


@dataclass
class Joint:
    """A constraint in force: its index in the scene, the bodies' indices (BOUND for a fixed point) and what holds it in the library."""

    index: int
    body: int
    other: int
    break_force: float | None
    holds: tuple[pymunk.Constraint, ...]

    def force(self, step: float) -> float:
        """The force (N) of the last step, from its impulse, whichever way it acts."""
        return abs(self.holds[0].impulse) / step


class World:
    """The space of a scene and what is known of its bodies, which have the indices of the scene; BOUND (-1) is the bounds.

    Attributes
    ----------
    bodies : the library's; sensors are among them, without a shape
    radius : m, None for what is no disc
    bounce, grip : roots of restitution and friction
    mass, moment : kg and kg m^2, infinite for what does not move or turn
    joints : constraints in force
    moves : whether a body moves
    held, free : bodies that a constraint holds, and whether a body moves and is held by none
    """

    def __init__(self, scene: Scene, forms: tuple[Form, ...], plan: Plan) -> None:
        self.scene, self.forms, self.plan = scene, forms, plan
        self.skin = SKIN * plan.slop
        space = self.space = pymunk.Space(threaded=False)
        space.gravity = scene.physics.gravity[:2]
        space.iterations = _ITERATIONS if scene.constraints or any(form.parts for form in forms) else _DISC_ITERATIONS
        space.collision_slop = plan.slop
        if plan.sleeps:
            space.sleep_time_threshold = SLEEP_S
            space.idle_speed_threshold = plan.idle
        self.bodies = [_body(body, form) for body, form in zip(scene.bodies, forms, strict=True)]
        self.shapes = [self._shapes(*one) for one in zip(scene.bodies, self.bodies, forms, strict=True)]
        space.add(*self.bodies, *(shape for shapes in self.shapes for shape in shapes))
        moments = [math.inf if body.static else body.mass * form.gyration for body, form in zip(scene.bodies, forms, strict=True)]
        # The last of each list is that of BOUND, -1.
        self.mass, self.moment = [*(math.inf if body.static else body.mass for body in scene.bodies), math.inf], [*moments, math.inf]
        self.moves = [mass < math.inf for mass in self.mass]
        self.radius = [None if form.parts else form.radius for form in forms] + [0.0]
        self._add_bounds()
        self.set_surfaces(scene.physics.restitution, scene.physics.friction)
        tied = constraints.resolved(scene)
        self.joints = [self._joint(number, one) for number, one in enumerate(tied)]
        self.held = {index for joint in self.joints for index in (joint.body, joint.other)}
        self.free = [moves and index not in self.held for index, moves in enumerate(self.moves)]
        self.index = {space.static_body.id: BOUND} | {body.id: index for index, body in enumerate(self.bodies)}

    def set_surfaces(self, restitution: float, friction: float) -> None:
        """Give every shape its restitution and friction where the scene has these."""
        self.bounce = [math.sqrt(restitution if b.restitution is None else b.restitution) for b in self.scene.bodies]
        self.grip = [math.sqrt(friction if b.friction is None else b.friction) for b in self.scene.bodies]
        self.bounce.append(math.sqrt(restitution))  # at BOUND
        self.grip.append(math.sqrt(friction))
        for index in range(len(self.bodies)):
            for shape in self.shapes[index]:
                shape.elasticity, shape.friction = self.bounce[index], self.grip[index]
        for shape in self.bounds:
            shape.elasticity, shape.friction = self.bounce[BOUND], self.grip[BOUND]

    def release(self, joint: Joint) -> None:
        """Take a constraint away."""
        self.space.remove(*joint.holds)
        self.joints.remove(joint)
        for index in (joint.body, joint.other):
            if index != BOUND and not self.scene.bodies[index].static:
                self.bodies[index].activate()

    def _shapes(self, body: Body, made: pymunk.Body, form: Form) -> Sequence[pymunk.Shape]:
        if body.sensor:
            return ()
        if form.parts:
            return [pymunk.Poly(made, part, radius=self.skin) for part in form.parts]
        return [pymunk.Circle(made, form.radius + self.skin)]

    def _add_bounds(self) -> None:
        """Each side as a bar so thick and so long that nothing gets past it."""
        bounds, (x_low, x_high, y_low, y_high), thick = self.scene.physics.bounds or OPEN, self.plan.range, self.plan.thickness
        (left, floor, _), (right, ceiling, _) = bounds.minimum, bounds.maximum
        ends = []
        for y, side in ((floor, -thick), (ceiling, thick)):
            if y is not None:
                ends.append(((x_low, y + side), (x_high, y + side)))
        for x, side in ((left, -thick), (right, thick)):
            if x is not None:
                ends.append(((x + side, y_low), (x + side, y_high)))
        self.bounds = [pymunk.Segment(self.space.static_body, a, b, thick + self.skin) for a, b in ends]
        self.space.add(*self.bounds)

    def _joint(self, number: int, one: Constraint) -> Joint:
        body, other = constraints.ends(one, f"constraints.{number}", self.scene)
        a, b = self.bodies[body], self.space.static_body if other is None else self.bodies[other]
        if one.kind in LINKS:
            holds = self._link(one, body, other)
        elif self._is_point(body) or self._is_point(other):
            holds = self._of_point(one, body, other)
        else:
            holds = (pymunk.PivotJoint(a, b, self._seen(body, one.arm), self._seen(other, one.other_arm)),)
            if one.kind == "pin":
                holds += (pymunk.GearJoint(a, b, one.turn or 0.0, 1.0),)
        for hold in holds:
            hold.error_bias = (1.0 - JOINT_STIFFNESS) ** (1.0 / self.plan.step)
            hold.collide_bodies = one.kind in LINKS
        self.space.add(*holds)
        return Joint(number, body, BOUND if other is None else other, one.break_force, holds)

    def _link(self, one: Constraint, body: int, other: int | None) -> tuple[pymunk.Constraint, ...]:
        a, b = self.bodies[body], self.space.static_body if other is None else self.bodies[other]
        anchor = self._seen(body, (0.0, 0.0))
        end = (one.anchor or (0.0, 0.0, 0.0))[:2] if other is None else self._seen(other, (0.0, 0.0))
        length = one.rest_length or 0.0
        if one.kind == "spring":
            return (pymunk.DampedSpring(a, b, anchor, end, length, one.stiffness or 0.0, one.damping),)
        if length == 0.0:
            return (pymunk.PivotJoint(a, b, anchor, end),)
        rod = pymunk.PinJoint(a, b, anchor, end)
        rod.distance = length
        return (rod,)

    def _of_point(self, one: Constraint, body: int, other: int | None) -> tuple[pymunk.Constraint, ...]:
        """What holds a point, which does not turn: a hinge is the far end of a massless rod, a pin a place on the other body."""
        arm, far, turn = one.arm or (0.0, 0.0), one.other_arm or (0.0, 0.0), one.turn or 0.0
        if not self._is_point(body):
            return self._of_point(_turned_round(one), other or 0, body)
        a, b = self.bodies[body], self.space.static_body if other is None else self.bodies[other]
        length = math.hypot(*arm)
        if one.kind == "hinge" and length > 0.0:
            rod = pymunk.PinJoint(a, b, (0.0, 0.0), self._seen(other, far))
            rod.distance = length
            return (rod,)
        cos, sin = math.cos(turn), math.sin(turn)
        place = (far[0] - cos * arm[0] - sin * arm[1], far[1] + sin * arm[0] - cos * arm[1])
        return (pymunk.PivotJoint(a, b, (0.0, 0.0), self._seen(other, place)),)

    def _is_point(self, index: int | None) -> bool:
        return index is not None and self.scene.bodies[index].shape == "point" and not self.scene.bodies[index].static

    def _seen(self, index: int | None, arm: tuple[float, float] | None) -> tuple[float, float]:
        """A point as seen from a body's position, from its centre of mass; a fixed point is in scene coordinates."""
        x, y = arm or (0.0, 0.0)
        if index is None:
            return x, y
        cx, cy = self.forms[index].centre
        return x - cx, y - cy


def _body(body: Body, form: Form) -> pymunk.Body:
    """A body of the library where one of the scene starts."""
    made = pymunk.Body(body_type=pymunk.Body.STATIC) if body.static else pymunk.Body(body.mass, body.mass * form.gyration)
    cos, sin = math.cos(body.angle), math.sin(body.angle)
    (cx, cy), (x, y, _) = form.centre, body.position
    lever = (cos * cx - sin * cy, sin * cx + cos * cy)
    made.angle = body.angle
    made.position = (x + lever[0], y + lever[1])
    if not body.static:
        w = body.angular_velocity
        made.velocity = (body.velocity[0] - w * lever[1], body.velocity[1] + w * lever[0])
        made.angular_velocity = w
    return made


def _turned_round(one: Constraint) -> Constraint:
    """The same constraint as seen from its other body."""
    return dataclasses.replace(one, arm=one.other_arm, other_arm=one.arm, turn=-(one.turn or 0.0))

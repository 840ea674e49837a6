"""The steps of a run of rigid bodies: hits with their moments inside a step, what constraints bear, and the frames that are kept.

The library moves all bodies by their velocities, finds what touches, and then changes the velocities. So its velocities are taken as those
in the middle of a step (leapfrog, second order): a run begins with half a step of forces, and the velocity at the end of a step is the
mean of those before and after. A body that meets one other body inside a step is put where it is at the end of that step when it turned
round at the moment of the hit; so its bounces do not depend on the step.

References: Catto (2005), Iterative Dynamics with Temporal Coherence, Game Developers Conference (the library's method); Hairer, Lubich &
Wanner (2006), Geometric Numerical Integration, section I.1.4 (leapfrog).
"""

from __future__ import annotations

import math
from array import array
from typing import Any

import numpy as np
import pymunk
from numpy.typing import NDArray
from pymunk import batch

from app.engine.errors import TooExpensive
from app.engine.physics.events import BOUND, KINDS
from app.engine.physics.scene import Scene
from app.engine.physics.solvers.rigid_hits import STILL, Rate, Touch, closing, meeting, since, touching
from app.engine.physics.solvers.rigid_laws import Laws
from app.engine.physics.solvers.rigid_motion import HIT_WIDTH, WIDTH, RigidMotion
from app.engine.physics.solvers.rigid_plan import OPEN, Plan
from app.engine.physics.solvers.rigid_shapes import Form
from app.engine.physics.solvers.rigid_space import Joint, World
from app.engine.physics.solvers.solution import COLUMNS, Progress

COLLISION, CONTACT, BREAK = (float(KINDS.index(kind)) for kind in ("collision", "contact", "break"))

AGAIN = 3
"""Steps within which two bodies that others press together meet again without a sound."""

TOO_DEEP = 10.0
"""Overlap at the start, in overlaps that are let be, past which a run says so."""

_REPORTS = 256
_STATE = batch.BodyFields.POSITION | batch.BodyFields.ANGLE | batch.BodyFields.VELOCITY | batch.BodyFields.ANGULAR_VELOCITY
_RATES = batch.BodyFields.VELOCITY | batch.BodyFields.ANGULAR_VELOCITY

Array = NDArray[np.float64]


class Reader:
    """Reads some fields of all bodies of a space at once."""

    def __init__(self, world: World, fields: batch.BodyFields, width: int) -> None:
        self._space, self._fields, self._width, self._index = world.space, fields, width, world.index
        self._sleeps, self._buffer = world.plan.sleeps, batch.Buffer()
        self._known = b""
        self.rows: list[int] = []
        self._order: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.read()

    def read(self) -> memoryview[float]:
        """The fields as the library has them, until the next read; `rows` tells where each body's are."""
        self._buffer.clear()
        if self._sleeps or not self._known:
            batch.get_space_bodies(self._space, self._fields | batch.BodyFields.BODY_ID, self._buffer)
            self._sort(bytes(self._buffer.int_buf()))
        else:
            batch.get_space_bodies(self._space, self._fields, self._buffer)
        return memoryview(self._buffer.float_buf()).cast("d")

    def table(self) -> Array:
        """The fields (N, width) in the order of the scene."""
        return self.sorted(self.read())

    def sorted(self, fields: memoryview[float]) -> Array:
        """What was read as a table (N, width) in the order of the scene."""
        found: Array = np.frombuffer(fields.cast("B"), dtype=np.float64).reshape(-1, self._width)[self._order]
        return found

    def _sort(self, ids: bytes) -> None:
        """Note the order of the bodies, which changes when some fall asleep."""
        if ids == self._known:
            return
        self._known = ids
        order = [self._index[identity] for identity in memoryview(ids).cast("P")]
        self.rows = [0] * len(order)
        for row, index in enumerate(order):
            self.rows[index] = row  # that of BOUND, -1, is the last
        self._order = np.array(self.rows[:-1], dtype=np.int64)


class Run:
    """One run: the space, and what was recorded.

    Attributes
    ----------
    frames : float64 (F + 1, N, 6), as in RigidMotion
    whole : steps taken; fewer than planned where the motion had no numbers any more
    overlaps : pairs of bodies (BOUND for a bound) that are inside each other at the start
    lasting : whether bodies stayed in contact, or several met at once: then collisions alone do not account for the energy lost
    """

    def __init__(self, scene: Scene, forms: tuple[Form, ...], plan: Plan, progress: Progress, limit: int) -> None:
        self.scene, self.plan, self.progress, self.limit = scene, plan, progress, limit
        self.world = World(scene, forms, plan)
        self.laws = Laws(self.world)
        self.lasting = False
        self.overlaps: list[tuple[int, int]] = []
        self.whole = 0
        self._space, self._step = self.world.space, plan.step
        self._events, self._hits, self._hit_bodies = array("d"), array("d"), array("q")
        self._touching = batch.Buffer()
        self._states, self._rates = Reader(self.world, _STATE, WIDTH), Reader(self.world, _RATES, 3)
        self._taken_back = 1.0 - self._space.collision_bias**self._step
        self._before: memoryview[float] | None = None
        self._fresh = False
        self._resting: set[tuple[int, int]] = set()
        self._met: dict[tuple[int, int], int] = {}
        self._turned: dict[int, Rate] = {}
        self.frames = self._run()

    def motion(self) -> RigidMotion:
        """The motion as far as it has numbers."""
        hits = np.frombuffer(self._hits, dtype=np.float64).reshape(-1, HIT_WIDTH)
        bodies = np.frombuffer(self._hit_bodies, dtype=np.int64)
        order = np.lexsort((hits[:, 0], bodies))
        first = np.searchsorted(bodies[order], np.arange(len(self.world.bodies) + 1))
        centres = np.array([form.centre for form in self.world.forms], dtype=np.float64).reshape(-1, 2)
        return RigidMotion(self.frames, hits[order], first.astype(np.int64), centres, max(self.whole, self.plan.every) * self._step)

    def events(self) -> Array:
        """The event table, in order of time."""
        table = np.frombuffer(self._events, dtype=np.float64).reshape(-1, len(COLUMNS))
        return table[np.argsort(table[:, 0], kind="stable")]

    def _run(self) -> Array:
        """Run to the end; the frames."""
        plan, laws, step, every, kept = self.plan, self.laws, self._step, self.plan.every, 0
        frames = np.zeros((plan.steps // every + 1, len(self.world.bodies), WIDTH))
        frames[0] = self._states.table()
        self._start(frames[0])
        self._space.on_collision(None, None, begin=self._begin)
        advance, fragile = self._space.step, any(joint.break_force is not None for joint in self.world.joints)
        for number in range(plan.steps):
            if laws.changing:
                laws.change(number * step)
            framed = (number + 1) % every == 0
            if framed:
                self._before = self._rates.read()
            advance(step)
            if self._fresh:
                self._meet(number)
            if fragile:
                self._bear((number + 1) * step)
            if laws.acts_after:
                laws.act()
            if framed:
                kept += 1
                if not self._keep(frames[kept]):
                    return frames[:kept] if kept > 1 else np.stack([frames[0], _at_rest(frames[0])])
                self.whole = number + 1
            if number % _REPORTS == 0:
                self.progress(0.95 * number / plan.steps)
            if self._fresh:
                self._turned.clear()
            self._before, self._fresh = None, False
        return frames

    def _start(self, first: Array) -> None:
        """Give the bodies the velocities of the middle of the first step, from half a step in a space of its own.

        What touches at the start bears and rubs from then on; what is about to collide has not yet done so.
        """
        world, half = self.world, 0.5 * self._step
        trial = World(world.scene, world.forms, world.plan)
        trial.space.gravity = self.laws.gravity
        trial.space.step(half)
        after = Reader(trial, _RATES, 3).table()
        free = np.array(self.laws.gravity) * half
        for touch in touching(trial.space, trial.index, batch.Buffer()):
            if touch.gap < -TOO_DEEP * self.plan.slop:
                self.overlaps.append((touch.a, touch.b))
            a, b = (STILL if index == BOUND else _rate(first[index, 3:].tolist()) for index in touch[:2])
            if -_along(touch, closing(a, b, self._arms(touch, trial))) > self._slowest():
                for index in touch[:2]:
                    if index != BOUND and index not in trial.held:
                        after[index] = first[index, 3:]
                        after[index, :2] += free
        for index, body in enumerate(world.bodies):
            if not self.scene.bodies[index].static:
                vx, vy, w = after[index].tolist()
                body.velocity, body.angular_velocity = self.laws.begin(vx, vy, index), w

    def _slowest(self) -> float:
        """The speed of approach (m/s) up to which two bodies that meet stay together: the next bounce would be over in two steps."""
        gx, gy = self._space.gravity
        return math.hypot(gx, gy) * self._step + 1e-12 * self.plan.speed

    def _begin(self, _arbiter: pymunk.Arbiter, _space: pymunk.Space, _data: Any) -> None:
        """Two bodies have come to touch: remember how all move before they do anything about it."""
        if not self._fresh:
            self._fresh = True
            if self._before is None:
                self._before = self._rates.read()

    def _meet(self, number: int) -> None:
        """Record the hits of a step, and put the bodies where they are after them."""
        found = touching(self._space, self.world.index, self._touching)
        count: dict[int, int] = {}
        for touch in found:
            count[touch.a] = count.get(touch.a, 0) + 1
            count[touch.b] = count.get(touch.b, 0) + 1
        held, mass = self.world.held, self.world.mass
        for touch in found:
            if touch.new:
                self._hit(
                    number,
                    touch,
                    touch.a != BOUND and count[touch.a] == 1 and touch.a not in held and mass[touch.a] < math.inf,
                    touch.b != BOUND and count[touch.b] == 1 and touch.b not in held and mass[touch.b] < math.inf,
                )
        if len(self._events) > self.limit * len(COLUMNS):
            raise TooExpensive(f"More than {self.limit} events happen in the scene; shorten duration_s or lower time_scale.", "duration_s")

    def _hit(self, number: int, touch: Touch, alone_a: bool, alone_b: bool) -> None:
        """One hit; `alone_a` and `alone_b` tell of bodies that move and that nothing else touches or holds.

        u is the mean speed of approach over the step, `pull` the acceleration of approach, s the time from the hit to the end of the step,
        v the speed of approach at the hit.
        """
        world, dt, a, b = self.world, self._step, touch.a, touch.b
        nx, ny = touch.nx, touch.ny
        moves_a, moves_b = a != BOUND and world.mass[a] < math.inf, b != BOUND and world.mass[b] < math.inf
        before_a, before_b = self._rate_before(a), self._rate_before(b)
        if (alone_a or not moves_a) and (alone_b or not moves_b) and self._rebound(number, touch, alone_a, alone_b, before_a, before_b):
            return
        after_a, after_b = self._rate_now(a), self._rate_now(b)
        arms = self._arms(touch, world)
        ux, uy = closing(before_a, before_b, arms)
        u = -(ux * nx + uy * ny)
        gx, gy = self.laws.gravity
        pull = (gx * nx + gy * ny) * (alone_a - alone_b)  # what something else holds up does not fall
        depth = -touch.gap - 2.0 * world.skin
        s = since(depth, u, pull, dt)
        v = u + pull * (0.5 * dt - s)
        pair = (a, b) if a < b else (b, a)
        slowest, e = self._slowest(), world.bounce[a] * world.bounce[b]
        again = number - self._met.get(pair, -AGAIN - 1) <= AGAIN and not (alone_a or alone_b)
        slow = v <= slowest or again
        stuck = slow or e * v <= slowest
        impulse = -(touch.jx * nx + touch.jy * ny)
        vx, vy = closing(after_a, after_b, arms)
        leaving = vx * nx + vy * ny
        fixed = alone_a != alone_b and moves_a != moves_b
        if fixed:
            # The library's impulse bore the weight for the whole step as well; the true one turns the speed at the hit round.
            wanted = 0.0 if stuck else e * v - pull * (s + 0.5 * dt)
            more, rate = self._pushed(touch, arms, wanted - leaving, after_a if alone_a else after_b, alone_a)
            impulse += more
            after_a, after_b = (rate, after_b) if alone_a else (after_a, rate)
            leaving = 0.0 if stuck else e * v
        self.lasting |= stuck or not (fixed or (alone_a and alone_b) or gx == gy == 0.0)
        end = (number + 1) * dt
        if moves_a:
            self._turn(a, before_a, after_a, end, s, self._way_out(touch, arms, depth, True, fixed and stuck), alone_a, stuck)
        if moves_b:
            self._turn(b, before_b, after_b, end, s, self._way_out(touch, arms, depth, False, fixed and stuck), alone_b, stuck)
        x, y = self._point(touch, arms, before_a, before_b, s)
        self._met[pair] = number
        if not slow:
            rubbed = (touch.jx * ny - touch.jy * nx) * ((ux + vx) * ny - (uy + vy) * nx)
            lost = 0.5 * (impulse * (v - leaving) + rubbed)
            self._sound(end - s, touch, impulse, lost, v, x, y)
        if stuck and pair not in self._resting:
            self._resting.add(pair)
            if number > 1 or not slow:
                self._events.extend((end - s, CONTACT, *self._order(touch), 0.0, 0.0, 0.0, x, y, 0.0, 0.0))

    def _rebound(self, number: int, touch: Touch, alone_a: bool, alone_b: bool, before_a: Rate, before_b: Rate) -> bool:
        """The hit of two discs, or of one and a bound, by Newton's and Coulomb's laws at the moment when they touch.

        False, with nothing done, for other bodies and for what stays together. Impulses are on the second body, along the normal and the
        tangent to its left.
        """
        world, dt, a, b = self.world, self._step, touch.a, touch.b
        radius_a, radius_b = world.radius[a], world.radius[b]
        if radius_a is None or radius_b is None:
            return False
        gx, gy = self.laws.gravity
        fall, nx, ny = alone_b - alone_a, touch.nx, touch.ny
        wx, wy = before_b[0] - before_a[0], before_b[1] - before_a[1]
        if BOUND in (a, b):
            s = since(-touch.gap - 2.0 * world.skin, -(wx * nx + wy * ny), -fall * (gx * nx + gy * ny), dt)
        else:
            (ax, ay), (bx, by) = world.bodies[a].position, world.bodies[b].position
            s, nx, ny = meeting((bx - ax, by - ay), (wx, wy), (fall * gx, fall * gy), radius_a + radius_b, dt)
        cx, cy = wx + fall * gx * (0.5 * dt - s), wy + fall * gy * (0.5 * dt - s)
        v, e, slowest = -(cx * nx + cy * ny), world.bounce[a] * world.bounce[b], self._slowest()
        if v <= slowest or e * v <= slowest:
            return False
        (mass_a, moment_a), (mass_b, moment_b) = self._inertia(a), self._inertia(b)
        give = 1.0 / mass_a + 1.0 / mass_b
        slip = nx * cy - ny * cx - radius_a * before_a[2] - radius_b * before_b[2]
        give_along = give + radius_a * radius_a / moment_a + radius_b * radius_b / moment_b
        push = (1.0 + e) * v / give
        most = world.grip[a] * world.grip[b] * push
        rub = min(max(-slip / give_along, -most), most)
        jx, jy, end = push * nx - rub * ny, push * ny + rub * nx, (number + 1) * dt
        after_a = (before_a[0] - jx / mass_a, before_a[1] - jy / mass_a, before_a[2] - radius_a * rub / moment_a)
        after_b = (before_b[0] + jx / mass_b, before_b[1] + jy / mass_b, before_b[2] - radius_b * rub / moment_b)
        arms = (radius_a * nx, radius_a * ny, -radius_b * nx, -radius_b * ny)
        x, y = self._point_of(a, b, touch, before_a, before_b, (nx, ny), s)
        if alone_a:
            rate = (after_a[0] + gx * dt, after_a[1] + gy * dt, after_a[2])
            self._turn(a, before_a, rate, end, s, self._way_out(touch, arms, 0.0, True, False), True, False)
        if alone_b:
            rate = (after_b[0] + gx * dt, after_b[1] + gy * dt, after_b[2])
            self._turn(b, before_b, rate, end, s, self._way_out(touch, arms, 0.0, False, False), True, False)
        self._met[(a, b) if a < b else (b, a)] = number
        self._sound(end - s, touch, push, 0.5 * push * (1.0 - e) * v - 0.5 * rub * (2.0 * slip + give_along * rub), v, x, y)
        return True

    def _sound(self, time: float, touch: Touch, impulse: float, lost: float, speed: float, x: float, y: float) -> None:
        """Record a collision."""
        self._resting.discard((touch.a, touch.b) if touch.a < touch.b else (touch.b, touch.a))
        self._events.extend((time, COLLISION, *self._order(touch), max(impulse, 0.0), max(lost, 0.0), speed, x, y, 0.0, 0.0))

    def _order(self, touch: Touch) -> tuple[int, int]:
        """The two bodies of an event: one that moves first, and of two that move the first of the scene."""
        a, b = touch.a, touch.b
        moves_a, moves_b = (index != BOUND and self.world.mass[index] < math.inf for index in (a, b))
        return (b, a) if not moves_a or (moves_b and b < a) else (a, b)

    def _point_of(
        self, a: int, b: int, touch: Touch, before_a: Rate, before_b: Rate, normal: tuple[float, float], s: float
    ) -> tuple[float, float]:
        """Where two discs touched `s` s before the end of the step."""
        if BOUND in (a, b):
            x, y = self._on_bound(touch)
            along = before_a if b == BOUND else before_b
            return (x - along[0] * s, y) if abs(touch.ny) > abs(touch.nx) else (x, y - along[1] * s)
        radius, sag = self.world.radius[a] or 0.0, 0.5 * (self._step - s) * s
        gx, gy = self.laws.gravity if self.world.mass[a] < math.inf else (0.0, 0.0)
        x, y = self.world.bodies[a].position
        return x - before_a[0] * s - gx * sag + radius * normal[0], y - before_a[1] * s - gy * sag + radius * normal[1]

    def _pushed(self, touch: Touch, arms: tuple[float, ...], change: float, rate: Rate, is_a: bool) -> tuple[float, Rate]:
        """The impulse that changes the speed of leaving by so much, and the rate of the one body that it moves."""
        index, rx, ry, sign = (touch.a, arms[0], arms[1], -1.0) if is_a else (touch.b, arms[2], arms[3], 1.0)
        mass, moment, arm = self.world.mass[index], self.world.moment[index], rx * touch.ny - ry * touch.nx
        more = change / (1.0 / mass + arm * arm / moment)
        push = sign * more
        return more, (rate[0] + push * touch.nx / mass, rate[1] + push * touch.ny / mass, rate[2] + push * arm / moment)

    def _way_out(self, touch: Touch, arms: tuple[float, ...], depth: float, is_a: bool, out: bool) -> Rate:
        """What to add to a body's place: all the depth of an overlap if it stays there; in any case less what the library will take back.

        The library takes back a part of the overlap in the next step, by an impulse along the normal that leaves the velocities alone.
        """
        nx, ny = touch.nx, touch.ny
        (mass_a, moment_a), (mass_b, moment_b) = self._inertia(touch.a), self._inertia(touch.b)
        arm_a, arm_b = arms[0] * ny - arms[1] * nx, arms[2] * ny - arms[3] * nx
        give = 1.0 / mass_a + 1.0 / mass_b + arm_a * arm_a / moment_a + arm_b * arm_b / moment_b
        push = self._taken_back * max(-touch.gap - self.plan.slop, 0.0) / give
        mass, moment, arm, sign = (mass_a, moment_a, arm_a, -1.0) if is_a else (mass_b, moment_b, arm_b, 1.0)
        along = sign * ((depth if out else 0.0) - push / mass)
        return along * nx, along * ny, -sign * push * arm / moment

    def _inertia(self, index: int) -> tuple[float, float]:
        return (math.inf, math.inf) if index == BOUND else (self.world.mass[index], self.world.moment[index])

    def _turn(self, index: int, before: Rate, after: Rate, end: float, s: float, out: Rate, alone: bool, stuck: bool) -> None:
        """Put a body where it is at the end of a step in which it was hit `s` s before, and keep the moment.

        `out` is added to its place besides.
        """
        dt, body = self._step, self.world.bodies[index]
        gx, gy = self.laws.gravity if alone else (0.0, 0.0)
        (x, y), angle, half, sag = body.position, body.angle, 0.5 * dt, 0.5 * (dt - s) * s
        arriving = (before[0] + gx * (half - s), before[1] + gy * (half - s), before[2])
        leaving = after if stuck else (after[0] - gx * (s + half), after[1] - gy * (s + half), after[2])
        if index not in self._turned:
            self._hit_bodies.append(index)
            self._hits.extend((end - s, x - before[0] * s - gx * sag, y - before[1] * s - gy * sag, angle - before[2] * s))
            self._hits.extend(arriving)
            self._hits.extend(leaving)
        self._turned[index] = after if stuck else (after[0] - gx * half, after[1] - gy * half, after[2])
        if not alone:
            return
        dx, dy, turn = out
        if not stuck:
            dx += (after[0] - before[0] - gx * dt) * s
            dy += (after[1] - before[1] - gy * dt) * s
            turn += (after[2] - before[2]) * s
        body.position = (x + dx, y + dy)
        if turn != 0.0:
            body.angle = angle + turn
        body.velocity, body.angular_velocity = after[:2], after[2]

    def _point(self, touch: Touch, arms: tuple[float, ...], before_a: Rate, before_b: Rate, s: float) -> tuple[float, float]:
        """Where two bodies met: on the one that does not move, else in the middle of the two points as they were `s` s before."""
        world, skin = self.world, self.world.skin
        if BOUND in touch[:2]:
            return self._on_bound(touch)
        if world.mass[touch.b] == math.inf:
            return touch.qx + touch.nx * skin, touch.qy + touch.ny * skin
        if world.mass[touch.a] == math.inf:
            return touch.px - touch.nx * skin, touch.py - touch.ny * skin
        (ax, ay, wa), (bx, by, wb) = before_a, before_b
        x = touch.px + touch.qx - (ax - wa * arms[1] + bx - wb * arms[3]) * s
        y = touch.py + touch.qy - (ay + wa * arms[0] + by + wb * arms[2]) * s
        return 0.5 * x, 0.5 * y

    def _on_bound(self, touch: Touch) -> tuple[float, float]:
        """The point on a bound, to the last bit."""
        bounds = self.scene.physics.bounds or OPEN
        x, y, nx, ny = (touch.px, touch.py, -touch.nx, -touch.ny) if touch.a == BOUND else (touch.qx, touch.qy, touch.nx, touch.ny)
        if abs(ny) > abs(nx):
            side = (bounds.minimum if ny < 0 else bounds.maximum)[1]
            return x, y if side is None else side
        side = (bounds.minimum if nx < 0 else bounds.maximum)[0]
        return x if side is None else side, y

    def _arms(self, touch: Touch, world: World) -> tuple[float, float, float, float]:
        ax, ay = world.bodies[touch.a].position if touch.a != BOUND else (0.0, 0.0)
        bx, by = world.bodies[touch.b].position if touch.b != BOUND else (0.0, 0.0)
        return touch.px - ax, touch.py - ay, touch.qx - bx, touch.qy - by

    def _rate_before(self, index: int) -> Rate:
        if index == BOUND or self._before is None:
            return STILL
        place = 3 * self._rates.rows[index]
        return self._before[place], self._before[place + 1], self._before[place + 2]

    def _rate_now(self, index: int) -> Rate:
        if index == BOUND:
            return STILL
        body = self.world.bodies[index]
        x, y = body.velocity
        return x, y, body.angular_velocity

    def _bear(self, time: float) -> None:
        """Let go what bears more than it can."""
        for joint in list(self.world.joints):
            if joint.break_force is not None and joint.force(self._step) > joint.break_force:
                x, y = self._middle(joint)
                self.world.release(joint)
                self._events.extend((time, BREAK, joint.body, joint.other, 0.0, 0.0, 0.0, x, y, 0.0, float(joint.index)))

    def _middle(self, joint: Joint) -> tuple[float, float]:
        """The middle of the two points that a constraint ties together."""
        hold = joint.holds[0]
        (ax, ay), (bx, by) = hold.a.local_to_world(hold.anchor_a), hold.b.local_to_world(hold.anchor_b)
        return 0.5 * (ax + bx), 0.5 * (ay + by)

    def _keep(self, frame: Array) -> bool:
        """Keep the bodies as they are at the end of a step; whether all numbers are finite."""
        before = None if self._before is None else self._rates.sorted(self._before)
        frame[:] = self._states.table()
        if before is not None:
            frame[:, 3:] = 0.5 * (frame[:, 3:] + before)
        for index, rate in self._turned.items():
            frame[index, 3:] = rate
        return bool(np.isfinite(frame).all())


def _at_rest(frame: Array) -> Array:
    still = frame.copy()
    still[:, 3:] = 0.0
    return still


def _rate(numbers: list[float]) -> Rate:
    return numbers[0], numbers[1], numbers[2]


def _along(touch: Touch, velocity: tuple[float, float]) -> float:
    return velocity[0] * touch.nx + velocity[1] * touch.ny

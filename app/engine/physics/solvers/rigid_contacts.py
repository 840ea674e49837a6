"""What happens where rigid bodies come to touch: the moment, the rebound, the sound, and where the bodies are at the end of the step.

References: Stronge (2000), Impact Mechanics, chapters 3 and 4 (restitution and Coulomb friction in an impact).
"""

from __future__ import annotations

from array import array
from struct import Struct
from typing import Any

import numpy as np
import pymunk
from numpy.typing import NDArray

from app.engine.physics.events import BOUND, KINDS
from app.engine.physics.solvers import rigid_library as library
from app.engine.physics.solvers.rigid_frames import RATES, RATES_WIDTH, Reader
from app.engine.physics.solvers.rigid_hits import (
    COUNTS,
    TOUCHES,
    Rate,
    Touch,
    closing,
    in_two_points,
    meeting,
    second_points,
    since,
    touching,
)
from app.engine.physics.solvers.rigid_laws import Laws
from app.engine.physics.solvers.rigid_motion import HIT_WIDTH
from app.engine.physics.solvers.rigid_plan import OPEN
from app.engine.physics.solvers.rigid_space import World
from app.engine.physics.solvers.solution import COLUMNS

COLLISION, CONTACT = (float(KINDS.index(kind)) for kind in ("collision", "contact"))

AGAIN = 3
"""Steps within which two bodies that others press together meet again without a sound."""

_HIT, _EVENT = (Struct(f"{width}d").pack for width in (HIT_WIDTH, len(COLUMNS)))
_RATE = Struct(f"{RATES_WIDTH}d")

Array = NDArray[np.float64]
Arms = tuple[float, float, float, float]
"""Where two bodies touch, as seen from the centre of each, (x, y, x, y)."""


class Contacts:
    """The contacts of a run.

    Attributes
    ----------
    fresh : whether bodies have come to touch in this step
    hit : velocities at the end of this step, by index, of the bodies hit in it
    events : rows as in `solution.COLUMNS`, one after another
    lasting : whether bodies stayed in contact, or several met at once: then collisions alone do not account for the energy lost
    """

    def __init__(self, world: World, laws: Laws, events: array[float]) -> None:
        self._world, self._laws, self._space, self._step = world, laws, world.space, world.plan.step
        self._taken_back = 1.0 - world.space.collision_bias**world.plan.step
        self.events, self._hits, self._bodies = events, array("d"), array("q")
        self.fresh = self.lasting = False
        self.hit: dict[int, Rate] = {}
        self._rates = Reader(world, RATES, RATES_WIDTH)
        self._before = self._rates.read()
        self._touches, self._counts = (library.Reading(world.space, fields) for fields in (TOUCHES, COUNTS))
        self._counted, self._handles = b"", [library.handle_of(body) for body in (*world.bodies, world.space.static_body)]
        self._lighter = [1.0 / mass for mass in world.mass]
        self._looser = [(radius or 0.0) / moment for radius, moment in zip(world.radius, world.moment, strict=True)]
        self._resting: set[tuple[int, int]] = set()
        self._met: dict[tuple[int, int], int] = {}

    def watch(self) -> None:
        """See all bodies from now on that come to touch."""
        self._space.on_collision(None, None, begin=self._begin)

    def _begin(self, _arbiter: pymunk.Arbiter, _space: pymunk.Space, _data: Any) -> None:
        """Two bodies have come to touch: remember how all move before they do anything about it."""
        if not self.fresh:
            self.fresh = True
            self._before = self._rates.read()

    def hits(self) -> tuple[Array, NDArray[np.int64]]:
        """The moments at which bodies were hit, as in RigidMotion, and where those of each body begin."""
        hits = np.frombuffer(self._hits, dtype=np.float64).reshape(-1, HIT_WIDTH)
        bodies = np.frombuffer(self._bodies, dtype=np.int64)
        order = np.lexsort((hits[:, 0], bodies))
        return hits[order], np.searchsorted(bodies[order], np.arange(len(self._world.bodies) + 1)).astype(np.int64)

    def meet(self, number: int) -> None:
        """Record the hits of step `number`, and put the bodies where they are after them."""
        self.fresh = False
        self.hit.clear()
        found, free, moves = touching(self._touches, self._world.index), self._world.free, self._world.moves
        count: dict[int, int] = {}
        if len(found) > 1:
            for touch in found:
                count[touch.a] = count.get(touch.a, 0) + 1
                count[touch.b] = count.get(touch.b, 0) + 1
        for touch in found:
            if touch.new:
                a, b = touch.a, touch.b
                alone_a, alone_b = free[a] and count.get(a, 1) == 1, free[b] and count.get(b, 1) == 1
                before_a, before_b = self._rate_before(a), self._rate_before(b)
                settled = (alone_a or not moves[a]) and (alone_b or not moves[b])
                if not (settled and self._rebound(number, touch, alone_a, alone_b, before_a, before_b)):
                    self._hit(number, touch, alone_a, alone_b, before_a, before_b)

    def look_before(self) -> None:
        """Remember how all move before a step, for `look_after`."""
        self._before = self._rates.read()

    def look_after(self, number: int) -> None:
        """Find the bodies that touched with one corner and have come down on another one, which the library does not tell."""
        self._counts.read()
        now, before = self._counts.integers(), self._counted
        if now == before:
            return
        self._counted = now
        pairs = second_points(before, now)
        for both in in_two_points(self._touches, pairs, self._world.index) if pairs else ():
            self._come_down(number, *both)

    def _come_down(self, number: int, first: Touch, second: Touch) -> None:
        """A body that stands on one corner comes down on another one: the point that comes nearer faster."""
        world, dt, a, b, nx, ny = self._world, self._step, first.a, first.b, first.nx, first.ny
        before_a, before_b, after_a, after_b = self._rate_before(a), self._rate_before(b), self._rate_now(a), self._rate_now(b)
        u, touch = max((-_along(touch, closing(before_a, before_b, arms_of(touch, world))), touch) for touch in (first, second))
        pair = (a, b) if a < b else (b, a)
        if u <= 2.0 * self._laws.slowest or number - self._met.get(pair, -AGAIN - 1) <= AGAIN:
            return
        s, end = since(-touch.gap - 2.0 * world.skin, u, 0.0, dt), (number + 1) * dt
        arms, (gx, gy) = arms_of(touch, world), self._laws.gravity
        leaving = max(_along(touch, closing(after_a, after_b, arms)), 0.0)
        x, y = self._point(touch, arms, before_a, before_b, s)
        impulse = -(touch.jx * nx + touch.jy * ny)
        if world.moves[a] != world.moves[b]:  # the impulse of the step also bears the weight of the one on the other
            impulse -= max((world.mass[a] if world.moves[a] else -world.mass[b]) * (gx * nx + gy * ny) * dt, 0.0)
        for index, before, after in ((a, before_a, after_a), (b, before_b, after_b)):
            if world.moves[index]:
                self._keep(index, before, after, after, end, s)
        self._met[pair], self.lasting = number, True
        if impulse > 0.0:
            resting = pair in self._resting
            self._sound(end - s, touch, impulse, 0.5 * impulse * (u - leaving), u, x, y)
            if resting:
                self._resting.add(pair)

    def _rebound(self, number: int, touch: Touch, alone_a: bool, alone_b: bool, before_a: Rate, before_b: Rate) -> bool:
        """The hit of two discs, or of one and a bound, by Newton's and Coulomb's laws at the moment when they touch.

        False, with nothing done, for other bodies and for what stays together. Impulses are on the second body, along the normal and the
        tangent to its left.
        """
        world, laws, dt = self._world, self._laws, self._step
        a, b, _, _, _, nx, ny, _, _, _, _, gap = touch
        radius_a, radius_b = world.radius[a], world.radius[b]
        if radius_a is None or radius_b is None:
            return False
        (gx, gy), fall, bound, tx, ty = laws.gravity, alone_b - alone_a, BOUND in (a, b), nx, ny
        (avx, avy, aw), (bvx, bvy, bw) = before_a, before_b
        wx, wy = bvx - avx, bvy - avy
        here, there = library.place_of(self._handles[a]), library.place_of(self._handles[b])
        ax, ay, bx, by = here.x, here.y, there.x, there.y
        if bound:
            s = since(-gap - 2.0 * world.skin, -(wx * nx + wy * ny), -fall * (gx * nx + gy * ny), dt)
        else:
            s, nx, ny = meeting(bx - ax, by - ay, wx, wy, fall * gx, fall * gy, radius_a + radius_b, dt)
        half, sag = 0.5 * dt, 0.5 * (dt - s) * s
        cx, cy = wx + fall * gx * (half - s), wy + fall * gy * (half - s)
        v, e, slowest = -(cx * nx + cy * ny), world.bounce[a] * world.bounce[b], laws.slowest
        if v <= slowest or e * v <= slowest:
            return False
        lighter_a, lighter_b, looser_a, looser_b = self._lighter[a], self._lighter[b], self._looser[a], self._looser[b]
        slip = nx * cy - ny * cx - radius_a * aw - radius_b * bw
        give = lighter_a + lighter_b
        along = give + radius_a * looser_a + radius_b * looser_b
        push = (1.0 + e) * v / give
        most = world.grip[a] * world.grip[b] * push
        rub = min(max(-slip / along, -most), most)
        jx, jy, time = push * nx - rub * ny, push * ny + rub * nx, (number + 1) * dt - s
        back = self._taken_back * max(-gap - world.plan.slop, 0.0) / give
        if alone_a:
            place, kick, out = (ax - avx * s - gx * sag, ay - avy * s - gy * sag), (-jx * lighter_a, -jy * lighter_a), back * lighter_a
            self._bounce(a, place, before_a, kick, -looser_a * rub, time, s, ax + out * tx, ay + out * ty)
            x, y = place[0] + radius_a * nx, place[1] + radius_a * ny
        if alone_b:
            place, kick, out = (bx - bvx * s - gx * sag, by - bvy * s - gy * sag), (jx * lighter_b, jy * lighter_b), -back * lighter_b
            self._bounce(b, place, before_b, kick, -looser_b * rub, time, s, bx + out * tx, by + out * ty)
            x, y = place[0] - radius_b * nx, place[1] - radius_b * ny
        if bound:
            x, y = self._on_bound(touch, x, y)
        self._met[(a, b) if a < b else (b, a)] = number
        self._sound(time, touch, push, 0.5 * push * (1.0 - e) * v - 0.5 * rub * (2.0 * slip + along * rub), v, x, y)
        return True

    def _bounce(
        self,
        index: int,
        place: tuple[float, float],
        before: Rate,
        kick: tuple[float, float],
        twist: float,
        time: float,
        s: float,
        x: float,
        y: float,
    ) -> None:
        """Change a body's velocity by `kick` (m/s) and `twist` (rad/s) at a time `s` s before the end of the step, when it was at `place`.

        (x, y) is where it is at the end of the step when nothing happens to it.
        """
        (px, py), (vx, vy, w), (kx, ky), (gx, gy), dt = place, before, kick, self._laws.gravity, self._step
        body, half = self._handles[index], 0.5 * dt
        angle = library.angle_of(body)
        fx, fy = vx + gx * (half - s), vy + gy * (half - s)
        if index not in self.hit:
            self._bodies.append(index)
            self._hits.frombytes(_HIT(time, px, py, angle - w * s, fx, fy, w, fx + kx, fy + ky, w + twist))
        self.hit[index] = (vx + kx + gx * half, vy + ky + gy * half, w + twist)
        library.put(body, (x + kx * s, y + ky * s))
        library.send(body, (vx + kx + gx * dt, vy + ky + gy * dt))
        library.spin(body, w + twist)
        if twist != 0.0:
            library.turn(body, angle + twist * s)

    def _hit(self, number: int, touch: Touch, alone_a: bool, alone_b: bool, before_a: Rate, before_b: Rate) -> None:
        """Any other hit; `alone_a` and `alone_b` tell of bodies that move and that nothing else touches or holds.

        u is the mean speed of approach over the step, `pull` the acceleration of approach, s the time from the hit to the end of the step,
        v the speed of approach at the hit.
        """
        world, dt, a, b, nx, ny = self._world, self._step, touch.a, touch.b, touch.nx, touch.ny
        moves_a, moves_b = world.moves[a], world.moves[b]
        after_a, after_b, arms = self._rate_now(a), self._rate_now(b), arms_of(touch, world)
        ux, uy = closing(before_a, before_b, arms)
        u = -(ux * nx + uy * ny)
        gx, gy = self._laws.gravity
        pull = (gx * nx + gy * ny) * (alone_a - alone_b)  # what something else holds up does not fall
        depth = -touch.gap - 2.0 * world.skin
        s = since(depth, u, pull, dt)
        v = u + pull * (0.5 * dt - s)
        pair = (a, b) if a < b else (b, a)
        slowest, e = self._laws.slowest, world.bounce[a] * world.bounce[b]
        again = number - self._met.get(pair, -AGAIN - 1) <= AGAIN and not (alone_a or alone_b)
        slow = v <= slowest or again
        stuck = slow or e * v <= slowest
        jx, jy = touch.jx, touch.jy
        if alone_a or alone_b:
            # The library's own sum keeps what was there when the two touched a moment ago.
            mass, before, after = (-world.mass[b], before_b, after_b) if alone_b else (world.mass[a], before_a, after_a)
            jx, jy = mass * (after[0] - before[0] - gx * dt), mass * (after[1] - before[1] - gy * dt)
        impulse = -(jx * nx + jy * ny)
        vx, vy = closing(after_a, after_b, arms)
        leaving = vx * nx + vy * ny
        fixed = alone_a != alone_b and moves_a != moves_b
        if fixed:
            # The library's impulse bore the weight for the whole step as well; the true one turns the speed at the hit round.
            wanted = 0.0 if stuck else e * v - pull * (s + 0.5 * dt)
            heavy, rate = self._pushed(touch, arms, wanted - leaving, after_a if alone_a else after_b, alone_a)
            impulse += heavy * (wanted - leaving - (pull * (s + 0.5 * dt) if stuck else 0.0))
            after_a, after_b = (rate, after_b) if alone_a else (after_a, rate)
            leaving = 0.0 if stuck else e * v
        self.lasting |= stuck or not (fixed or (alone_a and alone_b) or gx == gy == 0.0)
        end = (number + 1) * dt
        x, y = self._point(touch, arms, before_a, before_b, s)
        for index, before, after, alone in ((a, before_a, after_a, alone_a), (b, before_b, after_b, alone_b)):
            if alone:
                out = self._way_out(touch, arms, depth if fixed and stuck else 0.0, index == a)
                self._turn(index, before, after, end, s, out, stuck=stuck)
            elif world.moves[index]:
                self._keep(index, before, after, after, end, s)
        self._met[pair] = number
        if not slow:
            rubbed = (jx * ny - jy * nx) * ((ux + vx) * ny - (uy + vy) * nx)
            self._sound(end - s, touch, impulse, 0.5 * (impulse * (v - leaving) + rubbed), v, x, y)
        if stuck and pair not in self._resting:
            self._resting.add(pair)
            if number > 1 or not slow:
                self.events.frombytes(_EVENT(end - s, CONTACT, *self._order(touch), 0.0, 0.0, 0.0, x, y, 0.0, 0.0))

    def _sound(self, time: float, touch: Touch, impulse: float, lost: float, speed: float, x: float, y: float) -> None:
        """Record a collision."""
        if self._resting:
            self._resting.discard((touch.a, touch.b) if touch.a < touch.b else (touch.b, touch.a))
        first, second = self._order(touch)
        self.events.frombytes(_EVENT(time, COLLISION, first, second, max(impulse, 0.0), max(lost, 0.0), speed, x, y, 0.0, 0.0))

    def _order(self, touch: Touch) -> tuple[int, int]:
        """The two bodies of an event: one that moves first, and of two that move the first of the scene."""
        a, b, moves = touch.a, touch.b, self._world.moves
        return (b, a) if not moves[a] or (moves[b] and b < a) else (a, b)

    def _turn(self, index: int, before: Rate, after: Rate, end: float, s: float, out: Rate, *, stuck: bool = False) -> None:
        """Put a body that met one other where it is at the end of a step in which it was hit `s` s before, and keep the moment.

        `after` is its velocity in the middle of the next step; `out` is added to its place besides.
        """
        dt, body, (gx, gy) = self._step, self._handles[index], self._laws.gravity
        half = 0.5 * dt
        leaving = after if stuck else (after[0] - gx * (s + half), after[1] - gy * (s + half), after[2])
        last = after if stuck else (after[0] - gx * half, after[1] - gy * half, after[2])
        x, y, angle = self._keep(index, before, leaving, last, end, s, gx, gy)
        dx, dy, turn = out
        if not stuck:
            dx += (after[0] - before[0] - gx * dt) * s
            dy += (after[1] - before[1] - gy * dt) * s
            turn += (after[2] - before[2]) * s
        library.put(body, (x + dx, y + dy))
        library.send(body, after[:2])
        library.spin(body, after[2])
        if turn != 0.0:
            library.turn(body, angle + turn)

    def _keep(
        self, index: int, before: Rate, leaving: Rate, last: Rate, end: float, s: float, gx: float = 0.0, gy: float = 0.0
    ) -> tuple[float, float, float]:
        """Keep the moment at which a body was hit, once in a step; where the body is at the end of the step."""
        place, angle = library.place_of(self._handles[index]), library.angle_of(self._handles[index])
        x, y = place.x, place.y
        later, sag = 0.5 * self._step - s, 0.5 * (self._step - s) * s
        vx, vy, w = before
        if index not in self.hit:
            moment = (end - s, x - vx * s - gx * sag, y - vy * s - gy * sag, angle - w * s)
            self._bodies.append(index)
            self._hits.frombytes(_HIT(*moment, vx + gx * later, vy + gy * later, w, *leaving))
        self.hit[index] = last
        return x, y, angle

    def _pushed(self, touch: Touch, arms: Arms, change: float, rate: Rate, is_a: bool) -> tuple[float, Rate]:
        """The mass (kg) that the contact feels of the one body that moves, and its rate when the speed of leaving changes by so much."""
        index, rx, ry, sign = (touch.a, arms[0], arms[1], -1.0) if is_a else (touch.b, arms[2], arms[3], 1.0)
        mass, moment, arm = self._world.mass[index], self._world.moment[index], rx * touch.ny - ry * touch.nx
        heavy = 1.0 / (1.0 / mass + arm * arm / moment)
        push = sign * change * heavy
        return heavy, (rate[0] + push * touch.nx / mass, rate[1] + push * touch.ny / mass, rate[2] + push * arm / moment)

    def _way_out(self, touch: Touch, arms: Arms, depth: float, is_a: bool) -> Rate:
        """What to add to a body's place: `depth` (m) out of the other, less what the library will take back of the overlap.

        The library takes back a part of the overlap in the next step, by an impulse along the normal that leaves the velocities alone.
        """
        nx, ny, mass, moment = touch.nx, touch.ny, self._world.mass, self._world.moment
        arm_a, arm_b = arms[0] * ny - arms[1] * nx, arms[2] * ny - arms[3] * nx
        give = 1.0 / mass[touch.a] + 1.0 / mass[touch.b] + arm_a * arm_a / moment[touch.a] + arm_b * arm_b / moment[touch.b]
        push = self._taken_back * max(-touch.gap - self._world.plan.slop, 0.0) / give
        index, arm, sign = (touch.a, arm_a, -1.0) if is_a else (touch.b, arm_b, 1.0)
        along = sign * (depth - push / mass[index])
        return along * nx, along * ny, -sign * push * arm / moment[index]

    def _point(self, touch: Touch, arms: Arms, before_a: Rate, before_b: Rate, s: float) -> tuple[float, float]:
        """Where two bodies met: on the one that does not move, else in the middle of the two points as they were `s` s before."""
        world, skin = self._world, self._world.skin
        if BOUND in (touch.a, touch.b):
            return self._on_bound(touch, touch.px, touch.py) if touch.b != BOUND else self._on_bound(touch, touch.qx, touch.qy)
        if not world.moves[touch.b]:
            return touch.qx + touch.nx * skin, touch.qy + touch.ny * skin
        if not world.moves[touch.a]:
            return touch.px - touch.nx * skin, touch.py - touch.ny * skin
        (ax, ay, wa), (bx, by, wb) = before_a, before_b
        x = touch.px + touch.qx - (ax - wa * arms[1] + bx - wb * arms[3]) * s
        y = touch.py + touch.qy - (ay + wa * arms[0] + by + wb * arms[2]) * s
        return 0.5 * x, 0.5 * y

    def _on_bound(self, touch: Touch, x: float, y: float) -> tuple[float, float]:
        """A point on the bound that is touched, to the last bit, from one nearby."""
        bounds, sign = self._world.scene.physics.bounds or OPEN, -1.0 if touch.a == BOUND else 1.0
        if abs(touch.ny) > abs(touch.nx):
            side = (bounds.minimum if sign * touch.ny < 0 else bounds.maximum)[1]
            return x, y if side is None else side
        side = (bounds.minimum if sign * touch.nx < 0 else bounds.maximum)[0]
        return x if side is None else side, y

    def _rate_before(self, index: int) -> Rate:
        rate: Rate = _RATE.unpack_from(self._before, _RATE.size * self._rates.rows[index])
        return rate

    def _rate_now(self, index: int) -> Rate:
        velocity = library.velocity_of(self._handles[index])
        return velocity.x, velocity.y, library.spin_of(self._handles[index])


def arms_of(touch: Touch, world: World) -> Arms:
    """Where two bodies touch, as seen from the centre of each."""
    ax, ay = world.bodies[touch.a].position if touch.a != BOUND else (0.0, 0.0)
    bx, by = world.bodies[touch.b].position if touch.b != BOUND else (0.0, 0.0)
    return touch.px - ax, touch.py - ay, touch.qx - bx, touch.qy - by


def _along(touch: Touch, velocity: tuple[float, float]) -> float:
    return velocity[0] * touch.nx + velocity[1] * touch.ny

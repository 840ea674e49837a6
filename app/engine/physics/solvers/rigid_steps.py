"""The steps of a run of rigid bodies: hits with their moments inside a step, what constraints bear, and the frames that are kept.

The library moves all bodies by their velocities, finds what touches, and then changes the velocities. So its velocities are taken as those
in the middle of a step (leapfrog, second order): a run begins with half a step of forces, and the velocity at the end of a step is the
mean of those before and after. A body that meets one other body inside a step is put where it is at the end of that step when it turned
round at the moment of the hit; so its bounces do not depend on the step.

References: Catto (2005), Iterative Dynamics with Temporal Coherence, Game Developers Conference (the library's method); Hairer, Lubich &
Wanner (2006), Geometric Numerical Integration, section I.1.4 (leapfrog).
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from app.engine.errors import TooExpensive
from app.engine.physics.events import BOUND, KINDS
from app.engine.physics.scene import Scene
from app.engine.physics.solvers import rigid_library as library
from app.engine.physics.solvers.rigid_contacts import Contacts, arms_of
from app.engine.physics.solvers.rigid_frames import RATES, RATES_WIDTH, Frames, Rate, Reader
from app.engine.physics.solvers.rigid_hits import STILL, TOUCHES, Touch, closing, touching
from app.engine.physics.solvers.rigid_laws import Laws
from app.engine.physics.solvers.rigid_motion import RigidMotion
from app.engine.physics.solvers.rigid_plan import Plan
from app.engine.physics.solvers.rigid_shapes import Form
from app.engine.physics.solvers.rigid_space import Joint, World
from app.engine.physics.solvers.solution import COLUMNS, Progress

BREAK = float(KINDS.index("break"))

TOO_DEEP = 10.0
"""Overlap at the start, in overlaps that are let be, past which a run says so."""

Array = NDArray[np.float64]


class Run:
    """One run: the space, and what was recorded.

    Attributes
    ----------
    frames : float64 (F + 1, N, 6), as in RigidMotion
    whole : steps taken; fewer than planned where the motion had no numbers any more
    overlaps : pairs of bodies (BOUND for a bound) that are inside each other at the start
    contacts : what the bodies did where they touched
    """

    def __init__(self, scene: Scene, forms: tuple[Form, ...], plan: Plan, progress: Progress, limit: int) -> None:
        self.scene, self.plan, self.progress, self.limit = scene, plan, progress, limit
        self.world = World(scene, forms, plan)
        self.laws = Laws(self.world)
        self.overlaps: list[tuple[int, int]] = []
        self._events = array("d")
        self._space = library.handle_of(self.world.space)
        self._fragile = any(joint.break_force is not None for joint in self.world.joints)
        self._corners = any(form.parts and moves for form, moves in zip(forms, self.world.moves, strict=False))
        self.contacts = Contacts(self.world, self.laws, self._events)
        self.frames = self._run()
        self.whole = plan.every * (len(self.frames) - 1)
        if self.whole == 0:
            self.frames = np.stack([self.frames[0], _at_rest(self.frames[0])])

    def motion(self) -> RigidMotion:
        """The motion as far as it has numbers."""
        hits, first = self.contacts.hits()
        centres = np.array([form.centre for form in self.world.forms], dtype=np.float64).reshape(-1, 2)
        return RigidMotion(self.frames, hits, first, centres, max(self.whole, self.plan.every) * self.plan.step)

    def events(self) -> Array:
        """The event table, in order of time."""
        table = np.frombuffer(self._events, dtype=np.float64).reshape(-1, len(COLUMNS))
        return table[np.argsort(table[:, 0], kind="stable")]

    def _run(self) -> Array:
        """Run to the end; the frames."""
        plan, laws, contacts, space, step, every = self.plan, self.laws, self.contacts, self._space, self.plan.step, self.plan.every
        frames = Frames(self.world, plan.steps // every)
        self._start(frames.table[0])
        contacts.watch()
        plain, advance = not (laws.changing or laws.acts_after or self._fragile or self._corners), library.advance
        for first in range(0, plan.steps, every):
            last = first + every - 1
            if plain:
                for number in range(first, last):
                    advance(space, step)
                    if contacts.fresh:
                        contacts.meet(number)
            else:
                for number in range(first, last):
                    self._take(number)
            frames.begin()
            self._take(last)
            whole = frames.end(contacts.hit)
            self._report(first)
            if not whole:
                break
        frames.flush()
        return frames.table[: frames.kept]

    def _take(self, number: int) -> None:
        """Take a step, with all that may happen before and after it."""
        laws, contacts, step = self.laws, self.contacts, self.plan.step
        contacts.hit.clear()
        if laws.changing:
            laws.change(number * step)
        if self._corners:
            contacts.look_before()
        library.advance(self._space, step)
        if contacts.fresh:
            contacts.meet(number)
        if self._corners:
            contacts.look_after(number)
        if self._fragile:
            self._bear((number + 1) * step)
        if laws.acts_after:
            laws.act()

    def _report(self, number: int) -> None:
        """Tell how far the run is, and end one that has too many events. Raises TooExpensive."""
        self.progress(0.95 * number / self.plan.steps)
        if len(self._events) > self.limit * len(COLUMNS):
            raise TooExpensive(f"More than {self.limit} events happen in the scene; shorten duration_s or lower time_scale.", "duration_s")

    def _start(self, first: Array) -> None:
        """Give the bodies the velocities of the middle of the first step, from half a step in a space of its own.

        What touches at the start bears and rubs from then on; what is about to collide has not yet done so.
        """
        world, half = self.world, 0.5 * self.plan.step
        if not (world.joints or any(self.laws.gravity) or self.laws.acts_after):
            return
        trial = World(world.scene, world.forms, world.plan)
        trial.space.gravity = self.laws.gravity
        trial.space.step(half)
        after = Reader(trial, RATES, RATES_WIDTH).table()
        free = np.array(self.laws.gravity) * half
        for touch in touching(library.Reading(trial.space, TOUCHES), trial.index):
            a, b = (STILL if index == BOUND else _rate(first[index, 3:].tolist()) for index in touch[:2])
            u = -_along(touch, closing(a, b, arms_of(touch, trial)))
            if touch.gap + max(u, 0.0) * half < -TOO_DEEP * self.plan.slop:
                self.overlaps.append((touch.a, touch.b))
            if u > self.laws.slowest:
                for index in touch[:2]:
                    if index != BOUND and index not in trial.held:
                        after[index] = first[index, 3:]
                        after[index, :2] += free
        for index, body in enumerate(world.bodies):
            if not self.scene.bodies[index].static:
                vx, vy, w = after[index].tolist()
                body.velocity, body.angular_velocity = self.laws.begin(vx, vy, index), w

    def _bear(self, time: float) -> None:
        """Let go what bears more than it can."""
        for joint in list(self.world.joints):
            if joint.break_force is not None and joint.force(self.plan.step) > joint.break_force:
                x, y = self._middle(joint)
                self.world.release(joint)
                self._events.extend((time, BREAK, joint.body, joint.other, 0.0, 0.0, 0.0, x, y, 0.0, float(joint.index)))

    def _middle(self, joint: Joint) -> tuple[float, float]:
        """The middle of the two points that a constraint ties together."""
        hold = joint.holds[0]
        (ax, ay), (bx, by) = hold.a.local_to_world(hold.anchor_a), hold.b.local_to_world(hold.anchor_b)
        return 0.5 * (ax + bx), 0.5 * (ay + by)


def _at_rest(frame: Array) -> Array:
    still = frame.copy()
    still[:, 3:] = 0.0
    return still


def _rate(numbers: list[float]) -> Rate:
    return numbers[0], numbers[1], numbers[2]


def _along(touch: Touch, velocity: tuple[float, float]) -> float:
    return velocity[0] * touch.nx + velocity[1] * touch.ny

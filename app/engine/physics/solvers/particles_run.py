"""A run of the particles solver: from span to span and from break to break."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from app.engine.physics.events import BOUND
from app.engine.physics.scene import Bounds, Scene
from app.engine.physics.solvers import particles_kernel as kernel
from app.engine.physics.solvers.particles_laws import Span, spans
from app.engine.physics.solvers.particles_links import Link, Network, state
from app.engine.physics.solvers.particles_motion import PiecewiseMotion
from app.engine.physics.solvers.particles_steps import WEIGHTS, count, dividing, longest, total
from app.engine.physics.solvers.solution import Progress, event_row, named

DIVIDED = 1.5
"""Steps that may be added by dividing them, for each of the plan."""

_LOOKS = 8
_LOOKED = 0.3
_RECENT = 6
_ALIKE = 1e-9
_ROOT = 1e-12
_PEAK = 1e-6
_NUMBERS = 8_000
_SEEN, _CIRCLES = 1000, 64

Array = NDArray[np.float64]


class Arithmetic(NamedTuple):
    """A way to run the kernel: its functions, and what makes columns of numbers for them."""

    begin: Callable[..., float]
    advance: Callable[..., int]
    assemble: Callable[..., None]
    floats: Callable[[list[float]], Any]
    integers: Callable[[list[int]], Any]


class Run:
    """One run.

    Attributes
    ----------
    network : the scene's bodies and links
    stages : RATTLE steps taken
    broken : rows of an event table, a break each
    ended : simulated time (s) at which the numbers gave out, None when they did not
    """

    def __init__(self, scene: Scene, progress: Progress, arithmetic: Arithmetic) -> None:
        self.scene, self.progress, self.arithmetic = scene, progress, arithmetic
        self.network = Network.of(scene)
        self.stages = 0
        self.broken: list[tuple[float, ...]] = []
        self.ended: float | None = None
        self._left = self.network
        self._step, self._fastest = longest(scene, self.network), dividing(scene, self.network)
        self._spare = int(DIVIDED * total(scene, self.network)) * len(WEIGHTS) if math.isfinite(self._fastest) else 0
        self._looks = int(_LOOKED * total(scene, self.network) * len(WEIGHTS))
        self._exhausted = 0
        self._taken = 0.0
        self._size = kernel.HEAD + kernel.WIDTH * self.network.bodies
        self._pieces: list[Array] = []

    def play(self) -> None:
        """Play the scene to its end, or until its numbers give out."""
        self._set(self.network.places, self.network.speeds)
        self._assemble()
        for span in spans(self.scene):
            law, start = self._law(span), span.start
            while start < span.end and self.ended is None:
                start = self._piece(law, start, span.end)

    def motion(self) -> PiecewiseMotion:
        """The motion that was found."""
        pieces = [piece for piece in self._pieces if len(piece) > 1]
        if not pieces:  # the start has no successor: everything rests
            bodies = np.zeros((self.network.bodies, kernel.WIDTH))
            bodies[:, 0:3] = self._pieces[-1][-1, kernel.HEAD :].reshape(self.network.bodies, kernel.WIDTH)[:, 0:3]
            time = float(self._pieces[-1][-1, 0])
            rest = np.stack([np.concatenate([[time + later, 0.0], bodies.ravel()]) for later in (0.0, 1.0)])
            pieces = [rest]
        rows = np.concatenate(pieces)
        first = np.cumsum([0, *(len(piece) for piece in pieces[:-1])])
        states = np.ascontiguousarray(rows[:, kernel.HEAD :]).reshape(len(rows), self.network.bodies, kernel.WIDTH)
        end = self.scene.duration_s * self.scene.physics.time_scale if self.ended is None else self.ended
        return PiecewiseMotion(np.ascontiguousarray(rows[:, 0]), states, first.astype(np.int64), end)

    def warnings(self) -> tuple[str, ...]:
        """What the user should know about the run."""
        said = []
        if self.ended is not None:
            said.append(
                f"The links have no motion that keeps their lengths and forces after {self.ended:.6g} s of simulated time; the scene ends "
                "there. Set a shorter timestep, or leave it out."
            )
        if self._exhausted:
            said.append("Links turned so fast that the steps are too long for them: what follows is not to be trusted. Set a timestep.")
        if self._taken > _ALIKE:
            said.append(
                f"The rods took up what the velocities at the start had along them: up to {self._taken:.3g} of the largest component."
            )
        return (*said, *self._passages())

    def _passages(self) -> list[str]:
        """Sentences about what bodies went through, at the ends of steps: bounds that somebody set, and each other."""
        whole = np.concatenate(self._pieces)
        rows = whole[:, kernel.HEAD :].reshape(len(whole), self.network.bodies, kernel.WIDTH)[:, :, 0:3]
        met = [index for index, body in enumerate(self.scene.bodies) if not body.sensor]
        return [*self._bounds(rows, met)[:1], *self._circles(rows[:: max(len(rows) // _SEEN, 1)], met)[:1]]

    def _bounds(self, rows: Array, met: list[int]) -> list[str]:
        bounds = self.scene.physics.bounds
        if bounds is None or bounds == Bounds():
            return []
        return [
            f"Bounds do not act in the solver 'particles': {named(self.scene.bodies[index])} goes through one of {'xyz'[axis]}."
            for index in met
            for axis, (low, high) in enumerate(zip(bounds.minimum, bounds.maximum, strict=True))
            if not self.scene.bodies[index].static
            and ((low is not None and rows[:, index, axis].min() < low) or (high is not None and rows[:, index, axis].max() > high))
        ]

    def _circles(self, rows: Array, met: list[int]) -> list[str]:
        round_ = [index for index in met if self.scene.bodies[index].radius > 0][:_CIRCLES]
        for one, other in itertools.combinations(round_, 2):
            first, second = self.scene.bodies[one], self.scene.bodies[other]
            if not (first.static and second.static):
                apart = rows[:, one] - rows[:, other]
                if float(np.square(apart).sum(axis=1).min()) < (first.radius + second.radius) ** 2 * (1.0 - _ALIKE):
                    return [f"Nothing collides in the solver 'particles': {named(first)} and body {second.name!r} go through each other."]
        return []

    def _set(self, places: Array, speeds: Array) -> None:
        self._state = state(self._left, places, speeds, self.arithmetic.floats, self.arithmetic.integers)

    def _load(self, row: Array) -> None:
        """Make the state of a row the present one."""
        bodies = row[kernel.HEAD :].reshape(-1, kernel.WIDTH)
        places, speeds = self.network.places.copy(), np.zeros_like(self.network.places)
        places[: len(bodies)], speeds[: len(bodies)] = bodies[:, 0:3], bodies[:, 3:6]
        self._set(places, speeds)

    def _assemble(self) -> None:
        """Put rods at their lengths, and take from the velocities what would change these."""
        if not self._left.rods:
            return
        s = self._state
        self.arithmetic.assemble(s)
        after = np.array([s.vx, s.vy, s.vz], dtype=np.float64).T
        if not (np.isfinite(after).all() and np.isfinite(np.array([s.x, s.y, s.z], dtype=np.float64)).all()):
            bodies = np.zeros((self.network.bodies, kernel.WIDTH))
            bodies[:, 0:3] = self.network.places[: self.network.bodies]
            self._pieces.append(np.concatenate([[0.0, 0.0], bodies.ravel()])[None, :])
            self.ended = 0.0
            return
        scale = float(np.abs(self.network.speeds).max())
        self._taken = float(np.abs(after - self.network.speeds).max()) / scale if scale > 0 else 0.0

    def _law(self, span: Span) -> kernel.Law:
        floats, integers = self.arithmetic.floats, self.arithmetic.integers
        dampers = any(link.damping > 0 for link in self.network.springs)
        return kernel.Law(
            kind=integers(list(span.kinds)), value=floats(list(span.values)), rate=floats(list(span.rates)), since=floats(list(span.since)),
            damped=span.most(3) > 0, rubbed=dampers or (span.most(4) > 0 and bool(self.network.drag.any())), fastest=self._fastest,
        )  # fmt: skip

    def _piece(self, law: kernel.Law, start: float, end: float) -> float:
        """Play from a time until a link breaks, or to the end; the time reached."""
        opening = self._row(law, start)
        if opening[1] > 1.0 or not np.isfinite(opening).all():
            self._pieces.append(opening[None, :])
            return self._break(opening)
        parts = count(self.scene, end - start, self._step)
        plan = kernel.Plan(start, (end - start) / parts, self.arithmetic.floats(list(WEIGHTS)), self.network.bodies)
        found, tail, done, outcome = [opening[None, :]], opening[None, :], 0, kernel.FULL
        while outcome not in (kernel.DONE, kernel.FAILED):
            outcome, fresh, done = self._advance(law, plan, int(parts), done, tail[-2:])
            found.append(fresh)
            tail = np.concatenate([tail, fresh])
            if outcome == kernel.OVERLOAD:
                time = self._overload(law, tail, len(fresh))
                if time is not None:
                    return self._give_way(law, np.concatenate(found), time)
            tail = tail[-_RECENT:]
        piece = np.concatenate(found)
        if outcome == kernel.FAILED:
            self.ended = float(piece[-1, 0])
        else:
            piece[-1, 0] = end
        self._pieces.append(piece)
        return end

    def _row(self, law: kernel.Law, time: float) -> Array:
        """The present state as a row, with all that follows from it set."""
        share = float(self.arithmetic.begin(self._state, law, time))
        s = self._state
        columns = np.array([s.x, s.y, s.z, s.vx, s.vy, s.vz, s.px, s.py, s.pz], dtype=np.float64)[:, : self.network.bodies]
        return np.concatenate([[time, share], columns.T.ravel()])

    def _advance(self, law: kernel.Law, plan: kernel.Plan, steps: int, done: int, tail: Array) -> tuple[int, Array, int]:
        """Take steps of a plan until the kernel returns: how it ended, the rows after `tail`, and how many steps are taken in all."""
        rows = kernel.MOST_SUBSTEPS + 4 + _NUMBERS // self._size
        used = self.arithmetic.integers([done, len(tail), 0, self._spare, 0])
        record = self.arithmetic.floats(tail.ravel().tolist() + [0.0] * (rows * self._size - tail.size))
        outcome = int(self.arithmetic.advance(self._state, law, plan, used, steps, record, rows))
        fresh = np.array(record[tail.size : int(used[1]) * self._size], dtype=np.float64).reshape(-1, self._size)
        self.stages, self._spare, self._exhausted = self.stages + int(used[2]), int(used[3]), self._exhausted + int(used[4])
        finite = np.isfinite(fresh).all(axis=1)
        if not finite.all():
            outcome, fresh = kernel.FAILED, fresh[: int(np.argmin(finite))]
        self.progress(min(0.9 * (plan.start + plan.h * int(used[0])) / (self.scene.duration_s * self.scene.physics.time_scale), 0.9))
        return outcome, fresh, int(used[0])

    def _overload(self, law: kernel.Law, piece: Array, fresh: int) -> float | None:
        """The first time in the last rows at which the load on a link is what breaks it, as a root on the motion; None if there is none."""
        shares = piece[:, 1].tolist()
        for row in range(len(piece) - fresh, len(piece)):
            low = row - 1
            if not shares[row] > 1.0:
                if row < 2 or self._looks < 0 or not kernel.peak(shares[row - 2], shares[row - 1], shares[row]) > kernel.NEAR:
                    continue
                low = row - 2
            time = self._root(law, piece[max(row - _RECENT, 0) : row + 2], float(piece[low, 0]), float(piece[row, 0]))
            if time is not None:
                return time
        return None

    def _root(self, law: kernel.Law, piece: Array, low: float, high: float) -> float | None:
        states = np.ascontiguousarray(piece[:, kernel.HEAD :]).reshape(len(piece), self.network.bodies, kernel.WIDTH)
        motion = PiecewiseMotion(piece[:, 0], states, np.zeros(1, dtype=np.int64), float(piece[-1, 0]))
        probe = state(self._left, self.network.places, self.network.speeds, self.arithmetic.floats, self.arithmetic.integers)

        def beyond(time: float) -> float:
            self.stages, self._looks = self.stages + 1, self._looks - 1
            places, speeds = (part[0] for part in motion.at(np.array([time])))
            for axis, (place, speed) in enumerate(((probe.x, probe.vx), (probe.y, probe.vy), (probe.z, probe.vz))):
                for body in range(self.network.bodies):
                    place[body], speed[body] = float(places[body, axis]), float(speeds[body, axis])
            return float(self.arithmetic.begin(probe, law, time)) - 1.0

        looks = np.linspace(low, high, _LOOKS + 1).tolist()
        loads = [beyond(look) for look in looks]
        top = max(range(_LOOKS + 1), key=lambda number: (loads[number], -number))
        if not loads[top] > 0.0 and 0 < top < _LOOKS:
            peak = scipy.optimize.minimize_scalar(
                lambda time: -beyond(time),
                bounds=(looks[top - 1], looks[top + 1]),
                method="bounded",
                options={"xatol": _PEAK * (high - low)},
            )
            looks, loads = [*looks[:top], float(peak.x)], [*loads[:top], -float(peak.fun)]
        first = next((number for number, load in enumerate(loads) if load > 0.0), None)
        if first is None:
            return None
        if first == 0:
            return low
        xtol = max(_ROOT * (high - low), 1e-300)
        return float(scipy.optimize.brentq(beyond, looks[first - 1], looks[first], xtol=xtol, rtol=1e-15))

    def _give_way(self, law: kernel.Law, piece: Array, time: float) -> float:
        """Go from the last row before a time to it, and break what breaks there."""
        kept = piece[: max(int(np.count_nonzero(piece[:, 0] < time)), 1)]
        start = float(kept[-1, 0])
        self._load(kept[-1])
        self.arithmetic.begin(self._state, law, start)
        if not time > start:
            self._pieces.append(kept)
            return self._break(self._row(law, start))
        plan = kernel.Plan(start, time - start, self.arithmetic.floats(list(WEIGHTS)), self.network.bodies)
        outcome, fresh, _ = self._advance(law, plan, 1, 0, kept[-1:])
        piece = np.concatenate([kept, fresh])
        self._pieces.append(piece)
        if outcome == kernel.FAILED:
            self.ended = float(piece[-1, 0])
            return time
        piece[-1, 0] = time
        return self._break(self._row(law, time))

    def _break(self, row: Array) -> float:
        """Take the links away whose load is the largest share of what breaks them, from the state of a row that is set; its time.

        Where the row has no finite numbers the run ends.
        """
        s, rods, springs = self._state, self._left.rods, self._left.springs
        tensions = [float(tension) for tension in s.tension]
        shares = {link.number: abs(tension) / link.breaks for link, tension in zip([*rods, *springs], tensions, strict=True)}
        most = max(shares.values(), default=math.nan)
        gone = [link for link in self._left.links if shares[link.number] >= most * (1.0 - _ALIKE)]
        if not (gone and np.isfinite(row).all()):
            self.ended = float(row[0])
            return self.ended
        bodies = row[kernel.HEAD :].reshape(-1, kernel.WIDTH)
        for link in gone:
            self.broken.append(self._event(link, float(row[0]), bodies))
        self._left = dataclasses.replace(self._left, links=tuple(link for link in self._left.links if link not in gone))
        self._load(row)
        return float(row[0])

    def _event(self, link: Link, time: float, bodies: Array) -> tuple[float, ...]:
        other = link.j if link.j < self.network.bodies else BOUND
        return event_row(time, "break", link.i, bodies[link.i, 0:3].tolist(), other=other, value=float(link.number))

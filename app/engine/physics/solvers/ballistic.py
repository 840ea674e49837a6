"""Points and balls in uniform gravity, solved exactly from event to event: no time step, closed form between collisions.

Bodies do not rotate and there is no friction. Bounds, static circles and other balls are met with the restitution sqrt(e_a e_b); points do
not meet points. A sensor meets nothing, not even the bounds. A ball that comes to rest on a bound stays in contact with it; balls that
settle on each other end the run (status `settled_at`), because lasting contact between bodies is outside this model.

References: Rapaport (2004), The Art of Molecular Dynamics Simulation, chapter 14 (event-driven dynamics with cells);
Goldsmith (1960), Impact (Newton's law of restitution).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.engine.errors import Contradiction, EngineError, TooExpensive, Unsupported
from app.engine.physics.scene import Body, Bounds, Physics, Scene
from app.engine.physics.solvers import ballistic_kernel as kernel
from app.engine.physics.solvers import ballistic_report as report
from app.engine.physics.solvers.solution import (
    COLUMNS,
    Progress,
    Solution,
    check_constraints,
    check_finite,
    check_keyframes,
    masses_of,
    named,
)

NAME = "ballistic"
DESCRIPTION = "Points and circles in uniform gravity, exact from event to event: floor, walls, static circles and each other."
CHANGEABLE = frozenset({"gravity.x", "gravity.y", "gravity.z", "linear_damping", "restitution"})
USES = CHANGEABLE | {"bounds", "time_scale"}

STEPS_PER_EVENT = 20
TOLERANCE = 1e-9
NEGLIGIBLE = 1e-100
_LANDING = 30.0  # bounces of a body on another until it has slid off
_AXES = "xyz"
_OPEN = Bounds((None, None, None), (None, None, None))


def check(scene: Scene) -> None:
    """Refuse what this solver cannot honour. Raises EngineError whose `field` is the path of the offending value."""
    if scene.physics.air_density > 0:
        raise Unsupported("The solver 'ballistic' has no air drag; use 'particles', or linear_damping.", "physics.air_density")
    check_finite(scene)
    check_constraints(scene, NAME)
    check_keyframes(scene, CHANGEABLE, NAME)
    _check_bounds(scene.physics.bounds or _OPEN)
    for index, body in enumerate(scene.bodies):
        _check_body(body, f"bodies.{index}")
        if not (body.static or body.sensor):
            _check_place(body, scene.physics.bounds or _OPEN, f"bodies.{index}")
    _check_overlaps(scene)


def _check_bounds(bounds: Bounds) -> None:
    for axis, low, high in zip(_AXES, bounds.minimum, bounds.maximum, strict=True):
        if low is not None and high is not None and low >= high:
            raise Contradiction(f"The bounds leave no room: minimum {low:g} m and maximum {high:g} m.", f"physics.bounds.max.{axis}")


def _check_body(body: Body, path: str) -> None:
    if body.shape not in ("point", "circle"):
        raise Unsupported(f"{named(body)} is a {body.shape}; 'ballistic' has points and circles: use 'rigid'.", f"{path}.shape")
    if body.orbit is not None:
        raise Unsupported(f"{named(body)} has an orbit, which 'ballistic' does not follow; use 'kepler'.", f"{path}.orbit")
    if body.angular_velocity != 0:
        raise Unsupported(f"{named(body)} rotates, and bodies of 'ballistic' do not; use 'rigid'.", f"{path}.angular_velocity")


def _check_place(body: Body, bounds: Bounds, path: str) -> None:
    for axis, x, low, high in zip(_AXES, body.position, bounds.minimum, bounds.maximum, strict=True):
        slack = TOLERANCE * max(body.radius, abs(x), TOLERANCE)
        below = low is not None and x - body.radius < low - slack
        above = high is not None and x + body.radius > high + slack
        if below or above:
            side = f"{low:g} m or more" if below else f"{high:g} m or less"
            raise EngineError(
                f"{named(body)} (radius {body.radius:g} m) is outside the bounds: {axis} must be {side} at its edge.",
                f"{path}.position",
            )


def _check_overlaps(scene: Scene) -> None:
    solid = [index for index, body in enumerate(scene.bodies) if not body.sensor]
    if len(solid) < 2:
        return
    places = np.array([scene.bodies[index].position for index in solid])
    radii = np.array([scene.bodies[index].radius for index in solid])
    still = np.array([scene.bodies[index].static for index in solid])
    along = places[:, np.argmax(np.ptp(places, axis=0))]
    order = np.argsort(along - radii)
    ends = np.searchsorted((along - radii)[order], (along + radii)[order], side="right")
    counts = np.maximum(ends - np.arange(1, len(order) + 1), 0)
    skipped = np.repeat(np.arange(1, len(order) + 1) - np.cumsum(counts) + counts, counts)
    pairs = np.sort(np.stack([np.repeat(order, counts), order[skipped + np.arange(len(skipped))]]), axis=0)
    one, other = pairs[:, ~still[pairs].all(axis=0)]
    gap = np.linalg.norm(places[one] - places[other], axis=1) - radii[one] - radii[other]
    smaller = np.minimum(radii[one], radii[other])
    rounding = 1e-15 * (np.abs(places[one]).sum(axis=1) + np.abs(places[other]).sum(axis=1))
    bad = gap < -TOLERANCE * smaller - rounding
    if bad.any():
        first, second = min(zip(one[bad].tolist(), other[bad].tolist(), strict=True))
        message = f"{named(scene.bodies[solid[first]])} and body {scene.bodies[solid[second]].name!r} overlap at the start."
        raise EngineError(message, f"bodies.{solid[first]}.position")


def estimate(scene: Scene) -> int:
    """About how many events a run has: meetings of the bodies, hits of the bounds, bounces under gravity on them and on each other."""
    span = scene.duration_s * scene.physics.time_scale
    solid = [body for body in scene.bodies if not body.sensor]
    bodies = [body for body in solid if not body.static]
    if not bodies:
        return 0
    room = _room(scene)
    total = 0.0
    speeds = [_typical_speed(body, scene.physics, room) for body in bodies]
    for body, speed in zip(bodies, speeds, strict=True):
        total += min(_bound_rate(body, speed, scene.physics, room) * span, _bounces(body, speed, scene))
        if len(solid) > 1 and any(scene.physics.gravity):
            total += min(_bounces(body, speed, scene), _LANDING)
    mean = math.sqrt(sum(speed * speed for speed in speeds) / len(speeds))
    return math.ceil(min(total + _meeting_rate(scene, bodies, mean, room) * span, 1e18))


def _room(scene: Scene) -> list[float]:
    """The size (m) of the space on each axis: between the bounds, or else what the bodies span."""
    bounds = scene.physics.bounds or _OPEN
    sizes = []
    for axis in range(3):
        low, high = bounds.minimum[axis], bounds.maximum[axis]
        if low is not None and high is not None:
            sizes.append(high - low)
            continue
        places = [body.position[axis] for body in scene.bodies] + [side for side in (low, high) if side is not None]
        sizes.append(max(places) - min(places))
    return sizes


def _typical_speed(body: Body, physics: Physics, room: list[float]) -> float:
    """The speed (m/s) with which a body comes down: from where it is to the bound that gravity pulls it to, or else through the room."""
    bounds, fall = physics.bounds or _OPEN, 0.0
    for axis, g in enumerate(physics.gravity):
        plane = (bounds.minimum if g < 0 else bounds.maximum)[axis]
        fall += abs(g) * (room[axis] if plane is None else max(abs(body.position[axis] - plane) - body.radius, 0.0))
    return math.sqrt(sum(v * v for v in body.velocity) + 2.0 * fall)


def _bound_rate(body: Body, speed: float, physics: Physics, room: list[float]) -> float:
    """Hits of the bounds per simulated second."""
    bounds, rate = physics.bounds or _OPEN, 0.0
    for axis in range(3):
        sides = (bounds.minimum[axis] is not None) + (bounds.maximum[axis] is not None)
        moving = speed if physics.gravity[axis] != 0 else abs(body.velocity[axis])
        free = room[axis] - 2.0 * body.radius
        if sides == 2 and free > 0:
            rate += moving / free
        elif sides and 2.0 * moving > kernel.SHORTEST_FLIGHT * abs(physics.gravity[axis]):
            rate += abs(physics.gravity[axis]) / (2.0 * moving)
    return rate


def _bounces(body: Body, speed: float, scene: Scene) -> float:
    """Bounces until a body with restitution below 1 lies still, infinite for an elastic one."""
    own = scene.physics.restitution if body.restitution is None else body.restitution
    e = math.sqrt(own * scene.physics.restitution)
    g = max(abs(component) for component in scene.physics.gravity)
    if e >= 1.0 or g == 0 or scene.keyframes:
        return math.inf
    first = max(2.0 * speed / g, kernel.SHORTEST_FLIGHT)
    return 2.0 + (math.log(kernel.SHORTEST_FLIGHT / first) / math.log(e) if e > 0 else 0.0)


def _meeting_rate(scene: Scene, bodies: list[Body], speed: float, room: list[float]) -> float:
    """Meetings of bodies per simulated second, as in a dilute gas (kinetic theory)."""
    radius = sum(body.radius for body in bodies) / len(bodies)
    sides = sorted((size for size in room if size > 4.0 * radius), reverse=True)[:3]
    others = len(bodies) / 2.0 + sum(body.static and not body.sensor for body in scene.bodies)
    if not sides or radius == 0 or len(scene.bodies) < 2:
        return 0.0
    cross_section = (1.0, 4.0 * radius, math.pi * 4.0 * radius * radius)[len(sides) - 1]
    return len(bodies) * others * math.sqrt(2.0) * speed * cross_section / math.prod(sides)


@dataclass(frozen=True)
class FreeFlight:
    """Motion in pieces of free flight: row s of `segments` is (body, start, position, velocity, acceleration, damping), SI, 12 columns.

    Rows are in order of body, then start; `first` (N + 1,) is where each body's rows begin.
    """

    segments: NDArray[np.float64]
    first: NDArray[np.int64]

    @classmethod
    def of(cls, segments: NDArray[np.float64], bodies: int) -> FreeFlight:
        """The motion of rows in the order in which they began."""
        order = np.argsort(segments[:, 0], kind="stable")
        return cls(segments[order], np.searchsorted(segments[order, 0], np.arange(bodies + 1)))

    def columns(self) -> dict[str, Any]:
        """All that it is made of."""
        return {"segments": self.segments, "first": self.first}

    def at(self, times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions and velocities, (T, N, 3), at simulated times (T,)."""
        positions, velocities, _ = self._evaluate(np.asarray(times, dtype=np.float64))
        return positions, velocities

    def places(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """The positions of `at`, to the last bit, for all bodies at once: many bodies at a few times cost little more than one."""
        return self._at_once(np.asarray(times, dtype=np.float64))[0]

    def acceleration(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Accelerations between collisions (T, N, 3), m/s^2, at simulated times (T,)."""
        return self._evaluate(np.asarray(times, dtype=np.float64))[2]

    @cached_property
    def _size(self) -> int:
        return len(self.first) - 1

    def _evaluate(self, times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        if len(times) < self._size:
            return self._at_once(times)
        shape = (len(times), self._size, 3)
        positions, velocities, accelerations = np.empty(shape), np.empty(shape), np.empty(shape)
        for body in range(self._size):
            rows = self.segments[self.first[body] : self.first[body + 1]]
            row = rows[np.maximum(np.searchsorted(rows[:, 1], times, side="right") - 1, 0)]
            t, k = (times - row[:, 1])[:, None], row[:, 11:12]
            x, v, a = row[:, 2:5], row[:, 5:8], row[:, 8:11]
            path, pull, decay = _phi(k * t)
            positions[:, body] = x + (v * path + a * t * pull) * t
            velocities[:, body] = v * decay + a * t * path
            accelerations[:, body] = a - k * velocities[:, body]
        return positions, velocities, accelerations

    def _at_once(self, times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """The same for all bodies at once, which takes more memory."""
        times = times[:, None]
        low = np.broadcast_to(self.first[:-1], (len(times), self._size)).copy()
        high = np.broadcast_to(self.first[1:], low.shape).copy()
        while (high - low > 1).any():
            middle = (low + high) // 2
            begun = self.segments[middle, 1] <= times
            low, high = np.where(begun, middle, low), np.where(begun, high, middle)
        row = self.segments[low]
        t, k = (times - row[..., 1])[..., None], row[..., 11:12]
        x, v, a = row[..., 2:5], row[..., 5:8], row[..., 8:11]
        path, pull, decay = _phi(k * t)
        velocities = v * decay + a * t * path
        return x + (v * path + a * t * pull) * t, velocities, a - k * velocities


def _phi(z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """phi1(z), phi2(z) and exp(-z) of the kernel, on arrays."""
    if not z.any():
        return np.ones_like(z), np.full_like(z, 0.5), np.ones_like(z)
    safe = np.where(z > 0, z, 1.0)
    path = np.where(z > 0, -np.expm1(-safe) / safe, 1.0)
    series = np.ones_like(z)
    for n in range(19, 2, -1):
        series = 1.0 - np.minimum(z, 1.0) / n * series
    pull = np.where(z > 1, (safe + np.expm1(-safe)) / (safe * safe), 0.5 * series)
    return path, pull, np.exp(-z)


def restored(scene: Scene, columns: Mapping[str, NDArray[Any]]) -> FreeFlight:
    """The motion of a run of the scene, from what its `columns()` gave."""
    return FreeFlight(columns["segments"], columns["first"])


def solve(scene: Scene, progress: Progress, limit: int) -> Solution:
    """Run the scene to its end. Raises TooExpensive when more than `limit` events happen, and whatever `progress` raises."""
    run = _Run(scene, progress, limit)
    run.play()
    motion = FreeFlight.of(run.segments(), len(scene.bodies))
    events = run.events()
    return Solution(
        motion=motion,
        events=events,
        masses=masses_of(scene),
        steps=run.steps,
        settled_at=run.settled_at,
        conservation=report.conservation(run.ledger, events),
        closed_form=report.bounce_times(scene, events),
        warnings=run.warnings(),
    )


class Arithmetic(NamedTuple):
    """A way to run the event loop: the loop, a queue of events for so many bodies, a full one with more room, its numbers.

    A call of the loop records up to `chunk` events. Lists of many would push the bodies out of the processor's cache.
    """

    run: Callable[..., tuple[int, float]]
    queue: Callable[[list[tuple[float, int, int, int]], int], kernel.Queue]
    roomy: Callable[[kernel.Queue], kernel.Queue]
    floats: Callable[[list[Any]], Any]
    integers: Callable[[list[Any]], Any]
    table: Callable[[int, int], Any]
    chunk: int


def _plain_table(rows: int, width: int) -> list[list[float]]:
    return [[0.0] * width for _ in range(rows)]


def _plain_queue(events: list[tuple[float, int, int, int]], _bodies: int) -> kernel.Queue:
    return kernel.Queue(events)


def _same(queue: kernel.Queue) -> kernel.Queue:
    return queue


PLAIN = Arithmetic(kernel.run, _plain_queue, _same, list, list, _plain_table, 128)
_arithmetic = PLAIN


def compiled(enabled: bool) -> None:
    """Use the compiled event loop (True) or the plain one (False) from now on. Both give the same bytes; compiling needs numba."""
    global _arithmetic  # noqa: PLW0603  one switch for the process, set when a worker starts
    if not enabled:
        _arithmetic = PLAIN
        return
    from app.engine.physics.solvers import ballistic_compiled  # noqa: PLC0415  140 MB that the web process does without

    made = ballistic_compiled
    _arithmetic = Arithmetic(made.run, made.queue, made.roomy, made.floats, made.integers, made.table, 2048)


class _Run:
    """One run: the state, the laws in force one after another, and what was recorded."""

    def __init__(self, scene: Scene, progress: Progress, limit: int) -> None:
        self.scene, self.progress, self.limit = scene, progress, limit
        self.bodies = range(len(scene.bodies))
        self.end = scene.duration_s * scene.physics.time_scale
        grid = _Grid.of(scene)
        self.laws = _laws(scene, grid)
        self.state = _state(scene, grid, _arithmetic)
        self.settled_at: float | None = None
        self.steps = self.found = 0
        self._events: list[NDArray[np.float64]] = []
        self._segments: list[NDArray[np.float64]] = []
        self.ledger = report.Ledger.open(self.state, self.laws[0])

    def play(self) -> None:
        """Play every law in turn, until the end or a collapse."""
        start, law = 0.0, self.laws[0]
        for following in self.laws:
            if following is not law:
                self._all_to(law, start)
                self.ledger.change(self.state, law, following)
                law = following
            self._begin(law)
            if self._play(law, start) == kernel.COLLAPSED:
                self.settled_at = float(self._events[-1][-1, 0])
                break
            start = law.end
        stop = self.end if self.settled_at is None else self.settled_at
        self._all_to(law, stop)
        self.ledger.close(self.state, law, stop)
        if self.settled_at is not None:
            self._hold(stop)

    def _begin(self, law: kernel.Law) -> None:
        """Put a law in force: begin and end contacts, and record the motion from here."""
        s, rows = self.state, self._record(len(self.bodies) + 1)
        for i, body in enumerate(self.scene.bodies):
            s.far[i] = math.inf
            s.restitution[i] = law.restitution if body.restitution is None else body.restitution
            for axis in range(3):
                s.contact[i][axis] = _contact(s, law, i, axis)
                free = s.moves[i] and not s.contact[i][axis]
                s.acceleration[i][axis] = law.gravity[axis] if free else 0.0
            kernel.write_segment(s, law, rows, i)
        self._keep(rows)

    def _all_to(self, law: kernel.Law, time: float) -> None:
        for i in self.bodies:
            kernel.advance(self.state, law, i, time)

    def _hold(self, time: float) -> None:
        """Let every body stay where it is from `time` on."""
        rows = [[i, time, *self.state.position[i], 0, 0, 0, 0, 0, 0, 0] for i in self.bodies]
        self._segments.append(np.array(rows, dtype=np.float64))

    def _play(self, law: kernel.Law, start: float) -> int:
        """Play one law to its end, a chunk at a time."""
        if not self.bodies:
            return kernel.DONE  # tables without a row have no width, which the compiled loop must know
        opening = [(start, ((kernel.OPENING << 24) + i) << 24, int(self.state.count[i]), 0) for i in self.bodies if self.state.moves[i]]
        queue, record, outcome = _arithmetic.queue(opening, len(self.bodies)), self._record(2 * _arithmetic.chunk), kernel.FULL
        while outcome == kernel.FULL:
            outcome, reached = _arithmetic.run(self.state, law, queue, record)
            self._keep(record)
            if self.found > self.limit or self.steps > STEPS_PER_EVENT * self.limit:
                raise TooExpensive(
                    f"More than {self.limit} events happen in the scene; shorten duration_s or lower time_scale.", "duration_s"
                )
            if outcome == kernel.FULL:
                queue = _arithmetic.roomy(queue)
                self.progress(min(reached / self.end, 1.0))
        return outcome

    def _record(self, segments: int) -> kernel.Record:
        return kernel.Record(
            _arithmetic.table(_arithmetic.chunk, kernel.EVENT_WIDTH),
            _arithmetic.table(segments, kernel.SEGMENT_WIDTH),
            _arithmetic.integers([0, 0, 0]),
        )

    def _keep(self, record: kernel.Record) -> None:
        """Copy what a call recorded, and empty the record."""
        events, segments, steps = (int(count) for count in record.used)
        if events:
            self._events.append(np.array(record.events[:events], dtype=np.float64))
        if segments:
            self._segments.append(np.array(record.segments[:segments], dtype=np.float64))
        self.found += events
        self.steps += steps
        for which in range(3):
            record.used[which] = 0

    def events(self) -> NDArray[np.float64]:
        """The event table in order of time; a contact is announced before the time at which its last bounces end."""
        rows = np.concatenate([*self._events, np.empty((0, len(COLUMNS) - 1))])
        table = np.hstack([rows, np.zeros((len(rows), 1))])
        return table[np.argsort(table[:, 0], kind="stable")]

    def segments(self) -> NDArray[np.float64]:
        """The pieces of motion, in the order in which they began."""
        return np.concatenate([*self._segments, np.empty((0, kernel.SEGMENT_WIDTH))])

    def warnings(self) -> tuple[str, ...]:
        """What the user should know about the run."""
        if self.settled_at is None:
            return ()
        return (
            f"The bodies settled on each other after {self.settled_at:.6g} s of simulated time, and the scene is silent from there: "
            "lasting contact between bodies needs the solver 'rigid'.",
        )


def _contact(s: kernel.State, law: kernel.Law, i: int, axis: int) -> int:
    """The side on which gravity presses a body at rest against a bound: -1, 1, or 0 where it does not lie on one."""
    pull, x, v = law.gravity[axis], s.position[i][axis], s.velocity[i][axis]
    if not (s.moves[i] and s.solid[i]) or v != 0.0:
        return 0
    if pull < 0.0 and x <= s.low[i][axis]:
        return -1
    return 1 if pull > 0.0 and x >= s.high[i][axis] else 0


def _laws(scene: Scene, grid: _Grid) -> list[kernel.Law]:
    """The laws in force one after another, split at the step keyframes."""
    physics, end = scene.physics, scene.duration_s * scene.physics.time_scale
    values = dict(zip(("gravity.x", "gravity.y", "gravity.z"), physics.gravity, strict=True))
    values |= {"linear_damping": physics.linear_damping, "restitution": physics.restitution}
    frames = sorted((f for f in scene.keyframes if f.parameter in CHANGEABLE), key=lambda frame: frame.time_s)
    starts, deep = {0.0: values}, any(body.velocity[2] != 0.0 or body.position[2] != scene.bodies[0].position[2] for body in scene.bodies)
    for time, group in itertools.groupby(frames, key=lambda frame: max(frame.time_s, 0.0) * physics.time_scale):
        values = values | {frame.parameter: frame.value for frame in group}
        if time < end:
            starts[time] = values
    ends = [*list(starts)[1:], end]
    return [_law(values, until, grid, deep) for values, until in zip(starts.values(), ends, strict=True)]


def _law(values: dict[str, float], end: float, grid: _Grid, deep: bool) -> kernel.Law:
    """A law; gravity and damping too small to move a bit are 0, so that their squares do not vanish where they divide."""
    x, y, z, damping = (
        float(values[name]) if abs(values[name]) > NEGLIGIBLE else 0.0 for name in ("gravity.x", "gravity.y", "gravity.z", "linear_damping")
    )
    return kernel.Law(
        gravity=(x, y, z),
        damping=damping,
        restitution=float(values["restitution"]),
        end=end,
        size=grid.size,
        split=grid.split,
        free=x == y == z == damping == 0.0,
        deep=deep or z != 0.0,
    )


@dataclass(frozen=True)
class _Grid:
    """Cells that bodies are found by; the grid is wrapped around, so that it covers all space.

    A cell is at least two diameters wide, `split` counts the cells on each axis (1: the axis is not divided). `neighbours[c]` are the
    cells around c, `beyond[c][side]` the one past a side (0 -x, 1 +x, 2 -y, ...), `fresh[6 c + side]` those that come into sight there,
    filled up with -1.
    """

    size: float
    split: tuple[int, int, int]
    neighbours: list[list[int]]
    beyond: list[list[int]]
    fresh: list[list[int]]

    @classmethod
    def of(cls, scene: Scene) -> _Grid:
        """A grid of about four cells for each body."""
        radii = [body.radius for body in scene.bodies if not body.sensor and body.radius > 0]
        if not radii:
            return cls(1.0, (1, 1, 1), [[0]], [[0] * 6], [[-1]] * 6)
        room = _room(scene)
        usual = 4.0 * float(np.quantile(radii, 0.9, method="higher"))
        axes = max(sum(side > 4.0 * usual for side in room), 1)
        size = max(usual, max(room) / (1.5 * len(scene.bodies) ** (1.0 / axes)))
        split = tuple(math.ceil(side / size) if side > 4.0 * size else 1 for side in room)
        return cls._with(size, (split[0], split[1], split[2]))

    @classmethod
    def _with(cls, size: float, split: tuple[int, int, int]) -> _Grid:
        cells = np.stack(np.meshgrid(*(np.arange(count) for count in split), indexing="ij"), axis=-1).reshape(-1, 1, 3)

        def around(steps: Sequence[Sequence[int]]) -> NDArray[np.int64]:
            """The cells at all combinations of steps on the three axes, a row for each cell."""
            x, y, z = np.moveaxis((cells + np.array(list(itertools.product(*steps)))) % split, -1, 0)
            found: NDArray[np.int64] = (x * split[1] + y) * split[2] + z
            return found

        def past(q: int, step: int, others: Sequence[tuple[int, ...]]) -> NDArray[np.int64]:
            return around([(step,) if axis == q else others[axis] for axis in range(3)])

        near = [(-1, 0, 1) if count > 1 else (0,) for count in split]
        sides = list(itertools.product(range(3), (-1, 1)))
        new = {side: past(q, 2 * step, near) for side, (q, step) in enumerate(sides) if split[q] > 1}
        fresh = np.full((len(cells), 6, max((rows.shape[1] for rows in new.values()), default=1)), -1)
        for side, rows in new.items():
            fresh[:, side, : rows.shape[1]] = rows
        beyond = np.concatenate([past(q, step, [(0,)] * 3) for q, step in sides], axis=1)
        return cls(size, split, around(near).tolist(), beyond.tolist(), fresh.reshape(6 * len(cells), -1).tolist())

    def place(self, position: tuple[float, float, float]) -> tuple[list[float], int]:
        """The numbers of the cell around a position on each axis, and its index on the wrapped grid."""
        home = [math.floor(x / self.size) if count > 1 else 0 for x, count in zip(position, self.split, strict=True)]
        x, y, z = (number % count for number, count in zip(home, self.split, strict=True))
        return [float(number) for number in home], (x * self.split[1] + y) * self.split[2] + z


def _state(scene: Scene, grid: _Grid, arithmetic: Arithmetic) -> kernel.State:
    """The bodies at the start, not yet under any law."""
    bodies, bounds = scene.bodies, scene.physics.bounds or _OPEN
    n, floats, integers = len(bodies), arithmetic.floats, arithmetic.integers
    low = [[-math.inf if side is None or body.sensor else side + body.radius for side in bounds.minimum] for body in bodies]
    high = [[math.inf if side is None or body.sensor else side - body.radius for side in bounds.maximum] for body in bodies]
    places = [grid.place(body.position) for body in bodies]
    celled = [not body.sensor and 4.0 * body.radius <= grid.size for body in bodies]
    state = kernel.State(
        position=floats([list(body.position) for body in bodies]),
        velocity=floats([[0.0] * 3 if body.static else list(body.velocity) for body in bodies]),
        acceleration=floats([[0.0] * 3 for _ in bodies]),
        clock=floats([0.0] * n),
        contact=integers([[0] * 3 for _ in bodies]),
        low=floats(low),
        high=floats(high),
        radius=floats([body.radius for body in bodies]),
        mass=floats([0.0 if body.static else body.mass for body in bodies]),
        inverse_mass=floats([0.0 if body.static else 1.0 / body.mass for body in bodies]),
        restitution=floats([0.0] * n),
        moves=integers([int(not body.static) for body in bodies]),
        solid=integers([int(not body.sensor) for body in bodies]),
        count=integers([0] * n),
        window_start=floats([0.0] * n),
        window_count=integers([0] * n),
        home=floats([home for home, _ in places]),
        cell=integers([-1] * n),
        following=integers([-1] * n),
        head=integers([-1] * (len(grid.neighbours) + 1)),
        neighbours=integers(grid.neighbours),
        beyond=integers(grid.beyond),
        fresh=integers(grid.fresh),
        large=integers([i for i, body in enumerate(bodies) if not celled[i] and not body.sensor]),
        far=floats([0.0] * n),
        wall=integers([0] * n),
        leaving=floats([[math.inf] * 3 for _ in bodies]),
        stride=floats([[0.0] * 3 for _ in bodies]),
        external=floats([0.0] * 3),
    )
    for i in range(n):
        if celled[i]:
            kernel.enter(state, i, places[i][1])
    return state

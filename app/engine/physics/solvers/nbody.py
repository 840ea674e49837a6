"""Bodies that pull on each other, 2 to 1,000 of them, in equal symplectic steps with continuous motion between.

Bodies are points and pass through each other. One with an orbit starts from its Keplerian elements about its parent, as in `kepler`; the
others from position and velocity. Static bodies pull and do not move. Up to SMALL bodies the steps are PEFRL, of fourth order, beyond that
velocity Verlet, of second.

References: Omelyan, Mryglod & Folk (2002), Computer Physics Communications 146, 188-202 (PEFRL);
Hairer, Lubich & Wanner (2006), Geometric Numerical Integration, chapters I and IX (why the energy does not wander);
Murray & Dermott (1999), Solar System Dynamics, chapter 2 (osculating orbits).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.engine.errors import Contradiction, EngineError, TooExpensive, Unsupported
from app.engine.physics.scene import Body, Scene
from app.engine.physics.solvers import kepler
from app.engine.physics.solvers import nbody_kernel as kernel
from app.engine.physics.solvers import nbody_report as report
from app.engine.physics.solvers.nbody_events import CIRCULAR, Finder, Orbit, siblings
from app.engine.physics.solvers.nbody_motion import SteppedMotion
from app.engine.physics.solvers.solution import Progress, Solution, check_constraints, check_keyframes, masses_of, named

NAME = "nbody"
DESCRIPTION = "Mutual gravity of 2 to 1,000 bodies, in symplectic steps with exact moments of transit, periapsis and conjunction between."
USES = frozenset({"gravitational_constant", "time_scale", "timestep"})

MOST_BODIES = 1000
SMALL = 64
"""Up to as many bodies the steps are PEFRL and conjunctions are looked for."""

STEPS_PER_PERIOD = 50
"""Steps in the shortest period (`shortest_period`) where the scene sets no timestep."""

FEWEST_STEPS = 100
STATE_LIMIT = 2_500_000
"""Steps times bodies that a run may keep; each takes 72 bytes."""

ROWS = 8
"""Evaluations of the force on one body that count as one in an estimate."""

UNRESOLVED = 10
"""Steps that two bodies must have for a turn about each other at their distance; a run with fewer warns."""

TURN = 2.0 * math.pi

_PERIAPSIS_TURNS = 2.0
_CLOSEST_FALL = 100.0
_CHUNK = 200_000

Array = NDArray[np.float64]


def check(scene: Scene) -> None:
    """Refuse what this solver cannot honour. Raises EngineError whose `field` is the path of the offending value."""
    check_constraints(scene, NAME)
    check_keyframes(scene, frozenset(), NAME)
    if not 2 <= len(scene.bodies) <= MOST_BODIES:
        raise EngineError(f"The solver 'nbody' takes 2 to {MOST_BODIES} bodies; the scene has {len(scene.bodies)}.", "bodies")
    _check_physics(scene)
    for index, body in enumerate(scene.bodies):
        _check_body(body, f"bodies.{index}")
    positions, velocities = start(scene)
    for index, body in enumerate(scene.bodies):
        if not (np.isfinite(positions[index]).all() and np.isfinite(velocities[index]).all()):
            raise EngineError(f"{named(body)} has no finite place and velocity at the start.", f"bodies.{index}.position")
    _check_apart(scene, positions)
    if not _steps(scene) * len(scene.bodies) <= STATE_LIMIT:
        raise TooExpensive(
            f"The scene would take {_steps(scene):.3g} steps; for {len(scene.bodies)} bodies the limit is "
            f"{STATE_LIMIT // len(scene.bodies)}. Shorten duration_s, lower time_scale or set a longer timestep.",
            "duration_s",
        )


def _check_physics(scene: Scene) -> None:
    physics = scene.physics
    if not (physics.gravitational_constant > 0 and math.isfinite(physics.gravitational_constant)):
        raise Contradiction("Bodies need gravity: gravitational_constant must be more than 0 m^3/kg/s^2.", "physics.gravitational_constant")
    if physics.timestep is not None and not (physics.timestep > 0 and math.isfinite(physics.timestep)):
        raise EngineError("timestep must be a number of seconds above 0, or null.", "physics.timestep")


def _check_body(body: Body, path: str) -> None:
    if body.orbit is not None and body.static:
        raise Contradiction(f"{named(body)} is static and has an orbit; it can have one of them.", f"{path}.static")
    if not (body.mass > 0 and math.isfinite(body.mass)):
        raise EngineError(f"{named(body)} needs a mass of more than 0 kg.", f"{path}.mass")
    for name in ("position", "velocity"):
        if not all(math.isfinite(component) for component in getattr(body, name)):
            raise EngineError(f"The {name} of {body.name!r} must be finite numbers.", f"{path}.{name}")
    if body.angular_velocity != 0:
        raise Unsupported(f"{named(body)} rotates, and bodies of 'nbody' are points; use 'rigid'.", f"{path}.angular_velocity")


def _check_apart(scene: Scene, positions: Array) -> None:
    places: dict[tuple[float, ...], int] = {}
    for index, place in enumerate(positions.tolist()):
        other = places.setdefault(tuple(place), index)
        if other != index:
            raise Contradiction(
                f"{named(scene.bodies[index])} and body {scene.bodies[other].name!r} start at the same place.",
                f"bodies.{index}.position",
            )


def estimate(scene: Scene) -> int:
    """The work of a run: evaluations of the force on ROWS bodies, and events. The first part is exact."""
    span, steps, orbits = scene.duration_s * scene.physics.time_scale, _steps(scene), osculating(scene)
    total = steps * _scheme(scene).evaluations * len(scene.bodies) / ROWS
    turns = {orbit.body: min(span / orbit.period, steps) if orbit.period > 0 else 1.0 for orbit in orbits}
    for orbit in orbits:
        total += turns[orbit.body] * (1 if orbit.eccentricity < CIRCULAR else 2)
    for one, other in siblings(orbits) if len(scene.bodies) <= SMALL else ():
        total += abs(turns[one.body] - turns[other.body])
    return math.ceil(min(total, 1e18))


def start(scene: Scene) -> tuple[Array, Array]:
    """Positions (m) and velocities (m/s) at the start, (N, 3) each.

    A body goes with its parent, whose own motion is not corrected for the pull of what orbits it. An orbit without period and axis names
    the parent only. Raises what `kepler.ellipses` raises.
    """
    positions = np.array([body.position for body in scene.bodies], dtype=np.float64)
    velocities = np.array([(0.0, 0.0, 0.0) if body.static else body.velocity for body in scene.bodies], dtype=np.float64)
    given = dataclasses.replace(
        scene, bodies=tuple(body if _has_elements(body) else dataclasses.replace(body, orbit=None) for body in scene.bodies)
    )
    for ellipse in kepler.motion_of(given, kepler.ellipses(given)).order:
        place, speed = ellipse.relative(np.zeros(1))
        positions[ellipse.index] = positions[ellipse.parent] + place[0]
        velocities[ellipse.index] = velocities[ellipse.parent] + speed[0]
    return positions, velocities


def _has_elements(body: Body) -> bool:
    return body.orbit is not None and not (body.orbit.semi_major_axis is None and body.orbit.period is None)


def osculating(scene: Scene) -> tuple[Orbit, ...]:
    """The orbits of the bodies that move about their primaries, as they are at the start: its orbit's parent, else the heaviest other."""
    positions, velocities = start(scene)
    heaviest = sorted(range(len(scene.bodies)), key=lambda index: -scene.bodies[index].mass)[:2]
    found = []
    for index, body in enumerate(scene.bodies):
        if body.static:
            continue
        primary = heaviest[0] if heaviest[0] != index else heaviest[1]
        if body.orbit is not None:
            primary = kepler.parent_of(scene, index, body.orbit)
        axis, eccentricity, period, _ = _elements(scene, index, primary, positions, velocities)
        found.append(Orbit(index, primary, axis, eccentricity, period))
    return tuple(found)


def _elements(scene: Scene, body: int, other: int, positions: Array, velocities: Array) -> tuple[float, float, float, float]:
    """Axis (m), eccentricity, period (s) and the time (s) of a turn at the rate that holds at the periapsis, of one body about another.

    Axis and period are nan when the two are not bound. The other pulls with its mass, and falls towards the body unless it is static.
    """
    place, speed = positions[body] - positions[other], velocities[body] - velocities[other]
    mu = _pull(scene, body, other)
    r = float(np.linalg.norm(place))
    square = float(speed @ speed)
    turning = float(np.linalg.norm(np.cross(place, speed)))
    excess = ((square - mu / r) * place - float(place @ speed) * speed) / mu
    e = float(np.linalg.norm(excess))
    closest = turning * turning / (mu * (1.0 + e))
    turn = TURN * closest / turning * closest if turning > 0 else 0.0
    inverse = 2.0 / r - square / mu
    if inverse <= 0:
        return math.nan, e, math.nan, turn
    return 1.0 / inverse, e, TURN / inverse / math.sqrt(inverse) / math.sqrt(mu), turn


def _pull(scene: Scene, body: int, other: int) -> float:
    """The gravitational parameter (m^3/s^2) of a body's motion seen from another."""
    own = 0.0 if scene.bodies[other].static else scene.bodies[body].mass
    return scene.physics.gravitational_constant * (scene.bodies[other].mass + own)


def shortest_period(scene: Scene) -> float:
    """The shortest period (s) at the start, by Kepler's third law.

    Of each body that moves it is the period about the partner that at their distance r would have the fastest circular orbit, the largest
    G (m_i + m_j) / r^3; so that of a moon is about its planet. An orbit so long that it turns faster at its periapsis than half its period
    suggests counts with twice the time of a turn at that rate, and so does a passage of two that are not bound; a straight fall counts with
    a hundredth of the circular period at the distance. Infinite when no body moves.
    """
    positions, velocities = start(scene)
    masses, found = np.array([body.mass for body in scene.bodies]), math.inf
    for index, body in enumerate(scene.bodies):
        if body.static:
            continue
        distance = np.linalg.norm(positions - positions[index], axis=1)
        distance[index] = np.inf
        nearest = int(np.argmax((masses + body.mass) / np.maximum(distance**3, np.finfo(np.float64).tiny)))
        r = float(distance[nearest])
        circular = TURN * math.sqrt(r / _pull(scene, index, nearest)) * r
        _, _, period, turn = _elements(scene, index, nearest, positions, velocities)
        own = _PERIAPSIS_TURNS * turn
        found = min(found, max(min(period, own) if period > 0 else own, circular / _CLOSEST_FALL))
    return found


def _steps(scene: Scene) -> float:
    """The number of steps; a whole number, as a float that may be beyond all bounds."""
    step = scene.physics.timestep or shortest_period(scene) / STEPS_PER_PERIOD
    wanted = scene.duration_s * scene.physics.time_scale / step if step > 0 else math.inf
    return max(float(math.ceil(wanted)), FEWEST_STEPS) if wanted < 1e18 else math.inf


class Scheme(NamedTuple):
    """A way to step: the plain kernel's name and how many evaluations of all forces a step takes."""

    name: str
    evaluations: int

    def kernel(self, size: int) -> str:
        """The name of what steps so many bodies."""
        return f"{self.name}, {'pairs' if size < kernel.WIDE else 'rows'}"


PEFRL, VERLET = Scheme("pefrl", 5), Scheme("verlet", 1)


def _scheme(scene: Scene) -> Scheme:
    return PEFRL if len(scene.bodies) <= SMALL else VERLET


class Arithmetic(NamedTuple):
    """A way to run the kernels: `steps` by name, `begin`, and what makes a column of numbers for them."""

    steps: dict[str, Callable[..., float]]
    begin: Callable[..., None]
    column: Callable[[list[float]], Any]


PLAIN = Arithmetic({"pefrl": kernel.pefrl, "verlet": kernel.verlet}, kernel.begin, list)
_arithmetic = PLAIN


def compiled(enabled: bool) -> None:
    """Use the compiled kernels (True) or the plain ones (False) from now on. Both give the same bytes; compiling needs numba."""
    global _arithmetic  # noqa: PLW0603  one switch for the process, set when a worker starts
    if not enabled:
        _arithmetic = PLAIN
        return
    from app.engine.physics.solvers import nbody_compiled  # noqa: PLC0415  140 MB that the web process does without

    _arithmetic = Arithmetic({"pefrl": nbody_compiled.pefrl, "verlet": nbody_compiled.verlet}, nbody_compiled.begin, nbody_compiled.column)


def solve(scene: Scene, progress: Progress, limit: int) -> Solution:
    """Run the scene to its end. Raises TooExpensive when more than `limit` events happen, and whatever `progress` raises."""
    steps, end = int(_steps(scene)), scene.duration_s * scene.physics.time_scale
    step = end / steps
    scheme = _scheme(scene)
    states, fastest = integrate(scene, scheme, steps, step, progress)
    whole = _whole(states)
    motion = SteppedMotion(_trimmed(states, whole), step, whole * step if whole < steps else end)
    orbits = osculating(scene)
    events = Finder(motion, orbits).table(conjunctions=len(scene.bodies) <= SMALL)
    if len(events) > limit:
        raise TooExpensive(f"More than {limit} events happen in the scene; shorten duration_s or lower time_scale.", "duration_s")
    return Solution(
        motion=motion,
        events=events[events[:, 0] <= motion.end],
        masses=masses_of(scene),
        steps=whole,
        settled_at=None if whole == steps else motion.end,
        conservation=report.conservation(scene, scheme.kernel(len(scene.bodies)), states[0], states[whole]),
        closed_form=report.third_law(scene, orbits, events),
        quantities=_quantities(scene, orbits),
        warnings=_warnings(scene, motion, fastest, ended=whole < steps),
    )


def restored(scene: Scene, columns: Mapping[str, NDArray[Any]]) -> SteppedMotion:
    """The motion of a run of the scene, from what its `columns()` gave."""
    return SteppedMotion.of_columns(columns)


def integrate(scene: Scene, scheme: Scheme, steps: int, step: float, progress: Progress) -> tuple[Array, float]:
    """The states (steps + 1, N, 9) at the ends of all steps of `step` s, and the fastest rate (1/s^2) of a pair."""
    size = len(scene.bodies)
    state = _state(scene)
    record = np.zeros((steps + 1) * size * kernel.WIDTH)
    _arithmetic.begin(state, size, record)
    chunk, fastest = max(_CHUNK // (scheme.evaluations * size * size), 1), 0.0
    for first in range(0, steps, chunk):
        rows = record[(first + 1) * size * kernel.WIDTH :]
        fastest = max(fastest, float(_arithmetic.steps[scheme.name](state, size, step, min(chunk, steps - first), rows)))
        progress(0.9 * min((first + chunk) / steps, 1.0))
    return record.reshape(steps + 1, size, kernel.WIDTH), fastest


def _state(scene: Scene) -> Any:
    """The bodies at the start, as the kernels take them."""
    (positions, velocities), constant = start(scene), scene.physics.gravitational_constant
    state = np.zeros((kernel.LENGTH // kernel.ROOM, kernel.ROOM))
    columns = (
        *positions.T, *velocities.T, *np.zeros((3, len(scene.bodies))), [constant * body.mass for body in scene.bodies],
        [0.0 if body.static else 1.0 for body in scene.bodies],
    )  # fmt: skip
    for row, column in zip(state, columns, strict=False):
        row[: len(scene.bodies)] = column
    return _arithmetic.column(state.ravel().tolist())


def _whole(states: Array) -> int:
    """The last step at whose end, and before, every number is finite."""
    broken = np.flatnonzero(~np.isfinite(states).all(axis=(1, 2)))
    return max(int(broken[0]) - 1, 0) if len(broken) else len(states) - 1


def _trimmed(states: Array, whole: int) -> Array:
    """The states up to a step; two of them at least, as a motion needs: bodies at rest follow a start that nothing follows."""
    if whole > 0:
        return states[: whole + 1]
    rest = states[0].copy()
    rest[:, 3:] = 0.0  # the pull itself may have no number at the start
    return np.stack([rest, rest])


def _quantities(scene: Scene, orbits: tuple[Orbit, ...]) -> dict[str, Array]:
    found = {name: np.full(len(scene.bodies), np.nan) for name in ("period", "frequency", "semi_major_axis", "eccentricity")}
    for orbit in orbits:
        if math.isfinite(orbit.period):
            found["period"][orbit.body] = orbit.period
            found["frequency"][orbit.body] = 1.0 / orbit.period
            found["semi_major_axis"][orbit.body] = orbit.semi_major_axis
            found["eccentricity"][orbit.body] = orbit.eccentricity
    return found


def _warnings(scene: Scene, motion: SteppedMotion, fastest: float, ended: bool) -> tuple[str, ...]:
    """What the user should know about the run."""
    said = []
    if ended:
        said.append(
            f"Bodies came so close after {motion.end:.6g} s of simulated time that their motion has no numbers from there; it ends."
        )
    turn = TURN / math.sqrt(fastest) if fastest > 0 else math.inf
    if turn < UNRESOLVED * motion.step:
        said.append(
            f"Two bodies came so close that a turn about each other would take {turn:.3g} s, fewer than {UNRESOLVED} steps of "
            f"{motion.step:.3g} s: what follows is not to be trusted. Set a shorter timestep."
        )
    if len(scene.bodies) > SMALL:
        said.append(f"In a scene of more than {SMALL} bodies no conjunctions are looked for.")
    return tuple(said)

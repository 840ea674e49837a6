"""Bodies on Keplerian orbits: position at any time in closed form, and exact moments of transit, periapsis and conjunction.

The period is authoritative; axis and masses are checked against it by Kepler's third law. Orbits do not disturb each other. The orbital
plane of inclination 0 is x-y, angles are counted from +x. The true longitude is longitude_of_node + argument_of_periapsis + true anomaly.

Reference: Murray & Dermott (1999), Solar System Dynamics, chapter 2.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.errors import Contradiction, EngineError, Unsupported
from app.engine.physics.scene import Body, Orbit, Scene
from app.engine.physics.solvers import kepler_report as report
from app.engine.physics.solvers.solution import (
    Progress,
    Solution,
    check_constraints,
    check_finite,
    check_keyframes,
    event_row,
    event_table,
    index_of,
    masses_of,
    named,
)

NAME = "kepler"
DESCRIPTION = "Analytic orbits from Keplerian elements, around static bodies or around each other."
USES = frozenset({"gravitational_constant", "time_scale"})

CIRCULAR = 1e-6
"""Eccentricity below which the periapsis is undefined, so that there are no `apsis` events."""

THIRD_LAW_TOLERANCE = 0.01
GRID = 64
TURN = 2.0 * math.pi

Array = NDArray[np.float64]


def mean_to_eccentric(mean_anomaly: Array, eccentricity: Array | float) -> Array:
    """Kepler's equation E - e sin E = M, solved for E to a residual of 1e-12 rad or the spacing of floats at E.

    Parameters
    ----------
    mean_anomaly : M in rad, any shape and any number of turns
    eccentricity : e in [0, 0.99], broadcast against M

    Returns
    -------
    eccentric_anomaly : E in rad, in the same turn as M

    Notes
    -----
    Newton's method with steps clipped to 1 rad, from E = M + 0.85 e sign(sin M) (Danby 1988, Fundamentals of Celestial Mechanics, 6.6).
    """
    turns = np.round(mean_anomaly / TURN) * TURN
    m = mean_anomaly - turns
    e = np.broadcast_to(np.asarray(eccentricity, dtype=np.float64), m.shape)
    x = m + 0.85 * e * np.sign(np.sin(m))
    for _ in range(60):
        step = np.clip((x - e * np.sin(x) - m) / (1.0 - e * np.cos(x)), -1.0, 1.0)
        x = x - step
        if not (np.abs(step) > 1e-15 * np.maximum(np.abs(x), 1e-300)).any():
            break
    return x + turns


def eccentric_to_true(eccentric_anomaly: Array, eccentricity: Array | float) -> Array:
    """The true anomaly (rad) of an eccentric anomaly, in the same turn.

    nu - E = 2 atan(b sin E / (1 - b cos E)) with b = e / (1 + sqrt(1 - e^2)), which keeps its digits at every anomaly.
    """
    b = eccentricity / (1.0 + np.sqrt(1.0 - np.square(eccentricity)))
    return eccentric_anomaly + 2.0 * np.arctan2(b * np.sin(eccentric_anomaly), 1.0 - b * np.cos(eccentric_anomaly))


def true_to_mean(true_anomaly: float, e: float) -> float:
    """The mean anomaly (rad) at a true anomaly, in the same turn."""
    b = e / (1.0 + math.sqrt(1.0 - e * e))
    x = true_anomaly - 2.0 * math.atan2(b * math.sin(true_anomaly), 1.0 + b * math.cos(true_anomaly))
    return x - e * math.sin(x)


@dataclass(frozen=True)
class Ellipse:
    """The orbit of body `index` around body `parent`, complete: a in m, period in s, angles in rad.

    `mu` is the gravitational parameter (m^3/s^2) that the period and axis imply, `expected_period` (s) what the masses give for the axis.
    """

    index: int
    parent: int
    a: float
    e: float
    period: float
    expected_period: float
    mean_anomaly: float
    longitude_of_periapsis: float
    toward_periapsis: tuple[float, float, float]
    toward_quarter: tuple[float, float, float]

    @property
    def mu(self) -> float:
        """4 pi^2 a^3 / P^2."""
        return (TURN / self.period) ** 2 * self.a**3

    def mean(self, times: Array) -> Array:
        """The mean anomaly (rad), growing without end."""
        return self.mean_anomaly + TURN * (times / self.period)

    def true(self, times: Array) -> Array:
        """The true anomaly (rad), growing without end."""
        return eccentric_to_true(mean_to_eccentric(self.mean(times), self.e), self.e)

    def longitude(self, times: Array) -> Array:
        """The true longitude (rad), growing without end."""
        return self.longitude_of_periapsis + self.true(times)

    def longitude_rate(self, times: Array) -> Array:
        """The rate of the true longitude, rad/s."""
        rate: Array = TURN / self.period * (1.0 + self.e * np.cos(self.true(times))) ** 2 / (1.0 - self.e**2) ** 1.5
        return rate

    def relative(self, times: Array) -> tuple[Array, Array]:
        """Position (m) and velocity (m/s) seen from the parent, (T, 3) each."""
        x = mean_to_eccentric(self.mean(times), self.e)
        cosine, sine, minor = np.cos(x), np.sin(x), math.sqrt(1.0 - self.e**2)
        rate = TURN / self.period / (1.0 - self.e * cosine)
        p, q = np.array(self.toward_periapsis), np.array(self.toward_quarter)
        place = self.a * ((cosine - self.e)[:, None] * p + (minor * sine)[:, None] * q)
        return place, self.a * ((-sine * rate)[:, None] * p + (minor * cosine * rate)[:, None] * q)

    def times_of_true(self, true_anomaly: float, end: float) -> Iterator[float]:
        """The times in [0, end) at which the true anomaly is the given one (rad, modulo 2 pi), exact."""
        ahead = (true_to_mean(true_anomaly, self.e) - self.mean_anomaly) / TURN
        first = ahead - math.floor(ahead)
        for turn in itertools.count():
            time = (first + turn) * self.period
            if time >= end:
                return
            yield time


def check(scene: Scene) -> None:
    """Refuse what this solver cannot honour. Raises EngineError whose `field` is the path of the offending value."""
    check_finite(scene)
    check_constraints(scene, NAME)
    check_keyframes(scene, frozenset(), NAME)
    for index, body in enumerate(scene.bodies):
        if body.orbit is None and not body.static:
            raise Unsupported(f"{named(body)} has no orbit; in 'kepler' a body has an orbit or is static.", f"bodies.{index}.orbit")
        if body.orbit is not None and body.static:
            raise Contradiction(f"{named(body)} is static and has an orbit; it can have one of them.", f"bodies.{index}.static")
    ellipses(scene)


def estimate(scene: Scene) -> int:
    """About how many events a run has: a transit and a periapsis for each orbit, and the conjunctions of each pair."""
    span, total = scene.duration_s * scene.physics.time_scale, 0.0
    orbits = ellipses(scene)
    for orbit in orbits:
        total += span / orbit.period * (2 if orbit.e >= CIRCULAR else 1)
    for first, second in _siblings(orbits):
        total += span * abs(1.0 / first.period - 1.0 / second.period)
    return math.ceil(min(total, 1e18))


def ellipses(scene: Scene) -> list[Ellipse]:
    """The orbits of a scene in scene order.

    Raises Contradiction when period, axis and masses disagree by more than 1 % in the period, and EngineError for an orbit that lacks both
    period and axis, a parent that is not in the scene, or orbits that go round in a circle.
    """
    found = [_ellipse(scene, index, body, body.orbit) for index, body in enumerate(scene.bodies) if body.orbit is not None]
    parents = {orbit.index: orbit.parent for orbit in found}
    for index, parent in parents.items():
        seen, at = {index}, parent
        while at in parents and at not in seen:
            seen.add(at)
            at = parents[at]
        if at in seen:
            raise Contradiction(f"{named(scene.bodies[index])} orbits itself through its parents.", f"bodies.{index}.orbit.parent_body_id")
    return found


def _ellipse(scene: Scene, index: int, body: Body, orbit: Orbit) -> Ellipse:
    parent = parent_of(scene, index, orbit)
    mu = scene.physics.gravitational_constant * (scene.bodies[parent].mass + body.mass)
    axis, period, expected = _third_law(body, scene.bodies[parent], orbit, mu, f"bodies.{index}.orbit")
    toward, quarter = _directions(orbit)
    return Ellipse(
        index=index,
        parent=parent,
        a=axis,
        e=orbit.eccentricity,
        period=period,
        expected_period=expected,
        mean_anomaly=orbit.mean_anomaly,
        longitude_of_periapsis=orbit.longitude_of_node + orbit.argument_of_periapsis,
        toward_periapsis=toward,
        toward_quarter=quarter,
    )


def parent_of(scene: Scene, index: int, orbit: Orbit) -> int:
    """The place of the body that an orbit goes around: the named one, or the heaviest static body."""
    path = f"bodies.{index}.orbit.parent_body_id"
    if orbit.parent_body_id is not None:
        return index_of(scene, orbit.parent_body_id, path)
    still = [number for number, body in enumerate(scene.bodies) if body.static]
    if not still:
        raise EngineError(
            f"{named(scene.bodies[index])} has nothing to orbit: name a parent, or add a static body (the heaviest one is the parent).",
            path,
        )
    return max(still, key=lambda number: scene.bodies[number].mass)


def _third_law(body: Body, parent: Body, orbit: Orbit, mu: float, path: str) -> tuple[float, float, float]:
    """Axis (m), period (s) and the period (s) that the masses give for the axis: P^2 = 4 pi^2 a^3 / (G (M + m))."""
    axis, period = orbit.semi_major_axis, orbit.period
    if axis is None and period is None:
        raise EngineError(f"The orbit of {body.name!r} needs a period or a semi_major_axis.", f"{path}.period")
    if mu <= 0:
        raise Contradiction("Orbits need gravity: gravitational_constant must be more than 0 m^3/kg/s^2.", "physics.gravitational_constant")
    if axis is None:
        assert period is not None  # noqa: S101  one of the two is there
        return (mu * (period / TURN) ** 2) ** (1.0 / 3.0), period, period
    expected = TURN * math.sqrt(axis / mu) * axis
    if period is None:
        return axis, expected, expected
    if abs(period / expected - 1.0) > THIRD_LAW_TOLERANCE:
        raise Contradiction(
            f"The period of {body.name!r} is {period:.8g} s, but by Kepler's third law its axis of {axis:.8g} m and the masses of "
            f"{parent.name!r} and {body.name!r} ({parent.mass:.6g} kg and {body.mass:.6g} kg) give {expected:.8g} s: more than 1 % apart.",
            f"{path}.period",
        )
    return axis, period, expected


def _directions(orbit: Orbit) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Unit vectors towards the periapsis and 90 degrees ahead of it, in the orbital plane."""
    cos_node, sin_node = math.cos(orbit.longitude_of_node), math.sin(orbit.longitude_of_node)
    cos_arg, sin_arg = math.cos(orbit.argument_of_periapsis), math.sin(orbit.argument_of_periapsis)
    cos_i, sin_i = math.cos(orbit.inclination), math.sin(orbit.inclination)
    toward = (
        cos_node * cos_arg - sin_node * sin_arg * cos_i,
        sin_node * cos_arg + cos_node * sin_arg * cos_i,
        sin_arg * sin_i,
    )
    quarter = (
        -cos_node * sin_arg - sin_node * cos_arg * cos_i,
        -sin_node * sin_arg + cos_node * cos_arg * cos_i,
        cos_arg * sin_i,
    )
    return toward, quarter


@dataclass(frozen=True)
class OrbitalMotion:
    """Motion on Keplerian orbits; `places` (N, 3) holds static bodies, `order` the orbits with parents before children."""

    places: Array
    order: tuple[Ellipse, ...]

    def columns(self) -> dict[str, Any]:
        """Nothing: the motion follows from the scene."""
        return {}

    def at(self, times: Array) -> tuple[Array, Array]:
        """Positions (m) and velocities (m/s), (T, N, 3), at simulated times (T,)."""
        times = np.asarray(times, dtype=np.float64)
        positions = np.repeat(self.places[None], len(times), axis=0)
        velocities = np.zeros_like(positions)
        for orbit in self.order:
            place, speed = orbit.relative(times)
            positions[:, orbit.index] = positions[:, orbit.parent] + place
            velocities[:, orbit.index] = velocities[:, orbit.parent] + speed
        return positions, velocities

    def acceleration(self, times: Array) -> Array:
        """Accelerations (T, N, 3), m/s^2, at simulated times (T,): the parent's and the pull towards it."""
        times = np.asarray(times, dtype=np.float64)
        found = np.zeros((len(times), *self.places.shape))
        for orbit in self.order:
            place, _ = orbit.relative(times)
            distance = np.linalg.norm(place, axis=1, keepdims=True)
            found[:, orbit.index] = found[:, orbit.parent] - orbit.mu * place / distance**3
        return found


def motion_of(scene: Scene, orbits: list[Ellipse]) -> OrbitalMotion:
    """The motion of every body of a scene."""
    places = np.array([body.position for body in scene.bodies], dtype=np.float64).reshape(-1, 3)
    waiting, placed, order = list(orbits), {index for index, body in enumerate(scene.bodies) if body.orbit is None}, []
    while waiting:
        ready = [orbit for orbit in waiting if orbit.parent in placed]
        order += ready
        placed |= {orbit.index for orbit in ready}
        waiting = [orbit for orbit in waiting if orbit.index not in placed]
    return OrbitalMotion(places, tuple(order))


def restored(scene: Scene, columns: Mapping[str, NDArray[Any]]) -> OrbitalMotion:
    """The motion of a run of the scene, which its orbits say alone."""
    return motion_of(scene, ellipses(scene))


def solve(scene: Scene, progress: Progress, limit: int) -> Solution:
    """Find every event of the scene. `limit` has been checked against the estimate, which is exact but for the ends."""
    end = scene.duration_s * scene.physics.time_scale
    orbits = ellipses(scene)
    motion = motion_of(scene, orbits)
    rows = [row for orbit in orbits for row in _passages(orbit, end)]
    pairs = list(_siblings(orbits))
    for number, (first, second) in enumerate(pairs):
        progress(number / len(pairs))
        rows += _conjunctions(first, second, end)
    table = _placed(event_table(sorted(rows)), motion)
    return Solution(
        motion=motion,
        events=table,
        masses=masses_of(scene),
        steps=len(table),
        conservation=report.conservation(scene, orbits, end),
        closed_form=report.third_law(scene, orbits),
        quantities=_quantities(scene, orbits),
    )


def _quantities(scene: Scene, orbits: list[Ellipse]) -> dict[str, Array]:
    found = {name: np.full(len(scene.bodies), np.nan) for name in ("period", "frequency", "semi_major_axis", "eccentricity")}
    for orbit in orbits:
        found["period"][orbit.index] = orbit.period
        found["frequency"][orbit.index] = 1.0 / orbit.period
        found["semi_major_axis"][orbit.index] = orbit.a
        found["eccentricity"][orbit.index] = orbit.e
    return found


def _siblings(orbits: list[Ellipse]) -> Iterator[tuple[Ellipse, Ellipse]]:
    """Pairs of orbits around one parent."""
    return ((first, second) for first, second in itertools.combinations(orbits, 2) if first.parent == second.parent)


def _passages(orbit: Ellipse, end: float) -> list[tuple[float, ...]]:
    """Transits (true longitude passes 0) and, unless the orbit is circular, periapses."""
    nowhere = (0.0, 0.0, 0.0)
    rows = [event_row(time, "transit", orbit.index, nowhere) for time in orbit.times_of_true(-orbit.longitude_of_periapsis, end)]
    if orbit.e >= CIRCULAR:
        longitude = orbit.longitude_of_periapsis % TURN
        rows += [event_row(time, "apsis", orbit.index, nowhere, value=longitude) for time in orbit.times_of_true(0.0, end)]
    return rows


def _conjunctions(first: Ellipse, second: Ellipse, end: float) -> list[tuple[float, ...]]:
    """The times at which two true longitudes are equal, as roots to 1e-12 rad or the spacing of floats in the time."""
    times = np.concatenate(list(_roots(first, second, end)) or [np.empty(0)])
    longitudes = np.mod(first.longitude(times), TURN)
    low, high = sorted((first.index, second.index))
    return [
        event_row(time, "conjunction", low, (0.0, 0.0, 0.0), other=high, value=value)
        for time, value in zip(times.tolist(), longitudes.tolist(), strict=True)
    ]


def _roots(first: Ellipse, second: Ellipse, end: float) -> Iterator[Array]:
    """Conjunctions piece by piece, so that the grid of a long scene stays small."""
    step = min(first.period, second.period) * 256
    for piece in range(math.ceil(end / step)):
        grid = _grid(first, second, piece * step, min((piece + 1) * step, end))
        lead = (first.longitude(grid) - second.longitude(grid)) / TURN
        level = np.floor(lead)
        if piece == 0 and level[0] == level[1] and level[0] == lead[0] != lead[1]:
            yield np.zeros(1)  # they start in line, and the level that is left upwards is not crossed
        hit = np.flatnonzero(level[1:] != level[:-1])
        if len(hit):
            yield _refine(first, second, grid[hit], grid[hit + 1], np.maximum(level[hit], level[hit + 1]))


def _grid(first: Ellipse, second: Ellipse, start: float, stop: float) -> Array:
    """Times between which neither longitude turns by more than 1/GRID, with the times at which their difference turns back."""
    parts = [np.array([start, stop])]
    for orbit in (first, second):
        angles = np.arange(GRID) * (TURN / GRID)
        means = np.array([true_to_mean(angle, orbit.e) for angle in angles.tolist()]) / TURN
        turns = np.arange(math.floor(start / orbit.period) - 1, math.ceil(stop / orbit.period) + 2)
        times = (turns[:, None] + means[None, :] - orbit.mean_anomaly / TURN).ravel() * orbit.period
        parts.append(times[(times > start) & (times < stop)])
    grid = np.unique(np.concatenate(parts))
    return np.unique(np.concatenate([grid, _turning_points(first, second, grid)]))


def _turning_points(first: Ellipse, second: Ellipse, grid: Array) -> Array:
    """Times at which the difference of two longitudes stands still, by bisection."""
    rate = first.longitude_rate(grid) - second.longitude_rate(grid)
    turn = np.flatnonzero((rate[1:] > 0) != (rate[:-1] > 0))
    low, high, rising = grid[turn], grid[turn + 1], rate[turn + 1] > 0
    for _ in range(60):
        middle = 0.5 * (low + high)
        after = (first.longitude_rate(middle) - second.longitude_rate(middle) > 0) == rising
        low, high = np.where(after, low, middle), np.where(after, middle, high)
    return high


def _refine(first: Ellipse, second: Ellipse, low: Array, high: Array, level: Array) -> Array:
    """The times in [low, high] at which the longitudes differ by `level` turns: Newton's method kept inside a shrinking bracket."""

    def gap(times: Array) -> Array:
        return first.longitude(times) - second.longitude(times) - level * TURN

    rising = gap(high) > gap(low)
    times = 0.5 * (low + high)
    for _ in range(80):
        value = gap(times)
        if not (np.abs(value) > 1e-14).any():
            break
        after = (value > 0) == rising
        low, high = np.where(after, low, times), np.where(after, times, high)
        slope = first.longitude_rate(times) - second.longitude_rate(times)
        step = np.where(slope != 0, value / np.where(slope != 0, slope, 1.0), np.inf)
        newton = times - step
        inside = (newton > low) & (newton < high)
        following = np.where(inside, newton, 0.5 * (low + high))
        if (following == times).all():
            break
        times = following
    return times


def _placed(table: Array, motion: OrbitalMotion) -> Array:
    """An event table with the place of each event's body filled in."""
    if len(table):
        for body in np.unique(table[:, 2]).astype(np.int64).tolist():
            mine = table[:, 2] == body
            table[mine, 7:10] = motion.at(table[mine, 0])[0][:, body]
    return table

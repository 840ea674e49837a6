"""Transits, periapses and conjunctions of bodies that pull on each other, as roots on the motion between steps.

The true longitude is that of the plane in which a body turns about its primary at the moment: node + argument of periapsis + true anomaly
of its osculating orbit, counted from +x, as in `kepler`. It is found without the node, which has no place when the plane is x-y, from the
equinoctial vectors f and g: longitude = atan2(r.g, r.f) (Broucke & Cefola 1972, Celestial Mechanics 5, 303-310).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.engine.physics.events import KINDS
from app.engine.physics.solvers.nbody_motion import Array, Integers, SteppedMotion
from app.engine.physics.solvers.solution import COLUMNS

TURN = 2.0 * np.pi
CIRCULAR = 1e-6
"""Eccentricity at the start below which the periapsis is undefined, so that there are no `apsis` events; as in `kepler`."""

ROOT = 1e-13
"""Width, in steps, of the bracket in which a root is left."""

_ZERO = 1e-14


class Orbit(NamedTuple):
    """A body and the one that it goes around, with its osculating orbit at the start; nan where it is unbound. SI."""

    body: int
    primary: int
    semi_major_axis: float
    eccentricity: float
    period: float


Reading = Callable[[Integers, Array], Array]
"""A number that is 0 at an event, -1 to 1, at fractions of steps; arguments as those of `SteppedMotion.of`."""


@dataclass(frozen=True)
class Finder:
    """Finds the events of a run. A pair of events of one kind and the same bodies within one step may stay unseen."""

    motion: SteppedMotion
    orbits: tuple[Orbit, ...]

    def table(self, conjunctions: bool) -> Array:
        """The event table (n, 11), in order of time, kind and bodies."""
        heads = {orbit.body: self._directions(orbit) for orbit in self.orbits}
        parts = [np.empty((0, len(COLUMNS)))]
        for orbit in self.orbits:
            parts.append(self._transits(orbit, heads[orbit.body]))
            if not orbit.eccentricity < CIRCULAR:
                parts.append(self._apsides(orbit))
        for one, other in siblings(self.orbits) if conjunctions else ():
            parts.append(self._conjunctions(one, other, heads))
        table = np.concatenate(parts)
        return table[np.lexsort((table[:, 3], table[:, 2], table[:, 1], table[:, 0]))]

    def relative(self, orbit: Orbit, row: Integers, s: Array) -> tuple[Array, Array]:
        """Position and velocity (n, 3) seen from the primary."""
        place, speed = self.motion.of(orbit.body, row, s)
        origin, drift = self.motion.of(orbit.primary, row, s)
        return place - origin, speed - drift

    def _directions(self, orbit: Orbit) -> Array:
        """Cosine and sine of the true longitude at the ends of all S steps, (2, S + 1)."""
        states = self.motion.states
        relative = states[:, orbit.body] - states[:, orbit.primary]
        return direction(relative[:, 0:3], relative[:, 3:6])

    def _transits(self, orbit: Orbit, head: Array) -> Array:
        sine = _snapped(head[1])
        row = np.flatnonzero((sine[:-1] <= 0) & (sine[1:] > 0) & (head[0, 1:] + head[0, :-1] > 0))
        s = _roots(lambda rows, at: direction(*self.relative(orbit, rows, at))[1], row, sine[row], sine[row + 1])
        return self._rows("transit", orbit.body, row, s, np.zeros(len(row)))

    def _apsides(self, orbit: Orbit) -> Array:
        states = self.motion.states
        relative = states[:, orbit.body] - states[:, orbit.primary]
        rising = _snapped(radial(relative[:, 0:3], relative[:, 3:6]))
        row = np.flatnonzero((rising[:-1] <= 0) & (rising[1:] > 0))
        s = _roots(lambda rows, at: radial(*self.relative(orbit, rows, at)), row, rising[row], rising[row + 1])
        return self._rows("apsis", orbit.body, row, s, self._longitude(orbit, row, s))

    def _conjunctions(self, one: Orbit, other: Orbit, heads: dict[int, Array]) -> Array:
        first, second = heads[one.body], heads[other.body]
        sine, cosine = _snapped(first[1] * second[0] - first[0] * second[1]), first[0] * second[0] + first[1] * second[1]
        ahead, behind = (sine[:-1] <= 0) & (sine[1:] > 0), (sine[:-1] >= 0) & (sine[1:] < 0)
        row = np.flatnonzero((ahead | behind) & (cosine[1:] + cosine[:-1] > 0))

        def lead(rows: Integers, at: Array) -> Array:
            (c, s), (d, t) = direction(*self.relative(one, rows, at)), direction(*self.relative(other, rows, at))
            found: Array = s * d - c * t
            return found

        s = _roots(lead, row, sine[row], sine[row + 1])
        low, high = sorted((one.body, other.body))
        return self._rows("conjunction", low, row, s, self._longitude(one, row, s), high)

    def _longitude(self, orbit: Orbit, row: Integers, s: Array) -> Array:
        cosine, sine = direction(*self.relative(orbit, row, s))
        found: Array = np.mod(np.arctan2(sine, cosine), TURN)
        return found

    def _rows(self, kind: str, body: int, row: Integers, s: Array, value: Array, other: int = -1) -> Array:
        table = np.zeros((len(row), len(COLUMNS)))
        table[:, 0] = (row + s) * self.motion.step
        table[:, 1:4] = KINDS.index(kind), body, other
        table[:, 7:10] = self.motion.of(body, row, s)[0]
        table[:, 10] = value
        return table


def siblings(orbits: tuple[Orbit, ...]) -> list[tuple[Orbit, Orbit]]:
    """Pairs of orbits around one primary."""
    return [(one, other) for one, other in itertools.combinations(orbits, 2) if one.primary == other.primary]


def direction(place: Array, speed: Array) -> Array:
    """Cosine and sine, (2, n), of the true longitude of bodies at `place` with `speed`, (n, 3) each, seen from the primary.

    Turning clockwise in the plane x-y, where the node could be anywhere, the longitude is counted from +x with the motion.
    """
    normal = np.cross(place, speed)
    size = np.linalg.norm(normal, axis=1)
    above = size + normal[:, 2]
    clear = above > 1e-12 * size
    safe = np.where(clear, above, 1.0)
    p, q = np.where(clear, normal[:, 0] / safe, 0.0), np.where(clear, -normal[:, 1] / safe, 0.0)
    x, y, z = place.T
    along = (1.0 - p * p + q * q) * x + 2.0 * p * q * y - 2.0 * p * z
    across = 2.0 * p * q * x + (1.0 + p * p - q * q) * y + 2.0 * q * z
    across = np.where(clear | (size == 0), across, -y)
    length = np.hypot(along, across)
    found: Array = np.stack([along, across]) / np.where(length > 0, length, 1.0)
    return found


def radial(place: Array, speed: Array) -> Array:
    """The part of the speed that leads away from the primary, (n,), -1 to 1 of the whole."""
    scale = np.linalg.norm(place, axis=1) * np.linalg.norm(speed, axis=1)
    found: Array = (place * speed).sum(axis=1) / np.where(scale > 0, scale, 1.0)
    return found


def _snapped(values: Array) -> Array:
    """Values at the ends of the steps, the first one 0 if only rounding keeps it from that: an event at the start is one."""
    if abs(values[0]) < _ZERO:
        values = np.concatenate([[0.0], values[1:]])
    return values


def _roots(reading: Reading, row: Integers, low_value: Array, high_value: Array) -> Array:
    """Where in steps `row` readings pass 0: the method of false position as improved by Illinois, bisecting every third time.

    (Dowell & Jarratt 1971, BIT 11, 168-174.)
    """
    low, high = np.zeros(len(row)), np.ones(len(row))
    a, b = low_value.copy(), high_value.copy()
    found = np.where(a == 0, 0.0, 0.5)
    open_ = np.flatnonzero(a != 0)
    for turn in range(200):
        if not len(open_):
            break
        l, h, fl, fh = low[open_], high[open_], a[open_], b[open_]  # noqa: E741
        middle = 0.5 * (l + h) if turn % 3 == 2 else l + (h - l) * (fl / (fl - fh))
        middle = np.clip(middle, l, h)
        value = reading(row[open_], middle)
        after = (value > 0) == (fh > 0)
        low[open_], a[open_] = np.where(after, l, middle), np.where(after, 0.5 * fl, value)
        high[open_], b[open_] = np.where(after, middle, h), np.where(after, value, 0.5 * fh)
        found[open_] = middle
        done = (value == 0) | (high[open_] - low[open_] < ROOT) | (np.abs(value) < 1e-16)
        open_ = open_[~done]
    return found

"""Triggers: the moments at which a mapping's group makes notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from app.engine.errors import TooExpensive
from app.engine.music.curves import Floats
from app.engine.music.sources import Integers, Occurrences, Readings, moments
from app.engine.physics.events import BOUND, KINDS, Events
from app.engine.physics.scene import Scene

TRACK_RATE = 200.0
"""Values per score second of a continuous track, and looks per score second for crossings."""

HYSTERESIS = 0.01
_TOLERANCE = 1e-12
_MOST_VALUES = 4_000_000
_HALF_TURN = np.pi


def sounding_end(readings: Readings) -> float:
    """The simulated time at which the scene falls silent: its end, or when the solver ended early."""
    end = readings.scene.duration_s * readings.scene.physics.time_scale
    settled = readings.trajectory.events.settled_at
    return end if settled is None else min(end, settled)


def track_times(readings: Readings, bodies: int, values: int) -> Floats:
    """Simulated times of a track, `TRACK_RATE` per score second from 0 to past the end.

    Raises TooExpensive when `bodies` tracks of `values` columns hold more than four million values.
    """
    scale = readings.scene.physics.time_scale
    count = int(np.ceil(sounding_end(readings) / scale * TRACK_RATE)) + 1
    if count * bodies * values > _MOST_VALUES:
        raise TooExpensive(
            f"Continuous mappings of {bodies} bodies over {readings.scene.duration_s:g} s are {count * bodies * values} values; "
            f"the limit is {_MOST_VALUES}. Select fewer bodies.",
            "source.bodies",
        )
    return np.arange(count) / TRACK_RATE * scale


def occurrences(trigger: str, given: Mapping[str, Any], bodies: Sequence[int], readings: Readings) -> Occurrences:
    """One occurrence per event and body of `bodies` that takes part, in order of time, before the scene falls silent.

    A marker is an event of the whole scene: all bodies take part.
    """
    if trigger == "marker":
        return _ended(_markers(readings.scene, bodies), readings)
    if trigger in ("zero_crossing", "threshold"):
        return _ended(_crossings(trigger, given, bodies, readings), readings)
    return _ended(_of_events(trigger, given, bodies, readings.trajectory.events), readings)


def _ended(found: Occurrences, readings: Readings) -> Occurrences:
    scale, duration = readings.scene.physics.time_scale, readings.scene.duration_s
    return found.where(found.time / scale < duration)


def _of_events(trigger: str, given: Mapping[str, Any], bodies: Sequence[int], events: Events) -> Occurrences:
    rows = np.flatnonzero(events.kind == KINDS.index(trigger))
    if trigger == "collision":
        rows = rows[_collisions(given, events)[rows]]
    # Each event in turn, first its body, then the other one.
    row = np.repeat(rows, 2)
    body = np.stack((events.body[rows], events.other[rows]), axis=1).reshape(-1)
    other = np.stack((events.other[rows], events.body[rows]), axis=1).reshape(-1)
    chosen = np.isin(body, np.asarray(bodies, dtype=np.int64))
    if trigger in ("transit", "apsis"):
        # Such an event is one body's; what it passes is no partner that sounds.
        chosen[1::2] = False
    row = row[chosen]
    return Occurrences(events.time[row], body[chosen], other[chosen], events.impulse[row], arriving=trigger == "collision")


def _collisions(given: Mapping[str, Any], events: Events) -> Any:
    strong = events.impulse >= given.get("min_impulse", 0.0)
    partner = given.get("with", "any")
    if partner == "any":
        return strong
    return strong & ((events.other == BOUND) == (partner == "bound"))


def _markers(scene: Scene, bodies: Sequence[int]) -> Occurrences:
    times = sorted(marker.time_s for marker in scene.markers)
    return _by_time(moments(np.array(times, dtype=np.float64) * scene.physics.time_scale, bodies))


def _by_time(found: Occurrences) -> Occurrences:
    return found.where(np.argsort(found.time, kind="stable"))


def _crossings(trigger: str, given: Mapping[str, Any], bodies: Sequence[int], readings: Readings) -> Occurrences:
    """Upward crossings of the level (0 for zero_crossing) by each body, as roots on the motion."""
    times = _looks(readings, len(bodies))
    quantity, level = str(given["quantity"]), float(given.get("level", 0.0))
    values = readings.values(quantity, moments(times, bodies)).reshape(len(bodies), len(times))
    spread = HYSTERESIS * float(values.max() - values.min()) if trigger == "threshold" and values.size else 0.0
    found = [
        (_root(readings, quantity, level, body, (times[step], times[step + 1])), body)
        for body, column in zip(bodies, values, strict=True)
        for step in _upward(column, level, spread, quantity)
    ]
    return _by_time(_single([time for time, _ in found], [body for _, body in found]))


def _looks(readings: Readings, bodies: int) -> Floats:
    """Times between which a quantity is taken to cross once: the track's, and both sides of every event."""
    events = readings.trajectory.events.time
    grid = track_times(readings, bodies, 1)
    before = np.nextafter(events, -np.inf)
    times = np.unique(np.concatenate((grid, before[before >= 0.0], events)))
    return times[times <= sounding_end(readings)]


def _upward(column: Floats, level: float, spread: float, quantity: str) -> list[int]:
    """Steps in which a quantity rises through the level, having been below it by more than the hysteresis since the last."""
    rising = (column[:-1] < level) & (column[1:] >= level)
    if quantity == "angle":
        rising &= np.diff(column) < _HALF_TURN
    low = np.flatnonzero(column < level - spread)
    crossings: list[int] = []
    for step in np.flatnonzero(rising).tolist():
        # Before the first crossing the quantity need only have been below the level.
        last = crossings[-1] if crossings else -1
        if last < 0 or np.searchsorted(low, step, side="right") > np.searchsorted(low, last, side="right"):
            crossings.append(step)
    return crossings


def _root(readings: Readings, quantity: str, level: float, body: int, bracket: tuple[float, float]) -> float:
    low, high = bracket

    def above(time: float) -> float:
        return float(readings.values(quantity, _single([time], [body]))[0]) - level

    if above(high) == 0.0 or above(low) >= 0.0:
        return high
    return float(scipy.optimize.brentq(above, low, high, xtol=max(_TOLERANCE * high, 1e-300), rtol=_TOLERANCE))


def _single(times: Sequence[float], bodies: Sequence[int]) -> Occurrences:
    body: Integers = np.asarray(bodies, dtype=np.int64)
    return Occurrences(np.asarray(times, dtype=np.float64), body, np.full(len(body), -1, dtype=np.int64), np.zeros(len(body)))

"""What the textbook knows of a body on one rod or one spring: the period of a pendulum at any amplitude, and of a damped oscillator.

References: Landau & Lifshitz (1976), Mechanics, sections 11 (problem 1) and 25; Olver et al. (2010), NIST Handbook of Mathematical
Functions, section 19.8 (elliptic integrals by the arithmetic-geometric mean).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from app.engine.physics.scene import Scene
from app.engine.physics.solvers.particles_laws import constant
from app.engine.physics.solvers.particles_links import Link, Network
from app.engine.physics.solvers.particles_motion import PiecewiseMotion

SHOWN = 8
"""Most bodies of a run whose closed forms are reported."""

TOLERANCE = 1e-8
"""Relative error of a closed form past which a run warns."""

_PENDULUM = "4 K(k) sqrt(L / g), k = sin(amplitude / 2); Landau & Lifshitz 1976, section 11"
_ROTOR = "2 K(1 / k) sqrt(L / g) / k, k^2 = E / (2 m g L); Landau & Lifshitz 1976, section 11"
_OSCILLATOR = "2 pi / sqrt(k / m - gamma^2); Landau & Lifshitz 1976, section 25"
_DECREMENT = "gamma T, gamma = (c / m + linear_damping) / 2; Landau & Lifshitz 1976, section 25"

_FLAT = 1e-9
_STILL = 1e-9
_EDGE = 1e-9
_AUDIBLE = 9.0

Array = NDArray[np.float64]


class Swing(NamedTuple):
    """One body's motion in closed form.

    Attributes
    ----------
    body : its index
    period : s
    decay : 1/s, at which its amplitude falls
    centre, axis : where it crosses (m), and the direction (a unit vector) in which it does
    source : formula and where it is from
    """

    body: int
    period: float
    decay: float
    centre: Array
    axis: Array
    source: str


def swings(scene: Scene, network: Network) -> list[Swing]:
    """The bodies whose motion has a closed form, by the state at the start."""
    if not constant(scene):
        return []
    degrees = np.zeros(len(network.inverse), dtype=np.int64)
    for link in network.links:
        degrees[link.i] += 1
        degrees[link.j] += 1
    found = []
    for link in network.links:
        moving, fixed = (link.i, link.j) if network.inverse[link.i] > 0 else (link.j, link.i)
        dragged = scene.physics.air_density * network.drag[moving] > 0
        if network.inverse[fixed] == 0 and degrees[moving] == 1 and not dragged:
            swing = _pendulum(scene, network, link, moving, fixed) if link.rod else _oscillator(scene, network, link, moving, fixed)
            if swing is not None:
                found.append(swing)
    return sorted(found, key=lambda swing: swing.body)


def mean(a: float, b: float) -> float:
    """The arithmetic-geometric mean of two numbers of 0 or more."""
    while abs(a - b) > 1e-15 * a:
        a, b = 0.5 * (a + b), math.sqrt(a * b)
    return 0.5 * (a + b)


def _pendulum(scene: Scene, network: Network, link: Link, moving: int, fixed: int) -> Swing | None:
    pull, speed = np.array(scene.physics.gravity), network.speeds[moving]
    g, arm = float(np.linalg.norm(pull)), network.places[moving] - network.places[fixed]
    length = link.length
    if g == 0 or scene.physics.linear_damping > 0:
        return None
    up, along = -pull / g, arm / float(np.linalg.norm(arm))
    speed = speed - float(speed @ along) * along
    v, height = float(np.linalg.norm(speed)), length + length * float(along @ up)
    side = along - float(along @ up) * up
    if v * v > _STILL * _STILL * g * length:
        if abs(float(along @ np.cross(speed / v, up))) > _FLAT:
            return None  # it goes round in a cone, not to and fro
        if float(np.linalg.norm(side)) < _STILL:
            side = speed - float(speed @ up) * up
    if float(np.linalg.norm(side)) < _STILL:
        return None
    square = (0.5 * v * v / g + height) / (2.0 * length)
    if square < _STILL * _STILL or abs(square - 1.0) < _EDGE:
        return None
    slow = math.sqrt(length / g)
    if square < 1.0:
        period, source = 2.0 * math.pi * slow / mean(1.0, math.sqrt(1.0 - square)), _PENDULUM
    else:
        period, source = math.pi * slow / math.sqrt(square) / mean(1.0, math.sqrt(1.0 - 1.0 / square)), _ROTOR
    return Swing(moving, period, 0.0, network.places[fixed], side / float(np.linalg.norm(side)), source)


def _oscillator(scene: Scene, network: Network, link: Link, moving: int, fixed: int) -> Swing | None:
    inverse = float(network.inverse[moving])
    pull, arm = np.array(scene.physics.gravity), network.places[moving] - network.places[fixed]
    speed, distance = network.speeds[moving], float(np.linalg.norm(arm))
    stiffness, decay = link.stiffness * inverse, 0.5 * (link.damping * inverse + scene.physics.linear_damping)
    if decay >= math.sqrt(stiffness) or (link.damping > 0 and not _straight(arm, speed, pull)):
        return None
    rest = pull / stiffness
    if link.length > 0:
        if distance == 0 or not _straight(arm, speed, pull):
            return None
        rest = rest + link.length * arm / distance
    off = arm - rest
    if link.length > 0 and not _clear(off, speed, rest, arm / distance, math.sqrt(stiffness)):
        return None
    still = _STILL * (distance + link.length + float(np.linalg.norm(rest)))
    axis = off if float(np.linalg.norm(off)) * math.sqrt(stiffness) >= float(np.linalg.norm(speed)) else speed
    if float(np.linalg.norm(off)) < still and float(np.linalg.norm(speed)) < still * math.sqrt(stiffness):
        return None
    period = 2.0 * math.pi / math.sqrt(stiffness - decay * decay)
    return Swing(moving, period, decay, network.places[fixed] + rest, axis / float(np.linalg.norm(axis)), _OSCILLATOR)


def _straight(*vectors: Array) -> bool:
    """Whether all vectors lie on one line."""
    longest = max(vectors, key=lambda vector: float(np.linalg.norm(vector)))
    size = float(np.linalg.norm(longest))
    for vector in vectors:
        own = float(np.linalg.norm(vector))
        if own > 0 and float(np.linalg.norm(np.cross(vector / own, longest / size))) > _FLAT:
            return False
    return True


def _clear(off: Array, speed: Array, rest: Array, along: Array, rate: float) -> bool:
    """Whether a spring along a line never shrinks to nothing, where its pull would turn round."""
    amplitude = math.hypot(float(np.linalg.norm(off)), float(np.linalg.norm(speed)) / rate)
    return amplitude < float(rest @ along)


def quantities(scene: Scene, network: Network) -> dict[str, Array]:
    """Periods (s) and frequencies (Hz), (N,) each, of the bodies whose motion has a closed form; nan of others."""
    found = {name: np.full(network.bodies, np.nan) for name in ("period", "frequency")}
    for swing in swings(scene, network):
        found["period"][swing.body] = swing.period
        found["frequency"][swing.body] = 1.0 / swing.period
    return found


def closed_forms(scene: Scene, network: Network, motion: PiecewiseMotion) -> list[dict[str, Any]]:
    """The mean time between crossings, and what the amplitude loses from one to the next, against their closed forms."""
    found = []
    for swing in swings(scene, network)[:SHOWN]:
        name = scene.bodies[swing.body].name
        crossings = _crossings(swing, motion)
        if crossings is None:
            continue
        first, last, turns = crossings
        found.append(_entry(f"period of {name}", swing.period, (last - first) / turns, "s", swing.source))
        if swing.decay > 0:
            speeds = motion.at(np.array([first, last]))[1][:, swing.body] @ swing.axis
            measured = math.log(float(speeds[0] / speeds[1])) / turns
            found.append(_entry(f"logarithmic decrement of {name}", swing.decay * swing.period, measured, "1", _DECREMENT))
    return found


def _crossings(swing: Swing, motion: PiecewiseMotion) -> tuple[float, float, int] | None:
    """The first and last time at which a body crosses its centre along its axis, and how many turns are between; None without two.

    Those of a motion that has all but died down are left out.
    """
    end = motion.end if swing.decay == 0 else min(motion.end, _AUDIBLE / swing.decay)
    off = (motion.states[motion.times <= end, swing.body, 0:3] - swing.centre) @ swing.axis
    rising = np.flatnonzero((off[:-1] < 0.0) & (off[1:] >= 0.0))
    if len(rising) < 2:
        return None

    def beyond(time: float) -> float:
        return float((motion.at(np.array([time]))[0][0, swing.body] - swing.centre) @ swing.axis)

    def root(row: int) -> float:
        low, high = float(motion.times[row]), float(motion.times[row + 1])
        return high if beyond(high) <= 0.0 else float(scipy.optimize.brentq(beyond, low, high, xtol=1e-14 * high, rtol=1e-14))

    return root(int(rising[0])), root(int(rising[-1])), len(rising) - 1


def _entry(what: str, expected: float, measured: float, unit: str, source: str) -> dict[str, Any]:
    error = abs(measured / expected - 1.0)
    return {
        "what": what,
        "expected": expected,
        "measured": measured,
        "error": error,
        "tolerance": TOLERANCE,
        "unit": unit,
        "source": source,
    }

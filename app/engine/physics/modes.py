"""Modes of what can be struck: the roots that set their frequencies, and how far the struck point moves in each.

A root is a pure number. Length, tension and stiffness turn it into a frequency in `app.engine.physics.resonators`. Shapes are scaled so
that their mean square over the body is 1; then the modal mass of every mode is the mass of the body.

References
----------
Fletcher, Rossing (1998), The Physics of Musical Instruments, 2nd ed., chapters 2 (strings and bars) and 3 (membranes and plates).
Blevins (1979), Formulas for Natural Frequency and Mode Shape, table 8-1.
Leissa (1969), Vibration of Plates, NASA SP-160, section 2.1.1 (clamped circular plate).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import scipy

BAR_ENDS = ("free", "clamped", "supported", "cantilever")
"""How a bar is held: at both ends alike, or `cantilever`, clamped at one end and free at the other."""

_NEWTON_STEPS = 60


class Root(NamedTuple):
    """A mode of a surface: its root, and its numbers m and n (nodal diameters and circles, or half waves along each side)."""

    value: float
    m: int
    n: int


@functools.lru_cache(maxsize=64)
def bar_roots(ends: str, count: int) -> tuple[float, ...]:
    """The lowest `count` roots b = k L of a thin bar (Euler and Bernoulli), rising; frequencies go with their squares.

    cos b cosh b = 1 for bars free or clamped at both ends, cos b cosh b = -1 for a cantilever, sin b = 0 for a supported one. Found by
    Newton's method on cos b -+ 1 / cosh b to the spacing of floats. Bodily motion of the free bar (b = 0) is no mode.
    """
    if ends == "supported":
        return tuple(math.pi * n for n in range(1, count + 1))
    sign, first = (-1.0, 0.5) if ends == "cantilever" else (1.0, 1.5)
    return tuple(_bar_root(math.pi * (first + n), sign) for n in range(count))


def _bar_root(b: float, sign: float) -> float:
    for _ in range(_NEWTON_STEPS):
        sech = 1.0 / math.cosh(b)
        step = (math.cos(b) - sign * sech) / (-math.sin(b) + sign * sech * math.tanh(b))
        b -= step
        if abs(step) <= 4e-16 * b:
            break
    return b


def bar_shape(ends: str, root: float, place: float) -> float:
    """The shape of the mode of that root at `place`, 0 to 1 of the length; a cantilever is clamped at 0.

    Written with decaying exponentials, so that high modes keep their digits.
    """
    z = root * place
    if ends == "supported":
        return math.sqrt(2.0) * math.sin(z)
    sine, cosine, end = math.sin(root), math.cos(root), math.exp(-root)
    if ends == "cantilever":
        below = 0.5 * (1.0 - end * end) + sine * end  # (sinh b + sin b) e^-b
        rest = (sine - cosine - end) * end / below
    else:
        below = 0.5 * (1.0 - end * end) - sine * end
        rest = (cosine - sine - end) * end / below
    # rest = 1 - s, and the shape is cosh z - s sinh z with cos z - s sin z added (free) or taken away (clamped).
    growing = 0.5 * (rest / end) * math.exp(z - root) + 0.5 * (2.0 - rest) * math.exp(-z)
    waving = math.cos(z) - (1.0 - rest) * math.sin(z)
    return growing + waving if ends == "free" else growing - waving


@functools.lru_cache(maxsize=2048)
def string_roots(clamped: bool, stiffness: float, count: int) -> tuple[float, ...]:
    """The lowest `count` roots x = k L of a string; f = x / (2 pi L) sqrt(T / mu) sqrt(1 + B (x / pi)^2).

    Parameters
    ----------
    clamped : whether the ends may not turn; supported ends may, and then x = n pi and f_n = n f_0 sqrt(1 + B n^2)
    stiffness : B = pi^2 E I / (T L^2) >= 0; 0 is a flexible string, to which both ends are alike

    Notes
    -----
    Clamped: x tan(x/2) + y tanh(y/2) = 0 for the symmetric modes, y tan(x/2) - x tanh(y/2) = 0 for the others, with
    y^2 = x^2 + pi^2 / B; the n-th root lies between n pi (flexible) and that of a bar without tension, near (n + 1/2) pi.
    """
    if not clamped or stiffness == 0.0:
        return tuple(math.pi * n for n in range(1, count + 1))
    tight = math.pi * math.pi / stiffness
    return tuple(_bracketed(_clamped_string(n, tight), math.pi * n, math.pi * (n + 0.51)) for n in range(1, count + 1))


def _clamped_string(n: int, tight: float) -> Callable[[float], float]:
    def characteristic(x: float) -> float:
        y = math.sqrt(x * x + tight)
        sine, cosine, bend = math.sin(0.5 * x), math.cos(0.5 * x), math.tanh(0.5 * y)
        # Divided by y, as that may be beyond all bounds.
        return (x / y) * sine + bend * cosine if n % 2 else sine - (x / y) * bend * cosine

    return characteristic


def _bracketed(function: Callable[[float], float], low: float, high: float) -> float:
    """The root between two places of different sign; at the place itself where rounding has taken the sign away."""
    at_low, at_high = function(low), function(high)
    if at_low * at_high >= 0.0:
        return low if abs(at_low) <= abs(at_high) else high
    return float(scipy.optimize.brentq(function, low, high, xtol=1e-15 * high, rtol=9e-16))


@functools.lru_cache(maxsize=16)
def membrane_roots(count: int) -> tuple[Root, ...]:
    """The lowest `count` zeros j_mn of the Bessel functions J_m, rising: a round membrane has frequencies in their ratios.

    A mode with m nodal diameters and n nodal circles, the rim among them. Two modes of one frequency that differ in direction count once.
    """
    found = [Root(zero, m, n + 1) for m in range(count) for n, zero in enumerate(_bessel_zeros(m, count // (m + 1)))]
    return tuple(sorted(found)[:count])


@functools.lru_cache(maxsize=256)
def _bessel_zeros(m: int, count: int) -> tuple[float, ...]:
    return tuple(_bessel_zero(m, float(zero)) for zero in scipy.special.jn_zeros(m, count))


def _bessel_zero(m: int, x: float) -> float:
    for _ in range(_NEWTON_STEPS):
        step = float(scipy.special.jv(m, x) / scipy.special.jvp(m, x))
        x -= step
        if abs(step) <= 4e-16 * x:
            break
    return x


def membrane_shape(root: Root, place: float) -> float:
    """The largest value on the circle at `place`, 0 to 1 of the radius, of a mode of a round membrane."""
    scale = math.sqrt(1.0 if root.m == 0 else 2.0) / abs(float(scipy.special.jv(root.m + 1, root.value)))
    return scale * float(scipy.special.jv(root.m, root.value * place))


@functools.lru_cache(maxsize=16)
def round_plate_roots(count: int) -> tuple[Root, ...]:
    """The lowest `count` roots k a of a round plate with clamped rim, rising; frequencies go with their squares.

    J_m(x) I_m+1(x) + I_m(x) J_m+1(x) = 0, with one root between the n-th zeros of J_m and J_m+1.
    """
    found = []
    for m in range(count):
        most = count // (m + 1)
        edges = zip(_bessel_zeros(m, most), _bessel_zeros(m + 1, most), strict=True)
        found += [Root(_bracketed(_clamped_plate(m), low, high), m, n + 1) for n, (low, high) in enumerate(edges)]
    return tuple(sorted(found)[:count])


def _clamped_plate(m: int) -> Callable[[float], float]:
    jv, ive = scipy.special.jv, scipy.special.ive
    return lambda x: float(jv(m, x) * ive(m + 1, x) + ive(m, x) * jv(m + 1, x))


def round_plate_shape(root: Root, place: float) -> float:
    """The largest value on the circle at `place`, 0 to 1 of the radius, of a mode of a round plate with clamped rim."""
    x, m = root.value, root.m
    bend = float(scipy.special.ive(m, x * place) / scipy.special.ive(m, x)) * math.exp(x * (place - 1.0))
    edge = float(scipy.special.jv(m, x))
    scale = math.sqrt(0.5 if m == 0 else 1.0) / abs(edge)
    return scale * (float(scipy.special.jv(m, x * place)) - edge * bend)


def rectangle_roots(length: float, width: float, count: int) -> tuple[Root, ...]:
    """The lowest `count` wave numbers pi sqrt((m/a)^2 + (n/b)^2), in 1/m, of a rectangle a x b (m) whose edges do not move, rising.

    A membrane has frequencies in their ratios, a plate with supported edges in the ratios of their squares. Mode (m, n) has at least m n
    modes that are not above it, so those with m n <= count are enough to look at.
    """
    found = [Root(math.pi * math.hypot(m / length, n / width), m, n) for m in range(1, count + 1) for n in range(1, count // m + 1)]
    return tuple(sorted(found)[:count])


def rectangle_shape(root: Root, along: float, across: float) -> float:
    """A mode of such a rectangle at a place, 0 to 1 of the length and of the width."""
    return 2.0 * math.sin(math.pi * root.m * along) * math.sin(math.pi * root.n * across)

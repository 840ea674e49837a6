"""How far the modes of a run are from the tables of textbooks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.engine.physics.resonators import Modes
from app.engine.physics.scene import Body, Scene

MOST_ROWS = 200
"""Comparisons in the report of a run."""

TOLERANCE = 1e-6
"""Relative error of a ratio past which a run warns: a five-hundredth of a cent. The tables are rounded at a hundredth of that."""

_BARS = {
    "free": (4.73004074, 7.85320462, 10.9956078, 14.1371655, 17.2787597),
    "clamped": (4.73004074, 7.85320462, 10.9956078, 14.1371655, 17.2787597),
    "cantilever": (1.87510407, 4.69409113, 7.85475744, 10.99554073, 14.13716839),
}
_BLEVINS = "roots in Blevins (1979), Formulas for Natural Frequency and Mode Shape, table 8-1"

_BESSEL = (2.4048255577, 3.8317059702, 5.1356223018, 5.5200781103, 6.3801618959)
_ABRAMOWITZ = "zeros of Bessel functions, Abramowitz & Stegun (1964), table 9.5, and Watson (1944), table VII"


_PLATE = (10.2158, 21.26, 34.88, 39.771)
_LEISSA = "squares of roots in Leissa (1969), Vibration of Plates, NASA SP-160, section 2.1.1"
_LEISSA_TOLERANCE = 3e-4

_STIFF = "f_n = n f_0 sqrt(1 + B n^2); Fletcher & Rossing 1998, section 2.18"
_MOST_STIFF = 1e-4
"""Largest B of a clamped string for which the textbook's formula is near enough: it leaves out terms of B^(3/2)."""


class _Known(NamedTuple):
    """What a textbook says of the lowest modes: numbers in the ratios of their frequencies, where from, and how exactly."""

    rows: Sequence[float]
    source: str
    tolerance: float = TOLERANCE


def closed_form(scene: Scene, found: Sequence[Modes]) -> list[dict[str, Any]]:
    """The ratio of each of the lowest modes to the first one, against the textbook's; for the first bodies in a scene of many.

    Clamped strings that are nearly bars have no textbook's.
    """
    rows: list[dict[str, Any]] = []
    for body, modes in zip(scene.bodies, found, strict=True):
        known = _OF_KIND[str((body.resonator or {})["kind"])](body.resonator or {}, modes)
        for name, measured, row in zip(modes.names, modes.ratio, known.rows, strict=False):
            rows.append(_row(body, name, row / known.rows[0], measured, known))
        if len(rows) >= MOST_ROWS:
            break
    return rows[:MOST_ROWS]


def _row(body: Body, name: str, expected: float, measured: float, known: _Known) -> dict[str, Any]:
    return {
        "what": f"ratio of mode {name} of {body.name}",
        "expected": expected,
        "measured": measured,
        "error": abs(measured / expected - 1.0),
        "tolerance": known.tolerance,
        "unit": "1",
        "source": known.source,
    }


def _bar(_: Mapping[str, Any], modes: Modes) -> _Known:
    if modes.boundary == "supported":
        return _Known([float(n * n) for n in range(1, 6)], "f_n = n^2 f_1; Fletcher & Rossing 1998, chapter 2")
    return _Known([root * root for root in _BARS[modes.boundary]], _BLEVINS)


def _string(_: Mapping[str, Any], modes: Modes) -> _Known:
    stiffness = modes.stiffness
    rows = [n * math.sqrt(1.0 + stiffness * n * n) for n in range(1, 6)]
    if modes.boundary == "supported":
        return _Known(rows, _STIFF)
    return _Known(rows if stiffness <= _MOST_STIFF else (), _STIFF, TOLERANCE + 250.0 * stiffness**1.5)


def _surface(given: Mapping[str, Any], modes: Modes) -> _Known:
    plate = given["kind"] == "plate"
    if given.get("radius") is not None:
        return _Known(_PLATE, _LEISSA, _LEISSA_TOLERANCE) if plate else _Known(_BESSEL, _ABRAMOWITZ)
    sides = given["length"], given["width"]
    squares = [(m / sides[0]) ** 2 + (n / sides[1]) ** 2 for m, n in (_numbers(name) for name in modes.names[:5])]
    if plate:
        return _Known(squares, "(m/a)^2 + (n/b)^2; Fletcher & Rossing 1998, chapter 3")
    return _Known([math.sqrt(square) for square in squares], "sqrt((m/a)^2 + (n/b)^2); Fletcher & Rossing 1998, chapter 3")


def _numbers(name: str) -> tuple[int, int]:
    m, n = name.strip("()").split(", ")
    return int(m), int(n)


def _pipe(_: Mapping[str, Any], modes: Modes) -> _Known:
    odd = 2 if modes.boundary == "stopped" else 1
    return _Known([float(odd * n + 1) for n in range(5)], "harmonics of an air column; Fletcher & Rossing 1998, chapter 8")


_OF_KIND = {"bar": _bar, "string": _string, "membrane": _surface, "plate": _surface, "pipe": _pipe}

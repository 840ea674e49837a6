"""How far the modes of a run are from the tables of textbooks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

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


def closed_form(scene: Scene, found: Sequence[Modes]) -> list[dict[str, Any]]:
    """The ratio of each of the lowest modes to the first one, against the textbook's; for the first bodies in a scene of many."""
    rows: list[dict[str, Any]] = []
    for body, modes in zip(scene.bodies, found, strict=True):
        ratios, source = _expected(body, modes)
        for name, measured, expected in zip(modes.names, modes.ratio, ratios, strict=False):
            rows.append(_row(body, name, expected, measured, source))
        if len(rows) >= MOST_ROWS:
            break
    return rows[:MOST_ROWS]


def _row(body: Body, name: str, expected: float, measured: float, source: str) -> dict[str, Any]:
    return {
        "what": f"ratio of mode {name} of {body.name}",
        "expected": expected,
        "measured": measured,
        "error": abs(measured / expected - 1.0),
        "tolerance": TOLERANCE,
        "unit": "1",
        "source": source,
    }


def _expected(body: Body, modes: Modes) -> tuple[Sequence[float], str]:
    """The first ratios as a textbook has them, and which one."""
    given: Mapping[str, Any] = body.resonator or {}
    rows, source = _OF_KIND[str(given["kind"])](given, modes)
    return tuple(row / rows[0] for row in rows), source


def _bar(_: Mapping[str, Any], modes: Modes) -> tuple[Sequence[float], str]:
    if modes.boundary == "supported":
        return [float(n * n) for n in range(1, 6)], "f_n = n^2 f_1; Fletcher & Rossing 1998, chapter 2"
    return [root * root for root in _BARS[modes.boundary]], _BLEVINS


def _string(_: Mapping[str, Any], modes: Modes) -> tuple[Sequence[float], str]:
    numbers = range(1, 6) if modes.boundary == "supported" or modes.stiffness == 0.0 else ()
    stiff = [n * math.sqrt(1.0 + modes.stiffness * n * n) for n in numbers]
    return stiff, "f_n = n f_0 sqrt(1 + B n^2); Fletcher & Rossing 1998, section 2.18"


def _surface(given: Mapping[str, Any], modes: Modes) -> tuple[Sequence[float], str]:
    plate = given["kind"] == "plate"
    if given.get("radius") is not None:
        return ((), "") if plate else (_BESSEL, _ABRAMOWITZ)
    sides = given["length"], given["width"]
    squares = [(m / sides[0]) ** 2 + (n / sides[1]) ** 2 for m, n in (_numbers(name) for name in modes.names[:5])]
    if plate:
        return squares, "(m/a)^2 + (n/b)^2; Fletcher & Rossing 1998, chapter 3"
    return [math.sqrt(square) for square in squares], "sqrt((m/a)^2 + (n/b)^2); Fletcher & Rossing 1998, chapter 3"


def _numbers(name: str) -> tuple[int, int]:
    m, n = name.strip("()").split(", ")
    return int(m), int(n)


def _pipe(_: Mapping[str, Any], modes: Modes) -> tuple[Sequence[float], str]:
    odd = 2 if modes.boundary == "stopped" else 1
    return [float(odd * n + 1) for n in range(min(len(modes.names), 5))], "harmonics of an air column; Fletcher & Rossing 1998, chapter 8"


_OF_KIND = {"bar": _bar, "string": _string, "membrane": _surface, "plate": _surface, "pipe": _pipe}

"""Curves: how a source value becomes a place between 0 and 1, and back.

The curve acts on the source; the place is then linear in the target's unit. `math` is used element by element where NumPy's
own functions may differ from it in the last bit, so that a score is the same however many values are mapped at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.engine.errors import EngineError

Floats = NDArray[np.float64]
MIDDLE = 0.5


def each(function: Callable[[float], float], values: Floats) -> Floats:
    """`function` of every value, by `math` and not by NumPy's approximation."""
    return np.fromiter(map(function, values.tolist()), dtype=np.float64, count=len(values))


def place(curve: str, exponent: float, low: float, high: float, values: Floats) -> Floats:
    """Places in 0 to 1 of values within [low, high]; a domain of one value has its place in the middle.

    Raises EngineError when a log curve meets a domain that is not positive.
    """
    if high == low:
        return np.full(len(values), MIDDLE)
    if curve == "log":
        span = math.log(_positive(low, high) / low)
        return each(lambda value: math.log(value / low) / span, values)
    linear: Floats = (values - low) / (high - low)
    return each(lambda part: math.pow(part, exponent), linear) if curve == "power" else linear


def value_at(curve: str, exponent: float, low: float, high: float, part: float) -> float:
    """The value whose place is `part`: the inverse of `place`."""
    if curve == "log":
        return float(low * math.pow(_positive(low, high) / low, part))
    return low + (high - low) * (math.pow(part, 1.0 / exponent) if curve == "power" else part)


def _positive(low: float, high: float) -> float:
    if low <= 0.0:
        raise EngineError(f"A log curve needs a domain above 0; this one begins at {low:.6g}.", "domain")
    return high

"""The loop of a plucked string, sample by sample: one source that runs as plain Python and compiled, with the same bytes."""

from __future__ import annotations

from typing import Any

Column = Any
"""A list or an array of float64."""


def ring(sound: Column, delay: int, b0: float, b1: float, b2: float, a1: float) -> None:
    """Fill `sound` after its first `delay` samples, which are given: each from the one `delay` before it.

    The loop's filter is (b0 + b1/z + b2/z^2) / (1 + a1/z).
    """
    x1 = x2 = y = 0.0
    for n in range(delay, len(sound)):
        x = sound[n - delay]
        y = b0 * x + b1 * x1 + b2 * x2 - a1 * y
        sound[n] = y
        x2, x1 = x1, x

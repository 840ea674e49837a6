"""The ballistic event loop compiled by numba, strict: without fastmath it gives the bytes of the plain loop."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import register_jitable
from numba.typed import List

from app.engine.physics.solvers import ballistic_kernel as kernel

_ENTRY = types.Tuple((types.float64, types.int64, types.int64, types.int64))

for _function in (
    kernel.phi1, kernel.phi2, kernel.later, kernel.later_velocity, kernel.damped, kernel.fall, kernel.newton, kernel.damped_fall,
    kernel.reach, kernel.advance, kernel.gravity, kernel.release, kernel.rest, kernel.write_segment, kernel.write_event, kernel.push,
    kernel.predict_bounds, kernel.splits, kernel.touch, kernel.hurry, kernel.relative, kernel.closeness, kernel.creep,
    kernel.predict_pair, kernel.predict_cells, kernel.predict, kernel.predict_touches, kernel.predict_all, kernel.enter, kernel.leave,
    kernel.cross, kernel.crowded, kernel.strike_bound, kernel.give, kernel.strike_pair, kernel.meet, kernel.collapse,
):  # fmt: skip
    register_jitable(error_model="numpy")(_function)

run = numba.njit(cache=True, error_model="numpy")(kernel.run)


def queue() -> Any:
    """An empty queue of (time, key, counter, counter)."""
    return List.empty_list(_ENTRY)


def floats(rows: list[Any]) -> Any:
    """A list, or a list of rows, as an array of float64."""
    return np.array(rows, dtype=np.float64)


def integers(rows: list[Any]) -> Any:
    """A list, or a list of rows, as an array of int64."""
    return np.array(rows, dtype=np.int64)

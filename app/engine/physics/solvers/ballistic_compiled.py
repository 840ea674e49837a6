"""The ballistic event loop compiled by numba, strict: without fastmath it gives the bytes of the plain loop."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic, overload, register_jitable

from app.engine.physics.solvers import ballistic_kernel as kernel

for _function in (
    kernel.phi1, kernel.phi2, kernel.later, kernel.later_velocity, kernel.damped, kernel.fall, kernel.newton, kernel.damped_fall,
    kernel.reach, kernel.advance, kernel.release, kernel.rest, kernel.write_segment, kernel.write_event, kernel.push,
    kernel.predict_bounds, kernel.touch, kernel.hurry, kernel.relative, kernel.closeness, kernel.creep,
    kernel.predict_pair, kernel.predict_cells, kernel.predict, kernel.predict_touches, kernel.predict_all, kernel.enter, kernel.leave,
    kernel.cross, kernel.crowded, kernel.strike_bound, kernel.give, kernel.strike_pair, kernel.meet, kernel.collapse,
):  # fmt: skip
    register_jitable(error_model="numpy")(_function)


@intrinsic
def _without_owner(_context: Any, group: Any) -> Any:
    """A named tuple of arrays whose memory is not counted: counting takes half the time of a run, and the caller holds them anyway."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = arguments[0]
        for place, kind in enumerate(signature.args[0].types):
            if isinstance(kind, types.Array):
                array = context.make_array(kind)(context, builder, builder.extract_value(value, place))
                array.meminfo = array.meminfo.type(None)
                value = builder.insert_value(value, array._getvalue(), place)
        return value

    return group(group), generate


@overload(kernel.lent)
def _lent(group: Any) -> Any:
    """What `lent` is when compiled; the compiler passes the context that `_without_owner` is called without."""
    del group

    def implementation(group: Any) -> Any:
        return _without_owner(group)  # type: ignore[call-arg]

    return implementation


run = numba.njit(cache=True, error_model="numpy")(kernel.run)


def queue(rows: list[Any]) -> Any:
    """Rows of (time, key, counter, counter) as an array of float64, which holds whole numbers up to 2^53."""
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def floats(rows: list[Any]) -> Any:
    """A list, or a list of rows, as an array of float64."""
    return np.array(rows, dtype=np.float64)


def table(rows: int, width: int) -> Any:
    """An empty table of float64."""
    return np.zeros((rows, width))


def integers(rows: list[Any]) -> Any:
    """A list, or a list of rows, as an array of int64."""
    return np.array(rows, dtype=np.int64)

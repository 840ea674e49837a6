"""The ballistic event loop compiled by numba, strict: without fastmath it gives the bytes of the plain loop."""

from __future__ import annotations

import heapq
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic, overload, register_jitable

from app.engine.physics.solvers import ballistic_kernel as kernel

for _function in (
    kernel.phi1, kernel.phi2, kernel.later, kernel.later_velocity, kernel.damped, kernel.fall, kernel.newton, kernel.damped_fall,
    kernel.reach, kernel.advance, kernel.release, kernel.rest, kernel.write_event, kernel.push, kernel.predict_bounds, kernel.touch,
    kernel.hurry, kernel.relative, kernel.closeness, kernel.creep, kernel.predict_pair, kernel.predict_cells, kernel.give,
    kernel.strike_pair, kernel.collapse, kernel.queue_straight, kernel.predict_straight_touches, kernel.enter, kernel.cross, kernel.crowded,
):  # fmt: skip
    register_jitable(error_model="numpy")(_function)

for _inlined in (
    kernel.write_segment,
    kernel.predict_straight,
    kernel.predict,
    kernel.drift,
    kernel.strike_bound,
    kernel.strike_straight,
    kernel.happen,
):  # fmt: skip  called from one place in a free flight; a call would copy the whole state
    register_jitable(error_model="numpy", forceinline=True)(_inlined)


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


@overload(kernel.waiting)
def _waiting(heap: Any) -> Any:
    """The compiled queue is a table from row 1 on; its row 0 counts them."""
    del heap

    def implementation(heap: Any) -> int:
        return int(heap[0, 0])

    return implementation


@overload(kernel.capacity)
def _capacity(heap: Any) -> Any:
    """Row 0 and the last hold no event."""
    del heap

    def implementation(heap: Any) -> int:
        return len(heap) - 2

    return implementation


@overload(heapq.heappush, jit_options={"error_model": "numpy"})
def _push(heap: Any, item: Any) -> Any:
    """As on a list, up to the order of what has the same time and key: of those all but one are out of date."""
    del item
    if not isinstance(heap, types.Array):
        return None

    def implementation(heap: Any, item: Any) -> None:
        t, key = item[0], float(item[1])
        place = int(heap[0, 0]) + 1
        heap[0, 0] = place
        while place > 1:
            above = place >> 1
            if heap[above, 0] < t or (heap[above, 0] == t and heap[above, 1] <= key):
                break
            heap[place, 0], heap[place, 1], heap[place, 2], heap[place, 3] = heap[above, 0], heap[above, 1], heap[above, 2], heap[above, 3]
            place = above
        heap[place, 0], heap[place, 1], heap[place, 2], heap[place, 3] = t, key, item[2], item[3]

    return implementation


@overload(heapq.heappop, jit_options={"error_model": "numpy"})
def _pop(heap: Any) -> Any:
    """The row with the least time and key."""
    if not isinstance(heap, types.Array):
        return None

    def implementation(heap: Any) -> tuple[float, int, int, int]:
        found = heap[1, 0], int(heap[1, 1]), int(heap[1, 2]), int(heap[1, 3])
        last = int(heap[0, 0])
        heap[0, 0] = last - 1
        t, key, place, below = heap[last, 0], heap[last, 1], 1, 2
        while below < last:
            other = below + 1
            if other < last and (heap[other, 0] < heap[below, 0] or (heap[other, 0] == heap[below, 0] and heap[other, 1] < heap[below, 1])):
                below = other
            if t < heap[below, 0] or (t == heap[below, 0] and key <= heap[below, 1]):
                break
            heap[place, 0], heap[place, 1], heap[place, 2], heap[place, 3] = heap[below, 0], heap[below, 1], heap[below, 2], heap[below, 3]
            place, below = below, 2 * below
        heap[place, 0], heap[place, 1], heap[place, 2], heap[place, 3] = t, key, heap[last, 2], heap[last, 3]
        return found

    return implementation


run = numba.njit(cache=True, error_model="numpy")(kernel.run)


def queue(events: list[tuple[float, int, int, int]], bodies: int) -> kernel.Queue:
    """A queue of events in order, with room for more; its numbers are float64, which holds whole numbers up to 2^53."""
    rows = np.zeros((16 * bodies + 64, 4))
    rows[0, 0] = len(events)
    rows[1 : 1 + len(events)] = np.array(events).reshape(-1, 4)
    return kernel.Queue(rows)


def roomy(full: kernel.Queue) -> kernel.Queue:
    """The queue with room for what follows, as it is if it has."""
    rows = full.rows
    return full if 2 * rows[0, 0] < len(rows) else kernel.Queue(np.concatenate([rows, np.zeros_like(rows)]))


def floats(rows: list[Any]) -> Any:
    """A list, or a list of rows, as an array of float64."""
    return np.array(rows, dtype=np.float64)


def table(rows: int, width: int) -> Any:
    """An empty table of float64."""
    return np.zeros((rows, width))


def integers(rows: list[Any]) -> Any:
    """A list, or a list of rows, as an array of int64."""
    return np.array(rows, dtype=np.int64)

"""The library's own functions, called directly in the innermost loop.

pymunk's Python methods around them keep account of what callbacks add to a space and remove from it, check what the solver has checked, and
make each request for many bodies anew; nothing is added or removed during these steps. Bodies and spaces are given by their handles.
"""

from __future__ import annotations

from typing import Any

import pymunk
from pymunk import batch
from pymunk._chipmunk_cffi import ffi, lib

_LIBRARY: Any = lib
_FOREIGN: Any = ffi
_DOUBLE, _WORD = (_FOREIGN.sizeof(name) for name in ("cpFloat", "uintptr_t"))

advance = _LIBRARY.cpSpaceStep
place_of, angle_of = _LIBRARY.cpBodyGetPosition, _LIBRARY.cpBodyGetAngle
velocity_of, spin_of = _LIBRARY.cpBodyGetVelocity, _LIBRARY.cpBodyGetAngularVelocity
put, turn = _LIBRARY.cpBodySetPosition, _LIBRARY.cpBodySetAngle
send, spin = _LIBRARY.cpBodySetVelocity, _LIBRARY.cpBodySetAngularVelocity


def handle_of(thing: pymunk.Body | pymunk.Space) -> Any:
    """What the library's functions know a body or a space by."""
    return thing._body if isinstance(thing, pymunk.Body) else thing._space


class Reading:
    """Some fields of all bodies of a space, or of all that touch in it; what is read is kept until `clear`.

    Attributes
    ----------
    buffer : where the numbers are
    """

    def __init__(self, space: pymunk.Space, fields: batch.BodyFields | batch.ArbiterFields) -> None:
        self.buffer = batch.Buffer()
        # The library leaves it to its user to free them.
        self._floats = self.buffer._float_arr = _FOREIGN.gc(self.buffer._float_arr, _LIBRARY.pmFloatArrayFree)
        self._integers = self.buffer._int_arr = _FOREIGN.gc(self.buffer._int_arr, _LIBRARY.pmIntArrayFree)
        self._request = _FOREIGN.new("pmBatchedData *", (self._integers, self._floats, fields.value))
        if isinstance(fields, batch.BodyFields):
            self._each, name = _LIBRARY.cpSpaceEachBody, "pmSpaceBodyGetIteratorFuncBatched"
        else:
            self._each, name = _LIBRARY.cpSpaceEachCachedArbiter, "pmSpaceArbiterIteratorFuncBatched"
        self._space, self._one = handle_of(space), _FOREIGN.addressof(_LIBRARY, name)

    def clear(self) -> None:
        """Forget what was read."""
        self._floats.num = self._integers.num = 0

    def add(self) -> None:
        """Read, behind what was read since `clear`."""
        self._each(self._space, self._one, self._request)

    def read(self) -> None:
        """Read alone."""
        self._floats.num = self._integers.num = 0
        self._each(self._space, self._one, self._request)

    def floats(self) -> memoryview:
        """The numbers, in place, to be cast to "d"."""
        return memoryview(_FOREIGN.buffer(self._floats.arr, _DOUBLE * self._floats.num))

    def integers(self) -> bytes:
        """The integers, to be cast to "P"."""
        return bytes(_FOREIGN.buffer(self._integers.arr, _WORD * self._integers.num))

    def lists(self) -> tuple[list[int], list[float]]:
        """The integers and the numbers."""
        integers, floats = self._integers, self._floats
        if not integers.num:
            return [], []
        return _FOREIGN.unpack(integers.arr, integers.num), _FOREIGN.unpack(floats.arr, floats.num)

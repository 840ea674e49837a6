"""Reading all bodies of a space at once, and keeping them at equal times as frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pymunk import batch

from app.engine.physics.solvers.rigid_library import Reading
from app.engine.physics.solvers.rigid_motion import WIDTH
from app.engine.physics.solvers.rigid_space import World

STATE = batch.BodyFields.POSITION | batch.BodyFields.ANGLE | batch.BodyFields.VELOCITY | batch.BodyFields.ANGULAR_VELOCITY
RATES = batch.BodyFields.VELOCITY | batch.BodyFields.ANGULAR_VELOCITY
RATES_WIDTH = 3

_AT_ONCE = 32

Array = NDArray[np.float64]
Rate = tuple[float, float, float]


class Reader:
    """Reads some fields of all bodies of a space, once or several times before they are looked at."""

    def __init__(self, world: World, fields: batch.BodyFields, width: int) -> None:
        self._index, self._width, self._sleeps, self._known = world.index, width, world.plan.sleeps, b""
        self.rows: list[int] = []
        self._in_order = False
        self._order: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        named = Reading(world.space, fields | batch.BodyFields.BODY_ID)
        named.read()
        self._sort(named.integers())
        self._reading = named if self._sleeps else Reading(world.space, fields)
        self._now: memoryview[float] | None = None

    def read(self) -> memoryview[float]:
        """The fields as the library has them, until the next read; `rows` tells where each body's are."""
        self._reading.read()
        if self._sleeps:
            self._sort(self._reading.integers())
        if self._now is None:
            self._now = self._reading.floats().cast("d")
        return self._now

    def clear(self) -> None:
        """Forget what was read."""
        self._reading.clear()

    def add(self) -> None:
        """Read once more, behind what was read since `clear`."""
        self._now = None
        self._reading.add()

    def tables(self) -> Array:
        """All that was read since `clear`, (times, N, width), in the order of the scene; to be copied before the next read."""
        count = len(self._order) + 1
        read = np.frombuffer(self._reading.floats(), dtype=np.float64).reshape(-1, count, self._width)
        if not self._sleeps:
            return read[:, :-1] if self._in_order else read[:, self._order]
        ids, found = self._reading.integers(), np.empty((len(read), count - 1, self._width))
        size = len(ids) // max(len(read), 1)
        for number, table in enumerate(read):
            self._sort(ids[size * number : size * (number + 1)])
            found[number] = table[self._order]
        return found

    def table(self) -> Array:
        """The fields (N, width) as they are now, in the order of the scene."""
        self.read()
        found: Array = self.tables()[0].copy()
        return found

    def _sort(self, ids: bytes) -> None:
        """Note the order of the bodies, which changes when some fall asleep."""
        if ids == self._known:
            return
        self._known = ids
        order = [self._index[identity] for identity in memoryview(ids).cast("P")]
        self.rows = [0] * len(order)
        for row, index in enumerate(order):
            self.rows[index] = row  # that of BOUND, -1, is the last
        self._order = np.array(self.rows[:-1], dtype=np.int64)
        self._in_order = self.rows == list(range(len(order)))


class Frames:
    """The frames of a run. The velocity at the end of a step is the mean of those before and after it, but for bodies hit in that step.

    `table` is float64 (F + 1, N, 6), as in RigidMotion; `kept` how many of its frames are there.
    """

    def __init__(self, world: World, count: int) -> None:
        self._before, self._after = Reader(world, RATES, RATES_WIDTH), Reader(world, STATE, WIDTH)
        self.table = np.zeros((count + 1, len(world.bodies), WIDTH))
        self.table[0] = self._after.table()
        self.kept, self._waiting = 1, 0
        self._hit: list[tuple[int, int, Rate]] = []
        self._clear()

    def begin(self) -> None:
        """A step begins at whose end a frame is kept."""
        self._before.add()

    def end(self, hit: dict[int, Rate]) -> bool:
        """The step has ended; `hit` are the bodies hit in it, with their velocities at its end. Whether all numbers are finite so far."""
        self._after.add()
        for index, rate in hit.items():
            self._hit.append((self._waiting, index, rate))
        self._waiting += 1
        return self._waiting < _AT_ONCE or self.flush()

    def flush(self) -> bool:
        """Put what was read into the table; whether all its numbers are finite. Frames from the first that is not are not kept."""
        if not self._waiting:
            return True
        read, found = self._after.tables(), self.table[self.kept : self.kept + self._waiting]
        before = self._before.tables()
        found[:] = read
        for column in range(RATES_WIDTH):  # one at a time: numpy is slow with short rows
            mean = found[:, :, 3 + column]
            mean += before[:, :, column]
            mean *= 0.5
        for number, index, rate in self._hit:
            found[number, index, 3:] = rate
        finite = np.isfinite(found)
        good = len(found) if finite.all() else int(np.argmin(finite.all(axis=(1, 2))))
        self.kept += good
        whole = good == self._waiting
        self._clear()
        return whole

    def _clear(self) -> None:
        self._before.clear()
        self._after.clear()
        self._hit.clear()
        self._waiting = 0

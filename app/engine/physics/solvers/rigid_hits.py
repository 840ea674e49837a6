"""A hit of two rigid bodies inside a step: when it was, how fast, and what the library's impulse has left to do.

The library finds an overlap at the end of a step and turns the velocities round there. With the depth of the overlap and the speed of
approach the hit itself is found, t = t_step - depth / v_n, gravity's part included.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pymunk import batch

from app.engine.physics.solvers.rigid_library import Reading

_FIELD = batch.ArbiterFields
TOUCHES = (
    _FIELD.BODY_A_ID | _FIELD.BODY_B_ID | _FIELD.IS_FIRST_CONTACT | _FIELD.CONTACT_COUNT | _FIELD.TOTAL_IMPULSE | _FIELD.NORMAL
    | _FIELD.POINT_A_1 | _FIELD.POINT_B_1 | _FIELD.DISTANCE_1 | _FIELD.POINT_A_2 | _FIELD.POINT_B_2 | _FIELD.DISTANCE_2
)  # fmt: skip
_INTEGERS, _FLOATS = 4, 14

_ROUNDS = 3
"""Newton's steps from the moment without gravity to that with it."""

Rate = tuple[float, float, float]
"""Velocity (m/s) and rate of rotation (rad/s) of a body."""

STILL: Rate = (0.0, 0.0, 0.0)


class Touch(NamedTuple):
    """Two bodies that touch, or did a moment ago.

    `a` and `b` are their indices, the normal (nx, ny) leads from the first to the second, (jx, jy) is the impulse (N s) on the first in the
    last step, (px, py) and (qx, qy) are the points (m) of both that are inside the other, the middle of them where two flat sides meet, and
    `gap` is the distance (m) of the deepest along the normal.
    """

    a: int
    b: int
    new: bool
    jx: float
    jy: float
    nx: float
    ny: float
    px: float
    py: float
    qx: float
    qy: float
    gap: float


def touching(reading: Reading, index: dict[int, int]) -> list[Touch]:
    """What touches in a space, by a reading of TOUCHES, in an order that depends on the scene alone."""
    reading.read()
    whole, numbers = reading.lists()
    found = []
    for row in range(len(whole) // _INTEGERS):
        a, b, new, points = whole[_INTEGERS * row : _INTEGERS * (row + 1)]
        if points:
            jx, jy, nx, ny, px, py, qx, qy, gap, px2, py2, qx2, qy2, gap2 = numbers[_FLOATS * row : _FLOATS * (row + 1)]
            if points == 2:
                px, py, qx, qy = 0.5 * (px + px2), 0.5 * (py + py2), 0.5 * (qx + qx2), 0.5 * (qy + qy2)
                gap = min(gap, gap2)
            found.append(Touch(index[a], index[b], new == 1, jx, jy, nx, ny, px, py, qx, qy, gap))
    if len(found) > 1:
        found.sort()
    return found


COUNTS = _FIELD.BODY_A_ID | _FIELD.BODY_B_ID | _FIELD.CONTACT_COUNT
"""In how many points which bodies touch, for `second_points`."""


def second_points(before: bytes, now: bytes) -> set[tuple[int, int]]:
    """The pairs of bodies, as the library knows them, that touched in one point and now touch in two, by the integers of COUNTS."""
    known, found = memoryview(before).cast("P"), memoryview(now).cast("P")
    once = {(known[row], known[row + 1]) for row in range(0, len(known), 3) if known[row + 2] == 1}
    return {(found[row], found[row + 1]) for row in range(0, len(found), 3) if found[row + 2] == 2} & once


def in_two_points(reading: Reading, pairs: set[tuple[int, int]], index: dict[int, int]) -> list[tuple[Touch, Touch]]:
    """Those of the pairs that go on touching, with each of the two points, in the order of the scene, by a reading of TOUCHES."""
    reading.read()
    whole, numbers = reading.lists()
    found = []
    for row in range(len(whole) // _INTEGERS):
        a, b, new, points = whole[_INTEGERS * row : _INTEGERS * (row + 1)]
        if points == 2 and not new and (a, b) in pairs:
            jx, jy, nx, ny, *rest = numbers[_FLOATS * row : _FLOATS * (row + 1)]
            both = index[a], index[b], False, jx, jy, nx, ny
            found.append((Touch(*both, *rest[:5]), Touch(*both, *rest[5:])))
    found.sort()
    return found


def since(depth: float, u: float, a: float, step: float) -> float:
    """The time (s) from a hit to the end of the step, 0 to `step`.

    `depth` (m) is the overlap at the end, `u` (m/s) the mean speed of approach over the step, `a` (m/s^2) its acceleration.
    """
    last = u + 0.5 * a * step  # the speed at the end, had they passed through each other
    square = last * last - 2.0 * a * depth
    divisor = last + math.sqrt(max(square, 0.0))
    if depth <= 0.0 or divisor <= 0.0:
        return 0.0
    return min(2.0 * depth / divisor, step)


def closing(before_a: Rate, before_b: Rate, arms: tuple[float, float, float, float]) -> tuple[float, float]:
    """The velocity (m/s) of the second body's point as seen from the first one's; `arms` lead from their centres to it."""
    rax, ray, rbx, rby = arms
    return (
        before_b[0] - before_b[2] * rby - before_a[0] + before_a[2] * ray,
        before_b[1] + before_b[2] * rbx - before_a[1] - before_a[2] * rax,
    )


def meeting(dx: float, dy: float, wx: float, wy: float, ax: float, ay: float, reach: float, step: float) -> tuple[float, float, float]:
    """When two discs touched: the time (s) from then to the end of the step, 0 to `step`, and the normal (x, y) at that moment.

    (dx, dy) (m) leads from the first centre to the second at the end of the step, had they passed through; (wx, wy) (m/s) is the mean
    velocity over the step and (ax, ay) (m/s^2) the acceleration of the second as seen from the first. `reach` is the sum of the radii (m).
    """
    inside = dx * dx + dy * dy - reach * reach
    closing_by, square = dx * wx + dy * wy, wx * wx + wy * wy
    root = math.sqrt(max(closing_by * closing_by - square * inside, 0.0)) - closing_by
    s = min(max(-inside / root, 0.0), step) if root > 0.0 else 0.0
    hx, hy = dx - wx * s, dy - wy * s
    if ax != 0.0 or ay != 0.0:
        for _ in range(_ROUNDS):
            sag, slope = 0.5 * (step - s) * s, 0.5 * (step - 2.0 * s)
            hx, hy = dx - wx * s - ax * sag, dy - wy * s - ay * sag
            change = -2.0 * (hx * (wx + ax * slope) + hy * (wy + ay * slope))
            if change <= 0.0:
                break
            s = min(max(s - (hx * hx + hy * hy - reach * reach) / change, 0.0), step)
        sag = 0.5 * (step - s) * s
        hx, hy = dx - wx * s - ax * sag, dy - wy * s - ay * sag
    far = math.hypot(hx, hy)
    return (s, hx / far, hy / far) if far > 0.0 else (s, 0.0, 1.0)

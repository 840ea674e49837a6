"""The event loop of the ballistic solver: one source that runs as plain Python and compiled, with the same bytes.

Plain runs on lists (an element of a list is three times as fast as one of an array), compiled on arrays of the same shape; only `math`
functions and a fixed order of sums are used. Everything is SI. Motion between events, with z = k t:

    x(t) = x + v t phi1(z) + a t^2 phi2(z),   v(t) = v exp(-z) + a t phi1(z),
    phi1(z) = (1 - exp(-z)) / z,              phi2(z) = (z - 1 + exp(-z)) / z^2.
"""

from __future__ import annotations

import heapq
import math
from typing import Any, NamedTuple

Column = Any
"""A list or an array of one number for each body."""
Table = Any
"""A list of lists or an array of one row for each body."""

OPENING, BOUND, STATIC, BALL, CROSSING = 0, 1, 2, 3, 4
DONE, FULL, COLLAPSED = 0, 1, 2
COLLISION, CONTACT, COLLAPSE = 0, 1, 2

SHORTEST_FLIGHT = 1e-6
COLLAPSE_COUNT = 1000
COLLAPSE_WINDOW = 1e-3
TOUCH = 4e-15
STILL = 1e-15
SLIDING = 1e-12
CREEP_STEPS = 400
SILENT_CHUNK = 20000
EVENT_ROOM = 3
SEGMENT_ROOM = 2
EVENT_WIDTH, SEGMENT_WIDTH = 10, 12


class State(NamedTuple):
    """The bodies, the cells they are found by, and what is counted.

    `clock` is the time at which `position` and `velocity` hold; `contact` is -1 (on the lower bound), 1 (on the upper) or 0 for each axis;
    `low` and `high` are the bounds of the centre. `home` is the number of the cell on each axis, `cell` its index on the wrapped grid, -1
    for a body that is too large for the cells; `head` ends with an empty cell, which -1 names. `far` is when a body meets its next bound,
    `wall` the side of it. In a straight flight `leaving` is when a body leaves its cell on each axis, `stride` how long the next ones take.
    """

    position: Table
    velocity: Table
    acceleration: Table
    clock: Column
    contact: Table
    low: Table
    high: Table
    radius: Column
    mass: Column
    inverse_mass: Column
    restitution: Column
    moves: Column
    solid: Column
    count: Column
    window_start: Column
    window_count: Column
    home: Table
    cell: Column
    following: Column
    head: Column
    neighbours: Table
    beyond: Table
    fresh: Table
    large: Column
    far: Column
    wall: Column
    leaving: Table
    stride: Table
    external: Column


class Law(NamedTuple):
    """What acts on the bodies until `end` (s): gravity (m/s^2), damping (1/s), restitution of the bounds, size (m) and number of cells.

    `free` where neither gravity nor damping acts, `deep` where bodies differ in z or move along it.
    """

    gravity: tuple[float, float, float]
    damping: float
    restitution: float
    end: float
    size: float
    split: tuple[int, int, int]
    free: bool
    deep: bool


class Record(NamedTuple):
    """Tables that the loop fills: a row for each event and for each new segment of motion; `used` counts [events, segments, steps]."""

    events: Table
    segments: Table
    used: Column


class Queue(NamedTuple):
    """What is to happen, as a heap of (time, key, counter, counter)."""

    rows: Table


def phi1(z: float) -> float:
    """(1 - exp(-z)) / z for z >= 0."""
    return -math.expm1(-z) / z if z > 0.0 else 1.0


def phi2(z: float) -> float:
    """(z - 1 + exp(-z)) / z^2 for z >= 0; by its power series up to z = 1, where the closed form loses its digits."""
    if z > 1.0:
        return (z + math.expm1(-z)) / (z * z)
    total = 1.0
    for n in range(19, 2, -1):
        total = 1.0 - z / n * total
    return 0.5 * total


def later(p: float, v: float, a: float, k: float, t: float) -> float:
    """The coordinate p after t seconds."""
    if k == 0.0:
        return p + (v + 0.5 * a * t) * t
    z = k * t
    return p + (v * phi1(z) + a * t * phi2(z)) * t


def later_velocity(v: float, a: float, k: float, t: float) -> float:
    """The velocity component v after t seconds."""
    if k == 0.0:
        return v + a * t
    z = k * t
    return v * math.exp(-z) + a * t * phi1(z)


def damped(s: float, k: float) -> float:
    """The time at which the damped path (1 - exp(-k t)) / k is s; infinite where it never is."""
    w = k * s
    if w >= 1.0:
        return math.inf
    return -math.log1p(-w) / k if w >= 1e-17 else s  # w is not a number where k is 0 and s infinite


def fall(gap: float, v: float, g: float) -> float:
    """First time at which gap + v t - g t^2 / 2 = 0 from above, without damping; g is not 0."""
    square = v * v + 2.0 * g * gap
    if g < 0.0:
        return math.inf if v >= 0.0 or square < 0.0 else 2.0 * gap / (math.sqrt(square) - v)
    if v >= 0.0:
        return (v + math.sqrt(square)) / g
    return 2.0 * gap / (math.sqrt(square) - v)


def newton(gap: float, v: float, g: float, k: float, t: float) -> float:
    """The root of the damped height near t, by Newton's method on the side from which it converges monotonically."""
    last = math.inf
    for _ in range(100):
        slope = later_velocity(v, -g, k, t)
        if slope >= 0.0:
            return t
        step = later(gap, v, -g, k, t) / slope
        size = abs(step)
        if t - step == t or (size >= last and size <= 1e-12 * t):
            return t
        last = size
        t = max(t - step, 0.0)
    return t


def damped_fall(gap: float, v: float, g: float, k: float) -> float:
    """First time at which a damped body is down at the surface, gap m below it; g (not 0) pulls towards the surface."""
    if g < 0.0:
        if v >= 0.0:
            return math.inf
        apex = math.log1p(k * v / g) / k
        return math.inf if later(gap, v, -g, k, apex) > 0.0 else newton(gap, v, g, k, 0.0)
    if gap == 0.0 and v <= 0.0:
        return 0.0
    if k * v + g < 0.0:
        return newton(gap, v, g, k, 0.0)
    apex = math.log1p(k * v / g) / k if v > 0.0 else 0.0
    height = max(later(gap, v, -g, k, apex), 0.0)
    return newton(gap, v, g, k, apex + fall(height, min(v, 0.0), g))


def reach(gap: float, v: float, g: float, k: float) -> float:
    """Time until a coordinate is down at a plane `gap` below it; v is its velocity away from the plane, g its acceleration towards it."""
    gap = max(gap, 0.0)
    if g == 0.0:
        return damped(gap / -v, k) if v < 0.0 else math.inf
    return fall(gap, v, g) if k == 0.0 else damped_fall(gap, v, g, k)


def advance(s: State, law: Law, i: int, t: float) -> None:
    """Move body i to time t. The push of a bound under a body in contact is added to the external impulse."""
    dt = t - s.clock[i]
    s.clock[i] = t
    if dt == 0.0:
        return
    p, v, a = s.position[i], s.velocity[i], s.acceleration[i]
    if law.free:
        p[0], p[1], p[2] = p[0] + v[0] * dt, p[1] + v[1] * dt, p[2] + v[2] * dt
        return
    for q in range(3):
        p[q] = later(p[q], v[q], a[q], law.damping, dt)
        v[q] = later_velocity(v[q], a[q], law.damping, dt)
        if s.contact[i][q] != 0:
            s.external[q] -= s.mass[i] * law.gravity[q] * dt


def release(s: State, law: Law, i: int, axis: int) -> None:
    """End the contact of body i with the bound on an axis."""
    s.contact[i][axis] = 0
    s.acceleration[i][axis] = law.gravity[axis]


def rest(s: State, i: int, axis: int, side: int) -> None:
    """Put body i in contact with the bound on a side (-1 or 1) of an axis."""
    s.contact[i][axis] = side
    s.velocity[i][axis] = 0.0
    s.acceleration[i][axis] = 0.0
    s.position[i][axis] = s.low[i][axis] if side < 0 else s.high[i][axis]


def write_segment(s: State, law: Law, record: Record, i: int) -> None:
    """Record that body i moves freely from its clock on."""
    row = record.segments[record.used[1]]
    record.used[1] += 1
    p, v, a = s.position[i], s.velocity[i], s.acceleration[i]
    row[0], row[1], row[11] = float(i), s.clock[i], law.damping
    row[2], row[3], row[4] = p[0], p[1], p[2]
    row[5], row[6], row[7] = v[0], v[1], v[2]
    row[8], row[9], row[10] = a[0], a[1], a[2]


def write_event(
    record: Record, t: float, kind: int, i: int, j: int, impulse: float, energy: float, speed: float, x: float, y: float, z: float
) -> None:
    """Record an event; other is -1 for a bound."""
    row = record.events[record.used[0]]
    record.used[0] += 1
    row[0], row[1], row[2], row[3] = t, float(kind), float(i), float(j)
    row[4], row[5], row[6] = impulse, energy, speed
    row[7], row[8], row[9] = x, y, z


def push(s: State, law: Law, heap: Any, t: float, rank: int, i: int, j: int, other: int) -> None:
    """Queue an event; `other` is the collision counter of the second body. Order: time, kind, lower index, higher index."""
    if t <= law.end:
        heapq.heappush(heap, (t, ((rank << 24) + i << 24) + j, s.count[i], other))


def predict_bounds(s: State, law: Law, heap: Any, i: int, now: float) -> None:
    """Queue the next bound that body i meets, or that it leaves its cell, whichever comes first."""
    p, v, a = s.position[i], s.velocity[i], s.acceleration[i]
    low, high, k, dt = s.low[i], s.high[i], law.damping, now - s.clock[i]
    celled = s.cell[i] >= 0
    bound, bound_side, cross, cross_side = math.inf, 0, math.inf, 0
    for q in range(3):
        u, g = v[q], a[q]
        if u == 0.0 and g == 0.0:
            continue
        x = p[q]
        if dt > 0.0:
            x = later(x, u, g, k, dt)
            u = later_velocity(u, g, k, dt)
        split = celled and law.split[q] > 1
        if u < 0.0 or g < 0.0:
            if low[q] > -math.inf:
                t = reach(x - low[q], u, -g, k)
                if t < bound:
                    bound, bound_side = t, 2 * q
            if split:
                t = reach(x - (s.home[i][q] - 0.25) * law.size, u, -g, k)
                if t < cross:
                    cross, cross_side = t, 2 * q
        if u > 0.0 or g > 0.0:
            if high[q] < math.inf:
                t = reach(high[q] - x, -u, g, k)
                if t < bound:
                    bound, bound_side = t, 2 * q + 1
            if split:
                t = reach((s.home[i][q] + 1.25) * law.size - x, -u, g, k)
                if t < cross:
                    cross, cross_side = t, 2 * q + 1
    if cross < bound:
        push(s, law, heap, now + cross, CROSSING, i, cross_side, 0)
    elif bound < math.inf:
        push(s, law, heap, now + bound, BOUND, i, bound_side, 0)
    s.far[i] = now + bound


def predict_straight(s: State, law: Law, heap: Any, i: int, now: float) -> None:
    """`predict_bounds` under a free law, for all the cells that body i crosses in its flight."""
    p, v, low, high, home = s.position[i], s.velocity[i], s.low[i], s.high[i], s.home[i]
    leaving, stride = s.leaving[i], s.stride[i]
    dt, size, split, celled = now - s.clock[i], law.size, law.split, s.cell[i] >= 0
    bound = math.inf
    for q in range(3):
        u = v[q]
        leaving[q] = math.inf
        if u < 0.0:
            x = p[q] + u * dt
            t = (low[q] - x) / u
            if t < bound:
                bound = t
                s.wall[i] = 2 * q
            if celled and split[q] > 1:
                t = ((home[q] - 0.25) * size - x) / u
                leaving[q], stride[q] = now + t if t > 0.0 else now, -size / u
        elif u > 0.0:
            x = p[q] + u * dt
            t = (high[q] - x) / u
            if t < bound:
                bound = t
                s.wall[i] = 2 * q + 1
            if celled and split[q] > 1:
                t = ((home[q] + 1.25) * size - x) / u
                leaving[q], stride[q] = now + t if t > 0.0 else now, size / u
    s.far[i] = now + bound if bound > 0.0 else now
    queue_straight(s, law, heap, i)


def queue_straight(s: State, law: Law, heap: Any, i: int) -> None:
    """Queue the next bound that body i meets in a straight flight, or that it leaves its cell, whichever comes first."""
    t, leaving, axis = s.far[i], s.leaving[i], -1
    x, y, z = leaving[0], leaving[1], leaving[2]
    if x < t:
        t, axis = x, 0
    if y < t:
        t, axis = y, 1
    if z < t:
        t, axis = z, 2
    if t > law.end:
        return
    if axis < 0:
        heapq.heappush(heap, (t, (BOUND << 48) + (i << 24) + s.wall[i], s.count[i], 0))
    elif s.velocity[i][axis] > 0.0:
        heapq.heappush(heap, (t, (CROSSING << 48) + (i << 24) + 2 * axis + 1, s.count[i], 0))
    else:
        heapq.heappush(heap, (t, (CROSSING << 48) + (i << 24) + 2 * axis, s.count[i], 0))


def touch(s: State, law: Law, i: int, j: int, now: float) -> float:
    """When bodies i and j next touch while they approach, infinite if never before the end or before either leaves its free flight."""
    pi, vi, ai, ti = s.position[i], s.velocity[i], s.acceleration[i], now - s.clock[i]
    pj, vj, aj, tj = s.position[j], s.velocity[j], s.acceleration[j], now - s.clock[j]
    ax, ay, az = aj[0] - ai[0], aj[1] - ai[1], aj[2] - ai[2]
    if ax != 0.0 or ay != 0.0 or az != 0.0:
        return creep(s, law, i, j, now)
    k = law.damping
    if k == 0.0:
        dx = pj[0] + (vj[0] + 0.5 * aj[0] * tj) * tj - (pi[0] + (vi[0] + 0.5 * ai[0] * ti) * ti)
        dy = pj[1] + (vj[1] + 0.5 * aj[1] * tj) * tj - (pi[1] + (vi[1] + 0.5 * ai[1] * ti) * ti)
        dz = pj[2] + (vj[2] + 0.5 * aj[2] * tj) * tj - (pi[2] + (vi[2] + 0.5 * ai[2] * ti) * ti)
        ux = vj[0] + aj[0] * tj - (vi[0] + ai[0] * ti)
        uy = vj[1] + aj[1] * tj - (vi[1] + ai[1] * ti)
        uz = vj[2] + aj[2] * tj - (vi[2] + ai[2] * ti)
    else:
        dx, dy, dz, ux, uy, uz = relative(s, law, i, j, now)
    b = dx * ux + dy * uy + dz * uz
    if b >= 0.0:
        return math.inf
    sigma: float = s.radius[i] + s.radius[j]
    c = dx * dx + dy * dy + dz * dz - sigma * sigma
    if c <= 0.0:
        return now if -b > STILL * sigma * (hurry(vi) + hurry(vj)) else math.inf
    square = b * b - (ux * ux + uy * uy + uz * uz) * c
    if square <= 0.0:
        return math.inf
    return now + damped(c / (math.sqrt(square) - b), k)


def hurry(v: Any) -> float:
    """The size of a velocity, as the sum of its components' sizes."""
    size: float = abs(v[0]) + abs(v[1]) + abs(v[2])
    return size


def relative(s: State, law: Law, i: int, j: int, t: float) -> tuple[float, float, float, float, float, float]:
    """Position and velocity of body j seen from body i at time t."""
    pi, vi, ai, ti = s.position[i], s.velocity[i], s.acceleration[i], t - s.clock[i]
    pj, vj, aj, tj = s.position[j], s.velocity[j], s.acceleration[j], t - s.clock[j]
    k = law.damping
    return (
        later(pj[0], vj[0], aj[0], k, tj) - later(pi[0], vi[0], ai[0], k, ti),
        later(pj[1], vj[1], aj[1], k, tj) - later(pi[1], vi[1], ai[1], k, ti),
        later(pj[2], vj[2], aj[2], k, tj) - later(pi[2], vi[2], ai[2], k, ti),
        later_velocity(vj[0], aj[0], k, tj) - later_velocity(vi[0], ai[0], k, ti),
        later_velocity(vj[1], aj[1], k, tj) - later_velocity(vi[1], ai[1], k, ti),
        later_velocity(vj[2], aj[2], k, tj) - later_velocity(vi[2], ai[2], k, ti),
    )


def closeness(s: State, i: int, j: int) -> float:
    """The gap (m) below which two bodies touch: what the rounding of their coordinates leaves open."""
    pi, pj = s.position[i], s.position[j]
    size: float = abs(pi[0]) + abs(pi[1]) + abs(pi[2]) + abs(pj[0]) + abs(pj[1]) + abs(pj[2])
    size += s.radius[i] + s.radius[j]
    return TOUCH * size


def creep(s: State, law: Law, i: int, j: int, now: float) -> float:
    """The next touch of two bodies with different accelerations, by conservative advancement: it cannot step over a root.

    The gap is at least gap - u t - A t^2 / 2, where u is the closing speed and A bounds the relative acceleration; the curvature of the
    path around the other body only widens the gap, and damping adds at most k |velocity|. Bodies that slide past each other in touch,
    while the gap opens at second order, are stepped apart.
    """
    k = law.damping
    ai, aj = s.acceleration[i], s.acceleration[j]
    pull = math.sqrt((aj[0] - ai[0]) * (aj[0] - ai[0]) + (aj[1] - ai[1]) * (aj[1] - ai[1]) + (aj[2] - ai[2]) * (aj[2] - ai[2]))
    sigma, near = s.radius[i] + s.radius[j], closeness(s, i, j)
    stop = min(law.end, s.far[i], s.far[j])
    t = now
    for _ in range(CREEP_STEPS):
        dx, dy, dz, ux, uy, uz = relative(s, law, i, j, t)
        distance = math.sqrt(dx * dx + dy * dy + dz * dz)
        gap = distance - sigma
        u = -(dx * ux + dy * uy + dz * uz) / distance if distance > 0.0 else 0.0
        square = ux * ux + uy * uy + uz * uz
        most = pull if k == 0.0 else 2.0 * pull + k * math.sqrt(square)
        sliding = False
        if gap <= near:
            ax, ay, az = aj[0] - ai[0], aj[1] - ai[1], aj[2] - ai[2]
            opens = (square - u * u + dx * ax + dy * ay + dz * az) >= 0.0
            sliding = opens and abs(u) <= SLIDING * math.sqrt(square)
            if u >= 0.0 and not sliding:
                return t
            gap = max(gap, 0.0)
        root = math.sqrt(u * u + 2.0 * most * gap)
        step = 2.0 * gap / (root + u) if u > 0.0 else (root - u) / most
        if sliding:
            step = max(step, 1e-6 * math.sqrt(sigma / most))
        if t + step == t:
            return t
        t += step
        if t > stop:
            return math.inf
    return t


def predict_pair(s: State, law: Law, heap: Any, i: int, j: int, now: float) -> None:
    """Queue the next touch of two solid bodies, if they have one."""
    if i == j or not (s.solid[j] and (s.moves[i] or s.moves[j])):
        return
    t = touch(s, law, i, j, now)
    if t < math.inf:
        rank = BALL if s.moves[i] and s.moves[j] else STATIC
        if i < j:
            push(s, law, heap, t, rank, i, j, s.count[j])
        else:
            push(s, law, heap, t, rank, j, i, s.count[i])


def predict_cells(s: State, law: Law, heap: Any, i: int, now: float, cells: Any) -> None:
    """Queue the touches of body i with the bodies in some cells."""
    for cell in cells:
        j = s.head[cell]
        while j >= 0:
            predict_pair(s, law, heap, i, j, now)
            j = s.following[j]


def predict_straight_touches(s: State, law: Law, heap: Any, i: int, now: float, cells: Any) -> None:
    """`predict_cells` under a free law: what `touch` finds, in one piece, up to the next bound of either body."""
    position, velocity, clock, radius = s.position, s.velocity, s.clock, s.radius
    head, following, farthest, deep = s.head, s.following, s.far, law.deep
    p, v, dt, r = position[i], velocity[i], now - clock[i], radius[i]
    vx, vy, vz = v[0], v[1], v[2]
    x, y, z = p[0] + vx * dt, p[1] + vy * dt, p[2] + vz * dt
    last = farthest[i] if farthest[i] < law.end else law.end
    for cell in cells:
        j = head[cell]
        while j >= 0:
            if j == i:
                j = following[j]
                continue
            p, v, dt = position[j], velocity[j], now - clock[j]
            ux, uy = v[0], v[1]
            dx, dy = p[0] + ux * dt - x, p[1] + uy * dt - y
            ux, uy = ux - vx, uy - vy
            b, depth, dive = dx * ux + dy * uy, 0.0, 0.0
            if deep:
                dz, uz = p[2] + v[2] * dt - z, v[2] - vz
                b, depth, dive = b + dz * uz, dz * dz, uz * uz
            if b < 0.0:
                sigma = r + radius[j]
                c = dx * dx + dy * dy + depth - sigma * sigma
                square = b * b - (ux * ux + uy * uy + dive) * c
                if c <= 0.0:
                    t = now if -b > STILL * sigma * (hurry(velocity[i]) + hurry(v)) else math.inf
                elif square > 0.0:
                    t = now + c / (math.sqrt(square) - b)
                else:
                    t = math.inf
                if t <= last and t <= farthest[j]:
                    rank = BALL if s.moves[j] else STATIC
                    if i < j:
                        heapq.heappush(heap, (t, ((rank << 24) + i << 24) + j, s.count[i], s.count[j]))
                    else:
                        heapq.heappush(heap, (t, ((rank << 24) + j << 24) + i, s.count[j], s.count[i]))
            j = following[j]


def predict(s: State, law: Law, heap: Any, i: int, now: float, fresh: int) -> None:
    """Queue everything that can happen to body i next; `fresh` is the row of the cells that came into sight, -1 where all are new to it."""
    if law.free:
        predict_straight(s, law, heap, i, now)
    else:
        predict_bounds(s, law, heap, i, now)
    if s.cell[i] >= 0:
        cells = s.fresh[fresh] if fresh >= 0 else s.neighbours[s.cell[i]]
        if law.free:
            predict_straight_touches(s, law, heap, i, now, cells)
        else:
            predict_cells(s, law, heap, i, now, cells)
        for j in s.large:
            predict_pair(s, law, heap, i, j, now)
    elif s.solid[i]:
        for j in range(len(s.clock)):
            predict_pair(s, law, heap, i, j, now)


def enter(s: State, i: int, cell: int) -> None:
    """Put body i at the head of a cell's list."""
    s.cell[i] = cell
    s.following[i] = s.head[cell]
    s.head[cell] = i


def cross(s: State, i: int, side: int) -> int:
    """Move body i to the next cell; the row of the cells that come into sight.

    A cell is left only a quarter beyond its border, so that no rounding sends a body back and forth.
    """
    old, following = s.cell[i], s.following
    s.home[i][side // 2] += 1.0 if side % 2 else -1.0
    j = s.head[old]
    if j == i:
        s.head[old] = following[i]
    else:
        while following[j] != i:
            j = following[j]
        following[j] = following[i]
    enter(s, i, s.beyond[old][side])
    row: int = 6 * old + side
    return row


def drift(s: State, law: Law, heap: Any, i: int, side: int, now: float) -> None:
    """Move body i to the next cell on its straight flight, and queue what it can meet there."""
    s.leaving[i][side // 2] += s.stride[i][side // 2]
    fresh = s.fresh[cross(s, i, side)]
    queue_straight(s, law, heap, i)
    for cell in fresh:
        if s.head[cell] >= 0:
            predict_straight_touches(s, law, heap, i, now, fresh)
            return


def crowded(s: State, i: int, t: float) -> bool:
    """Count an encounter of body i; True when it has had too many within the window, so that the bodies are settling on each other."""
    if t - s.window_start[i] > COLLAPSE_WINDOW:
        s.window_start[i] = t
        s.window_count[i] = 0
    s.window_count[i] += 1
    return bool(s.window_count[i] > COLLAPSE_COUNT)


def strike_bound(s: State, law: Law, record: Record, i: int, side: int, t: float) -> None:
    """Bounce body i off a bound, or lay it on the bound when its next flight would be shorter than SHORTEST_FLIGHT.

    Without damping the speed comes from the height fallen: from the time it would lose the digits that the clock does not hold.
    """
    axis, sign = side // 2, -1 if side % 2 == 0 else 1
    p, v, m = s.position[i], s.velocity[i], s.mass[i]
    plane = s.low[i][axis] if sign < 0 else s.high[i][axis]
    square = v[axis] * v[axis] + 2.0 * s.acceleration[i][axis] * (plane - p[axis])
    advance(s, law, i, t)
    s.count[i] += 1
    p[axis] = plane
    u = max(sign * v[axis], 0.0)
    if law.damping == 0.0:
        u = math.sqrt(max(square, 0.0))
    e = math.sqrt(s.restitution[i] * law.restitution)
    v[axis] = -sign * e * u
    impulse = (1.0 + e) * m * u
    s.external[axis] -= sign * impulse
    x, y, z = p[0], p[1], p[2]
    edge = sign * s.radius[i]
    if axis == 0:
        x += edge
    elif axis == 1:
        y += edge
    else:
        z += edge
    if u > 0.0:
        write_event(record, t, COLLISION, i, -1, impulse, 0.5 * (1.0 - e * e) * m * u * u, u, x, y, z)
    pull = sign * law.gravity[axis]
    if pull > 0.0 and 2.0 * e * u < SHORTEST_FLIGHT * pull:
        wait = 2.0 * e * u / pull / (1.0 - e) if e < 1.0 and law.damping == 0.0 else 0.0
        s.external[axis] += sign * m * e * u
        rest(s, i, axis, sign)
        write_event(record, t + wait, CONTACT, i, -1, 0.0, 0.5 * m * e * u * e * u, 0.0, x, y, z)


def give(s: State, law: Law, i: int, impulse: float, nx: float, ny: float, nz: float) -> float:
    """The inverse mass of body i along a unit vector that points to where an impulse pushes it; applies the impulse if it is not 0.

    What would push a body through the bound it lies on goes into the bound.
    """
    w: float = s.inverse_mass[i]
    if w == 0.0:
        if impulse != 0.0:
            s.external[0] -= impulse * nx
            s.external[1] -= impulse * ny
            s.external[2] -= impulse * nz
        return 0.0
    along = 0.0
    v, contact = s.velocity[i], s.contact[i]
    for q in range(3):
        d = nx if q == 0 else (ny if q == 1 else nz)
        if contact[q] != 0 and contact[q] * d >= 0.0:
            s.external[q] -= impulse * d
            continue
        along += d * d
        if impulse != 0.0:
            v[q] += impulse * w * d
            if contact[q] != 0:
                release(s, law, i, q)
    return w * along


def strike_pair(s: State, law: Law, record: Record, i: int, j: int, t: float) -> bool:
    """Resolve a touch of bodies i and j, if they touch and approach at time t; whether they did."""
    dx, dy, dz, ux, uy, uz = relative(s, law, i, j, t)
    distance = math.sqrt(dx * dx + dy * dy + dz * dz)
    if distance == 0.0:
        return False
    nx, ny, nz = dx / distance, dy / distance, dz / distance
    u = -(ux * nx + uy * ny + uz * nz)
    if u <= 0.0 or distance - s.radius[i] - s.radius[j] > 1e6 * closeness(s, i, j) + u * t * STILL:
        return False
    w = give(s, law, i, 0.0, -nx, -ny, -nz) + give(s, law, j, 0.0, nx, ny, nz)
    if w <= 0.0:
        return False
    advance(s, law, i, t)
    advance(s, law, j, t)
    e = math.sqrt(s.restitution[i] * s.restitution[j])
    impulse = (1.0 + e) * u / w
    give(s, law, i, impulse, -nx, -ny, -nz)
    give(s, law, j, impulse, nx, ny, nz)
    p, r = s.position[i], s.radius[i]
    x, y, z = p[0] + r * nx, p[1] + r * ny, p[2] + r * nz
    write_event(record, t, COLLISION, i, j, impulse, 0.5 * (1.0 - e * e) * u * u / w, u, x, y, z)
    s.count[i] += s.moves[i]
    s.count[j] += s.moves[j]
    return True


def strike_straight(s: State, record: Record, i: int, j: int, t: float) -> bool:
    """`strike_pair` under a free law."""
    pi, vi, ti, wi = s.position[i], s.velocity[i], t - s.clock[i], s.inverse_mass[i]
    pj, vj, tj, wj = s.position[j], s.velocity[j], t - s.clock[j], s.inverse_mass[j]
    xi, yi, zi = pi[0] + vi[0] * ti, pi[1] + vi[1] * ti, pi[2] + vi[2] * ti
    xj, yj, zj = pj[0] + vj[0] * tj, pj[1] + vj[1] * tj, pj[2] + vj[2] * tj
    dx, dy, dz = xj - xi, yj - yi, zj - zi
    distance = math.sqrt(dx * dx + dy * dy + dz * dz)
    if distance == 0.0:
        return False
    nx, ny, nz = dx / distance, dy / distance, dz / distance
    u = -((vj[0] - vi[0]) * nx + (vj[1] - vi[1]) * ny + (vj[2] - vi[2]) * nz)
    r = s.radius[i]
    gap = distance - r - s.radius[j]
    if u <= 0.0 or (gap > 0.0 and gap > 1e6 * closeness(s, i, j) + u * t * STILL):
        return False
    along = nx * nx + ny * ny + nz * nz
    w = wi * along + wj * along
    if w <= 0.0:
        return False
    e = math.sqrt(s.restitution[i] * s.restitution[j])
    impulse = (1.0 + e) * u / w
    s.clock[i] = s.clock[j] = t
    s.count[i] += s.moves[i]
    s.count[j] += s.moves[j]
    if wi > 0.0:
        pi[0], pi[1], pi[2] = xi, yi, zi
        push = impulse * wi
        vi[0], vi[1], vi[2] = vi[0] - push * nx, vi[1] - push * ny, vi[2] - push * nz
    if wj > 0.0:
        pj[0], pj[1], pj[2] = xj, yj, zj
        push = impulse * wj
        vj[0], vj[1], vj[2] = vj[0] + push * nx, vj[1] + push * ny, vj[2] + push * nz
    if wi == 0.0 or wj == 0.0:
        sign = 1.0 if wi == 0.0 else -1.0
        s.external[0] += sign * impulse * nx
        s.external[1] += sign * impulse * ny
        s.external[2] += sign * impulse * nz
    write_event(record, t, COLLISION, i, j, impulse, 0.5 * (1.0 - e * e) * u * u / w, u, xi + r * nx, yi + r * ny, zi + r * nz)
    return True


def collapse(s: State, law: Law, record: Record, i: int, t: float) -> None:
    """Record where and when the bodies settled."""
    p = s.position[i]
    write_event(record, t, COLLAPSE, i, -1, 0.0, 0.0, 0.0, p[0], p[1], p[2])


def lent(group: Any) -> Any:
    """The same arrays; the compiled form is told here that it need not count who uses them."""
    return group


def waiting(heap: Any) -> int:
    """How many events are queued."""
    return len(heap)


def capacity(heap: Any) -> int:
    """How many events the queue has room for; a list has room."""
    del heap
    return 1 << 62


def happen(s: State, law: Law, heap: Any, record: Record, rank: int, i: int, j: int, t: float) -> bool:
    """Handle an event other than a crossing, and queue what follows from it; True when the bodies are settling on each other."""
    struck, other = rank == BOUND, -1
    if rank == BOUND:
        strike_bound(s, law, record, i, j, t)
    elif rank != OPENING:
        other = j
        struck = strike_straight(s, record, i, j, t) if law.free else strike_pair(s, law, record, i, j, t)
        if not struck:
            predict_pair(s, law, heap, i, j, t)
    settling = False
    for body in (i, other):
        if body < 0 or not s.moves[body]:
            continue
        if struck:
            write_segment(s, law, record, body)
        if struck or other < 0:
            predict(s, law, heap, body, t, -1)
        if struck or other >= 0:
            settling = crowded(s, body, t) or settling
    return settling


def run(s: State, law: Law, queue: Queue, record: Record) -> tuple[int, float]:
    """Handle queued events until the law's end (DONE), a full table or enough steps for one call (FULL), or a collapse (COLLAPSED).

    An event OPENING queues what can happen to a body from the start of a law on. Returned beside the outcome is the time reached (s).
    """
    s, record, heap = lent(s), lent(record), lent(queue).rows
    count, used, free, mask = s.count, record.used, law.free, (1 << 24) - 1
    room, segments = len(record.events) - EVENT_ROOM, len(record.segments) - SEGMENT_ROOM
    most = (
        capacity(heap) - 2 * len(s.clock) - 2
    )  # an event leaves two bodies, each with one next bound and a touch with every other at most
    outcome, steps, t = DONE, 0, 0.0
    while True:
        queued = waiting(heap)
        if queued == 0:
            break
        if steps >= SILENT_CHUNK or used[0] >= room or used[1] >= segments or queued > most:
            outcome = FULL
            break
        t, key, first, second = heapq.heappop(heap)
        rank, i, j = key >> 48, key >> 24 & mask, key & mask
        if count[i] != first:
            continue
        if rank == CROSSING:
            if free:
                drift(s, law, heap, i, j, t)
            else:
                predict(s, law, heap, i, t, cross(s, i, j))
        elif rank >= STATIC and count[j] != second:
            continue
        elif happen(s, law, heap, record, rank, i, j, t):
            steps += 1
            collapse(s, law, record, i, t)
            outcome = COLLAPSED
            break
        steps += rank != OPENING
    used[2] += steps
    return outcome, t

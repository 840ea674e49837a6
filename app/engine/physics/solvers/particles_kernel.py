"""The steps of the particles solver: one source that runs as plain Python and compiled, with the same bytes. It is one file, because
numba's cache of compiled code notices changes in the file of the compiled function only.

Plain runs on lists, compiled on arrays; only `math` functions and a fixed order of sums are used. Everything is SI. A step is a symmetric
composition of RATTLE steps, which keep the lengths of all rods and are symplectic where nothing is lost; what is lost to the air and to
dampers is taken off before and after each: by closed forms one after another, or where there are rods by the implicit midpoint rule on the
velocities that these allow.

References: Andersen (1983), Journal of Computational Physics 52, 24-34 (RATTLE);
Kahan & Li (1997), Mathematics of Computation 66, 1089-1099 (compositions of order 6 and 8);
Hairer, Lubich & Wanner (2006), Geometric Numerical Integration, sections II.4, V.3 and VII.1;
George & Liu (1981), Computer Solution of Large Sparse Positive Definite Systems, chapter 4 (factors within an envelope).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

Column = Any
"""A list or an array of numbers."""

WIDTH = 9
"""Numbers that a row holds of a body at the end of a step: position, velocity and acceleration, three each."""

HEAD = 2
"""Numbers that a row holds before its bodies: the time (s), and the largest load as a share of what breaks a link."""

DONE, FULL, OVERLOAD, FAILED = 0, 1, 2, 3
"""How a call ends: all steps taken; the record full; a link past what it bears; rods or dampers without a solution."""

NEAR = 0.999
"""A load between steps, by a parabola, from which on its true peak is looked for."""

MOST_SUBSTEPS = 64
MOST_ROUNDS = 40
_EXACT = 4e-16
_NEARLY = 1e-12
_KEPT = 1e-8
_REDUNDANT = 1e-12
_LARGEST = 700.0


class State(NamedTuple):
    """The bodies, after them the fixed points, and what ties them. Columns of one kind have the same length.

    Attributes
    ----------
    x, y, z, vx, vy, vz : m, m/s
    ax, ay, az : m/s^2, by gravity and springs; `ux`, `uy`, `uz`, `px`, `py`, `pz`: room for velocities and accelerations
    w : 1/kg, inverse mass, 0 of what never moves
    drag : m^2/kg, half the drag coefficient times the area over the mass
    si, sj, sk, sc, sl, sb : springs: both ends, stiffness, damping, rest length, breaking force; `nx`, `ny`, `nz` their directions
    ri, rj, rl, rb : rods: both ends, length, breaking force; `dx`, `dy`, `dz` their vectors over their lengths
    tension : of each rod, N, or room for the numbers of a linear system
    pi, pj, pw : pairs of rods that share a body: row, column, inverse mass with a sign
    first, start : of each row of the rods' matrix: its first column, and where that is in `matrix`; `inverse` the inverse pivots
    """

    x: Column
    y: Column
    z: Column
    vx: Column
    vy: Column
    vz: Column
    ax: Column
    ay: Column
    az: Column
    ux: Column
    uy: Column
    uz: Column
    px: Column
    py: Column
    pz: Column
    w: Column
    drag: Column
    si: Column
    sj: Column
    sk: Column
    sc: Column
    sl: Column
    sb: Column
    nx: Column
    ny: Column
    nz: Column
    ri: Column
    rj: Column
    rl: Column
    rb: Column
    dx: Column
    dy: Column
    dz: Column
    tension: Column
    pi: Column
    pj: Column
    pw: Column
    first: Column
    start: Column
    matrix: Column
    inverse: Column


class Law(NamedTuple):
    """Gravity x, y, z (m/s^2), linear damping (1/s) and density of the air (kg/m^3), in this order, while one set of keyframes holds.

    `kind` is 0 for a value that stays, 1 for `value + rate (t - since)`, 2 for `value exp(rate (t - since))`. `damped` and `rubbed` say
    whether linear damping, and whether drag or dampers act. `fastest` (rad/s) is the turning of a link past which steps are divided.
    """

    kind: Column
    value: Column
    rate: Column
    since: Column
    damped: bool
    rubbed: bool
    fastest: float


class Plan(NamedTuple):
    """Equal steps of h s from a time: `weights` of the composition, and how many bodies a row records."""

    start: float
    h: float
    weights: Column
    bodies: int


def parameter(law: Law, which: int, time: float) -> float:
    """A parameter of the law at a time."""
    if law.kind[which] == 0:
        return float(law.value[which])
    if law.kind[which] == 1:
        return float(law.value[which] + law.rate[which] * (time - law.since[which]))
    return float(law.value[which] * math.exp(law.rate[which] * (time - law.since[which])))


def attract(s: State, law: Law, time: float) -> None:
    """Set the accelerations by gravity and springs, and the directions of the springs."""
    gx, gy, gz = parameter(law, 0, time), parameter(law, 1, time), parameter(law, 2, time)
    for i in range(len(s.w)):
        if s.w[i] > 0.0:
            s.ax[i], s.ay[i], s.az[i] = gx, gy, gz
    for e in range(len(s.si)):
        i, j = s.si[e], s.sj[e]
        dx, dy, dz = s.x[i] - s.x[j], s.y[i] - s.y[j], s.z[i] - s.z[j]
        length = math.sqrt(dx * dx + dy * dy + dz * dz)
        inverse = 1.0 / length if length > 0.0 else 0.0
        dx, dy, dz = dx * inverse, dy * inverse, dz * inverse
        s.nx[e], s.ny[e], s.nz[e] = dx, dy, dz
        force = s.sk[e] * (length - s.sl[e])
        own, others = s.w[i] * force, s.w[j] * force
        s.ax[i] -= own * dx
        s.ay[i] -= own * dy
        s.az[i] -= own * dz
        s.ax[j] += others * dx
        s.ay[j] += others * dy
        s.az[j] += others * dz


def kick(s: State, t: float) -> None:
    """Let the accelerations act for t seconds."""
    for i in range(len(s.w)):
        if s.w[i] > 0.0:
            s.vx[i] += t * s.ax[i]
            s.vy[i] += t * s.ay[i]
            s.vz[i] += t * s.az[i]


def drift(s: State, t: float) -> None:
    """Move every body on with its velocity for t seconds."""
    for i in range(len(s.w)):
        if s.w[i] > 0.0:
            s.x[i] += t * s.vx[i]
            s.y[i] += t * s.vy[i]
            s.z[i] += t * s.vz[i]


def point(s: State) -> None:
    """Set the vectors of the rods from where the bodies are, and factor the matrix of what they do to each other's lengths.

    A rod whose pivot vanishes is held by the others and gets no force of its own.
    """
    rows = len(s.ri)
    for e in range(rows):
        i, j, inverse = s.ri[e], s.rj[e], 1.0 / s.rl[e]
        s.dx[e], s.dy[e], s.dz[e] = (s.x[i] - s.x[j]) * inverse, (s.y[i] - s.y[j]) * inverse, (s.z[i] - s.z[j]) * inverse
    for at in range(len(s.matrix)):
        s.matrix[at] = 0.0
    for p in range(len(s.pi)):
        i, j = s.pi[p], s.pj[p]
        s.matrix[s.start[i] + j - s.first[i]] += s.pw[p] * (s.dx[i] * s.dx[j] + s.dy[i] * s.dy[j] + s.dz[i] * s.dz[j])
    for i in range(rows):
        low = s.first[i]
        here = s.start[i] - low
        whole = s.matrix[here + i]
        for j in range(low, i):
            there = s.start[j] - s.first[j]
            total = s.matrix[here + j]
            for k in range(max(low, s.first[j]), j):
                total -= s.matrix[here + k] * s.matrix[there + k]
            s.matrix[here + j] = total
        pivot = whole
        for j in range(low, i):
            total = s.matrix[here + j]
            s.matrix[here + j] = total * s.inverse[j]
            pivot -= total * s.matrix[here + j]
        s.inverse[i] = 1.0 / pivot if pivot > _REDUNDANT * whole else 0.0


def substitute(s: State) -> None:
    """Solve the rods' linear system: `tension` holds the right side before and the solution after."""
    rows = len(s.ri)
    for i in range(rows):
        here = s.start[i] - s.first[i]
        total = s.tension[i]
        for j in range(s.first[i], i):
            total -= s.matrix[here + j] * s.tension[j]
        s.tension[i] = total
    for i in range(rows):
        s.tension[i] *= s.inverse[i]
    for i in range(rows - 1, 0, -1):
        here = s.start[i] - s.first[i]
        for j in range(s.first[i], i):
            s.tension[j] -= s.matrix[here + j] * s.tension[i]


def pull(s: State, cx: Column, cy: Column, cz: Column, share: float) -> None:
    """Let the rods' tensions, times a share, act on columns of vectors."""
    for e in range(len(s.ri)):
        i, j, size = s.ri[e], s.rj[e], share * s.tension[e]
        own, others = s.w[i] * size, s.w[j] * size
        cx[i] -= own * s.dx[e]
        cy[i] -= own * s.dy[e]
        cz[i] -= own * s.dz[e]
        cx[j] += others * s.dx[e]
        cy[j] += others * s.dy[e]
        cz[j] += others * s.dz[e]


def project(s: State, cx: Column, cy: Column, cz: Column) -> None:
    """Take from columns of velocities what would change the length of a rod."""
    for e in range(len(s.ri)):
        i, j = s.ri[e], s.rj[e]
        s.tension[e] = s.dx[e] * (cx[i] - cx[j]) + s.dy[e] * (cy[i] - cy[j]) + s.dz[e] * (cz[i] - cz[j])
    substitute(s)
    pull(s, cx, cy, cz, 1.0)


def tie(s: State, t: float) -> bool:
    """Bring the rods back to their lengths by forces along where they were before a drift of t seconds; False when that fails."""
    if len(s.ri) == 0:
        return True
    off = before = math.inf
    for _round in range(MOST_ROUNDS):
        before, off = off, 0.0
        for e in range(len(s.ri)):
            i, j, length = s.ri[e], s.rj[e], s.rl[e]
            dx, dy, dz = s.x[i] - s.x[j], s.y[i] - s.y[j], s.z[i] - s.z[j]
            wrong = 0.5 * (dx * dx + dy * dy + dz * dz - length * length) / length
            s.tension[e] = wrong
            off = max(off, abs(wrong) / length)
        if off <= _EXACT or (off < _NEARLY and off > 0.25 * before):
            return True
        if not off < 1e3:
            return False
        substitute(s)
        pull(s, s.x, s.y, s.z, 1.0)
        pull(s, s.vx, s.vy, s.vz, 1.0 / t)
        if off < _KEPT and off * off <= _EXACT * before:
            return True
    return off <= _KEPT


def resist(s: State, density: float) -> None:
    """Set `px`, `py`, `pz` to the accelerations by drag and dampers at the velocities `px`, `py`, `pz`, as the rods allow them."""
    for e in range(len(s.si)):
        i, j = s.si[e], s.sj[e]
        s.tension[len(s.ri) + e] = s.sc[e] * (s.nx[e] * (s.px[i] - s.px[j]) + s.ny[e] * (s.py[i] - s.py[j]) + s.nz[e] * (s.pz[i] - s.pz[j]))
    for i in range(len(s.w)):
        x, y, z = s.px[i], s.py[i], s.pz[i]
        share = -density * s.drag[i] * math.sqrt(x * x + y * y + z * z)
        s.px[i], s.py[i], s.pz[i] = share * x, share * y, share * z
    for e in range(len(s.si)):
        i, j, force = s.si[e], s.sj[e], s.tension[len(s.ri) + e]
        own, others = s.w[i] * force, s.w[j] * force
        s.px[i] -= own * s.nx[e]
        s.py[i] -= own * s.ny[e]
        s.pz[i] -= own * s.nz[e]
        s.px[j] += others * s.nx[e]
        s.py[j] += others * s.ny[e]
        s.pz[j] += others * s.nz[e]


def slow(s: State, density: float, t: float) -> None:
    """Let drag act for t seconds, each body by its closed form."""
    for i in range(len(s.w)):
        x, y, z = s.vx[i], s.vy[i], s.vz[i]
        whole = 1.0 + t * density * s.drag[i] * math.sqrt(x * x + y * y + z * z)
        share = 1.0 / whole if whole > 0.0 else math.inf
        s.vx[i], s.vy[i], s.vz[i] = share * x, share * y, share * z


def damp(s: State, t: float, e: int) -> None:
    """Let the damper of one spring act for t seconds, by its closed form."""
    i, j = s.si[e], s.sj[e]
    both = s.w[i] + s.w[j]
    if s.sc[e] == 0.0:
        return
    along = s.nx[e] * (s.vx[i] - s.vx[j]) + s.ny[e] * (s.vy[i] - s.vy[j]) + s.nz[e] * (s.vz[i] - s.vz[j])
    size = -s.sc[e] * both * t
    push = along * (math.expm1(size) if size < _LARGEST else math.inf) / both
    own, others = s.w[i] * push, s.w[j] * push
    s.vx[i] += own * s.nx[e]
    s.vy[i] += own * s.ny[e]
    s.vz[i] += own * s.nz[e]
    s.vx[j] -= others * s.nx[e]
    s.vy[j] -= others * s.ny[e]
    s.vz[j] -= others * s.nz[e]


def rub(s: State, density: float, t: float) -> bool:
    """Let drag and dampers act for t seconds, by the implicit midpoint rule; False when that finds no solution."""
    count = len(s.w)
    for i in range(count):
        s.ux[i], s.uy[i], s.uz[i] = s.vx[i], s.vy[i], s.vz[i]
    change = before = math.inf
    for _round in range(MOST_ROUNDS):
        for i in range(count):
            s.px[i], s.py[i], s.pz[i] = 0.5 * (s.ux[i] + s.vx[i]), 0.5 * (s.uy[i] + s.vy[i]), 0.5 * (s.uz[i] + s.vz[i])
        resist(s, density)
        if len(s.ri) > 0:
            project(s, s.px, s.py, s.pz)
        before, change, scale = change, 0.0, 0.0
        for i in range(count):
            x, y, z = s.ux[i] + t * s.px[i], s.uy[i] + t * s.py[i], s.uz[i] + t * s.pz[i]
            change = max(change, abs(x - s.vx[i]), abs(y - s.vy[i]), abs(z - s.vz[i]))
            scale = max(scale, abs(x), abs(y), abs(z))
            s.vx[i], s.vy[i], s.vz[i] = x, y, z
        if change <= _EXACT * scale or (change < _KEPT * scale and change * change <= _EXACT * scale * before):
            return True
        if change < _NEARLY * scale and change > 0.25 * before:
            return True
        if not change < 1e300:
            return False
    return change <= _KEPT * scale


def decay(s: State, rate: float, t: float) -> None:
    """Let every velocity decay at a rate for t seconds."""
    share = math.exp(-rate * t) if -rate * t < _LARGEST else math.inf
    for i in range(len(s.w)):
        s.vx[i] *= share
        s.vy[i] *= share
        s.vz[i] *= share


def rattle(s: State, law: Law, time: float, t: float) -> bool:
    """One symmetric step of t seconds, from accelerations, vectors and factors that are set to those at its end; False when it fails."""
    half, good = 0.5 * t, True
    if law.damped:
        decay(s, parameter(law, 3, time), half)
    if law.rubbed and len(s.ri) > 0:
        good = rub(s, parameter(law, 4, time), half)
    elif law.rubbed:
        for e in range(len(s.si)):
            damp(s, half, e)
        slow(s, parameter(law, 4, time), half)
    kick(s, half)
    drift(s, t)
    good = tie(s, t) and good
    attract(s, law, time + t)
    kick(s, half)
    if len(s.ri) > 0:
        point(s)
        project(s, s.vx, s.vy, s.vz)
    if law.rubbed and len(s.ri) > 0:
        good = rub(s, parameter(law, 4, time + t), half) and good
    elif law.rubbed:
        slow(s, parameter(law, 4, time + t), half)
        for e in range(len(s.si) - 1, -1, -1):
            damp(s, half, e)
    if law.damped:
        decay(s, parameter(law, 3, time + t), half)
    return good


def turning(s: State) -> float:
    """The fastest rate (rad/s) at which a rod, or a spring with a length at rest, changes its direction."""
    fastest = 0.0
    for e in range(len(s.ri)):
        i, j = s.ri[e], s.rj[e]
        x, y, z = s.vx[i] - s.vx[j], s.vy[i] - s.vy[j], s.vz[i] - s.vz[j]
        fastest = max(fastest, math.sqrt(x * x + y * y + z * z) / s.rl[e])
    for e in range(len(s.si)):
        if s.sl[e] > 0.0:
            i, j = s.si[e], s.sj[e]
            dx, dy, dz = s.x[i] - s.x[j], s.y[i] - s.y[j], s.z[i] - s.z[j]
            x, y, z = s.vx[i] - s.vx[j], s.vy[i] - s.vy[j], s.vz[i] - s.vz[j]
            square = dx * dx + dy * dy + dz * dz
            x, y, z = y * dz - z * dy, z * dx - x * dz, x * dy - y * dx
            if square > 0.0:
                fastest = max(fastest, math.sqrt(x * x + y * y + z * z) / square)
    return fastest


def load(s: State, law: Law, time: float) -> float:
    """Set `px`, `py`, `pz` to the whole accelerations and `tension` to those of the rods, and after them of the springs.

    From accelerations, vectors and factors that are set; returns the largest tension as a share of what breaks its link.
    """
    damping, density = 0.0, 0.0
    if law.damped:
        damping = parameter(law, 3, time)
    if law.rubbed:
        density = parameter(law, 4, time)
    for i in range(len(s.w)):
        s.px[i], s.py[i], s.pz[i] = s.vx[i], s.vy[i], s.vz[i]
    resist(s, density)
    rows, most = len(s.ri), 0.0
    for i in range(len(s.w)):
        s.px[i] += s.ax[i] - damping * s.vx[i]
        s.py[i] += s.ay[i] - damping * s.vy[i]
        s.pz[i] += s.az[i] - damping * s.vz[i]
    for e in range(rows):
        i, j = s.ri[e], s.rj[e]
        x, y, z = s.vx[i] - s.vx[j], s.vy[i] - s.vy[j], s.vz[i] - s.vz[j]
        along = s.dx[e] * (s.px[i] - s.px[j]) + s.dy[e] * (s.py[i] - s.py[j]) + s.dz[e] * (s.pz[i] - s.pz[j])
        s.tension[e] = along + (x * x + y * y + z * z) / s.rl[e]
    substitute(s)
    pull(s, s.px, s.py, s.pz, 1.0)
    for e in range(rows):
        most = max(most, abs(s.tension[e]) / s.rb[e])
    for e in range(len(s.si)):
        i, j = s.si[e], s.sj[e]
        dx, dy, dz = s.x[i] - s.x[j], s.y[i] - s.y[j], s.z[i] - s.z[j]
        s.tension[rows + e] += s.sk[e] * (math.sqrt(dx * dx + dy * dy + dz * dz) - s.sl[e])
        most = max(most, abs(s.tension[rows + e]) / s.sb[e])
    return most


def assemble(s: State) -> None:
    """Put the rods at their lengths, and take from the velocities what would change these."""
    point(s)
    tie(s, math.inf)
    point(s)
    project(s, s.vx, s.vy, s.vz)


def begin(s: State, law: Law, time: float) -> float:
    """Set all that follows from positions and velocities; returns what `load` does."""
    attract(s, law, time)
    point(s)
    return load(s, law, time)


def write(s: State, plan: Plan, time: float, share: float, record: Column, row: int) -> None:
    """Write the bodies to a row of a flat record, HEAD numbers and WIDTH for each."""
    at = row * (HEAD + WIDTH * plan.bodies)
    record[at], record[at + 1] = time, share
    at += HEAD
    for i in range(plan.bodies):
        record[at], record[at + 1], record[at + 2] = s.x[i], s.y[i], s.z[i]
        record[at + 3], record[at + 4], record[at + 5] = s.vx[i], s.vy[i], s.vz[i]
        record[at + 6], record[at + 7], record[at + 8] = s.px[i], s.py[i], s.pz[i]
        at += WIDTH


def peak(before: float, middle: float, after: float) -> float:
    """The top of the parabola through three values at equal distances, where the middle one is the largest; else 0."""
    curve = before - 2.0 * middle + after
    if middle < before or middle < after or not curve < 0.0:
        return 0.0
    slope = 0.5 * (after - before)
    return middle - 0.5 * slope * slope / curve


def advance(s: State, law: Law, plan: Plan, used: Column, steps: int, record: Column, rows: int) -> int:
    """Take steps from number `used[0]` on, up to `steps` of the plan in all, and record the end of each part; how the call ended.

    `used` holds the steps taken, the rows written, the RATTLE steps of this law, how many more than one for each step may still be taken,
    and whether those ran out. A step is divided into 2, 4, ... up to MOST_SUBSTEPS where a link turns faster than the law's `fastest`.
    `record` has room for `rows`.
    """
    stages, size = len(plan.weights), HEAD + WIDTH * plan.bodies
    while used[0] < steps:
        parts, turn = 1, turning(s)
        while turn > law.fastest * parts and parts < MOST_SUBSTEPS:
            parts *= 2
        if (parts - 1) * stages > used[3]:
            used[4], parts = 1, 1
        if used[1] + parts > rows:
            return FULL
        used[3] -= (parts - 1) * stages
        t, over = plan.h / parts, False
        for part in range(parts):
            time = plan.start + plan.h * (used[0] + part / parts)
            done = 0.0
            for stage in range(stages):
                used[2] += 1
                if not rattle(s, law, time + done * t, plan.weights[stage] * t):
                    return FAILED
                done += plan.weights[stage]
            row, time = used[1], plan.start + plan.h * (used[0] + (part + 1) / parts)
            share = load(s, law, time)
            write(s, plan, time, share, record, row)
            used[1] = row + 1
            over = over or share > 1.0
            if row > 1 and share > 0.0:
                over = over or peak(record[(row - 2) * size + 1], record[(row - 1) * size + 1], share) > NEAR
        used[0] += 1
        if over:
            return OVERLOAD
    return DONE

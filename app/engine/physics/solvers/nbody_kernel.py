"""The steps of the n-body solver: one source that runs as plain Python and compiled, with the same bytes.

Plain runs on lists, compiled on arrays; only `math` functions and a fixed order of sums are used. Everything is SI. Two schemes, both
symplectic and reversible in time:

- PEFRL, of fourth order: Omelyan, Mryglod & Folk (2002), Computer Physics Communications 146, 188-202;
- velocity Verlet, of second order: Swope, Andersen, Berens & Wilson (1982), Journal of Chemical Physics 76, 637-649.
"""

from __future__ import annotations

import math
from typing import Any

Column = Any
"""A list or an array of numbers: a state of LENGTH, or a record."""

XI, LAMBDA, CHI = 0.1786178958448091, -0.2123418310626054, -0.06626458266981849
"""The parameters of PEFRL."""

WIDTH = 9
"""Numbers that a record holds of a body at the end of a step: position, velocity and acceleration, three each."""

WIDE = 8
"""Bodies from which rows are faster than pairs, when compiled."""

ROOM = 1008
"""Bodies that a state has room for. A constant, from which the compiler sees that columns do not overlap, and makes vectors of them."""

X, Y, Z, VX, VY, VZ, AX, AY, AZ, GM, MOVES, RATE = range(0, 12 * ROOM, ROOM)
"""Where the columns of a state begin.

Position (m), velocity (m/s), acceleration (m/s^2), and GM, the mass (kg) times the constant of gravitation. MOVES is 0 for a static body.
RATE (1/s^2) is room for the fastest turn of each body, (2 pi / period)^2.
"""

LENGTH = 12 * ROOM
"""Numbers in a state."""


def attract_pairs(s: Column, n: int) -> float:
    """Set the accelerations, each pair once; the fastest rate G (m_i + m_j) / r^3 (1/s^2) of a pair in which a body moves."""
    fastest = 0.0
    for i in range(n):
        s[AX + i] = s[AY + i] = s[AZ + i] = 0.0
    for i in range(n - 1):
        x, y, z, own = s[X + i], s[Y + i], s[Z + i], s[GM + i]
        ax, ay, az = s[AX + i], s[AY + i], s[AZ + i]
        for j in range(i + 1, n):
            dx, dy, dz = s[X + j] - x, s[Y + j] - y, s[Z + j] - z
            square = dx * dx + dy * dy + dz * dz
            cube = square * math.sqrt(square)
            inverse = 1.0 / cube if cube > 0.0 else 0.0
            rate = (own + s[GM + j]) * inverse
            if rate > fastest and s[MOVES + i] + s[MOVES + j] > 0:
                fastest = rate
            pull, push = s[GM + j] * inverse, own * inverse
            ax += pull * dx
            ay += pull * dy
            az += pull * dz
            s[AX + j] -= push * dx
            s[AY + j] -= push * dy
            s[AZ + j] -= push * dz
        s[AX + i], s[AY + i], s[AZ + i] = ax, ay, az
    return fastest


def attract_rows(s: Column, n: int) -> float:
    """As `attract_pairs`, one source of gravity after another: its inner loop is independent for each body, and so becomes vectors.

    Each body adds the same pulls in the same order as by pairs, and its own, which is 0: the bytes are the same.
    """
    fastest = 0.0
    for i in range(n):
        s[AX + i] = s[AY + i] = s[AZ + i] = s[RATE + i] = 0.0
    for j in range(n):
        x, y, z, source = s[X + j], s[Y + j], s[Z + j], s[GM + j]
        for i in range(n):
            dx, dy, dz = x - s[X + i], y - s[Y + i], z - s[Z + i]
            square = dx * dx + dy * dy + dz * dz
            cube = square * math.sqrt(square)
            inverse = 1.0 / cube if cube > 0.0 else 0.0
            pull = source * inverse
            rate = (source + s[GM + i]) * inverse
            s[AX + i] += pull * dx
            s[AY + i] += pull * dy
            s[AZ + i] += pull * dz
            s[RATE + i] = rate if rate > s[RATE + i] else s[RATE + i]
    for i in range(n):
        if s[MOVES + i] > 0 and s[RATE + i] > fastest:
            fastest = s[RATE + i]
    return fastest


def attract(s: Column, n: int) -> float:
    """Set the accelerations in the way that is faster for so many bodies; the fastest rate (1/s^2)."""
    n = min(n, ROOM)
    fastest = attract_pairs(s, n) if n < WIDE else attract_rows(s, n)
    for i in range(n):
        if s[MOVES + i] == 0.0:
            s[AX + i] = s[AY + i] = s[AZ + i] = 0.0
    return fastest


def drift(s: Column, n: int, t: float) -> None:
    """Move every body on with its velocity for t seconds."""
    for i in range(n):
        s[X + i] += t * s[VX + i]
        s[Y + i] += t * s[VY + i]
        s[Z + i] += t * s[VZ + i]


def kick(s: Column, n: int, t: float) -> None:
    """Let the accelerations act for t seconds."""
    for i in range(n):
        s[VX + i] += t * s[AX + i]
        s[VY + i] += t * s[AY + i]
        s[VZ + i] += t * s[AZ + i]


def write(s: Column, n: int, record: Column, row: int) -> None:
    """Write the bodies to a row of a flat record, WIDTH numbers each."""
    at = row * WIDTH * n
    for i in range(n):
        record[at], record[at + 1], record[at + 2] = s[X + i], s[Y + i], s[Z + i]
        record[at + 3], record[at + 4], record[at + 5] = s[VX + i], s[VY + i], s[VZ + i]
        record[at + 6], record[at + 7], record[at + 8] = s[AX + i], s[AY + i], s[AZ + i]
        at += WIDTH


def pefrl(s: Column, n: int, h: float, steps: int, record: Column) -> float:
    """Take `steps` steps of h seconds and record the end of each; the fastest rate (1/s^2) that was met.

    Four evaluations of the forces a step, and a fifth for the acceleration at its end, which the motion between steps needs.
    """
    n = min(n, ROOM)
    fastest, outer = 0.0, (0.5 - LAMBDA) * h
    for step in range(steps):
        drift(s, n, XI * h)
        fastest = max(fastest, attract(s, n))
        kick(s, n, outer)
        drift(s, n, CHI * h)
        fastest = max(fastest, attract(s, n))
        kick(s, n, LAMBDA * h)
        drift(s, n, (1.0 - 2.0 * (CHI + XI)) * h)
        fastest = max(fastest, attract(s, n))
        kick(s, n, LAMBDA * h)
        drift(s, n, CHI * h)
        fastest = max(fastest, attract(s, n))
        kick(s, n, outer)
        drift(s, n, XI * h)
        fastest = max(fastest, attract(s, n))
        write(s, n, record, step)
    return fastest


def verlet(s: Column, n: int, h: float, steps: int, record: Column) -> float:
    """As `pefrl`, by velocity Verlet from accelerations that are set: one evaluation of the forces a step."""
    n, fastest = min(n, ROOM), 0.0
    for step in range(steps):
        kick(s, n, 0.5 * h)
        drift(s, n, h)
        fastest = max(fastest, attract(s, n))
        kick(s, n, 0.5 * h)
        write(s, n, record, step)
    return fastest


def begin(s: Column, n: int, record: Column) -> None:
    """Set the accelerations at the start and record it."""
    attract(s, n)
    write(s, n, record, 0)

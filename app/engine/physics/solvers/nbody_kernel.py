"""The steps of the n-body solver: one source that runs as plain Python and compiled, with the same bytes.

Plain runs on lists, compiled on arrays; only `math` functions and a fixed order of sums are used. Everything is SI. Two schemes, both
symplectic and reversible in time:

- PEFRL, of fourth order: Omelyan, Mryglod & Folk (2002), Computer Physics Communications 146, 188-202;
- velocity Verlet, of second order: Swope, Andersen, Berens & Wilson (1982), Journal of Chemical Physics 76, 637-649.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

Column = Any
"""A list or an array of one number for each body."""

XI, LAMBDA, CHI = 0.1786178958448091, -0.2123418310626054, -0.06626458266981849
"""The parameters of PEFRL."""

WIDTH = 9
"""Numbers that a record holds of a body at the end of a step: position, velocity and acceleration, three each."""


class State(NamedTuple):
    """The bodies: position (m), velocity (m/s), acceleration (m/s^2), and `gm`, the mass (kg) times the constant of gravitation.

    `moves` is 0 for a static body. `rate` (1/s^2) is room for the fastest turn of each body, (2 pi / period)^2.
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
    gm: Column
    moves: Column
    rate: Column


def attract_pairs(s: State) -> float:
    """Set the accelerations, each pair once; the fastest rate G (m_i + m_j) / r^3 (1/s^2) of a pair in which a body moves."""
    n, fastest = len(s.x), 0.0
    for i in range(n):
        s.ax[i] = s.ay[i] = s.az[i] = 0.0
    for i in range(n - 1):
        x, y, z, own = s.x[i], s.y[i], s.z[i], s.gm[i]
        ax, ay, az = s.ax[i], s.ay[i], s.az[i]
        for j in range(i + 1, n):
            dx, dy, dz = s.x[j] - x, s.y[j] - y, s.z[j] - z
            square = dx * dx + dy * dy + dz * dz
            cube = square * math.sqrt(square)
            inverse = 1.0 / cube if cube > 0.0 else 0.0
            rate = (own + s.gm[j]) * inverse
            if rate > fastest and s.moves[i] + s.moves[j] > 0:
                fastest = rate
            pull, push = s.gm[j] * inverse, own * inverse
            ax += pull * dx
            ay += pull * dy
            az += pull * dz
            s.ax[j] -= push * dx
            s.ay[j] -= push * dy
            s.az[j] -= push * dz
        s.ax[i], s.ay[i], s.az[i] = ax, ay, az
    return fastest


def attract_rows(s: State) -> float:
    """As `attract_pairs`, one source of gravity after another: its inner loop is independent for each body, and so becomes vectors."""
    n, fastest = len(s.x), 0.0
    for i in range(n):
        s.ax[i] = s.ay[i] = s.az[i] = s.rate[i] = 0.0
    for j in range(n):
        x, y, z, source = s.x[j], s.y[j], s.z[j], s.gm[j]
        for i in range(n):
            dx, dy, dz = x - s.x[i], y - s.y[i], z - s.z[i]
            square = dx * dx + dy * dy + dz * dz
            cube = square * math.sqrt(square)
            inverse = 1.0 / cube if cube > 0.0 else 0.0
            pull = source * inverse
            rate = (source + s.gm[i]) * inverse
            s.ax[i] += pull * dx
            s.ay[i] += pull * dy
            s.az[i] += pull * dz
            s.rate[i] = rate if rate > s.rate[i] else s.rate[i]
    for i in range(n):
        if s.moves[i] > 0 and s.rate[i] > fastest:
            fastest = s.rate[i]
    return fastest


def drift(s: State, t: float) -> None:
    """Move every body on with its velocity for t seconds."""
    for i in range(len(s.x)):
        s.x[i] += t * s.vx[i]
        s.y[i] += t * s.vy[i]
        s.z[i] += t * s.vz[i]


def kick(s: State, t: float) -> None:
    """Let the accelerations act on the bodies that move for t seconds."""
    for i in range(len(s.x)):
        if s.moves[i] > 0:
            s.vx[i] += t * s.ax[i]
            s.vy[i] += t * s.ay[i]
            s.vz[i] += t * s.az[i]


def write(s: State, record: Column, row: int) -> None:
    """Write the bodies to a row of a flat record, WIDTH numbers each; a static body has no acceleration."""
    at = row * WIDTH * len(s.x)
    for i in range(len(s.x)):
        record[at], record[at + 1], record[at + 2] = s.x[i], s.y[i], s.z[i]
        record[at + 3], record[at + 4], record[at + 5] = s.vx[i], s.vy[i], s.vz[i]
        if s.moves[i] > 0:
            record[at + 6], record[at + 7], record[at + 8] = s.ax[i], s.ay[i], s.az[i]
        at += WIDTH


def pefrl(s: State, h: float, steps: int, record: Column) -> float:
    """Take `steps` steps of h seconds and record the end of each; the fastest rate (1/s^2) that was met.

    Four evaluations of the forces a step, and a fifth for the acceleration at its end, which the motion between steps needs.
    """
    fastest, outer = 0.0, (0.5 - LAMBDA) * h
    for step in range(steps):
        drift(s, XI * h)
        fastest = max(fastest, attract_pairs(s))
        kick(s, outer)
        drift(s, CHI * h)
        fastest = max(fastest, attract_pairs(s))
        kick(s, LAMBDA * h)
        drift(s, (1.0 - 2.0 * (CHI + XI)) * h)
        fastest = max(fastest, attract_pairs(s))
        kick(s, LAMBDA * h)
        drift(s, CHI * h)
        fastest = max(fastest, attract_pairs(s))
        kick(s, outer)
        drift(s, XI * h)
        fastest = max(fastest, attract_pairs(s))
        write(s, record, step)
    return fastest


def verlet(s: State, h: float, steps: int, record: Column) -> float:
    """As `pefrl`, by velocity Verlet from accelerations that are set: one evaluation of the forces a step."""
    fastest = 0.0
    for step in range(steps):
        kick(s, 0.5 * h)
        drift(s, h)
        fastest = max(fastest, attract_rows(s))
        kick(s, 0.5 * h)
        write(s, record, step)
    return fastest


def begin(s: State, record: Column) -> None:
    """Set the accelerations at the start and record it."""
    attract_rows(s)
    write(s, record, 0)

"""How far an n-body run is from the truth: what must be conserved, and Kepler's third law where there are two bodies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from app.engine.physics.events import KINDS
from app.engine.physics.scene import Scene
from app.engine.physics.solvers.solution import drift_of

if TYPE_CHECKING:
    from app.engine.physics.solvers.nbody_events import Orbit
    from app.engine.physics.solvers.nbody_motion import Array

ENERGY_TOLERANCE = 1e-5
"""Relative drift of the energy past which a run warns: PEFRL in the solver's own steps keeps two bodies within 8e-6, from e = 0 to 0.98."""

PERIOD_TOLERANCE = 1e-4
"""Relative error of a period past which a run warns: a sixth of a cent."""

_SOURCE = "Kepler's third law, P^2 = 4 pi^2 a^3 / mu; Murray & Dermott 1999, eq. 2.22"


def conservation(scene: Scene, kernel: str, first: Array, last: Array) -> dict[str, Any]:
    """Initial and final values from the states (N, 9) at both ends, and their drift.

    Energy (J) is that of motion and of the pull between bodies, with the name of the kernel that kept it. Momentum (kg m/s) is reported
    when no static body holds the others, and angular momentum (kg m^2/s) also about a single static body; without one it is about the
    origin.
    """
    still = [index for index, body in enumerate(scene.bodies) if body.static]
    masses = np.array([0.0 if body.static else body.mass for body in scene.bodies])
    found = {"energy": {**_energy(scene, first, last), "kernel": kernel}}
    if not still:
        found["momentum"] = drift_of("kg m/s", masses[:, None] * first[:, 3:6], masses[:, None] * last[:, 3:6])
    if len(still) <= 1:
        centre = first[still[0], 0:3] if still else np.zeros(3)
        levers = [state[:, 0:3] - centre for state in (first, last)]
        turns = [np.cross(lever, masses[:, None] * state[:, 3:6]) for lever, state in zip(levers, (first, last), strict=True)]
        scales = [
            math.fsum(np.linalg.norm(lever, axis=1) * masses * np.linalg.norm(state[:, 3:6], axis=1))
            for lever, state in zip(levers, (first, last), strict=True)
        ]
        found["angular_momentum"] = drift_of("kg m^2/s", turns[0], turns[1], max(scales))
    return found


def energies(scene: Scene, state: Array) -> tuple[float, float]:
    """Kinetic and potential energy (J) of a state (N, 9); pairs of static bodies are left out, as theirs never changes."""
    moves = np.array([not body.static for body in scene.bodies])
    masses = np.array([body.mass for body in scene.bodies])
    kinetic = 0.5 * math.fsum(masses[moves] * np.square(state[moves, 3:6]).sum(axis=1))
    potential = []
    for row in range(len(masses) - 1):
        distance = np.linalg.norm(state[row + 1 :, 0:3] - state[row, 0:3], axis=1)
        together = np.where(moves[row + 1 :] | moves[row], masses[row + 1 :], 0.0)
        potential.append(masses[row] * math.fsum(together / np.where(distance > 0, distance, np.inf)))
    return kinetic, -scene.physics.gravitational_constant * math.fsum(potential)


def _energy(scene: Scene, first: Array, last: Array) -> dict[str, Any]:
    (kinetic, potential), (later, deeper) = energies(scene, first), energies(scene, last)
    drift = (later - kinetic) + (deeper - potential)
    scale = max(kinetic, later, abs(deeper - potential))
    return {
        "unit": "J",
        "initial": kinetic + potential,
        "final": later + deeper,
        "drift": drift,
        "relative": abs(drift) / scale if scale > 0 else 0.0,
        "tolerance": ENERGY_TOLERANCE,
    }


def third_law(scene: Scene, orbits: tuple[Orbit, ...], events: Array) -> list[dict[str, Any]]:
    """The mean time between transits of two bodies that are alone, against the period that their axis and masses give."""
    if len(scene.bodies) != 2 or not orbits:
        return []
    orbit = orbits[0]
    mine = (events[:, 1] == KINDS.index("transit")) & (events[:, 2] == orbit.body)
    times = events[mine, 0]
    if len(times) < 2 or not math.isfinite(orbit.period):
        return []
    measured = float(times[-1] - times[0]) / (len(times) - 1)
    return [
        {
            "what": f"period of {scene.bodies[orbit.body].name}",
            "expected": orbit.period,
            "measured": measured,
            "error": abs(measured / orbit.period - 1.0),
            "tolerance": PERIOD_TOLERANCE,
            "unit": "s",
            "source": _SOURCE,
        }
    ]

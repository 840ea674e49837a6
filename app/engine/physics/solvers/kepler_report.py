"""How far a Kepler run is from the truth: conserved quantities of each orbit, and Kepler's third law."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from app.engine.physics.scene import Scene

if TYPE_CHECKING:
    from app.engine.physics.solvers.kepler import Ellipse

THIRD_LAW_TOLERANCE = 0.01
_SOURCE = "Kepler's third law, P^2 = 4 pi^2 a^3 / (G (M + m)); Murray & Dermott 1999, eq. 2.22"


def conservation(scene: Scene, orbits: list[Ellipse], end: float) -> dict[str, Any]:
    """Energy (J) and angular momentum (kg m^2/s) of the orbits, each in the frame of its parent, summed, at the start and the end."""
    if not orbits:
        return {}
    ends = np.array([0.0, end])
    energy, turning, scale, turning_scale = np.zeros(2), np.zeros((2, 3)), 0.0, 0.0
    for orbit in orbits:
        mass = scene.bodies[orbit.index].mass
        place, speed = orbit.relative(ends)
        kinetic = 0.5 * mass * np.square(speed).sum(axis=1)
        energy += kinetic - mass * orbit.mu / np.linalg.norm(place, axis=1)
        turning += mass * np.cross(place, speed)
        scale += float(kinetic.max())
        turning_scale += mass * math.sqrt(orbit.mu * orbit.a * (1.0 - orbit.e**2))
    return {
        "energy": {
            "unit": "J",
            "initial": float(energy[0]),
            "final": float(energy[1]),
            "drift": float(energy[1] - energy[0]),
            "relative": abs(float(energy[1] - energy[0])) / scale,
        },
        "angular_momentum": {
            "unit": "kg m^2/s",
            "initial": turning[0].tolist(),
            "final": turning[1].tolist(),
            "drift": (turning[1] - turning[0]).tolist(),
            "relative": float(np.linalg.norm(turning[1] - turning[0])) / turning_scale,
        },
    }


def third_law(scene: Scene, orbits: list[Ellipse]) -> list[dict[str, Any]]:
    """The period of each orbit against the one that its axis and the masses give."""
    return [
        {
            "what": f"period of {scene.bodies[orbit.index].name}",
            "expected": orbit.expected_period,
            "measured": orbit.period,
            "error": abs(orbit.period / orbit.expected_period - 1.0),
            "tolerance": THIRD_LAW_TOLERANCE,
            "unit": "s",
            "source": _SOURCE,
        }
        for orbit in orbits
    ]

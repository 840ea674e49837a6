"""How far a run of the particles solver is from the truth: what must be conserved."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.physics.scene import Scene
from app.engine.physics.solvers.particles_laws import constant, largest
from app.engine.physics.solvers.particles_links import Network
from app.engine.physics.solvers.particles_motion import PiecewiseMotion
from app.engine.physics.solvers.solution import drift_of

ENERGY_TOLERANCE = 1e-8
"""Relative drift of the energy past which a run warns: in the solver's own steps a double pendulum from 150 degrees stays within 5e-10."""

_AT_REST = 1e-6

Array = NDArray[np.float64]


def conservation(scene: Scene, network: Network, motion: PiecewiseMotion, *, broke: bool) -> dict[str, Any]:
    """Initial and final values, and their drift.

    Energy (J) is that of motion, of the springs and in gravity, and is reported where nothing is lost, changed or broken. Momentum
    (kg m/s) and angular momentum about the origin (kg m^2/s) are reported where no gravity, damping, drag or fixed point acts. Scales are
    the largest kinetic energy and sums of lengths in the run.
    """
    found = {}
    masses = np.array([0.0 if body.static else body.mass for body in scene.bodies])
    if _lossless(scene, network) and not broke:
        found["energy"] = _energy(scene, network, masses, motion)
    if _alone(scene, network):
        places, pushes = motion.states[:, :, 0:3], masses[None, :, None] * motion.states[:, :, 3:6]
        lengths = np.linalg.norm(pushes, axis=2)
        found["momentum"] = drift_of("kg m/s", pushes[0], pushes[-1], float(lengths.sum(axis=1).max(initial=0.0)))
        levers = float((np.linalg.norm(places, axis=2) * lengths).sum(axis=1).max(initial=0.0))
        turns = [np.cross(places[row], pushes[row]) for row in (0, -1)]
        found["angular_momentum"] = drift_of("kg m^2/s", turns[0], turns[1], levers)
    return found


def _lossless(scene: Scene, network: Network) -> bool:
    rubs = any(link.damping > 0 for link in network.springs)
    thick = scene.physics.air_density > 0 and bool(network.drag.any())
    return constant(scene) and scene.physics.linear_damping == 0 and not (rubs or thick)


def _alone(scene: Scene, network: Network) -> bool:
    gravity, _, damping, density = largest(scene)
    held = any(network.inverse[node] == 0.0 for link in network.links for node in (link.i, link.j))
    return gravity == 0 and damping == 0 and (density == 0 or not network.drag.any()) and not held


def potential(scene: Scene, network: Network, masses: Array, places: Array) -> tuple[float, float]:
    """The potential energy (J) of bodies at places (N, 3), and the sum of the sizes of its parts."""
    fall = (masses[:, None] * places * np.array(scene.physics.gravity)).ravel().tolist()
    nodes = network.places.copy()
    nodes[: network.bodies] = places
    parts = [-part for part in fall]
    for link in network.springs:
        stretch = math.dist(nodes[link.i], nodes[link.j]) - link.length
        parts.append(0.5 * link.stiffness * stretch * stretch)
    return math.fsum(parts), math.fsum(abs(part) for part in parts)


def _energy(scene: Scene, network: Network, masses: Array, motion: PiecewiseMotion) -> dict[str, Any]:
    kinetic = 0.5 * (masses * np.square(motion.states[:, :, 3:6]).sum(axis=2)).sum(axis=1)
    (first, size), (last, _) = (potential(scene, network, masses, motion.states[row, :, 0:3]) for row in (0, -1))
    drift = float(kinetic[-1] - kinetic[0]) + (last - first)
    given = math.fsum((masses * np.square(network.speeds[: network.bodies]).sum(axis=1)).tolist())
    scale = max(float(kinetic.max()), _AT_REST * (size + 0.5 * given))
    return {
        "unit": "J",
        "initial": float(kinetic[0]) + first,
        "final": float(kinetic[-1]) + last,
        "drift": drift,
        "relative": abs(drift) / scale if scale > 0 else 0.0,
        "tolerance": ENERGY_TOLERANCE,
    }

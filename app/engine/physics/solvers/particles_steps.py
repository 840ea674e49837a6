"""How long the steps of the particles solver are."""

from __future__ import annotations

import math

from app.engine.physics.scene import Scene
from app.engine.physics.solvers.particles_laws import largest, spans
from app.engine.physics.solvers.particles_links import Network, rates

WEIGHTS = (
    0.13020248308889008088, 0.56116298177510838456, -0.38947496264484728641, 0.15884190655515560090, -0.39590389413323757734,
    0.18453964097831570709, 0.25837438768632204729, 0.29501172360931029887, -0.60550853383003451170, 0.29501172360931029887,
    0.25837438768632204729, 0.18453964097831570709, -0.39590389413323757734, 0.15884190655515560090, -0.38947496264484728641,
    0.56116298177510838456, 0.13020248308889008088,
)  # fmt: skip
"""The composition of order 8 in 17 parts of Kahan & Li (1997)."""

STEPS_PER_TURN = 40.0
"""Steps in the shortest turn or vibration that is foreseen, where the scene sets no timestep."""

FEW_STEPS_PER_TURN = 16.0
"""The same for a scene of more than MANY links, of which few move so fast."""

MANY = 32

FEWEST_STEPS = 100
TURN = 2.0 * math.pi

_MARGIN = 1.5


def total(scene: Scene, network: Network) -> float:
    """The number of steps of all spans, undivided; a float that may be beyond all bounds."""
    step = longest(scene, network)
    return math.fsum(count(scene, span.end - span.start, step) for span in spans(scene))


def longest(scene: Scene, network: Network) -> float:
    """The longest step (s): the scene's timestep, or our own choice."""
    if scene.physics.timestep is not None:
        return scene.physics.timestep
    rate, whole = foreseen(scene, network), scene.duration_s * scene.physics.time_scale
    return min(whole / FEWEST_STEPS, TURN / _per_turn(network) / rate if rate > 0 else math.inf)


def _per_turn(network: Network) -> float:
    return STEPS_PER_TURN if len(network.links) <= MANY else FEW_STEPS_PER_TURN


def count(scene: Scene, length: float, step: float) -> float:
    """Equal steps of a span of so many seconds; at least three of our own, so that the motion between them is as good as they are."""
    wanted = length / step if step > 0 else math.inf
    if not wanted < 1e18:
        return math.inf
    return max(float(math.ceil(wanted * (1.0 - 1e-12))), 1.0 if scene.physics.timestep is not None else 3.0)


def foreseen(scene: Scene, network: Network) -> float:
    """The fastest rate (rad/s) that the steps of a scene resolve from the start."""
    gravity, up, damping, density = largest(scene)
    found = rates(network, gravity, up, density)
    return max(math.hypot(found.vibration, found.turning), found.rubbing, 0.5 * damping)


def dividing(scene: Scene, network: Network) -> float:
    """The rate (rad/s) of turning past which a step is divided; infinite where the scene sets the timestep."""
    if scene.physics.timestep is not None:
        return math.inf
    return _MARGIN * TURN / _per_turn(network) / longest(scene, network)

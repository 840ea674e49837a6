"""How far a ballistic run is from the truth: what must be conserved, and bounces that have a closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.physics.events import BOUND
from app.engine.physics.scene import Scene
from app.engine.physics.solvers import ballistic_kernel as kernel

BOUNCES_SHOWN = 8
_SOURCE = "Newton's law of restitution: t_n = t_1 + (2 u_1 / g) e (1 - e^n) / (1 - e)"


@dataclass
class Ledger:
    """Energy (J), momentum (kg m/s) and angular momentum (kg m^2/s, about the origin) at both ends of a run, and what came in between."""

    initial: dict[str, Any]
    final: dict[str, Any] = field(default_factory=dict)
    work: float = 0.0
    push: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    damping: bool = False
    forces: bool = False
    gross: float = 0.0
    _since: float = 0.0

    @classmethod
    def open(cls, state: kernel.State, law: kernel.Law) -> Ledger:
        """The ledger at the start."""
        ledger = cls(initial=_totals(state, law))
        ledger._note(law)
        return ledger

    def _note(self, law: kernel.Law) -> None:
        self.damping |= law.damping > 0
        self.forces |= bool(_gravity(law).any())

    def change(self, state: kernel.State, old: kernel.Law, new: kernel.Law) -> None:
        """Another law comes into force: a change of gravity does work on the bodies where they are."""
        self._elapse(state, old, old.end)
        masses, places = np.array(state.mass), np.array(state.position, dtype=np.float64).reshape(-1, 3)
        self.work -= math.fsum((masses @ places) * (_gravity(new) - _gravity(old)))
        self._note(new)

    def _elapse(self, state: kernel.State, law: kernel.Law, time: float) -> None:
        fall = _gravity(law) * math.fsum(state.mass) * (time - self._since)
        self.push += fall
        self.gross += float(np.linalg.norm(fall))
        self._since = time

    def close(self, state: kernel.State, law: kernel.Law, time: float) -> None:
        """The ledger at the end; bounds and static bodies have pushed by `external`."""
        self._elapse(state, law, time)
        external = np.array(state.external)
        self.forces |= bool(external.any())
        self.push += external
        self.final = _totals(state, law)


def _gravity(law: kernel.Law) -> NDArray[np.float64]:
    return np.array(law.gravity)


def _totals(state: kernel.State, law: kernel.Law) -> dict[str, Any]:
    masses = np.array(state.mass, dtype=np.float64)
    x = np.array(state.position, dtype=np.float64).reshape(-1, 3)
    v = np.array(state.velocity, dtype=np.float64).reshape(-1, 3)
    p = masses[:, None] * v
    turns = np.cross(x, p)
    return {
        "kinetic": 0.5 * math.fsum((p * v).ravel()),
        "potential": -math.fsum((masses[:, None] * x * _gravity(law)).ravel()),
        "momentum": np.array([math.fsum(p[:, axis]) for axis in range(3)]),
        "momentum_scale": math.fsum(np.linalg.norm(p, axis=1)),
        "angular_momentum": np.array([math.fsum(turns[:, axis]) for axis in range(3)]),
        "angular_scale": math.fsum(np.linalg.norm(x, axis=1) * np.linalg.norm(p, axis=1)),
    }


def conservation(ledger: Ledger, events: NDArray[np.float64]) -> dict[str, Any]:
    """Initial and final values, and the drift that remains when losses, work and outer pushes are accounted for.

    Energy: `lost` (J) went into inelastic collisions, `work` (J) came from changes of gravity. With damping there is no closed account of
    energy and momentum: `dissipated` (J) is reported and the drift is null. Momentum: `pushed` (kg m/s) came from gravity, bounds and
    static bodies. Angular momentum is reported where nothing outside acts.
    """
    found = {"energy": _energy(ledger, math.fsum(events[:, 5])), "momentum": _momentum(ledger)}
    if not (ledger.forces or ledger.damping):
        found["angular_momentum"] = _angular_momentum(ledger)
    return found


def _energy(ledger: Ledger, lost: float) -> dict[str, Any]:
    first, last = ledger.initial, ledger.final
    initial, final = first["kinetic"] + first["potential"], last["kinetic"] + last["potential"]
    missing = initial + ledger.work - lost - final
    entry = {"unit": "J", "initial": initial, "final": final, "lost": lost, "work": ledger.work}
    if ledger.damping:
        return entry | {"dissipated": missing, "drift": None, "relative": None}
    scale = max(first["kinetic"], last["kinetic"], abs(last["potential"] - first["potential"]))
    return entry | {"drift": -missing, "relative": abs(missing) / scale if scale > 0 else 0.0}


def _momentum(ledger: Ledger) -> dict[str, Any]:
    first, last = ledger.initial, ledger.final
    entry = {"unit": "kg m/s", "initial": first["momentum"].tolist(), "final": last["momentum"].tolist()}
    if ledger.damping:
        return entry | {"drift": None, "relative": None}
    drift = last["momentum"] - first["momentum"] - ledger.push
    scale = max(first["momentum_scale"], last["momentum_scale"], ledger.gross)
    return entry | {"pushed": ledger.push.tolist(), "drift": drift.tolist(), "relative": _relative(drift, scale)}


def _angular_momentum(ledger: Ledger) -> dict[str, Any]:
    first, last = ledger.initial, ledger.final
    drift = last["angular_momentum"] - first["angular_momentum"]
    return {
        "unit": "kg m^2/s",
        "initial": first["angular_momentum"].tolist(),
        "final": last["angular_momentum"].tolist(),
        "drift": drift.tolist(),
        "relative": _relative(drift, max(first["angular_scale"], last["angular_scale"])),
    }


def _relative(drift: NDArray[np.float64], scale: float) -> float:
    return float(np.linalg.norm(drift)) / scale if scale > 0 else 0.0


def bounce_times(scene: Scene, events: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Times of the last regular bounce of bodies that met one flat bound only, against the closed form.

    For at most BOUNCES_SHOWN bodies of scenes without damping and keyframes; the first bounce is checked against the fall that leads to it.
    """
    physics = scene.physics
    if physics.linear_damping > 0 or scene.keyframes or np.count_nonzero(physics.gravity) != 1 or physics.bounds is None:
        return []
    found = []
    hits = events[events[:, 1] == kernel.COLLISION]
    met = set(hits[hits[:, 3] != BOUND, 2:4].ravel().tolist())
    for index, body in enumerate(scene.bodies):
        mine = hits[hits[:, 2] == index] if not (body.static or index in met) else hits[:0]
        entry = _bounces(scene, index, mine) if len(mine) else None
        if entry is not None:
            found.append(entry)
        if len(found) == BOUNCES_SHOWN:
            break
    return found


def _bounces(scene: Scene, index: int, hits: NDArray[np.float64]) -> dict[str, Any] | None:
    """The closed form of one body's bounces on the bound that gravity pulls it to, None when it met another bound."""
    body, physics, bounds = scene.bodies[index], scene.physics, scene.physics.bounds
    if bounds is None:
        return None
    axis, pull = next((axis, pull) for axis, pull in enumerate(physics.gravity) if pull != 0)
    plane = bounds.minimum[axis] if pull < 0 else bounds.maximum[axis]
    if plane is None or (hits[:, 7 + axis] != plane).any():
        return None
    if any(side is not None for other in range(3) if other != axis for side in (bounds.minimum[other], bounds.maximum[other])):
        return None
    g, sign = abs(pull), 1.0 if pull < 0 else -1.0
    v, gap = sign * body.velocity[axis], max(abs(body.position[axis] - plane) - body.radius, 0.0)
    impact = math.sqrt(v * v + 2.0 * g * gap)
    own = physics.restitution if body.restitution is None else body.restitution
    e, n = math.sqrt(own * physics.restitution), len(hits) - 1
    series = float(n) if e == 1.0 else e * (1.0 - e**n) / (1.0 - e)
    expected = (v + impact) / g + 2.0 * impact / g * series
    measured = float(hits[-1, 0])
    return {
        "what": f"time of bounce {n + 1} of {body.name}",
        "expected": expected,
        "measured": measured,
        "error": abs(measured - expected) / expected if expected > 0 else abs(measured),
        "unit": "s",
        "source": _SOURCE,
    }

"""How far a run of rigid bodies is from the truth, and what its user should know."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.physics import constraints
from app.engine.physics.events import BOUND, KINDS
from app.engine.physics.scene import Constraint, Scene
from app.engine.physics.solvers import ballistic_report
from app.engine.physics.solvers.rigid_plan import CHANGEABLE, FEWEST_STEPS, STEP_S, Plan, largest_gravity
from app.engine.physics.solvers.rigid_shapes import Form
from app.engine.physics.solvers.solution import drift_of
from app.engine.physics.timeline import frames_of, value_at

ENERGY_TOLERANCE = 1e-3
"""Part of the energy that may be gained or lost untold before a run warns; joints and springs are good to (rate * step)^2."""

MOMENTUM_TOLERANCE = 1e-9
"""Part of the momentum that may be gained or lost before a run warns: contacts and joints push both sides alike to the last bits."""

ANGULAR_TOLERANCE = 1e-2
"""The same for angular momentum, about the origin: contacts push where the overlap is, which is not to the last bit one point."""

BOUNCE_TOLERANCE = 1e-6
"""Relative error of a time of bounce past which a run warns."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Account:
    """A run to be told about: its scene, forms and plan, first and last frame (N, 6), events, and whether contacts lasted."""

    scene: Scene
    forms: tuple[Form, ...]
    plan: Plan
    first: Array
    last: Array
    events: Array
    lasting: bool

    @property
    def is_damped(self) -> bool:
        """Whether something but contacts takes energy in ways that are not counted."""
        named = ("linear_damping", "air_density")
        physics = self.scene.physics
        return (
            any(getattr(physics, name) > 0 or frames_of(self.scene, name) for name in named)
            or any(one.damping > 0 for one in self.scene.constraints)
            or bool((self.events[:, 1] == KINDS.index("break")).any())
        )

    @property
    def at_the_end(self) -> Scene:
        """The scene with the gravity that is in force when the run ends, and without the constraints that broke."""
        scene, score_s = self.scene, self.scene.duration_s
        gx, gy, gz = scene.physics.gravity
        gx, gy = (value_at(frames_of(scene, name), start, score_s) for name, start in (("gravity.x", gx), ("gravity.y", gy)))
        broken = {int(row[-1]) for row in self.events if row[1] == KINDS.index("break")}
        left = tuple(one for index, one in enumerate(scene.constraints) if index not in broken)
        return dataclasses.replace(scene, physics=dataclasses.replace(scene.physics, gravity=(gx, gy, gz)), constraints=left)

    @property
    def is_pulled_anew(self) -> bool:
        """Whether gravity changes, and does work on the bodies where they are."""
        return any(frames_of(self.scene, name) for name in ("gravity.x", "gravity.y"))

    @property
    def is_alone(self) -> bool:
        """Whether nothing outside acts on the bodies."""
        scene = self.scene
        still = {body.id for body in scene.bodies if body.static}
        tied = any(one.other_body_id is None or still & {one.body_id, one.other_body_id} for one in scene.constraints)
        return not (
            tied
            or largest_gravity(scene) > 0
            or self.is_damped
            or (scene.physics.bounds or any(body.static and not body.sensor for body in scene.bodies))
        )


def conservation(account: Account) -> dict[str, Any]:
    """Initial and final values and what changed them, SI.

    Energy is that of motion, rotation, height and springs; `lost` (J) went into collisions. Where contacts last, or drag acts, the rest
    that is lost is `dissipated`, and `drift` is what the bodies have gained, which should be nothing. Momentum and angular momentum about
    the origin are reported where nothing outside acts.
    """
    found = {"energy": _energy(account)}
    if account.is_alone:
        masses = np.array([body.mass for body in account.scene.bodies])
        spins = np.array(
            [
                0.0 if math.isinf(form.gyration) else body.mass * form.gyration
                for body, form in zip(account.scene.bodies, account.forms, strict=True)
            ]
        )
        pushes = [masses[:, None] * frame[:, 3:5] for frame in (account.first, account.last)]
        found["momentum"] = drift_of("kg m/s", pushes[0], pushes[1]) | {"tolerance": MOMENTUM_TOLERANCE}
        turns = [
            np.stack([frame[:, 0] * push[:, 1] - frame[:, 1] * push[:, 0], spins * frame[:, 5]], axis=0).reshape(-1, 1)
            for frame, push in zip((account.first, account.last), pushes, strict=True)
        ]
        scale = max(
            math.fsum(np.hypot(frame[:, 0], frame[:, 1]) * np.hypot(push[:, 0], push[:, 1])) + math.fsum(spins * np.abs(frame[:, 5]))
            for frame, push in zip((account.first, account.last), pushes, strict=True)
        )
        found["angular_momentum"] = drift_of("kg m^2/s", turns[0], turns[1], scale) | {"tolerance": ANGULAR_TOLERANCE}
    return found


def _energy(account: Account) -> dict[str, Any]:
    kinetic, potential = energies(account.scene, account.forms, account.first)
    later, deeper = energies(account.at_the_end, account.forms, account.last)
    lost = math.fsum(account.events[:, 5])
    entry: dict[str, Any] = {"unit": "J", "initial": kinetic + potential, "final": later + deeper, "lost": lost}
    gained = (later - kinetic) + (deeper - potential) + lost
    scale = max(kinetic, later, abs(deeper - potential))
    if account.is_pulled_anew:
        return entry | {"drift": None, "relative": None}
    if account.is_damped or account.lasting:
        # Only part of what was lost is counted by the collisions.
        entry["dissipated"] = max(-gained, 0.0)
        gained = max(gained - lost, 0.0)
    relative = abs(gained) / scale if scale > 0 else 0.0
    return entry | {"drift": gained, "relative": relative, "tolerance": ENERGY_TOLERANCE}


def energies(scene: Scene, forms: tuple[Form, ...], frame: Array) -> tuple[float, float]:
    """Kinetic energy (J) with rotation, and potential energy (J) of height and springs, of a frame (N, 6)."""
    kinetic, potential = [], []
    gx, gy, _ = scene.physics.gravity
    for body, form, (x, y, _, vx, vy, w) in zip(scene.bodies, forms, frame.tolist(), strict=True):
        if not body.static:
            turning = 0.0 if math.isinf(form.gyration) else form.gyration * w * w
            kinetic.append(0.5 * body.mass * (vx * vx + vy * vy + turning))
            potential.append(-body.mass * (gx * x + gy * y))
    for one in constraints.resolved(scene):
        if one.kind == "spring":
            stretched = _length(scene, forms, frame, one) - (one.rest_length or 0.0)
            potential.append(0.5 * (one.stiffness or 0.0) * stretched * stretched)
    return math.fsum(kinetic), math.fsum(potential)


def _length(scene: Scene, forms: tuple[Form, ...], frame: Array, one: Constraint) -> float:
    index = {body.id: number for number, body in enumerate(scene.bodies)}
    ends = []
    for name in (one.body_id, one.other_body_id):
        if name is None:
            ends.append((one.anchor or (0.0, 0.0, 0.0))[:2])
            continue
        x, y, angle = frame[index[name], :3].tolist()
        cx, cy = forms[index[name]].centre
        cos, sin = math.cos(angle), math.sin(angle)
        ends.append((x - cos * cx + sin * cy, y - sin * cx - cos * cy))
    return math.dist(*ends)


def bounce_times(account: Account) -> list[dict[str, Any]]:
    """The times of bounces of free discs on one bound, against the closed form."""
    scene = account.scene
    if account.is_damped or scene.constraints or any(frames_of(scene, name) for name in CHANGEABLE):
        return []
    if any(body.shape not in ("circle", "point") or body.static for body in scene.bodies):
        return []
    if ((account.events[:, 1] == KINDS.index("contact")) & (account.events[:, 3] != BOUND)).any():
        return []
    return [entry | {"tolerance": BOUNCE_TOLERANCE} for entry in ballistic_report.bounce_times(scene, account.events)]


def warnings(scene: Scene, plan: Plan, overlaps: list[tuple[int, int]], ended_at: float | None) -> tuple[str, ...]:
    """What the user should know about a run; `ended_at` is the simulated time (s) from which the motion had no numbers."""
    said = []
    if ended_at is not None:
        said.append(f"The motion has no numbers from {ended_at:.6g} s of simulated time on, and ends there. Set a shorter timestep.")
    if scene.physics.timestep is None and plan.step < 0.99 * STEP_S and plan.steps > FEWEST_STEPS:
        said.append(f"The run took steps of {plan.step:.3g} s of simulated time, as its sizes, speeds, springs or damping ask for.")
    if scene.physics.timestep is not None and plan.step > plan.longest:
        said.append(
            f"In a step of {plan.step:.3g} s bodies move further than they are thick and may pass through each other; "
            f"set a timestep of {plan.longest:.3g} s or less."
        )
    if any(one.kind != "spring" for one in scene.constraints):
        said.append(f"Joints hold to first order in the step of {plan.step:.3g} s: periods and forces of what they carry are not exact.")
    for a, b in overlaps[:1]:
        names = [f"body {scene.bodies[index].name!r}" if index != BOUND else "a bound" for index in sorted((a, b), reverse=True)]
        said.append(f"At the start {names[0]} and {names[1]} overlap, as {len(overlaps)} pairs do; they are pushed apart.")
    return tuple(said)

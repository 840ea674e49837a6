"""What every solver hands back, and the checks that all solvers share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.catalogue import BODY, PHYSICS
from app.engine.errors import EngineError, OutOfRange, Unsupported
from app.engine.physics.events import BOUND, KINDS
from app.engine.physics.scene import Body, Scene
from app.engine.physics.trajectory import Motion

Progress = Callable[[float], None]
"""Called with the fraction done, 0 to 1; it may raise Cancelled."""

COLUMNS = ("time", "kind", "body", "other", "impulse", "energy", "speed", "x", "y", "z", "value")
"""The columns of an event table, float64 (n, 11); units as in `app.engine.physics.events.Events`."""

HEARD_ONLY = frozenset({"temperature", "pressure"})
"""Parameters that mappings may read and no solver uses: their keyframes are not a solver's affair."""


@dataclass(frozen=True)
class Solution:
    """A solved scene before it is sampled.

    Attributes
    ----------
    motion : positions and velocities at any simulated time
    events : float64 (n, 11), columns as in COLUMNS, in order of time
    masses : float64 (N,), kg; infinite for static bodies
    steps : events or steps taken
    settled_at : simulated time (s) at which the solver had to end early, None when it did not
    quantities : {name: float64 (N,)} of what stays constant for each body, nan where undefined
    """

    motion: Motion
    events: NDArray[np.float64]
    masses: NDArray[np.float64]
    steps: int
    settled_at: float | None = None
    conservation: dict[str, Any] = field(default_factory=dict)
    closed_form: list[dict[str, Any]] = field(default_factory=list)
    quantities: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def event_row(time: float, kind: str, body: int, position: Iterable[float], *, other: int = BOUND, value: float = 0.0) -> tuple[float, ...]:
    """A row of an event table for an event without an impulse."""
    x, y, z = position
    return (time, float(KINDS.index(kind)), float(body), float(other), 0.0, 0.0, 0.0, x, y, z, value)


def event_table(rows: list[tuple[float, ...]]) -> NDArray[np.float64]:
    """Rows as an event table; shape (0, 11) when there are none."""
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(COLUMNS))


def drift_of(unit: str, first: NDArray[np.float64], last: NDArray[np.float64], scale: float | None = None) -> dict[str, Any]:
    """An entry of `conservation` for the sum of vectors (N, D) at both ends of a run.

    `relative` is the drift over `scale`, by default the larger sum of the vectors' lengths.
    """
    initial, final = (np.array([math.fsum(part[:, axis]) for axis in range(part.shape[1])]) for part in (first, last))
    if scale is None:
        scale = max(math.fsum(np.linalg.norm(part, axis=1)) for part in (first, last))
    drift = final - initial
    return {
        "unit": unit,
        "initial": initial.tolist(),
        "final": final.tolist(),
        "drift": drift.tolist(),
        "relative": float(np.linalg.norm(drift)) / scale if scale > 0 else 0.0,
    }


def masses_of(scene: Scene) -> NDArray[np.float64]:
    """Masses (N,) in kg, infinite for static bodies."""
    return np.array([np.inf if body.static else body.mass for body in scene.bodies], dtype=np.float64)


def check_finite(scene: Scene) -> None:
    """Refuse bodies with masses, places, speeds or turns that are no finite numbers. Raises OutOfRange with the path of the number."""
    for index, body in enumerate(scene.bodies):
        for name in ("mass", "angle", "angular_velocity"):
            _finite(name, getattr(body, name), f"bodies.{index}.{name}")
        for name in ("position", "velocity"):
            for axis, number in zip("xyz", getattr(body, name), strict=True):
                _finite(name, number, f"bodies.{index}.{name}.{axis}")


def _finite(name: str, number: float, path: str) -> None:
    if not math.isfinite(number):
        raise OutOfRange(f"The {name.replace('_', ' ')} must be a finite number in the range {BODY[name].range_text}.", path)


def check_keyframes(scene: Scene, usable: frozenset[str], solver: str, *, ramps: bool = False) -> None:
    """Refuse keyframes that a solver cannot follow: other parameters than `usable`, and ramps unless it follows `ramps`.

    Raises Unsupported or OutOfRange.
    """
    for index, frame in enumerate(scene.keyframes):
        path = f"timeline.keyframes.{index}"
        if frame.parameter in HEARD_ONLY:
            continue
        if frame.parameter not in usable:
            known = ", ".join(sorted(usable)) or "no parameter"
            raise Unsupported(f"The solver {solver!r} follows keyframes of {known}, not of {frame.parameter!r}.", f"{path}.parameter")
        if frame.interpolation != "step" and not ramps:
            raise Unsupported(
                f"The solver {solver!r} follows step keyframes only: {frame.parameter!r} must not ramp.", f"{path}.interpolation"
            )
        PHYSICS[frame.parameter].check(frame.value, f"{path}.value")


def check_constraints(scene: Scene, solver: str) -> None:
    """Refuse constraints. Raises Unsupported."""
    if scene.constraints:
        raise Unsupported(f"The solver {solver!r} has no constraints; use 'rigid' or 'particles'.", "constraints.0")


def index_of(scene: Scene, body_id: str, path: str) -> int:
    """The place of a body in the scene. Raises EngineError naming `path`."""
    for index, body in enumerate(scene.bodies):
        if body.id == body_id:
            return index
    raise EngineError(f"There is no body {body_id!r} in the scene.", path)


def named(body: Body) -> str:
    """How messages call a body."""
    return f"Body {body.name!r}"

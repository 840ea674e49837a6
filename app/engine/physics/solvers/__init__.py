"""The solvers: the roll-call, and the one way to run a scene.

A solver is a module with NAME, DESCRIPTION, USES (the physics parameters that it uses), `check`, `estimate` and `solve`. Adding one is a
file and its line in SOLVERS.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from app.engine.errors import EngineError, TooExpensive
from app.engine.physics.events import KINDS, Events
from app.engine.physics.scene import Scene
from app.engine.physics.solvers import ballistic, kepler, nbody, particles, resonator, rigid
from app.engine.physics.solvers.solution import Progress, Solution, event_row, event_table
from app.engine.physics.trajectory import Motion, Trajectory, Turning

EVENT_LIMIT = 300_000
"""Events that a run may have; it takes about a hundred bytes and, uncompiled, forty microseconds for each."""

SAMPLE_LIMIT = 1_000_000
"""Samples of one body each that a trajectory may hold; longer or fuller scenes are sampled less often."""

DRIFT_LIMIT = 1e-9
"""Relative drift of a conserved quantity, and relative error of a closed form, past which a run warns unless the solver sets another."""


class Solver(Protocol):
    """What the roll-call holds; modules have this shape."""

    NAME: str
    DESCRIPTION: str
    USES: frozenset[str]

    def check(self, scene: Scene) -> None:
        """Refuse what the solver cannot honour. Raises EngineError whose `field` is the path of the offending value."""

    def estimate(self, scene: Scene) -> int:
        """About how many events or steps a run takes; the scene has passed `check`."""

    def solve(self, scene: Scene, progress: Progress, limit: int) -> Solution:
        """Run the scene to its end. Raises TooExpensive past `limit` events, and whatever `progress` raises."""

    def restored(self, scene: Scene, columns: Mapping[str, NDArray[Any]]) -> Motion:
        """The motion of a run of the scene, from what its `columns()` gave."""


def _roll(*modules: ModuleType) -> Mapping[str, Solver]:
    return {solver.NAME: solver for solver in cast("tuple[Solver, ...]", modules)}


SOLVERS: Mapping[str, Solver] = _roll(ballistic, kepler, nbody, particles, resonator, rigid)


def solver_of(scene: Scene) -> Solver:
    """The solver that a scene names. Raises EngineError with the names there are."""
    try:
        return SOLVERS[scene.solver]
    except KeyError:
        raise EngineError(f"There is no solver {scene.solver!r}; use one of {', '.join(SOLVERS)}.", "solver") from None


def compiled(enabled: bool) -> None:
    """Use compiled loops (True) or plain ones (False) from now on, for the whole process. Both give the same bytes.

    For workers and commands, which may take the time and memory of numba; set `NUMBA_CACHE_DIR` to a writable folder before.
    """
    ballistic.compiled(enabled)
    nbody.compiled(enabled)
    particles.compiled(enabled)


def check(scene: Scene, limit: int = EVENT_LIMIT) -> int:
    """Check a scene without running it; the estimated number of events.

    Raises EngineError (with `field`) for what the solver cannot honour, TooExpensive when the estimate is past `limit`.
    """
    solver = solver_of(scene)
    solver.check(scene)
    cost = solver.estimate(scene)
    if cost > limit:
        raise TooExpensive(
            f"The scene would have about {cost:.3g} steps and events; the limit is {limit}. Shorten duration_s or lower time_scale.",
            "duration_s",
        )
    return cost


def run(scene: Scene, progress: Callable[[float], None] | None = None, sample_hz: float = 60.0, limit: int = EVENT_LIMIT) -> Trajectory:
    """Check and run a scene.

    Parameters
    ----------
    scene : the frozen scene
    progress : called with the fraction done, 0 to 1; it may raise Cancelled
    sample_hz : samples per score second, lowered where SAMPLE_LIMIT asks for it
    limit : most events that the run may have

    Returns
    -------
    trajectory : events are those with score time below `duration_s`, with the scene's markers among them

    Raises
    ------
    EngineError : for what the solver cannot honour, with the path of the value in `field`
    TooExpensive : when the estimate, or the run itself, is past `limit`
    """
    report = _never_back(progress or _ignore)
    check(scene, limit)
    report(0.0)
    solution = solver_of(scene).solve(scene, report, limit)
    times = _sample_times(scene, sample_hz)
    positions, velocities = solution.motion.at(times)
    warnings = solution.warnings + _drifts(solution)
    trajectory = Trajectory(
        body_ids=tuple(body.id for body in scene.bodies),
        times=times,
        positions=positions,
        velocities=velocities,
        masses=solution.masses,
        motion=solution.motion,
        events=dataclasses.replace(_events(scene, solution), warnings=warnings),
        steps=solution.steps,
        conservation=solution.conservation,
        closed_form=solution.closed_form,
        quantities=solution.quantities,
        warnings=warnings,
        angles=solution.motion.turned(times)[0] if isinstance(solution.motion, Turning) else None,
    )
    report(1.0)
    return trajectory


def _never_back(report: Callable[[float], None]) -> Callable[[float], None]:
    """Fractions that only grow, also where a solver goes back to a moment that changed what follows."""
    reached = 0.0

    def told(fraction: float) -> None:
        nonlocal reached
        reached = max(reached, fraction)
        report(reached)

    return told


def _ignore(_fraction: float) -> None:
    pass


def _sample_times(scene: Scene, sample_hz: float) -> NDArray[np.float64]:
    wanted = round(scene.duration_s * sample_hz) + 1
    allowed = SAMPLE_LIMIT // max(len(scene.bodies), 1)
    return np.linspace(0.0, scene.duration_s * scene.physics.time_scale, max(min(wanted, allowed), 2))


def _events(scene: Scene, solution: Solution) -> Events:
    """The solver's events that count, with the markers, in order of time; a marker comes after the event of the same instant."""
    scale = scene.physics.time_scale
    markers = [
        event_row(marker.time_s * scale, "marker", -1, (0.0, 0.0, 0.0), value=float(index))
        for index, marker in enumerate(scene.markers)
        if marker.time_s < scene.duration_s
    ]
    table = np.concatenate([solution.events, event_table(markers)])
    table = table[np.argsort(table[:, 0], kind="stable")]
    table = table[table[:, 0] / scale < scene.duration_s]
    return Events(
        time=table[:, 0].copy(),
        kind=table[:, 1].astype(np.int64),
        body=table[:, 2].astype(np.int64),
        other=table[:, 3].astype(np.int64),
        impulse=table[:, 4].copy(),
        energy=table[:, 5].copy(),
        speed=table[:, 6].copy(),
        position=table[:, 7:10].copy(),
        value=table[:, 10].copy(),
        status="complete" if solution.settled_at is None else "settled_at",
        settled_at=solution.settled_at,
    )


def _drifts(solution: Solution) -> tuple[str, ...]:
    """Sentences about what is further from the truth than DRIFT_LIMIT, or than the tolerance that the solver gives."""
    said = []
    for name, entry in solution.conservation.items():
        relative, tolerance = entry["relative"], entry.get("tolerance", DRIFT_LIMIT)
        if relative is not None and relative > tolerance:
            said.append(f"The {name.replace('_', ' ')} drifted by {relative:.2g} of its scale, more than {tolerance:g}.")
    for entry in solution.closed_form:
        tolerance = entry.get("tolerance", DRIFT_LIMIT)
        if entry["error"] > tolerance:
            said.append(f"The {entry['what']} is {entry['error']:.2g} away from its closed form, more than {tolerance:g}.")
    return tuple(said)


__all__ = ["DRIFT_LIMIT", "EVENT_LIMIT", "KINDS", "SAMPLE_LIMIT", "SOLVERS", "Solver", "check", "compiled", "run", "solver_of"]

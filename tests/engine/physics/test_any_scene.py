"""What every solver owes to any scene: an end, finite numbers, no more work than foreseen, and the same bytes wherever it runs.

RANDOM_SCENES says how many scenes each solver is given: 200, or thousands for `make scenes`.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from app.engine.errors import EngineError
from app.engine.music.mapping import build_score
from app.engine.physics import solvers
from app.engine.physics.scene import Scene
from app.engine.physics.solvers import nbody
from app.engine.physics.solvers.ballistic_kernel import COLLAPSE_COUNT
from app.engine.physics.trajectory import Trajectory
from tests.databases import COMPILED, ROOT
from tests.engine.physics.random_scenes import SCENES

EXAMPLES = int(os.environ.get("RANDOM_SCENES", "200"))
LIMIT = {"particles": 200, "nbody": 3_000}
"""The most that a scene may cost, 20,000 with the others: a stiff or a close scene takes as many small steps as it may."""
HASHES = """
import pickle, sys
from app.engine.physics import solvers
from tests.engine.physics.test_any_scene import bounded
solvers.compiled(True)
print(*(bounded(scene).hash() for scene in pickle.load(sys.stdin.buffer)))
"""


def bounded(given_scene: Scene) -> Trajectory:
    """A run within what its solver is allowed here."""
    return solvers.run(given_scene, sample_hz=10.0, limit=LIMIT.get(given_scene.solver, 20_000))


def hashes_elsewhere(scenes: list[Scene]) -> list[str]:
    """The hashes of compiled runs in a process of their own."""
    program = [sys.executable, "-c", HASHES]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(COMPILED)}
    done = subprocess.run(program, input=pickle.dumps(scenes), cwd=ROOT, env=environment, capture_output=True, check=True)
    return done.stdout.decode().split()


def work(given_scene: Scene, run: Trajectory) -> float:
    """What a run has done, in the unit of its estimate."""
    if given_scene.solver == "nbody":
        return run.steps * 5 * len(given_scene.bodies) / nbody.ROWS + len(run.events)
    return run.steps


def flights(given_scene: Scene, run: Trajectory) -> None:
    """Energy is accounted for, and nobody is beyond a wall."""
    relative = run.conservation["energy"]["relative"]
    assert relative is None or relative < 1e-9
    sides = given_scene.physics.bounds
    for index, body in enumerate(given_scene.bodies):
        if sides is None or body.static or body.sensor:
            continue
        for axis in range(3):
            low, high = sides.minimum[axis], sides.maximum[axis]
            assert low is None or run.positions[:, index, axis].min() >= low + body.radius - 1e-9
            assert high is None or run.positions[:, index, axis].max() <= high - body.radius + 1e-9


def clusters(given_scene: Scene, run: Trajectory) -> None:
    """Nothing outside acts: momentum stays."""
    if "momentum" in run.conservation and run.events.status == "complete":
        assert run.conservation["momentum"]["relative"] < 1e-9


def networks(given_scene: Scene, run: Trajectory) -> None:
    """In the solver's own steps energy stays, where nothing takes it."""
    if run.events.status == "complete" and "energy" in run.conservation and given_scene.physics.timestep is None and not run.warnings:
        assert run.conservation["energy"]["relative"] < 1e-6


def orchestras(given_scene: Scene, run: Trajectory) -> None:
    """Every body that rings has a frequency, and every note of it the modes of a sound."""
    assert (run.quantities["frequency"] > 0.0).all()
    assert all(np.isfinite(row["error"]) and row["error"] < row["tolerance"] for row in run.closed_form)
    score = build_score(given_scene, run)
    for note in score.notes:
        found = score.modes[note.provenance["body_id"]]
        assert np.isfinite([found["ratio"], found["amplitude"], found["decay"]]).all()
        assert found["ratio"][0] == 1.0 and 16.0 <= note.hz <= 16000.0 and 0.0 < note.duration_s <= 60.0


ALSO: Mapping[str, Callable[[Scene, Trajectory], None]] = {
    "ballistic": flights, "nbody": clusters, "particles": networks, "resonator": orchestras,
}  # fmt: skip
"""What a solver owes besides."""


def columns_of(run: Trajectory) -> dict[str, Any]:
    """Every column of numbers of a run, by name."""
    events = run.events
    columns = {name: getattr(events, name) for name in ("time", "impulse", "energy", "speed", "position", "value")}
    columns |= {"positions": run.positions, "velocities": run.velocities}
    return columns if run.angles is None else columns | {"angles": run.angles}


@pytest.mark.parametrize("solver", SCENES)
def test_any_scene_ends_finite_in_order_within_its_estimate_and_alike_everywhere_or_is_refused_by_field(solver: str) -> None:
    assert set(SCENES) == set(solvers.SOLVERS)
    ran: list[tuple[Scene, str]] = []

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(SCENES[solver])
    def holds(given_scene: Scene) -> None:
        try:
            estimate, run = solvers.check(given_scene), bounded(given_scene)
        except EngineError as refusal:
            assert refusal.field and refusal.message
            return
        assert [name for name, column in columns_of(run).items() if not np.isfinite(column).all()] == []
        events = run.events
        assert np.all(np.diff(events.time) >= 0) and np.all(events.energy >= 0) and np.all(events.impulse >= 0)
        assert work(given_scene, run) <= 3 * estimate + 10 + (COLLAPSE_COUNT if events.status == "settled_at" else 0)
        assert bounded(given_scene).hash() == run.hash()
        ALSO.get(solver, lambda *_: None)(given_scene, run)
        ran.append((given_scene, run.hash()))

    holds()
    scenes = [scene for scene, _ in ran]
    differing = [scene for scene, (_, here), there in zip(scenes, ran, hashes_elsewhere(scenes), strict=True) if here != there]
    assert differing == []

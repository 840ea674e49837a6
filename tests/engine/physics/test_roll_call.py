"""What every solver of the roll-call owes, whatever it solves."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from app.engine.errors import Cancelled, EngineError, TooExpensive
from app.engine.physics import solvers
from app.engine.physics.scene import Scene
from tests.engine.physics.scenes import ONE_OF_EACH

EACH = pytest.mark.parametrize("given", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
NOT_NUMBERS = (float("nan"), float("inf"), float("-inf"))


def test_there_is_a_scene_for_every_solver() -> None:
    assert set(ONE_OF_EACH) == set(solvers.SOLVERS)
    assert all(given.solver == name for name, given in ONE_OF_EACH.items())


@EACH
def test_a_run_is_finite_in_order_and_of_the_shapes_that_a_trajectory_has(given: Scene) -> None:
    run = solvers.run(given, sample_hz=50.0)
    size, end = len(given.bodies), given.duration_s * given.physics.time_scale
    assert run.times == pytest.approx(np.linspace(0.0, end, len(run.times)))
    assert run.positions.shape == run.velocities.shape == (len(run.times), size, 3)
    assert run.angles is None or run.angles.shape == (len(run.times), size)
    events = run.events
    columns = (run.positions, run.velocities, events.time, events.impulse, events.energy, events.speed, events.position, events.value)
    for column in (*columns, *(() if run.angles is None else (run.angles,))):
        assert np.isfinite(column).all()
    assert len(events) and np.all(np.diff(events.time) >= 0) and events.time[0] >= 0.0 and events.time[-1] < end
    assert np.all(events.impulse >= 0) and np.all(events.energy >= 0)
    assert np.all(events.body < size) and np.all(events.other < size)
    for name, entry in run.conservation.items():
        assert entry["unit"] and np.isfinite(np.asarray([entry["initial"], entry["final"], entry["drift"]], dtype=float)).all(), name


@EACH
def test_samples_are_read_off_the_motion(given: Scene) -> None:
    run = solvers.run(given, sample_hz=20.0)
    positions, velocities = run.motion.at(run.times)
    assert (positions == run.positions).all() and (velocities == run.velocities).all()
    assert run.motion.acceleration(run.times).shape == run.positions.shape


@EACH
def test_a_motion_is_restored_from_its_columns(given: Scene) -> None:
    run = solvers.run(given, sample_hz=20.0)
    columns = {name: np.asarray(column) for name, column in run.motion.columns().items()}
    again = solvers.solver_of(given).restored(given, columns)
    assert all((ours == theirs).all() for ours, theirs in zip(run.motion.at(run.times), again.at(run.times), strict=True))


@pytest.mark.parametrize("wrong", NOT_NUMBERS)
@pytest.mark.parametrize("field", ["mass", "position", "velocity"])
@EACH
def test_what_is_no_number_is_refused_by_its_field(given: Scene, field: str, wrong: float) -> None:
    index = len(given.bodies) - 1
    old: Any = getattr(given.bodies[index], field)
    new = wrong if field == "mass" else (old[0], wrong, old[2])
    bodies = (*given.bodies[:index], dataclasses.replace(given.bodies[index], **{field: new}))
    with pytest.raises(EngineError) as refused:
        solvers.run(dataclasses.replace(given, bodies=bodies))
    assert (refused.value.field or "").startswith(f"bodies.{index}.{field}")


@EACH
def test_work_past_the_limit_is_refused(given: Scene) -> None:
    with pytest.raises(TooExpensive):
        solvers.run(given, limit=1)


@EACH
def test_work_stays_within_three_times_the_estimate(given: Scene) -> None:
    estimate = solvers.check(given)
    run = solvers.run(given)
    assert run.steps <= 3 * estimate + 10 and len(run.events) <= 3 * estimate + 10


@EACH
def test_progress_grows_from_nothing_to_one_and_can_cancel(given: Scene) -> None:
    seen: list[float] = []
    solvers.run(given, seen.append)
    assert seen[0] == 0.0 and seen[-1] == 1.0 and seen == sorted(seen)

    def cancel(fraction: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        solvers.run(given, cancel)


@EACH
def test_time_scale_stretches_time_and_nothing_else(given: Scene) -> None:
    """Half the score seconds at twice the simulated seconds for each: the same motion."""
    fast = dataclasses.replace(
        given,
        duration_s=given.duration_s / 2.0,
        physics=dataclasses.replace(given.physics, time_scale=2.0 * given.physics.time_scale),
        markers=tuple(dataclasses.replace(marker, time_s=marker.time_s / 2.0) for marker in given.markers),
    )
    one, other = solvers.run(given, sample_hz=20.0), solvers.run(fast, sample_hz=40.0)
    assert (one.times == other.times).all() and (one.positions == other.positions).all()
    assert (one.events.time == other.events.time).all()

"""What every solver owes: determinism, limits, markers, progress, finite numbers."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest

from app.engine.catalogue import PHYSICS
from app.engine.errors import Cancelled, EngineError, TooExpensive
from app.engine.physics import solvers
from app.engine.physics.events import KINDS
from app.engine.physics.scene import Body, Bounds, Keyframe, Marker, Scene
from tests.engine.physics.scenes import G, ball, drop, gas, orbits, planet, reference_scene, scene, star

HASHES = """
from app.engine.physics import solvers
from tests.engine.physics.scenes import gas, reference_scene
print(solvers.run(gas(30, duration_s=1.0, gravity=(0.0, -9.8, 0.0), restitution=0.9)).hash())
print(solvers.run(reference_scene("trappist_1")).hash())
"""


@pytest.fixture(scope="module")
def compiled() -> object:
    """Switch the compiled event loop on for a call."""

    def run(given: Scene) -> str:
        solvers.compiled(True)
        try:
            return solvers.run(given, sample_hz=10.0).hash()
        finally:
            solvers.compiled(False)

    return run


def test_the_roll_call_describes_every_solver() -> None:
    assert set(solvers.SOLVERS) == {"ballistic", "kepler", "nbody", "particles", "resonator", "rigid"}
    known = set(PHYSICS) | {"bounds"}
    for name, solver in solvers.SOLVERS.items():
        assert name == solver.NAME and solver.DESCRIPTION and known >= solver.USES


def test_an_unknown_solver_is_refused_with_the_known_names() -> None:
    with pytest.raises(EngineError, match="ballistic, kepler, nbody, particles, resonator, rigid") as caught:
        solvers.run(scene(solver="quantum"))
    assert caught.value.field == "solver"


@pytest.mark.slow
def test_ten_runs_and_another_process_give_the_same_bytes() -> None:
    falling = gas(30, duration_s=1.0, gravity=(0.0, -9.8, 0.0), restitution=0.9)
    ours = [{solvers.run(falling).hash() for _ in range(10)}, {solvers.run(reference_scene("trappist_1")).hash() for _ in range(3)}]
    theirs = subprocess.run([sys.executable, "-c", HASHES], capture_output=True, text=True, check=True).stdout.split()
    assert ours == [{hash_} for hash_ in theirs]


def test_the_compiled_loop_gives_the_bytes_of_the_plain_one(compiled) -> None:
    peg = Body("peg", "peg", "circle", {"radius": 0.3}, position=(0.4, 0.5, 0.0), static=True)
    frames = (Keyframe(1.0, "gravity.y", -1.0), Keyframe(2.0, "linear_damping", 0.5), Keyframe(3.0, "restitution", 0.7))
    scenes = [
        gas(100, duration_s=5.0),
        gas(1000, duration_s=0.5),
        gas(30, duration_s=3.0, gravity=(0.0, -G, 0.0), linear_damping=0.3),
        gas(20, duration_s=3.0, gravity=(0.1, -G, 0.0), restitution=0.8),
        drop(0.8),
        scene(
            *(ball(f"b{i}", 0.25 * i, 2.0 + 0.1 * i, z=0.02 * i) for i in range(8)), peg, keyframes=frames, duration_s=4.0, restitution=0.9
        ),
    ]
    for each in scenes:
        assert compiled(each) == solvers.run(each, sample_hz=10.0).hash()


def test_the_compiled_loop_runs_a_scene_without_bodies(compiled) -> None:
    empty = scene(keyframes=(Keyframe(1.0, "gravity.y", -1.0),))
    assert compiled(empty) == solvers.run(empty, sample_hz=10.0).hash()


def test_events_count_while_their_score_time_is_below_the_duration() -> None:
    wall = scene(ball("ball", 0.0, 1.0, v=(1.0, 0.0, 0.0)), gravity=(0.0, 0.0, 0.0), bounds=Bounds((None,) * 3, (1.1, None, None)))
    assert [len(solvers.run(dataclasses.replace(wall, duration_s=end)).events) for end in (1.0, math.nextafter(1.0, 2.0))] == [0, 1]
    first = math.sqrt(2.0 / G)
    run = solvers.run(drop(1.0, duration_s=first / 2.0, time_scale=2.1))
    assert len(run.events) == 1
    (row,) = run.events.rows(run.body_ids, 2.1)
    assert row["t_s"] == pytest.approx(first / 2.1) and row["time_s"] == pytest.approx(first)


def test_markers_stand_among_the_events_at_their_score_time() -> None:
    marked = dataclasses.replace(drop(1.0, duration_s=2.0, time_scale=3.0), markers=(Marker(0.25, "here"), Marker(2.0, "too late")))
    run = solvers.run(marked)
    (place,) = np.flatnonzero(run.events.kind == KINDS.index("marker"))
    assert run.events.time[place] == 0.75 and run.events.body[place] == -1 and run.events.value[place] == 0.0
    assert np.all(np.diff(run.events.time) >= 0) and place > 0


def test_samples_are_even_over_the_whole_run_and_few_for_many_bodies() -> None:
    run = solvers.run(drop(1.0, duration_s=2.0, time_scale=3.0), sample_hz=50.0)
    assert run.times == pytest.approx(np.linspace(0.0, 6.0, 101)) and run.positions.shape == run.velocities.shape == (101, 1, 3)
    many = solvers.run(
        orbits(star(), *(planet(f"p{i}", 1e9, mean_anomaly=0.01 * i) for i in range(20)), duration_s=600.0), sample_hz=1000.0
    )
    assert many.positions.shape[0] * 21 <= solvers.SAMPLE_LIMIT


def test_a_run_past_the_limit_is_refused_with_both_figures() -> None:
    with pytest.raises(TooExpensive, match=r"about .* events; the limit is 100\.") as caught:
        solvers.run(gas(50, duration_s=60.0), limit=100)
    assert caught.value.field == "duration_s"
    with pytest.raises(TooExpensive):
        solvers.check(drop(1.0, duration_s=600.0, time_scale=1e4))
    with pytest.raises(TooExpensive):
        solvers.check(orbits(star(), planet("p", 1e-3), duration_s=600.0, time_scale=1e3))


def test_a_run_that_the_estimate_misjudged_still_stops_at_the_limit() -> None:
    # A millimetre between a wall and a static ball: a thousand hits a second.
    rattle = scene(
        ball("ball", 0.1, 1.0, v=(1.0, 0.0, 0.0)), ball("peg", 0.301, 1.0, static=True),
        gravity=(0.0, 0.0, 0.0), bounds=Bounds((0.0, None, None)),
    )  # fmt: skip
    assert solvers.check(rattle) < 500
    with pytest.raises(TooExpensive, match="More than 500 events"):
        solvers.run(rattle, limit=500)


def test_the_estimate_of_a_gas_is_of_the_right_size() -> None:
    given = gas(100, duration_s=20.0)
    assert solvers.check(given) == pytest.approx(len(solvers.run(given, sample_hz=1.0).events), rel=0.3)


def test_progress_grows_to_one_and_can_cancel() -> None:
    seen: list[float] = []
    solvers.run(gas(50, duration_s=60.0), seen.append, sample_hz=1.0)
    assert seen[0] == 0.0 and seen[-1] == 1.0 and len(seen) > 3 and seen == sorted(seen)

    def cancel(fraction: float) -> None:
        if fraction > 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        solvers.run(gas(50, duration_s=60.0), cancel, sample_hz=1.0)


def test_an_empty_scene_is_silent() -> None:
    for solver in ("ballistic", "kepler"):
        run = solvers.run(scene(solver=solver, duration_s=1.0))
        assert len(run.events) == 0 and run.positions.shape == (61, 0, 3)

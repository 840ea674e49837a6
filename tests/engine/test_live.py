"""Runs that begin where an edit found the bodies, against runs of the whole scene."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from app.engine import live
from app.engine.errors import EngineError, TooExpensive
from app.engine.music.mapping import build_score
from app.engine.physics import solvers
from app.engine.physics.scene import Scene
from app.engine.physics.solvers import nbody

LIMIT = 10_000
BALLS = {
    "id": "scene", "name": "Balls", "solver": "ballistic", "duration_s": 4.0, "seed": "7", "harmony": {},
    "physics": {
        "gravity": {"x": 0.0, "y": -9.80665, "z": 0.0}, "time_scale": 1.0, "restitution": 0.9,
        "bounds": {"min": {"x": None, "y": 0.0, "z": None}, "max": {"x": None, "y": None, "z": None}}, "custom": {},
    },
    "bodies": [
        {"id": f"ball-{n}", "name": f"Ball {n}", "shape": "circle", "size": {"radius": 0.05}, "mass": 1.0 + n,
         "position": {"x": float(n), "y": 1.0 + 0.3 * n, "z": 0.0}, "velocity": {"x": 0.1, "y": 0.0, "z": 0.0}}
        for n in range(3)
    ],
}  # fmt: skip
ORBITS = {
    "id": "scene", "name": "Orbits", "solver": "kepler", "duration_s": 20.0, "seed": "7", "harmony": {},
    "physics": {"gravity": {"x": 0.0, "y": 0.0, "z": 0.0}, "time_scale": 1.0, "bounds": None, "custom": {}},
    "bodies": [
        {"id": "sun", "name": "Sun", "mass": 1e12, "static": True},
        {"id": "near", "name": "Near", "mass": 1.0, "orbit": {"semi_major_axis": None, "period": 3.0, "eccentricity": 0.2}},
        {"id": "far", "name": "Far", "mass": 1.0, "orbit": {"semi_major_axis": None, "period": 7.0, "eccentricity": 0.1}},
    ],
}  # fmt: skip

PULLING = {
    **ORBITS, "solver": "nbody",
    "physics": {**ORBITS["physics"], "bounds": {"min": {"x": None, "y": 0.0, "z": None}, "max": {"x": None, "y": None, "z": None}}},
    "bodies": [
        {"id": "sun", "name": "Sun", "mass": 1e12},
        {"id": "near", "name": "Near", "mass": 1e8,
         "orbit": {"semi_major_axis": None, "period": 3.0, "eccentricity": 0.2, "parent_body_id": "sun"}},
        {"id": "moon", "name": "Moon", "mass": 1.0, "orbit": {"semi_major_axis": 0.035, "period": None, "parent_body_id": "near"}},
        {"id": "far", "name": "Far", "mass": 1.0, "position": {"x": 4.0, "y": 0.0, "z": 0.0}, "velocity": {"x": 0.0, "y": 4.0, "z": 0.0}},
    ],
}  # fmt: skip

RINGING = {
    **ORBITS, "solver": "resonator", "duration_s": 4.0, "timeline": {"keyframes": [], "markers": [{"time_s": 2.0, "name": "bar"}]},
    "bodies": [
        {"id": "bar", "name": "Bar", "mass": 0.1, "velocity": {"x": 1.0}, "material": {"preset": "steel"},
         "resonator": {"kind": "bar", "length": 0.2, "thickness": 0.006}},
    ],
}  # fmt: skip


def changed(snapshot: dict[str, Any], **physics: Any) -> dict[str, Any]:
    """A snapshot with other physics."""
    after = copy.deepcopy(snapshot)
    after["physics"].update(physics)
    return after


def offline(snapshot: dict[str, Any]) -> tuple[Any, Any]:
    """The trajectory and score that a simulation and a render of a snapshot have."""
    scene = Scene.from_snapshot(snapshot)
    trajectory = solvers.run(scene)
    return trajectory, build_score(scene, trajectory)


def positions(frame: bytes, dimensions: int) -> Any:
    """A frame as an array, a row for each body."""
    return np.frombuffer(frame, dtype="<f4").reshape(-1, dimensions)


@pytest.mark.parametrize("snapshot", [BALLS, ORBITS, PULLING, RINGING], ids=["balls", "orbits", "pulling", "ringing"])
def test_a_run_from_the_beginning_is_the_simulation_and_its_score(snapshot: dict[str, Any]) -> None:
    base, _ = live.perform(snapshot, None, None, LIMIT)
    trajectory, score = offline(snapshot)
    times = np.linspace(0.0, snapshot["duration_s"], 97)
    expected = trajectory.motion.at(times)[0].astype("<f4")
    for index, frame in enumerate(base.frames(times)):
        assert (positions(frame, base.dimensions) == expected[index, :, : base.dimensions]).all()
    told = [orjson.loads(note) for note in base.notes]
    assert told == [{name: value for name, value in note.row().items() if name != "track"} for note in score.notes]
    assert sorted(base.tracks) == [index for index, note in enumerate(score.notes) if note.track is not None]


def test_a_stream_swings_as_its_scene_before_and_after_an_edit() -> None:
    """Eighths at 120 lie 0.25 s apart; a swing of 2/3 puts every second one a third of a step late, counted from the scene's start."""
    swung = {**copy.deepcopy(BALLS), "harmony": {"quantize_time": "1/8", "tempo_bpm": 120.0, "swing": 2 / 3, "max_notes_per_second": 200.0}}
    base, _ = live.perform(swung, None, None, LIMIT)
    _, run = live.perform(changed(swung, restitution=0.7), live.carried(base, swung, changed(swung, restitution=0.7), 1.1), swung, LIMIT)
    assert run is not None
    for one, start in ((base, 0.0), (run, 1.1)):
        onsets = np.array([orjson.loads(note)["t_s"] for note in one.notes])
        assert len(onsets) > 5 and onsets.min() >= start
        assert set(np.round(onsets % 0.5, 9)) == {0.0, round(1 / 3, 9)}


def test_an_edit_of_what_rings_is_heard_from_the_next_strike_on() -> None:
    after = copy.deepcopy(RINGING)
    after["bodies"][0]["resonator"]["length"] = 0.1
    memory = live.Memory()
    base, _ = live.perform(RINGING, None, None, LIMIT, memory)
    _, run = live.perform(after, live.carried(base, RINGING, after, 1.0), RINGING, LIMIT, memory)
    assert run is not None
    assert not live.same_physics(RINGING, after)
    first, second = ([orjson.loads(note) for note in one.notes] for one in (base, run))
    assert [note["t_s"] for note in first] == [0.0, 2.0]
    # It was struck at its start, so not again by the edit; half the length is two octaves.
    assert [note["t_s"] for note in second] == [2.0]
    assert second[0]["hz"] == pytest.approx(4.0 * first[0]["hz"])


def test_an_edit_of_gravity_leaves_place_and_speed_of_that_moment() -> None:
    at_s, after = 1.3, changed(BALLS, gravity={"x": 0.0, "y": -1.62, "z": 0.0})
    base, _ = live.perform(BALLS, None, None, LIMIT)
    _, run = live.perform(after, live.carried(base, BALLS, after, at_s), None, LIMIT)
    assert run is not None
    places, speeds = base.motion.at(np.array([at_s]))
    later, now = run.motion.at(np.array([0.0]))
    assert (later == places).all()
    assert (now == speeds).all()
    assert run.frames(np.array([at_s])) == base.frames(np.array([at_s]))


def test_a_run_after_an_edit_is_the_simulation_of_a_scene_that_begins_there() -> None:
    at_s, after = 1.3, changed(BALLS, gravity={"x": 0.0, "y": -15.0, "z": 0.0})
    base, _ = live.perform(BALLS, None, None, LIMIT)
    _, run = live.perform(after, live.carried(base, BALLS, after, at_s), BALLS, LIMIT)
    assert run is not None
    places, speeds = base.motion.at(np.array([at_s]))
    scratch = {**copy.deepcopy(after), "duration_s": BALLS["duration_s"] - at_s}
    for body, place, speed in zip(scratch["bodies"], places[0].tolist(), speeds[0].tolist(), strict=True):
        body["position"], body["velocity"] = dict(zip("xyz", place, strict=True)), dict(zip("xyz", speed, strict=True))
    trajectory, _ = offline(scratch)
    times = np.linspace(at_s, BALLS["duration_s"], 50)
    expected = trajectory.motion.at(np.clip(times, at_s, 4.0) - at_s)[0].astype("<f4")
    assert all((positions(f, 2) == expected[i, :, :2]).all() for i, f in enumerate(run.frames(times)))
    scene = Scene.from_snapshot(scratch)
    score = build_score(scene, trajectory, bounds=(Scene.from_snapshot(BALLS), offline(BALLS)[0]))
    assert [orjson.loads(note)["hz"] for note in run.notes] == [note.hz for note in score.notes]
    assert run.onset.tolist() == [note.t_s + at_s for note in score.notes]
    assert len(run.notes) > 3


def test_orbits_go_on_from_the_anomaly_reached_when_time_runs_faster() -> None:
    at_s, after = 4.4, changed(ORBITS, time_scale=2.5)
    base, _ = live.perform(ORBITS, None, None, LIMIT)
    _, run = live.perform(after, live.carried(base, ORBITS, after, at_s), None, LIMIT)
    assert run is not None
    for wait in (0.0, 0.7, 5.0):
        expected = base.motion.at(np.array([at_s + 2.5 * wait]))[0]
        assert run.motion.at(run.simulated(np.array([at_s + wait])))[0] == pytest.approx(expected, rel=1e-9)


def test_bodies_that_pull_on_each_other_go_on_with_their_state_below_the_floor_too_and_keep_their_primaries() -> None:
    at_s, after = 2.2, changed(PULLING, time_scale=0.9)
    base, _ = live.perform(PULLING, None, None, LIMIT)
    _, run = live.perform(after, live.carried(base, PULLING, after, at_s), None, LIMIT)
    assert run is not None
    assert run.error is None
    places, speeds = base.motion.at(np.array([at_s]))
    later, now = run.motion.at(np.array([0.0]))
    assert (later == places).all()
    assert (now == speeds).all()
    assert places[:, :, 1].min() < 0.0
    assert [orbit.primary for orbit in nbody.osculating(run.scene)] == [1, 0, 1, 0]
    moved = copy.deepcopy(PULLING)
    moved["bodies"][2]["orbit"]["semi_major_axis"] = 0.03
    beginning = live.carried(base, PULLING, moved, at_s)
    assert beginning is not None
    assert set(beginning.state) == {"sun", "near", "far"}


def test_a_body_that_an_edit_puts_somewhere_goes_on_from_there_and_the_others_from_where_they_were() -> None:
    after = copy.deepcopy(BALLS)
    after["bodies"][1]["position"]["y"] = 3.0
    base, _ = live.perform(BALLS, None, None, LIMIT)
    _, run = live.perform(after, live.carried(base, BALLS, after, 2.0), None, LIMIT)
    assert run is not None
    before = base.motion.at(np.array([2.0]))[0][0]
    now = run.motion.at(np.array([0.0]))[0][0]
    assert now[1].tolist() == [before[1][0], 3.0, 0.0]
    assert (now[[0, 2]] == before[[0, 2]]).all()


def test_bodies_that_an_edit_adds_or_removes_come_and_go() -> None:
    after = copy.deepcopy(BALLS)
    after["bodies"] = [after["bodies"][2], {**after["bodies"][0], "id": "new", "position": {"x": 9.0, "y": 2.0, "z": 0.0}}]
    base, _ = live.perform(BALLS, None, None, LIMIT)
    _, run = live.perform(after, live.carried(base, BALLS, after, 2.0), None, LIMIT)
    assert run is not None
    assert run.body_ids == ["ball-2", "new"]
    now = run.motion.at(np.array([0.0]))[0][0]
    assert now[0].tolist() == base.motion.at(np.array([2.0]))[0][0][2].tolist()
    assert now[1].tolist() == [9.0, 2.0, 0.0]


def test_bounds_of_data_come_from_the_reference_run() -> None:
    softer = changed(BALLS, gravity={"x": 0.0, "y": -1.0, "z": 0.0})
    own, _ = live.perform(softer, None, None, LIMIT)
    bound, _ = live.perform(softer, None, BALLS, LIMIT)
    loudest = [max(orjson.loads(note)["velocity"] for note in run.notes) for run in (own, bound)]
    assert loudest[0] == pytest.approx(1.0)
    assert loudest[1] < loudest[0]


def test_a_mapping_changed_while_it_plays_leaves_the_motion_and_unchanged_notes_keep_their_names() -> None:
    after = copy.deepcopy(BALLS)
    after["harmony"] = {"tempo_bpm": 90}
    assert live.same_physics(BALLS, after)
    memory = live.Memory()
    one, _ = live.perform(BALLS, None, None, LIMIT, memory)
    other, _ = live.perform(after, None, None, LIMIT, memory)
    assert other.motion is one.motion
    assert other.ids == one.ids
    assert len(set(one.ids)) == len(one.ids)


@pytest.mark.parametrize("snapshot", [BALLS, ORBITS, PULLING, RINGING], ids=["balls", "orbits", "pulling", "ringing"])
def test_a_run_kept_as_files_is_the_same_run(snapshot: dict[str, Any], tmp_path: Path) -> None:
    base, _ = live.perform(snapshot, None, None, LIMIT)
    after = changed(snapshot, time_scale=1.5)
    beginning = live.carried(base, snapshot, after, 1.0)
    _, run = live.perform(after, beginning, None, LIMIT)
    assert run is not None
    live.store(run, tmp_path / "run")
    again = live.restore(tmp_path / "run", after, live.Beginning(**orjson.loads(orjson.dumps(dataclasses.asdict(beginning)))))
    times = np.linspace(1.0, 4.0, 40)
    assert again.frames(times) == run.frames(times)
    assert (again.notes, again.ids) == (run.notes, run.ids)
    assert (again.onset.tolist(), again.until.tolist()) == (run.onset.tolist(), run.until.tolist())
    assert {n: {k: v.tolist() for k, v in t.items()} for n, t in again.tracks.items()} == {
        n: {k: v.tolist() for k, v in t.items()} for n, t in run.tracks.items()
    }


def test_a_scene_past_the_limit_is_refused_with_both_figures() -> None:
    with pytest.raises(TooExpensive, match=r"about \d+ steps and events; the limit is 3"):
        live.size(BALLS, 3)
    assert 10 < live.size(BALLS, LIMIT) < 200


def test_notes_that_cannot_be_made_leave_the_motion() -> None:
    after = copy.deepcopy(BALLS)
    after["mappings"] = [{"id": "m", "voice_id": "lost"}]
    base, _ = live.perform(after, None, None, LIMIT)
    assert isinstance(base.error, EngineError)
    assert base.notes == ()
    assert len(base.frames(np.array([1.0]))[0]) == 3 * 2 * 4

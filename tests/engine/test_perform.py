"""Whole performances, from a snapshot to a measured file."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import orjson
import pytest
import soundfile

from app.engine.audio import mix
from app.engine.audio.mix import Settings
from app.engine.errors import Cancelled, EngineError
from app.engine.perform import perform, simulate

PHYSICS = {
    "gravity": {"x": 0.0, "y": -9.80665, "z": 0.0},
    "time_scale": 1.0,
    "linear_damping": 0.0,
    "air_density": 0.0,
    "restitution": 0.8,
    "friction": 0.1,
    "temperature": 293.15,
    "pressure": 101325.0,
    "gravitational_constant": 6.67430e-11,
    "timestep": None,
    "bounds": {"min": {"x": -5.0, "y": 0.0, "z": None}, "max": {"x": 5.0, "y": None, "z": None}},
    "custom": {},
}

DAY = 86400.0


def ball(name: str, x: float, height: float, mass: float = 1.0) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "shape": "point",
        "size": {},
        "mass": mass,
        "position": {"x": x, "y": height, "z": 0.0},
        "velocity": {},
    }


def planet(name: str, period: float) -> dict[str, Any]:
    orbit = {"semi_major_axis": None, "period": period, "eccentricity": 0.01, "parent_body_id": "star"}
    return {"id": name, "name": name, "mass": 1e24, "orbit": orbit}


def scene(solver: str, bodies: list[dict[str, Any]], duration_s: float, **physics: Any) -> dict[str, Any]:
    return {
        "id": "00000000-0000-0000-0000-000000000001",
        "name": "A scene",
        "solver": solver,
        "duration_s": duration_s,
        "loop": False,
        "seed": "12345678901234567890",
        "physics": PHYSICS | physics,
        "harmony": HARMONY,
        "timeline": {"keyframes": [], "markers": []},
        "bodies": bodies,
        "constraints": [],
        "voices": [],
        "mappings": [],
    }


HARMONY = {
    "key": "C",
    "scale": "major",
    "scale_cents": None,
    "tempo_bpm": 120,
    "time_signature": "4/4",
    "a4_hz": 440,
    "tuning": {"type": "equal", "divisions": 12},
    "range": {"low_hz": 16, "high_hz": 16000},
    "quantize_pitch": "none",
    "quantize_time": "none",
    "swing": 0.5,
    "max_notes_per_second": 40,
}


@pytest.fixture
def bouncing() -> dict[str, Any]:
    return scene("ballistic", [ball("a", -2.0, 1.0, 2.0), ball("b", 1.0, 2.5)], 4.0)


def test_a_dropped_ball_is_heard_when_it_lands(bouncing: dict[str, Any], tmp_path: Path) -> None:
    performance = perform(bouncing, Settings(), tmp_path / "bounce.wav")
    landings = [math.sqrt(2 * height / 9.80665) for height in (1.0, 2.5)]
    assert performance.score.notes[0].t_s == pytest.approx(landings[0], rel=1e-11)
    assert landings[1] == pytest.approx(min((note.t_s for note in performance.score.notes), key=lambda t: abs(t - landings[1])), rel=1e-11)
    assert performance.report["ok"], performance.report["reasons"]
    assert performance.report["notes"]["measured"] > 0
    assert performance.report["notes"]["total"] == len(performance.score.notes)
    info = soundfile.info(tmp_path / "bounce.wav")
    assert info.frames == performance.frames == math.floor((performance.duration_s + performance.tail_s) * 48000 + 0.5)
    assert [row["kind"] for row in performance.events].count("collision") >= len(performance.score.notes)
    assert performance.midi.startswith(b"MThd")


def test_performing_twice_gives_the_same_piece(bouncing: dict[str, Any], tmp_path: Path) -> None:
    first, second = (perform(bouncing, Settings(seed=3), tmp_path / f"{name}.wav") for name in "ab")
    assert (first.trajectory_hash, first.score_hash, first.samples_hash) == (second.trajectory_hash, second.score_hash, second.samples_hash)
    assert first.midi == second.midi
    assert hashlib.sha256((tmp_path / "a.wav").read_bytes()).digest() == hashlib.sha256((tmp_path / "b.wav").read_bytes()).digest()
    assert mix.render(first.score, Settings(seed=3)).samples_hash == first.samples_hash
    other = perform(bouncing, Settings(seed=4), tmp_path / "c.wav")
    assert other.score_hash == first.score_hash
    assert other.samples_hash != first.samples_hash


def test_orbits_sound_at_the_ratios_of_their_periods(tmp_path: Path) -> None:
    """Periods of TRAPPIST-1 b, c and d: Agol et al. 2021, arXiv 2010.01074, table 2."""
    star = {"id": "star", "name": "star", "mass": 1.79e29, "static": True}
    periods = {"b": 1.510826, "c": 2.421937, "d": 4.049219}
    bodies = [star, *(planet(name, days * DAY) for name, days in periods.items())]
    snapshot = scene("kepler", bodies, 8.0, time_scale=periods["b"] * DAY / 2.0, gravity={"x": 0.0, "y": 0.0, "z": 0.0}, bounds=None)
    performance = perform(snapshot, Settings(), tmp_path / "orbits.wav")
    assert performance.report["ok"], performance.report["reasons"]
    rows = performance.report["notes"]["rows"]
    held = [index for index, note in enumerate(performance.score.notes) if note.track is not None or note.duration_s > 7]
    assert len(held) == 3
    for index in held:
        assert rows[index]["pitch"] == "measured"
        assert abs(rows[index]["cents"]) < 1.0
    hz = sorted(performance.score.notes[index].hz for index in held)
    assert hz[2] / hz[1] == pytest.approx(periods["c"] / periods["b"], rel=1e-9)
    assert hz[1] / hz[0] == pytest.approx(periods["d"] / periods["c"], rel=1e-9)


def test_a_duration_is_that_of_the_performance(bouncing: dict[str, Any], tmp_path: Path) -> None:
    short = perform(bouncing, Settings(duration_s=1.0), tmp_path / "short.wav")
    assert short.duration_s == short.score.duration_s == 1.0
    assert max(note.t_s for note in short.score.notes) < 1.0


def test_progress_rises_to_one_and_can_stop_the_performance(bouncing: dict[str, Any], tmp_path: Path) -> None:
    told: list[float] = []
    perform(bouncing, Settings(), tmp_path / "a.wav", told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0

    def stop(fraction: float) -> None:
        if fraction > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        perform(bouncing, Settings(), tmp_path / "b.wav", stop)


def test_a_simulation_is_the_first_part_of_a_performance(bouncing: dict[str, Any], tmp_path: Path) -> None:
    simulation = simulate(bouncing)
    performance = perform(bouncing, Settings(), tmp_path / "a.wav")
    assert simulation.trajectory_hash == performance.trajectory_hash
    assert simulation.events == performance.events
    orjson.dumps([simulation.events, simulation.conservation, simulation.closed_form, performance.report, performance.midi_report])


def test_a_snapshot_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError):
        perform({"name": "nothing"}, Settings(), tmp_path / "a.wav")
    assert not (tmp_path / "a.wav").exists()

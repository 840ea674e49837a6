"""Live simulations, over real servers: frames and notes against the simulation made offline, edits, late joiners, takeover."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
import sqlalchemy as sa

from app.engine.music.mapping import build_score
from app.engine.physics import solvers
from app.engine.physics.scene import Scene
from tests.servers import EACH_KIND, start
from tests.sockets import Account, Peer, eventually

BALLS = 3
DURATION_S = 60.0
LEAD_MS = 250


class Stage:
    """A universe with a scene of balls that bounce, and its owner connected."""

    def __init__(self, owner: Account, **scene: Any) -> None:
        self.owner = owner
        self.universe_id = owner.make_universe(seed="7")
        given = {"name": "Balls", "solver": "ballistic", "duration_s": DURATION_S, **scene}
        self.scene_id = made(owner, f"/universes/{self.universe_id}/scenes", given)["id"]
        self.set_id = made(owner, "/physics-parameters", {"name": "Here", "scene_id": self.scene_id, "active": True})["id"]
        self.bodies = [
            made(owner, f"/scenes/{self.scene_id}/bodies", {
                "name": f"ball {n}", "shape": "circle", "size": {"radius": 0.05}, "position": {"x": n, "y": 1.05 + 0.25 * n},
            })["id"]
            for n in range(BALLS)
        ]  # fmt: skip

    def start(self, peer: Peer, **more: Any) -> dict[str, Any]:
        """Begin to stream; the acknowledgement."""
        answer = peer.ask("simulation_start", universe_id=self.universe_id, scene_id=self.scene_id, **more)
        assert answer["ok"], answer
        return answer

    def play(self, peer: Peer, action: str = "play", **more: Any) -> dict[str, Any]:
        """Command the playback; its state."""
        answer = peer.ask("transport", universe_id=self.universe_id, action=action, **more)
        assert answer["ok"], answer
        return answer

    def set(self, peer: Peer, **parameters: Any) -> None:
        """Change parameters of the scene's physics."""
        answer = peer.ask(
            "parameter_update", universe_id=self.universe_id, op_id=str(uuid4()), path=f"physics-parameters/{self.set_id}",
            parameters=parameters,
        )  # fmt: skip
        assert answer["ok"], answer

    def scene(self, **physics: Any) -> Scene:
        """The scene as the engine reads it."""
        return Scene.from_snapshot(
            {
                "id": self.scene_id, "name": "Balls", "solver": "ballistic", "duration_s": DURATION_S, "seed": "7", "harmony": {},
                "physics": {
                    "gravity": {"x": 0.0, "y": -9.80665, "z": 0.0}, "bounds": {"min": {"x": None, "y": 0.0, "z": None}},
                    **physics,
                },
                "bodies": [
                    {"id": body, "name": f"ball {n}", "shape": "circle", "size": {"radius": 0.05}, "mass": 1.0,
                     "position": {"x": float(n), "y": 1.05 + 0.25 * n, "z": 0.0}}
                    for n, body in enumerate(self.bodies)
                ],
            }
        )  # fmt: skip


def made(owner: Account, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What a creation over REST answers."""
    answer = owner.request("POST", path, json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def frames(peer: Peer, stream_id: str | None = None) -> list[dict[str, Any]]:
    """The frames that a connection has been sent."""
    return [one for one in peer.payloads("simulation_frame") if stream_id in (None, one["stream_id"])]


def moving(peer: Peer, after_s: float = 0.0) -> list[dict[str, Any]]:
    """The frames past a time of the scene."""
    return [frame for frame in frames(peer) if frame["t"] > after_s]


def notes(peer: Peer) -> dict[str, dict[str, Any]]:
    """The notes that a connection has been told, by id."""
    return {note["id"]: note for event in peer.payloads("simulation_event") for note in event["notes"]}


def retracted(peer: Peer) -> set[str]:
    """The notes that were taken back."""
    return {one["id"] for event in peer.payloads("simulation_event") for one in event["retracted"]}


def places(frame: dict[str, Any], dimensions: int = 2) -> Any:
    """The positions of a frame."""
    return np.frombuffer(frame["positions"], dtype="<f4").reshape(-1, dimensions)


@pytest.fixture
def stage(account: Callable[[], Account]) -> Stage:
    """A scene of balls."""
    return Stage(account())


def test_frames_are_the_simulation_made_offline_at_their_time_to_the_last_bit(stage: Stage) -> None:
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        begun = stage.start(ada, rate_hz=60)
        assert begun["body_ids"] == stage.bodies
        assert begun["dimensions"] == 2
        stage.play(ada)
        eventually(lambda: len(moving(ada)) > 90)
        told = moving(ada)
    motion = solvers.run(stage.scene()).motion
    for frame in told:
        assert (places(frame) == motion.at(np.array([frame["t"]]))[0][0, :, :2].astype("<f4")).all()
        assert frame["at_ms"] == pytest.approx(begun["started_ms"] + frame["tick"] * 1000 / 60)


def test_frames_keep_the_time_of_the_playback_and_come_no_faster_than_asked(stage: Stage) -> None:
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        stage.start(ada, rate_hz=20)
        state = stage.play(ada, rate=2.0)
        eventually(lambda: len(moving(ada)) > 30)
        told = moving(ada)
    for frame in told:
        assert frame["t"] == pytest.approx(2.0 * (frame["at_ms"] - state["anchor_ms"]) / 1000, abs=1e-6)
    ticks = [frame["tick"] for frame in told]
    assert ticks == sorted(set(ticks))
    assert min(b["at_ms"] - a["at_ms"] for a, b in itertools.pairwise(told)) > 49.9


@pytest.mark.parametrize("rate_hz", [0, 61, 1000])
def test_a_rate_past_60_frames_a_second_is_refused(stage: Stage, rate_hz: int) -> None:
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        answer = ada.ask("simulation_start", universe_id=stage.universe_id, scene_id=stage.scene_id, rate_hz=rate_hz)
        assert answer["error"]["status_code"] == 422
        assert "rate_hz" in answer["error"]["errors"]


def test_notes_are_those_of_the_score_made_offline_and_come_ahead_of_their_time(stage: Stage) -> None:
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        begun = stage.start(ada)
        eventually(lambda: [state for state in ada.payloads("simulation_state") if state["state"] == "ready"])
        state = stage.play(ada)
        eventually(lambda: moving(ada, 4.0))
        told = ada.payloads("simulation_event")
    scene = stage.scene()
    score = build_score(scene, solvers.run(scene))
    expected = [{name: value for name, value in note.row().items() if name != "track"} for note in score.notes if note.t_s < 4.0]
    heard = sorted((note for event in told for note in event["notes"]), key=lambda note: note["at_ms"])
    plain = [{name: value for name, value in note.items() if name not in ("id", "at_ms")} for note in heard]
    assert plain[: len(expected)] == expected
    assert len(expected) > 10
    assert all(note["at_ms"] == pytest.approx(state["anchor_ms"] + note["t_s"] * 1000, abs=0.01) for note in heard)
    for event in told:
        told_ms = begun["started_ms"] + event["tick"] * 1000 / begun["rate_hz"]
        assert [note["at_ms"] - told_ms for note in event["notes"] if note["t_s"] > 1.0 and note["at_ms"] < told_ms + LEAD_MS] == []
        assert event["retracted"] == []


def test_an_edit_changes_what_follows_and_goes_on_from_the_state_of_its_moment(stage: Stage) -> None:
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        stage.start(ada)
        state = stage.play(ada)
        eventually(lambda: moving(ada, 1.5))
        stage.set(ada, gravity={"y": -30.0})
        change = eventually(lambda: ada.payloads("change"))[-1]
        taken = eventually(lambda: [s for s in ada.payloads("simulation_state") if s["revision"] == change["revision"]])[0]
        eventually(lambda: moving(ada, taken["t"] + 1.5))
        told = moving(ada)
    at_ms = np.datetime64(change["at"].rstrip("Z"), "ms").astype("int64")
    at_s = (float(at_ms) - state["anchor_ms"]) / 1000
    before = solvers.run(stage.scene()).motion
    reached, speeds = before.at(np.array([at_s]))
    after = continued(stage.scene(gravity={"x": 0.0, "y": -30.0, "z": 0.0}), reached[0], speeds[0])
    old = [frame for frame in told if frame["revision"] < change["revision"]]
    new = [frame for frame in told if frame["revision"] == change["revision"]]
    assert all((places(f) == before.at(np.array([f["t"]]))[0][0, :, :2].astype("<f4")).all() for f in old)
    assert len(new) > 20
    assert new[0]["t"] - at_s < 1.0
    for frame in new:
        assert places(frame) == pytest.approx(after.at(np.array([frame["t"] - at_s]))[0][0, :, :2], abs=1e-6)


def continued(scene: Scene, position: Any, velocity: Any) -> Any:
    """The motion of a scene from a state of its bodies on."""
    bodies = tuple(
        replace(body, position=tuple(x), velocity=tuple(v))
        for body, x, v in zip(scene.bodies, position.tolist(), velocity.tolist(), strict=True)
    )
    return solvers.run(replace(scene, bodies=bodies)).motion


def test_notes_that_an_edit_prevents_are_taken_back_and_the_others_told(stage: Stage) -> None:
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        stage.start(ada)
        stage.play(ada)
        eventually(lambda: moving(ada, 1.0))
        stage.set(ada, gravity={"y": 0.0})
        revision = eventually(lambda: ada.payloads("change"))[-1]["revision"]
        first = eventually(lambda: [frame for frame in frames(ada) if frame["revision"] == revision])[0]
        eventually(lambda: moving(ada, first["t"] + 2.0))
        told, gone = notes(ada), retracted(ada)
    still = [note for identity, note in told.items() if identity not in gone and note["at_ms"] > first["at_ms"] + 1]
    scene = stage.scene()
    pending = [note for note in build_score(scene, solvers.run(scene)).notes if first["t"] + 0.01 < note.t_s < first["t"] + 0.3]
    assert gone or not pending
    assert all(told[identity]["at_ms"] > first["at_ms"] - 1000 for identity in gone if identity in told)
    assert len(still) <= BALLS * 2  # without gravity a ball that falls meets the floor once more, and flies off


def test_pausing_takes_pending_notes_back_and_frames_stand(stage: Stage) -> None:
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        stage.start(ada)
        stage.play(ada)
        eventually(lambda: moving(ada, 1.0))
        state = stage.play(ada, "pause")
        eventually(lambda: len([f for f in frames(ada) if f["t"] == state["position_s"]]) >= 2)
        silent = [n for identity, n in notes(ada).items() if identity not in retracted(ada) and n["at_ms"] > state["anchor_ms"] + 100]
        assert silent == []
        stage.play(ada)
        eventually(lambda: moving(ada, state["position_s"] + 1.0))
        assert any(note["t_s"] > state["position_s"] for identity, note in notes(ada).items() if identity not in retracted(ada))


def test_a_seek_shows_the_scene_as_it_is_at_that_place(stage: Stage) -> None:
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        stage.start(ada)
        stage.play(ada, "seek", position_s=12.5)
        frame = eventually(lambda: [frame for frame in frames(ada) if frame["t"] == 12.5])[0]
    assert (places(frame) == solvers.run(stage.scene()).motion.at(np.array([12.5]))[0][0, :, :2].astype("<f4")).all()


def test_going_back_before_an_edit_plays_the_scene_as_it_is_from_its_beginning(stage: Stage) -> None:
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        stage.start(ada)
        stage.play(ada)
        eventually(lambda: moving(ada, 1.0))
        stage.set(ada, gravity={"y": -30.0})
        revision = eventually(lambda: ada.payloads("change"))[-1]["revision"]
        eventually(lambda: [frame for frame in frames(ada) if frame["revision"] == revision])
        stage.play(ada, "stop")
        stage.play(ada, "seek", position_s=0.75)
        frame = eventually(lambda: [frame for frame in frames(ada) if frame["t"] == 0.75])[-1]
    motion = solvers.run(stage.scene(gravity={"x": 0.0, "y": -30.0, "z": 0.0})).motion
    assert (places(frame) == motion.at(np.array([0.75]))[0][0, :, :2].astype("<f4")).all()


def test_a_loop_goes_round_the_same_frames_and_notes(stage: Stage) -> None:
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        stage.start(ada)
        stage.play(ada, loop={"start_s": 0.2, "end_s": 0.9})
        eventually(lambda: len([1 for a, b in zip(frames(ada), frames(ada)[1:], strict=False) if b["t"] < a["t"]]) >= 3)
        told = moving(ada, 0.19)
        heard = [note for identity, note in notes(ada).items() if identity not in retracted(ada)]
    motion = solvers.run(stage.scene()).motion
    assert all((places(f) == motion.at(np.array([f["t"]]))[0][0, :, :2].astype("<f4")).all() for f in told)
    assert max(frame["t"] for frame in told) < 0.9
    rounds = {t_s: sorted(note["at_ms"] for note in heard if note["t_s"] == t_s) for t_s in {note["t_s"] for note in heard}}
    assert any(len(times) >= 3 for times in rounds.values())
    for times in rounds.values():
        assert all(b - a == pytest.approx(700, abs=0.1) for a, b in itertools.pairwise(times))


def test_a_late_joiner_is_told_the_stream_and_sees_the_present(stage: Stage, account: Callable[[], Account]) -> None:
    other = account()
    stage.owner.invite(stage.universe_id, other, "viewer")
    with stage.owner.connected() as ada, other.connected() as ben:
        ada.join(stage.universe_id)
        begun = stage.start(ada)
        state = stage.play(ada)
        eventually(lambda: moving(ada, 1.0))
        joined = ben.join(stage.universe_id)["simulation"]
        assert joined["stream_id"] == begun["stream_id"]
        assert joined["body_ids"] == stage.bodies
        assert joined["state"] == "ready"
        assert joined["t"] == pytest.approx((time.time() * 1000 - state["anchor_ms"]) / 1000, abs=1.0)
        first = eventually(lambda: frames(ben))[0]
        assert first["t"] > 1.0
        theirs = {frame["tick"]: frame["positions"] for frame in eventually(lambda: len(frames(ben)) > 10 and frames(ben))}
        eventually(lambda: {frame["tick"] for frame in frames(ada)} >= set(theirs))
        assert theirs.items() <= {frame["tick"]: frame["positions"] for frame in frames(ada)}.items()


def test_starting_again_is_the_same_stream_and_another_scene_another_one(stage: Stage) -> None:
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        first = stage.start(ada)
        assert stage.start(ada, rate_hz=10)["stream_id"] == first["stream_id"]
        other = made(stage.owner, f"/universes/{stage.universe_id}/scenes", {"name": "Other", "solver": "ballistic"})["id"]
        answer = ada.ask("simulation_start", universe_id=stage.universe_id, scene_id=other)
        assert answer["stream_id"] != first["stream_id"]
        assert answer["scene_id"] == other


def test_stopping_ends_the_stream_for_everybody(stage: Stage) -> None:
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        begun = stage.start(ada)
        stage.play(ada)
        eventually(lambda: moving(ada))
        assert ada.ask("simulation_stop", universe_id=stage.universe_id)["stream_id"] == begun["stream_id"]
        assert eventually(lambda: [s for s in ada.payloads("simulation_state") if s["state"] == "stopped"])
        assert ada.join(stage.universe_id)["simulation"] is None
        assert ada.ask("simulation_stop", universe_id=stage.universe_id)["stream_id"] is None


def test_a_viewer_neither_starts_nor_stops(stage: Stage, account: Callable[[], Account]) -> None:
    viewer = account()
    stage.owner.invite(stage.universe_id, viewer, "viewer")
    with viewer.connected() as ben:
        ben.join(stage.universe_id)
        for event in ("simulation_start", "simulation_stop"):
            answer = ben.ask(event, universe_id=stage.universe_id, scene_id=stage.scene_id)
            assert answer["error"]["code"] == "FORBIDDEN"


def test_a_scene_of_another_universe_is_not_found(stage: Stage) -> None:
    other = Stage(stage.owner)
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        answer = ada.ask("simulation_start", universe_id=stage.universe_id, scene_id=other.scene_id)
        assert answer["error"]["code"] == "NOT_FOUND"


def test_a_scene_too_large_is_refused_with_its_size_and_the_limit(stage: Stage) -> None:
    stage.owner.request("PATCH", f"/physics-parameters/{stage.set_id}", json={"time_scale": 5000}).raise_for_status()
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        answer = ada.ask("simulation_start", universe_id=stage.universe_id, scene_id=stage.scene_id)
        assert answer["error"]["status_code"] == 422
        assert "events; the limit is 50000" in str(answer["error"]["errors"])


def test_a_deleted_scene_ends_its_stream(stage: Stage) -> None:
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        stage.start(ada)
        stage.play(ada)
        eventually(lambda: moving(ada))
        assert stage.owner.request("DELETE", f"/scenes/{stage.scene_id}").status_code == 204
        assert eventually(lambda: [s for s in ada.payloads("simulation_state") if s["state"] == "stopped"])
        assert ada.join(stage.universe_id)["simulation"] is None


@pytest.mark.parametrize("kind", EACH_KIND)
def test_an_empty_room_ends_the_stream(kind: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'server.db'}"
    with start(kind, url, LOG_LEVEL="warning") as server:
        stage = Stage(Account(server.url, "ada"))
        with stage.owner.connected() as ada:
            ada.join(stage.universe_id)
            stage.start(ada)
            stage.play(ada)
            eventually(lambda: moving(ada))
            assert streams(url) == [stage.scene_id]
        eventually(lambda: streams(url) == [])
        with stage.owner.connected() as ada:
            assert ada.join(stage.universe_id)["simulation"] is None


def streams(url: str) -> list[str]:
    """The scenes that are played live, as the database has them."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return [str(UUID(str(one))) for one in connection.execute(sa.text("SELECT scene_id FROM live_streams")).scalars()]
    finally:
        engine.dispose()


def test_whoever_is_put_out_hears_no_more(stage: Stage, account: Callable[[], Account]) -> None:
    other = account()
    stage.owner.invite(stage.universe_id, other, "viewer")
    with stage.owner.connected() as ada, other.connected() as ben:
        ada.join(stage.universe_id)
        ben.join(stage.universe_id)
        stage.start(ada)
        stage.play(ada)
        eventually(lambda: moving(ben))
        stage.owner.request("DELETE", f"/universes/{stage.universe_id}/collaborators/{other.id}").raise_for_status()
        eventually(lambda: ben.payloads("access_revoked"))
        heard = len(frames(ben))
        seen = len(frames(ada))
        eventually(lambda: len(frames(ada)) > seen + 10)
        assert len(frames(ben)) == heard


def test_a_scene_that_an_edit_spoils_says_so_and_goes_on_when_another_mends_it(stage: Stage) -> None:
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        stage.start(ada)
        stage.play(ada)
        eventually(lambda: moving(ada, 0.5))
        stage.set(ada, bounds={"min": {"y": 0.9}})
        refused = eventually(lambda: [s for s in ada.payloads("simulation_state") if s["state"] == "refused"])[0]
        assert "outside the bounds" in str(refused["error"])
        stage.set(ada, bounds={"min": {"y": 0.0}})
        mended = eventually(lambda: [s for s in ada.payloads("simulation_state") if s["revision"] > refused["revision"]])[0]
        assert mended["state"] == "ready"
        assert eventually(lambda: [frame for frame in frames(ada) if frame["revision"] >= mended["revision"]])


def test_orbits_sound_from_the_start_and_for_who_comes_late(account: Callable[[], Account]) -> None:
    owner, other = account(), account()
    universe_id = owner.make_universe()
    owner.invite(universe_id, other, "viewer")
    scene_id = made(owner, f"/universes/{universe_id}/scenes", {"name": "Orbits", "solver": "kepler", "duration_s": 60})["id"]
    made(owner, f"/scenes/{scene_id}/bodies", {"name": "Sun", "static": True, "mass": 1e12})
    for number, period in enumerate((3.0, 4.5)):
        orbit = {"period": period, "eccentricity": 0.1, "inclination": 0.3}
        made(owner, f"/scenes/{scene_id}/bodies", {"name": f"Planet {number}", "orbit": orbit})
    with owner.connected() as ada, other.connected() as ben:
        ada.join(universe_id)
        begun = ada.ask("simulation_start", universe_id=universe_id, scene_id=scene_id)
        assert begun["dimensions"] == 3
        ada.ask("transport", universe_id=universe_id, action="play")
        frame = eventually(lambda: moving(ada, 1.0))[-1]
        assert len(frame["positions"]) == 3 * 3 * 4
        held = {identity: note for identity, note in notes(ada).items() if note["t_s"] == 0.0 and note["duration_s"] == 60.0}
        assert sorted(round(note["hz"] / 130.81, 6) for note in held.values()) == [1.0, 1.5]
        ben.join(universe_id)
        eventually(lambda: held.items() <= notes(ben).items())
        state = ada.ask("transport", universe_id=universe_id, action="pause")
        gone = eventually(lambda: held.keys() <= retracted(ben) and ben.payloads("simulation_event")[-1]["retracted"])
        assert all(one["at_ms"] >= state["anchor_ms"] for one in gone if one["id"] in held)

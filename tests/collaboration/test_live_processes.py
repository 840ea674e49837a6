"""Live simulations over several processes: who computes, who takes over, and what a worker does for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.config import Settings
from app.engine.music.mapping import build_score
from app.engine.physics import solvers
from tests.collaboration.conftest import SECRET, new_account
from tests.collaboration.test_live import Stage, continued, frames, moving, notes, places, streams
from tests.databases import on_postgresql_alone, postgresql_or_skip, redis_or_skip
from tests.rendering import Worker
from tests.servers import EACH_KIND, Server, start
from tests.sockets import Peer, eventually

TAKEOVER_MS = 5000
STATES = "simulation_state"


@pytest.fixture(autouse=True)
def _alone() -> None:
    on_postgresql_alone()


@contextmanager
def two(kind: str) -> Iterator[tuple[Server, Server, str]]:
    """Two processes and their database; the first may be killed."""
    settings = {"LOG_LEVEL": "warning", "SECRET_KEY": SECRET, "REDIS_URL": redis_or_skip()}
    with postgresql_or_skip() as url, start(kind, url, **settings) as here, start(kind, url, **settings) as there:
        yield here, there, url


def edit_time(peer: Peer, state: dict[str, Any]) -> float:
    """The score time at which the last change was committed."""
    at_ms = np.datetime64(eventually(lambda: peer.payloads("change"))[-1]["at"].rstrip("Z"), "ms").astype("int64")
    return float(at_ms - state["anchor_ms"]) / 1000


def after_edit(stage: Stage, at_s: float, **physics: Any) -> Callable[[float], Any]:
    """Where the bodies are at a score time after an edit of the physics at another."""
    reached, speeds = solvers.run(stage.scene()).motion.at(np.array([at_s]))
    motion = continued(stage.scene(**physics), reached[0], speeds[0])
    return lambda t_s: motion.at(np.array([t_s - at_s]))[0][0, :, :2]


def test_people_in_another_process_see_the_same_frames_and_notes(processes: tuple[Server, Server]) -> None:
    here, there = processes
    stage, other = Stage(new_account(here)), new_account(here)
    stage.owner.invite(stage.universe_id, other)
    with stage.owner.connected() as ada, other.connected(there.url) as ben:
        ada.join(stage.universe_id)
        ben.join(stage.universe_id)
        begun = stage.start(ada)
        stage.play(ben)
        eventually(lambda: moving(ben, 2.0))
        eventually(lambda: moving(ada, 2.0))
        assert eventually(lambda: ben.payloads(STATES))[0]["body_ids"] == begun["body_ids"]
        ones = {frame["tick"]: frame["positions"] for frame in frames(ada)}
        others = {frame["tick"]: frame["positions"] for frame in frames(ben) if frame["t"] < 2.0}
        assert len(others) > 20
        assert others.items() <= ones.items()
        heard = {identity: note for identity, note in notes(ben).items() if note["t_s"] < 2.0}
        assert heard.items() <= notes(ada).items()
        assert len(heard) > 3


def test_a_late_joiner_of_another_process_is_told_what_is_to_come(processes: tuple[Server, Server]) -> None:
    here, there = processes
    stage, other = Stage(new_account(here)), new_account(here)
    stage.owner.invite(stage.universe_id, other)
    with stage.owner.connected() as ada:
        ada.join(stage.universe_id)
        begun = stage.start(ada)
        stage.play(ada)
        eventually(lambda: moving(ada, 1.0))
        with other.connected(there.url) as ben:
            assert ben.join(stage.universe_id)["simulation"]["stream_id"] == begun["stream_id"]
            first = eventually(lambda: frames(ben))[0]
            eventually(lambda: moving(ben, first["t"] + 2.0))
            eventually(lambda: moving(ada, first["t"] + 2.0))
            heard = {identity for identity, note in notes(ben).items() if note["t_s"] < first["t"] + 2.0}
            known = {identity for identity, note in notes(ada).items() if first["t"] + 0.5 < note["t_s"] < first["t"] + 2.0}
            assert known <= heard


def test_an_edit_made_through_another_process_changes_what_follows(processes: tuple[Server, Server]) -> None:
    here, there = processes
    stage, other = Stage(new_account(here)), new_account(here)
    stage.owner.invite(stage.universe_id, other)
    with stage.owner.connected() as ada, other.connected(there.url) as ben:
        ada.join(stage.universe_id)
        ben.join(stage.universe_id)
        stage.start(ada)
        state = stage.play(ada)
        eventually(lambda: moving(ada, 1.0))
        stage.set(ben, gravity={"y": -30.0})
        at_s = edit_time(ben, state)
        revision = ben.payloads("change")[-1]["revision"]
        new = eventually(lambda: [frame for frame in frames(ben) if frame["revision"] == revision][9:])
    expected = after_edit(stage, at_s, gravity={"x": 0.0, "y": -30.0, "z": 0.0})
    for frame in new:
        assert places(frame) == pytest.approx(expected(frame["t"]), abs=1e-6)


@pytest.mark.parametrize("kind", EACH_KIND)
def test_another_process_takes_over_from_one_that_is_killed_and_goes_on_with_the_same_motion(kind: str) -> None:
    with two(kind) as (here, there, _):
        stage, other = Stage(new_account(here)), new_account(here)
        stage.owner.invite(stage.universe_id, other)
        with other.connected(there.url) as ben:
            ben.join(stage.universe_id)
            ada = stage.owner.connect()
            ada.join(stage.universe_id)
            begun = stage.start(ada)
            state = stage.play(ada)
            eventually(lambda: moving(ben, 1.0))
            stage.set(ada, gravity={"y": -30.0})
            at_s = edit_time(ben, state)
            edited = ben.payloads("change")[-1]["revision"]
            eventually(lambda: [frame for frame in frames(ben) if frame["revision"] == edited])
            here.kill()
            last = max(frame["at_ms"] for frame in frames(ben))
            new = eventually(lambda: [frame for frame in frames(ben) if frame["at_ms"] > last + 1000][9:])
            assert min(frame["at_ms"] for frame in frames(ben) if frame["at_ms"] > last + 1000) - last < TAKEOVER_MS
            assert {frame["stream_id"] for frame in frames(ben)} == {begun["stream_id"]}
            ticks = [frame["tick"] for frame in frames(ben)]
            assert ticks == sorted(set(ticks))
            expected = after_edit(stage, at_s, gravity={"x": 0.0, "y": -30.0, "z": 0.0})
            for frame in new:
                assert frame["t"] == pytest.approx((frame["at_ms"] - state["anchor_ms"]) / 1000, abs=1e-6)
                assert places(frame) == pytest.approx(expected(frame["t"]), abs=1e-6)


def test_an_edit_made_while_nobody_computes_takes_effect_at_its_time() -> None:
    with two("gthread") as (here, there, _):
        stage, other = Stage(new_account(here)), new_account(here)
        stage.owner.invite(stage.universe_id, other)
        with other.connected(there.url) as ben:
            ben.join(stage.universe_id)
            ada = stage.owner.connect()
            ada.join(stage.universe_id)
            stage.start(ada)
            state = stage.play(ada)
            eventually(lambda: moving(ben, 1.0))
            here.kill()
            stage.set(ben, gravity={"y": -30.0})
            at_s = edit_time(ben, state)
            revision = ben.payloads("change")[-1]["revision"]
            new = eventually(lambda: [frame for frame in frames(ben) if frame["revision"] == revision][9:])
            expected = after_edit(stage, at_s, gravity={"x": 0.0, "y": -30.0, "z": 0.0})
            for frame in new:
                assert places(frame) == pytest.approx(expected(frame["t"]), abs=1e-6)


@pytest.mark.parametrize("kind", EACH_KIND)
def test_when_the_last_leaves_one_process_another_goes_on_and_when_all_have_left_the_stream_ends(kind: str) -> None:
    with two(kind) as (here, there, url):
        stage, other = Stage(new_account(here)), new_account(here)
        stage.owner.invite(stage.universe_id, other)
        with other.connected(there.url) as ben:
            ben.join(stage.universe_id)
            with stage.owner.connected() as ada:
                ada.join(stage.universe_id)
                begun = stage.start(ada)
                stage.play(ada)
                eventually(lambda: moving(ben, 0.5))
            left = time.time() * 1000
            eventually(lambda: [frame for frame in frames(ben, begun["stream_id"]) if frame["at_ms"] > left + 4000])
            assert streams(url) == [stage.scene_id]
        eventually(lambda: streams(url) == [])


@pytest.mark.parametrize("kind", EACH_KIND)
def test_the_stream_goes_on_elsewhere_when_its_server_is_told_to_end(kind: str) -> None:
    with two(kind) as (here, there, _):
        stage, other = Stage(new_account(here)), new_account(here)
        stage.owner.invite(stage.universe_id, other)
        with other.connected(there.url) as ben:
            ben.join(stage.universe_id)
            ada = stage.owner.connect()
            ada.join(stage.universe_id)
            begun = stage.start(ada)
            stage.play(ada)
            eventually(lambda: moving(ben, 0.5))
            here.terminate()
            last = max(frame["at_ms"] for frame in frames(ben))
            assert eventually(lambda: [frame for frame in frames(ben, begun["stream_id"]) if frame["at_ms"] > last + 500])


@contextmanager
def staffed(tmp_path: Path, **environ: str) -> Iterator[Server]:
    """A server, and a worker that shares its storage."""
    url = f"sqlite:///{tmp_path / 'server.db'}"
    with start("gthread", url, data_dir=tmp_path, LOG_LEVEL="warning", **environ) as server:
        worker = Worker(Settings(database_url=url, data_dir=str(tmp_path)))
        try:
            yield server
        finally:
            worker.end()


def test_a_large_scene_is_solved_by_a_worker_and_streamed_alike(tmp_path: Path) -> None:
    with staffed(tmp_path, LIVE_EVENTS_BESIDE="10") as server:
        stage = Stage(new_account(server))
        with stage.owner.connected() as ada:
            ada.join(stage.universe_id)
            assert stage.start(ada)["state"] == "preparing"
            eventually(lambda: [s for s in ada.payloads(STATES) if s["state"] == "ready"], 60)
            state = stage.play(ada)
            eventually(lambda: moving(ada, 2.0))
            told = moving(ada)
            motion = solvers.run(stage.scene()).motion
            assert all((places(f) == motion.at(np.array([f["t"]]))[0][0, :, :2].astype("<f4")).all() for f in told)
            assert len(notes(ada)) > 5
            stage.set(ada, gravity={"y": -30.0})
            at_s = edit_time(ada, state)
            revision = ada.payloads("change")[-1]["revision"]
            new = eventually(lambda: [frame for frame in frames(ada) if frame["revision"] == revision][9:], 60)
            expected = after_edit(stage, at_s, gravity={"x": 0.0, "y": -30.0, "z": 0.0})
            for frame in new:
                assert places(frame) == pytest.approx(expected(frame["t"]), abs=1e-6)
        jobs = stage.owner.request("GET", "/jobs?type=live").json()["items"]
        assert {job["state"] for job in jobs} == {"succeeded"}
        assert list((tmp_path / "storage" / "live").iterdir()) == []


def test_bounds_of_data_come_from_the_last_stored_simulation(tmp_path: Path) -> None:
    with staffed(tmp_path) as server:
        stage = Stage(new_account(server))
        run = stage.owner.request("POST", f"/scenes/{stage.scene_id}/simulate", json={}, headers={"Prefer": "wait=30"})
        assert run.status_code == 201, run.text
        stage.owner.request("PATCH", f"/physics-parameters/{stage.set_id}", json={"gravity": {"y": -2.0}}).raise_for_status()
        with stage.owner.connected() as ada:
            ada.join(stage.universe_id)
            stage.start(ada)
            stage.play(ada)
            eventually(lambda: moving(ada, 4.0))
            heard = sorted((note for note in notes(ada).values() if note["t_s"] < 4.0), key=lambda note: note["at_ms"])
    stored, soft = stage.scene(), stage.scene(gravity={"x": 0.0, "y": -2.0, "z": 0.0})
    score = build_score(soft, solvers.run(soft), bounds=(stored, solvers.run(stored)))
    expected = [note.velocity for note in score.notes if note.t_s < 4.0]
    assert [note["velocity"] for note in heard] == expected
    assert len(expected) >= 3
    assert max(expected) < max(note.velocity for note in build_score(soft, solvers.run(soft)).notes)

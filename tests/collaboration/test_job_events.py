"""Jobs as they are told: to the one who asked and to the room, as they go on, once when they end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.config import load
from tests.collaboration.conftest import new_account
from tests.rendering import Worker
from tests.servers import EACH_KIND, Server, start
from tests.sockets import Account, Peer, eventually

LIMIT_SECONDS = 90
BALL = {"name": "ball", "shape": "circle", "size": {"radius": 0.05}, "position": {"y": 1.05}, "restitution": 0.8}


class House:
    """A server without Redis, and workers on its database and folder when they are hired."""

    def __init__(self, server: Server, home: Path) -> None:
        self.server, self.home = server, home
        self.ada, self.bob = new_account(server), new_account(server)
        self.universe_id = self.ada.make_universe()
        self.ada.invite(self.universe_id, self.bob, "viewer")
        self.scene_id = self.make(f"/universes/{self.universe_id}/scenes", {"name": "Ball", "duration_s": 2.0})
        self.make(f"/scenes/{self.scene_id}/bodies", BALL)

    def make(self, path: str, body: dict[str, Any]) -> str:
        answer = self.ada.request("POST", path, json=body)
        assert answer.ok, answer.text
        found: str = answer.json()["id"]
        return found

    def hire(self) -> Worker:
        settings = load({}, database_url=f"sqlite:///{self.home / 'house.db'}", data_dir=str(self.home), log_level="warning")
        return Worker(settings)

    def order(self, who: Account | None = None, **more: Any) -> dict[str, Any]:
        """A render that is asked for and not waited for."""
        answer = (who or self.ada).request(
            "POST", "/audio/generate", json={"scene_id": self.scene_id, **more}, headers={"Prefer": "wait=0"}
        )
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="module", params=EACH_KIND)
def _house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    home = tmp_path_factory.mktemp("house")
    with start(request.param, f"sqlite:///{home / 'house.db'}", data_dir=home, LOG_LEVEL="warning") as server:
        yield server, home


@pytest.fixture
def house(_house: tuple[Server, Path]) -> House:
    return House(*_house)


@pytest.fixture
def worked(house: House) -> Iterator[House]:
    """The house with somebody at work in it."""
    worker = house.hire()
    yield house
    worker.end()


def ended(peer: Peer, job_id: str) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [told["job"] for told in peer.payloads("job_finished") if told["job"]["id"] == job_id]


def test_who_asked_and_who_is_in_the_room_are_told_of_the_end_and_of_the_file_once(worked: House) -> None:
    with worked.ada.connected() as elsewhere, worked.ada.connected() as inside, worked.bob.connected() as viewer:
        inside.join(worked.universe_id)
        viewer.join(worked.universe_id)
        order = worked.order()
        job_id, audio_id = order["job"]["id"], order["audio"]["id"]
        for peer in (elsewhere, inside, viewer):
            job = eventually(ended(peer, job_id), LIMIT_SECONDS)[0]
            assert job == worked.ada.request("GET", f"/jobs/{job_id}").json()
            assert job["state"] == "succeeded"
            told = eventually(lambda peer=peer: peer.payloads("audio_ready"))
            assert told == [{"universe_id": worked.universe_id, "audio_id": audio_id, "url": f"/api/audio/{audio_id}/file"}]
        assert worked.bob.request("GET", told[0]["url"].removeprefix("/api")).status_code == 200
        following = worked.order()["job"]["id"]  # once this has ended too, nothing more is to come of the first
        for peer in (elsewhere, inside, viewer):
            eventually(ended(peer, following), LIMIT_SECONDS)
            eventually(lambda peer=peer: len(peer.payloads("audio_ready")) >= 2)
            assert len(ended(peer, job_id)()) == 1
            assert len(peer.payloads("audio_ready")) == 2


def test_who_is_not_in_the_room_and_did_not_ask_is_told_nothing(worked: House) -> None:
    with worked.ada.connected() as asking, worked.bob.connected() as outside:
        outside.join(worked.bob.make_universe())
        job_id = worked.order()["job"]["id"]
        eventually(ended(asking, job_id), LIMIT_SECONDS)
        own = worked.order(worked.bob)["job"]["id"]
        eventually(ended(outside, own), LIMIT_SECONDS)
        assert {told["job"]["id"] for name in ("job_progress", "job_finished") for told in outside.payloads(name)} == {own}


def test_who_connects_later_is_not_told_of_what_has_ended(house: House) -> None:
    with house.ada.connected() as asking:
        first = house.order()["job"]["id"]
        assert house.ada.request("POST", f"/jobs/{first}/cancel").ok
        ending = datetime.fromisoformat(eventually(ended(asking, first))[0]["finished_at"]).timestamp()
        eventually(lambda: asking.ask("clock_sync", t0=0)["t1"] / 1000 > ending + 4)
        with house.ada.connected() as later:
            second = house.order()["job"]["id"]
            assert house.ada.request("POST", f"/jobs/{second}/cancel").ok
            eventually(ended(later, second))
            assert ended(later, first)() == []


def test_a_job_that_waits_is_told_as_it_is_and_one_that_is_cancelled_as_ended(house: House) -> None:
    with house.bob.connected() as viewer:
        viewer.join(house.universe_id)
        job_id = house.order()["job"]["id"]
        waiting = eventually(lambda: [told["job"] for told in viewer.payloads("job_progress") if told["job"]["id"] == job_id])
        assert (waiting[0]["state"], waiting[0]["progress"]) == ("queued", 0.0)
        assert house.ada.request("POST", f"/jobs/{job_id}/cancel").ok
        assert eventually(ended(viewer, job_id))[0]["state"] == "cancelled"
        assert viewer.payloads("audio_ready") == []


def test_a_job_that_is_tried_again_ends_again(house: House) -> None:
    with house.ada.connected() as asking:
        job_id = house.order()["job"]["id"]
        for number in (1, 2):
            assert house.ada.request("POST", f"/jobs/{job_id}/cancel").ok
            eventually(lambda number=number: len(ended(asking, job_id)()) == number)
            assert house.ada.request("POST", f"/jobs/{job_id}/retry").ok
        eventually(lambda: asking.payloads("job_progress"))


@pytest.mark.slow
def test_progress_only_grows_and_comes_at_most_twice_a_second(worked: House) -> None:
    with worked.ada.connected() as asking:
        began = time.monotonic()
        job_id = worked.order(duration_s=120)["job"]["id"]
        eventually(ended(asking, job_id), LIMIT_SECONDS)
        most = 2 * (time.monotonic() - began) + 1
        progress = [told["job"]["progress"] for told in asking.payloads("job_progress") if told["job"]["id"] == job_id]
    assert 1 <= len(progress) <= most
    assert progress == sorted(progress)


def test_who_is_put_out_of_the_room_is_told_no_more(house: House) -> None:
    with house.bob.connected() as viewer, house.ada.connected() as asking:
        viewer.join(house.universe_id)
        job_id = house.order()["job"]["id"]
        eventually(lambda: viewer.payloads("job_progress"))
        assert house.ada.request("DELETE", f"/universes/{house.universe_id}/collaborators/{house.bob.id}").ok
        eventually(lambda: viewer.payloads("access_revoked"))
        assert house.ada.request("POST", f"/jobs/{job_id}/cancel").ok
        eventually(ended(asking, job_id))
        assert viewer.payloads("job_finished") == []


def test_connections_of_every_process_are_told_once(processes: tuple[Server, Server]) -> None:
    here, there = processes
    ada = new_account(here)
    universe_id = ada.make_universe()
    scene_id = ada.request("POST", f"/universes/{universe_id}/scenes", json={"name": "Ball"}).json()["id"]
    with ada.connected() as one, ada.connected(there.url) as other:
        other.join(universe_id)
        jobs = []
        for _ in range(2):
            order = ada.request("POST", "/audio/generate", json={"scene_id": scene_id}, headers={"Prefer": "wait=0"}).json()
            jobs.append(order["job"]["id"])
            assert ada.request("POST", f"/jobs/{jobs[-1]}/cancel").ok
            for peer in (one, other):
                eventually(ended(peer, jobs[-1]))
        for peer in (one, other):
            assert [told["job"]["id"] for told in peer.payloads("job_finished")] == jobs

"""The playback that all share: what each command makes of it, and who is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from app.collaboration.playback import LEAD_MS, position_at
from tests.collaboration.conftest import new_account
from tests.databases import on_postgresql_alone, postgresql_or_skip
from tests.servers import EACH_KIND, Server, start
from tests.sockets import Account, Peer, eventually

MakeAccount = Callable[[], Account]
STATE = {"playing": True, "position_s": 2.0, "rate": 1.0, "loop": None, "anchor_ms": 1000}


# The position, from a state alone


def test_what_plays_moves_on_with_its_rate_from_its_anchor() -> None:
    assert position_at({**STATE, "rate": 2.0}, 1500) == 3.0
    assert position_at({**STATE, "rate": 0.5}, 3000) == 3.0


def test_nothing_moves_before_the_anchor_nor_while_it_is_paused() -> None:
    assert position_at(STATE, 0) == 2.0
    assert position_at({**STATE, "playing": False}, 60_000) == 2.0


@pytest.mark.parametrize(("elapsed_s", "position"), [(0, 2.0), (2.5, 4.5), (3, 3.0), (4.5, 4.5), (5, 3.0), (2e6 + 1.5, 3.5)])
def test_a_loop_is_played_again_and_again(elapsed_s: float, position: float) -> None:
    looping = {**STATE, "loop": {"start_s": 3.0, "end_s": 5.0}}
    assert position_at(looping, 1000 + 1000 * elapsed_s) == pytest.approx(position, abs=1e-6)


# Commands


class Stage:
    """A universe with its owner in it."""

    def __init__(self, owner: Account, peer: Peer) -> None:
        self.owner, self.peer = owner, peer
        self.universe_id = owner.make_universe()
        self.joined = peer.join(self.universe_id)

    def scene(self) -> str:
        answer = self.owner.request("POST", f"/universes/{self.universe_id}/scenes", json={"name": "Scene"})
        found: str = answer.json()["id"]
        return found

    def command(self, action: str, **more: Any) -> dict[str, Any]:
        """The state after a command that must be obeyed."""
        answer = self.ask(action, **more)
        assert answer["ok"], answer
        return answer

    def ask(self, action: str, **more: Any) -> dict[str, Any]:
        return self.peer.ask("transport", universe_id=self.universe_id, action=action, **more)


@pytest.fixture
def stage(account: MakeAccount) -> Iterator[Stage]:
    owner = account()
    with owner.connected() as peer:
        yield Stage(owner, peer)


def test_a_universe_begins_silent_at_its_beginning(stage: Stage) -> None:
    nothing_yet = {"seq": 0, "playing": False, "position_s": 0.0, "rate": 1.0, "loop": None, "scene_id": None, "by": None}
    assert stage.joined["transport"] == {**nothing_yet, "anchor_ms": 0, "start_at_ms": 0}


def test_play_starts_a_quarter_of_a_second_ahead(stage: Stage) -> None:
    scene = stage.scene()
    asked = time.time() * 1000
    state = stage.command("play", scene_id=scene, position_s=4)
    answered = time.time() * 1000
    assert asked + LEAD_MS - 1 <= state["start_at_ms"] <= answered + LEAD_MS + 1
    assert state["anchor_ms"] == state["start_at_ms"]
    kept = {name: state[name] for name in ("seq", "playing", "position_s", "rate", "loop", "scene_id", "by")}
    assert kept == {
        "seq": 1,
        "playing": True,
        "position_s": 4.0,
        "rate": 1.0,
        "loop": None,
        "scene_id": scene,
        "by": stage.owner.id,
    }


def test_pause_keeps_the_position_that_was_reached(stage: Stage) -> None:
    playing = stage.command("play", rate=10, position_s=1)
    eventually(lambda: time.time() * 1000 > playing["start_at_ms"] + 100)
    paused = stage.command("pause")
    assert paused["playing"] is False
    assert paused["position_s"] == position_at(playing, paused["anchor_ms"]) >= 2
    assert paused["rate"] == 10


def test_pausing_before_the_start_stays_where_it_was_to_start(stage: Stage) -> None:
    stage.command("play", position_s=7)
    paused = stage.command("pause")
    assert paused["position_s"] == 7


def test_stop_goes_back_to_the_beginning(stage: Stage) -> None:
    stage.command("play", position_s=7)
    stopped = stage.command("stop")
    assert (stopped["playing"], stopped["position_s"]) == (False, 0.0)
    assert stage.ask("stop", position_s=3)["error"]["errors"].keys() == {"position_s"}


def test_a_seek_while_playing_keeps_playing_and_a_paused_one_stays_paused(stage: Stage) -> None:
    assert stage.command("seek", position_s=3)["playing"] is False
    stage.command("play")
    asked = time.time() * 1000
    sought = stage.command("seek", position_s=9)
    assert (sought["playing"], sought["position_s"]) == (True, 9)
    assert sought["start_at_ms"] == sought["anchor_ms"] >= asked + LEAD_MS - 1
    assert stage.ask("seek")["error"]["errors"].keys() == {"position_s"}


def test_a_change_of_rate_while_playing_does_not_jump(stage: Stage) -> None:
    before = stage.command("play", position_s=5)
    after = stage.command("play", rate=3)
    assert after["rate"] == 3
    assert position_at(after, after["anchor_ms"]) == position_at(before, after["anchor_ms"])


def test_a_loop_set_while_playing_keeps_the_position_within_it(stage: Stage) -> None:
    stage.command("play", position_s=50)
    looping = stage.command("loop", loop={"start_s": 10, "end_s": 20})
    assert looping["playing"] is True
    assert 10 <= looping["position_s"] < 20
    assert stage.command("loop", loop=None)["loop"] is None
    assert stage.ask("loop")["error"]["errors"].keys() == {"loop"}


def test_a_position_past_the_end_of_the_loop_is_refused(stage: Stage) -> None:
    stage.command("loop", loop={"start_s": 10, "end_s": 20})
    assert stage.ask("seek", position_s=20)["error"]["errors"].keys() == {"position_s"}
    assert stage.command("seek", position_s=20, loop=None)["position_s"] == 20


def test_another_scene_begins_at_its_beginning_without_the_loop_of_the_one_before(stage: Stage) -> None:
    first, second = stage.scene(), stage.scene()
    stage.command("play", scene_id=first, position_s=12, loop={"start_s": 10, "end_s": 20})
    state = stage.command("play", scene_id=second)
    assert (state["scene_id"], state["position_s"], state["loop"]) == (second, 0.0, None)


def test_the_scene_is_one_of_the_universe(stage: Stage) -> None:
    other = stage.owner.make_universe()
    elsewhere = stage.owner.request("POST", f"/universes/{other}/scenes", json={"name": "Elsewhere"}).json()["id"]
    answer = stage.ask("play", scene_id=elsewhere)
    assert (answer["error"]["code"], list(answer["error"]["errors"])) == ("VALIDATION_ERROR", ["scene_id"])


def test_a_scene_that_has_been_deleted_is_no_longer_played(stage: Stage) -> None:
    scene = stage.scene()
    stage.command("play", scene_id=scene)
    assert stage.owner.request("DELETE", f"/scenes/{scene}").ok
    assert stage.ask("play", scene_id=scene)["error"]["code"] == "VALIDATION_ERROR"
    assert stage.command("pause")["scene_id"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0},
        {"rate": 11},
        {"position_s": -1},
        {"position_s": "3"},
        {"position_s": True},
        {"loop": {"start_s": 5, "end_s": 5}},
        {"loop": {"start_s": 5}},
        {"scene_id": "x"},
        {"base_seq": -1},
        {"action": "rewind"},
        {"volume": 1},
    ],
    ids=str,
)
def test_what_no_schema_allows_is_refused_and_changes_nothing(stage: Stage, wrong: dict[str, Any]) -> None:
    assert stage.ask(**{"action": "play", **wrong})["error"]["code"] == "VALIDATION_ERROR"
    assert stage.peer.join(stage.universe_id)["transport"]["seq"] == 0


def test_each_command_counts_one_and_a_stale_one_is_refused_with_the_present_state(stage: Stage) -> None:
    first = stage.command("play", base_seq=0)
    second = stage.command("play", base_seq=1)
    assert (first["seq"], second["seq"]) == (1, 2)
    stale = stage.ask("stop", base_seq=1)["error"]
    assert (stale["status_code"], stale["code"]) == (409, "CONFLICT")
    assert stale["current"] == stage.peer.join(stage.universe_id)["transport"] == {name: second[name] for name in stale["current"]}


def test_everybody_is_told_the_same_state_and_who_joins_later_gets_it(stage: Stage, account: MakeAccount) -> None:
    viewer = account()
    stage.owner.invite(stage.universe_id, viewer, "viewer")
    with viewer.connected() as other:
        other.join(stage.universe_id)
        answered = stage.command("play", position_s=3, loop={"start_s": 1, "end_s": 9})
        for peer in (stage.peer, other):
            told = eventually(lambda peer=peer: peer.payloads("transport_state"))[-1]
            assert told == {"universe_id": stage.universe_id, **{name: value for name, value in answered.items() if name != "ok"}}
    with viewer.connected() as later:
        assert {"universe_id": stage.universe_id, **later.join(stage.universe_id)["transport"]} == told


def test_the_states_that_somebody_is_told_only_go_forward(stage: Stage) -> None:
    for number in range(20):
        stage.command("seek", position_s=number)
    eventually(lambda: stage.peer.payloads("transport_state")[-1]["seq"] == 20)
    told = [state["seq"] for state in stage.peer.payloads("transport_state")]
    assert told == sorted(set(told))


def test_a_viewer_does_not_command(stage: Stage, account: MakeAccount) -> None:
    viewer = account()
    stage.owner.invite(stage.universe_id, viewer, "viewer")
    with viewer.connected() as other:
        other.join(stage.universe_id)
        assert other.ask("transport", universe_id=stage.universe_id, action="play")["error"]["code"] == "FORBIDDEN"


def test_nobody_commands_a_universe_they_have_not_joined(stage: Stage) -> None:
    other = stage.owner.make_universe()
    assert stage.peer.ask("transport", universe_id=other, action="play")["error"]["code"] == "NOT_JOINED"


@pytest.mark.parametrize("kind", EACH_KIND)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_an_editor_whose_role_has_ended_does_not_command_although_nobody_has_said_so_yet(database: str, kind: str, tmp_path: Path) -> None:
    """The row of the membership goes without a word in the log, so that the connection still has its old role in memory."""
    if database == "postgresql":
        on_postgresql_alone()
    with ExitStack() as stack:
        url = stack.enter_context(postgresql_or_skip()) if database == "postgresql" else f"sqlite:///{tmp_path / 'own.db'}"
        server = stack.enter_context(start(kind, url, LOG_LEVEL="warning"))
        ada, bob = new_account(server), new_account(server)
        universe_id = ada.make_universe()
        ada.invite(universe_id, bob)
        peer = stack.enter_context(bob.connected())
        assert peer.join(universe_id)["transport"]["seq"] == 0
        assert peer.ask("transport", universe_id=universe_id, action="play")["seq"] == 1
        _without_a_word(url)
        refused = [
            peer.ask("transport", universe_id=universe_id, action="stop"),
            peer.ask("chat_message", universe_id=universe_id, op_id=str(uuid4()), text="Still here"),
        ]
        assert [answer["error"]["code"] for answer in refused] == ["NOT_FOUND", "NOT_FOUND"]
        with ada.connected() as owner:
            joined = owner.join(universe_id)
        assert (joined["transport"]["seq"], joined["chat_seq"]) == (1, 0)


def _without_a_word(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM memberships WHERE role = 'editor'")
    engine.dispose()


def test_a_command_reaches_the_other_process_and_two_at_once_are_two(processes: tuple[Server, Server]) -> None:
    here, there = processes
    ada = new_account(here)
    universe_id = ada.make_universe()
    with ada.connected() as one, ada.connected(there.url) as other:
        one.join(universe_id)
        other.join(universe_id)
        answers: list[dict[str, Any]] = []

        def command(peer: Peer) -> None:
            for position in range(10):
                answers.append(peer.ask("transport", universe_id=universe_id, action="seek", position_s=position))

        threads = [threading.Thread(target=command, args=(peer,)) for peer in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answer["seq"] for answer in answers) == list(range(1, 21))
        last = max(answers, key=lambda answer: answer["seq"])
        for peer in (one, other):
            told = eventually(lambda peer=peer: [state for state in peer.payloads("transport_state") if state["seq"] == 20])
            assert told[0]["position_s"] == last["position_s"]


def test_of_commands_made_on_one_state_one_is_obeyed(processes: tuple[Server, Server]) -> None:
    here, there = processes
    ada = new_account(here)
    universe_id = ada.make_universe()
    with ada.connected() as one, ada.connected(there.url) as other:
        one.join(universe_id)
        other.join(universe_id)
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(peer.ask, "transport", universe_id=universe_id, action="play", base_seq=0) for peer in (one, other)]
        answers = [future.result() for future in asked]
        assert sorted(answer["ok"] for answer in answers) == [False, True]
        refused = next(answer for answer in answers if not answer["ok"])
        obeyed = next(answer for answer in answers if answer["ok"])
        assert refused["error"]["code"] == "CONFLICT"
        assert refused["error"]["current"] == {name: obeyed[name] for name in refused["error"]["current"]}

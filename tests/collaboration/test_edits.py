"""Edits over sockets: the same rows, rules and answers as by REST."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.sockets import Account, Peer, eventually

MakeAccount = Callable[[], Account]


class Studio:
    """An owner in a universe with a scene, connected and joined."""

    def __init__(self, ada: Account) -> None:
        self.ada = ada
        self.universe_id = ada.make_universe()
        self.peer = ada.connect()
        self.joined = self.peer.join(self.universe_id, client_id="tab-1")
        self.scene = f"scenes/{uuid4()}"
        assert self.edit(self.scene, {"name": "First"}, op="create")["ok"]

    def edit(self, path: str, fields: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """One operation; its acknowledgement."""
        message = {"universe_id": self.universe_id, "op_id": str(uuid4()), "op": "update", "path": path, **more}
        return self.peer.ask("edit", {**message, **({} if fields is None else {"fields": fields})})

    def batch(self, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Several operations as one; the acknowledgement."""
        message = {"universe_id": self.universe_id, "op_id": str(uuid4()), "op": "batch", "items": list(items), **more}
        return self.peer.ask("edit", message)

    def get(self, path: str) -> Any:
        """What is stored at a path of the API."""
        return self.ada.request("GET", path).json()

    def row(self) -> dict[str, Any]:
        """The newest row of the log."""
        revision = self.get(f"/universes/{self.universe_id}")["revision"]
        row: dict[str, Any] = self.get(f"/universes/{self.universe_id}/history?since={revision - 1}")["items"][-1]
        return row


@pytest.fixture
def studio(account: MakeAccount) -> Any:
    made = Studio(account())
    yield made
    made.peer.close()


def test_an_edit_and_a_patch_leave_the_same_row(studio: Studio) -> None:
    path = f"physics-parameters/{uuid4()}"
    assert studio.edit(path, {"name": "Moon"}, op="create")["ok"]
    fields = {"gravity": {"y": {"value": -162, "unit": "cm/s^2"}}, "linear_damping": 0.25}
    by_socket = studio.edit(path, fields)
    row = studio.row()
    assert studio.edit(path, {"gravity": {"y": -9.81}, "linear_damping": 0})["ok"]
    assert studio.ada.request("PATCH", f"/{path}", json=fields).ok
    patched = studio.row()
    assert by_socket["after"] == row["after"] == patched["after"] == {"gravity.y": -1.62, "linear_damping": 0.25}
    assert {**row["before"], **patched["before"]}.keys() == row["after"].keys()
    assert (row["op"], row["path"], row["source"], row["client_id"]) == ("update", path, "socket", "tab-1")
    assert (patched["op"], patched["path"], patched["source"]) == ("update", path, "rest")


def test_a_parameter_update_is_an_edit_in_fewer_words(studio: Studio) -> None:
    path = f"physics-parameters/{uuid4()}"
    assert studio.edit(path, {"name": "Moon"}, op="create")["ok"]
    message = {"universe_id": studio.universe_id, "op_id": str(uuid4()), "path": path}
    answer = studio.peer.ask("parameter_update", message, parameters={"linear_damping": 0.5})
    assert answer["after"] == {"linear_damping": 0.5}
    again = studio.edit(path, {"linear_damping": 0.5}, op_id=message["op_id"])
    assert (again["revision"], again["duplicate"]) == (answer["revision"], True)
    wrong = studio.peer.ask("parameter_update", {**message, "op_id": str(uuid4()), "parameters": {"gravity": {"y": "kg"}}})
    assert "gravity" in wrong["error"]["errors"]["parameters"]


def test_an_edit_sent_again_is_applied_once_whichever_way_it_comes(studio: Studio) -> None:
    op_id = str(uuid4())
    first = studio.edit("universe", {"name": "Once"}, op_id=op_id)
    assert studio.edit("universe", {"name": "Other"})["ok"]
    with studio.ada.connected() as elsewhere:
        elsewhere.join(studio.universe_id)
        again = elsewhere.edit(studio.universe_id, "universe", {"name": "Once"}, op_id=op_id)
    by_rest = studio.ada.request("PATCH", f"/universes/{studio.universe_id}", json={"name": "Once"}, headers={"Idempotency-Key": op_id})
    assert again == {**first, "duplicate": True}
    assert by_rest.headers["Idempotent-Replayed"] == "true"
    assert by_rest.headers["X-Universe-Revision"] == str(first["revision"])
    assert studio.get(f"/universes/{studio.universe_id}")["name"] == "Other"
    reused = studio.edit("universe", {"name": "Another"}, op_id=op_id)
    assert reused["error"]["code"] == "OP_ID_REUSED"


def test_an_edit_that_changes_nothing_writes_no_row(studio: Studio) -> None:
    first = studio.edit("universe", {"name": "Same"})
    second = studio.edit("universe", {"name": "Same"})
    assert (second["noop"], second["revision"]) == (True, first["revision"])


def test_what_others_changed_since_is_overwritten_and_told(studio: Studio, account: MakeAccount) -> None:
    bob = account()
    studio.ada.invite(studio.universe_id, bob)
    base = studio.row()["revision"]
    with bob.connected() as other:
        other.join(studio.universe_id)
        assert other.edit(studio.universe_id, "universe", {"name": "Bob's", "theme": "his"})["ok"]
        merged = studio.edit("universe", {"name": "Ada's"}, base=base)
        refused = studio.edit("universe", {"theme": "hers"}, base=base, mode="strict")
        free = studio.edit("universe", {"genre": "hers"}, base=base, mode="strict")
    assert merged["overwrote"] == ["name"]
    assert refused["error"]["code"] == "CONFLICT"
    assert refused["error"]["current"] == {"theme": "his"}
    assert free["ok"]


def test_a_batch_is_one_row_or_none(studio: Studio) -> None:
    body = f"bodies/{uuid4()}"
    scene_id = studio.scene.partition("/")[2]
    items = [
        {"op": "create", "path": body, "fields": {"scene_id": scene_id, "name": "Ball"}},
        {"op": "update", "path": body, "fields": {"mass": 2}},
        {"op": "update", "path": "universe", "fields": {"name": "Batched"}},
    ]
    done = studio.batch(*items)
    assert done["ok"], done
    row = studio.row()
    assert (row["op"], row["path"], row["revision"]) == ("batch", "", done["revision"])
    assert [item["path"] for item in row["after"]["items"]] == [body, body, "universe"]
    assert studio.get(f"/{body}")["mass"] == 2
    broken = studio.batch({"op": "update", "path": "universe", "fields": {"name": "Half"}}, {"op": "delete", "path": f"bodies/{uuid4()}"})
    assert broken["error"]["code"] == "NOT_FOUND"
    invalid = studio.batch(items[2], {"op": "update", "path": body, "fields": {"mass": "heavy"}})
    assert "mass" in invalid["error"]["errors"]["items"]["1"]["fields"]
    assert studio.get(f"/universes/{studio.universe_id}")["name"] == "Batched"
    assert studio.row()["revision"] == done["revision"]


def test_a_hundred_items_are_a_batch_and_more_are_not(studio: Studio) -> None:
    item = {"op": "update", "path": "universe", "fields": {"name": "Again"}}
    assert "items" in studio.batch(*[item] * 101)["error"]["errors"]
    assert studio.batch(*[{**item, "fields": {"name": f"N{n}"}} for n in range(100)])["ok"]


def test_a_scene_is_moved_between_its_neighbours(studio: Studio) -> None:
    others = [f"scenes/{uuid4()}" for _ in range(2)]
    for path in others:
        assert studio.edit(path, {"name": "Next"}, op="create")["ok"]
    answer = studio.edit(others[1], op="move", before_id=studio.scene.partition("/")[2])
    assert answer["ok"], answer
    order = [scene["id"] for scene in studio.get(f"/universes/{studio.universe_id}")["scenes"]]
    assert order == [path.partition("/")[2] for path in (others[1], studio.scene, others[0])]
    assert studio.edit(studio.scene, op="move")["error"]["code"] == "VALIDATION_ERROR"


def test_a_deleted_entity_is_gone_and_its_id_taken(studio: Studio) -> None:
    assert studio.edit(studio.scene, op="delete")["ok"]
    assert studio.edit(studio.scene, {"name": "No"})["error"]["code"] == "GONE"
    assert studio.edit(studio.scene, {"name": "New"}, op="create")["error"]["code"] == "GONE"


def test_an_entity_of_another_universe_is_not_found(studio: Studio) -> None:
    elsewhere = studio.ada.make_universe()
    studio.peer.join(elsewhere)
    answer = studio.edit(studio.scene, {"name": "Stolen"}, universe_id=elsewhere)
    assert answer["error"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"path": "planets/1", "fields": {}}, "path"),
        ({"path": "scenes/1", "fields": {}}, "path"),
        ({"path": "universe", "op": "create", "fields": {}}, "op"),
        ({"path": "universe", "fields": {"name": 3}}, "fields"),
        ({"path": "universe", "fields": {"named": "x"}}, "fields"),
        ({"path": "universe", "fields": {"name": "x"}, "items": [{"op": "delete", "path": "universe"}]}, "items"),
        ({"op": "batch", "fields": {"name": "x"}, "items": [{"op": "delete", "path": "universe"}]}, "fields"),
        ({"op": "batch"}, "items"),
        ({"path": "universe", "fields": {"name": "x"}, "op_id": "no uuid"}, "op_id"),
        ({"path": "universe", "fields": {"name": "x"}, "base": -1}, "base"),
        ({"path": "universe", "fields": {"name": "x"}, "color": "red"}, "color"),
        ({"path": "universe", "fields": {"name": "x"}, "mode": "force"}, "mode"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_with_an_edit_is_named(studio: Studio, message: dict[str, Any], field: str) -> None:
    before = studio.row()["revision"]
    whole = {"universe_id": studio.universe_id, "op_id": str(uuid4()), "op": "update", **message}
    answer = studio.peer.ask("edit", whole)
    assert (answer["ok"], answer["error"]["code"]) == (False, "VALIDATION_ERROR")
    assert field in answer["error"]["errors"], answer
    assert answer["error"]["request_id"]
    assert studio.row()["revision"] == before


def test_a_universe_is_not_deleted_by_an_event(studio: Studio) -> None:
    assert studio.edit("universe", op="delete")["error"]["code"] == "FORBIDDEN"


def test_a_payload_over_the_limit_is_refused_and_the_connection_lives(studio: Studio) -> None:
    answer = studio.edit("universe", {"description": "x" * 70_000})
    assert answer["error"]["code"] == "PAYLOAD_TOO_LARGE"
    assert studio.edit("universe", {"name": "Small"})["ok"]


def test_pipelined_edits_of_one_connection_are_applied_in_their_order(studio: Studio) -> None:
    answers: list[dict[str, Any]] = []
    for number in range(60):
        message = {"universe_id": studio.universe_id, "op_id": str(uuid4()), "op": "update", "path": "universe"}
        studio.peer.client.emit("edit", {**message, "fields": {"name": f"Name {number}"}}, callback=answers.append)
    eventually(lambda: len(answers) == 60)
    assert all(answer["ok"] for answer in answers)
    eventually(lambda: len(studio.peer.revisions()) >= 61)
    names = [row["after"].get("name") for row in studio.peer.payloads("change")][-60:]
    assert names == [f"Name {number}" for number in range(60)]


def test_writers_by_socket_and_by_rest_share_one_gapless_log(studio: Studio, account: MakeAccount) -> None:
    people = [account() for _ in range(4)]
    for person in people:
        studio.ada.invite(studio.universe_id, person)
    watcher = Peer(studio.ada.url, studio.ada.token)
    head = watcher.join(studio.universe_id)["revision"]

    def by_socket(person: Account) -> None:
        with person.connected() as peer:
            peer.join(studio.universe_id)
            for number in range(15):
                assert peer.edit(studio.universe_id, "universe", {"name": f"{person.name} {number}"})["ok"]

    def by_rest(person: Account) -> None:
        for number in range(15):
            answer = person.request("PATCH", f"/universes/{studio.universe_id}", json={"theme": f"{person.name} {number}"})
            assert answer.ok, answer.text

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(by_socket if n % 2 else by_rest, person) for n, person in enumerate(people)]:
            done.result()
    eventually(lambda: len(watcher.revisions()) >= 60)
    assert watcher.revisions() == [head + n for n in range(1, 61)]
    watcher.close()


def test_a_tab_undoes_and_redoes_its_own_edits(studio: Studio) -> None:
    head = {"universe_id": studio.universe_id, "client_id": "tab-1"}
    assert studio.edit("universe", {"name": "One"})["ok"]
    last = studio.edit("universe", {"name": "Two"})
    undone = studio.peer.ask("undo", head, op_id=str(uuid4()))
    assert (undone["ok"], undone["undo_of"], undone["skipped"]) == (True, last["revision"], [])
    assert studio.get(f"/universes/{studio.universe_id}")["name"] == "One"
    told = eventually(lambda: [row for row in studio.peer.payloads("change") if row["undo_of"]])
    assert (told[0]["revision"], told[0]["undo_of"]) == (undone["revision"], last["revision"])
    redone = studio.peer.ask("redo", head, op_id=str(uuid4()))
    assert redone["undo_of"] == undone["revision"]
    assert studio.get(f"/universes/{studio.universe_id}")["name"] == "Two"
    elsewhere = studio.peer.ask("undo", head, op_id=str(uuid4()), client_id="tab-2")
    assert elsewhere["error"]["code"] == "NOTHING_TO_UNDO"


def test_a_gesture_is_undone_as_one(studio: Studio) -> None:
    head = {"universe_id": studio.universe_id, "client_id": "tab-1"}
    assert studio.edit("universe", {"theme": "before"})["ok"]
    for number in range(5):
        assert studio.edit("universe", {"theme": f"drag {number}"}, group="drag-1")["ok"]
    assert studio.peer.ask("undo", head, op_id=str(uuid4()))["ok"]
    assert studio.get(f"/universes/{studio.universe_id}")["theme"] == "before"


def test_undo_leaves_what_others_changed_since(studio: Studio, account: MakeAccount) -> None:
    bob = account()
    studio.ada.invite(studio.universe_id, bob)
    assert studio.edit("universe", {"theme": "hers", "genre": "hers"})["ok"]
    with bob.connected() as other:
        other.join(studio.universe_id)
        assert other.edit(studio.universe_id, "universe", {"theme": "his"})["ok"]
    head = {"universe_id": studio.universe_id, "client_id": "tab-1"}
    undone = studio.peer.ask("undo", head, op_id=str(uuid4()))
    assert len(undone["skipped"]) == 1
    assert "theme" in undone["skipped"][0]
    stored = studio.get(f"/universes/{studio.universe_id}")
    assert (stored["theme"], stored["genre"]) == ("his", "")

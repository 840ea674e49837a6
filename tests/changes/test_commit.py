"""commit_change(): what is asked in which order, and what a repeated or late request gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from app.access import Actor
from app.changes.intents import Intent
from app.changes.service import Done, commit_change
from app.errors import Conflict


@pytest.fixture
def ada(person: Callable) -> Any:
    return person("ada")


@pytest.fixture
def bob(person: Callable) -> Any:
    return person("bob")


@pytest.fixture
def universe(ada: Any, bob: Any) -> str:
    """Ada's private universe, where Bob is an editor."""
    found: str = ada.post("/universes", json={"name": "One"}).json["id"]
    assert ada.post(f"/universes/{found}/collaborators", json={"user_id": bob.id, "role": "editor"}).status_code == 201
    return found


def log(person: Any, universe: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = person.get(f"/universes/{universe}/history?limit=100").json["items"]
    return rows


def edit(app: Flask, person: Any, universe: str, **more: Any) -> Done:
    """An update of the universe's own fields, straight through commit_change()."""
    with app.app_context():
        return commit_change(
            Intent(
                actor=Actor(UUID(person.id)),
                op="update",
                collection="universe",
                universe_id=UUID(universe),
                entity_id=UUID(universe),
                **more,
            )
        )


# What is asked first


def test_a_payload_is_checked_before_it_is_asked_whether_the_universe_is_there(ada: Any) -> None:
    answer = ada.patch(f"/universes/{uuid4()}", json={"colour": "red"})
    assert (answer.status_code, answer.json["errors"]) == (422, {"colour": ["Unknown field."]})


def test_the_role_comes_before_the_key_so_a_removed_member_learns_nothing_from_a_retry(ada: Any, bob: Any, universe: str) -> None:
    key = {"Idempotency-Key": "once"}
    assert bob.patch(f"/universes/{universe}", json={"name": "Two"}, headers=key).status_code == 200
    ada.delete(f"/universes/{universe}/collaborators/{bob.id}")
    assert bob.patch(f"/universes/{universe}", json={"name": "Two"}, headers=key).status_code == 404


def test_the_key_comes_before_if_match_so_the_retry_of_a_success_is_one(ada: Any, universe: str) -> None:
    headers = {"Idempotency-Key": "once", "If-Match": '"2"'}
    first = ada.patch(f"/universes/{universe}", json={"name": "Two"}, headers=headers)
    again = ada.patch(f"/universes/{universe}", json={"name": "Two"}, headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json == first.json
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers


def test_if_match_comes_before_the_rules(ada: Any, universe: str) -> None:
    upside_down = {"harmony": {"range": {"low_hz": 900, "high_hz": 100}}}
    assert ada.patch(f"/universes/{universe}", json=upside_down, headers={"If-Match": '"1"'}).status_code == 412
    assert ada.patch(f"/universes/{universe}", json=upside_down).status_code == 422


# If-Match


@pytest.mark.parametrize(
    ("tag", "status"), [('"2"', 200), ("2", 200), ('W/"2"', 200), ('"7", "2"', 200), ("*", 200), ('"1"', 412), ('"3"', 412)]
)
def test_if_match_lets_pass_the_present_revision_alone(ada: Any, universe: str, tag: str, status: int) -> None:
    assert ada.patch(f"/universes/{universe}", json={"name": "Two"}, headers={"If-Match": tag}).status_code == status


def test_a_refused_edit_stores_nothing(ada: Any, universe: str) -> None:
    before = ada.get(f"/universes/{universe}").json
    ada.patch(f"/universes/{universe}", json={"name": "Two"}, headers={"If-Match": '"1"'})
    ada.patch(f"/universes/{universe}", json={"name": "Two", "harmony": {"scale": "custom"}})
    assert ada.get(f"/universes/{universe}").json == before
    assert len(log(ada, universe)) == 2


# Keys


def test_a_key_used_for_another_request_is_refused(ada: Any, universe: str) -> None:
    key = {"Idempotency-Key": "once"}
    ada.patch(f"/universes/{universe}", json={"name": "Two"}, headers=key)
    answer = ada.patch(f"/universes/{universe}", json={"name": "Three"}, headers=key)
    assert (answer.status_code, answer.json["code"]) == (422, "OP_ID_REUSED")
    assert ada.get(f"/universes/{universe}").json["name"] == "Two"


def test_the_same_key_of_two_people_names_two_requests(ada: Any, bob: Any, universe: str) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    assert ada.patch(f"/universes/{universe}", json={"name": "Two"}, headers=key).status_code == 200
    assert bob.patch(f"/universes/{universe}", json={"name": "Three"}, headers=key).status_code == 200
    assert len(log(ada, universe)) == 4


def test_a_failed_attempt_uses_up_no_key(ada: Any, universe: str) -> None:
    key = {"Idempotency-Key": "once"}
    body = {"name": "Two"}
    assert ada.patch(f"/universes/{universe}", json=body, headers={**key, "If-Match": '"1"'}).status_code == 412
    assert ada.patch(f"/universes/{universe}", json=body, headers={**key, "If-Match": '"2"'}).status_code == 200


def test_a_replay_is_the_first_answer_also_after_others_have_changed_the_same(ada: Any, bob: Any, universe: str) -> None:
    key = {"Idempotency-Key": "once"}
    first = ada.patch(f"/universes/{universe}", json={"name": "Two", "harmony": {"tempo_bpm": 90}}, headers=key)
    bob.patch(f"/universes/{universe}", json={"name": "Three", "harmony": {"tempo_bpm": 60, "key": "D"}})
    again = ada.patch(f"/universes/{universe}", json={"name": "Two", "harmony": {"tempo_bpm": 90}}, headers=key)
    assert again.json == first.json
    assert again.headers["X-Universe-Revision"] == first.headers["X-Universe-Revision"]
    assert ada.get(f"/universes/{universe}").json["name"] == "Three"


def test_a_replayed_creation_is_the_first_answer_also_after_the_entity_has_gone(ada: Any, universe: str) -> None:
    key = {"Idempotency-Key": "once"}
    first = ada.post(f"/universes/{universe}/scenes", json={"name": "A"}, headers=key)
    assert first.status_code == 201, first.text
    ada.patch(f"/scenes/{first.json['id']}", json={"name": "B", "duration_s": 5})
    assert ada.delete(f"/scenes/{first.json['id']}").status_code == 204
    again = ada.post(f"/universes/{universe}/scenes", json={"name": "A"}, headers=key)
    assert (again.status_code, again.json) == (201, first.json)
    assert ada.get(f"/scenes/{first.json['id']}").status_code == 404


def test_a_creation_without_an_id_names_the_same_entity_when_it_is_retried(ada: Any) -> None:
    key = {"Idempotency-Key": "a new one, once"}
    assert ada.post("/universes", json={"name": "One"}, headers=key).status_code == 422  # spaces are no part of a key
    key = {"Idempotency-Key": "a-new-one"}
    first, again = (ada.post("/universes", json={"name": "One"}, headers=key) for _ in range(2))
    assert first.json == again.json
    assert ada.get("/universes?scope=mine&include=total").json["total"] == 1
    assert ada.post("/universes", json={"name": "Another"}, headers=key).json["code"] == "OP_ID_REUSED"
    assert ada.post("/universes", json={"name": "One", "id": str(uuid4())}, headers=key).json["code"] == "OP_ID_REUSED"


def test_a_chosen_id_is_taken_only_once(ada: Any, bob: Any) -> None:
    body = {"name": "One", "id": str(uuid4())}
    assert ada.post("/universes", json=body).json["id"] == body["id"]
    assert bob.post("/universes", json=body).status_code == 409


def test_an_edit_that_changes_nothing_writes_no_row_and_its_retry_undoes_nobodys_work(ada: Any, bob: Any, universe: str) -> None:
    key = {"Idempotency-Key": "nothing"}
    first = ada.patch(f"/universes/{universe}", json={"name": "One"}, headers=key)
    assert (first.status_code, first.headers["X-Universe-Revision"]) == (200, "2")
    bob.patch(f"/universes/{universe}", json={"name": "Bob's"})
    again = ada.patch(f"/universes/{universe}", json={"name": "One"}, headers=key)
    assert again.json == first.json
    assert ada.get(f"/universes/{universe}").json["name"] == "Bob's"
    assert [row["op"] for row in log(ada, universe)] == ["create", "member", "update"]
    assert ada.patch(f"/universes/{universe}", json={"name": "Two"}, headers=key).json["code"] == "OP_ID_REUSED"


def test_putting_back_what_was_read_changes_nothing(ada: Any, universe: str) -> None:
    read = ada.get(f"/universes/{universe}").json
    own = ("name", "description", "visibility", "forkable", "tags", "theme", "genre", "unit_system", "seed", "harmony")
    answer = ada.put(f"/universes/{universe}", json={name: read[name] for name in own})
    assert (answer.status_code, answer.json["revision"]) == (200, 2)


# Merging


def test_edits_of_different_properties_never_meet(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    edit(app, bob, universe, fields={"theme": "b"}, base=2)
    done = edit(app, ada, universe, fields={"genre": "a"}, base=2, strict=True)
    assert done.overwrote == []


def test_the_later_edit_wins_and_is_told_whose_value_it_took(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    edit(app, bob, universe, fields={"theme": "b", "harmony": {"key": "D"}}, base=2)
    done = edit(app, ada, universe, fields={"theme": "a", "harmony": {"key": "E", "tempo_bpm": 80.0}}, base=2)
    assert done.overwrote == ["harmony.key", "theme"]
    assert (done.entity or {})["theme"] == "a"


def test_ones_own_earlier_edits_are_not_overwritten_ones(app: Flask, ada: Any, universe: str) -> None:
    edit(app, ada, universe, fields={"theme": "b"})
    assert edit(app, ada, universe, fields={"theme": "a"}, base=2, strict=True).overwrote == []


def test_a_strict_edit_of_what_others_changed_is_refused_with_the_present_values(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    edit(app, bob, universe, fields={"theme": "b"})
    with pytest.raises(Conflict) as refusal:
        edit(app, ada, universe, fields={"theme": "a", "genre": "c"}, base=2, strict=True)
    assert refusal.value.errors == {"theme": ["Changed by somebody else."]}
    assert refusal.value.more["current"] == {"theme": "b", "genre": ""}
    assert ada.get(f"/universes/{universe}").json["genre"] == ""


def test_an_edit_made_in_knowledge_of_the_others_overwrites_nothing(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    seen = edit(app, bob, universe, fields={"theme": "b"}).revision
    assert edit(app, ada, universe, fields={"theme": "a"}, base=seen, strict=True).overwrote == []


# Ends


def test_a_deleted_scene_is_not_found_gone_to_writers_and_deleted_for_good(ada: Any, universe: str) -> None:
    scene = ada.post(f"/universes/{universe}/scenes", json={"name": "A"}).json["id"]
    path = f"/scenes/{scene}"
    assert [ada.delete(path).status_code for _ in range(2)] == [204, 204]
    assert ada.get(path).status_code == 404
    assert ada.patch(path, json={"name": "B"}).json["code"] == "GONE"
    assert ada.post(f"/universes/{universe}/scenes", json={"name": "A", "id": scene}).json["code"] == "GONE"
    assert ada.post(f"{path}/bodies", json={"name": "ball"}).json["code"] == "GONE"


def test_every_answer_of_a_change_names_its_place_in_the_log(ada: Any, universe: str) -> None:
    answer = ada.patch(f"/universes/{universe}", json={"name": "Two"}, headers={"X-Client-Id": "tab-1", "X-Edit-Group": "drag.7"})
    assert (answer.headers["ETag"], answer.headers["X-Universe-Revision"]) == ('"3"', "3")
    row = log(ada, universe)[-1]
    assert (row["revision"], row["client_id"], row["group"], row["source"]) == (3, "tab-1", "drag.7", "rest")
    assert (row["before"], row["after"], row["path"]) == ({"name": "One"}, {"name": "Two"}, "universe")
    assert row["actor"] == {"id": ada.id, "display_name": "ada"}


@pytest.mark.parametrize("header", ["X-Client-Id", "X-Edit-Group"])
def test_a_label_that_is_none_is_refused(ada: Any, universe: str, header: str) -> None:
    answer = ada.patch(f"/universes/{universe}", json={"name": "Two"}, headers={header: "two words"})
    assert (answer.status_code, list(answer.json["errors"])) == (422, [header])


# Places in a list


def test_a_list_whose_keys_grow_too_long_gets_new_ones_in_one_change(ada: Any, universe: str) -> None:
    """Two scenes moved in turn between the same neighbours halve the gap each time, until the whole list is given new keys."""
    first, last, left, right = (ada.post(f"/universes/{universe}/scenes", json={"name": name}).json["id"] for name in "ABCD")
    for turn in range(400):
        moving = (left, right)[turn % 2]
        answer = ada.patch(f"/scenes/{moving}", json={"after_id": first})
        assert answer.status_code == 200, answer.text
        assert len(answer.json["order_key"]) <= 64
        if log_ends_with_batch(ada, universe, answer.json["revision"]):
            break
    else:
        pytest.fail("the keys never grew too long")
    names = [scene["id"] for scene in ada.get(f"/universes/{universe}").json["scenes"]]
    assert names[:2] == [first, moving]
    assert names[-1] == last


def log_ends_with_batch(person: Any, universe: str, revision: int) -> bool:
    rows = person.get(f"/universes/{universe}/history?since={revision - 1}").json["items"]
    return bool(rows[-1]["op"] == "batch")


def test_a_move_to_where_it_stands_already_changes_nothing(ada: Any, universe: str) -> None:
    first, second = (ada.post(f"/universes/{universe}/scenes", json={"name": name}).json for name in "AB")
    answer = ada.patch(f"/scenes/{second['id']}", json={"after_id": first["id"]})
    assert (answer.status_code, answer.json["order_key"], answer.headers["X-Universe-Revision"]) == (200, second["order_key"], "4")

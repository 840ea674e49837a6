"""Undo and redo: whose, of what, and what they leave alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from app.changes import inverse
from app.changes.inverse import Stacks
from app.changes.verify import snapshot, verify
from app.extensions import db

HERE = {"X-Client-Id": "tab"}
MAPPING = {
    "trigger": {"type": "event", "event": "collision"},
    "target": "loudness",
    "domain": {"type": "explicit", "min": 0, "max": 10},
    "range": {"min": -40, "max": 0},
}


@pytest.fixture
def ada(person: Callable) -> Any:
    return person("ada")


@pytest.fixture
def bob(person: Callable) -> Any:
    return person("bob")


@pytest.fixture
def universe(app: Flask, ada: Any, bob: Any) -> Any:
    """Ada's private universe, where Bob is an editor; at the end its log adds up."""
    found: str = ada.post("/universes", json={"name": "One"}, headers=HERE).json["id"]
    assert ada.post(f"/universes/{found}/collaborators", json={"user_id": bob.id, "role": "editor"}).status_code == 201
    yield found
    with app.app_context(), snapshot(db.engine) as session:
        assert verify(session, UUID(found)) == []


@pytest.fixture
def scene(ada: Any, universe: str) -> str:
    found: str = ada.post(f"/universes/{universe}/scenes", json={"name": "A"}).json["id"]
    return found


@pytest.fixture
def body(ada: Any, scene: str) -> str:
    found: str = ada.post(f"/scenes/{scene}/bodies", json={"name": "ball", "mass": 1.0}).json["id"]
    return found


def undo(person: Any, universe: str, tab: str | None = "tab", way: str = "undo", **headers: str) -> Any:
    return person.post(f"/universes/{universe}/{way}", headers={**({"X-Client-Id": tab} if tab else {}), **headers})


def redo(person: Any, universe: str, tab: str | None = "tab", **headers: str) -> Any:
    return undo(person, universe, tab, "redo", **headers)


def change(person: Any, path: str, tab: str = "tab", **fields: Any) -> int:
    """Change an entity from a tab; the revision."""
    answer = person.patch(path, json=fields, headers={"X-Client-Id": tab})
    assert answer.status_code == 200, answer.text
    return int(answer.headers["X-Universe-Revision"])


def document(person: Any, universe: str) -> Any:
    return {key: value for key, value in person.get(f"/universes/{universe}/document").json.items() if key != "revision"}


def last_row(person: Any, universe: str) -> Any:
    head = int(person.get(f"/universes/{universe}").headers["X-Universe-Revision"])
    return person.get(f"/universes/{universe}/history?since={head - 1}").json["items"][0]


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


# What is taken back


def test_an_undo_is_an_ordinary_row_that_names_what_it_takes_back(ada: Any, universe: str, body: str) -> None:
    revision = change(ada, f"/bodies/{body}", mass=2.0, velocity={"x": 3.0})
    answer = undo(ada, universe)
    assert (answer.status_code, answer.json) == (200, {"revision": revision + 1, "undo_of": revision, "skipped": []})
    assert answer.headers["X-Universe-Revision"] == str(revision + 1)
    row = last_row(ada, universe)
    assert (row["op"], row["path"], row["undo_of"], row["client_id"]) == ("update", f"bodies/{body}", revision, "tab")
    assert (row["before"], row["after"]) == ({"mass": 2.0, "velocity.x": 3.0}, {"mass": 1.0, "velocity.x": 0.0})
    assert ada.get(f"/bodies/{body}").json["mass"] == 1.0


def test_undos_go_back_step_by_step_and_redos_forth_through_the_same_documents(ada: Any, universe: str, body: str) -> None:
    passed = [document(ada, universe)]
    for mass in (2.0, 3.0, 4.0):
        change(ada, f"/bodies/{body}", mass=mass)
        passed.append(document(ada, universe))
    for wanted in reversed(passed[:-1]):
        assert undo(ada, universe).status_code == 200
        assert document(ada, universe) == wanted
    for wanted in passed[1:]:
        assert redo(ada, universe).status_code == 200
        assert document(ada, universe) == wanted
    assert refused(redo(ada, universe)) == (409, "NOTHING_TO_UNDO")


def test_a_redo_takes_the_undo_back_and_the_next_undo_takes_the_redo_back(ada: Any, universe: str, body: str) -> None:
    change(ada, f"/bodies/{body}", mass=2.0)
    first = undo(ada, universe).json["revision"]
    again = redo(ada, universe).json
    assert again["undo_of"] == first
    assert undo(ada, universe).json["undo_of"] == again["revision"]
    assert ada.get(f"/bodies/{body}").json["mass"] == 1.0


def test_a_new_edit_clears_what_could_be_done_again(ada: Any, universe: str, body: str) -> None:
    change(ada, f"/bodies/{body}", mass=2.0)
    undo(ada, universe)
    change(ada, f"/bodies/{body}", mass=5.0)
    assert refused(redo(ada, universe)) == (409, "NOTHING_TO_UNDO")


def test_an_edit_in_another_tab_leaves_what_can_be_done_again(ada: Any, universe: str, body: str) -> None:
    change(ada, f"/bodies/{body}", mass=2.0)
    undo(ada, universe)
    change(ada, f"/bodies/{body}", tab="other", angle=1.0)
    assert redo(ada, universe).status_code == 200
    assert ada.get(f"/bodies/{body}").json["mass"] == 2.0


def test_each_tab_takes_back_its_own(ada: Any, universe: str, body: str) -> None:
    change(ada, f"/bodies/{body}", tab="one", mass=2.0)
    change(ada, f"/bodies/{body}", tab="two", angle=1.0)
    assert undo(ada, universe, "one").status_code == 200
    shown = ada.get(f"/bodies/{body}").json
    assert (shown["mass"], shown["angle"]) == (1.0, 1.0)
    assert refused(undo(ada, universe, "one")) == (409, "NOTHING_TO_UNDO")


def test_requests_without_a_tab_are_one_client_of_their_own(ada: Any, universe: str) -> None:
    ada.patch(f"/universes/{universe}", json={"name": "Two"})
    assert refused(undo(ada, universe, "tab")) == (409, "NOTHING_TO_UNDO")
    assert undo(ada, universe, None).status_code == 200
    assert ada.get(f"/universes/{universe}").json["name"] == "One"


def test_nobody_takes_back_what_another_person_did(ada: Any, bob: Any, universe: str, body: str) -> None:
    change(ada, f"/bodies/{body}", mass=2.0)
    assert refused(undo(bob, universe)) == (409, "NOTHING_TO_UNDO")


def test_a_gesture_is_taken_back_whole_and_done_again_whole(ada: Any, universe: str, body: str) -> None:
    change(ada, f"/bodies/{body}", angle=1.0)
    for x in (1.0, 2.0, 3.0):
        head = {**HERE, "X-Edit-Group": "drag"}
        newest = ada.patch(f"/bodies/{body}", json={"position": {"x": x}}, headers=head).headers["X-Universe-Revision"]
    answer = undo(ada, universe).json
    assert answer["undo_of"] == int(newest)
    row = last_row(ada, universe)
    assert (row["before"], row["after"]) == ({"position.x": 3.0}, {"position.x": 0.0})
    assert redo(ada, universe).status_code == 200
    assert ada.get(f"/bodies/{body}").json["position"]["x"] == 3.0


def test_a_gesture_longer_than_what_is_looked_at_is_taken_back_whole(
    ada: Any, universe: str, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inverse, "MOST", 4)
    change(ada, f"/bodies/{body}", mass=2.0)
    for x in range(1, 8):
        ada.patch(f"/bodies/{body}", json={"position": {"x": float(x)}}, headers={**HERE, "X-Edit-Group": "drag"})
    assert undo(ada, universe).status_code == 200
    shown = ada.get(f"/bodies/{body}").json
    assert (shown["position"]["x"], shown["mass"]) == (0.0, 2.0)


def test_what_lies_before_the_rows_looked_at_is_told_apart_by_its_chain(
    ada: Any, universe: str, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for mass in (2.0, 3.0, 4.0):
        change(ada, f"/bodies/{body}", mass=mass)
    for way in ("undo", "undo", "undo", "redo", "redo", "redo"):
        assert undo(ada, universe, way=way).status_code == 200
    monkeypatch.setattr(inverse, "MOST", 3)  # three redos, of undos that are not looked at
    assert refused(redo(ada, universe)) == (409, "NOTHING_TO_UNDO")
    assert undo(ada, universe).status_code == 200
    assert ada.get(f"/bodies/{body}").json["mass"] == 3.0
    assert redo(ada, universe).status_code == 200
    assert ada.get(f"/bodies/{body}").json["mass"] == 4.0


def test_a_hundred_changes_can_be_taken_back_and_done_again(ada: Any, universe: str) -> None:
    for number in range(100):
        change(ada, f"/universes/{universe}", name=f"Name {number}")
    for _ in range(100):
        assert undo(ada, universe).status_code == 200
    assert ada.get(f"/universes/{universe}").json["name"] == "One"
    assert refused(undo(ada, universe)) == (409, "NOTHING_TO_UNDO")
    for _ in range(100):
        assert redo(ada, universe).status_code == 200
    assert ada.get(f"/universes/{universe}").json["name"] == "Name 99"


def test_a_move_is_taken_back(ada: Any, universe: str, scene: str) -> None:
    other = ada.post(f"/universes/{universe}/scenes", json={"name": "B"}).json["id"]
    before = document(ada, universe)
    change(ada, f"/scenes/{other}", before_id=scene)
    assert document(ada, universe) != before
    assert undo(ada, universe).status_code == 200
    assert last_row(ada, universe)["op"] == "move"
    assert document(ada, universe) == before


def test_what_lies_too_many_revisions_back_is_not_taken_back(
    ada: Any, bob: Any, universe: str, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inverse, "REACH", 5)
    change(ada, f"/bodies/{body}", mass=2.0)
    for angle in (1.0, 2.0, 3.0, 4.0):
        change(bob, f"/bodies/{body}", angle=angle)
    assert undo(ada, universe).status_code == 200
    change(bob, f"/bodies/{body}", angle=5.0)
    assert redo(ada, universe).status_code == 200
    for angle in (6.0, 7.0, 8.0, 9.0, 10.0):
        change(bob, f"/bodies/{body}", angle=angle)
    assert refused(undo(ada, universe)) == (409, "NOTHING_TO_UNDO")


def test_a_key_that_was_absent_is_absent_again(ada: Any, universe: str, body: str) -> None:
    change(ada, f"/bodies/{body}", orbit={"period": 10.0})
    then, before = ada.get(f"/universes/{universe}").json["revision"], document(ada, universe)
    change(ada, f"/bodies/{body}", orbit={"eccentricity": 0.5})
    after = document(ada, universe)
    assert undo(ada, universe).status_code == 200
    assert document(ada, universe) == before
    assert redo(ada, universe).status_code == 200
    assert document(ada, universe) == after
    assert ada.post(f"/universes/{universe}/restore", json={"revision": then}).status_code == 200
    assert document(ada, universe) == before


# Deletion and creation


def test_what_was_deleted_comes_back_with_all_it_held_and_under_its_ids(ada: Any, universe: str, scene: str, body: str) -> None:
    moon = {"name": "moon", "orbit": {"period": 10.0, "parent_body_id": body}}
    ada.post(f"/scenes/{scene}/bodies", json=moon)
    ada.post(f"/scenes/{scene}/constraints", json={"kind": "pin", "body_id": body, "anchor": {"x": 0, "y": 1, "z": 0}})
    voice = ada.post(f"/scenes/{scene}/voices", json={"name": "v"}).json["id"]
    source = {"bodies": [body], "quantity": "speed"}
    ada.post(f"/scenes/{scene}/mappings", json={**MAPPING, "voice_id": voice, "source": source})
    ada.post("/physics-parameters", json={"name": "own", "scene_id": scene})
    made_at = ada.get(f"/bodies/{body}").json["created_at"]
    before = document(ada, universe)
    assert ada.delete(f"/scenes/{scene}", headers=HERE).status_code == 204
    deleted = last_row(ada, universe)
    assert undo(ada, universe).json["skipped"] == []
    assert document(ada, universe) == before
    row = last_row(ada, universe)
    assert (row["op"], row["path"], row["after"]) == ("create", f"scenes/{scene}", deleted["before"])
    assert ada.get(f"/bodies/{body}").json["created_at"] == made_at
    assert redo(ada, universe).status_code == 200
    assert last_row(ada, universe)["before"] == deleted["before"]
    assert ada.patch(f"/bodies/{body}", json={"mass": 2.0}).status_code == 410
    assert undo(ada, universe).status_code == 200
    assert change(ada, f"/bodies/{body}", mass=2.0)  # it lives again


def test_what_was_deleted_comes_back_when_others_have_worked_elsewhere(ada: Any, bob: Any, universe: str, scene: str, body: str) -> None:
    before = ada.get(f"/bodies/{body}").json
    ada.delete(f"/scenes/{scene}", headers=HERE)
    bob.patch(f"/universes/{universe}", json={"name": "Bob's"})
    assert undo(ada, universe).json["skipped"] == []
    after = ada.get(f"/bodies/{body}").json
    assert {**after, "revision": 0, "updated_at": ""} == {**before, "revision": 0, "updated_at": ""}
    assert ada.get(f"/universes/{universe}").json["name"] == "Bob's"


def test_what_was_made_goes_again_with_what_it_holds(ada: Any, universe: str) -> None:
    before = document(ada, universe)
    scene = ada.post(f"/universes/{universe}/scenes", json={"name": "B"}, headers=HERE).json["id"]
    ada.post(f"/scenes/{scene}/bodies", json={"name": "ball"}, headers={"X-Client-Id": "other"})
    with_body = document(ada, universe)
    assert undo(ada, universe).status_code == 200
    assert document(ada, universe) == before
    assert redo(ada, universe).status_code == 200
    assert document(ada, universe) == with_body


@pytest.mark.parametrize("theirs", ["the scene", "a body in it", "a new body in it"])
def test_what_was_made_stays_once_another_person_has_changed_any_of_it(ada: Any, bob: Any, universe: str, theirs: str) -> None:
    source = ada.post(f"/universes/{universe}/scenes", json={"name": "B"}).json["id"]
    body = ada.post(f"/scenes/{source}/bodies", json={"name": "ball"}).json["id"]
    copy = ada.post(f"/scenes/{source}/duplicate", json={}, headers=HERE).json["id"]
    copied = next(one["id"] for one in ada.get(f"/scenes/{copy}/bodies").json["items"])
    assert copied != body
    if theirs == "the scene":
        change(bob, f"/scenes/{copy}", duration_s=7.0)
    elif theirs == "a body in it":
        change(bob, f"/bodies/{copied}", mass=7.0)
    else:
        assert bob.post(f"/scenes/{copy}/bodies", json={"name": "Bob's"}).status_code == 201
    answer = undo(ada, universe)
    assert refused(answer) == (409, "UNDO_CONFLICT")
    assert answer.json["skipped"] == [f"scenes/{copy}"]
    assert ada.get(f"/scenes/{copy}").status_code == 200


# What others changed


def test_a_property_that_another_person_changed_since_is_left_and_told(ada: Any, bob: Any, universe: str, body: str) -> None:
    change(ada, f"/bodies/{body}", mass=2.0, angle=1.0)
    change(bob, f"/bodies/{body}", mass=3.0)
    answer = undo(ada, universe)
    assert (answer.status_code, answer.json["skipped"]) == (200, [f"bodies/{body} mass"])
    shown = ada.get(f"/bodies/{body}").json
    assert (shown["mass"], shown["angle"]) == (3.0, 0.0)
    assert last_row(ada, universe)["after"]["skipped"] == [f"bodies/{body} mass"]


def test_nothing_is_taken_back_where_another_person_changed_it_all(ada: Any, bob: Any, universe: str, body: str) -> None:
    change(ada, f"/bodies/{body}", mass=2.0)
    change(bob, f"/bodies/{body}", mass=3.0)
    before = last_row(ada, universe)
    answer = undo(ada, universe)
    assert refused(answer) == (409, "UNDO_CONFLICT")
    assert answer.json["skipped"] == [f"bodies/{body} mass"]
    assert last_row(ada, universe) == before


def test_a_part_of_what_was_set_that_another_person_changed_keeps_the_whole(ada: Any, bob: Any, universe: str, body: str) -> None:
    change(ada, f"/bodies/{body}", orbit={"period": 10.0})
    change(bob, f"/bodies/{body}", orbit={"eccentricity": 0.5})
    assert undo(ada, universe).json["skipped"] == [f"bodies/{body} orbit"]


def test_a_redo_leaves_alone_what_another_person_changed_since_the_undo(ada: Any, bob: Any, universe: str, body: str) -> None:
    change(ada, f"/bodies/{body}", mass=2.0, angle=1.0)
    undo(ada, universe)
    change(bob, f"/bodies/{body}", mass=9.0)
    assert redo(ada, universe).json["skipped"] == [f"bodies/{body} mass"]
    shown = ada.get(f"/bodies/{body}").json
    assert (shown["mass"], shown["angle"]) == (9.0, 1.0)


def test_in_a_gesture_another_person_s_value_between_two_of_its_steps_is_what_comes_back(
    ada: Any, bob: Any, universe: str, body: str
) -> None:
    drag = {**HERE, "X-Edit-Group": "drag"}
    ada.patch(f"/bodies/{body}", json={"position": {"x": 1.0}}, headers=drag)
    change(bob, f"/bodies/{body}", position={"x": 50.0})
    ada.patch(f"/bodies/{body}", json={"position": {"x": 2.0}}, headers=drag)
    assert undo(ada, universe).json["skipped"] == [f"bodies/{body} position.x"]
    assert ada.get(f"/bodies/{body}").json["position"]["x"] == 50.0


def test_a_change_of_what_another_person_deleted_cannot_be_taken_back(ada: Any, bob: Any, universe: str, scene: str, body: str) -> None:
    change(ada, f"/bodies/{body}", mass=2.0)
    assert bob.delete(f"/scenes/{scene}").status_code == 204
    answer = undo(ada, universe)
    assert refused(answer) == (409, "UNDO_CONFLICT")
    assert answer.json["skipped"] == [f"bodies/{body}"]


def test_what_the_same_person_put_back_in_another_tab_is_passed_over(ada: Any, universe: str, body: str) -> None:
    change(ada, f"/bodies/{body}", angle=1.0)
    change(ada, f"/bodies/{body}", mass=2.0)
    change(ada, f"/bodies/{body}", tab="other", mass=1.0)
    assert undo(ada, universe).status_code == 200
    assert ada.get(f"/bodies/{body}").json["angle"] == 0.0


# Rules


def test_an_undo_never_makes_a_second_set_active(ada: Any, bob: Any, universe: str) -> None:
    first = ada.post("/physics-parameters", json={"name": "first", "universe_id": universe, "active": True}).json["id"]
    change(ada, f"/physics-parameters/{first}", active=False)
    second = bob.post("/physics-parameters", json={"name": "second", "universe_id": universe, "active": True})
    assert second.status_code == 201, second.text
    answer = undo(ada, universe)
    assert refused(answer) == (409, "UNDO_CONFLICT")
    assert answer.json["skipped"] == [f"physics-parameters/{first}"]


def test_an_undo_never_takes_a_body_away_that_another_person_s_mapping_names(ada: Any, bob: Any, universe: str, scene: str) -> None:
    mine = ada.post(f"/scenes/{scene}/bodies", json={"name": "mine"}, headers=HERE).json["id"]
    voice = bob.post(f"/scenes/{scene}/voices", json={"name": "v"}).json["id"]
    mapping = {**MAPPING, "voice_id": voice, "source": {"bodies": [mine], "quantity": "speed"}}
    assert bob.post(f"/scenes/{scene}/mappings", json=mapping).status_code == 201
    answer = undo(ada, universe)
    assert refused(answer) == (409, "UNDO_CONFLICT")
    assert answer.json["skipped"] == [f"bodies/{mine}"]


def test_what_comes_back_without_what_it_needs_is_left_out(ada: Any, bob: Any, universe: str, scene: str, body: str) -> None:
    pin = ada.post(f"/scenes/{scene}/constraints", json={"kind": "pin", "body_id": body, "anchor": {"x": 0, "y": 1, "z": 0}}).json["id"]
    ada.delete(f"/constraints/{pin}", headers=HERE)
    bob.delete(f"/bodies/{body}")
    answer = undo(ada, universe)
    assert refused(answer) == (409, "UNDO_CONFLICT")
    assert answer.json["skipped"] == [f"constraints/{pin}"]


def test_an_undo_of_several_steps_keeps_what_a_rule_still_allows(ada: Any, bob: Any, universe: str) -> None:
    first, second = (
        ada.post("/physics-parameters", json={"name": name, "universe_id": universe, "active": name == "a"}).json["id"] for name in "ab"
    )
    assert ada.post(f"/physics-parameters/{second}/apply", headers=HERE).status_code == 200
    assert bob.delete(f"/physics-parameters/{first}").status_code == 204
    answer = undo(ada, universe)
    assert (answer.status_code, answer.json["skipped"]) == (200, [f"physics-parameters/{first}"])
    assert ada.get(f"/physics-parameters/{second}").json["active"] is False


def test_who_may_no_longer_change_the_visibility_does_not_take_it_back(ada: Any, bob: Any, universe: str) -> None:
    change(ada, f"/universes/{universe}", visibility="public", name="Two")
    assert ada.post(f"/universes/{universe}/transfer", json={"user_id": bob.id}).status_code == 200
    assert undo(ada, universe).json["skipped"] == ["universe visibility"]
    shown = ada.get(f"/universes/{universe}").json
    assert (shown["visibility"], shown["name"]) == ("public", "One")


def test_members_the_universe_itself_its_end_and_its_return_are_not_undoable(ada: Any, bob: Any, universe: str) -> None:
    ada.patch(f"/universes/{universe}/collaborators/{bob.id}", json={"role": "viewer"}, headers=HERE)
    ada.delete(f"/universes/{universe}", headers=HERE)
    assert undo(ada, universe).status_code == 410
    ada.post(f"/universes/{universe}/restore-deleted", headers=HERE)
    assert refused(undo(ada, universe)) == (409, "NOTHING_TO_UNDO")


def test_a_restore_is_not_undoable_and_what_it_set_stays(ada: Any, universe: str, body: str) -> None:
    revision = change(ada, f"/bodies/{body}", mass=2.0)
    ada.post(f"/universes/{universe}/restore", json={"revision": revision - 1}, headers=HERE)
    assert refused(redo(ada, universe)) == (409, "NOTHING_TO_UNDO")
    assert refused(undo(ada, universe)) == (409, "UNDO_CONFLICT")
    assert ada.get(f"/bodies/{body}").json["mass"] == 1.0


def test_a_viewer_takes_nothing_back(ada: Any, bob: Any, universe: str, body: str) -> None:
    change(bob, f"/bodies/{body}", mass=2.0)
    ada.patch(f"/universes/{universe}/collaborators/{bob.id}", json={"role": "viewer"})
    assert undo(bob, universe).status_code == 403


# Repetition


def test_a_repeated_undo_is_answered_as_the_first_and_takes_back_once(ada: Any, bob: Any, universe: str, body: str) -> None:
    change(ada, f"/bodies/{body}", angle=5.0)
    change(ada, f"/bodies/{body}", mass=2.0, angle=1.0)
    change(bob, f"/bodies/{body}", mass=3.0)
    key = {"Idempotency-Key": str(uuid4())}
    first, again = undo(ada, universe, **key), undo(ada, universe, **key)
    assert first.json["skipped"] == [f"bodies/{body} mass"]
    assert again.json == first.json
    assert again.headers["Idempotent-Replayed"] == "true"
    assert ada.get(f"/bodies/{body}").json["angle"] == 5.0
    assert refused(redo(ada, universe, **key)) == (422, "OP_ID_REUSED")


def test_a_replayed_creation_tells_when_it_was_made_also_after_it_went_and_came_back(ada: Any, universe: str, scene: str) -> None:
    head = {**HERE, "Idempotency-Key": "once"}
    first = ada.post(f"/scenes/{scene}/bodies", json={"name": "ball"}, headers=head)
    ada.delete(f"/bodies/{first.json['id']}", headers=HERE)
    undo(ada, universe)
    change(ada, f"/bodies/{first.json['id']}", mass=7.0)
    assert ada.post(f"/scenes/{scene}/bodies", json={"name": "ball"}, headers=head).json == first.json


def test_undos_at_once_take_back_one_change_each(ada: Any, universe: str, body: str) -> None:
    revisions = [change(ada, f"/bodies/{body}", mass=float(mass)) for mass in range(2, 8)]

    def ask(_: int) -> int:
        while (answer := undo(ada, universe)).status_code == 503:
            pass
        found: int = answer.json["undo_of"]
        return found

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(ask, range(6))) == revisions
    assert ada.get(f"/bodies/{body}").json["mass"] == 1.0


# The stacks


def test_a_row_whose_kind_is_not_known_hides_what_lies_before_it() -> None:
    stacks = Stacks()
    stacks.edit(7, None)
    stacks.take_back(8, 3, None)
    assert (stacks.undo, stacks.redo) == ([], [])


def test_what_lies_above_a_row_that_is_taken_back_goes_with_it() -> None:
    stacks = Stacks()
    for revision in (1, 2, 3):
        stacks.edit(revision, None)
    stacks.take_back(4, 2, None)
    assert ([unit.newest for unit in stacks.undo], [unit.newest for unit in stacks.redo]) == ([1], [4])

"""Universes: made, read, changed, listed, deleted and brought back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from app.extensions import db


@pytest.fixture
def ada(person: Callable) -> Any:
    return person("ada")


@pytest.fixture
def universe(ada: Any) -> str:
    found: str = ada.post("/universes", json={"name": "One"}).json["id"]
    return found


# Fields


def test_a_new_universe_has_every_default_and_a_seed_of_its_own(ada: Any) -> None:
    answer = ada.post("/universes", json={"name": "  Ångström  "})
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/universes/{answer.json['id']}"
    made = answer.json
    assert (made["name"], made["visibility"], made["is_public"], made["forkable"]) == ("Ångström", "private", False, False)
    assert (made["unit_system"], made["tags"], made["revision"], made["entity_revision"]) == ("si", [], 1, 1)
    assert made["harmony"]["tuning"] == {"type": "equal", "divisions": 12}
    assert 0 <= int(made["seed"]) < 2**64
    assert made["seed"] != ada.post("/universes", json={"name": "Two"}).json["seed"]


def test_what_is_answered_at_creation_is_what_is_stored(ada: Any) -> None:
    made = ada.post("/universes", json={"name": "One", "tags": ["a"], "harmony": {"key": "Bb"}}).json
    read = ada.get(f"/universes/{made['id']}").json
    assert {key: value for key, value in read.items() if key not in ("scenes", "physics_parameters")} == made


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "x", "title": "y"}, "title"),
        ({"name": "x", "description": "x" * 5001}, "description"),
        ({"name": "x", "visibility": "secret"}, "visibility"),
        ({"name": "x", "is_public": 1}, "is_public"),
        ({"name": "x", "is_public": True, "visibility": "public"}, "is_public"),
        ({"name": "x", "tags": ["t"] * 2}, "tags"),
        ({"name": "x", "tags": [str(i) for i in range(21)]}, "tags"),
        ({"name": "x", "tags": ["x" * 33]}, "tags"),
        ({"name": "x", "seed": str(2**64)}, "seed"),
        ({"name": "x", "seed": -1}, "seed"),
        ({"name": "x", "seed": "0x10"}, "seed"),
        ({"name": "x", "unit_system": "cgs"}, "unit_system"),
        ({"name": "x", "colour": "red"}, "colour"),
        ({"name": "x", "harmony": {"key": "H"}}, "harmony"),
    ],
)
def test_a_field_out_of_bounds_is_named_and_nothing_is_made(ada: Any, fields: dict[str, Any], at: str) -> None:
    answer = ada.post("/universes", json=fields)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [at])
    assert ada.get("/universes?scope=mine").json["items"] == []


@pytest.mark.parametrize(("seed", "kept"), [("0", "0"), (7, "7"), ("007", "7"), (str(2**64 - 1), str(2**64 - 1))])
def test_a_seed_is_kept_as_decimal_text(ada: Any, seed: Any, kept: str) -> None:
    assert ada.post("/universes", json={"name": "x", "seed": seed}).json["seed"] == kept


def test_null_gives_a_universe_its_own_seed_again(ada: Any, universe: str) -> None:
    own = ada.get(f"/universes/{universe}").json["seed"]
    assert ada.patch(f"/universes/{universe}", json={"seed": 5}).json["seed"] == "5"
    assert ada.patch(f"/universes/{universe}", json={"seed": None}).json["seed"] == own


def test_put_takes_absent_fields_back_to_their_defaults(ada: Any, universe: str) -> None:
    ada.patch(f"/universes/{universe}", json={"theme": "night", "tags": ["a"], "harmony": {"key": "D"}})
    answer = ada.put(f"/universes/{universe}", json={"title": "Two"}).json
    assert (answer["name"], answer["theme"], answer["tags"], answer["harmony"]["key"]) == ("Two", "", [], "C")


@pytest.mark.parametrize(("before", "after"), [("public", "private"), ("unlisted", "unlisted"), ("private", "private")])
def test_not_public_leaves_an_unlisted_universe_as_it_is(ada: Any, universe: str, before: str, after: str) -> None:
    ada.patch(f"/universes/{universe}", json={"visibility": before})
    assert ada.patch(f"/universes/{universe}", json={"is_public": False}).json["visibility"] == after
    assert ada.patch(f"/universes/{universe}", json={"is_public": True}).json["visibility"] == "public"


def test_a_universe_holds_no_more_than_its_limit(app: Flask, ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    universe = ada.post("/universes", json={"name": "One"}).json["id"]
    monkeypatch.setitem(app.config, "SETTINGS", dataclasses.replace(app.config["SETTINGS"], max_document_bytes=3000))
    answer = ada.patch(f"/universes/{universe}", json={"description": "x" * 4000})
    assert answer.status_code == 422
    assert "at most 3000 bytes" in answer.json["errors"]["_schema"][0]
    assert ada.patch(f"/universes/{universe}", json={"description": "x" * 1000}).status_code == 200


# Reading


def test_a_universe_carries_its_active_set_and_its_scenes_in_order(ada: Any, universe: str) -> None:
    assert ada.get(f"/universes/{universe}").json["physics_parameters"] is None
    ada.post("/physics-parameters", json={"name": "other", "universe_id": universe, "active": False})
    active = ada.post("/physics-parameters", json={"name": "Moon", "universe_id": universe, "active": True, "gravity": {"y": -1.62}}).json
    first, second = (ada.post(f"/universes/{universe}/scenes", json={"name": name}).json["id"] for name in "AB")
    ada.post("/scenes/reorder", json={"universe_id": universe, "scene_ids": [second, first]})
    ada.post(f"/scenes/{first}/bodies", json={"name": "ball"})
    found = ada.get(f"/universes/{universe}").json
    assert found["physics_parameters"] == active
    assert [(scene["id"], scene["position"]) for scene in found["scenes"]] == [(second, 0), (first, 1)]
    assert "bodies" not in found["scenes"][0]
    full = ada.get(f"/universes/{universe}?include=contents").json["scenes"]
    assert [[body["name"] for body in scene["bodies"]] for scene in full] == [[], ["ball"]]
    assert [scene["mappings"] for scene in full] == [[], []]


def test_whoever_has_the_present_revision_is_told_so_alone(ada: Any, person: Callable, universe: str) -> None:
    bob = person("bob")
    ada.patch(f"/universes/{universe}", json={"visibility": "public"})
    for path in ("", "?include=contents", "/document", "/harmony"):
        first, other = ada.get(f"/universes/{universe}{path}"), bob.get(f"/universes/{universe}{path}")
        assert first.headers["ETag"] == other.headers["ETag"] == '"2"'
        assert first.headers["X-Universe-Revision"] == "2"
        again = ada.get(f"/universes/{universe}{path}", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", '"2"')
    ada.patch(f"/universes/{universe}", json={"name": "Two"})
    assert ada.get(f"/universes/{universe}", headers={"If-None-Match": '"2"'}).json["name"] == "Two"


def test_who_may_no_longer_read_is_not_told_that_nothing_has_changed(ada: Any, person: Callable, universe: str) -> None:
    bob = person("bob")
    ada.post(f"/universes/{universe}/collaborators", json={"user_id": bob.id})
    tag = bob.get(f"/universes/{universe}").headers["ETag"]
    ada.delete(f"/universes/{universe}/collaborators/{bob.id}")
    assert bob.get(f"/universes/{universe}", headers={"If-None-Match": tag}).status_code == 404


def test_an_id_is_known_in_any_spelling(ada: Any, universe: str) -> None:
    assert ada.get(f"/universes/{UUID(universe).hex.upper()}").json["id"] == universe
    assert {ada.request(method, "/universes/not-an-id", json={}).status_code for method in ("GET", "PUT", "PATCH", "DELETE")} == {404}


def test_the_document_is_what_people_put_in(ada: Any, universe: str) -> None:
    scene = ada.post(f"/universes/{universe}/scenes", json={"name": "A"}).json["id"]
    body = ada.post(f"/scenes/{scene}/bodies", json={"name": "ball", "mass": {"value": 200, "unit": "g"}}).json
    document = ada.get(f"/universes/{universe}/document").json
    assert document["universe"]["name"] == "One"
    assert document["scenes"][0]["bodies"] == [
        {name: value for name, value in body.items() if name not in ("universe_id", "revision", "created_at", "updated_at")}
    ]
    assert document["scenes"][0]["bodies"][0]["mass"] == 0.2
    assert set(document) == {"id", "revision", "universe", "physics_parameters", "scenes"}


def test_no_revision_is_ever_read_with_the_contents_of_another(app: Flask, ada: Any, universe: str) -> None:
    """A change between two statements of one reading is read again: here each look at the scenes finds one more."""
    from app.access import Actor
    from app.universes import reading

    def interrupted(universe_id: UUID) -> tuple[int, Any]:
        found = reading.with_scenes(universe_id)
        if len(found[1]["scenes"]) < 3:
            db.session.rollback()
            ada.post(f"/universes/{universe}/scenes", json={"name": "late"})
            return reading.with_scenes(universe_id)[0], found[1]
        return found

    with app.test_request_context():
        answer = reading.answer(Actor(UUID(ada.id)), UUID(universe), "test", interrupted)
    assert answer.headers["ETag"] == '"4"'
    assert len(answer.get_json()["scenes"]) == 3


def test_kept_bytes_stay_within_their_bound_and_the_least_used_go_first() -> None:
    from app.universes.reading import Kept

    kept, ids = Kept(100), [UUID(int=i) for i in range(5)]
    for i in ids[:2]:
        kept.put((i, 1, "x"), b"x" * 40)
    assert kept.get((ids[0], 1, "x")) is not None
    kept.put((ids[2], 1, "x"), b"x" * 40)
    assert [kept.get((i, 1, "x")) is not None for i in ids[:3]] == [True, False, True]
    kept.put((ids[3], 1, "x"), b"x" * 101)
    assert kept.get((ids[3], 1, "x")) is None
    kept.put((ids[0], 1, "x"), b"y" * 10)
    assert kept.size == 50


# Lists


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json["items"]]


@pytest.fixture
def three(ada: Any, person: Callable) -> Any:
    """Bob, and three universes of Ada's: a private one that Bob may view, an unlisted, a public one."""
    bob = person("bob")
    for name, visibility, tags in (
        ("Private Orbit", "private", ["a"]),
        ("Unlisted", "unlisted", ["a", "b"]),
        ("Public 100%", "public", ["a,", "A"]),
    ):
        made = ada.post("/universes", json={"name": name, "visibility": visibility, "tags": tags}).json
        if visibility == "private":
            ada.post(f"/universes/{made['id']}/collaborators", json={"user_id": bob.id})
    bob.post("/universes", json={"name": "Bob's"})
    return bob


def test_a_list_shows_what_one_may_see_there(client: Any, ada: Any, three: Any) -> None:
    assert set(names(ada.get("/universes"))) == {"Private Orbit", "Unlisted", "Public 100%"}
    assert set(names(three.get("/universes"))) == {"Bob's", "Private Orbit", "Public 100%"}
    assert names(client.get("/api/universes")) == ["Public 100%"]


def test_scopes_divide_the_list(client: Any, ada: Any, three: Any) -> None:
    assert names(three.get("/universes?scope=mine")) == ["Bob's"]
    assert names(three.get("/universes?scope=shared")) == ["Private Orbit"]
    assert names(three.get("/universes?scope=public")) == ["Public 100%"]
    assert names(client.get("/api/universes?scope=public")) == ["Public 100%"]
    assert client.get("/api/universes?scope=mine").status_code == 401
    assert client.get("/api/universes?scope=all").status_code == 422


def test_words_and_tags_narrow_the_list(ada: Any, three: Any) -> None:
    assert names(ada.get("/universes?q=orbit")) == ["Private Orbit"]
    assert names(ada.get("/universes?q=100%25")) == ["Public 100%"]
    assert names(ada.get("/universes?q=%25")) == ["Public 100%"]
    assert set(names(ada.get("/universes?tag=a"))) == {"Private Orbit", "Unlisted"}
    assert names(ada.get("/universes?tag=a,")) == ["Public 100%"]
    assert names(ada.get("/universes?tag=%22")) == []


def test_the_list_goes_on_where_it_stopped_and_is_sorted_as_asked(ada: Any, three: Any) -> None:
    first = ada.get("/universes?sort=name&limit=2&include=total")
    assert (names(first), first.json["total"]) == (["Private Orbit", "Public 100%"], 3)
    ada.post("/universes", json={"name": "A new one"})
    second = ada.get(f"/universes?sort=name&limit=2&cursor={first.json['next_cursor']}")
    assert (names(second), second.json["next_cursor"]) == (["Unlisted"], None)
    assert names(ada.get("/universes?sort=-name&per_page=1&page=2")) == ["Public 100%"]


def test_the_last_changed_universe_comes_first(ada: Any, three: Any) -> None:
    oldest = ada.get("/universes?sort=created_at").json["items"][0]["id"]
    ada.post(f"/universes/{oldest}/scenes", json={"name": "A"})
    assert ada.get("/universes").json["items"][0]["id"] == oldest


# The end


def test_a_deleted_universe_is_hidden_until_its_owner_brings_it_back(ada: Any, universe: str) -> None:
    path = f"/universes/{universe}"
    scene = ada.post(f"{path}/scenes", json={"name": "A"}).json["id"]
    assert [ada.delete(path).status_code for _ in range(2)] == [204, 204]
    assert [ada.get(one).status_code for one in (path, f"{path}/history", f"/scenes/{scene}")] == [404, 404, 404]
    assert ada.patch(path, json={"name": "Two"}).status_code == 410
    assert ada.patch(f"/scenes/{scene}", json={"name": "B"}).status_code == 410
    assert ada.get("/universes").json["items"] == []
    back = ada.post(f"{path}/restore-deleted")
    assert (back.status_code, back.json["deleted_at"]) == (200, None)
    assert [item["id"] for item in ada.get(path).json["scenes"]] == [scene]
    assert [row["op"] for row in ada.get(f"{path}/history").json["items"]] == ["create", "create", "delete", "update"]


def test_a_universe_in_the_database_cannot_have_two_owners(app: Flask, ada: Any, person: Callable, universe: str) -> None:
    bob = person("bob")
    ada.post(f"/universes/{universe}/collaborators", json={"user_id": bob.id})
    with app.app_context(), pytest.raises(sa.exc.IntegrityError):
        db.session.execute(sa.text("UPDATE memberships SET role = 'owner'"))
    with app.app_context():
        db.session.rollback()

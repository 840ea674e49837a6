"""People: what they say of themselves, what others see, how they are found."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.extensions import db
from app.users.models import User

ACCOUNT = {"username": "ada", "email": "ada@example.org", "display_name": "Ada L.", "bio": "Engines.", "color": "#112233"}
PUBLIC = {"id", "username", "display_name", "bio", "color", "created_at"}


@pytest.fixture
def ada(person: Any) -> Any:
    return person("ada")


def test_people_see_their_own_account(ada: Any) -> None:
    account = ada.get("/users/me").json
    assert account["email"] == "ada@example.org"
    assert account["settings"] == {"theme": "system", "notifications": True, "default_tuning": "equal"}
    assert account["quota"] == {"storage_bytes": 2_147_483_648, "render_seconds_per_day": 36_000}
    assert account["usage"] == {"storage_bytes": 0, "render_seconds_per_day": 0.0}
    assert account["is_active"] is True
    assert not {"password_hash", "username_folded", "email_folded"} & set(account)


def test_changing_some_leaves_the_rest(ada: Any) -> None:
    ada.put("/users/me", json=ACCOUNT)
    answer = ada.patch("/users/me", json={"bio": "  Notes on an engine.  "})
    assert answer.status_code == 200
    assert answer.json["bio"] == "Notes on an engine."
    assert answer.json["display_name"] == "Ada L."
    assert answer.json["updated_at"] >= answer.json["created_at"]
    assert ada.get("/users/me").json == answer.json


def test_null_sets_the_default_where_there_is_one(ada: Any) -> None:
    ada.put("/users/me", json=ACCOUNT)
    answer = ada.patch("/users/me", json={"bio": None, "color": None})
    assert (answer.json["bio"], answer.json["color"]) == ("", "#4f7cff")
    assert ada.patch("/users/me", json={"username": None}).status_code == 422


def test_replacing_sets_what_is_not_said_to_its_default(ada: Any) -> None:
    ada.put("/users/me", json=ACCOUNT)
    answer = ada.put("/users/me", json={"username": "ada", "email": "ada@example.org"})
    assert (answer.status_code, answer.json["bio"], answer.json["display_name"]) == (200, "", "")
    assert ada.put("/users/me", json={"username": "ada"}).json["errors"].keys() == {"email"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"color": "red"}, "color"),
        ({"color": "#12345g"}, "color"),
        ({"bio": "x" * 501}, "bio"),
        ({"display_name": "x" * 81}, "display_name"),
        ({"display_name": "a\0b"}, "display_name"),
        ({"username": "a b c"}, "username"),
        ({"email": "nowhere"}, "email"),
        ({"role": "admin"}, "role"),
        ({"is_active": False}, "is_active"),
        ({"password": "staple of the battery"}, "password"),
        ({"settings": {}}, "settings"),
        ({"id": str(uuid4())}, "id"),
    ],
)
def test_an_account_that_cannot_be_is_refused_and_nothing_changes(ada: Any, change: dict[str, Any], field: str) -> None:
    before = ada.get("/users/me").json
    answer = ada.patch("/users/me", json={"bio": "new", **change})
    assert answer.status_code == 422
    assert field in answer.json["errors"]
    assert ada.get("/users/me").json == before


def test_a_new_name_must_be_free_in_any_case_but_may_change_its_own(ada: Any, person: Any) -> None:
    person("bob")
    answer = ada.patch("/users/me", json={"username": "BOB"})
    assert (answer.status_code, list(answer.json["errors"])) == (409, ["username"])
    assert ada.patch("/users/me", json={"username": "ADA"}).json["username"] == "ADA"
    assert ada.get("/users/ada").json["username"] == "ADA"


def test_a_new_address_needs_the_password_and_must_be_free(ada: Any, person: Any, client: FlaskClient) -> None:
    person("bob")
    new = {"email": "countess@example.org"}
    assert "current_password" in ada.patch("/users/me", json=new).json["errors"]
    assert ada.patch("/users/me", json={**new, "current_password": "wrong password"}).json["code"] == "INVALID_CREDENTIALS"
    taken = ada.patch("/users/me", json={"email": "BOB@example.org", "current_password": ada.password})
    assert (taken.status_code, list(taken.json["errors"])) == (409, ["email"])
    assert ada.patch("/users/me", json={**new, "current_password": ada.password}).json["email"] == new["email"]
    assert client.post("/api/auth/login", json={"email": new["email"], "password": ada.password}).status_code == 200
    assert client.post("/api/auth/login", json={"email": "ada@example.org", "password": ada.password}).status_code == 401


def test_settings_are_set_as_a_whole(ada: Any) -> None:
    assert ada.put("/users/me/settings", json={"theme": "dark", "notifications": False, "default_tuning": "just"}).status_code == 200
    assert ada.get("/users/me").json["settings"] == {"theme": "dark", "notifications": False, "default_tuning": "just"}
    ada.put("/users/me/settings", json={"theme": "light"})
    assert ada.get("/users/me").json["settings"] == {"theme": "light", "notifications": True, "default_tuning": "equal"}
    for bad in ({"theme": "pink"}, {"notifications": "yes"}, {"default_tuning": "random"}, {"volume": 11}):
        assert list(ada.put("/users/me/settings", json=bad).json["errors"]) == list(bad)


@pytest.mark.parametrize("spelling", [lambda i: i, lambda i: i.replace("-", ""), str.upper, lambda i: "ADA"])
def test_a_profile_is_found_by_id_in_any_spelling_and_by_name_in_any_case(ada: Any, client: FlaskClient, spelling: Any) -> None:
    profile = client.get(f"/api/users/{spelling(ada.id)}")
    assert profile.status_code == 200
    assert set(profile.json) == PUBLIC


def test_a_profile_never_shows_the_address(ada: Any, person: Any, client: FlaskClient) -> None:
    bob = person("bob")
    for answer in (client.get("/api/users/ada"), bob.get("/users/ada"), bob.get("/users?q=ada")):
        assert "example.org" not in answer.text
    assert client.get("/api/users/ada@example.org").status_code == 404
    assert bob.get("/users?q=example.org").json["items"] == []


def test_nobody_has_no_profile(app: Flask, ada: Any, client: FlaskClient) -> None:
    assert client.get("/api/users/nobody").status_code == client.get(f"/api/users/{uuid4()}").status_code == 404
    with app.app_context():
        db.session.execute(sa.update(User).values(is_active=False))
        db.session.commit()
    assert client.get("/api/users/ada").status_code == 404


def test_a_name_that_looks_like_an_id_does_not_hide_anybody(ada: Any, person: Any, client: FlaskClient) -> None:
    person(ada.id)
    assert client.get(f"/api/users/{ada.id}").json["username"] == "ada"


def test_people_are_found_by_part_of_their_names(ada: Any, person: Any, client: FlaskClient) -> None:
    for name in ("adam", "under_score", "underXscore", "bob"):
        person(name)
    ada.patch("/users/me", json={"display_name": "The Countess 100%"})
    assert client.get("/api/users?q=ada").status_code == 401

    def found(query: str) -> list[str]:
        return [item["username"] for item in ada.get(f"/users?{query}").json["items"]]

    assert found("q=AD") == ["ada", "adam"]
    assert found("q=countess") == ["ada"]
    assert found("q=r_s") == ["under_score"], "_ stands for itself"
    assert found("q=0%25") == ["ada"], "and so does %"
    assert found("q=%5C") == []
    assert found("q=") == found("") == ["ada", "adam", "bob", "under_score", "underXscore"]
    assert found("sort=-username&limit=2") == ["underXscore", "under_score"]
    assert ada.get("/users?include=total&limit=2").json["total"] == 5


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("page=0", "page"),
        ("per_page=101", "per_page"),
        ("cursor=abc", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=abc&page=2", "cursor"),
        ("sort=email", "sort"),
        ("sort=", "sort"),
        ("include=email", "include"),
        ("q=" + "x" * 101, "q"),
        ("colour=red", "colour"),
    ],
)
def test_a_query_that_cannot_be_is_refused_by_field(ada: Any, query: str, field: str) -> None:
    answer = ada.get(f"/users?{query}")
    assert answer.status_code == 422
    assert field in answer.json["errors"]


def test_a_list_of_people_is_walked_by_its_cursor(ada: Any, person: Any) -> None:
    names = [f"user{number}" for number in range(5)]
    for name in names:
        person(name)
    seen, path = [], "/users?limit=2&q=user"
    while path:
        page = ada.get(path).json
        seen += [item["username"] for item in page["items"]]
        path = page["next_cursor"] and f"/users?limit=2&q=user&cursor={page['next_cursor']}"
    assert seen == names


def test_the_export_holds_everything_about_the_person_and_no_secret(app: Flask, ada: Any, person: Any) -> None:
    bob = person("bob")
    answer = ada.get("/users/me/export")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == 'attachment; filename="ada.json"'
    found = json.loads(answer.data)
    assert [user["email"] for user in found["users"]] == ["ada@example.org"]
    assert len(found["sessions"]) == 1
    referring = {
        key.parent.table.name for table in db.metadata.tables.values() for key in table.foreign_keys if key.column is User.__table__.c.id
    }
    assert referring <= set(found), "every table that refers to people takes part"
    with app.app_context():
        stored = db.session.scalar(sa.select(User.password_hash).where(User.id == UUID(ada.id)))
    assert stored not in answer.text
    assert bob.id not in answer.text
    assert "bob" not in answer.text

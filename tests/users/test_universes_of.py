"""The universes of somebody, as everybody else finds them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.extensions import db
from app.users.models import User


@pytest.fixture
def ada(person: Any) -> Any:
    """Somebody with a universe of each visibility; bob is a member of none."""
    ada = person("ada")
    person("bob").post("/universes", json={"name": "of bob", "visibility": "public"})
    for visibility in ("private", "unlisted", "public"):
        assert ada.post("/universes", json={"name": visibility, "visibility": visibility}).status_code == 201
    return ada


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [universe["name"] for universe in answer.json["items"]]


def test_a_stranger_sees_the_public_ones_with_and_without_a_token(ada: Any, person: Any, client: FlaskClient) -> None:
    assert names(client.get("/api/users/ada/universes")) == ["public"]
    assert names(person("eve").get(f"/users/{ada.id}/universes")) == ["public"]


def test_the_owner_sees_all_and_nobody_else_s(ada: Any) -> None:
    assert names(ada.get("/users/ada/universes?sort=name")) == ["private", "public", "unlisted"]


def test_a_member_sees_what_was_shared_with_them_as_its_owner_s(ada: Any, person: Any) -> None:
    eve = person("eve")
    private = next(one for one in ada.get("/universes?scope=mine").json["items"] if one["name"] == "private")
    assert ada.post(f"/universes/{private['id']}/collaborators", json={"username": "eve", "role": "viewer"}).status_code == 201
    assert names(eve.get("/users/ADA/universes?sort=name")) == ["private", "public"]
    assert names(eve.get("/users/eve/universes")) == [], "a member is no owner"


def test_an_administrator_sees_every_one(ada: Any, person: Any, app: Flask) -> None:
    root = person("root")
    with app.app_context():
        db.session.execute(sa.update(User).where(User.id == UUID(root.id)).values(role="admin"))
        db.session.commit()
    assert names(root.get("/users/ada/universes?sort=name")) == ["private", "public", "unlisted"]


def test_a_deleted_universe_is_gone_from_the_list(ada: Any) -> None:
    found = ada.get("/users/ada/universes").json["items"]
    assert ada.delete(f"/universes/{found[0]['id']}").status_code == 204
    assert names(ada.get("/users/ada/universes")) == [one["name"] for one in found[1:]]


def test_the_list_comes_in_pages_and_each_item_is_the_universe_itself(ada: Any) -> None:
    first = ada.get("/users/ada/universes?limit=2&sort=name&include=total").json
    rest = ada.get(f"/users/ada/universes?limit=2&cursor={first['next_cursor']}").json
    assert (first["total"], [one["name"] for one in first["items"] + rest["items"]]) == (3, ["private", "public", "unlisted"])
    assert rest["next_cursor"] is None
    whole = ada.get(f"/universes/{first['items'][0]['id']}").json
    assert first["items"][0] == {key: whole[key] for key in first["items"][0]}


@pytest.mark.parametrize("name", ["nobody", "7f2c5a3e-6d0b-4c1f-9a51-0e7b2d4c8f13"])
def test_nobody_has_no_list(client: FlaskClient, name: str) -> None:
    assert client.get(f"/api/users/{name}/universes").status_code == 404

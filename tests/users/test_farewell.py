"""Leaving: what goes with somebody, what passes on, what the log keeps."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.changes.models import Change, IdempotencyKey
from app.extensions import db
from app.users.models import User

ADA = {"username": "ada", "email": "ada@example.org", "password": "correct horse battery"}


@pytest.fixture
def ada(person: Any) -> Any:
    return person("ada")


def leave(who: Any) -> Any:
    return who.delete("/users/me", json={"password": who.password})


def make_universe(who: Any, name: str) -> str:
    answer = who.post("/universes", json={"name": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def test_leaving_needs_the_password(ada: Any) -> None:
    assert ada.delete("/users/me", json={"password": "wrong password"}).json["code"] == "INVALID_CREDENTIALS"
    assert ada.delete("/users/me", json={}).status_code == 422
    assert ada.get("/users/me").status_code == 200


def test_who_has_left_is_gone_and_the_name_is_free(ada: Any, client: FlaskClient) -> None:
    assert leave(ada).status_code == 204
    assert ada.get("/users/me").json["code"] == "TOKEN_REVOKED"
    assert client.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token}).status_code == 401
    assert client.post("/api/auth/login", json={"username": "ada", "password": ada.password}).status_code == 401
    assert client.get("/api/users/ada").status_code == 404
    assert client.post("/api/auth/register", json=ADA).status_code == 201


def test_a_registrations_key_goes_with_the_account(app: Flask, client: FlaskClient) -> None:
    headers = {"Idempotency-Key": "the-key"}
    first = client.post("/api/auth/register", json=ADA, headers=headers).json
    client.delete("/api/users/me", json={"password": ADA["password"]}, headers={"Authorization": f"Bearer {first['access_token']}"})
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(IdempotencyKey)) == 0
    again = client.post("/api/auth/register", json=ADA, headers=headers)
    assert again.status_code == 201
    assert again.json["user"]["id"] != first["user"]["id"]


def test_a_shared_universe_passes_to_its_longest_standing_editor(ada: Any, person: Any) -> None:
    universe = make_universe(ada, "Ours")
    people = {name: person(name) for name in ("viewer", "editor", "newcomer")}
    for name, role in (("viewer", "viewer"), ("editor", "editor"), ("newcomer", "editor")):
        invited = ada.post(f"/universes/{universe}/collaborators", json={"user_id": people[name].id, "role": role})
        assert invited.status_code == 201, invited.text
    assert leave(ada).status_code == 204
    members = people["editor"].get(f"/universes/{universe}/collaborators").json["items"]
    assert {member["user"]["username"]: member["role"] for member in members} == {
        "editor": "owner",
        "newcomer": "editor",
        "viewer": "viewer",
    }


def test_a_universe_of_ones_own_goes_with_its_owner(ada: Any, person: Any) -> None:
    alone, with_viewer = make_universe(ada, "Mine"), make_universe(ada, "Seen")
    bob = person("bob")
    ada.post(f"/universes/{with_viewer}/collaborators", json={"user_id": bob.id, "role": "viewer"})
    assert leave(ada).status_code == 204
    assert bob.get(f"/universes/{alone}").status_code == bob.get(f"/universes/{with_viewer}").status_code == 404


def test_the_log_keeps_a_pseudonym(app: Flask, ada: Any) -> None:
    make_universe(ada, "Mine")
    leave(ada)
    with app.app_context():
        actors = set(db.session.scalars(sa.select(Change.actor_id)))
        assert actors == {UUID(ada.id)}
        assert db.session.get(User, UUID(ada.id)) is None
        rows = db.session.execute(sa.select(Change.before, Change.after)).all()
    assert "ada" not in str(rows).lower()

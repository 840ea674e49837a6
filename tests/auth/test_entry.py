"""Registering, logging in, refreshing, leaving."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher, extract_parameters
from flask import Flask
from flask.testing import FlaskClient

from app.auth.models import LoginSession
from app.auth.passwords import is_outdated
from app.changes.models import IdempotencyKey
from app.config import load
from app.extensions import db, offload
from app.users.models import User

ADA = {"username": "Ada", "email": "Ada@Example.org", "password": "correct horse battery"}


def register(client: FlaskClient, key: str | None = None, **changes: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/api/auth/register", json={**ADA, **changes}, headers=headers)


def log_in(client: FlaskClient, name: str = "ada", password: str = ADA["password"], field: str = "username") -> Any:
    return client.post("/api/auth/login", json={field: name, "password": password})


def refresh(client: FlaskClient, token: str) -> Any:
    return client.post("/api/auth/refresh", json={"refresh_token": token})


def me(client: FlaskClient, token: str) -> Any:
    return client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})


def test_registering_answers_the_user_and_working_tokens(client: FlaskClient) -> None:
    answer = register(client)
    assert answer.status_code == 201
    assert set(answer.json) == {"user", "access_token", "refresh_token", "token_type", "expires_in"}
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 900
    user = answer.json["user"]
    assert (user["username"], user["email"], user["role"]) == ("Ada", "Ada@example.org", "user")
    assert not any("password" in name for name in user)
    assert me(client, answer.json["access_token"]).json == user
    profile = client.get(answer.headers["Location"])
    assert profile.json["id"] == user["id"]


def test_the_second_prefix_points_to_itself(client: FlaskClient) -> None:
    answer = client.post("/api/v1/auth/register", json=ADA)
    assert answer.headers["Location"] == f"/api/v1/users/{answer.json['user']['id']}"


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"username": "aDA", "email": "x@example.org"}, "username"), ({"username": "lovelace", "email": "ADA@EXAMPLE.ORG"}, "email")],
)
def test_names_and_addresses_are_unique_whatever_their_case(client: FlaskClient, changes: dict[str, str], field: str) -> None:
    register(client)
    answer = register(client, **changes)
    assert (answer.status_code, answer.json["code"]) == (409, "CONFLICT")
    assert list(answer.json["errors"]) == [field]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": "ab"}, "username"),
        ({"username": "a" * 41}, "username"),
        ({"username": "ada lovelace"}, "username"),
        ({"username": "ada\0x"}, "username"),
        ({"username": None}, "username"),
        ({"email": "ada"}, "email"),
        ({"email": "ada@"}, "email"),
        ({"email": "a" * 250 + "@example.org"}, "email"),
        ({"password": "short 7"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"password": 12345678901}, "password"),
        ({"password": "PassWord123"}, "password"),
        ({"password": "qwertyuiop"}, "password"),
        ({"username": "ada_lovelace", "password": "Ada_Lovelace"}, "password"),
        ({"email": "countess1815@example.org", "password": "countess1815"}, "password"),
        ({"email": "countess1815@example.org", "password": "Countess1815@example.org"}, "password"),
        ({"role": "admin"}, "role"),
        ({"is_active": True}, "is_active"),
    ],
)
def test_a_registration_that_cannot_be_is_refused_by_field(app: Flask, client: FlaskClient, changes: dict[str, Any], field: str) -> None:
    answer = register(client, **changes)
    assert (answer.status_code, answer.json["code"]) == (422, "VALIDATION_ERROR")
    assert field in answer.json["errors"]
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(User)) == 0


def test_passwords_are_kept_as_typed_but_in_one_spelling(client: FlaskClient) -> None:
    register(client, password="  Ünïcode påss ")
    assert log_in(client, password="Ünïcode påss").status_code == 401
    decomposed = "  U\u0308ni\u0308code pa\u030ass "
    assert log_in(client, password=decomposed).status_code == 200


def test_a_password_is_stored_as_argon2id_of_the_owasp_profile(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = app.config["SETTINGS"]
    profile = load({}, **{name: getattr(quick, name) for name in ("flask_env", "database_url", "data_dir")})
    monkeypatch.setitem(app.config, "SETTINGS", profile)
    register(client)
    with app.app_context():
        stored = db.session.scalar(sa.select(User.password_hash))
    parameters = extract_parameters(stored)
    assert stored.startswith("$argon2id$")
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19_456, 2, 1)


def test_an_outdated_hash_is_renewed_at_login(app: Flask, client: FlaskClient) -> None:
    register(client)
    weak = PasswordHasher(time_cost=1, memory_cost=32, parallelism=1).hash(ADA["password"])
    with app.app_context():
        db.session.execute(sa.update(User).values(password_hash=weak))
        db.session.commit()
    assert log_in(client).status_code == 200
    with app.app_context():
        assert is_outdated(weak)
        assert not is_outdated(db.session.scalar(sa.select(User.password_hash)))
    assert log_in(client).status_code == 200


def test_no_transaction_is_open_while_a_password_is_hashed(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def watch(work: Any, *args: Any) -> Any:
        seen.append(db.session().in_transaction())
        return work(*args)

    monkeypatch.setattr(offload, "run", watch)
    token = register(client, key="one").json["access_token"]
    register(client, key="one")
    log_in(client)
    change = {"current_password": ADA["password"], "new_password": "another good one"}
    client.post("/api/auth/change-password", json=change, headers={"Authorization": f"Bearer {token}"})
    assert len(seen) >= 6
    assert not any(seen)


def test_login_takes_a_name_or_an_address_in_either_field_and_any_case(client: FlaskClient) -> None:
    register(client)
    for field in ("username", "email"):
        for name in ("ADA", "ada", "ADA@example.ORG"):
            assert log_in(client, name, field=field).status_code == 200, (field, name)


@pytest.mark.parametrize(
    "body",
    [
        {"password": "x"},
        {"username": "ada", "email": "a@example.org", "password": "x"},
        {"username": "ada"},
        {"username": "ada", "password": "x", "otp": 1},
    ],
)
def test_a_login_names_one_person_and_a_password(client: FlaskClient, body: dict[str, Any]) -> None:
    assert client.post("/api/auth/login", json=body).status_code == 422


def test_a_failed_login_does_not_tell_why(app: Flask, client: FlaskClient) -> None:
    register(client)
    register(client, username="disabled", email="disabled@example.org")
    with app.app_context():
        db.session.execute(sa.update(User).where(User.username == "disabled").values(is_active=False))
        db.session.commit()
    answers = [log_in(client, "ada", "wrong password"), log_in(client, "nobody", "wrong password"), log_in(client, "disabled")]
    shapes = [{**answer.json, "request_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert shapes[0]["code"] == "INVALID_CREDENTIALS"
    assert shapes[0] == shapes[1] == shapes[2]


def test_an_unknown_name_costs_as_much_hashing_as_a_wrong_password(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    register(client)
    costs: list[tuple[str, Any]] = []

    def watch(work: Any, *args: Any) -> Any:
        costs.append((work.__name__, extract_parameters(args[1])))
        return work(*args)

    monkeypatch.setattr(offload, "run", watch)
    log_in(client, "ada", "wrong password")
    log_in(client, "nobody", "wrong password")
    assert len(costs) == 2
    assert costs[0] == costs[1]


def test_a_refresh_token_is_good_once(client: FlaskClient) -> None:
    first = register(client).json
    second = refresh(client, first["refresh_token"])
    assert second.status_code == 200
    assert me(client, second.json["access_token"]).status_code == 200
    third = client.post("/api/auth/refresh", headers={"Authorization": f"Bearer {second.json['refresh_token']}"})
    assert third.status_code == 200
    assert third.json["user"]["id"] == first["user"]["id"]


def test_a_refresh_token_that_comes_back_ends_its_whole_session(client: FlaskClient) -> None:
    first = register(client).json
    elsewhere = log_in(client).json
    second = refresh(client, first["refresh_token"]).json
    stolen = refresh(client, first["refresh_token"])
    assert (stolen.status_code, stolen.json["code"]) == (401, "TOKEN_REVOKED")
    assert refresh(client, second["refresh_token"]).json["code"] == "TOKEN_REVOKED"
    assert me(client, second["access_token"]).json["code"] == "TOKEN_REVOKED"
    assert me(client, elsewhere["access_token"]).status_code == 200


def test_of_many_that_refresh_at_once_at_most_one_is_let_in(app: Flask, client: FlaskClient) -> None:
    token = register(client).json["refresh_token"]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: refresh(app.test_client(), token).status_code, range(6)))
    assert answers.count(200) <= 1
    assert set(answers) <= {200, 401}


def test_an_access_token_does_not_refresh_nor_a_refresh_token_admit(client: FlaskClient) -> None:
    entry = register(client).json
    assert refresh(client, entry["access_token"]).json["code"] == "TOKEN_INVALID"
    assert me(client, entry["refresh_token"]).json["code"] == "TOKEN_INVALID"


@pytest.mark.parametrize("body", [{}, {"refresh_token": ""}, {"refresh_token": None}, {"refresh_token": 5}, []])
def test_a_refresh_without_a_token_is_refused(client: FlaskClient, body: Any) -> None:
    assert client.post("/api/auth/refresh", json=body).status_code == 422
    assert client.post("/api/auth/refresh").json["code"] == "TOKEN_INVALID"


def test_logging_out_voids_the_sessions_tokens_at_once(person: Any, client: FlaskClient) -> None:
    ada = person("ada")
    other = log_in(client).json
    assert ada.post("/auth/logout").status_code == 204
    assert ada.get("/auth/me").json["code"] == "TOKEN_REVOKED"
    assert refresh(client, ada.refresh_token).json["code"] == "TOKEN_REVOKED"
    assert me(client, other["access_token"]).status_code == 200


def test_logging_out_everywhere_ends_every_session(person: Any, client: FlaskClient) -> None:
    ada, bob = person("ada"), person("bob")
    other = log_in(client).json
    assert ada.post("/auth/logout-all").status_code == 204
    assert ada.get("/auth/me").status_code == me(client, other["access_token"]).status_code == 401
    assert bob.get("/auth/me").status_code == 200


def test_changing_the_password_ends_every_session_and_begins_one(person: Any, client: FlaskClient) -> None:
    ada = person("ada")
    other = log_in(client).json
    change = {"current_password": ada.password, "new_password": "staple of the battery"}
    fresh = ada.post("/auth/change-password", json=change)
    assert fresh.status_code == 200
    assert me(client, fresh.json["access_token"]).json["username"] == "ada"
    assert ada.get("/auth/me").json["code"] == "TOKEN_REVOKED"
    assert me(client, other["access_token"]).json["code"] == "TOKEN_REVOKED"
    assert log_in(client).status_code == 401
    assert log_in(client, password="staple of the battery").status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"current_password": "wrong password", "new_password": "staple of the battery"}, 401, "INVALID_CREDENTIALS"),
        ({"current_password": "correct horse battery", "new_password": "password123"}, 422, "VALIDATION_ERROR"),
        ({"current_password": "correct horse battery", "new_password": "short"}, 422, "VALIDATION_ERROR"),
        ({"new_password": "staple of the battery"}, 422, "VALIDATION_ERROR"),
    ],
)
def test_a_password_change_that_is_refused_changes_nothing(
    person: Any, client: FlaskClient, change: dict[str, str], status: int, code: str
) -> None:
    ada = person("ada")
    answer = ada.post("/auth/change-password", json=change)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert log_in(client).status_code == 200


def test_people_see_and_end_their_own_sessions_only(person: Any, client: FlaskClient) -> None:
    ada, bob = person("ada"), person("bob")
    phone = client.post("/api/auth/login", json={"username": "ada", "password": ada.password}, headers={"User-Agent": "Phone/1.0"}).json
    sessions = ada.get("/auth/sessions").json["items"]
    assert sorted(s["current"] for s in sessions) == [False, True]
    other = next(s for s in sessions if not s["current"])
    assert other["device"] == "Phone/1.0"
    assert other["created_at"].endswith("Z")
    assert bob.delete(f"/auth/sessions/{other['id']}").status_code == 404
    assert ada.delete(f"/auth/sessions/{other['id']}").status_code == 204
    assert ada.delete(f"/auth/sessions/{other['id']}").status_code == 204
    assert ada.delete(f"/auth/sessions/{uuid4()}").status_code == 404
    assert me(client, phone["access_token"]).status_code == 401
    assert len(ada.get("/auth/sessions").json["items"]) == 1


def test_expired_sessions_are_cleared_away_at_the_next_login(app: Flask, client: FlaskClient) -> None:
    register(client)
    with app.app_context():
        db.session.execute(sa.update(LoginSession).values(expires_at=LoginSession.created_at))
        db.session.commit()
    log_in(client)
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(LoginSession)) == 1


@pytest.mark.parametrize("key", ["a key of no form".replace(" ", "-"), "6f6c7f0e-3c5d-4c1e-9d59-0a2f1c9b7a11"])
def test_a_registration_repeated_with_its_key_is_answered_again(app: Flask, client: FlaskClient, key: str) -> None:
    first, again = register(client, key), register(client, key)
    assert again.status_code == 201
    assert again.json["user"] == first.json["user"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert me(client, again.json["access_token"]).status_code == 200
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(User)) == 1
        row = db.session.scalar(sa.select(IdempotencyKey))
    assert "ada" not in f"{row.scope}{row.owner}{row.op_hash}".lower()


def test_registrations_sent_at_once_with_one_key_make_one_account(app: Flask, client: FlaskClient) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: register(app.test_client(), "the-key"), range(4)))
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json["user"]["id"] for answer in answers}) == 1


def test_a_key_serves_one_registration(client: FlaskClient) -> None:
    register(client, "the-key")
    answer = register(client, "the-key", password="another password")
    assert (answer.status_code, answer.json["code"]) == (422, "OP_ID_REUSED")
    assert register(client, "the-key", username="bob", email="bob@example.org").status_code == 201


def test_a_key_is_no_way_around_a_changed_password(client: FlaskClient) -> None:
    token = register(client, "the-key").json["access_token"]
    change = {"current_password": ADA["password"], "new_password": "staple of the battery"}
    client.post("/api/auth/change-password", json=change, headers={"Authorization": f"Bearer {token}"})
    assert register(client, "the-key").status_code == 401


@pytest.mark.parametrize("key", ["x" * 256, "two words", "é"])
def test_a_key_of_another_form_is_refused(client: FlaskClient, key: str) -> None:
    answer = client.post("/api/auth/register", json=ADA, headers=[("Idempotency-Key", key)])
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json["errors"]

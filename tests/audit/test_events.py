"""What is recorded, of whom, and what never is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app import database
from app.audit.service import record
from app.auth.models import LoginSession
from app.errors import Busy
from app.extensions import db, offload
from app.users.commands import users
from app.users.models import User
from tests.audit.conftest import Trail
from tests.conftest import Person
from tests.rendering import make_scene, make_universe

PASSWORD = "correct horse battery"
ADA = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}


@pytest.fixture
def ada(person: Callable[[str], Person]) -> Person:
    return person("ada")


def log_in(client: FlaskClient, name: str = "ada", password: str = PASSWORD, **kwargs: Any) -> Any:
    return client.post("/api/auth/login", json={"username": name, "password": password}, **kwargs)


def refresh(client: FlaskClient, token: str) -> Any:
    return client.post("/api/auth/refresh", json={"refresh_token": token})


@contextmanager
def failing_commits(app: Flask) -> Iterator[None]:
    """A database that cannot keep anything."""

    def fail(_: Any) -> None:
        raise Busy

    with app.app_context():
        sa.event.listen(db.session, "before_commit", fail)
    try:
        yield
    finally:
        with app.app_context():
            sa.event.remove(db.session, "before_commit", fail)


@contextmanager
def without_the_table(app: Flask) -> Iterator[None]:
    """A database in which no event can be written."""
    with app.app_context():
        engine = db.engine
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.exec_driver_sql("ALTER TABLE audit_events RENAME TO put_away")
    try:
        yield
    finally:
        with engine.connect().execution_options(write=True) as connection, connection.begin():
            connection.exec_driver_sql("ALTER TABLE put_away RENAME TO audit_events")


def test_an_event_tells_who_from_where_what_and_what_came_of_it(client: FlaskClient, trail: Trail) -> None:
    answer = client.post("/api/auth/register", json=ADA, headers={"X-Request-Id": "the-request"})
    event = trail.one("auth.register")
    user_id = answer.json["user"]["id"]
    assert (event.actor_id, event.target, event.ip) == (UUID(user_id), f"users/{user_id}", "127.0.0.1")
    assert event.request_id == "the-request"
    assert abs(event.at.timestamp() - time.time()) < 60, "now, in UTC"


def test_logins_are_told_with_their_outcome(ada: Person, client: FlaskClient, trail: Trail) -> None:
    log_in(client)
    log_in(client, password="wrong password")
    log_in(client, name="nobody")
    assert trail.told("auth.login") == [("auth.login", "INVALID_CREDENTIALS")] * 2 + [("auth.login", "ok")]
    assert trail.one("auth.login").actor_id == UUID(ada.id)
    failed = [row for row in trail.rows() if row.outcome == "INVALID_CREDENTIALS"]
    assert {(row.actor_id, row.target) for row in failed} == {(None, f"users/{ada.id}"), (None, None)}, (
        "who failed is not known to be anybody"
    )


def test_the_end_of_sessions_is_told(ada: Person, client: FlaskClient, trail: Trail) -> None:
    other = log_in(client).json
    session = next(item["id"] for item in ada.get("/auth/sessions").json["items"] if not item["current"])
    for _ in range(2):
        assert ada.delete(f"/auth/sessions/{session}").status_code == 204
    assert trail.one("auth.logout").target == f"sessions/{session}", "ended once, told once"
    assert refresh(client, other["refresh_token"]).status_code == 401
    ada.post("/auth/logout")
    assert trail.told("auth.logout") == [("auth.logout", "ok")] * 2
    again = log_in(client).json
    client.post("/api/auth/logout-all", headers={"Authorization": f"Bearer {again['access_token']}"})
    event = trail.one("auth.logout_all")
    assert (event.actor_id, event.target) == (UUID(ada.id), f"users/{ada.id}")


def test_a_refresh_token_that_comes_back_is_told_once(ada: Person, client: FlaskClient, trail: Trail) -> None:
    assert refresh(client, ada.refresh_token).status_code == 200
    assert trail.told("auth.refresh") == [], "a refresh in order is nothing to tell"
    for _ in range(3):
        assert refresh(client, ada.refresh_token).json["code"] == "TOKEN_REVOKED"
    event = trail.one("auth.refresh", "TOKEN_REVOKED")
    assert event.actor_id == UUID(ada.id)
    assert event.target is not None
    assert event.target.startswith("sessions/")


def test_password_changes_are_told_and_refused_ones_too(ada: Person, trail: Trail) -> None:
    for current, new in (("wrong password", "staple of the battery"), (PASSWORD, "password123"), (PASSWORD, "staple of the battery")):
        ada.post("/auth/change-password", json={"current_password": current, "new_password": new})
    outcomes = ["INVALID_CREDENTIALS", "VALIDATION_ERROR", "ok"]
    assert trail.told("auth.change_password") == [("auth.change_password", outcome) for outcome in outcomes]
    rows = [row for row in trail.rows() if row.action == "auth.change_password"]
    assert {(row.actor_id, row.target) for row in rows} == {(UUID(ada.id), f"users/{ada.id}")}


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_change_of_address_is_told_without_the_address(ada: Person, trail: Trail, method: str) -> None:
    account = {"username": "ada", "email": "lovelace@example.org"}
    assert ada.request(method, "/users/me", json={**account, "current_password": "wrong password"}).status_code == 401
    assert ada.request(method, "/users/me", json={**account, "current_password": PASSWORD}).status_code == 200
    assert ada.request(method, "/users/me", json={**account, "bio": "Countess"}).status_code == 200
    assert trail.told("users.") == [("users.change_email", "INVALID_CREDENTIALS"), ("users.change_email", "ok")]


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"email": "other@example.org"}, "CONFLICT"), ({"username": "grace", "email": "ADA@example.org"}, "CONFLICT"),
     ({"username": "grace", "email": "grace@example.org", "password": "password123"}, "VALIDATION_ERROR")],
)  # fmt: skip
def test_refused_registrations_are_told(ada: Person, client: FlaskClient, trail: Trail, changes: dict[str, str], code: str) -> None:
    assert client.post("/api/auth/register", json={**ADA, **changes}).json["code"] == code
    event = trail.one("auth.register", code)
    assert (event.actor_id, event.target) == (None, None)


def test_a_closed_door_is_told_no_more_often_than_an_address_may_knock(app_with: Any) -> None:
    app = app_with(registration_open=False, address_limit="2/5 minutes")
    answers = [app.test_client().post("/api/auth/register", json=ADA).status_code for _ in range(5)]
    assert answers == [403, 403, 429, 429, 429]
    assert Trail(app).told() == [("auth.register", "FORBIDDEN")] * 2 + [("auth.register", "RATE_LIMITED")]


def test_of_too_many_logins_one_a_minute_is_told(app_with: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_with(login_limit="2/5 minutes")
    client = app.test_client()
    assert [log_in(client).status_code for _ in range(6)] == [401, 401, 429, 429, 429, 429]
    assert Trail(app).told() == [("auth.login", "INVALID_CREDENTIALS")] * 2 + [("auth.login", "RATE_LIMITED")]
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 61)
    assert [log_in(client).status_code for _ in range(3)] == [429] * 3
    assert Trail(app).told("auth.login").count(("auth.login", "RATE_LIMITED")) == 2


def test_known_and_unknown_names_cost_the_same_statements(ada: Person, app: Flask, client: FlaskClient) -> None:
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    def cost_of(name: str) -> list[str]:
        statements.clear()
        assert log_in(client, name, "wrong password").status_code == 401
        return list(statements)

    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        known, unknown = cost_of("ada"), cost_of("nobody")
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    assert known == unknown
    assert sum("audit_events" in statement for statement in known) == 1


def test_no_lock_is_held_while_a_refused_password_is_hashed(ada: Person, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def watch(work: Any, *args: Any) -> Any:
        seen.append(db.session().in_transaction() or database._write_turn.locked())
        return work(*args)

    monkeypatch.setattr(offload, "run", watch)
    log_in(client, password="wrong password")
    log_in(client, name="nobody")
    ada.post("/auth/change-password", json={"current_password": "wrong password", "new_password": "staple of the battery"})
    ada.delete("/users/me", json={"password": "wrong password"})
    assert seen == [False] * 4


def test_the_life_of_a_universe_is_told(ada: Person, trail: Trail) -> None:
    universe = make_universe(ada)
    path = f"/universes/{universe}"
    ada.patch(path, json={"name": "Another"})
    make_scene(ada, universe)
    for _ in range(2):
        assert ada.delete(path).status_code == 204
    assert ada.post(f"{path}/restore-deleted").status_code == 200
    assert trail.told("universes.") == [("universes.delete", "ok"), ("universes.restore", "ok")], "content has a log of its own"
    for action in ("universes.delete", "universes.restore"):
        event = trail.one(action)
        assert (event.actor_id, event.target) == (UUID(ada.id), f"universes/{universe}")


def test_members_are_told_of(ada: Person, person: Callable[[str], Person], trail: Trail) -> None:
    bob, universe = person("bob"), make_universe(ada)
    people = f"/universes/{universe}/collaborators"
    ada.post(people, json={"username": "bob", "role": "viewer"})
    for _ in range(2):
        ada.patch(f"{people}/{bob.id}", json={"role": "editor"})
    assert trail.told("members.") == [("members.change", "ok"), ("members.invite", "ok")], "the same role again is no change"
    assert ada.post(f"/universes/{universe}/transfer", json={"user_id": bob.id}).status_code == 200
    handed = trail.one("universes.transfer")
    assert (handed.actor_id, handed.target) == (UUID(ada.id), f"universes/{universe}/members/{bob.id}")
    assert ada.delete(f"{people}/{ada.id}").status_code == 204
    gone = trail.one("members.remove")
    assert (gone.actor_id, gone.target) == (UUID(ada.id), f"universes/{universe}/members/{ada.id}")
    assert ada.post(people, json={"username": "ada", "role": "viewer"}).status_code == 404
    assert trail.one("members.invite").actor_id == UUID(ada.id), "who may not invite leaves nothing"


def test_a_deleted_render_is_told_once(app_with: Any) -> None:
    app = app_with(rate_limits=False)
    ada = Person(app.test_client(), "ada")
    scene = make_scene(ada, make_universe(ada))
    render = ada.post("/audio/generate", json={"scene_id": str(scene)}).json["audio"]["id"]
    for _ in range(2):
        assert ada.delete(f"/audio/{render}").status_code == 204
    event = Trail(app).one("audio.delete")
    assert (event.actor_id, event.target) == (UUID(ada.id), f"audio/{render}")


def test_what_operators_do_to_accounts_is_told(app: Flask, trail: Trail) -> None:
    run = app.test_cli_runner().invoke
    commands = (
        ("create", "ada", "ada@example.org", "--password", PASSWORD), ("promote", "ada"), ("promote", "ada", "--to", "user"),
        ("disable", "ada"), ("enable", "ada"), ("reset-password", "ada", "--password", "staple of the battery"), ("revoke-tokens", "ada"),
    )  # fmt: skip
    for command in commands:
        assert run(users, command).exit_code == 0, command
    actions = ["create", "promote", "demote", "disable", "enable", "reset_password", "revoke_tokens"]
    assert trail.told() == sorted((f"users.{action}", "ok") for action in actions)
    with app.app_context():
        user_id = db.session.scalar(sa.select(User.id))
    assert {(row.actor_id, row.ip, row.request_id, row.target) for row in trail.rows()} == {(None, None, None, f"users/{user_id}")}
    assert run(users, ("disable", "nobody")).exit_code == 1
    assert len(trail.rows()) == len(commands)


def test_who_has_left_stays_as_a_pseudonym_without_an_address(
    ada: Person, person: Callable[[str], Person], client: FlaskClient, trail: Trail
) -> None:
    bob = person("bob")
    shared, own = make_universe(ada), make_universe(ada)
    ada.post(f"/universes/{shared}/collaborators", json={"user_id": bob.id, "role": "editor"})
    log_in(client, password="wrong password")
    assert ada.delete("/users/me", json={"password": "wrong password"}).status_code == 401
    assert ada.delete("/users/me", json={"password": PASSWORD}).status_code == 204
    assert trail.told("users.") == [("users.delete", "INVALID_CREDENTIALS"), ("users.delete", "ok")]
    assert trail.one("universes.transfer").target == f"universes/{shared}/members/{bob.id}"
    assert trail.one("universes.delete").target == f"universes/{own}"
    about = [row for row in trail.rows() if row.actor_id == UUID(ada.id) or row.target == f"users/{ada.id}"]
    assert len(about) >= 8
    assert {row.ip for row in about} == {None}
    assert {row.ip for row in trail.rows() if row.actor_id == UUID(bob.id)} == {"127.0.0.1"}


def test_the_export_has_ones_own_events_and_nobody_elses(ada: Person, person: Callable[[str], Person], client: FlaskClient) -> None:
    bob = person("bob")
    log_in(client, password="wrong password")
    log_in(client, name="bob")
    found = ada.get("/users/me/export").json["audit_events"]
    assert sorted((event["action"], event["outcome"]) for event in found) == [
        ("auth.login", "INVALID_CREDENTIALS"),
        ("auth.register", "ok"),
    ]
    assert bob.id not in str(found)


def test_nothing_that_somebody_typed_is_kept(app: Flask, ada: Person, client: FlaskClient) -> None:
    log_in(client, name="my secret in the wrong field", password="wrong password")
    log_in(client, name="ada@example.org", password="wrong password")
    client.post("/api/auth/register", json={**ADA, "username": "grace"})
    ada.post("/auth/change-password", json={"current_password": "wrong password", "new_password": "staple of the battery"})
    ada.patch("/users/me", json={"email": "lovelace@example.org", "current_password": PASSWORD})
    with app.app_context():
        kept = str(db.session.execute(sa.text("SELECT * FROM audit_events")).all())
    for typed in ("secret", "example.org", "lovelace", "'ada", "grace", "wrong password", "battery", ada.token, ada.refresh_token):
        assert typed not in kept, typed


def test_what_is_rolled_back_leaves_no_event(ada: Person, app: Flask, client: FlaskClient, trail: Trail) -> None:
    universe = make_universe(ada)
    before = trail.told()
    with failing_commits(app):
        assert client.post("/api/auth/register", json={**ADA, "username": "bob", "email": "bob@example.org"}).status_code == 503
        assert log_in(client).status_code == 503
        assert ada.delete(f"/universes/{universe}").status_code == 503
        assert ada.post("/auth/logout-all").status_code == 503
    assert trail.told() == before
    assert ada.get(f"/universes/{universe}").status_code == 200


def test_what_cannot_be_told_is_not_done(ada: Person, app: Flask, client: FlaskClient) -> None:
    universe = make_universe(ada)
    with without_the_table(app):
        assert log_in(client).status_code >= 500
        assert ada.delete(f"/universes/{universe}").status_code >= 500
    assert ada.get(f"/universes/{universe}").status_code == 200
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(LoginSession)) == 1


def test_a_refusal_that_cannot_be_told_is_a_refusal_all_the_same(
    ada: Person, app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    refresh(client, ada.refresh_token)
    with without_the_table(app):
        assert log_in(client, password="wrong password").json["code"] == "INVALID_CREDENTIALS"
        assert refresh(client, ada.refresh_token).json["code"] == "TOKEN_REVOKED"
    lost = [str(record.msg) for record in caplog.records if "an audit event was not written" in str(record.msg)]
    assert len(lost) == 2
    assert ada.get("/auth/me").status_code == 401, "the session of the stolen token has ended"


def test_an_event_needs_a_unit_of_work(app: Flask) -> None:
    with app.app_context(), pytest.raises(RuntimeError, match="no unit of work"):
        record("auth.login")


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "127.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (2, "192.0.2.77, 198.51.100.1, 203.0.113.9", "198.51.100.1"),
        (1, "2001:db8::7", "2001:db8::7"),
        (1, "fe80::1%" + "e" * 200, "fe80::1"),
        (1, "x" * 500, None),
    ],
)
def test_the_address_is_the_one_that_trusted_proxies_tell(app_with: Any, proxies: int, forwarded: str, address: str | None) -> None:
    app = app_with(trusted_proxies=proxies)
    assert app.test_client().post("/api/auth/register", json=ADA, headers={"X-Forwarded-For": forwarded}).status_code == 201
    assert Trail(app).one("auth.register").ip == address

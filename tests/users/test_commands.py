"""`flask users ...`, on a real database."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.users.commands import users


def log_in(client: FlaskClient, name: str, password: str) -> Any:
    return client.post("/api/auth/login", json={"username": name, "password": password})


@pytest.fixture
def run(app: Flask) -> Any:
    """Runs a command: run("promote", "ada")."""
    runner = app.test_cli_runner()
    return lambda *args, **kwargs: runner.invoke(users, args, **kwargs)


def test_an_account_is_made_once(run: Any, client: FlaskClient) -> None:
    made = run("create", "ada", "ada@example.org", "--admin", input="correct horse battery\ncorrect horse battery\n")
    assert made.exit_code == 0, made.output
    again = run("create", "ADA", "ada@example.org", "--password", "another password")
    assert (again.exit_code, "exists" in again.output) == (0, True)
    answer = log_in(client, "ada", "correct horse battery")
    assert answer.json["user"]["role"] == "admin"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("ab", "ab@example.org", "--password", "correct horse battery"), "username"),
        (("ada", "nowhere", "--password", "correct horse battery"), "email"),
        (("ada", "ada@example.org", "--password", "password123"), "most common"),
        (("bob", "other@example.org", "--password", "correct horse battery"), "taken"),
        (("other", "bob@example.org", "--password", "correct horse battery"), "taken"),
    ],
)
def test_an_account_that_cannot_be_made_is_an_error(run: Any, person: Any, args: tuple[str, ...], said: str) -> None:
    person("bob")
    result = run("create", *args)
    assert result.exit_code == 1
    assert said in result.output.lower()


def test_promoting_and_back(run: Any, person: Any) -> None:
    ada = person("ada")
    for _ in range(2):
        assert run("promote", "ada").exit_code == 0
        assert ada.get("/users/me").json["role"] == "admin"
    assert run("promote", "ada@example.org", "--to", "user").exit_code == 0
    assert ada.get("/users/me").json["role"] == "user"


def test_disabling_locks_out_until_enabled(run: Any, person: Any, client: FlaskClient) -> None:
    ada = person("ada")
    for _ in range(2):
        assert run("disable", "ada").exit_code == 0
        assert ada.get("/users/me").status_code == 401
        assert log_in(client, "ada", ada.password).status_code == 401
    assert run("enable", "ada").exit_code == 0
    assert log_in(client, "ada", ada.password).status_code == 200
    assert ada.get("/users/me").status_code == 401, "old tokens stay void"


def test_resetting_a_password_ends_all_sessions(run: Any, person: Any, client: FlaskClient) -> None:
    ada = person("ada")
    assert run("reset-password", "ada", "--password", "staple of the battery").exit_code == 0
    assert ada.get("/users/me").status_code == 401
    assert log_in(client, "ada", "staple of the battery").status_code == 200
    for weak in ("short", "password123", "ada@example.org"):
        assert run("reset-password", "ada", "--password", weak).exit_code == 1
    assert log_in(client, "ada", "staple of the battery").status_code == 200


def test_revoking_tokens_ends_all_sessions(run: Any, person: Any) -> None:
    ada = person("ada")
    assert "1 session" in run("revoke-tokens", "ada").output
    assert ada.get("/users/me").status_code == 401
    assert run("revoke-tokens", "ada").exit_code == 0


@pytest.mark.parametrize("command", ["promote", "disable", "enable", "revoke-tokens"])
def test_nobody_cannot_be_looked_after(run: Any, command: str) -> None:
    result = run(command, "nobody")
    assert (result.exit_code, "nobody" in result.output) == (1, True)
    assert run(command, "--help").exit_code == 0

"""What an operator sets about the door."""

from __future__ import annotations

from typing import Any

ADA = {"username": "ada", "email": "ada@example.org", "password": "correct horse battery"}


def test_registration_can_be_closed_and_login_stays_open(app_with: Any) -> None:
    app_with().test_client().post("/api/auth/register", json=ADA)
    client = app_with(registration_open=False).test_client()
    answer = client.post("/api/auth/register", json={**ADA, "username": "bob", "email": "bob@example.org"})
    assert (answer.status_code, answer.json["code"]) == (403, "FORBIDDEN")
    assert client.post("/api/auth/login", json={"username": "ada", "password": ADA["password"]}).status_code == 200


def test_token_lifetimes_are_settings(app_with: Any) -> None:
    client = app_with(access_token_minutes=5).test_client()
    assert client.post("/api/auth/register", json=ADA).json["expires_in"] == 300

"""Registering, logging in, being known."""

from __future__ import annotations

from typing import Any


def test_someone_who_registers_is_known_by_the_token(person: Any) -> None:
    ada = person("ada")
    answer = ada.get("/auth/me")
    assert answer.status_code == 200
    assert answer.json["username"] == "ada"
    assert answer.json["email"] == "ada@example.org"

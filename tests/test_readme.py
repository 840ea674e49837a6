"""The README lists every route and every command, with the words that the service itself uses."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from flask import Flask
from flask.testing import FlaskClient

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()
_OF_FLASK = {"run", "shell", "openapi", "limiter"}  # come with libraries, and are explained by them


def test_every_route_is_listed(client: FlaskClient) -> None:
    described = client.get("/openapi.json").json["paths"]
    operations = {
        (method.upper(), path.removeprefix("/api"), item["summary"])
        for path, methods in described.items()
        for method, item in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
    }
    listed = {tuple(row) for row in re.findall(r"^\| `([A-Z]+) (/[^`]*)` \| (.*?) \|", README, re.MULTILINE)}
    assert sorted(operations - listed) == []
    assert sorted(listed - operations) == []


def test_every_command_is_listed(app: Flask) -> None:
    commands = {
        name if not isinstance(command, click.Group) else f"{name} {inner}"
        for name, command in app.cli.commands.items()
        if name not in _OF_FLASK
        for inner in (command.commands if isinstance(command, click.Group) else [""])
        if name != "db" or inner in ("upgrade", "downgrade", "migrate", "current", "verify")
    }
    listed = {
        " ".join(word for word in row.split() if word.islower() or "-" in word)
        for row in re.findall(r"^\| `flask ([^`]+)`", README, re.MULTILINE)
    }
    assert listed == commands


@pytest.mark.parametrize("link", re.findall(r"\]\(([A-Za-z][\w./]*)\)", README))
def test_every_link_leads_to_a_file(link: str) -> None:
    assert (Path(__file__).resolve().parent.parent / link).is_file()

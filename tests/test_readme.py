"""The README lists every route, command and setting, with the words and defaults that the service itself uses."""

from __future__ import annotations

import re
from dataclasses import fields

import click
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.config import DEVELOPMENT_SECRET, Settings, load
from seeds import DEVELOPMENT_PASSWORD
from tests.databases import ROOT

README = (ROOT / "README.md").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
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
    assert (ROOT / link).is_file()


def test_every_rule_of_the_url_map_is_listed(app: Flask) -> None:
    """A route that the description leaves out is found here. Those under /api/v1 and without a prefix are the same again."""
    rules = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix("/api")))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.rule.startswith(("/api/v1/", "/socket.io"))
    }
    listed = set(re.findall(r"^\| `([A-Z]+) (/[^`]*)` \|", README, re.MULTILINE))
    assert listed == rules


def test_every_setting_is_listed_once_in_the_table_and_in_the_example() -> None:
    settings = [field.name.upper() for field in fields(Settings)]
    assert sorted(re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE)) == sorted(settings)
    assert sorted(re.findall(r"^([A-Z_]+)=", EXAMPLE, re.MULTILINE)) == sorted(settings)


def test_the_example_s_values_are_the_defaults() -> None:
    assert load(dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))) == Settings()


def test_the_table_s_defaults_are_the_defaults() -> None:
    said = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`]+)` \|", README, re.MULTILINE))
    paths = {"DATA_DIR": "instance/", "STORAGE_DIR": "DATA_DIR/storage"}
    assert {name: text for name, text in said.items() if name in paths} == paths
    assert said.pop("SEED_DEMO_PASSWORD") == DEVELOPMENT_PASSWORD
    plain = {name: text for name, text in said.items() if name not in paths}
    assert len(plain) > len(fields(Settings)) / 2
    assert load({**plain, "SECRET_KEY": DEVELOPMENT_SECRET}) == Settings()

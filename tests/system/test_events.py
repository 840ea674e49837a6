"""The catalogue of events says what there is, all of it, and truly; its page needs no network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import jsonschema
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.access import ALLOWED, Role
from app.collaboration import sockets
from app.collaboration.events import BY_NAME, CLIENT, SERVER
from app.extensions import socketio
from tests.databases import ROOT

README = (ROOT / "README.md").read_text()


@pytest.fixture
def catalogue(client: FlaskClient) -> dict[str, Any]:
    return client.get("/events.json").json


def test_every_handler_is_in_the_catalogue_and_everything_in_it_has_a_handler(app: Flask, catalogue: dict[str, Any]) -> None:
    served = set(socketio.server.handlers["/"]) - {"connect", "disconnect", "*"}
    assert served == set(BY_NAME)
    assert set(catalogue["client"]) == set(sockets.HANDLERS) == {event.name for event in CLIENT}
    assert {event["alias"] for event in catalogue["client"].values() if "alias" in event} == set(BY_NAME) - set(catalogue["client"])


def test_every_event_that_is_told_is_in_the_catalogue(catalogue: dict[str, Any]) -> None:
    told = set()
    for file in (ROOT / "app" / "collaboration").glob("*.py"):
        told |= set(re.findall(r"(?:tell|tell_some|last_word)\((?:[^\"\n]*, )?\"(\w+)\", ", file.read_text()))
    assert len(told) > 10
    assert told <= set(catalogue["server"]), told
    assert {event.name for event in SERVER} == set(catalogue["server"])


def test_it_is_a_json_schema_and_each_of_its_references_leads_somewhere(catalogue: dict[str, Any]) -> None:
    assert catalogue["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(catalogue)
    found = list(references(catalogue))
    assert len(found) > 100
    for reference in found:
        assert reference.startswith("#/$defs/"), reference
        assert reference.removeprefix("#/$defs/") in catalogue["$defs"], reference


def test_payloads_refuse_unknown_fields_and_answers_allow_for_more(catalogue: dict[str, Any]) -> None:
    for name, event in catalogue["client"].items():
        assert resolved(event["payload"], catalogue)["additionalProperties"] is False, name
    for name, event in catalogue["server"].items():
        assert "additionalProperties" not in resolved(event["payload"], catalogue), name


def test_the_roles_are_those_of_the_table_of_access(catalogue: dict[str, Any]) -> None:
    for event in CLIENT:
        roles = catalogue["client"][event.name].get("roles")
        assert (roles is None) == (event.action is None), event.name
        for visibility, names in (roles or {}).items():
            allowed = {role for role in Role if event.action in ALLOWED[visibility][role]} - {Role.ANONYMOUS}
            assert {Role(name) for name in names} == allowed, event.name


def test_every_limit_that_an_event_counts_in_is_told(catalogue: dict[str, Any]) -> None:
    assert {event["limit"] for event in catalogue["client"].values() if "limit" in event} <= set(catalogue["limits"])


def test_every_error_says_its_status_and_whether_to_try_again(catalogue: dict[str, Any]) -> None:
    errors = catalogue["errors"]
    assert {"TOKEN_EXPIRED", "FORBIDDEN", "NOT_JOINED", "BAD_PAYLOAD", "VALIDATION_ERROR", "GONE", "BUSY", "INTERNAL"} <= set(errors)
    assert "retry" not in errors["FORBIDDEN"]
    assert errors["BUSY"]["retry"] == "with the same op_id"
    assert errors["RATE_LIMITED"]["retry"] == "after retry_after seconds"


def test_it_is_the_same_everywhere_and_is_not_sent_twice(client: FlaskClient) -> None:
    answers = [client.get(path) for path in ("/events.json", "/api/events.json", "/api/v1/events.json")]
    assert len({answer.data for answer in answers}) == 1
    again = client.get("/events.json", headers={"If-None-Match": answers[0].headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("prefix", ["", "/api", "/api/v1"])
def test_the_page_shows_every_event_and_loads_nothing_from_elsewhere(client: FlaskClient, catalogue: dict[str, Any], prefix: str) -> None:
    page = client.get(f"{prefix}/docs/events")
    assert page.status_code == 200
    read = Page()
    read.feed(page.text)
    assert {f"client-{name}" for name in catalogue["client"]} | {f"server-{name}" for name in catalogue["server"]} <= read.ids
    assert {link[1:] for link in read.links if link.startswith("#")} <= read.ids
    assert read.scripts == 0
    for link in {link for link in read.links if not link.startswith("#")} - {"data:,"}:
        assert link.startswith(f"{prefix}/"), link
        assert client.get(link).status_code == 200, link
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]


def test_the_readme_lists_every_event_in_the_same_words(catalogue: dict[str, Any]) -> None:
    listed = re.findall(r"^\| `(\w+)`(?: \(`\w+`\))? \| (to|from) server \| (.*?) \|", README, re.MULTILINE)
    known = [(name, "to", event["description"]) for name, event in catalogue["client"].items()]
    told = [(name, "from", event["description"]) for name, event in catalogue["server"].items()]
    assert sorted(listed) == sorted(known + told)
    aliases = dict(re.findall(r"^\| `(\w+)` \(`(\w+)`\) \| to server", README, re.MULTILINE))
    assert aliases == {name: event["alias"] for name, event in catalogue["client"].items() if "alias" in event}


def resolved(schema: dict[str, Any], catalogue: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = catalogue["$defs"][schema["$ref"].rpartition("/")[2]]
    return found


def references(value: Any) -> Any:
    """Every reference in a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


class Page(HTMLParser):
    """The ids of a page, what it links to, and how many scripts it has."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids |= {given["id"]} if given.get("id") else set()
        self.links |= {value for name, value in given.items() if name in ("href", "src") and value}
        self.scripts += tag == "script"

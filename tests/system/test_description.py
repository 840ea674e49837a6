"""The description of the API says what is there, all of it, and truly; its page needs no network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from uuid import uuid4

import openapi_spec_validator
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.schemas import ErrorSchema

_METHODS = {"get", "post", "put", "patch", "delete", "head"}
_IMPLIED = {"HEAD", "OPTIONS"}
_BESIDE = {"/socket.io"}  # Engine.IO's own protocol


@pytest.fixture
def description(client: FlaskClient) -> dict[str, Any]:
    return client.get("/openapi.json").json


def operations(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in description["paths"].items():
        for method in _METHODS & item.keys():
            yield method, path, item[method]


def test_the_description_is_valid_openapi_3_1(description: dict[str, Any]) -> None:
    openapi_spec_validator.validate(description)
    assert description["openapi"].startswith("3.1.")


def test_every_route_is_described_and_nothing_else(app: Flask, description: dict[str, Any]) -> None:
    routes = {
        (method, under_api(re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)))
        for rule in app.url_map.iter_rules()
        if rule.rule not in _BESIDE
        for method in (rule.methods or set()) - _IMPLIED
    }
    assert routes == {(method.upper(), path) for method, path, _ in operations(description) if method != "head"}


def test_every_route_is_served_under_both_prefixes(app: Flask) -> None:
    rules = [rule.rule for rule in app.url_map.iter_rules() for _ in rule.methods or ()]
    versioned = Counter(under_api(rule) for rule in rules if rule.startswith("/api/v1/"))
    assert Counter(under_api(rule) for rule in rules if rule.startswith("/api/")) == versioned + versioned


def test_every_operation_has_a_name_a_summary_its_security_and_its_errors_by_status(description: dict[str, Any]) -> None:
    names = [operation.get("operationId") for _, _, operation in operations(description)]
    assert len(set(names)) == len(names)
    for method, path, operation in operations(description):
        assert re.fullmatch(r"[a-z][A-Za-z]+", operation.get("operationId", "")), (method, path)
        assert operation.get("summary"), (method, path)
        assert "security" in operation, (method, path)
        assert "default" not in operation["responses"], (method, path)
        assert {"401"} <= operation["responses"].keys() or operation["security"] == [], (method, path)
        assert any(status[0] in "23" for status in operation["responses"]), (method, path)
    for status, response in description["components"]["responses"].items():
        shown = response.get("content", {}).get("application/json", {}).get("schema", {})
        assert shown == {"$ref": "#/components/schemas/Error"} or status == "NOT_MODIFIED", status
    error = description["components"]["schemas"]["Error"]
    assert set(error["required"]) == {name for name, field in ErrorSchema().fields.items() if field.required}


def test_what_is_said_to_need_a_token_needs_one(client: FlaskClient, description: dict[str, Any]) -> None:
    for method, path, operation in operations(description):
        if operation["security"] == [{"bearer": []}]:
            answer = client.open(filled(path), method=method.upper(), json={})
            assert (answer.status_code, answer.headers.get("WWW-Authenticate")) == (401, "Bearer"), (method, path, answer.text)


def filled(path: str) -> str:
    """A path with a value for each parameter."""
    return re.sub(r"\{(\w+)\}", lambda found: "1" if found[1] == "revision" else str(uuid4()), path)


def test_what_is_said_to_need_none_needs_none(client: FlaskClient, description: dict[str, Any]) -> None:
    for method, path, operation in operations(description):
        if operation["security"] == []:
            answer = client.open(filled(path), method=method.upper(), json={})
            assert answer.status_code not in (401, 403), (method, path, answer.text)


def test_every_request_schema_refuses_unknown_fields(description: dict[str, Any]) -> None:
    for method, path, operation in operations(description):
        for body in operation.get("requestBody", {}).get("content", {}).values():
            schema = body["schema"]
            if schema.get("format") == "binary":
                continue  # a file
            name = schema.get("$ref", "").rpartition("/")[2]
            found = description["components"]["schemas"][name] if name else schema
            assert found.get("additionalProperties") is False, (method, path, name)


def test_the_description_is_not_sent_twice(client: FlaskClient) -> None:
    tag = client.get("/openapi.json").headers["ETag"]
    again = client.get("/openapi.json", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("prefix", ["", "/api", "/api/v1"])
def test_the_page_needs_nothing_from_elsewhere(client: FlaskClient, prefix: str) -> None:
    page = client.get(f"{prefix}/docs/")
    links = Links()
    links.feed(page.text)
    assert {link.rpartition("/")[2] for link in links.found} >= {"swagger-ui.css", "swagger-ui-bundle.js", "docs.js", "openapi.json"}
    for link in links.found - {"data:,"}:
        answer = client.get(link)
        assert (answer.status_code, link.startswith(f"{prefix}/")) == (200, True), link
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert links.scripts_inside == 0
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")


def test_no_other_file_is_served_from_there(client: FlaskClient) -> None:
    for name in ("index.html", "routes.py", "..%2froutes.py", "swagger-ui-standalone-preset.js"):
        assert client.get(f"/docs/{name}").status_code == 404


class Links(HTMLParser):
    """What a page loads, and how many scripts stand in it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.scripts_inside = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found |= {value for name, value in given.items() if name in ("href", "src", "data-description") and value}
        self.scripts_inside += tag == "script" and "src" not in given


def under_api(path: str) -> str:
    """A path as it is described: under /api."""
    return "/api/" + path.removeprefix("/api/v1/").removeprefix("/api/").removeprefix("/")

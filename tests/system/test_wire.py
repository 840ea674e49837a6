"""Requests as they come over a real socket, broken ones too: every answer has the one shape, on every kind of server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any

import orjson
import pytest

from tests.servers import EACH_SERVER, Server, start

_LIMIT = 1000
_JSON = b"Content-Type: application/json\r\n"


@pytest.fixture(scope="module", params=EACH_SERVER)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with start(request.param, MAX_BODY_BYTES=str(_LIMIT), LOG_LEVEL="error") as running:
        yield running


def test_a_method_that_does_not_exist_is_not_allowed(server: Server) -> None:
    response, body = send(server, b"FOO /api/health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert_error(response, body, 405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("path", [b"/api/nothing", b"/api/%ff%00", b"/api//universes", b"/api/universes/not-an-id", b"/../etc/passwd"])
def test_a_path_that_leads_nowhere_is_not_found(server: Server, path: bytes) -> None:
    assert_error(*send(server, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n"), 404, "NOT_FOUND")


@pytest.mark.parametrize("text", [b"{", b"", b'{"password": "\xff"}', b"[" * 900])
def test_a_body_that_is_no_json_cannot_be_read(server: Server, text: bytes) -> None:
    assert_error(*send(server, post(_JSON, text)), 400, "BAD_PAYLOAD")


def test_a_body_of_another_type_is_refused(server: Server) -> None:
    assert_error(*send(server, post(b"Content-Type: text/plain\r\n", b"{}")), 415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_body_that_is_announced_too_large_is_refused(server: Server) -> None:
    assert_error(*send(server, post(_JSON, b'"' + b"x" * _LIMIT + b'"')), 413, "PAYLOAD_TOO_LARGE")


def test_a_chunked_body_is_read_like_any_other(server: Server) -> None:
    response, body = send(server, chunked(b'{"username": "nobody", ', b'"password": "correct horse"}'))
    assert_error(response, body, 401, "INVALID_CREDENTIALS")


def test_a_chunked_body_that_grows_too_large_is_refused(server: Server) -> None:
    assert_error(*send(server, chunked(b'"' + b"x" * _LIMIT, b"x" * _LIMIT)), 413, "PAYLOAD_TOO_LARGE")


def test_a_broken_chunk_cannot_be_read(server: Server) -> None:
    assert_error(*send(server, post(_JSON + b"Transfer-Encoding: chunked\r\n", b"zz\r\n{}\r\n0\r\n\r\n", length=False)), 400, "BAD_PAYLOAD")


@pytest.mark.parametrize("text", [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_what_is_no_http_is_answered_in_the_same_shape(server: Server, text: bytes) -> None:
    response, body = send(server, text)
    assert 400 <= response.status < 600
    assert_error(response, body, response.status)


def test_an_error_can_be_had_as_rfc_9457_has_it(server: Server) -> None:
    response, body = send(server, b"GET /api/nothing HTTP/1.1\r\nHost: x\r\nAccept: application/problem+json\r\n\r\n")
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (body["type"], body["status"], body["instance"]) == ("/errors/NOT_FOUND", 404, "/api/nothing")


def test_the_server_still_answers_after_all_that(server: Server) -> None:
    response, body = send(server, b"GET /health HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine-1\r\n\r\n")
    assert (response.status, body, response.headers["X-Request-Id"]) == (200, {"status": "ok"}, "mine-1")


def assert_error(response: HTTPResponse, body: Any, status: int, code: str | None = None) -> None:
    assert response.status == status, body
    assert response.headers["Content-Type"] == "application/json"
    assert {"status_code", "code", "message", "request_id"} <= body.keys()
    assert body["status_code"] == status
    assert code in (None, body["code"])


def post(headers: bytes, text: bytes, *, length: bool = True) -> bytes:
    size = b"Content-Length: %d\r\n" % len(text) if length else b""
    return b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\n" + headers + size + b"\r\n" + text


def chunked(*parts: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    return post(_JSON + b"Transfer-Encoding: chunked\r\n", body, length=False)


def send(server: Server, text: bytes) -> tuple[HTTPResponse, Any]:
    """The answer to some bytes, and the JSON in it."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(text)
        response = HTTPResponse(connection, method="GET")
        response.begin()
        return response, orjson.loads(response.read())

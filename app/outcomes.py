"""What each operation can answer beside what its view says: errors and headers, from its method, guard, path and headers.

A view names the particular ones itself, with `alt_response(409, response="CONFLICT")`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from apispec import APISpec, BasePlugin

from app.schemas import ErrorSchema

_PERSONAL = ("/api/auth/", "/api/users", "/api/jobs", "/api/audio/materials")
"""What belongs to one person: the others do not even see it, so nobody is forbidden it."""

_MAKING = ("/api/universes", "/api/universes/from-reference", "/api/universes/from-template")
"""What anybody may do who has an account."""

_FAMILIES = (400, 401, 403, 404, 405, 409, 410, 412, 413, 414, 415, 416, 422, 429, 503, 507)
_TEXT = {"type": "string", "minLength": 1}
_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {"schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}, "description": "Names the request in the log."},
    "X-Universe-Revision": {"schema": {"type": "integer", "minimum": 1}, "description": "The head of the universe's log."},
    "ETag": {"schema": {"type": "string", "pattern": '^(W/)?"[^"]*"$'}, "description": "The entity tag, for If-None-Match and If-Match."},
    "Location": {"schema": _TEXT, "description": "Where it is."},
    "WWW-Authenticate": {"schema": {"type": "string", "const": "Bearer"}, "description": "What is needed."},
    "Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds to wait before trying again."},
}
_OF_STATUS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After", 201: "Location", 202: "Location"}
_PROBLEM = {
    "type": "object",
    "description": "The same, as RFC 9457 has it, for those who accept it.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": ["string", "null"]},
        "errors": {"type": "object"},
        "retry_after": {"type": "number"},
    },
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
}


class Outcomes(BasePlugin):
    """apispec's plugin that completes every operation."""

    def operation_helper(self, path: str | None = None, operations: dict[str, Any] | None = None, **_: Any) -> None:
        """Add to each operation of a path the errors that it can answer, and to its answers their headers."""
        for method, operation in (operations or {}).items():
            responses = operation["responses"]
            for status in sorted(_errors_of(method, str(path), operation)):
                responses.setdefault(status, HTTPStatus(status).name)
            for status, response in responses.items():
                if isinstance(response, dict):
                    response.setdefault("headers", {}).update(_headers_of(int(status), operation))


def declare(spec: APISpec) -> None:
    """Name the headers and the errors, for operations to refer to."""
    for name, header in _HEADERS.items():
        spec.components.header(name, {**header, "required": True})
    for status in (HTTPStatus(family) for family in _FAMILIES):
        content = {"application/json": {"schema": ErrorSchema}, "application/problem+json": {"schema": _PROBLEM}}
        spec.components.response(
            status.name, {"description": f"{status.phrase}.", "content": content, "headers": _headers_of(status, {})}, lazy=True
        )
    spec.components.response("NOT_MODIFIED", {"description": "Not modified.", "headers": _headers_of(304, {})}, lazy=True)


def _errors_of(method: str, path: str, operation: dict[str, Any]) -> set[int]:
    writes, named = method != "get", "{" in path
    security, body = operation.get("security", []), "requestBody" in operation
    headers = {one["name"] for one in operation.get("parameters", []) if one.get("in") == "header"}
    queries = {one["name"] for one in operation.get("parameters", []) if one.get("in") == "query"}
    makes = path in _MAKING
    edits = writes and "X-Client-Id" in headers
    chosen: dict[int, bool] = {
        304: "If-None-Match" in headers,
        400: body,
        401: {"bearer": []} in security,
        403: security == [{"bearer": []}] and (named or body) and not (makes or path.startswith(_PERSONAL)),
        404: named or any(name.endswith("_id") for name in queries) or (bool(headers & {"X-Client-Id", "Prefer"}) and not makes),
        405: named,  # without its last part, a path is another resource's
        409: edits,
        410: edits,
        412: "If-Match" in headers,
        413: body,
        414: bool(queries),
        415: body,
        416: "Range" in headers,
        422: body or bool(queries) or bool(headers - {"Range", "If-Match", "If-None-Match"}),
        429: writes,
        503: bool(security) or writes,
        507: "Prefer" in headers,
    }
    return {status for status, holds in chosen.items() if holds}


def _headers_of(status: int, operation: dict[str, Any]) -> dict[str, str]:
    """The headers that an answer has for certain, each by the name of its component."""
    asked = {one["name"] for one in operation.get("parameters", []) if one.get("in") == "header"}
    reads, succeeds = "If-None-Match" in asked, 200 <= status < 300
    if status == HTTPStatus.REQUEST_URI_TOO_LONG:
        return {}  # the server answers it before a request has an id
    found = {"X-Request-Id"} | ({_OF_STATUS[status]} if status in _OF_STATUS else set())
    if succeeds and (reads or "X-Client-Id" in asked):
        found.add("X-Universe-Revision")
    if status == HTTPStatus.NOT_MODIFIED or (reads and succeeds):
        found.add("ETag")
    return {name: name for name in sorted(found)}

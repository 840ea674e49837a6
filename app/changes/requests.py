"""Between HTTP and intents: what a request's headers mean for a change, and how its result is answered."""

from __future__ import annotations

import re
from typing import Any

import orjson
from flask import Response, request

from app.auth.tokens import claimed_actor
from app.changes.intents import op_id_of
from app.changes.service import Done
from app.errors import Invalid

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_LABEL = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def _described(name: str, description: str, **form: Any) -> dict[str, Any]:
    return {"in": "header", "name": name, "schema": {"type": "string", **form}, "description": description}


_IN_A_LABEL = {"minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9._:-]+$"}

MAKING = [
    _described("Idempotency-Key", "Repeating a request with its key is safe.", minLength=1, maxLength=255, pattern="^[!-~]+$"),
    _described("X-Client-Id", "The tab that makes the change.", **_IN_A_LABEL),
    _described("X-Edit-Group", "The gesture that the change is part of.", **_IN_A_LABEL),
]
"""The headers of requests that make something, as described."""

CHANGING = [*MAKING, _described("If-Match", "ETags; 412 when none is the present one.")]
"""The headers of requests that change something."""

READING = [_described("If-None-Match", "ETags; 304 for the present one.")]
"""The headers of requests that read one thing."""


def of_request() -> dict[str, Any]:
    """The parts of an intent that every request carries in its headers.

    Raises Invalid for an Idempotency-Key, X-Client-Id or X-Edit-Group that is not of its form.
    """
    actor = claimed_actor()
    key = _header("Idempotency-Key", _KEY, "1 to 255 visible ASCII characters")
    return {
        "actor": actor,
        "source": "rest",
        "client_id": _header("X-Client-Id", _LABEL, "1 to 64 letters, digits or ._:-"),
        "group": _header("X-Edit-Group", _LABEL, "1 to 64 letters, digits or ._:-"),
        "op_id": op_id_of(key, actor),
        "if_match": if_match(),
    }


def if_match() -> tuple[str, ...] | None:
    """The entity tags of If-Match, or None without one."""
    text = request.headers.get("If-Match")
    if text is None:
        return None
    return tuple(tag.strip().removeprefix("W/").strip('"') for tag in text.split(","))


def answer_with(done: Done, status: int = 200, location: str | None = None) -> Response:
    """The response to a change: the entity, its ETag, the universe's revision."""
    if done.entity is None:
        response = Response(status=204)
    else:
        response = Response(orjson.dumps(done.entity), status=status, content_type="application/json")
        response.set_etag(str(done.entity_revision))
    return with_revision(response, done, location)


def with_revision(response: Response, done: Done, location: str | None = None) -> Response:
    """A response with the headers that tell a change's place in the log."""
    response.headers["X-Universe-Revision"] = str(done.revision)
    if done.duplicate:
        response.headers["Idempotent-Replayed"] = "true"
    if location is not None:
        response.headers["Location"] = location
    return response


def _header(name: str, form: re.Pattern[str], words: str) -> str | None:
    value = request.headers.get(name)
    if value is None:
        return None
    if not form.fullmatch(value):
        raise Invalid(errors={name: [f"Must be {words}."]})
    return value

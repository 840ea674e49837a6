"""The catalogue of events as it is served: a JSON document whose schemas are those that the events are read by.

The document is itself a JSON Schema (2020-12): its `$defs` hold every schema, and whatever refers to one does so by `#/$defs/`.
"""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from apispec import APISpec

import app.errors as families
from app.access import ALLOWED, Action, Role
from app.collaboration.edits import CHANGED, NEW
from app.collaboration.events import CLIENT, SERVER, Event, Told
from app.config import Settings
from app.errors import Problem
from app.openapi import marshmallow_plugin, teach
from app.schemas import ErrorSchema

_COMPONENTS, _DEFS = "#/components/schemas/", "#/$defs/"
_HTTP_ALONE = {
    "UNSUPPORTED_MEDIA_TYPE", "RANGE_NOT_SATISFIABLE", "PRECONDITION_FAILED", "INVALID_CREDENTIALS", "STORAGE_FULL",
}  # fmt: skip
_AGAIN = {401: "with a fresh token", 429: "after retry_after seconds", 500: "with the same op_id", 503: "with the same op_id"}


class _Definitions:
    """The schemas that are referred to, each once, by the names that they have in the description of the REST API."""

    def __init__(self, title: str, version: str) -> None:
        self._plugin = marshmallow_plugin()
        self._spec = APISpec(title, version, "3.1.0", plugins=[self._plugin])
        teach(self._plugin)

    def to(self, schema: type[ma.Schema] | ma.Schema) -> dict[str, Any]:
        """A reference to a schema."""
        assert self._plugin.resolver is not None  # noqa: S101  made when the specification took the plugin
        found: dict[str, Any] = _moved(self._plugin.resolver.resolve_schema_dict(schema))  # type: ignore[no-untyped-call]
        return found

    def all(self) -> dict[str, Any]:
        """Every schema that has been referred to."""
        found: dict[str, Any] = _moved(self._spec.to_dict()["components"]["schemas"])
        return found


def catalogue(title: str, version: str, settings: Settings) -> dict[str, Any]:
    """Every event with its schemas, who may send it, its limits, and what can be answered."""
    known = _Definitions(title, version)
    refusal = {
        "type": "object",
        "description": "What was not done, and why.",
        "properties": {"ok": {"const": False}, "error": known.to(ErrorSchema)},
        "required": ["ok", "error"],
    }
    found = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{title}: events",
        "version": version,
        "description": "Socket.IO 5 events of the namespace /. A payload is one JSON object; every event is acknowledged.",
        "connection": _connection(),
        "client": {event.name: _client(event, known) for event in CLIENT},
        "server": {told.name: _server(told, known) for told in SERVER},
        "entities": _entities(known),
        "errors": {code: _error(family) for code, family in sorted(_families().items())},
        "limits": limits_of(settings),
    }
    return {**found, "$defs": {**known.all(), "Refusal": refusal}}


def limits_of(settings: Settings) -> dict[str, Any]:
    """What a client must keep below: rates of a user, sizes and counts."""
    return {
        "writes": settings.write_limit,
        "chat": settings.chat_limit,
        "joins": settings.join_limit,
        "presence_per_second": settings.presence_per_second,
        "presence_burst": settings.presence_burst,
        "max_event_bytes": settings.max_event_bytes,
        "max_packet_bytes": 262_144,
        "batch_items": 100,
        "connections_per_user": settings.connections_per_user,
        "connections_per_universe": settings.connections_per_universe,
        "universes_per_connection": settings.universes_per_connection,
    }


def _connection() -> dict[str, Any]:
    token = {"type": "string", "description": "An access token, as the login answers it."}
    return {
        "path": "/socket.io",
        "namespace": "/",
        "transports": ["websocket", "polling"],
        "auth": {"type": "object", "properties": {"token": token}, "required": ["token"]},
        "refusal": "connect_error with the error's code as `message` and the error object as `data`",
    }


def _client(event: Event, known: _Definitions) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": event.description,
        "alias": event.alias,
        "joined": event.joined and event.action is not None,
        "action": event.action,
        "roles": _roles(event.action) if event.action else None,
        "limit": event.limit,
        "payload": known.to(event.payload),
        "acknowledgement": {
            "anyOf": [
                {"allOf": [{"properties": {"ok": {"const": True}}, "required": ["ok"]}, known.to(event.answer)]},
                {"$ref": _DEFS + "Refusal"},
            ]
        },
    }
    return {key: value for key, value in found.items() if value is not None}


def _roles(action: Action) -> dict[str, list[str]]:
    """Who may, by the visibility of the universe; nobody is connected without an account."""
    return {
        visibility: [role.value for role in Role if role is not Role.ANONYMOUS and action in allowed[role]]
        for visibility, allowed in ALLOWED.items()
    }


def _server(told: Told, known: _Definitions) -> dict[str, Any]:
    return {"description": told.description, "droppable": told.droppable, "payload": known.to(told.payload)}


def _families() -> dict[str, type[Problem]]:
    """The kinds of error that an event can be refused with, by code."""
    found = [thing for thing in vars(families).values() if isinstance(thing, type) and issubclass(thing, Problem)]
    return {family.code: family for family in found if family.code not in _HTTP_ALONE}


def _error(family: type[Problem]) -> dict[str, Any]:
    retry = _AGAIN.get(family.status_code)
    return {"status_code": family.status_code, "message": family.message, **({"retry": retry} if retry else {})}


def _entities(known: _Definitions) -> dict[str, dict[str, Any]]:
    """What `fields` of an edit holds, by the collection that its path names: to create, and to update."""
    return {
        collection: {**({"create": known.to(NEW[collection])} if collection in NEW else {}), "update": known.to(schema)}
        for collection, schema in CHANGED.items()
    }


def _moved(schema: Any) -> Any:
    """A schema with its references where they are here, and with what only OpenAPI says left out."""
    if isinstance(schema, dict):
        found = {key: _moved(value) for key, value in schema.items() if not key.startswith("x-")}
        if isinstance(schema.get("$ref"), str):
            found["$ref"] = schema["$ref"].replace(_COMPONENTS, _DEFS)
        return found
    return [_moved(item) for item in schema] if isinstance(schema, list) else schema

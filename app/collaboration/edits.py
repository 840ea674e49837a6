"""Changes of content over sockets: the intents that REST makes, loaded by the same schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import marshmallow as ma
from marshmallow import fields

from app.changes.editable import EDITABLE
from app.changes.intents import Intent
from app.changes.service import Done, commit_change
from app.changes.undo import Undone
from app.changes.undo import redo as make_again
from app.changes.undo import undo as take_back
from app.collaboration.hub import Connection, current_hub
from app.errors import Draining, Forbidden, Invalid
from app.physics_parameters import service as physics
from app.physics_parameters.schemas import NewPhysicsParametersSchema, PhysicsParametersSchema
from app.scenes import service as scenes
from app.scenes.requests import new_of, patch_of
from app.schemas import BaseSchema, uuid_or_none
from app.universes import service as universes
from app.universes.schemas import UniverseSchema

_PHYSICS = "physics-parameters"
_PARTS = tuple(name for name, kind in EDITABLE.items() if kind.parent == "scene_id")


def _new(collection: str) -> ma.Schema:
    if collection == _PHYSICS:
        return NewPhysicsParametersSchema(exclude=("id", "universe_id"))
    more: dict[str, fields.Field[Any]] = {"scene_id": fields.UUID(required=True)} if collection in _PARTS else {}
    return new_of(EDITABLE[collection].schema, **more)(exclude=("id", "after_id", "before_id"))


NEW: dict[str, ma.Schema] = {collection: _new(collection) for collection in EDITABLE}
CHANGED: dict[str, BaseSchema] = {
    **{collection: patch_of(kind.schema)(partial=True, exclude=("after_id", "before_id")) for collection, kind in EDITABLE.items()},
    _PHYSICS: PhysicsParametersSchema(partial=True),
    "universe": UniverseSchema(partial=True),
}


def edit(connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
    """Change content: one operation, or a batch. Raises what commit_change() raises, and Draining."""
    head = _head(connection, message)
    universe_id = message["universe_id"]
    if message["op"] != "batch":
        _refuse(message, "items", "Only a batch has items.")
        return _answer(commit_change(_step(universe_id, message, {**head, **_preconditions(message)})))
    for name in ("path", "fields_", "after_id", "before_id"):
        _refuse(message, name, "A batch has items alone.")
    if "items" not in message:
        raise Invalid(errors={"items": ["Missing data for required field."]})
    items = tuple(_item(universe_id, index, item, head) for index, item in enumerate(message["items"]))
    return _answer(commit_change(Intent(op="batch", collection="universe", universe_id=universe_id, items=items, **head)))


def parameter_update(connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
    """Change some parameters of a set: an update in fewer words."""
    if not message["path"].startswith(_PHYSICS + "/"):
        raise Invalid(errors={"path": [f"Must be {_PHYSICS}/ and an id."]})
    return edit(connection, {**message, "op": "update", "fields_": message["parameters"], "of": "parameters"})


def undo(connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
    """Take back the newest change or gesture of this user and tab."""
    return _undone(take_back(message["universe_id"], _head(connection, message)))


def redo(connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
    """Make again what was taken back last."""
    return _undone(make_again(message["universe_id"], _head(connection, message)))


def _head(connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an intent that do not depend on what is done."""
    if current_hub().draining:
        raise Draining
    joined = connection.joined[message["universe_id"]]
    return {
        "actor": connection.actor,
        "source": "socket",
        "client_id": message.get("client_id", joined.client_id),
        "group": message.get("group"),
        "op_id": message["op_id"],
        "if_match": None,
    }


def _preconditions(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"base": message.get("base"), "strict": message["mode"] == "strict"}


def _item(universe_id: UUID, index: int, item: Mapping[str, Any], head: Mapping[str, Any]) -> Intent:
    own = {"actor": head["actor"], "source": "socket", "op_id": None, "if_match": None}
    try:
        return _step(universe_id, item, own)
    except Invalid as error:
        raise Invalid(errors={"items": {str(index): error.errors}}) from None


def _step(universe_id: UUID, message: Mapping[str, Any], head: Mapping[str, Any]) -> Intent:
    """The intent of one operation. Raises Invalid for a path, fields or neighbours that do not fit it."""
    collection, entity_id = _target(message["path"])
    op, given = message["op"], message.get("fields_", {})
    place = {name: message[name] for name in ("after_id", "before_id") if name in message}
    where = message.get("of", "fields")
    if collection == "universe":
        return _of_universe(universe_id, op, given, place, head)
    if op == "create":
        own = {**_load(NEW[collection], given, where), "id": entity_id}
        if collection == _PHYSICS:
            _refuse(place, "after_id", "Sets have no order.")
            _refuse(place, "before_id", "Sets have no order.")
            return physics.creation(universe_id, own.pop("scene_id", None), own, head)
        return scenes.creation(collection, universe_id, {**own, **place}, head)
    head = {**head, "universe_id": universe_id}
    if op == "update":
        _refuse(message, "after_id", "An update moves nothing; use op move.")
        _refuse(message, "before_id", "An update moves nothing; use op move.")
        own = _load(CHANGED[collection], given, where)
        return physics.alteration(entity_id, own, head) if collection == _PHYSICS else scenes.alteration(collection, entity_id, own, head)
    _refuse(message, "fields_", f"Op {op} has no fields.")
    if op == "move":
        return _moved(collection, entity_id, place, head)
    return Intent(op="delete", collection=collection, entity_id=entity_id, **head)


def _of_universe(universe_id: UUID, op: str, given: Mapping[str, Any], place: Mapping[str, Any], head: Mapping[str, Any]) -> Intent:
    if op == "delete":
        raise Forbidden("A universe is deleted by its owner over REST.")
    if op != "update" or place:
        raise Invalid(errors={"op": ["The universe itself can only be updated."]})
    return universes.alteration(universe_id, _load(CHANGED["universe"], given, "fields"), head)


def _moved(collection: str, entity_id: UUID, place: Mapping[str, Any], head: Mapping[str, Any]) -> Intent:
    if not EDITABLE[collection].ordered:
        raise Invalid(errors={"op": [f"{collection} have no order."]})
    if not place:
        raise Invalid(errors={"after_id": ["Give after_id or before_id."]})
    return scenes.alteration(collection, entity_id, place, head)


def _target(path: str) -> tuple[str, UUID]:
    collection, _, text = path.partition("/")
    if path == "universe":
        return "universe", UUID(int=0)
    entity_id = uuid_or_none(text)
    if collection not in EDITABLE or entity_id is None:
        raise Invalid(errors={"path": [f"Must be universe, or one of {', '.join(EDITABLE)} with / and an id."]})
    return collection, entity_id


def _load(schema: ma.Schema, given: Mapping[str, Any], where: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = schema.load(given)
    except ma.ValidationError as error:
        raise Invalid(errors={where: error.messages}) from None
    return found


def _refuse(message: Mapping[str, Any], name: str, why: str) -> None:
    if message.get(name):
        raise Invalid(errors={name.rstrip("_"): [why]})


def _answer(done: Done) -> dict[str, Any]:
    return {
        "revision": done.revision,
        "entity_revision": done.entity_revision,
        "after": done.after,
        "overwrote": done.overwrote,
        "duplicate": done.duplicate,
        "noop": done.noop,
    }


def _undone(undone: Undone) -> dict[str, Any]:
    return {"revision": undone.done.revision, "undo_of": undone.undo_of, "skipped": undone.skipped}

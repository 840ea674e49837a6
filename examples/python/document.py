"""A universe's document at a client: rows of the log folded into it, and one's own edits laid over it.

The state holds every entity flat, by its path: `universe`, `scenes/<id>`, `bodies/<id>` and so on.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

Entity = dict[str, Any]
State = dict[str, Entity]

PARTS = ("bodies", "constraints", "voices", "mappings")
COLLECTIONS = ("scenes", *PARTS, "physics-parameters")

ATOMIC = {
    "universe": {"harmony.tuning"},
    "scenes": {"timeline", "harmony.tuning"},
    "bodies": {"size", "material", "resonator"},
    "constraints": {"anchor"},
    "voices": {"automation"},
    "mappings": {"trigger", "source", "domain", "range", "curve"},
    "physics-parameters": {"bounds"},
}
"""Objects that are one value: an update replaces them, where it merges others by key. /events.json lists them."""

OPEN = {"scenes": {"harmony"}, "voices": {"parameters"}, "physics-parameters": {"custom"}}
"""Objects whose keys may come and go: null removes one."""

REFERENCES = ("scene_id", "body_id", "other_body_id", "voice_id")


class Document:
    """What is stored, as of `revision`, and nothing else: no edit of one's own that has not come back."""

    def __init__(self) -> None:
        self.revision, self.universe_id = 0, ""
        self.state: State = {}

    def load(self, snapshot: Mapping[str, Any]) -> None:
        """Begin anew from a document, as the server answers it."""
        self.revision, self.universe_id = snapshot["revision"], snapshot["id"]
        self.state = {"universe": dict(snapshot["universe"])}
        for one in snapshot["physics_parameters"]:
            self._add("physics-parameters", one)
        for scene in snapshot["scenes"]:
            self._add("scenes", {key: value for key, value in scene.items() if key not in PARTS})
            for collection in PARTS:
                for part in scene[collection]:
                    self._add(collection, part)

    def apply(self, row: Mapping[str, Any]) -> None:
        """Apply the row of the next revision."""
        assert row["revision"] == self.revision + 1, (row["revision"], self.revision)
        for step in steps_of(row):
            fold(self.state, step)
        self.revision = row["revision"]

    def nested(self, state: State | None = None) -> dict[str, Any]:
        """The document in the form of GET /universes/<id>/document."""
        state = self.state if state is None else state
        return {
            "id": self.universe_id,
            "revision": self.revision,
            "universe": {key: value for key, value in state["universe"].items() if key != "deleted_at"},
            "physics_parameters": self._listed(state, "physics-parameters"),
            "scenes": [
                {**scene, **{collection: self._listed(state, collection, scene["id"]) for collection in PARTS}}
                for scene in self._listed(state, "scenes")
            ],
        }

    def _listed(self, state: State, collection: str, scene_id: str | None = None) -> list[Entity]:
        found = [
            {"id": path.partition("/")[2], **entity}
            for path, entity in state.items()
            if collection_of(path) == collection and (scene_id is None or entity["scene_id"] == scene_id)
        ]
        by = "name" if collection == "physics-parameters" else "order_key"  # sets have no places
        return sorted(found, key=lambda one: (one.get(by, "~"), one["id"]))

    def _add(self, collection: str, one: Mapping[str, Any]) -> None:
        self.state[f"{collection}/{one['id']}"] = {key: value for key, value in one.items() if key != "id"}


def steps_of(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a row does: itself, or its items."""
    yield from row["after"]["items"] if row["op"] in ("batch", "restore") else [row]


def fold(state: State, step: Mapping[str, Any]) -> None:
    """Apply one step of a row to a state."""
    path, op = step["path"], step["op"]
    if collection_of(path) not in (*COLLECTIONS, "universe"):
        return  # members and share links are no part of the document
    if op == "create":
        state.update(_subtree(path, step["after"]))
    elif op == "delete" and path != "universe":
        for gone in _subtree(path, step["before"]):
            state.pop(gone, None)
    else:
        for name, value in (step["after"] or {}).items():
            state[path] = _put(state.get(path, {}), name.split("."), value, OPEN.get(collection_of(path), set()))


def lay_over(state: State, message: Mapping[str, Any]) -> None:
    """Apply one's own edit to a copy of the state, as well as can be told before the server has: what it adds is not known yet."""
    for step in message.get("items") or [message]:
        path, op, fields = step["path"], step["op"], step.get("fields", {})
        if op == "create":
            state[path] = copy.deepcopy(fields)
        elif op == "delete":
            for gone in [path, *_belonging(state, path)]:
                state.pop(gone, None)
        elif path in state:
            if op == "update":
                collection = collection_of(path)
                state[path] = merged(state[path], fields, ATOMIC.get(collection, set()), OPEN.get(collection, set()))
            elif op == "move":
                state[path] = {**state[path], "order_key": _place(state, path, step)}


def collection_of(path: str) -> str:
    """The collection that a path leads into."""
    return path.partition("/")[0]


def _subtree(path: str, document: Mapping[str, Any]) -> State:
    """An entity as the log has it, and those that it holds, each by its path."""
    found = {path: {key: value for key, value in document.items() if key not in COLLECTIONS and key != "members"}}
    for collection in COLLECTIONS:
        for child in document.get(collection, ()):
            found.update(_subtree(f"{collection}/{child['id']}", {key: value for key, value in child.items() if key != "id"}))
    return found


def _put(entity: Entity, keys: list[str], value: Any, opened: set[str], prefix: str = "") -> Entity:
    """A new entity with one dotted property set: `gravity.y` is `y` in `gravity`."""
    found, key = dict(entity), keys[0]
    if len(keys) > 1:
        found[key] = _put(found.get(key) or {}, keys[1:], value, opened, f"{prefix}{key}.")
    elif value is None and prefix.removesuffix(".") in opened:
        found.pop(key, None)
    else:
        found[key] = value
    return found


def merged(entity: Entity, patch: Mapping[str, Any], atomic: set[str], opened: set[str], prefix: str = "") -> Entity:
    """A new entity, or patch, with a nested patch merged in."""
    found = dict(entity)
    for key, value in patch.items():
        path, inside = prefix + key, prefix.removesuffix(".")
        if isinstance(value, dict) and isinstance(found.get(key), dict) and path not in atomic and inside not in opened:
            found[key] = merged(found[key], value, atomic, opened, path + ".")
        elif value is None and inside in opened:
            found.pop(key, None)
        else:
            found[key] = value
    return found


def _belonging(state: State, path: str) -> list[str]:
    """What goes with an entity that is deleted."""
    gone = [path]
    for one in gone:
        own = one.partition("/")[2]
        gone += [other for other, entity in state.items() if other not in gone and own in (entity.get(name) for name in REFERENCES)]
    return gone[1:]


def _place(state: State, path: str, step: Mapping[str, Any]) -> str:
    """A key for a moved entity until the server has made the true one: a blank sorts before everything that keys are made of."""
    keys = {other: entity.get("order_key", "~") for other, entity in state.items() if collection_of(other) == collection_of(path)}
    if step.get("after_id"):
        return keys.get(f"{collection_of(path)}/{step['after_id']}", "~") + " "
    limit = keys.get(f"{collection_of(path)}/{step.get('before_id')}", "")
    return max((key for key in keys.values() if key < limit), default="") + " "

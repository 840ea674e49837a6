"""Intents: what somebody wants to change, before anything is known of the present state."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4, uuid5

import orjson

from app.access import Action, Actor
from app.database import dump_json

_OF_MANY = ("restore", "undo", "redo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One change of a universe's content.

    `op` create, update, delete, move, batch, member, restore, undo or redo; `collection` and `entity_id` name what (collection `universe`
    for the universe's own fields, `members` for a person's role). `fields` are loaded by the room's schema and nested;
    `replace` sets them all (PUT) instead of merging. `subtree` holds the documents of children, by collection, that a create
    brings along or a batch gives a scene. `base` is the revision the caller had seen; with `strict` a property that others
    changed since refuses the edit. `if_match` is the list of entity tags that the caller accepts, or None. `token_hash` is
    what is kept of a new share link's token, which each attempt at the same request draws anew; `state` what a universe was
    at the revision that it is put back to.
    """

    actor: Actor
    op: str
    collection: str
    entity_id: UUID | None = None
    universe_id: UUID | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    subtree: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    replace: bool = False
    after_id: UUID | None = None
    before_id: UUID | None = None
    items: tuple[Intent, ...] = ()
    action: Action = Action.EDIT
    source: str = "rest"
    client_id: str | None = None
    group: str | None = None
    op_id: UUID | None = None
    base: int | None = None
    strict: bool = False
    if_match: tuple[str, ...] | None = None
    token_hash: str | None = None
    state: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep `fields` as plain JSON, as documents are."""
        object.__setattr__(self, "fields", orjson.loads(dump_json(self.fields)))

    @property
    def path(self) -> str:
        """The path of the change in the log."""
        if self.op in ("batch", *_OF_MANY):
            return ""
        return "universe" if self.collection == "universe" else f"{self.collection}/{self.entity_id}"

    @property
    def is_system(self) -> bool:
        """Whether this is the system's own doing, which no role bounds: an operator's command without a person."""
        return self.source == "cli" and self.actor.id is None

    def request(self) -> dict[str, Any]:
        """What makes two requests the same: everything but who asks, `base`, `if_match`, `token_hash` and `state`."""
        return {
            "op": self.op,
            "path": self.path,
            "universe_id": self.universe_id if self.op in ("create", "batch", "member", *_OF_MANY) else None,
            "fields": self.fields,
            "subtree": self.subtree,
            "replace": self.replace,
            "after_id": self.after_id,
            "before_id": self.before_id,
            "items": [item.request() for item in self.items],
        }

    def accepts(self, revision: int) -> bool:
        """Whether an entity of a revision is what `if_match` asks for."""
        return self.if_match is None or str(revision) in self.if_match or "*" in self.if_match

    def op_hash(self) -> str:
        """SHA-256, in hex, of the canonical request."""
        return hashlib.sha256(orjson.dumps(self.request(), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)).hexdigest()


def op_id_of(key: str | None, actor: Actor) -> UUID | None:
    """The operation id of an Idempotency-Key: itself when it is a UUID, else derived from it and the actor."""
    if key is None:
        return None
    try:
        return UUID(key)
    except ValueError:
        return uuid5(actor.id or UUID(int=0), key)


def new_id(actor: Actor, op_id: UUID | None) -> UUID:
    """The id of what a request creates: derived from its key, so that a retry names the same thing."""
    return uuid4() if op_id is None else uuid5(actor.id or UUID(int=0), str(op_id))

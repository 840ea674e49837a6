"""Applying an intent to the rows: what each operation reads, checks and writes, under the universe's lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, delete, func, insert, literal, select, update
from sqlalchemy.orm import Session

from app.access import ALLOWED, Action, Role
from app.changes.content import Document, columns_from, difference, document_of, entity_json, merge
from app.changes.editable import EDITABLE, Editable
from app.changes.intents import Intent
from app.changes.models import Tombstone
from app.changes.order import LONGEST, between, spread
from app.changes.rule import Check, Removal
from app.changes.storing import Write, carry_out
from app.config import Settings
from app.database import dump_json, timestamp
from app.errors import Conflict, Forbidden, Gone, Invalid, NotFound, PreconditionFailed
from app.universes import rules
from app.universes.models import Membership, Universe
from app.users.models import User

_UNIVERSE: Any = Universe
_MEMBERS: Any = Membership.__table__
_TOMBSTONES: Any = Tombstone.__table__
_USERS: Any = User.__table__


@dataclass(slots=True)
class Turn:
    """One transaction's turn at a universe: its locked row, the revision being made, the moment, and the actor's role.

    `entity` is the row that the intent names, where it was read with the role.
    """

    session: Session
    universe: Mapping[Any, Any]
    revision: int
    moment: datetime
    role: Role
    entity: Mapping[Any, Any] | None = None

    @property
    def universe_id(self) -> UUID:
        found: UUID = self.universe["id"]
        return found

    @property
    def limits(self) -> Settings:
        found: Settings = current_app.config["SETTINGS"]
        return found


@dataclass(slots=True)
class Applied:
    """What an operation did: the log's `before` and `after`, the entity as answered, and what the universe's row takes on.

    `op` and `path` are set when the change became another one (a move that gave the whole list new keys is a batch).
    `write` is the entity's row where that is left to be written with the log's: nothing in this operation reads it
    again. `undo_of` is the revision that the change takes back.
    """

    before: Document | None
    after: Document | None
    entity: Document | None
    entity_revision: int
    entity_id: UUID | None = None
    growth: int = 0
    noop: bool = False
    op: str | None = None
    path: str = ""
    undo_of: int | None = None
    universe_values: dict[str, Any] = field(default_factory=dict)
    write: Write | None = None


def apply(turn: Turn, intent: Intent) -> Applied:
    """Apply one intent, but for the `write` that it leaves. Raises NotFound, Gone, Conflict, Invalid or PreconditionFailed."""
    if intent.op == "batch":
        return _batch(turn, intent)
    if intent.op == "member":
        return _member(turn, intent)
    if intent.collection == "universe":
        return _universe(turn, intent)
    return {"create": _create, "update": _update, "delete": _delete, "move": _move}[intent.op](turn, intent)


def universe_json(row: Mapping[Any, Any]) -> Document:
    """A universe's own fields, as answered."""
    return {
        "id": str(row["id"]),
        **document_of(_UNIVERSE, row),
        "is_public": row["visibility"] == "public",
        "revision": row["revision"],
        "entity_revision": row["entity_revision"],
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
    }


def size_of(document: Mapping[str, Any]) -> int:
    """Bytes of a document's JSON."""
    return len(dump_json(document))


def _create(turn: Turn, intent: Intent) -> Applied:
    kind, entity_id = EDITABLE[intent.collection], _new_id(intent)
    _refuse_taken(turn, kind, entity_id)
    parent = {"scene_id": _scene_of(turn, intent)} if kind.parent == "scene_id" else {}
    _refuse_full(turn, kind, parent.get("scene_id"))
    document = {**intent.fields, **{key: str(value) for key, value in parent.items()}}
    steps: list[Document] = []
    if kind.ordered:
        document["order_key"], steps = _place(turn, kind, parent.get("scene_id"), intent)
    kind.check(Check(turn.session, turn.universe, entity_id, None, document))
    row = _insert(turn, kind, entity_id, document)
    added = size_of(document) + insert_subtree(turn, intent.subtree)
    after = {**document, **intent.subtree}
    return _after_steps(steps, intent, Applied(None, after, entity_json(kind.model, row), turn.revision, entity_id, growth=added))


def _update(turn: Turn, intent: Intent) -> Applied:
    kind, entity_id = EDITABLE[intent.collection], _id(intent)
    row = _read(turn, kind, entity_id)
    _match(intent, row["revision"])
    before = document_of(kind.model, row)
    after = {**before, **intent.fields} if intent.replace else merge(before, intent.fields, kind.model)
    old, new = difference(before, after, kind.model)
    if not new:
        return Applied(None, None, entity_json(kind.model, row), row["revision"], entity_id, noop=True)
    kind.check(Check(turn.session, turn.universe, entity_id, before, after))
    entity, write = _changed(turn, kind, row, after, {name.partition(".")[0] for name in new})
    return Applied(old, new, entity, turn.revision, entity_id, growth=size_of(after) - size_of(before), write=write)


def _delete(turn: Turn, intent: Intent) -> Applied:
    kind, entity_id = EDITABLE[intent.collection], _id(intent)
    row = _read(turn, kind, entity_id)
    _match(intent, row["revision"])
    document = document_of(kind.model, row)
    kind.may_remove(Removal(turn.session, turn.universe, entity_id, document))
    subtree = _subtree(turn, kind, entity_id)
    bury(turn, kind.table, kind.table.c.id == entity_id)
    for collection, column in kind.children:
        child_table = EDITABLE[collection].table
        bury(turn, child_table, child_table.c[column] == entity_id)
    turn.session.execute(delete(kind.table).where(kind.table.c.id == entity_id))
    lost = size_of(document) + sum(_child_size(child) for children in subtree.values() for child in children)
    return Applied({**document, **subtree}, None, None, turn.revision, entity_id, growth=-lost)


def _move(turn: Turn, intent: Intent) -> Applied:
    kind, entity_id = EDITABLE[intent.collection], _id(intent)
    row = _read(turn, kind, entity_id)
    _match(intent, row["revision"])
    key, steps = _place(turn, kind, row.get("scene_id"), intent, moving=entity_id)
    if key == row["order_key"] and not steps:
        return Applied(None, None, entity_json(kind.model, row), row["revision"], entity_id, noop=True)
    document = {**document_of(kind.model, row), "order_key": key}
    entity, write = _changed(turn, kind, row, document, {"order_key"})
    old, new = {"order_key": row["order_key"]}, {"order_key": key}
    return _after_steps(steps, intent, Applied(old, new, entity, turn.revision, entity_id, write=write))


def _after_steps(steps: list[Document], intent: Intent, applied: Applied) -> Applied:
    """The change as a batch, when the list had to be given new keys first."""
    if steps:
        own = {"op": intent.op, "path": intent.path, "before": applied.before, "after": applied.after}
        applied.op, applied.before, applied.after = "batch", None, {"items": [*steps, own]}
    return applied


def _batch(turn: Turn, intent: Intent) -> Applied:
    """Several operations as one row of the log; with `fields` {"order": ids} a whole list in a new order."""
    if "order" in intent.fields:
        return _reorder(turn, EDITABLE[intent.collection], [UUID(i) for i in intent.fields["order"]])
    done = [(item, _apply_item(turn, item)) for item in intent.items]
    _require_owner(turn, intent)
    told = [
        {"op": applied.op or item.op, "path": item.path, "before": applied.before, "after": applied.after}
        for item, applied in done
        if not applied.noop
    ]
    entities = [applied.entity for _, applied in done]
    found = Applied(None, {"items": told}, {"items": entities}, turn.revision, growth=sum(applied.growth for _, applied in done))
    found.noop = not told
    for _, applied in done:
        found.universe_values.update(applied.universe_values)
    return found


def _apply_item(turn: Turn, item: Intent) -> Applied:
    """Apply one of several operations, and write what it leaves: the next ones read it."""
    applied = _set_role(turn, item) if item.op == "member" else apply(turn, item)
    if applied.write is not None:
        carry_out(turn.session.connection(), applied.write)
    return applied


def _require_owner(turn: Turn, intent: Intent) -> None:
    """A batch may hand the universe on; at its end there is an owner."""
    if not any(item.op == "member" for item in intent.items):
        return
    owned = (_MEMBERS.c.universe_id == turn.universe_id, _MEMBERS.c.role == "owner")
    if turn.session.scalar(select(func.count()).select_from(_MEMBERS).where(*owned)) != 1:
        raise Conflict("A universe has exactly one owner.")


def _member(turn: Turn, intent: Intent) -> Applied:
    """Give somebody a role, change it, or take it away; `fields` is {"role": name or None, "held"?: bool}.

    `held` says whether the person must be a member already. The owner's role passes on by a transfer alone; only a
    deleted universe may be left without one.
    """
    held = _membership(turn, _id(intent))
    if turn.universe["deleted_at"] is None and held is not None and held.role == "owner" and intent.fields["role"] != "owner":
        raise Conflict("The owner stays; transfer the universe first.")
    return _set_role(turn, intent)


def _set_role(turn: Turn, intent: Intent) -> Applied:
    """Set somebody's role; a membership that hung on a share link is then their own."""
    user_id, role, held = _id(intent), intent.fields["role"], _membership(turn, _id(intent))
    _refuse_wrong_member(intent, held)
    before = held.role if held else None
    link = {"link": str(held.link_id)} if held and held.link_id else {}
    if before == role and not link:
        return Applied(None, None, {"role": role}, held.revision if held else turn.revision - 1, user_id, noop=True)
    where = (_MEMBERS.c.universe_id == turn.universe_id, _MEMBERS.c.user_id == user_id)
    if role is None:
        turn.session.execute(delete(_MEMBERS).where(*where))
    elif held is None:
        require_user(turn.session, user_id)
        values = {"universe_id": turn.universe_id, "user_id": user_id, "role": role, "revision": turn.revision, "created_at": turn.moment}
        turn.session.execute(insert(_MEMBERS).values(values))
    else:
        turn.session.execute(update(_MEMBERS).where(*where).values(role=role, revision=turn.revision, link_id=None))
    return Applied({"role": before, **link}, {"role": role, **dict.fromkeys(link)}, {"role": role}, turn.revision, user_id)


def _membership(turn: Turn, user_id: UUID) -> Any:
    where = (_MEMBERS.c.universe_id == turn.universe_id, _MEMBERS.c.user_id == user_id)
    return turn.session.execute(select(_MEMBERS.c.role, _MEMBERS.c.revision, _MEMBERS.c.link_id).where(*where)).first()


def _refuse_wrong_member(intent: Intent, held: Any) -> None:
    wanted = intent.fields.get("held")
    if wanted is False and held is not None:
        raise Conflict("This person is a member already.", errors={"user_id": ["Is a member already."]})
    if wanted is True and held is None:
        raise (
            Invalid(errors={"user_id": ["Is not a member."]})
            if intent.fields["role"] == "owner"
            else NotFound("This person is not a member.")
        )
    if held is not None:
        _match(intent, held.revision)


def require_user(session: Session, user_id: UUID | None) -> None:
    """Hold a user's row, so that the account cannot be closed before the membership is there. Raises Invalid without one."""
    user = select(_USERS.c.id).where(_USERS.c.id == user_id, _USERS.c.is_active).with_for_update(read=True)
    if session.scalar(user) is None:
        raise Invalid(errors={"user_id": ["There is no such user."]})


def _universe(turn: Turn, intent: Intent) -> Applied:
    """Change the universe's own fields, mark it deleted, or bring it back."""
    row = turn.universe
    if intent.op == "delete" and row["deleted_at"] is not None:
        raise Gone
    _match(intent, row["revision"])
    fields = {"deleted_at": timestamp(turn.moment)} if intent.op == "delete" else rules.settled(intent.fields, row["visibility"])
    before = document_of(_UNIVERSE, row)
    after = {**before, **fields} if intent.replace else merge(before, fields, _UNIVERSE)
    old, new = difference(before, after, _UNIVERSE)
    if not new:
        return Applied(None, None, universe_json(row), row["revision"], turn.universe_id, noop=True)
    check_universe(turn, after, {name.partition(".")[0] for name in new})
    values = {**columns_from(_UNIVERSE, after, {name.partition(".")[0] for name in new}), "entity_revision": turn.revision}
    fresh = {**row, **values, "revision": turn.revision, "updated_at": turn.moment}
    growth = size_of(after) - size_of(before)
    entity = None if intent.op == "delete" else universe_json(fresh)
    return Applied(old, new, entity, turn.revision, turn.universe_id, growth=growth, universe_values=values)


def check_universe(turn: Turn, after: Document, changed: set[str]) -> None:
    """Raises Forbidden or Invalid for new fields of the universe's own, some of which have `changed`."""
    if "visibility" in changed and Action.MANAGE not in ALLOWED[turn.universe["visibility"]][turn.role]:
        raise Forbidden("Only the owner changes the visibility.")
    if "harmony" not in changed:
        return
    rules.check_harmony(after["harmony"])
    scenes = EDITABLE["scenes"].table
    for override in turn.session.scalars(select(scenes.c.harmony).where(scenes.c.universe_id == turn.universe_id)):
        if override:
            rules.check_harmony(rules.harmony_in_force(after["harmony"], override))


def _reorder(turn: Turn, kind: Editable, ids: list[UUID]) -> Applied:
    rows = turn.session.scalars(select(kind.table.c.id).where(kind.table.c.universe_id == turn.universe_id)).all()
    if len(ids) != len(rows) or set(ids) != set(rows):
        raise Invalid(errors={f"{kind.collection[:-1]}_ids": [f"Must name each of the {len(rows)} {kind.collection} exactly once."]})
    steps = _give_keys(turn, kind, ids, list(spread(len(ids))))
    return Applied(None, {"items": steps}, None, turn.revision, noop=not steps)


def _give_keys(turn: Turn, kind: Editable, ids: list[UUID], keys: list[str]) -> list[Document]:
    """Give rows new keys; returns the steps for the log."""
    rows = {row["id"]: row for row in turn.session.execute(select(kind.table).where(kind.table.c.id.in_(ids))).mappings()}
    steps = []
    for entity_id, key in zip(ids, keys, strict=True):
        row = rows[entity_id]
        if row["order_key"] == key:
            continue
        _, write = _changed(turn, kind, row, {**document_of(kind.model, row), "order_key": key}, {"order_key"})
        carry_out(turn.session.connection(), write)
        path = f"{kind.collection}/{entity_id}"
        steps.append({"op": "move", "path": path, "before": {"order_key": row["order_key"]}, "after": {"order_key": key}})
    return steps


def _read(turn: Turn, kind: Editable, entity_id: UUID) -> Mapping[Any, Any]:
    if turn.entity is not None and turn.entity["id"] == entity_id:
        return turn.entity
    named = {"entity_id": entity_id, "universe_id": turn.universe_id}
    row = turn.session.connection().execute(_read_one(kind.table), named).mappings().first()
    if row is not None:
        return row
    if turn.session.scalar(select(_TOMBSTONES.c.id).where(_TOMBSTONES.c.id == entity_id)) is not None:
        raise Gone
    raise NotFound


@cache
def _read_one(table: Any) -> Select[Any]:
    """One entity of a universe. Statements are built once; building them costs as much as running them."""
    return select(table).where(table.c.id == bindparam("entity_id"), table.c.universe_id == bindparam("universe_id"))


def _match(intent: Intent, revision: int) -> None:
    if not intent.accepts(revision):
        raise PreconditionFailed


def _insert(turn: Turn, kind: Editable, entity_id: UUID, document: Document) -> Mapping[str, Any]:
    row = {
        "id": entity_id,
        "universe_id": turn.universe_id,
        "revision": turn.revision,
        "created_at": turn.moment,
        "updated_at": turn.moment,
        **columns_from(kind.model, document),
    }
    turn.session.execute(insert(kind.table), row)
    return row


def insert_subtree(turn: Turn, subtree: Mapping[str, list[Document]]) -> int:
    """Insert a new entity's children, whose documents carry their ids; returns their size in bytes."""
    size = 0
    for collection, children in subtree.items():
        kind = EDITABLE[collection]
        for child in children:
            document = {key: value for key, value in child.items() if key not in EDITABLE and key != "id"}
            kind.check(Check(turn.session, turn.universe, UUID(child["id"]), None, document))
            _insert(turn, kind, UUID(child["id"]), document)
            size += size_of(document) + insert_subtree(turn, {key: value for key, value in child.items() if key in EDITABLE})
    return size


def _changed(turn: Turn, kind: Editable, row: Mapping[Any, Any], document: Document, names: set[str]) -> tuple[Document, Write]:
    """An entity whose properties of some names have changed, as answered, and the write that makes it so."""
    values = {**columns_from(kind.model, document, names), "revision": turn.revision, "updated_at": turn.moment}
    return entity_json(kind.model, {**row, **values}), Write(kind.table, row["id"], values)


def bury(turn: Turn, table: Any, which: ColumnElement[bool]) -> None:
    """Leave a tombstone for each row of a table that is about to go."""
    told = select(table.c.id, table.c.universe_id, literal(turn.revision, BigInteger), table.c.created_at).where(which)
    turn.session.execute(insert(_TOMBSTONES).from_select(["id", "universe_id", "revision", "born_at"], told))


def _subtree(turn: Turn, kind: Editable, entity_id: UUID) -> dict[str, list[Document]]:
    found: dict[str, dict[UUID, Document]] = {}
    for collection, column in kind.children:
        child = EDITABLE[collection]
        for row in turn.session.execute(
            select(child.table).where(child.table.c[column] == entity_id).order_by(child.table.c.id)
        ).mappings():
            found.setdefault(collection, {})[row["id"]] = {"id": str(row["id"]), **document_of(child.model, row)}
    return {collection: list(children.values()) for collection, children in found.items()}


def _child_size(child: Document) -> int:
    return size_of({key: value for key, value in child.items() if key != "id"})


def _place(turn: Turn, kind: Editable, scene_id: UUID | None, intent: Intent, moving: UUID | None = None) -> tuple[str, list[Document]]:
    """The key of a place in a list: after or before a named neighbour, else at the end.

    When the key would be too long the rest of the list is given new ones; those steps come second.
    """
    table = kind.table
    parent = table.c.scene_id == scene_id if scene_id is not None else table.c.universe_id == turn.universe_id
    rows = turn.session.execute(select(table.c.id, table.c.order_key).where(parent).order_by(table.c.order_key, table.c.id)).all()
    others = [row for row in rows if row.id != moving]
    index = _index(others, intent)
    if moving is not None and rows[index].id == moving:
        return rows[index].order_key, []
    low = others[index - 1].order_key if index else None
    high = others[index].order_key if index < len(others) else None
    key = between(low, high) if low is None or high is None or low < high else "0" * (LONGEST + 1)
    if len(key) <= LONGEST:
        return key, []
    keys = list(spread(len(others) + 1))
    key = keys.pop(index)
    return key, _give_keys(turn, kind, [row.id for row in others], keys)


def _index(rows: list[Any], intent: Intent) -> int:
    for neighbour, offset, name in ((intent.after_id, 1, "after_id"), (intent.before_id, 0, "before_id")):
        if neighbour is None:
            continue
        for i, row in enumerate(rows):
            if row.id == neighbour:
                return i + offset
        raise Invalid(errors={name: ["There is no such neighbour in this list."]})
    return len(rows)


def _new_id(intent: Intent) -> UUID:
    if intent.entity_id is None:
        raise Invalid(errors={"id": ["A new entity needs an id."]})
    return intent.entity_id


def _id(intent: Intent) -> UUID:
    if intent.entity_id is None:
        raise NotFound
    return intent.entity_id


def _refuse_taken(turn: Turn, kind: Editable, entity_id: UUID) -> None:
    if turn.session.scalar(select(kind.table.c.id).where(kind.table.c.id == entity_id)) is not None:
        raise Conflict("This id is taken.", errors={"id": ["Is taken."]})
    if turn.session.scalar(select(_TOMBSTONES.c.id).where(_TOMBSTONES.c.id == entity_id)) is not None:
        raise Gone


def _scene_of(turn: Turn, intent: Intent) -> UUID:
    scenes = EDITABLE["scenes"].table
    scene_id = UUID(str(intent.fields["scene_id"]))
    where = (scenes.c.id == scene_id, scenes.c.universe_id == turn.universe_id)
    if turn.session.scalar(select(scenes.c.id).where(*where)) is None:
        buried = turn.session.scalar(select(_TOMBSTONES.c.id).where(_TOMBSTONES.c.id == scene_id))
        raise Gone if buried is not None else NotFound
    return scene_id


def _refuse_full(turn: Turn, kind: Editable, scene_id: UUID | None) -> None:
    limit = getattr(turn.limits, kind.limit)
    parent = kind.table.c.scene_id == scene_id if scene_id is not None else kind.table.c.universe_id == turn.universe_id
    count = turn.session.scalar(select(func.count()).select_from(kind.table).where(parent))
    if count is not None and count >= limit:
        raise Invalid(errors={"_schema": [f"There may be at most {limit} {kind.collection} here."]})

"""How a change begins: the universe's row is locked, then read with all that decides whether the caller may change it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Executable, String, and_, bindparam, cast, exists, func, or_, select
from sqlalchemy.orm import Session

from app.access import HOLDER, caller_params, holding
from app.changes.editable import EDITABLE
from app.changes.intents import Intent
from app.changes.models import Change, IdempotencyKey, Tombstone
from app.database import in_one_trip
from app.universes.models import Membership, Universe

_UNIVERSES: Any = Universe.__table__
_MEMBERS: Any = Membership.__table__
_TOMBSTONES: Any = Tombstone.__table__
_LOG: Any = Change.__table__
_KEYS: Any = IdempotencyKey.__table__
_HEAD = tuple(column.name for column in _UNIVERSES.c)
_HOLD = select(func.pg_advisory_xact_lock_shared(bindparam("holding", type_=BigInteger)))
_ROLE = (
    select(_MEMBERS.c.role)
    .where(_MEMBERS.c.universe_id == _UNIVERSES.c.id, _MEMBERS.c.user_id == bindparam("caller"))
    .correlate(_UNIVERSES)
    .scalar_subquery()
)


def _seen(scope: ColumnElement[str]) -> ColumnElement[bool]:
    """SQL: whether the caller has used the intent's key in the universe, whose id is `scope` as text."""
    op_id = bindparam("op_id", type_=_LOG.c.op_id.type)
    logged = exists().where(_LOG.c.universe_id == _UNIVERSES.c.id, _LOG.c.actor_id == bindparam("caller"), _LOG.c.op_id == op_id)
    kept = exists().where(_KEYS.c.scope == scope, _KEYS.c.owner == bindparam("owner"), _KEYS.c.op_id == op_id)
    return or_(logged.correlate(_UNIVERSES), kept.correlate(_UNIVERSES))


def _hyphenated() -> ColumnElement[str]:
    """A universe's id as text on SQLite, which stores its 32 digits alone."""
    parts = [func.substr(cast(_UNIVERSES.c.id, String), start, length) for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
    text: ColumnElement[str] = parts[0]
    for part in parts[1:]:
        text = text.concat("-").concat(part)
    return text


class Opened(NamedTuple):
    """A locked universe's row; the caller's membership in it, and their HOLDER; the row that the intent names, if it is there.

    `seen` says that the caller has used the intent's key before.
    """

    universe: Mapping[Any, Any]
    membership: str | None
    holder: str | None
    seen: bool
    entity: Mapping[Any, Any] | None


class Opening:
    """Locks the universe of some id and reads it, with the row of a table that the intent names.

    The lock and the reading are two statements, because each sees what was committed before it began: the second one all
    that the wait for the lock let pass, so no role is an older one. Before them the caller's sessions are held, so that
    none is ended while its change is under way. All make one trip to PostgreSQL. On SQLite the transaction itself has
    locked everything.
    """

    def __init__(self, universe_id: Any, table: Any = None) -> None:
        lock = select(_UNIVERSES.c.id).where(_UNIVERSES.c.id == universe_id).with_for_update()
        self.names = tuple(column.name for column in table.c) if table is not None else ()
        self.statements: dict[str, Executable] = {
            "sqlite": _read(universe_id, table, _hyphenated()),
            "postgresql": in_one_trip(_HOLD, lock, _read(universe_id, table, cast(_UNIVERSES.c.id, String))),
        }

    def find(self, session: Session, intent: Intent) -> Opened | None:
        """The locked universe, None when there is none."""
        connection = session.connection()
        params = {
            "universe_id": intent.universe_id,
            "entity_id": intent.entity_id,
            "op_id": intent.op_id,
            "holding": holding(intent.actor.id),
            "owner": str(intent.actor.id),
            **caller_params(intent.actor),
        }
        row = connection.execute(self.statements[connection.dialect.name], params).first()
        if row is None:
            return None
        membership, holder, seen, *found = row[len(_HEAD) :]
        entity = dict(zip(self.names, found, strict=True))
        return Opened(dict(zip(_HEAD, row, strict=False)), membership, holder, seen, entity if entity.get("id") is not None else None)


def _read(universe_id: Any, table: Any, scope: ColumnElement[str]) -> Any:
    read: Any = select(*_UNIVERSES.c, _ROLE.label("membership"), HOLDER, _seen(scope).label("seen")).where(_UNIVERSES.c.id == universe_id)
    if table is None:
        return read
    named = and_(table.c.universe_id == _UNIVERSES.c.id, table.c.id == bindparam("entity_id"))
    return read.add_columns(*table.c).outerjoin_from(_UNIVERSES, table, named)


def open_universe(session: Session, intent: Intent) -> Opened | None:
    """Lock the universe that an intent is about, and read it fresh; None when there is none."""
    names_row = intent.op in ("update", "move", "delete") and intent.collection in EDITABLE
    if intent.universe_id is not None:
        return (_WITH[intent.collection] if names_row else _ALONE).find(session, intent)
    return _OF[intent.collection].find(session, intent) or _OF_BURIED.find(session, intent)


def _universe_of(table: Any) -> Any:
    return select(table.c.universe_id).where(table.c.id == bindparam("entity_id")).scalar_subquery()


_NAMED = bindparam("universe_id", type_=_UNIVERSES.c.id.type)
_ALONE = Opening(_NAMED)
_WITH = {collection: Opening(_NAMED, kind.table) for collection, kind in EDITABLE.items()}
_OF = {collection: Opening(_universe_of(kind.table), kind.table) for collection, kind in EDITABLE.items()}
_OF_BURIED = Opening(_universe_of(_TOMBSTONES))

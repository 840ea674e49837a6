"""How a change ends: its row joins the log, the universe's head moves on, and the row of the entity takes its new values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Update, bindparam, insert, update

from app.changes.models import Change
from app.database import PLANNED
from app.universes.models import Universe

_UNIVERSES: Any = Universe.__table__
_LOG: Any = Change.__table__


class Write(NamedTuple):
    """New values for the columns of one row, still to be written."""

    table: Any
    id: UUID
    values: Mapping[str, Any]


def carry_out(connection: Connection, write: Write) -> None:
    """Write a row's new values."""
    connection.execute(_written(write.table, tuple(write.values)), _params(write))


def add_row(connection: Connection, row: Mapping[str, Any]) -> None:
    """Add a row to the log."""
    connection.execute(_ADDED, _prefixed("log_", row))


def store(connection: Connection, row: Mapping[str, Any], head: Mapping[str, Any], write: Write | None) -> None:
    """Add a row to the log, and write the universe's new values, its `revision` among them, and those of an entity.

    PostgreSQL does all that in one statement, for its WITH may write. Beside a `write`, `head` has `content_bytes` alone.
    """
    moved = Write(_UNIVERSES, row["universe_id"], {"revision": row["revision"], "updated_at": row["created_at"], **head})
    if connection.dialect.name == "sqlite":
        add_row(connection, row)
        carry_out(connection, moved)
        if write is not None:
            carry_out(connection, write)
        return
    last = write or moved
    params = {**_params(last), **_prefixed("log_", row), "log_size": head["content_bytes"]}
    connection.execute(_stored(last.table, tuple(last.values)), params)


def _params(write: Write) -> dict[str, Any]:
    return {"written_id": write.id, **_prefixed("new_", write.values)}


def _prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by names that are no column's: SQLAlchemy sets the columns that parameters are named after, in a WITH too."""
    return {prefix + name: value for name, value in values.items()}


@lru_cache(512)
def _written(table: Any, names: tuple[str, ...]) -> Update:
    """The statement that writes some columns. Statements are kept; building one costs as much as running it."""
    new = {name: bindparam("new_" + name, type_=table.c[name].type) for name in names}
    return update(table).where(table.c.id == bindparam("written_id")).values(new)


@lru_cache(512)
def _stored(table: Any, names: tuple[str, ...]) -> Update:
    """The same, with the row of the log and, for another table than the universes', the head."""
    statement = _written(table, names).add_cte(_ADDED.cte("added")).execution_options(**PLANNED)
    return statement if table is _UNIVERSES else statement.add_cte(_MOVED.cte("moved"))


def _logged(name: str, like: Any) -> Any:
    return bindparam("log_" + name, type_=like.type)


_ADDED = insert(_LOG).values({column.name: _logged(column.name, column) for column in _LOG.c})
_MOVED = (
    update(_UNIVERSES)
    .where(_UNIVERSES.c.id == _logged("universe_id", _UNIVERSES.c.id))
    .values(
        revision=_logged("revision", _UNIVERSES.c.revision),
        updated_at=_logged("created_at", _UNIVERSES.c.updated_at),
        content_bytes=_logged("size", _UNIVERSES.c.content_bytes),
    )
)

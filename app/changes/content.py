"""Content: the rows that the change log covers, and their documents.

A document is the JSON of what people put in, without counters or times. In the log a property is a dotted path into
it: `gravity.y`. Objects are merged by key, except those named ATOMIC, which are one value; in those named OPEN a key
may come and go, and null removes it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import datetime
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, String, Uuid
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.database import Dated, Keyed, UtcDateTime, timestamp

Document = dict[str, Any]
AXES = ("x", "y", "z")
_NOT_CONTENT = frozenset(
    {"id", "universe_id", "revision", "entity_revision", "created_at", "updated_at", "epoch", "floor", "content_bytes"}
)


class Content(Keyed, Dated):
    """A row of a universe's content. `revision` is the universe revision that last changed it."""

    VECTORS: ClassVar[tuple[str, ...]] = ()
    ATOMIC: ClassVar[frozenset[str]] = frozenset()
    OPEN: ClassVar[frozenset[str]] = frozenset()

    revision: Mapped[int] = mapped_column(BigInteger)

    @declared_attr
    def universe_id(cls) -> Mapped[UUID]:  # noqa: N805  SQLAlchemy's convention
        """The universe it belongs to, kept in each row so that one statement can lock it."""
        return mapped_column(ForeignKey("universes.id", ondelete="CASCADE"), index=True)


class Ordered:
    """A place in a list: a text key that leaves room between any two."""

    order_key: Mapped[str] = mapped_column(String(64).with_variant(String(64, collation="C"), "postgresql"))


@cache
def columns_of(model: Any) -> dict[str, tuple[str, ...]]:
    """The properties of a document and the columns that hold each: one, or three for a vector."""
    found: dict[str, tuple[str, ...]] = {}
    for column in model.__table__.columns:
        vector = next((name for name in model.VECTORS if column.name in {f"{name}_{axis}" for axis in AXES}), None)
        if vector:
            found[vector] = tuple(f"{vector}_{axis}" for axis in AXES)
        elif column.name not in _NOT_CONTENT:
            found[column.name] = (column.name,)
    return found


def document_of(model: Any, row: Mapping[Any, Any]) -> Document:
    """The document of a row, given as a mapping of its columns."""
    found: Document = {}
    for name, columns in columns_of(model).items():
        if len(columns) == 1:
            found[name] = _plain(row[columns[0]])
        else:
            found[name] = dict(zip(AXES, (row[column] for column in columns), strict=True))
    return found


def columns_from(model: Any, document: Mapping[str, Any], names: Container[str] | None = None) -> dict[str, Any]:
    """The column values of a document, or of some of its properties."""
    found: dict[str, Any] = {}
    for name, columns in columns_of(model).items():
        if names is not None and name not in names:
            continue
        if len(columns) == 1:
            found[columns[0]] = _stored(model, columns[0], document[name])
        else:
            found.update(zip(columns, (document[name][axis] for axis in AXES), strict=True))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return timestamp(value) if isinstance(value, datetime) else value


def _stored(model: Any, column: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    kind = model.__table__.columns[column].type
    if isinstance(kind, UtcDateTime):
        return datetime.fromisoformat(value)
    return UUID(value) if isinstance(kind, Uuid) else value


def entity_json(model: Any, row: Mapping[Any, Any]) -> Document:
    """A row as it is answered: the document with its id, universe, revision and times."""
    return {
        "id": str(row["id"]),
        "universe_id": str(row["universe_id"]),
        **document_of(model, row),
        "revision": row["revision"],
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
    }


def difference(before: Document, after: Document, model: Any, prefix: str = "") -> tuple[Document, Document]:
    """The properties that differ, as dotted paths: their values before and after.

    An object that lost or gained a key is told whole, for in the log null would not tell an absent key from an empty
    one; but those of OPEN, which hold no null.
    """
    old: Document = {}
    new: Document = {}
    for key in {**before, **after}:
        path = prefix + key
        left, right = before.get(key), after.get(key)
        if left == right and type(left) is type(right):
            continue
        if isinstance(left, dict) and isinstance(right, dict) and _is_told_by_key(model, path, left, right):
            inner_old, inner_new = difference(left, right, model, path + ".")
            old.update(inner_old)
            new.update(inner_new)
        else:
            old[path], new[path] = left, right
    return old, new


def _is_told_by_key(model: Any, path: str, left: Document, right: Document) -> bool:
    return is_merged(model, path) and (path in model.OPEN or left.keys() == right.keys())


def is_merged(model: Any, path: str) -> bool:
    """Whether the object at a path is merged by key rather than replaced."""
    return path not in model.ATOMIC and path.rpartition(".")[0] not in model.OPEN


def merge(document: Document, patch: Mapping[str, Any], model: Any, prefix: str = "") -> Document:
    """A new document with a nested patch merged in."""
    found = dict(document)
    for key, value in patch.items():
        path = prefix + key
        current = found.get(key)
        if isinstance(value, dict) and isinstance(current, dict) and is_merged(model, path):
            found[key] = merge(current, value, model, path + ".")
        elif value is None and prefix.removesuffix(".") in model.OPEN:
            found.pop(key, None)
        else:
            found[key] = value
    return found


def put(document: Document, properties: Mapping[str, Any], model: Any) -> Document:
    """A new document with dotted properties set, as a log row's `after` (or `before`) sets them."""
    found = document
    for path, value in properties.items():
        found = _put(found, path.split("."), value, model)
    return found


def _put(document: Document, keys: list[str], value: Any, model: Any, prefix: str = "") -> Document:
    found = dict(document)
    key, rest = keys[0], keys[1:]
    if rest:
        found[key] = _put(found.get(key) or {}, rest, value, model, f"{prefix}{key}.")
    elif value is None and prefix.removesuffix(".") in model.OPEN:
        found.pop(key, None)
    else:
        found[key] = value
    return found

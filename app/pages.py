"""Lists in pages: the one way that every room serves a list.

A cursor holds the sort keys of the last row that was served, so a page goes on from there whatever has been inserted
or removed since. It is signed: nobody can make one up, and what it holds is trusted.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import marshmallow as ma
import orjson
from flask import current_app
from marshmallow import fields, validate
from sqlalchemy import ColumnElement, Row, Select, String, Uuid, and_, bindparam, cast, func, or_, tuple_

from app.database import UtcDateTime
from app.errors import Invalid
from app.extensions import db
from app.schemas import PageSchema

_SORT_KEYS = 4


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list; `next_cursor` None says that they are the last, `total` counts all rows where asked for."""

    rows: Sequence[Row[*tuple[Any, ...]]]
    next_cursor: str | None
    total: int | None = None

    def answer(self, items: Sequence[Any]) -> dict[str, Any]:
        """The answer of a list: its rows as `items`, shown by the room."""
        found: dict[str, Any] = {"items": items, "next_cursor": self.next_cursor}
        return found if self.total is None else {**found, "total": self.total}


class Listing:
    """A list that is served in pages.

    `statement` selects the columns to serve; without order, limit, grouping or DISTINCT. `sorts` names the columns
    that it can be sorted by, none of them nullable, and `key` is the column that tells equal rows apart; rows have it
    as `key`, an id as text. Make it once,
    with bindparam() for what differs by request: its statements are then built and compiled once.
    """

    def __init__(
        self, statement: Select[*tuple[Any, ...]], *, key: ColumnElement[Any], sorts: Mapping[str, ColumnElement[Any]], default: str
    ) -> None:
        self.statement, self.key, self.sorts, self.default = statement, key, dict(sorts), default
        self._pages: dict[tuple[str, bool], Select[*tuple[Any, ...]]] = {}
        self._total = statement.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)

    def where(self, *conditions: ColumnElement[bool]) -> Listing:
        """The same list, narrowed; for conditions that few requests share."""
        return Listing(self.statement.where(*conditions), key=self.key, sorts=self.sorts, default=self.default)

    def page(self, query: Mapping[str, Any], params: Mapping[str, Any] | None = None) -> Page:
        """The page that a query loaded by a schema of `query_of` asks for; `params` are the statement's own.

        Raises Invalid naming `cursor` for one that this service did not make for this order, or naming `sort`.
        """
        given = dict(params or {})
        cursor = query.get("cursor")
        order, last = self._read(cursor, query.get("sort")) if cursor is not None else (query.get("sort") or self.default, [])
        size = query.get("per_page") or query.get("limit") or 20
        given.update({f"_last_{place}": value for place, value in enumerate(last)})
        given.update(_limit=size + 1, _offset=(query.get("page", 1) - 1) * size)
        connection = db.session.connection()
        rows = connection.execute(self._statement(order, cursor is not None), given).all()
        total = connection.execute(self._total, params or {}).scalar_one() if query.get("include") == "total" else None
        more = len(rows) > size
        return Page(rows[:size], self._cursor(order, rows[size - 1]) if more else None, total)

    def _statement(self, order: str, after: bool) -> Select[*tuple[Any, ...]]:
        found = self._pages.get((order, after))
        if found is None:
            found = self._pages[order, after] = self._build(order, after)
        return found

    def _build(self, order: str, after: bool) -> Select[*tuple[Any, ...]]:
        keys = self._keys(order)
        names = [*(f"_key_{place}" for place in range(len(keys) - 1)), "key"]
        statement = self.statement.add_columns(*(_plain(column).label(name) for name, (column, _) in zip(names, keys, strict=True)))
        if after:
            statement = statement.where(_after(keys))
        ordered = statement.order_by(*(column.desc() if falling else column.asc() for column, falling in keys))
        return ordered.limit(bindparam("_limit")).offset(bindparam("_offset"))

    def _keys(self, order: str) -> list[tuple[ColumnElement[Any], bool]]:
        """The columns of an order, each with whether it falls; the key comes last, in the direction before it."""
        keys: list[tuple[ColumnElement[Any], bool]] = []
        for part in order.split(","):
            name = part.removeprefix("-")
            if name not in self.sorts:
                raise Invalid(errors={"sort": [f"Must be among {', '.join(self.sorts)}, each with - before it to fall."]})
            keys.append((self.sorts[name], part.startswith("-")))
        return [*keys, (self.key, keys[-1][1])]

    def _cursor(self, order: str, row: Row[*tuple[Any, ...]]) -> str:
        values = row[-order.count(",") - 2 :]
        return _signed([order, *values])

    def _read(self, cursor: str, order: str | None) -> tuple[str, list[Any]]:
        try:
            made_for, *texts = _unsigned(cursor)
            columns = [column for column, _ in self._keys(made_for)]
            values = [_value(column, text) for column, text in zip(columns, texts, strict=True)]
        except (ValueError, TypeError, AttributeError, Invalid):
            raise Invalid(errors={"cursor": ["Must be a next_cursor of this list."]}) from None
        if order and order != made_for:
            raise Invalid(errors={"cursor": [f"Belongs to the order {made_for}; ask for that, or start again."]})
        return made_for, values


def query_of(listing: Listing, **filters: fields.Field[Any]) -> type[PageSchema]:
    """The schema of a list's query: paging, the orders it knows, and its filters."""
    names = "|".join(re.escape(name) for name in listing.sorts)
    pattern = rf"^-?({names})(,-?({names})){{0,{_SORT_KEYS - 1}}}(?!\n)$"
    described = {"description": f"Among {', '.join(listing.sorts)}, each with - before it to fall; {listing.default} by default."}
    error = f"Must be up to {_SORT_KEYS} among {', '.join(listing.sorts)}, each with - before it to fall."
    sort = fields.String(validate=validate.Regexp(pattern, error=error), metadata=described)
    made: type[PageSchema] = type("ListQuerySchema", (PageSchema,), {"sort": sort, **filters})
    return made


@cache
def page_schema(item: type[ma.Schema] | ma.Schema) -> type[ma.Schema]:
    """The schema of a page of some items; one for each kind, so that the description names it once."""
    name = (item if isinstance(item, type) else type(item)).__name__.removesuffix("Schema")
    members = {
        "items": fields.List(fields.Nested(item), required=True),
        "next_cursor": fields.String(
            required=True, allow_none=True, metadata={"description": "Where the next page begins; null on the last."}
        ),
        "total": fields.Integer(metadata={"description": "All there are, with include=total."}),
    }
    return type(f"{name}PageSchema", (ma.Schema,), members)


def _plain(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """An id or a time as text: a cursor wants the last row's alone, and making objects of all costs more than reading them."""
    return cast(column, String) if isinstance(column.type, Uuid | UtcDateTime) else column


def _after(keys: list[tuple[ColumnElement[Any], bool]]) -> ColumnElement[bool]:
    """SQL: the rows after the bound ones in an order."""
    bounds = [bindparam(f"_last_{place}", type_=column.type) for place, (column, _) in enumerate(keys)]
    if len({falling for _, falling in keys}) == 1:
        ours, theirs = tuple_(*(column for column, _ in keys)), tuple_(*bounds)
        return ours < theirs if keys[0][1] else ours > theirs
    steps = [column < bound if falling else column > bound for (column, falling), bound in zip(keys, bounds, strict=True)]
    equal = [column == bound for (column, _), bound in zip(keys, bounds, strict=True)]
    return or_(*(and_(*equal[:place], step) for place, step in enumerate(steps)))


def _value(column: ColumnElement[Any], text: Any) -> Any:
    """A column's value from its JSON. Raises ValueError or TypeError for what is none."""
    if isinstance(column.type, UtcDateTime):
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    if isinstance(column.type, Uuid):
        return UUID(text)
    if not isinstance(text, column.type.python_type):
        raise TypeError
    return text


def _signed(value: Any) -> str:
    """A cursor: JSON and its signature, as text for a URL."""
    payload = orjson.dumps(value)
    return f"{_text_of(payload)}.{_text_of(_signature(payload))}"


def _unsigned(cursor: str) -> Any:
    """What a cursor of ours holds. Raises ValueError for any other."""
    payload, signature = (_bytes_of(part) for part in cursor.split("."))
    if not hmac.compare_digest(signature, _signature(payload)):
        raise ValueError
    return orjson.loads(payload)


def _signature(payload: bytes) -> bytes:
    return hmac.digest(current_app.config["SECRET_KEY"].encode(), b"cursor " + payload, "sha256")


def _text_of(payload: bytes) -> str:
    return base64.urlsafe_b64encode(payload).rstrip(b"=").decode()


def _bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

"""The declarative base and the types that every table shares."""

from __future__ import annotations

import atexit
import itertools
import math
import re
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import orjson
from sqlalchemy import JSON, CheckConstraint, DateTime, Engine, Float, MetaData, Select, TextualSelect, Uuid, bindparam, event, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from app.engine.quantity import Quantity
from app.errors import Busy

_write_turn = threading.Lock()
_WRITE_TURN_SECONDS = 3
_IDLE_SECONDS = 1
_CAST_PARAMETER = re.compile(r":(\w+)::\w+")  # text() does not see one; it casts its parameters itself
_PLACE = re.compile(r"%\((\w+)\)s")
_PLANS_KEPT = 64
_plan_numbers = itertools.count()

PLANNED: Mapping[str, bool] = {"planned": True}
"""Execution options of a statement that PostgreSQL prepares once for each connection: for one that is sent often and costs
more to plan than to run."""


def now() -> datetime:
    """This moment, to the millisecond, so that what is answered equals what is stored."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite keeps it without a zone, so the zone is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time in UTC; a naive one is refused."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time needs a zone")
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time, aware and in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The base of all models."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it as a class attribute
        UUID: Uuid(),
        datetime: UtcDateTime(),
        float: Float(53),
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
        list[str]: JSON(none_as_null=True),
    }


class Keyed:
    """A UUID primary key."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)


class Dated:
    """When a row was made and last changed."""

    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


def timestamp(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC with milliseconds and `Z`."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


def within(quantity: Quantity, *columns: str) -> list[CheckConstraint]:
    """CHECK constraints that keep columns within the range of a quantity; NULL passes."""
    low = ">" if quantity.above else ">="
    return [
        CheckConstraint(f"{column} {low} {_sql(quantity.minimum)} AND {column} <= {_sql(quantity.maximum)}", name=f"{column}_range")
        for column in columns
    ]


def one_of(column: str, choices: Iterable[str]) -> CheckConstraint:
    """A CHECK constraint that keeps a text column to some words."""
    listed = ", ".join(f"'{choice}'" for choice in choices)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def dump_json(value: Any) -> str:
    """JSON text for a column; NaN cannot get this far, and is refused if it does."""
    return orjson.dumps(value, default=_refuse).decode()


def in_one_trip(*statements: Select[Any]) -> TextualSelect:
    """Statements that PostgreSQL is sent together; each begins when the one before has ended. The rows are those of the last."""
    compiled = [statement.compile(dialect=postgresql.dialect(paramstyle="named")) for statement in statements]  # type: ignore[no-untyped-call]
    whole = text(";\n".join(_CAST_PARAMETER.sub(r":\1", str(one)) for one in compiled))
    binds = {name: bindparam(name, type_=bind.type) for one in compiled for name, bind in one.binds.items()}
    return whole.bindparams(*binds.values()).columns(*statements[-1].selected_columns).execution_options(**PLANNED)


@contextmanager
def write_turn(engine: Engine) -> Iterator[None]:
    """SQLite has one writer: wait for the turn cooperatively, not in C where it would stop every green thread.

    Raises Busy after three seconds. Other databases lock rows and need no turn.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    if not _write_turn.acquire(timeout=_WRITE_TURN_SECONDS):
        raise Busy
    try:
        yield
    finally:
        _write_turn.release()


def prepare(engine: Engine) -> None:
    """Listen on a new engine: SQLite needs its pragmas and explicit BEGINs, a server's connections a look after a rest.

    Its idle connections are closed when Python ends, so that SQLite puts its write-ahead log back into the file.
    """
    atexit.register(_close, weakref.ref(engine))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
        return
    event.listen(engine, "begin", _on_server_begin)
    event.listen(engine, "checkin", _on_checkin)
    event.listen(engine, "checkout", partial(_on_checkout, engine.dialect))
    event.listen(engine, "do_execute", _on_execute)


def _close(engine: weakref.ref[Engine]) -> None:
    if (left := engine()) is not None:
        left.dispose()


def _on_server_begin(connection: Any) -> None:
    """Open a real transaction for writing; the driver's own switch costs no round trip, unlike an isolation level."""
    if connection.get_execution_options().get("write"):
        connection.connection.dbapi_connection.autocommit = False


def _on_checkin(dbapi: Any, record: Any) -> None:
    record.info["idle_since"] = time.monotonic()
    if dbapi is not None:
        dbapi.autocommit = True


def _on_checkout(dialect: Any, dbapi: Any, record: Any, proxy: Any) -> None:
    """Ask a connection that has rested whether it still lives; asking each time would be a round trip for every request."""
    if time.monotonic() - record.info.get("idle_since", math.inf) <= _IDLE_SECONDS:
        return
    try:
        dialect.do_ping(dbapi)
    except dialect.dbapi.Error as error:
        raise InvalidatePoolError from error


def _on_execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
    """Execute a statement that is to be PLANNED by its name; others are left to the driver.

    A connection keeps 64 of them; it has no use for more, and each holds memory of the server.
    """
    if not context.execution_options.get("planned"):
        return False
    plans = context.root_connection.info.setdefault("plans", {})
    call = plans.get(statement)
    if call is None:
        if len(plans) == _PLANS_KEPT:
            return False
        call = plans[statement] = _plan(cursor, statement)
    cursor.execute(call, parameters)
    return True


def _plan(cursor: Any, statement: str) -> str:
    """Have a statement, or several for one trip, prepared; answers what executes them with the same parameters."""
    calls = []
    for part in statement.split(";\n"):
        name = f"planned_{next(_plan_numbers)}"
        places = list(dict.fromkeys(_PLACE.findall(part)))
        body = _PLACE.sub(lambda found: f"${places.index(found[1]) + 1}", part).replace("%%", "%")  # noqa: B023  called at once
        cursor.execute(f"PREPARE {name} AS {body}")
        given = ", ".join(f"%({place})s" for place in places)
        calls.append(f"EXECUTE {name} ({given})" if given else f"EXECUTE {name}")
    return "; ".join(calls)


def _on_connect(dbapi: Any, record: Any) -> None:
    dbapi.isolation_level = None  # SQLAlchemy begins, not sqlite3; DDL becomes transactional too
    cursor = dbapi.cursor()
    for pragma in ("busy_timeout=2000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute("PRAGMA " + pragma)
    cursor.close()


def _on_begin(connection: Any) -> None:
    write = connection.get_execution_options().get("write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _sql(number: float) -> str:
    return str(int(number)) if math.isfinite(number) and number == int(number) and abs(number) < 1e15 else repr(float(number))


def _refuse(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")

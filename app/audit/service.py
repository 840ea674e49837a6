"""Writing the audit log, reading its end, and forgetting what is old."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import structlog
from flask import has_request_context, request
from sqlalchemy import ColumnElement, Row, delete, func, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import rate_limits
from app.audit.models import AuditEvent
from app.database import now
from app.errors import Problem, RateLimited, request_id
from app.extensions import db
from app.unit_of_work import unit_of_work

log = structlog.get_logger(__name__)
_events: Any = AuditEvent.__table__
_ADD = insert(_events)
_SLICE = 1000


def record(action: str, target: str | None = None, outcome: str = "ok", actor_id: UUID | None = None) -> None:
    """Add one event to the open unit of work, so that it is stored with what it tells of, or not at all.

    Raises RuntimeError when no unit of work is open.
    """
    session = db.session()
    if not session.info.get("open"):
        raise RuntimeError("no unit of work is open")
    event = {"id": uuid4(), "at": now(), "action": action, "target": target, "outcome": outcome, "actor_id": actor_id}
    session.connection().execute(_ADD, {**event, "ip": _address(), "request_id": request_id()})


@contextmanager
def refusals(action: str, target: str | None = None, actor_id: UUID | None = None) -> Iterator[None]:
    """Record with its code what is refused within; the refusal goes on. No unit of work may be open around it.

    Of refusals for too many requests one a minute is recorded for each address: such a request costs its sender nothing,
    and must not cost a write. Faults of ours are no refusals.
    """
    try:
        yield
    except Problem as problem:
        if problem.status_code < 500 and not _is_repetition(problem, action):
            _record_refusal(action, target, problem.code, actor_id)
        raise


def about(user_id: UUID) -> ColumnElement[bool]:
    """SQL: the events of what somebody did, and of what was done to their account."""
    return or_(_events.c.actor_id == user_id, _events.c.target == f"users/{user_id}")


def forget_addresses(session: Session, user_id: UUID) -> None:
    """Drop the addresses from the events about somebody whose account ends, in the open unit of work."""
    session.execute(update(_events).where(about(user_id)).values(ip=None))


def newest(count: int) -> Sequence[Row[Any]]:
    """The last events, in order."""
    query = select(_events).order_by(_events.c.at.desc(), _events.c.id.desc()).limit(count)
    with db.engine.connect() as connection:
        return connection.execute(query).all()[::-1]


def since(moment: datetime) -> Sequence[Row[Any]]:
    """The events from a moment on, in order."""
    query = select(_events).where(_events.c.at >= moment).order_by(_events.c.at, _events.c.id)
    with db.engine.connect() as connection:
        return connection.execute(query).all()


def count_before(moment: datetime) -> int:
    """How many events are older than a moment."""
    with db.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(_events).where(_events.c.at < moment)).scalar_one()


def purge(moment: datetime) -> Iterator[int]:
    """Delete the events that are older than a moment; how many, after each slice, between which others can write."""
    old = select(_events.c.id).where(_events.c.at < moment).order_by(_events.c.at).limit(_SLICE)
    gone = delete(_events).where(_events.c.id.in_(old)).returning(_events.c.id)
    while True:
        with unit_of_work() as session:
            deleted = len(session.execute(gone).all())
        if not deleted:
            return
        yield deleted


def _address() -> str | None:
    """The address of the caller, as far as it is one: a proxy passes on whatever it is told."""
    text = (request.remote_addr or "") if has_request_context() else ""
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def _is_repetition(problem: Problem, action: str) -> bool:
    if not isinstance(problem, RateLimited):
        return False
    try:
        rate_limits.hit("refusals", action, rate_limits.address())
    except RateLimited:
        return True
    return False


def _record_refusal(action: str, target: str | None, code: str, actor_id: UUID | None) -> None:
    """One event in a unit of work of its own; when it cannot be written the caller is refused all the same."""
    try:
        with unit_of_work():
            record(action, target, code, actor_id)
    except (Problem, SQLAlchemyError) as error:
        cause = str(getattr(error, "orig", error))
        log.error("an audit event was not written", action=action, target=target, outcome=code, error=cause)

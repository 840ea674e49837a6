"""One transaction for one request, event or job step, and the promises kept after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy.orm import Session

from app.database import write_turn
from app.extensions import db

log = structlog.get_logger(__name__)


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """The session in a writing transaction: committed at the end, rolled back on any error.

    Promises made with after_commit() are kept once the commit has succeeded, outside the transaction.
    Raises Busy when another writer holds the database for too long, RuntimeError when one is open already.
    """
    session = db.session()
    if session.info.get("open"):
        raise RuntimeError("a unit of work is already open")
    if session.in_transaction():
        session.rollback()  # earlier reads saw an older snapshot
    session.info["open"], session.info["promises"] = True, []
    try:
        with write_turn(db.engine):
            try:
                session.connection(execution_options={"write": True})  # before any statement, or it is ignored
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise
        promises = session.info["promises"]
    finally:
        session.info["open"], session.info["promises"] = False, []
    for promise, args in promises:
        promise(*args)


def after_commit(promise: Callable[..., object], *args: Any) -> None:
    """Call promise(*args) once the open unit of work is committed; args are plain values, never models."""
    session = db.session()
    if not session.info.get("open"):
        raise RuntimeError("no unit of work is open")
    session.info["promises"].append((promise, args))

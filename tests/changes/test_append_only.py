"""Rows of the log are only ever added, whatever SQL is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import DBAPIError

from app.extensions import db

COLUMNS = "universe_id, revision, source, op_id, op_hash, op, path, created_at"


def refused(app: Flask, statement: str) -> bool:
    """Whether the database refuses a statement because the log is append-only."""
    with app.app_context(), db.engine.connect() as connection:
        with pytest.raises(DBAPIError) as caught:
            connection.exec_driver_sql(statement)
        connection.rollback()
    return "append-only" in str(caught.value.orig)


@pytest.fixture
def logged(app: Flask, person: Callable) -> Flask:
    """The application with a universe of three rows."""
    ada = person("ada")
    universe = ada.post("/universes", json={"name": "One"}).json["id"]
    for name in ("Two", "Three"):
        ada.patch(f"/universes/{universe}", json={"name": name})
    return app


@pytest.mark.parametrize(
    "statement", ["UPDATE universe_changes SET path = 'x' WHERE revision = 2", "DELETE FROM universe_changes WHERE revision = 3"]
)
def test_a_row_can_be_neither_changed_nor_taken_away(logged: Flask, statement: str) -> None:
    assert refused(logged, statement)


def test_a_row_cannot_be_replaced(logged: Flask) -> None:
    with logged.app_context():
        dialect = db.engine.dialect.name
    if dialect == "sqlite":
        assert refused(
            logged, f"INSERT OR REPLACE INTO universe_changes ({COLUMNS}) SELECT {COLUMNS} FROM universe_changes WHERE revision = 2"
        )
    else:
        renewed = f"INSERT INTO universe_changes ({COLUMNS}) SELECT {COLUMNS} FROM universe_changes WHERE revision = 2"
        assert refused(logged, f"{renewed} ON CONFLICT (universe_id, revision) DO UPDATE SET path = 'x'")


def test_the_log_cannot_be_emptied_at_once(logged: Flask) -> None:
    with logged.app_context():
        dialect = db.engine.dialect.name
    assert refused(logged, "DELETE FROM universe_changes" if dialect == "sqlite" else "TRUNCATE universe_changes CASCADE")


def test_a_universe_cannot_go_while_its_log_stands(logged: Flask) -> None:
    with logged.app_context(), db.engine.connect() as connection:
        with pytest.raises(sa.exc.IntegrityError):
            connection.exec_driver_sql("DELETE FROM universes")
        connection.rollback()

"""How a migration reaches the database. Run by `flask db ...`, inside the application's context."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

from app.database import UtcDateTime
from app.extensions import db

ONE_AT_A_TIME = 5_021_873  # the key of the lock, for this schema's migrations alone


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """A draft's text for our own column types, with their import."""
    if kind == "type" and isinstance(item, UtcDateTime):
        autogen.imports.add("from app.database import UtcDateTime")
        return "UtcDateTime()"
    return False


def drop_empty(migration: Any, revision: Any, directives: list[Any]) -> None:
    """No file for a draft that changes nothing."""
    if getattr(context.config.cmd_opts, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives.clear()


def wait_for_turn(connection: Connection) -> None:
    """Two servers that start together must not both migrate. SQLite's BEGIN IMMEDIATE already sees to it."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ONE_AT_A_TIME})")


def run() -> None:
    """Run the migrations asked for in one transaction: all of them, or none."""
    options: dict[str, Any] = {
        "target_metadata": db.metadata,
        "render_item": render_item,
        "process_revision_directives": drop_empty,
        "compare_type": True,
        "compare_server_default": True,
        "transactional_ddl": True,
    }
    if context.is_offline_mode():
        context.configure(url=db.engine.url, literal_binds=True, **options)
        with context.begin_transaction():
            context.run_migrations()
        return
    with db.engine.connect().execution_options(write=True) as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            wait_for_turn(connection)
            context.run_migrations()


run()

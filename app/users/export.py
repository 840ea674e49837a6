"""Everything that is kept about a person."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ColumnElement, LargeBinary, Table, select

from app.audit import service as audit
from app.audit.models import AuditEvent
from app.changes.models import Change
from app.database import now, timestamp
from app.extensions import db
from app.users.models import User

# Secrets and their hashes stay here; the content of universes has an export of its own.
_LEFT_OUT = {"password_hash", "username_folded", "email_folded", "refresh_jti", "token_hash", "op_hash", "inputs_hash"}
_CONTENT = {"snapshot", "before", "after"}


def everything_about(user_id: UUID) -> dict[str, Any]:
    """The rows of every table that refer to a user, by table; dates as text."""
    found: dict[str, Any] = {"exported_at": timestamp(now()), "users": _rows(User.__table__, User.__table__.c.id == user_id)}
    for table in db.metadata.sorted_tables:
        for key in table.foreign_keys:
            if key.column is User.__table__.c.id:
                found[str(table.name)] = _rows(table, key.parent == user_id)
    found["universe_changes"] = _rows(Change.__table__, Change.__table__.c.actor_id == user_id)
    found["audit_events"] = _rows(AuditEvent.__table__, audit.about(user_id))
    return found


def _rows(table: Any, which: ColumnElement[bool]) -> list[dict[str, Any]]:
    columns = [c for c in table.c if _is_told(table, c)]
    rows = db.session.connection().execute(select(*columns).where(which)).mappings()
    return [{str(name): timestamp(value) if hasattr(value, "isoformat") else value for name, value in row.items()} for row in rows]


def _is_told(table: Table, column: Any) -> bool:
    if column.name in _LEFT_OUT or isinstance(column.type, LargeBinary):
        return False
    return not (isinstance(column.type, JSON) and column.name in _CONTENT)

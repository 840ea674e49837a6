"""The audit log: who did what, from where, and what came of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, Keyed, now


class AuditEvent(Keyed, Base):
    """One thing that was done or refused. It holds no secret, no e-mail address and nothing that somebody typed.

    `actor_id` refers to no row, so that it stays as a pseudonym when the account goes; None is a command, or somebody who
    has not shown who they are. `action` is a dotted word such as `auth.login`, `target` the path of what it was done to,
    such as `users/<id>`, `outcome` is `ok` or the code of the error.
    """

    __tablename__ = "audit_events"
    __table_args__ = (Index("ix_audit_events_at", "at", "id"),)

    at: Mapped[datetime] = mapped_column(default=now)
    actor_id: Mapped[UUID | None] = mapped_column(index=True)
    ip: Mapped[str | None] = mapped_column(String(45))
    action: Mapped[str] = mapped_column(String(40))
    target: Mapped[str | None] = mapped_column(String(120), index=True)
    outcome: Mapped[str] = mapped_column(String(40))
    request_id: Mapped[str | None] = mapped_column(String(64))

"""Jobs: long work that a worker does, and how far it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, Keyed, now, one_of

STATES = ("queued", "running", "succeeded", "failed", "cancelled")
FINAL = ("succeeded", "failed", "cancelled")


class Job(Keyed, Base):
    """One piece of work. This row is the truth; a message in the queue only says that it is worth a look.

    `subject_id` is the artefact that the job makes. While it runs it belongs to the worker whose `lease` it carries, until
    `lease_until`; a worker that dies lets it run out. `sent_at` is when a worker was last told of it. `cost_s` counts
    against the daily quota of the person who asked. `error` is the ordinary error object.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        one_of("state", STATES),
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress_range"),
        CheckConstraint("attempts >= 0", name="attempts_range"),
        CheckConstraint("cost_s >= 0", name="cost_s_range"),
        CheckConstraint(
            "(state = 'running') = (lease IS NOT NULL) AND (lease IS NULL) = (lease_until IS NULL)", name="lease_while_running"
        ),
        CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name="error_of_failed"),
        Index("ix_jobs_state", "state", "created_at"),
        Index("ix_jobs_user_id", "user_id", "created_at", "id"),
        Index("ix_jobs_finished_at", "finished_at"),
    )

    type: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(10), default="queued")
    progress: Mapped[float] = mapped_column(default=0.0)
    attempts: Mapped[int] = mapped_column(default=0)
    cost_s: Mapped[float] = mapped_column(default=0.0)
    error: Mapped[dict[str, Any] | None]
    subject_id: Mapped[UUID] = mapped_column(index=True)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    universe_id: Mapped[UUID | None] = mapped_column(ForeignKey("universes.id", ondelete="CASCADE"), index=True)
    request_id: Mapped[str | None] = mapped_column(String(64))
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    lease: Mapped[str | None] = mapped_column(String(120))
    lease_until: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

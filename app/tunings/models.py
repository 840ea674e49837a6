"""Tunings that people keep for themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, Keyed, now


class StoredTuning(Keyed, Base):
    """A custom tuning in somebody's library. Harmonies hold copies of it; of a deleted one the row alone is left."""

    __tablename__ = "tunings"
    __table_args__ = (Index("ix_tunings_user_id", "user_id", "created_at", "id"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(String(500))
    tuning: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)
    deleted_at: Mapped[datetime | None]

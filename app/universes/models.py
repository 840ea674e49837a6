"""Universes and who belongs to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, Dated, Keyed, now, one_of

MEMBER_ROLES = ("owner", "editor", "viewer")


class Universe(Keyed, Dated, Base):
    """A universe. `revision` is the head of its log, `entity_revision` that of its own fields."""

    __tablename__ = "universes"
    __table_args__ = (
        one_of("visibility", ("private", "unlisted", "public")),
        one_of("unit_system", ("si", "astro")),
        Index("ix_universes_updated", "updated_at", "id"),
        Index("ix_universes_created", "created_at", "id"),
    )

    VECTORS: ClassVar[tuple[str, ...]] = ()
    ATOMIC: ClassVar[frozenset[str]] = frozenset({"harmony.tuning"})
    OPEN: ClassVar[frozenset[str]] = frozenset()

    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(Text, default="")
    visibility: Mapped[str] = mapped_column(String(10), default="private")
    forkable: Mapped[bool] = mapped_column(default=False)
    tags: Mapped[list[str]] = mapped_column(default=list)
    theme: Mapped[str] = mapped_column(String(100), default="")
    genre: Mapped[str] = mapped_column(String(100), default="")
    unit_system: Mapped[str] = mapped_column(String(5), default="si")
    seed: Mapped[str] = mapped_column(String(20))
    harmony: Mapped[dict[str, Any]]
    deleted_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(BigInteger)
    entity_revision: Mapped[int] = mapped_column(BigInteger)
    epoch: Mapped[UUID]
    floor: Mapped[int] = mapped_column(BigInteger, default=0)
    content_bytes: Mapped[int] = mapped_column(BigInteger, default=0)


class Membership(Base):
    """Somebody's role in a universe; exactly one member is its owner.

    An account cannot go while it has memberships: their end is told in the log first.
    """

    __tablename__ = "memberships"
    __table_args__ = (
        one_of("role", MEMBER_ROLES),
        Index(
            "uq_memberships_one_owner",
            "universe_id",
            unique=True,
            sqlite_where=text("role = 'owner'"),
            postgresql_where=text("role = 'owner'"),
        ),
        Index("ix_memberships_user_id", "user_id", "universe_id"),
    )

    universe_id: Mapped[UUID] = mapped_column(ForeignKey("universes.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True)
    role: Mapped[str] = mapped_column(String(10))
    revision: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=now)

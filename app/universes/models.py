"""Universes and who belongs to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, Dated, Keyed, now, one_of

MEMBER_ROLES = ("owner", "editor", "viewer")
LINK_ROLES = ("viewer", "editor")


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


class ShareLink(Keyed, Base):
    """A link that makes whoever follows it a member. Its token is known to those who hold it; here is the token's SHA-256, in hex.

    `uses` counts the memberships it has made, `revision` is that of the last row of the log about it, one that used it included.
    """

    __tablename__ = "share_links"
    __table_args__ = (
        one_of("role", LINK_ROLES),
        CheckConstraint("max_uses >= 1", name="max_uses_range"),
        CheckConstraint("uses >= 0 AND (max_uses IS NULL OR uses <= max_uses)", name="uses_range"),
        Index("ix_share_links_universe_id", "universe_id", "created_at", "id"),
    )

    universe_id: Mapped[UUID] = mapped_column(ForeignKey("universes.id", ondelete="CASCADE"))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(10))
    expires_at: Mapped[datetime | None]
    max_uses: Mapped[int | None]
    uses: Mapped[int] = mapped_column(default=0)
    revoked_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Membership(Base):
    """Somebody's role in a universe; exactly one member is its owner. `link_id` is the share link that made it, while it hangs on that.

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
        Index("ix_memberships_link_id", "link_id"),
    )

    universe_id: Mapped[UUID] = mapped_column(ForeignKey("universes.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True)
    role: Mapped[str] = mapped_column(String(10))
    revision: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=now)
    link_id: Mapped[UUID | None] = mapped_column(ForeignKey("share_links.id"))

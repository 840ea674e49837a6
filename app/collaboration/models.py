"""What people share beside a universe's content: the playback, the chat and a live simulation. None of them is in the log."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, now


class RoomState(Base):
    """The playback of a universe and the counter of its chat. A universe in which nobody has played or spoken yet has none.

    `transport_seq` counts the commands, `position_s` is where the scene was at `anchor_ms`, in Unix milliseconds. `scene_id`
    may be that of a scene which has been deleted since. Written only by who holds the universe's lock.
    """

    __tablename__ = "rooms"
    __table_args__ = (
        CheckConstraint("chat_seq >= 0", name="chat_seq_range"),
        CheckConstraint("transport_seq >= 0", name="transport_seq_range"),
        CheckConstraint("position_s >= 0", name="position_s_range"),
        CheckConstraint("rate > 0", name="rate_range"),
    )

    universe_id: Mapped[UUID] = mapped_column(ForeignKey("universes.id", ondelete="CASCADE"), primary_key=True)
    chat_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    transport_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    playing: Mapped[bool] = mapped_column(default=False)
    position_s: Mapped[float] = mapped_column(default=0.0)
    rate: Mapped[float] = mapped_column(default=1.0)
    loop: Mapped[dict[str, Any] | None]
    scene_id: Mapped[UUID | None]
    anchor_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)


class ChatMessage(Base):
    """A line of a universe's chat, numbered without gaps. When its author's account goes the line stays, and is nobody's.

    `guest` is the number under which the author was known, when they had come by a share link.
    """

    __tablename__ = "chat_messages"
    __table_args__ = (UniqueConstraint("universe_id", "user_id", "op_id"),)

    universe_id: Mapped[UUID] = mapped_column(ForeignKey("universes.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(unique=True)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    op_id: Mapped[UUID]
    guest: Mapped[int | None]
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)


class LiveStream(Base):
    """A scene of a universe that is being played live; see `live`. The row is the stream: without it there is none.

    The process that computes holds the lease, as `lease_owner` until `lease_until`, and alone writes the rest: `snapshot`, the
    scene that plays, with the edits up to `revision` of the universe, `beginning` of the run that the last of them began, and
    `shown`, what people are told of the stream. Frames are counted from `started_ms`, in Unix milliseconds.
    """

    __tablename__ = "live_streams"
    __table_args__ = (CheckConstraint("rate_hz >= 1 AND rate_hz <= 60", name="rate_hz_range"),)

    universe_id: Mapped[UUID] = mapped_column(ForeignKey("universes.id", ondelete="CASCADE"), primary_key=True)
    scene_id: Mapped[UUID] = mapped_column(ForeignKey("scenes.id", ondelete="CASCADE"), index=True)
    stream_id: Mapped[UUID] = mapped_column(unique=True)
    rate_hz: Mapped[int]
    started_ms: Mapped[int] = mapped_column(BigInteger)
    started_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    lease_owner: Mapped[str | None] = mapped_column(String(40))
    lease_until: Mapped[datetime]
    revision: Mapped[int] = mapped_column(BigInteger, default=0)
    snapshot: Mapped[dict[str, Any] | None]
    beginning: Mapped[dict[str, Any] | None]
    shown: Mapped[dict[str, Any]]

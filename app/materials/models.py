"""Sounds that people uploaded, to make music from."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, Keyed, now, within
from app.engine.catalogue import MATERIAL_FILE


class AudioMaterial(Keyed, Base):
    """An uploaded sound, as it came. It never changes; of a deleted one the row alone is left."""

    __tablename__ = "audio_materials"
    __table_args__ = (
        *within(MATERIAL_FILE["channels"], "channels"),
        *within(MATERIAL_FILE["sample_rate"], "sample_rate"),
        CheckConstraint("frames > 0 AND file_bytes > 0", name="something"),
        Index("ix_audio_materials_user_id", "user_id", "created_at", "id"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    license: Mapped[str] = mapped_column(String(200))
    format: Mapped[str] = mapped_column(String(10))
    bit_depth: Mapped[str] = mapped_column(String(5))
    sample_rate: Mapped[int]
    channels: Mapped[int]
    frames: Mapped[int] = mapped_column(BigInteger)
    duration_s: Mapped[float]
    file_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    peak_dbtp: Mapped[float | None]
    lufs: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    deleted_at: Mapped[datetime | None]

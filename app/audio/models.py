"""Simulations, scores and renders: artefacts that never change once they are made."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.database import Base, Keyed, now, within
from app.engine.catalogue import RENDER


class Artefact(Keyed):
    """Something made from a frozen snapshot of a scene, or of all scenes of a universe.

    `inputs_hash` is that of everything the result depends on; `finished_at` is set with the result, in the transaction that ends
    the job. Its files are in the storage, under its kind and id; `stored_bytes` counts them (before: an estimate).
    """

    inputs_hash: Mapped[str] = mapped_column(String(64))
    engine_version: Mapped[str] = mapped_column(String(20))
    seed: Mapped[str] = mapped_column(String(20))
    snapshot: Mapped[dict[str, Any]]
    stored_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]

    @declared_attr
    def universe_id(cls) -> Mapped[UUID]:  # noqa: N805  SQLAlchemy's convention
        """The universe of the scene."""
        return mapped_column(ForeignKey("universes.id", ondelete="CASCADE"))

    @declared_attr
    def user_id(cls) -> Mapped[UUID | None]:  # noqa: N805
        """Who asked for it; their quota holds its files."""
        return mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)

    @declared_attr
    def job_id(cls) -> Mapped[UUID | None]:  # noqa: N805
        """The job that makes it."""
        return mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"), index=True)


class Simulation(Artefact, Base):
    """A scene that was run. Its trajectory and events are files."""

    __tablename__ = "simulations"
    __table_args__ = (
        CheckConstraint("(finished_at IS NULL) = (trajectory_hash IS NULL)", name="finished_has_hash"),
        Index("ix_simulations_inputs", "universe_id", "inputs_hash"),
    )

    scene_id: Mapped[UUID] = mapped_column(index=True)
    solver: Mapped[str] = mapped_column(String(40))
    duration_s: Mapped[float]
    trajectory_hash: Mapped[str | None] = mapped_column(String(64))
    outcome: Mapped[str | None] = mapped_column(String(20))
    settled_at: Mapped[float | None]
    steps: Mapped[int | None] = mapped_column(BigInteger)
    event_count: Mapped[int | None]
    sample_count: Mapped[int | None]
    conservation: Mapped[dict[str, Any] | None]
    closed_form: Mapped[list[Any]] = mapped_column(default=list)
    warnings: Mapped[list[str]] = mapped_column(default=list)


class Score(Artefact, Base):
    """The notes of a scene that was run. They, their MIDI file and their table are files."""

    __tablename__ = "scores"
    __table_args__ = (
        CheckConstraint("(finished_at IS NULL) = (score_hash IS NULL)", name="finished_has_hash"),
        Index("ix_scores_inputs", "universe_id", "inputs_hash"),
    )

    scene_id: Mapped[UUID] = mapped_column(index=True)
    simulation_id: Mapped[UUID | None] = mapped_column(ForeignKey("simulations.id", ondelete="SET NULL"), index=True)
    duration_s: Mapped[float]
    score_hash: Mapped[str | None] = mapped_column(String(64))
    note_count: Mapped[int | None]
    report: Mapped[dict[str, Any] | None]
    midi_report: Mapped[dict[str, Any] | None]


class Suggestions(Artefact, Base):
    """What would make a scene more consonant, found by trying."""

    __tablename__ = "suggestions"
    __table_args__ = (
        CheckConstraint("(finished_at IS NULL) = (items IS NULL)", name="finished_has_items"),
        Index("ix_suggestions_inputs", "universe_id", "inputs_hash"),
    )

    scene_id: Mapped[UUID] = mapped_column(index=True)
    target: Mapped[str] = mapped_column(String(20))
    most: Mapped[int]
    before: Mapped[float | None]
    tried: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(String(200))
    items: Mapped[list[Any] | None]


class AudioRender(Artefact, Base):
    """A score made audible: one sound file. Only its name may change; of a deleted one the row alone is left.

    One of all scenes of a universe has no scene, and keeps its own score among its files.
    """

    __tablename__ = "audio_renders"
    __table_args__ = (
        *within(RENDER["sample_rate"], "sample_rate"),
        *within(RENDER["loudness_lufs"], "loudness_lufs"),
        CheckConstraint("(finished_at IS NULL) = (sha256 IS NULL) AND (sha256 IS NULL) = (samples_hash IS NULL)", name="finished_has_hash"),
        Index("ix_audio_renders_universe_id", "universe_id", "created_at", "id"),
        Index("ix_audio_renders_created_at", "created_at", "id"),
    )

    scene_id: Mapped[UUID | None] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(String(100))
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    deleted_at: Mapped[datetime | None]
    simulation_id: Mapped[UUID | None] = mapped_column(ForeignKey("simulations.id", ondelete="SET NULL"), index=True)
    score_id: Mapped[UUID | None] = mapped_column(ForeignKey("scores.id", ondelete="SET NULL"), index=True)
    format: Mapped[str] = mapped_column(String(10))
    sample_rate: Mapped[int]
    bit_depth: Mapped[str] = mapped_column(String(5))
    quality: Mapped[float | None]
    channels: Mapped[int]
    loudness_lufs: Mapped[float | None]
    reverb: Mapped[dict[str, Any] | None]
    stems: Mapped[bool] = mapped_column(default=False)
    license: Mapped[str | None] = mapped_column(String(200))
    duration_s: Mapped[float]
    tail_s: Mapped[float | None]
    frames: Mapped[int | None] = mapped_column(BigInteger)
    file_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    samples_hash: Mapped[str | None] = mapped_column(String(64))
    trajectory_hash: Mapped[str | None] = mapped_column(String(64))
    score_hash: Mapped[str | None] = mapped_column(String(64))
    peak_dbtp: Mapped[float | None]
    rms_db: Mapped[float | None]
    lufs: Mapped[float | None]
    report: Mapped[dict[str, Any] | None]

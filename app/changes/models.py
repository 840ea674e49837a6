"""The change log, and the keys of requests that have no universe to log in."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DDL, BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint, event
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, Keyed, now, one_of

OPS = ("create", "update", "delete", "move", "batch", "restore", "member")
SOURCES = ("rest", "socket", "cli", "job")


class Change(Base):
    """One row of a universe's log. Rows are only ever added; triggers refuse anything else."""

    __tablename__ = "universe_changes"
    __table_args__ = (
        one_of("op", OPS),
        one_of("source", SOURCES),
        Index("uq_universe_changes_op", "universe_id", "actor_id", "op_id", unique=True),
        Index("ix_universe_changes_path", "universe_id", "path", "revision"),
    )

    universe_id: Mapped[UUID] = mapped_column(ForeignKey("universes.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    actor_id: Mapped[UUID | None]
    client_id: Mapped[str | None] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(6))
    op_id: Mapped[UUID]
    op_hash: Mapped[str] = mapped_column(String(64))
    op: Mapped[str] = mapped_column(String(7))
    path: Mapped[str] = mapped_column(String(80))
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    undo_of: Mapped[int | None] = mapped_column(BigInteger)
    group: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)


class Tombstone(Base):
    """The id of a deleted entity: it answers 410 to writes, and is not given to another one.

    `born_at` is when the entity was made, for its return by an undo or a restore; older tombstones have none.
    """

    __tablename__ = "tombstones"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    universe_id: Mapped[UUID] = mapped_column(ForeignKey("universes.id", ondelete="CASCADE"), index=True)
    revision: Mapped[int] = mapped_column(BigInteger)
    born_at: Mapped[datetime | None]


class Snapshot(Base):
    """What a universe was at a revision, so that nobody has to read its log from the beginning; app.changes.snapshots packs it.

    `marks` is there at the floor of a compacted log alone: what the rows that are gone said beside the state.
    """

    __tablename__ = "universe_snapshots"

    universe_id: Mapped[UUID] = mapped_column(ForeignKey("universes.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    state: Mapped[bytes] = mapped_column(LargeBinary)
    marks: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Version(Keyed, Base):
    """A name that somebody gave to a revision of a universe."""

    __tablename__ = "universe_versions"
    __table_args__ = (UniqueConstraint("universe_id", "name"),)

    universe_id: Mapped[UUID] = mapped_column(ForeignKey("universes.id", ondelete="CASCADE"))
    revision: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(100))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class IdempotencyKey(Base):
    """The key of a request outside a universe, or of an edit that changed nothing; kept for 24 hours.

    `scope` names the universe or the operation, `owner` the actor (or, for a registration, a keyed hash of the address).
    """

    __tablename__ = "idempotency_keys"

    scope: Mapped[str] = mapped_column(String(60), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    op_id: Mapped[UUID] = mapped_column(primary_key=True)
    op_hash: Mapped[str] = mapped_column(String(64))
    result: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime] = mapped_column(index=True)


SQLITE_TRIGGERS = (
    """CREATE TRIGGER universe_changes_no_update BEFORE UPDATE ON universe_changes
BEGIN SELECT RAISE(ABORT, 'universe_changes is append-only'); END""",
    """CREATE TRIGGER universe_changes_no_delete BEFORE DELETE ON universe_changes
BEGIN SELECT RAISE(ABORT, 'universe_changes is append-only'); END""",
    """CREATE TRIGGER universe_changes_no_replace BEFORE INSERT ON universe_changes
WHEN EXISTS (SELECT 1 FROM universe_changes WHERE universe_id = NEW.universe_id AND revision = NEW.revision)
BEGIN SELECT RAISE(ABORT, 'universe_changes is append-only'); END""",
)
POSTGRESQL_TRIGGERS = (
    """CREATE FUNCTION universe_changes_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('hu.compacting', true) = 'on' THEN RETURN OLD; END IF;
  RAISE EXCEPTION 'universe_changes is append-only';
END $$""",
    """CREATE TRIGGER universe_changes_append_only BEFORE UPDATE OR DELETE ON universe_changes
FOR EACH ROW EXECUTE FUNCTION universe_changes_append_only()""",
    """CREATE TRIGGER universe_changes_no_truncate BEFORE TRUNCATE ON universe_changes
FOR EACH STATEMENT EXECUTE FUNCTION universe_changes_append_only()""",
)
for _dialect, _statements in (("sqlite", SQLITE_TRIGGERS), ("postgresql", POSTGRESQL_TRIGGERS)):
    for _statement in _statements:
        event.listen(Change.__table__, "after_create", DDL(_statement.replace("%", "%%")).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]

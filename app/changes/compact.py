"""Compaction: the old rows of a log go, and one stored state stands for them; and new epochs.

The keys of the rows that go are forgotten with them: a request repeated after that is a new one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from app.changes.announcements import announce
from app.changes.history import rows_between
from app.changes.models import SQLITE_TRIGGERS, Change, Snapshot, Version
from app.changes.past import state_of
from app.changes.snapshots import packed
from app.changes.verify import Audit, audit_from_floor, read_row, snapshot
from app.errors import Busy, NotFound
from app.extensions import db
from app.unit_of_work import after_commit, unit_of_work
from app.universes.models import Universe

_LOG: Any = Change.__table__
_SNAPSHOTS: Any = Snapshot.__table__
_UNIVERSES: Any = Universe.__table__
_VERSIONS: Any = Version.__table__
_AT_ONCE = 5000


class BrokenLog(Exception):
    """The log does not add up, so its rows must stay."""


def compact(universe_id: UUID, before: datetime) -> tuple[int, int]:
    """Take away the rows made before a moment; how many that were, and the floor.

    Revisions that have a version keep their state. Raises NotFound, BrokenLog, or Busy when somebody else compacts.
    """
    with snapshot(db.engine) as session:
        universe = session.execute(select(_UNIVERSES).where(_UNIVERSES.c.id == universe_id)).mappings().first()
        if universe is None:
            raise NotFound
        old_floor, floor = universe["floor"], _floor_at(session, universe, before)
        if floor == old_floor:
            return 0, floor
        audit = audit_from_floor(session, universe)
        for row in rows_between(session, universe_id, old_floor, floor):
            read_row(audit, row)
    if audit.revision != floor or audit.breaches:
        raise BrokenLog("; ".join(audit.breaches) or f"I1: the log ends at {audit.revision}.")
    named = {revision: packed(state_of(universe_id, revision)) for revision in _named(universe_id, floor)}
    with unit_of_work() as unit:
        _refuse_changed(unit, universe_id, old_floor)
        if not set(_named(universe_id, floor)) <= named.keys():
            raise Busy("Somebody named a revision in this moment.")
        _keep(unit, universe_id, audit, named)
        _take_away(unit.connection(), universe_id, floor)
        _begin_anew(unit, universe_id, floor=floor)
    return floor - old_floor, floor


def renew_epoch(universe_id: UUID) -> None:
    """Make what clients know of a universe void: they fetch it anew."""
    with unit_of_work() as session:
        _begin_anew(session, universe_id)


def _begin_anew(session: Session, universe_id: UUID, **values: Any) -> None:
    """Give a universe a new epoch; it is no newer for that."""
    fresh = {"epoch": uuid4(), "updated_at": _UNIVERSES.c.updated_at, **values}
    session.execute(update(_UNIVERSES).where(_UNIVERSES.c.id == universe_id).values(fresh))
    after_commit(announce, universe_id)


def _floor_at(session: Session, universe: Any, before: datetime) -> int:
    """The last revision before the first row that is to stay."""
    here = (_LOG.c.universe_id == universe["id"], _LOG.c.created_at >= before)
    first = session.scalar(select(func.min(_LOG.c.revision)).where(*here))
    floor: int = universe["revision"] if first is None else first - 1
    return floor


def _named(universe_id: UUID, floor: int) -> list[int]:
    """The revisions up to a floor that have a version and whose state is not kept yet."""
    kept = select(_SNAPSHOTS.c.revision).where(_SNAPSHOTS.c.universe_id == universe_id)
    named = select(_VERSIONS.c.revision).where(_VERSIONS.c.universe_id == universe_id, _VERSIONS.c.revision < floor)
    return list(db.session.scalars(named.where(_VERSIONS.c.revision.not_in(kept)).distinct()))


def _refuse_changed(session: Session, universe_id: UUID, old_floor: int) -> None:
    """Lock the universe. Raises Busy when its log has been compacted since it was read."""
    here = _UNIVERSES.c.id == universe_id
    if session.scalar(select(_UNIVERSES.c.floor).where(here).with_for_update()) != old_floor:
        raise Busy("Its log was compacted by somebody else in this moment.")


def _keep(session: Session, universe_id: UUID, audit: Audit, named: dict[int, bytes]) -> None:
    """Store the state at the floor and at named revisions; the other states up to the floor go."""
    floor = audit.revision
    names = select(_VERSIONS.c.revision).where(_VERSIONS.c.universe_id == universe_id)
    here = (_SNAPSHOTS.c.universe_id == universe_id, _SNAPSHOTS.c.revision <= floor)
    useless = or_(_SNAPSHOTS.c.revision.not_in(names), _SNAPSHOTS.c.revision.in_([floor, *named]))
    session.execute(delete(_SNAPSHOTS).where(*here, useless))
    marks = packed({"touched": audit.touched, "buried": audit.buried})
    rows = [{"universe_id": universe_id, "revision": revision, "state": state, "marks": None} for revision, state in named.items()]
    session.execute(insert(_SNAPSHOTS), [{"universe_id": universe_id, "revision": floor, "state": packed(audit.state), "marks": marks}])
    if rows:
        session.execute(insert(_SNAPSHOTS), rows)


def _take_away(connection: Connection, universe_id: UUID, floor: int) -> None:
    """Delete the rows up to a floor, with the guard of the log lifted for this transaction alone."""
    lift, guard = _GUARDS[connection.dialect.name]
    for statement in lift:
        connection.exec_driver_sql(statement)
    first = connection.scalar(select(func.min(_LOG.c.revision)).where(_LOG.c.universe_id == universe_id)) or floor
    for last in range(first + _AT_ONCE - 1, floor + _AT_ONCE, _AT_ONCE):
        here = (_LOG.c.universe_id == universe_id, _LOG.c.revision <= min(last, floor))
        connection.execute(delete(_LOG).where(*here))
    for statement in guard:
        connection.exec_driver_sql(statement)


_NO_DELETE = tuple(statement for statement in SQLITE_TRIGGERS if " universe_changes_no_delete " in statement)
_GUARDS = {
    "sqlite": (("DROP TRIGGER universe_changes_no_delete",), _NO_DELETE),
    "postgresql": (("SET LOCAL hu.compacting = 'on'",), ("SET LOCAL hu.compacting = 'off'",)),
}

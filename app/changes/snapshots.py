"""Stored states of universes: every so many revisions, at the floor of a compacted log, and where a version has a name.

A snapshot says nothing that the log does not say, but those at and below the floor: their rows are gone.
"""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.changes.content import Document
from app.changes.models import Snapshot

EVERY = 500
"""How many revisions lie between two stored states."""
_SNAPSHOTS: Any = Snapshot.__table__
_QUICKLY = 1

State = dict[str, Document]
"""Every entity of a universe by its path: `universe`, `members/<user>`, `share-links/<id>`, `scenes/<id>`, `bodies/<id>`, ..."""


class Floor(NamedTuple):
    """What is known of a compacted log's removed rows: the state they add up to, who touched what last, what was deleted when."""

    state: State
    touched: dict[str, int]
    buried: dict[str, int]


def nearest(session: Session, universe_id: UUID, revision: int) -> tuple[int, State]:
    """The newest stored state that is not newer than a revision, and its revision; an empty one at 0 where there is none."""
    here = (_SNAPSHOTS.c.universe_id == universe_id, _SNAPSHOTS.c.revision <= revision)
    found = session.execute(
        select(_SNAPSHOTS.c.revision, _SNAPSHOTS.c.state).where(*here).order_by(_SNAPSHOTS.c.revision.desc()).limit(1)
    ).first()
    return (0, {}) if found is None else (found.revision, unpacked(found.state))


def floor_of(session: Session, universe_id: UUID, revision: int) -> Floor | None:
    """What was kept of the rows up to a floor; None where that is lost."""
    found = session.execute(select(_SNAPSHOTS).where(_SNAPSHOTS.c.universe_id == universe_id, _SNAPSHOTS.c.revision == revision)).first()
    if found is None or found.marks is None:
        return None
    return Floor(unpacked(found.state), **unpacked(found.marks))


def packed(value: Any) -> bytes:
    """JSON, compressed."""
    return zlib.compress(orjson.dumps(value), _QUICKLY)


def unpacked(text: bytes) -> Any:
    """The value of packed JSON."""
    return orjson.loads(zlib.decompress(text))

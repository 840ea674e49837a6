"""Names that people give to revisions of a universe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import bindparam, delete, func, insert, select
from sqlalchemy.orm import Session

from app.access import Action, Actor
from app.changes.intents import new_id
from app.changes.models import Version
from app.changes.past import require_revision
from app.changes.service import recall, remember
from app.database import now, timestamp
from app.errors import Conflict, Invalid, NotFound
from app.pages import Listing
from app.unit_of_work import unit_of_work
from app.universes import reading
from app.universes.models import Universe

MOST = 1000
"""How many versions a universe may have."""
_VERSIONS: Any = Version.__table__
_UNIVERSES: Any = Universe.__table__
LISTING = Listing(
    select(_VERSIONS).where(_VERSIONS.c.universe_id == bindparam("universe_id")),
    key=_VERSIONS.c.id,
    sorts={"revision": _VERSIONS.c.revision, "name": _VERSIONS.c.name, "created_at": _VERSIONS.c.created_at},
    default="-revision",
)


def make(universe_id: UUID, name: str, revision: int | None, head: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Name a revision, by default the newest; the version, and whether the request was a repeated one.

    Raises Invalid for a revision that is not reached or for one version too many, Gone for one compacted away,
    Conflict for a name that is taken, OpIdReused.
    """
    request = hashlib.sha256(orjson.dumps([name, revision])).hexdigest()
    key = (f"versions {universe_id}", str(head["actor"].id), head["op_id"], request)
    with unit_of_work() as session:
        session.execute(select(_UNIVERSES.c.id).where(_UNIVERSES.c.id == universe_id).with_for_update())  # no compaction now
        newest = reading.revision_for(head["actor"], universe_id, Action.EDIT)
        if head["op_id"] is not None and (known := recall(session, *key)) is not None:
            return known, True
        row = {
            "id": new_id(head["actor"], head["op_id"]),
            "universe_id": universe_id,
            "revision": newest if revision is None else revision,
            "name": name,
            "user_id": head["actor"].id,
            "created_at": now(),
        }
        _check(session, universe_id, row, newest)
        session.execute(insert(_VERSIONS).values(row))
        made = version_json(row)
        if head["op_id"] is not None:
            remember(session, *key, made)
    return made, False


def remove(universe_id: UUID, version_id: UUID, actor: Actor) -> None:
    """Take a name away; what it named stays. Raises NotFound."""
    with unit_of_work() as session:
        reading.revision_for(actor, universe_id, Action.EDIT)
        one = (_VERSIONS.c.id == version_id, _VERSIONS.c.universe_id == universe_id)
        if session.execute(select(_VERSIONS.c.id).where(*one)).first() is None:
            raise NotFound
        session.execute(delete(_VERSIONS).where(*one))


def version_json(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A version as it is answered."""
    return {
        "id": str(row["id"]),
        "universe_id": str(row["universe_id"]),
        "revision": row["revision"],
        "name": row["name"],
        "user_id": None if row["user_id"] is None else str(row["user_id"]),
        "created_at": timestamp(row["created_at"]),
    }


def _check(session: Session, universe_id: UUID, row: Mapping[str, Any], newest: int) -> None:
    if row["revision"] > newest:
        raise Invalid(errors={"revision": [f"The newest revision is {newest}."]})
    require_revision(universe_id, row["revision"])
    here = _VERSIONS.c.universe_id == universe_id
    if session.scalar(select(_VERSIONS.c.id).where(here, _VERSIONS.c.name == row["name"])) is not None:
        raise Conflict("This name is taken.", errors={"name": ["Is taken."]})
    if (session.scalar(select(func.count()).select_from(_VERSIONS).where(here)) or 0) >= MOST:
        raise Invalid(errors={"_schema": [f"There may be at most {MOST} versions here."]})

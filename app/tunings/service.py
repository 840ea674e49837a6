"""Keeping tunings, reading them, and taking them away."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, func, insert, select, update

from app.access import Actor
from app.changes.intents import new_id
from app.changes.service import recall, remember
from app.database import now, timestamp
from app.engine.music.scala import keyboard_of, write_kbm, write_scl
from app.engine.music.tunings import degree_cents, read_degrees
from app.errors import Invalid, NotFound
from app.extensions import db
from app.pages import Listing
from app.tunings.models import StoredTuning
from app.unit_of_work import unit_of_work
from app.users.models import User

MOST = 200
"""How many tunings somebody may keep."""

_TUNINGS: Any = StoredTuning.__table__
_KEEP = "keep tuning"
LIBRARY = Listing(
    select(*_TUNINGS.c),
    key=_TUNINGS.c.id,
    sorts={name: _TUNINGS.c[name] for name in ("created_at", "name")},
    default="-created_at",
)


def keep(actor: Actor, given: Mapping[str, Any], op_id: UUID | None = None) -> tuple[dict[str, Any], bool]:
    """Put a tuning into the actor's library: the tuning, and whether the request is a repeated one.

    Raises Invalid past the limit, OpIdReused.
    """
    op_hash = hashlib.sha256(orjson.dumps(dict(given), option=orjson.OPT_SORT_KEYS)).hexdigest()
    with unit_of_work() as session:
        session.execute(select(User.id).where(User.id == actor.id).with_for_update())  # two at once must not both be the last
        if op_id and (known := recall(session, _KEEP, str(actor.id), op_id, op_hash)):
            return known, True
        held = session.scalar(select(func.count()).where(_TUNINGS.c.user_id == actor.id, _TUNINGS.c.deleted_at.is_(None))) or 0
        if held >= MOST:
            raise Invalid(errors={"_schema": [f"You may keep {MOST} tunings; delete one first."]})
        tuning_id = new_id(actor, op_id)
        session.execute(insert(_TUNINGS).values(id=tuning_id, user_id=actor.id, created_at=now(), **given))
        made = shown(session.execute(select(_TUNINGS).where(_TUNINGS.c.id == tuning_id)).one())
        if op_id:
            remember(session, _KEEP, str(actor.id), op_id, op_hash, made)
    return made, False


def listed(actor: Actor) -> Listing:
    """The actor's library."""
    return LIBRARY.where(_TUNINGS.c.user_id == actor.id, _TUNINGS.c.deleted_at.is_(None))


def read(actor: Actor, tuning_id: UUID) -> dict[str, Any]:
    """A tuning of the actor's library. Raises NotFound."""
    return shown(_mine(actor, tuning_id))


def scale_file(actor: Actor, tuning_id: UUID) -> str:
    """A tuning as a Scala scale file. Raises NotFound."""
    row = _mine(actor, tuning_id)
    return write_scl(f"{row.name}: {row.description}" if row.description else row.name, read_degrees(row.tuning["degrees"]))


def keyboard_file(actor: Actor, tuning_id: UUID) -> str:
    """The keyboard mapping by which every key takes the next pitch of a tuning, as a Scala file. Raises NotFound."""
    return write_kbm(keyboard_of(_mine(actor, tuning_id).tuning))


def delete(actor: Actor, tuning_id: UUID) -> None:
    """Take a tuning out of the actor's library; harmonies keep their copies, and once more does nothing. Raises NotFound."""
    with unit_of_work() as session:
        mine = (_TUNINGS.c.id == tuning_id, _TUNINGS.c.user_id == actor.id)
        if session.execute(select(_TUNINGS.c.id).where(*mine)).one_or_none() is None:
            raise NotFound
        gone = {"deleted_at": func.coalesce(_TUNINGS.c.deleted_at, now()), "description": "", "tuning": {}}
        session.execute(update(_TUNINGS).where(*mine).values(gone))


def shown(row: Row[Any]) -> dict[str, Any]:
    """A tuning as it is answered."""
    cents = [degree_cents(degree) for degree in read_degrees(row.tuning["degrees"])]
    return {
        "id": str(row.id),
        "name": row.name,
        "description": row.description,
        "tuning": row.tuning,
        "notes": len(cents),
        "cents": cents,
        "created_at": timestamp(row.created_at),
    }


def _mine(actor: Actor, tuning_id: UUID) -> Row[Any]:
    mine = (_TUNINGS.c.id == tuning_id, _TUNINGS.c.user_id == actor.id, _TUNINGS.c.deleted_at.is_(None))
    found = db.session.execute(select(_TUNINGS).where(*mine)).one_or_none()
    if found is None:
        raise NotFound
    return found

"""What is kept beside a universe's content, the playback and the chat: changed under the universe's lock, by who may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access import Action, Actor, confirmed, require
from app.changes.announcements import announce
from app.changes.intents import Intent
from app.changes.opening import open_universe
from app.collaboration.hub import current_hub
from app.collaboration.models import RoomState
from app.errors import Draining, NotFound, TokenRevoked, is_unique_breach
from app.unit_of_work import after_commit, unit_of_work

_ROOMS: Any = RoomState.__table__
_KEPT = select(_ROOMS).where(_ROOMS.c.universe_id == bindparam("universe_id"))
EMPTY: dict[str, Any] = {
    "chat_seq": 0, "transport_seq": 0, "playing": False, "position_s": 0.0, "rate": 1.0,
    "loop": None, "scene_id": None, "anchor_ms": 0, "by_id": None,
}  # fmt: skip
"""What a universe has in which nobody has played or spoken yet."""


@dataclass(frozen=True, slots=True)
class Beside:
    """An open transaction that holds a universe's lock, and what is kept beside the universe's content."""

    session: Session
    universe_id: UUID
    kept: dict[str, Any]

    def keep(self, **values: Any) -> None:
        """Change some of it; once it is committed, those who follow the universe are woken."""
        if "universe_id" in self.kept:
            self.session.execute(update(_ROOMS).where(_ROOMS.c.universe_id == self.universe_id).values(values))
        else:
            self.session.execute(insert(_ROOMS).values(universe_id=self.universe_id, **{**EMPTY, **values}))
        after_commit(announce, self.universe_id)


@contextmanager
def beside(actor: Actor, universe_id: UUID, action: Action) -> Iterator[Beside]:
    """What is kept beside a universe's content, to be changed in a transaction by somebody whose role allows the action.

    The role is read under the lock that every change of a role takes, so that nobody acts on one that has ended. Raises
    NotFound, Gone, Forbidden, TokenRevoked or Busy, and Draining on a server that is going.
    """
    if current_hub().draining:
        raise Draining
    try:
        with unit_of_work() as session:
            found = open_universe(session, Intent(actor=actor, op="batch", collection="universe", universe_id=universe_id))
            if found is None:
                raise NotFound
            actor, universe = confirmed(actor, found.holder), found.universe
            deleted = universe["deleted_at"] is not None
            require(actor, action, visibility=universe["visibility"], membership=found.membership, deleted=deleted)
            kept = session.execute(_KEPT, {"universe_id": universe_id}).mappings().first()
            yield Beside(session, universe_id, dict(kept or EMPTY))
    except IntegrityError as error:
        if is_unique_breach(error):
            raise
        raise TokenRevoked from None  # the account was closed in this moment, and leaves no user to refer to

"""The chat of a universe: lines numbered without gaps, kept, and told to its members in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, insert, select

from app.access import Action, allowed_to
from app.collaboration.beside import beside
from app.collaboration.hub import Connection, Hub, Room
from app.collaboration.models import ChatMessage
from app.database import now, timestamp
from app.errors import OpIdReused
from app.extensions import db
from app.users.models import User

_LINES: Any = ChatMessage.__table__
_USERS: Any = User.__table__
_ROWS = 200
_TOLD = (
    select(_LINES, _USERS.c.display_name, _USERS.c.color)
    .outerjoin(_USERS, _USERS.c.id == _LINES.c.user_id)
    .where(_LINES.c.universe_id == bindparam("universe_id"))
    .limit(bindparam("most"))
)
_AFTER = _TOLD.where(_LINES.c.seq > bindparam("since")).order_by(_LINES.c.seq)
_BEFORE = _TOLD.where(_LINES.c.seq < bindparam("before")).order_by(_LINES.c.seq.desc())
_SAID = select(_LINES).where(
    _LINES.c.universe_id == bindparam("universe_id"), _LINES.c.user_id == bindparam("user_id"), _LINES.c.op_id == bindparam("op_id")
)


def say(connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
    """Add a line to the chat; a repeated op_id is answered with the first result. Raises OpIdReused for other text."""
    universe_id, op_id, text = message["universe_id"], message["op_id"], message["text"]
    actor, joined = connection.actor, connection.require(universe_id, Action.INSPECT)
    with beside(actor, universe_id, Action.INSPECT) as room:
        said = room.session.execute(_SAID, {"universe_id": universe_id, "user_id": actor.id, "op_id": op_id}).mappings().first()
        if said is not None:
            if said["text"] != text:
                raise OpIdReused
            return _answer(said)
        line = {
            "universe_id": universe_id, "seq": room.kept["chat_seq"] + 1, "id": uuid4(), "user_id": actor.id, "op_id": op_id,
            "guest": joined.guest, "text": text, "created_at": now(),
        }  # fmt: skip
        room.session.execute(insert(_LINES).values(line))
        room.keep(chat_seq=line["seq"])
    return _answer(line)


def tell(hub: Hub, room: Room, head: Mapping[Any, Any]) -> None:
    """Tell those in a room who may read its chat of the lines that the head of its universe counts and they have not heard."""
    while room.chat_seq < (head["chat_seq"] or 0):
        params = {"universe_id": room.universe_id, "since": room.chat_seq, "most": _ROWS}
        rows = db.session.connection().execute(_AFTER, params).all()
        db.session.rollback()
        if not rows:
            return
        for row in rows:
            if not hub.holds(room):
                return
            room.chat_seq = row.seq
            hub.tell_some(_listeners(hub, room.universe_id), "chat_message", told(row))


def lines_before(universe_id: UUID, before: int, limit: int) -> Sequence[Any]:
    """Up to `limit` lines before a number, the newest first."""
    params = {"universe_id": universe_id, "before": before, "most": limit}
    return db.session.connection().execute(_BEFORE, params).all()


def told(row: Any) -> dict[str, Any]:
    """A line as it is told; that of somebody whose account has gone is nobody's, that of a guest a guest's."""
    user = {"id": str(row.user_id), "display_name": row.display_name, "color": row.color}
    if row.guest is not None:
        user = {**user, "id": None, "display_name": f"Guest {row.guest}"}
    return {
        "universe_id": str(row.universe_id),
        "id": str(row.id),
        "seq": row.seq,
        "user": None if row.user_id is None else user,
        "text": row.text,
        "at": timestamp(row.created_at),
        "op_id": str(row.op_id),
    }


def _listeners(hub: Hub, universe_id: UUID) -> list[Connection]:
    """A stranger in an open universe sees its content alone."""
    found = []
    for connection in hub.in_room(universe_id):
        joined = connection.joined.get(universe_id)
        if joined is not None and allowed_to(joined.role, joined.visibility, Action.INSPECT):
            found.append(connection)
    return found


def _answer(line: Mapping[Any, Any]) -> dict[str, Any]:
    return {"id": str(line["id"]), "seq": line["seq"], "created_at": timestamp(line["created_at"])}

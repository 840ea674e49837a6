"""Entering a universe, leaving it, and catching up with it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import and_, bindparam, case, func, select, tuple_

from app import metrics
from app.access import HOLDER, Action, Actor, Role, caller_params, confirmed, require
from app.changes import history
from app.collaboration import playback
from app.collaboration.beside import EMPTY
from app.collaboration.hub import Connection, Hub, Joined, Room, current_hub
from app.collaboration.models import RoomState
from app.errors import Conflict, NotFound, RoomFull
from app.extensions import db
from app.universes import links, reading
from app.universes.models import Membership, Universe

_UNIVERSES: Any = Universe.__table__
_MEMBERS: Any = Membership.__table__
_ROOMS: Any = RoomState.__table__
_BESIDE = tuple(EMPTY)
_MOST_ROWS = 500
_MOST_BYTES = 262_144

_OTHERS: Any = _MEMBERS.alias()
_GUEST = (
    select(func.count())
    .where(
        _OTHERS.c.universe_id == _MEMBERS.c.universe_id,
        _OTHERS.c.link_id.is_not(None),
        tuple_(_OTHERS.c.created_at, _OTHERS.c.user_id) <= tuple_(_MEMBERS.c.created_at, _MEMBERS.c.user_id),
    )
    .correlate(_MEMBERS)
    .scalar_subquery()
)
"""SQL: the number of a member who came by a share link, among those who did."""
_STANDING = (
    select(
        _UNIVERSES.c.revision,
        _UNIVERSES.c.epoch,
        _UNIVERSES.c.floor,
        _UNIVERSES.c.visibility,
        _UNIVERSES.c.deleted_at,
        _MEMBERS.c.role,
        HOLDER,
        case((_MEMBERS.c.link_id.is_not(None), _GUEST)).label("guest"),
        *(_ROOMS.c[name] for name in _BESIDE),
    )
    .outerjoin(_ROOMS, _ROOMS.c.universe_id == _UNIVERSES.c.id)
    .outerjoin(_MEMBERS, and_(_MEMBERS.c.universe_id == _UNIVERSES.c.id, _MEMBERS.c.user_id == bindparam("caller")))
    .where(_UNIVERSES.c.id == bindparam("universe_id"))
)


def join(connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
    """Enter a universe and catch up. Joining again is a catch-up with another tab's name.

    Authorize, enter the room, then read: a change is in the answer, or arrives as an event, or both.
    Raises NotFound, Gone, RoomFull or Conflict.
    """
    hub = current_hub()
    universe_id = _meant(connection, message)
    standing, role = _authorized(connection.actor, universe_id)
    again = connection.joined.get(universe_id)
    if again is None:
        _refuse_full(hub, connection, universe_id)
    joined = Joined(role, standing.visibility, message.get("client_id"), standing.guest, standing.revision)
    hub.enter(connection, _room(universe_id, standing), joined)
    hub.feeder.start()
    hub.live.start()
    if again is None:
        hub.presence.entered(connection, universe_id, joined)
        hub.live.entered(universe_id)
    try:
        return _caught_up(hub, connection, universe_id, message.get("since"), message.get("epoch"))
    except BaseException:
        if again is None:
            hub.departed(connection, universe_id)
        raise


def leave(connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
    """Leave a universe."""
    current_hub().departed(connection, message["universe_id"])
    return {}


def sync(connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
    """What a connection has missed. Raises NotFound when the universe may no longer be read."""
    return _caught_up(current_hub(), connection, message["universe_id"], message["since"], message["epoch"])


def _meant(connection: Connection, message: Mapping[str, Any]) -> UUID:
    """The universe that is named, or that a share link's token leads into; who follows a link becomes a member."""
    if "universe_id" in message:
        named: UUID = message["universe_id"]
        return named
    head = {"actor": connection.actor, "source": "socket", "client_id": message.get("client_id"), "group": None, "op_id": None}
    return links.use(message["share_token"], head)[0]


def _authorized(actor: Actor, universe_id: UUID) -> tuple[Any, Role]:
    standing = db.session.connection().execute(_STANDING, {"universe_id": universe_id, **caller_params(actor)}).first()
    if standing is None:
        raise NotFound
    actor = confirmed(actor, standing.holder)
    role = require(actor, Action.READ, visibility=standing.visibility, membership=standing.role, deleted=standing.deleted_at is not None)
    return standing, role


def _refuse_full(hub: Hub, connection: Connection, universe_id: UUID) -> None:
    settings = hub.settings
    if len(connection.joined) >= settings.universes_per_connection:
        raise Conflict(f"A connection joins at most {settings.universes_per_connection} universes; leave one first.")
    if hub.presence.count(universe_id) >= settings.connections_per_universe:
        raise RoomFull(retry_after=5)


def _caught_up(hub: Hub, connection: Connection, universe_id: UUID, since: int | None, epoch: UUID | None) -> dict[str, Any]:
    joined = connection.joined.get(universe_id)
    if joined is None:
        raise NotFound  # it was put out in this moment
    head, role = _authorized(connection.actor, universe_id)  # it may have changed before the room was entered
    joined.learn(role, head.visibility, head.revision)
    content = _content(universe_id, head, since, epoch)
    metrics.JOINS.labels(content["mode"]).inc()
    return {
        "universe_id": str(universe_id),
        "cid": connection.cid,
        "role": joined.role,
        **content,
        "presence": hub.presence.listing(universe_id),
        "transport": playback.state_of(_beside(head)),
        "chat_seq": _beside(head)["chat_seq"],
        "simulation": hub.live.shown(universe_id),
        "server_time_ms": round(time.time() * 1000),
        "limits": _limits(hub),
    }


def _room(universe_id: UUID, head: Any) -> Room:
    """The room to begin with, as of a moment before anybody entered it."""
    kept = _beside(head)
    return Room(universe_id, head.epoch, head.visibility, head.revision, kept["chat_seq"], kept["transport_seq"])


def _beside(head: Any) -> Mapping[Any, Any]:
    return EMPTY if head.chat_seq is None else head._mapping


def _content(universe_id: UUID, head: Any, since: int | None, epoch: UUID | None) -> dict[str, Any]:
    """The universe from a revision on, in the shortest form: nothing, rows of the log, the document, or where it is."""
    known = {"epoch": str(head.epoch)}
    if since is None or epoch != head.epoch or not head.floor <= since <= head.revision:
        return {**known, **_snapshot(universe_id)}
    if since == head.revision:
        return {**known, "revision": since, "mode": "current"}
    rows = history.rows_after(db.session(), universe_id, since, _MOST_ROWS + 1)
    told = [{"universe_id": str(universe_id), **history.told(row)} for row in rows]
    if not rows or len(rows) > _MOST_ROWS or len(orjson.dumps(told)) > _MOST_BYTES:
        return {**known, **_snapshot(universe_id)}
    return {**known, "revision": rows[-1].revision, "mode": "changes", "changes": told}


def _snapshot(universe_id: UUID) -> dict[str, Any]:
    revision, text = reading.document_now(universe_id)
    if len(text) > _MOST_BYTES:
        return {"revision": revision, "mode": "fetch", "snapshot_url": f"/api/universes/{universe_id}/document"}
    return {"revision": revision, "mode": "snapshot", "snapshot": orjson.Fragment(text)}


def _limits(hub: Hub) -> dict[str, Any]:
    settings = hub.settings
    return {
        "writes": settings.write_limit,
        "chat": settings.chat_limit,
        "joins": settings.join_limit,
        "presence_per_second": settings.presence_per_second,
        "presence_burst": settings.presence_burst,
        "max_event_bytes": settings.max_event_bytes,
        "batch_items": 100,
    }

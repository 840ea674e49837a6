"""The feeder: tells the connections of this process what has been committed, in the order of the log.

The request that made a change never tells of it. One loop a process reads the rows after the last one told, so that every
connection sees revisions in order whoever committed them; it wakes on a commit here, on a hint from another process, and
at least once a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from app import metrics
from app.access import Action, Role, allowed_to
from app.changes import history
from app.changes.announcements import Row
from app.changes.history import Step
from app.collaboration import chat, playback
from app.collaboration.hub import Connection, Hub, Joined, Room
from app.collaboration.models import RoomState
from app.extensions import db
from app.universes.models import Universe

log = structlog.get_logger(__name__)
_UNIVERSES: Any = Universe.__table__
_ROOMS: Any = RoomState.__table__
_INTERVAL_SECONDS = 1.0
_AFTER_FAILURE_SECONDS = 0.5
_ROWS = 200

_HEADS = (
    select(_UNIVERSES.c.id, _UNIVERSES.c.revision, _UNIVERSES.c.epoch, _ROOMS.c.chat_seq, _ROOMS.c.transport_seq)
    .outerjoin(_ROOMS, _ROOMS.c.universe_id == _UNIVERSES.c.id)
    .where(_UNIVERSES.c.id.in_(bindparam("ids", expanding=True)))
)


class Feeder:
    """The loop of one process. `also` are what else follows the universes with connections here.

    The chat and the playback have counters of their own beside the revision, read with it, and are told in the same round.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.also: list[Callable[[list[Room]], None]] = []
        self._woken: set[UUID] = set()
        self._offered: dict[UUID, dict[int, Row]] = {}
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._running = False
        self._asked = 0.0

    def start(self) -> None:
        """Begin, at the first join; later calls do nothing."""
        with self._lock:
            if not self._running:
                self._running = True
                self.hub.server.start_background_task(self._run)

    def wake(self, universe_id: UUID, row: Row | None = None) -> None:
        """Something was committed to a universe: look soon. A row that was committed here need not be read again."""
        if universe_id not in self.hub.rooms:
            return
        with self._lock:
            if row is None:
                self._woken.add(universe_id)
            else:
                self._offered.setdefault(universe_id, {})[row["revision"]] = row
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait(max(0.0, self._asked + _INTERVAL_SECONDS - time.monotonic()))
            self._wake.clear()
            try:
                with self.hub.app.app_context():
                    self._round()
            except SQLAlchemyError as error:
                log.warning("feeder waits for the database", error=str(error))
                self.hub.server.sleep(_AFTER_FAILURE_SECONDS)
            except Exception:
                log.exception("feeder failed")
                self.hub.server.sleep(_AFTER_FAILURE_SECONDS)

    def _round(self) -> None:
        """Tell what is new in the universes that were woken, or after a second in all."""
        self._tell_offered()
        if time.monotonic() - self._asked >= _INTERVAL_SECONDS:
            self._asked = time.monotonic()
            rooms = self.hub.all_rooms()
        else:
            rooms = [room for room in (self.hub.rooms.get(one) for one in self._taken()) if room is not None]
        if not rooms:
            return
        by_id = {room.universe_id: room for room in rooms}
        heads = db.session.connection().execute(_HEADS, {"ids": list(by_id)}).mappings().all()
        db.session.rollback()
        metrics.FEEDER_BEHIND.set(max((head["revision"] - by_id[head["id"]].sent for head in heads), default=0))
        fresh = self._fresh(by_id, heads)
        for head in heads:
            room = by_id[head["id"]]
            self._feed(room, head, fresh.get(room.universe_id, []))
            playback.tell(self.hub, room, head)
            chat.tell(self.hub, room, head)
        for follow in self.also:
            follow(rooms)

    def _tell_offered(self) -> None:
        """Tell of rows committed here that follow what was told. What does not follow, or whose actor is not here, is read instead."""
        with self._lock:
            offered, self._offered = self._offered, {}
        for universe_id, rows in offered.items():
            room = self.hub.rooms.get(universe_id)
            if room is None:
                continue
            names = {one.actor.id: one.user["display_name"] for one in self.hub.in_room(universe_id)}
            while (row := rows.pop(room.sent + 1, None)) is not None and row["actor_id"] in names and self.hub.holds(room):
                self._tell(room, SimpleNamespace(**row, display_name=names[row["actor_id"]]))
            if row is not None or any(revision > room.sent for revision in rows):
                with self._lock:
                    self._woken.add(universe_id)

    def _taken(self) -> set[UUID]:
        with self._lock:
            taken, self._woken = self._woken, set()
        return taken

    def _fresh(self, by_id: Mapping[UUID, Room], heads: Sequence[Mapping[Any, Any]]) -> dict[UUID, list[Any]]:
        """The new rows of all universes that have some, fetched at once; where there are too many, the first of them."""
        behind = {head["id"]: by_id[head["id"]].sent for head in heads if by_id[head["id"]].sent < head["revision"]}
        if not behind:
            return {}
        fresh = history.rows_after_each(db.session(), behind, _ROWS)
        db.session.rollback()
        return fresh

    def _feed(self, room: Room, head: Mapping[Any, Any], rows: list[Any]) -> None:
        if head["epoch"] != room.epoch:
            room.epoch, room.sent = head["epoch"], head["revision"]
            self.hub.tell(room.universe_id, "resync_required", {"universe_id": str(room.universe_id), "reason": "epoch"})
            return
        while room.sent < head["revision"]:
            if not rows:
                rows = history.rows_after(db.session(), room.universe_id, room.sent, _ROWS)
                db.session.rollback()
            if not rows:
                return
            rows, telling = [], rows
            for row in telling:
                if not self.hub.holds(room):
                    return
                self._tell(room, row)

    def _tell(self, room: Room, row: Any) -> None:
        """Tell of one row. What it does to people's rights is done first: nobody is told of a row that ended their access."""
        for step in history.steps_of(row):
            self._apply_rights(room, step, row.revision)
        payload = {"universe_id": str(room.universe_id), **history.told(row)}
        room.sent = row.revision
        metrics.FEEDER_LAG.observe(max(0.0, time.time() - row.created_at.timestamp()))
        self.hub.tell(room.universe_id, "change", payload)
        if row.op == "restore":
            self.hub.tell(room.universe_id, "resync_required", {"universe_id": str(room.universe_id), "reason": "snapshot_restored"})

    def _apply_rights(self, room: Room, step: Step, revision: int) -> None:
        if step.path == "universe":
            after = step.after or {}
            if "visibility" in after:
                self._show(room, after["visibility"], revision)
            if after.get("deleted_at"):
                self._expel(room, self.hub.in_room(room.universe_id), "GONE")
        elif step.path.startswith("members/"):
            role = (step.after or {}).get("role")
            self._give_role(room, UUID(step.path.removeprefix("members/")), role, revision)

    def _show(self, room: Room, visibility: str, revision: int) -> None:
        """The visibility has changed: who may no longer read goes."""
        room.visibility = visibility
        outside = []
        for connection in self.hub.in_room(room.universe_id):
            joined = connection.joined.get(room.universe_id)
            if joined is None:
                continue
            joined.visibility, joined.as_of = visibility, revision
            if not allowed_to(joined.role, visibility, Action.READ):
                outside.append(connection)
        self._expel(room, outside, "NOT_FOUND")

    def _give_role(self, room: Room, user_id: UUID, role: str | None, revision: int) -> None:
        theirs = [one for one in self.hub.in_room(room.universe_id) if one.actor.id == user_id]
        if role is None:
            self._expel(room, theirs, "FORBIDDEN")
            return
        for connection in theirs:
            joined: Joined | None = connection.joined.get(room.universe_id)
            if joined is None:
                continue
            told, joined.role, joined.as_of = joined.role, Role(role), revision
            if told != role:
                self.hub.tell_some([connection], "role_changed", {"universe_id": str(room.universe_id), "role": role})

    def _expel(self, room: Room, connections: Iterable[Connection], code: str) -> None:
        for connection in connections:
            self.hub.tell_some([connection], "access_revoked", {"universe_id": str(room.universe_id), "code": code})
            self.hub.departed(connection, room.universe_id)

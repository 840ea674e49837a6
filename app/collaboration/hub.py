"""The sockets of this process: who is connected, and which universes they have joined."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from flask import Flask, current_app
from prometheus_client import generate_latest

from app import metrics
from app.access import Action, Actor, Role, allowed_to
from app.collaboration.fan_out import FanOut, Line
from app.config import Settings
from app.errors import Forbidden, NotJoined, TokenExpired

if TYPE_CHECKING:
    from app.collaboration.bus import Bus
    from app.collaboration.feeder import Feeder
    from app.collaboration.guard import Guard
    from app.collaboration.jobs_watch import JobsWatch
    from app.collaboration.live import Live
    from app.collaboration.presence import Presence
    from app.collaboration.watch import Watch


@dataclass(slots=True)
class Joined:
    """A connection's part in a universe: its role, its tab, and its number as a guest when it came by a share link.

    `as_of` is the revision as of which role and visibility are known here.
    """

    role: Role
    visibility: str
    client_id: str | None = None
    guest: int | None = None
    as_of: int = 0

    def learn(self, role: Role, visibility: str, revision: int) -> None:
        """Take on what was read of the universe as of a revision, unless the feeder has told of a later one."""
        if revision >= self.as_of:
            self.role, self.visibility, self.as_of = role, visibility, revision


@dataclass(slots=True, eq=False)
class Connection:
    """One connection. Who it belongs to was settled when it was made; nothing in a payload changes that."""

    sid: str
    eio_sid: str
    actor: Actor
    expires: float
    user: dict[str, Any]
    cid: str = field(default_factory=lambda: uuid4().hex[:16])
    joined: dict[UUID, Joined] = field(default_factory=dict)
    warned: bool = False
    line: Line = field(init=False)

    def check_alive(self) -> None:
        """Raises TokenExpired once the token's time is over, even before anybody has cut the connection."""
        if time.time() >= self.expires:
            raise TokenExpired

    def require(self, universe_id: UUID, action: Action) -> Joined:
        """Its part in a universe. Raises NotJoined, or Forbidden for a role that does not allow the action."""
        joined = self.joined.get(universe_id)
        if joined is None:
            raise NotJoined
        if not allowed_to(joined.role, joined.visibility, action):
            raise Forbidden
        return joined


@dataclass(slots=True, eq=False)
class Room:
    """A universe with connections here. `sent` is the last revision told to all of them, the others the last line and command."""

    universe_id: UUID
    epoch: UUID
    visibility: str
    sent: int
    chat_seq: int = 0
    transport_seq: int = 0
    connections: dict[str, Connection] = field(default_factory=dict)


class Hub:
    """Everything about sockets in one process; `current_hub()` finds it."""

    feeder: Feeder
    watch: Watch
    guard: Guard
    presence: Presence
    jobs_watch: JobsWatch
    live: Live
    bus: Bus | None

    def __init__(self, app: Flask, server: Any) -> None:
        self.app, self.server = app, server
        self.settings: Settings = app.config["SETTINGS"]
        self.process_id = uuid4().hex[:12]
        self.fan_out = FanOut(server, self.settings)
        self.connections: dict[str, Connection] = {}
        self.rooms: dict[UUID, Room] = {}
        self.draining = False
        self.handling: set[str] = set()
        self.bus = None
        self._lock = threading.Lock()

    def add(self, connection: Connection) -> None:
        """Take in a connection that has been admitted."""
        self.fan_out.opened(connection)
        with self._lock:
            self.connections[connection.sid] = connection

    def remove(self, sid: str) -> Connection | None:
        """Forget a connection that has gone; whoever calls has had it leave its universes."""
        with self._lock:
            connection = self.connections.pop(sid, None)
        if connection is not None:
            self.fan_out.closed(connection)
        return connection

    def of_user(self, user_id: UUID | None) -> list[Connection]:
        """The connections of a user here."""
        with self._lock:
            return [one for one in self.connections.values() if one.actor.id == user_id]

    def everybody(self) -> list[Connection]:
        """All connections here."""
        with self._lock:
            return list(self.connections.values())

    def all_rooms(self) -> list[Room]:
        """All universes with connections here."""
        with self._lock:
            return list(self.rooms.values())

    def holds(self, room: Room) -> bool:
        """Whether a room is the present one. When all have left, who enters has a room of their own, that begins where they are."""
        return self.rooms.get(room.universe_id) is room

    def enter(self, connection: Connection, fresh: Room, joined: Joined) -> Room:
        """Put a connection into a universe's room; `fresh` is the room to begin with when there is none yet."""
        with self._lock:
            room = self.rooms.setdefault(fresh.universe_id, fresh)
            room.connections[connection.sid] = connection
            connection.joined[fresh.universe_id] = joined
            return room

    def leave(self, connection: Connection, universe_id: UUID) -> Joined | None:
        """Take a connection out of a room; an empty room goes."""
        with self._lock:
            room = self.rooms.get(universe_id)
            if room is not None:
                room.connections.pop(connection.sid, None)
                if not room.connections:
                    del self.rooms[universe_id]
            return connection.joined.pop(universe_id, None)

    def departed(self, connection: Connection, universe_id: UUID) -> None:
        """A connection leaves a universe, goes, or is put out: the others are told."""
        joined = self.leave(connection, universe_id)
        if joined is not None:
            self.presence.left(connection, universe_id, joined)

    def in_room(self, universe_id: UUID) -> list[Connection]:
        """The connections in a universe here."""
        with self._lock:
            room = self.rooms.get(universe_id)
            return list(room.connections.values()) if room is not None else []

    def tell(self, universe_id: UUID, event: str, payload: Any, *, skip: str | None = None, droppable: bool = False) -> None:
        """Send an event to everybody here who has joined a universe, but for the connection `skip`."""
        self.fan_out.send(self.in_room(universe_id), event, payload, skip=skip, droppable=droppable)

    def tell_some(self, connections: Iterable[Connection], event: str, payload: Any) -> None:
        """Send an event to some connections."""
        self.fan_out.send(connections, event, payload)

    def cut(self, connection: Connection, code: str) -> None:
        """Tell a connection why it is being closed, and close it."""
        self.tell_some([connection], "access_revoked", {"code": code})
        self.fan_out.push(connection)
        self.server.disconnect(connection.sid, namespace="/")


def measured(hub: Hub) -> bytes:
    """The figures of this process, the hub's among them, in Prometheus' text format."""
    metrics.CONNECTIONS.set(len(hub.connections))
    metrics.ROOMS.set(len(hub.rooms))
    metrics.LONGEST_QUEUE.set(hub.guard.longest)
    return generate_latest()


def current_hub() -> Hub:
    """The hub of the application at hand."""
    hub: Hub = current_app.extensions["hub"]
    return hub

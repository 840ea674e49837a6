"""Who is in a universe, where they are, what they have selected and what they are dragging.

All of it is in memory alone: it may be lost, and is told again. What somebody tells of themselves is gathered for a moment
and told to the room in one batch; each room is told everything every fifteen seconds, for those who missed a batch. The
processes tell each other over the bus, and each repeats all it knows every ten seconds, so that what was lost heals and
the people of a process that has died are forgotten.

What one user sends faster than the allowance is held back and merged, the newest value of each property winning, and told
when the allowance has grown again: nothing is refused, and nothing is lost for good.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from app.access import Action, allowed_to
from app.collaboration.hub import Connection, Hub, Joined

if TYPE_CHECKING:
    from app.collaboration.bus import Bus

log = structlog.get_logger(__name__)
BATCH_SECONDS = 0.05
FULL_SECONDS = 15.0
ANNOUNCE_SECONDS = 10.0
EXPIRY_SECONDS = 30.0
_TELLS = ("cid", "user_id", "status", "cursor", "selection")
_SAYS = ("cid", "user", "role")
Entry = dict[str, Any]
Late = tuple[str, UUID, str | None]
"""What waits for an allowance: of which connection, in which universe, a preview of which path or, with None, presence."""


@dataclass(slots=True)
class Allowance:
    """How much one user may still tell, and what waits until it is more, in order of arrival."""

    tokens: float
    counted: float
    waiting: dict[Late, tuple[Connection, dict[str, Any]]] = field(default_factory=dict)

    def grow(self, rate: float, burst: float, moment: float) -> None:
        """Add what has come in since it was last counted."""
        self.tokens, self.counted = min(burst, self.tokens + rate * (moment - self.counted)), moment

    def take(self) -> bool:
        """Use one up; whether there was one."""
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class Elsewhere:
    """Another process: when it was last heard of, and its connections by universe and cid."""

    heard: float
    rooms: dict[UUID, dict[str, Entry]] = field(default_factory=dict)


class Presence:
    """The presence of one process's connections, and of the others' as the bus tells of them."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.limited = hub.settings.rate_limits
        self._rate, self._burst = float(hub.settings.presence_per_second), float(hub.settings.presence_burst)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._running = False
        self._bus: Bus | None = None
        self._here: dict[UUID, dict[str, tuple[Connection, Entry]]] = {}
        self._there: dict[str, Elsewhere] = {}
        self._changed: dict[UUID, dict[str, None]] = {}
        self._moved: dict[UUID, dict[str, Entry]] = {}
        self._allowances: dict[UUID | None, Allowance] = {}
        self._full_at = self._announce_at = self._sweep_at = 0.0

    def across(self, bus: Bus) -> None:
        """Share it with the other processes."""
        self._bus = bus
        for kind in ("entered", "left", "moved", "present", "who", "preview"):
            bus.on(kind, getattr(self, f"_hear_{kind}"))
        bus.when_listening(self._introduce)

    def start(self) -> None:
        """Begin, at the first connection; later calls do nothing."""
        with self._lock:
            if self._running:
                return
            self._running = True
            self._full_at, self._announce_at = time.monotonic() + FULL_SECONDS, time.monotonic() + ANNOUNCE_SECONDS
        if self._bus is not None:
            self._bus.listen()
        self.hub.server.start_background_task(self._run)

    # What connections of this process do

    def entered(self, connection: Connection, universe_id: UUID, joined: Joined) -> None:
        """A connection has joined a universe: the others are told."""
        user = connection.user
        if joined.guest is not None:  # without the id too, by which anybody can look the name up
            user = {**user, "id": None, "display_name": f"Guest {joined.guest}"}
        person = {"cid": connection.cid, "user": user, "role": joined.role}
        entry = {**person, "user_id": user["id"], "status": "active", "cursor": None, "selection": []}
        with self._lock:
            if connection.joined.get(universe_id) is not joined:
                return  # it was put out in this moment
            self._here.setdefault(universe_id, {})[connection.cid] = connection, entry
            self._publish("entered", universe_id=str(universe_id), entry=entry)
        self.hub.tell(universe_id, "user_joined", {"universe_id": str(universe_id), **person}, skip=connection.sid)

    def left(self, connection: Connection, universe_id: UUID, joined: Joined) -> None:
        """A connection has left a universe, or was put out of it."""
        with self._lock:
            room = self._here.get(universe_id, {})
            found = room.pop(connection.cid, None)
            if not room:
                self._here.pop(universe_id, None)
            self._forget_late(connection, universe_id)
            if found is not None:
                self._publish("left", universe_id=str(universe_id), cid=connection.cid)
        if found is not None:
            person = {**_part(found[1], _SAYS), "role": joined.role}
            self.hub.tell(universe_id, "user_left", {"universe_id": str(universe_id), **person})

    def update(self, connection: Connection, universe_id: UUID, told: Mapping[str, Any]) -> None:
        """A connection tells of its status, cursor or selection."""
        cursor = told.get("cursor")
        plain = {**told, "cursor": {**cursor, "scene_id": str(cursor["scene_id"])}} if cursor else dict(told)
        with self._lock:
            if not self._holds_back((connection.cid, universe_id, None), connection, plain):
                self._note(connection, universe_id, plain)
        self._wake.set()

    def preview(self, connection: Connection, universe_id: UUID, path: str, fields: Mapping[str, Any]) -> None:
        """Show the others values that a connection is dragging."""
        if self.limited:
            with self._lock:
                held_back = self._holds_back((connection.cid, universe_id, path), connection, fields)
            if held_back:
                self._wake.set()
                return
        self._show(connection, universe_id, path, fields)

    def listing(self, universe_id: UUID) -> list[Entry]:
        """Everybody in a universe, in every process."""
        with self._lock:
            here = [self._present(universe_id, *found) for found in self._here.get(universe_id, {}).values()]
            return here + [entry for other in self._there.values() for entry in other.rooms.get(universe_id, {}).values()]

    def count(self, universe_id: UUID) -> int:
        """How many connections are in a universe, in every process."""
        with self._lock:
            there = sum(len(other.rooms.get(universe_id, ())) for other in self._there.values())
            return len(self._here.get(universe_id, ())) + there

    # The loop

    def _run(self) -> None:
        while True:
            self._wake.wait(1.0)
            self._wake.clear()
            try:
                self._round()
            except Exception:
                log.exception("presence failed")
            self.hub.server.sleep(BATCH_SECONDS)

    def _round(self) -> None:
        """Tell what has been gathered; now and then everything, to the rooms and to the other processes."""
        moment = time.monotonic()
        self._let_go(moment)
        self._tell_changed()
        if moment >= self._full_at:
            self._full_at = moment + FULL_SECONDS
            for universe_id in list(self._here):
                self.hub.tell(universe_id, "presence", _told(universe_id, self.listing(universe_id), full=True), droppable=True)
        if moment >= self._sweep_at:
            self._sweep_at = moment + 1.0
            self._sweep(moment)
        if moment >= self._announce_at:
            self._announce_at = moment + ANNOUNCE_SECONDS
            self._announce()

    def _tell_changed(self) -> None:
        with self._lock:
            changed, self._changed = self._changed, {}
            moved, self._moved = self._moved, {}
            ours = {universe_id: self._those(universe_id, cids) for universe_id, cids in changed.items()}
        for universe_id in {*ours, *moved}:
            here, there = ours.get(universe_id, []), list(moved.get(universe_id, {}).values())
            if here:
                self._publish("moved", universe_id=str(universe_id), users=here)
            if here or there:
                self._tell_here(universe_id, "presence", _told(universe_id, here + there, full=False), droppable=True)

    def _let_go(self, moment: float) -> None:
        """What was held back goes out as far as allowances have grown; those that are whole again are forgotten."""
        previews: list[tuple[Connection, UUID, str, dict[str, Any]]] = []
        with self._lock:
            for user_id, allowance in list(self._allowances.items()):
                allowance.grow(self._rate, self._burst, moment)
                while allowance.waiting and allowance.take():
                    key = next(iter(allowance.waiting))
                    connection, told = allowance.waiting.pop(key)
                    if key[2] is None:
                        self._note(connection, key[1], told)
                    else:
                        previews.append((connection, key[1], key[2], told))
                if allowance.waiting:
                    self._wake.set()
                elif allowance.tokens >= self._burst:
                    del self._allowances[user_id]
        for connection, universe_id, path, fields in previews:
            joined = connection.joined.get(universe_id)  # the role may have changed while it waited
            if joined is not None and allowed_to(joined.role, joined.visibility, Action.EDIT):
                self._show(connection, universe_id, path, fields)

    # What happens under the lock

    def _holds_back(self, key: Late, connection: Connection, told: Mapping[str, Any]) -> bool:
        """Whether something must wait for its user's allowance; it is merged then with what of its kind waits already."""
        if not self.limited:
            return False
        user_id, moment = connection.actor.id, time.monotonic()
        allowance = self._allowances.get(user_id)
        if allowance is None:
            allowance = self._allowances[user_id] = Allowance(self._burst, moment)
        allowance.grow(self._rate, self._burst, moment)
        if not allowance.waiting and allowance.take():
            return False
        before = allowance.waiting.get(key)
        merged = dict(told) if before is None else {**before[1], **told} if key[2] is None else _merged(before[1], told)
        allowance.waiting[key] = connection, merged
        return True

    def _note(self, connection: Connection, universe_id: UUID, told: Mapping[str, Any]) -> None:
        found = self._here.get(universe_id, {}).get(connection.cid)
        if found is not None:
            found[1].update(told)
            self._changed.setdefault(universe_id, {})[connection.cid] = None

    def _those(self, universe_id: UUID, cids: Iterable[str]) -> list[Entry]:
        room = self._here.get(universe_id, {})
        return [_part(room[cid][1], _TELLS) for cid in cids if cid in room]

    def _forget_late(self, connection: Connection, universe_id: UUID) -> None:
        allowance = self._allowances.get(connection.actor.id)
        for key in list(allowance.waiting) if allowance is not None else []:
            if key[:2] == (connection.cid, universe_id):
                del allowance.waiting[key]  # type: ignore[union-attr]

    @staticmethod
    def _present(universe_id: UUID, connection: Connection, entry: Entry) -> Entry:
        joined = connection.joined.get(universe_id)
        return {**entry, "role": joined.role} if joined is not None else entry

    # The other processes

    def _show(self, connection: Connection, universe_id: UUID, path: str, fields: Mapping[str, Any]) -> None:
        payload = {"universe_id": str(universe_id), "path": path, "fields": fields, "cid": connection.cid}
        self.hub.tell(universe_id, "preview", payload, skip=connection.sid, droppable=True)
        if self._bus is not None and any(universe_id in other.rooms for other in list(self._there.values())):
            self._bus.publish("preview", payload)

    def _publish(self, kind: str, **body: Any) -> None:
        if self._bus is not None:
            self._bus.publish(kind, {"process": self.hub.process_id, **body})

    def _announce(self) -> None:
        with self._lock:
            rooms = {
                str(universe_id): [self._present(universe_id, *found) for found in room.values()]
                for universe_id, room in self._here.items()
            }
            self._publish("present", rooms=rooms)  # under the lock, so that it comes in its turn among who enters and leaves

    def _introduce(self) -> None:
        """This process hears the others from now on: it says who is here, and asks who is there."""
        self._announce()
        self._publish("who")

    def _hear_who(self, body: Mapping[str, Any]) -> None:
        self._announce()

    def _hear_preview(self, body: Mapping[str, Any]) -> None:
        self._tell_here(UUID(body["universe_id"]), "preview", body, droppable=True)

    def _hear_entered(self, body: Mapping[str, Any]) -> None:
        universe_id, entry = UUID(body["universe_id"]), body["entry"]
        with self._lock:
            room = self._other(body["process"]).rooms.setdefault(universe_id, {})
            new = entry["cid"] not in room
            room[entry["cid"]] = entry
        if new:
            self._tell_here(universe_id, "user_joined", {"universe_id": body["universe_id"], **_part(entry, _SAYS)})

    def _hear_left(self, body: Mapping[str, Any]) -> None:
        universe_id = UUID(body["universe_id"])
        with self._lock:
            rooms = self._other(body["process"]).rooms
            entry = rooms.get(universe_id, {}).pop(body["cid"], None)
            if not rooms.get(universe_id):
                rooms.pop(universe_id, None)
        self._tell_gone(universe_id, [entry] if entry else [])

    def _hear_moved(self, body: Mapping[str, Any]) -> None:
        universe_id = UUID(body["universe_id"])
        with self._lock:
            room = self._other(body["process"]).rooms.get(universe_id, {})
            users = {user["cid"]: user for user in body["users"] if user["cid"] in room}  # the rest are told of when announced
            for cid, user in users.items():
                room[cid].update(user)
            if users and universe_id in self.hub.rooms:
                self._moved.setdefault(universe_id, {}).update(users)
        self._wake.set()

    def _hear_present(self, body: Mapping[str, Any]) -> None:
        """All that another process knows, against what was known of it: whoever is new has joined, whoever is missing left."""
        rooms = {UUID(key): {entry["cid"]: entry for entry in entries} for key, entries in body["rooms"].items()}
        with self._lock:
            other = self._other(body["process"])
            before, other.rooms = other.rooms, rooms
        for universe_id in {*before, *rooms}:
            known, now = before.get(universe_id, {}), rooms.get(universe_id, {})
            for cid in now.keys() - known.keys():
                self._tell_here(universe_id, "user_joined", {"universe_id": str(universe_id), **_part(now[cid], _SAYS)})
            self._tell_gone(universe_id, [known[cid] for cid in known.keys() - now.keys()])

    def _other(self, process: str) -> Elsewhere:
        other = self._there.setdefault(process, Elsewhere(0.0))
        other.heard = time.monotonic()
        return other

    def _sweep(self, moment: float) -> None:
        """Forget the people of processes that have not been heard of for long."""
        with self._lock:
            silent = [process for process, other in self._there.items() if moment - other.heard > EXPIRY_SECONDS]
            gone = [self._there.pop(process) for process in silent]
        for other in gone:
            for universe_id, room in other.rooms.items():
                self._tell_gone(universe_id, room.values())

    def _tell_gone(self, universe_id: UUID, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._tell_here(universe_id, "user_left", {"universe_id": str(universe_id), **_part(entry, _SAYS)})

    def _tell_here(self, universe_id: UUID, event: str, payload: Any, *, droppable: bool = False) -> None:
        if universe_id in self.hub.rooms:
            self.hub.tell(universe_id, event, payload, droppable=droppable)


def _told(universe_id: UUID, users: list[Entry], *, full: bool) -> dict[str, Any]:
    return {"universe_id": str(universe_id), "full": full, "users": users}


def _part(entry: Entry, names: Iterable[str]) -> Entry:
    return {name: entry[name] for name in names}


def _merged(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Values laid over earlier ones: objects by key, as an edit's are."""
    found = dict(before)
    for name, value in after.items():
        old = found.get(name)
        found[name] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return found

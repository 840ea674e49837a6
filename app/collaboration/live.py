"""Live simulations: a scene streamed to everybody in a universe as it plays, on the playback that they share.

A row of `live_streams` is a stream, one a universe; see the model. Every process with the universe's room open may compute
it, and the one that holds the row's lease does. It renews the lease each second, and stops by itself when three have passed
without: another process finds it expired at its next look, so that less than five seconds go by. What is computed follows
from the row alone, the playback and the universe's log, so that who takes over goes on with the same motion and the same
notes: the scene as the row has it, from the `beginning` that the row has, with edits made since applied at their time.

Runs (`engine.live`) are solved beside the event loop by `offload`, in full, for they are solved from event to event and not
from frame to frame; larger scenes by a worker (`live_tasks`), and those past LIVE_EVENTS are refused. Frames and notes are
read off a run when they are due (`live_stream`), told to the room here, and to those of other processes over the bus.

An edit takes effect at the server time at which it was committed. The run that it begins is solved from the state that the
bodies had then; until that is done the run before goes on. Edits that come meanwhile take effect together, at the time of
the last. An edit of what is heard alone keeps the run, and changes the notes. Going back before the edit, by a command or
round a loop, plays the scene as it is now from its own beginning. Where an edit makes a scene that cannot go on, the stream
says so and stands until another edit or a jump mends it.

Bounds of mappings that come from data are taken from the last stored simulation of the scene; while there is none, from a
run of the scene as it is.

A stream ends by `simulation_stop`, with its scene or universe, and when nobody is left in the universe in any process: its
holder gives the lease up, and when nobody has taken it for three seconds, deletes the row. It does not end with who started
it: it is everybody's. People whose access ends are out of the room, and hear no more of it.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import bindparam, delete, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from app.access import Action
from app.audio.models import Simulation
from app.changes.models import Change
from app.collaboration import playback
from app.collaboration.beside import EMPTY, beside
from app.collaboration.hub import Connection, Hub, current_hub
from app.collaboration.live_composer import Composer, Edit
from app.collaboration.live_course import Course
from app.collaboration.live_stream import Stream, shown
from app.collaboration.models import LiveStream, RoomState
from app.database import now
from app.engine import live as engine
from app.errors import Busy, NotFound
from app.extensions import db, offload
from app.scenes import reading, snapshots
from app.unit_of_work import after_commit, unit_of_work
from app.universes.models import Universe

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=3)
GRACE_SECONDS = 3
_STALE = timedelta(seconds=10)
_LOOK_SECONDS = 1.0
_STREAMS: Any = LiveStream.__table__
_UNIVERSES: Any = Universe.__table__
_ROOMS: Any = RoomState.__table__
_CHANGES: Any = Change.__table__
_SIMULATIONS: Any = Simulation.__table__
_LEASES = select(*(_STREAMS.c[name] for name in ("universe_id", "scene_id", "stream_id", "rate_hz", "lease_owner", "lease_until"))).where(
    _STREAMS.c.universe_id.in_(bindparam("ids", expanding=True))
)
_HEAD = (
    select(_UNIVERSES.c.revision, _UNIVERSES.c.deleted_at, *(column for column in _ROOMS.c if column.name != "universe_id"))
    .outerjoin(_ROOMS, _ROOMS.c.universe_id == _UNIVERSES.c.id)
    .where(_UNIVERSES.c.id == bindparam("universe_id"))
)
_ROW = select(_STREAMS).where(_STREAMS.c.universe_id == bindparam("universe_id"))
_MADE_AT = select(_CHANGES.c.created_at).where(
    _CHANGES.c.universe_id == bindparam("universe_id"), _CHANGES.c.revision == bindparam("revision")
)
_LAST_RUN = (
    select(_SIMULATIONS.c.id)
    .where(_SIMULATIONS.c.scene_id == bindparam("scene_id"), _SIMULATIONS.c.finished_at.is_not(None))
    .order_by(_SIMULATIONS.c.finished_at.desc(), _SIMULATIONS.c.id)
    .limit(1)
)


def simulation_start(connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
    """Play a scene live to everybody, from where the playback is; the stream, which is the one there is when it is of that scene.

    Raises NotFound or Gone for the scene, EngineError for one that cannot be run, TooExpensive for one that is too large.
    """
    hub, universe_id, scene_id = current_hub(), message["universe_id"], message["scene_id"]
    if reading.universe_of("scenes", scene_id) != universe_id:
        raise NotFound
    snapshot = snapshots.snapshot(db.session(), scene_id)
    db.session.rollback()
    offload(engine.size, snapshot, hub.settings.live_events)
    with beside(connection.actor, universe_id, Action.EDIT) as room:
        row = room.session.execute(_ROW, {"universe_id": universe_id}).one_or_none()
        alive = row is not None and row.lease_until > now() - _STALE
        if row is not None and alive and row.scene_id == scene_id:
            room.session.execute(_of(universe_id, update(_STREAMS)).values(rate_hz=message["rate_hz"]))
        else:
            room.session.execute(_of(universe_id, delete(_STREAMS)))
            room.session.execute(insert(_STREAMS).values(_fresh(hub, connection, message, snapshot)))
        after_commit(hub.live.look_again, universe_id)
    found = hub.live.shown(universe_id)
    if found is None:
        raise Busy
    return found


def simulation_stop(connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
    """Stop the live simulation, or that of one scene alone; the stream that has ended, None when there was none."""
    hub, universe_id = current_hub(), message["universe_id"]
    with beside(connection.actor, universe_id, Action.EDIT) as room:
        gone = _of(universe_id, delete(_STREAMS))
        if "scene_id" in message:
            gone = gone.where(_STREAMS.c.scene_id == message["scene_id"])
        ended = room.session.execute(gone.returning(_STREAMS.c.stream_id, _STREAMS.c.scene_id)).one_or_none()
    if ended is None:
        return {"stream_id": None}
    hub.live.look_again(universe_id)
    hub.live.tell_end(universe_id, ended.stream_id, ended.scene_id)
    return {"stream_id": str(ended.stream_id)}


class Live:
    """The live simulations of one process: which it holds, and the loop that keeps them."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.owner = hub.process_id
        self._held: dict[UUID, Stream] = {}
        self._composers: dict[UUID, Composer] = {}
        self._released: dict[UUID, float] = {}
        self._woken: set[UUID] = set()
        self._changed: set[UUID] = set()
        self._wake = threading.Event()
        self._start = threading.Lock()
        self._running = False
        self._looked = 0.0

    def start(self) -> None:
        """Begin, at the first join; later calls do nothing."""
        with self._start:
            if not self._running:
                self._running = True
                self.hub.server.start_background_task(self._run)

    def across(self, bus: Any) -> None:
        """Hear of the streams that other processes compute, and be heard."""
        bus.on("live", self._hear)
        bus.on("live_look", lambda body: self._look_soon())
        bus.on("live_enter", lambda body: self._entered(UUID(body)))

    def wake(self, universe_id: UUID) -> None:
        """Something was committed in a universe: an edit, or a command to the playback."""
        if universe_id in self._held:
            self._woken.add(universe_id)
            self._wake.set()

    def entered(self, universe_id: UUID) -> None:
        """Somebody has entered a universe: who computes its stream tells again what is to come."""
        if not self._entered(universe_id) and self.hub.bus is not None:
            self.hub.bus.publish("live_enter", str(universe_id))

    def look_again(self, universe_id: UUID) -> None:
        """A stream has begun or ended: look at the rows at once, here and elsewhere."""
        self._look_soon()
        if self.hub.bus is not None:
            self.hub.bus.publish("live_look", str(universe_id))

    def shown(self, universe_id: UUID) -> dict[str, Any] | None:
        """The stream of a universe as it is answered; None when there is none."""
        row = db.session.connection().execute(_ROW, {"universe_id": universe_id}).one_or_none()
        if row is None or row.lease_until < now() - _STALE:
            return None
        course = Course(str(row.scene_id), row.shown["duration_s"], row.shown["loop"])
        course.follow(playback.state_now(universe_id))
        leg = course.leg(moment := time.time() * 1000)
        return {
            "stream_id": str(row.stream_id),
            "scene_id": str(row.scene_id),
            **{name: value for name, value in row.shown.items() if name != "loop"},
            "rate_hz": row.rate_hz,
            "started_ms": row.started_ms,
            "t": None if leg is None else leg.place(moment),
        }

    def tell(self, universe_id: UUID, event: str, payload: dict[str, Any], *, droppable: bool) -> None:
        """Tell everybody in a universe, in every process."""
        self.hub.tell(universe_id, event, payload, droppable=droppable)
        if self.hub.bus is not None:
            frame = payload.get("positions")
            packed = payload if frame is None else {**payload, "positions": base64.b64encode(frame).decode()}
            self.hub.bus.publish("live", [str(universe_id), event, packed, droppable])

    def tell_end(self, universe_id: UUID, stream_id: UUID, scene_id: UUID) -> None:
        """Tell everybody that a stream has ended."""
        told = {"universe_id": str(universe_id), "stream_id": str(stream_id), "scene_id": str(scene_id), "state": "stopped"}
        self.tell(universe_id, "simulation_state", told, droppable=False)

    def told_of(self, stream: Stream) -> None:
        """A stream has put another take on: people are told at once, the row soon."""
        state = {"stream_id": str(stream.stream_id), "scene_id": str(stream.scene_id), **stream.shown()}
        t = stream.place(time.time() * 1000)
        stream.tell("simulation_state", {**state, "started_ms": stream.started_ms, "t": t}, droppable=False)
        self._changed.add(stream.universe_id)
        self._wake.set()

    def _hear(self, body: Any) -> None:
        universe, event, payload, droppable = body
        if "positions" in payload:
            payload["positions"] = base64.b64decode(payload["positions"])
        self.hub.tell(UUID(universe), event, payload, droppable=droppable)

    def _entered(self, universe_id: UUID) -> bool:
        stream = self._held.get(universe_id)
        if stream is not None:
            stream.repeat()
        return stream is not None

    def _look_soon(self) -> None:
        self._looked = 0.0
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait(max(0.0, self._looked + _LOOK_SECONDS - time.monotonic()))
            self._wake.clear()
            try:
                with self.hub.app.app_context():
                    self._round()
            except (SQLAlchemyError, Busy) as error:
                log.warning("live simulations wait for the database", error=str(error))
                self.hub.server.sleep(0.2)
            except Exception:
                log.exception("live simulations failed")
                self.hub.server.sleep(0.5)

    def _round(self) -> None:
        """Look at the leases when a second has passed, then follow the universes that something has happened in."""
        woken, self._woken = self._woken, set()
        changed, self._changed = self._changed, set()
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            self._looked = time.monotonic()
            self._look()
            woken = set(self._held)
        for universe_id in changed & set(self._held):
            self._keep(self._held[universe_id])
        for universe_id in woken & set(self._held):
            self._follow(self._held[universe_id])

    def _look(self) -> None:
        rooms = {room.universe_id for room in self.hub.all_rooms()}
        if ids := rooms | set(self._held) | set(self._released):
            rows = db.session.connection().execute(_LEASES, {"ids": list(ids)}).all()
            db.session.rollback()
            by_id = {row.universe_id: row for row in rows}
            for universe_id in list(self._held):
                self._check(self._held[universe_id], by_id.get(universe_id), universe_id in rooms)
            for row in rows:
                if row.universe_id in rooms and row.universe_id not in self._held and not self.hub.draining:
                    self._claim(row)
            self._bury(rooms)

    def _check(self, stream: Stream, row: Any, is_open: bool) -> None:
        """Renew the lease of a held stream; give it up when the room here is empty, drop it when it is another's or no more."""
        if row is None or row.stream_id != stream.stream_id:
            self._drop(stream)
            if row is None:
                self.tell_end(stream.universe_id, stream.stream_id, stream.scene_id)
        elif self.hub.draining or not is_open:
            self._drop(stream)
            self._lease(stream.universe_id, stream.stream_id, None, timedelta(0))
            self._released[stream.universe_id] = time.monotonic()
            self.look_again(stream.universe_id)
        else:
            began = time.monotonic()
            if self._lease(stream.universe_id, stream.stream_id, self.owner, LEASE):
                stream.lease_end, stream.rate_hz = began + LEASE.total_seconds(), row.rate_hz
            else:
                self._drop(stream)

    def _lease(self, universe_id: UUID, stream_id: UUID, owner: str | None, length: timedelta) -> bool:
        """Renew or give up this process's lease; whether it was still this process's."""
        mine = (_STREAMS.c.stream_id == stream_id, _STREAMS.c.lease_owner == self.owner)
        with unit_of_work() as session:
            changed = _of(universe_id, update(_STREAMS)).where(*mine).values(lease_owner=owner, lease_until=now() + length)
            return session.execute(changed.returning(_STREAMS.c.stream_id)).one_or_none() is not None

    def _claim(self, row: Any) -> None:
        """Take over a stream whose lease is nobody's any more; one that nobody has had for long is over."""
        moment = now()
        own = row.lease_owner == self.owner
        if not own and row.lease_owner is not None and row.lease_until >= moment:
            return
        free = or_(_STREAMS.c.lease_owner.is_(None), _STREAMS.c.lease_until < moment, _STREAMS.c.lease_owner == self.owner)
        same = (_STREAMS.c.stream_id == row.stream_id, free)
        began = time.monotonic()
        with unit_of_work() as session:
            if row.lease_until < moment - _STALE:
                session.execute(_of(row.universe_id, delete(_STREAMS)).where(*same))
                return
            taken = _of(row.universe_id, update(_STREAMS)).where(*same).values(lease_owner=self.owner, lease_until=moment + LEASE)
            claimed = session.execute(taken.returning(_STREAMS)).one_or_none()
        if claimed is not None:
            self._hold(claimed, began + LEASE.total_seconds())

    def _hold(self, row: Any, lease_end: float) -> None:
        course = Course(str(row.scene_id), row.shown["duration_s"], row.shown["loop"])
        stream = Stream(self.hub, row, course)
        stream.lease_end = lease_end
        composer = Composer(self.hub, stream, row)
        self._held[row.universe_id], self._composers[row.universe_id] = stream, composer
        self._released.pop(row.universe_id, None)
        log.info("live simulation", universe_id=str(row.universe_id), stream_id=str(row.stream_id))
        self._follow(stream)
        self.hub.server.start_background_task(stream.play)

    def _drop(self, stream: Stream) -> None:
        stream.end()
        self._held.pop(stream.universe_id, None)
        self._composers.pop(stream.universe_id, None)

    def _bury(self, rooms: set[UUID]) -> None:
        """Delete the streams that this process gave up and nobody took: nobody is there."""
        for universe_id, since in list(self._released.items()):
            if universe_id in rooms or universe_id in self._held or time.monotonic() - since < GRACE_SECONDS:
                continue
            del self._released[universe_id]
            with unit_of_work() as session:
                gone = _of(universe_id, delete(_STREAMS)).where(_STREAMS.c.lease_owner.is_(None))
                session.execute(gone.where(_STREAMS.c.lease_until <= now() - LEASE / 2))

    def _follow(self, stream: Stream) -> None:
        """Take in the state of the playback, and edits of the scene."""
        head = db.session.connection().execute(_HEAD, {"universe_id": stream.universe_id}).mappings().one_or_none()
        if head is None or head["deleted_at"] is not None:
            db.session.rollback()
            self._stop(stream)
            return
        if stream.course.follow(playback.state_of(head if head["transport_seq"] is not None else EMPTY)):
            stream.moved()
        composer = self._composers[stream.universe_id]
        if composer.asked is None or head["revision"] > composer.asked:
            self._ask(stream, composer, head["revision"])
        db.session.rollback()
        composer.reference_id = db.session.connection().execute(_LAST_RUN, {"scene_id": stream.scene_id}).scalar()
        db.session.rollback()
        composer.start()

    def _ask(self, stream: Stream, composer: Composer, revision: int) -> None:
        try:
            snapshot = snapshots.snapshot(db.session(), stream.scene_id)
        except NotFound:
            return  # its row goes with it
        at: datetime | None = db.session.connection().execute(_MADE_AT, {"universe_id": stream.universe_id, "revision": revision}).scalar()
        composer.ask(Edit(snapshot, revision, at.timestamp() * 1000 if at else time.time() * 1000))

    def _stop(self, stream: Stream) -> None:
        self._drop(stream)
        with unit_of_work() as session:
            session.execute(_of(stream.universe_id, delete(_STREAMS)).where(_STREAMS.c.stream_id == stream.stream_id))
        self.tell_end(stream.universe_id, stream.stream_id, stream.scene_id)

    def _keep(self, stream: Stream) -> None:
        """Write down what people are told of a stream."""
        take = stream.take
        mine = (_STREAMS.c.stream_id == stream.stream_id, _STREAMS.c.lease_owner == self.owner)
        values: dict[str, Any] = {"shown": {**stream.shown(), "loop": stream.course.repeats}}
        if take is not None and take.beginning is None and self._composers[stream.universe_id].kept == take.revision:
            values["beginning"] = None  # the scene has gone back before the edit
        with unit_of_work() as session:
            session.execute(_of(stream.universe_id, update(_STREAMS)).where(*mine).values(values))


def _of(universe_id: UUID, statement: Any) -> Any:
    return statement.where(_STREAMS.c.universe_id == universe_id)


def _fresh(hub: Hub, connection: Connection, message: Mapping[str, Any], snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a new stream, held by this process."""
    scene = engine.scene_of(snapshot)
    known = {"body_ids": [body.id for body in scene.bodies], "dimensions": engine.dimensions(scene)}
    return {
        "universe_id": message["universe_id"],
        "scene_id": message["scene_id"],
        "stream_id": uuid4(),
        "rate_hz": message["rate_hz"],
        "started_ms": round(time.time() * 1000),
        "started_by_id": connection.actor.id,
        "lease_owner": hub.live.owner,
        "lease_until": now() + LEASE,
        "revision": 0,
        "snapshot": None,
        "beginning": None,
        "shown": {**shown(None, message["rate_hz"], scene.duration_s), **known, "loop": scene.loop},
    }

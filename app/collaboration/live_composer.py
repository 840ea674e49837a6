"""What a stream plays, made anew after each edit: beside the event loop, or by a worker when the scene is large."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from sqlalchemy import select, update

from app.audio.models import Simulation
from app.collaboration import live_orders as orders
from app.collaboration.live_stream import BACK_S, Stream, Take
from app.collaboration.models import LiveStream
from app.engine import live as engine
from app.engine.errors import EngineError, TooExpensive
from app.engine.live import Beginning, Run, Snapshot
from app.errors import Problem, problem_of
from app.extensions import db, offload
from app.jobs import service as jobs
from app.jobs.models import FINAL, Job
from app.unit_of_work import unit_of_work

if TYPE_CHECKING:
    from app.collaboration.hub import Hub

log = structlog.get_logger(__name__)
_STREAMS: Any = LiveStream.__table__
_SIMULATIONS: Any = Simulation.__table__
_POLL_SECONDS = 0.1
_MORE_THAN_ESTIMATED = 4


@dataclass(frozen=True, slots=True)
class Edit:
    """The scene as it is at a revision, and when that was committed, in Unix ms."""

    snapshot: Snapshot
    revision: int
    at_ms: float


class Composer:
    """Makes the takes of one stream, one after another; of edits that come meanwhile the newest is next.

    `asked` is the revision up to which edits have been taken in, `kept` the one that the row holds, `reference_id` the
    simulation that bounds of data come from.
    """

    def __init__(self, hub: Hub, stream: Stream, row: Any) -> None:
        self.hub, self.stream = hub, stream
        self.asked: int | None = None
        self.kept = row.revision
        self.reference_id: UUID | None = None
        self._of_row = (row.snapshot, row.revision, row.beginning) if row.snapshot is not None else None
        self._owner, self._by = row.lease_owner, row.started_by_id
        self._memory = engine.Memory()
        self._wanted: Edit | None = None
        self._last: Take | None = None
        self._good: Take | None = None
        self._bounds: tuple[UUID | None, Snapshot | None] = (None, None)
        self._busy = False

    def ask(self, edit: Edit) -> None:
        """Have an edit played."""
        self._wanted, self.asked = edit, edit.revision

    def start(self) -> None:
        """Set to work, if there is any."""
        if self._wanted is None and self._last is not None and self._bounds[0] != self.reference_id:
            self._wanted = Edit(self._last.snapshot, self._last.revision, time.time() * 1000)
        if not self._busy and self._wanted is not None:
            self._busy = True
            self.hub.server.start_background_task(self._work)

    def _work(self) -> None:
        try:
            with self.hub.app.app_context():
                if self._of_row is not None:
                    self._take_over(*self._of_row)
                while self._wanted is not None and self.stream.held:
                    edit, self._wanted = self._wanted, None
                    self._compose(edit)
        except Exception:
            log.exception("live simulation failed", universe_id=str(self.stream.universe_id))
            self.asked = None  # the next look asks again
            self.hub.server.sleep(1)
        finally:
            self._busy = False

    def _take_over(self, snapshot: Snapshot, revision: int, beginning: Mapping[str, Any] | None) -> None:
        """Play what the row says, as the process before did."""
        self._play(Edit(snapshot, revision, 0.0), Beginning(**beginning) if beginning else None)
        self._of_row = None

    def _compose(self, edit: Edit) -> None:
        last = self._last
        if last is not None and edit.snapshot == last.snapshot and self._bounds[0] == self.reference_id:
            return
        beginning = offload(self._beginning, edit)
        self._keep(edit, beginning)
        self._play(edit, beginning)

    def _play(self, edit: Edit, beginning: Beginning | None) -> None:
        try:
            base, edited = self._solved(edit.snapshot, beginning)
            take = self._good = Take(edit.snapshot, edit.revision, base, edited, beginning)
        except (EngineError, Problem) as error:
            take = Take(edit.snapshot, edit.revision, beginning=beginning, problem=problem_of(error))
        self._last = take
        self.stream.install(take)

    def _beginning(self, edit: Edit) -> Beginning | None:
        """Where the run begins that an edit begins."""
        before = self._before()
        if before is None or before.base is None:
            return None
        if engine.same_physics(before.snapshot, edit.snapshot):
            return before.beginning
        at_s = self.stream.place(edit.at_ms)
        if at_s is None:
            return None
        run = before.base
        if before.edited is not None and at_s >= before.edited.start_s - BACK_S:
            run, at_s = before.edited, max(at_s, before.edited.start_s)
        return engine.carried(run, before.snapshot, edit.snapshot, at_s)

    def _before(self) -> Take | None:
        """The last take that could be played, as it plays now: it may have gone back before its edit."""
        playing = self.stream.take
        if self._good is not None and playing is not None and playing.base is self._good.base:
            return playing
        return self._good

    def _keep(self, edit: Edit, beginning: Beginning | None) -> None:
        """Write down what is going to play, so that another process can go on with it."""
        values = {"snapshot": edit.snapshot, "revision": edit.revision, "beginning": orders.document(beginning)}
        mine = (_STREAMS.c.stream_id == self.stream.stream_id, _STREAMS.c.lease_owner == self._owner)
        with unit_of_work() as session:
            session.execute(update(_STREAMS).where(_STREAMS.c.universe_id == self.stream.universe_id, *mine).values(values))
        self.kept = edit.revision

    def _solved(self, snapshot: Snapshot, beginning: Beginning | None) -> tuple[Run, Run | None]:
        settings = self.hub.settings
        reference = self._reference()
        beside = settings.live_events_beside
        if offload(engine.size, snapshot, settings.live_events) <= beside:
            try:
                return offload(engine.perform, snapshot, beginning, reference, _MORE_THAN_ESTIMATED * beside, self._memory)
            except TooExpensive:
                log.info("live simulation is larger than estimated", universe_id=str(self.stream.universe_id))
        return self._by_worker(snapshot, beginning, reference)

    def _reference(self) -> Snapshot | None:
        wanted = self.reference_id
        if wanted != self._bounds[0] or wanted is None:
            found = None
            if wanted is not None:
                found = db.session.connection().execute(select(_SIMULATIONS.c.snapshot).where(_SIMULATIONS.c.id == wanted)).scalar()
                db.session.rollback()
            self._bounds = (wanted, found)
        return self._bounds[1]

    def _by_worker(self, snapshot: Snapshot, beginning: Beginning | None, reference: Snapshot | None) -> tuple[Run, Run | None]:
        """Have a worker solve it, and wait. Raises the error that the worker met."""
        root = self.hub.settings.storage
        order = orders.Order(snapshot, beginning, reference, self.hub.settings.live_events)
        order_id = offload(orders.place, root, order)
        try:
            with unit_of_work():
                job = jobs.create("live", order_id, user_id=self._by, universe_id=self.stream.universe_id)
                job_id = job.id
            self._await(job_id)
            return offload(orders.collect, root, order_id, order)
        finally:
            offload(orders.clear, root, order_id)

    def _await(self, job_id: UUID) -> None:
        while jobs.state_of(job_id) not in FINAL:
            if not self.stream.held:
                with unit_of_work() as session:
                    jobs.withdraw(session, Job.id == job_id)
            self.hub.server.sleep(_POLL_SECONDS)
        with db.engine.connect() as connection:
            state, error = connection.execute(select(Job.state, Job.error).where(Job.id == job_id)).one()
        if state != "succeeded":
            raise _problem(error)


def _problem(error: Mapping[str, Any] | None) -> Problem:
    """The problem that a job ended with."""
    found = Problem((error or {}).get("message"), errors=(error or {}).get("errors"))
    found.code, found.status_code = (error or {}).get("code", found.code), (error or {}).get("status_code", found.status_code)
    return found

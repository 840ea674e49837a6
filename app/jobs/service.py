"""The life of a job: queued, claimed with a lease, worked on, and ended by the holder of the lease alone."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import ColumnElement, Row, and_, delete, func, or_, select, true, update
from sqlalchemy.orm import Session

from app.access import Actor
from app.config import Settings
from app.database import now, timestamp
from app.errors import Conflict, NotFound, Problem, body, problem_of, request_id
from app.extensions import db, socketio
from app.jobs import queue
from app.jobs.models import FINAL, Job
from app.jobs.registry import Outcome, job_types
from app.pages import Listing
from app.unit_of_work import after_commit, unit_of_work

_LOST_SECONDS = 5
_STARVED_SECONDS = 60
_SENT_AT_ONCE = 20
_WAIT_STEPS = (0.02, 0.05)


JOBS = Listing(
    select(*Job.__table__.columns), key=Job.__table__.c.id, sorts={"created_at": Job.__table__.c.created_at}, default="-created_at"
)


class WorkerLost(Problem):
    """A job whose workers died under it, time after time."""

    code, message = "WORKER_LOST", "The workers that did this job were lost; try again later."


def create(type: str, subject_id: UUID, *, user_id: UUID | None, universe_id: UUID | None, cost_s: float = 0.0) -> Job:
    """A queued job in the open unit of work; a worker is told of it after the commit."""
    job = Job(
        id=uuid4(), type=type, subject_id=subject_id, user_id=user_id, universe_id=universe_id,
        cost_s=cost_s, request_id=request_id(), sent_at=now(),
    )  # fmt: skip
    db.session.add(job)
    db.session.flush()
    after_commit(queue.send, job.id)
    return job


def claim(job_id: UUID) -> Row[Any] | None:
    """Take a queued job for this worker: its row, with a lease of its own. None when there is nothing to do."""
    lease = f"{socket.gethostname()[:60]}:{os.getpid()}:{uuid4().hex}"
    moment = now()
    with unit_of_work() as session:
        return session.execute(
            update(Job)
            .where(Job.id == job_id, Job.state == "queued")
            .values(
                state="running", progress=0.0, attempts=Job.attempts + 1, lease=lease, lease_until=moment + _lease(),
                started_at=func.coalesce(Job.started_at, moment), cancel_requested=False,
            )
            .returning(*Job.__table__.columns)
        ).one_or_none()  # fmt: skip


def extend(job_id: UUID, lease: str, progress: float) -> bool:
    """Prolong the lease and note the progress. False when the work is to stop: it was cancelled, or the lease is lost."""
    with unit_of_work() as session:
        wanted = session.execute(
            update(Job)
            .where(Job.id == job_id, Job.state == "running", Job.lease == lease)
            .values(progress=min(max(progress, 0.0), 1.0), lease_until=now() + _lease())
            .returning(Job.cancel_requested)
        ).scalar_one_or_none()
    return wanted is False


def is_wanted(job_id: UUID, lease: str) -> bool:
    """Whether the holder of the lease should go on."""
    with db.engine.connect() as connection:
        wanted = connection.execute(select(Job.cancel_requested).where(Job.id == job_id, Job.lease == lease)).scalar_one_or_none()
    return wanted is False


def finish(job_id: UUID, lease: str, outcome: Outcome) -> bool:
    """Record the outcome and end the job. False, and the outcome is discarded, when the lease is lost or it was cancelled."""
    with unit_of_work() as session:
        kept = _end(session, job_id, lease, {"state": "succeeded", "progress": 1.0}, Job.cancel_requested.is_(False))
        if kept:
            outcome.record(session)
    if not kept:
        outcome.discard()
    return kept


def fail(job_id: UUID, lease: str, error: BaseException) -> None:
    """End the job with an error that trying again would only repeat."""
    with unit_of_work() as session:
        _end(session, job_id, lease, {"state": "failed", "error": body(problem_of(error))})


def stop(job_id: UUID, lease: str) -> None:
    """End a job whose work was stopped: cancelled when that was asked for, else back in the queue, as if never tried."""
    with unit_of_work() as session:
        if _end(session, job_id, lease, {"state": "cancelled"}, Job.cancel_requested.is_(True)):
            return
        back = {"state": "queued", "attempts": Job.attempts - 1, "sent_at": now(), "progress": 0.0}
        if _leave(session, job_id, lease, back):
            after_commit(queue.send, job_id)


def crash(job_id: UUID, lease: str, attempts: int, error: BaseException) -> None:
    """After something unexpected: try again, and give up after as many attempts as the settings allow."""
    if attempts >= _settings().job_attempts:
        fail(job_id, lease, error)
        return
    with unit_of_work() as session:
        if _leave(session, job_id, lease, {"state": "queued", "sent_at": now(), "progress": 0.0}):
            after_commit(queue.send, job_id)


def cancel(actor: Actor, job_id: UUID) -> Row[Any]:
    """Cancel a job: a queued one at once, a running one as soon as its worker looks. Raises NotFound, Conflict."""
    with unit_of_work() as session:
        job = _mine(session, actor, job_id)
        if job.state in ("succeeded", "failed"):
            raise Conflict(f"The job has {job.state} already.")
        withdraw(session, Job.id == job_id)
    return read(actor, job_id)


def withdraw(session: Session, which: ColumnElement[bool]) -> None:
    """Cancel some jobs: the queued at once, the running as soon as their workers look."""
    ended = {"state": "cancelled", "cancel_requested": True, "finished_at": now()}
    session.execute(update(Job).where(which, Job.state == "queued").values(ended))
    session.execute(update(Job).where(which, Job.state == "running").values(cancel_requested=True))


def retry(actor: Actor, job_id: UUID) -> Row[Any]:
    """Queue a failed or cancelled job again. Raises NotFound, Conflict."""
    with unit_of_work() as session:
        job = _mine(session, actor, job_id)
        if job.state not in ("failed", "cancelled"):
            raise Conflict(f"Only a failed or cancelled job can be tried again; this one is {job.state}.")
        requeue(session, job_id)
    return read(actor, job_id)


def requeue(session: Session, job_id: UUID) -> bool:
    """Put an ended, unsuccessful job back in the queue with all its attempts; whether there was one."""
    fresh: dict[str, Any] = {"state": "queued", "attempts": 0, "progress": 0.0, "cancel_requested": False, "sent_at": now()}
    empty: dict[str, Any] = {"error": None, "started_at": None, "finished_at": None}
    done = session.execute(
        update(Job).where(Job.id == job_id, Job.state.in_(("failed", "cancelled"))).values({**fresh, **empty}).returning(Job.id)
    ).one_or_none()
    if done:
        after_commit(queue.send, job_id)
    return done is not None


def sweep() -> int:
    """Heal what was lost: end or requeue jobs whose lease ran out, and tell workers again of jobs that wait. How many were touched."""
    moment = now()
    with db.engine.connect() as connection:
        expired = connection.execute(select(Job.id).where(_expired(moment))).scalars().all()
        waiting = connection.execute(_overlooked(moment)).scalars().all()
    for job_id in expired:
        _heal(job_id)
    for job_id in waiting:
        _remind(job_id)
    return len(expired) + len(waiting)


def read(actor: Actor, job_id: UUID) -> Row[Any]:
    """A job of the actor's own, or any for an administrator. Raises NotFound."""
    with db.engine.connect() as connection:
        found = connection.execute(select(*Job.__table__.columns).where(Job.id == job_id, visible_to(actor))).one_or_none()
    if found is None:
        raise NotFound
    return found


def listed(actor: Actor, filters: Mapping[str, Any]) -> Listing:
    """The jobs that an actor may see, by state, type or universe."""
    chosen = [getattr(Job, name) == filters[name] for name in ("state", "type", "universe_id") if name in filters]
    return JOBS.where(visible_to(actor), *chosen)


def shown(job: Row[Any]) -> dict[str, Any]:
    """A job as it is answered."""
    return {
        **{name: getattr(job, name) for name in ("id", "type", "state", "progress", "attempts", "cancel_requested", "error")},
        **{name: getattr(job, name) for name in ("universe_id", "subject_id")},
        "result": _result(job) if job.state == "succeeded" else None,
        **{name: timestamp(getattr(job, name)) for name in ("created_at", "started_at", "finished_at")},
    }


def _result(job: Row[Any]) -> str | None:
    path = job_types()[job.type].path
    return "/api" + path.format(job.subject_id) if path is not None else None


def wait(job_id: UUID, seconds: float) -> str:
    """The state of a job once it has ended, or after some seconds, or when the server is about to end.

    Holds no transaction and does not block other requests.
    """
    until = time.monotonic() + seconds
    hub = current_app.extensions["hub"]
    step, longest = _WAIT_STEPS
    while True:
        state = state_of(job_id)
        left = until - time.monotonic()
        if state in FINAL or left <= 0 or hub.draining:
            return state
        socketio.sleep(min(step, left))
        step = min(step * 1.1, longest)


def state_of(job_id: UUID) -> str:
    """The state of a job; one that is gone counts as failed."""
    with db.engine.connect() as connection:
        return connection.execute(select(Job.state).where(Job.id == job_id)).scalar_one_or_none() or "failed"


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """SQL: the jobs that an actor may see."""
    return true() if actor.admin else Job.user_id == actor.id


def backlog() -> Mapping[str, Any]:
    """How much waits: {"queued", "running", "oldest_queued_s"}."""
    with db.engine.connect() as connection:
        counts = dict(connection.execute(select(Job.state, func.count()).group_by(Job.state)).all())
        oldest = connection.execute(select(func.min(Job.created_at)).where(Job.state == "queued")).scalar_one()
    age = (now() - oldest).total_seconds() if oldest else 0.0
    return {"queued": counts.get("queued", 0), "running": counts.get("running", 0), "oldest_queued_s": age}


def purge(days: float) -> int:
    """Delete the rows of jobs that ended more than some days ago; how many."""
    with unit_of_work() as session:
        gone = delete(Job).where(Job.state.in_(FINAL), Job.finished_at < now() - timedelta(days=days)).returning(Job.id)
        return len(session.execute(gone).all())


def _heal(job_id: UUID) -> None:
    moment = now()
    released: dict[str, Any] = {"lease": None, "lease_until": None}
    lost = {**released, "state": "failed", "error": body(WorkerLost()), "finished_at": moment}
    stopped = {**released, "state": "cancelled", "finished_at": moment}
    again = {**released, "state": "queued", "progress": 0.0, "sent_at": moment}
    with unit_of_work() as session:
        for condition, values in (
            (Job.cancel_requested.is_(True), stopped),
            (Job.attempts >= _settings().job_attempts, lost),
            (true(), again),
        ):
            healed = session.execute(
                update(Job).where(Job.id == job_id, _expired(moment), condition).values(values).returning(Job.state)
            ).scalar()
            if healed == "queued":
                after_commit(queue.send, job_id)
            if healed:
                return


def _remind(job_id: UUID) -> None:
    with unit_of_work() as session:
        if session.execute(
            update(Job).where(Job.id == job_id, Job.state == "queued").values(sent_at=now()).returning(Job.id)
        ).one_or_none():
            after_commit(queue.send, job_id)


def _overlooked(moment: Any) -> Any:
    """The queued jobs whose message seems lost. While workers are busy a message may just be waiting its turn."""
    busy = select(Job.id).where(Job.state == "running").exists()
    sent = func.coalesce(Job.sent_at, Job.created_at)
    late = or_(sent < moment - timedelta(seconds=_STARVED_SECONDS), and_(~busy, sent < moment - timedelta(seconds=_LOST_SECONDS)))
    return select(Job.id).where(Job.state == "queued", late).order_by(Job.created_at).limit(_SENT_AT_ONCE)


def _expired(moment: Any) -> ColumnElement[bool]:
    return and_(Job.state == "running", Job.lease_until < moment)


def _end(session: Session, job_id: UUID, lease: str, values: dict[str, Any], *conditions: ColumnElement[bool]) -> bool:
    return _leave(session, job_id, lease, {**values, "finished_at": now()}, *conditions)


def _leave(session: Session, job_id: UUID, lease: str, values: dict[str, Any], *conditions: ColumnElement[bool]) -> bool:
    """Change a running job and give up its lease; whether this worker still held it."""
    held = (Job.id == job_id, Job.state == "running", Job.lease == lease, *conditions)
    done = session.execute(update(Job).where(*held).values({**values, "lease": None, "lease_until": None}).returning(Job.id))
    return done.one_or_none() is not None


def _mine(session: Session, actor: Actor, job_id: UUID) -> Row[Any]:
    found = session.execute(select(Job.state).where(Job.id == job_id, visible_to(actor)).with_for_update()).one_or_none()
    if found is None:
        raise NotFound
    return found


def _lease() -> timedelta:
    return timedelta(seconds=_settings().job_lease_seconds)


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings

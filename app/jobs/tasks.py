"""What a worker does with a message: claim the job, work with no transaction open, end it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog
from flask import Flask, current_app, g
from sqlalchemy.exc import DBAPIError

from app.engine.errors import Cancelled, EngineError
from app.errors import Busy, Problem, problem_of
from app.extensions import celery
from app.jobs import queue, service
from app.jobs.registry import job_types

log = structlog.get_logger(__name__)
T = TypeVar("T")
stopping = threading.Event()
"""Set when this worker is told to end: the job at hand goes back into the queue."""

_BEAT_SECONDS = 0.5
_BUSY_SECONDS = 30.0


@celery.task(name=queue.TASK)
def run(job_id: str) -> None:
    """Do a job, unless another worker has it or it is done."""
    job = insist(partial(service.claim, UUID(job_id)))
    if job is not None:
        g.request_id = job.request_id
        structlog.contextvars.bind_contextvars(request_id=job.request_id, job_id=job_id)
        try:
            _work(job)
        finally:
            structlog.contextvars.clear_contextvars()


def _work(job: Any) -> None:
    began = time.monotonic()
    try:
        with Holding(job.id, job.lease) as holding:
            outcome = job_types()[job.type].work(job.subject_id, holding.progress)
        ended = "done" if insist(partial(service.finish, job.id, job.lease, outcome)) else _put_back(job)
    except Cancelled:
        ended = _put_back(job)
    except (EngineError, Problem) as error:
        ended = "failed"
        insist(partial(service.fail, job.id, job.lease, error))
    except Exception as error:  # whatever it is, the person who waits is told, and the worker lives on
        ended = "crashed"
        log.exception("job crashed", type=job.type, attempt=job.attempts)
        insist(partial(service.crash, job.id, job.lease, job.attempts, error))
    except BaseException:
        _put_back(job)
        raise
    log.info("job", type=job.type, ended=ended, attempt=job.attempts, seconds=round(time.monotonic() - began, 3))


def _put_back(job: Any) -> str:
    insist(partial(service.stop, job.id, job.lease))
    return "stopped"


class Holding:
    """Keeps a job's lease in a thread of its own while the work goes on, and tells the work when to stop."""

    def __init__(self, job_id: UUID, lease: str) -> None:
        self.job_id, self.lease = job_id, lease
        self._app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._fraction, self._wanted, self._done = 0.0, True, threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Holding:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def progress(self, fraction: float) -> None:
        """Note how far the work is. Raises Cancelled when it is to stop."""
        self._fraction = fraction
        if stopping.is_set() or not self._wanted:
            raise Cancelled

    def _beat(self) -> None:
        every = self._app.config["SETTINGS"].job_lease_seconds / 3
        told, renewed = 0.0, time.monotonic()
        with self._app.app_context():
            while not self._done.wait(_BEAT_SECONDS):
                try:
                    if self._fraction == told and time.monotonic() - renewed < every:
                        self._wanted = self._wanted and service.is_wanted(self.job_id, self.lease)
                        continue
                    told = self._fraction
                    self._wanted = self._wanted and service.extend(self.job_id, self.lease, told)
                    renewed = time.monotonic()
                except Exception as error:  # the lease outlives a short loss of the database
                    log.warning("lease not renewed", job_id=str(self.job_id), error=str(error))


def insist(step: Callable[[], T]) -> T:
    """The result of a short transaction, tried again for half a minute while the database is busy."""
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            return step()
        except (Busy, DBAPIError) as error:
            if time.monotonic() > until or not isinstance(problem_of(error), Busy):
                raise
            time.sleep(0.1)

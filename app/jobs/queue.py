"""The queue: how workers are told that a job waits. Losing a message costs time, never a job."""

from __future__ import annotations

import time
from pathlib import Path
from queue import Empty
from typing import Any
from uuid import UUID, uuid4

import orjson
import structlog
from celery import Task
from flask import Flask, current_app
from kombu.connection import Connection
from kombu.exceptions import KombuError
from kombu.transport import filesystem
from kombu.transport.virtual import BrokerState

from app.config import ConfigurationError, Settings
from app.extensions import celery

log = structlog.get_logger(__name__)
TASK = "jobs.run"
_LONGEST_JOB_SECONDS = 6 * 3600
_POLL_SECONDS = 0.05
_WAIT_SECONDS = 0.25


class Channel(filesystem.Channel):
    """kombu's channel of files, with messages that appear and are taken as a whole: its own can be read half-written."""

    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]
        path = Path(self.data_folder_out, f"{time.time_ns():020}-{uuid4().hex}.{queue}.msg")
        draft = path.with_suffix(".draft")
        draft.write_bytes(orjson.dumps(payload))
        draft.rename(path)

    def _get(self, queue: str, timeout: Any = None) -> Any:
        for path in sorted(Path(self.data_folder_in).glob(f"*.{queue}.msg")):
            taken = path.with_suffix(".taken")
            try:
                path.rename(taken)
            except FileNotFoundError:
                continue  # another worker was quicker
            message = orjson.loads(taken.read_bytes())
            taken.unlink()
            return message
        raise Empty


class Transport(filesystem.Transport):
    """Messages as files in a folder, for one machine without Redis."""

    Channel = Channel

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.state = BrokerState()  # kombu's is one for the process, and forgets that folders differ

    def drain_events(self, connection: Any, timeout: Any = None, **_: Any) -> None:
        """Wait for a message, but not for long: a worker that is told to end looks up between waits."""
        super().drain_events(connection, timeout=_WAIT_SECONDS)


def bind(app: Flask, settings: Settings) -> None:
    """Give the application its broker, and Celery's tasks the application's context."""

    class ContextTask(Task):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            with app.app_context():
                return self.run(*args, **kwargs)

    broker = app.extensions["broker"] = _redis(settings) if settings.redis_url else _folders(settings)
    celery.Task = ContextTask
    celery.conf.update(
        broker_url=broker["hostname"],
        broker_transport=broker.get("transport"),
        broker_transport_options=broker["transport_options"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        imports=("app.jobs.tasks",),
        task_ignore_result=True,
        task_default_queue="jobs",
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )


def send(job_id: UUID) -> None:
    """Tell a worker of a job. When the broker cannot be reached the job stays queued, and the workers' sweep finds it."""
    try:
        with Connection(**current_app.extensions["broker"]) as connection:
            celery.send_task(TASK, (str(job_id),), connection=connection, retry=False)
    except (KombuError, OSError) as error:
        log.warning("broker unavailable", job_id=str(job_id), error=str(error))


def _redis(settings: Settings) -> dict[str, Any]:
    options = {
        "visibility_timeout": _LONGEST_JOB_SECONDS,
        "socket_connect_timeout": 2,
        "socket_timeout": 30,
        "max_retries": 1,  # a request does not wait for a Redis that is away
        "interval_start": 0,
        "interval_step": 0.1,
        "interval_max": 0.1,
    }
    return {"hostname": settings.redis_url, "transport_options": options}


def _folders(settings: Settings) -> dict[str, Any]:
    root = Path(settings.data_dir).resolve() / "queue"
    messages, control = root / "messages", root / "control"
    for folder in (messages, control):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"DATA_DIR cannot hold the queue: {folder}: {error.strerror}.") from None
    options = {
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "control_folder": str(control),
        "polling_interval": _POLL_SECONDS,
    }
    return {"hostname": "filesystem://localhost//", "transport": "app.jobs.queue:Transport", "transport_options": options}

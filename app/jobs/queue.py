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
from flask import Flask
from kombu.exceptions import KombuError, OperationalError
from kombu.transport import filesystem

from app.config import Settings
from app.extensions import celery

log = structlog.get_logger(__name__)
TASK = "jobs.run"
_LONGEST_JOB_SECONDS = 6 * 3600


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


def bind(app: Flask, settings: Settings) -> None:
    """Give Celery the application's broker, and its tasks the application's context."""

    class ContextTask(Task):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery.Task = ContextTask
    celery.conf.update(
        task_ignore_result=True,
        task_default_queue="jobs",
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        imports=("app.jobs.tasks",),
        **(_redis(settings) if settings.redis_url else _folders(settings)),
    )


def send(job_id: UUID) -> None:
    """Tell a worker of a job. When the broker cannot be reached the job stays queued, and the workers' sweep finds it."""
    try:
        with celery.connection_for_write() as connection:
            celery.send_task(TASK, (str(job_id),), connection=connection, retry=False)
    except (KombuError, OperationalError, OSError) as error:
        log.warning("broker unavailable", job_id=str(job_id), error=str(error))


def _redis(settings: Settings) -> dict[str, Any]:
    options = {"visibility_timeout": _LONGEST_JOB_SECONDS, "socket_connect_timeout": 2, "socket_timeout": 30, "max_retries": 1}
    return {"broker_url": settings.redis_url, "broker_transport": None, "broker_transport_options": options}


def _folders(settings: Settings) -> dict[str, Any]:
    root = Path(settings.data_dir) / "queue"
    folders = {name: root / name for name in ("messages", "control")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    options = {
        "data_folder_in": str(folders["messages"]),
        "data_folder_out": str(folders["messages"]),
        "control_folder": str(folders["control"]),
        "polling_interval": 0.05,
    }
    return {"broker_url": "filesystem://localhost//", "broker_transport": "app.jobs.queue:Transport", "broker_transport_options": options}

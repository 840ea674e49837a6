"""The worker process: Celery's worker, and beside it a sweep that heals what was lost."""

from __future__ import annotations

import threading
from typing import Any

import structlog
from celery import signals
from flask import Flask

from app.config import Settings
from app.extensions import celery, db
from app.jobs import service, tasks, workers
from app.jobs.compiling import Compiled

log = structlog.get_logger(__name__)
_SWEEP_SECONDS = 1.0


def main(app: Flask, processes: int = 1) -> None:
    """Do jobs until told to end. One process does them itself; more are forked and share them."""
    settings: Settings = app.config["SETTINGS"]
    compiled = Compiled(settings.data_dir)
    compiler = compiled.make_aside()
    _listen(app, compiled)
    threading.Thread(target=_sweep_forever, args=(app,), daemon=True).start()
    pool = ["-P", "solo"] if processes == 1 else ["-P", "prefork", "-c", str(processes)]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", settings.log_level.upper()]
    try:
        celery.worker_main(["--quiet", "worker", *pool, *quiet])
    finally:
        workers.leave(settings.storage)
        if compiler:
            compiler.kill()
            compiler.wait()


def _listen(app: Flask, compiled: Compiled) -> None:
    def put_back(**_: Any) -> None:
        tasks.stopping.set()

    def start_afresh(**_: Any) -> None:
        """A forked child must not speak on its parent's database connections."""
        with app.app_context():
            db.engine.dispose(close=False)

    def prepare(**_: Any) -> None:
        compiled.use()

    signals.worker_shutting_down.connect(put_back, weak=False)
    signals.worker_process_init.connect(start_afresh, weak=False)
    signals.task_prerun.connect(prepare, weak=False)


def _sweep_forever(app: Flask) -> None:
    pause = threading.Event()
    while not pause.wait(_SWEEP_SECONDS):
        try:
            workers.report(app.config["SETTINGS"].storage)
            with app.app_context():
                service.sweep()
        except Exception as error:  # the next round may find the database again
            log.warning("sweep failed", error=str(error))

"""Scenes that sound, and workers that render them: real processes on the application's own database and storage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from flask import Flask

from app.config import Settings
from tests.databases import COMPILED, ROOT, inherited


def make_universe(owner: Any, visibility: str = "private") -> UUID:
    """A universe of somebody's, with the seed 7."""
    answer = owner.post("/universes", json={"name": "Test", "visibility": visibility, "seed": "7"})
    assert answer.status_code == 201, answer.text
    return UUID(answer.json["id"])


def make_scene(owner: Any, universe_id: UUID, balls: int = 2, **fields: Any) -> UUID:
    """A scene of steel balls of restitution 0.8, dropped from 1 m, 1.25 m and so on."""
    answer = owner.post(f"/universes/{universe_id}/scenes", json={"name": "Balls", "solver": "ballistic", "duration_s": 2.0, **fields})
    assert answer.status_code == 201, answer.text
    for number in range(balls):
        ball = {
            "name": f"ball {number}",
            "shape": "circle",
            "size": {"radius": 0.05},
            "position": {"x": number, "y": 1.05 + 0.25 * number},
            "material": {"preset": "steel"},
            "restitution": 0.8,
        }
        made = owner.post(f"/scenes/{answer.json['id']}/bodies", json=ball)
        assert made.status_code == 201, made.text
    return UUID(answer.json["id"])


class Worker:
    """A worker process, `python manage.py worker`."""

    def __init__(self, settings: Settings, **environ: str) -> None:
        self.log = Path(settings.data_dir) / f"worker-{uuid4().hex[:6]}.log"
        given = {
            "DATABASE_URL": settings.database,
            "DATA_DIR": settings.data_dir,
            "REDIS_URL": settings.redis_url,
            "FLASK_ENV": settings.flask_env,
            "JOB_LEASE_SECONDS": str(settings.job_lease_seconds),
            "JOB_ATTEMPTS": str(settings.job_attempts),
            "NUMBA_CACHE_DIR": str(COMPILED),
            "LOG_LEVEL": "info",
        }
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "worker"],
                cwd=ROOT,
                env={**inherited(), **given, **environ},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """As by `kill -9`."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """End it as an operator would."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def working(app: Flask, **environ: str) -> Iterator[Worker]:
    """A worker for as long as the block lasts."""
    worker = Worker(app.config["SETTINGS"], **environ)
    try:
        yield worker
    finally:
        worker.end()


def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What the condition gives once it is true; asked again and again."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)
    return found

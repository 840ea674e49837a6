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

from app.changes.content import columns_from
from app.scenes.models import Body, Scene
from app.scenes.schemas import BodySchema, SceneSchema
from app.unit_of_work import unit_of_work
from app.universes.models import Membership, Universe
from app.universes.schemas import HarmonySchema
from tests.databases import ROOT

_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")  # and the choice of numerical kernels, or the last bits differ from ours
COMPILED = ROOT / ".numba_cache"


def make_universe(app: Flask, owner_id: str, visibility: str = "private", **members: str) -> UUID:
    """A universe with an owner, and other members by role: editor=id."""
    with app.app_context(), unit_of_work() as session:
        harmony = HarmonySchema().load({})
        universe = Universe(
            name="Test", seed="7", harmony=harmony, revision=1, entity_revision=1, epoch=uuid4(), visibility=visibility, id=uuid4()
        )
        session.add(universe)
        session.flush()
        for role, user_id in {"owner": owner_id, **members}.items():
            session.add(Membership(universe_id=universe.id, user_id=UUID(user_id), role=role, revision=1))
        return universe.id


def make_scene(app: Flask, universe_id: UUID, balls: int = 2, **fields: Any) -> UUID:
    """A scene of steel balls dropped from 1 m and more."""
    with app.app_context(), unit_of_work() as session:
        document = SceneSchema().load({"name": "Balls", "solver": "ballistic", "duration_s": 2.0, **fields})
        scene = Scene(**columns_from(Scene, document, document), universe_id=universe_id, revision=1, order_key="a", id=uuid4())
        session.add(scene)
        session.flush()
        for number in range(balls):
            ball = {
                "name": f"ball {number}",
                "shape": "circle",
                "size": {"radius": 0.05},
                "position": {"x": float(number), "y": 1.05 + 0.25 * number},
                "material": {"preset": "steel"},
                "restitution": 0.8,
            }
            loaded = BodySchema().load(ball)
            session.add(
                Body(
                    **columns_from(Body, loaded, loaded), universe_id=universe_id, scene_id=scene.id, revision=1, order_key=f"a{number:04}"
                )
            )
        return scene.id


class Worker:
    """A worker process, `python manage.py worker`."""

    def __init__(self, app: Flask, **environ: str) -> None:
        settings = app.config["SETTINGS"]
        self.log = Path(settings.data_dir) / f"worker-{uuid4().hex[:6]}.log"
        kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("OPENBLAS_")}
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
                env={**kept, **given, **environ},
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
    worker = Worker(app, **environ)
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

"""Workers as processes: killed, told to end, and several at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import soundfile
from flask import Flask

from app.audio.storage import storage
from tests.conftest import Person
from tests.databases import on_postgresql_alone
from tests.rendering import Worker, eventually, make_scene, make_universe, working


def long_render(app: Flask) -> tuple[Any, dict[str, Any]]:
    """Somebody, and their order of a render that takes some seconds."""
    ada = Person(app.test_client(), "ada")
    scene_id = make_scene(ada, make_universe(ada), duration_s=300.0)
    answer = ada.post("/audio/generate", json={"scene_id": str(scene_id), "bit_depth": 16})
    assert answer.status_code == 202
    return ada, answer.json


def ended(ada: Any, order: dict[str, Any]) -> dict[str, Any]:
    """The job of an order, once it has ended."""
    path = f"/jobs/{order['job']['id']}?wait=30"
    found: dict[str, Any] = eventually(lambda: (job := ada.get(path).json)["finished_at"] and job)
    return found


def files(app: Flask) -> list[Path]:
    with app.app_context():
        return [path for path in storage().root.rglob("*") if path.is_file()]


def test_a_killed_worker_s_render_is_finished_by_the_next_and_there_is_one_file(apps: Callable[..., Flask]) -> None:
    app = apps(job_lease_seconds=2)
    ada, order = long_render(app)
    job = f"/jobs/{order['job']['id']}"
    first = Worker(app.config["SETTINGS"])
    try:
        eventually(lambda: any(path.name == "sound.wav" for path in files(app)))
    finally:
        first.kill()
    assert ada.get(job).json["state"] == "running", "it died in the middle of its file, and nobody has noticed yet"
    with working(app):
        done = ended(ada, order)
    assert (done["state"], done["attempts"]) == ("succeeded", 2)
    sounds = [path for path in files(app) if path.name == "sound.wav"]
    assert len(sounds) == 1
    audio = ada.get(f"/audio/{order['audio']['id']}").json
    assert soundfile.info(sounds[0]).frames == audio["frames"]
    assert not [path for path in files(app) if "drafts" in path.parts]


def test_a_worker_that_is_told_to_end_puts_its_job_back(apps: Callable[..., Flask]) -> None:
    app = apps(job_lease_seconds=2)
    ada, order = long_render(app)
    job = f"/jobs/{order['job']['id']}"
    with working(app) as worker:
        eventually(lambda: ada.get(job).json["state"] == "running")
    assert worker.process.returncode == 0, worker.log.read_text()
    left = ada.get(job).json
    assert (left["state"], left["attempts"]) == ("queued", 0)
    assert files(app) == []


def test_two_workers_share_the_work_and_do_nothing_twice_though_every_message_was_lost(apps: Callable[..., Flask]) -> None:
    on_postgresql_alone()
    app = apps()
    ada = Person(app.test_client(), "ada")
    scene_id = make_scene(ada, make_universe(ada))
    orders = [ada.post("/audio/generate", json={"scene_id": str(scene_id), "seed": seed}).json for seed in range(8)]
    for message in Path(app.config["SETTINGS"].data_dir, "queue", "messages").glob("*"):
        message.unlink()
    with working(app), working(app):
        jobs = [ended(ada, order) for order in orders]
    assert [(job["state"], job["attempts"]) for job in jobs] == [("succeeded", 1)] * 8


def test_a_worker_goes_on_after_a_pause_longer_than_its_lease(apps: Callable[..., Flask]) -> None:
    on_postgresql_alone()
    """The other worker has taken the job meanwhile; the late one drops what it made."""
    app = apps(job_lease_seconds=2)
    ada, order = long_render(app)
    job = f"/jobs/{order['job']['id']}"
    with working(app) as slow:
        eventually(lambda: ada.get(job).json["progress"] > 0)
        os.kill(slow.process.pid, signal.SIGSTOP)
        try:
            with working(app):
                done = ended(ada, order)
        finally:
            os.kill(slow.process.pid, signal.SIGCONT)
        assert (done["state"], done["attempts"]) == ("succeeded", 2)
        eventually(lambda: '"ended"' in slow.log.read_text())
    assert ada.get(job).json == done
    assert len([path for path in files(app) if path.name == "sound.wav"]) == 1

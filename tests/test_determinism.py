"""One scene and one seed are one sound: in one process, in others, after a restart, and with compiled solvers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
from sqlalchemy import select

import seeds
from app import create_app
from app.engine.audio.mix import Settings
from app.engine.perform import perform
from app.extensions import db
from app.jobs.compiling import Compiled
from app.scenes.models import Scene
from app.scenes.service import snapshot
from tests.databases import ROOT, inherited
from tests.rendering import COMPILED
from tests.servers import Server, serving

HASHES = ("trajectory_hash", "score_hash", "samples_hash")
ORDER = {"seed": "18446744073709551615", "duration_s": 3.0}


def hashes(snapshot: Mapping[str, Any], file: str | Path) -> dict[str, str]:
    """The scene of a snapshot performed here, in a few hashes."""
    found = perform(snapshot, Settings(seed=int(snapshot["seed"])), Path(file))
    return {name: getattr(found, name) for name in HASHES}


@dataclass
class Demo:
    """The demo scene of five balls, frozen, and the settings of servers that have it."""

    settings: dict[str, str]
    scene_id: UUID
    snapshot: dict[str, Any]

    def rendered(self, server: Server) -> dict[str, str]:
        """The hashes of a render that a server's worker made."""
        order = {"scene_id": str(self.scene_id), **ORDER}
        headers = {**log_in(server), "Prefer": "wait=30"}
        answer = requests.post(server.url + "/api/audio/generate", json=order, headers=headers, timeout=60)
        assert answer.status_code == 201, answer.text
        return {name: answer.json()["audio"][name] for name in HASHES}


def log_in(server: Server) -> dict[str, str]:
    login = {"username": "demo", "password": seeds.DEVELOPMENT_PASSWORD}
    token = requests.post(server.url + "/api/auth/login", json=login, timeout=30).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    url = f"sqlite:///{folder / 'harmonic.db'}"
    app = create_app({}, flask_env="testing", database_url=url, data_dir=str(folder), log_level="warning")
    with app.app_context():
        db.create_all()
        seeds.load()
        scene = db.session.scalars(select(Scene.id).where(Scene.universe_id == seeds.universe_id("bouncing_balls"))).one()
        frozen = {**snapshot(scene), **ORDER}
        db.session.remove()
        db.engine.dispose()
    return Demo({"DATABASE_URL": url, "DATA_DIR": str(folder), "NUMBA_CACHE_DIR": str(COMPILED)}, scene, frozen)


@pytest.fixture(scope="module")
def here(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The hashes of the scene performed in this process."""
    return hashes(demo.snapshot, tmp_path_factory.mktemp("here") / "here.wav")


def test_ten_performances_in_one_process_are_one(demo: Demo, here: dict[str, str], tmp_path: Path) -> None:
    assert all(hashes(demo.snapshot, tmp_path / f"{number}.wav") == here for number in range(9))
    assert len({(tmp_path / f"{number}.wav").read_bytes() for number in range(9)}) == 1


def test_another_seed_plays_the_same_notes_on_other_strings(demo: Demo, here: dict[str, str], tmp_path: Path) -> None:
    other = hashes({**demo.snapshot, "seed": "1"}, tmp_path / "other.wav")
    assert other["score_hash"] == here["score_hash"]
    assert other["samples_hash"] != here["samples_hash"]


@pytest.mark.slow
def test_a_process_that_orders_its_sets_otherwise_gives_the_same_sound(demo: Demo, here: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, __file__, str(tmp_path / "there.wav")]
    environ = {**inherited(), "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "1"}
    done = subprocess.run(command, env=environ, input=json.dumps(demo.snapshot), capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout) == here


@pytest.mark.slow
def test_a_server_gives_the_same_sound_before_and_after_a_restart(demo: Demo, here: dict[str, str], compiled: None) -> None:
    """Its workers run compiled solvers; here they are plain."""
    for _ in ("before", "after"):
        with serving("run.py", demo.settings) as server:
            assert demo.rendered(server) == here


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The solvers are compiled for workers, unless they were before."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(COMPILED))
    found = Compiled("")
    if process := found.make_aside():
        assert process.wait(120) == 0
    assert found.marker.exists()


if __name__ == "__main__":  # the other process: a snapshot on standard input, a file's name, and the hashes on standard output
    print(json.dumps(hashes(json.load(sys.stdin), sys.argv[1])))

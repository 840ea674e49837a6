"""The servers start, answer, refuse what they must not start with, and end when told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
import websocket

from tests.databases import ROOT
from tests.servers import EACH_KIND, Server, StartError, launch, start

T = TypeVar("T")
_PATIENCE_SECONDS = 5  # what an operator is promised between SIGTERM and the end, WebSockets open or not
_OTHER = {"eventlet": "threading", "gthread": "eventlet"}


@pytest.mark.parametrize("kind", [*EACH_KIND, "run.py"])
def test_a_server_answers_and_ends_on_sigterm_while_a_websocket_is_open(kind: str) -> None:
    with start(kind) as server:
        ready = requests.get(server.url + "/ready", timeout=30)
        assert (ready.status_code, ready.json()["checks"][0]["name"]) == (200, "database")
        polling = requests.get(server.url + "/socket.io/", params={"EIO": "4", "transport": "polling"}, timeout=30)
        assert polling.text.startswith("0{")
        with closing(open_a_websocket(server)):
            assert server.terminate() < _PATIENCE_SECONDS, server.log
        assert server.process.returncode == 0, server.log


@pytest.mark.parametrize("kind", EACH_KIND)
def test_a_server_of_the_wrong_kind_for_the_mode_refuses_to_start(kind: str, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"ASYNC_MODE is .* use -k eventlet for eventlet, -k gthread for threading"):
        refuse(kind, tmp_path, ASYNC_MODE=_OTHER[kind])


def test_the_development_server_refuses_another_mode_than_its_own(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="ASYNC_MODE is eventlet, but this server is of threads"):
        refuse("run.py", tmp_path, ASYNC_MODE="eventlet")


@pytest.mark.parametrize("kind", EACH_KIND)
def test_production_without_a_secret_refuses_to_start(kind: str, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="SECRET_KEY must be set in production") as refused:
        refuse(kind, tmp_path, FLASK_ENV="production")
    assert "exit status 3" in str(refused.value)  # not respawned for ever


def test_the_development_server_refuses_production(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="SECRET_KEY must be set"):
        refuse("run.py", tmp_path, FLASK_ENV="production")
    with pytest.raises(StartError, match="in production run `gunicorn"):
        refuse("run.py", tmp_path, FLASK_ENV="production", SECRET_KEY="2f6d0a9be1c84735a0c1e2f34b5d6a78")


def test_the_job_worker_ends_with_the_development_server_even_when_that_is_killed() -> None:
    with start("run.py") as server:
        eventually(lambda: requests.get(server.url + "/ready", timeout=30).json()["status"] == "ready")  # its worker is at work
        worker = next(iter(children(server.process.pid)))
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        eventually(lambda: not is_alive(worker))


def test_the_flask_command_finds_the_application() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "routes"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": os.environ["PATH"], "ASYNC_MODE": "eventlet", "LOG_LEVEL": "warning"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "/api/v1/health" in done.stdout


def test_a_command_names_the_setting_at_fault_and_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "doctor"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": os.environ["PATH"], "FLASK_ENV": "production"},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "Error: SECRET_KEY must be set in production, to at least 32 random characters.\n"


def refuse(kind: str, folder: Path, **settings: str) -> None:
    """Start a server that is expected to give up, and give it time to: gunicorn listens before it reads the application."""
    server = launch(kind, {"DATA_DIR": str(folder), **settings})
    server.process.wait(60)
    raise StartError(f"exit status {server.process.returncode}\n{server.log}")


def open_a_websocket(server: Server) -> Any:
    """An open Engine.IO WebSocket, without a Socket.IO login: that is not asked for yet."""
    connection = websocket.create_connection(server.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket", timeout=30)
    assert connection.recv().startswith("0{")
    return connection


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    """Whether a process runs still; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(condition: Callable[[], T], seconds: float = 30) -> T:
    """The first true value of a condition."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.05)
    return found

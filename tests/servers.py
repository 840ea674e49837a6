"""Real servers for tests: each kind, on a port of its own, on a database of its own.

with start("gthread", database_url) as server:
    requests.get(server.url + "/health")
"""

from __future__ import annotations

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest
import requests

from tests.databases import COMPILED, ROOT, fresh_postgresql, inherited, made_ready

KINDS = ("eventlet", "gthread")
EACH_KIND = ("eventlet", pytest.param("gthread", marks=pytest.mark.slow))
"""Parameters of tests that run on a server of each kind; `make test` alone tries the one that is deployed."""
EACH_SERVER = (*EACH_KIND, pytest.param("run.py", marks=pytest.mark.slow))
"""The same with the development server."""
QUICK_PASSWORDS = {"PASSWORD_MEMORY_KIB": "64", "PASSWORD_PASSES": "1"}
"""Hashes that take no time: many people are registered."""
_QUICK = {**QUICK_PASSWORDS, "NUMBA_CACHE_DIR": str(COMPILED), "POOL_SIZE": "4"}  # many servers share one PostgreSQL
_BOOT_SECONDS = 60  # generous: a machine that compiles numerical code beside us is slow to start another Python
_URL = re.compile(r"(?:Listening at:|is at) (http://[\d.]+:\d+)")


class StartError(AssertionError):
    """The server ended before it listened; the message is what it said."""


@dataclass
class Server:
    """A running server: where it listens, its process, and what it has said."""

    url: str
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        """Everything said so far."""
        return "".join(self.lines)

    def kill(self) -> None:
        """As by `kill -9`: the server and its workers, at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def terminate(self) -> float:
        """Send SIGTERM; the seconds until the server has ended."""
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(30)
        return time.monotonic() - began


@contextmanager
def start(kind: str = "gthread", database_url: str = "", *, data_dir: str | Path = "", **environ: str) -> Iterator[Server]:
    """A server of a kind, "eventlet", "gthread" or "run.py", answering requests; ended at the end.

    Without a `database_url` it has a database of its own: a SQLite file, or one on the server that TEST_DATABASE_URL names. An
    empty database is migrated first. Other keywords are settings for its environment, by their names there.
    """
    with ExitStack() as stack:
        home = Path(data_dir or stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        url = database_url or _fresh_database(home, stack)
        made_ready(url)
        settings = {"DATABASE_URL": url, "DATA_DIR": str(home), "RATE_LIMITS": "false", **_QUICK, **environ}
        yield stack.enter_context(serving(kind, settings))


@contextmanager
def serving(kind: str, settings: Mapping[str, str]) -> Iterator[Server]:
    """A server of a kind with these settings, on a database that is ready, answering requests; ended at the end."""
    server = launch(kind, settings)
    try:
        until_answering(server)
        yield server
    finally:
        end(server)


def launch(kind: str, settings: Mapping[str, str]) -> Server:
    """Start a server and wait until it listens. Raises StartError when it ends before."""
    process = subprocess.Popen(
        _command(kind),
        cwd=ROOT,
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said: queue.Queue[str | None] = queue.Queue()
    server = Server("", process)
    threading.Thread(target=_listen, args=(process.stdout, server.lines, said), daemon=True).start()
    deadline = time.monotonic() + _BOOT_SECONDS
    while line := _next(said, deadline):
        if found := _URL.search(line):
            server.url = found[1]
            return server
    end(server)
    raise StartError(f"exit status {process.returncode}\n{server.log}")


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """An environment with these settings, and none of the caller's own."""
    return {**inherited(), "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), "HOST": "127.0.0.1", "PORT": "0", **settings}


def until_answering(server: Server) -> None:
    """Wait until the server answers: it listens before its worker has read the application."""
    deadline = time.monotonic() + _BOOT_SECONDS
    while True:
        try:
            if requests.get(server.url + "/health", timeout=_BOOT_SECONDS).ok:
                return
        except requests.ConnectionError:
            pass
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise StartError(server.log)
        time.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end(server: Server) -> None:
    """End a server, and everything it started, if it still runs."""
    if server.process.poll() is None:
        server.process.terminate()
        try:
            server.process.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()


def _fresh_database(home: Path, stack: ExitStack) -> str:
    if server := os.environ.get("TEST_DATABASE_URL", ""):
        return stack.enter_context(fresh_postgresql(server))
    return f"sqlite:///{home / 'server.db'}"


def _command(kind: str) -> list[str]:
    if kind == "run.py":
        return [sys.executable, "run.py"]
    return [sys.executable, "-m", "gunicorn", "-k", kind, "-w", "1", "wsgi:app"]


def _listen(stream: IO[str] | None, lines: list[str], said: queue.Queue[Any]) -> None:
    for line in stream or ():
        lines.append(line)
        said.put(line)
    said.put(None)


def _next(said: queue.Queue[str | None], deadline: float) -> str | None:
    try:
        return said.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        return None

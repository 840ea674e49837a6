"""`flask audit ...`, on a real database."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.audit.commands import audit
from app.audit.models import AuditEvent
from app.database import now
from app.unit_of_work import unit_of_work
from tests.audit.conftest import Trail
from tests.conftest import Person
from tests.databases import ROOT
from tests.servers import environment

_PATIENCE_SECONDS = 60  # a busy machine starts another Python slowly


@pytest.fixture
def run(app: Flask) -> Any:
    """Runs a command: run("tail", "-n", "5")."""
    runner = app.test_cli_runner()
    return lambda *args: runner.invoke(audit, args)


def add(app: Flask, *ages: timedelta, action: str = "test.past") -> None:
    """Events of some ages."""
    rows = [{"id": uuid4(), "at": now() - age, "action": action, "outcome": "ok"} for age in ages]
    with app.app_context(), unit_of_work() as session:
        session.execute(sa.insert(AuditEvent), rows)


def test_the_tail_is_the_last_events_in_order(app: Flask, run: Any, person: Callable[[str], Person], client: FlaskClient) -> None:
    add(app, timedelta(days=1), timedelta(days=2))
    ada = person("ada")
    client.post("/api/auth/login", json={"username": "nobody", "password": "wrong password"})
    lines = run("tail", "-n", "3", "--json").output.splitlines()
    events = [orjson.loads(line) for line in lines]
    assert [event["action"] for event in events] == ["test.past", "auth.register", "auth.login"]
    assert [event["outcome"] for event in events] == ["ok", "ok", "INVALID_CREDENTIALS"]
    assert events[1]["actor_id"] == ada.id
    assert set(events[1]) == set(AuditEvent.__table__.c.keys())
    assert events[1]["at"].endswith("Z")


def test_the_tail_is_a_table_for_people(app: Flask, run: Any, person: Callable[[str], Person]) -> None:
    ada = person("ada")
    head, row = run("tail").output.splitlines()
    assert head.split() == ["at", "outcome", "action", "actor_id", "ip", "request_id", "target"]
    assert [row.split()[i] for i in (1, 2, 3, 4, 6)] == ["ok", "auth.register", ada.id, "127.0.0.1", f"users/{ada.id}"]
    assert [row.index(word) for word in ("ok", "auth.register", ada.id)] == [head.index(word) for word in ("outcome", "action", "actor_id")]
    assert run("tail", "-n", "0").output.splitlines() == [head]


def test_old_events_go_and_young_ones_stay(app: Flask, run: Any, trail: Trail) -> None:
    add(app, *[timedelta(days=31)] * 2100, action="test.old")  # more than two slices
    add(app, timedelta(days=29), timedelta(0), action="test.young")
    first = run("purge", "--keep-days", "30")
    assert (first.exit_code, first.stdout) == (0, "2100 deleted.\n")
    assert trail.told() == [("test.young", "ok")] * 2
    assert run("purge", "--keep-days", "30").stdout == "0 deleted.\n"
    assert run("purge").stdout == "0 deleted.\n"
    for refused in ("-1", "x", "99999999"):
        assert run("purge", "--keep-days", refused).exit_code == 2
    assert len(trail.rows()) == 2


class Follower:
    """`flask audit tail --follow` in a process of its own."""

    def __init__(self, database_url: str, folder: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "audit", "tail", "--follow", "--json", *options],
            cwd=ROOT, env=environment({"DATABASE_URL": database_url, "DATA_DIR": str(folder), "LOG_LEVEL": "warning"}),
            stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  which a shell's background job ignores
        )  # fmt: skip
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.put(line)

    def next(self) -> dict[str, Any]:
        """The next event that is shown."""
        event: dict[str, Any] = orjson.loads(self.lines.get(timeout=_PATIENCE_SECONDS))
        return event


@pytest.fixture
def follow(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Follower]]:
    """Starts followers: follow("-n", "1")."""
    started: list[Follower] = []

    def start(*options: str) -> Follower:
        started.append(Follower(database_url, tmp_path, *options))
        return started[-1]

    yield start
    for follower in started:
        if follower.process.poll() is None:
            follower.process.kill()
        follower.process.wait()


def test_following_shows_every_event_once_also_one_that_was_committed_late(app: Flask, follow: Any, person: Any) -> None:
    add(app, timedelta(hours=2), timedelta(seconds=5))
    follower = follow("-n", "1")
    assert follower.next()["action"] == "test.past"
    ada = person("ada")
    assert follower.next()["actor_id"] == ada.id
    add(app, timedelta(seconds=20), action="test.late")
    assert follower.next()["action"] == "test.late"
    ada.post("/auth/logout")
    assert follower.next()["action"] == "auth.logout"
    assert follower.lines.empty()
    follower.process.send_signal(signal.SIGINT)
    assert follower.process.wait(_PATIENCE_SECONDS) == 0

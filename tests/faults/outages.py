"""Redis stopped, Redis hung, PostgreSQL restarted, all under load; on services of the run's own.

    python -m tests.faults.outages [--seconds 60]

While Redis is away REST is unaffected, acknowledgements come in 1.5 s at most (99 of 100) and changes reach the other
process in 1.2 s; after it is back all is as before within 5 s. A restart of PostgreSQL is answered with 503 alone, and
5 s after it is up requests succeed again in the same server processes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
import requests
import sqlalchemy as sa

from tests.databases import fresh_postgresql
from tests.faults.editing import Editor, Told, furnish
from tests.faults.judging import judge, percentile
from tests.faults.processes import Processes, processes
from tests.servers import free_port
from tests.sockets import Account, eventually

EDITORS = 4
_RECOVERY_SECONDS = 5.0


class Redis:
    """A Redis of our own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tempfile.gettempdir())
        eventually(self._answers)

    def stop(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def hang(self) -> None:
        """Let it hold its connections and answer nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self.process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            return bool(redis.Redis.from_url(self.url, socket_timeout=1).ping())
        except redis.RedisError:
            return False


class Postgresql:
    """A PostgreSQL cluster of our own, run by the user postgres when we are root, which PostgreSQL refuses to be."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.bin = _postgresql_programs()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "--no-sync")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self) -> None:
        """End it, cutting every connection."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.bin / program), *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)


def _postgresql_programs() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"))


class Requests(threading.Thread):
    """Reads and writes of one universe by REST, one after the other: their statuses and times."""

    def __init__(self, account: Account, universe_id: str) -> None:
        super().__init__(daemon=True)
        self.account, self.universe_id = account, universe_id
        self.finish = threading.Event()
        self.statuses: Counter[int] = Counter()
        self.waits: list[float] = []
        self.last_failure = 0.0
        self.broken: list[str] = []

    def run(self) -> None:
        """Ask until told to finish."""
        while not self.finish.is_set():
            for method, body in (("GET", None), ("PATCH", {"theme": uuid4().hex})):
                began = time.monotonic()
                try:
                    answer = self.account.request(method, f"/universes/{self.universe_id}", **({"json": body} if body else {}))
                except requests.RequestException as error:
                    self.broken.append(str(error))
                    continue
                self.statuses[answer.status_code] += 1
                self.waits.append(time.monotonic() - began)
                if not answer.ok:
                    self.last_failure = time.monotonic()
            time.sleep(0.02)


class Load:
    """Editors on both processes, and requests beside them."""

    def __init__(self, running: Processes) -> None:
        self.people = [Account(running.urls[0], f"editor{uuid4().hex[:8]}") for _ in range(EDITORS)]
        self.universe_id, targets = furnish(self.people[0], self.people[1:])
        self.told = Told()
        self.editors = []
        for number, person in enumerate(self.people):
            url = running.urls[number % len(running.urls)]
            self.editors.append(Editor(person, [url], self.universe_id, targets, self.told, number))
            self.editors[-1].pause_s = 0.1
            self.editors[-1].connect()
        self.requests = Requests(self.people[0], self.universe_id)

    def begin(self) -> None:
        """Start all."""
        for thread in (*self.editors, self.requests):
            thread.start()

    def end(self) -> None:
        """Let all finish what they have begun."""
        for thread in (*self.editors, self.requests):
            thread.finish.set()
        for thread in (*self.editors, self.requests):
            thread.join(60)

    def delays(self, since: float, until: float) -> list[float]:
        """Seconds from each acknowledgement in a stretch of time to its arrival at each editor."""
        moments = {revision: moment for revision, moment in self.told.moments.items() if since <= moment <= until}
        peers = [editor.peer for editor in self.editors if editor.peer is not None]
        return [max(0.0, peer.heard[r] - moment) for r, moment in moments.items() for peer in peers if r in peer.heard]


def redis_away(database_url: str, seconds: float, kind: str = "gthread", *, settling_s: float = 3, hung: bool = False) -> dict[str, Any]:
    """Take Redis away for a while; the figures. Raises AssertionError when a bound is broken."""
    own = Redis()
    try:
        with processes(database_url, kind, REDIS_URL=own.url) as running:
            load = Load(running)
            load.begin()
            time.sleep(settling_s)
            began = time.monotonic()
            waits, rest = len(load.told.waits), len(load.requests.waits)
            own.hang() if hung else own.stop()
            time.sleep(seconds)
            ended = time.monotonic()
            waits_away, rest_away = load.told.waits[waits:], load.requests.waits[rest:]
            own.go_on() if hung else own.start()
            time.sleep(_RECOVERY_SECONDS + settling_s)
            load.end()
            away, after = load.delays(began, ended), load.delays(ended + _RECOVERY_SECONDS, time.monotonic())
            figures = {
                "run": "redis hung" if hung else "redis stopped",
                "server": kind,
                "seconds": seconds,
                **judge(database_url, load.universe_id, load.told.acknowledged),
                "ack_p99_ms": percentile(waits_away, 0.99),
                "rest_p99_ms": percentile(rest_away, 0.99),
                "rest_statuses": {str(status): count for status, count in load.requests.statuses.items()},
                "delivery_max_ms": percentile(away, 1.0),
                "delivery_p50_after_ms": percentile(after, 0.5),
            }
            assert set(load.requests.statuses) == {200}, figures
            assert figures["ack_p99_ms"] <= 1500, figures
            assert figures["rest_p99_ms"] <= 1500, figures
            assert figures["delivery_max_ms"] <= 1200, figures
            assert figures["delivery_p50_after_ms"] <= 100, figures
            return figures
    finally:
        own.go_on()
        own.stop()


def postgresql_restarted(seconds_down: float = 2.0, kind: str = "gthread", *, settling_s: float = 3) -> dict[str, Any]:
    """Restart PostgreSQL under load; the figures. Raises AssertionError when a bound is broken."""
    with own_postgresql() as cluster, processes(cluster.url, kind, REDIS_URL="") as running:
        load = Load(running)
        load.begin()
        time.sleep(settling_s)
        cluster.stop()
        time.sleep(seconds_down)
        cluster.start()
        up = time.monotonic()
        time.sleep(_RECOVERY_SECONDS + settling_s)
        load.end()
        recovery = max(0.0, load.requests.last_failure - up)
        figures = {
            "run": "postgresql restarted",
            "server": kind,
            "seconds_down": seconds_down,
            **judge(cluster.url, load.universe_id, load.told.acknowledged),
            "rest_statuses": {str(status): count for status, count in load.requests.statuses.items()},
            "broken_requests": len(load.requests.broken),
            "refused_edits": load.told.refused[:3],
            "recovery_s": round(recovery, 2),
        }
        assert set(load.requests.statuses) <= {200, 503}, figures
        assert not load.told.refused, figures
        assert not load.requests.broken, figures
        assert recovery <= _RECOVERY_SECONDS, figures
        return figures


@contextmanager
def own_postgresql() -> Iterator[Postgresql]:
    """A cluster of our own, ended and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="hu-postgresql-"))
    try:
        cluster = Postgresql(folder)
        try:
            _wait_for(cluster.url)
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str) -> None:
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))

    def answers() -> bool:
        try:
            with engine.connect():
                return True
        except sa.exc.OperationalError:
            return False

    eventually(answers)
    engine.dispose()


def main() -> None:
    """Run all."""
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--kind", default="gthread", choices=["gthread", "eventlet"])
    asked = options.parse_args()
    for hung in (False, True):
        with fresh_postgresql() as url:
            print(json.dumps(redis_away(url, asked.seconds, asked.kind, hung=hung)), flush=True)
    print(json.dumps(postgresql_restarted(kind=asked.kind)), flush=True)


if __name__ == "__main__":
    main()

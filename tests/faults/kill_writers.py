"""Eight writers on one universe by REST while the server is killed with SIGKILL again and again.

    python -m tests.faults.kill_writers [--kills 10] [--database URL]

Every writer sends each edit with a key of its own and repeats it until it is answered. Afterwards every acknowledged
edit must stand in the log exactly once, at the revision it was told, and the log must add up to what is stored.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import requests
import sqlalchemy as sa

from tests.databases import flask, migrated
from tests.servers import Server, end, free_port, launch, until_answering

WRITERS = 8
_PASSWORD = "correct horse battery"


@dataclass
class Edits:
    """What the writers were told."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    retries: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def run(database_url: str, kills: int, seconds_between: float = 1.5) -> dict[str, Any]:
    """Write under fire; the figures. Raises AssertionError when anything acknowledged is lost or doubled."""
    migrated(database_url)
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "DATABASE_URL": database_url,
            "DATA_DIR": folder,
            "RATE_LIMITS": "false",
            "PORT": str(free_port()),
            "LOG_LEVEL": "error",
        }
        server = serve(settings)
        headers, universe, targets = furnish(server.url)
        edits, stop = Edits(), threading.Event()
        writers = [threading.Thread(target=write, args=(server.url, headers, targets, edits, stop, seed)) for seed in range(WRITERS)]
        for writer in writers:
            writer.start()
        outages = []
        for _ in range(kills):
            seen = len(edits.acknowledged)
            deadline = time.monotonic() + seconds_between * 10
            while len(edits.acknowledged) < seen + 40 and time.monotonic() < deadline:
                time.sleep(0.02)
            server.kill()
            began = time.monotonic()
            server = serve(settings)
            outages.append(time.monotonic() - began)
        stop.set()
        for writer in writers:
            writer.join(60)
        try:
            return {**judge(database_url, universe, edits), "kills": kills, "longest_restart_s": round(max(outages), 2)}
        finally:
            end(server)


def serve(settings: dict[str, str]) -> Server:
    """A gthread server that answers."""
    server = launch("gthread", settings)
    until_answering(server)
    return server


def furnish(url: str) -> tuple[dict[str, str], str, list[str]]:
    """A person with a universe, two parameter sets and a scene with bodies: their headers, and what there is to edit."""
    name = f"writer{uuid4().hex[:8]}"
    made = requests.post(
        f"{url}/api/auth/register", json={"username": name, "email": f"{name}@example.org", "password": _PASSWORD}, timeout=30
    )
    headers = {"Authorization": f"Bearer {made.json()['access_token']}"}

    def post(path: str, body: dict[str, Any]) -> str:
        answer = requests.post(f"{url}/api{path}", json=body, headers=headers, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["id"])

    universe = post("/universes", {"name": "Under fire"})
    sets = [post("/physics-parameters", {"universe_id": universe, "name": f"Set {n}"}) for n in range(2)]
    scene = post(f"/universes/{universe}/scenes", {"name": "Scene", "solver": "ballistic"})
    bodies = [post(f"/scenes/{scene}/bodies", {"name": f"Ball {n}", "shape": "circle", "size": {"radius": 0.1}}) for n in range(4)]
    return headers, universe, [*(f"/physics-parameters/{i}" for i in sets), *(f"/bodies/{i}" for i in bodies)]


def write(url: str, headers: dict[str, str], targets: list[str], edits: Edits, stop: threading.Event, seed: int) -> None:
    """Edit at random until told to stop, each edit repeated under its key until it is answered."""
    chance, session = random.Random(seed), requests.Session()
    while not stop.is_set():
        target, key = chance.choice(targets), str(uuid4())
        body = {"restitution": round(chance.random(), 9)}
        while True:
            try:
                answer = session.patch(f"{url}/api{target}", json=body, headers={**headers, "Idempotency-Key": key}, timeout=10)
            except requests.RequestException:
                with edits.lock:
                    edits.retries += 1
                time.sleep(0.05)
                continue
            if answer.status_code != 503:
                break
            time.sleep(0.05)
        with edits.lock:
            if answer.status_code == 200:
                edits.acknowledged[key] = int(answer.headers["X-Universe-Revision"])
            else:
                edits.refused.append(f"{answer.status_code} {answer.text[:200]}")


def judge(database_url: str, universe: str, edits: Edits) -> dict[str, Any]:
    """Hold what was told against the log."""
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg2://"))
    with engine.connect() as connection:
        log = connection.execute(
            sa.text("SELECT revision, op_id FROM universe_changes WHERE universe_id = :id ORDER BY revision"), {"id": _id(engine, universe)}
        ).all()
    engine.dispose()
    revisions = {str(op_id).replace("-", ""): revision for revision, op_id in log}
    counted = Counter(str(op_id).replace("-", "") for _, op_id in log)
    lost = [key for key, revision in edits.acknowledged.items() if revisions.get(key.replace("-", "")) != revision]
    doubled = [key for key, count in counted.items() if count > 1]
    gaps = [revision for index, (revision, _) in enumerate(log, 1) if revision != index]
    checked = flask(database_url, "universes", "verify", "--all")
    figures = {
        "database": engine.dialect.name,
        "acknowledged": len(edits.acknowledged),
        "retries": edits.retries,
        "log_rows": len(log),
        "lost": len(lost),
        "doubled": len(doubled),
        "gaps": len(gaps),
        "refused": edits.refused[:3],
        "verify_exit": checked.returncode,
    }
    assert not (lost or doubled or gaps or edits.refused or checked.returncode), f"{figures}\n{checked.stdout}{checked.stderr}"
    return figures


def _id(engine: sa.Engine, universe: str) -> str:
    return universe.replace("-", "") if engine.dialect.name == "sqlite" else universe


def main() -> None:
    """Run on SQLite, or on the database given."""
    options = argparse.ArgumentParser()
    options.add_argument("--kills", type=int, default=10)
    options.add_argument("--database", default="")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(asked.database or f"sqlite:///{folder}/faults.db", asked.kills)))


if __name__ == "__main__":
    sys.exit(main())

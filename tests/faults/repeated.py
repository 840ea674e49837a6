"""Every edit sent three times, over two connections and by REST: one row each.

python -m tests.faults.repeated [--edits 10000] [--database URL]
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import requests

from tests.databases import fresh_postgresql
from tests.faults.editing import furnish
from tests.faults.judging import judge
from tests.faults.processes import Processes, processes
from tests.sockets import Account, Peer

_IN_FLIGHT = 32
_PATIENCE_SECONDS = 60


def run(database_url: str, edits: int, kind: str = "eventlet") -> dict[str, Any]:
    """Send every edit three times; the figures. Raises AssertionError when their rows are not as many as the edits."""
    with processes(database_url, kind) as running:
        return repeat_on(running, edits)


def repeat_on(running: Processes, edits: int) -> dict[str, Any]:
    """The same, on processes that run."""
    ada = Account(running.urls[0], f"editor{uuid4().hex[:8]}")
    universe_id, targets = furnish(ada, [])
    before = ada.request("GET", f"/universes/{universe_id}").json()["revision"]
    ops = [
        {"op_id": str(uuid4()), "path": targets[number % len(targets)], "restitution": (number + 1) / (edits + 1)}
        for number in range(edits)
    ]
    answers: dict[str, set[int]] = {op["op_id"]: set() for op in ops}
    began = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        ways = [
            pool.submit(_by_socket, ada, running.urls[0], universe_id, ops, answers),
            pool.submit(_by_socket, ada, running.urls[-1], universe_id, ops, answers),
            pool.submit(_by_rest, ada, ops, answers),
        ]
        for way in ways:
            way.result()
    seconds = time.monotonic() - began
    figures = {
        "run": "repeated",
        "server": running.kind,
        "edits": edits,
        "sent": 3 * edits,
        "sent_per_s": round(3 * edits / seconds),
        **judge(running.database_url, universe_id, {op_id: min(found) for op_id, found in answers.items()}),
    }
    disagreeing = sum(len(found) != 1 for found in answers.values())
    assert figures["log_rows"] == before + edits, figures
    assert not disagreeing, figures
    return figures


def _by_socket(ada: Account, url: str, universe_id: str, ops: list[dict[str, Any]], answers: dict[str, set[int]]) -> None:
    """Send all, some at a time in flight."""
    peer: Peer = ada.connect(url)
    peer.join(universe_id)
    room = threading.Semaphore(_IN_FLIGHT)
    wrong: list[Any] = []

    def take(op_id: str, answer: dict[str, Any]) -> None:
        if answer["ok"]:
            answers[op_id].add(answer["revision"])
        else:
            wrong.append(answer)
        room.release()

    for op in ops:
        assert room.acquire(timeout=_PATIENCE_SECONDS)
        message = {"universe_id": universe_id, "op": "update", "path": op["path"], "fields": {"restitution": op["restitution"]}}
        peer.client.emit("edit", {**message, "op_id": op["op_id"]}, callback=lambda answer, op_id=op["op_id"]: take(op_id, answer))
    for _ in range(_IN_FLIGHT):
        assert room.acquire(timeout=_PATIENCE_SECONDS)
    peer.close()
    assert not wrong, wrong[:3]


def _by_rest(ada: Account, ops: list[dict[str, Any]], answers: dict[str, set[int]]) -> None:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {ada.token}"
    for op in ops:
        url = f"{ada.url}/api/{op['path']}"
        headers = {"Idempotency-Key": op["op_id"]}
        answer = session.patch(url, json={"restitution": op["restitution"]}, headers=headers, timeout=_PATIENCE_SECONDS)
        assert answer.ok, answer.text
        answers[op["op_id"]].add(int(answer.headers["X-Universe-Revision"]))


def main() -> None:
    """Run on a fresh PostgreSQL database, or on the one given."""
    options = argparse.ArgumentParser()
    options.add_argument("--edits", type=int, default=10_000)
    options.add_argument("--database", default="")
    options.add_argument("--kind", default="eventlet", choices=["gthread", "eventlet"])
    asked = options.parse_args()
    if asked.database:
        print(json.dumps(run(asked.database, asked.edits, asked.kind)))
        return
    with fresh_postgresql() as url:
        print(json.dumps(run(url, asked.edits, asked.kind)))


if __name__ == "__main__":
    main()

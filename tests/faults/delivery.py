"""Eight editors on two processes: who is told of what, in which order, and how soon after the acknowledgement.

python -m tests.faults.delivery [--seconds 60] [--database URL]
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise
from typing import Any
from uuid import uuid4

from tests.databases import fresh_postgresql
from tests.faults.editing import Editor, Told, furnish
from tests.faults.judging import judge, percentile
from tests.faults.processes import Processes, processes
from tests.sockets import Account, eventually

EDITORS = 8


def run(database_url: str, seconds: float, kind: str = "eventlet", pause_s: float = 0.2) -> dict[str, Any]:
    """Edit for a while; the figures. Raises AssertionError when a revision is missed, repeated or out of order."""
    with processes(database_url, kind) as running:
        return edit_on(running, seconds, pause_s)


def edit_on(running: Processes, seconds: float, pause_s: float = 0.2) -> dict[str, Any]:
    """The same, on processes that run."""
    people = [Account(running.urls[0], f"editor{uuid4().hex[:8]}") for _ in range(EDITORS)]
    universe_id, targets = furnish(people[0], people[1:])
    told = Told()
    editors = []
    for number, person in enumerate(people):
        url = running.urls[number % len(running.urls)]
        editors.append(Editor(person, [url], universe_id, targets, told, number))
        editors[-1].pause_s = pause_s
        editors[-1].connect()
    first = max(editor.applied for editor in editors)
    for editor in editors:
        editor.start()
    time.sleep(seconds)
    for editor in editors:
        editor.finish.set()
    for editor in editors:
        editor.join(30)
    head = people[0].request("GET", f"/universes/{universe_id}").json()["revision"]
    peers = [editor.peer for editor in editors if editor.peer is not None]
    eventually(lambda: all(peer.revisions()[-1:] == [head] for peer in peers))
    expected = list(range(first + 1, head + 1))
    missing = sum(len(set(expected) - set(peer.revisions())) for peer in peers)
    repeated = sum(len(peer.revisions()) - len(set(peer.revisions())) for peer in peers)
    disordered = sum(b <= a for peer in peers for a, b in pairwise(peer.revisions()))
    delays = [max(0.0, peer.heard[revision] - moment) for revision, moment in told.moments.items() for peer in peers]
    figures = {
        "run": "delivery",
        "server": running.kind,
        "processes": len(running.urls),
        "editors": EDITORS,
        "seconds": seconds,
        **judge(running.database_url, universe_id, told.acknowledged),
        "missing": missing,
        "repeated": repeated,
        "out_of_order": disordered,
        "after_ack_p50_ms": percentile(delays, 0.5),
        "after_ack_p99_ms": percentile(delays, 0.99),
        "ack_p50_ms": percentile(told.waits, 0.5),
    }
    for editor in editors:
        editor.drop()
    assert len(peers) == EDITORS
    assert not (missing or repeated or disordered or told.refused), figures
    return figures


def main() -> None:
    """Run on a fresh PostgreSQL database, or on the one given."""
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--database", default="")
    options.add_argument("--kind", default="eventlet", choices=["gthread", "eventlet"])
    asked = options.parse_args()
    if asked.database:
        print(json.dumps(run(asked.database, asked.seconds, asked.kind)))
        return
    with fresh_postgresql() as url:
        print(json.dumps(run(url, asked.seconds, asked.kind)))


if __name__ == "__main__":
    main()

"""Eight editors over sockets while server processes are killed with SIGKILL again and again.

    python -m tests.faults.kill_editors [--kills 20] [--database URL]

On SQLite one process serves them; on PostgreSQL two, with Redis between, one of which is killed at a time. Afterwards every
acknowledged edit stands in the log exactly once, the log adds up to what is stored, every connection saw revisions rise,
and every editor holds the stored document within five seconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from typing import Any
from uuid import uuid4

from tests.faults.editing import Editor, Told, differences, flattened, furnish
from tests.faults.judging import judge, percentile
from tests.faults.processes import Processes, processes
from tests.sockets import Account

EDITORS = 8
CONVERGENCE_SECONDS = 5


def run(database_url: str, kills: int, edits_between: int = 60, kind: str = "gthread") -> dict[str, Any]:
    """Edit under fire; the figures. Raises AssertionError when a rule is broken."""
    with processes(database_url, kind) as running:
        return _run(running, kills, edits_between)


def _run(running: Processes, kills: int, edits_between: int) -> dict[str, Any]:
    people = [Account(running.urls[0], f"editor{uuid4().hex[:8]}") for _ in range(EDITORS)]
    universe_id, targets = furnish(people[0], people[1:])
    told = Told()
    editors = [Editor(person, running.urls, universe_id, targets, told, seed) for seed, person in enumerate(people)]
    for editor in editors:
        editor.start()
    for number in range(kills):
        seen, deadline = len(told.acknowledged), time.monotonic() + 60
        while len(told.acknowledged) < seen + edits_between:
            assert time.monotonic() < deadline, f"no edits come through: {told.refused[:2]} {running.servers[0].log[-2000:]}"
            time.sleep(0.01)
        running.restart(number % len(running.servers))
    for editor in editors:
        editor.finish.set()
    for editor in editors:
        editor.join(60)
    seconds = _converge(editors)
    stored = flattened(people[0].request("GET", f"/universes/{universe_id}/document").json())
    apart = [line for editor in editors for line in differences(editor.state, stored)]
    for editor in editors:
        editor.drop()
    breaches = [breach for editor in editors for breach in editor.breaches]
    figures = {
        "run": "kill_editors",
        "server": running.kind,
        "processes": len(running.servers),
        "kills": kills,
        **judge(running.database_url, universe_id, told.acknowledged),
        "resent": told.resent,
        "refused": told.refused[:3],
        "out_of_order": len(breaches),
        "apart": len(apart),
        "converged_s": round(seconds, 2),
        "ack_p50_ms": percentile(told.waits, 0.5),
    }
    assert not (breaches or apart or told.refused or seconds > CONVERGENCE_SECONDS), f"{figures} {breaches[:3]} {apart[:3]}"
    return figures


def _converge(editors: list[Editor]) -> float:
    """Seconds until every editor has applied the newest revision."""
    began = time.monotonic()
    while True:
        for editor in editors:
            editor.connect()
            editor.digest()
        head = editors[0].account.request("GET", f"/universes/{editors[0].universe_id}").json()["revision"]
        if all(editor.applied == head for editor in editors):
            return time.monotonic() - began
        assert time.monotonic() - began < 2 * CONVERGENCE_SECONDS, [editor.applied for editor in editors]
        time.sleep(0.02)


def main() -> None:
    """Run on SQLite, or on the database given."""
    options = argparse.ArgumentParser()
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--database", default="")
    options.add_argument("--kind", default="gthread", choices=["gthread", "eventlet"])
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(asked.database or f"sqlite:///{folder}/faults.db", asked.kills, kind=asked.kind)))


if __name__ == "__main__":
    main()

"""The fault runs in full: `python -m tests.faults [NAME ...]`. Each prints its figures as JSON, and fails when a rule is broken."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from tests.databases import fresh_postgresql
from tests.faults import delivery, fuzz_events, kill_editors, kill_writers, outages, repeated, revocations, slow_reader, undo_law
from tests.servers import KINDS

Figures = dict[str, Any]


def on_both(run: Callable[[str], Figures]) -> Iterator[Figures]:
    """A run on SQLite, and on PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder:
        yield run(f"sqlite:///{folder}/faults.db")
    yield from on_postgresql(run)


def on_postgresql(run: Callable[[str], Figures]) -> Iterator[Figures]:
    """A run on PostgreSQL."""
    with fresh_postgresql() as url:
        yield run(url)


RUNS: dict[str, Callable[[], Iterator[Any]]] = {
    "kill_writers": lambda: on_both(lambda url: kill_writers.run(url, kills=10)),
    "kill_editors": lambda: on_both(lambda url: kill_editors.run(url, kills=20)),
    "delivery": lambda: on_postgresql(lambda url: delivery.run(url, seconds=60)),
    "repeated": lambda: on_postgresql(lambda url: repeated.run(url, edits=10_000)),
    "revocations": lambda: on_postgresql(lambda url: revocations.run(url, times=100, others=20)),
    "redis_stopped": lambda: on_postgresql(lambda url: outages.redis_away(url, seconds=60)),
    "redis_hung": lambda: on_postgresql(lambda url: outages.redis_away(url, seconds=60, hung=True)),
    "postgresql_restarted": lambda: iter([outages.postgresql_restarted()]),
    "slow_reader": lambda: (slow_reader.run(kind, 60) for kind in KINDS),
    "fuzz_events": lambda: (fuzz_events.run(kind, per_event=10_000) for kind in KINDS),
    "undo_law": lambda: on_both(lambda url: undo_law.run(url, sequences=500, histories=2000)),
}


def main() -> None:
    """Run those that are named, or all."""
    options = argparse.ArgumentParser()
    options.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RUNS))
    asked = options.parse_args()
    unknown = [name for name in asked.names if name not in RUNS]
    if unknown:
        sys.exit(f"There is no run {', '.join(unknown)}; there are {', '.join(RUNS)}.")
    for name in asked.names or RUNS:
        for figures in RUNS[name]():
            print(json.dumps({"run": name, **figures}), flush=True)


if __name__ == "__main__":
    main()

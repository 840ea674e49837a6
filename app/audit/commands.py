"""`flask audit ...`: the audit log, which operators alone may read."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import click
import orjson
from flask.cli import AppGroup

from app.audit import service
from app.database import now, timestamp

audit = AppGroup("audit", help="Who did what, from where, and what came of it.")

_WIDTHS = {"at": 24, "outcome": 19, "action": 21, "actor_id": 36, "ip": 15, "request_id": 32, "target": 0}
_POLL_SECONDS = 1.0
_LATEST_COMMIT = timedelta(minutes=1)


@audit.command("tail", help="Show the last events, in order.")
@click.option("-n", "--lines", type=click.IntRange(0, 100_000), default=20, show_default=True, help="How many.")
@click.option("--follow", is_flag=True, help="Go on with those that come, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on each line.")
def tail(lines: int, follow: bool, as_json: bool) -> None:
    """Show the last events, in order."""
    if not as_json:
        click.echo(_line({name: name for name in _WIDTHS}))
    events = _followed(lines) if follow else service.newest(lines)
    with suppress(KeyboardInterrupt):
        _show(events, as_json)


@audit.command("purge", help="Delete old events.")
@click.option("--keep-days", type=click.IntRange(0, 36_500), default=365, show_default=True, help="Keep those of so many days.")
def purge(keep_days: int) -> None:
    """Delete old events."""
    moment, deleted = now() - timedelta(days=keep_days), 0
    with click.progressbar(length=service.count_before(moment), label="Purging", file=sys.stderr) as bar:
        for count in service.purge(moment):
            bar.update(count)
            deleted += count
    click.echo(f"{deleted} deleted.")


def _followed(lines: int) -> Iterator[Any]:
    """The last events and all that come. One may be committed after a later one, so the last minute is read again each time."""
    known = {event.id for event in service.since(now() - _LATEST_COMMIT)}
    shown = service.newest(lines)
    yield from shown
    known.update(event.id for event in shown)
    while True:
        recent = service.since(now() - _LATEST_COMMIT)
        yield from (event for event in recent if event.id not in known)
        known = {event.id for event in recent}
        time.sleep(_POLL_SECONDS)


def _show(events: Iterable[Any], as_json: bool) -> None:
    for event in events:
        told = {**event._mapping, "at": timestamp(event.at)}
        click.echo(orjson.dumps(told) if as_json else _line(told))


def _line(told: dict[str, Any]) -> str:
    return "  ".join(str(told[name] or "-").ljust(width) for name, width in _WIDTHS.items()).rstrip()

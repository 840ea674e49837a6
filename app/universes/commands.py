"""`flask universes ...`: what an operator does with universes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import orjson
from flask.cli import AppGroup, with_appcontext
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sqlalchemy import select

from app.changes import history
from app.changes.compact import BrokenLog, compact, renew_epoch
from app.changes.restore import SYSTEM, restore
from app.changes.verify import snapshot, verify
from app.database import now
from app.errors import Busy, NotFound, Problem
from app.extensions import db
from app.universes import reading
from app.universes.models import Universe

universes = AppGroup("universes", help="Universes and their logs.")
_PAGE = 100


@universes.command("verify", help="Hold the log of a universe, or of --all, against what is stored; exit 1 and name every breach.")
@click.argument("universe_id", type=click.UUID, required=False)
@click.option("--all", "every", is_flag=True, help="All universes, also deleted ones.")
@with_appcontext
def verify_universes(universe_id: UUID | None, every: bool) -> None:
    """Check invariants I1 to I8."""
    ids = _chosen(universe_id, every)
    breaches = 0
    for checked in track(ids, "Verifying", console=Console(stderr=True), disable=not sys.stderr.isatty()):
        for sentence in _breaches(checked):
            click.echo(f"{checked} {sentence}")
            breaches += 1
    click.echo(f"{len(ids)} checked, {breaches} breaches.")
    if breaches:
        sys.exit(1)


@universes.command("log", help="Show the log of a universe.")
@click.argument("universe_id", type=click.UUID)
@click.option("--since", type=click.IntRange(min=0), default=0, show_default=True, help="Only rows after this revision.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many rows.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on each line, with what changed.")
@with_appcontext
def show_log(universe_id: UUID, since: int, limit: int | None, as_json: bool) -> None:
    """The rows of a universe's log, in order."""
    _require(universe_id)
    if as_json:
        for row in _rows(universe_id, since, limit):
            click.echo(orjson.dumps(row))
        return
    table = Table("revision", "at", "actor", "op", "path", "properties", box=None)
    for row in _rows(universe_id, since, limit):
        actor = row["actor"] or {"id": "-", "display_name": "system"}
        table.add_row(str(row["revision"]), row["at"], actor["display_name"] or actor["id"], row["op"], row["path"], _properties(row))
    console = Console()
    (console if console.is_terminal else Console(width=240)).print(table)


@universes.command("export", help="Write a universe's document as JSON, to a file or to standard output.")
@click.argument("universe_id", type=click.UUID)
@click.option("-o", "--output", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="The file to write.")
@with_appcontext
def export(universe_id: UUID, output: Path | None) -> None:
    """The universe with all its contents, as of one revision."""
    _require(universe_id)
    text = reading.document_now(universe_id)[1] + b"\n"
    if output is None:
        sys.stdout.buffer.write(text)
    else:
        output.write_bytes(text)


@universes.command("restore", help="Put a universe's content back to what it was at a revision, as a new change.")
@click.argument("universe_id", type=click.UUID)
@click.argument("revision", type=click.IntRange(min=1))
@with_appcontext
def restore_universe(universe_id: UUID, revision: int) -> None:
    """One row of the log, made by nobody; members, links and visibility stay."""
    try:
        done = restore(universe_id, revision, SYSTEM)
    except Problem as problem:
        raise click.ClickException(f"{universe_id}: {problem.message}") from None
    click.echo(f"{universe_id} is at revision {done.revision}, with the content of revision {revision}.")


@universes.command("compact", help="Take what is older than --keep-days out of a log: a stored state stands for it. Clients begin anew.")
@click.argument("universe_id", type=click.UUID, required=False)
@click.option("--all", "every", is_flag=True, help="All universes, also deleted ones.")
@click.option("--keep-days", type=click.IntRange(min=1), required=True, help="Keep the rows of so many days.")
@with_appcontext
def compact_universes(universe_id: UUID | None, every: bool, keep_days: int) -> None:
    """Refuses a universe whose log does not add up."""
    refused = 0
    for one in _chosen(universe_id, every):
        try:
            gone, floor = compact(one, now() - timedelta(days=keep_days))
        except (Busy, BrokenLog) as problem:
            click.echo(f"{one} not compacted: {problem}", err=True)
            refused += 1
        else:
            click.echo(f"{one} {gone} rows taken away, the log goes on from revision {floor}.")
    if refused:
        sys.exit(1)


@universes.command("renew-epoch", help="Make every client of a universe begin anew; for when a backup of the database was put back.")
@click.argument("universe_id", type=click.UUID, required=False)
@click.option("--all", "every", is_flag=True, help="All universes, also deleted ones.")
@with_appcontext
def renew_epochs(universe_id: UUID | None, every: bool) -> None:
    """Revisions that clients know from before the backup mean other changes now."""
    ids = _chosen(universe_id, every)
    for one in ids:
        renew_epoch(one)
    click.echo(f"{len(ids)} renewed.")


def _chosen(universe_id: UUID | None, every: bool) -> list[UUID]:
    """The universe that was named, or all of them."""
    if (universe_id is None) != every:
        raise click.UsageError("Give a universe's id or --all.")
    if universe_id is None:
        return _all()
    _require(universe_id)
    return [universe_id]


def _all() -> list[UUID]:
    return list(db.session.scalars(select(Universe.id).order_by(Universe.id)))


def _require(universe_id: UUID) -> None:
    if db.session.scalar(select(Universe.id).where(Universe.id == universe_id)) is None:
        raise click.ClickException(f"There is no universe {universe_id}.")


def _breaches(universe_id: UUID) -> list[str]:
    with snapshot(db.engine) as session:
        try:
            return verify(session, universe_id)
        except NotFound:
            raise click.ClickException(f"There is no universe {universe_id}.") from None


def _rows(universe_id: UUID, since: int, limit: int | None) -> Iterator[dict[str, Any]]:
    left = limit
    last: int | None = since
    while last is not None and left != 0:
        size = _PAGE if left is None else min(_PAGE, left)
        rows, last = history.page(db.session(), universe_id, since=last, limit=size, actor=None, path=None)
        left = None if left is None else left - len(rows)
        yield from rows


def _properties(row: dict[str, Any]) -> str:
    """What a row changed, in a few words."""
    if row["op"] in history.SEVERAL:
        return f"{len(row['after']['items'])} steps"
    return "" if row["op"] in ("create", "delete") else ", ".join(row["after"])

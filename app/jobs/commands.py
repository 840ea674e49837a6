"""`flask worker` and `flask jobs ...`."""

from __future__ import annotations

from uuid import UUID

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from app.database import timestamp
from app.extensions import db
from app.jobs import service
from app.jobs.models import STATES, Job
from app.system.faults import is_damaged, lacks_tables
from app.unit_of_work import unit_of_work

jobs = AppGroup("jobs", help="The work that workers do.")


@click.command("worker", help="Do queued jobs until told to end.")
@click.option(
    "-c",
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many jobs to do at once (more than 1 needs REDIS_URL).",
)
@with_appcontext
def worker(processes: int) -> None:
    """Do queued jobs until told to end."""
    from app.jobs.worker import main  # noqa: PLC0415  it brings the engine along

    if processes > 1 and not current_app.config["SETTINGS"].redis_url:
        raise click.UsageError("More than one process needs REDIS_URL; without it start `flask worker` several times.")
    _require_tables()
    main(current_app._get_current_object(), processes)  # type: ignore[attr-defined]


@jobs.command("list", help="The newest jobs first.")
@click.option("--state", type=click.Choice(STATES), help="Only jobs in this state.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
def list_jobs(state: str | None, limit: int) -> None:
    """The newest jobs first."""
    query = select(*Job.__table__.columns).order_by(Job.created_at.desc(), Job.id).limit(limit)
    with db.engine.connect() as connection:
        rows = connection.execute(query.where(Job.state == state) if state else query).all()
    table = Table("id", "type", "state", "progress", "attempts", "created", "error", box=None)
    for row in rows:
        error = row.error["message"] if row.error else ""
        table.add_row(str(row.id), row.type, row.state, f"{row.progress:.0%}", str(row.attempts), timestamp(row.created_at), error)
    console = Console()
    console = console if console.is_terminal else Console(width=200)
    console.print(table)


@jobs.command("retry", help="Queue failed or cancelled jobs again; without ids, all failed ones.")
@click.argument("job_ids", nargs=-1, type=click.UUID)
def retry_jobs(job_ids: tuple[UUID, ...]) -> None:
    """Queue failed or cancelled jobs again."""
    done = 0
    for job_id in job_ids or _failed():
        with unit_of_work() as session:
            queued = service.requeue(session, job_id)
        if not queued:
            click.echo(f"{job_id}: there is no failed or cancelled job of this id.", err=True)
        done += queued
    click.echo(f"{done} queued.")
    if done < len(job_ids):
        raise click.exceptions.Exit(1)


@jobs.command("purge", help="Delete the records of jobs that have ended; what they made is kept.")
@click.option("--days", type=click.FloatRange(min=0), default=30.0, show_default=True, help="Keep those that ended within so many days.")
def purge_jobs(days: float) -> None:
    """Delete the records of jobs that have ended."""
    click.echo(f"{service.purge(days)} deleted.")


def _require_tables() -> None:
    """Refuse to wait for jobs where there can be none. A database that is away may come back; the worker outlives that."""
    try:
        service.backlog()
    except DBAPIError as error:
        if lacks_tables(error) or is_damaged(error):
            raise


def _failed() -> list[UUID]:
    with db.engine.connect() as connection:
        return list(connection.execute(select(Job.id).where(Job.state == "failed").order_by(Job.created_at)).scalars())

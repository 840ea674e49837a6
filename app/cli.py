"""Operator commands: `flask ...`, the same as `python manage.py ...`."""

from __future__ import annotations

import shutil
import sys
from copy import copy
from typing import Any

import click
import sqlalchemy as sa
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

import seeds
from app.audio.commands import scenes
from app.audit.commands import audit
from app.config import DEVELOPMENT_SECRET, Settings
from app.extensions import db
from app.jobs.commands import jobs, worker
from app.system import checks
from app.system.checks import Check, State
from app.system.drift import drift
from app.system.faults import is_damaged, lacks_tables
from app.universes.commands import universes
from app.users.commands import users

_GUESSED = {"", "password", "postgres", "secret", "changeme", "admin", "root"}
_COLOURS: dict[State, str] = {"ok": "green", "warn": "yellow", "fail": "red"}
_BUSY = ("40001", "40P01", "55P03", "57014")
_SPARE_BYTES = 1 << 30


def register(app: Flask) -> None:
    """Give an application its commands."""
    group: Any = app.cli.commands["db"]
    group.add_command(verify)
    for command in (audit, doctor, jobs, scenes, seed, universes, users, worker):
        app.cli.add_command(command)
    for name, command in list(app.cli.commands.items()):
        app.cli.commands[name] = _told_plainly(app, command)


def _told_plainly(app: Flask, command: click.Command) -> click.Command:
    """The same command; what is wrong with the database or a folder it says in a line, with what to run, and exits with 1.

    What else goes wrong is a fault of ours, and shows where.
    """

    def invoke(context: click.Context) -> Any:
        try:
            return command.invoke(context)
        except (DBAPIError, PoolTimeout, OSError) as error:
            sentence = _fault(app, error)
            if sentence is None:
                raise
            raise click.ClickException(sentence) from None

    told = copy(command)
    told.invoke = invoke  # type: ignore[method-assign, assignment]  # a group's covers the commands in it
    return told


def _fault(app: Flask, error: DBAPIError | PoolTimeout | OSError) -> str | None:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}. Run flask doctor." if error.filename else None
    if isinstance(error, PoolTimeout) or _is_busy(error):
        return "The database is busy. Try again."
    if is_damaged(error):
        file = sa.make_url(app.config["SETTINGS"].database).database
        return f"The database file {file} is damaged. Put a backup in its place, then run flask db upgrade."
    if lacks_tables(error):
        with app.app_context():
            return _schema_fault()
    if isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated:
        return f"The database cannot be used: {str(error.orig).strip().partition(chr(10))[0]}. Run flask doctor."
    return None


def _is_busy(error: DBAPIError) -> bool:
    return "database is locked" in str(error.orig) or getattr(error.orig, "pgcode", None) in _BUSY


def _schema_fault() -> str:
    waiting, unknown = checks.pending_migrations()
    if unknown:
        return f"The database is at {', '.join(unknown)}, which this release does not know. Run the release that made it."
    if waiting and not inspect(db.engine).has_table("users"):
        return "The database has no tables yet: run flask db upgrade."
    if waiting:
        return f"The database lacks {', '.join(waiting)}: run flask db upgrade."
    return "The database is not as its migrations left it: run flask db verify."


@click.command()
@with_appcontext
def verify() -> None:
    """Compare the database with the models; exit 1 and name what differs."""
    found = drift(db.engine, db.metadata)
    for sentence in found:
        click.echo(sentence)
    if found:
        sys.exit(1)
    click.echo("The database has the schema of the models.")


@click.command()
@with_appcontext
def seed() -> None:
    """Make the demo user and the demo universes, as far as they are missing."""
    with click.progressbar(length=100, label="Seeding", file=sys.stderr) as bar:
        made = seeds.load(lambda fraction: bar.update(round(fraction * 100) - bar.pos))
    click.echo(f"Made {', '.join(made)}." if made else "Nothing was missing.")


@click.command()
@with_appcontext
def doctor() -> None:
    """Look at the configuration, the secrets, the database, the storage and the clock; exit 1 when something must be mended."""
    found = list(_examine(current_app.config["SETTINGS"]))
    for check in found:
        click.echo(f"{click.style(check.state.ljust(4), fg=_COLOURS[check.state])}  {check.name}: {check.message}")
    if checks.worst(found) == "fail":
        sys.exit(1)


def _examine(settings: Settings) -> list[Check]:
    reached = checks.database()
    return [
        _mode(settings),
        _secret(settings),
        reached,
        *([checks.migrations(), _server(settings)] if reached.state == "ok" else []),
        checks.storage(),
        _room(settings),
        *([checks.clock()] if reached.state == "ok" else []),
        *checks.messages(),
    ]


def _mode(settings: Settings) -> Check:
    if settings.production and not settings.public_url.startswith("https://"):
        return Check("config", "warn", "PUBLIC_URL is not an https address; links to files name the host that the caller asked for.")
    if settings.debug:
        return Check("config", "warn", "DEBUG is on: errors show their insides.")
    return Check("config", "ok", f"FLASK_ENV is {settings.flask_env}.")


def _secret(settings: Settings) -> Check:
    if settings.secret_key == DEVELOPMENT_SECRET:
        return Check("secret key", "warn", "SECRET_KEY is the one in the source, known to everybody; production refuses it.")
    if len(settings.secret_key) < 32 or len(set(settings.secret_key)) < 10:
        return Check("secret key", "fail", "SECRET_KEY is too short or too regular; production refuses it.")
    return Check("secret key", "ok", "SECRET_KEY is long and irregular.")


def _server(settings: Settings) -> Check:
    url = sa.make_url(settings.database)
    if url.get_backend_name() == "sqlite":
        state: State = "warn" if settings.production else "ok"
        return Check("database server", state, "SQLite has one writer at a time; PostgreSQL serves many.")
    if url.host not in (None, "localhost", "127.0.0.1", "::1") and str(url.password or "") in _GUESSED | {url.username or ""}:
        return Check("database server", "fail", "The database's password is easily guessed.")
    return Check("database server", "ok", f"{url.get_backend_name()} at {url.host or 'a local socket'}.")


def _room(settings: Settings) -> Check:
    free = shutil.disk_usage(settings.storage).free
    if free < _SPARE_BYTES:
        return Check("room", "warn", f"Only {free / 1e6:.0f} MB are left where files are kept.")
    return Check("room", "ok", f"{free / 1e9:.0f} GB are left where files are kept.")

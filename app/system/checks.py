"""Whether the parts that the service stands on are there: asked by /ready and by `flask doctor`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import redis
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.config import Settings
from app.extensions import db
from app.jobs import workers
from app.jobs.service import backlog

State = Literal["ok", "warn", "fail"]
_MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
_CLOCKS_APART_SECONDS = 5.0
_REDIS_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, and a sentence about it."""

    name: str
    state: State
    message: str


def readiness() -> list[Check]:
    """The checks of /ready: a failed one means that requests would fail, a warning that some work waits."""
    reached = database()
    if reached.state != "ok":
        return [reached, storage()]
    schema, files = migrations(), storage()
    return [reached, schema, files, *([work()] if schema.state == files.state == "ok" else []), *messages()]


def database() -> Check:
    """Whether the database answers."""
    try:
        with db.engine.connect() as connection:
            connection.execute(select(1))
    except (DBAPIError, PoolTimeout):
        return Check("database", "fail", "The database cannot be reached.")
    return Check("database", "ok", f"{db.engine.dialect.name} answers.")


def migrations() -> Check:
    """Whether the database has the schema of this release."""
    waiting, unknown = pending_migrations()
    if unknown:
        return Check("migrations", "fail", f"The database is at {', '.join(unknown)}, which this release does not know.")
    if waiting:
        return Check("migrations", "fail", f"Pending: {', '.join(waiting)}. Run `flask db upgrade`.")
    return Check("migrations", "ok", "The schema is that of this release.")


def storage() -> Check:
    """Whether files can be written."""
    try:
        write_a_file()
    except OSError as error:
        return Check("storage", "fail", f"The storage folder cannot be written: {error.strerror}.")
    return Check("storage", "ok", "Files can be written.")


def work() -> Check:
    """Whether somebody does the queued jobs."""
    settings: Settings = current_app.config["SETTINGS"]
    waiting = backlog()
    there = workers.at_work(settings.storage)
    if not there:
        return Check("jobs", "warn", f"No worker is at work; {waiting['queued']} jobs wait. Start `flask worker`.")
    return Check("jobs", "ok", f"Workers: {there}. Jobs: {waiting['running']} being done, {waiting['queued']} waiting.")


def messages() -> list[Check]:
    """Whether Redis, if there is to be one, carries messages between the server processes; without it they are slower."""
    url = current_app.config["SETTINGS"].redis_url
    if not url:
        return []
    try:
        redis.Redis.from_url(url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS).ping()
    except (redis.RedisError, OSError):
        return [Check("redis", "warn", "Redis does not answer; other processes learn of changes within a second.")]
    return [Check("redis", "ok", "Redis answers.")]


def clock() -> Check:
    """Whether this machine's clock agrees with those of the storage and of the database."""
    apart = abs(write_a_file() - time.time())
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect() as connection:
            theirs = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
        apart = max(apart, abs(float(theirs) - time.time()))
    if apart > _CLOCKS_APART_SECONDS:
        return Check(
            "clock",
            "fail",
            f"The clocks of this machine, its storage and its database are {apart:.0f} s apart; tokens and leases need them equal.",
        )
    return Check("clock", "ok", "The clocks agree.")


def pending_migrations() -> tuple[list[str], list[str]]:
    """The migrations still to run, oldest first, and the revisions of the database that this release does not have."""
    scripts = _scripts()
    with db.engine.connect() as connection:
        current = (
            tuple(connection.scalars(text("SELECT version_num FROM alembic_version")))
            if inspect(connection).has_table("alembic_version")
            else ()
        )
    unknown = [revision for revision in current if not _knows(scripts, revision)]
    if unknown:
        return [], unknown
    done = {script.revision for script in scripts.iterate_revisions(current, "base")} if current else set()
    every = reversed(list(scripts.walk_revisions()))
    return [Path(script.path).stem for script in every if script.revision not in done], []


def write_a_file() -> float:
    """Write a small file into the storage and take it away; the time that the file system gave it. Raises OSError."""
    settings: Settings = current_app.config["SETTINGS"]
    with tempfile.NamedTemporaryFile(dir=settings.storage, prefix=".check-") as file:
        file.write(b"x")
        file.flush()
        return Path(file.name).stat().st_mtime


def worst(checks: Iterable[Check]) -> State:
    """The gravest state among some checks."""
    states = {check.state for check in checks}
    return "fail" if "fail" in states else "warn" if "warn" in states else "ok"


@cache
def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return ScriptDirectory.from_config(config)


def _knows(scripts: ScriptDirectory, revision: str) -> bool:
    try:
        return scripts.get_revision(revision) is not None
    except CommandError:
        return False

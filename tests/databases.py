"""Databases for tests, made as an operator makes them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
import redis
import sqlalchemy as sa

POSTGRESQL = os.environ.get("TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/9")
ROOT = Path(__file__).resolve().parent.parent
COMPILED = ROOT / ".numba_cache"
"""Where compiled solvers are kept from one run of the suite to the next."""
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG")


def flask(database_url: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run an operator command on a database."""
    settings = {"DATABASE_URL": database_url, "LOG_LEVEL": "warning", **environ}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**inherited(), **settings}, capture_output=True, text=True, check=False, timeout=120)


def inherited() -> dict[str, str]:
    """What a process of the product's is given of our environment: none of its settings.

    The choice of numerical kernels is kept, for the last bits of what is rendered depend on it.
    """
    return {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("OPENBLAS_")}


def migrated(database_url: str) -> None:
    """Bring a database to the present schema."""
    done = flask(database_url, "db", "upgrade")
    assert done.returncode == 0, done.stdout + done.stderr


def made_ready(database_url: str) -> None:
    """Bring a database to the present schema, a new SQLite file by copying one that was migrated."""
    path = Path(database_url.removeprefix("sqlite:///"))
    if database_url.startswith("sqlite") and not path.exists():
        shutil.copyfile(Path(_template().name) / "migrated.db", path)
    else:
        migrated(database_url)


@cache
def _template() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory()
    migrated(f"sqlite:///{folder.name}/migrated.db")
    return folder


class fresh_postgresql:  # noqa: N801  used as a context manager
    """A new, empty PostgreSQL database on a server, dropped at the end."""

    def __init__(self, server: str = POSTGRESQL) -> None:
        self.admin = sa.create_engine(sa.make_url(server).set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT")
        self.name = f"hu_test_{uuid.uuid4().hex[:12]}"

    def __enter__(self) -> str:
        with self.admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {self.name}")
        return self.admin.url.set(database=self.name).render_as_string(hide_password=False)

    def __exit__(self, *_: object) -> None:
        with self.admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
        self.admin.dispose()


@contextmanager
def postgresql_or_skip() -> Iterator[str]:
    """A new, empty PostgreSQL database, dropped at the end; where no server answers the test is skipped."""
    fresh = fresh_postgresql()
    try:
        url = fresh.__enter__()
    except sa.exc.OperationalError:
        missing(f"No PostgreSQL answers at {POSTGRESQL}.")
    try:
        yield url
    finally:
        fresh.__exit__()


def redis_or_skip() -> str:
    """The URL of a Redis that answers; where none does the test is skipped."""
    try:
        redis.Redis.from_url(REDIS, socket_connect_timeout=0.3).ping()
    except redis.RedisError:
        missing(f"No Redis answers at {REDIS}.")
    return REDIS


def on_postgresql_alone() -> None:
    """Leave a test that takes its time, and services of its own, to the run of the suite on PostgreSQL."""
    if not os.environ.get("TEST_DATABASE_URL"):
        pytest.skip("The run on PostgreSQL tries this: make test-postgresql.")


def missing(why: str) -> NoReturn:
    """Skip the test for want of a service; with REQUIRE_SERVICES=1 it fails."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"{why} REQUIRE_SERVICES=1 asks for it.")
    pytest.skip(why)

"""Databases for tests, made as an operator makes them."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sa

POSTGRESQL = os.environ.get("TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")
ROOT = Path(__file__).resolve().parent.parent
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


def missing(why: str) -> NoReturn:
    """Skip the test for want of a service; with REQUIRE_SERVICES=1 it fails."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"{why} REQUIRE_SERVICES=1 asks for it.")
    pytest.skip(why)

"""Applications that no worker of other tests listens to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask

from app.extensions import db
from tests.applications import applications
from tests.conftest import empty
from tests.databases import fresh_postgresql


@pytest.fixture(scope="module")
def _own_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with _apart(tmp_path_factory.mktemp("jobs")) as stack:
        yield stack.make()


@pytest.fixture
def app(_own_app: Flask) -> Iterator[Flask]:
    """An application of its own on an empty database, SQLite or of the server that TEST_DATABASE_URL names."""
    yield _own_app
    with _own_app.app_context():
        db.session.remove()
        empty(db.engine)


@pytest.fixture
def apps(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Makes such an application with settings."""
    with _apart(tmp_path) as stack:
        yield stack.make


class _apart(ExitStack):  # noqa: N801  used as a context manager
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._applications = self.enter_context(applications(folder))
        server = os.environ.get("TEST_DATABASE_URL", "")
        self._own = {"database_url": self.enter_context(fresh_postgresql(server))} if server else {}

    def make(self, **settings: object) -> Flask:
        """An application on this database."""
        return self._applications(rate_limits=False, **self._own, **settings)

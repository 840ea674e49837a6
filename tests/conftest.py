"""Fixtures: a real application on a real database, its client, and people who are logged in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.changes.models import SQLITE_TRIGGERS
from app.extensions import db
from tests.databases import COMPILED, fresh_postgresql

os.environ.setdefault("NUMBA_CACHE_DIR", str(COMPILED))  # before numba is imported

QUICK_PASSWORDS: dict[str, Any] = {"password_memory_kib": 64, "password_passes": 1}
"""Hashes that take no time, for what is not about them."""
REQUIRE_SERVICES = os.environ.get("REQUIRE_SERVICES") == "1"


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SQLite in a file, or a fresh database of the PostgreSQL server that TEST_DATABASE_URL names."""
    server = os.environ.get("TEST_DATABASE_URL", "")
    if not server:
        yield f"sqlite:///{tmp_path_factory.mktemp('database') / 'test.db'}"
        return
    with fresh_postgresql(server) as url:
        yield url


@pytest.fixture(scope="session")
def _app(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    app = create_app(
        {},
        flask_env="testing",
        database_url=database_url,
        data_dir=str(tmp_path_factory.mktemp("data")),
        rate_limits=False,
        log_level="warning",
        **QUICK_PASSWORDS,
    )
    app.testing = True
    with app.app_context():
        db.create_all()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def app(_app: Flask) -> Iterator[Flask]:
    """The application on an empty database. No context is open: each request has its own."""
    yield _app
    with _app.app_context():
        db.session.remove()
        empty(db.engine)


def empty(engine: sa.Engine) -> None:
    """Delete every row, the log's included, lifting its triggers for this transaction."""
    tables = [table.name for table in reversed(db.metadata.sorted_tables)]
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL hu.compacting = 'on'")
            connection.exec_driver_sql(f"TRUNCATE {', '.join(tables)} CASCADE")
            return
        for trigger in ("no_update", "no_delete", "no_replace"):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS universe_changes_{trigger}")
        for table in tables:
            connection.exec_driver_sql(f"DELETE FROM {table}")
        for statement in SQLITE_TRIGGERS:
            connection.exec_driver_sql(statement)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client without a token."""
    return app.test_client()


class Person:
    """Somebody registered, with a client that sends their token."""

    def __init__(self, client: FlaskClient, username: str, password: str = "correct horse battery") -> None:
        self.client, self.username, self.password = client, username, password
        answer = client.post("/api/auth/register", json={"username": username, "email": f"{username}@example.org", "password": password})
        assert answer.status_code == 201, answer.text
        self.id = answer.json["user"]["id"]
        self.token, self.refresh_token = answer.json["access_token"], answer.json["refresh_token"]

    def request(self, method: str, path: str, **kwargs: Any) -> Any:
        """A request with this person's token; `path` is below /api."""
        headers = {"Authorization": f"Bearer {self.token}", **kwargs.pop("headers", {})}
        return self.client.open(f"/api{path}", method=method, headers=headers, **kwargs)

    def get(self, path: str, **kwargs: Any) -> Any:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> Any:
        return self.request("POST", path, **kwargs)

    def put(self, path: str, **kwargs: Any) -> Any:
        return self.request("PUT", path, **kwargs)

    def patch(self, path: str, **kwargs: Any) -> Any:
        return self.request("PATCH", path, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Any:
        return self.request("DELETE", path, **kwargs)


@pytest.fixture
def person(app: Flask) -> Callable[[str], Person]:
    """Registers people by name: person("ada")."""
    return lambda name: Person(app.test_client(), name)

"""The migrations lead to the schema of the models, and back to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import create_app
from app.extensions import db
from app.system.drift import drift
from tests.databases import fresh_postgresql, made_ready

_BREAKS = {
    "universes.name": "ALTER TABLE universes RENAME COLUMN name TO title",
    "users: check ck_users_role_known": "ALTER TABLE users DROP CONSTRAINT ck_users_role_known",
    "scenes: index ix_scenes_order": "DROP INDEX ix_scenes_order",
    "sessions: foreign key fk_sessions_user_id_users": "ALTER TABLE sessions DROP CONSTRAINT fk_sessions_user_id_users",
    "voices.pan": "ALTER TABLE voices ALTER pan TYPE real",
    "users.bio": "ALTER TABLE users ALTER bio DROP NOT NULL",
    "visitors": "CREATE TABLE visitors (id integer PRIMARY KEY)",
    "idempotency_keys": "DROP TABLE idempotency_keys",
}
_FOR_SQLITE = {"universes.name", "scenes: index ix_scenes_order", "visitors", "idempotency_keys"}  # which cannot alter the others
_POSTGRESQL_NAMES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""
_TRIGGERS = {
    "sqlite": ("universe_changes_no_delete", "DROP TRIGGER universe_changes_no_delete"),
    "postgresql": ("universe_changes_no_truncate", "ALTER TABLE universe_changes DISABLE TRIGGER universe_changes_no_truncate"),
}


@pytest.fixture
def empty_database(database_url: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of the kind under test, without a table."""
    if database_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    with fresh_postgresql(database_url) as url:
        yield url


def test_migrations_lead_from_nothing_to_the_models_and_back(empty_database: str, tmp_path: Path) -> None:
    def command(*words: str) -> tuple[int, str]:
        app = create_app({}, flask_env="testing", database_url=empty_database, data_dir=str(tmp_path), log_level="critical")
        done = app.test_cli_runner().invoke(args=("db", *words))
        with app.app_context():
            db.engine.dispose()
        return done.exit_code, done.stdout

    code, said = command("verify")
    assert code == 1 and "is missing: a table" in said
    assert command("upgrade")[0] == 0
    assert command("verify") == (0, "The database has the schema of the models.\n")
    assert command("downgrade", "base")[0] == 0
    assert what_is_left(empty_database) == set()
    assert command("upgrade")[0] == 0
    assert command("verify")[0] == 0


def test_a_drifted_table_column_constraint_index_or_trigger_is_named(empty_database: str, tmp_path: Path) -> None:
    made_ready(empty_database)
    engine = sa.create_engine(empty_database)
    kind = engine.dialect.name
    trigger, statement = _TRIGGERS[kind]
    breaks = {name: sql for name, sql in _BREAKS.items() if kind == "postgresql" or name in _FOR_SQLITE}
    with engine.begin() as connection:
        for sql in (*breaks.values(), statement):
            connection.exec_driver_sql(sql)
    engine.dispose()
    app = create_app({}, flask_env="testing", database_url=empty_database, data_dir=str(tmp_path), log_level="critical")
    verified = app.test_cli_runner().invoke(args=("db", "verify"))
    assert verified.exit_code == 1
    for name in (*breaks, f"universe_changes: trigger {trigger}"):
        assert any(line.startswith(f"{name} is ") for line in verified.stdout.splitlines()), (name, verified.stdout)


def test_a_server_tells_of_migrations_that_wait_and_of_a_schema_it_does_not_know(empty_database: str, tmp_path: Path) -> None:
    client = create_app({}, flask_env="testing", database_url=empty_database, data_dir=str(tmp_path), log_level="critical").test_client()
    waiting = client.get("/ready")
    assert (waiting.status_code, waiting.json["code"], waiting.headers["Retry-After"]) == (503, "NOT_READY", "1")
    first = min(path.stem for path in Path("migrations/versions").glob("*.py"))
    assert first in waiting.json["errors"]["migrations"][0]
    made_ready(empty_database)
    assert client.get("/ready").status_code == 200
    stamp(empty_database, "f00ba4")
    unknown = client.get("/ready")
    assert unknown.status_code == 503
    assert "f00ba4, which this release does not know" in unknown.json["errors"]["migrations"][0]


def test_looking_for_drift_leaves_no_trace(empty_database: str, tmp_path: Path) -> None:
    app = create_app({}, flask_env="testing", database_url=empty_database, data_dir=str(tmp_path), log_level="critical")
    with app.app_context():
        db.create_all()
        before = schemas(db.engine)
        assert drift(db.engine, db.metadata) == []
        assert schemas(db.engine) == before
        db.engine.dispose()


def what_is_left(url: str) -> set[str]:
    """The names of everything in a database, the migrations' own table apart."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").scalars()
        else:
            found = connection.exec_driver_sql(_POSTGRESQL_NAMES).scalars()
        names = {name for name in found if not name.startswith("alembic_version")}
    engine.dispose()
    return names


def schemas(engine: sa.Engine) -> list[str]:
    return sorted(sa.inspect(engine).get_schema_names())


def stamp(url: str, revision: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    engine.dispose()

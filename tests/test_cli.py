"""Operator commands where the database or a folder cannot be used: a line that says what is wrong and what to run, and exit code 1."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from app import create_app
from app.config import ConfigurationError
from app.extensions import db
from tests.databases import flask, made_ready, postgresql_or_skip

COMMANDS = [
    ("seed",),
    ("users", "promote", "ada"),
    ("universes", "verify", "--all"),
    ("jobs", "list"),
    ("jobs", "purge"),
    ("audit", "tail"),
    ("scenes", "simulate", "--scene", "5b0c6f5e-8d3a-4a37-9a53-0d6c2a1f7e11"),
]
EMPTY = "Error: The database has no tables yet: run flask db upgrade."
Run = Callable[..., str]


@pytest.fixture
def fault(tmp_path: Path) -> Iterator[Run]:
    """What a command that fails on a database says is wrong: its last line. fault(url, "jobs", "list")"""
    made: dict[str, Flask] = {}

    def run(url: str, *command: str) -> str:
        if url not in made:
            made[url] = create_app({}, flask_env="testing", database_url=url, data_dir=str(tmp_path), log_level="error")
        done = made[url].test_cli_runner().invoke(args=command)
        assert isinstance(done.exception, SystemExit), repr(done.exception)
        assert done.exit_code == 1, done.output
        return done.stderr.splitlines()[-1]

    yield run
    for app in made.values():
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The address of a SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'own.db'}"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_database_without_tables_is_to_be_upgraded(command: tuple[str, ...], url: str, fault: Run) -> None:
    assert fault(url, *command) == EMPTY


def test_a_postgresql_database_without_tables_is_to_be_upgraded(fault: Run) -> None:
    with postgresql_or_skip() as url:
        assert fault(url, "seed") == fault(url, "jobs", "list") == EMPTY


def test_a_worker_does_not_wait_for_jobs_that_there_can_be_none_of(url: str, tmp_path: Path) -> None:
    done = flask(url, "worker", DATA_DIR=str(tmp_path))
    assert (done.returncode, done.stderr.splitlines()) == (1, [EMPTY])


def test_a_database_of_another_release_says_which_way_to_go(url: str, fault: Run) -> None:
    made_ready(url)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE audit_events")
    assert fault(url, "audit", "tail") == "Error: The database is not as its migrations left it: run flask db verify."
    with engine.begin() as connection:
        first = "SELECT version_num FROM alembic_version"
        head = connection.exec_driver_sql(first).scalar_one()
        connection.exec_driver_sql("DELETE FROM alembic_version")
    lacking = fault(url, "audit", "tail")
    assert lacking.startswith("Error: The database lacks ")
    assert lacking.endswith(": run flask db upgrade.")
    assert head in lacking
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('fedcba987654')")
    assert "fedcba987654, which this release does not know" in fault(url, "audit", "tail")


@pytest.mark.parametrize("command", [("seed",), ("db", "upgrade"), ("db", "verify"), ("users", "enable", "ada")], ids=" ".join)
def test_a_damaged_database_is_to_be_put_back(command: tuple[str, ...], url: str, fault: Run, tmp_path: Path) -> None:
    file = tmp_path / "own.db"
    file.write_bytes(os.urandom(8192))
    assert fault(url, *command) == f"Error: The database file {file} is damaged. Put a backup in its place, then run flask db upgrade."


@pytest.mark.parametrize("command", [("seed",), ("db", "upgrade"), ("jobs", "list")], ids=" ".join)
def test_a_database_that_does_not_answer_is_for_the_doctor(command: tuple[str, ...], fault: Run, tmp_path: Path) -> None:
    for url in ("postgresql://ada:secret@127.0.0.1:1/nowhere", f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'x.db'}"):
        said = fault(url, *command)
        assert said.startswith("Error: The database cannot be used: ")
        assert said.endswith(" Run flask doctor.")
        assert "secret" not in said


@pytest.mark.parametrize("folder", ["file", "file/below"])
@pytest.mark.parametrize("setting", ["data_dir", "storage_dir"])
def test_a_folder_that_cannot_be_one_is_named_by_its_setting(setting: str, folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError) as refused:
        create_app({}, **{"data_dir": str(tmp_path), setting: str(tmp_path / folder)})
    assert refused.value.message == f"{setting.upper()}: {tmp_path / folder} cannot be a folder, for {tmp_path / 'file'} is a file."


def test_a_place_for_the_queue_that_is_taken_is_named(tmp_path: Path) -> None:
    (tmp_path / "queue").touch()
    with pytest.raises(ConfigurationError, match="DATA_DIR cannot hold the queue: "):
        create_app({}, data_dir=str(tmp_path))


def test_what_is_wrong_with_a_folder_is_all_that_a_command_says(url: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = flask(url, "seed", DATA_DIR=str(tmp_path / "file"))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: DATA_DIR: {tmp_path / 'file'} cannot be a folder")

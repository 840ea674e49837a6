"""/health, /ready and /version tell the truth, and so does `flask doctor`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

import app as application
from app import create_app
from app.engine import VERSION
from app.extensions import db
from app.jobs import workers
from app.jobs.models import Job
from app.system.checks import messages
from tests.databases import flask, made_ready

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"  # port 1: nothing listens there


@pytest.fixture
def ready(tmp_path: Path) -> Flask:
    """An application on a migrated database of its own."""
    url = f"sqlite:///{tmp_path / 'ready.db'}"
    made_ready(url)
    return create_app({}, flask_env="testing", database_url=url, data_dir=str(tmp_path), log_level="critical")


@pytest.mark.parametrize("path", ["/health", "/health/", "/api/health", "/api/v1/health", "/api/v1/health/"])
def test_health_is_answered_wherever_it_is_asked(client: FlaskClient, path: str) -> None:
    assert (client.get(path).status_code, client.get(path).json) == (200, {"status": "ok"})


def test_health_needs_no_database(tmp_path: Path) -> None:
    lost = create_app({}, flask_env="testing", database_url=NOWHERE, data_dir=str(tmp_path), log_level="critical").test_client()
    assert lost.get("/health").status_code == 200
    answer = lost.get("/ready")
    assert (answer.status_code, answer.json["code"]) == (503, "NOT_READY")
    assert answer.json["errors"] == {"database": ["The database cannot be reached."]}


def test_the_version_is_that_of_the_release(client: FlaskClient) -> None:
    assert client.get("/version").json == {
        "name": "Harmonic Universe",
        "version": application.__version__,
        "api_version": "v1",
        "engine_version": VERSION,
    }


def test_a_service_with_all_it_needs_is_ready(ready: Flask, tmp_path: Path) -> None:
    workers.report(tmp_path / "storage")
    answer = ready.test_client().get("/ready").json
    assert answer["status"] == "ready"
    assert {check["name"]: check["state"] for check in answer["checks"]} == dict.fromkeys(
        ("database", "migrations", "jobs", "storage"), "ok"
    )


def test_without_storage_it_is_not_ready(ready: Flask, tmp_path: Path) -> None:
    (tmp_path / "storage").rmdir()
    answer = ready.test_client().get("/ready")
    assert (answer.status_code, list(answer.json["errors"])) == (503, ["storage"])
    (tmp_path / "storage").mkdir()
    assert ready.test_client().get("/ready").status_code == 200
    assert list((tmp_path / "storage").iterdir()) == []  # the check leaves nothing behind


def test_a_missing_worker_degrades_it(ready: Flask, tmp_path: Path) -> None:
    with ready.app_context():
        db.session.add(Job(type="render", subject_id=uuid4()))
        db.session.commit()
    assert_degraded(ready, "No worker is at work; 1 jobs wait.")
    workers.report(tmp_path / "storage")
    assert ready.test_client().get("/ready").json["status"] == "ready"
    workers.leave(tmp_path / "storage")
    assert_degraded(ready, "No worker is at work")


@pytest.mark.slow
def test_a_worker_that_was_killed_is_missed_and_then_forgotten(ready: Flask, tmp_path: Path) -> None:
    killed = tmp_path / "storage" / "workers" / "elsewhere-1"
    killed.parent.mkdir()
    killed.touch()
    assert ready.test_client().get("/ready").json["status"] == "ready"
    os.utime(killed, (time.time() - 20, time.time() - 20))
    assert_degraded(ready, "No worker is at work")
    os.utime(killed, (time.time() - 7200, time.time() - 7200))
    workers.report(tmp_path / "storage")
    assert not killed.exists()


def assert_degraded(ready: Flask, because: str) -> None:
    answer = ready.test_client().get("/ready")
    assert (answer.status_code, answer.json["status"]) == (200, "degraded")
    assert because in next(check["message"] for check in answer.json["checks"] if check["state"] == "warn")


@pytest.mark.slow
def test_the_doctor_finds_what_must_be_mended(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'patient.db'}"
    ill = flask(url, "doctor", DATA_DIR=str(tmp_path))
    assert ill.returncode == 1
    assert "fail  migrations: Pending" in ill.stdout
    made_ready(url)
    well = flask(url, "doctor", DATA_DIR=str(tmp_path))
    assert well.returncode == 0, well.stdout
    assert "warn  secret key" in well.stdout
    assert "ok    clock" in well.stdout
    weak = flask(url, "doctor", DATA_DIR=str(tmp_path), SECRET_KEY="short")
    assert (weak.returncode, "fail  secret key" in weak.stdout) == (1, True)


def test_the_doctor_says_when_the_database_is_lost(tmp_path: Path) -> None:
    lost = flask(NOWHERE, "doctor", DATA_DIR=str(tmp_path))
    assert lost.returncode == 1
    assert "fail  database: The database cannot be reached." in lost.stdout
    assert "migrations" not in lost.stdout


def test_figures_tell_of_commits_and_of_refusals_by_code(client: FlaskClient, person: Any) -> None:
    ada = person("ada")
    before = figures(client.get("/metrics").text)
    universe = ada.post("/universes", json={"name": "Counted"}).json["id"]
    key = {"Idempotency-Key": "once"}
    for _ in range(2):
        assert ada.patch(f"/universes/{universe}", json={"name": "Twice sent"}, headers=key).status_code == 200
    assert ada.patch(f"/universes/{universe}", json={"name": "Other"}, headers=key).status_code == 422
    after = figures(client.get("/api/metrics").text)
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    assert grown['harmonic_commits_total{source="rest"}'] == 2
    assert grown["harmonic_duplicates_total"] == 1
    assert grown['harmonic_refusals_total{code="OP_ID_REUSED"}'] == 1


def test_figures_are_for_those_who_hold_the_token(database_url: str, tmp_path: Path) -> None:
    app = create_app({}, flask_env="testing", database_url=database_url, data_dir=str(tmp_path), metrics_token="let me in please")
    client = app.test_client()
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer let me out"}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer let me in please"}).status_code == 200
    production = {"flask_env": "production", "secret_key": "0123456789abcdefghijklmnopqrstuvwxyz", "database_url": database_url}
    closed = create_app({}, **production, data_dir=str(tmp_path))
    assert closed.test_client().get("/metrics").status_code == 404


def test_a_redis_that_is_away_degrades_the_service_and_fails_nothing(ready: Flask, tmp_path: Path) -> None:
    url = ready.config["SQLALCHEMY_DATABASE_URI"]
    away = create_app({}, flask_env="testing", database_url=url, data_dir=str(tmp_path), redis_url="redis://127.0.0.1:1/0")
    answer = away.test_client().get("/ready")
    assert (answer.status_code, answer.json["status"]) == (200, "degraded")
    assert {check["name"]: check["state"] for check in answer.json["checks"]}["redis"] == "warn"
    with ready.app_context():
        assert messages() == []


def figures(text: str) -> dict[str, float]:
    """The values of a page of figures, by name and labels."""
    lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}

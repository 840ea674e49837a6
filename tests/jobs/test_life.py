"""The life of a job, as its row tells it: no worker runs here."""

from __future__ import annotations

import dataclasses
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.access import Actor
from app.database import now
from app.engine.errors import OutOfRange
from app.errors import Conflict, NotFound
from app.extensions import db
from app.jobs import service
from app.jobs.models import Job
from app.jobs.registry import Outcome
from app.unit_of_work import unit_of_work
from app.users.models import User


@pytest.fixture
def ada(app: Flask) -> Iterator[Actor]:
    """Somebody, with the application's context open."""
    with app.app_context():
        yield Actor(make_user("ada"))


def make_user(name: str) -> UUID:
    address = f"{name}@example.org"
    with unit_of_work() as session:
        user = User(id=uuid4(), username=name, username_folded=name, email=address, email_folded=address, password_hash="")
        session.add(user)
    return user.id


def make_job(actor: Actor) -> UUID:
    with unit_of_work():
        return service.create("render", uuid4(), user_id=actor.id, universe_id=None).id


def change(job_id: UUID, **values: Any) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(values))


def row(job_id: UUID) -> Any:
    with db.engine.connect() as connection:
        return connection.execute(select(*Job.__table__.columns).where(Job.id == job_id)).one()


def messages(app: Flask) -> list[Path]:
    return list(Path(app.config["SETTINGS"].data_dir, "queue", "messages").glob("*.msg"))


def test_of_many_workers_that_hear_of_a_job_one_gets_it(app: Flask, ada: Actor) -> None:
    job_id, got, start = make_job(ada), [], threading.Barrier(8)

    def claim() -> None:
        with app.app_context():
            start.wait()
            got.append(service.claim(job_id))

    workers = [threading.Thread(target=claim) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(claimed is not None for claimed in got) == 1
    assert (row(job_id).state, row(job_id).attempts) == ("running", 1)


def test_only_the_holder_of_the_lease_ends_a_job(ada: Actor) -> None:
    job_id = make_job(ada)
    first = service.claim(job_id)
    assert first is not None
    change(job_id, lease_until=now() - timedelta(seconds=1))
    service.sweep()
    second = service.claim(job_id)
    assert second is not None
    kept: list[str] = []
    late = Outcome(record=lambda session: kept.append("late"), discard=lambda: kept.append("discarded"))
    assert not service.finish(job_id, first.lease, late)
    assert not service.extend(job_id, first.lease, 0.5)
    service.fail(job_id, first.lease, RuntimeError("late"))
    assert row(job_id).state == "running"
    assert service.finish(job_id, second.lease, Outcome(record=lambda session: kept.append("recorded")))
    assert kept == ["discarded", "recorded"]
    assert (row(job_id).state, row(job_id).progress, row(job_id).lease) == ("succeeded", 1.0, None)


def test_what_cannot_be_recorded_leaves_the_job_running(ada: Actor) -> None:
    job_id = make_job(ada)
    claimed = service.claim(job_id)
    assert claimed is not None

    def broken(session: Any) -> None:
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        service.finish(job_id, claimed.lease, Outcome(record=broken))
    assert row(job_id).state == "running"


def test_a_lost_worker_s_job_is_queued_again_and_given_up_after_three(app: Flask, ada: Actor) -> None:
    job_id = make_job(ada)
    for attempt in range(1, app.config["SETTINGS"].job_attempts + 1):
        assert row(job_id).state == "queued"
        assert service.claim(job_id) is not None
        assert row(job_id).attempts == attempt
        assert service.sweep() == 0, "the lease holds still"
        change(job_id, lease_until=now() - timedelta(seconds=1))
        assert service.sweep() == 1
    assert row(job_id).state == "failed"
    assert row(job_id).error["code"] == "WORKER_LOST"


def test_a_crash_is_tried_again_and_what_the_engine_refuses_is_not(ada: Actor) -> None:
    job_id = make_job(ada)
    for attempt in (1, 2, 3):
        claimed = service.claim(job_id)
        assert claimed is not None
        service.crash(job_id, claimed.lease, claimed.attempts, ZeroDivisionError())
        assert row(job_id).state == ("queued" if attempt < 3 else "failed")
    assert row(job_id).error["code"] == "INTERNAL"
    refused = make_job(ada)
    claimed = service.claim(refused)
    assert claimed is not None
    service.fail(refused, claimed.lease, OutOfRange("Must be in the range 1 to 2 kg.", "bodies.0.mass"))
    assert row(refused).state == "failed"
    assert row(refused).error["status_code"] == 422
    assert row(refused).error["errors"] == {"bodies.0.mass": ["Must be in the range 1 to 2 kg."]}


def test_a_job_whose_message_was_lost_is_sent_again(app: Flask, ada: Actor) -> None:
    job_id = make_job(ada)
    for message in messages(app):
        message.unlink()
    assert service.sweep() == 0, "a message just sent may be on its way"
    change(job_id, sent_at=now() - timedelta(seconds=10))
    assert service.sweep() == 1
    assert len(messages(app)) == 1
    busy = make_job(ada)
    assert service.claim(busy) is not None
    change(job_id, sent_at=now() - timedelta(seconds=10))
    assert service.sweep() == 0, "while a worker is busy the message may be waiting its turn"
    change(job_id, sent_at=now() - timedelta(seconds=100))
    assert service.sweep() == 1


def test_a_broker_that_is_down_loses_no_job(app: Flask, ada: Actor) -> None:
    folder = Path(app.config["SETTINGS"].data_dir, "queue", "messages")
    shutil.rmtree(folder)
    job_id = make_job(ada)
    assert row(job_id).state == "queued"
    folder.mkdir()
    change(job_id, sent_at=now() - timedelta(seconds=10))
    service.sweep()
    assert len(messages(app)) == 1


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_when_its_worker_looks(ada: Actor) -> None:
    waiting, running = make_job(ada), make_job(ada)
    assert service.cancel(ada, waiting).state == "cancelled"
    assert service.claim(waiting) is None
    claimed = service.claim(running)
    assert claimed is not None
    assert service.is_wanted(running, claimed.lease)
    assert service.cancel(ada, running).state == "running"
    assert not service.is_wanted(running, claimed.lease)
    assert not service.extend(running, claimed.lease, 0.3)
    assert not service.finish(running, claimed.lease, Outcome())
    service.stop(running, claimed.lease)
    assert row(running).state == "cancelled"
    assert service.cancel(ada, running).state == "cancelled", "cancelling twice does nothing more"


def test_work_that_is_put_back_costs_no_attempt(ada: Actor) -> None:
    job_id = make_job(ada)
    claimed = service.claim(job_id)
    assert claimed is not None
    service.stop(job_id, claimed.lease)
    assert (row(job_id).state, row(job_id).attempts) == ("queued", 0)


def test_a_cancelled_job_whose_worker_died_ends_as_cancelled(ada: Actor) -> None:
    job_id = make_job(ada)
    service.claim(job_id)
    service.cancel(ada, job_id)
    change(job_id, lease_until=now() - timedelta(seconds=1))
    service.sweep()
    assert row(job_id).state == "cancelled"


def test_only_what_ended_badly_can_be_tried_again(ada: Actor) -> None:
    job_id = make_job(ada)
    with pytest.raises(Conflict):
        service.retry(ada, job_id)
    service.cancel(ada, job_id)
    again = service.retry(ada, job_id)
    assert (again.state, again.attempts, again.cancel_requested, again.finished_at) == ("queued", 0, False, None)
    claimed = service.claim(job_id)
    assert claimed is not None
    service.finish(job_id, claimed.lease, Outcome())
    with pytest.raises(Conflict):
        service.cancel(ada, job_id)
    with pytest.raises(Conflict):
        service.retry(ada, job_id)


def test_a_job_is_seen_by_who_asked_for_it_and_by_administrators(ada: Actor) -> None:
    job_id, grace = make_job(ada), Actor(make_user("grace"))
    assert service.read(ada, job_id).id == job_id
    assert service.read(dataclasses.replace(grace, admin=True), job_id).id == job_id
    for act in (service.read, service.cancel, service.retry):
        with pytest.raises(NotFound):
            act(grace, job_id)
    assert row(job_id).state == "queued"


def test_the_database_keeps_a_job_s_row_consistent(ada: Actor) -> None:
    job_id = make_job(ada)
    for wrong in ({"state": "lost"}, {"progress": 1.1}, {"state": "running"}, {"state": "failed"}, {"lease": "x"}, {"attempts": -1}):
        with pytest.raises(Exception, match=r"(?i)check"):
            change(job_id, **wrong)


def test_the_commands_list_retry_and_purge(app: Flask, ada: Actor) -> None:
    done, failed = make_job(ada), make_job(ada)
    claimed = service.claim(done)
    assert claimed is not None
    service.finish(done, claimed.lease, Outcome())
    service.cancel(ada, failed)
    run = app.test_cli_runner().invoke
    listed = run(args=["jobs", "list"]).output
    assert str(done) in listed
    assert str(failed) in run(args=["jobs", "list", "--state", "cancelled"]).output
    assert str(done) not in run(args=["jobs", "list", "--state", "cancelled"]).output
    assert run(args=["jobs", "retry", str(failed)]).output == "1 queued.\n"
    refused = run(args=["jobs", "retry", str(done)])
    assert refused.exit_code == 1
    assert run(args=["jobs", "purge", "--days", "1"]).output == "0 deleted.\n"
    change(done, finished_at=now() - timedelta(days=2))
    assert run(args=["jobs", "purge", "--days", "1"]).output == "1 deleted.\n"
    assert row(failed).state == "queued"


def test_jobs_over_http(app: Flask, person: Callable[[str], Any]) -> None:
    grace, alan = person("grace"), person("alan")
    with app.app_context():
        first, second = make_job(Actor(UUID(grace.id))), make_job(Actor(UUID(grace.id)))
    assert [job["id"] for job in grace.get("/jobs").json["items"]] in ([str(second), str(first)], [str(first), str(second)])
    assert alan.get("/jobs").json["items"] == []
    assert alan.get(f"/jobs/{first}").status_code == 404
    assert alan.post(f"/jobs/{first}/cancel").status_code == 404
    cancelled = grace.post(f"/jobs/{first}/cancel")
    assert (cancelled.status_code, cancelled.json["state"]) == (200, "cancelled")
    assert grace.get(f"/jobs/{first}?wait=30").json["state"] == "cancelled", "an ended job is not waited for"
    assert grace.get(f"/jobs/{second}?wait=0.1").json["state"] == "queued"
    assert grace.get(f"/jobs/{second}?wait=31").status_code == 422
    assert [job["id"] for job in grace.get("/jobs?state=cancelled").json["items"]] == [str(first)]
    assert grace.post(f"/jobs/{first}/retry").json["state"] == "queued"
    assert grace.post(f"/jobs/{first}/retry").status_code == 409

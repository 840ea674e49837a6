"""Several writers at once: the log has no gap, no write is lost, and a role is read when the lock is held."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from app import create_app
from app.changes.verify import snapshot, verify
from app.extensions import db
from tests.conftest import QUICK_PASSWORDS, Person
from tests.databases import postgresql_or_skip
from tests.rendering import make_scene, make_universe

WRITERS, EDITS = 8, 12


def test_eight_writers_of_one_universe_leave_a_log_without_a_gap(app: Flask, person: Callable) -> None:
    owner = person("ada")
    universe = owner.post("/universes", json={"name": "One"}).json["id"]
    writers = [owner, *(person(f"writer{i}") for i in range(WRITERS - 1))]
    for writer in writers[1:]:
        owner.post(f"/universes/{universe}/collaborators", json={"user_id": writer.id, "role": "editor"})
    scene = owner.post(f"/universes/{universe}/scenes", json={"name": "A"}).json["id"]
    before = int(owner.get(f"/universes/{universe}").headers["ETag"].strip('"'))
    with ThreadPoolExecutor(WRITERS) as pool:
        made = [one for bodies in pool.map(lambda writer: write(writer, scene), writers) for one in bodies]
    rows = history(owner, universe, before)
    assert [row["revision"] for row in rows] == list(range(before + 1, before + 1 + WRITERS * EDITS))
    assert sorted(row["path"] for row in rows) == sorted(f"bodies/{body}" for body in made)
    with app.app_context(), snapshot(db.engine) as session:
        assert verify(session, UUID(universe)) == []


def write(writer: Any, scene: str) -> list[str]:
    """Make bodies; when the database has another turn to wait for, ask again with the same key, as a client does."""
    made = []
    for number in range(EDITS):
        key = {"Idempotency-Key": f"{writer.username}-{number}"}
        answer = writer.post(f"/scenes/{scene}/bodies", json={"name": "ball"}, headers=key)
        while answer.status_code == 503:
            answer = writer.post(f"/scenes/{scene}/bodies", json={"name": "ball"}, headers=key)
        assert answer.status_code == 201, answer.text
        made.append(answer.json["id"])
    return made


def history(person: Any, universe: str, since: int) -> list[dict[str, Any]]:
    """All rows after a revision, page by page."""
    rows: list[dict[str, Any]] = []
    cursor: int | None = since
    while cursor is not None:
        page = person.get(f"/universes/{universe}/history?limit=50&cursor={cursor}").json
        rows += page["items"]
        cursor = page["next_cursor"]
    return rows


def test_two_requests_with_one_key_at_once_are_one_change(app: Flask, person: Callable) -> None:
    ada = person("ada")
    body, key = {"name": "One"}, {"Idempotency-Key": "at-once"}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ada.post("/universes", json=body, headers=key), range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert ada.get("/universes?scope=mine&include=total").json["total"] == 1


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application on a PostgreSQL database of its own."""
    folder = tmp_path_factory.mktemp("postgresql")
    with postgresql_or_skip() as url:
        app = create_app(
            {}, flask_env="testing", database_url=url, data_dir=str(folder), rate_limits=False, log_level="warning", **QUICK_PASSWORDS
        )
        with app.app_context():
            db.create_all()
        yield app
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


@pytest.fixture
def held(postgresql: Flask) -> Iterator[sa.Connection]:
    """A transaction of somebody else's."""
    with postgresql.app_context(), db.engine.connect().execution_options(write=True) as connection:
        yield connection
        connection.rollback()


def people(app: Flask, *names: str) -> list[Any]:
    stamp = time.time_ns()
    return [Person(app.test_client(), f"{name}{stamp}") for name in names]


def until_somebody_waits(connection: sa.Connection, count: int = 1) -> None:
    """Return when another session of this database waits for a lock, or `count` of them."""
    waiting = sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    deadline = time.monotonic() + 2.5  # the lock is given up after 3 s
    with connection.engine.connect() as watcher:
        while watcher.scalar(waiting) < count:
            watcher.rollback()
            assert time.monotonic() < deadline, "nobody waits"


def in_background(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(work()))
    thread.start()
    return thread, answers


def test_a_member_removed_while_their_edit_waits_for_the_lock_is_refused(postgresql: Flask, held: sa.Connection) -> None:
    ada, bob = people(postgresql, "ada", "bob")
    universe = ada.post("/universes", json={"name": "One"}).json["id"]
    ada.post(f"/universes/{universe}/collaborators", json={"user_id": bob.id, "role": "editor"})
    held.execute(sa.text("SELECT 1 FROM universes WHERE id = :id FOR UPDATE"), {"id": universe})
    held.execute(sa.text("DELETE FROM memberships WHERE user_id = :id"), {"id": bob.id})
    thread, answers = in_background(lambda: bob.patch(f"/universes/{universe}", json={"name": "Bob's"}))
    until_somebody_waits(held)
    held.commit()
    thread.join()
    assert answers[0].status_code == 404
    assert ada.get(f"/universes/{universe}").json["name"] == "One"


def test_two_orders_with_one_key_at_once_are_one_render(postgresql: Flask, held: sa.Connection) -> None:
    [ada] = people(postgresql, "ada")
    scene = make_scene(ada, make_universe(ada))
    headers = {"Idempotency-Key": "at-once", "Prefer": "respond-async"}
    held.execute(sa.text("SELECT 1 FROM users WHERE id = :id FOR UPDATE"), {"id": ada.id})
    begun = [in_background(lambda: ada.post("/audio/generate", json={"scene_id": str(scene)}, headers=headers)) for _ in range(2)]
    until_somebody_waits(held, count=2)
    held.commit()
    for thread, _ in begun:
        thread.join()
    answers = [answers[0] for _, answers in begun]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert len({answer.json["audio"]["id"] for answer in answers}) == 1
    assert len(ada.get("/jobs").json["items"]) == 1


def test_the_revision_is_read_when_the_lock_is_held(postgresql: Flask, held: sa.Connection) -> None:
    [ada] = people(postgresql, "ada")
    universe = ada.post("/universes", json={"name": "One"}).json["id"]
    held.execute(sa.text("UPDATE universes SET revision = 41 WHERE id = :id"), {"id": universe})
    thread, answers = in_background(lambda: ada.patch(f"/universes/{universe}", json={"name": "Two"}))
    until_somebody_waits(held)
    held.commit()
    thread.join()
    assert answers[0].headers["X-Universe-Revision"] == "42"


def test_a_universe_held_too_long_is_busy_and_the_retry_succeeds(postgresql: Flask, held: sa.Connection) -> None:
    [ada] = people(postgresql, "ada")
    universe = ada.post("/universes", json={"name": "One"}).json["id"]
    held.execute(sa.text("SELECT 1 FROM universes WHERE id = :id FOR UPDATE"), {"id": universe})
    key = {"Idempotency-Key": "patient"}
    refused = ada.patch(f"/universes/{universe}", json={"name": "Two"}, headers=key)
    assert (refused.status_code, refused.json["code"], refused.headers["Retry-After"]) == (503, "BUSY", "1")
    held.rollback()
    assert ada.patch(f"/universes/{universe}", json={"name": "Two"}, headers=key).json["revision"] == 2


def test_a_connection_that_has_read_one_moment_writes_as_every_other_does(postgresql: Flask) -> None:
    with postgresql.app_context():
        db.engine.dispose()  # so that the next connection is made once and then used again
        with snapshot(db.engine) as session:
            assert session.scalar(sa.text("SHOW transaction_isolation")) == "repeatable read"
        with db.engine.connect().execution_options(write=True) as connection:
            assert connection.scalar(sa.text("SHOW transaction_isolation")) == "read committed"


def test_other_universes_are_not_held_up(postgresql: Flask, held: sa.Connection) -> None:
    [ada] = people(postgresql, "ada")
    one, two = (ada.post("/universes", json={"name": name}).json["id"] for name in ("One", "Two"))
    held.execute(sa.text("SELECT 1 FROM universes WHERE id = :id FOR UPDATE"), {"id": one})
    assert ada.patch(f"/universes/{two}", json={"name": "free"}).status_code == 200

"""Leaving while others act: no one is left a member of anything, and nobody is answered with an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app import create_app
from app.extensions import db
from app.universes.models import Membership
from app.users.models import User
from tests.conftest import Person
from tests.databases import postgresql_or_skip
from tests.rendering import eventually

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def _be_patient(connection: Any, _: Any) -> None:
    """Let statements wait for locks for as long as a slow machine takes to bring the others about."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 0; SET statement_timeout = 0")
    connection.commit()


@pytest.fixture
def app(tmp_path: Any) -> Iterator[Flask]:
    """An application on PostgreSQL, where transactions truly run at once."""
    with postgresql_or_skip() as url:
        app = create_app({}, flask_env="testing", database_url=url, data_dir=str(tmp_path), rate_limits=False, log_level="error")
        with app.app_context():
            db.create_all()
            sa.event.listen(db.engine, "connect", _be_patient)
            db.engine.dispose()
        yield app
        with app.app_context():
            db.engine.dispose()


@contextmanager
def held(app: Flask, statement: str) -> Iterator[Any]:
    """A transaction that holds what a statement locks; the block is given a function that says how many others wait for a lock."""
    with app.app_context(), db.engine.connect().execution_options(isolation_level="READ COMMITTED") as connection, connection.begin():
        connection.exec_driver_sql(statement)

        def waiting() -> int:
            connection.exec_driver_sql("SELECT pg_stat_clear_snapshot()")  # else a transaction sees what it saw first
            return int(connection.exec_driver_sql(_WAITING).scalar_one())

        yield waiting


def invite(owner: Any, universe: str, guest: Any, role: str = "viewer") -> Any:
    return owner.post(f"/universes/{universe}/collaborators", json={"user_id": guest.id, "role": role})


def leave(who: Any) -> Any:
    return who.delete("/users/me", json={"password": who.password})


def left(app: Flask, who: Any) -> None:
    with app.app_context():
        assert db.session.scalar(sa.select(User.id).where(User.id == who.id)) is None
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Membership).where(Membership.user_id == who.id)) == 0


def people(app: Flask) -> tuple[Any, Any, str]:
    ada, bob = (Person(app.test_client(), name) for name in ("ada", "bob"))
    return ada, bob, str(ada.post("/universes", json={"name": "Ours"}).json["id"])


def test_an_invitation_that_is_committed_while_the_guest_leaves_ends_with_them(app: Flask) -> None:
    ada, bob, universe = people(app)
    with ThreadPoolExecutor(2) as pool:
        with held(app, "LOCK TABLE audit_events IN SHARE MODE") as waiting:  # both write to it: the invitation last, leaving first
            invited = pool.submit(invite, ada, universe, bob)
            eventually(lambda: waiting() == 1)
            gone = pool.submit(leave, bob)
            eventually(lambda: waiting() == 2)
        answers = invited.result(), gone.result()
    assert answers[0].status_code in (201, 404), answers[0].text
    assert answers[1].status_code == 204, answers[1].text
    left(app, bob)
    rows = ada.get(f"/universes/{universe}/history").json["items"]
    assert [row["op"] for row in rows[1:]] == ["member", "member"], "they came, and they went, through the log"


def test_an_invitation_that_comes_while_the_guest_s_account_goes_finds_nobody(app: Flask) -> None:
    ada, bob, universe = people(app)
    with ThreadPoolExecutor(2) as pool:
        with held(app, "LOCK TABLE sessions IN SHARE MODE") as waiting:  # the account's sessions go with it
            gone = pool.submit(leave, bob)
            eventually(lambda: waiting() == 1)
            invited = pool.submit(invite, ada, universe, bob)
            eventually(lambda: waiting() == 2)
        answers = invited.result(), gone.result()
    assert answers[0].status_code == 422, answers[0].text
    assert answers[0].json["errors"] == {"user_id": ["There is no such user."]}
    assert answers[1].status_code == 204, answers[1].text
    left(app, bob)


def test_a_universe_made_while_its_owner_leaves_goes_with_them(app: Flask) -> None:
    ada, _, _ = people(app)
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(ada.post, "/universes", json={"name": f"{number}"}) for number in range(6)]
        gone = pool.submit(leave, ada)
        statuses = {answer.result().status_code for answer in made}
    assert gone.result().status_code == 204, gone.result().text
    assert statuses <= {201, 401, 422}
    left(app, ada)

"""A server that is told to stop: its clients are told, what runs is finished, nothing new is begun, and it is gone soon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from tests.databases import on_postgresql_alone, postgresql_or_skip
from tests.servers import EACH_KIND, EACH_SERVER, start
from tests.sockets import Account, eventually

_GONE_SECONDS = 8
"""Far below the patience of thirteen seconds that gunicorn has, after which it kills."""


@pytest.mark.parametrize("kind", EACH_SERVER)
def test_everybody_is_told_when_to_come_back_and_the_server_is_gone_soon(kind: str) -> None:
    with start(kind, LOG_LEVEL="warning", CONNECTIONS_PER_USER="100") as server:
        ada = Account(server.url, "ada")
        universe_id = ada.make_universe()
        peers = [ada.connect() for _ in range(48)] + [ada.connect(transports=["polling"]) for _ in range(2)]
        for peer in peers:
            peer.join(universe_id)
        with requests.Session() as idle:  # a kept connection on which nothing more is asked
            assert idle.get(server.url + "/health").ok
            assert server.terminate() < _GONE_SECONDS
        waits = [eventually(lambda peer=peer: peer.payloads("draining"))[0]["retry_in_ms"] for peer in peers[:48]]
        assert all(0 <= wait <= 5000 for wait in waits)
        assert len(set(waits)) > 10
        assert all(peer.ended.wait(5) for peer in peers)
        assert "Traceback" not in server.log


@pytest.mark.parametrize("kind", EACH_KIND)
def test_an_edit_that_runs_is_finished_and_acknowledged_and_no_other_is_begun(kind: str) -> None:
    on_postgresql_alone()
    with postgresql_or_skip() as url, start(kind, url, LOG_LEVEL="warning") as server:
        ada = Account(server.url, "ada")
        universe_id, other_id = ada.make_universe(), ada.make_universe()
        one, other = ada.connect(), ada.connect()
        head = one.join(universe_id)["revision"]
        other.join(other_id)
        answers: list[Any] = []
        with _held(url, universe_id) as locked, requests.Session() as kept:
            assert kept.get(server.url + "/health").ok
            running = Thread(target=lambda: answers.append(one.edit(universe_id, "universe", {"name": "Finished"})))
            running.start()
            eventually(locked.awaited)
            server.process.terminate()
            eventually(lambda: other.payloads("draining"))
            refused = other.edit(other_id, "universe", {"name": "Not begun"})
            assert (refused["error"]["code"], refused["error"]["status_code"]) == ("DRAINING", 503)
            assert refused["error"]["retry_after"] > 0
            by_rest = kept.patch(
                f"{server.url}/api/universes/{other_id}", json={"name": "Nor this"}, headers={"Authorization": f"Bearer {ada.token}"}
            )
            assert (by_rest.status_code, by_rest.json()["code"]) == (503, "DRAINING")
            assert not answers
        running.join(20)
        assert answers
        assert (answers[0]["ok"], answers[0]["revision"]) == (True, head + 1)
        server.process.wait(20)
        with sa.create_engine(_psycopg(url)).connect() as connection:
            stored = connection.execute(sa.text("SELECT name FROM universes WHERE id = :id"), {"id": universe_id}).scalar()
    assert stored == "Finished"


class _Lock:
    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def awaited(self) -> bool:
        """Whether somebody waits for a lock in this database."""
        with self._engine.connect() as connection:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            return bool(connection.execute(sa.text(waiting)).scalar())


@contextmanager
def _held(url: str, universe_id: str) -> Iterator[_Lock]:
    """Hold a universe's row, as another commit would."""
    engine = sa.create_engine(_psycopg(url))
    try:
        with engine.begin() as connection:
            connection.execute(sa.text("SELECT 1 FROM universes WHERE id = :id FOR UPDATE"), {"id": universe_id})
            yield _Lock(engine)
    finally:
        engine.dispose()


def _psycopg(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg2://")

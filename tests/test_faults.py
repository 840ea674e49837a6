"""The fault runs, short. `make faults` is the long form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import fresh_postgresql, on_postgresql_alone, postgresql_or_skip, redis_or_skip
from tests.faults import delivery, fuzz_events, kill_editors, kill_writers, repeated, revocations, slow_reader
from tests.faults.processes import Processes, processes
from tests.servers import EACH_KIND


@pytest.fixture
def fresh_url(database_url: str, tmp_path: Path) -> Iterator[str]:
    """An empty database of the kind the suite runs on."""
    if database_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'faults.db'}"
        return
    redis_or_skip()
    with fresh_postgresql(database_url) as url:
        yield url


@pytest.fixture(scope="module")
def running() -> Iterator[Processes]:
    """Two processes on one PostgreSQL database, with Redis between them."""
    on_postgresql_alone()
    redis_or_skip()
    with postgresql_or_skip() as url, processes(url, SECRET_KEY=revocations.SECRET) as both:
        yield both


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(fresh_url: str) -> None:
    on_postgresql_alone()
    assert kill_writers.run(fresh_url, kills=2)["acknowledged"] >= 80


def test_nothing_acknowledged_over_sockets_is_lost_when_servers_are_killed(fresh_url: str) -> None:
    assert kill_editors.run(fresh_url, kills=1, edits_between=40)["acknowledged"] >= 40


def test_two_processes_tell_everybody_of_every_change_once_and_in_order(running: Processes) -> None:
    assert delivery.edit_on(running, seconds=2)["acknowledged"] > 0


def test_an_edit_sent_three_times_by_three_ways_is_one_row(running: Processes) -> None:
    assert repeated.repeat_on(running, edits=60)["acknowledged"] == 60


def test_who_loses_a_right_while_editing_is_cut_in_every_process(running: Processes) -> None:
    assert not any(revocations.revoke_on(running, times=3, others=1)["late_rows"].values())


@pytest.mark.parametrize("kind", EACH_KIND)
def test_no_payload_brings_a_server_down(kind: str) -> None:
    on_postgresql_alone()
    figures = fuzz_events.run(kind, per_event=50)
    assert figures["refused"] > 500
    assert figures["broken_packets"] > 10


def test_a_client_that_stops_reading_is_let_go_of_and_costs_little_memory() -> None:
    on_postgresql_alone()
    figures = slow_reader.run("eventlet", 3, watched="change")
    assert figures["cut"] == 1

"""A server of each kind, and people on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from tests.databases import on_postgresql_alone, postgresql_or_skip, redis_or_skip
from tests.servers import EACH_KIND, Server, start
from tests.sockets import Account

_numbers = count(1)
SECRET = "a secret that signs the tokens of tests, and is long enough"


@pytest.fixture(scope="session")
def _servers() -> Iterator[Callable[[str], Server]]:
    """Servers by kind, each started when it is first wanted and shared by all tests."""
    running: dict[str, Server] = {}
    with ExitStack() as stack:

        def of(kind: str) -> Server:
            if kind not in running:
                running[kind] = stack.enter_context(start(kind, LOG_LEVEL="warning", SECRET_KEY=SECRET))
            return running[kind]

        yield of


@pytest.fixture(scope="session")
def _pairs() -> Iterator[Callable[[str], tuple[Server, Server]]]:
    """Two processes by kind, on one PostgreSQL database and Redis, each pair started when it is first wanted."""
    running: dict[str, tuple[Server, Server]] = {}
    with ExitStack() as stack:

        def of(kind: str) -> tuple[Server, Server]:
            on_postgresql_alone()
            if kind not in running:
                settings = {"LOG_LEVEL": "warning", "SECRET_KEY": SECRET, "REDIS_URL": redis_or_skip()}
                url = stack.enter_context(postgresql_or_skip())
                running[kind] = tuple(stack.enter_context(start(kind, url, **settings)) for _ in range(2))  # type: ignore[assignment]
            return running[kind]

        yield of


@pytest.fixture(params=EACH_KIND)
def servers(request: pytest.FixtureRequest) -> tuple[Server, ...]:
    """What serves, of each kind: one process on SQLite; when the suite is run on PostgreSQL, two, with Redis between them."""
    if os.environ.get("TEST_DATABASE_URL"):
        pair: tuple[Server, Server] = request.getfixturevalue("_pairs")(request.param)
        return pair
    return (request.getfixturevalue("_servers")(request.param),)


@pytest.fixture
def server(servers: tuple[Server, ...]) -> Server:
    """The first process."""
    return servers[0]


@pytest.fixture
def account(servers: tuple[Server, ...]) -> Callable[[], Account]:
    """Registers people, each with a name of their own, at one process after the other."""

    def register() -> Account:
        number = next(_numbers)
        return Account(servers[number % len(servers)].url, f"person{number}")

    return register


@pytest.fixture(params=EACH_KIND)
def processes(request: pytest.FixtureRequest, _pairs: Callable[[str], tuple[Server, Server]]) -> tuple[Server, Server]:
    """Two processes of each kind, which share what processes share."""
    return _pairs(request.param)


def new_account(server: Server) -> Account:
    """Somebody registered at a server, with a name of their own."""
    return Account(server.url, f"person{next(_numbers)}")

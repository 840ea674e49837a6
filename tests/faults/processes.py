"""Server processes on one database, for the fault runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests.databases import REDIS, migrated
from tests.servers import QUICK_PASSWORDS, Server, end, free_port, launch, until_answering


class Processes:
    """One process on SQLite, or some on PostgreSQL with Redis between. `settings` are those of each, `servers` what runs."""

    def __init__(self, kind: str, settings: list[dict[str, str]]) -> None:
        self.kind, self.settings = kind, settings
        self.servers = [launch(kind, one) for one in settings]
        for server in self.servers:
            until_answering(server)

    @property
    def database_url(self) -> str:
        """The database they share."""
        return self.settings[0]["DATABASE_URL"]

    @property
    def urls(self) -> list[str]:
        """Where they listen."""
        return [server.url for server in self.servers]

    def restart(self, index: int) -> None:
        """Kill one as by `kill -9`, and start it again on its port."""
        self.servers[index].kill()
        self.servers[index] = self._start(self.settings[index])

    def end(self) -> None:
        """End them all."""
        for server in self.servers:
            end(server)

    def _start(self, settings: dict[str, str]) -> Server:
        server = launch(self.kind, settings)
        until_answering(server)
        return server


@contextmanager
def processes(database_url: str, kind: str = "gthread", count: int = 2, **more: str) -> Iterator[Processes]:
    """Processes of a kind with these settings besides; on SQLite one, without Redis."""
    migrated(database_url)
    embedded = database_url.startswith("sqlite")
    with tempfile.TemporaryDirectory() as folder:
        shared = {
            "DATABASE_URL": database_url,
            "DATA_DIR": folder,
            "RATE_LIMITS": "false",
            "LOG_LEVEL": "error",
            "POOL_SIZE": "8",
            **QUICK_PASSWORDS,
        }
        shared |= ({} if embedded else {"REDIS_URL": REDIS}) | more  # `more` may name another Redis, or none
        running = Processes(kind, [{**shared, "PORT": str(free_port())} for _ in range(1 if embedded else count)])
        try:
            yield running
        finally:
            running.end()

"""The fault runs, short."""

from __future__ import annotations

from pathlib import Path

from tests.databases import fresh_postgresql
from tests.faults import kill_writers


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(database_url: str, tmp_path: Path) -> None:
    if database_url.startswith("sqlite"):
        figures = kill_writers.run(f"sqlite:///{tmp_path / 'faults.db'}", kills=2)
    else:
        with fresh_postgresql(database_url) as url:
            figures = kill_writers.run(url, kills=2)
    assert figures["acknowledged"] >= 80

"""Services that go away for a moment, short. `make faults` is the long form."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.databases import missing, on_postgresql_alone, postgresql_or_skip
from tests.faults import outages


@pytest.fixture(autouse=True)
def _alone() -> None:
    on_postgresql_alone()


@pytest.mark.parametrize("hung", [False, True], ids=["stopped", "hung"])
def test_a_redis_that_is_away_delays_nothing_else(hung: bool) -> None:
    if shutil.which("redis-server") is None:
        missing("There is no redis-server to start.")
    with postgresql_or_skip() as url:
        assert outages.redis_away(url, seconds=2, settling_s=1, hung=hung)["acknowledged"] > 0


def test_a_restart_of_postgresql_is_answered_with_503_alone() -> None:
    if shutil.which("initdb") is None and not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        missing("There is no PostgreSQL to start.")
    assert outages.postgresql_restarted(seconds_down=0.5, settling_s=1)["rest_statuses"]["200"] > 0

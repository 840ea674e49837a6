"""What is held against a log after a fault run."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.changes.models import Change
from tests.databases import flask

_LOG: Any = Change.__table__


def judge(database_url: str, universe_id: str, acknowledged: dict[str, int]) -> dict[str, Any]:
    """Figures of a universe's log: acknowledged operations that are lost or doubled, gaps, and what `universes verify` says.

    Raises AssertionError with the figures when anything is wrong.
    """
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg2://"))
    with engine.connect() as connection:
        rows = select_log(connection, universe_id)
    engine.dispose()
    revisions = {str(op_id): revision for revision, op_id in rows}
    counted = Counter(str(op_id) for _, op_id in rows)
    checked = flask(database_url, "universes", "verify", "--all")
    figures = {
        "database": engine.dialect.name,
        "acknowledged": len(acknowledged),
        "log_rows": len(rows),
        "lost": sum(revisions.get(op_id) != revision for op_id, revision in acknowledged.items()),
        "doubled": sum(count > 1 for count in counted.values()),
        "gaps": sum(revision != index for index, (revision, _) in enumerate(rows, 1)),
        "verify_exit": checked.returncode,
    }
    wrong = figures["lost"] or figures["doubled"] or figures["gaps"] or figures["verify_exit"]
    assert not wrong, f"{figures}\n{checked.stdout}{checked.stderr}"
    return figures


def select_log(connection: sa.Connection, universe_id: str) -> list[tuple[int, UUID]]:
    """The revisions and operation ids of a log, in order."""
    statement = sa.select(_LOG.c.revision, _LOG.c.op_id).where(_LOG.c.universe_id == UUID(universe_id)).order_by(_LOG.c.revision)
    return [(row.revision, row.op_id) for row in connection.execute(statement)]


def percentile(values: list[float], part: float) -> float:
    """The value below which a part (0 to 1) of the values lie, in milliseconds of the seconds given; NaN without any."""
    if not values:
        return float("nan")
    return round(sorted(values)[min(len(values) - 1, int(len(values) * part))] * 1000, 2)

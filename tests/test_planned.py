"""Statements that PostgreSQL prepares once for each connection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from app.database import PLANNED, in_one_trip, prepare
from tests.databases import postgresql_or_skip

_KEPT = sa.text("SELECT statement FROM pg_prepared_statements")


@pytest.fixture(scope="module")
def engine() -> Iterator[sa.Engine]:
    """An engine as the application makes one, without a pool, of a database with one table of three rows."""
    with postgresql_or_skip() as url:
        made = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg2"), poolclass=sa.NullPool)
        prepare(made)
        with made.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE things (id integer PRIMARY KEY, name text)")
            connection.exec_driver_sql("INSERT INTO things VALUES (1, 'one'), (2, 'two %%'), (3, NULL)")
        yield made
        made.dispose()


_THINGS = sa.table("things", sa.column("id", sa.Integer), sa.column("name", sa.Text))
_NAMED = sa.select(_THINGS.c.name).where(_THINGS.c.id == sa.bindparam("id"), sa.literal_column("name LIKE '%' OR name IS NULL"))


def test_a_planned_statement_is_prepared_once_and_run_with_the_parameters_of_each_time(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        assert [connection.scalar(_NAMED.execution_options(**PLANNED), {"id": number}) for number in (1, 2, 3)] == ["one", "two %", None]
        kept = connection.scalars(_KEPT).all()
    assert len([one for one in kept if "FROM things" in one and "$1" in one]) == 1, kept


def test_statements_of_one_trip_all_run_and_the_last_answers(engine: sa.Engine) -> None:
    thing = sa.select(_THINGS.c.id).where(_THINGS.c.id == sa.bindparam("id")).with_for_update()
    both = in_one_trip(thing, _NAMED)
    with engine.connect().execution_options(write=True) as connection:
        assert connection.scalar(both, {"id": 2}) == "two %"
        locks = connection.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE mode = 'RowShareLock' AND relation = 'things'::regclass"))
    assert locks == 1


def test_a_statement_refused_while_it_is_prepared_is_refused_as_any_and_leaves_nothing(engine: sa.Engine) -> None:
    wrong = sa.select(sa.table("nothing", sa.column("id")).c.id).execution_options(**PLANNED)
    with engine.connect() as connection:
        for _ in range(2):
            with pytest.raises(sa.exc.ProgrammingError, match='"nothing" does not exist'):
                connection.execute(wrong)
            connection.rollback()
        assert connection.scalar(_NAMED.execution_options(**PLANNED), {"id": 1}) == "one"


def test_a_new_connection_prepares_its_own(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.scalar(_NAMED.execution_options(**PLANNED), {"id": 1})
    with engine.connect() as connection:
        assert connection.scalars(_KEPT).all() == []
        assert connection.scalar(_NAMED.execution_options(**PLANNED), {"id": 2}) == "two %"


def test_a_connection_keeps_64_and_runs_the_others_as_they_are(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        for number in range(70):
            assert connection.scalar(sa.select(sa.literal_column(str(number))).execution_options(**PLANNED)) == number
        assert len(connection.scalars(_KEPT).all()) == 64

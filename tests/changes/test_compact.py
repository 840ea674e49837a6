"""Compaction: a stored state stands for the rows that go, and everything else works as before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from app.changes.compact import BrokenLog, compact
from app.changes.models import Change, Snapshot, Tombstone
from app.changes.verify import snapshot, verify
from app.database import now
from app.extensions import db
from app.models import Universe
from tests.changes.test_append_only import refused
from tests.faults.undo_law import Edits

LOG: Any = Change.__table__
SNAPSHOTS: Any = Snapshot.__table__
UNIVERSES: Any = Universe.__table__
TAB = {"X-Client-Id": "tab"}


@pytest.fixture
def ada(person: Callable) -> Any:
    return person("ada")


@pytest.fixture
def universe(app: Flask, ada: Any) -> Iterator[str]:
    """Ada's universe with a body that was changed, and one that was deleted; at the end its log adds up."""
    found: str = ada.post("/universes", json={"name": "One"}).json["id"]
    scene = ada.post(f"/universes/{found}/scenes", json={"name": "A"}).json["id"]
    body, gone = (ada.post(f"/scenes/{scene}/bodies", json={"name": name}).json["id"] for name in "ab")
    ada.patch(f"/bodies/{body}", json={"mass": 2.0}, headers=TAB)
    ada.delete(f"/bodies/{gone}", headers=TAB)
    yield found
    assert breaches(app, found) == []


def breaches(app: Flask, universe: str) -> list[str]:
    with app.app_context(), snapshot(db.engine) as session:
        return verify(session, UUID(universe))


def compacted(app: Flask, universe: str, keep: int = 0) -> tuple[int, int]:
    """Take away all rows but the last `keep`."""
    with app.app_context():
        rows = db.session.execute(sa.select(LOG.c.created_at).where(LOG.c.universe_id == UUID(universe)).order_by(LOG.c.revision)).all()
        before = rows[max(0, len(rows) - keep)].created_at if keep else now() + timedelta(seconds=1)
        db.session.rollback()
        return compact(UUID(universe), before)


def revisions(app: Flask, table: Any, universe: str) -> list[int]:
    with app.app_context():
        return sorted(db.session.scalars(sa.select(table.c.revision).where(table.c.universe_id == UUID(universe))))


def head_of(app: Flask, universe: str) -> Any:
    with app.app_context():
        return db.session.execute(sa.select(UNIVERSES).where(UNIVERSES.c.id == UUID(universe))).one()


def test_compaction_takes_the_rows_raises_the_floor_and_renews_the_epoch(app: Flask, ada: Any, universe: str) -> None:
    before, document = head_of(app, universe), ada.get(f"/universes/{universe}/document").json
    assert compacted(app, universe) == (6, 6)
    after = head_of(app, universe)
    assert (after.floor, after.revision) == (6, before.revision)
    assert after.epoch != before.epoch
    assert revisions(app, LOG, universe) == []
    assert ada.get(f"/universes/{universe}/document").json == document
    assert ada.get(f"/universes/{universe}/history").json["items"] == []


def test_the_log_goes_on_from_the_floor_and_is_verified_from_there(app: Flask, ada: Any, universe: str) -> None:
    compacted(app, universe)
    ada.patch(f"/universes/{universe}", json={"name": "Two"})
    assert revisions(app, LOG, universe) == [7]
    assert breaches(app, universe) == []
    with app.app_context(), db.engine.connect().execution_options(write=True) as connection, connection.begin():
        buried = connection.execute(sa.select(Tombstone.__table__)).one()
        connection.execute(sa.delete(Tombstone.__table__))
    assert [sentence[:2] for sentence in breaches(app, universe)] == ["I7"]  # what was deleted below the floor is known
    with app.app_context(), db.engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.execute(sa.insert(Tombstone.__table__).values(buried._mapping))


def test_a_floor_whose_state_is_lost_is_told(app: Flask, ada: Any, universe: str) -> None:
    compacted(app, universe)
    with app.app_context(), db.engine.connect().execution_options(write=True) as connection, connection.begin():
        kept = connection.execute(sa.select(SNAPSHOTS)).one()
        connection.execute(sa.delete(SNAPSHOTS))
    assert breaches(app, universe)[0] == "I1: the rows up to 6 are gone, and what they added up to."
    with app.app_context(), db.engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.execute(sa.insert(SNAPSHOTS).values(kept._mapping))


def test_the_log_is_append_only_again_afterwards(app: Flask, ada: Any, universe: str) -> None:
    compacted(app, universe, keep=2)
    assert refused(app, "DELETE FROM universe_changes")
    assert refused(app, "UPDATE universe_changes SET path = 'x'")


def test_the_past_begins_at_the_floor_and_named_revisions_are_kept(app: Flask, ada: Any, universe: str) -> None:
    seen = {revision: ada.get(f"/universes/{universe}/at/{revision}").json for revision in (2, 5, 6)}
    ada.post(f"/universes/{universe}/versions", json={"name": "early", "revision": 2})
    ada.patch(f"/universes/{universe}", json={"name": "Two"})
    assert compacted(app, universe, keep=2) == (5, 5)
    for revision, document in seen.items():
        assert ada.get(f"/universes/{universe}/at/{revision}").json == document
    for revision in (1, 3, 4):
        assert ada.get(f"/universes/{universe}/at/{revision}").status_code == 410
    assert ada.get(f"/universes/{universe}/diff?from=4&to=6").status_code == 410
    assert ada.get(f"/universes/{universe}/diff?from=2&to=6").status_code == 200
    assert ada.post(f"/universes/{universe}/restore", json={"revision": 4}).status_code == 410
    assert ada.post(f"/universes/{universe}/versions", json={"name": "gone", "revision": 4}).status_code == 410
    assert ada.post(f"/universes/{universe}/restore", json={"revision": 2}).status_code == 200
    assert compacted(app, universe) == (3, 8)
    assert revisions(app, SNAPSHOTS, universe) == [2, 8]
    assert ada.get(f"/universes/{universe}/at/2").json == seen[2]


def test_what_was_deleted_below_the_floor_comes_back_by_a_restore(app: Flask, ada: Any, universe: str) -> None:
    ada.post(f"/universes/{universe}/versions", json={"name": "both", "revision": 4})
    compacted(app, universe)
    assert ada.post(f"/universes/{universe}/restore", json={"revision": 4}).status_code == 200
    assert len(ada.get(f"/universes/{universe}/document").json["scenes"][0]["bodies"]) == 2


def test_what_lies_below_the_floor_is_not_taken_back(app: Flask, ada: Any, universe: str) -> None:
    undone = ada.post(f"/universes/{universe}/undo", headers=TAB).json["undo_of"]
    assert undone == 6
    compacted(app, universe, keep=1)
    assert ada.post(f"/universes/{universe}/undo", headers=TAB).json["code"] == "NOTHING_TO_UNDO"
    assert ada.post(f"/universes/{universe}/redo", headers=TAB).json["code"] == "NOTHING_TO_UNDO"


def test_a_universe_that_was_compacted_again_and_again_adds_up(app: Flask, person: Callable) -> None:
    owner = person("owner")
    walk = Edits(owner, owner, 21, also=("do_make_scene", "do_undo", "do_redo", "do_restore", "do_make_set", "do_duplicate"))
    for keep in (5, 0, 3, 40):
        walk.take(40)
        compacted(app, walk.universe, keep=keep)
        assert breaches(app, walk.universe) == []


def test_a_log_that_does_not_add_up_is_not_compacted(app: Flask, ada: Any) -> None:
    universe = ada.post("/universes", json={"name": "One"}).json["id"]
    ada.patch(f"/universes/{universe}", json={"name": "Two"})
    with app.app_context(), db.engine.connect().execution_options(write=True) as connection, connection.begin():
        row = connection.execute(sa.select(LOG).where(LOG.c.revision == 2)).one()
        connection.execute(sa.insert(LOG).values({**row._mapping, "revision": 3, "op_id": row.universe_id}))
        connection.execute(sa.update(UNIVERSES).values(revision=3))
    with pytest.raises(BrokenLog, match="I6: revision 3: universe name was not 'One'"):
        compacted(app, universe)
    assert revisions(app, LOG, universe) == [1, 2, 3]


def test_the_command_keeps_the_rows_of_some_days_and_can_be_run_twice(app: Flask, ada: Any, universe: str) -> None:
    runner = app.test_cli_runner()
    for _ in range(2):
        done = runner.invoke(args=["universes", "compact", "--all", "--keep-days", "1"])
        assert (done.exit_code, done.output) == (0, f"{universe} 0 rows taken away, the log goes on from revision 0.\n")
    assert runner.invoke(args=["universes", "compact", universe, "--keep-days", "0"]).exit_code == 2
    assert runner.invoke(args=["universes", "compact", "--keep-days", "1"]).exit_code == 2


def test_a_renewed_epoch_is_another_one_and_changes_nothing_else(app: Flask, ada: Any, universe: str) -> None:
    before = head_of(app, universe)
    done = app.test_cli_runner().invoke(args=["universes", "renew-epoch", universe])
    assert (done.exit_code, done.output) == (0, "1 renewed.\n")
    after = head_of(app, universe)
    assert after.epoch != before.epoch
    assert {**after._mapping, "epoch": None} == {**before._mapping, "epoch": None}

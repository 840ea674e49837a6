"""Random histories add up to what is stored, and every kind of tampering is told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.changes.verify import Audit, read_row, snapshot, verify
from app.extensions import db
from app.models import Body, Change, Membership, Scene, Tombstone, Universe
from tests.changes.walking import Walk

LOG: Any = Change.__table__


@pytest.fixture
def walk(app: Flask, person: Callable) -> Iterator[Callable[[int, int], Walk]]:
    yield lambda seed, steps: walked(person(f"ada{seed}"), person(f"bob{seed}"), seed, steps)


def walked(owner: Any, friend: Any, seed: int, steps: int) -> Walk:
    found = Walk(owner, friend, seed)
    found.take(steps)
    return found


def breaches(app: Flask, universe: str) -> list[str]:
    with app.app_context(), snapshot(db.engine) as session:
        return verify(session, UUID(universe))


@pytest.mark.parametrize("seed", range(4))
def test_a_random_history_adds_up_to_what_is_stored(app: Flask, walk: Callable, seed: int) -> None:
    found = walk(seed, 150)
    assert breaches(app, found.universe) == []
    succeeded = Counter(name for name, status in found.done if status < 300)
    assert len(succeeded) >= 15, succeeded  # otherwise the walk shows nothing


def test_the_log_alone_rebuilds_the_document(app: Flask, walk: Callable) -> None:
    from app.changes.history import state_at

    found = walk(11, 120)
    document = found.owner.get(f"/universes/{found.universe}/document").json
    with app.app_context(), snapshot(db.engine) as session:
        state = state_at(session, UUID(found.universe))
    assert {**document["universe"], "deleted_at": None} == state["universe"]
    for scene in document["scenes"]:
        assert {key: value for key, value in scene.items() if key in state[f"scenes/{scene['id']}"]} == state[f"scenes/{scene['id']}"]
        for collection in ("bodies", "constraints", "voices", "mappings"):
            ids = [path for path, entity in state.items() if path.startswith(collection) and entity["scene_id"] == scene["id"]]
            assert sorted(ids) == sorted(f"{collection}/{part['id']}" for part in scene[collection])
            assert all({"id": part["id"], **state[f"{collection}/{part['id']}"]} == part for part in scene[collection])


def test_a_key_replayed_at_any_time_answers_what_it_first_did(app: Flask, walk: Callable) -> None:
    found = walk(5, 40)
    scene = found.owner.post(f"/universes/{found.universe}/scenes", json={"name": "kept"}).json["id"]
    key = {"Idempotency-Key": "mine"}
    first = found.owner.post(f"/scenes/{scene}/bodies", json={"name": "ball", "position": {"y": 3}}, headers=key)
    assert first.status_code == 201
    found.known["bodies"] = [first.json["id"]]
    found.known["scenes"] = [scene]
    for _ in range(8):
        found.take(6)
        if (
            again := found.owner.post(f"/scenes/{scene}/bodies", json={"name": "ball", "position": {"y": 3}}, headers=key)
        ).status_code != 404:
            assert again.json == first.json


# Tampering


class Tamperer:
    """A transaction with the log's triggers lifted; what it does is rolled back."""

    def __init__(self, session: Session, universe: UUID) -> None:
        self.session, self.universe = session, universe
        self.dialect = session.get_bind().dialect.name

    def lift_triggers(self) -> None:
        if self.dialect == "sqlite":
            for name in ("no_update", "no_delete", "no_replace"):
                self.session.execute(sa.text(f"DROP TRIGGER universe_changes_{name}"))
        else:
            self.session.execute(sa.text("ALTER TABLE universe_changes DISABLE TRIGGER USER"))

    def row(self, **where: Any) -> Any:
        """The last row of the log with these columns."""
        conditions = [LOG.c[name] == value for name, value in where.items()]
        found = select_last(self.universe, *conditions)
        return self.session.execute(found).one()

    def change_row(self, revision: int, **values: Any) -> None:
        here = (LOG.c.universe_id == self.universe, LOG.c.revision == revision)
        self.session.execute(sa.update(LOG).where(*here).values(**values))

    def change(self, model: Any, **values: Any) -> None:
        """Change one stored row of the universe behind the log's back."""
        table = model.__table__
        key = table.c.user_id if model is Membership else table.c.id
        owner = table.c.id if model is Universe else table.c.universe_id
        one = self.session.scalars(sa.select(key).where(owner == self.universe).order_by(key).limit(1)).one()
        self.session.execute(sa.update(table).where(owner == self.universe, key == one).values(**values))


def select_last(universe: UUID, *conditions: Any) -> Any:
    return sa.select(LOG).where(LOG.c.universe_id == universe, *conditions).order_by(LOG.c.revision.desc()).limit(1)


def lose_a_row(t: Tamperer) -> None:
    t.session.execute(sa.delete(LOG).where(LOG.c.universe_id == t.universe, LOG.c.revision == 3))


def lose_the_newest_row(t: Tamperer) -> None:
    newest = t.row().revision
    t.session.execute(sa.delete(LOG).where(LOG.c.universe_id == t.universe, LOG.c.revision == newest))


def change_a_mass(t: Tamperer) -> None:
    t.change(Body, mass=4321.0)


def rename_the_universe(t: Tamperer) -> None:
    t.change(Universe, name="tampered")


def add_a_member(t: Tamperer) -> None:
    outsider = t.session.scalar(sa.text("SELECT id FROM users WHERE username = 'eve'"))
    values = {"universe_id": t.universe, "user_id": UUID(str(outsider)), "role": "editor", "revision": 2}
    t.session.execute(sa.insert(Membership.__table__).values(values))


def add_a_scene(t: Tamperer) -> None:
    scene = dict(t.session.execute(sa.select(Scene.__table__).limit(1)).mappings().one())
    t.session.execute(sa.insert(Scene.__table__).values({**scene, "id": uuid4()}))


def drop_a_scene(t: Tamperer) -> None:
    t.session.execute(sa.delete(Scene.__table__).where(Scene.__table__.c.universe_id == t.universe))


def date_a_body_ahead(t: Tamperer) -> None:
    t.change(Body, revision=100_000)


def date_a_body_back(t: Tamperer) -> None:
    t.change(Body, revision=1)


def date_the_universe_back(t: Tamperer) -> None:
    t.change(Universe, entity_revision=1)


def date_a_member_back(t: Tamperer) -> None:
    t.session.execute(sa.update(Membership.__table__).where(Membership.__table__.c.role == "editor").values(revision=1))


def repeat_an_operation(t: Tamperer) -> None:
    t.session.execute(sa.text("DROP INDEX uq_universe_changes_op"))
    first, last = t.row(op="create", path="universe"), t.row(path="universe", op="update")
    t.change_row(last.revision, op_id=first.op_id, actor_id=first.actor_id)


def let_a_stranger_act(t: Tamperer) -> None:
    outsider = t.session.scalar(sa.text("SELECT id FROM users WHERE username = 'eve'"))
    t.change_row(t.row(path="universe", op="update").revision, actor_id=UUID(str(outsider)))


def let_an_editor_invite(t: Tamperer) -> None:
    t.change_row(t.row(op="member").revision, actor_id=t.row(op="update").actor_id)


def let_an_editor_restore(t: Tamperer) -> None:
    row = t.row(op="update", path="universe")
    item = {"op": "update", "path": "universe", "before": row.before, "after": row.after}
    t.change_row(row.revision, op="restore", path="", before=None, after={"revision": 1, "items": [item]})


def take_back_what_another_did(t: Tamperer) -> None:
    mine = t.row(op="update", path="universe")
    t.change_row(mine.revision, undo_of=mine.revision - 1)


def take_back_a_later_row(t: Tamperer) -> None:
    mine = t.row(op="update", path="universe")
    t.change_row(mine.revision - 1, undo_of=mine.revision)


def let_nobody_act(t: Tamperer) -> None:
    t.change_row(t.row(op="update").revision, actor_id=None)


def misquote_a_before(t: Tamperer) -> None:
    row = t.row(op="update", path="universe")
    t.change_row(row.revision, before=dict.fromkeys(row.before, "something else"))


def misquote_a_deletion(t: Tamperer) -> None:
    row = t.row(op="delete")
    t.change_row(row.revision, before={**row.before, "name": "something else"})


def rewrite_an_after(t: Tamperer) -> None:
    t.change_row(t.row(op="update", path="universe").revision, after={"name": "rewritten"})


def lose_a_tombstone(t: Tamperer) -> None:
    t.session.execute(sa.delete(Tombstone.__table__))


def bury_the_living(t: Tamperer) -> None:
    body = t.session.scalars(sa.select(Body.id).limit(1)).one()
    t.session.execute(sa.insert(Tombstone.__table__).values(id=body, universe_id=t.universe, revision=2))


TAMPERINGS = [
    (lose_a_row, "I1"),
    (lose_the_newest_row, "I1"),
    (change_a_mass, "I2"),
    (rename_the_universe, "I2"),
    (rewrite_an_after, "I2"),
    (drop_a_scene, "I2"),
    (date_a_body_ahead, "I3"),
    (repeat_an_operation, "I4"),
    (let_a_stranger_act, "I5"),
    (let_an_editor_invite, "I5"),
    (let_nobody_act, "I5"),
    (let_an_editor_restore, "I5"),
    (take_back_what_another_did, "I5"),
    (take_back_a_later_row, "I5"),
    (misquote_a_before, "I6"),
    (misquote_a_deletion, "I6"),
    (date_a_body_back, "I7"),
    (date_the_universe_back, "I7"),
    (date_a_member_back, "I7"),
    (lose_a_tombstone, "I7"),
    (bury_the_living, "I7"),
    (add_a_member, "I8"),
    (add_a_scene, "I8"),
]


@pytest.fixture
def small(app: Flask, person: Callable) -> str:
    """A universe with an editor, a scene, a body that was changed and one that was deleted; Eve is no member."""
    ada, bob, _ = person("ada"), person("bob"), person("eve")
    universe: str = ada.post("/universes", json={"name": "One", "visibility": "public"}).json["id"]
    scene = ada.post(f"/universes/{universe}/scenes", json={"name": "A"}).json["id"]
    bodies = [ada.post(f"/scenes/{scene}/bodies", json={"name": name}).json["id"] for name in "ab"]
    ada.patch(f"/bodies/{bodies[0]}", json={"mass": 2.5})
    ada.delete(f"/bodies/{bodies[1]}")
    ada.post(f"/universes/{universe}/collaborators", json={"user_id": bob.id, "role": "editor"})
    ada.patch(f"/universes/{universe}", json={"name": "Two"})
    bob.patch(f"/universes/{universe}", json={"name": "Three"})
    return universe


@pytest.mark.parametrize(("tamper", "invariant"), TAMPERINGS, ids=lambda value: getattr(value, "__name__", value))
def test_tampering_is_told_by_the_invariant_it_breaks(app: Flask, small: str, tamper: Callable, invariant: str) -> None:
    assert breaches(app, small) == []
    with app.app_context(), db.engine.connect().execution_options(write=True) as connection, Session(connection) as session:
        tamperer = Tamperer(session, UUID(small))
        tamperer.lift_triggers()
        tamper(tamperer)
        told = verify(session, UUID(small))
        session.rollback()
    assert any(sentence.startswith(invariant) for sentence in told), told
    assert breaches(app, small) == []


def test_the_same_row_twice_is_a_gap_and_a_repeated_operation(app: Flask, small: str) -> None:
    with app.app_context():
        rows = db.session.execute(sa.select(LOG).where(LOG.c.universe_id == UUID(small)).order_by(LOG.c.revision)).all()
    audit = Audit()
    for row in (*rows, rows[-1]):
        read_row(audit, row)
    assert {sentence[:2] for sentence in audit.breaches} >= {"I1", "I4"}


def test_the_command_exits_with_1_on_a_breach_and_names_it(app: Flask, small: str) -> None:
    runner = app.test_cli_runner()
    assert runner.invoke(args=["universes", "verify", "--all"]).output.endswith("1 checked, 0 breaches.\n")
    with app.app_context(), db.engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.execute(sa.update(Universe.__table__).values(description="tampered"))
    done = runner.invoke(args=["universes", "verify", small])
    assert done.exit_code == 1
    assert f"{small} I2: universe description is stored as 'tampered'; the log makes it ''." in done.output


def test_the_log_command_prints_a_row_of_json_for_each_revision(app: Flask, small: str) -> None:
    done = app.test_cli_runner().invoke(args=["universes", "log", small, "--json", "--since", "2"])
    rows = [json.loads(line) for line in done.output.splitlines()]
    assert [row["revision"] for row in rows] == list(range(3, rows[-1]["revision"] + 1))
    assert rows[-1]["after"] == {"name": "Three"}

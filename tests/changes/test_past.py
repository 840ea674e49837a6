"""What a universe was at a revision, what changed between two, restores, and versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from app.changes import past
from app.changes.models import Snapshot
from app.changes.snapshots import packed
from app.changes.verify import snapshot, verify
from app.extensions import db
from tests.faults.undo_law import Edits

SNAPSHOTS: Any = Snapshot.__table__


@pytest.fixture
def ada(person: Callable) -> Any:
    return person("ada")


@pytest.fixture
def bob(person: Callable) -> Any:
    return person("bob")


@pytest.fixture
def universe(app: Flask, ada: Any, bob: Any) -> Iterator[str]:
    """Ada's private universe, where Bob is an editor; at the end its log adds up."""
    found: str = ada.post("/universes", json={"name": "One"}).json["id"]
    assert ada.post(f"/universes/{found}/collaborators", json={"user_id": bob.id, "role": "editor"}).status_code == 201
    yield found
    assert breaches(app, found) == []


def breaches(app: Flask, universe: str) -> list[str]:
    with app.app_context(), snapshot(db.engine) as session:
        return verify(session, UUID(universe))


def document(person: Any, universe: str) -> Any:
    return person.get(f"/universes/{universe}/document").json


def head(person: Any, universe: str) -> int:
    return int(person.get(f"/universes/{universe}").headers["X-Universe-Revision"])


def stored(app: Flask, universe: str) -> list[int]:
    with app.app_context():
        here = SNAPSHOTS.c.universe_id == UUID(universe)
        return list(db.session.scalars(sa.select(SNAPSHOTS.c.revision).where(here).order_by(SNAPSHOTS.c.revision)))


# At a revision


def test_the_document_at_a_revision_is_the_one_that_was_answered_then(
    app: Flask, person: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "EVERY", 7)
    owner = person("owner")
    walk = Edits(owner, owner, 3, also=("do_make_scene", "do_undo", "do_redo", "do_restore", "do_make_set", "do_duplicate"))
    seen = {}
    for _ in range(60):
        walk.take(2)
        found = document(walk.owner, walk.universe)
        seen[found["revision"]] = found
    assert len(seen) > 20
    for revision in walk.random.sample(sorted(seen), len(seen)):
        answer = walk.owner.get(f"/universes/{walk.universe}/at/{revision}")
        assert answer.json == seen[revision], revision
        assert answer.headers["ETag"] == f'"{revision}"'
    assert stored(app, walk.universe) == list(range(7, max(seen) + 1, 7))
    assert breaches(app, walk.universe) == []


def test_a_revision_that_is_not_there_is_not_found(ada: Any, universe: str) -> None:
    for revision in (0, 3, 2**70):
        assert ada.get(f"/universes/{universe}/at/{revision}").status_code == 404


def test_the_past_is_for_members(ada: Any, person: Callable, universe: str) -> None:
    ada.patch(f"/universes/{universe}", json={"visibility": "public"})
    eve = person("eve")
    for path in ("at/1", "diff?from=1&to=2", "versions"):
        assert eve.get(f"/universes/{universe}/{path}").status_code == 403


def test_who_has_a_revision_is_not_sent_it_again(ada: Any, universe: str) -> None:
    assert ada.get(f"/universes/{universe}/at/1", headers={"If-None-Match": '"1"'}).status_code == 304


def test_a_stored_state_that_the_log_contradicts_is_told(app: Flask, ada: Any, universe: str) -> None:
    ada.patch(f"/universes/{universe}", json={"name": "Two"})
    with app.app_context(), db.engine.connect().execution_options(write=True) as connection, connection.begin():
        row = {"universe_id": UUID(universe), "revision": 2, "state": packed({"universe": {}})}
        connection.execute(sa.insert(SNAPSHOTS).values(row))
    assert breaches(app, universe) == ["I2: the stored state of revision 2 is not what the log adds up to."]
    with app.app_context(), db.engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.execute(sa.delete(SNAPSHOTS))


# Between two


def test_a_diff_folds_all_changes_between_two_revisions(ada: Any, universe: str) -> None:
    scene = ada.post(f"/universes/{universe}/scenes", json={"name": "A"}).json["id"]
    body = ada.post(f"/scenes/{scene}/bodies", json={"name": "ball"}).json["id"]
    since = head(ada, universe)
    for mass in (2.0, 3.0):
        ada.patch(f"/bodies/{body}", json={"mass": mass, "velocity": {"x": mass}})
    ada.patch(f"/universes/{universe}", json={"name": "Two"})
    ada.patch(f"/universes/{universe}", json={"name": "One"})
    gone = ada.post(f"/scenes/{scene}/bodies", json={"name": "gone"}).json["id"]
    ada.delete(f"/bodies/{gone}")
    voice = ada.post(f"/scenes/{scene}/voices", json={"name": "v"}).json["id"]
    until = head(ada, universe)
    answer = ada.get(f"/universes/{universe}/diff?from={since}&to={until}").json
    assert (answer["from"], answer["to"]) == (since, until)
    changed, made = answer["items"]
    assert changed == {
        "op": "update",
        "path": f"bodies/{body}",
        "before": {"mass": 1.0, "velocity.x": 0.0},
        "after": {"mass": 3.0, "velocity.x": 3.0},
    }
    assert (made["op"], made["path"], made["before"], made["after"]["name"]) == ("create", f"voices/{voice}", None, "v")
    assert ada.get(f"/universes/{universe}/diff?from={until}&to={until}").json["items"] == []


def test_a_diff_tells_who_came_and_went(ada: Any, bob: Any, universe: str) -> None:
    ada.delete(f"/universes/{universe}/collaborators/{bob.id}")
    items = ada.get(f"/universes/{universe}/diff?from=2&to=3").json["items"]
    assert items == [{"op": "delete", "path": f"members/{bob.id}", "before": {"role": "editor"}, "after": None}]


@pytest.mark.parametrize(("query", "status"), [("from=2&to=1", 422), ("from=1", 422), ("from=0&to=1", 422), ("from=1&to=9", 404)])
def test_a_diff_needs_two_revisions_that_are_there_in_order(ada: Any, universe: str, query: str, status: int) -> None:
    assert ada.get(f"/universes/{universe}/diff?{query}").status_code == status


# Restores


def test_a_restore_brings_the_content_back_by_one_row_and_erases_nothing(ada: Any, universe: str) -> None:
    scene = ada.post(f"/universes/{universe}/scenes", json={"name": "A"}).json["id"]
    body = ada.post(f"/scenes/{scene}/bodies", json={"name": "ball"}).json["id"]
    then = head(ada, universe)
    before = document(ada, universe)
    ada.patch(f"/bodies/{body}", json={"mass": 5.0})
    ada.patch(f"/universes/{universe}", json={"name": "Two", "harmony": {"key": "D"}})
    later = ada.post(f"/universes/{universe}/scenes", json={"name": "B"}).json["id"]
    ada.delete(f"/scenes/{scene}")
    answer = ada.post(f"/universes/{universe}/restore", json={"revision": then})
    assert (answer.status_code, answer.json) == (200, {"revision": then + 5, "restored": then})
    assert document(ada, universe) == {**before, "revision": then + 5}
    row = ada.get(f"/universes/{universe}/history?since={then + 4}").json["items"][0]
    assert (row["op"], row["path"], row["after"]["revision"]) == ("restore", "", then)
    assert [(item["op"], item["path"]) for item in row["after"]["items"]] == [
        ("delete", f"scenes/{later}"),
        ("update", "universe"),
        ("create", f"scenes/{scene}"),
    ]
    assert ada.get(f"/universes/{universe}/at/{then + 4}").json["universe"]["name"] == "Two"
    again = ada.post(f"/universes/{universe}/restore", json={"revision": then + 4})
    assert again.status_code == 200
    assert document(ada, universe)["universe"]["name"] == "Two"


def test_a_restore_leaves_members_links_and_visibility_as_they_are(ada: Any, bob: Any, universe: str) -> None:
    ada.patch(f"/universes/{universe}", json={"visibility": "public"})
    public = head(ada, universe)
    ada.patch(f"/universes/{universe}", json={"visibility": "private", "name": "Two"})
    ada.delete(f"/universes/{universe}/collaborators/{bob.id}")
    ada.post(f"/universes/{universe}/share-links", json={})
    assert ada.post(f"/universes/{universe}/restore", json={"revision": public}).status_code == 200
    shown = document(ada, universe)["universe"]
    assert (shown["visibility"], shown["name"]) == ("private", "One")
    assert bob.get(f"/universes/{universe}").status_code == 404
    assert len(ada.get(f"/universes/{universe}/share-links").json["items"]) == 1


def test_a_restore_to_where_the_universe_is_writes_nothing(ada: Any, universe: str) -> None:
    answer = ada.post(f"/universes/{universe}/restore", json={"revision": 2})
    assert (answer.status_code, answer.json["revision"]) == (200, 2)
    assert head(ada, universe) == 2


def test_a_restore_is_the_owner_s(ada: Any, bob: Any, universe: str) -> None:
    assert bob.post(f"/universes/{universe}/restore", json={"revision": 1}).status_code == 403
    assert ada.post(f"/universes/{universe}/restore", json={"revision": 9}).status_code == 404


def test_a_repeated_restore_is_answered_as_the_first(ada: Any, universe: str) -> None:
    ada.patch(f"/universes/{universe}", json={"name": "Two"})
    key = {"Idempotency-Key": str(uuid4())}
    first = ada.post(f"/universes/{universe}/restore", json={"revision": 2}, headers=key)
    ada.patch(f"/universes/{universe}", json={"name": "Three"})
    again = ada.post(f"/universes/{universe}/restore", json={"revision": 2}, headers=key)
    assert again.json == first.json
    assert again.headers["Idempotent-Replayed"] == "true"
    assert document(ada, universe)["universe"]["name"] == "Three"
    assert ada.post(f"/universes/{universe}/restore", json={"revision": 1}, headers=key).json["code"] == "OP_ID_REUSED"


def test_a_restored_set_may_be_the_active_one_in_place_of_another(ada: Any, universe: str) -> None:
    made = {"universe_id": universe, "active": True}
    first = ada.post("/physics-parameters", json={"name": "a", **made}).json["id"]
    then = head(ada, universe)
    ada.delete(f"/physics-parameters/{first}")
    assert ada.post("/physics-parameters", json={"name": "b", **made}).status_code == 201
    now = head(ada, universe)
    for revision, name in ((then, "a"), (now, "b"), (then, "a")):
        assert ada.post(f"/universes/{universe}/restore", json={"revision": revision}).status_code == 200
        (one,) = document(ada, universe)["physics_parameters"]
        assert (one["name"], one["active"]) == (name, True)


def test_the_restore_command_is_the_system_s_own(app: Flask, ada: Any, universe: str) -> None:
    ada.patch(f"/universes/{universe}", json={"name": "Two"})
    done = app.test_cli_runner().invoke(args=["universes", "restore", universe, "2"])
    assert (done.exit_code, done.output) == (0, f"{universe} is at revision 4, with the content of revision 2.\n")
    row = ada.get(f"/universes/{universe}/history?since=3").json["items"][0]
    assert (row["actor"], row["source"], row["op"]) == (None, "cli", "restore")
    assert document(ada, universe)["universe"]["name"] == "One"
    for wrong in ([universe, "9"], [str(uuid4()), "1"]):
        done = app.test_cli_runner().invoke(args=["universes", "restore", *wrong])
        assert done.exit_code == 1
        assert "There is no such revision." in done.output


# Versions


def test_a_version_names_a_revision_until_it_is_taken_away(ada: Any, bob: Any, universe: str) -> None:
    made = bob.post(f"/universes/{universe}/versions", json={"name": "first"})
    assert (made.status_code, made.json["revision"], made.json["user_id"]) == (201, 2, bob.id)
    ada.patch(f"/universes/{universe}", json={"name": "Two"})
    older = ada.post(f"/universes/{universe}/versions", json={"name": "the beginning", "revision": 1}).json
    assert ada.get(f"/universes/{universe}/versions").json["items"] == [made.json, older]
    assert ada.get(f"/universes/{universe}/versions?sort=name&limit=1").json["items"] == [made.json]
    assert head(ada, universe) == 3  # a name is no change
    assert ada.delete(f"/universes/{universe}/versions/{older['id']}").status_code == 204
    assert ada.delete(f"/universes/{universe}/versions/{older['id']}").status_code == 404
    assert ada.get(f"/universes/{universe}/versions").json["items"] == [made.json]


def test_a_version_has_a_name_of_its_own_and_a_revision_that_is_reached(ada: Any, universe: str) -> None:
    assert ada.post(f"/universes/{universe}/versions", json={"name": "first"}).status_code == 201
    assert ada.post(f"/universes/{universe}/versions", json={"name": "first", "revision": 1}).status_code == 409
    assert ada.post(f"/universes/{universe}/versions", json={"name": "far", "revision": 99}).status_code == 422


def test_viewers_read_versions_and_make_none(ada: Any, bob: Any, universe: str) -> None:
    version = ada.post(f"/universes/{universe}/versions", json={"name": "first"}).json
    ada.patch(f"/universes/{universe}/collaborators/{bob.id}", json={"role": "viewer"})
    assert bob.get(f"/universes/{universe}/versions").json["items"] == [version]
    assert bob.post(f"/universes/{universe}/versions", json={"name": "second"}).status_code == 403
    assert bob.delete(f"/universes/{universe}/versions/{version['id']}").status_code == 403


def test_a_repeated_version_is_answered_as_the_first(ada: Any, universe: str) -> None:
    key = {"Idempotency-Key": "once"}
    first = ada.post(f"/universes/{universe}/versions", json={"name": "first"}, headers=key)
    ada.patch(f"/universes/{universe}", json={"name": "Two"})
    again = ada.post(f"/universes/{universe}/versions", json={"name": "first"}, headers=key)
    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert ada.post(f"/universes/{universe}/versions", json={"name": "other"}, headers=key).json["code"] == "OP_ID_REUSED"


def test_a_version_outlives_the_account_of_who_named_it(ada: Any, bob: Any, universe: str) -> None:
    bob.post(f"/universes/{universe}/versions", json={"name": "first"})
    assert bob.delete("/users/me", json={"password": bob.password}).status_code == 204
    (one,) = ada.get(f"/universes/{universe}/versions").json["items"]
    assert (one["name"], one["user_id"]) == ("first", None)

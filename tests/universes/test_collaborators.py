"""Members: invited, promoted, removed; universes handed on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from app.changes.verify import snapshot, verify
from app.extensions import db
from app.universes.service import hand_over_or_delete


@pytest.fixture
def ada(person: Callable) -> Any:
    return person("ada")


@pytest.fixture
def bob(person: Callable) -> Any:
    return person("bob")


@pytest.fixture
def universe(ada: Any) -> str:
    found: str = ada.post("/universes", json={"name": "One"}).json["id"]
    return found


def roles(person: Any, universe: str) -> dict[str, str]:
    items = person.get(f"/universes/{universe}/collaborators").json["items"]
    return {item["user"]["username"]: item["role"] for item in items}


def add(owner: Any, universe: str, **given: Any) -> Any:
    return owner.post(f"/universes/{universe}/collaborators", json=given)


@pytest.mark.parametrize("field", ["user_id", "username", "email"])
def test_somebody_is_invited_by_id_name_or_address(ada: Any, bob: Any, universe: str, field: str) -> None:
    given = {"user_id": bob.id, "username": "BOB", "email": "Bob@Example.org"}[field]
    answer = add(ada, universe, **{field: given, "role": "editor"})
    assert answer.status_code == 201
    assert answer.json == {
        "user": {"id": bob.id, "username": "bob", "display_name": "bob", "color": "#4f7cff"},
        "role": "editor",
        "revision": 2,
    }
    assert answer.headers["Location"] == f"/api/universes/{universe}/collaborators/{bob.id}"
    assert bob.patch(f"/universes/{universe}", json={"name": "Bob's"}).status_code == 200


@pytest.mark.parametrize(
    ("given", "at"),
    [
        ({}, "user_id"),
        ({"user_id": str(uuid4()), "username": "bob"}, "user_id"),
        ({"user_id": str(uuid4())}, "user_id"),
        ({"username": "nobody"}, "username"),
        ({"email": "nobody@example.org"}, "email"),
        ({"username": "bob", "role": "owner"}, "role"),
    ],
)
def test_an_invitation_of_nobody_or_to_no_role_is_refused(ada: Any, bob: Any, universe: str, given: dict[str, Any], at: str) -> None:
    answer = add(ada, universe, **given)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [at])


def test_who_may_not_invite_learns_nothing_about_accounts(ada: Any, bob: Any, universe: str) -> None:
    for name in ("ada", "nobody"):
        assert add(bob, universe, username=name).status_code == 404


def test_a_member_is_not_invited_twice(ada: Any, bob: Any, universe: str) -> None:
    add(ada, universe, user_id=bob.id)
    assert add(ada, universe, user_id=bob.id, role="editor").status_code == 409
    assert add(ada, universe, user_id=ada.id, role="viewer").status_code == 409
    assert roles(ada, universe) == {"ada": "owner", "bob": "viewer"}


def test_an_invitation_repeated_with_its_key_is_one(ada: Any, bob: Any, universe: str) -> None:
    path, key = f"/universes/{universe}/collaborators", {"Idempotency-Key": "once"}
    first, again = (ada.post(path, json={"user_id": bob.id}, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code, again.json) == (201, 201, first.json)


def test_roles_change_at_once(ada: Any, bob: Any, universe: str) -> None:
    path = f"/universes/{universe}/collaborators/{bob.id}"
    add(ada, universe, user_id=bob.id, role="editor")
    assert ada.patch(path, json={"role": "viewer"}).json["role"] == "viewer"
    assert bob.patch(f"/universes/{universe}", json={"name": "Bob's"}).status_code == 403
    assert ada.patch(path, json={"role": "viewer"}).json["revision"] == 3
    assert ada.patch(path, json={"role": "editor"}, headers={"If-Match": '"2"'}).status_code == 412
    assert ada.patch(f"/universes/{universe}/collaborators/{uuid4()}", json={"role": "viewer"}).status_code == 404


def test_a_member_may_leave_and_the_owner_may_not(ada: Any, bob: Any, universe: str) -> None:
    add(ada, universe, user_id=bob.id)
    assert bob.delete(f"/universes/{universe}/collaborators/{ada.id}").status_code == 403
    assert bob.delete(f"/universes/{universe}/collaborators/{bob.id}").status_code == 204
    assert bob.get(f"/universes/{universe}").status_code == 404
    assert ada.delete(f"/universes/{universe}/collaborators/{bob.id}").status_code == 204
    assert ada.delete(f"/universes/{universe}/collaborators/{ada.id}").status_code == 409
    assert ada.patch(f"/universes/{universe}/collaborators/{ada.id}", json={"role": "viewer"}).status_code == 409


def test_a_deleted_universe_may_be_left(ada: Any, bob: Any, universe: str) -> None:
    add(ada, universe, user_id=bob.id)
    ada.delete(f"/universes/{universe}")
    assert bob.delete(f"/universes/{universe}/collaborators/{bob.id}").status_code == 204
    ada.post(f"/universes/{universe}/restore-deleted")
    assert roles(ada, universe) == {"ada": "owner"}


def test_only_the_owner_changes_the_visibility_and_an_editor_may_repeat_it(ada: Any, bob: Any, universe: str) -> None:
    add(ada, universe, user_id=bob.id, role="editor")
    ada.patch(f"/universes/{universe}", json={"visibility": "unlisted"})
    assert bob.patch(f"/universes/{universe}", json={"visibility": "public"}).status_code == 403
    assert bob.put(f"/universes/{universe}", json={"name": "Two"}).status_code == 403
    assert bob.put(f"/universes/{universe}", json={"name": "Two", "visibility": "unlisted"}).status_code == 200
    assert bob.patch(f"/universes/{universe}", json={"is_public": False, "name": "Three"}).status_code == 200


def test_a_universe_is_handed_on_to_a_member_alone_and_its_owner_stays_as_editor(ada: Any, bob: Any, universe: str) -> None:
    path = f"/universes/{universe}/transfer"
    assert ada.post(path, json={"user_id": bob.id}).json["errors"] == {"user_id": ["Is not a member."]}
    assert ada.post(path, json={"user_id": ada.id}).status_code == 409
    add(ada, universe, user_id=bob.id)
    answer = ada.post(path, json={"user_id": bob.id})
    assert (answer.status_code, answer.json["role"], answer.json["revision"]) == (200, "owner", 3)
    assert roles(bob, universe) == {"ada": "editor", "bob": "owner"}
    assert ada.post(path, json={"user_id": bob.id}).status_code == 403
    row = bob.get(f"/universes/{universe}/history?since=2").json["items"][0]
    assert [(item["path"], item["before"], item["after"]) for item in row["after"]["items"]] == [
        (f"members/{ada.id}", {"role": "owner"}, {"role": "editor"}),
        (f"members/{bob.id}", {"role": "viewer"}, {"role": "owner"}),
    ]


def test_members_are_listed_in_pages_the_longest_standing_first(ada: Any, person: Callable, universe: str) -> None:
    for i in range(3):
        add(ada, universe, user_id=person(f"member{i}").id)
    first = ada.get(f"/universes/{universe}/collaborators?limit=3").json
    assert [item["user"]["username"] for item in first["items"]] == ["ada", "member0", "member1"]
    second = ada.get(f"/universes/{universe}/collaborators?limit=3&cursor={first['next_cursor']}").json
    assert [item["user"]["username"] for item in second["items"]] == ["member2"]


# Farewell


def leave(app: Flask, person: Any) -> None:
    with app.app_context():
        hand_over_or_delete(UUID(person.id))


def test_universes_pass_to_the_longest_standing_editor_and_the_rest_go(app: Flask, ada: Any, bob: Any, person: Callable) -> None:
    eve = person("eve")
    shared, watched, alone = (ada.post("/universes", json={"name": name}).json["id"] for name in ("shared", "watched", "alone"))
    add(ada, shared, user_id=eve.id, role="viewer")
    add(ada, shared, user_id=bob.id, role="editor")
    ada.patch(f"/universes/{shared}/collaborators/{eve.id}", json={"role": "editor"})
    add(ada, watched, user_id=bob.id, role="viewer")
    foreign = bob.post("/universes", json={"name": "foreign"}).json["id"]
    add(bob, foreign, user_id=ada.id, role="editor")
    leave(app, ada)
    assert roles(eve, shared) == {"eve": "owner", "bob": "editor"}
    assert bob.get(f"/universes/{watched}").status_code == 404
    assert roles(bob, foreign) == {"bob": "owner"}
    assert ada.get("/universes").json["items"] == []
    with app.app_context(), snapshot(db.engine) as session:
        assert [verify(session, UUID(one)) for one in (shared, watched, alone, foreign)] == [[], [], [], []]


def test_leaving_twice_is_leaving_once(app: Flask, ada: Any, universe: str) -> None:
    leave(app, ada)
    leave(app, ada)
    with app.app_context(), snapshot(db.engine) as session:
        assert verify(session, UUID(universe)) == []


def test_an_account_with_memberships_cannot_go_behind_the_logs_back(app: Flask, ada: Any, universe: str) -> None:
    import sqlalchemy as sa

    with app.app_context(), pytest.raises(sa.exc.IntegrityError):
        db.session.execute(sa.text("DELETE FROM users"))
    with app.app_context():
        db.session.rollback()


def test_what_somebody_did_stays_in_the_log_under_their_id(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    add(ada, universe, user_id=bob.id, role="editor")
    bob.patch(f"/universes/{universe}", json={"name": "Bob's"})
    assert bob.delete("/users/me", json={"password": "correct horse battery"}).status_code == 204
    rows = ada.get(f"/universes/{universe}/history").json["items"]
    assert rows[2]["actor"] == {"id": bob.id, "display_name": None}
    assert rows[3]["path"] == f"members/{bob.id}"

"""Share links: made by the owner, followed by who holds the token, and ended with the memberships that they made."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.access import ANONYMOUS, Actor
from app.audit.models import AuditEvent
from app.changes.history import fold, state_at
from app.changes.models import Change, IdempotencyKey
from app.changes.verify import snapshot, verify
from app.database import now
from app.errors import Gone, NotFound, TokenInvalid
from app.extensions import db
from app.logs import configure
from app.universes import links
from app.universes.models import Membership, ShareLink
from app.universes.service import hand_over_or_delete
from tests.conftest import QUICK_PASSWORDS, Person
from tests.databases import postgresql_or_skip

FOLLOWERS, PLACES = 8, 3


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


def make_link(owner: Any, universe: str, **given: Any) -> Any:
    answer = owner.post(f"/universes/{universe}/share-links", json=given)
    assert answer.status_code == 201, answer.text
    return answer.json


def join(person: Any, link: Any, **kwargs: Any) -> Any:
    return person.post(f"/shared/{link['token']}/join", **kwargs)


def revoke(owner: Any, link: Any, **kwargs: Any) -> Any:
    return owner.delete(f"/universes/{link['universe_id']}/share-links/{link['id']}", **kwargs)


def listed(owner: Any, universe: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = owner.get(f"/universes/{universe}/share-links").json["items"]
    return found


def roles(person: Any, universe: str) -> dict[str, str]:
    items = person.get(f"/universes/{universe}/collaborators").json["items"]
    return {item["user"]["username"]: item["role"] for item in items}


def history(person: Any, universe: str, since: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = person.get(f"/universes/{universe}/history?limit=100&since={since}").json["items"]
    return found


def breaches(app: Flask, universe: str) -> list[str]:
    with app.app_context(), snapshot(db.engine) as session:
        return verify(session, UUID(universe))


def expire(app: Flask, link: Any) -> None:
    """Let the end of a link come: two hours pass, in the log as in the row."""
    past = {"moment": now() - timedelta(hours=1)}
    with app.app_context(), db.engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.execute(sa.update(ShareLink).where(ShareLink.id == UUID(link["id"])).values(expires_at=past["moment"]))


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Making


def test_a_link_is_made_by_a_member_row_that_tells_all_but_the_token(ada: Any, universe: str) -> None:
    end = in_an_hour()
    answer = ada.post(f"/universes/{universe}/share-links", json={"role": "editor", "expires_at": end, "max_uses": 2})
    link = answer.json
    assert (answer.status_code, answer.headers["X-Universe-Revision"]) == (201, "2")
    assert answer.headers["Location"] == f"/api/universes/{universe}/share-links/{link['id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    told = {"role": "editor", "expires_at": end, "max_uses": 2, "uses": 0, "revoked_at": None}
    assert {name: link[name] for name in told} == told
    [row] = history(ada, universe, 1)
    assert (row["op"], row["path"], row["before"], row["after"]) == ("member", f"share-links/{link['id']}", None, told)


def test_a_link_is_for_viewers_without_an_end_unless_told_otherwise(ada: Any, universe: str) -> None:
    link = make_link(ada, universe)
    assert (link["role"], link["expires_at"], link["max_uses"], link["universe_id"]) == ("viewer", None, None, universe)


def test_an_end_is_kept_in_utc_whatever_its_zone(ada: Any, universe: str) -> None:
    link = make_link(ada, universe, expires_at="2999-01-01T02:30:00.123456+02:00")
    assert link["expires_at"] == listed(ada, universe)[0]["expires_at"] == "2999-01-01T00:30:00.123Z"


@pytest.mark.parametrize(
    ("given", "at"),
    [
        ({"role": "owner"}, "role"),
        ({"max_uses": 0}, "max_uses"),
        ({"max_uses": 1.5}, "max_uses"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2999-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+23:59"}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"token": "of-my-own"}, "token"),
    ],
)
def test_a_link_of_another_form_is_refused(ada: Any, universe: str, given: dict[str, Any], at: str) -> None:
    answer = ada.post(f"/universes/{universe}/share-links", json=given)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [at])
    assert listed(ada, universe) == []


def test_the_token_is_shown_once_and_a_repeated_request_is_the_same_link(ada: Any, universe: str) -> None:
    path, key = f"/universes/{universe}/share-links", {"Idempotency-Key": "once"}
    first, again = (ada.post(path, json={"max_uses": 1}, headers=key) for _ in range(2))
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json == {**first.json, "token": None}
    assert [item["id"] for item in listed(ada, universe)] == [first.json["id"]]
    assert ada.post(path, json={"max_uses": 2}, headers=key).json["code"] == "OP_ID_REUSED"


def test_one_key_makes_a_link_in_each_of_two_universes(ada: Any, universe: str) -> None:
    other = ada.post("/universes", json={"name": "Two"}).json["id"]
    made = [ada.post(f"/universes/{one}/share-links", json={}, headers={"Idempotency-Key": "same"}) for one in (universe, other)]
    assert [answer.status_code for answer in made] == [201, 201]


def test_links_are_listed_the_newest_first_for_the_owner_alone(ada: Any, bob: Any, universe: str) -> None:
    made = [make_link(ada, universe, role=role) for role in ("viewer", "editor", "viewer")]
    join(bob, made[1])
    assert bob.get(f"/universes/{universe}/share-links").status_code == 403
    first = ada.get(f"/universes/{universe}/share-links?limit=2").json
    second = ada.get(f"/universes/{universe}/share-links?limit=2&cursor={first['next_cursor']}").json
    assert [item["id"] for item in [*first["items"], *second["items"]]] == [link["id"] for link in reversed(made)]
    assert [item["uses"] for item in first["items"]] == [0, 1]
    ada.delete(f"/universes/{universe}")
    assert ada.get(f"/universes/{universe}/share-links").status_code == 404
    assert ada.post(f"/universes/{universe}/share-links", json={}).status_code == 410


# Reading


@pytest.mark.parametrize("visibility", ["private", "unlisted", "public"])
def test_who_holds_the_token_reads_the_document_without_a_login(ada: Any, client: FlaskClient, universe: str, visibility: str) -> None:
    ada.patch(f"/universes/{universe}", json={"visibility": visibility})
    ada.post(f"/universes/{universe}/scenes", json={"name": "A"})
    link = make_link(ada, universe)
    mine, theirs = ada.get(f"/universes/{universe}/document"), client.get(f"/api/shared/{link['token']}")
    assert (theirs.status_code, theirs.data, theirs.headers["ETag"]) == (200, mine.data, mine.headers["ETag"])
    again = client.get(f"/api/shared/{link['token']}", headers={"If-None-Match": theirs.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_reading_by_a_link_makes_nobody_a_member_and_is_no_use(ada: Any, bob: Any, universe: str) -> None:
    link = make_link(ada, universe, max_uses=1)
    for _ in range(3):
        assert bob.get(f"/shared/{link['token']}").status_code == 200
    assert bob.get(f"/universes/{universe}").status_code == 404
    assert (roles(ada, universe), listed(ada, universe)[0]["uses"]) == ({"ada": "owner"}, 0)


def test_a_token_that_is_none_is_not_found(ada: Any, bob: Any, client: FlaskClient, universe: str) -> None:
    link = make_link(ada, universe)
    for token in (link["token"][:-1], link["token"] + "A", link["id"], "%ff", "x" * 3000):
        assert client.get(f"/api/shared/{token}").status_code == 404
        assert bob.post(f"/shared/{token}/join").status_code == 404


def test_the_hash_that_is_kept_opens_nothing(app: Flask, ada: Any, client: FlaskClient, universe: str) -> None:
    link = make_link(ada, universe)
    with app.app_context():
        kept = db.session.scalar(sa.select(ShareLink.token_hash))
    assert link["token"] not in kept
    assert client.get(f"/api/shared/{kept}").status_code == 404


def test_a_deleted_universe_is_not_found_by_its_links_and_gone_to_who_would_join(ada: Any, bob: Any, universe: str) -> None:
    link = make_link(ada, universe)
    ada.delete(f"/universes/{universe}")
    assert bob.get(f"/shared/{link['token']}").status_code == 404
    assert (join(bob, link).status_code, join(ada, link).status_code) == (410, 410)
    ada.post(f"/universes/{universe}/restore-deleted")
    assert join(bob, link).status_code == 200


# Joining


@pytest.mark.parametrize(("role", "edits"), [("viewer", 403), ("editor", 200)])
def test_who_follows_a_link_is_a_member_in_its_role(app: Flask, ada: Any, bob: Any, universe: str, role: str, edits: int) -> None:
    link = make_link(ada, universe, role=role)
    answer = join(bob, link)
    assert (answer.status_code, answer.json, answer.headers["X-Universe-Revision"]) == (200, {"universe_id": universe, "role": role}, "3")
    assert bob.get(f"/universes/{universe}").status_code == 200
    assert bob.patch(f"/universes/{universe}", json={"name": "Bob's"}).status_code == edits
    row = history(ada, universe, 2)[0]
    assert (row["op"], row["path"], row["actor"]["id"]) == ("member", f"members/{bob.id}", bob.id)
    assert (row["before"], row["after"]) == ({"role": None, "link": None}, {"role": role, "link": link["id"]})
    assert breaches(app, universe) == []


def test_joining_needs_a_login(ada: Any, client: FlaskClient, universe: str) -> None:
    assert client.post(f"/api/shared/{make_link(ada, universe)['token']}/join").status_code == 401


def test_joining_again_is_joining_once_also_by_a_link_used_up(ada: Any, bob: Any, universe: str) -> None:
    link = make_link(ada, universe, max_uses=1)
    assert [join(bob, link).json["role"] for _ in range(3)] == ["viewer"] * 3
    assert (listed(ada, universe)[0]["uses"], len(history(ada, universe))) == (1, 3)


def test_joining_repeated_with_its_key_is_answered_as_the_first_time(ada: Any, bob: Any, universe: str) -> None:
    link, key = make_link(ada, universe), {"Idempotency-Key": "once"}
    first = join(bob, link, headers=key)
    ada.delete(f"/universes/{universe}/collaborators/{bob.id}")
    again = join(bob, link, headers=key)
    assert (again.json, again.headers["Idempotent-Replayed"]) == (first.json, "true")
    assert roles(ada, universe) == {"ada": "owner"}


def test_a_direct_member_keeps_their_role_and_uses_nothing_up(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    ada.post(f"/universes/{universe}/collaborators", json={"user_id": bob.id, "role": "editor"})
    link = make_link(ada, universe, role="viewer", max_uses=1)
    assert (join(bob, link).json["role"], join(ada, link).json["role"]) == ("editor", "owner")
    assert listed(ada, universe)[0]["uses"] == 0
    revoke(ada, link)
    assert roles(ada, universe) == {"ada": "owner", "bob": "editor"}
    assert breaches(app, universe) == []


def test_who_came_by_one_link_is_not_moved_by_another(ada: Any, bob: Any, universe: str) -> None:
    viewers, editors = make_link(ada, universe), make_link(ada, universe, role="editor")
    join(bob, viewers)
    assert join(bob, editors).json["role"] == "viewer"
    revoke(ada, editors)
    assert bob.get(f"/universes/{universe}").status_code == 200


def test_a_link_that_is_used_up_admits_and_shows_nothing_more(ada: Any, bob: Any, person: Callable, universe: str) -> None:
    link = make_link(ada, universe, max_uses=1)
    join(bob, link)
    eve = person("eve")
    assert (join(eve, link).status_code, eve.get(f"/shared/{link['token']}").status_code) == (410, 410)
    assert bob.get(f"/universes/{universe}").status_code == 200


def test_a_link_that_has_expired_admits_nobody_and_who_came_before_stays(
    app: Flask, ada: Any, bob: Any, person: Callable, universe: str
) -> None:
    link, eve = make_link(ada, universe, role="editor", expires_at=in_an_hour()), person("eve")
    join(bob, link)
    expire(app, link)
    assert (join(eve, link).status_code, eve.get(f"/shared/{link['token']}").status_code) == (410, 410)
    assert join(bob, link).json["role"] == "editor"
    assert bob.patch(f"/universes/{universe}", json={"name": "Bob's"}).status_code == 200


def test_somebody_removed_may_follow_a_living_link_again(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    link = make_link(ada, universe)
    join(bob, link)
    ada.delete(f"/universes/{universe}/collaborators/{bob.id}")
    assert history(ada, universe, 3)[0]["after"] == {"role": None, "link": None}
    assert join(bob, link).status_code == 200
    assert listed(ada, universe)[0]["uses"] == 2
    assert breaches(app, universe) == []


def test_a_universe_made_private_keeps_who_came_by_link(ada: Any, bob: Any, client: FlaskClient, universe: str) -> None:
    ada.patch(f"/universes/{universe}", json={"visibility": "public"})
    link = make_link(ada, universe)
    join(bob, link)
    ada.patch(f"/universes/{universe}", json={"visibility": "private"})
    assert bob.get(f"/universes/{universe}").status_code == 200
    assert client.get(f"/api/shared/{link['token']}").status_code == 200


# Revoking


def test_revoking_ends_the_link_and_who_came_by_it_in_one_row(app: Flask, ada: Any, bob: Any, person: Callable, universe: str) -> None:
    link, eve = make_link(ada, universe), person("eve")
    for one in (bob, eve):
        join(one, link)
    answer = revoke(ada, link)
    assert (answer.status_code, answer.headers["X-Universe-Revision"]) == (204, "5")
    [row] = history(ada, universe, 4)
    first, *ended = row["after"]["items"]
    assert (row["op"], row["path"], row["before"]) == ("batch", "", None)
    assert (first["op"], first["path"], first["before"]) == ("member", f"share-links/{link['id']}", {"revoked_at": None})
    assert first["after"] == {"revoked_at": listed(ada, universe)[0]["revoked_at"]}
    assert {item["path"] for item in ended} == {f"members/{bob.id}", f"members/{eve.id}"}
    assert {item["op"] for item in ended} == {"member"}
    assert [item["after"] for item in ended] == [{"role": None, "link": None}] * 2
    assert roles(ada, universe) == {"ada": "owner"}
    assert breaches(app, universe) == []


def test_who_came_by_a_revoked_link_neither_reads_nor_writes_from_that_revision_on(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    link = make_link(ada, universe, role="editor")
    join(bob, link)
    scene = bob.post(f"/universes/{universe}/scenes", json={"name": "A"}).json["id"]
    end = int(revoke(ada, link).headers["X-Universe-Revision"])
    refused = [
        bob.get(f"/universes/{universe}"),
        bob.get(f"/universes/{universe}/document"),
        bob.get(f"/universes/{universe}/history"),
        bob.get(f"/scenes/{scene}"),
        bob.patch(f"/universes/{universe}", json={"name": "Bob's"}),
        bob.patch(f"/scenes/{scene}", json={"name": "Bob's"}),
        bob.post(f"/scenes/{scene}/bodies", json={"name": "ball"}),
    ]
    assert {answer.status_code for answer in refused} == {404}
    assert (bob.get(f"/shared/{link['token']}").status_code, join(bob, link).status_code) == (410, 410)
    assert bob.get("/universes").json["items"] == []
    ada.patch(f"/universes/{universe}", json={"name": "Two"})
    assert bob.id not in {row["actor"]["id"] for row in history(ada, universe, end)}
    assert breaches(app, universe) == []


def test_revoking_twice_is_revoking_once(ada: Any, universe: str) -> None:
    link = make_link(ada, universe)
    assert [revoke(ada, link).headers["X-Universe-Revision"] for _ in range(2)] == ["3", "3"]


def test_revoking_looks_at_the_link_s_revision(ada: Any, bob: Any, universe: str) -> None:
    link = make_link(ada, universe)
    join(bob, link)
    assert revoke(ada, link, headers={"If-Match": f'"{link["revision"]}"'}).status_code == 412
    assert revoke(ada, link, headers={"If-Match": f'"{listed(ada, universe)[0]["revision"]}"'}).status_code == 204


def test_a_link_is_revoked_by_the_owner_of_its_universe_alone(ada: Any, bob: Any, universe: str) -> None:
    link = make_link(ada, universe, role="editor")
    join(bob, link)
    assert revoke(bob, link).status_code == 403
    other = bob.post("/universes", json={"name": "Bob's"}).json["id"]
    assert revoke(bob, {**link, "universe_id": other}).status_code == 404
    assert revoke(ada, {**link, "id": str(uuid4())}).status_code == 404
    assert listed(ada, universe)[0]["revoked_at"] is None


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_a_role_that_the_owner_sets_no_longer_hangs_on_the_link(app: Flask, ada: Any, bob: Any, universe: str, role: str) -> None:
    link = make_link(ada, universe)
    join(bob, link)
    assert ada.patch(f"/universes/{universe}/collaborators/{bob.id}", json={"role": role}).status_code == 200
    row = history(ada, universe, 3)[0]
    assert (row["before"], row["after"]) == ({"role": "viewer", "link": link["id"]}, {"role": role, "link": None})
    revoke(ada, link)
    assert roles(ada, universe) == {"ada": "owner", "bob": role}
    assert breaches(app, universe) == []


def test_an_owner_who_came_by_link_stays_when_it_is_revoked(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    link = make_link(ada, universe)
    join(bob, link)
    ada.post(f"/universes/{universe}/transfer", json={"user_id": bob.id})
    assert revoke(bob, link).status_code == 204
    assert roles(bob, universe) == {"ada": "editor", "bob": "owner"}
    assert breaches(app, universe) == []


def test_an_account_goes_with_memberships_by_link_and_links_of_its_own(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    theirs = ada.post("/universes", json={"name": "Alone"}).json["id"]
    make_link(ada, theirs)
    link = make_link(ada, universe, role="editor")
    join(bob, link)
    with app.app_context():
        hand_over_or_delete(UUID(ada.id))
    assert roles(bob, universe) == {"bob": "owner"}
    assert revoke(bob, link).status_code == 204
    assert bob.delete("/users/me", json={"password": bob.password}).status_code == 204
    assert [breaches(app, one) for one in (universe, theirs)] == [[], []]


# The log


def test_the_log_alone_tells_links_and_who_hangs_on_them(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    link = make_link(ada, universe, max_uses=5)
    join(bob, link)
    with app.app_context(), snapshot(db.engine) as session:
        state = state_at(session, UUID(universe))
    told = {"role": "viewer", "expires_at": None, "max_uses": 5, "uses": 1, "revoked_at": None}
    assert state[f"share-links/{link['id']}"] == told
    assert state[f"members/{bob.id}"] == {"role": "viewer", "link": link["id"]}
    revoke(ada, link)
    with app.app_context():
        rows = db.session.execute(sa.select(Change.__table__).order_by(Change.revision)).all()
    assert f"members/{bob.id}" not in fold(rows)


@pytest.mark.parametrize(
    ("statement", "breach"),
    [
        ("UPDATE share_links SET uses = 0", "I2: share-links/{link} uses"),
        ("UPDATE share_links SET revoked_at = created_at", "I2: share-links/{link} revoked_at"),
        ("UPDATE share_links SET role = 'editor'", "I2: share-links/{link} role"),
        ("UPDATE share_links SET revision = 2", "I7: share-links/{link}"),
        ("UPDATE memberships SET link_id = NULL", "I2: members/{bob} link"),
        ("INSERT INTO share_links SELECT universe_id, 'x', role, NULL, NULL, 0, NULL, 2, created_at, universe_id FROM share_links", "I8: "),
    ],
)
def test_a_link_changed_behind_the_logs_back_is_found(app: Flask, ada: Any, bob: Any, universe: str, statement: str, breach: str) -> None:
    link = make_link(ada, universe)
    join(bob, link)
    assert breaches(app, universe) == []
    columns = "universe_id, token_hash, role, expires_at, max_uses, uses, revoked_at, revision, created_at, id"
    with app.app_context(), db.engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.exec_driver_sql(statement.replace("INTO share_links", f"INTO share_links ({columns})"))
    assert any(found.startswith(breach.format(link=link["id"], bob=bob.id)) for found in breaches(app, universe))


FORGERIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "revoked": lambda link: [{"revoked_at": "2026-01-01T00:00:00.000Z"}, {}],
    "expired": lambda link: [{"expires_at": "2026-01-01T00:00:00.000Z"}, {}],
    "used up": lambda link: [{"max_uses": 1, "uses": 1}, {}],
    "makes somebody viewer, not editor": lambda link: [{}, {"role": "editor"}],
    "which does not exist": lambda link: [{}, {"link": str(UUID(int=0))}],
}


@pytest.mark.parametrize("why", FORGERIES)
def test_a_row_by_which_a_dead_link_admits_somebody_breaks_the_log(app: Flask, ada: Any, bob: Any, universe: str, why: str) -> None:
    link = make_link(ada, universe)
    of_link, of_member = FORGERIES[why](link)
    told = {name: link[name] for name in ("role", "expires_at", "max_uses", "uses", "revoked_at")}
    path, common = f"share-links/{link['id']}", {"universe_id": UUID(universe), "source": "rest", "op_hash": "x", "op": "member"}
    rows = [
        {"revision": 3, "actor_id": UUID(ada.id), "path": path, "before": {name: told[name] for name in of_link}, "after": of_link},
        {
            "revision": 4,
            "actor_id": UUID(bob.id),
            "path": f"members/{bob.id}",
            "before": {"role": None, "link": None},
            "after": {"role": "viewer", "link": link["id"], **of_member},
        },
    ]
    with app.app_context(), db.engine.connect().execution_options(write=True) as connection, connection.begin():
        for row in rows:
            connection.execute(sa.insert(Change).values(**common, **row, op_id=uuid4(), created_at=now()))
    assert any(found.startswith("I5: revision 4") and why in found for found in breaches(app, universe))


def test_links_are_told_in_the_audit_log(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    link = make_link(ada, universe)
    join(bob, link)
    revoke(ada, link)
    with app.app_context():
        events = db.session.execute(sa.select(AuditEvent.action, AuditEvent.target, AuditEvent.actor_id).order_by(AuditEvent.at)).all()
    place = f"universes/{universe}"
    told = {(action, target, str(who)) for action, target, who in events if str(target).startswith(place)}
    assert told == {
        ("links.create", f"{place}/share-links/{link['id']}", ada.id),
        ("members.join", f"{place}/members/{bob.id}", bob.id),
        ("links.revoke", f"{place}/share-links/{link['id']}", ada.id),
        ("members.remove", f"{place}/members/{bob.id}", ada.id),
    }


# Secrets


@pytest.fixture
def lines(app: Flask) -> Iterator[Callable[[], str]]:
    """The lines that the service has logged so far, requests among them."""
    root, written = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    configure("info")
    for handler in root.handlers:
        cast("logging.StreamHandler[Any]", handler).setStream(written)
    yield written.getvalue
    root.handlers[:] = handlers
    root.setLevel(level)


def test_no_token_is_in_a_log_line(ada: Any, bob: Any, client: FlaskClient, universe: str, lines: Callable[[], str]) -> None:
    link = make_link(ada, universe)
    for path in ("", "/", "/join", "/nowhere", "/join/nowhere"):
        for prefix in ("/api", "/api/v1"):
            client.get(f"{prefix}/shared/{link['token']}{path}")
            client.get(f"{prefix}/shared//{link['token']}{path}")
    join(bob, link)
    revoke(ada, link)
    join(bob, link)
    written = lines()
    requests = [json.loads(line) for line in written.splitlines() if '"event":"request"' in line]
    assert len(requests) == 24
    assert requests[-1]["path"] == "/api/shared/hidden/join"
    assert link["token"] not in written


def test_no_token_or_hash_is_in_a_row_an_answer_or_an_export(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    key = {"Idempotency-Key": "once"}
    link = ada.post(f"/universes/{universe}/share-links", json={}, headers=key).json
    join(bob, link, headers=key)
    with app.app_context():
        token_hash = db.session.scalar(sa.select(ShareLink.token_hash))
        kept = [db.session.execute(sa.select(model.__table__)).all() for model in (Change, IdempotencyKey, AuditEvent, Membership)]
    paths = ("share-links", "history", "document", "collaborators")
    answers = [ada.get(f"/universes/{universe}/{path}").text for path in paths]
    answers += [ada.get(f"/universes/{universe}?include=contents").text, ada.get("/universes").text]
    exports = [who.get("/users/me/export").text for who in (ada, bob)]
    for text in (str(kept), *answers, *exports):
        assert link["token"] not in text
        assert token_hash not in text
    assert link["id"] in exports[1], "that a membership hangs on a link is told"


# The function that sockets use


def test_using_a_token_answers_the_universe_and_what_was_done(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    link = make_link(ada, universe)
    head = {"actor": Actor(UUID(bob.id)), "source": "socket", "client_id": "tab"}
    with app.app_context():
        found, done = links.use(link["token"], head)
        assert (found, done.revision, done.entity) == (UUID(universe), 3, {"role": "viewer", "link": link["id"]})
        assert links.use(link["token"], head) == (UUID(universe), None)
    row = history(ada, universe, 2)[0]
    assert (row["source"], row["client_id"]) == ("socket", "tab")


def test_using_a_token_raises_what_is_wrong_with_it(app: Flask, ada: Any, bob: Any, universe: str) -> None:
    link, actor = make_link(ada, universe), Actor(UUID(bob.id))
    revoke(ada, link)
    with app.app_context():
        for token, who, problem in ((link["token"], actor, Gone), ("unknown", actor, NotFound), (link["token"], ANONYMOUS, TokenInvalid)):
            with pytest.raises(problem):
                links.use(token, {"actor": who})


# Many at once


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application on a PostgreSQL database of its own."""
    folder = tmp_path_factory.mktemp("postgresql")
    with postgresql_or_skip() as url:
        app = create_app(
            {}, flask_env="testing", database_url=url, data_dir=str(folder), rate_limits=False, log_level="warning", **QUICK_PASSWORDS
        )
        with app.app_context():
            db.create_all()
        yield app
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def test_no_more_come_by_a_link_than_it_has_places_however_many_follow_it_at_once(postgresql: Flask) -> None:
    stamp = time.time_ns()
    ada, *followers = [Person(postgresql.test_client(), f"p{number}-{stamp}") for number in range(FOLLOWERS + 1)]
    universe = ada.post("/universes", json={"name": "One"}).json["id"]
    link = make_link(ada, universe, max_uses=PLACES)
    with ThreadPoolExecutor(FOLLOWERS) as pool:
        statuses = list(pool.map(lambda follower: join(follower, link).status_code, followers))
    assert sorted(statuses) == [200] * PLACES + [410] * (FOLLOWERS - PLACES)
    assert (len(roles(ada, universe)), listed(ada, universe)[0]["uses"]) == (PLACES + 1, PLACES)
    assert breaches(postgresql, universe) == []


def test_one_who_joins_many_times_at_once_is_one_member_and_one_use(postgresql: Flask) -> None:
    stamp = time.time_ns()
    ada, bob = [Person(postgresql.test_client(), f"{name}-{stamp}") for name in ("ada", "bob")]
    universe = ada.post("/universes", json={"name": "One"}).json["id"]
    link = make_link(ada, universe)
    with ThreadPoolExecutor(FOLLOWERS) as pool:
        answers = list(pool.map(lambda _: join(bob, link), range(FOLLOWERS)))
    assert [answer.json for answer in answers] == [{"universe_id": universe, "role": "viewer"}] * FOLLOWERS
    assert listed(ada, universe)[0]["uses"] == 1
    assert breaches(postgresql, universe) == []


def test_nobody_stays_who_joined_while_the_link_was_revoked(postgresql: Flask) -> None:
    stamp = time.time_ns()
    ada, *followers = [Person(postgresql.test_client(), f"q{number}-{stamp}") for number in range(FOLLOWERS + 1)]
    universe = ada.post("/universes", json={"name": "One"}).json["id"]
    link = make_link(ada, universe)
    with ThreadPoolExecutor(FOLLOWERS + 1) as pool:
        joins = [pool.submit(join, follower, link) for follower in followers]
        ended = pool.submit(revoke, ada, link)
    assert ended.result().status_code == 204
    assert {future.result().status_code for future in joins} <= {200, 410}
    assert list(roles(ada, universe).values()) == ["owner"]
    assert breaches(postgresql, universe) == []

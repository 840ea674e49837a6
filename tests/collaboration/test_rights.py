"""Who loses a right while connected loses it at once: no later row by them, no later event to them."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid4

import jwt
import pytest
from socketio.exceptions import SocketIOError

from tests.collaboration.conftest import SECRET
from tests.sockets import Account, Peer, Refused, eventually

MakeAccount = Callable[[], Account]
LIMIT_SECONDS = 2


@pytest.fixture
def pair(account: MakeAccount) -> tuple[Account, Account, str]:
    """An owner, an editor, and their universe."""
    ada, bob = account(), account()
    universe_id = ada.make_universe()
    ada.invite(universe_id, bob)
    return ada, bob, universe_id


def test_a_removed_member_is_out_and_hears_no_more(pair: tuple[Account, Account, str]) -> None:
    ada, bob, universe_id = pair
    with ada.connected() as owner, bob.connected() as peer:
        owner.join(universe_id)
        peer.join(universe_id)
        removed = ada.request("DELETE", f"/universes/{universe_id}/collaborators/{bob.id}")
        revision = int(removed.headers["X-Universe-Revision"])
        told = eventually(lambda: peer.payloads("access_revoked"), LIMIT_SECONDS)
        assert told == [{"universe_id": universe_id, "code": "FORBIDDEN"}]
        assert owner.edit(universe_id, "universe", {"name": "After"})["ok"]
        assert peer.edit(universe_id, "universe", {"name": "Still here"})["error"]["code"] == "NOT_JOINED"
        assert peer.ask("join", universe_id=universe_id)["error"]["code"] == "NOT_FOUND"
        eventually(lambda: revision + 1 in owner.revisions())
        assert all(known < revision for known in peer.revisions())
        assert not peer.ended.is_set()
    rows = ada.request("GET", f"/universes/{universe_id}/history?since={revision}").json()["items"]
    assert [row["actor"]["id"] for row in rows] == [ada.id]


def test_an_editor_made_viewer_stays_and_cannot_edit(pair: tuple[Account, Account, str]) -> None:
    ada, bob, universe_id = pair
    with ada.connected() as owner, bob.connected() as peer:
        owner.join(universe_id)
        peer.join(universe_id)
        assert ada.request("PATCH", f"/universes/{universe_id}/collaborators/{bob.id}", json={"role": "viewer"}).ok
        assert eventually(lambda: peer.payloads("role_changed")) == [{"universe_id": universe_id, "role": "viewer"}]
        assert peer.edit(universe_id, "universe", {"name": "No"})["error"]["code"] == "FORBIDDEN"
        assert peer.ask("preview", universe_id=universe_id, path="universe", fields={"name": "N"})["error"]["code"] == "FORBIDDEN"
        assert owner.edit(universe_id, "universe", {"name": "Yes"})["ok"]
        assert eventually(lambda: [row for row in peer.payloads("change") if row["after"] == {"name": "Yes"}])


def test_a_transfer_changes_both_roles(pair: tuple[Account, Account, str]) -> None:
    ada, bob, universe_id = pair
    with ada.connected() as owner, bob.connected() as peer:
        owner.join(universe_id)
        peer.join(universe_id)
        assert ada.request("POST", f"/universes/{universe_id}/transfer", json={"user_id": bob.id}).ok
        assert eventually(lambda: peer.payloads("role_changed"))[0]["role"] == "owner"
        assert eventually(lambda: owner.payloads("role_changed"))[0]["role"] == "editor"


def test_a_universe_made_private_loses_its_strangers_alone(account: MakeAccount) -> None:
    ada, bob, eve = account(), account(), account()
    universe_id = ada.make_universe(visibility="public")
    ada.invite(universe_id, bob, "viewer")
    with bob.connected() as viewer, eve.connected() as stranger:
        viewer.join(universe_id)
        stranger.join(universe_id)
        assert ada.request("PATCH", f"/universes/{universe_id}", json={"visibility": "private"}).ok
        told = eventually(lambda: stranger.payloads("access_revoked"), LIMIT_SECONDS)
        assert told == [{"universe_id": universe_id, "code": "NOT_FOUND"}]
        assert eventually(lambda: viewer.payloads("change"))[-1]["after"] == {"visibility": "private"}
        assert stranger.payloads("change") == []


def test_a_share_link_lets_one_in_until_it_is_revoked(account: MakeAccount) -> None:
    ada, bob = account(), account()
    universe_id = ada.make_universe()
    link = ada.request("POST", f"/universes/{universe_id}/share-links", json={"role": "editor"}).json()
    with ada.connected() as owner, bob.connected() as guest:
        owner.join(universe_id)
        joined = guest.ask("join_universe", share_token=link["token"])
        assert (joined["ok"], joined["universe_id"], joined["role"]) == (True, universe_id, "editor")
        arrived = eventually(lambda: owner.payloads("user_joined"))[0]["user"]
        assert (arrived["display_name"], bob.name in str(arrived)) == ("Guest 1", False)
        assert guest.edit(universe_id, "universe", {"name": "By a guest"})["ok"]
        revoked = ada.request("DELETE", f"/universes/{universe_id}/share-links/{link['id']}")
        assert revoked.ok
        assert eventually(lambda: guest.payloads("access_revoked"), LIMIT_SECONDS)[0]["code"] == "FORBIDDEN"
        assert guest.edit(universe_id, "universe", {"name": "Again"})["error"]["code"] == "NOT_JOINED"
        assert guest.ask("join_universe", share_token=link["token"])["error"]["code"] == "GONE"
        assert guest.ask("join_universe", share_token="x" * 43)["error"]["code"] == "NOT_FOUND"
        assert guest.ask("join_universe", share_token=link["token"], universe_id=universe_id)["error"]["code"] == "VALIDATION_ERROR"
    assert int(revoked.headers["X-Universe-Revision"]) > max(guest.revisions(), default=0)


def test_a_deleted_universe_is_left_by_all(pair: tuple[Account, Account, str]) -> None:
    ada, bob, universe_id = pair
    with ada.connected() as owner, bob.connected() as peer:
        owner.join(universe_id)
        peer.join(universe_id)
        assert ada.request("DELETE", f"/universes/{universe_id}").status_code == 204
        for one in (owner, peer):
            assert eventually(lambda one=one: one.payloads("access_revoked"), LIMIT_SECONDS)[0]["code"] == "GONE"


@pytest.mark.parametrize("way", ["logout", "logout everywhere", "another password"])
def test_who_ends_their_session_is_cut(pair: tuple[Account, Account, str], way: str) -> None:
    ada, bob, universe_id = pair
    with ada.connected() as owner:
        owner.join(universe_id)
        peer = bob.connect()
        peer.join(universe_id)
        _end_session(bob, way)
        assert peer.ended.wait(LIMIT_SECONDS)
        assert peer.payloads("access_revoked") == [{"code": "TOKEN_REVOKED"}]
        assert owner.edit(universe_id, "universe", {"name": "After"})["ok"]
        assert eventually(lambda: owner.payloads("user_left"))[0]["user"]["id"] == bob.id
    with pytest.raises(Refused):
        bob.connect()


def test_a_second_session_lives_on_when_the_first_ends(account: MakeAccount) -> None:
    ada = account()
    universe_id = ada.make_universe()
    first, refresh_token = ada.connect(), ada.refresh_token
    first_token = ada.token
    ada.log_in()
    with ada.connected() as second:
        second.join(universe_id)
        ada.token = first_token
        assert ada.request("POST", "/auth/logout", json={"refresh_token": refresh_token}).status_code == 204
        assert first.ended.wait(LIMIT_SECONDS)
        assert second.edit(universe_id, "universe", {"name": "Still"})["ok"]


def test_a_token_about_to_end_is_warned_of_and_then_cut(account: MakeAccount) -> None:
    ada = account()
    universe_id = ada.make_universe()
    peer = Peer(ada.url, _lasting(ada, 2))
    peer.join(universe_id)
    eventually(lambda: peer.payloads("auth_expiring"))
    assert peer.ended.wait(2 + LIMIT_SECONDS)
    assert peer.payloads("access_revoked") == [{"code": "TOKEN_EXPIRED"}]


def test_a_fresh_token_lets_one_go_on(account: MakeAccount) -> None:
    ada, bob = account(), account()
    universe_id = ada.make_universe()
    peer = Peer(ada.url, _lasting(ada, 3))
    began = time.monotonic()
    peer.join(universe_id)
    assert peer.ask("reauthenticate", token=bob.token)["error"]["code"] == "TOKEN_INVALID"
    assert peer.ask("reauthenticate", token=ada.refresh_token)["error"]["code"] == "TOKEN_INVALID"
    answer = peer.ask("reauthenticate", token=ada.token)
    assert answer["ok"]
    assert "T" in answer["expires_at"]
    eventually(lambda: time.monotonic() - began > 4)
    assert peer.edit(universe_id, "universe", {"name": "Later"})["ok"]
    peer.close()


def test_an_event_between_the_end_of_a_token_and_the_cut_is_refused(account: MakeAccount) -> None:
    ada = account()
    universe_id = ada.make_universe()
    token = _lasting(ada, 2)
    expires = jwt.decode(token, options={"verify_signature": False})["exp"]
    peer = Peer(ada.url, token)
    peer.join(universe_id)
    codes = set()
    while not peer.ended.is_set():
        try:
            answer = peer.edit(universe_id, "universe", {"name": str(uuid4())})
        except SocketIOError:
            break
        if not answer["ok"]:
            codes.add(answer["error"]["code"])
            assert time.time() >= expires - 0.05
    assert codes <= {"TOKEN_EXPIRED"}
    rows = ada.request("GET", f"/universes/{universe_id}/history?since=1&limit=100").json()["items"]
    assert rows


def _end_session(bob: Account, way: str) -> None:
    if way == "logout":
        answer = bob.request("POST", "/auth/logout", json={"refresh_token": bob.refresh_token})
    elif way == "logout everywhere":
        answer = bob.request("POST", "/auth/logout-all")
    else:
        body = {"current_password": bob.password, "new_password": "another correct horse"}
        answer = bob.request("POST", "/auth/change-password", json=body)
    assert answer.ok, answer.text


def _lasting(account: Account, seconds: int) -> str:
    """The person's token, signed again with an earlier end."""
    claims = jwt.decode(account.token, options={"verify_signature": False})
    return jwt.encode({**claims, "exp": int(time.time()) + seconds}, SECRET, "HS256")

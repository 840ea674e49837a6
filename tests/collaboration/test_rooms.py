"""Connecting, joining and catching up."""

from __future__ import annotations

import os
from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.servers import Server
from tests.sockets import Account, Peer, Refused, eventually

MakeAccount = Callable[[], Account]


@pytest.mark.parametrize("token", [None, "", "x.y.z", 7, ["list"], {"a": 1}], ids=str)
def test_nobody_is_admitted_without_a_valid_token(server: Server, token: object) -> None:
    with pytest.raises(Refused) as refused:
        Peer(server.url, token)  # type: ignore[arg-type]
    assert refused.value.error["message"] == "TOKEN_INVALID"
    assert refused.value.error["data"]["status_code"] == 401


def test_a_refresh_token_does_not_connect(account: MakeAccount) -> None:
    ada = account()
    with pytest.raises(Refused) as refused:
        Peer(ada.url, ada.refresh_token)
    assert refused.value.error["message"] == "TOKEN_INVALID"


def test_a_revoked_token_does_not_connect(account: MakeAccount) -> None:
    ada = account()
    assert ada.request("POST", "/auth/logout", json={"refresh_token": ada.refresh_token}).status_code == 204
    with pytest.raises(Refused) as refused:
        Peer(ada.url, ada.token)
    assert refused.value.error["message"] == "TOKEN_REVOKED"


def test_a_foreign_page_does_not_connect_and_one_of_ours_does(account: MakeAccount) -> None:
    ada = account()
    with pytest.raises(Refused):
        ada.connect(origin="https://elsewhere.example")
    ada.connect(origin=ada.url).close()


def test_who_cannot_open_a_websocket_polls_where_one_process_serves(account: MakeAccount) -> None:
    ada = account()
    if os.environ.get("TEST_DATABASE_URL"):  # two processes with Redis: long polling would need the same one each time
        with pytest.raises(Refused):
            ada.connect(transports=["polling"])
        return
    universe_id = ada.make_universe()
    peer = ada.connect(transports=["polling"])
    peer.join(universe_id)
    assert peer.edit(universe_id, "universe", {"name": "Polled"})["ok"]
    assert eventually(lambda: peer.payloads("change"))[0]["after"] == {"name": "Polled"}
    peer.close()


def test_a_token_in_the_query_is_not_read(account: MakeAccount) -> None:
    ada = account()
    with pytest.raises(Refused):
        Peer(f"{ada.url}?token={ada.token}", None)


def test_a_first_join_brings_the_document(account: MakeAccount) -> None:
    ada = account()
    universe_id = ada.make_universe()
    with ada.connected() as peer:
        joined = peer.join(universe_id)
    stored = ada.request("GET", f"/universes/{universe_id}/document")
    assert joined["mode"] == "snapshot"
    assert joined["snapshot"] == stored.json()
    assert stored.headers["ETag"] == f'"{joined["revision"]}"'
    assert joined["role"] == "owner"


def test_who_is_current_is_told_so(account: MakeAccount) -> None:
    ada = account()
    universe_id = ada.make_universe()
    with ada.connected() as peer:
        first = peer.join(universe_id)
        again = peer.join(universe_id, since=first["revision"], epoch=first["epoch"])
    assert (again["mode"], again["revision"]) == ("current", first["revision"])


def test_who_missed_some_changes_gets_them_in_order(account: MakeAccount) -> None:
    ada = account()
    universe_id = ada.make_universe()
    with ada.connected() as peer:
        first = peer.join(universe_id)
    for number in range(5):
        assert ada.request("PATCH", f"/universes/{universe_id}", json={"name": f"Name {number}"}).ok
    with ada.connected() as peer:
        later = peer.join(universe_id, since=first["revision"], epoch=first["epoch"])
        synced = peer.ask("sync", universe_id=universe_id, since=first["revision"] + 3, epoch=first["epoch"])
    assert later["mode"] == "changes"
    assert [row["revision"] for row in later["changes"]] == [first["revision"] + n for n in range(1, 6)]
    assert [row["after"]["name"] for row in later["changes"]] == [f"Name {n}" for n in range(5)]
    assert [row["revision"] for row in synced["changes"]] == [first["revision"] + 4, first["revision"] + 5]


def test_a_since_from_the_future_or_of_another_log_brings_the_document(account: MakeAccount) -> None:
    ada = account()
    universe_id = ada.make_universe()
    with ada.connected() as peer:
        first = peer.join(universe_id)
        assert peer.join(universe_id, since=first["revision"] + 1, epoch=first["epoch"])["mode"] == "snapshot"
        assert peer.join(universe_id, since=first["revision"], epoch=str(uuid4()))["mode"] == "snapshot"
        assert peer.join(universe_id, since=first["revision"])["mode"] == "snapshot"


def test_who_missed_too_much_gets_the_document(account: MakeAccount) -> None:
    ada = account()
    universe_id = ada.make_universe()
    with ada.connected() as peer:
        first = peer.join(universe_id)
        for number in range(70):  # before and after of each: 280 KB of changes that leave a small document
            answer = peer.edit(universe_id, "universe", {"description": chr(97 + number % 26) * 2000})
            assert answer["ok"], answer
        again = peer.join(universe_id, since=first["revision"], epoch=first["epoch"])
    assert (again["mode"], again["revision"]) == ("snapshot", first["revision"] + 70)


def test_a_document_too_large_for_a_packet_is_fetched_and_caught_up_with(account: MakeAccount) -> None:
    ada = account()
    universe_id = ada.make_universe()
    with ada.connected() as peer:
        epoch = peer.join(universe_id)["epoch"]
        scene = f"scenes/{uuid4()}"
        assert peer.edit(universe_id, scene, {"name": "Crowded"}, op="create")["ok"]
        for _ in range(4):
            fields = {"scene_id": scene.partition("/")[2], "name": "b" * 100, "citation": "c" * 400}
            items = [{"op": "create", "path": f"bodies/{uuid4()}", "fields": fields} for _ in range(100)]
            answer = peer.ask("edit", universe_id=universe_id, op_id=str(uuid4()), op="batch", items=items)
            assert answer["ok"], answer
        joined = peer.join(universe_id)
        assert joined["mode"] == "fetch"
        fetched = ada.request("GET", joined["snapshot_url"].removeprefix("/api"))
        assert len(fetched.content) > 262_144
        since = int(fetched.headers["ETag"].strip('"'))
        assert peer.ask("sync", universe_id=universe_id, since=since, epoch=epoch)["mode"] == "current"


def test_a_change_reaches_everybody_once_and_in_order(account: MakeAccount) -> None:
    ada, bob = account(), account()
    universe_id = ada.make_universe()
    ada.invite(universe_id, bob)
    with ada.connected() as one, bob.connected() as other:
        head = one.join(universe_id)["revision"]
        other.join(universe_id)
        for number in range(20):
            writer = one if number % 2 else other
            answer = writer.edit(universe_id, "universe", {"name": f"Name {number}"}, client_id="tab")
            assert answer["ok"], answer
        ada.request("PATCH", f"/universes/{universe_id}", json={"name": "by REST"})
        expected = [head + n for n in range(1, 22)]
        for peer in (one, other):
            eventually(lambda peer=peer: len(peer.revisions()) >= 21)
            assert peer.revisions() == expected
        last = other.payloads("change")[-1]
    assert last["source"] == "rest"
    assert last["actor"] == {"id": ada.id, "display_name": ada.name}
    assert last["after"] == {"name": "by REST"}


def test_leaving_ends_the_stream(account: MakeAccount) -> None:
    ada, bob = account(), account()
    universe_id = ada.make_universe()
    ada.invite(universe_id, bob)
    with ada.connected() as one, bob.connected() as other:
        one.join(universe_id)
        other.join(universe_id)
        assert other.ask("leave", universe_id=universe_id)["ok"]
        assert one.edit(universe_id, "universe", {"name": "Alone"})["ok"]
        eventually(one.revisions)
        assert eventually(lambda: one.payloads("user_left"))[0]["user"]["id"] == bob.id
        assert other.revisions() == []
        assert other.edit(universe_id, "universe", {"name": "Not joined"})["error"]["code"] == "NOT_JOINED"


def test_a_stranger_learns_nothing_of_a_private_universe(account: MakeAccount) -> None:
    ada, eve = account(), account()
    universe_id = ada.make_universe()
    with eve.connected() as peer:
        private = peer.ask("join", universe_id=universe_id)
        unknown = peer.ask("join", universe_id=str(uuid4()))
    assert private["error"]["code"] == unknown["error"]["code"] == "NOT_FOUND"
    assert private["error"]["message"] == unknown["error"]["message"]


def test_a_stranger_watches_a_public_universe(account: MakeAccount) -> None:
    ada, eve = account(), account()
    universe_id = ada.make_universe(visibility="public")
    with eve.connected() as peer, ada.connected() as owner:
        assert peer.join(universe_id)["role"] == "stranger"
        owner.join(universe_id)
        assert owner.edit(universe_id, "universe", {"name": "Seen"})["ok"]
        assert eventually(lambda: peer.payloads("change"))[0]["after"] == {"name": "Seen"}
        assert peer.edit(universe_id, "universe", {"name": "Mine"})["error"]["code"] == "FORBIDDEN"


def test_a_connection_joins_five_universes_at_most(account: MakeAccount) -> None:
    ada = account()
    with ada.connected() as peer:
        for _ in range(5):
            peer.join(ada.make_universe())
        assert peer.ask("join", universe_id=ada.make_universe())["error"]["code"] == "CONFLICT"


def test_a_user_has_ten_connections_at_most(account: MakeAccount) -> None:
    ada = account()
    peers = [ada.connect() for _ in range(10)]
    with pytest.raises(Refused) as refused:
        ada.connect()
    assert refused.value.error["message"] == "RATE_LIMITED"
    assert refused.value.error["data"]["retry_after"] > 0
    peers.pop().close()
    eventually(lambda: _connects(ada))
    for peer in peers:
        peer.close()


def _connects(ada: Account) -> bool:
    try:
        ada.connect().close()
    except Refused:
        return False
    return True

"""Who is there, where they are, and what they are dragging."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from app.collaboration.presence import ANNOUNCE_SECONDS, EXPIRY_SECONDS, FULL_SECONDS
from tests.collaboration.conftest import new_account
from tests.databases import on_postgresql_alone, postgresql_or_skip, redis_or_skip
from tests.servers import EACH_KIND, Server, start
from tests.sockets import Account, Peer, eventually

MakeAccount = Callable[[], Account]


class Two:
    """An owner and an editor, both in one universe; in one process, or each in one of their own."""

    def __init__(self, ada: Account, bob: Account, ones: Peer, others: Peer) -> None:
        self.ada, self.bob, self.one, self.other = ada, bob, ones, others
        self.universe_id = ada.make_universe()
        ada.invite(self.universe_id, bob)
        self.ones = ones.join(self.universe_id)
        self.others = others.join(self.universe_id)
        self.meet()

    def meet(self) -> None:
        """Wait until each is told of the other, which processes may take a moment to do."""
        eventually(lambda: self.others["cid"] in _cids(self.listed(self.one)))
        eventually(lambda: self.ones["cid"] in _cids(self.listed(self.other)))

    def listed(self, peer: Peer) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = peer.join(self.universe_id)["presence"]
        return found

    def here(self, peer: Peer, **told: Any) -> None:
        assert peer.ask("presence_update", universe_id=self.universe_id, **told)["ok"]

    def preview(self, peer: Peer, fields: dict[str, Any], path: str = "universe") -> None:
        assert peer.ask("preview", universe_id=self.universe_id, path=path, fields=fields)["ok"]

    def of_one(self) -> dict[str, Any]:
        """What the other was last told of the one's presence."""
        users = [user for batch in self.other.payloads("presence") for user in batch["users"] if user["cid"] == self.ones["cid"]]
        return users[-1] if users else {}


def _cids(users: list[dict[str, Any]]) -> set[str]:
    return {user["cid"] for user in users}


@pytest.fixture
def two(account: MakeAccount) -> Iterator[Two]:
    ada, bob = account(), account()
    with ada.connected() as ones, bob.connected() as others:
        yield Two(ada, bob, ones, others)


@pytest.fixture(params=EACH_KIND)
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of server."""
    return str(request.param)


@pytest.fixture(params=(1, 2), ids=("one process", "two processes"))
def both(
    request: pytest.FixtureRequest, kind: str, _servers: Callable[[str], Server], _pairs: Callable[[str], tuple[Server, Server]]
) -> Iterator[Two]:
    """The two, in one process and in two."""
    here, there = (_servers(kind), _servers(kind)) if request.param == 1 else _pairs(kind)
    ada, bob = new_account(here), new_account(here)
    with ada.connected() as ones, bob.connected(there.url) as others:
        yield Two(ada, bob, ones, others)


# Coming and going


def test_who_joins_finds_who_is_there_and_is_announced_to_them(both: Two) -> None:
    user = {"id": both.bob.id, "display_name": both.bob.name, "color": "#4f7cff"}
    person = {"cid": both.others["cid"], "user": user, "role": "editor"}
    told = eventually(lambda: both.one.payloads("user_joined"))
    assert told[-1] == {"universe_id": both.universe_id, **person}
    entry = next(entry for entry in both.listed(both.one) if entry["cid"] == both.others["cid"])
    assert entry == {**person, "user_id": both.bob.id, "status": "active", "cursor": None, "selection": []}
    assert _cids(both.listed(both.one)) == {both.ones["cid"], both.others["cid"]}


def test_nobody_is_told_that_they_came_themselves(two: Two) -> None:
    eventually(lambda: two.one.payloads("user_joined"))
    assert two.other.payloads("user_joined") == []


@pytest.mark.parametrize("how", ["leave", "close"])
def test_who_leaves_or_closes_is_gone_within_a_second(both: Two, how: str) -> None:
    if how == "leave":
        assert both.other.ask("leave", universe_id=both.universe_id)["ok"]
    else:
        both.other.close()
    told = eventually(lambda: both.one.payloads("user_left"), 2)  # a second, and one for a machine that is busy
    assert (told[0]["cid"], told[0]["user"]["id"]) == (both.others["cid"], both.bob.id)
    assert _cids(both.listed(both.one)) == {both.ones["cid"]}


def test_who_is_put_out_is_gone_everywhere(both: Two) -> None:
    assert both.ada.request("DELETE", f"/universes/{both.universe_id}/collaborators/{both.bob.id}").ok
    assert eventually(lambda: both.one.payloads("user_left"))[0]["cid"] == both.others["cid"]
    assert _cids(both.listed(both.one)) == {both.ones["cid"]}


def test_each_connection_has_an_entry_of_its_own(two: Two) -> None:
    with two.ada.connected() as tab:
        again = tab.join(two.universe_id)
        entries = [entry for entry in two.listed(two.other) if entry["user_id"] == two.ada.id]
        assert _cids(entries) == {two.ones["cid"], again["cid"]}


def test_joining_again_is_no_second_entry(two: Two) -> None:
    before = len(two.listed(two.one))
    two.one.join(two.universe_id, client_id="another-tab")
    assert len(two.listed(two.one)) == before


def test_a_stranger_sees_who_is_in_an_open_universe(two: Two, account: MakeAccount) -> None:
    assert two.ada.request("PATCH", f"/universes/{two.universe_id}", json={"visibility": "public"}).ok
    with account().connected() as peer:
        assert {two.ones["cid"], two.others["cid"]} < _cids(peer.join(two.universe_id)["presence"])


def test_nobody_elses_universe_hears_of_it(two: Two, account: MakeAccount) -> None:
    eve = account()
    with eve.connected() as peer:
        own = eve.make_universe()
        peer.join(own)
        two.here(two.one, status="away")
        two.preview(two.one, {"name": "Dragged"})
        eventually(lambda: two.other.payloads("preview"))
        assert {batch["universe_id"] for batch in peer.payloads("presence")} <= {own}  # all of its own may be told at any time
        assert peer.payloads("preview") == peer.payloads("user_joined") == []


# Where they are


def test_a_cursor_a_selection_and_a_status_reach_the_others(both: Two) -> None:
    scene = str(uuid4())
    both.here(both.one, status="idle", cursor={"scene_id": scene, "x": 1.5, "y": -2}, selection=[f"bodies/{scene}"])
    expected = {
        "cid": both.ones["cid"],
        "user_id": both.ada.id,
        "status": "idle",
        "cursor": {"scene_id": scene, "x": 1.5, "y": -2},
        "selection": [f"bodies/{scene}"],
    }
    told = eventually(lambda: both.of_one().get("cursor") and both.of_one())
    assert {name: told[name] for name in expected} == expected
    with both.bob.connected(both.other.client.connection_url) as later:
        listed = later.join(both.universe_id)["presence"]
        entry = next(entry for entry in listed if entry["cid"] == both.ones["cid"])
        assert {name: entry[name] for name in expected} == expected


def test_what_is_not_told_stays_as_it_was_and_null_takes_the_cursor_away(two: Two) -> None:
    cursor = {"scene_id": str(uuid4()), "x": 0.0, "y": 0.0}
    two.here(two.one, cursor=cursor)
    two.here(two.one, status="away")
    eventually(lambda: two.of_one().get("status") == "away")
    assert two.of_one()["cursor"] == cursor
    two.here(two.one, cursor=None)
    eventually(lambda: two.of_one()["cursor"] is None)
    assert two.of_one()["status"] == "away"


def test_many_updates_are_told_in_few_batches_and_the_last_one_is(two: Two) -> None:
    scene = str(uuid4())
    began = time.monotonic()
    for number in range(40):
        two.here(two.one, cursor={"scene_id": scene, "x": number, "y": 0})
    eventually(lambda: (two.of_one().get("cursor") or {}).get("x") == 39)
    most = (time.monotonic() - began) / 0.05 + 1
    assert len([batch for batch in two.other.payloads("presence") if not batch["full"]]) <= most


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "asleep"},
        {"cursor": {"x": 1, "y": 2}},
        {"cursor": {"scene_id": str(uuid4()), "x": "1", "y": 2}},
        {"selection": ["bodies/x"] * 51},
        {"selection": "bodies/x"},
        {"user_id": str(uuid4())},
    ],
    ids=["status", "half a cursor", "text for a number", "51 selected", "text for a list", "another's id"],
)
def test_what_no_schema_allows_is_refused(two: Two, wrong: dict[str, Any]) -> None:
    answer = two.one.ask("presence_update", universe_id=two.universe_id, **wrong)
    assert answer["error"]["code"] == "VALIDATION_ERROR"


@pytest.mark.slow
def test_everybody_is_told_everything_now_and_then(two: Two) -> None:
    full = eventually(lambda: [batch for batch in two.other.payloads("presence") if batch["full"]], FULL_SECONDS + 5)[0]
    assert _cids(full["users"]) == {two.ones["cid"], two.others["cid"]}
    assert {user["user"]["id"] for user in full["users"]} == {two.ada.id, two.bob.id}


# What they are dragging


def test_a_preview_reaches_the_others_and_not_its_sender(both: Two) -> None:
    both.preview(both.one, {"position": {"x": 2.5}}, "bodies/1")
    told = eventually(lambda: both.other.payloads("preview"))
    payload = {"universe_id": both.universe_id, "path": "bodies/1", "fields": {"position": {"x": 2.5}}, "cid": both.ones["cid"]}
    assert told == [payload]
    both.preview(both.other, {"back": True})
    eventually(lambda: both.one.payloads("preview"))
    assert [told["cid"] for told in both.one.payloads("preview")] == [both.others["cid"]]


def test_a_preview_is_not_stored(two: Two) -> None:
    before = two.ada.request("GET", f"/universes/{two.universe_id}").json()
    two.preview(two.one, {"name": "Dragged"})
    eventually(lambda: two.other.payloads("preview"))
    assert two.ada.request("GET", f"/universes/{two.universe_id}").json() == before


def test_a_viewer_shows_no_previews_and_sees_them(two: Two, account: MakeAccount) -> None:
    viewer = account()
    two.ada.invite(two.universe_id, viewer, "viewer")
    with viewer.connected() as peer:
        peer.join(two.universe_id)
        refused = peer.ask("preview", universe_id=two.universe_id, path="universe", fields={"name": "X"})
        assert refused["error"]["code"] == "FORBIDDEN"
        two.preview(two.one, {"name": "Dragged"})
        assert eventually(lambda: peer.payloads("preview"))


# Allowances


@pytest.fixture(scope="module", params=EACH_KIND)
def thrifty(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server where two may be told at once, and ten a second."""
    limits = {"RATE_LIMITS": "true", "PRESENCE_PER_SECOND": "10", "PRESENCE_BURST": "2"}
    with start(request.param, LOG_LEVEL="warning", **limits) as server:
        yield server


@pytest.fixture
def slow(thrifty: Server) -> Iterator[Two]:
    ada, bob = new_account(thrifty), new_account(thrifty)
    with ada.connected() as ones, bob.connected() as others:
        yield Two(ada, bob, ones, others)


def test_of_too_many_previews_the_newest_are_told_and_none_is_refused(slow: Two) -> None:
    for number in range(50):
        slow.preview(slow.one, {"x": number})
    told = eventually(lambda: slow.other.payloads("preview")[-1]["fields"] == {"x": 49} and slow.other.payloads("preview"))
    assert len(told) < 50
    values = [one["fields"]["x"] for one in told]
    assert values == sorted(values)
    assert values[:2] == [0, 1]


def test_of_too_many_previews_every_property_and_every_path_is_told_in_the_end(slow: Two) -> None:
    for number in range(20):
        slow.preview(slow.one, {"position": {"x": number}}, "bodies/1")
    slow.preview(slow.one, {"position": {"y": 7}}, "bodies/1")
    slow.preview(slow.one, {"mass": 3}, "bodies/2")
    expected = {"bodies/1": {"position": {"x": 19, "y": 7}}, "bodies/2": {"mass": 3}}

    def shown() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for one in slow.other.payloads("preview"):
            position = {**found.get(one["path"], {}).get("position", {}), **one["fields"].get("position", {})}
            found[one["path"]] = {**one["fields"], **({"position": position} if position else {})}
        return found

    eventually(lambda: shown() == expected)


def test_of_too_many_cursors_the_newest_is_told_with_all_that_was_told_before(slow: Two) -> None:
    scene = str(uuid4())
    slow.here(slow.one, status="idle")
    for number in range(50):
        slow.here(slow.one, cursor={"scene_id": scene, "x": number, "y": 0})
    slow.here(slow.one, selection=["universe"])
    last = {"status": "idle", "cursor": {"scene_id": scene, "x": 49, "y": 0}, "selection": ["universe"]}
    eventually(lambda: {name: slow.of_one().get(name) for name in last} == last)


def test_presence_and_previews_of_all_connections_of_a_user_share_one_allowance(slow: Two) -> None:
    with slow.ada.connected() as tab:
        tab.join(slow.universe_id)
        began = time.monotonic()
        for number in range(20):
            slow.preview(slow.one, {"x": number}, f"bodies/{number}")
            slow.preview(tab, {"x": number}, f"voices/{number}")
        eventually(lambda: len(slow.other.payloads("preview")) == 40)
        assert time.monotonic() - began > (40 - 2) / 10 - 0.5  # ten a second, but for the two at once


def test_a_preview_that_waits_is_not_shown_once_its_sender_may_edit_no_more(slow: Two) -> None:
    for number in range(30):
        slow.preview(slow.other, {"x": number}, f"bodies/{number}")
    assert slow.ada.request("PATCH", f"/universes/{slow.universe_id}/collaborators/{slow.bob.id}", json={"role": "viewer"}).ok
    eventually(lambda: slow.other.payloads("role_changed"))
    slow.here(slow.other, status="away")  # its turn comes after all that waits
    cid = slow.others["cid"]
    eventually(lambda: [user for batch in slow.one.payloads("presence") for user in batch["users"] if user["cid"] == cid])
    assert 2 <= len(slow.one.payloads("preview")) < 30


def test_without_limits_every_preview_is_told(two: Two) -> None:
    for number in range(300):
        two.one.client.emit("preview", {"universe_id": two.universe_id, "path": "universe", "fields": {"x": number}})
    eventually(lambda: len(two.other.payloads("preview")) == 300)
    assert [told["fields"]["x"] for told in two.other.payloads("preview")] == list(range(300))


# Guests


def test_who_came_by_a_share_link_is_shown_as_a_guest(two: Two, account: MakeAccount) -> None:
    made = two.ada.request("POST", f"/universes/{two.universe_id}/share-links", json={"role": "viewer"})
    token = made.json()["token"]
    for number in (1, 2):
        guest = account()
        assert guest.request("POST", f"/shared/{token}/join").ok
        with guest.connected() as peer:
            cid = peer.join(two.universe_id)["cid"]
            told = eventually(lambda cid=cid: [one for one in two.one.payloads("user_joined") if one["cid"] == cid])[0]
            listed = next(entry for entry in two.listed(two.one) if entry["cid"] == cid)
        assert told["user"] == listed["user"] == {"id": None, "display_name": f"Guest {number}", "color": "#4f7cff"}
        assert listed["user_id"] is None
        assert guest.name not in str(two.one.payloads("user_joined")) + str(listed)


# Processes that end


@pytest.mark.parametrize("kind", EACH_KIND)
def test_the_people_of_a_killed_process_vanish_within_45_seconds(kind: str) -> None:
    on_postgresql_alone()
    redis = redis_or_skip()
    with postgresql_or_skip() as url, start(kind, url, LOG_LEVEL="warning", REDIS_URL=redis) as here:
        with start(kind, url, LOG_LEVEL="warning", REDIS_URL=redis) as there:
            ada, bob = new_account(here), new_account(here)
            ones, others = ada.connect(), bob.connect(there.url)
            two = Two(ada, bob, ones, others)
            there.kill()
        told = eventually(lambda: ones.payloads("user_left"), ANNOUNCE_SECONDS + EXPIRY_SECONDS + 5)
        assert told[0]["cid"] == two.others["cid"]
        assert _cids(two.listed(ones)) == {two.ones["cid"]}
        ones.close()

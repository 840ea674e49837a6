"""What people say to each other: numbered, kept, told in order, and whose it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.collaboration.conftest import new_account
from tests.servers import Server
from tests.sockets import Account, Peer, eventually

MakeAccount = Callable[[], Account]


class Talk:
    """A universe whose owner and a viewer are in it."""

    def __init__(self, ada: Account, bob: Account, ones: Peer, others: Peer) -> None:
        self.ada, self.bob, self.one, self.other = ada, bob, ones, others
        self.universe_id = ada.make_universe()
        ada.invite(self.universe_id, bob, "viewer")
        self.joined = ones.join(self.universe_id)
        others.join(self.universe_id)

    def ask(self, peer: Peer, text: Any, op_id: str | None = None) -> dict[str, Any]:
        return peer.ask("chat_message", universe_id=self.universe_id, op_id=op_id or str(uuid4()), text=text)

    def say(self, peer: Peer, text: str, op_id: str | None = None) -> dict[str, Any]:
        answer = self.ask(peer, text, op_id)
        assert answer["ok"], answer
        return answer

    def read(self, who: Account, query: str = "") -> dict[str, Any]:
        answer = who.request("GET", f"/universes/{self.universe_id}/chat{query}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def talk(account: MakeAccount) -> Iterator[Talk]:
    ada, bob = account(), account()
    with ada.connected() as ones, bob.connected() as others:
        yield Talk(ada, bob, ones, others)


def numbers(lines: list[dict[str, Any]]) -> list[int]:
    return [line["seq"] for line in lines]


def test_a_line_is_answered_told_to_all_and_kept(talk: Talk) -> None:
    op_id = str(uuid4())
    said = talk.say(talk.other, "  Shall we make it heavier?  ", op_id)
    expected = {
        "universe_id": talk.universe_id,
        "id": said["id"],
        "seq": 1,
        "user": {"id": talk.bob.id, "display_name": talk.bob.name, "color": "#4f7cff"},
        "text": "Shall we make it heavier?",
        "at": said["created_at"],
        "op_id": op_id,
    }
    assert said["seq"] == 1
    for peer in (talk.one, talk.other):
        assert eventually(lambda peer=peer: peer.payloads("chat_message")) == [expected]
    assert talk.read(talk.ada) == talk.read(talk.bob) == {"items": [expected], "next_cursor": None}


def test_who_joins_is_told_the_number_of_the_last_line(talk: Talk) -> None:
    assert talk.joined["chat_seq"] == 0
    talk.say(talk.one, "one")
    talk.say(talk.one, "two")
    assert talk.other.join(talk.universe_id)["chat_seq"] == 2


def test_a_repeated_line_is_the_same_line_and_told_once(talk: Talk) -> None:
    op_id = str(uuid4())
    first, again = talk.say(talk.one, "Hello", op_id), talk.say(talk.one, "Hello", op_id)
    assert again == first
    talk.say(talk.one, "Next")
    eventually(lambda: len(talk.other.payloads("chat_message")) == 2)
    assert [line["text"] for line in talk.other.payloads("chat_message")] == ["Hello", "Next"]


def test_a_key_with_another_text_is_refused(talk: Talk) -> None:
    op_id = str(uuid4())
    talk.say(talk.one, "Hello", op_id)
    assert talk.ask(talk.one, "Goodbye", op_id)["error"]["code"] == "OP_ID_REUSED"
    assert talk.say(talk.other, "Goodbye", op_id)["seq"] == 2  # somebody else's key is another one


@pytest.mark.parametrize("text", ["", "   ", "x" * 2001, "nul\x00", 7, None, ["x"]], ids=lambda text: repr(text)[:12])
def test_what_is_no_line_is_refused_and_takes_no_number(talk: Talk, text: Any) -> None:
    assert talk.ask(talk.one, text)["error"]["code"] == "VALIDATION_ERROR"
    assert talk.say(talk.one, "x" * 2000)["seq"] == 1


def test_the_chat_is_read_back_in_pages_from_the_newest(talk: Talk) -> None:
    for number in range(1, 8):
        talk.say(talk.one, f"line {number}")
    first = talk.read(talk.bob, "?limit=3")
    assert (numbers(first["items"]), first["next_cursor"]) == ([7, 6, 5], "5")
    second = talk.read(talk.bob, f"?limit=3&cursor={first['next_cursor']}")
    assert (numbers(second["items"]), second["next_cursor"]) == ([4, 3, 2], "2")
    last = talk.read(talk.bob, "?limit=3&before=2")
    assert (numbers(last["items"]), last["next_cursor"]) == ([1], None)


@pytest.mark.parametrize(
    "query", ["before=0", "before=x", "limit=0", "limit=101", "before=3&cursor=3", "before=9223372036854775808", "q=1"]
)
def test_a_query_that_means_nothing_is_refused(talk: Talk, query: str) -> None:
    assert talk.ada.request("GET", f"/universes/{talk.universe_id}/chat?{query}").status_code == 422


def test_a_stranger_neither_speaks_nor_hears_nor_reads_in_an_open_universe(talk: Talk, account: MakeAccount) -> None:
    assert talk.ada.request("PATCH", f"/universes/{talk.universe_id}", json={"visibility": "public"}).ok
    eve = account()
    with eve.connected() as peer:
        peer.join(talk.universe_id)
        assert talk.ask(peer, "Hello?")["error"]["code"] == "FORBIDDEN"
        assert eve.request("GET", f"/universes/{talk.universe_id}/chat").status_code == 403
        talk.say(talk.one, "Among ourselves")
        assert talk.one.edit(talk.universe_id, "universe", {"name": "Seen by all"})["ok"]
        eventually(lambda: talk.other.payloads("chat_message"))
        eventually(lambda: [row for row in peer.payloads("change") if row["after"] == {"name": "Seen by all"}])
        assert peer.payloads("chat_message") == []


def test_the_text_of_somebody_who_has_left_stays_and_is_nobodys(talk: Talk) -> None:
    talk.say(talk.other, "I was here")
    before = talk.read(talk.ada)["items"][0]
    assert talk.bob.request("DELETE", "/users/me", json={"password": talk.bob.password}).status_code == 204
    assert talk.read(talk.ada)["items"] == [{**before, "user": None}]


def test_what_somebody_said_is_in_their_export_and_in_no_one_elses(talk: Talk) -> None:
    said = talk.say(talk.other, "Mine to take along")
    theirs = talk.bob.request("GET", "/users/me/export").json()["chat_messages"]
    assert [(line["text"], line["seq"], line["created_at"]) for line in theirs] == [("Mine to take along", 1, said["created_at"])]
    assert talk.ada.request("GET", "/users/me/export").json()["chat_messages"] == []


def test_a_guest_speaks_as_a_guest(talk: Talk, account: MakeAccount) -> None:
    link = talk.ada.request("POST", f"/universes/{talk.universe_id}/share-links", json={"role": "viewer"}).json()
    guest = account()
    assert guest.request("POST", f"/shared/{link['token']}/join").ok
    with guest.connected() as peer:
        peer.join(talk.universe_id)
        talk.say(peer, "Good evening")
    told = eventually(lambda: talk.one.payloads("chat_message"))[0]
    assert told["user"] == {"id": None, "display_name": "Guest 1", "color": "#4f7cff"}
    assert talk.read(talk.ada)["items"] == [told]


def test_a_removed_member_hears_no_more(talk: Talk) -> None:
    talk.say(talk.one, "with you")
    eventually(lambda: talk.other.payloads("chat_message"))
    assert talk.ada.request("DELETE", f"/universes/{talk.universe_id}/collaborators/{talk.bob.id}").ok
    talk.say(talk.one, "without you")
    eventually(lambda: len(talk.one.payloads("chat_message")) == 2)
    eventually(lambda: talk.other.payloads("access_revoked"))
    assert [line["text"] for line in talk.other.payloads("chat_message")] == ["with you"]


def talked(server: Server, other: Server) -> None:
    """Four people speak at once in one universe; every line has a number of its own, and all hear all in order."""
    accounts = [new_account(server) for _ in range(4)]
    universe_id = accounts[0].make_universe()
    for account in accounts[1:]:
        accounts[0].invite(universe_id, account, "viewer")
    peers = [account.connect((server, other)[number % 2].url) for number, account in enumerate(accounts)]
    try:
        for peer in peers:
            peer.join(universe_id)
        answers: list[dict[str, Any]] = []

        def speak(peer: Peer, who: int) -> None:
            for number in range(15):
                answers.append(peer.ask("chat_message", universe_id=universe_id, op_id=str(uuid4()), text=f"{who}: {number}"))

        threads = [threading.Thread(target=speak, args=(peer, who)) for who, peer in enumerate(peers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(answer["ok"] for answer in answers), [answer for answer in answers if not answer["ok"]]
        assert sorted(answer["seq"] for answer in answers) == list(range(1, 61))
        for peer in peers:
            eventually(lambda peer=peer: len(peer.payloads("chat_message")) >= 60)
            assert numbers(peer.payloads("chat_message")) == list(range(1, 61))
    finally:
        for peer in peers:
            peer.close()


def test_lines_are_numbered_without_gaps_by_one_process(server: Server) -> None:
    talked(server, server)


def test_lines_are_numbered_without_gaps_by_two_processes(processes: tuple[Server, Server]) -> None:
    talked(*processes)

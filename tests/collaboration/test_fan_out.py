"""Events reach everybody whom they concern, once, whole and in order, whichever way they are sent."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import websocket

from app.collaboration.fan_out import Message
from tests.servers import Server, start
from tests.sockets import Account, Peer, eventually

_WAYS = [
    pytest.param(("eventlet", "true"), id="eventlet fast"),
    pytest.param(("eventlet", "false"), id="eventlet plain", marks=pytest.mark.slow),
    pytest.param(("gthread", "true"), id="gthread", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=_WAYS)
def served(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server for each way in which events are sent."""
    kind, fast = request.param
    with start(kind, LOG_LEVEL="warning", FAST_FAN_OUT=fast, CONNECTIONS_PER_USER="50") as running:
        yield running


@pytest.fixture
def owner(served: Server) -> Account:
    """Somebody with a token."""
    return Account(served.url, f"person{uuid4().hex[:8]}")


def _preview(universe_id: str, **fields: Any) -> dict[str, Any]:
    return {"universe_id": universe_id, "path": "universe", "fields": fields}


def _numbers(peer: Peer, sender: str) -> list[int]:
    return [one["fields"]["number"] for one in peer.payloads("preview") if one["fields"]["sender"] == sender]


def test_previews_of_several_senders_reach_all_others_once_and_in_each_sender_s_order(owner: Account) -> None:
    universe_id = owner.make_universe()
    peers = [owner.connect() for _ in range(8)]
    for peer in peers:
        peer.join(universe_id)
    senders = {"a": peers[0], "b": peers[1], "c": peers[2]}
    for number in range(200):
        for name, sender in senders.items():
            sender.client.emit("preview", _preview(universe_id, number=number, sender=name))
        if number % 10 == 9:  # who reads slowly is spared previews: nobody here may fall behind
            eventually(
                lambda upto=number: all(
                    _numbers(peer, name)[-1:] == [upto] for peer in peers for name in senders if peer is not senders[name]
                )
            )
    for peer in peers:
        for name, sender in senders.items():
            assert _numbers(peer, name) == ([] if sender is peer else list(range(200)))
    for peer in peers:
        peer.close()


def test_changes_and_previews_keep_their_order_while_acknowledgements_go_between(owner: Account) -> None:
    universe_id = owner.make_universe()
    with owner.connected() as writer, owner.connected() as reader:
        head = writer.join(universe_id)["revision"]
        reader.join(universe_id)
        for number in range(30):
            writer.client.emit("preview", _preview(universe_id, number=number, sender="w"))
            assert writer.edit(universe_id, "universe", {"name": f"Name {number}"})["ok"]
            assert reader.ask("clock_sync", t0=number)["t0"] == number
        eventually(lambda: all(len(one.revisions()) >= 30 for one in (reader, writer)))
        assert reader.revisions() == writer.revisions() == [head + 1 + n for n in range(30)]
        assert _numbers(reader, "w") == list(range(30))


def test_a_polling_client_gets_the_same_as_one_with_a_websocket(owner: Account) -> None:
    universe_id = owner.make_universe()
    polling, direct = owner.connect(transports=["polling"]), owner.connect()
    with owner.connected() as sender:
        for peer in (polling, direct, sender):
            peer.join(universe_id)
        for number in range(12):
            assert sender.edit(universe_id, "universe", {"name": f"Name {number}"})["ok"]
        eventually(lambda: len(polling.revisions()) >= 12 and len(direct.revisions()) >= 12)
        assert polling.revisions() == direct.revisions()
    polling.close()
    direct.close()


def test_nothing_is_lost_or_turned_round_while_polling_gives_way_to_a_websocket(owner: Account) -> None:
    universe_id = owner.make_universe()
    with owner.connected() as sender:
        head = sender.join(universe_id)["revision"]
        for turn in range(3):
            peer = owner.connect(transports=["polling", "websocket"])
            first = peer.join(universe_id)["revision"]
            for number in range(10):
                assert sender.edit(universe_id, "universe", {"name": f"Name {turn} {number}"})["ok"]
            last = head + 10 * (turn + 1)
            eventually(lambda peer=peer, last=last: last in peer.revisions())
            assert peer.revisions() == list(range(first + 1, last + 1))
            peer.close()


def test_large_and_small_events_arrive_as_they_were_sent(owner: Account) -> None:
    universe_id = owner.make_universe()
    texts = ["x" * size for size in (0, 1, 10, 125, 126, 127, 4_000, 65_000)] + ["žluťoučký 𝄞", '"\\\u2028']
    with owner.connected() as sender, owner.connected() as reader:
        sender.join(universe_id)
        reader.join(universe_id)
        for number, text in enumerate(texts):
            sender.client.emit("preview", _preview(universe_id, number=number, sender="w", text=text))
        eventually(lambda: len(reader.payloads("preview")) >= len(texts))
        assert [one["fields"]["text"] for one in reader.payloads("preview")] == texts


def test_a_client_that_reads_slowly_gets_every_change_in_order(owner: Account) -> None:
    universe_id = owner.make_universe()
    with owner.connected() as writer:
        head = writer.join(universe_id)["revision"]
        slow = _connection(owner, universe_id, receive_buffer=4096)
        for number in range(60):  # before and after of each: more than the buffers of both ends hold
            assert writer.edit(universe_id, "universe", {"description": chr(97 + number % 26) * 2000})["ok"]
        revisions = []
        while len(revisions) < 60:
            text = slow.recv()
            if text == "2":
                slow.send("3")
            elif text.startswith('42["change"'):
                revisions.append(json.loads(text[2:])[1]["revision"])
                time.sleep(0.001)  # what it means to be slow
        assert revisions == [head + 1 + n for n in range(60)]
        slow.close()


def test_a_message_as_large_as_allowed_is_read_and_a_larger_one_ends_the_connection(owner: Account) -> None:
    universe_id = owner.make_universe()
    raw = _connection(owner, universe_id)
    raw.send("42" + json.dumps(["preview", _preview(universe_id, number=0, sender="x" * 100_000)]))
    raw.send("421" + json.dumps(["clock_sync", {"t0": 7}]))
    assert _until(raw, lambda text: text.startswith("431"))
    raw.settimeout(10)  # sooner than a connection that is not listened to is given up
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        for _ in range(8):  # in pieces none of which is too large
            raw.send_frame(websocket.ABNF.create_frame("y" * 60_000, websocket.ABNF.OPCODE_TEXT if _ == 0 else 0, fin=0))
        while raw.recv():
            pass
        raise ConnectionError


@pytest.mark.parametrize("text", ['421["edit",{bad', "421[]", '421["clock_sync",{"t0":NaN}]', "42" + "[" * 3000, "47"])
def test_what_is_no_packet_ends_the_connection(owner: Account, text: str) -> None:
    raw = _connection(owner, owner.make_universe())
    raw.settimeout(10)
    raw.send(text)
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        while raw.recv():
            pass
        raise ConnectionError


@pytest.mark.parametrize("served", [("eventlet", "true")], indirect=True)
def test_websockets_are_not_compressed(owner: Account) -> None:
    opened = _open(owner, header=["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"])
    assert "sec-websocket-extensions" not in {name.lower() for name in opened.getheaders()}
    opened.close()


def test_an_event_with_binary_values_is_one_unit_of_frames() -> None:
    message = Message(
        "simulation_frame", {"tick": 3, "positions": b"\x00\x01\x02", "more": bytearray(b"z" * 200), "view": memoryview(b"v")}
    )
    header, *attachments = message.parts
    assert header.startswith(b"453-[")
    assert json.loads(header[4:])[1] == {
        "tick": 3, "positions": {"_placeholder": True, "num": 0},
        "more": {"_placeholder": True, "num": 1}, "view": {"_placeholder": True, "num": 2},
    }  # fmt: skip
    assert attachments == [b"\x00\x01\x02", b"z" * 200, b"v"]
    assert message.frames.endswith(b"\x82\x03\x00\x01\x02\x82\x7e\x00\xc8" + b"z" * 200 + b"\x82\x01v")
    assert message.encode(b64=True).split("\x1e")[1] == "bAAEC"
    assert message.encode() == (header.decode(), *attachments)


def _open(owner: Account, **options: Any) -> websocket.WebSocket:
    return websocket.create_connection(
        owner.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket", timeout=20, suppress_origin=True, **options
    )


def _connection(owner: Account, universe_id: str, receive_buffer: int = 0) -> websocket.WebSocket:
    """A bare connection that has joined a universe."""
    options = {"sockopt": [(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)]} if receive_buffer else {}
    raw = _open(owner, **options)
    assert _until(raw, lambda text: text.startswith("0"))
    raw.send("40" + json.dumps({"token": owner.token}))
    assert _until(raw, lambda text: text.startswith("40"))
    raw.send("420" + json.dumps(["join_universe", {"universe_id": universe_id}]))
    assert '"ok":true' in _until(raw, lambda text: text.startswith("430"))
    return raw


def _until(raw: websocket.WebSocket, wanted: Callable[[str], bool]) -> str:
    while not wanted(text := raw.recv()):
        assert text
    return text

"""Mutated payloads for every client event, against a real server: `python -m tests.faults.fuzz_events`.

Each is answered by a refusal or, where the mutation left it well formed, by success; the server stays alive, and its log tells of
no fault. Packets that are not JSON end at most their own connection; what the library has to say of them is in the log.
"""

from __future__ import annotations

import json
import random
import sys
from copy import deepcopy
from typing import Any
from uuid import uuid4

import websocket

from app.collaboration.events import BY_NAME
from tests.catalogue import check_answer
from tests.servers import Server, start
from tests.sockets import Account, Peer, eventually

PER_EVENT = 10_000
_STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**53, 2**53 + 1, 2**63, 10**308, -(10**30), 1e308, -0.0, "", " ", "\x00", "a\nb", "é" * 3000,
    "💥", {"$ref": "#"}, "../..", "universe", "universe/", "bodies/", "bodies/none", "members/" + str(uuid4()), [], [[]], {}, {"": None},
    [None] * 200,
    "1", "NaN", "2026-11-21T05:00:00Z", str(uuid4()), str(uuid4()).upper(), uuid4().hex, "null", ["universe"],
)  # fmt: skip
_NOT_PACKETS = (
    "42",
    "42[",
    "42{}",
    '42["edit",NaN]',
    '42["edit",{"a":1e999}]',
    "4",
    "9",
    "42[]",
    "42[7]",
    '42[{"a":1}]',
    "451-[",
    "5",
    "zzz",
    "\x00",
    '42["edit",' + "[" * 50_000,
)


def run(kind: str = "gthread", per_event: int = PER_EVENT, seed: int = 1) -> dict[str, int]:
    """Fuzz a server of a kind; how many payloads were refused, taken, and how many broken packets were sent."""
    chance = random.Random(seed)
    with start(kind, LOG_LEVEL="warning") as server:
        ada = Account(server.url, "ada")
        universe_id = ada.make_universe()
        figures = {"refused": 0, "taken": 0, "broken_packets": 0}
        for name, event in BY_NAME.items():
            with ada.connected() as peer:
                peer.join(universe_id)
                for _ in range(per_event):
                    answer = _answer(peer, name, _mutated(chance, _model(event.name, universe_id)))
                    check_answer(name, answer)
                    assert answer["ok"] or answer["error"]["request_id"], (name, answer)
                    assert answer["ok"] or answer["error"]["code"] != "INTERNAL", (name, answer)
                    figures["taken" if answer["ok"] else "refused"] += 1
        assert "Traceback" not in server.log, server.log[-3000:]
        with ada.connected() as witness:
            for text in _NOT_PACKETS:
                _send_raw(server, ada, text)
                figures["broken_packets"] += 1
                assert witness.ask("clock_sync", t0=1)["ok"], text
            assert not witness.ended.is_set()
        assert server.process.poll() is None
        return figures


def _answer(peer: Peer, name: str, arguments: tuple[Any, ...]) -> dict[str, Any]:
    answer: dict[str, Any] = peer.client.call(name, arguments, timeout=30)
    return answer


def _model(name: str, universe_id: str) -> dict[str, Any]:
    """A payload that is well formed."""
    about = {"universe_id": universe_id}
    operation = {**about, "op_id": str(uuid4())}
    item = {"op": "create", "path": f"scenes/{uuid4()}", "fields": {"name": "S"}}
    return {
        "join_universe": {**about, "client_id": "tab", "since": 1, "epoch": str(uuid4())},
        "leave_universe": {"universe_id": str(uuid4())},
        "sync": {**about, "since": 1, "epoch": str(uuid4())},
        "edit": {**operation, "base": 1, "mode": "merge", "group": "g", "client_id": "tab", "op": "batch", "items": [item, item]}
        if len(str(uuid4())) % 2
        else {
            **operation,
            "base": 1,
            "mode": "merge",
            "op": "update",
            "path": "universe",
            "fields": {"harmony": {"key": "D", "tuning": {}}},
        },
        "parameter_update": {**operation, "path": f"physics-parameters/{uuid4()}", "parameters": {"gravity": {"y": -1.0}}},
        "undo": {**operation, "client_id": "tab"},
        "redo": {**operation, "client_id": "tab"},
        "presence_update": {**about, "status": "idle", "cursor": {"scene_id": str(uuid4()), "x": 1.0, "y": 2.0}, "selection": ["universe"]},
        "preview": {**about, "path": "universe", "fields": {"name": "x"}},
        "chat_message": {**operation, "text": "Good evening."},
        "transport": {**about, "action": "loop", "position_s": 1.0, "rate": 1.0, "loop": {"start_s": 0, "end_s": 5}, "base_seq": 0},
        "simulation_start": {**about, "scene_id": str(uuid4()), "rate_hz": 30},
        "simulation_stop": {**about, "scene_id": str(uuid4())},
        "clock_sync": {"t0": 1.0},
        "reauthenticate": {"token": "x.y.z"},
    }[name]


def _mutated(chance: random.Random, payload: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments of an event: the payload with something wrong in it, or none, or several."""
    choice = chance.random()
    if choice < 0.03:
        return chance.choice([(), (payload, payload), (payload, None), (1, 2, 3)])
    if choice < 0.08:
        return (deepcopy(chance.choice(_STRANGE)),)
    found: dict[str, Any] = json.loads(json.dumps(payload))
    for _ in range(chance.choice((1, 1, 1, 2))):
        _spoil(chance, found)
    return (found,)


def _spoil(chance: random.Random, found: dict[str, Any]) -> None:
    """Leave out, add or change something at some depth."""
    places = list(_places(found))
    if not places:
        return
    holder, key = chance.choice(places)
    choice = chance.random()
    if choice < 0.15 and isinstance(holder, dict):
        del holder[key]
    elif choice < 0.25 and isinstance(holder, dict):
        holder[chance.choice(["more", "", "role", "__class__", "id", "x" * 300])] = deepcopy(chance.choice(_STRANGE))
    elif choice < 0.3:
        holder[key] = _deep(chance.choice((20, 60)))
    elif choice < 0.4:
        holder[key] = [holder[key]]
    elif choice < 0.45 and isinstance(holder[key], str):
        holder[key] = holder[key][::-1] + chance.choice(["\n", "\u202e", "\ud7ff", "%00"])
    else:
        holder[key] = deepcopy(chance.choice(_STRANGE))


def _places(value: Any) -> Any:
    """Every place in a payload: what holds it, and its key there."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _deep(depth: int) -> Any:
    found: Any = "end"
    for level in range(depth):
        found = {"a": found} if level % 2 else [found]
    return found


def _send_raw(server: Server, person: Account, text: str) -> None:
    """Connect by hand, send a text that is no packet, and wait until the connection is closed or answers a ping as before."""
    wire = websocket.create_connection(server.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket", timeout=20)
    try:
        assert wire.recv().startswith("0")
        wire.send("40" + json.dumps({"token": person.token}))
        eventually(lambda: wire.recv().startswith("40"))
        wire.send(text)
        wire.send('421["clock_sync",{"t0":1}]')
        assert wire.recv() is not None  # its acknowledgement, or nothing more because it has been closed
    except (websocket.WebSocketException, ConnectionError):  # whatever a server writes before it hangs up
        pass
    finally:
        wire.close()


if __name__ == "__main__":
    for one in ("gthread", "eventlet"):
        print(json.dumps({"server": one, **run(one, int(sys.argv[1]) if len(sys.argv) > 1 else PER_EVENT)}), flush=True)

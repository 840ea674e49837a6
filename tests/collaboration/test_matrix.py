"""Every client event × who sends it × where they stand: the expected code, and always an acknowledgement.

An event of the catalogue without an entry in ENTRIES fails the first test: who adds an event says here how it is used well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from app.access import ALLOWED, Action, Role
from app.collaboration.events import BY_NAME, CLIENT, Event
from tests.servers import KINDS, Server
from tests.sockets import Account, Peer, Refused

Make = Callable[["World"], dict[str, Any]]
ROLES = (Role.STRANGER, Role.VIEWER, Role.EDITOR, Role.OWNER)
PLACES = ("joined", "not joined", "elsewhere")
VISIBILITIES = ("private", "public")
_numbers = count()


@dataclass(frozen=True)
class World:
    """A universe with a person for each role, and another universe in which each has a part as well."""

    people: dict[Role, Account]
    visibility: str
    universe_id: str
    scene_id: str
    body: str
    parameters: str


@dataclass(frozen=True)
class Entry:
    """A payload that is well formed, and the codes besides success that somebody who may send it can get for it."""

    payload: Make
    codes: tuple[str, ...] = ()


def operation(**fields: Any) -> Make:
    return lambda world: {"universe_id": world.universe_id, "op_id": str(uuid4()), **fields}


def about(**fields: Any) -> Make:
    return lambda world: {"universe_id": world.universe_id, **fields}


ENTRIES: dict[str, Entry] = {
    "join_universe": Entry(about()),
    "leave_universe": Entry(about()),
    "sync": Entry(about(since=1, epoch=str(uuid4()))),
    "edit": Entry(operation(op="update", path="universe", fields={"description": "Seen"})),
    "parameter_update": Entry(
        lambda world: {**operation(parameters={"gravity": {"y": -1.62}})(world), "path": f"physics-parameters/{world.parameters}"}
    ),
    "undo": Entry(operation(client_id="a-tab"), ("NOTHING_TO_UNDO", "UNDO_CONFLICT")),
    "redo": Entry(operation(client_id="a-tab"), ("NOTHING_TO_UNDO", "NOTHING_TO_REDO", "UNDO_CONFLICT")),
    "presence_update": Entry(about(status="idle", selection=["universe"])),
    "preview": Entry(lambda world: about(path=world.body, fields={"position": {"x": 1.0}})(world)),
    "chat_message": Entry(operation(text="Good evening.")),
    "transport": Entry(about(action="seek", position_s=1.0)),
    "simulation_start": Entry(lambda world: about(scene_id=world.scene_id, rate_hz=5)(world), ("CONFLICT",)),
    "simulation_stop": Entry(about(), ("NOT_FOUND", "CONFLICT")),
    "clock_sync": Entry(lambda world: {"t0": 1.0}),
    "reauthenticate": Entry(lambda world: {"token": "none"}, ("TOKEN_INVALID",)),
}


def test_every_event_has_an_entry() -> None:
    assert set(ENTRIES) == {event.name for event in CLIENT}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(f"{kind} {visibility}", marks=() if kind == "eventlet" else pytest.mark.slow)
        for kind in KINDS
        for visibility in VISIBILITIES
    ],
)
def world(request: pytest.FixtureRequest, _servers: Callable[[str], Server]) -> World:
    kind, visibility = request.param.split()
    server = _servers(kind)
    people = {role: Account(server.url, f"{role}{next(_numbers)}") for role in ROLES}
    owner = people[Role.OWNER]
    universe_id = owner.make_universe(visibility=visibility)
    for role in (Role.VIEWER, Role.EDITOR):
        owner.invite(universe_id, people[role], role)
    scene_id = made(owner, f"/universes/{universe_id}/scenes", name="Scene", solver="ballistic", duration_s=2)
    body = "bodies/" + made(
        owner, f"/scenes/{scene_id}/bodies", name="ball", shape="circle", size={"radius": 0.1}, mass=1.0, position={"y": 1.0}
    )
    parameters = made(owner, "/physics-parameters", universe_id=universe_id, name="Here")
    return World(people, visibility, universe_id, scene_id, body, parameters)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("role", ROLES)
def test_every_event_is_acknowledged_with_the_code_that_the_table_of_access_says(world: World, role: Role, place: str) -> None:
    person = world.people[role]
    own = person.make_universe()
    for event in CLIENT:
        entry = ENTRIES[event.name]
        with person.connected() as peer:
            if place == "joined":
                peer.ask("join_universe", universe_id=world.universe_id)
            elif place == "elsewhere":
                peer.join(own)
            for name in filter(None, (event.name, event.alias)):
                answer = peer.ask(name, entry.payload(world))
                refusals = due(event, role, world.visibility, place)
                code = "" if answer["ok"] else answer["error"]["code"]
                assert code in (refusals or ("", *entry.codes)), (name, answer)
                if event.name == "leave_universe" and place == "joined":
                    peer.ask("join_universe", universe_id=world.universe_id)
    assert person.request("DELETE", f"/universes/{own}").status_code == 204


def due(event: Event, role: Role, visibility: str, place: str) -> tuple[str, ...]:
    """The code of the refusal that is due; empty for who may."""
    if event.action is None:
        return ()
    readable = Action.READ in ALLOWED[visibility][role]
    if not event.joined:
        return () if readable else ("NOT_FOUND",)
    if place != "joined" or not readable:
        return ("NOT_JOINED",)
    return () if event.action in ALLOWED[visibility][role] else ("FORBIDDEN",)


@pytest.mark.parametrize("token", [None, "", "none"])
def test_nobody_without_a_token_sends_anything(server: Server, token: str | None) -> None:
    with pytest.raises(Refused):
        Peer(server.url, token)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_nothing_but_one_well_formed_object_is_taken(world: World, name: str) -> None:
    event = BY_NAME[name]
    payload = ENTRIES[event.name].payload(world)
    with world.people[Role.OWNER].connected() as peer:
        peer.join(world.universe_id)
        for wrong in ("text", 7, [payload], True, None):
            assert refusal(peer, name, wrong) == "BAD_PAYLOAD", wrong
        assert refusal(peer, name, (payload, payload)) == "BAD_PAYLOAD"
        assert refusal(peer, name, ()) == "BAD_PAYLOAD"
        assert refusal(peer, name, {**payload, "role": "owner"}) == "VALIDATION_ERROR"
        assert refusal(peer, name, {**payload, "more": "x" * 70_000}) == "PAYLOAD_TOO_LARGE"
        for field in set(payload) - ({"fields"} if event.name == "preview" else set()):  # a preview may hold anything
            assert refusal(peer, name, {**payload, field: {"not": ["this"]}}) == "VALIDATION_ERROR", field


@pytest.mark.parametrize("name", ["connect", "disconnect", "connect_error", "message", "event", "nothing", "*"])
def test_reserved_and_unknown_names_are_refused_and_change_nothing(world: World, name: str) -> None:
    with world.people[Role.OWNER].connected() as peer:
        peer.join(world.universe_id)
        assert refusal(peer, name, {}) == "BAD_PAYLOAD"
        assert peer.ask("clock_sync", t0=1)["ok"]
        assert peer.edit(world.universe_id, "universe", {"name": f"After {name}"})["ok"]


def refusal(peer: Peer, name: str, payload: Any) -> str:
    answer = peer.client.call(name, payload, timeout=20)
    assert answer["ok"] is False, (name, payload, answer)
    assert answer["error"]["request_id"]
    code: str = answer["error"]["code"]
    return code


def made(person: Account, path: str, **fields: Any) -> str:
    answer = person.request("POST", path, json=fields)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found

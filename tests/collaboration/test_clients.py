"""The example clients, one in Python and one in JavaScript, over a network that fails: both end with what is stored."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.databases import ROOT, missing
from tests.networks import Network
from tests.servers import Server
from tests.sockets import Account, eventually

sys.path.insert(0, str(ROOT / "examples" / "python"))
import client as python_client
import document as python_document

MakeAccount = Callable[[], Account]
ACK_SECONDS = 2.0
JAVASCRIPT = ROOT / "examples" / "javascript"


class PythonClient(python_client.Client):
    """The Python client, with what it was told of."""

    def __init__(self, account: Account, universe_id: str, url: str, queue: Path) -> None:
        session = python_client.Account(account.url, account.name, account.password)
        self.revisions: list[int | None] = []
        super().__init__(session, universe_id, url=url, queue_file=queue, listener=self._note, ack_seconds=ACK_SECONDS)

    def confirmed(self) -> dict[str, Any]:
        with self._lock:
            return self.document.nested()

    def _note(self, name: str, payload: Any) -> None:
        if name == "document":
            self.revisions.append(None if payload is None else payload["revision"])


class JavaScriptClient:
    """The JavaScript client in a process of its own, with the same methods."""

    def __init__(self, account: Account, universe_id: str, url: str, queue: Path) -> None:
        driver = Path(__file__).with_name("driver.mjs")
        command = [node(), str(driver), account.url, url, account.name, account.password, universe_id, str(queue), str(ACK_SECONDS * 1000)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(self) -> None:
        self._call("start")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(20)

    def update(self, path: str, fields: dict[str, Any], group: str | None = None) -> None:
        self._call("update", path, fields, *([group] if group else []))

    def create(self, collection: str, fields: dict[str, Any]) -> str:
        path: str = self._call("create", collection, fields)
        return path

    def delete(self, path: str) -> None:
        self._call("delete", path)

    def move(self, path: str, **place: str) -> None:
        self._call("move", path, place)

    def batch(self, items: list[dict[str, Any]]) -> None:
        self._call("batch", items)

    def get(self, path: str) -> Any:
        return self._call("get", path)

    def view(self) -> Any:
        return self._call("view")

    def confirmed(self) -> Any:
        return self._call("confirmed")

    def people(self) -> Any:
        return self._call("people")

    @property
    def revisions(self) -> list[int | None]:
        found: list[int | None] = self._call("revisions")
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._call("state")[name]

    def _call(self, name: str, *given: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": name, "with": given}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the JavaScript client has ended"
        return json.loads(line)


AnyClient = PythonClient | JavaScriptClient
KINDS = [PythonClient, JavaScriptClient]


def node() -> str:
    """Node with the client's packages; where it is missing the test is skipped."""
    found = shutil.which("node")
    if found is None:
        missing("No Node is installed.")
    if not (JAVASCRIPT / "node_modules" / "socket.io-client").is_dir():
        missing("The JavaScript example has no packages: npm ci --prefix examples/javascript")
    return found


class Table:
    """A universe of two people with a scene and a body, a network for each, and their clients."""

    def __init__(self, account: MakeAccount, folder: Path, stack: ExitStack) -> None:
        self.ada, self.bob, self.folder, self.stack = account(), account(), folder, stack
        self.universe_id = self.ada.make_universe()
        self.ada.invite(self.universe_id, self.bob)
        self.scene = self._add("/universes/{}/scenes", name="Scene", solver="ballistic")
        self.body = "bodies/" + self._add(f"/scenes/{self.scene}/bodies", name="ball", position={"y": 1.0})
        self.networks = {one.name: stack.enter_context(Network(one.url)) for one in (self.ada, self.bob)}

    def sit(self, kind: type[AnyClient], who: Account) -> AnyClient:
        """A client of somebody's, through their network; it is closed at the end."""
        found = kind(who, self.universe_id, self.networks[who.name].url, self.folder / f"{who.name}.json")
        self.stack.enter_context(closing(found))
        found.start()
        eventually(lambda: found.online)
        return found

    def stored(self) -> dict[str, Any]:
        """The document as the server has it."""
        found: dict[str, Any] = self.ada.request("GET", f"/universes/{self.universe_id}/document").json()
        return found

    def settled(self, *clients: AnyClient) -> dict[str, Any]:
        """Wait until nothing is unsaved and everybody has everything; what is stored then."""
        eventually(lambda: all(one.online and not one.unsaved for one in clients), 60)
        stored = self.stored()
        eventually(lambda: all(one.applied == stored["revision"] for one in clients))
        return stored

    def log(self) -> list[dict[str, Any]]:
        """Every row of the universe's log."""
        found: list[dict[str, Any]] = []
        while True:
            since = found[-1]["revision"] if found else 0
            page = self.ada.request("GET", f"/universes/{self.universe_id}/history?limit=100&since={since}").json()
            found += page["items"]
            if page["next_cursor"] is None:
                return found

    def _add(self, path: str, **fields: Any) -> str:
        answer = self.ada.request("POST", path.format(self.universe_id), json=fields)
        assert answer.status_code == 201, answer.text
        found: str = answer.json()["id"]
        return found


@pytest.fixture
def table(account: MakeAccount, tmp_path: Path) -> Iterator[Table]:
    with ExitStack() as stack:
        yield Table(account, tmp_path, stack)


def test_two_people_who_drag_one_body_over_a_failing_network_end_with_what_is_stored(table: Table) -> None:
    one, other = table.sit(PythonClient, table.ada), table.sit(JavaScriptClient, table.bob)
    near, far = table.networks[table.ada.name], table.networks[table.bob.name]
    numbers = iter(range(1000))

    def drag(steps: int) -> None:
        for number in [next(numbers) for _ in range(steps)]:
            one.update(table.body, {"position": {"x": float(number)}})
            other.update(table.body, {"position": {"y": float(number), **({"x": -1.0} if number % 7 == 0 else {})}})
            assert other.get(table.body)["position"]["y"] == number, "what one drags is where one drags it"

    with table.ada.connected() as watcher:
        first = watcher.join(table.universe_id)["revision"]
        for network in (near, far):
            for happening in (network.cut, network.deafen, network.silence):
                drag(5)
                lost = network.lost_bytes
                happening()
                drag(5)
                if happening != network.cut:
                    eventually(lambda network=network, lost=lost: network.lost_bytes > lost)
                network.restore()
                drag(5)
                eventually(lambda: one.online and other.online)
        near.cut()
        far.cut()
        drag(5)
        far.restore()
        near.restore()
        stored = table.settled(one, other)
        eventually(lambda: watcher.revisions()[-1] == stored["revision"])
        assert watcher.revisions() == list(range(first + 1, stored["revision"] + 1))
    assert one.confirmed() == one.view() == stored
    assert other.confirmed() == other.view() == stored
    assert one.refused == other.refused == []
    assert stored["scenes"][0]["bodies"][0]["position"]["y"] == next(numbers) - 1
    for peer in (one, other):
        told = [revision for revision in peer.revisions if revision is not None]
        assert told == sorted(set(told)), "each revision once, and in order"
    keys = [row["op_id"] for row in table.log()]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_whose_acknowledgement_is_lost_is_made_once(table: Table, kind: type[AnyClient]) -> None:
    peer, network = table.sit(kind, table.ada), table.networks[table.ada.name]
    network.deafen()
    peer.update(table.body, {"position": {"x": 3.5}})
    eventually(lambda: table.stored()["scenes"][0]["bodies"][0]["position"]["x"] == 3.5)  # committed, and nobody has told the client
    assert peer.unsaved
    network.restore()
    table.settled(peer)
    rows = [row for row in table.log() if row["path"] == table.body and row["op"] == "update"]
    assert [row["after"] for row in rows] == [{"position.x": 3.5}]


@pytest.mark.parametrize("kind", KINDS)
def test_a_silent_network_delays_and_loses_nothing(table: Table, kind: type[AnyClient]) -> None:
    peer, network = table.sit(kind, table.ada), table.networks[table.ada.name]
    network.silence()
    for number in range(5):
        peer.update("universe", {"name": f"Name {number}"})
    assert peer.unsaved
    network.restore()
    assert table.settled(peer)["universe"]["name"] == "Name 4"
    assert [row["after"]["name"] for row in table.log()[-5:]] == [f"Name {number}" for number in range(5)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_unsaved_survives_the_end_of_the_client(table: Table, kind: type[AnyClient]) -> None:
    first, network = table.sit(kind, table.ada), table.networks[table.ada.name]
    network.cut()
    first.update("universe", {"name": "Before"})
    made = first.create("bodies", {"scene_id": table.scene, "name": "new"})
    first.update(made, {"position": {"x": 2.0}})
    assert first.view()["universe"]["name"] == "Before"
    first.kill() if isinstance(first, JavaScriptClient) else first.close()
    assert table.stored()["universe"]["name"] == "Shared"
    network.restore()
    second = table.sit(kind, table.ada)
    stored = table.settled(second)
    assert stored["universe"]["name"] == "Before"
    assert {body["name"]: body["position"]["x"] for body in stored["scenes"][0]["bodies"]}["new"] == 2.0
    assert second.confirmed() == stored


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_for_good_is_rolled_back_and_kept_for_the_user(table: Table, kind: type[AnyClient]) -> None:
    peer = table.sit(kind, table.ada)
    peer.update(table.body, {"mass": -1})
    peer.update("universe", {"name": "Goes on"})
    refused = eventually(lambda: peer.refused)
    stored = table.settled(peer)
    assert refused[0]["message"]["fields"] == {"mass": -1}
    assert refused[0]["error"]["code"] == "VALIDATION_ERROR"
    assert peer.view() == stored
    assert stored["universe"]["name"] == "Goes on"


@pytest.mark.parametrize("kind", KINDS)
def test_a_pending_value_hides_what_comes_in_until_it_is_settled(table: Table, kind: type[AnyClient]) -> None:
    peer, network = table.sit(kind, table.ada), table.networks[table.ada.name]
    network.cut()
    peer.update("universe", {"name": "Mine"})
    assert table.bob.request("PATCH", f"/universes/{table.universe_id}", json={"name": "Theirs", "description": "By Bob"}).ok
    network.restore()
    eventually(lambda: peer.view()["universe"]["description"] == "By Bob")
    assert peer.view()["universe"]["name"] == "Mine"
    assert table.settled(peer)["universe"]["name"] == "Mine"


@pytest.mark.parametrize("kind", KINDS)
def test_somebody_put_out_ends_with_their_unsaved_work_at_hand(table: Table, kind: type[AnyClient]) -> None:
    peer = table.sit(kind, table.bob)
    assert table.ada.request("DELETE", f"/universes/{table.universe_id}/collaborators/{table.bob.id}").ok
    eventually(lambda: peer.ended == "FORBIDDEN")
    peer.update("universe", {"name": "Too late"})
    assert peer.unsaved
    assert peer.view()["universe"]["name"] == "Too late"


@pytest.mark.parametrize("kind", KINDS)
def test_a_universe_put_back_is_followed(table: Table, kind: type[AnyClient]) -> None:
    peer = table.sit(kind, table.bob)
    before = table.stored()
    peer.create("bodies", {"scene_id": table.scene, "name": "new"})
    peer.update("universe", {"name": "Other"})
    table.settled(peer)
    assert table.ada.request("POST", f"/universes/{table.universe_id}/restore", json={"revision": before["revision"]}).ok
    stored = table.settled(peer)
    assert peer.confirmed() == stored == {**before, "revision": stored["revision"]}


@pytest.mark.parametrize("kind", KINDS)
def test_people_are_seen_and_leave(table: Table, kind: type[AnyClient]) -> None:
    peer = table.sit(kind, table.ada)
    with table.bob.connected() as bob:
        bob.join(table.universe_id)
        eventually(lambda: {one["user"]["id"] for one in peer.people() if one.get("user")} >= {table.bob.id})
    eventually(lambda: table.bob.id not in {one["user"]["id"] for one in peer.people() if one.get("user")})


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_too_large_for_a_packet_is_fetched(table: Table, kind: type[AnyClient]) -> None:
    with table.ada.connected() as peer:
        peer.join(table.universe_id)
        for _ in range(4):
            fields = {"scene_id": table.scene, "name": "b" * 100, "citation": "c" * 400}
            items = [{"op": "create", "path": f"bodies/{uuid4()}", "fields": fields} for _ in range(100)]
            assert peer.ask("edit", universe_id=table.universe_id, op_id=str(uuid4()), op="batch", items=items)["ok"]
        assert peer.join(table.universe_id)["mode"] == "fetch"
    late = table.sit(kind, table.bob)
    assert table.settled(late) == late.confirmed()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_change_is_folded_as_it_is_stored(table: Table, kind: type[AnyClient]) -> None:
    """By REST from elsewhere and by the client itself, in an order drawn from a seed."""
    peer, ada, chance = table.sit(kind, table.bob), table.ada, random.Random(7)
    scenes = [table.scene]
    sets: list[str] = []
    for number in range(60):
        scene, choice = chance.choice(scenes), chance.randrange(10)
        if choice == 0:
            scenes.append(ada.request("POST", f"/universes/{table.universe_id}/scenes", json={"name": f"S{number}"}).json()["id"])
        elif choice == 1 and len(scenes) > 2:
            table.settled(peer)  # else its edits of the scene would be refused
            scenes.remove(scene)
            assert ada.request("DELETE", f"/scenes/{scene}").status_code == 204
        elif choice == 2:
            assert ada.request("POST", f"/scenes/{scene}/duplicate").status_code == 201
        elif choice == 3:
            fields = {"universe_id": table.universe_id, "name": f"P{number}", "gravity": {"y": -chance.random()}}
            sets.append(ada.request("POST", "/physics-parameters", json=fields).json()["id"])
        elif choice == 4 and sets:
            custom = {f"k{number % 3}": chance.choice([None, {"value": 1.5, "unit": "m"}])}
            changes = {"custom": custom, "bounds": {"min": {"y": number}}}
            answer = ada.request("PATCH", f"/physics-parameters/{chance.choice(sets)}", json=changes)
            assert answer.ok, answer.text
        elif choice == 5:
            if others := [other for other in scenes if other != scene]:
                peer.move(f"scenes/{scene}", **{chance.choice(["after_id", "before_id"]): chance.choice(others)})
        elif choice == 6:
            peer.update(f"scenes/{scene}", {"harmony": {"key": chance.choice([None, "D", "A"])}, "duration_s": 5 + number})
        elif choice == 7:
            assert ada.request("POST", f"/scenes/{scene}/voices", json={"name": f"V{number}", "instrument": "modal"}).ok
        else:
            peer.create("bodies", {"scene_id": scene, "name": f"B{number}", "position": {"x": number}})
    stored = table.settled(peer)
    assert [one["error"] for one in peer.refused] == []
    assert peer.confirmed() == peer.view() == stored


def test_both_clients_know_what_is_merged_as_the_service_does() -> None:
    from app.changes.editable import EDITABLE
    from app.universes.models import Universe

    models = {"universe": Universe, **{collection: kind.model for collection, kind in EDITABLE.items()}}
    atomic = {collection: set(model.ATOMIC) for collection, model in models.items() if model.ATOMIC}
    opened = {collection: set(model.OPEN) for collection, model in models.items() if model.OPEN}
    assert atomic == python_document.ATOMIC
    assert opened == python_document.OPEN
    script = f"import('{JAVASCRIPT}/document.mjs').then((it) => console.log(JSON.stringify([it.ATOMIC, it.OPEN])))"
    said = subprocess.run([node(), "-e", script], capture_output=True, text=True, check=True).stdout
    theirs = [{collection: set(names) for collection, names in table.items()} for table in json.loads(said)]
    assert theirs == [atomic, opened]


@pytest.mark.parametrize("program", ["client.py", "client.mjs"])
def test_the_programs_drag_a_body_as_their_readme_says(server: Server, program: str) -> None:
    if program == "client.mjs":
        node()
    demo = person_named_demo(server)
    universe_id = demo.make_universe()
    scene = demo.request("POST", f"/universes/{universe_id}/scenes", json={"name": "Scene"}).json()["id"]
    assert demo.request("POST", f"/scenes/{scene}/bodies", json={"name": "ball", "mass": 1.0}).status_code == 201
    lines = "".join(re.findall(r"```sh\n(.*?)```", (ROOT / "examples" / "README.md").read_text(), re.DOTALL)).splitlines()
    tried = [line for line in lines if "client." not in line or (program in line and "--drag" in line)]
    script = "\n".join(line for line in tried if not line.startswith("npm"))
    script = script.replace("http://127.0.0.1:10000", server.url).replace(".venv/bin/python", sys.executable)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "online" in done.stdout
    position = demo.request("GET", f"/universes/{universe_id}/document").json()["scenes"][0]["bodies"][0]["position"]
    assert (position["x"], position["y"]) == (0.5, 2.0)
    assert demo.request("DELETE", f"/universes/{universe_id}").status_code == 204


def person_named_demo(server: Server) -> Account:
    """The person of the README, registered once on a server."""
    try:
        return Account(server.url, "demo", "orbits-that-sing")
    except AssertionError:
        return Account.known(server.url, "demo", "orbits-that-sing")

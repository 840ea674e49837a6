"""Real Socket.IO clients for tests: what they are told is kept in the order in which it came.

with start("gthread") as server:
    ada = Account(server.url, "ada")
    with ada.connected() as peer:
        peer.join(universe_id)
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import requests
import socketio

from tests.catalogue import check_answer, check_told

PATIENCE_SECONDS = 20
logging.getLogger("engineio.client").setLevel(logging.CRITICAL)  # else each connection left open complains when Python ends


def eventually(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """The condition's first true value; an AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


class Refused(AssertionError):
    """A connection was refused; `error` is the error object that came with it."""

    def __init__(self, error: Any) -> None:
        super().__init__(str(error))
        self.error = error


class _Packet(socketio.packet.Packet):
    """A packet in Python's own JSON: an application that is made in this process sets another one, for all packets."""

    json = json


class Peer:
    """One connection. `told` holds (event, payload) in order of arrival, `heard` the monotonic times at which revisions came.

    `ended` is set once it is closed.
    """

    def __init__(self, url: str, token: str | None, *, origin: str | None = None, **options: Any) -> None:
        self.told: list[tuple[str, Any]] = []
        self.heard: dict[int, float] = {}
        self.ended = threading.Event()
        options_of_websocket = {} if origin is None else {"origin": origin}
        self.client = _in_order(socketio.Client(reconnection=False, serializer=_Packet, websocket_extra_options=options_of_websocket))
        refusals: list[Any] = []
        self.client.on("*", self._hear)
        self.client.on("connect_error", refusals.append)
        self.client.on("disconnect", lambda *_: self.ended.set())
        try:
            self.client.connect(url, auth={"token": token}, **{"transports": ["websocket"], "wait_timeout": 10, **options})
        except socketio.exceptions.ConnectionError as error:
            raise Refused(refusals[-1] if refusals else str(error)) from None

    def _hear(self, event: str, payload: Any = None, *_: Any) -> None:
        if event == "change":
            self.heard.setdefault(payload["revision"], time.monotonic())
        self.told.append((event, payload))

    def ask(self, event: str, payload: Any = None, **more: Any) -> dict[str, Any]:
        """Send an event and return its acknowledgement. Raises DisconnectedError when the connection ends before that."""
        body = {**(payload or {}), **more} if payload is None or isinstance(payload, dict) else payload
        answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.client.emit(event, body, callback=answers.put)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = answers.get(timeout=0.2)
                break
            except queue.Empty:
                if self.ended.is_set():
                    raise socketio.exceptions.DisconnectedError(f"{event!r} was not answered before the end of the connection") from None
                assert time.monotonic() < deadline, f"{event!r} was not answered"
        check_answer(event, answer)
        return answer

    def join(self, universe_id: str, **more: Any) -> dict[str, Any]:
        """Join a universe; the acknowledgement."""
        answer = self.ask("join_universe", universe_id=universe_id, **more)
        assert answer["ok"], answer
        return answer

    def edit(self, universe_id: str, path: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Update an entity; the acknowledgement."""
        message = {"universe_id": universe_id, "op_id": str(uuid4()), "op": "update", "path": path, "fields": fields, **more}
        return self.ask("edit", message)

    def payloads(self, event: str) -> list[Any]:
        """What it was told under a name, in order."""
        return [payload for name, payload in list(self.told) if name == event]

    def revisions(self) -> list[int]:
        """The revisions of the changes it was told of, in order."""
        return [payload["revision"] for payload in self.payloads("change")]

    def close(self) -> None:
        """Disconnect. What it was told must have been as the catalogue of events says, at least the first of each."""
        self.client.disconnect()
        for event in {name for name, _ in self.told}:
            for payload in self.payloads(event)[:20]:
                check_told(event, payload)


class Account:
    """Somebody registered at a server, with their token."""

    def __init__(self, url: str, name: str, password: str = "correct horse battery") -> None:
        self.url, self.name, self.password = url, name, password
        person = {"username": name, "email": f"{name}@example.org", "password": password}
        self._take(requests.post(f"{url}/api/auth/register", json=person, timeout=PATIENCE_SECONDS))

    @classmethod
    def known(cls, url: str, name: str, password: str) -> Account:
        """Somebody who is registered already, logged in."""
        found = cls.__new__(cls)
        found.url, found.name, found.password = url, name, password
        found.log_in()
        return found

    def log_in(self) -> None:
        """Begin another session; later connections are that session's."""
        person = {"username": self.name, "password": self.password}
        self._take(requests.post(f"{self.url}/api/auth/login", json=person, timeout=PATIENCE_SECONDS))

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """A request below /api with this person's token."""
        headers = {"Authorization": f"Bearer {self.token}", **kwargs.pop("headers", {})}
        return requests.request(method, f"{self.url}/api{path}", headers=headers, timeout=PATIENCE_SECONDS, **kwargs)

    def make_universe(self, **fields: Any) -> str:
        """The id of a new universe of this person's."""
        answer = self.request("POST", "/universes", json={"name": "Shared", **fields})
        assert answer.status_code == 201, answer.text
        universe_id: str = answer.json()["id"]
        return universe_id

    def invite(self, universe_id: str, other: Account, role: str = "editor") -> None:
        """Make somebody a member of this person's universe."""
        answer = self.request("POST", f"/universes/{universe_id}/collaborators", json={"user_id": other.id, "role": role})
        assert answer.status_code == 201, answer.text

    def connect(self, url: str | None = None, **options: Any) -> Peer:
        """A connection of this person's, to their server or another process of it."""
        return Peer(url or self.url, self.token, **options)

    @contextmanager
    def connected(self, url: str | None = None) -> Iterator[Peer]:
        """The same, closed at the end."""
        peer = self.connect(url)
        try:
            yield peer
        finally:
            peer.close()

    def _take(self, answer: requests.Response) -> None:
        assert answer.ok, answer.text
        body = answer.json()
        self.id, self.token, self.refresh_token = body["user"]["id"], body["access_token"], body["refresh_token"]


def _in_order(client: socketio.Client) -> socketio.Client:
    """The library handles each packet in a thread of its own, which loses their order; here one thread handles all."""
    trigger = client.eio._trigger_event
    waiting: queue.Queue[tuple[Any, ...]] = queue.Queue()

    def handle() -> None:
        while True:
            trigger(*waiting.get())

    def take(event: str, *args: Any, **kwargs: Any) -> Any:
        return waiting.put((event, *args)) if event == "message" else trigger(event, *args, **kwargs)

    threading.Thread(target=handle, daemon=True).start()
    client.eio._trigger_event = take
    return client

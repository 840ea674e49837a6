"""A client of Harmonic Universe: several people edit one universe at once, over a network that fails.

    account = Account("http://127.0.0.1:10000", "demo", "orbits-that-sing")
    client = Client(account, universe_id, queue_file="unsaved.json")
    client.start()
    client.update("bodies/3f...", {"position": {"x": 1.5}})      # seen at once, sent when there is a way
    client.get("bodies/3f...")                                   # with one's own edits laid over what is stored
    client.close()

docs/collaboration.md tells why it does what it does. As a program it shows what happens in a universe, and drags a body.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
import socketio
from document import ATOMIC, Document, Entity, State, collection_of, lay_over, merged, steps_of

AT_MOST_IN_FLIGHT = 32
GAP_SECONDS = 0.25
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
CLOCK_SECONDS, CLOCK_ROUNDS = 60.0, 5
PRESENCE_SECONDS = 45.0
TICK_SECONDS = 0.05
MOST_INTERNAL = 5
AGAIN = {"RATE_LIMITED", "BUSY", "DB_UNAVAILABLE", "DRAINING", "NOT_READY", "NOT_JOINED", "TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_REVOKED"}
"""Refusals that pass: the same operation is sent again. Every other one is for good."""
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Account:
    """Somebody's session: their access token, renewed when it ends."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url.rstrip("/")
        self._take(requests.post(f"{self.url}/api/auth/login", json={"username": username, "password": password}, timeout=30))

    def renew(self) -> None:
        """Trade the refresh token for a new pair. Raises requests.HTTPError when the session has ended."""
        self._take(requests.post(f"{self.url}/api/auth/refresh", json={"refresh_token": self._refresh_token}, timeout=30))

    def get(self, path: str) -> requests.Response:
        """GET with the token."""
        return requests.get(self.url + path, headers={"Authorization": f"Bearer {self.token}"}, timeout=30)

    def _take(self, answer: requests.Response) -> None:
        answer.raise_for_status()
        found = answer.json()
        self.token, self._refresh_token, self.user = found["access_token"], found["refresh_token"], found["user"]


class Operation:
    """An edit that has not come back: the message, and how it stands with it."""

    def __init__(self, message: dict[str, Any], *, tried: bool = False) -> None:
        self.message, self.tried = message, tried
        self.sent_at: float | None = None
        self.not_before = 0.0
        self.revision: int | None = None
        self.faults = 0
        steps = message.get("items") or [message]
        self.targets = {step["path"].partition("/")[2] or step["path"] for step in steps}
        self.mentions = self.targets | set(_ID.findall(json.dumps(steps)))

    def must_wait_for(self, earlier: Operation) -> bool:
        """Whether an earlier operation that is not settled could change what this one means."""
        return bool(self.targets & earlier.mentions or self.mentions & earlier.targets)


class Client:
    """One tab of one person in one universe. Every public method may be called from any thread.

    `listener(name, payload)` hears of everything: events by their names, and `document`, `unsaved`, `refused`, `online`, `offline`.
    """

    def __init__(
        self,
        account: Account,
        universe_id: str,
        *,
        url: str | None = None,
        queue_file: str | Path | None = None,
        listener: Callable[[str, Any], None] = lambda name, payload: None,
        ack_seconds: float = 10.0,
    ) -> None:
        self.account, self.universe_id, self.url, self.listener = account, universe_id, url or account.url, listener
        self.client_id = uuid4().hex
        self.document = Document()
        self.role: str | None = None
        self.refused: list[dict[str, Any]] = []
        self.ended: str | None = None
        self.transport: dict[str, Any] | None = None
        self._file = Path(queue_file) if queue_file else None
        self._queue = [Operation(message, tried=True) for message in self._kept()]
        self._ack_seconds = ack_seconds
        self._applied: int | None = None
        self._epoch: str | None = None
        self._held: dict[int, dict[str, Any]] = {}
        self._gap_since: float | None = None
        self._catching_up = False
        self._joined = False
        self._attempts = 0
        self._connect_at = 0.0
        self._socket: socketio.Client | None = None
        self._people: dict[str, dict[str, Any]] = {}
        self._clocks: list[tuple[float, float]] = []
        self._offset, self._clock_at = 0.0, 0.0
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    # What one does with it

    def start(self) -> None:
        """Connect, and stay connected."""
        self._thread.start()

    def close(self) -> None:
        """Disconnect. What has not been sent stays in the file."""
        self._stop.set()
        self._thread.join(5)
        with self._lock:
            socket, self._socket = self._socket, None
        if socket is not None:
            socket.disconnect()

    def create(self, collection: str, fields: Entity, *, after_id: str | None = None) -> str:
        """Make an entity; its path. The id is chosen here, so that what follows can name it at once."""
        path = f"{collection}/{uuid4()}"
        self._enqueue({"op": "create", "path": path, "fields": fields, **({"after_id": after_id} if after_id else {})})
        return path

    def update(self, path: str, fields: Entity, group: str | None = None) -> None:
        """Change some properties; those that are objects are merged. One `group` is one gesture, undone as one."""
        if group is not None and self._add_to_last(path, fields, group):
            return
        self._enqueue({"op": "update", "path": path, "fields": fields, **({"group": group} if group else {})})

    def move(self, path: str, **place: str) -> None:
        """Move an entity in its list: after_id=, before_id=."""
        self._enqueue({"op": "move", "path": path, **place})

    def delete(self, path: str) -> None:
        """Delete an entity with what belongs to it."""
        self._enqueue({"op": "delete", "path": path})

    def batch(self, items: list[dict[str, Any]], group: str | None = None) -> None:
        """Several operations as one change: all of them, or none."""
        self._enqueue({"op": "batch", "items": items, **({"group": group} if group else {})})

    def undo(self) -> None:
        """Take back this tab's newest change or gesture; what comes of it is told as any change."""
        self._say("undo", {"client_id": self.client_id, "op_id": str(uuid4())})

    def redo(self) -> None:
        """Make again what was taken back last."""
        self._say("redo", {"client_id": self.client_id, "op_id": str(uuid4())})

    def get(self, path: str) -> Entity | None:
        """An entity as the user sees it: what is stored, under one's own edits that have not come back."""
        return self._seen().get(path)

    def view(self) -> dict[str, Any]:
        """The whole document as the user sees it."""
        return self.document.nested(self._seen())

    @property
    def applied(self) -> int | None:
        """The revision that everything up to has been applied."""
        return self._applied

    @property
    def unsaved(self) -> bool:
        """Whether there are changes that the server has not acknowledged: show it."""
        with self._lock:
            return any(one.revision is None for one in self._queue)

    @property
    def online(self) -> bool:
        """Whether the universe is joined."""
        return self._joined

    def preview(self, path: str, fields: Entity) -> None:
        """Show the others values while they are dragged; they are not stored, and may be lost."""
        self._say("preview", {"path": path, "fields": fields})

    def point(self, **presence: Any) -> None:
        """Tell the others where one is: status=, cursor=, selection=."""
        self._say("presence_update", presence)

    def people(self) -> list[dict[str, Any]]:
        """Who is in the universe; whom nothing has been heard of for 45 s has gone."""
        with self._lock:
            oldest = time.monotonic() - PRESENCE_SECONDS
            return [dict(one["told"]) for one in self._people.values() if one["heard"] > oldest]

    def server_time_ms(self) -> float:
        """The server's clock, as well as it is known: the playback that all share is told by it."""
        return time.time() * 1000 + self._offset

    # The queue of what has not come back

    def _enqueue(self, message: dict[str, Any]) -> None:
        with self._lock:
            head = {"universe_id": self.universe_id, "op_id": str(uuid4()), "client_id": self.client_id}
            self._queue.append(Operation({**head, **({"base": self._applied} if self._applied else {}), **message}))
            self._keep()
            if self._joined:
                self._send_what_may_go(time.monotonic())
        self.listener("unsaved", True)

    def _add_to_last(self, path: str, fields: Entity, group: str) -> bool:
        """Let a gesture go on in its last update, if that has never been sent."""
        with self._lock:
            last = self._queue[-1] if self._queue else None
            wanted = {"op": "update", "path": path, "group": group}
            if last is None or last.tried or any(last.message.get(name) != value for name, value in wanted.items()):
                return False
            last.message["fields"] = merged(last.message["fields"], fields, ATOMIC.get(collection_of(path), set()), set())
            self._keep()
            return True

    def _seen(self) -> State:
        with self._lock:
            state = dict(self.document.state)
            for operation in self._queue:
                lay_over(state, operation.message)
            return state

    def _send_what_may_go(self, now: float) -> None:
        """Send in order, at most 32 at once; nothing goes ahead of an earlier operation that it hangs on."""
        flying = [one for one in self._queue if one.sent_at is not None and one.revision is None]
        for one in flying:
            if now - (one.sent_at or 0) > self._ack_seconds:
                self._send(one, now)  # no acknowledgement: once more, with the same op_id
        in_flight = len(flying)
        before: list[Operation] = []
        for one in self._queue:
            if in_flight >= AT_MOST_IN_FLIGHT:
                return
            if one.revision is None:
                if one.sent_at is None and one.not_before <= now and not any(one.must_wait_for(other) for other in before):
                    self._send(one, now)
                    in_flight += 1
                before.append(one)

    def _send(self, operation: Operation, now: float) -> None:
        operation.sent_at, operation.tried = now, True
        self._emit("edit", operation.message, lambda answer: self._answered(operation, answer))

    def _answered(self, operation: Operation, answer: dict[str, Any]) -> None:
        with self._lock:
            if operation not in self._queue:
                return
            if answer["ok"]:
                operation.revision = answer["revision"]
                if answer["noop"] or operation.revision <= (self._applied or 0):
                    self._queue.remove(operation)
                self._keep()
            elif self._may_try_again(operation, answer["error"]):
                operation.sent_at = None
                operation.not_before = time.monotonic() + (answer["error"].get("retry_after") or 1.0)
            else:
                self._queue.remove(operation)
                self._keep()
                self.refused.append({"message": operation.message, "error": answer["error"]})
                self.listener("refused", self.refused[-1])
            if self._joined:
                self._send_what_may_go(time.monotonic())
        self.listener("unsaved", self.unsaved)

    def _may_try_again(self, operation: Operation, error: Mapping[str, Any]) -> bool:
        if error["code"] in ("NOT_JOINED", "TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_REVOKED"):
            self._drop_connection()
        operation.faults += error["code"] == "INTERNAL"
        return error["code"] in AGAIN or "retry_after" in error or (error["code"] == "INTERNAL" and operation.faults < MOST_INTERNAL)

    def _kept(self) -> list[dict[str, Any]]:
        if self._file is None or not self._file.exists():
            return []
        found = json.loads(self._file.read_text())
        return [message for message in found if message["universe_id"] == self.universe_id]

    def _keep(self) -> None:
        """Write the queue down, so that it outlives this process: first beside, then in its place."""
        if self._file is not None:
            beside = self._file.with_suffix(".new")
            beside.write_text(json.dumps([one.message for one in self._queue if one.revision is None]))
            beside.replace(self._file)

    # The rows of the log

    def _change(self, row: dict[str, Any]) -> None:
        """A row has come. The library hands each event to a thread of its own, so they may come in any order."""
        with self._lock:
            if self._applied is None or row["revision"] > self._applied:
                self._held[row["revision"]] = row
            self._apply_held()

    def _apply_held(self) -> None:
        while self._applied is not None and (row := self._held.pop(self._applied + 1, None)) is not None:
            self.document.apply(row)
            self._applied = row["revision"]
            self._settle(row["op_id"])
            self.listener("document", row)
        if self._joined:
            self._send_what_may_go(time.monotonic())
        self._held = {number: row for number, row in self._held.items() if self._applied is None or number > self._applied}
        if not self._held:
            self._gap_since = None
        elif self._gap_since is None:
            self._gap_since = time.monotonic()

    def _settle(self, op_id: str | None = None) -> None:
        """Let go of one's own edits that are in the document by now."""
        applied = self._applied or 0
        left = [one for one in self._queue if one.message["op_id"] != op_id and (one.revision is None or one.revision > applied)]
        if len(left) != len(self._queue):
            self._queue = left
            self._keep()

    def _caught_up(self, answer: dict[str, Any], since: int | None) -> None:
        """Take in the answer to join_universe or sync."""
        self.role, self.transport = answer["role"], answer.get("transport")
        mode, fresh = answer["mode"], answer["epoch"] != self._epoch
        with self._lock:
            self._hear_all(answer["presence"])
        if mode == "fetch":
            self._fetch(answer["snapshot_url"], answer["epoch"])
            return
        with self._lock:
            if mode == "snapshot":
                behind = not fresh and since is not None and since <= answer["revision"] < (self._applied or 0)
                if not behind:  # else events have overtaken it
                    self._begin_at(answer["snapshot"], answer["epoch"])
            elif mode == "changes":
                self._held.update({row["revision"]: row for row in answer["changes"] if row["revision"] > (self._applied or 0)})
            self._apply_held()

    def _begin_at(self, snapshot: Mapping[str, Any], epoch: str) -> None:
        if epoch != self._epoch:
            self._held = {}
        self.document.load(snapshot)
        self._applied, self._epoch = snapshot["revision"], epoch
        self._settle()
        self.listener("document", None)

    def _fetch(self, path: str, epoch: str) -> None:
        """The document is too large for a packet."""
        found = self.account.get(path)
        found.raise_for_status()
        with self._lock:
            self._begin_at(found.json(), epoch)
            self._apply_held()
        self._catch_up("sync")

    # The connection

    def _run(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            try:
                self._tick(time.monotonic())
            except (requests.RequestException, socketio.exceptions.SocketIOError, TimeoutError) as error:
                self.listener("trouble", str(error))
                self._drop_connection()

    def _tick(self, now: float) -> None:
        if self.ended is not None:
            return
        if self._socket is None:
            if now >= self._connect_at:
                self._connect()
            return
        if not self._joined:
            return
        if self._epoch is None:
            self._catch_up("join_universe")
        if self._gap_since is not None and now - self._gap_since > GAP_SECONDS and not self._catching_up:
            self._catch_up("sync")
        if now >= self._clock_at:
            self._compare_clocks(now)
        with self._lock:
            self._send_what_may_go(now)

    def _connect(self) -> None:
        self._attempts += 1
        longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (self._attempts - 1))
        self._connect_at = time.monotonic() + random.uniform(0, longest)
        socket = socketio.Client(reconnection=False)
        self._listen(socket)
        try:
            socket.connect(self.url, auth={"token": self.account.token}, transports=["websocket"], wait_timeout=10)
        except socketio.exceptions.ConnectionError:
            return
        self._socket = socket
        self._catch_up("join_universe")

    def _listen(self, socket: socketio.Client) -> None:
        """Events of a connection that has been given up are not heard any more."""

        def hear(name: str, payload: Any = None) -> None:
            if self._socket is socket:
                self._hear(name, payload)

        def gone(*_: Any) -> None:
            if self._socket is socket:
                self._drop_connection()

        socket.on("*", hear)
        socket.on("disconnect", gone)
        socket.on("connect_error", self._not_admitted)

    def _not_admitted(self, error: Any) -> None:
        code = error.get("message") if isinstance(error, dict) else None
        if code in ("TOKEN_EXPIRED", "TOKEN_INVALID", "TOKEN_REVOKED"):
            try:
                self.account.renew()
            except requests.HTTPError:
                self._end(code)
            except requests.RequestException as trouble:
                self.listener("trouble", str(trouble))
        elif isinstance(error, dict) and isinstance(error.get("data"), dict) and error["data"].get("retry_after"):
            self._connect_at = max(self._connect_at, time.monotonic() + error["data"]["retry_after"])

    def _drop_connection(self) -> None:
        """The connection has gone, or is given up: all that was in flight will be sent again, in order."""
        with self._lock:
            socket, self._socket = self._socket, None
            was, self._joined, self._catching_up = self._joined, False, False
            self._people, self._gap_since = {}, None
            for one in self._queue:
                one.sent_at = None
        if was:
            self.listener("offline", None)
        if socket is not None and socket.connected:
            threading.Thread(target=socket.disconnect, daemon=True).start()

    def _catch_up(self, event: str) -> None:
        """Join, or ask for what is missing. Runs in the loop's own thread, which has nothing else to do meanwhile."""
        self._catching_up = True
        try:
            with self._lock:
                since = self._applied if self._epoch is not None else None
                asked = {"universe_id": self.universe_id, **({"since": since, "epoch": self._epoch} if since is not None else {})}
            answer = self._call(event, {**asked, **({"client_id": self.client_id} if event == "join_universe" else {})})
            if answer["ok"]:
                self._caught_up(answer, since)
                if not self._joined:
                    self._joined, self._attempts, self._clocks, self._clock_at = True, 0, [], 0.0
                    self.listener("online", answer["mode"])
            elif answer["error"]["code"] in ("FORBIDDEN", "NOT_FOUND", "GONE"):
                self._end(answer["error"]["code"])
            else:
                self._connect_at = max(self._connect_at, time.monotonic() + (answer["error"].get("retry_after") or 0))
                self._drop_connection()
        finally:
            self._catching_up = False
            self._gap_since = time.monotonic() if self._held else None

    def _call(self, event: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        socket = self._socket
        if socket is None:
            raise TimeoutError("not connected")
        answer: dict[str, Any] = socket.call(event, payload, timeout=10)
        return answer

    def _emit(self, event: str, payload: Mapping[str, Any], then: Callable[[dict[str, Any]], None] | None = None) -> None:
        try:
            if self._socket is not None:
                self._socket.emit(event, payload, callback=then)
        except socketio.exceptions.SocketIOError:
            return  # the disconnection is told by an event of its own

    def _say(self, event: str, payload: Mapping[str, Any]) -> None:
        if self._joined:
            self._emit(event, {"universe_id": self.universe_id, **payload})

    def _end(self, code: str) -> None:
        """There is no way back in: what is unsaved stays in the queue for the user to copy."""
        self.ended = code
        self._drop_connection()
        self.listener("ended", code)

    # What the server tells

    def _hear(self, name: str, payload: Any) -> None:
        handle = getattr(self, f"_on_{name}", None)
        if isinstance(payload, dict) and payload.get("universe_id", self.universe_id) != self.universe_id:
            return
        if handle is not None:
            handle(payload)
        self.listener(name, payload)

    def _on_change(self, row: dict[str, Any]) -> None:
        self._change(row)

    def _on_transport_state(self, state: dict[str, Any]) -> None:
        if self.transport is None or state["seq"] > self.transport["seq"]:
            self.transport = state

    def _on_role_changed(self, told: dict[str, Any]) -> None:
        self.role = told["role"]

    def _on_resync_required(self, told: dict[str, Any]) -> None:
        if told["reason"] != "slow_client":  # else the connection goes, and the next join catches up
            with self._lock:
                self._epoch = None  # what is held may be void: the loop takes the document anew

    def _on_access_revoked(self, told: dict[str, Any]) -> None:
        if "universe_id" in told or told["code"] == "TOKEN_REVOKED":
            self._end(told["code"])
        else:
            self._drop_connection()  # the next connection is refused, renews the token, and goes on

    def _on_auth_expiring(self, _: dict[str, Any]) -> None:
        try:
            self.account.renew()
        except requests.RequestException as trouble:
            self.listener("trouble", str(trouble))
            return
        self._emit("reauthenticate", {"token": self.account.token})

    def _on_draining(self, told: dict[str, Any]) -> None:
        self._connect_at = time.monotonic() + told["retry_in_ms"] / 1000
        self._drop_connection()

    def _on_user_joined(self, told: dict[str, Any]) -> None:
        with self._lock:
            self._people[told["cid"]] = {"heard": time.monotonic(), "told": told}

    def _on_user_left(self, told: dict[str, Any]) -> None:
        with self._lock:
            self._people.pop(told["cid"], None)

    def _on_presence(self, told: dict[str, Any]) -> None:
        with self._lock:
            self._hear_all(told["users"], keep=not told["full"])

    def _hear_all(self, users: list[dict[str, Any]], *, keep: bool = False) -> None:
        known = self._people
        found = {one["cid"]: {"heard": time.monotonic(), "told": {**known.get(one["cid"], {}).get("told", {}), **one}} for one in users}
        self._people = {**known, **found} if keep else found

    def _compare_clocks(self, now: float) -> None:
        """Five round trips; the shortest says best how far the server's clock is ahead of ours. Again after a minute."""
        self._clock_at = now + (CLOCK_SECONDS if len(self._clocks) >= CLOCK_ROUNDS else 0.2)
        if len(self._clocks) >= CLOCK_ROUNDS:
            self._offset = min(self._clocks)[1]
            self._clocks = []
            return
        self._emit("clock_sync", {"t0": time.time() * 1000}, self._compared)

    def _compared(self, answer: dict[str, Any]) -> None:
        if answer["ok"]:
            t0, t1, t2, t3 = answer["t0"], answer["t1"], answer["t2"], time.time() * 1000
            self._clocks.append(((t3 - t0) - (t2 - t1), ((t1 - t0) + (t2 - t3)) / 2))


def drag(client: Client, path: str, x: float, y: float, seconds: float) -> None:
    """Drag a body: the others see it move, and where it is let go is stored."""
    group, began = uuid4().hex, time.monotonic()
    start = copy.deepcopy((client.get(path) or {}).get("position", {}))
    while (part := (time.monotonic() - began) / seconds) < 1:
        eased = 0.5 - math.cos(part * math.pi) / 2
        here = {"x": start.get("x", 0.0) * (1 - eased) + x * eased, "y": start.get("y", 0.0) * (1 - eased) + y * eased}
        client.preview(path, {"position": here})
        time.sleep(1 / 25)
    client.update(path, {"position": {"x": x, "y": y}}, group=group)


def main() -> None:
    """Show what happens in a universe until interrupted, or drag a body and end once that is saved."""
    reader = argparse.ArgumentParser(description="Watch a universe, or drag a body in it.")
    reader.add_argument("--url", default="http://127.0.0.1:10000")
    reader.add_argument("--username", required=True)
    reader.add_argument("--password", required=True)
    reader.add_argument("--universe", required=True, help="its id")
    reader.add_argument("--queue", help="a file that keeps what is unsaved")
    reader.add_argument("--drag", nargs=3, metavar=("BODY", "X", "Y"), help="the id of a body, and where to, in metres")
    reader.add_argument("--seconds", type=float, default=1.0, help="how long the drag takes")
    given = reader.parse_args()

    def show(name: str, payload: Any) -> None:
        if name == "document" and payload is not None:
            for step in steps_of(payload):
                print(payload["revision"], step["op"], step["path"], json.dumps(step["after"]), flush=True)
        elif name not in ("document", "change"):
            print(name, json.dumps(payload), flush=True)

    client = Client(Account(given.url, given.username, given.password), given.universe, queue_file=given.queue, listener=show)
    client.start()
    try:
        while not client.online and not client.ended:
            time.sleep(0.05)
        if given.drag and not client.ended:
            body, x, y = given.drag
            drag(client, f"bodies/{body}", float(x), float(y), given.seconds)
        while not client.ended and not (given.drag and not client.unsaved):
            time.sleep(0.05)
    except KeyboardInterrupt:
        print()
    finally:
        client.close()
    if given.drag and (client.ended or client.refused):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

"""Editors for the fault runs: each follows a universe over a socket and edits it, whatever happens to the servers.

An editor keeps an ordered queue of what is not acknowledged, sends it again with the same op_id after every connection, and
catches up with `since`. What it was told is held against the log and the stored document afterwards.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import uuid4

import requests
import socketio

from app.changes.history import State, Step, apply_step
from tests.sockets import Account, Peer, Refused

PATIENCE_SECONDS = 30
_PASSING = {"BUSY", "DB_UNAVAILABLE", "DRAINING", "INTERNAL", "RATE_LIMITED"}


@dataclass
class Told:
    """What editors were told by acknowledgements: revisions by operation, seconds waited, and when each revision was told of."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    resent: int = 0
    waits: list[float] = field(default_factory=list)
    moments: dict[int, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Editor(threading.Thread):
    """One person's tab: connects to one of the urls, edits bodies and parameter sets at random, follows the changes.

    `breaches` are the revisions that came out of order on one connection; `state` is what the changes add up to.
    """

    def __init__(self, account: Account, urls: list[str], universe_id: str, targets: list[str], told: Told, seed: int) -> None:
        super().__init__(daemon=True)
        self.account, self.urls, self.universe_id, self.targets, self.told_all = account, urls, universe_id, targets, told
        self.chance = random.Random(seed)
        self.finish = threading.Event()
        self.pause_s = 0.0
        self.queue: list[dict[str, Any]] = []
        self.applied, self.epoch = 0, ""
        self.state: State = {}
        self.breaches: list[str] = []
        self.peer: Peer | None = None
        self.joins: list[str] = []
        self._read = 0
        self._held: dict[int, Any] = {}

    def run(self) -> None:
        """Edit until told to finish and nothing is left to send."""
        while not self.finish.is_set() or self.queue:
            try:
                self._turn()
            except (Refused, socketio.exceptions.SocketIOError, requests.RequestException):
                self.drop()
                time.sleep(self.chance.uniform(0.02, 0.2))

    def _turn(self) -> None:
        peer = self.connect()
        self.digest()
        if not self.queue and not self.finish.is_set():
            self.queue.append(self._invent())
        if self.queue:
            self._send(peer, self.queue[0])
        if self.pause_s:
            time.sleep(self.pause_s * self.chance.uniform(0.5, 1.5))

    def connect(self) -> Peer:
        """The connection there is, or a new one that has caught up. Raises what the library raises."""
        if self.peer is not None and not self.peer.ended.is_set():
            return self.peer
        self.drop()
        peer = self.account.connect(self.chance.choice(self.urls))
        self.peer, self._read, self._held = peer, 0, {}
        known = {"since": self.applied, "epoch": self.epoch} if self.epoch else {}
        self.catch_up(peer.ask("join_universe", universe_id=self.universe_id, **known))
        return peer

    def drop(self) -> None:
        """Close the connection, having judged the order of what it was told."""
        peer, self.peer = self.peer, None
        if peer is None:
            return
        revisions = peer.revisions()
        self.breaches += [f"{b} after {a}" for a, b in pairwise(revisions) if b <= a]
        peer.close()

    def digest(self) -> None:
        """Apply the changes that have come; catch up when one is missing."""
        if self.peer is None:
            return
        while self._read < len(self.peer.told):
            event, payload = self.peer.told[self._read]
            self._read += 1
            if event == "change":
                self._held[payload["revision"]] = payload
            elif event == "resync_required":
                self.sync()
        while (row := self._held.pop(self.applied + 1, None)) is not None:
            self._apply(row)
        self._held = {revision: row for revision, row in self._held.items() if revision > self.applied}
        if self._held:
            self.sync()

    def sync(self) -> None:
        """Ask for what was missed."""
        if self.peer is not None:
            self.catch_up(self.peer.ask("sync", universe_id=self.universe_id, since=self.applied, epoch=self.epoch))

    def catch_up(self, answer: Mapping[str, Any]) -> None:
        """Take in the answer to a join or a sync."""
        if not answer["ok"]:
            raise Refused(answer["error"])
        self.joins.append(answer["mode"])
        self.epoch = answer["epoch"]
        if answer["mode"] == "changes":
            for row in answer["changes"]:
                if row["revision"] == self.applied + 1:
                    self._apply(row)
        elif answer["mode"] in ("snapshot", "fetch"):
            document = answer.get("snapshot") or self.account.request("GET", f"/universes/{self.universe_id}/document").json()
            self.state, self.applied = flattened(document), document["revision"]

    def _apply(self, row: Mapping[str, Any]) -> None:
        steps = row["after"]["items"] if row["op"] == "batch" else [row]
        for step in steps:
            if not step["path"].startswith(("members/", "share-links/")):
                apply_step(self.state, Step(step["op"], step["path"], step["before"], step["after"]))
        self.applied = row["revision"]

    def _invent(self) -> dict[str, Any]:
        target = self.chance.choice(self.targets)
        fields = {"restitution": round(self.chance.random(), 9)}
        return {
            "universe_id": self.universe_id,
            "op_id": str(uuid4()),
            "op": "update",
            "path": target,
            "fields": fields,
            "base": self.applied,
        }

    def _send(self, peer: Peer, message: dict[str, Any]) -> None:
        began = time.monotonic()
        try:
            answer = peer.ask("edit", message)
        except Exception:
            with self.told_all.lock:
                self.told_all.resent += 1
            raise
        with self.told_all.lock:
            if answer["ok"]:
                self.told_all.acknowledged[message["op_id"]] = answer["revision"]
                self.told_all.moments[answer["revision"]] = time.monotonic()
                self.told_all.waits.append(time.monotonic() - began)
            elif answer["error"]["code"] not in _PASSING:
                self.told_all.refused.append(str(answer["error"]))
        if answer["ok"] or answer["error"]["code"] not in _PASSING:
            self.queue.pop(0)
        else:
            time.sleep(min(1.0, answer["error"].get("retry_after", 0.1)))


def flattened(document: Mapping[str, Any]) -> State:
    """A universe's document as the log names its parts: by path."""
    found: State = {"universe": dict(document["universe"])}
    for one in document["physics_parameters"]:
        found[f"physics-parameters/{one['id']}"] = {key: value for key, value in one.items() if key != "id"}
    collections = ("bodies", "constraints", "voices", "mappings")
    for scene in document["scenes"]:
        found[f"scenes/{scene['id']}"] = {key: value for key, value in scene.items() if key not in ("id", *collections)}
        for collection in collections:
            for part in scene[collection]:
                found[f"{collection}/{part['id']}"] = {key: value for key, value in part.items() if key != "id"}
    return found


def differences(mine: State, stored: State) -> list[str]:
    """Where a follower's state is not what is stored; `deleted_at` is no part of the document."""
    found = []
    for path in sorted({*mine, *stored}):
        left, right = ({key: value for key, value in state.get(path, {}).items() if key != "deleted_at"} for state in (mine, stored))
        if left != right:
            found.append(f"{path}: {left} is stored as {right}")
    return found


def furnish(owner: Account, others: list[Account]) -> tuple[str, list[str]]:
    """A universe of the owner's that the others edit, with two parameter sets and four bodies: its id, and paths to edit."""

    def post(path: str, body: dict[str, Any]) -> str:
        answer = owner.request("POST", path, json=body)
        assert answer.ok, answer.text
        return str(answer.json()["id"])

    universe_id = post("/universes", {"name": "Under fire"})
    for other in others:
        owner.invite(universe_id, other)
    sets = [post("/physics-parameters", {"universe_id": universe_id, "name": f"Set {n}"}) for n in range(2)]
    scene = post(f"/universes/{universe_id}/scenes", {"name": "Scene"})
    bodies = [post(f"/scenes/{scene}/bodies", {"name": f"Ball {n}", "shape": "circle", "size": {"radius": 0.1}}) for n in range(4)]
    return universe_id, [*(f"physics-parameters/{i}" for i in sets), *(f"bodies/{i}" for i in bodies)]

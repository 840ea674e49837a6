"""Somebody loses a right while they edit, again and again, in another process than the one that takes it.

    python -m tests.faults.revocations [--times 100] [--others 20] [--database URL]

Each time: cut within two seconds, no later row by them, no later event to them.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import jwt
import socketio

from tests.databases import flask, fresh_postgresql
from tests.faults.judging import judge, percentile
from tests.faults.processes import Processes, processes
from tests.sockets import Account, Peer

LIMIT_SECONDS = 2.0
_UNDER_WAY_SECONDS = 0.05
"""An edit that came before its token's end may be committed after it."""
SECRET = "a secret that signs the tokens of fault runs, long enough"
_PASSWORD = "another correct horse"
Loss = Callable[["Case"], None]


class Case:
    """An owner, somebody who edits the owner's universe without a pause, and the moment at which they lose the right to."""

    def __init__(self, running: Processes, owner: Account, universe_id: str, *, member: bool = True) -> None:
        self.running, self.owner, self.universe_id = running, owner, universe_id
        self.editor = Account(running.urls[-1], f"person{uuid4().hex[:10]}")
        if member:
            owner.invite(universe_id, self.editor)

    def begin(self, token: str | None = None) -> None:
        """Connect, join and edit until cut."""
        self.peer = Peer(self.running.urls[-1], token or self.editor.token)
        self.joined = self.peer.join(self.universe_id)
        self.acknowledged: list[int] = []
        self.refused: set[str] = set()
        self.thread = threading.Thread(target=self._edit, daemon=True)
        self.thread.start()
        deadline = time.monotonic() + LIMIT_SECONDS * 5
        while not (self.acknowledged or self.refused) and time.monotonic() < deadline:
            time.sleep(0.002)

    def _edit(self) -> None:
        while not self.peer.ended.is_set():
            try:
                answer = self.peer.edit(self.universe_id, "universe", {"theme": uuid4().hex})
            except socketio.exceptions.SocketIOError:
                return
            if answer["ok"]:
                self.acknowledged.append(answer["revision"])
            else:
                self.refused.add(answer["error"]["code"])
                if self.peer.payloads("access_revoked"):
                    return


def run(database_url: str, times: int, others: int, kind: str = "gthread") -> dict[str, Any]:
    """Take rights away; the figures. Raises AssertionError when somebody goes on."""
    with processes(database_url, kind, SECRET_KEY=SECRET) as running:
        return revoke_on(running, times, others)


def revoke_on(running: Processes, times: int, others: int) -> dict[str, Any]:
    """The same, on processes that run with our SECRET."""
    chance = random.Random(7)
    owner = Account(running.urls[0], f"owner{uuid4().hex[:8]}")
    waits: dict[str, list[float]] = {}
    late_rows: dict[str, int] = dict.fromkeys(LOSSES, 0)
    late_events = 0
    universes = []
    for name, lose in LOSSES.items():
        for _ in range(times if name == "removed" else others):
            universe_id = owner.make_universe(visibility="public" if name == "made private" else "private")
            universes.append(universe_id)
            case = Case(running, owner, universe_id, member=name not in ("made private", "revoked link"))
            wait, rows, events = _one(case, lose, chance, watches=name == "made private")
            waits.setdefault(name, []).append(wait)
            late_rows[name] += rows
            late_events += events
    figures = {
        "run": "revocations",
        "server": running.kind,
        "processes": len(running.urls),
        "times": {name: len(found) for name, found in waits.items()},
        "cut_p50_ms": {name: percentile(found, 0.5) for name, found in waits.items()},
        "cut_max_ms": {name: percentile(found, 1.0) for name, found in waits.items()},
        "late_rows": late_rows,
        "late_events": late_events,
        **judge(running.database_url, universes[-1], {}),
    }
    assert not any(late_rows.values()), figures
    assert not late_events, figures
    assert max(max(found) for found in waits.values()) <= LIMIT_SECONDS, figures
    return figures


def _one(case: Case, lose: Loss, chance: random.Random, *, watches: bool) -> tuple[float, int, int]:
    """Seconds until cut, rows by them after the loss, events to them after it."""
    if lose is _expire:
        began = _begin_short(case)
        time.sleep(_UNDER_WAY_SECONDS)
    else:
        if lose is _revoke_link:
            _enter_by_link(case)
        case.begin()
        time.sleep(chance.uniform(0, 0.05))
        lose(case)
        began = time.monotonic()
    last = case.owner.request("GET", f"/universes/{case.universe_id}").json()["revision"]
    while not case.peer.payloads("access_revoked"):
        assert time.monotonic() - began < 5 * LIMIT_SECONDS, "was not cut"
        time.sleep(0.002)
    wait = max(0.0, time.monotonic() - began)
    case.thread.join(5)
    after = case.owner.request("PATCH", f"/universes/{case.universe_id}", json={"name": uuid4().hex})
    assert after.ok, after.text
    mark = int(after.headers["X-Universe-Revision"])
    rows = _rows_by(case, last)
    if watches:
        assert not case.acknowledged
    time.sleep(0.05)
    events = sum(revision >= mark for revision in case.peer.revisions())
    case.peer.close()
    return wait, rows, events


def _rows_by(case: Case, since: int) -> int:
    """Rows by the person after what was the newest revision once their right was gone."""
    found = case.owner.request("GET", f"/universes/{case.universe_id}/history?since={since}&actor={case.editor.id}&limit=100")
    return len(found.json()["items"])


def _remove(case: Case) -> None:
    answer = case.owner.request("DELETE", f"/universes/{case.universe_id}/collaborators/{case.editor.id}")
    assert answer.ok, answer.text


def _log_out(case: Case) -> None:
    _elsewhere(case, "POST", "/auth/logout")


def _change_password(case: Case) -> None:
    body = {"current_password": case.editor.password, "new_password": _PASSWORD}
    _elsewhere(case, "POST", "/auth/change-password", json=body)


def _disable(case: Case) -> None:
    done = flask(case.running.database_url, "users", "disable", case.editor.name)
    assert done.returncode == 0, done.stderr


def _make_private(case: Case) -> None:
    answer = case.owner.request("PATCH", f"/universes/{case.universe_id}", json={"visibility": "private"})
    assert answer.ok, answer.text


def _enter_by_link(case: Case) -> None:
    made = case.owner.request("POST", f"/universes/{case.universe_id}/share-links", json={"role": "editor"})
    assert made.ok, made.text
    used = case.editor.request("POST", f"/shared/{made.json()['token']}/join")
    assert used.ok, used.text


def _revoke_link(case: Case) -> None:
    links = case.owner.request("GET", f"/universes/{case.universe_id}/share-links").json()["items"]
    answer = case.owner.request("DELETE", f"/universes/{case.universe_id}/share-links/{links[0]['id']}")
    assert answer.ok, answer.text


def _expire(case: Case) -> None:
    """Nothing to do: time does it."""


def _begin_short(case: Case) -> float:
    """Connect with a token that ends in about a second; the monotonic time of its end."""
    claims = jwt.decode(case.editor.token, options={"verify_signature": False})
    expires = int(time.time()) + 2
    case.begin(jwt.encode({**claims, "exp": expires}, SECRET, "HS256"))
    time.sleep(max(0.0, expires - time.time()))
    return time.monotonic()


def _elsewhere(case: Case, method: str, path: str, **kwargs: Any) -> None:
    """A request of the editor's to the first process; they are connected to the last."""
    case.editor.url = case.running.urls[0]
    answer = case.editor.request(method, path, **kwargs)
    assert answer.ok, answer.text


LOSSES: dict[str, Loss] = {
    "removed": _remove,
    "logged out": _log_out,
    "password changed": _change_password,
    "disabled": _disable,
    "revoked link": _revoke_link,
    "made private": _make_private,
    "expired": _expire,
}


def main() -> None:
    """Run on a fresh PostgreSQL database, or on the one given."""
    options = argparse.ArgumentParser()
    options.add_argument("--times", type=int, default=100)
    options.add_argument("--others", type=int, default=20)
    options.add_argument("--database", default="")
    options.add_argument("--kind", default="gthread", choices=["gthread", "eventlet"])
    asked = options.parse_args()
    if asked.database:
        print(json.dumps(run(asked.database, asked.times, asked.others, asked.kind)))
        return
    with fresh_postgresql() as url:
        print(json.dumps(run(url, asked.times, asked.others, asked.kind)))


if __name__ == "__main__":
    main()

"""The laws of undo over random histories.

    python -m tests.faults.undo_law [--sequences 500] [--histories 2000] [--database URL] [--seed N]

- As many redos as undos, with nothing in between, leave the document as it was, and pass through the same documents.
- An undo never changes what another person changed after the edit that it takes back.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from flask import Flask

from app import create_app
from app.changes.history import Step, flatten_subtree, steps_of
from app.changes.verify import snapshot, verify
from app.extensions import db
from tests.changes.walking import Walk
from tests.conftest import Person

_OF_CONTENT = {
    name
    for name in dir(Walk)
    if name.startswith("do_")
    and name.removeprefix("do_") not in ("undo", "undo_again", "redo", "restore", "change_friend", "hand_over", "delete_and_bring_back")
}
_CROWDED = (*("do_change_body",) * 12, *("do_change_universe",) * 6, *("do_undo",) * 14, *("do_redo",) * 6, "do_delete", "do_restore")
"""What people do the more of, where they are to meet."""
Touch = tuple[int, str, str | None]
"""When, which path and which property of it; None for all of it."""


class Tab(Person):
    """One tab of somebody: every request names it, and now and then a gesture."""

    def __init__(self, person: Person, name: str, chance: random.Random) -> None:
        self.__dict__.update(person.__dict__)
        self.tab, self.chance, self.group, self.left = name, chance, None, 0

    def request(self, method: str, path: str, **kwargs: Any) -> Any:
        """A request from this tab."""
        if method != "GET" and not path.endswith(("/undo", "/redo")):
            self.left -= 1
            if self.left < 0:
                self.group, self.left = (f"g{self.chance.random()}", self.chance.randint(1, 4)) if self.chance.random() < 0.2 else (None, 0)
        headers = {"X-Client-Id": self.tab, **({"X-Edit-Group": self.group} if self.group else {}), **kwargs.pop("headers", {})}
        return super().request(method, path, headers=headers, **kwargs)


class Edits(Walk):
    """A walk that changes content alone, so that all of it can be taken back."""

    def __init__(self, owner: Any, friend: Any, seed: int, *, also: tuple[str, ...] = ()) -> None:
        super().__init__(owner, friend, seed)
        self.doings = [*sorted(_OF_CONTENT), *also]

    def take(self, steps: int) -> None:
        """Take some steps."""
        for _ in range(steps):
            answer = getattr(self, self.random.choice(self.doings))()
            if answer is not None:
                assert answer.status_code < 500, answer.text


def hold_law(app: Flask, person: Person, seed: int) -> Counter[str]:
    """Edit at random, go some steps back and forth again. Raises AssertionError where a document is not the one that was."""
    chance = random.Random(seed)
    tab = Tab(person, "tab", chance)
    walk = Edits(tab, tab, seed)
    beginning = document(walk)
    figures: Counter[str] = Counter()
    for turn in range(chance.randint(1, 3)):
        tab.patch(f"/universes/{walk.universe}", json={"description": f"turn {turn}"})  # nothing is left to do again
        walk.take(chance.randint(1, 20))
        passed = [document(walk)]
        for _ in range(chance.randint(1, 12) if chance.random() < 0.7 else 99):
            answer = tab.post(f"/universes/{walk.universe}/undo")
            if answer.status_code == 409:
                assert answer.json["code"] == "NOTHING_TO_UNDO", (seed, answer.json)
                assert document(walk) == beginning, f"{seed}: everything is undone, and it is not as it was"
                break
            assert (answer.status_code, answer.json["skipped"]) == (200, []), (seed, answer.text)
            passed.append(document(walk))
        figures["undos"] += len(passed) - 1
        for wanted in reversed(passed[:-1]):
            answer = tab.post(f"/universes/{walk.universe}/redo")
            assert (answer.status_code, answer.json["skipped"]) == (200, []), (seed, answer.text)
            assert document(walk) == wanted, f"{seed}: a redo leads elsewhere"
            figures["redos"] += 1
        assert tab.post(f"/universes/{walk.universe}/redo").json["code"] == "NOTHING_TO_UNDO", seed
        for _ in range(chance.randint(0, len(passed) - 1)):
            assert tab.post(f"/universes/{walk.universe}/undo").status_code == 200, seed
    assert breaches(app, walk.universe) == [], seed
    return figures


def hold_others(app: Flask, people: tuple[Person, Person], seed: int) -> Counter[str]:
    """Two people, one of them in two tabs, edit and undo at random. Raises AssertionError where an undo takes what is not its own."""
    chance = random.Random(seed)
    first, second = (Tab(person, f"tab{i}", chance) for i, person in enumerate(people))
    walk = Edits(first, second, seed, also=_CROWDED)
    first.post(f"/universes/{walk.universe}/collaborators", json={"user_id": second.id, "role": "editor"})
    walk.do_make_scene()
    for _ in range(3):
        walk.do_make_body()
    for _ in range(5):
        walk.owner = Tab(people[0], chance.choice(("tab0", "tab0", "tab0b")), chance)
        walk.take(chance.randint(4, 8))
    rows = log(first, walk.universe)
    figures: Counter[str] = Counter()
    for row in rows:
        if row["undo_of"] is not None:
            judge(rows, row, seed)
            figures["undos and redos"] += 1
            figures["with something skipped"] += "skipped" in (row["after"] or {})
    assert breaches(app, walk.universe) == [], seed
    return figures


def judge(rows: list[dict[str, Any]], row: dict[str, Any], seed: int) -> None:
    """An undo changes nothing that others changed after the edit that it takes back."""
    target = rows[row["undo_of"] - 1]
    assert (target["actor"], target["client_id"]) == (row["actor"], row["client_id"]), seed
    group = target["group"]
    unit = [
        one
        for one in rows[: target["revision"]]
        if one is target or (group and one["group"] == group and one["client_id"] == row["client_id"] and one["actor"] == row["actor"])
    ]
    mine = [touch for one in unit for touch in touches(one)]
    theirs = [
        touch
        for one in rows[unit[0]["revision"] : row["revision"] - 1]
        if one["actor"] != row["actor"] or one["op"] == "restore"
        for touch in touches(one)
    ]
    for _, path, name in touches(row):
        own = [touch[0] for touch in mine if meets(touch, path, name)] or [unit[0]["revision"]]
        late = [touch for touch in theirs if meets(touch, path, name) and touch[0] > max(own)]
        assert not late, f"{seed}: revision {row['revision']} changes {path} {name}, which others changed at {late[-1][0]}"


def touches(row: dict[str, Any]) -> Iterator[Touch]:
    """What a row of the log changed."""
    for step in steps_of(_Row(row)):
        yield from ((row["revision"], path, name) for path, name in _touched(step))


class _Row:
    def __init__(self, row: dict[str, Any]) -> None:
        self.op, self.path, self.before, self.after = row["op"], row["path"], row["before"], row["after"]


def _touched(step: Step) -> Iterator[tuple[str, str | None]]:
    if step.path != "universe" and step.op in ("create", "delete"):
        yield from ((path, None) for path in flatten_subtree(step.path, step.after or step.before or {}))
    elif step.op in ("update", "move"):
        yield from ((step.path, name) for name in step.after or {})


def meets(touch: Touch, path: str, name: str | None) -> bool:
    """Whether a touch is about a property, one within it or one around it."""
    if touch[1] != path or touch[2] is None or name is None:
        return touch[1] == path
    return touch[2] == name or touch[2].startswith(name + ".") or name.startswith(touch[2] + ".")


def document(walk: Walk) -> dict[str, Any]:
    """The universe's document, without the revision."""
    answer = walk.owner.get(f"/universes/{walk.universe}/document")
    return {key: value for key, value in answer.json.items() if key != "revision"}


def log(person: Person, universe: str) -> list[dict[str, Any]]:
    """All rows of a universe's log."""
    rows: list[dict[str, Any]] = []
    cursor: str | None = "0"
    while cursor is not None:
        page = person.get(f"/universes/{universe}/history?limit=100&cursor={cursor}").json
        rows, cursor = [*rows, *page["items"]], page["next_cursor"]
    return rows


def breaches(app: Flask, universe: str) -> list[str]:
    """What verify says of a universe."""
    with app.app_context(), snapshot(db.engine) as session:
        return verify(session, UUID(universe))


def hold(app: Flask, sequences: int, histories: int, seed: int = 0) -> dict[str, Any]:
    """Hold both laws over so many random histories; the figures."""
    figures: Counter[str] = Counter(sequences=sequences, histories=histories)
    for number in range(max(sequences, histories)):
        if number % 50 == 0:  # before their tokens expire
            ada, bob = (Person(app.test_client(), f"{name}{number}") for name in ("ada", "bob"))
        if number < sequences:
            figures += hold_law(app, ada, seed + number)
        if number < histories:
            figures += hold_others(app, (ada, bob), seed + number)
    return dict(figures)


def run(database_url: str, sequences: int, histories: int, seed: int = 0) -> dict[str, Any]:
    """Hold both laws on an empty database."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"flask_env": "testing", "data_dir": folder, "rate_limits": False, "log_level": "error"}
        app = create_app({}, database_url=database_url, **settings)
        with app.app_context():
            db.create_all()
        try:
            return hold(app, sequences, histories, seed)
        finally:
            with app.app_context():
                db.engine.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=500)
    parser.add_argument("--histories", type=int, default=2000)
    parser.add_argument("--database")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        url = given.database or f"sqlite:///{place}/law.db"
        print(json.dumps(run(url, given.sequences, given.histories, given.seed)))

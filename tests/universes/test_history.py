"""The history of a universe, in pages and by actor or path; and the commands that show and export it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from flask import Flask


@pytest.fixture
def ada(person: Callable) -> Any:
    return person("ada")


@pytest.fixture
def universe(ada: Any, person: Callable) -> str:
    """Ada's, with Bob as editor: 1 create, 2 member, 3-4 scenes, 5 Bob's name, 6 reorder."""
    bob = person("bob")
    found: str = ada.post("/universes", json={"name": "One"}).json["id"]
    ada.post(f"/universes/{found}/collaborators", json={"user_id": bob.id, "role": "editor"})
    scenes = [ada.post(f"/universes/{found}/scenes", json={"name": name}).json["id"] for name in "AB"]
    bob.patch(f"/universes/{found}", json={"name": "Bob's"})
    ada.post("/scenes/reorder", json={"universe_id": found, "scene_ids": scenes[::-1]})
    return found


def revisions(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [row["revision"] for row in answer.json["items"]]


def test_rows_come_in_order_page_by_page(ada: Any, universe: str) -> None:
    path = f"/universes/{universe}/history"
    first = ada.get(f"{path}?limit=4")
    assert (revisions(first), first.json["next_cursor"]) == ([1, 2, 3, 4], "4")
    rest = ada.get(f"{path}?limit=4&cursor={first.json['next_cursor']}")
    assert (revisions(rest), rest.json["next_cursor"], rest.headers["X-Universe-Revision"]) == ([5, 6], None, "6")
    assert revisions(ada.get(f"{path}?since=6")) == []
    assert revisions(ada.get(f"{path}?limit=6")) == [1, 2, 3, 4, 5, 6]


def test_rows_are_found_by_actor_and_by_path_also_inside_a_batch(ada: Any, universe: str) -> None:
    path = f"/universes/{universe}/history"
    bob = ada.get(f"{path}?since=4&limit=1").json["items"][0]["actor"]["id"]
    assert revisions(ada.get(f"{path}?actor={bob}")) == [5]
    scene = ada.get(f"/universes/{universe}").json["scenes"][0]["id"]
    assert revisions(ada.get(f"{path}?path=scenes/{scene}")) == [4, 6]
    one = ada.get(f"{path}?path=scenes/{scene}&limit=1")
    assert (revisions(one), one.json["next_cursor"]) == ([4], "4")
    assert revisions(ada.get(f"{path}?path=scenes/{scene}&limit=1&cursor=4")) == [6]
    assert revisions(ada.get(f"{path}?path=universe")) == [1, 5]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "since=-1", "since=1&cursor=1", "actor=ada", "page=2", f"since={2**63}"])
def test_a_query_that_is_none_is_refused(ada: Any, universe: str, query: str) -> None:
    assert ada.get(f"/universes/{universe}/history?{query}").status_code == 422


def test_a_universe_is_exported_as_its_document(app: Flask, ada: Any, universe: str, tmp_path: Path) -> None:
    runner, file = app.test_cli_runner(), tmp_path / "universe.json"
    assert runner.invoke(args=["universes", "export", universe, "-o", str(file)]).exit_code == 0
    assert orjson.loads(file.read_bytes()) == ada.get(f"/universes/{universe}/document").json
    assert orjson.loads(runner.invoke(args=["universes", "export", universe]).stdout) == orjson.loads(file.read_bytes())


def test_the_log_command_shows_who_did_what(app: Flask, universe: str) -> None:
    lines = app.test_cli_runner().invoke(args=["universes", "log", universe]).output.splitlines()
    assert len(lines) == 7
    assert lines[5].split()[:1] + lines[5].split()[2:] == ["5", "bob", "update", "universe", "name"]
    assert lines[6].split()[-2:] == ["2", "steps"]


@pytest.mark.parametrize("command", ["verify", "log", "export"])
def test_a_command_for_an_unknown_universe_says_so_and_fails(app: Flask, command: str) -> None:
    done = app.test_cli_runner().invoke(args=["universes", command, str(uuid4())])
    assert (done.exit_code, "There is no universe" in done.output) == (1, True)

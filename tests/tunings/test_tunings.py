"""Tunings that people keep: in cents, in ratios and from Scala files, copied into harmonies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tuning_library
from flask import Flask

from app.tunings import service
from tests.scenes.making import refusal

PATH = "/audio/tunings/custom"
SCL = "! bp.scl\nBohlen-Pierce, in part\n 3\n 7/5\n 884.4\n 3/1\n"
KBM = "0\n0\n127\n60\n69\n440.0\n3\n"
FIFTHS = {"type": "custom", "degrees": ["3/2", "2/1"]}


@pytest.fixture
def ada(person: Callable) -> Any:
    return person("ada")


def keep(person: Any, name: str = "Mine", tuning: Any = None, **more: Any) -> Any:
    return person.post(PATH, json={"name": name, "tuning": tuning or FIFTHS, **more})


def test_a_tuning_is_kept_listed_and_read_back(ada: Any) -> None:
    made = keep(
        ada, "Half", {"type": "custom", "degrees": [350.0, "6:4", "2/1"], "root_hz": {"value": 0.22, "unit": "kHz"}}, description="d"
    )
    assert made.status_code == 201
    assert made.headers["Location"] == f"/api{PATH}/{made.json['id']}"
    assert made.json["tuning"] == {"type": "custom", "degrees": [350.0, "3/2", "2/1"], "root_hz": 220.0}
    assert made.json["cents"] == pytest.approx([350.0, 701.955, 1200.0], abs=5e-4)
    assert (made.json["name"], made.json["description"], made.json["notes"]) == ("Half", "d", 3)
    assert ada.get(f"{PATH}/{made.json['id']}").json == made.json
    second = keep(ada, "Aaron", {"degrees": ["2/1"]}).json
    assert second["tuning"]["type"] == "custom"
    assert [one["name"] for one in ada.get(PATH).json["items"]] == ["Aaron", "Half"]
    assert ada.get(f"{PATH}?sort=name&limit=1").json["items"] == [second]


def test_scala_files_are_kept_as_what_they_say_and_given_back_as_files(ada: Any) -> None:
    made = keep(ada, "BP", {"type": "custom", "scl": SCL, "kbm": KBM}, description="from files").json
    assert made["tuning"]["degrees"] == ["7/5", 884.4, "3/1"]
    assert made["tuning"]["root_hz"] == pytest.approx(440.0 / 27.0, rel=1e-12)
    scale, keyboard = (ada.get(f"{PATH}/{made['id']}/{name}") for name in ("scale.scl", "keyboard.kbm"))
    for answer, name in ((scale, "scale.scl"), (keyboard, "keyboard.kbm")):
        assert answer.content_type == "text/plain; charset=utf-8"
        assert name in answer.headers["Content-Disposition"]
    assert scale.text.startswith("BP: from files\n 3\n")
    theirs = tuning_library.Tuning(tuning_library.parse_scl_data(scale.text), tuning_library.parse_kbm_data(keyboard.text))
    # 1/1 lies on C0, the key nearest to 16.3 Hz; nine keys of three to a tritave above it is A4.
    assert theirs.frequency_for_midi_note(12) == pytest.approx(440.0 / 27.0, rel=1e-9)
    assert theirs.frequency_for_midi_note(21) == pytest.approx(440.0, rel=1e-9)
    again = ada.post("/audio/tunings/scala", json={"scl": scale.text, "kbm": keyboard.text}).json["tuning"]
    assert again["degrees"] == made["tuning"]["degrees"]
    assert again["root_hz"] == pytest.approx(made["tuning"]["root_hz"], rel=1e-12)


def test_a_harmony_takes_a_copy_that_outlives_the_tuning(ada: Any) -> None:
    made = keep(ada).json
    universe = ada.post("/universes", json={"name": "One", "harmony": {"tuning": made["tuning"]}}).json["id"]
    assert ada.delete(f"{PATH}/{made['id']}").status_code == 204
    assert ada.get(f"/universes/{universe}/harmony").json["tuning"] == FIFTHS
    assert ada.get(f"{PATH}/{made['id']}").status_code == 404
    assert ada.get(f"{PATH}/{made['id']}/scale.scl").status_code == 404
    assert ada.delete(f"{PATH}/{made['id']}").status_code == 204  # once more does nothing
    assert ada.get(PATH).json["items"] == []


def test_nobody_elses_tunings_are_there(ada: Any, person: Callable, client: Any) -> None:
    made, bob = keep(ada).json, person("bob")
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/scale.scl"), ("GET", "/keyboard.kbm")):
        assert bob.request(method, f"{PATH}/{made['id']}{path}").status_code == 404
    assert bob.get(PATH).json["items"] == []
    assert client.get(f"/api{PATH}").status_code == 401
    assert made["id"] in {row["id"] for row in ada.get("/users/me/export").json["tunings"]}


@pytest.mark.parametrize(
    ("given", "at"),
    [
        ({"tuning": FIFTHS}, ["name"]),
        ({"name": "", "tuning": FIFTHS}, ["name"]),
        ({"name": "x"}, ["tuning"]),
        ({"name": "x", "tuning": {"type": "just"}}, ["tuning", "type"]),
        ({"name": "x", "tuning": {"type": "custom"}}, ["tuning", "degrees"]),
        ({"name": "x", "tuning": {}}, ["tuning", "degrees"]),
        ({"name": "x", "tuning": {"degrees": ["2/1"], "divisions": 12}}, ["tuning", "divisions"]),
        ({"name": "x", "tuning": {"type": "custom", "degrees": [500, 400]}}, ["tuning", "degrees"]),
        ({"name": "x", "tuning": {"type": "custom", "scl": "x\n1\n2/0"}}, ["tuning", "scl"]),
        ({"name": "x", "tuning": {"type": "custom", "scl": SCL, "kbm": "0\n0\n200"}}, ["tuning", "kbm"]),
        ({"name": "x", "tuning": FIFTHS, "secret": 1}, ["secret"]),
    ],
)
def test_what_is_no_tuning_is_refused_by_field(ada: Any, given: dict[str, Any], at: list[str]) -> None:
    errors = refusal(ada.post(PATH, json=given))
    for key in at:
        assert list(errors) == [key]
        errors = errors[key]
    assert ada.get(PATH).json["items"] == []


def test_a_repeated_request_keeps_one_tuning(ada: Any) -> None:
    key = {"Idempotency-Key": "one"}
    answers = [ada.post(PATH, json={"name": "x", "tuning": FIFTHS}, headers=key) for _ in range(2)]
    assert answers[0].json == answers[1].json
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true"]
    assert len(ada.get(PATH).json["items"]) == 1
    assert ada.post(PATH, json={"name": "y", "tuning": FIFTHS}, headers=key).status_code == 422


def test_a_library_has_an_end(app: Flask, ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST", 2)
    assert [keep(ada).status_code for _ in range(3)] == [201, 201, 422]
    first = ada.get(PATH).json["items"][0]["id"]
    ada.delete(f"{PATH}/{first}")
    assert keep(ada).status_code == 201

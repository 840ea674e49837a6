"""Templates: each becomes a universe that runs and sounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from scenes.making import refusal

from app.engine.music.mapping import build_score
from app.engine.perform import simulate
from app.extensions import db
from app.reference.templates import TEMPLATES
from app.scenes.snapshots import snapshot

LONG_ENOUGH_S = 8.0


def test_templates_are_listed_with_what_they_hold(client: FlaskClient) -> None:
    listed = client.get("/api/reference/templates").json["items"]
    assert [one["name"] for one in listed] == list(TEMPLATES)
    for one in listed:
        whole = client.get(f"/api/reference/templates/{one['name']}").json
        assert {name: whole[name] for name in one} == one
        assert whole["bodies"] and whole["scene"]["solver"] == one["solver"]
    missing = client.get("/api/reference/templates/perpetuum-mobile")
    assert missing.status_code == 404 and "bouncing_ball" in missing.json["message"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_universe_from_a_template_runs_and_sounds(app: Flask, person: Callable[[str], Any], name: str) -> None:
    ada = person("ada")
    answer = ada.post("/universes/from-template", json={"template": name, "name": f"My {name}"})
    assert answer.status_code == 201, answer.text
    universe = answer.json
    assert answer.headers["Location"] == f"/api/universes/{universe['id']}"
    assert (universe["name"], universe["revision"]) == (f"My {name}", 1)
    (scene,) = ada.get(f"/universes/{universe['id']}/scenes").json["items"]
    content = app.test_client().get(f"/api/reference/templates/{name}").json
    for part in ("bodies", "constraints", "voices", "mappings"):
        held = ada.get(f"/scenes/{scene['id']}/{part}?limit=100").json["items"]
        assert [one.get("name") for one in held] == [one.get("name") for one in content[part]]
    with app.app_context():
        whole = snapshot(db.session(), UUID(scene["id"]))
    found = simulate({**whole, "duration_s": min(whole["duration_s"], LONG_ENOUGH_S)})
    assert found.status == "complete"
    score = build_score(found.scene, found.trajectory)
    assert len(score.notes) > 3


def test_a_template_goes_by_any_spelling_and_an_unknown_one_is_refused(person: Callable[[str], Any]) -> None:
    ada = person("ada")
    assert ada.post("/universes/from-template", json={"template": "Bouncing Ball"}).json["name"] == "Bouncing ball"
    refused = ada.post("/universes/from-template", json={"template": "perpetuum mobile"})
    assert "bouncing_ball" in str(refusal(refused)["template"])


def test_a_repeated_order_makes_one_universe(person: Callable[[str], Any]) -> None:
    ada = person("ada")
    again = [ada.post("/universes/from-template", json={"template": "box_of_gas"}, headers={"Idempotency-Key": "k"}).json for _ in range(2)]
    assert again[0]["id"] == again[1]["id"]

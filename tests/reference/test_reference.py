"""Real systems: told with their sources, and made into universes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from scenes.making import made, refusal

from app.engine.reference import SYSTEMS


@pytest.fixture
def ada(person: Callable[[str], Any]) -> Any:
    """Ada, logged in."""
    return person("ada")


def test_every_number_of_every_system_has_a_unit_an_epoch_and_a_source(client: Any) -> None:
    listed = client.get("/api/reference/systems").json["items"]
    assert [one["name"] for one in listed] == list(SYSTEMS)
    for one in listed:
        system = client.get(f"/api/reference/systems/{one['name']}").json
        assert len(system["bodies"]) == one["bodies"]
        for body in system["bodies"]:
            for number in body["numbers"].values():
                assert number["unit"]
                assert number["epoch"]
                assert number["source"]


def test_a_system_is_found_in_any_usual_spelling(client: Any) -> None:
    assert client.get("/api/reference/systems/TRAPPIST-1").json["name"] == "trappist_1"
    assert client.get("/api/reference/systems/Atlantis").status_code == 404


def test_a_universe_of_trappist_1_has_the_published_periods(ada: Any) -> None:
    """Periods of Agol et al. 2021 (arXiv 2010.01074), table 2, in days."""
    answer = ada.post("/universes/from-reference", json={"system": "trappist_1"})
    universe = made(answer)
    assert answer.headers["Location"] == f"/api/universes/{universe['id']}"
    assert (universe["name"], universe["revision"], universe["visibility"]) == ("TRAPPIST-1", 1, "private")
    (scene,) = ada.get(f"/universes/{universe['id']}/scenes").json["items"]
    assert scene["solver"] == "kepler"
    star, *planets = ada.get(f"/scenes/{scene['id']}/bodies").json["items"]
    assert star["static"]
    assert [round(planet["orbit"]["period"] / 86400, 6) for planet in planets] == [
        1.510826, 2.421937, 4.049219, 6.101013, 9.20754, 12.352446, 18.772866,
    ]  # fmt: skip
    assert {planet["orbit"]["parent_body_id"] for planet in planets} == {star["id"]}
    assert all("2010.01074" in planet["citation"] for planet in planets)
    (physics,) = ada.get(f"/physics-parameters?universe_id={universe['id']}").json["items"]
    assert physics["active"]
    # The shortest period lasts two seconds of the score.
    assert planets[0]["orbit"]["period"] / physics["time_scale"] == pytest.approx(2.0, rel=1e-12)


def test_moons_of_moons_have_their_parents(ada: Any) -> None:
    for system in SYSTEMS:
        universe = made(ada.post("/universes/from-reference", json={"system": system, "name": f"My {system}"}))
        assert universe["name"] == f"My {system}"
        (scene,) = ada.get(f"/universes/{universe['id']}/scenes").json["items"]
        bodies = ada.get(f"/scenes/{scene['id']}/bodies?limit=100").json["items"]
        ids = {body["id"] for body in bodies}
        for body in bodies:
            assert body["static"] or body["orbit"]["parent_body_id"] in ids
            assert body["orbit"] is None or abs(body["orbit"]["mean_anomaly"]) <= math.pi


def test_it_is_one_change_and_repeats_safely(ada: Any) -> None:
    headers = {"Idempotency-Key": "trappist"}
    answers = [ada.post("/universes/from-reference", json={"system": "TRAPPIST-1"}, headers=headers) for _ in range(2)]
    assert answers[0].json == answers[1].json
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    rows = ada.get(f"/universes/{answers[0].json['id']}/history").json["items"]
    assert [(row["revision"], row["op"], row["path"]) for row in rows] == [(1, "create", "universe")]


def test_an_unknown_system_is_refused_and_the_known_ones_named(ada: Any, client: Any) -> None:
    assert "trappist_1" in str(refusal(ada.post("/universes/from-reference", json={"system": "Atlantis"}))["system"])
    assert client.post("/api/universes/from-reference", json={"system": "trappist_1"}).status_code == 401

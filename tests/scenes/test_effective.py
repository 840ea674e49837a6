"""Values in force and where they come from; snapshots."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from scenes.making import made, make_body, make_part, make_scene, make_set

from app.engine.music.mapping import build_score
from app.engine.physics import solvers
from app.engine.physics.scene import Scene, inputs_hash
from app.scenes import service


def effective(person: Any, scene_id: str) -> Any:
    answer = person.get(f"/scenes/{scene_id}/effective")
    assert answer.status_code == 200, answer.text
    return answer.json


def test_without_any_set_the_defaults_are_in_force(ada: Any, scene: dict[str, Any]) -> None:
    physics = effective(ada, scene["id"])["physics"]
    assert {one["from"] for one in physics.values()} == {"default"}
    assert physics["gravity.y"]["value"] == -9.80665
    assert physics["bounds"]["value"]["min"] == {"x": None, "y": 0.0, "z": None}
    assert physics["timestep"]["value"] is None


def test_a_scene_set_comes_before_its_universes_and_that_before_the_defaults(ada: Any, universe: str, scene: dict[str, Any]) -> None:
    shared = make_set(ada, universe_id=universe, gravity=3.71, restitution=0.8, custom={"a": {"value": 1}, "b": {"value": 2}})
    own = make_set(ada, scene_id=scene["id"], gravity={"x": 1}, custom={"b": {"value": 3, "unit": "m"}})
    physics = effective(ada, scene["id"])["physics"]
    told = {name: (one["value"], one["from"]) for name, one in physics.items() if name.startswith(("gravity", "rest"))}
    assert told == {
        "gravity.x": (1.0, "scene"),
        "gravity.y": (-3.71, "universe"),
        "gravity.z": (0.0, "universe"),
        "restitution": (0.8, "universe"),
    }
    assert physics["gravity.x"]["id"] == own["id"]
    assert physics["gravity.y"]["id"] == shared["id"]
    assert physics["custom.a"]["value"]["value"] == 1.0
    assert (physics["custom.b"]["value"]["unit"], physics["custom.b"]["from"]) == ("m", "scene")
    in_scene = ada.get(f"/physics-parameters/scene/{scene['id']}").json
    assert in_scene["values"]["gravity"] == {"x": 1.0, "y": -3.71, "z": 0.0}
    assert in_scene["origins"]["gravity.y"] == {"from": "universe", "id": shared["id"]}
    in_universe = ada.get(f"/physics-parameters/universe/{universe}").json
    assert in_universe["values"]["gravity"] == {"x": 0.0, "y": -3.71, "z": 0.0}
    assert in_universe["values"]["custom"]["b"]["value"] == 2.0


def test_a_scene_can_open_the_bounds_that_its_universe_has(ada: Any, universe: str, scene: dict[str, Any]) -> None:
    make_set(ada, universe_id=universe, bounds={"min": {"y": -1}})
    own = make_set(ada, scene_id=scene["id"])
    assert effective(ada, scene["id"])["physics"]["bounds"]["value"]["min"]["y"] == -1.0
    ada.patch(f"/physics-parameters/{own['id']}", json={"bounds": {}})
    bounds = effective(ada, scene["id"])["physics"]["bounds"]
    assert bounds["from"] == "scene"
    assert set(bounds["value"]["min"].values()) == {None}


def test_a_universe_without_bounds_has_none(ada: Any, universe: str, scene: dict[str, Any]) -> None:
    made_set = make_set(ada, universe_id=universe, bounds=None)
    assert made_set["bounds"] is None
    assert effective(ada, scene["id"])["physics"]["bounds"] == {
        "value": None, "from": "universe", "id": made_set["id"], "used": True, "read_by_mappings": False,
    }  # fmt: skip


def test_what_the_solver_does_not_use_is_marked(ada: Any, universe: str) -> None:
    falling = effective(ada, make_scene(ada, universe)["id"])["physics"]
    orbiting = effective(ada, make_scene(ada, universe, solver="kepler")["id"])["physics"]
    assert falling["gravity.y"]["used"]
    assert not falling["air_density"]["used"]
    assert not orbiting["gravity.y"]["used"]
    assert orbiting["gravitational_constant"]["used"]
    assert falling["temperature"] == {"value": 293.15, "from": "default", "id": None, "used": False, "read_by_mappings": True}


def test_harmony_is_the_universes_but_for_what_the_scene_sets(ada: Any, universe: str) -> None:
    ada.patch(f"/universes/{universe}", json={"harmony": {"key": "G", "tempo_bpm": 80}})
    scene = make_scene(ada, universe, harmony={"key": "D"})
    harmony = effective(ada, scene["id"])["harmony"]
    assert harmony["key"] == {"value": "D", "from": "scene"}
    assert harmony["tempo_bpm"] == {"value": 80.0, "from": "universe"}
    assert harmony["scale"] == {"value": "major", "from": "universe"}


def test_a_scene_without_mappings_shows_those_that_it_plays(ada: Any, scene: dict[str, Any]) -> None:
    ball = make_body(ada, scene["id"], "ball", shape="circle", size={"radius": 0.1}, position={"y": 1}, restitution=0.5)
    found = effective(ada, scene["id"])
    assert [voice["from"] for voice in found["voices"]] == ["default"]
    assert {mapping["target"] for mapping in found["mappings"]} == {"loudness", "pan"}
    assert found["bodies"] == [
        {
            "id": ball["id"],
            "name": "ball",
            "restitution": {"value": 0.5, "from": "body"},
            "friction": {"value": 0.1, "from": "physics"},
        }
    ]
    voice = make_part(ada, scene["id"], "voices", name="Mine", instrument="sine")
    own = effective(ada, scene["id"])["voices"]
    assert [(one["name"], one["from"]) for one in own] == [("Mine", "scene")]
    fields = {"source": {"quantity": "speed"}, "target": "pitch", "range": {"min": 100, "max": 200}}
    make_part(ada, scene["id"], "mappings", voice_id=voice["id"], **fields)
    assert [mapping["from"] for mapping in effective(ada, scene["id"])["mappings"]] == ["scene"]


def snapshot(app: Flask, scene_id: str) -> dict[str, Any]:
    with app.app_context():
        return service.snapshot(UUID(scene_id))


def test_a_snapshot_is_whole_and_the_same_each_time(ada: Any, app: Flask, universe: str) -> None:
    markers = [{"time_s": 3, "name": "late"}, {"time_s": 1, "name": "early"}]
    scene = make_scene(ada, universe, duration_s=2, timeline={"markers": markers})
    last = make_body(ada, scene["id"], "last", shape="circle", size={"radius": 0.1}, position={"y": 1})
    make_body(ada, scene["id"], "first", position={"x": 5, "y": 2}, before_id=last["id"])
    voice = make_part(ada, scene["id"], "voices", name="v", parameters={"decay_s": 1})
    frozen = snapshot(app, scene["id"])
    assert frozen == snapshot(app, scene["id"])
    assert [body["name"] for body in frozen["bodies"]] == ["first", "last"]
    assert [marker["name"] for marker in frozen["timeline"]["markers"]] == ["early", "late"]
    assert frozen["voices"][0]["parameters"]["partials"] == 8
    assert frozen["voices"][0]["parameters"]["decay_s"] == 1
    assert frozen["harmony"]["tempo_bpm"] == 120.0
    assert frozen["seed"] == ada.get(f"/universes/{universe}").json["seed"]
    assert "order_key" not in frozen["bodies"][0]
    ada.patch(f"/voices/{voice['id']}", json={"gain_db": -3})
    assert inputs_hash(frozen) != inputs_hash(snapshot(app, scene["id"]))


def test_a_snapshot_falls_as_galileo_says(ada: Any, app: Flask, universe: str) -> None:
    """The first impact of a point released at rest from 1 m on the Moon is after sqrt(2 h / g)."""
    make_set(ada, universe_id=universe, gravity={"value": 162, "unit": "cm/s^2"})
    scene = make_scene(ada, universe, duration_s=3)
    make_body(ada, scene["id"], "drop", position={"y": 1})
    engine_scene = Scene.from_snapshot(snapshot(app, scene["id"]))
    trajectory = solvers.run(engine_scene)
    # One closed form, computed twice: a few roundings apart.
    assert trajectory.events.time[0] == pytest.approx((2 / 1.62) ** 0.5, rel=1e-14)
    assert len(build_score(engine_scene, trajectory).notes) > 0


def test_an_orbit_given_piece_by_piece_is_whole_in_the_snapshot(ada: Any, app: Flask, universe: str) -> None:
    scene = make_scene(ada, universe, solver="kepler")
    make_body(ada, scene["id"], "star", mass=1e30, static=True)
    planet = make_body(ada, scene["id"], "planet")
    ada.patch(f"/bodies/{planet['id']}", json={"orbit": {"period": 5}})
    orbit = snapshot(app, scene["id"])["bodies"][1]["orbit"]
    assert (orbit["period"], orbit["eccentricity"], orbit["semi_major_axis"]) == (5.0, 0.0, None)
    assert solvers.check(Scene.from_snapshot(snapshot(app, scene["id"]))) > 0


def test_content_that_cannot_be_simulated_yet_is_stored(ada: Any, scene: dict[str, Any]) -> None:
    for name in ("one", "two"):
        made(ada.post(f"/scenes/{scene['id']}/bodies", json={"name": name, "shape": "circle", "size": {"radius": 1}, "position": {"y": 5}}))
    assert len(ada.get(f"/scenes/{scene['id']}/bodies").json["items"]) == 2


def test_effective_values_have_the_universes_revision_as_tag(ada: Any, universe: str, scene: dict[str, Any]) -> None:
    path = f"/scenes/{scene['id']}/effective"
    tag = ada.get(path).headers["ETag"]
    assert ada.get(path, headers={"If-None-Match": tag}).status_code == 304
    make_set(ada, universe_id=universe)
    assert ada.get(path, headers={"If-None-Match": tag}).status_code == 200

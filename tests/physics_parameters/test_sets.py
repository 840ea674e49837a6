"""Sets of physics parameters: what they hold, which is active, what they refuse."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from scenes.making import make_scene, make_set, make_universe, names, refusal

from app.engine.catalogue import PHYSICS

PATH = "/physics-parameters"


def test_a_universes_set_has_every_value(ada: Any, universe: str) -> None:
    one = make_set(ada, universe_id=universe)
    assert one["active"] is True
    assert one["scene_id"] is None
    assert one["gravity"] == {"x": 0.0, "y": -9.80665, "z": 0.0}
    for name, quantity in PHYSICS.items():
        if not name.startswith("gravity."):
            assert one[name] == quantity.default
    assert one["bounds"] == {"min": {"x": None, "y": 0.0, "z": None}, "max": {"x": None, "y": None, "z": None}}
    assert one["custom"] == {}


def test_a_scenes_set_leaves_to_its_universe_what_it_does_not_give(ada: Any, scene: dict[str, Any]) -> None:
    one = make_set(ada, scene_id=scene["id"], gravity={"y": -1})
    assert one["scene_id"] == scene["id"]
    assert one["universe_id"] == scene["universe_id"]
    assert one["gravity"] == {"x": None, "y": -1.0, "z": None}
    assert {one[name] for name in PHYSICS if not name.startswith("gravity.")} == {None}
    assert one["bounds"] is None


@pytest.mark.parametrize(
    ("gravity", "y"),
    [
        (1.62, -1.62),
        ({"value": 162, "unit": "cm/s^2"}, -1.62),
        ({"y": 3}, 3.0),
        ({"y": {"value": -1, "unit": "standard_gravity"}}, -9.80665),
        (0, 0.0),
    ],
)
def test_gravity_is_a_vector_or_a_strength_that_points_down(ada: Any, universe: str, gravity: Any, y: float) -> None:
    # A unit conversion rounds twice.
    assert make_set(ada, universe_id=universe, gravity=gravity)["gravity"] == {"x": 0.0, "y": pytest.approx(y, rel=1e-15), "z": 0.0}


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"gravity": -9.8}, ["gravity"], "0 to 300 m/s^2"),
        ({"gravity": {"value": 3, "unit": "kg"}}, ["gravity"], "m/s^2"),
        ({"gravity": {"y": 301}}, ["gravity", "y"], "-300 to 300 m/s^2"),
        ({"gravity": {"y": {"value": 3, "unit": "kg"}}}, ["gravity", "y"], "[length] / [time] ** 2"),
        ({"gravity": {"w": 3}}, ["gravity", "w"], "Unknown field"),
        ({"gravity": "down"}, ["gravity"], "Not a valid number"),
        ({"gravity.y": 3}, ["gravity.y"], "Unknown field"),
        ({"time_scale": 0}, ["time_scale"], "1e-06 to 10000000000"),
        ({"restitution": 1.01}, ["restitution"], "0 to 1"),
        ({"restitution": "0.5"}, ["restitution"], "Not a valid number"),
        ({"restitution": False}, ["restitution"], "Not a valid number"),
        ({"linear_damping": 1, "air_resistance": 1}, ["air_resistance"], "not both"),
        ({"temperature": {"value": -300, "unit": "degC"}}, ["temperature"], "0 to 10000 K"),
        ({"timestep": {"value": 1, "unit": "a\0b"}}, ["timestep"], "Unknown unit"),
        ({"bounds": {"min": {"y": 1}, "max": {"y": 1}}}, ["bounds", "max", "y"], "above the minimum of 1 m"),
        ({"bounds": {"left": 1}}, ["bounds", "left"], "Unknown field"),
        ({"custom": {"1x": {"value": 1}}}, ["custom", "1x"], "begins with no digit"),
        ({"custom": {"x": {"value": 1, "unit": "furlongs per banana"}}}, ["custom", "x", "unit"], "Unknown unit"),
        ({"custom": {"x": {"value": 3, "max": 2}}}, ["custom", "x", "value"], "None to 2"),
        ({"custom": {"x": {}}}, ["custom", "x", "value"], "Missing"),
        ({"custom": {"x": None}}, ["custom", "x"], "Invalid input type"),
        ({"custom": {f"x{i}": {"value": 1} for i in range(33)}}, ["custom"], "at most 32"),
        ({"active": "yes"}, ["active"], "boolean"),
        ({"name": ""}, ["name"], "between 1 and 100"),
        ({"id": "7"}, ["id"], "UUID"),
        ({"magnetism": 1}, ["magnetism"], "Unknown field"),
    ],
)
def test_a_set_that_is_not_valid_is_refused_and_named(ada: Any, universe: str, fields: dict[str, Any], path: list[str], words: str) -> None:
    found = refusal(ada.post(PATH, json={"name": "Physics", "universe_id": universe, **fields}))
    for key in path:
        found = found[key]
    assert words in str(found)
    assert ada.get(f"{PATH}?universe_id={universe}").json["items"] == []


def test_aliases_of_older_clients_load(ada: Any, universe: str) -> None:
    one = make_set(ada, universe_id=universe, air_resistance=0.5, collision_elasticity=0.25)
    assert (one["linear_damping"], one["restitution"]) == (0.5, 0.25)
    assert ada.patch(f"{PATH}/{one['id']}", json={"elasticity": 0.75, "title": "Renamed"}).json["restitution"] == 0.75


def test_a_patch_merges_and_null_is_the_default_or_the_universes(ada: Any, universe: str, scene: dict[str, Any]) -> None:
    fields = {"gravity": {"x": 1, "y": 2}, "restitution": 0.5, "custom": {"a": {"value": 1}, "b": {"value": 2}}}
    shared, own = make_set(ada, universe_id=universe, **fields), make_set(ada, scene_id=scene["id"], **fields)
    change = {"gravity": {"y": None}, "restitution": None, "custom": {"a": None, "b": {"value": 3}}}
    left = ada.patch(f"{PATH}/{shared['id']}", json=change).json
    assert left["gravity"] == {"x": 1.0, "y": -9.80665, "z": 0.0}
    assert left["restitution"] == 1.0
    assert left["custom"] == {"b": {"value": 3.0, "unit": "1", "min": None, "max": None, "description": ""}}
    right = ada.patch(f"{PATH}/{own['id']}", json=change).json
    assert right["gravity"] == {"x": 1.0, "y": None, "z": None}
    assert right["restitution"] is None
    assert ada.patch(f"{PATH}/{shared['id']}", json={"gravity": None}).json["gravity"] == {"x": 0.0, "y": -9.80665, "z": 0.0}


def test_objects_whose_keys_come_and_go_take_null_by_key_only(ada: Any, universe: str, scene: dict[str, Any]) -> None:
    """Null for the whole would, merged, change nothing; so it is no value."""
    one = make_set(ada, universe_id=universe, custom={"a": {"value": 1}})
    assert refusal(ada.patch(f"{PATH}/{one['id']}", json={"custom": None})) == {"custom": ["Field may not be null."]}
    assert refusal(ada.patch(f"/scenes/{scene['id']}", json={"harmony": None})) == {"harmony": ["Field may not be null."]}


def test_custom_parameters_stay_within_their_number_when_merged(ada: Any, universe: str) -> None:
    one = make_set(ada, universe_id=universe, custom={f"a{i}": {"value": i} for i in range(20)})
    found = refusal(ada.patch(f"{PATH}/{one['id']}", json={"custom": {f"b{i}": {"value": i} for i in range(13)}}))
    assert "at most 32" in str(found["custom"])


def test_a_put_replaces_everything(ada: Any, universe: str, scene: dict[str, Any]) -> None:
    shared = make_set(ada, universe_id=universe, gravity=1, restitution=0.5, custom={"a": {"value": 1}})
    left = ada.put(f"{PATH}/{shared['id']}", json={"name": "New"}).json
    assert (left["gravity"]["y"], left["restitution"], left["custom"], left["active"]) == (-9.80665, 1.0, {}, True)
    own = make_set(ada, scene_id=scene["id"], gravity=1)
    assert ada.put(f"{PATH}/{own['id']}", json={"name": "New", "restitution": 0.1}).json["gravity"] == {"x": None, "y": None, "z": None}


def test_only_the_first_set_of_a_scope_is_active_by_itself(ada: Any, universe: str, scene: dict[str, Any]) -> None:
    scopes = [{"universe_id": universe}, {"scene_id": scene["id"]}, {"scene_id": make_scene(ada, universe)["id"]}]
    for scope in scopes:
        assert [make_set(ada, **scope)["active"] for _ in range(2)] == [True, False]
    assert make_set(ada, universe_id=make_universe(ada), active=False)["active"] is False


def test_a_second_active_set_is_refused_with_a_way_out(ada: Any, universe: str) -> None:
    first, second = make_set(ada, universe_id=universe, name="Earth"), make_set(ada, universe_id=universe)
    refused = ada.patch(f"{PATH}/{second['id']}", json={"active": True})
    assert refused.status_code == 409
    assert "'Earth'" in refused.json["message"]
    assert f"/physics-parameters/{second['id']}/apply" in refused.json["message"]
    assert ada.post(PATH, json={"name": "x", "universe_id": universe, "active": True}).status_code == 409
    assert ada.get(f"{PATH}/{first['id']}").json["active"] is True


def test_applying_a_set_switches_in_one_change(ada: Any, universe: str) -> None:
    first, second = make_set(ada, universe_id=universe), make_set(ada, universe_id=universe)
    before = int(ada.get(f"/universes/{universe}").json["revision"])
    answer = ada.post(f"{PATH}/{second['id']}/apply", headers={"Idempotency-Key": "switch"})
    assert (answer.status_code, answer.json["id"], answer.json["active"]) == (200, second["id"], True)
    assert answer.headers["ETag"] == f'"{before + 1}"'
    assert answer.headers["X-Universe-Revision"] == str(before + 1)
    assert ada.get(f"{PATH}/{first['id']}").json["active"] is False
    again = ada.post(f"{PATH}/{second['id']}/apply", headers={"Idempotency-Key": "switch"})
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert ada.post(f"{PATH}/{second['id']}/apply").headers["X-Universe-Revision"] == str(before + 1)
    ada.post(f"{PATH}/{first['id']}/apply")
    assert [one["active"] for one in ada.get(f"{PATH}?universe_id={universe}").json["items"]] == [True, False]
    assert ada.post(f"{PATH}/{uuid.uuid4()}/apply").status_code == 404


def test_a_reset_puts_parameters_back_and_keeps_custom_ones(ada: Any, universe: str, scene: dict[str, Any]) -> None:
    custom = {"a": {"value": 1}}
    shared = make_set(ada, universe_id=universe, gravity=1, bounds=None, custom=custom, description="kept")
    reset = ada.post(f"{PATH}/{shared['id']}/reset").json
    assert reset["gravity"]["y"] == -9.80665
    assert reset["bounds"]["min"]["y"] == 0.0
    assert (reset["custom"]["a"]["value"], reset["description"], reset["active"]) == (1.0, "kept", True)
    own = make_set(ada, scene_id=scene["id"], gravity=1, restitution=0.5)
    assert ada.post(f"{PATH}/{own['id']}/reset").json["restitution"] is None


def test_a_repeated_creation_is_the_first_again(ada: Any, universe: str) -> None:
    headers = {"Idempotency-Key": "first-set"}
    answers = [ada.post(PATH, json={"name": "One", "universe_id": universe}, headers=headers) for _ in range(2)]
    assert answers[0].json == answers[1].json
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert answers[0].headers["Location"] == f"/api/physics-parameters/{answers[0].json['id']}"


@pytest.mark.parametrize(
    ("solver", "fields", "path", "words"),
    [
        ("kepler", {"gravity": 9.8}, ["gravity", "y"], "use the solver ballistic"),
        ("kepler", {"restitution": 0.5}, ["restitution"], "kepler uses gravitational_constant, time_scale"),
        ("kepler", {"bounds": {"min": {"y": 0}}}, ["bounds"], "ballistic"),
        ("ballistic", {"air_density": 1.2}, ["air_density"], "ballistic does not use it"),
        ("ballistic", {"gravitational_constant": 1e-3}, ["gravitational_constant"], "kepler"),
        ("ballistic", {"timestep": 0.01}, ["timestep"], "use the solver nbody"),
        ("resonator", {"restitution": 0.5}, ["restitution"], "resonator uses pressure, temperature, time_scale"),
        ("nbody", {"linear_damping": 0.5}, ["linear_damping"], "nbody uses gravitational_constant, time_scale, timestep"),
    ],
)
def test_a_scenes_set_gives_only_what_its_solver_can_honour(
    ada: Any, universe: str, solver: str, fields: dict[str, Any], path: list[str], words: str
) -> None:
    scene = make_scene(ada, universe, solver=solver)
    found = refusal(ada.post(PATH, json={"name": "x", "scene_id": scene["id"], **fields}))
    for key in path:
        found = found[key]
    assert words in str(found)
    make_set(ada, universe_id=universe, **fields)


def test_what_asks_nothing_of_a_solver_may_be_given(ada: Any, universe: str) -> None:
    scene = make_scene(ada, universe, solver="kepler")
    make_set(ada, scene_id=scene["id"], gravity=0, linear_damping=0, bounds={}, temperature=300, time_scale=1e5)
    pulling = make_scene(ada, universe, solver="nbody")
    make_set(ada, scene_id=pulling["id"], gravity=0, friction=0, bounds={}, gravitational_constant=1e-3, timestep=0.01)
    assert ada.get(f"/scenes/{pulling['id']}/effective").json["physics"]["timestep"]["used"] is True


def test_a_scene_keeps_a_solver_that_can_honour_its_set(ada: Any, scene: dict[str, Any]) -> None:
    own = make_set(ada, scene_id=scene["id"], restitution=0.5)
    found = refusal(ada.patch(f"/scenes/{scene['id']}", json={"solver": "kepler"}))
    assert "restitution" in str(found["solver"])
    ada.patch(f"{PATH}/{own['id']}", json={"restitution": None})
    assert ada.patch(f"/scenes/{scene['id']}", json={"solver": "kepler"}).status_code == 200


def test_a_set_belongs_to_one_universe(ada: Any, universe: str, scene: dict[str, Any]) -> None:
    elsewhere = make_universe(ada)
    assert "scene_id" in refusal(ada.post(PATH, json={"name": "x", "universe_id": elsewhere, "scene_id": scene["id"]}))
    assert refusal(ada.post(PATH, json={"name": "x"})) == {"universe_id": ["Give universe_id or scene_id."]}
    assert ada.post(PATH, json={"name": "x", "scene_id": str(uuid.uuid4())}).status_code == 404
    assert ada.post(f"{PATH}?universe_id={universe}", json={"name": "x"}).json["universe_id"] == universe


def test_sets_are_listed_by_universe_and_scene(ada: Any, person: Any, universe: str, scene: dict[str, Any]) -> None:
    make_set(ada, universe_id=universe, name="shared")
    make_set(ada, scene_id=scene["id"], name="own")
    assert sorted(names(ada.get(f"{PATH}?universe_id={universe}"))) == ["own", "shared"]
    assert names(ada.get(f"{PATH}?scene_id={scene['id']}")) == ["own"]
    assert sorted(names(ada.get(PATH))) == ["own", "shared"]
    assert names(ada.get(f"{PATH}?sort=-name&limit=1")) == ["shared"]
    bob = person("bob")
    assert names(bob.get(PATH)) == []
    assert bob.get(f"{PATH}?universe_id={universe}").status_code == 404


def test_preconditions_and_ends_are_those_of_every_entity(ada: Any, universe: str) -> None:
    one = make_set(ada, universe_id=universe)
    path = f"{PATH}/{one['id']}"
    tag = ada.get(path).headers["ETag"]
    assert ada.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert ada.patch(path, json={"restitution": 0.5}, headers={"If-Match": tag}).status_code == 200
    assert ada.patch(path, json={"restitution": 0.6}, headers={"If-Match": tag}).status_code == 412
    unchanged = ada.patch(path, json={"restitution": 0.5})
    assert unchanged.headers["ETag"] == '"3"'
    assert [ada.delete(path).status_code for _ in range(2)] == [204, 204]
    assert ada.get(path).status_code == 404
    for request in (
        ada.patch(path, json={"restitution": 1}),
        ada.put(path, json={"name": "x"}),
        ada.post(f"{path}/reset"),
        ada.post(f"{path}/apply"),
    ):
        assert request.status_code == 410, request.text


def test_the_catalogue_tells_every_quantity_and_what_solvers_use(client: Any) -> None:
    found = client.get("/api/physics-parameters/catalogue").json
    gravity = next(one for one in found["quantities"]["physics"] if one["name"] == "gravity.y")
    assert (gravity["unit"], gravity["minimum"], gravity["maximum"], gravity["default"]) == ("m/s^2", -300, 300, -9.80665)
    assert gravity["dimension"] == "[length] / [time] ** 2"
    uses = {solver["name"]: solver["uses"] for solver in found["solvers"]}
    assert "gravity.y" in uses["ballistic"]
    assert "gravity.y" not in uses["kepler"]


def test_presets_can_be_set_as_they_are(ada: Any, universe: str, client: Any) -> None:
    found = client.get("/api/physics-parameters/presets").json
    gravity = {one["name"]: one for one in found["gravity"]}
    assert {name: gravity[name]["value"] for name in ("earth", "moon", "mars", "jupiter", "zero_g")} == {
        "earth": 9.80665, "moon": 1.62, "mars": 3.71, "jupiter": 24.79, "zero_g": 0.0,
    }  # fmt: skip
    assert all(one["source"] for one in [*found["gravity"], *found["materials"]])
    for one in found["gravity"]:
        assert make_set(ada, universe_id=universe, gravity=one["gravity"])["gravity"] == one["gravity"]


def test_validation_answers_si_and_stores_nothing(ada: Any, client: Any, universe: str) -> None:
    found = client.post(f"/api{PATH}/validate", json={"gravity": {"value": 1, "unit": "standard_gravity"}, "solver": "ballistic"})
    assert found.json == {"valid": True, "parameters": {"gravity": {"x": 0.0, "y": -9.80665, "z": 0.0}}}
    assert "kepler does not use it" in str(refusal(client.post(f"/api{PATH}/validate", json={"restitution": 0.5, "solver": "kepler"})))
    assert "0 to 1" in str(refusal(client.post(f"/api{PATH}/validate", json={"restitution": 2})))
    assert ada.get(f"{PATH}?universe_id={universe}").json["items"] == []


@pytest.mark.parametrize("gravity", [{}, {"x": 0}, {"y": None}])
def test_part_of_a_vector_is_validated_for_a_solver(client: Any, gravity: dict[str, Any]) -> None:
    for solver in ("ballistic", "kepler"):
        assert client.post(f"/api{PATH}/validate", json={"gravity": gravity, "solver": solver}).status_code == 200

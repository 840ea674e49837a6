"""Bodies, constraints, voices and mappings: what is taken, what is refused, and why."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from scenes.making import made, make_body, make_part, make_scene, make_set, make_universe, names, refusal

NOWHERE = str(uuid.uuid4())
STAR = {"mass": 1.98841e30, "static": True}
YEAR = 31_557_600.0


def at(errors: Any, path: str) -> str:
    """The messages at a dotted path."""
    for key in path.split("."):
        errors = errors[key]
    return str(errors)


# Bodies


def test_a_new_body_has_every_default_filled_in(ada: Any, scene: dict[str, Any]) -> None:
    body = make_body(ada, scene["id"], orbit={"period": 10})
    assert body["shape"] == "point"
    assert body["size"] == {}
    assert body["mass"] == 1.0
    assert body["position"] == body["velocity"] == {"x": 0.0, "y": 0.0, "z": 0.0}
    assert body["restitution"] is None
    assert body["orbit"]["eccentricity"] == 0.0
    assert body["orbit"]["parent_body_id"] is None
    assert body["scene_id"] == scene["id"]


def test_units_are_converted_and_aliases_answered_by_their_canonical_names(ada: Any, scene: dict[str, Any]) -> None:
    body = make_part(
        ada,
        scene["id"],
        "bodies",
        title="Coin",
        mass={"value": 5, "unit": "g"},
        position={"x": {"value": 2, "unit": "km"}},
        elasticity=0.25,
    )
    assert (body["name"], body["mass"], body["position"]["x"], body["restitution"]) == ("Coin", 0.005, 2000.0, 0.25)
    assert "elasticity" not in body


def _lane(target: str, *points: tuple[Any, float]) -> dict[str, Any]:
    return {"target": target, "points": [{"t_s": t_s, "value": value} for t_s, value in points]}


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"mass": 0}, "mass", "more than 0 to 1e+32 kg"),
        ({"mass": {"value": 1, "unit": "m"}}, "mass", "kg"),
        ({"mass": True}, "mass", "Not a valid number"),
        ({"position": {"x": 1, "w": 2}}, "position.w", "Unknown field"),
        ({"position": [1, 2, 3]}, "position", "object"),
        ({"position": {"y": 1e16}}, "position.y", "-1e+15 to 1e+15 m"),
        ({"velocity": {"x": 3e8}}, "velocity.x", "m/s"),
        ({"restitution": 1.5}, "restitution", "0 to 1"),
        ({"restitution": 1, "collision_elasticity": 1}, "collision_elasticity", "not both"),
        ({"shape": "star"}, "shape", "point, circle, box, polygon"),
        ({"shape": "circle"}, "size.radius", "A circle needs a radius"),
        ({"shape": "circle", "size": {"radius": 0}}, "size.radius", "more than 0"),
        ({"shape": "circle", "size": {"radius": 1, "width": 1}}, "size.width", "A circle has none"),
        ({"size": {"radius": 1}}, "size.radius", "A point has none"),
        ({"shape": "box", "size": {"width": 1}}, "size.height", "needs a height"),
        ({"shape": "polygon", "size": {"vertices": [[0, 0], [1, 1]]}}, "size.vertices", "between 3 and 32"),
        ({"shape": "polygon", "size": {"vertices": [[0, 0], [1, 1], [2, 2]]}}, "size.vertices", "enclose an area"),
        ({"material": {"preset": "unobtainium"}}, "material.preset", "steel"),
        ({"material": {"preset": "steel", "density": 1}}, "material.preset", "not both"),
        ({"material": {}}, "material.preset", "at least one"),
        ({"material": {"poisson": 0.6}}, "material.poisson", "-1 to 0.5"),
        ({"resonator": {"kind": "bar", "boundary": "open"}}, "resonator.boundary", "free"),
        ({"resonator": {"kind": "pipe", "tension": 3}}, "resonator.tension", "A pipe has none"),
        ({"resonator": {"kind": "plate", "radius": 1, "length": 2}}, "resonator.length", "A plate has none beside a radius"),
        ({"resonator": {"kind": "membrane", "tension": {"value": 2, "unit": "N/m"}}}, "resonator.tension", "such as N"),
        ({"orbit": {"eccentricity": 0.5}}, "orbit.period", "period (s) or a semi_major_axis (m)"),
        ({"orbit": {"period": 1, "eccentricity": 1}}, "orbit.eccentricity", "0 to 0.99"),
        ({"orbit": {"period": 1, "parent_body_id": NOWHERE}}, "orbit.parent_body_id", "no such body"),
        ({"color": "blue"}, "color", "#4f7cff"),
        ({"citation": "x" * 501}, "citation", "500"),
        ({"wings": 2}, "wings", "Unknown field"),
        ({"scene_id": NOWHERE}, "scene_id", "Unknown field"),
    ],
)
def test_a_body_that_is_not_valid_is_refused_and_named(
    ada: Any, scene: dict[str, Any], fields: dict[str, Any], path: str, words: str
) -> None:
    found = refusal(ada.post(f"/scenes/{scene['id']}/bodies", json={"name": "Body", **fields}))
    assert words in at(found, path)
    assert ada.get(f"/scenes/{scene['id']}/bodies").json["items"] == []


def test_a_polygon_and_a_box_are_kept_as_given(ada: Any, scene: dict[str, Any]) -> None:
    triangle = {"vertices": [[0, 0], [1, 0], [0, {"value": 50, "unit": "cm"}]]}
    assert make_body(ada, scene["id"], shape="polygon", size=triangle)["size"] == {"vertices": [[0.0, 0.0], [1.0, 0.0], [0.0, 0.5]]}
    assert make_body(ada, scene["id"], shape="box", size={"width": 2, "height": 1})["size"] == {"width": 2.0, "height": 1.0}


def test_a_patch_of_a_body_merges_vectors_and_orbit_and_replaces_size(ada: Any, scene: dict[str, Any]) -> None:
    body = make_body(
        ada, scene["id"], shape="circle", size={"radius": 1}, position={"x": 1, "y": 2}, orbit={"period": 5, "eccentricity": 0.5}
    )
    path = f"/bodies/{body['id']}"
    changed = ada.patch(path, json={"position": {"y": 3}, "orbit": {"period": 6}}).json
    assert changed["position"] == {"x": 1.0, "y": 3.0, "z": 0.0}
    assert (changed["orbit"]["period"], changed["orbit"]["eccentricity"]) == (6.0, 0.5)
    assert ada.patch(path, json={"position": {"x": None}, "mass": None, "orbit": None}).json["position"] == {"x": 0.0, "y": 3.0, "z": 0.0}
    assert "A box needs a width" in at(refusal(ada.patch(path, json={"shape": "box"})), "size.width")
    boxed = ada.patch(path, json={"shape": "box", "size": {"width": 1, "height": 2}}).json
    assert boxed["size"] == {"width": 1.0, "height": 2.0}
    assert boxed["orbit"] is None
    assert refusal(ada.patch(path, json={"shape": None, "name": None})) == {"name": ["Field may not be null."]}


def test_a_period_and_an_axis_must_agree_with_the_masses(ada: Any, scene: dict[str, Any]) -> None:
    star = make_body(ada, scene["id"], "Sun", **STAR)
    earth = {"semi_major_axis": {"value": 1, "unit": "au"}, "period": YEAR, "parent_body_id": star["id"]}
    planet = make_body(ada, scene["id"], "Earth", mass=5.97e24, orbit=earth)
    assert planet["orbit"]["semi_major_axis"] == pytest.approx(149597870700.0)
    found = refusal(ada.patch(f"/bodies/{planet['id']}", json={"orbit": {"period": YEAR * 1.02}}))
    assert "Kepler's third law" in at(found, "orbit.period")
    # Without a named parent the heaviest static body is it.
    assert "Kepler" in str(
        refusal(ada.post(f"/scenes/{scene['id']}/bodies", json={"name": "x", "orbit": {"semi_major_axis": 1e11, "period": 1}}))
    )
    # What disagrees since the star changed may still be renamed.
    assert ada.patch(f"/bodies/{star['id']}", json={"mass": 1e30}).status_code == 200
    assert ada.patch(f"/bodies/{planet['id']}", json={"name": "Terra"}).status_code == 200
    assert "Kepler" in str(refusal(ada.patch(f"/bodies/{planet['id']}", json={"mass": 6e24})))


def test_orbits_do_not_go_round_in_a_circle(ada: Any, scene: dict[str, Any]) -> None:
    one = make_body(ada, scene["id"], "one", orbit={"period": 1})
    two = make_body(ada, scene["id"], "two", orbit={"period": 1, "parent_body_id": one["id"]})
    for parent in (one, two):
        found = refusal(ada.patch(f"/bodies/{one['id']}", json={"orbit": {"parent_body_id": parent["id"]}}))
        assert "may not orbit itself" in at(found, "orbit.parent_body_id")
    elsewhere = make_scene(ada, scene["universe_id"])
    found = refusal(ada.post(f"/scenes/{elsewhere['id']}/bodies", json={"name": "x", "orbit": {"period": 1, "parent_body_id": one["id"]}}))
    assert "no such body in this scene" in at(found, "orbit.parent_body_id")


def test_a_body_that_others_need_stays(ada: Any, scene: dict[str, Any]) -> None:
    star = make_body(ada, scene["id"], "Sun", **STAR)
    planet = make_body(ada, scene["id"], "Earth", orbit={"period": YEAR, "parent_body_id": star["id"]})
    refused = ada.delete(f"/bodies/{star['id']}")
    assert (refused.status_code, refused.json["code"]) == (409, "CONFLICT")
    assert "Earth" in refused.json["message"]
    voice = make_part(ada, scene["id"], "voices", name="v")
    source = {"bodies": [planet["id"]], "quantity": "speed"}
    mapping = make_part(ada, scene["id"], "mappings", voice_id=voice["id"], source=source, target="pan", range={"min": -1, "max": 1})
    assert mapping["id"] in ada.delete(f"/bodies/{planet['id']}").json["message"]
    for path in (f"/mappings/{mapping['id']}", f"/bodies/{planet['id']}", f"/bodies/{star['id']}"):
        assert ada.delete(path).status_code == 204


def test_bodies_stand_in_an_order_of_their_own(ada: Any, scene: dict[str, Any]) -> None:
    first = make_body(ada, scene["id"], "first")
    make_body(ada, scene["id"], "third")
    second = make_body(ada, scene["id"], "second", after_id=first["id"])
    path = f"/scenes/{scene['id']}/bodies"
    assert names(ada.get(path)) == ["first", "second", "third"]
    assert ada.patch(f"/bodies/{second['id']}", json={"before_id": first["id"]}).status_code == 200
    assert names(ada.get(path)) == ["second", "first", "third"]
    assert names(ada.get(f"{path}?sort=-name&limit=1")) == ["third"]


def test_an_id_may_be_chosen_once(ada: Any, scene: dict[str, Any]) -> None:
    chosen = str(uuid.uuid4())
    assert make_body(ada, scene["id"], id=chosen)["id"] == chosen
    path = f"/scenes/{scene['id']}/bodies"
    assert ada.post(path, json={"name": "b", "id": chosen}).status_code == 409
    ada.delete(f"/bodies/{chosen}")
    assert ada.post(path, json={"name": "b", "id": chosen}).status_code == 410


def test_any_spelling_of_an_id_is_the_same_id(ada: Any, scene: dict[str, Any]) -> None:
    body = make_body(ada, scene["id"])
    assert ada.get(f"/bodies/{uuid.UUID(body['id']).hex.upper()}").json["id"] == body["id"]


# Constraints


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"kind": "rope"}, "kind", "spring, distance, hinge, pin"),
        ({"kind": "spring", "rest_length": 1}, "stiffness", "A spring needs it, more than 0 to 1000000000 N/m"),
        ({"kind": "hinge", "stiffness": 1}, "stiffness", "A hinge has none"),
        ({"kind": "distance", "rest_length": 1, "damping": 1}, "damping", "A distance has none"),
        ({"kind": "distance", "rest_length": 1, "anchor": {"x": 1}}, "anchor", "not to both"),
        ({"kind": "distance", "rest_length": 1, "other_body_id": None}, "other_body_id", "Needs another body, or an anchor"),
        ({"kind": "pin", "break_force": 0}, "break_force", "N"),
        ({"kind": "pin", "other_body_id": NOWHERE}, "other_body_id", "no such body"),
    ],
)
def test_a_constraint_that_is_not_valid_is_refused(ada: Any, scene: dict[str, Any], fields: dict[str, Any], path: str, words: str) -> None:
    one, two = (make_body(ada, scene["id"], name)["id"] for name in ("one", "two"))
    given = {"body_id": one, "other_body_id": two, **fields}
    assert words in at(refusal(ada.post(f"/scenes/{scene['id']}/constraints", json=given)), path)


def test_constraints_link_different_bodies_of_one_scene_and_go_with_them(ada: Any, scene: dict[str, Any]) -> None:
    one, two = (make_body(ada, scene["id"], name)["id"] for name in ("one", "two"))
    far = make_body(ada, make_scene(ada, scene["universe_id"])["id"])["id"]
    path = f"/scenes/{scene['id']}/constraints"
    assert "another body" in at(refusal(ada.post(path, json={"kind": "pin", "body_id": one, "other_body_id": one})), "other_body_id")
    assert "in this scene" in at(refusal(ada.post(path, json={"kind": "pin", "body_id": one, "other_body_id": far})), "other_body_id")
    spring = made(ada.post(path, json={"kind": "spring", "body_id": one, "other_body_id": two, "stiffness": 5, "rest_length": 1}))
    hung = made(ada.post(path, json={"kind": "distance", "body_id": two, "anchor": {"y": 4}, "rest_length": 1}))
    assert hung["anchor"] == {"x": 0.0, "y": 4.0, "z": 0.0}
    assert ada.patch(f"/constraints/{hung['id']}", json={"anchor": {"x": 1}}).json["anchor"] == {"x": 1.0, "y": 0.0, "z": 0.0}
    assert ada.delete(f"/bodies/{one}").status_code == 204
    assert ada.get(f"/constraints/{spring['id']}").status_code == 404
    assert ada.get(f"/constraints/{hung['id']}").status_code == 200


# Voices


def test_a_new_voice_has_every_default_filled_in(ada: Any, scene: dict[str, Any]) -> None:
    voice = make_part(ada, scene["id"], "voices", name="Bars")
    assert voice["instrument"] == "modal"
    assert voice["parameters"] == {}
    assert voice["adsr"] == {"attack_s": 0.002, "decay_s": 0.0, "sustain": 1.0, "release_s": 0.05}
    assert (voice["gain_db"], voice["pan"], voice["midi_channel"], voice["mute"]) == (0.0, 0.0, None, False)


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"instrument": "kazoo"}, "instrument", "modal"),
        ({"parameters": {"volume": 1}}, "parameters.volume", "No instrument has"),
        ({"parameters": {"decay_s": 31}}, "parameters.decay_s", "0.05 to 30 s"),
        ({"parameters": {"decay_s": {"value": 31000, "unit": "ms"}}}, "parameters.decay_s", "0.05 to 30 s"),
        ({"parameters": {"decay_s": {"value": 1, "unit": "Hz"}}}, "parameters.decay_s", "another dimension"),
        ({"parameters": {"decay_s": True}}, "parameters.decay_s", "number"),
        ({"parameters": {"decay_s": [1]}}, "parameters.decay_s", "number"),
        ({"parameters": {"resonator": "gong"}}, "parameters.resonator", "bar, string"),
        ({"parameters": {"resonator": {"value": 1, "unit": "m"}}}, "parameters.resonator", "word"),
        ({"instrument": "sine", "parameters": {"stiffness": 0}}, "parameters.stiffness", "sine has no such parameter"),
        ({"parameters": []}, "parameters", "object"),
        ({"gain_db": 7}, "gain_db", "-60 to 6 dB"),
        ({"pan": -2}, "pan", "-1 to 1"),
        ({"adsr": {"attack_s": 0}}, "adsr.attack_s", "0.002 to 10 s"),
        ({"midi_channel": 17}, "midi_channel", "1 to 16"),
        ({"midi_program": 1.5}, "midi_program", "whole number"),
        ({"automation": [{"target": "pan"}]}, "automation.0.points", "Missing"),
        ({"automation": [{"target": "tone", "points": []}]}, "automation.0.target", "gain_db, pan"),
        ({"automation": [_lane("pan", (0, 2))]}, "automation.0.points.0.value", "-1 to 1"),
        ({"automation": [_lane("gain_db", (0, 0), (0, 1))]}, "automation.0.points.1.t_s", "after the point before"),
        ({"automation": [_lane("gain_db", (601, 0))]}, "automation.0.points.0.t_s", "0 to 600 s"),
        ({"automation": [_lane("pan", (0, 0)), _lane("pan", (0, 0))]}, "automation", "one lane for each target"),
    ],
)
def test_a_voice_that_is_not_valid_is_refused(ada: Any, scene: dict[str, Any], fields: dict[str, Any], path: str, words: str) -> None:
    assert words in at(refusal(ada.post(f"/scenes/{scene['id']}/voices", json={"name": "Voice", **fields})), path)


def test_automation_of_a_voice_is_one_value_with_units(ada: Any, scene: dict[str, Any]) -> None:
    voice = make_part(ada, scene["id"], "voices", name="v", automation=[_lane("pan", ({"value": 250, "unit": "ms"}, 1))])
    assert voice["automation"] == [{"target": "pan", "curve": "linear", "points": [{"t_s": 0.25, "value": 1.0}]}]
    step = {**_lane("gain_db", (0, -6), (2, 0)), "curve": "step"}
    changed = ada.patch(f"/voices/{voice['id']}", json={"automation": [step]}).json
    assert [lane["target"] for lane in changed["automation"]] == ["gain_db"]
    assert refusal(ada.patch(f"/voices/{voice['id']}", json={"automation": [{"target": "pan"}]}))
    assert ada.patch(f"/voices/{voice['id']}", json={"automation": None}).json["automation"] == []


def test_parameters_of_a_voice_merge_by_name_and_null_returns_one_to_its_default(ada: Any, scene: dict[str, Any]) -> None:
    voice = make_part(ada, scene["id"], "voices", name="v", parameters={"decay_s": {"value": 300, "unit": "ms"}, "brightness": 0.2})
    assert voice["parameters"] == {"decay_s": 0.3, "brightness": 0.2}
    path = f"/voices/{voice['id']}"
    assert ada.patch(path, json={"parameters": {"decay_s": 2}, "adsr": {"sustain": 0.5}}).json["parameters"] == {
        "decay_s": 2,
        "brightness": 0.2,
    }
    assert ada.patch(path, json={"parameters": {"decay_s": None}}).json["parameters"] == {"brightness": 0.2}
    assert "sine has no such parameter" in str(refusal(ada.patch(path, json={"instrument": "sine", "parameters": {"stiffness": 0.001}})))
    assert ada.get(path).json["adsr"]["sustain"] == 0.5


# Mappings


@pytest.fixture
def voice(ada: Any, scene: dict[str, Any]) -> str:
    """The id of a voice of the scene."""
    return make_part(ada, scene["id"], "voices", name="Voice")["id"]


COLLISION = {"type": "event", "event": "collision"}
SPEED_TO_PITCH = {"trigger": COLLISION, "source": {"quantity": "speed"}, "target": "pitch", "range": {"min": 100, "max": 900}}


def test_a_new_mapping_has_every_default_filled_in(ada: Any, scene: dict[str, Any], voice: str) -> None:
    mapping = make_part(ada, scene["id"], "mappings", voice_id=voice, **SPEED_TO_PITCH)
    assert mapping["trigger"] == {"type": "event", "event": "collision", "filter": {}}
    assert mapping["source"] == {"bodies": "all", "quantity": "speed"}
    assert (mapping["domain"], mapping["curve"]) == ({"type": "data"}, {"type": "linear"})
    assert (mapping["polarity"], mapping["clamp"]) == (1, "clamp")


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"voice_id": NOWHERE}, "voice_id", "no such voice"),
        ({"target": "colour"}, "target", "pitch"),
        ({"range": {"min": 10, "max": 900}}, "range.min", "16 to 16000 Hz"),
        ({"range": None}, "range", "16 to 16000 Hz"),
        ({"range": {"min": 900, "max": 100}}, "range.min", "above max"),
        ({"source": {"quantity": "taste"}}, "source.quantity", "speed"),
        ({"source": {"quantity": "custom.wind"}}, "source.quantity", "custom"),
        ({"source": {"quantity": "period"}}, "source.quantity", "kepler"),
        ({"source": {"quantity": "speed", "bodies": [NOWHERE]}}, "source.bodies", "no body"),
        ({"source": {"quantity": "speed", "bodies": []}}, "source.bodies", ""),
        ({"source": {"quantity": "speed", "mapping_id": NOWHERE}}, "source.quantity", "one of them"),
        ({"source": {"mapping_id": NOWHERE}}, "source.mapping_id", "no such mapping"),
        ({"trigger": {"type": "continuous", "event": "collision"}}, "trigger.event", "does not take it"),
        ({"trigger": {"type": "event"}}, "trigger.event", "needs it"),
        ({"trigger": {"type": "event", "event": "transit"}}, "trigger.event", "no transit events"),
        ({"trigger": {**COLLISION, "filter": {"min_impulse": -1}}}, "trigger.filter.min_impulse", "0 N*s or more"),
        ({"trigger": {**COLLISION, "filter": {"level": 1}}}, "trigger.filter.level", "collision filter"),
        ({"trigger": {"type": "continuous"}, "source": {"quantity": "impulse"}}, "source.quantity", "Only a collision"),
        ({"domain": {"type": "explicit", "min": 1}}, "domain.max", "needs it"),
        ({"domain": {"type": "data", "min": 1}}, "domain.min", "does not take it"),
        ({"domain": {"type": "percentile", "low": 5, "high": 101}}, "domain.high", "0 to 100"),
        ({"domain": {"type": "explicit", "min": 2, "max": 1}}, "domain.min", "below"),
        ({"curve": {"type": "power"}}, "curve.exponent", "needs it"),
        ({"curve": {"type": "frequency_scale", "factor": 2}, "range": None}, "curve.type", "m/s"),
        ({"polarity": 0}, "polarity", "1 or -1"),
        ({"polarity": "1"}, "polarity", ""),
        ({"clamp": "bounce"}, "clamp", "error, clamp, drop"),
    ],
)
def test_a_mapping_that_is_not_valid_is_refused(
    ada: Any, scene: dict[str, Any], voice: str, fields: dict[str, Any], path: str, words: str
) -> None:
    given = {"voice_id": voice, **SPEED_TO_PITCH, **fields}
    assert words in at(refusal(ada.post(f"/scenes/{scene['id']}/mappings", json=given)), path)
    assert ada.get(f"/scenes/{scene['id']}/mappings").json["items"] == []


def test_a_custom_parameter_can_be_read_once_it_is_in_force(ada: Any, scene: dict[str, Any], voice: str) -> None:
    make_set(ada, universe_id=scene["universe_id"], custom={"wind": {"value": 3, "unit": "m/s"}})
    fields = {**SPEED_TO_PITCH, "source": {"quantity": "custom.wind"}}
    assert make_part(ada, scene["id"], "mappings", voice_id=voice, **fields)["source"]["quantity"] == "custom.wind"


def test_mappings_do_not_read_each_other_in_a_circle(ada: Any, scene: dict[str, Any], voice: str) -> None:
    one = make_part(ada, scene["id"], "mappings", voice_id=voice, **SPEED_TO_PITCH)
    two = make_part(ada, scene["id"], "mappings", voice_id=voice, **{**SPEED_TO_PITCH, "source": {"mapping_id": one["id"]}})
    found = refusal(ada.patch(f"/mappings/{one['id']}", json={"source": {"mapping_id": two["id"]}}))
    assert "circle" in at(found, "source.mapping_id")
    refused = ada.delete(f"/mappings/{one['id']}")
    assert refused.status_code == 409
    assert two["id"] in refused.json["message"]
    assert ada.delete(f"/mappings/{two['id']}").status_code == 204
    assert ada.delete(f"/mappings/{one['id']}").status_code == 204


def test_a_voice_goes_with_its_mappings_unless_others_read_them(ada: Any, scene: dict[str, Any], voice: str) -> None:
    other = make_part(ada, scene["id"], "voices", name="Other")["id"]
    one = make_part(ada, scene["id"], "mappings", voice_id=voice, **SPEED_TO_PITCH)
    two = make_part(ada, scene["id"], "mappings", voice_id=other, **{**SPEED_TO_PITCH, "source": {"mapping_id": one["id"]}})
    assert ada.delete(f"/voices/{voice}").status_code == 409
    assert ada.patch(f"/mappings/{two['id']}", json={"voice_id": voice}).status_code == 200
    assert ada.delete(f"/voices/{voice}").status_code == 204
    assert ada.get(f"/scenes/{scene['id']}/mappings").json["items"] == []
    assert ada.delete(f"/voices/{other}").status_code == 204


def test_a_change_of_the_solver_names_the_mapping_that_it_does_not_fit(ada: Any, scene: dict[str, Any], voice: str) -> None:
    path = f"/scenes/{scene['id']}"
    assert scene["solver"] == "ballistic"
    held = {**SPEED_TO_PITCH, "trigger": {"type": "continuous"}}
    one = make_part(ada, scene["id"], "mappings", voice_id=voice, **{**SPEED_TO_PITCH, "trigger": COLLISION})
    fits = make_part(ada, scene["id"], "mappings", voice_id=voice, **held)
    refused = ada.patch(path, json={"solver": "kepler"})
    assert one["id"] in at(refusal(refused), "solver")
    assert "no collision events" in at(refusal(refused), "solver")
    assert ada.get(path).json["solver"] == "ballistic"
    assert ada.patch(path, json={"name": "Still"}).status_code == 200
    assert ada.delete(f"/mappings/{one['id']}").status_code == 204
    assert ada.patch(path, json={"solver": "kepler"}).json["solver"] == "kepler"
    orbital = make_part(ada, scene["id"], "mappings", voice_id=voice, **{**held, "source": {"quantity": "period"}})
    found = at(refusal(ada.patch(path, json={"solver": "ballistic"})), "solver")
    assert orbital["id"] in found
    assert fits["id"] not in found


def test_a_change_of_a_mapping_names_the_one_that_reads_it_and_would_not_fit(ada: Any, scene: dict[str, Any], voice: str) -> None:
    held = {**SPEED_TO_PITCH, "trigger": {"type": "continuous"}}
    one = make_part(ada, scene["id"], "mappings", voice_id=voice, **held)
    scaled = {"target": "pitch", "source": {"mapping_id": one["id"]}, "curve": {"type": "frequency_scale", "factor": 2}, "range": None}
    two = make_part(ada, scene["id"], "mappings", voice_id=voice, **{**held, **scaled})
    pan = {"target": "pan", "range": {"min": -1, "max": 1}}
    three = make_part(ada, scene["id"], "mappings", voice_id=voice, **{**held, **pan, "source": {"mapping_id": two["id"]}})
    path = f"/mappings/{one['id']}"
    found = at(refusal(ada.patch(path, json=pan)), "target")
    assert two["id"] in found
    assert "Hz or s" in found
    assert ada.get(path).json["target"] == "pitch"
    rate = {"target": "rate", "range": {"min": 1, "max": 2}}
    assert ada.patch(path, json=rate).status_code == 200, "a rate is in Hz too"
    assert ada.patch(path, json={"range": {"min": 1, "max": 3}}).status_code == 200
    assert ada.patch(f"/mappings/{three['id']}", json={"polarity": -1}).status_code == 200
    for mapping in (three, two):
        assert ada.delete(f"/mappings/{mapping['id']}").status_code == 204
    assert ada.patch(path, json=pan).status_code == 200


def test_a_change_of_what_a_mapping_reads_reaches_those_at_the_end_of_the_chain(ada: Any, scene: dict[str, Any], voice: str) -> None:
    hit = {"trigger": COLLISION, "source": {"quantity": "speed"}}
    one = make_part(ada, scene["id"], "mappings", voice_id=voice, **{**SPEED_TO_PITCH, **hit})
    two = make_part(ada, scene["id"], "mappings", voice_id=voice, **{**SPEED_TO_PITCH, **hit, "source": {"mapping_id": one["id"]}})
    held = {"trigger": {"type": "continuous"}, "source": {"mapping_id": two["id"]}}
    three = make_part(ada, scene["id"], "mappings", voice_id=voice, **{**SPEED_TO_PITCH, **held})
    found = at(refusal(ada.patch(f"/mappings/{one['id']}", json={"source": {"quantity": "impulse"}})), "source")
    assert three["id"] in found
    assert "Only a collision" in found


def test_what_did_not_fit_before_does_not_hold_up_another_change(ada: Any, scene: dict[str, Any], voice: str) -> None:
    wind = make_set(ada, universe_id=scene["universe_id"], custom={"wind": {"value": 3, "unit": "m/s"}})
    held = {**SPEED_TO_PITCH, "trigger": {"type": "continuous"}, "source": {"quantity": "custom.wind"}}
    make_part(ada, scene["id"], "mappings", voice_id=voice, **held)
    assert ada.patch(f"/physics-parameters/{wind['id']}", json={"custom": {"wind": None}}).status_code == 200
    assert ada.patch(f"/scenes/{scene['id']}", json={"solver": "kepler"}).status_code == 200


def test_a_body_added_just_now_can_be_named_by_a_mapping_and_one_that_has_gone_cannot(ada: Any, scene: dict[str, Any], voice: str) -> None:
    ball = make_body(ada, scene["id"])
    named = {**SPEED_TO_PITCH, "source": {"quantity": "speed", "bodies": [ball["id"]]}}
    mapping = make_part(ada, scene["id"], "mappings", voice_id=voice, **named)
    copy = made(ada.post(f"/scenes/{scene['id']}/duplicate", json={}))
    (copied,) = ada.get(f"/scenes/{copy['id']}/mappings").json["items"]
    assert copied["source"]["bodies"] == [item["id"] for item in ada.get(f"/scenes/{copy['id']}/bodies").json["items"]]
    ada.delete(f"/mappings/{mapping['id']}")
    ada.delete(f"/bodies/{ball['id']}")
    found = refusal(ada.post(f"/scenes/{scene['id']}/mappings", json={"voice_id": voice, **named}))
    assert "no body" in at(found, "source.bodies")


def test_parts_keep_preconditions_and_say_what_is_gone(ada: Any, scene: dict[str, Any], voice: str) -> None:
    path = f"/voices/{voice}"
    tag = ada.get(path).headers["ETag"]
    assert ada.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert ada.put(path, json={"name": "New"}, headers={"If-Match": tag}).json["name"] == "New"
    assert ada.put(path, json={"name": "Newer"}, headers={"If-Match": tag}).status_code == 412
    assert [ada.delete(path).status_code for _ in range(2)] == [204, 204]
    assert ada.get(path).status_code == 404
    assert ada.put(path, json={"name": "x"}).status_code == 410


def test_parts_are_as_visible_as_their_universe(ada: Any, person: Any, client: Any) -> None:
    scene = make_scene(ada, make_universe(ada, visibility="public"))
    body = make_body(ada, scene["id"])
    bob = person("bob")
    assert client.get(f"/api/bodies/{body['id']}").status_code == 200
    assert client.patch(f"/api/bodies/{body['id']}", json={"mass": 2}).status_code == 401
    assert bob.patch(f"/bodies/{body['id']}", json={"mass": 2}).status_code == 403
    ada.patch(f"/universes/{scene['universe_id']}", json={"visibility": "private"})
    assert client.get(f"/api/bodies/{body['id']}").status_code == 404
    assert bob.get(f"/scenes/{scene['id']}/bodies").status_code == 404
    assert bob.delete(f"/bodies/{body['id']}").status_code == 404

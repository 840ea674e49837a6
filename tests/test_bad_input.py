"""Bad input over HTTP: each answer is a 4xx in the one shape that names the field, its range and its unit; nothing is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.extensions import db
from tests.scenes.making import make_body, make_part, make_scene, make_set, make_universe

_TEXT = "control characters"
_BIG = "9" * 400


@dataclass
class Place:
    """Where the requests go: somebody with one of everything."""

    owner: Any
    ids: dict[str, str]

    def send(self, method: str, path: str, text: str | bytes) -> Any:
        """The answer to a body as it is, sent to a path with ids to be filled in."""
        return self.owner.request(method, path.format(**self.ids), data=text, content_type="application/json")


@pytest.fixture
def place(person: Callable[[str], Any]) -> Place:
    owner = person("ada")
    universe = make_universe(owner)
    scene = make_scene(owner, universe)["id"]
    physics = make_set(owner, universe_id=universe)["id"]
    body = make_body(owner, scene, shape="circle", size={"radius": 0.1})["id"]
    spring = {"kind": "spring", "body_id": body, "anchor": {"x": 0, "y": 1, "z": 0}, "stiffness": 1, "rest_length": 1}
    constraint = make_part(owner, scene, "constraints", **spring)["id"]
    voice = make_part(owner, scene, "voices", name="Voice", instrument="sine")["id"]
    ids = {"universe": universe, "scene": scene, "set": physics, "body": body, "constraint": constraint, "voice": voice}
    return Place(owner, ids)


NUMBERS = [
    ("PATCH", "/physics-parameters/{set}", '{"gravity": {"y": %s}}', "gravity.y", "-300 to 300 m/s^2"),
    ("PATCH", "/physics-parameters/{set}", '{"temperature": %s}', "temperature", "0 to 10000 K"),
    ("PATCH", "/physics-parameters/{set}", '{"bounds": {"min": {"y": %s}}}', "bounds.min.y", "-1e+15 to 1e+15 m"),
    ("POST", "/physics-parameters/validate", '{"pressure": %s}', "pressure", "0 to 10000000 Pa"),
    ("POST", "/universes/{universe}/scenes", '{"name": "S", "duration_s": %s}', "duration_s", "0.1 to 600 s"),
    ("PUT", "/universes/{universe}/harmony", '{"a4_hz": %s}', "a4_hz", "380 to 480 Hz"),
    ("POST", "/scenes/{scene}/bodies", '{"name": "B", "mass": %s}', "mass", "kg"),
    ("PATCH", "/bodies/{body}", '{"velocity": {"x": %s}}', "velocity.x", "m/s"),
    ("PATCH", "/constraints/{constraint}", '{"stiffness": %s}', "stiffness", "N/m"),
    ("PATCH", "/voices/{voice}", '{"gain_db": %s}', "gain_db", "-60 to 6 dB"),
    ("POST", "/audio/generate", '{"scene_id": "{scene}", "sample_rate": %s}', "sample_rate", "8000 to 192000 Hz"),
    ("POST", "/scenes/{scene}/simulate", '{"duration_s": %s}', "duration_s", "0.1 to 600 s"),
]
"""Quantities of every room: how they are sent, and their range and unit as an error tells them."""


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e309", "1e300"])
@pytest.mark.parametrize(("method", "path", "body", "field", "told"), NUMBERS)
def test_a_number_that_is_none_or_out_of_range_is_refused_by_field_range_and_unit(
    app: Flask, place: Place, number: str, method: str, path: str, body: str, field: str, told: str
) -> None:
    before = stored(app)
    answer = place.send(method, path, (body % number).replace("{scene}", place.ids["scene"]))
    assert told in refused(answer, field)
    assert stored(app) == before


@pytest.mark.parametrize(("method", "path", "body", "field", "told"), NUMBERS)
def test_a_quantity_of_another_dimension_is_refused_by_field_and_the_unit_that_is_expected(
    app: Flask, place: Place, method: str, path: str, body: str, field: str, told: str
) -> None:
    before = stored(app)
    wrong = '{"value": 1, "unit": "%s"}' % ("A" if "kg" in told else "kg")
    answer = place.send(method, path, (body % wrong).replace("{scene}", place.ids["scene"]))
    message = refused(answer, field)
    assert "dimension" in message
    assert told.rsplit(maxsplit=1)[-1] in message
    assert stored(app) == before


def test_gravity_in_kg_is_refused_by_the_dimension_of_gravity(app: Flask, place: Place) -> None:
    before = stored(app)
    for gravity in ('{"value": 9.81, "unit": "kg"}', '{"y": {"value": -9.81, "unit": "kg"}}'):
        answer = place.send("PATCH", "/physics-parameters/{set}", f'{{"gravity": {gravity}}}')
        message = refused(answer, "gravity.y" if "y" in answer.json["errors"]["gravity"] else "gravity")
        assert message == "'kg' is a unit of another dimension; expected a unit such as m/s^2 ([length] / [time] ** 2)."
    assert stored(app) == before


TEXTS = [
    ("POST", "/universes", '{"name": %s}', "name"),
    ("PATCH", "/universes/{universe}", '{"description": %s}', "description"),
    ("POST", "/universes/{universe}/scenes", '{"name": %s}', "name"),
    ("PATCH", "/scenes/{scene}", '{"story": {"text": %s}}', "story.text"),
    ("POST", "/scenes/{scene}/bodies", '{"name": %s}', "name"),
    ("PATCH", "/voices/{voice}", '{"name": %s}', "name"),
    ("PATCH", "/physics-parameters/{set}", '{"name": %s}', "name"),
    ("PATCH", "/users/me", '{"bio": %s}', "bio"),
    ("POST", "/auth/change-password", '{"current_password": "correct horse battery", "new_password": %s}', "new_password"),
]


@pytest.mark.parametrize(("method", "path", "body", "field"), TEXTS)
def test_text_with_nul_is_refused_by_field(app: Flask, place: Place, method: str, path: str, body: str, field: str) -> None:
    before = stored(app)
    answer = place.send(method, path, body % r'"nine\u0000lives"')
    assert _TEXT in refused(answer, field)
    assert stored(app) == before


@pytest.mark.parametrize(("method", "path", "body", "field"), TEXTS)
def test_text_that_is_no_utf_8_cannot_be_read_and_the_answer_says_where(
    app: Flask, place: Place, method: str, path: str, body: str, field: str
) -> None:
    before = stored(app)
    for text in (b'"\xff\xfe"', rb'"\ud800"', b'"\x00"'):
        answer = place.send(method, path, body.encode() % text)
        assert (answer.status_code, answer.json["code"]) == (400, "BAD_PAYLOAD")
        assert "line 1 column" in in_one_shape(answer)["message"]
    assert stored(app) == before


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/universes", '{"name": "U", "warp": 9}', "warp"),
        ("PATCH", "/universes/{universe}", '{"harmony": {"warp": 9}}', "harmony.warp"),
        ("POST", "/universes/{universe}/collaborators", '{"username": "bob", "warp": 9}', "warp"),
        ("PATCH", "/scenes/{scene}", '{"transition": {"warp": 9}}', "transition.warp"),
        ("PATCH", "/bodies/{body}", '{"position": {"w": 9}}', "position.w"),
        ("PATCH", "/constraints/{constraint}", '{"warp": 9}', "warp"),
        ("PATCH", "/voices/{voice}", '{"adsr": {"warp": 9}}', "adsr.warp"),
        ("PATCH", "/physics-parameters/{set}", '{"gravity": {"warp": 9}}', "gravity.warp"),
        ("PATCH", "/physics-parameters/{set}", '{"custom": {"wind": {"value": 1, "warp": 9}}}', "custom.wind.warp"),
        ("POST", "/audio/generate", '{"scene_id": "00000000-0000-4000-8000-000000000000", "warp": 9}', "warp"),
        ("POST", "/scenes/{scene}/simulate", '{"warp": 9}', "warp"),
        ("POST", "/universes/from-reference", '{"system": "trappist_1", "warp": 9}', "warp"),
        ("POST", "/universes/from-template", '{"template": "bouncing_ball", "warp": 9}', "warp"),
        ("PATCH", "/users/me", '{"warp": 9}', "warp"),
        ("PUT", "/users/me/settings", '{"warp": 9}', "warp"),
        ("GET", "/universes?warp=9", "", "warp"),
        ("GET", "/jobs?warp=9", "", "warp"),
    ],
)
def test_an_unknown_field_is_refused_by_name(app: Flask, place: Place, method: str, path: str, body: str, field: str) -> None:
    before = stored(app)
    assert refused(place.send(method, path, body), field) == "Unknown field."
    assert stored(app) == before


@pytest.mark.parametrize("text", ["", "{", '{"name": "U",}', "[" * 900, "{'name': 'U'}", f'{{"seed": {_BIG}}}'])
def test_a_body_that_is_no_json_cannot_be_read_and_the_answer_says_where(app: Flask, place: Place, text: str) -> None:
    before = stored(app)
    for path in ("/universes", "/universes/{universe}/scenes", "/physics-parameters", "/audio/generate"):
        answer = place.send("POST", path, text)
        assert answer.status_code == 400, answer.text
        assert in_one_shape(answer)["message"].startswith("The body is not valid JSON: ")
    assert stored(app) == before


def refused(answer: Any, field: str) -> str:
    """What a 422 says of a field, by its dotted name: the one thing that it says."""
    assert answer.status_code == 422, f"{answer.status_code} {answer.text}"
    found = in_one_shape(answer)["errors"]
    for name in field.split("."):
        assert set(found) == {name}, answer.text
        found = found[name]
    assert len(found) == 1, answer.text
    return str(found[0])


def in_one_shape(answer: Any) -> dict[str, Any]:
    """The error of an answer, in the shape of every error."""
    assert answer.content_type == "application/json"
    assert (
        {"status_code", "code", "message", "request_id"} <= answer.json.keys() <= {"status_code", "code", "message", "request_id", "errors"}
    )
    assert (answer.json["status_code"], answer.json["request_id"]) == (answer.status_code, answer.headers["X-Request-Id"])
    found: dict[str, Any] = answer.json
    return found


def stored(app: Flask) -> dict[str, list[Any]]:
    """Every row of every table: universes with their revisions, the whole log, and all else."""
    with app.app_context(), db.engine.connect() as connection:
        return {table.name: sorted(map(repr, connection.execute(sa.select(table)))) for table in db.metadata.sorted_tables}


SEEDS = [
    ("PATCH", "/universes/{universe}"),
    ("POST", "/scenes/{scene}/simulate"),
    ("POST", "/scenes/{scene}/score"),
    ("POST", "/audio/generate"),
]


@pytest.mark.parametrize("seed", [-1, 1.5, True, "", "-1", "0x10", "1.0", str(2**64), "9" * 21, [7]])
def test_a_seed_is_refused_in_the_same_words_wherever_it_is_given(place: Place, seed: Any) -> None:
    found = set()
    for method, path in SEEDS:
        scene = {"scene_id": place.ids["scene"]} if path == "/audio/generate" else {}
        answer = place.owner.request(method, path.format(**place.ids), json={**scene, "seed": seed})
        assert answer.status_code == 422, f"{path} {answer.text}"
        found.add(str(answer.json["errors"]["seed"]))
    assert found == {"['Must be a whole number from 0 to 18446744073709551615, or its decimal digits.']"}


@pytest.mark.parametrize(("seed", "kept"), [(7, "7"), (7.0, "7"), ("007", "7"), (str(2**64 - 1), str(2**64 - 1))])
def test_a_seed_is_taken_in_the_same_spellings_wherever_it_is_given(place: Place, seed: Any, kept: str) -> None:
    assert place.owner.patch("/universes/{universe}".format(**place.ids), json={"seed": seed}).json["seed"] == kept
    for path, what in (("simulate", "simulation"), ("score", "score")):
        answer = place.owner.post(f"/scenes/{place.ids['scene']}/{path}", json={"seed": seed}, headers={"Prefer": "wait=0"})
        assert answer.json[what]["seed"] == kept

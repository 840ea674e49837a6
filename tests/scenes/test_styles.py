"""Styles: what they give a scene, as one change that can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.changes.verify import snapshot, verify
from app.engine.perform import score_of, simulate
from app.extensions import db
from app.reference.styles import STYLES, style
from app.scenes import service
from tests.scenes.making import refusal

TEMPLATES = {
    "ballistic": "bouncing_ball",
    "rigid": "newtons_cradle",
    "particles": "spring_chain",
    "kepler": "trappist_1",
    "nbody": "trappist_1",
    "resonator": "struck_bars",
}
HERE = {"X-Client-Id": "tab"}


@pytest.fixture
def ada(person: Callable) -> Any:
    return person("ada")


class Piece:
    """A universe made of a template, and its scene; at the end its log adds up."""

    def __init__(self, owner: Any, solver: str) -> None:
        made = owner.post("/universes/from-template", json={"template": TEMPLATES[solver]})
        assert made.status_code == 201, made.text
        self.owner, self.universe = owner, made.json["id"]
        self.scene = owner.get(f"/universes/{self.universe}/scenes").json["items"][0]["id"]
        given = {"duration_s": 3, **({"solver": "nbody"} if solver == "nbody" else {})}
        answer = owner.patch(f"/scenes/{self.scene}", json=given)
        assert answer.status_code == 200, answer.text

    def apply(self, name: str, by: Any = None, **headers: str) -> Any:
        return (by or self.owner).post(f"/scenes/{self.scene}/apply-style", json={"style": name}, headers={**HERE, **headers})

    def document(self) -> Any:
        found = self.owner.get(f"/universes/{self.universe}/document").json
        return {key: value for key, value in found.items() if key != "revision"}

    def parts(self, collection: str) -> list[Any]:
        found: list[Any] = self.owner.get(f"/scenes/{self.scene}/{collection}").json["items"]
        return found

    def undo(self, way: str = "undo") -> Any:
        return self.owner.post(f"/universes/{self.universe}/{way}", json={}, headers=HERE)


@pytest.fixture
def piece(app: Flask, ada: Any) -> Any:
    made: list[Piece] = []

    def make(solver: str) -> Piece:
        made.append(Piece(ada, solver))
        return made[-1]

    yield make
    with app.app_context(), snapshot(db.engine) as session:
        assert [verify(session, UUID(one.universe)) for one in made] == [[] for _ in made]


def test_styles_are_listed_with_what_they_give(client: Any) -> None:
    listed = client.get("/api/audio/styles").json["items"]
    assert [one["name"] for one in listed] == list(STYLES)
    assert len({one["title"] for one in listed}) == len(listed) >= 6
    for one in listed:
        assert one["description"] and one["solvers"] and one["voices"] and one["mappings"]
    assert {solver for one in listed for solver in one["solvers"]} == set(TEMPLATES)


@pytest.mark.parametrize("solver", list(TEMPLATES))
def test_every_style_sounds_on_every_solver_that_it_suits(app: Flask, piece: Any, solver: str) -> None:
    given = piece(solver)
    for name in (one for one in STYLES if solver in style(one)["solvers"]):
        answer = given.apply(name)
        assert answer.status_code == 200, answer.text
        with app.app_context():
            score = score_of(simulate(service.snapshot(UUID(given.scene))))
        assert {voice["name"] for voice in score.voices} == {voice["name"] for voice in style(name)["voices"]}
        assert score.notes, name
        assert score.report["dissonance"]["left_out"] == 0
        assert (score.tempo_bpm, score.a4_hz) == (style(name)["harmony"].get("tempo_bpm", score.tempo_bpm), 440.0)


def test_a_style_is_one_change_that_is_undone_and_done_again(piece: Any) -> None:
    given = piece("ballistic")
    before, revision = given.document(), given.owner.get(f"/universes/{given.universe}").json["revision"]
    answer = given.apply("harp")
    assert answer.json == {"scene_id": given.scene, "style": "harp", "revision": revision + 1}
    assert answer.headers["X-Universe-Revision"] == str(revision + 1)
    rows = given.owner.get(f"/universes/{given.universe}/history?since={revision}").json["items"]
    assert [(row["revision"], row["op"]) for row in rows] == [(revision + 1, "batch")]
    scene = given.owner.get(f"/scenes/{given.scene}").json
    assert scene["harmony"].items() >= {"scale": "natural_minor", "tuning": {"type": "just"}, "quantize_pitch": "scale"}.items()
    assert [voice["instrument"] for voice in given.parts("voices")] == ["karplus_strong"]
    assert [mapping["target"] for mapping in given.parts("mappings")] == ["pitch", "loudness", "pan"]
    after = given.document()
    assert given.undo().status_code == 200
    assert given.document() == before
    assert given.undo("redo").status_code == 200
    assert given.document() == after


def test_a_style_takes_the_place_of_the_scenes_own_sound_and_leaves_the_rest(piece: Any) -> None:
    given = piece("particles")  # the template has voices and mappings of its own
    ada, scene = given.owner, f"/scenes/{given.scene}"
    ada.patch(scene, json={"harmony": {"key": "D", "scale": "custom", "scale_cents": [0, 350, 702]}})
    voice = ada.post(f"{scene}/voices", json={"name": "Mine"}).json["id"]
    mapping = {"voice_id": voice, "source": {"quantity": "speed"}, "target": "pitch", "range": {"min": 100, "max": 200}}
    read = ada.post(f"{scene}/mappings", json=mapping).json["id"]
    follower = {"voice_id": voice, "source": {"mapping_id": read}, "target": "pan", "range": {"min": -1, "max": 1}}
    assert ada.post(f"{scene}/mappings", json=follower).status_code == 201
    bodies, constraints = given.parts("bodies"), given.parts("constraints")
    before = given.document()
    assert given.apply("pulse").status_code == 200
    assert [one["name"] for one in given.parts("voices")] == ["Bars"]
    assert ada.get(f"/voices/{voice}").status_code == 404
    harmony = ada.get(scene).json["harmony"]
    assert (harmony["key"], harmony["scale"], harmony["swing"]) == ("D", "minor_pentatonic", 0.62)
    assert "scale_cents" not in harmony
    assert (given.parts("bodies"), given.parts("constraints")) == (bodies, constraints)
    assert given.undo().status_code == 200
    assert given.document() == before


def test_a_style_that_is_there_is_left_and_one_that_was_changed_comes_back(piece: Any) -> None:
    given = piece("ballistic")
    first = given.apply("marimba").json["revision"]
    assert given.apply("marimba").json["revision"] == first
    voice = given.parts("voices")[0]
    given.owner.patch(f"/voices/{voice['id']}", json={"gain_db": -20})
    assert given.apply("marimba").json["revision"] == first + 2
    assert given.parts("voices")[0]["gain_db"] == 0.0
    given.owner.delete(f"/voices/{voice['id']}")
    assert given.apply("marimba").status_code == 200
    assert given.parts("voices")[0]["id"] == voice["id"]


def test_a_repeated_request_is_answered_with_the_first_result(piece: Any) -> None:
    given = piece("ballistic")
    key = {"Idempotency-Key": "one"}
    first = given.apply("marimba", **key)
    assert given.apply("harp").status_code == 200
    again = given.apply("marimba", **key)
    assert again.json == first.json
    assert again.headers["Idempotent-Replayed"] == "true"
    assert [voice["name"] for voice in given.parts("voices")] == ["Strings"]
    assert given.apply("chiptune", **key).status_code == 422


def test_what_does_not_fit_is_refused_by_field(piece: Any) -> None:
    given = piece("kepler")
    before = given.document()
    wrong = refusal(given.apply("marimba"))
    assert "ballistic" in wrong["style"][0] and "spheres" in wrong["style"][0]
    assert list(refusal(given.apply("polka"))) == ["style"]
    assert list(refusal(given.owner.post(f"/scenes/{given.scene}/apply-style", json={}))) == ["style"]
    assert given.document() == before


def test_who_may_not_edit_may_not_restyle_and_collaborators_see_it(person: Callable, piece: Any) -> None:
    given, bob, eve = piece("ballistic"), person("bob"), person("eve")
    assert given.apply("harp", by=bob).status_code == 404
    given.owner.post(f"/universes/{given.universe}/collaborators", json={"user_id": bob.id, "role": "viewer"})
    given.owner.post(f"/universes/{given.universe}/collaborators", json={"user_id": eve.id, "role": "editor"})
    assert given.apply("harp", by=bob).status_code == 403
    assert given.apply("harp", by=eve).status_code == 200
    (row,) = bob.get(f"/universes/{given.universe}/history?limit=100").json["items"][-1:]
    assert (row["actor"]["id"], row["op"]) == (eve.id, "batch")
    assert {item["path"].partition("/")[0] for item in row["after"]["items"]} == {"scenes", "voices"}
    given.owner.delete(f"/scenes/{given.scene}")
    assert given.apply("harp").status_code == 410

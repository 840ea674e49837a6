"""Harmony: what fits together is kept, what does not is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def ada(person: Callable) -> Any:
    return person("ada")


@pytest.fixture
def universe(ada: Any) -> str:
    found: str = ada.post("/universes", json={"name": "One"}).json["id"]
    return found


@pytest.mark.parametrize(
    ("harmony", "at"),
    [
        ({"key": "H"}, ["key"]),
        ({"scale": "hungarian"}, ["scale"]),
        ({"scale": "custom"}, ["scale_cents"]),
        ({"scale": "custom", "scale_cents": [0, 1200]}, ["scale_cents"]),
        ({"scale": "custom", "scale_cents": [0, 300, 200]}, ["scale_cents"]),
        ({"scale": "custom", "scale_cents": [100, 200]}, ["scale_cents"]),
        ({"scale": "major", "scale_cents": [0, 700]}, ["scale_cents"]),
        ({"tempo_bpm": 19}, ["tempo_bpm"]),
        ({"tempo_bpm": {"value": 2, "unit": "kg"}}, ["tempo_bpm"]),
        ({"a4_hz": 500}, ["a4_hz"]),
        ({"time_signature": "4/5"}, ["time_signature"]),
        ({"tuning": {"type": "meantone"}}, ["tuning", "type"]),
        ({"tuning": {"type": "equal", "divisions": 73}}, ["tuning", "divisions"]),
        ({"tuning": {"type": "just", "divisions": 12}}, ["tuning", "divisions"]),
        ({"tuning": {"type": "equal", "harmonics": 8}}, ["tuning", "harmonics"]),
        ({"tuning": {"type": "harmonic", "harmonics": 0}}, ["tuning", "harmonics"]),
        ({"tuning": {"type": "custom"}}, ["tuning", "degrees"]),
        ({"tuning": {"type": "custom", "degrees": []}}, ["tuning", "degrees"]),
        ({"tuning": {"type": "custom", "degrees": [500, 400]}}, ["tuning", "degrees"]),
        ({"tuning": {"type": "custom", "degrees": [1e309]}}, ["tuning", "degrees"]),
        ({"tuning": {"type": "custom", "degrees": ["2/1"], "root_hz": 0.5}}, ["tuning", "root_hz"]),
        ({"tuning": {"type": "custom", "degrees": ["2/1"], "scl": "x\n1\n2/1"}}, ["tuning", "degrees"]),
        ({"tuning": {"type": "custom", "degrees": ["2/1"], "kbm": "0"}}, ["tuning", "kbm"]),
        ({"tuning": {"type": "custom", "scl": "x\n1\n2/0"}}, ["tuning", "scl"]),
        ({"tuning": {"type": "custom", "scl": "x\n1\n2/1", "kbm": "0\n0\n200"}}, ["tuning", "kbm"]),
        ({"tuning": {"type": "just", "degrees": ["2/1"]}}, ["tuning", "degrees"]),
        ({"range": {"low_hz": 900, "high_hz": 100}}, ["range", "low_hz"]),
        ({"range": {"low_hz": 15}}, ["range", "low_hz"]),
        ({"quantize_pitch": "nearest"}, ["quantize_pitch"]),
        ({"quantize_time": "1/7"}, ["quantize_time"]),
        ({"swing": 0.49}, ["swing"]),
        ({"swing": 0.76}, ["swing"]),
        ({"max_notes_per_second": 201}, ["max_notes_per_second"]),
    ],
)
def test_a_harmony_that_cannot_be_is_refused_by_field(ada: Any, universe: str, harmony: dict[str, Any], at: list[str]) -> None:
    whole = ada.put(f"/universes/{universe}/harmony", json=harmony)
    part = ada.patch(f"/universes/{universe}", json={"harmony": harmony})
    new = ada.post("/universes", json={"name": "Two", "harmony": harmony})
    assert [answer.status_code for answer in (whole, part, new)] == [422, 422, 422]
    for answer in (whole, part, new):
        errors = answer.json["errors"].get("harmony", answer.json["errors"])
        for key in at:
            assert list(errors) == [key], answer.json
            errors = errors[key]
    assert ada.get(f"/universes/{universe}").json["revision"] == 1


def test_put_gives_every_default(ada: Any, universe: str) -> None:
    ada.put(f"/universes/{universe}/harmony", json={"key": "F#", "tempo_bpm": 90, "tuning": {"type": "just"}})
    answer = ada.put(f"/universes/{universe}/harmony", json={"key": "Eb", "scale": "custom", "scale_cents": [0, 386.3, 702]})
    assert answer.json == {
        "key": "Eb",
        "scale": "custom",
        "scale_cents": [0.0, 386.3, 702.0],
        "tempo_bpm": 120.0,
        "time_signature": "4/4",
        "a4_hz": 440.0,
        "tuning": {"type": "equal", "divisions": 12},
        "range": {"low_hz": 16.0, "high_hz": 16000.0},
        "quantize_pitch": "none",
        "quantize_time": "none",
        "swing": 0.5,
        "max_notes_per_second": 40.0,
    }
    assert ada.get(f"/universes/{universe}/harmony").json == answer.json
    assert answer.headers["ETag"] == '"3"'


def test_a_scene_swings_as_its_universe_until_it_says_otherwise(ada: Any, universe: str) -> None:
    ada.patch(f"/universes/{universe}", json={"harmony": {"swing": 0.6, "quantize_time": "1/8"}})
    scene = ada.post(f"/universes/{universe}/scenes", json={"name": "A"}).json["id"]
    assert ada.get(f"/scenes/{scene}/effective").json["harmony"]["swing"] == {"value": 0.6, "from": "universe"}
    assert ada.patch(f"/scenes/{scene}", json={"harmony": {"swing": 0.7}}).status_code == 200
    assert ada.get(f"/scenes/{scene}/effective").json["harmony"]["swing"] == {"value": 0.7, "from": "scene"}
    ada.patch(f"/scenes/{scene}", json={"harmony": {"swing": None}})
    assert ada.get(f"/scenes/{scene}/effective").json["harmony"]["swing"]["value"] == 0.6


@pytest.mark.parametrize("key", ["Cb", "E#", "Fb", "B#", "Fx", "C##", "Abb", "G\u266d", "f\u266f", "D\U0001d12b"])
def test_a_key_stays_spelled_as_it_was_given(ada: Any, universe: str, key: str) -> None:
    assert ada.patch(f"/universes/{universe}", json={"harmony": {"key": key}}).json["harmony"]["key"] == key
    assert ada.get(f"/universes/{universe}/harmony").json["key"] == key


def test_part_of_a_range_is_held_against_the_part_that_stays(ada: Any, universe: str) -> None:
    assert ada.patch(f"/universes/{universe}", json={"harmony": {"range": {"low_hz": 500}}}).status_code == 200
    assert ada.patch(f"/universes/{universe}", json={"harmony": {"range": {"high_hz": 400}}}).status_code == 422
    assert ada.patch(f"/universes/{universe}", json={"harmony": {"range": {"high_hz": {"value": 2, "unit": "kHz"}}}}).status_code == 200
    assert ada.get(f"/universes/{universe}/harmony").json["range"] == {"low_hz": 500.0, "high_hz": 2000.0}


def test_null_takes_a_field_back_to_its_default(ada: Any, universe: str) -> None:
    ada.patch(f"/universes/{universe}", json={"harmony": {"key": "D", "tuning": {"type": "pythagorean"}}})
    answer = ada.patch(f"/universes/{universe}", json={"harmony": {"key": None, "tuning": None}})
    assert (answer.json["harmony"]["key"], answer.json["harmony"]["tuning"]) == ("C", {"type": "equal", "divisions": 12})


def test_a_change_that_no_longer_fits_a_scenes_own_harmony_is_refused(ada: Any, universe: str) -> None:
    ada.post(
        f"/universes/{universe}/scenes", json={"name": "A", "harmony": {"scale_cents": None, "range": {"low_hz": 200, "high_hz": 400}}}
    )
    scene = ada.post(f"/universes/{universe}/scenes", json={"name": "B", "harmony": {"tuning": {"type": "resonance"}}})
    assert scene.status_code == 201
    custom = {"scale": "custom", "scale_cents": [0, 700]}
    assert ada.patch(f"/universes/{universe}", json={"harmony": custom}).status_code == 200
    own = {"name": "C", "harmony": {"scale_cents": [0, 600]}}
    assert ada.post(f"/universes/{universe}/scenes", json=own).status_code == 201
    back = ada.patch(f"/universes/{universe}", json={"harmony": {"scale": "major", "scale_cents": None}})
    assert (back.status_code, list(back.json["errors"]["harmony"])) == (422, ["scale_cents"])


def test_a_scene_with_a_scale_of_its_own_lets_go_of_the_universes_cents(ada: Any, universe: str) -> None:
    ada.put(f"/universes/{universe}/harmony", json={"scale": "custom", "scale_cents": [0, 700]})
    assert ada.post(f"/universes/{universe}/scenes", json={"name": "A", "harmony": {"scale": "dorian"}}).status_code == 201


def test_a_scene_keeps_a_custom_tuning_through_history_and_undo(ada: Any, universe: str) -> None:
    scene = ada.post(f"/universes/{universe}/scenes", json={"name": "A"}).json["id"]
    given = {"type": "custom", "degrees": [386.3, "6:4", "3"], "root_hz": {"value": 0.22, "unit": "kHz"}}
    kept = {"type": "custom", "degrees": [386.3, "3/2", "3/1"], "root_hz": 220.0}
    assert ada.patch(f"/scenes/{scene}", json={"harmony": {"tuning": given}}).json["harmony"] == {"tuning": kept}
    assert ada.get(f"/scenes/{scene}/effective").json["harmony"]["tuning"]["value"] == kept
    assert ada.patch(f"/scenes/{scene}", json={"harmony": {"tuning": {"type": "harmonic"}}}).status_code == 200
    assert ada.get(f"/scenes/{scene}").json["harmony"]["tuning"] == {"type": "harmonic", "harmonics": 16}
    assert ada.post(f"/universes/{universe}/undo", json={}).status_code == 200
    assert ada.get(f"/scenes/{scene}").json["harmony"]["tuning"] == kept


def test_scala_files_become_a_custom_tuning(ada: Any, universe: str) -> None:
    scl = "! bp.scl\n\n 3\n 7/5\n 884.4 cents\n 3/1\n"
    kbm = "0\n0\n127\n60\n69\n440.0\n3\n"
    answer = ada.patch(f"/universes/{universe}", json={"harmony": {"tuning": {"type": "custom", "scl": scl}}})
    assert answer.json["harmony"]["tuning"] == {"type": "custom", "degrees": ["7/5", 884.4, "3/1"]}
    mapped = ada.patch(f"/universes/{universe}", json={"harmony": {"tuning": {"type": "custom", "scl": scl, "kbm": kbm}}})
    # Key 69 is three periods of three keys above key 60.
    assert mapped.json["harmony"]["tuning"]["root_hz"] == pytest.approx(440.0 / 27.0, rel=1e-12)
    wrong = ada.patch(f"/universes/{universe}", json={"harmony": {"tuning": {"type": "custom", "scl": scl.replace("7/5", "7/-5")}}})
    assert wrong.json["errors"] == {"harmony": {"tuning": {"scl": ["Line 4: a ratio must be of numbers above 0."]}}}

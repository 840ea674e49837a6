"""Suggestions: each is heard again here, and does what it says."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from app.engine.errors import Cancelled
from app.engine.perform import score_of, simulate
from app.engine.suggest import suggest
from tests.engine.test_perform import ball, scene

VOICE = {"id": "organ", "name": "Organ", "instrument": "additive", "parameters": {"partials": 6}, "gain_db": 0.0, "pan": 0.0}
MAPPING = {
    "id": "pitch",
    "voice_id": "organ",
    "trigger": {"type": "continuous"},
    "source": {"bodies": "all", "quantity": "mass"},
    "target": "pitch",
    "domain": {"type": "explicit", "min": 100.0, "max": 1000.0},
    "range": {"min": 100.0, "max": 1000.0},
    "curve": {"type": "linear"},
    "polarity": 1,
    "clamp": "clamp",
}


def chord(*pitches: float, **harmony: Any) -> dict[str, Any]:
    """Bodies that hold the pitches (Hz) that their masses say."""
    made = scene("ballistic", [ball(str(place), float(place), 1.0, hz) for place, hz in enumerate(pitches)], 2.0)
    return {**made, "voices": [VOICE], "mappings": [MAPPING], "harmony": {**made["harmony"], **harmony}}


def changed(snapshot: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The snapshot as it is once a change has been sent."""
    if change["collection"] == "scenes":
        return {**snapshot, "harmony": {**snapshot["harmony"], **change["patch"]["harmony"]}}
    rows = copy.deepcopy(snapshot[change["collection"]])
    (row,) = [row for row in rows if row["id"] == change["id"]]
    for name, value in change["patch"].items():
        row[name] = {**row[name], **value} if name == "parameters" else value
    return {**snapshot, change["collection"]: rows}


def dissonance(snapshot: dict[str, Any]) -> float:
    found: float = score_of(simulate(snapshot)).report["dissonance"]["value"]
    return found


def test_every_suggestion_makes_the_scene_as_consonant_as_it_says() -> None:
    given = chord(210.0, 232.0, 305.0, 420.0, quantize_pitch="tuning")
    before = copy.deepcopy(given)
    found = suggest(given, limit=20)
    assert given == before
    assert found["before"] == dissonance(given)
    assert found["reason"] is None and found["tried"] > 30
    kinds = {(item["change"]["collection"], tuple(item["change"]["patch"])) for item in found["items"]}
    assert {collection for collection, _ in kinds} == {"scenes", "mappings", "voices"}
    for item in found["items"]:
        assert item["after"] == dissonance(changed(given, item["change"])) < item["before"] == found["before"]
        assert f"{item['before']:.3f} to {item['after']:.3f}" in item["explanation"]
    merits = [(item["before"] - item["after"]) / (1 + item["distance"]) for item in found["items"]]
    assert merits == sorted(merits, reverse=True)
    assert suggest(given, limit=20) == found
    assert suggest(given, limit=2)["items"] == found["items"][:2]


def test_a_just_chord_in_equal_temperament_is_given_its_pure_ratios_back() -> None:
    """200, 250 and 300 Hz are 4 : 5 : 6; the equal third is 13.7 cents wide of it, so no pitch need move farther than that."""
    found = suggest(chord(264.0, 330.0, 396.0, quantize_pitch="tuning"), limit=20)
    just = next(item for item in found["items"] if item["change"]["patch"].get("harmony", {}).get("tuning") == {"type": "just"})
    assert just["distance"] < 0.137
    assert "just tuning" in just["explanation"] and "cents" in just["explanation"]
    pure = dissonance(chord(264.0, 330.0, 396.0))
    assert just["after"] == pytest.approx(pure, abs=1e-6)


def test_a_softer_instrument_moves_no_pitch() -> None:
    found = suggest(chord(210.0, 260.0, 305.0), limit=20)
    softer = [item for item in found["items"] if item["change"]["collection"] == "voices"]
    assert {name for item in softer for name in item["change"]["patch"]["parameters"]} == {"brightness", "partials"}
    for item in softer:
        ((name, value),) = item["change"]["patch"]["parameters"].items()
        moved = (6 - value) / 63 if name == "partials" else 0.5 - value
        assert item["distance"] == pytest.approx(12 * moved, abs=1e-6)
        assert "no pitch moves" in item["explanation"]


def test_default_voices_and_mappings_are_nobodys_to_change() -> None:
    bouncing = scene("ballistic", [ball(str(place), float(place), 1.0 + 0.1 * place, 1.0 + place) for place in range(5)], 4.0)
    found = suggest(bouncing, limit=20)
    assert found["items"]
    assert {item["change"]["collection"] for item in found["items"]} == {"scenes"}


@pytest.mark.parametrize(("given", "reason"), [(chord(), "no notes"), (chord(300.0), "No two notes"), (chord(300.0, 300.0), "None of the")])
def test_where_nothing_helps_it_is_said_why(given: dict[str, Any], reason: str) -> None:
    found = suggest(given)
    assert found["items"] == []
    assert reason in found["reason"]


def test_a_search_can_be_called_off() -> None:
    seen: list[float] = []

    def watch(fraction: float) -> None:
        seen.append(fraction)
        if fraction > 0.6:
            raise Cancelled

    with pytest.raises(Cancelled):
        suggest(chord(210.0, 260.0), progress=watch)
    assert seen == sorted(seen) and seen[-1] < 0.7

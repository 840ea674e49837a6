"""What a score says of its music, over HTTP."""

from __future__ import annotations

from typing import Any

from tests.audio.conftest import Studio

PATIENT = {"Prefer": "wait=30"}
RESONANT = {"tuning": {"type": "resonance"}, "quantize_pitch": "tuning"}


def scored(studio: Studio, scene_id: Any) -> dict[str, Any]:
    """The finished score of a scene."""
    answer = studio.owner.post(f"/scenes/{scene_id}/score", json={}, headers=PATIENT)
    assert answer.status_code == 201, answer.text
    score: dict[str, Any] = answer.json["score"]
    assert score["status"] == "succeeded", answer.text
    return score


def trappist(studio: Studio) -> tuple[str, str]:
    """The universe of TRAPPIST-1 and its scene."""
    universe = studio.owner.post("/universes/from-reference", json={"system": "trappist_1"}).json["id"]
    scene = studio.owner.get(f"/universes/{universe}/scenes").json["items"][0]["id"]
    return universe, scene


def test_a_score_says_which_interval_names_its_tuning_changed(ada: Studio) -> None:
    _, scene = trappist(ada)
    ada.owner.patch(f"/scenes/{scene}", json={"harmony": RESONANT, "duration_s": 4})
    report = scored(ada, scene)["report"]
    rows = [row for row in report["intervals"] if row["voice_id"] == report["tuning"][0]["voice_id"]]
    assert [row["name"] for row in reversed(rows)] == [row["tuned_name"] for row in reversed(rows)] == ["m6", "M6", "P5", "P5", "P4", "P5"]
    first = report["tuning"][0]
    assert round(first["largest_cents"], 1) == -60.3
    assert (first["neighbours"], first["neighbours_changed"]) == (6, 0)
    assert first["others_changed"] == sum(row["voice_id"] == first["voice_id"] for row in report["interval_names_changed"]) == 2
    assert not any(row["neighbours"] for row in report["interval_names_changed"])


def test_a_score_counts_what_it_merged_voice_by_voice(ada: Studio) -> None:
    path = f"/scenes/{ada.scene_id}"
    ada.owner.patch(path, json={"harmony": {"max_notes_per_second": 200}})
    free = scored(ada, ada.scene_id)
    ada.owner.patch(path, json={"harmony": {"max_notes_per_second": 2, "quantize_time": "1/8", "swing": 0.6, "key": "Cb"}})
    slow = scored(ada, ada.scene_id)
    (voice,) = slow["report"]["merged"]
    assert slow["report"]["merged"][voice] == free["note_count"] + free["report"]["merged"][voice] - slow["note_count"] > 0
    notes = ada.owner.get(f"/scores/{slow['id']}/notes").json["notes"]
    assert {round(note["t_s"] / 0.5 % 1.0, 9) for note in notes} <= {0.0, 0.6}
    assert slow["report"]["key"] == "Cb"


def test_a_score_says_how_dissonant_it_is_and_a_tuning_by_small_ratios_is_less_so(ada: Studio) -> None:
    """A minor third, a fifth and an octave of harmonic tones: pure they are smoother than in a tuning of five equal steps."""
    scene = chord(ada, 200.0, 240.0, 300.0, 400.0)
    pure = scored(ada, scene)["report"]["dissonance"]
    assert (pure["pairs"], pure["share"], pure["left_out"]) == (6, 1.0, 0)
    ada.owner.patch(f"/scenes/{scene}", json={"harmony": {"quantize_pitch": "tuning", "tuning": {"type": "equal", "divisions": 5}}})
    assert 0.0 < pure["value"] < scored(ada, scene)["report"]["dissonance"]["value"] < 1.0


def suggested(studio: Studio, scene_id: str, **order: Any) -> dict[str, Any]:
    """The finished suggestions for a scene."""
    answer = studio.owner.post(f"/scenes/{scene_id}/suggest", json=order, headers=PATIENT)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json["suggestions"]
    assert found["status"] == "succeeded", answer.text
    return found


def test_suggestions_change_nothing_and_each_can_be_sent_as_it_is(ada: Studio) -> None:
    scene = chord(ada, 210.0, 260.0, 305.0)
    universe = f"/universes/{ada.universe_id}"
    before = ada.owner.get(universe).json["revision"]
    found = suggested(ada, scene, limit=20)
    assert ada.owner.get(universe).json["revision"] == before
    assert (found["target"], found["limit"], found["reason"], found["scene_id"]) == ("consonance", 20, None, scene)
    assert found["before"] == scored(ada, scene)["report"]["dissonance"]["value"]
    by_collection = {item["change"]["path"].split("/")[2]: item for item in reversed(found["items"])}
    assert set(by_collection) == {"scenes", "mappings", "voices"}
    for item in by_collection.values():
        change = item["change"]
        sent = ada.owner.request(change["method"], change["path"].removeprefix("/api"), json=change["patch"])
        assert sent.status_code == 200, sent.text
        assert scored(ada, scene)["report"]["dissonance"]["value"] == item["after"] < item["before"]
        assert ada.owner.post(f"{universe}/undo", json={}).status_code == 200
    again = ada.owner.post(f"/scenes/{scene}/suggest", json={"limit": 20})
    assert (again.status_code, again.json["job"], again.json["suggestions"]) == (201, None, found)
    assert ada.owner.get(f"/suggestions/{found['id']}").json == found


def test_suggestions_say_why_there_are_none_and_refuse_by_field(ada: Studio) -> None:
    alone = suggested(ada, chord(ada, 300.0))
    assert (alone["items"], alone["before"]) == ([], None)
    assert "No two notes" in alone["reason"]
    path = f"/scenes/{ada.scene_id}/suggest"
    for order in ({"limit": 0}, {"limit": 21}, {"limit": 1.5}, {"target": "noise"}, {"scale": "major"}):
        answer = ada.owner.post(path, json=order)
        assert (answer.status_code, list(answer.json["errors"])) == (422, list(order)), answer.text


def test_suggestions_that_nobody_waits_for_are_a_job(idle: Studio) -> None:
    answer = idle.owner.post(f"/scenes/{idle.scene_id}/suggest", json={}, headers={"Prefer": "wait=0"})
    assert (answer.status_code, answer.json["job"]["type"]) == (202, "suggest")
    assert answer.headers["Location"] == f"/api/jobs/{answer.json['job']['id']}"
    assert (answer.json["suggestions"]["status"], answer.json["suggestions"]["items"]) == ("queued", [])


def chord(studio: Studio, *pitches: float) -> str:
    """A scene whose bodies hold the pitches (Hz) that their masses (kg) say, by an instrument of six harmonics."""
    owner, made = studio.owner, studio.owner.post
    scene = made(f"/universes/{studio.universe_id}/scenes", json={"name": "Chord", "solver": "ballistic", "duration_s": 2}).json["id"]
    for place, hz in enumerate(pitches):
        made(f"/scenes/{scene}/bodies", json={"name": f"{hz}", "mass": hz, "position": {"x": place, "y": 1}})
    voice = made(f"/scenes/{scene}/voices", json={"name": "Organ", "instrument": "additive", "parameters": {"partials": 6}}).json["id"]
    mapping = {
        "voice_id": voice,
        "trigger": {"type": "continuous"},
        "source": {"bodies": "all", "quantity": "mass"},
        "target": "pitch",
        "domain": {"type": "explicit", "min": 100, "max": 1000},
        "range": {"min": 100, "max": 1000},
        "curve": {"type": "linear"},
    }
    answer = owner.post(f"/scenes/{scene}/mappings", json=mapping)
    assert answer.status_code == 201, answer.text
    return str(scene)

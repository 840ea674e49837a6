"""Music from an uploaded sound: for its owner's universes only, and as long as it is there."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from app.audio import tasks
from app.engine.errors import EngineError
from tests.audio.conftest import Studio
from tests.conftest import Person
from tests.uploads import sound

MATERIAL_MUST_BE = "Must be an uploaded sound that the owner of the universe has."


def upload(owner: Any, **form: Any) -> str:
    answer = owner.request("POST", "/audio/materials?name=Bell&license=CC0-1.0", data=sound(**form))
    assert answer.status_code == 201, answer.text
    found: str = answer.json["id"]
    return found


def grains(studio: Studio, material: str | None, by: Any = None, **fields: Any) -> Any:
    """The answer to adding a voice of grains, of a sound of 1 kHz."""
    voice = {"name": "Grains", "instrument": "granular", "parameters": {"material": material, "root_hz": 1000.0}, **fields}
    return (by or studio.owner).post(f"/scenes/{studio.scene_id}/voices", json=voice)


def test_a_scene_sounds_of_an_uploaded_sound(ada: Studio, app: Flask, tmp_path: Any) -> None:
    voice = grains(ada, upload(ada.owner))
    assert voice.status_code == 201, voice.text
    first, again = ada.render(), ada.render(format="flac")
    assert first["peak_dbtp"] > -60.0
    assert first["samples_hash"] == again["samples_hash"]
    run = app.test_cli_runner().invoke(args=["scenes", "render", str(tmp_path / "a.wav"), "--scene", str(ada.scene_id)])
    assert first["samples_hash"] in run.output, run.output
    # Another file of the same name and length is another sound.
    place = f"/voices/{voice.json['id']}"
    other = upload(ada.owner, rate=44100)
    changed = ada.owner.patch(place, json={"parameters": {"material": other}}, headers={"If-Match": voice.headers["ETag"]})
    assert changed.status_code == 200, changed.text
    assert ada.render()["inputs_hash"] != first["inputs_hash"]


def test_a_sound_of_somebody_else_is_refused_by_name(ada: Studio, person: Person) -> None:
    for material in (upload(person("ben")), str(uuid4())):
        answer = grains(ada, material)
        assert answer.status_code == 422
        assert answer.json["errors"] == {"parameters": {"material": [MATERIAL_MUST_BE]}}
    assert grains(ada, "a bell").status_code == 422


def test_a_sound_that_is_too_long_is_refused_by_name(ada: Studio) -> None:
    answer = grains(ada, upload(ada.owner, format="FLAC", rate=8000, channels=1, frames=8000 * 61))
    assert answer.status_code == 422
    assert "at most 60 s" in answer.text


def test_without_its_sound_a_voice_is_kept_and_not_rendered(ada: Studio) -> None:
    assert grains(ada, None).status_code == 201
    answer = ada.order()
    assert answer.status_code == 422
    assert answer.json["errors"] == {"voices.0.parameters.material": [MATERIAL_MUST_BE]}


def test_a_sound_that_is_deleted_is_missed_when_rendering(ada: Studio) -> None:
    material = upload(ada.owner)
    voice = grains(ada, material).json["id"]
    assert ada.render()["status"] == "succeeded"
    assert ada.owner.delete(f"/audio/materials/{material}").status_code == 204
    answer = ada.order()
    assert answer.status_code == 422, answer.text
    assert MATERIAL_MUST_BE in answer.text
    assert ada.owner.get(f"/voices/{voice}").json["parameters"]["material"] == material


def test_a_sound_that_goes_while_its_render_waits_fails_the_job(idle: Studio) -> None:
    material = upload(idle.owner)
    assert grains(idle, material).status_code == 201
    asked = idle.order(wait=0)
    assert asked.status_code == 202, asked.text
    assert idle.owner.delete(f"/audio/materials/{material}").status_code == 204
    with idle.app.app_context(), pytest.raises(EngineError) as refused:
        tasks.render(UUID(asked.json["audio"]["id"]), lambda _: None)
    assert refused.value.field == "voices.0.parameters.material"

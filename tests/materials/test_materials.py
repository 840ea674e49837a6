"""Uploaded sounds over HTTP: kept for their owner alone, within the quota, and nothing left of what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.audio.storage import storage
from tests.uploads import HOSTILE, sound

ABOUT = "name=A+bell&license=CC-BY-4.0"
Person = Callable[[str], Any]
Stored = Callable[[], int]


def upload(owner: Any, data: bytes, about: str = ABOUT, **kwargs: Any) -> Any:
    return owner.request("POST", f"/audio/materials?{about}", data=data, **kwargs)


@pytest.fixture
def stored(app: Flask) -> Callable[[], int]:
    """How many files the test has left in the storage, drafts too."""

    def files() -> set[Path]:
        with app.app_context():
            root = storage().root
        return {*root.glob("audio_materials/*/*"), *root.glob("drafts/*")}

    before = files()
    return lambda: len(files() - before)


def test_a_sound_is_kept_listed_and_sent_back_as_it_came(person: Person) -> None:
    ada, data = person("ada"), sound("FLAC", "PCM_24", 44100, 1, 44100)
    made = upload(ada, data, content_type="audio/flac")
    assert made.status_code == 201, made.text
    found = made.json
    assert made.headers["Location"] == f"/api/audio/materials/{found['id']}"
    assert (found["name"], found["license"], found["format"], found["bit_depth"]) == ("A bell", "CC-BY-4.0", "flac", 24)
    assert (found["duration_s"], found["file_bytes"]) == (1.0, len(data))
    assert ada.get(f"/audio/materials/{found['id']}").json == found
    assert ada.get("/audio/materials").json["items"] == [found]
    file = ada.get(f"/audio/materials/{found['id']}/file")
    assert (file.data, file.headers["Content-Type"]) == (data, "audio/flac")
    assert hashlib.sha256(data).hexdigest() == found["sha256"]
    assert file.headers["Content-Disposition"] == 'attachment; filename="A bell.flac"'
    part = ada.get(f"/audio/materials/{found['id']}/file", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.data) == (206, b"fLaC")


def test_it_is_its_owner_s_alone(app: Flask, person: Person) -> None:
    ada, ben = person("ada"), person("ben")
    place = f"/audio/materials/{upload(ada, sound()).json['id']}"
    for path in (place, f"{place}/file"):
        assert ben.get(path).status_code == 404
        assert app.test_client().get(f"/api{path}").status_code == 401
    assert ben.delete(place).status_code == 404
    assert ben.get("/audio/materials").json["items"] == []
    assert ada.get(place).status_code == 200


def test_a_deleted_one_is_gone_with_its_file_and_its_bytes(stored: Stored, person: Person) -> None:
    ada = person("ada")
    before = ada.get("/users/me").json["usage"]["storage_bytes"]
    made = upload(ada, sound()).json
    assert ada.get("/users/me").json["usage"]["storage_bytes"] == before + made["file_bytes"]
    assert [ada.delete(f"/audio/materials/{made['id']}").status_code for _ in range(2)] == [204, 204]
    assert ada.get(f"/audio/materials/{made['id']}").status_code == 404
    assert ada.get("/users/me").json["usage"]["storage_bytes"] == before
    assert stored() == 0


def test_those_of_an_account_go_with_it(stored: Stored, person: Person) -> None:
    ada = person("ada")
    upload(ada, sound())
    assert stored() == 1
    assert ada.request("DELETE", "/users/me", json={"password": "correct horse battery"}).status_code == 204
    assert stored() == 0


def test_hostile_files_are_refused_by_field_and_nothing_is_stored(stored: Stored, person: Person) -> None:
    ada = person("ada")
    for hostile in HOSTILE:
        answer = upload(ada, hostile.data())
        assert answer.status_code == hostile.status, (hostile.name, answer.text)
        (field,) = answer.json["errors"]
        assert field.startswith(hostile.field), hostile.name
    assert stored() == 0
    assert ada.get("/audio/materials").json["items"] == []


@pytest.mark.parametrize(
    ("about", "field"), [("name=bell", "license"), ("license=CC0-1.0", "name"), ("name=&license=CC0-1.0", "name"), (f"{ABOUT}&x=1", "x")]
)
def test_a_name_and_a_licence_are_needed(person: Person, about: str, field: str) -> None:
    answer = upload(person("ada"), sound(), about)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])


def test_more_than_64_mib_are_refused_by_their_announcement(stored: Stored, person: Person) -> None:
    answer = upload(person("ada"), b"RIFF", environ_overrides={"CONTENT_LENGTH": str(65 << 20)})
    assert (answer.status_code, answer.json["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert stored() == 0


def test_a_file_past_the_quota_is_refused_and_leaves_nothing(stored: Stored, app: Flask, person: Person) -> None:
    ada, kept = person("ada"), app.config["SETTINGS"]
    data = sound()
    app.config["SETTINGS"] = dataclasses.replace(kept, storage_quota_bytes=len(data) + 10)
    try:
        assert upload(ada, data).status_code == 201
        refused = upload(ada, data)
    finally:
        app.config["SETTINGS"] = kept
    assert refused.status_code == 507
    assert stored() == 1

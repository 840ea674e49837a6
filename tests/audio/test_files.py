"""Files over HTTP: whole, in part, or not at all, as RFC 9110 has it; and links that need no token."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import soundfile
from flask import Flask

from app.jobs import service as jobs
from tests.audio.conftest import Studio
from tests.rendering import eventually


@pytest.fixture
def sound(ada: Studio) -> Any:
    """A small finished file: its path, and its bytes."""
    audio = ada.render(sample_rate=8000, bit_depth=16, duration_s=0.5)
    path = f"/audio/{audio['id']}/file"
    return path, ada.owner.get(path).data, audio


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-100", -100, None),
        ("bytes=44-99999999", 44, None),
        ("bytes=-99999999", 0, None),
        ("BYTES=5-9", 5, 10),
    ],
)
def test_a_range_is_that_part_of_the_file(ada: Studio, sound: Any, asked: str, first: int, last: int | None) -> None:
    path, data, _ = sound
    part = ada.owner.get(path, headers={"Range": asked})
    assert part.status_code == 206
    assert part.data == data[first:last]
    start = first % len(data)
    assert part.headers["Content-Range"] == f"bytes {start}-{start + len(part.data) - 1}/{len(data)}"
    assert int(part.headers["Content-Length"]) == len(part.data)


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
def test_a_range_beyond_the_file_is_416(ada: Studio, sound: Any, asked: str) -> None:
    path, data, _ = sound
    refused = ada.owner.get(path, headers={"Range": asked})
    assert (refused.status_code, refused.json["code"]) == (416, "RANGE_NOT_SATISFIABLE")
    assert refused.headers["Content-Range"] == f"bytes */{len(data)}"


@pytest.mark.parametrize("asked", ["bytes=9-3", "bytes=a-b", "bytes=", "lines=0-3", "bytes 0-3", "bytes=0-3,8-9"])
def test_a_range_that_cannot_be_read_or_is_not_one_is_ignored(ada: Studio, sound: Any, asked: str) -> None:
    path, data, _ = sound
    whole = ada.owner.get(path, headers={"Range": asked})
    assert (whole.status_code, whole.data) == (200, data)


def test_the_tag_is_the_content_s_and_spares_sending_it_again(ada: Studio, sound: Any) -> None:
    path, data, audio = sound
    whole = ada.owner.get(path)
    tag = whole.headers["ETag"]
    assert tag == f'"{hashlib.sha256(data).hexdigest()}"' == f'"{audio["sha256"]}"'
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"
    same = ada.owner.get(path, headers={"If-None-Match": tag})
    assert (same.status_code, same.data) == (304, b"")
    assert ada.owner.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    first = {"Range": "bytes=0-9"}
    assert ada.owner.get(path, headers={**first, "If-Range": tag}).data == data[:10]
    assert ada.owner.get(path, headers={**first, "If-Range": '"other"'}).data == data
    assert ada.owner.get(path, headers={"If-Match": '"other"'}).status_code == 412


def test_head_tells_what_get_would_send(ada: Studio, sound: Any) -> None:
    path, data, _ = sound
    for headers in ({}, {"Range": "bytes=0-9"}):
        got, told = ada.owner.get(path, headers=headers), ada.owner.request("HEAD", path, headers=headers)
        assert (told.status_code, told.data) == (got.status_code, b"")
        for name in ("Content-Length", "ETag", "Content-Type", "Accept-Ranges", "Repr-Digest", "Content-Disposition"):
            assert told.headers[name] == got.headers[name], name
    assert int(ada.owner.request("HEAD", path).headers["Content-Length"]) == len(data)


def test_a_link_plays_without_a_token_until_it_expires(app: Flask, ada: Studio, sound: Any) -> None:
    path, data, audio = sound
    anonymous = app.test_client()
    assert anonymous.get("/api" + path).status_code == 404
    link = ada.owner.post(path.replace("/file", "/link")).json
    assert anonymous.get(link["url"], headers={"Range": "bytes=0-9"}).data == data[:10]
    samples, _ = soundfile.read(io.BytesIO(anonymous.get(link["url"]).data))
    assert len(samples) == audio["frames"]
    lasts = (datetime.fromisoformat(link["expires_at"]) - datetime.now(UTC)).total_seconds()
    assert 590 < lasts <= 600
    forged = anonymous.get(link["url"][:-2] + ("AA" if not link["url"].endswith("AA") else "BB"))
    assert (forged.status_code, forged.json["code"]) == (401, "TOKEN_INVALID")
    other = ada.render(sample_rate=8000, duration_s=0.5)
    assert anonymous.get(link["url"].replace(audio["id"], other["id"])).status_code == 401
    kept = app.config["SETTINGS"]
    app.config["SETTINGS"] = dataclasses.replace(kept, link_seconds=0)
    try:
        expired = eventually(lambda: (found := anonymous.get(link["url"])).status_code == 401 and found, 5)
    finally:
        app.config["SETTINGS"] = kept
    assert expired.json["code"] == "TOKEN_EXPIRED"


def test_a_link_to_what_has_been_deleted_leads_nowhere(app: Flask, ada: Studio, sound: Any) -> None:
    path, _, audio = sound
    link = ada.owner.post(path.replace("/file", "/link")).json["url"]
    ada.owner.delete(f"/audio/{audio['id']}")
    assert app.test_client().get(link).status_code == 404


def test_waiting_holds_no_connection(app: Flask, idle: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.extensions import db, socketio

    out: list[int] = []
    with idle.app.app_context():
        pool: Any = db.engine.pool
    monkeypatch.setattr(socketio, "sleep", lambda seconds: out.append(pool.checkedout()))
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "time", _Clock())
        answer = idle.order(wait=30)
    assert answer.status_code == 202
    assert len(out) > 100
    assert set(out) == {0}


class _Clock:
    """A clock that goes on by 0.1 s whenever it is asked."""

    def __init__(self) -> None:
        self.moment = 0.0

    def monotonic(self) -> float:
        self.moment += 0.1
        return self.moment


def test_the_older_prefix_answers_with_its_own_places(ada: Studio, person: Callable[[str], Any]) -> None:
    client, headers = ada.owner.client, {"Authorization": f"Bearer {ada.owner.token}"}
    asked = client.post("/api/v1/audio/generate", json={"scene_id": str(ada.scene_id)}, headers={**headers, "Prefer": "wait=30"})
    assert asked.status_code == 201
    assert asked.headers["Location"] == f"/api/v1/audio/{asked.json['audio']['id']}"
    queued = client.post("/api/v1/audio/generate", json={"scene_id": str(ada.scene_id), "duration_s": 60}, headers=headers)
    assert queued.headers["Location"].startswith("/api/v1/jobs/")

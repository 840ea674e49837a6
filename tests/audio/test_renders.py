"""From a scene to files: rendered by a real worker, and read back by other programs' readers."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import mido
import numpy as np
import pytest
import soundfile
from flask import Flask
from PIL import Image

from app.audio import artefacts
from app.audio.storage import storage
from app.engine.audio.mix import Settings
from app.engine.perform import perform
from app.scenes import service as scenes
from tests.audio.conftest import Studio
from tests.conftest import Person
from tests.rendering import eventually, make_scene


@pytest.fixture
def settings(app: Flask) -> Iterator[Callable[..., None]]:
    """Changes settings of the application for one test."""
    kept = app.config["SETTINGS"]
    yield lambda **changes: app.config.update(SETTINGS=dataclasses.replace(kept, **changes))
    app.config["SETTINGS"] = kept


def files(app: Flask, folder: str) -> list[Path]:
    """The files in a folder of the storage."""
    with app.app_context():
        return list(storage().root.glob(f"{folder}/*"))


def test_a_scene_becomes_a_sound_file(ada: Studio) -> None:
    answer = ada.order(name="Two balls", bit_depth=16)
    assert answer.status_code == 201
    assert answer.headers["Preference-Applied"] == "wait=30"
    audio, job = answer.json["audio"], answer.json["job"]
    assert answer.headers["Location"] == f"/api/audio/{audio['id']}" == job["result"]
    assert (job["state"], job["progress"], job["attempts"]) == ("succeeded", 1.0, 1)
    sound = ada.owner.get(f"/audio/{audio['id']}/file")
    assert sound.headers["Content-Type"] == "audio/wav"
    assert sound.headers["Content-Disposition"] == 'attachment; filename="Two balls.wav"'
    assert hashlib.sha256(sound.data).hexdigest() == audio["sha256"]
    samples, rate = soundfile.read(io.BytesIO(sound.data), dtype="int16")
    assert (rate, samples.shape) == (48000, (audio["frames"], 2))
    assert hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest() == audio["samples_hash"]
    assert audio["frames"] == round((audio["duration_s"] + audio["tail_s"]) * 48000)
    assert 0.001 < np.abs(samples).max() / 32768 < 1.0
    assert ada.owner.get(f"/audio/{audio['id']}/report").json["ok"]


@pytest.mark.parametrize(("format", "media_type"), [("ogg", "audio/ogg"), ("mp3", "audio/mpeg")])
def test_a_lossy_file_has_a_quality_and_is_what_its_row_says(ada: Studio, format: str, media_type: str) -> None:
    audio = ada.render(format=format, name="Two balls", bit_depth=16, quality=0.5, sample_rate=32000)
    assert (audio["format"], audio["bit_depth"], audio["quality"]) == (format, None, 0.5)
    sound = ada.owner.get(f"/audio/{audio['id']}/file")
    assert sound.headers["Content-Type"] == media_type
    assert sound.headers["Content-Disposition"] == f'attachment; filename="Two balls.{format}"'
    assert hashlib.sha256(sound.data).hexdigest() == audio["sha256"]
    samples, rate = soundfile.read(io.BytesIO(sound.data), dtype="float32")
    assert (rate, len(samples)) == (32000, audio["frames"])
    assert hashlib.sha256(samples.tobytes()).hexdigest() == audio["samples_hash"]
    assert audio["peak_dbtp"] <= 0.0
    again = ada.render(format=format, name="Two balls", quality=0.5, sample_rate=32000)
    assert (again["sha256"], again["samples_hash"]) == (audio["sha256"], audio["samples_hash"])


def test_a_file_says_what_it_is_and_where_it_comes_from(ada: Studio) -> None:
    audio = ada.render(name="Zwei Bälle", format="flac", license="CC-BY-4.0")
    assert audio["license"] == "CC-BY-4.0"
    with soundfile.SoundFile(io.BytesIO(ada.owner.get(f"/audio/{audio['id']}/file").data)) as file:
        tags = file.copy_metadata()
    assert (tags["title"], tags["artist"], tags["license"]) == ("Zwei Bälle", "ada", "CC-BY-4.0")
    assert tags["comment"] == f"/api/scenes/{ada.scene_id} seed 7 inputs {audio['inputs_hash']}"
    assert f"Harmonic Universe, engine {audio['engine_version']}" in tags["software"]


def test_what_is_heard_and_the_table_and_the_midi_come_from_one_score(ada: Studio) -> None:
    audio = ada.render()
    path = f"/audio/{audio['id']}"
    notes = ada.owner.get(f"{path}/score").json["notes"]
    table = list(csv.DictReader(io.StringIO(ada.owner.get(f"{path}/events.csv").text)))
    events = ada.owner.get(f"{path}/events").json["items"]
    midi = mido.MidiFile(file=io.BytesIO(ada.owner.get(f"{path}/midi").data))
    strokes = [message for track in midi.tracks for message in track if message.type == "note_on" and message.velocity > 0]
    assert len(notes) == len(table) == len(strokes) > 4
    assert events == notes
    assert [float(row["hz"]) for row in table] == [note["hz"] for note in notes]
    assert [row["body_id"] for row in table] == [note["provenance"]["body_id"] for note in notes]
    first_bounce = (2 * 1.0 / 9.80665) ** 0.5  # a fall of 1 m
    assert float(table[0]["t_s"]) == pytest.approx(first_bounce, rel=1e-12)


def test_the_midi_file_keeps_microtones_as_it_is_asked_to(ada: Studio) -> None:
    audio = ada.render()
    path, notes = f"/audio/{audio['id']}", ada.owner.get(f"/audio/{audio['id']}/score").json["notes"]
    tags = set()
    for microtones in ("bend", "mts", "mpe"):
        answer = ada.owner.get(f"{path}/midi?microtones={microtones}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "audio/midi")
        midi = mido.MidiFile(file=io.BytesIO(answer.data))
        kinds = [message.type for track in midi.tracks for message in track]
        assert kinds.count("note_on") == len(notes)
        assert kinds.count("sysex") == (len(notes) if microtones == "mts" else 0)
        tag = answer.headers["ETag"]
        tags.add(tag)
        again = ada.owner.get(f"{path}/midi?microtones={microtones}", headers={"If-None-Match": tag})
        assert (again.status_code, again.data) == (304, b"")
        part = ada.owner.get(f"{path}/midi?microtones={microtones}", headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.data) == (206, b"MThd")
        report = ada.owner.get(f"{path}/midi/report?microtones={microtones}").json
        assert (report["notes"], report["overflow"]) == (len(notes), [])
        assert ada.owner.get(f"/scores/{audio['score_id']}/midi?microtones={microtones}").data == answer.data
        assert ada.owner.get(f"/scores/{audio['score_id']}/midi/report?microtones={microtones}").json == report
    assert len(tags) == 3
    assert ada.owner.get(f"{path}/midi").headers["ETag"] in tags
    assert ada.owner.get(f"/scores/{audio['score_id']}").json["midi_report"] == ada.owner.get(f"{path}/midi/report").json
    assert ada.owner.get(f"{path}/midi?microtones=none").status_code == 422


def test_equal_orders_give_equal_bytes_and_other_seeds_do_not(ada: Studio) -> None:
    first, second = ada.render(), ada.render()
    for name in ("sha256", "samples_hash", "trajectory_hash", "score_hash", "inputs_hash", "simulation_id", "score_id"):
        assert first[name] == second[name], name
    other = ada.render(seed="18446744073709551615")
    assert other["seed"] == "18446744073709551615"
    assert other["samples_hash"] != first["samples_hash"]


def test_the_same_scene_rendered_offline_has_the_same_hash(ada: Studio, app: Flask, tmp_path: Path) -> None:
    audio = ada.render(format="flac", sample_rate={"value": 44.1, "unit": "kHz"})
    with app.app_context():
        found = perform(
            scenes.snapshot(ada.scene_id), Settings(sample_rate=44100, format="flac", bit_depth=24, seed=7), tmp_path / "offline.flac"
        )
    assert found.samples_hash == audio["samples_hash"]
    assert found.score_hash == audio["score_hash"]
    assert found.trajectory_hash == audio["trajectory_hash"]


def test_a_file_comes_with_the_loudness_asked_for(ada: Studio) -> None:
    audio = ada.render(loudness_lufs={"value": -23, "unit": "LUFS"})
    report = ada.owner.get(f"/audio/{audio['id']}/report").json["loudness"]
    assert audio["loudness_lufs"] == report["asked_lufs"] == -23.0
    assert audio["lufs"] == report["reached_lufs"] == pytest.approx(-23.0, abs=0.2)
    assert ada.render()["loudness_lufs"] is None


def test_a_render_in_a_room_rings_on_and_is_kept_with_it(ada: Studio, app: Flask, tmp_path: Path) -> None:
    reverb = {"room": "studio", "wet_db": -3, "rt60_s": {"value": 700, "unit": "ms"}}
    dry, wet = ada.render(), ada.render(reverb=reverb)
    assert dry["reverb"] is None
    assert wet["reverb"] == {"room": "studio", "wet_db": -3.0, "rt60_s": pytest.approx(0.7)}
    assert wet["tail_s"] > dry["tail_s"] + 0.7
    assert wet["samples_hash"] != dry["samples_hash"]
    assert ada.owner.get(f"/audio/{wet['id']}/report").json["notes"]["listened_to"] == "dry mix"
    options = ["--scene", str(ada.scene_id), "--room", "studio", "--wet-db", "-3", "--rt60", "0.7"]
    run = app.test_cli_runner().invoke(args=["scenes", "render", str(tmp_path / "a.wav"), *options])
    assert wet["samples_hash"] in run.output


def test_stems_are_files_that_add_up_to_what_a_quiet_file_holds(ada: Studio) -> None:
    names = {"Low": 110.0, "High": 440.0}
    for name, hz in names.items():
        voice = ada.owner.post(f"/scenes/{ada.scene_id}/voices", json={"name": name, "gain_db": -20.0}).json
        collision = {"trigger": {"type": "event", "event": "collision"}, "source": {"quantity": "speed"}}
        target = {"target": "pitch", "domain": {"type": "explicit", "min": 0, "max": 10}, "range": {"min": hz, "max": 4 * hz}}
        made = ada.owner.post(f"/scenes/{ada.scene_id}/mappings", json={"voice_id": voice["id"], **collision, **target})
        assert made.status_code == 201, made.text
    audio = ada.render(stems=True, bit_depth="32f")
    assert audio["stems"]
    items = ada.owner.get(f"/audio/{audio['id']}/stems").json["items"]
    assert [item["name"] for item in items] == list(names)
    parts = []
    for item in items:
        answer = ada.owner.get(item["url"].removeprefix("/api"))
        assert answer.headers["Content-Type"] == "audio/wav"
        assert hashlib.sha256(answer.data).hexdigest() == item["sha256"]
        parts.append(soundfile.read(io.BytesIO(answer.data), dtype="float32")[0])
        assert parts[-1].shape == (audio["frames"], 2)
        assert np.abs(parts[-1]).max() > 1e-4
    file, _ = soundfile.read(io.BytesIO(ada.owner.get(f"/audio/{audio['id']}/file").data), dtype="float32")
    before_the_fade = slice(0, -480)
    assert np.abs(sum(parts) - file)[before_the_fade].max() < 1e-6
    assert ada.owner.get(f"/audio/{audio['id']}/stems/{uuid4()}").status_code == 404
    plain = ada.render(bit_depth="32f")
    assert plain["samples_hash"] == audio["samples_hash"]
    assert plain["inputs_hash"] == audio["inputs_hash"]
    assert ada.owner.get(f"/audio/{plain['id']}/stems").json == {"items": []}


def test_the_picture_of_a_sound_shows_its_peaks(ada: Studio) -> None:
    audio = ada.render()
    samples, _ = soundfile.read(io.BytesIO(ada.owner.get(f"/audio/{audio['id']}/file").data))
    picture = ada.owner.get(f"/audio/{audio['id']}/waveform?points=50").json
    assert (len(picture["min"]), len(picture["max"])) == (50, 50)
    assert max(picture["max"]) == pytest.approx(samples.max(), abs=2**-24)  # as float32
    assert min(picture["min"]) == pytest.approx(samples.min(), abs=2**-24)
    assert ada.owner.get(f"/audio/{audio['id']}/waveform?points=0").status_code == 422


def test_pictures_of_a_sound_and_its_score_are_drawn_once_for_those_who_keep_them(ada: Studio) -> None:
    audio = ada.render(name="Two balls")
    notes = ada.owner.get(f"/audio/{audio['id']}/score").json["notes"]
    for part, kind, changed in (
        ("waveform.png?width=120&height=40", "image/png", "width=121"),
        ("spectrogram.png?width=120&height=40&scale=linear&floor_db=-60", "image/png", "scale=log"),
        ("score.svg", "image/svg+xml", ""),
    ):
        path = f"/audio/{audio['id']}/{part}"
        answer = ada.owner.get(path)
        assert (answer.status_code, answer.mimetype) == (200, kind), answer.text
        again = ada.owner.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        if changed:
            assert Image.open(io.BytesIO(answer.data)).size == (120, 40)
            other = ada.owner.get(f"/audio/{audio['id']}/{part.partition('?')[0]}?{changed}")
            assert other.headers["ETag"] != answer.headers["ETag"]
            assert ada.owner.get(path.replace("width=120", "width=5000")).status_code == 422
    assert len(list(ElementTree.fromstring(answer.data).iter("{http://www.w3.org/2000/svg}rect"))) == len(notes)
    assert ada.owner.get(f"/scores/{audio['score_id']}/score.svg").data == answer.data
    assert ada.owner.get(f"/audio/{audio['id']}/spectrogram.png?floor_db=0").status_code == 422


def test_a_repeated_request_with_its_key_asks_once(ada: Studio) -> None:
    key = {"Idempotency-Key": "one-render"}
    first = ada.order(headers=key)
    again = ada.order(headers=key)
    assert first.status_code == again.status_code == 201
    assert again.json["audio"] == first.json["audio"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    other = ada.order(headers=key, name="other")
    assert (other.status_code, other.json["code"]) == (422, "OP_ID_REUSED")
    assert len(ada.owner.get("/audio").json["items"]) == 1


def test_a_scene_that_cannot_be_played_fails_its_job_and_says_why(ada: Studio) -> None:
    ada.scene_id = make_scene(ada.owner, ada.universe_id, balls=1, harmony={"tuning": {"type": "resonance"}, "quantize_pitch": "tuning"})
    answer = ada.order()
    assert answer.status_code == 201
    audio = answer.json["audio"]
    assert (audio["status"], answer.json["job"]["state"]) == ("failed", "failed")
    assert (audio["error"]["status_code"], audio["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert "Resonance tuning needs" in str(audio["error"]["errors"])
    file = ada.owner.get(f"/audio/{audio['id']}/file")
    assert (file.status_code, file.json["state"]) == (409, "failed")
    assert file.json["cause"]["errors"] == audio["error"]["errors"]


def test_settings_that_cannot_be_honoured_are_refused_and_nothing_is_written(ada: Studio) -> None:
    for wrong, field in (
        ({"sample_rate": 4000}, "sample_rate"),
        ({"sample_rate": {"value": 1, "unit": "m"}}, "sample_rate"),
        ({"bit_depth": 20}, "bit_depth"),
        ({"loudness_lufs": -3}, "loudness_lufs"),
        ({"reverb": {}}, "reverb"),
        ({"reverb": {"room": "moon"}}, "reverb"),
        ({"reverb": {"room": "church", "wet_db": 13}}, "reverb"),
        ({"reverb": {"room": "church", "rt60_s": 0}}, "reverb"),
        ({"reverb": {"room": "church", "colour": "red"}}, "reverb"),
        ({"loudness_lufs": {"value": -23, "unit": "dB"}}, "loudness_lufs"),
        ({"format": "flac", "bit_depth": "32f"}, "bit_depth"),
        ({"format": "aiff"}, "format"),
        ({"format": "mp3", "sample_rate": 96000}, "sample_rate"),
        ({"format": "ogg", "quality": 0.1}, "quality"),
        ({"seed": -1}, "seed"),
        ({"duration_s": 601}, "duration_s"),
        ({"tempo": 3}, "tempo"),
    ):
        answer = ada.order(**wrong)
        assert (answer.status_code, list(answer.json["errors"])) == (422, [field]), answer.text
    assert ada.owner.get("/audio").json["items"] == []
    assert ada.owner.get("/jobs").json["items"] == []


def test_a_queued_render_has_no_file_and_says_how_far_it_is(idle: Studio) -> None:
    answer = idle.order(wait=0)
    assert answer.status_code == 202
    audio = answer.json["audio"]
    assert answer.headers["Location"] == f"/api/jobs/{answer.json['job']['id']}"
    for part in (
        "file",
        "score",
        "midi",
        "midi?microtones=mts",
        "midi/report",
        "events.csv",
        "events",
        "report",
        "waveform",
        "waveform.png",
        "spectrogram.png",
        "score.svg",
    ):
        missing = idle.owner.get(f"/audio/{audio['id']}/{part}")
        assert (missing.status_code, missing.json["state"]) == (409, audio["status"]), part
    assert idle.owner.post(f"/audio/{audio['id']}/link").status_code == 409


def test_a_running_render_is_cancelled(ada: Studio) -> None:
    answer = ada.order(wait=0, duration_s=600, bit_depth=16)
    job = f"/jobs/{answer.json['job']['id']}"
    eventually(lambda: ada.owner.get(job).json["state"] == "running")
    assert ada.owner.post(f"{job}/cancel").json["cancel_requested"]
    ended = eventually(lambda: (found := ada.owner.get(f"{job}?wait=10").json)["finished_at"] and found)
    assert ended["state"] == "cancelled"
    assert ada.owner.get(f"/audio/{answer.json['audio']['id']}").json["status"] == "cancelled"
    assert files(ada.app, "drafts") == []
    assert ada.render()["status"] == "succeeded", "the worker goes on"


def test_a_deleted_render_takes_its_file_along(ada: Studio) -> None:
    audio = ada.render()
    path = f"/audio/{audio['id']}"
    folder = f"audio_renders/{audio['id']}"
    assert len(files(ada.app, folder)) == 2
    assert ada.owner.delete(path).status_code == 204
    assert files(ada.app, folder) == []
    assert ada.owner.get(path).status_code == 404
    assert ada.owner.get(f"{path}/file").status_code == 404
    assert ada.owner.patch(path, json={"name": "x"}).status_code == 410
    assert ada.owner.delete(path).status_code == 204
    assert ada.owner.get("/audio").json["items"] == []


def test_deleting_a_queued_render_cancels_its_job(idle: Studio) -> None:
    with_job = idle.order(wait=0).json
    assert idle.owner.delete(f"/audio/{with_job['audio']['id']}").status_code == 204
    job = idle.owner.get(f"/jobs/{with_job['job']['id']}").json
    assert job["cancel_requested"]


def test_only_the_name_of_a_render_changes(ada: Studio) -> None:
    audio = ada.render()
    path = f"/audio/{audio['id']}"
    renamed = ada.owner.patch(path, json={"title": "  Étude: 1/2 \U0001f3b5 "})
    assert renamed.json["name"] == "Étude: 1/2 \U0001f3b5"
    assert {**renamed.json, "name": "", "updated_at": ""} == {**audio, "name": "", "updated_at": ""}
    assert ada.owner.patch(path, json={"sha256": "0"}).status_code == 422
    assert ada.owner.patch(path, json={"name": ""}).status_code == 422
    sent = ada.owner.get(f"{path}/file").headers["Content-Disposition"]
    assert sent.startswith("attachment; filename=")
    assert "/" not in sent
    assert "%C3%89tude_ 1_2" in sent.replace("%20", " ")


def test_whoever_may_read_the_universe_hears_it_and_nobody_else(app: Flask, ada: Studio, person: Callable[[str], Any]) -> None:
    audio = ada.render()
    stranger, anonymous = person("grace"), app.test_client()
    for part in ("", "/file", "/score", "/midi", "/events.csv", "/report", "/waveform"):
        assert stranger.get(f"/audio/{audio['id']}{part}").status_code == 404, part
        assert anonymous.get(f"/api/audio/{audio['id']}{part}").status_code == 404, part
    assert ada.order(by=stranger).status_code == 404
    assert stranger.get(f"/audio?universe_id={ada.universe_id}").json["items"] == []


def test_a_public_universe_is_heard_by_everybody(app: Flask, ada: Studio, person: Callable[[str], Any]) -> None:
    public, grace = Studio(app, ada.owner, "public"), person("grace")
    audio, anonymous = public.render(), app.test_client()
    assert anonymous.get(f"/api/audio/{audio['id']}/file").status_code == 200
    assert anonymous.get(f"/api/audio/{audio['id']}").json == audio
    assert [item["id"] for item in anonymous.get(f"/api/audio?universe_id={public.universe_id}").json["items"]] == [audio["id"]]
    assert anonymous.get("/api/audio").status_code == 401
    assert anonymous.post("/api/audio/generate", json={"scene_id": str(public.scene_id)}).status_code == 401
    theirs = public.order(by=grace).json["audio"]
    assert theirs["user_id"] == grace.id
    assert [item["id"] for item in grace.get("/audio").json["items"]] == [theirs["id"]]
    assert grace.delete(f"/audio/{audio['id']}").status_code == 403
    assert grace.patch(f"/audio/{audio['id']}", json={"name": "mine"}).status_code == 403
    assert ada.owner.delete(f"/audio/{theirs['id']}").status_code == 204, "the owner of the universe may"


def test_a_deleted_scene_is_gone_for_who_sees_its_universe_and_unknown_to_strangers(idle: Studio) -> None:
    public = Studio(idle.app, idle.owner, "public")
    viewer, grace = (Person(idle.app.test_client(), name) for name in ("bob", "grace"))
    idle.owner.post(f"/universes/{idle.universe_id}/collaborators", json={"user_id": viewer.id, "role": "viewer"})
    for scene_id in (idle.scene_id, public.scene_id):
        assert idle.owner.delete(f"/scenes/{scene_id}").status_code == 204

    def asked(who: Any, scene_id: Any) -> set[tuple[int, str]]:
        answers = [who.post("/audio/generate", json={"scene_id": str(scene_id)})]
        answers += [who.post(f"/scenes/{scene_id}/{what}", json={}) for what in ("simulate", "score")]
        return {(answer.status_code, answer.json["code"]) for answer in answers}

    for who, scene_id in ((idle.owner, idle.scene_id), (viewer, idle.scene_id), (grace, public.scene_id)):
        assert asked(who, scene_id) == {(410, "GONE")}
    assert asked(grace, idle.scene_id) == asked(grace, uuid4()) == {(404, "NOT_FOUND")}
    assert idle.owner.delete(f"/universes/{idle.universe_id}").status_code == 204
    assert asked(idle.owner, idle.scene_id) == asked(idle.owner, uuid4()) == {(404, "NOT_FOUND")}


def test_lists_are_filtered(ada: Studio) -> None:
    audio = ada.render()
    other = make_scene(ada.owner, ada.universe_id)
    for query, found in (
        ("", 1),
        (f"?scene_id={ada.scene_id}", 1),
        (f"?scene_id={other}", 0),
        (f"?universe_id={ada.universe_id}&status=succeeded", 1),
        ("?status=queued", 0),
    ):
        for path in ("/audio", "/audio/tracks"):
            assert [item["id"] for item in ada.owner.get(path + query).json["items"]] == [audio["id"]] * found
    assert ada.owner.get("/audio?status=done").status_code == 422


def test_quotas(ada: Studio, settings: Callable[..., None]) -> None:
    settings(render_quota_seconds=5)
    first, second = ada.render(), ada.render()
    third = ada.order()
    assert (third.status_code, third.json["code"]) == (429, "RATE_LIMITED")
    assert 86_000 < third.json["retry_after"] <= 86_400, "until the first is a day old"
    assert int(third.headers["Retry-After"]) >= third.json["retry_after"]
    assert first["simulation_id"] == second["simulation_id"], "what is equal is kept once"
    folders = [f"audio_renders/{audio['id']}" for audio in (first, second)]
    folders += [f"scores/{first['score_id']}", f"simulations/{first['simulation_id']}"]
    used = sum(path.stat().st_size for folder in folders for path in files(ada.app, folder))
    assert ada.owner.get("/users/me").json["usage"] == {"storage_bytes": used, "render_seconds_per_day": 4.0}
    settings(storage_quota_bytes=used + 2 * 48000 * 2 * 3 - 1)  # a byte too few for 2 s of 24-bit stereo at 48 kHz
    full = ada.order()
    assert (full.status_code, full.json["code"]) == (507, "STORAGE_FULL")
    settings(storage_quota_bytes=used + 2 * 48000 * 2 * 3)
    assert ada.order().status_code == 201


def test_what_a_job_says_of_its_inputs_is_what_they_hash_to(ada: Studio, app: Flask) -> None:
    audio = ada.render()
    with app.app_context():
        snapshot = scenes.snapshot(ada.scene_id)
        assert audio["inputs_hash"] == artefacts.render_hash(snapshot, Settings(seed=7))


def test_all_scenes_of_a_universe_become_one_piece(ada: Studio) -> None:
    make_scene(ada.owner, ada.universe_id, balls=1, name="Second", transition={"type": "crossfade", "seconds": 0.5})
    answer = ada.owner.post(
        f"/universes/{ada.universe_id}/render", json={"loudness_lufs": -20, "stems": True}, headers={"Prefer": "wait=30"}
    )
    assert answer.status_code == 201, answer.text
    audio = answer.json["audio"]
    assert audio["status"] == "succeeded", answer.text
    path = f"/audio/{audio['id']}"
    assert answer.headers["Location"] == f"/api{path}"
    assert (audio["scene_id"], audio["score_id"], audio["simulation_id"], audio["name"]) == (None, None, None, "Test")
    assert audio["duration_s"] == 2.0 + 2.0 - 0.5
    assert audio["lufs"] == pytest.approx(-20.0, abs=0.2)
    report = ada.owner.get(f"{path}/report").json
    assert [(scene["starts_s"], scene["ends_s"]) for scene in report["scenes"]] == [(0.0, 2.0), (1.5, 3.5)]
    notes = ada.owner.get(f"{path}/score").json["notes"]
    table = list(csv.DictReader(io.StringIO(ada.owner.get(f"{path}/events.csv").text)))
    midi = mido.MidiFile(file=io.BytesIO(ada.owner.get(f"{path}/midi").data))
    strokes = [message for track in midi.tracks for message in track if message.type == "note_on" and message.velocity > 0]
    assert len(notes) == len(table) == len(strokes) == 8
    alone = ada.render()
    first = ada.owner.get(f"/audio/{alone['id']}/score").json["notes"]
    fall = (2 * 1.0 / 9.80665) ** 0.5
    assert notes[0]["t_s"] == first[0]["t_s"]
    assert min(note["t_s"] for note in notes if note["t_s"] > 1.5 + fall - 1e-9) == pytest.approx(1.5 + fall, abs=1e-4)
    assert len(ada.owner.get(f"{path}/stems").json["items"]) == 2
    for view in ("score.svg", "waveform.png", "midi?microtones=mts"):
        assert ada.owner.get(f"{path}/{view}").status_code == 200, view
    listed = ada.owner.get(f"/audio?universe_id={ada.universe_id}").json["items"]
    assert {item["scene_id"] for item in listed} == {None, str(ada.scene_id)}
    again = ada.owner.post(f"/universes/{ada.universe_id}/render", json={"loudness_lufs": -20}, headers={"Prefer": "wait=30"}).json["audio"]
    for name in ("samples_hash", "score_hash", "trajectory_hash", "inputs_hash"):
        assert again[name] == audio[name], name


def test_a_piece_that_cannot_be_is_refused_and_strangers_see_nothing(ada: Studio, person: Callable[[str], Any]) -> None:
    def ask(by: Any = ada.owner, universe_id: Any = ada.universe_id, **order: Any) -> Any:
        return by.post(f"/universes/{universe_id}/render", json=order)

    make_scene(ada.owner, ada.universe_id, balls=1, transition={"type": "crossfade", "seconds": 3})
    refused = ask()
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["scenes.1.transition.seconds"])
    assert ask(duration_s=3).status_code == 422
    empty = ada.owner.post("/universes", json={"name": "Empty"}).json["id"]
    assert ask(universe_id=empty).status_code == 422
    assert ask(person("grace")).status_code == ask(universe_id=uuid4()).status_code == 404
    assert ada.owner.get("/audio").json["items"] == []


def test_one_key_makes_one_render_of_a_scene_or_of_all(ada: Studio) -> None:
    key = {"Idempotency-Key": "either"}
    assert ada.order(wait=0, headers=key).status_code == 202
    piece = ada.owner.post(f"/universes/{ada.universe_id}/render", json={}, headers=key)
    assert (piece.status_code, piece.json["code"]) == (422, "OP_ID_REUSED")

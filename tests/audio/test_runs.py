"""Simulations and scores: run by the worker, read back over HTTP, compared with the closed form."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from flask import Flask

from tests.audio.conftest import Studio

G = 9.80665
PATIENT = {"Prefer": "wait=30"}


def test_a_small_simulation_ends_within_the_request(ada: Studio) -> None:
    assert ada.owner.post(f"/scenes/{ada.scene_id}/simulate", json={"duration_s": 1}, headers=PATIENT).status_code == 201  # all is awake
    answer = ada.owner.post(f"/scenes/{ada.scene_id}/simulate", json={})
    assert answer.status_code == 201
    found = answer.json["simulation"]
    assert answer.headers["Location"] == f"/api/simulations/{found['id']}" == answer.json["job"]["result"]
    assert (found["status"], found["solver"], found["duration_s"]) == ("succeeded", "ballistic", 2.0)
    path = f"/simulations/{found['id']}"
    events = ada.owner.get(f"{path}/events").json["items"]
    assert len(events) == found["event_count"]
    bounces = [event["t_s"] for event in events if event["body_id"] == events[0]["body_id"]]
    fall = (2 * 1.0 / G) ** 0.5
    rise = [2 * fall * 0.8 ** (n / 2) for n in range(1, len(bounces))]  # the floor's restitution is 1, together sqrt(0.8 * 1)
    expected = [fall + sum(rise[:n]) for n in range(len(bounces))]
    assert bounces == pytest.approx(expected, rel=1e-11)
    kept = ada.owner.get(f"{path}/conservation").json
    assert kept["closed_form"]
    assert set(kept["conservation"]) >= {"energy", "momentum"}


def test_a_trajectory_is_read_whole_or_in_part_and_as_a_table(ada: Studio) -> None:
    found = ada.owner.post(f"/scenes/{ada.scene_id}/simulate", json={}, headers=PATIENT).json["simulation"]
    path = f"/simulations/{found['id']}/trajectory"
    whole = ada.owner.get(path).json
    assert len(whole["times"]) == found["sample_count"] == len(whole["positions"])
    assert whole["positions"][0][0] == pytest.approx([0.0, 1.05, 0.0])
    for time, position in zip(whole["times"], whole["positions"], strict=True):
        if time < (2 / G) ** 0.5:
            assert position[0][1] == pytest.approx(1.05 - G * time**2 / 2, abs=1e-12)
    part = ada.owner.get(f"{path}?from=0.5&to=1").json
    assert part["times"] == [time for time in whole["times"] if 0.5 <= time <= 1]
    table = list(csv.reader(io.StringIO(ada.owner.get(f"{path}?format=csv&from=0.5&to=1").text)))
    assert table[0] == ["time_s", "body_id", "x", "y", "z", "vx", "vy", "vz"]
    assert len(table) - 1 == 2 * len(part["times"])
    assert [float(number) for number in table[1][2:5]] == part["positions"][0][0]
    rows = np.load(io.BytesIO(ada.owner.get(f"{path}?format=npy&from=0.5&to=1").data), allow_pickle=False)
    assert rows["time"].tolist() == part["times"]
    assert rows["position"].tolist() == part["positions"] and rows["velocity"].tolist() == part["velocities"]
    picture = ada.owner.get(f"{path}?format=svg")
    assert picture.content_type.startswith("image/svg+xml")
    titles = [title.text for title in ElementTree.fromstring(picture.data).iter("{http://www.w3.org/2000/svg}title")]
    assert titles[1:] == [body["name"] for body in ada.owner.get(f"/scenes/{ada.scene_id}/bodies").json["items"]]
    for wrong in ("from=x", "from=nan", "from=2&to=1", "format=xls", "until=3"):
        assert ada.owner.get(f"{path}?{wrong}").status_code == 422, wrong


def test_an_equal_run_is_found_again_and_another_is_made(ada: Studio) -> None:
    path = f"/scenes/{ada.scene_id}/simulate"
    first = ada.owner.post(path, json={}, headers=PATIENT).json["simulation"]
    again = ada.owner.post(path, json={})
    assert (again.status_code, again.json["job"]) == (201, None)
    assert again.json["simulation"] == first
    longer = ada.owner.post(path, json={"duration_s": 3}, headers=PATIENT).json["simulation"]
    assert longer["id"] != first["id"]
    assert longer["trajectory_hash"] != first["trajectory_hash"]
    audio = ada.render()
    assert audio["simulation_id"] == first["id"]
    assert audio["trajectory_hash"] == first["trajectory_hash"]


def test_notes_alone(ada: Studio) -> None:
    answer = ada.owner.post(f"/scenes/{ada.scene_id}/score", json={}, headers=PATIENT)
    assert answer.status_code == 201
    score = answer.json["score"]
    path = f"/scores/{score['id']}"
    assert answer.headers["Location"] == f"/api{path}"
    notes = ada.owner.get(f"{path}/notes").json["notes"]
    assert len(notes) == score["note_count"]
    assert ada.owner.get(f"{path}/midi").data.startswith(b"MThd")
    assert ada.owner.get(f"{path}/events.csv").text.count("\r\n") == score["note_count"] + 1
    assert ada.owner.get(path).json == score
    assert ada.render()["score_id"] == score["id"]


def test_an_unfinished_run_has_nothing_to_show(idle: Studio) -> None:
    answer = idle.owner.post(f"/scenes/{idle.scene_id}/simulate", json={}, headers={"Prefer": "wait=0"})
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/jobs/{answer.json['job']['id']}"
    for part in ("trajectory", "events", "conservation"):
        missing = idle.owner.get(f"/simulations/{answer.json['simulation']['id']}/{part}")
        assert (missing.status_code, missing.json["state"]) == (409, "queued")


def test_a_private_universe_s_runs_are_its_members_alone(app: Flask, ada: Studio, person: Callable[[str], Any]) -> None:
    found = ada.owner.post(f"/scenes/{ada.scene_id}/score", json={}, headers=PATIENT).json["score"]
    grace = person("grace")
    for path in (f"/scores/{found['id']}", f"/scores/{found['id']}/notes", f"/simulations/{found['simulation_id']}/trajectory"):
        assert ada.owner.get(path).status_code == 200, path
        assert grace.get(path).status_code == 404, path
    assert grace.post(f"/scenes/{ada.scene_id}/simulate", json={}).status_code == 404


def test_the_reference_of_what_can_sound(app: Flask) -> None:
    client = app.test_client()
    served = {item["name"] for item in client.get("/api/audio/instruments").json["items"]}
    assert {"modal", "additive", "sine", "karplus_strong", "triangle", "square", "saw", "fm", "noise", "granular"} <= served
    rooms = {item["name"]: item for item in client.get("/api/audio/rooms").json["items"]}
    assert rooms["concert_hall"]["volume_m3"] == 44 * 20 * 18
    assert [band["hz"] for band in rooms["church"]["bands"]] == [125, 250, 500, 1000, 2000, 4000, 8000]
    assert {"major", "blues", "whole_tone"} <= {item["name"] for item in client.get("/api/audio/scales").json["items"]}
    assert {"equal", "just", "pythagorean", "resonance", "harmonic", "custom"} == {
        item["name"] for item in client.get("/api/audio/tunings").json["items"]
    }
    converted = client.post("/api/audio/convert", json={"note": "A3"}).json
    assert (converted["hz"], converted["midi"], converted["cents"]) == (220.0, 57.0, 0.0)
    fifth = client.post("/api/audio/convert", json={"ratio": "3:2"}).json
    assert (fifth["interval"], round(fifth["cents"], 6)) == ("P5", 701.955001)  # 1200 log2(3/2)
    for wrong in ({}, {"hz": 440, "midi": 69}, {"hz": -1}, {"note": "H4"}, {"ratio": True}, {"ratio": "1:0"}, {"hz": {}}):
        assert client.post("/api/audio/convert", json=wrong).status_code == 422, wrong


def test_every_scale_and_tuning_is_a_scala_file_that_reads_back(app: Flask) -> None:
    client = app.test_client()
    cents = {item["name"]: item["cents"] for item in client.get("/api/audio/scales").json["items"]}
    for name, steps in cents.items():
        file = client.get(f"/api/audio/scales/{name}.scl")
        assert file.headers["Content-Disposition"] == f"attachment; filename={name}.scl"
        again = client.post("/api/audio/tunings/scala", json={"scl": file.text})
        assert again.json["cents"] == [*steps[1:], 1200.0]
    fifths = {"equal": 700.0, "just": 701.955, "pythagorean": 701.955, "resonance": 701.955, "harmonic": 701.955}
    for name, fifth in fifths.items():
        again = client.post("/api/audio/tunings/scala", json={"scl": client.get(f"/api/audio/tunings/{name}.scl").text}).json
        assert min(abs(step - fifth) for step in again["cents"]) < 1e-3
        assert (again["cents"][-1], again["tuning"]["degrees"][-1], again["keys"]) == (1200.0, "2/1", None)
    assert "\n 31\n" in client.get("/api/audio/tunings/equal.scl?divisions=31").text
    assert client.get("/api/audio/tunings/equal.scl?divisions=73").json["errors"] == {
        "divisions": ["Must be a whole number in the range 1 to 72."]
    }
    assert client.get("/api/audio/tunings/just.scl?divisions=31").json["errors"] == {"divisions": ["Only equal tuning has divisions."]}
    assert [client.get(f"/api/audio/{path}.scl").status_code for path in ("tunings/custom", "tunings/odd", "scales/odd")] == [404, 404, 404]


def test_scala_files_are_read_with_the_pitch_of_every_key(app: Flask) -> None:
    client = app.test_client()
    files = {"scl": "fifths\n2\n3/2\n2/1\n", "kbm": "2\n60\n63\n60\n60\n300.0\n2\n0\n1\n"}
    answer = client.post("/api/audio/tunings/scala", json=files)
    assert answer.json["tuning"] == {"type": "custom", "degrees": ["3/2", "2/1"], "root_hz": pytest.approx(300.0)}
    assert (answer.json["description"], answer.json["notes"]) == ("fifths", 2)
    assert [(row["midi"], round(row["hz"], 9)) for row in answer.json["keys"]] == [(60, 300.0), (61, 450.0), (62, 600.0), (63, 900.0)]
    wrong = client.post("/api/audio/tunings/scala", json={**files, "kbm": "2\n60\n50"})
    assert (wrong.status_code, wrong.json["errors"]) == (422, {"kbm": ["Line 3: the last MIDI note must not be below the first, 60."]})
    assert client.post("/api/audio/tunings/scala", json={"scl": "x" * 100_001}).status_code == 422


def test_a_scene_gives_its_tuning_as_a_scala_file(ada: Studio) -> None:
    degrees = [386.3, "3/2", "3/1"]
    change = {"harmony": {"tuning": {"type": "custom", "degrees": degrees}}}
    assert ada.owner.patch(f"/scenes/{ada.scene_id}", json=change).status_code == 200
    file = ada.owner.get(f"/scenes/{ada.scene_id}/tuning.scl")
    assert file.text.splitlines()[1:] == [" 3", "!", " 386.3", " 3/2", " 3/1"]
    assert ada.owner.get(f"/scenes/{ada.scene_id}/tuning.scl", headers={"If-None-Match": file.headers["ETag"]}).status_code == 304
    back = {"harmony": {"tuning": {"type": "custom", "scl": file.text}}}
    assert ada.owner.patch(f"/scenes/{ada.scene_id}", json=back).json["harmony"]["tuning"]["degrees"] == degrees

"""Scenes performed by operator commands, without a server: the same hashes as the server's."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from uuid import uuid4

import mido
import soundfile

from tests.audio.conftest import Studio


def told(output: str) -> dict[str, str]:
    """The lines of a command's output, `name: value`."""
    return dict(line.split(": ", 1) for line in output.splitlines())


def test_a_render_by_command_has_the_hashes_of_the_server_s(ada: Studio, tmp_path: Path) -> None:
    audio = ada.render(format="flac", sample_rate=44100, seed="99", duration_s=1.5, loudness_lufs=-20)
    file, midi, table = tmp_path / "balls.flac", tmp_path / "balls.mid", tmp_path / "balls.csv"
    options = ["--scene", str(ada.scene_id), "--sample-rate", "44100", "--seed", "99", "--duration", "1.5", "--loudness", "-20"]
    run = ada.app.test_cli_runner().invoke(args=["scenes", "render", str(file), *options, "--midi", str(midi), "--table", str(table)])
    assert run.exit_code == 0, run.output
    said = told(run.stdout)
    for name in ("trajectory_hash", "score_hash", "samples_hash"):
        assert said[name] == audio[name], name
    assert soundfile.info(file).frames == audio["frames"]
    assert len(list(csv.DictReader(table.open()))) == int(said["notes"])
    assert mido.MidiFile(midi).length > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["balls.csv", "balls.flac", "balls.mid"], "no draft is left"


def test_a_simulation_by_command_has_the_hash_of_the_server_s(ada: Studio, tmp_path: Path) -> None:
    found = ada.owner.post(f"/scenes/{ada.scene_id}/simulate", json={}, headers={"Prefer": "wait=30"}).json["simulation"]
    events = ada.owner.get(f"/simulations/{found['id']}/events").json["items"]
    run = ada.app.test_cli_runner().invoke
    for name in ("events.csv", "events.json"):
        done = run(args=["scenes", "simulate", str(tmp_path / name), "--scene", str(ada.scene_id)])
        assert done.exit_code == 0, done.output
        assert told(done.stdout)["trajectory_hash"] == found["trajectory_hash"]
    assert json.loads((tmp_path / "events.json").read_text()) == events
    rows = list(csv.DictReader((tmp_path / "events.csv").open()))
    assert [float(row["t_s"]) for row in rows] == [event["t_s"] for event in events]
    assert [float(row["y"]) for row in rows] == [event["position"]["y"] for event in events]


def test_a_command_says_plainly_what_is_wrong_and_leaves_nothing_behind(ada: Studio, tmp_path: Path) -> None:
    run = ada.app.test_cli_runner().invoke
    for arguments, words in (
        ([str(tmp_path / "a.aiff"), "--scene", str(ada.scene_id)], "format: Must be one of wav, flac, ogg, mp3."),
        ([str(tmp_path / "a.wav"), "--scene", str(ada.scene_id), "--sample-rate", "100"], "sample_rate: Must be in the range"),
        ([str(tmp_path / "a.wav"), "--scene", str(uuid4())], "There is no such scene."),
    ):
        refused = run(args=["scenes", "render", *arguments])
        assert refused.exit_code == 1
        assert words in refused.output
    assert list(tmp_path.iterdir()) == []

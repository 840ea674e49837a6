"""The self-check: it passes what is right and catches what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import soundfile

from app.engine.audio import files, mix
from app.engine.audio.verify import verify
from app.engine.music.score import Score

Make = Callable[..., Any]
Written = Callable[..., tuple[Path, files.Written]]
SETTINGS = mix.Settings()


@pytest.fixture
def apart(note: Make, score_of: Make) -> Score:
    """Twelve notes that stand alone, on four instruments."""
    names = ("modal", "sine", "additive", "karplus_strong")
    notes = [note(0.2 + 0.8 * place, 110.0 * 2 ** (place / 3), voice_id=names[place % 4], pan=(place % 3 - 1) * 0.8) for place in range(12)]
    return score_of(notes, 10.0, voices=tuple({"id": name, "instrument": name} for name in names))


def moved(score: Score, *, cents: float = 0.0, seconds: float = 0.0, which: int = 5) -> Score:
    notes = list(score.notes)
    notes[which] = replace(notes[which], hz=notes[which].hz * 2 ** (cents / 1200), t_s=notes[which].t_s + seconds)
    return replace(score, notes=tuple(notes))


@pytest.mark.parametrize("bit_depth", [16, 24, "32f"])
def test_notes_that_stand_alone_are_measured_and_right(apart: Score, written: Written, bit_depth: Any) -> None:
    settings = mix.Settings(bit_depth=bit_depth)
    report = verify(written(apart, settings)[0], apart, settings)
    assert report["ok"], report["reasons"]
    assert report["notes"]["measured"] == report["notes"]["total"] == 12
    assert report["notes"]["pitches"] == {"measured": 12, "worst_cents": pytest.approx(0.0, abs=0.3), "tolerance_cents": 1.0}
    assert report["notes"]["onsets"]["worst_s"] < 0.0025
    assert report["peak_dbtp"] <= -1.0
    orjson.dumps(report)


@pytest.mark.parametrize("format", ["ogg", "mp3"])
def test_of_a_lossy_file_the_notes_are_measured_too_and_a_wrong_one_is_caught(apart: Score, written: Written, format: str) -> None:
    settings = mix.Settings(format=format)
    report = verify(written(apart, settings)[0], apart, settings)
    assert report["ok"], report["reasons"]
    assert report["notes"]["measured"] == 12
    assert report["notes"]["pitches"]["worst_cents"] < 0.5
    assert report["peak_dbtp"] <= 0.0
    wrong = moved(moved(apart, cents=30.0, which=4), seconds=0.016, which=9)
    report = verify(written(wrong, settings, "wrong")[0], apart, settings)
    assert [row["index"] for row in report["notes"]["rows"] if row["status"] == "failed"] == [4, 9]


@pytest.mark.parametrize("cents", [3.0, -3.0, 80.0, 600.0])
def test_a_detuned_note_is_caught(apart: Score, written: Written, cents: float) -> None:
    report = verify(written(moved(apart, cents=cents))[0], apart, SETTINGS)
    assert not report["ok"]
    failed = [row for row in report["notes"]["rows"] if row["status"] == "failed"]
    assert [row["index"] for row in failed] == [5]
    if abs(cents) == 3.0:
        assert failed[0]["cents"] == pytest.approx(cents, abs=0.3)


@pytest.mark.parametrize("seconds", [0.005, -0.005, 0.012])
def test_a_note_out_of_time_is_caught(apart: Score, written: Written, seconds: float) -> None:
    report = verify(written(moved(apart, seconds=seconds))[0], apart, SETTINGS)
    assert not report["ok"]
    failed = [row for row in report["notes"]["rows"] if row["onset"] == "failed"]
    assert [row["index"] for row in failed] == [5]
    assert failed[0]["onset_error_s"] == pytest.approx(seconds, abs=0.003)


@pytest.mark.parametrize("decibels", [-3.0, 3.0])
def test_the_level_of_a_note_is_told(apart: Score, written: Written, decibels: float) -> None:
    notes = list(apart.notes)
    notes[5] = replace(notes[5], amplitude=notes[5].amplitude * 10 ** (decibels / 20))
    report = verify(written(replace(apart, notes=tuple(notes)))[0], apart, SETTINGS)
    assert report["notes"]["rows"][5]["partials"][0]["level_db"] == pytest.approx(decibels, abs=0.1)
    assert report["notes"]["partials"]["worst_db"] == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("decibels", [-20.0, -14.0])
def test_a_note_of_the_wrong_level_is_caught(apart: Score, written: Written, decibels: float) -> None:
    notes = list(apart.notes)
    notes[5] = replace(notes[5], amplitude=notes[5].amplitude * 10 ** (decibels / 20))
    report = verify(written(replace(apart, notes=tuple(notes)))[0], apart, SETTINGS)
    (failed,) = [row for row in report["notes"]["rows"] if row["status"] == "failed"]
    assert failed["index"] == 5
    assert failed["partials"][0]["level_db"] == pytest.approx(decibels, abs=0.1)


@pytest.mark.parametrize(
    ("player", "asked", "given"),
    [
        ("modal", {"resonator": "string", "stiffness": 1e-3}, {"resonator": "string", "stiffness": 1.4e-3}),
        ("modal", {"damping": 0.5}, {"damping": 1.0}),
        ("modal", {"decay_s": 1.5}, {"decay_s": 0.8}),
        ("additive", {"brightness": 0.5}, {"brightness": 0.75}),
        ("fm", {"index": 1.0}, {"index": 1.6}),
        ("karplus_strong", {"decay_s": 2.0}, {"decay_s": 1.0}),
    ],
)
def test_partials_that_are_not_those_of_the_instrument_show(
    written: Written, note: Make, score_of: Make, player: str, asked: Any, given: Any
) -> None:
    notes = [note(0.1 + 0.8 * place, 220.0 * 1.5**place) for place in range(3)]
    right, wrong = (
        score_of(notes, 3.0, voices=({"id": "v", "instrument": player, "parameters": parameters},)) for parameters in (asked, given)
    )
    report = verify(written(right)[0], right, SETTINGS)
    assert report["ok"], report["reasons"]
    assert report["notes"]["partials"]["measured"] > len(notes)
    assert report["notes"]["partials"]["worst_db"] < 0.5
    other = verify(written(wrong)[0], right, SETTINGS)
    assert not other["ok"] or other["notes"]["partials"]["worst_db"] > 1.5


def test_a_missing_note_is_caught(apart: Score, written: Written) -> None:
    without = replace(apart, notes=(*apart.notes[:5], replace(apart.notes[5], amplitude=1e-9), *apart.notes[6:]))
    report = verify(written(without)[0], apart, SETTINGS)
    assert [row["index"] for row in report["notes"]["rows"] if row["status"] == "failed"] == [5]


def spoilt(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> Path:
    samples, rate = soundfile.read(path)
    soundfile.write(path, change(samples), rate, subtype="PCM_24")
    return path


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("frames", lambda x: x[:-1]),
        ("true peak", lambda x: x * (0.95 / np.abs(x).max())),
        ("silence", lambda x: x * 0.0),
        ("offset", lambda x: x + 0.002),
        ("first and last sample", lambda x: np.concatenate((x[:-1], np.full((1, 2), 0.01)))),
    ],
)
def test_a_spoilt_file_is_caught(apart: Score, written: Written, what: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    report = verify(spoilt(written(apart)[0], change), apart, SETTINGS)
    assert not report["ok"]
    assert what in [check["what"] for check in report["checks"] if not check["ok"]]
    assert any(reason.startswith(what) for reason in report["reasons"])


def test_notes_that_others_cover_are_measured_alone(written: Written, note: Make, score_of: Make) -> None:
    rng = np.random.default_rng(4)
    names = ("modal", "sine", "fm", "karplus_strong")
    notes = [
        note(float(t), 200.0 * 2 ** float(rng.uniform(0, 3)), duration_s=1.5, voice_id=names[place % 4], amplitude=0.2)
        for place, t in enumerate(rng.uniform(0, 3, 150))
    ]
    dense = score_of(notes, 3.0, voices=tuple({"id": name, "instrument": name} for name in names))
    report = verify(written(dense)[0], dense, SETTINGS)
    assert report["ok"], report["reasons"]
    found = report["notes"]
    assert found["rendered_alone"] == 100
    assert found["measured_solo"] > 90
    assert found["measured"] + found["measured_solo"] + found["masked"] == found["total"] == 150
    solo = [row for row in found["rows"] if row["status"] == "measured_solo"]
    assert all(row["cents"] is not None or row["onset_error_s"] is not None for row in solo)
    assert {row["pitch"] for row in solo} <= {"measured_solo", "masked"}


def test_held_notes_are_measured_between_strokes(written: Written, note: Make, score_of: Make) -> None:
    hz = [130.81 * ratio for ratio in (1.0, 1.51, 2.02, 3.3, 5.05)]
    steady = [note(0.0, one, duration_s=6.0, voice_id="s", track={"rate": 200, "hz": [one]}) for one in hz]
    strokes = [note(0.9 + place, hz[place], voice_id="m") for place in range(5)]
    soft = {"attack_s": 0.5, "decay_s": 0.0, "sustain": 1.0, "release_s": 0.5}
    voices = ({"id": "s", "instrument": "sine", "adsr": soft}, {"id": "m", "instrument": "modal", "gain_db": -12.0})
    score = score_of([*steady, *strokes], 6.0, voices=voices)
    report = verify(written(score)[0], score, SETTINGS)
    assert report["ok"], report["reasons"]
    assert [row["pitch"] for row in report["notes"]["rows"][:5]] == ["measured"] * 5


def test_a_swell_of_what_sounds_before_is_not_taken_for_the_onset(written: Written, note: Make, score_of: Make) -> None:
    beating = [note(0.0, hz, duration_s=2.0, amplitude=0.05) for hz in (400.0, 410.0)]  # silent 25 ms before the note, and rising since
    score = score_of([*beating, note(1.448, 900.0, amplitude=0.08)], 3.0, voices=({"id": "v", "instrument": "sine"},))
    report = verify(written(score)[0], score, SETTINGS)
    assert report["ok"], report["reasons"]
    assert report["notes"]["rows"][2]["onset"] != "measured"


@pytest.mark.parametrize("voice", [{"instrument": "saw"}, {"instrument": "additive", "parameters": {"partials": 64, "start_phase": 0.0}}])
def test_a_wave_that_jumps_once_a_period_is_not_taken_for_late(written: Written, note: Make, score_of: Make, voice: Any) -> None:
    rng = np.random.default_rng(7)
    notes = [note(0.1 + 0.4 * place, float(hz), duration_s=0.2) for place, hz in enumerate(np.exp(rng.uniform(4.0, 8.0, 40)))]
    score = score_of(notes, 16.5, voices=({"id": "v"} | voice,))
    report = verify(written(score)[0], score, SETTINGS)
    assert report["ok"], report["reasons"]
    assert report["notes"]["onsets"]["measured"] == sum(one.hz >= 500.0 for one in notes)


def test_a_side_band_that_changes_its_sign_is_not_the_one_that_is_measured(written: Written, note: Make, score_of: Make) -> None:
    """As the index falls through a zero of a function of Bessel, the peak of that side band is split, up to 15 cents off its line."""
    parameters = {"carrier_ratio": 0.5, "modulator_ratio": 0.5, "index_decay_s": 1.0}
    indices = np.linspace(5.0, 7.4, 13).tolist()
    voices = tuple({"id": f"{index}", "instrument": "fm", "parameters": parameters | {"index": index}} for index in indices)
    score = score_of([note(0.1 + 0.8 * place, 301.54, voice_id=f"{index}") for place, index in enumerate(indices)], 10.5, voices=voices)
    report = verify(written(score)[0], score, SETTINGS)
    assert report["ok"], report["reasons"]
    assert report["notes"]["pitches"]["measured"] == len(indices)


def test_a_side_band_below_what_is_heard_is_not_judged(written: Written, note: Make, score_of: Make) -> None:
    """Of a modulator three thousandths above its carrier one side band is at 2.5 Hz, where the file is kept free of offsets."""
    voice = {"id": "v", "instrument": "fm", "parameters": {"modulator_ratio": 1.003, "index": 1.5}}
    score = score_of([note(0.1, 838.85)], 1.0, voices=(voice,))
    report = verify(written(score)[0], score, SETTINGS)
    assert report["ok"], report["reasons"]


def test_a_gliding_note_is_not_judged(written: Written, note: Make, score_of: Make) -> None:
    track = {"rate": 200, "hz": np.linspace(200, 300, 401).tolist()}
    score = score_of([note(0.0, 200.0, duration_s=2.0, track=track)], voices=({"id": "v", "instrument": "sine"},))
    report = verify(written(score)[0], score, SETTINGS)
    assert report["ok"]
    assert report["notes"]["rows"][0]["pitch"] == "masked"


def test_an_empty_score_and_a_loop_are_valid(written: Written, apart: Score, score_of: Make) -> None:
    empty = score_of([])
    report = verify(written(empty)[0], empty, SETTINGS)
    assert report["ok"]
    assert report["lufs"] is None
    assert report["notes"]["total"] == 0
    loop = replace(apart, loop=True)
    report = verify(written(loop, name="loop")[0], loop, SETTINGS)
    assert report["ok"], report["reasons"]


def test_of_many_notes_a_thousand_are_listened_to(written: Written, note: Make, score_of: Make) -> None:
    rng = np.random.default_rng(6)
    many = score_of([note(float(t), 500.0, duration_s=0.02) for t in rng.uniform(0, 4, 1200)], 4.0)
    report = verify(written(many)[0], many, SETTINGS)
    assert report["notes"]["total"] == 1200
    assert report["notes"]["listened"] == len(report["notes"]["rows"]) == 1000


def test_a_note_that_outlasts_its_file_is_listened_to_inside(written: Written, note: Make, score_of: Make) -> None:
    """Struck again while it sounds, it would stand alone only after the end."""
    notes = [note(0.5, 800.0, duration_s=14.0), note(3.5, 800.0, duration_s=14.0), note(3.0, 600.0, duration_s=16.0)]
    score = score_of(notes, 4.0, voices=({"id": "v", "instrument": "sine"},))
    report = verify(written(score)[0], score, SETTINGS)
    assert report["ok"], report["reasons"]

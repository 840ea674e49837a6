"""A renderer that plays something else than the score: the self-check hears it, in every mix, and lets the true one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.engine.audio import files, mix
from app.engine.audio.envelopes import Samples
from app.engine.audio.instruments import Tone
from app.engine.audio.rooms import Reverb
from app.engine.audio.sounds import Sound
from app.engine.audio.verify import verify, verify_mix
from app.engine.music.score import Note, Score

Make = Callable[..., Any]


def slow(value: Any) -> Any:
    return pytest.param(value, marks=pytest.mark.slow)


DRY, IN_ROOM = mix.Settings(), mix.Settings(reverb=Reverb("chamber_hall"))
LOUD, LOSSY = mix.Settings(loudness_lufs=-16.0), mix.Settings(format="ogg")
NAMES = ("modal", "karplus_strong", "additive", "fm", "square")


@pytest.fixture
def sparse(note: Make, score_of: Make) -> Score:
    """Ten notes of five instruments that stand apart."""
    notes = [note(0.2 + 0.7 * place, 330.0 * 2 ** (place / 4), voice_id=NAMES[place % 5], pan=(place % 3 - 1) * 0.7) for place in range(10)]
    return score_of(notes, 7.5, voices=voices())


@pytest.fixture
def dense(note: Make, score_of: Make) -> Score:
    """Eighty notes of the same five in three seconds."""
    rng = np.random.default_rng(11)
    notes = [
        note(float(t), float(np.exp(rng.uniform(5.0, 7.5))), duration_s=0.8, voice_id=NAMES[place % 5], amplitude=0.2)
        for place, t in enumerate(rng.uniform(0.0, 3.0, 80))
    ]
    return score_of(notes, 3.0, voices=voices())


def voices() -> tuple[dict[str, Any], ...]:
    return tuple({"id": name, "instrument": name, "pan": 0.3 * place - 0.6} for place, name in enumerate(NAMES))


def played(score: Score, change: Callable[[Note], Note]) -> Score:
    return replace(score, notes=tuple(change(note) for note in score.notes))


def report_of(path: Path, asked: Score, given: Score, settings: mix.Settings) -> dict[str, Any]:
    """The report of a file for `asked` in which `given` sounds."""
    path, levelling = path / f"x{files.FORMATS[settings.format].extension}", mix.Levelling(path)
    files.write(
        path,
        mix.lay_out(given, settings).samples(levelling=levelling),
        format=settings.format,
        bit_depth=settings.bit_depth,
        sample_rate=settings.sample_rate,
        quality=settings.quality,
    )
    return verify(path, asked, settings, gain=levelling.gain)


@pytest.mark.parametrize("settings", [DRY, slow(LOUD), slow(mix.Settings(bit_depth=16))], ids=["dry", "loud", "16 bit"])
@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("cents off", lambda note: replace(note, hz=note.hz * 2 ** (3 / 1200))),
        ("cents off", lambda note: replace(note, hz=note.hz * 2 ** (-3 / 1200))),
        ("ms off", lambda note: replace(note, t_s=note.t_s + 0.005)),
    ],
)
def test_a_renderer_that_is_out_of_tune_or_late_is_caught(
    sparse: Score, tmp_path: Path, settings: mix.Settings, what: str, change: Callable[[Note], Note]
) -> None:
    assert report_of(tmp_path, sparse, sparse, settings)["ok"]
    report = report_of(tmp_path, sparse, played(sparse, change), settings)
    assert not report["ok"]
    failed = [row for row in report["notes"]["rows"] if row["status"] == "failed"]
    assert len(failed) == len(sparse.notes)
    assert sum(what in row["why"] for row in failed) >= 9


@pytest.mark.parametrize("silent", ["modal", *(slow(name) for name in NAMES[1:])])
def test_a_silent_voice_is_caught_however_dense_the_others_are(dense: Score, tmp_path: Path, silent: str) -> None:
    right = report_of(tmp_path, dense, dense, DRY)
    assert right["ok"], right["reasons"]
    assert {row["voice_id"]: row["status"] for row in right["voices"]} == dict.fromkeys(NAMES, "measured")
    assert max(abs(row["level_db"]) for row in right["voices"]) < 0.01
    report = report_of(tmp_path, dense, without(dense, silent), DRY)
    assert f"voice {silent} does not sound" in report["reasons"]
    assert [row["voice_id"] for row in report["voices"] if row["status"] == "failed"] == [silent]


@pytest.mark.parametrize("settings", [slow(LOUD), LOSSY, slow(mix.Settings(format="mp3"))], ids=["loud", "ogg", "mp3"])
def test_a_silent_voice_is_caught_in_files_of_other_kinds(dense: Score, tmp_path: Path, settings: mix.Settings) -> None:
    right = report_of(tmp_path, dense, dense, settings)
    assert right["ok"], right["reasons"]
    assert [row["status"] for row in right["voices"]] == ["measured"] * 5
    assert "voice additive does not sound" in report_of(tmp_path, dense, without(dense, "additive"), settings)["reasons"]


def without(score: Score, voice: str) -> Score:
    return played(score, lambda note: replace(note, amplitude=1e-9) if note.voice_id == voice else note)


Render = Callable[[Tone], Samples]
BROKEN: dict[str, Callable[[Render], Render]] = {
    "sharp by 3 cents": lambda render: lambda tone: render(replace(tone, hz=tone.hz * 2 ** (3 / 1200))),
    "late by 5 ms": lambda render: lambda tone: np.concatenate((np.zeros(240, np.float32), render(tone)))[: tone.frames],
    "silent": lambda render: lambda tone: 0.0 * render(tone),
}


def with_broken(whole: mix.Mix, name: str, broken: Callable[[Render], Render]) -> mix.Mix:
    """The mix with one instrument whose code does not play what it says it plays."""

    def spoilt(sound: Sound) -> Sound:
        player = sound.part.instrument
        if player.name != name:
            return sound
        return replace(sound, part=replace(sound.part, instrument=replace(player, render=broken(player.render))))

    return replace(whole, sounds=tuple(spoilt(sound) for sound in whole.sounds))


@pytest.mark.parametrize("settings", [DRY, IN_ROOM], ids=["dry", "room"])
@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("name", ["modal", *(slow(name) for name in NAMES[1:])])
def test_an_instrument_with_broken_code_is_caught_in_a_dense_mix(
    dense: Score, tmp_path: Path, name: str, fault: str, settings: mix.Settings
) -> None:
    """Nothing of it may be heard alone there; but notes that are covered are rendered alone, by the same broken code."""
    whole = with_broken(mix.lay_out(dense, settings), name, BROKEN[fault])
    files.write(tmp_path / "x.wav", whole.samples(), format="wav", bit_depth=24, sample_rate=48000)
    report = verify_mix(tmp_path / "x.wav", whole)
    assert not report["ok"]
    failed = [dense.notes[row["index"]].voice_id for row in report["notes"]["rows"] if row["status"] == "failed"]
    assert set(failed) == {name}
    assert len(failed) > 8

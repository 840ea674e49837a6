"""Files brought to a loudness: reached, or held back by the limiter, and told so."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from app.engine.audio import mix
from app.engine.audio.files import write
from app.engine.audio.meters import LoudnessMeter
from app.engine.audio.verify import verify
from app.engine.music.score import Score

Make = Callable[..., Any]
Mastered = Callable[..., NDArray[np.float32]]


@pytest.fixture
def piece(note: Make, score_of: Make) -> Score:
    """Eight struck and held notes in four seconds."""
    voices = ({"id": "v", "instrument": "modal"}, {"id": "w", "instrument": "sine", "pan": 0.5})
    notes = [note(0.1 + 0.45 * place, 200.0 + 90 * place, voice_id="vw"[place % 2]) for place in range(8)]
    return score_of(notes, duration_s=4.0, voices=voices)


@pytest.fixture
def reported(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The report on a score written to a file, with the file's own samples under `samples`."""

    def make(score: Score, settings: mix.Settings) -> dict[str, Any]:
        path, levelling = tmp_path / "levelled.wav", mix.Levelling(tmp_path)
        samples = mix.lay_out(score, settings).samples(levelling=levelling)
        write(path, samples, format="wav", bit_depth=settings.bit_depth, sample_rate=settings.sample_rate)
        assert [one.name for one in tmp_path.iterdir()] == ["levelled.wav"], "the first pass leaves nothing behind"
        return verify(path, score, settings, gain=levelling.gain) | {"samples": soundfile.read(path)[0].T}

    return make


def lufs(samples: NDArray[Any], rate: int = 48000) -> float | None:
    meter = LoudnessMeter(rate)
    meter.read(samples.astype(np.float32))
    return meter.lufs()


@pytest.mark.parametrize("target", [-40.0, -23.0, -16.0])
@pytest.mark.parametrize("loop", [False, True])
def test_a_file_has_the_loudness_asked_for(piece: Score, reported: Make, target: float, loop: bool) -> None:
    report = reported(replace(piece, loop=loop), mix.Settings(loudness_lufs=target, bit_depth=16))
    assert report["ok"], report["reasons"]
    assert lufs(report["samples"]) == pytest.approx(target, abs=0.1)
    assert report["loudness"]["asked_lufs"] == target
    assert report["loudness"]["reached_lufs"] == pytest.approx(target, abs=0.1)
    assert not report["loudness"]["limited"]


@pytest.mark.parametrize("format", ["ogg", "mp3"])
def test_lossy_files_have_the_loudness_asked_for_or_were_limited(piece: Score, tmp_path: Path, format: str) -> None:
    path, levelling = tmp_path / f"levelled.{format}", mix.Levelling(tmp_path)
    for target in (-23.0, -6.0):
        settings = mix.Settings(loudness_lufs=target, format=format)
        write(
            path, mix.lay_out(piece, settings).samples(levelling=levelling), format=format, bit_depth=None, sample_rate=48000, quality=0.5
        )
        report = verify(path, piece, settings, gain=levelling.gain)
        assert report["ok"], report["reasons"]
        assert report["loudness"]["limited"] == (target == -6.0)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_another_meter_reads_the_loudness_asked_for(piece: Score, reported: Make, tmp_path: Path) -> None:
    reported(piece, mix.Settings(loudness_lufs=-18.0))
    command = ["ffmpeg", "-nostats", "-i", str(tmp_path / "levelled.wav"), "-af", "ebur128", "-f", "null", "-"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert float(re.findall(r"I:\s+(-?[\d.]+) LUFS", told)[-1]) == pytest.approx(-18.0, abs=0.1)


def test_short_strokes_stay_below_a_loudness_that_the_limiter_does_not_let_them_reach(note: Make, score_of: Make, reported: Make) -> None:
    clicks = score_of([note(0.1 + 0.5 * place, 900.0, duration_s=0.02) for place in range(8)], duration_s=4.0)
    report = reported(clicks, mix.Settings(loudness_lufs=-5.0))
    assert report["ok"], report["reasons"]
    assert report["loudness"]["reached_lufs"] < -6.0
    assert report["loudness"]["limited"]
    assert report["loudness"]["gain_db"] > 10.0
    assert report["notes"]["listened_to"] == "dry mix", "a limiter that is driven so adds lines of its own"
    assert report["peak_dbtp"] <= -1.0


def test_a_file_that_is_too_quiet_without_a_reason_is_found_out(piece: Score, tmp_path: Path) -> None:
    path = tmp_path / "quiet.wav"
    write(path, mix.lay_out(piece, mix.Settings(loudness_lufs=-30.0)).samples(), format="wav", bit_depth=24, sample_rate=48000)
    report = verify(path, piece, mix.Settings(loudness_lufs=-16.0))
    assert not report["ok"]
    assert any(reason.startswith("loudness: ") for reason in report["reasons"])


def test_what_no_gate_would_let_pass_is_brought_up_too(note: Make, score_of: Make, reported: Make) -> None:
    """Below -70 LUFS a sound has no integrated loudness; it can still be made to have one."""
    faint = {"id": "v", "instrument": "sine", "gain_db": -60.0}
    score = score_of([note(0.0, 1000.0, duration_s=1.5, amplitude=0.1)], voices=(faint,))
    assert mix.render(score, mix.Settings()).samples.any()
    report = reported(score, mix.Settings(loudness_lufs=-23.0))
    assert report["loudness"]["reached_lufs"] == pytest.approx(-23.0, abs=0.1)


def test_a_long_decay_reaches_its_loudness_though_its_blocks_move_over_the_gate(note: Make, score_of: Make, reported: Make) -> None:
    rings = score_of([note(0.0, 220.0, duration_s=10.0), note(3.0, 440.0, duration_s=10.0, amplitude=0.003)], duration_s=9.0)
    for target in (-40.0, -20.0):
        report = reported(rings, mix.Settings(loudness_lufs=target))
        assert report["loudness"]["reached_lufs"] == pytest.approx(target, abs=0.1) or report["loudness"]["limited"]
        assert report["ok"], report["reasons"]


def test_silence_stays_silence(score_of: Make, reported: Make) -> None:
    report = reported(score_of([]), mix.Settings(loudness_lufs=-23.0, bit_depth="32f"))
    assert report["ok"], report["reasons"]
    assert report["loudness"]["reached_lufs"] is None
    assert not report["samples"].any()


@pytest.mark.parametrize("chunk", [1009, 144000])
def test_chunks_do_not_show_in_a_levelled_mix(piece: Score, mastered: Mastered, chunk: int) -> None:
    settings = mix.Settings(loudness_lufs=-16.0)
    assert np.abs(mastered(piece, settings, chunk=chunk) - mastered(piece, settings, chunk=10**6)).max() <= 1e-6


def test_progress_rises_over_both_passes_and_ends_at_1(piece: Score) -> None:
    told: list[float] = []
    mix.render(piece, mix.Settings(loudness_lufs=-20.0), told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


def test_a_loudness_out_of_range_is_refused_by_name() -> None:
    for wrong in (-41.0, 0.0, float("nan")):
        with pytest.raises(mix.OutOfRange, match="LUFS") as refused:
            mix.Settings(loudness_lufs=wrong)
        assert refused.value.field == "loudness_lufs"

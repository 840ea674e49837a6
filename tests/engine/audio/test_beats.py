"""Beats in written files: their rates are those of arithmetic, and the self-check finds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy
import soundfile

from app.engine.audio import files, mix
from app.engine.audio.verify import verify
from app.engine.music.score import Score

Make = Callable[..., Any]
Written = Callable[..., tuple[Path, files.Written]]
EQUAL_FIFTH = 2 ** (7 / 12)
A4 = 440.0


@pytest.fixture
def chord(note: Make, score_of: Make) -> Callable[..., Score]:
    """Notes of 11 s that sound together."""

    def make(hz: list[float], instrument: str = "additive", **voice: Any) -> Score:
        notes = [note(0.0, one, duration_s=11.0, amplitude=0.3, track={"rate": 200, "hz": [one]}) for one in hz]
        return score_of(notes, 11.0, voices=({"id": "v", "instrument": instrument} | voice,))

    return make


def swells(path: Path, low: float, high: float) -> tuple[float, float]:
    """The strongest rate in Hz at which the power between `low` and `high` Hz swells, and how deeply (0 to 1); of the first 10 s."""
    samples, rate = soundfile.read(path)
    band = scipy.signal.sosfiltfilt(scipy.signal.butter(4, (low, high), "bandpass", fs=rate, output="sos"), samples[:, 0])
    power = scipy.signal.resample_poly(np.abs(scipy.signal.hilbert(band[: 10 * rate])) ** 2, 1, 480)[50:-50]
    mean = power.mean()
    spectrum = np.abs(np.fft.rfft((power - mean) * np.hanning(len(power)), 64 * len(power))) * 2 / np.hanning(len(power)).sum()
    places = np.fft.rfftfreq(64 * len(power), 480 / rate)
    at = int(np.argmax(spectrum * (places > 0.15)))
    return float(places[at]), float(spectrum[at] / mean)


def test_an_equal_tempered_fifth_beats_and_a_just_one_does_not(written: Written, chord: Callable[..., Score]) -> None:
    """The third partial of A4 and the second of E5 are both near 1320 Hz, 3 f_A - 2 f_E apart: 1.489 Hz when tempered, 0 when just."""
    tempered, just = (written(chord([A4, A4 * ratio]), name=name)[0] for name, ratio in (("tempered", EQUAL_FIFTH), ("just", 1.5)))
    rate, depth = swells(tempered, 1290.0, 1350.0)
    assert rate == pytest.approx(3 * A4 - 2 * A4 * EQUAL_FIFTH, abs=0.02)
    assert depth > 0.5
    assert swells(just, 1290.0, 1350.0)[1] < 0.01


@pytest.mark.parametrize(("ratio", "orders"), [(EQUAL_FIFTH, (3, 2)), (2 ** (4 / 12), (5, 4)), (2 ** (5 / 12), (4, 3))])
def test_the_report_has_the_beats_of_an_interval(
    written: Written, chord: Callable[..., Score], ratio: float, orders: tuple[int, int]
) -> None:
    score = chord([220.0, 220.0 * ratio])
    report = verify(written(score)[0], score, mix.Settings())
    assert report["ok"], report["reasons"]
    (row,) = report["beats"]["rows"]
    assert row["asked_hz"] == pytest.approx(abs(orders[0] - orders[1] * ratio) * 220.0, rel=1e-9)
    assert row["found_hz"] == pytest.approx(row["asked_hz"], abs=0.002)


@pytest.mark.parametrize("apart", [0.21, 11.0, *(pytest.param(apart, marks=pytest.mark.slow) for apart in (0.7, 3.0, 19.5))])
@pytest.mark.parametrize("format", ["wav", pytest.param("mp3", marks=pytest.mark.slow), pytest.param("ogg", marks=pytest.mark.slow)])
def test_two_sines_beat_at_their_difference(written: Written, chord: Callable[..., Score], apart: float, format: str) -> None:
    score, settings = chord([300.0, 300.0 + apart, 900.0], "sine"), mix.Settings(format=format)
    report = verify(written(score, settings)[0], score, settings)
    assert report["ok"], report["reasons"]
    assert report["beats"]["measured"] == report["beats"]["pairs"] == 1
    assert report["beats"]["rows"][0]["found_hz"] == pytest.approx(apart, abs=0.01)


def test_a_pair_that_beats_at_another_rate_is_caught(written: Written, chord: Callable[..., Score]) -> None:
    """0.3 cents more: each note is in tune within its cent, but 0.053 Hz too fast are three swells in a minute."""
    score = chord([300.0, 300.7], "sine")
    wrong = replace(score, notes=(score.notes[0], replace(score.notes[1], track={"rate": 200, "hz": [300.7 * 2 ** (0.3 / 1200)]})))
    report = verify(written(wrong)[0], score, mix.Settings())
    assert [row["status"] for row in report["beats"]["rows"]] == ["failed"]
    assert report["beats"]["rows"][0]["found_hz"] == pytest.approx(0.7 + 300.7 * (2 ** (0.3 / 1200) - 1), abs=0.005)
    assert not report["ok"]


def test_of_three_near_tones_no_pair_is_judged(written: Written, chord: Callable[..., Score]) -> None:
    score = chord([300.0, 300.7, 301.9], "sine")
    report = verify(written(score)[0], score, mix.Settings())
    assert report["ok"], report["reasons"]
    assert (report["beats"]["pairs"], report["beats"]["masked"]) == (3, 3)

"""Gain and place of a voice that move with the score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.engine.audio import mix
from app.engine.audio.automation import lanes
from app.engine.audio.files import Written
from app.engine.audio.sounds import HEADROOM
from app.engine.audio.verify import verify
from app.engine.errors import EngineError
from app.engine.music.score import Score

Make = Callable[..., Any]
SINE = {"id": "v", "instrument": "sine", "parameters": {"start_phase": 0.0}}
FADE = {"target": "gain_db", "points": [{"t_s": 0.5, "value": 0.0}, {"t_s": 1.5, "value": -40.0}]}
SWEEP = {"target": "pan", "points": [{"t_s": 0.0, "value": -1.0}, {"t_s": 2.0, "value": 1.0}]}


def lane(target: str, *points: tuple[float, float], curve: str = "linear") -> dict[str, Any]:
    return {"target": target, "curve": curve, "points": [{"t_s": t_s, "value": value} for t_s, value in points]}


def bus(score: Score, frames: int = 96000) -> NDArray[np.float64]:
    return next(mix.lay_out(score, mix.Settings()).bus(0, frames, frames)).astype(np.float64)


def track(seconds: float, hz: float) -> dict[str, Any]:
    return {"rate": 200, "hz": [hz] * round(200 * seconds + 1)}


@pytest.fixture(params=["struck", "held"])
def tone(request: pytest.FixtureRequest, note: Make, score_of: Make) -> Callable[..., Score]:
    """Two seconds of 500 Hz of a voice with some automation, from a note rendered whole or from one that is held along its track."""
    held = {"track": track(2.0, 500.0)} if request.param == "held" else {}

    def make(*given: dict[str, Any], **voice: Any) -> Score:
        return score_of([note(0.0, 500.0, duration_s=2.0, **held)], voices=(SINE | voice | {"automation": list(given)},))

    return make


def test_a_gain_lane_fades_in_decibels(tone: Make) -> None:
    """-40 dB over a second are a factor of 10 for each half second; before the first point and after the last nothing moves."""
    plain, faded = bus(tone(pan=-1.0))[0], bus(tone(FADE, pan=-1.0))[0]
    times = np.arange(96000) / 48000
    expected = 10 ** (np.clip(times - 0.5, 0.0, 1.0) * -2.0)
    # Linear between 200 values a second: the chord of an exponential of 4.6 / s lies (4.6 / 200)^2 / 8 above it.
    assert np.abs(faded - plain * expected).max() < 1e-4 * HEADROOM
    assert np.abs(faded[:24000] - plain[:24000]).max() < 1e-7


def test_a_lane_takes_the_place_of_the_voice_s_own_setting(tone: Make) -> None:
    assert np.array_equal(bus(tone(lane("gain_db", (0.0, -6.0)), gain_db=-30.0)), bus(tone(lane("gain_db", (3.0, -6.0)))))
    assert np.abs(bus(tone(lane("gain_db", (0.0, -6.0)))) - bus(tone(gain_db=-6.0))).max() < 1e-7
    assert np.abs(bus(tone(lane("pan", (0.0, 0.5)), pan=-1.0)) - bus(tone(pan=0.5))).max() < 1e-7


def test_a_pan_lane_sweeps_at_constant_power(tone: Make) -> None:
    both, mono = bus(tone(SWEEP)), bus(tone(pan=-1.0))[0]
    power = (both**2).sum(axis=0)
    assert np.abs(power - mono**2).max() < 1e-6
    angle = np.degrees(np.arctan2(np.abs(both[1]), np.abs(both[0])))[np.abs(mono) > 0.05]
    assert np.abs(angle - 90 * np.arange(96000)[np.abs(mono) > 0.05] / 96000).max() < 0.1


def test_a_step_lane_jumps_within_five_milliseconds(tone: Make) -> None:
    plain, stepped = bus(tone(pan=-1.0))[0], bus(tone(lane("gain_db", (0.0, 0.0), (1.0, -20.0), curve="step"), pan=-1.0))[0]
    assert np.abs(stepped[: 48000 - 240] - plain[: 48000 - 240]).max() < 1e-7
    assert np.abs(stepped[48000:] - 0.1 * plain[48000:]).max() < 1e-7


def test_a_struck_note_goes_on_being_moved_while_it_rings(note: Make, score_of: Make) -> None:
    bell = {"id": "v", "instrument": "modal", "pan": -1.0, "parameters": {"start_phase": 0.0}}
    ringing = [note(0.9, 300.0, duration_s=2.0)]
    silenced = lane("gain_db", (0.0, 0.0), (1.2, 0.0), (1.25, -60.0))
    plain, moved = (bus(score_of(ringing, voices=(bell | {"automation": given},)), 144000)[0] for given in ([], [silenced]))
    assert np.abs(moved[:57000] - plain[:57000]).max() < 1e-7
    assert np.abs(plain[60000:72000]).max() > 1e-3
    assert np.abs(moved[60000:] - 1e-3 * plain[60000:]).max() < 1e-7


def test_automation_goes_round_with_a_loop(note: Make, score_of: Make) -> None:
    drone = [note(0.0, 500.0, duration_s=2.0), note(1.9, 500.0, duration_s=0.6)]
    voice = SINE | {"automation": [lane("gain_db", (0.0, -20.0), (0.2, -20.0), (0.3, 0.0), (1.8, 0.0))]}
    turn = next(mix.lay_out(score_of(drone, loop=True, voices=(voice,)), mix.Settings()).bus(0, 96000, 96000))
    assert np.abs(turn[:, :9600]).max() < 0.25 * HEADROOM, "what rings in from the turn before is as quiet as the beginning"
    assert np.abs(turn[:, 24000:80000]).max() > 0.7 * HEADROOM


def test_stems_and_mix_share_the_automation_whatever_the_chunks(crowd: Score, mastered: Make) -> None:
    voices = tuple({**voice, "automation": [FADE, SWEEP]} for voice in crowd.voices)
    score = replace(crowd, voices=voices, notes=crowd.notes[::12])
    assert np.abs(mastered(score, chunk=14401) - mastered(score, chunk=10**6)).max() <= 1e-6
    found = mix.lay_out(score, mix.Settings(sample_rate=24000))
    whole, *stems = (np.concatenate(list(part.unmastered()), axis=1) for part in (found, *found.stems().values()))
    assert np.abs(np.sum(stems, axis=0) - whole).max() < 1e-6


def test_a_file_with_moving_voices_agrees_with_its_score(note: Make, score_of: Make, written: Callable[..., tuple[Path, Written]]) -> None:
    """Jumps of 50 dB while notes ring must not be taken for notes, nor a note at the side for a lost one."""
    jumps = lane("gain_db", *((0.35 * place, -50.0 * (place % 2)) for place in range(16)), curve="step")
    voices = (
        SINE | {"automation": [lane("pan", (0.0, -1.0), (5.0, 1.0)), lane("gain_db", (0.0, -60.0), (2.5, 6.0), (5.0, -60.0))]},
        {"id": "w", "instrument": "additive", "automation": [jumps]},
    )
    struck = [note(0.3 + 0.37 * place, 300.0 + 37 * place, voice_id="vw"[place % 2], duration_s=0.3) for place in range(12)]
    score = score_of([*struck, note(0.0, 150.0, duration_s=5.0, voice_id="w", track=track(5.0, 150.0))], duration_s=5.0, voices=voices)
    report = verify(written(score)[0], score, mix.Settings())
    assert report["ok"], report["reasons"]
    assert report["notes"]["pitches"]["measured"] >= 3


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([{"target": "brightness", "points": [{"t_s": 0, "value": 0}]}], "automation.0.target"),
        ([SWEEP, SWEEP], "automation.1.target"),
        ([{**SWEEP, "curve": "cubic"}], "automation.0.curve"),
        ([{**SWEEP, "points": []}], "automation.0.points"),
        ([lane("pan", (0.0, 2.0))], "automation.0.points.0.value"),
        ([lane("gain_db", (0.0, 0.0), (601.0, 0.0))], "automation.0.points.1.t_s"),
        ([lane("gain_db", (1.0, 0.0), (1.0, 0.0))], "automation.0.points.1.t_s"),
    ],
)
def test_a_lane_that_cannot_be_is_refused_by_name(given: list[dict[str, Any]], field: str) -> None:
    with pytest.raises(EngineError) as refused:
        lanes(given, "automation")
    assert refused.value.field == field

"""Rooms as a measurement finds them, and the convolution that puts a mix into one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from app.engine.audio import mix
from app.engine.audio.convolution import Convolver
from app.engine.audio.files import write
from app.engine.audio.rooms import BANDS_HZ, ROOMS, SPEED_OF_SOUND, Reverb
from app.engine.audio.verify import verify
from app.engine.errors import EngineError
from app.engine.music.score import Score

Make = Callable[..., Any]
Mastered = Callable[..., NDArray[np.float32]]
RATE = 16000


def reverberation_time(responses: NDArray[Any], rate: int, hz: float) -> float:
    """T30 of the octave band at `hz` after ISO 3382-1: a line through -5 to -35 dB of the backward integral of the squared response.

    The filter runs backwards in time, as that standard allows, so that its own ringing does not count; energies of all paths add up.
    """
    octave = signal.butter(8, (hz / np.sqrt(2), hz * np.sqrt(2)), "bandpass", fs=rate, output="sos")
    paths = responses.reshape(-1, responses.shape[-1]).astype(np.float64)
    backwards = signal.sosfilt(octave, np.concatenate((paths[:, ::-1], np.zeros((len(paths), rate // 8))), axis=1))
    left = np.cumsum((backwards**2).sum(axis=0))[::-1]
    level = 10 * np.log10(left / left[0])
    first, last = np.argmax(level < -5), np.argmax(level < -35)
    return float(-60 / np.polyfit(np.arange(first, last) / rate, level[first:last], 1)[0])


@pytest.mark.parametrize("name", list(ROOMS))
def test_a_room_has_the_reverberation_times_it_says(name: str) -> None:
    room, responses = ROOMS[name], Reverb(name).responses(RATE)
    found = [reverberation_time(responses, RATE, hz) for hz in BANDS_HZ[:6]]
    assert found == pytest.approx(list(room.rt60[:6]), rel=0.05)
    assert (found[2] + found[3]) / 2 == pytest.approx(room.describe()["rt60_s"], rel=0.05)


@pytest.mark.parametrize(("name", "rt60_s"), [("chamber_hall", 0.6), ("studio", 2.0), ("living_room", 1.0)])
def test_a_reverberation_time_that_is_asked_for_is_what_is_measured(name: str, rt60_s: float) -> None:
    responses = Reverb(name, rt60_s=rt60_s).responses(RATE)
    found = [reverberation_time(responses, RATE, hz) for hz in (500, 1000)]
    assert sum(found) / 2 == pytest.approx(rt60_s, rel=0.05)


def test_an_empty_tiled_cube_has_the_time_of_eyring_s_formula() -> None:
    """10 m of plaster on all sides at 1 kHz: 24 ln(10) 1000 / (343 (-600 ln(1 - 0.03) + 4 * 1000 * 0.00115))."""
    plaster = dict.fromkeys(("floor", "ceiling", "ends", "sides"), "plaster on brick")
    cube = replace(ROOMS["studio"], size=(10.0, 10.0, 10.0), **plaster)
    air = 5.0 / 1000 * np.log(10) / 10
    assert cube.rt60[3] == pytest.approx(24 * np.log(10) * 1000 / (343 * (-600 * np.log(0.97) + 4000 * air)), rel=1e-12)


@pytest.mark.parametrize("name", list(ROOMS))
def test_the_energy_of_a_room_is_that_of_a_diffuse_field(name: str) -> None:
    """Behind a direct sound of energy 1: the integral of 4 pi c r^2 / V from its arrival on, falling 60 dB in T; here of the 1 kHz band."""
    room, responses = ROOMS[name], Reverb(name).responses(RATE).astype(np.float64)
    octave = signal.butter(4, (1000 / np.sqrt(2), 1000 * np.sqrt(2)), "bandpass", fs=RATE, output="sos")
    impulse = signal.sosfilt(octave, np.eye(1, RATE)[0])
    found = (signal.sosfilt(octave, responses) ** 2).sum(axis=(1, 2)) / (impulse**2).sum()
    fall = 6 * np.log(10) / room.rt60[3]
    expected = 4 * np.pi * SPEED_OF_SOUND * room.distance**2 / room.volume / fall * np.exp(-fall * room.distance / SPEED_OF_SOUND)
    assert 10 * np.log10(found / expected) == pytest.approx(np.zeros(2), abs=2.0)


def test_the_first_reflection_comes_when_geometry_says() -> None:
    """In the cathedral the floor is nearest: 1.8 m below both, 6 m apart, so the detour is sqrt(6^2 + 3.6^2) - 6 m."""
    responses = np.abs(Reverb("cathedral").responses(RATE)).max(axis=(0, 1))
    first = np.argmax(responses > 0.1) / RATE
    assert first == pytest.approx((np.hypot(6.0, 3.6) - 6.0) / SPEED_OF_SOUND, abs=5e-4)


def test_the_convolution_is_the_plain_sum() -> None:
    rng = np.random.default_rng(3)
    responses = rng.standard_normal((2, 2, 20011)).astype(np.float32) * 0.01
    sound = rng.standard_normal((2, 30011)).astype(np.float32)
    room = Convolver(responses)
    answered = np.concatenate((room.process(sound[:, :77]), room.process(sound[:, 77:]), room.finish()), axis=1)
    plain = sound.astype(np.float64)
    for source in range(2):
        for ear in range(2):
            plain[ear] += signal.fftconvolve(sound[source].astype(np.float64), responses[source, ear].astype(np.float64))[:30011]
    # Single precision on sums of 20,000 products that come to about 2.
    assert np.abs(answered - plain).max() < 1e-5


@pytest.fixture
def strokes(note: Make, score_of: Make) -> Score:
    """Five strokes and a held note in four seconds."""
    voices = ({"id": "v", "instrument": "modal"}, {"id": "w", "instrument": "sine", "pan": 0.5, "gain_db": -6.0})
    notes = [note(0.2 + 0.7 * place, 300.0 + 110 * place) for place in range(5)]
    return score_of([*notes, note(0.5, 220.0, duration_s=2.0, voice_id="w")], duration_s=4.0, voices=voices)


@pytest.mark.parametrize("loop", [False, True])
def test_chunks_do_not_show_in_a_room(strokes: Score, mastered: Mastered, loop: bool) -> None:
    settings, score = mix.Settings(reverb=Reverb("studio")), replace(strokes, loop=loop)
    whole = mastered(score, settings, chunk=10**6)
    for chunk in (1009, 14401, 48000, 336000):
        assert np.abs(mastered(score, settings, chunk=chunk) - whole).max() <= 1e-6


def test_the_tail_holds_the_room_and_at_most_ten_seconds(strokes: Score) -> None:
    dry = mix.lay_out(strokes, mix.Settings()).tail_s
    for room in ("studio", "church"):
        found = mix.lay_out(strokes, mix.Settings(reverb=Reverb(room))).tail_s
        assert found == pytest.approx(dry + ROOMS[room].rt60.max())
    assert mix.lay_out(strokes, mix.Settings(reverb=Reverb("studio", rt60_s=10.0))).tail_s == 10.0


def test_wet_db_is_the_level_of_what_the_room_adds(strokes: Score, mastered: Mastered) -> None:
    def added(wet_db: float) -> float:
        plain = mix.Settings(tail_s=1.0)
        wet = mastered(strokes, replace(plain, reverb=Reverb("studio", wet_db)))
        return float(np.sqrt(np.mean((wet - mastered(strokes, plain)) ** 2)))

    assert 20 * np.log10(added(-10.0) / added(-30.0)) == pytest.approx(20.0, abs=0.1)


def test_a_loop_in_a_room_goes_on_as_if_it_had_always_gone_round(strokes: Score, mastered: Mastered) -> None:
    still = {"start_phase": 1.0}
    voices = tuple({**voice, "parameters": still} for voice in strokes.voices)
    once = replace(strokes, voices=voices, duration_s=4.0)
    notes = tuple(replace(one, t_s=one.t_s + shift) for shift in (0.0, 4.0, 8.0) for one in strokes.notes)
    unrolled = replace(once, notes=notes, duration_s=12.0)
    settings = mix.Settings(reverb=Reverb("studio"))
    turn = mastered(replace(once, loop=True), settings)
    assert np.abs(turn - mastered(unrolled, settings)[:, 8 * 48000 : 12 * 48000]).max() < 2e-6


def test_a_file_in_a_room_is_verified_by_its_dry_mix(strokes: Score, tmp_path: Path) -> None:
    settings, path = mix.Settings(reverb=Reverb("concert_hall"), loudness_lufs=-20.0), tmp_path / "hall.wav"
    levelling = mix.Levelling(tmp_path)
    write(path, mix.lay_out(strokes, settings).samples(levelling=levelling), format="wav", bit_depth=24, sample_rate=48000)
    report = verify(path, strokes, settings, gain=levelling.gain)
    assert report["ok"], report["reasons"]
    assert report["notes"]["listened_to"] == "dry mix"
    assert report["notes"]["onsets"]["measured"] >= 4
    assert report["notes"]["pitches"]["measured"] >= 4
    assert report["loudness"]["reached_lufs"] == pytest.approx(-20.0, abs=0.1)
    assert [one.name for one in tmp_path.iterdir()] == ["hall.wav"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"room": "moon"}, "reverb.room"),
        ({"room": "church", "wet_db": 13.0}, "reverb.wet_db"),
        ({"room": "church", "rt60_s": 11.0}, "reverb.rt60_s"),
    ],
)
def test_a_room_that_cannot_be_is_refused_by_name(given: dict[str, Any], field: str) -> None:
    with pytest.raises(EngineError) as refused:
        Reverb(**given)
    assert refused.value.field == field

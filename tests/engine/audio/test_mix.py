"""The mix: where notes fall, how loud and on which side, and that neither chunks nor processes show in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.engine.audio import mix
from app.engine.audio.listening import strongest_line
from app.engine.audio.rooms import Reverb
from app.engine.audio.sounds import HEADROOM
from app.engine.errors import Cancelled, EngineError
from app.engine.music.score import Score

Make = Callable[..., Any]
Mastered = Callable[..., NDArray[np.float32]]

SINE = {"id": "v", "instrument": "sine"}


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("bit_depth", [16, 24, "32f"])
def test_a_render_has_its_length_its_ceiling_and_silent_ends(crowd: Score, rate: int, bit_depth: int | str) -> None:
    low = replace(crowd, notes=tuple(note for note in crowd.notes if note.hz < 3000))
    rendering = mix.render(low, mix.Settings(sample_rate=rate, bit_depth=bit_depth))
    full = {16: 2**15, 24: 2**23, "32f": 1}[bit_depth]
    samples = rendering.samples / full
    assert rendering.frames == int((rendering.duration_s + rendering.tail_s) * rate + 0.5)
    assert np.abs(samples).max() <= 10 ** (-1 / 20)
    assert np.abs(samples[[0, -1]]).max() <= 1e-3
    assert np.abs(samples).max() > 0.1


@pytest.mark.parametrize("chunk", [1009, 14401, 144000])
@pytest.mark.parametrize("loop", [False, True])
def test_chunks_do_not_show(crowd: Score, mastered: Mastered, chunk: int, loop: bool) -> None:
    score = replace(crowd, loop=loop)
    whole = mastered(score, chunk=10**6)
    assert np.abs(whole).max() > 0.85, "the limiter should be at work"
    assert np.abs(mastered(score, chunk=chunk) - whole).max() <= 1e-6


def test_a_render_repeats_itself_in_another_process_and_with_other_threads(crowd: Score, tmp_path: Any) -> None:
    import orjson

    here = mix.render(crowd, mix.Settings(seed=7)).samples_hash
    assert mix.render(crowd, mix.Settings(seed=7)).samples_hash == here
    assert mix.render(crowd, mix.Settings(seed=8)).samples_hash != here
    document = tmp_path / "score.json"
    document.write_bytes(orjson.dumps(crowd.document()))
    program = (
        "import sys, orjson; from pathlib import Path; from app.engine.audio import mix; from app.engine.music.score import Score;"
        "score = Score.from_document(orjson.loads(Path(sys.argv[1]).read_bytes()));"
        "print(mix.render(score, mix.Settings(seed=7)).samples_hash)"
    )
    for threads in ("1", "2"):
        environment = os.environ | {"OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", program, document], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == here


def test_a_note_starts_on_its_sample(note: Make, score_of: Make) -> None:
    voice = SINE | {"parameters": {"start_phase": float(np.pi / 2)}}
    for t_s in (0.5, 0.50001, 1.23456789):
        bus = next(mix.lay_out(score_of([note(t_s, 500.0)], voices=(voice,)), mix.Settings()).bus(0, 96000, 96000))
        # The first sample of a raised cosine is 0, so the first that sounds is the one after.
        assert int(np.argmax(np.abs(bus[0]) > 0)) == round(t_s * 48000) + 1


@pytest.mark.parametrize("pan", [-1.0, -0.5, 0.0, 0.3, 1.0])
def test_pan_keeps_the_power_constant(note: Make, score_of: Make, pan: float) -> None:
    score = score_of([note(0.0, 500.0, pan=pan)], voices=(SINE,))
    bus = next(mix.lay_out(score, mix.Settings()).bus(0, 24000, 24000))[:, 2400:21600]
    left, right = np.sqrt(np.mean(bus**2, axis=1)) * np.sqrt(2) / HEADROOM
    assert left**2 + right**2 == pytest.approx(1.0, rel=1e-4)
    assert np.degrees(np.arctan2(right, left)) == pytest.approx((pan + 1) * 45, abs=0.01)


def test_pan_of_note_and_voice_add_up(note: Make, score_of: Make) -> None:
    score = score_of([note(0.0, 500.0, pan=0.7)], voices=(SINE | {"pan": 0.8},))
    bus = next(mix.lay_out(score, mix.Settings()).bus(0, 24000, 24000))
    assert np.abs(bus[0]).max() < 1e-7 < np.abs(bus[1]).max()


def test_gain_and_amplitude_scale_a_note(note: Make, score_of: Make) -> None:
    def peak(gain_db: float, amplitude: float) -> float:
        score = score_of([note(0.0, 500.0, amplitude=amplitude, pan=-1.0)], voices=(SINE | {"gain_db": gain_db},))
        return float(np.abs(next(mix.lay_out(score, mix.Settings()).bus(0, 24000, 24000))).max())

    assert peak(0.0, 1.0) == pytest.approx(HEADROOM, rel=1e-3)
    assert peak(-20.0, 1.0) == pytest.approx(HEADROOM / 10, rel=1e-3)
    assert peak(0.0, 0.5) == pytest.approx(HEADROOM / 2, rel=1e-3)


def test_muted_voices_are_silent_and_a_solo_silences_the_others(note: Make, score_of: Make, mastered: Mastered) -> None:
    def heard(**flags: dict[str, bool]) -> set[int]:
        voices = tuple({"id": name, "instrument": "sine"} | flags.get(name, {}) for name in ("a", "b", "c"))
        notes = [note(0.0, hz, voice_id=name, duration_s=1.0) for name, hz in (("a", 300.0), ("b", 500.0), ("c", 700.0))]
        left = mastered(score_of(notes, voices=voices))[0, :48000].astype(np.float64)
        return {hz for hz in (300, 500, 700) if strongest_line(left, 48000, hz, 20.0)[1] > 1e-4}

    assert heard() == {300, 500, 700}
    assert heard(b={"mute": True}) == {300, 700}
    assert heard(b={"solo": True}) == {500}
    assert heard(b={"solo": True}, c={"solo": True, "mute": True}) == {500}


def test_muting_one_voice_leaves_the_others_as_they_were(crowd: Score) -> None:
    def bus(*muted: str) -> NDArray[np.float32]:
        voices = tuple({**voice, "mute": voice["id"] in muted} for voice in crowd.voices)
        return next(mix.lay_out(replace(crowd, voices=voices), mix.Settings()).bus(0, 192000, 192000))

    names = {voice["id"] for voice in crowd.voices}
    parts = sum(bus(*(names - {name})) for name in names)
    # Single precision: the order of a few dozen additions.
    assert np.abs(parts - bus()).max() < 1e-6


@pytest.mark.parametrize(("reverb", "loop"), [(None, False), (Reverb("studio"), True)])
def test_stems_add_up_to_the_mix(crowd: Score, reverb: Reverb | None, loop: bool) -> None:
    score = replace(crowd, loop=loop, notes=tuple(note for note in crowd.notes if note.track or note.t_s < 1.5))
    found = mix.lay_out(score, mix.Settings(reverb=reverb, sample_rate=24000))

    def whole(part: mix.Mix) -> NDArray[np.float64]:
        return np.concatenate(list(part.unmastered()), axis=1).astype(np.float64)

    stems = {voice: whole(part) for voice, part in found.stems().items()}
    assert list(stems) == [voice["id"] for voice in crowd.voices if any(note.voice_id == voice["id"] for note in score.notes)]
    assert len(stems) > 4
    assert {stem.shape for stem in stems.values()} == {(2, found.frames)}
    mixed = whole(found)
    # Single precision: of full scale, or of the peak of a mix that the limiter has yet to bring there.
    assert np.abs(sum(stems.values()) - mixed).max() < 1e-6 * max(1.0, np.abs(mixed).max())


def test_a_held_note_follows_its_track(note: Make, score_of: Make, mastered: Mastered) -> None:
    hz = np.concatenate((np.full(100, 400.0), np.linspace(400.0, 600.0, 201), np.full(100, 600.0)))
    gain = np.concatenate((np.zeros(200), np.full(201, -20.0)))
    score = score_of([note(0.0, 400.0, duration_s=2.0, pan=-1.0, track={"rate": 200, "hz": hz.tolist(), "gain_db": gain.tolist()})], 2.0)
    left = mastered(replace(score, voices=(SINE,)))[0].astype(np.float64)
    before, after = left[2400:21600], left[74400:93600]
    assert strongest_line(before, 48000, 400.0, 30.0) == pytest.approx((400.0, HEADROOM), rel=1e-3)
    assert strongest_line(after, 48000, 600.0, 30.0) == pytest.approx((600.0, HEADROOM / 10), rel=1e-3)
    middle = np.unwrap(np.angle(np.fft.ifft(np.where(np.arange(96000) < 48000, 2, 0) * np.fft.fft(left[:96000]))))
    turned = (middle[60000] - middle[36000]) / (2 * np.pi)
    # From 0.75 to 1.25 s the pitch goes from 450 to 550 Hz: 250 turns.
    assert turned == pytest.approx(250.0, abs=0.05)


@pytest.mark.parametrize("instrument", ["sine", "additive", "modal"])
def test_a_held_note_of_constant_pitch_is_in_tune(note: Make, score_of: Make, mastered: Mastered, instrument: str) -> None:
    score = score_of(
        [note(0.0, 313.7, duration_s=2.0, track={"rate": 200, "hz": [313.7] * 401})], 2.0, voices=({"id": "v", "instrument": instrument},)
    )
    found, _ = strongest_line(mastered(score)[0, 9600:81600].astype(np.float64), 48000, 313.7, 20.0)
    assert abs(1200 * np.log2(found / 313.7)) < 0.05


def test_a_very_long_note_sounds_as_the_whole_one_does(note: Make, score_of: Make, mastered: Mastered) -> None:
    """Notes over ten seconds are rendered span by span; the two ways must agree."""
    from app.engine.audio import sounds

    voice = {"id": "v", "instrument": "additive", "parameters": {"partials": 5}}
    score = score_of([note(0.25, 313.7, duration_s=11.0)], 12.0, voices=(voice,))
    spans = mastered(score)
    limit, sounds._LONG_S = sounds._LONG_S, 100.0
    try:
        whole = mastered(score)
    finally:
        sounds._LONG_S = limit
    # Phases go through single precision in both.
    assert np.abs(spans - whole).max() < 2e-6


def test_notes_ring_into_the_tail_and_no_further(note: Make, score_of: Make) -> None:
    ringing = score_of([note(1.9, 300.0, duration_s=1.0)])
    assert mix.lay_out(ringing, mix.Settings()).tail_s == pytest.approx(0.9 + 0.05 + 0.25, abs=1e-4)
    endless = score_of([note(1.9, 300.0, duration_s=60.0)], voices=(SINE,))
    assert mix.lay_out(endless, mix.Settings()).tail_s == 10.0
    cut = mix.render(endless, mix.Settings(tail_s=0.5))
    assert cut.frames == 120000
    assert np.abs(cut.samples[-1]).max() <= 1e-3 * 2**23
    assert np.abs(cut.samples[-1000]).max() > 0.01 * 2**23


def test_a_shorter_duration_leaves_later_notes_out(note: Make, score_of: Make) -> None:
    score = score_of([note(0.1, 300.0), note(1.5, 300.0)])
    assert len(mix.lay_out(score, mix.Settings(duration_s=1.0)).sounds) == 1


def test_a_loop_is_one_turn_whose_end_rings_into_its_beginning(note: Make, score_of: Make, mastered: Mastered) -> None:
    notes = [note(0.3, 300.0), note(1.8, 450.0, duration_s=1.2)]
    turn = mastered(score_of(notes, loop=True))
    assert turn.shape[1] == 96000
    twice = [replace(one, t_s=one.t_s + shift) for shift in (0.0, 2.0, 4.0) for one in notes]
    plain = {"resonator": "bar", "start_phase": 1.0}
    voices = ({"id": "v", "instrument": "modal", "parameters": plain},)
    unrolled = mastered(score_of(twice, 6.0, voices=voices))[:, 192000:288000]
    assert mastered(score_of(notes, loop=True, voices=voices)) == pytest.approx(unrolled, abs=1e-6)


def test_a_score_without_notes_is_silent_and_well_formed(score_of: Make, mastered: Mastered) -> None:
    silence = mastered(score_of([]))
    assert silence.shape == (2, 96000 + 12000)
    assert not silence.any()


def test_a_render_stops_when_its_progress_says_so(crowd: Score) -> None:
    told: list[float] = []

    def progress(fraction: float) -> None:
        told.append(fraction)
        if fraction > 0.4:
            raise Cancelled

    with pytest.raises(Cancelled):
        mix.render(crowd, mix.Settings(), progress)
    assert told == sorted(told)
    assert told[-1] < 0.7


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"sample_rate": 7999}, "sample_rate"),
        ({"sample_rate": 44100.5}, "sample_rate"),
        ({"format": "midi"}, "format"),
        ({"bit_depth": 8}, "bit_depth"),
        ({"format": "flac", "bit_depth": "32f"}, "bit_depth"),
        ({"format": "flac", "sample_rate": 96001}, "sample_rate"),
        ({"duration_s": 601.0}, "duration_s"),
        ({"tail_s": -1.0}, "tail_s"),
        ({"seed": -1}, "seed"),
        ({"channels": 1}, "channels"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(EngineError) as refused:
        mix.Settings(**settings)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("voice", "fields", "field"),
    [
        ({"instrument": "gong"}, {}, "voices.0.instrument"),
        ({"parameters": {"partials": 0}}, {}, "voices.0.parameters.partials"),
        ({"gain_db": 40}, {}, "voices.0.gain_db"),
        ({"gain_db": "loud"}, {}, "voices.0.gain_db"),
        ({"adsr": {"attack_s": 0.0}}, {}, "voices.0.adsr.attack_s"),
        ({"instrument": "karplus_strong"}, {"hz": 20.0}, "voices.0.instrument"),
        ({"instrument": "karplus_strong"}, {"track": {"rate": 200, "hz": [100.0, 200.0]}}, "voices.0.instrument"),
    ],
)
def test_what_cannot_be_played_is_refused_by_name(
    note: Make, score_of: Make, voice: dict[str, Any], fields: dict[str, Any], field: str
) -> None:
    score = score_of([replace(note(0.0, 300.0), **fields)], voices=({"id": "v", "instrument": "modal"} | voice,))
    with pytest.raises(EngineError) as refused:
        mix.lay_out(score, mix.Settings())
    assert refused.value.field == field


def test_a_pitch_too_high_for_the_sample_rate_is_refused(note: Make, score_of: Make) -> None:
    with pytest.raises(EngineError, match="12500 Hz") as refused:
        mix.lay_out(score_of([note(0.0, 5000.0)]), mix.Settings(sample_rate=8000))
    assert refused.value.field == "sample_rate"


def test_a_looped_scene_refuses_a_tail(note: Make, score_of: Make) -> None:
    with pytest.raises(EngineError) as refused:
        mix.lay_out(score_of([note(0.0, 300.0)], loop=True), mix.Settings(tail_s=1.0))
    assert refused.value.field == "tail_s"


@pytest.mark.parametrize("loop", [False, True])
def test_held_notes_sound_together_as_each_does_alone(note: Make, score_of: Make, loop: bool) -> None:
    """Of twelve, eight swell alike, two are on their own and two glide."""
    adsr = {"attack_s": 0.3, "decay_s": 0.7, "sustain": 0.4, "release_s": 0.5}
    voice = {"id": "v", "instrument": "additive", "adsr": adsr, "parameters": {"start_phase": 0.0, "partials": 3}}
    steady = [note(0.0 if place < 8 else 0.4 * place, 100.0 + 30 * place, duration_s=12.5, pan=place / 10) for place in range(10)]
    gliding = [note(1.0, 300.0, duration_s=11.0, track={"rate": 1.0, "hz": [300.0, 400.0 + 50 * place]}) for place in range(2)]

    def bus(notes: list[Any]) -> NDArray[np.float32]:
        made = mix.lay_out(score_of(notes, 14.0, loop=loop, voices=(voice,)), mix.Settings(tail_s=None))
        return np.concatenate(list(made.bus(0, 14 * 48000, 48000)), axis=1)

    alone = sum(bus([one]).astype(np.float64) for one in steady + gliding)
    assert np.abs(bus(steady + gliding) - alone).max() < 2e-6
    assert np.abs(alone).max() > 0.1

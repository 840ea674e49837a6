"""MIDI files, read back by an independent reader: what was written is what the score says."""

from __future__ import annotations

import io
import itertools
import math
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import mido
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.music.mapping import build_score
from app.engine.music.midi import MICROTONES, write_midi
from app.engine.music.pitch import hz_to_midi, midi_to_hz
from app.engine.music.score import Note, Score
from app.engine.physics.scene import Marker
from app.engine.physics.solvers import run
from tests.engine.music.scenes import balls, trappist, voice

# Half of a step of a 14-bit bend over four semitones is 0.0122 cents.
BUDGET_CENTS = 0.02
# Half of a step of 2^-14 semitones, and of a bend over 96 semitones.
TUNED_CENTS = 0.0031
EXPRESSIVE_CENTS = 0.294


def note(t_s: float, hz: float, **given) -> Note:
    fields = {"duration_s": 0.5, "midi": 0.0, "cents_error": 0.0, "velocity": 0.5, "amplitude": 1.0, "pan": 0.0, "voice_id": "voice"}
    return Note(
        t_s=t_s, hz=hz, provenance={"mapping_id": "m", "body_id": "b", "quantity": "mass", "value": 1.0, "unit": "kg"}, **(fields | given)
    )


def score(notes: list[Note], *voices, tempo: float = 120.0, duration: float = 10.0, **given) -> Score:
    return Score(tuple(notes), voices or (voice(),), (), tempo, given.pop("signature", "4/4"), 440.0, duration, **given)


@dataclass
class Heard:
    """A note as a synthesizer plays it: onset and end in ticks and s, pitch as float MIDI number at its onset."""

    tick: int
    t_s: float
    end_s: float
    pitch: float
    velocity: int
    channel: int
    key: int
    program: int
    volume: int
    pan: int
    end_tick: int = 0


def read(data: bytes) -> mido.MidiFile:
    return mido.MidiFile(file=io.BytesIO(data), charset="utf-8")


def seconds_per_tick(file: mido.MidiFile) -> float:
    (tempo,) = [message.tempo for message in file.tracks[0] if message.type == "set_tempo"]
    return tempo / 1e6 / file.ticks_per_beat


def timed(file: mido.MidiFile) -> Iterator[tuple[int, mido.Message]]:
    """All tracks together, as a player reads them."""
    tick = 0
    for message in mido.merge_tracks(file.tracks):
        tick += message.time
        yield tick, message


def listen(data: bytes) -> list[Heard]:
    """Play a file: bends, bend ranges by registered parameter 0, programs and controllers as they come."""
    file = read(data)
    step = seconds_per_tick(file)
    controls: dict[int, dict[int, int]] = defaultdict(dict)
    bend: dict[int, int] = defaultdict(int)
    bend_range: dict[int, int] = {}
    program: dict[int, int] = {}
    tuning: dict[tuple[int, int], float] = {}
    tuning_program: dict[int, int] = {}
    sounding: dict[tuple[int, int], list[Heard]] = defaultdict(list)
    heard: list[Heard] = []
    for tick, message in timed(file):
        if message.type == "sysex":
            program_, key, tuned = single_note_tuning(message)
            tuning[program_, key] = tuned
        elif message.type == "control_change":
            controls[message.channel][message.control] = message.value
            if message.control == 6 and (controls[message.channel].get(101), controls[message.channel].get(100)) == (0, 0):
                bend_range[message.channel] = message.value
            if message.control == 6 and (controls[message.channel].get(101), controls[message.channel].get(100)) == (0, 3):
                tuning_program[message.channel] = message.value
        elif message.type == "pitchwheel":
            bend[message.channel] = message.pitch
        elif message.type == "program_change":
            program[message.channel] = message.program
        elif message.type == "note_on":
            channel = message.channel
            pitch = message.note + bend[channel] * bend_range.get(channel, 2) / 8192
            if channel in tuning_program:
                pitch = tuning[tuning_program[channel], message.note]
            mixer = controls[channel]
            one = Heard(tick, tick * step, math.nan, pitch, message.velocity, channel, message.note, program[channel], mixer[7], mixer[10])
            heard.append(one)
            sounding[channel, message.note].append(one)
        elif message.type == "note_off" and sounding[message.channel, message.note]:
            ended = sounding[message.channel, message.note].pop(0)
            ended.end_s, ended.end_tick = tick * step, tick
    return heard


def single_note_tuning(message: mido.Message) -> tuple[int, int, float]:
    """Program, key and pitch (a float MIDI number) of a single note tuning change."""
    *head, program, count, key, semitone, high, low = message.data
    assert (head, count) == ([0x7F, 0x7F, 0x08, 0x02], 1)
    return program, key, semitone + (high << 7 | low) / 16384


def tunings(file: mido.MidiFile) -> list[tuple[int, int, int, float]]:
    """Ticks, programs, keys and pitches of all tunings in a file."""
    return [(tick, *single_note_tuning(message)) for tick, message in timed(file) if message.type == "sysex"]


def random_notes(count: int, per_second: float, seed: int, pitches: list[float] | None = None) -> list[Note]:
    rng, t_s, notes = random.Random(seed), 0.0, []
    for _ in range(count):
        t_s += rng.expovariate(per_second)
        hz = rng.choice(pitches) if pitches else rng.uniform(60.0, 4000.0)
        notes.append(note(t_s, hz, duration_s=rng.uniform(0.05, 1.5), velocity=rng.random()))
    return notes


def test_the_file_is_type_1_with_tempo_signature_names_and_markers():
    given = score(
        [note(0.0, 440.0)],
        voice(name="Glocken ♪"),
        tempo=97.0,
        signature="6/8",
        report={"name": "Fall", "markers": [{"time_s": 1.5, "name": "now"}]},
    )
    file = read(write_midi(given)[0])
    assert (file.type, file.ticks_per_beat, len(file.tracks)) == (1, 960, 2)
    meta = {message.type: message for message in file.tracks[0] if message.is_meta}
    assert meta["track_name"].name == "Fall"
    assert file.tracks[1][0].name == "Glocken ♪"
    assert mido.tempo2bpm(meta["set_tempo"].tempo) == pytest.approx(97.0, rel=1e-6)
    assert (meta["time_signature"].numerator, meta["time_signature"].denominator) == (6, 8)
    ((tick, marker),) = [(tick, message) for tick, message in timed(file) if message.type == "marker"]
    assert marker.text == "now"
    assert tick * seconds_per_tick(file) == pytest.approx(1.5, abs=seconds_per_tick(file) / 2)
    assert file.length == pytest.approx(10.0, abs=seconds_per_tick(file))


@pytest.mark.parametrize(
    ("key", "scale", "signature"),
    [
        ("C", "major", "C"),
        ("Cb", "major", "Cb"),
        ("B", "major", "B"),
        ("C#", "major", "C#"),
        ("Db", "major", "Db"),
        ("A", "natural_minor", "Am"),
        ("Eb", "harmonic_minor", "Ebm"),
        ("D\u266f", "melodic_minor", "D#m"),
        ("Fb", "major", None),
        ("B#", "major", None),
        ("Gx", "natural_minor", None),
        ("D", "dorian", None),
    ],
)
def test_the_file_keeps_the_key_as_it_is_spelled(key, scale, signature):
    given = score([note(0.0, 440.0)], report={"name": "Fall", "key": key, "scale": scale})
    meta = {message.type: message for message in read(write_midi(given)[0]).tracks[0] if message.is_meta}
    assert meta["text"].text == f"Key: {key} {scale.replace('_', ' ')}"
    assert (meta["key_signature"].key if "key_signature" in meta else None) == signature


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.floats(20.0, 400.0), st.integers(0, 10**6))
def test_every_note_is_one_note_on_within_half_a_tick_with_its_velocity(count, tempo, seed):
    notes = random_notes(count, 6.0, seed)
    data, _ = write_midi(score(notes, tempo=tempo))
    heard = listen(data)
    half = seconds_per_tick(read(data)) / 2
    assert len(heard) == count
    assert all(
        abs(one.t_s - wanted.t_s) <= half * (1 + 1e-6) for one, wanted in zip(sorted(heard, key=lambda h: h.tick), notes, strict=True)
    )
    assert sorted(one.velocity for one in heard) == sorted(max(1, math.floor(127 * wanted.velocity + 0.5)) for wanted in notes)
    assert not any(math.isnan(one.end_s) for one in heard)


def test_fifteen_microtones_at_once_keep_their_pitch():
    pitches = [midi_to_hz(50 + 2.3217 * place) for place in range(15)]
    data, report = write_midi(score([note(0.0, hz, duration_s=5.0) for hz in pitches]))
    assert [one.pitch for one in sorted(listen(data), key=lambda h: h.pitch)] == pytest.approx(
        [hz_to_midi(hz) for hz in pitches], abs=BUDGET_CENTS / 100
    )
    assert report["overflow"] == []
    assert report["max_error_cents"] <= 0.0123
    assert len({one.channel for one in listen(data)}) == 15
    assert 9 not in {one.channel for one in listen(data)}


def test_a_sixteenth_microtone_is_reported_with_the_error_that_is_heard():
    pitches = [midi_to_hz(50 + 2.3217 * place) for place in range(16)]
    data, report = write_midi(score([note(0.0, hz, duration_s=5.0) for hz in pitches]))
    (lost,) = report["overflow"]
    heard = listen(data)
    assert len(heard) == 16
    played = heard[lost["note"]]
    assert played.channel == lost["channel"] - 1
    assert 100 * (played.pitch - hz_to_midi(pitches[lost["note"]])) == pytest.approx(lost["error_cents"], abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(1.0, 40.0))
def test_every_note_sounds_at_its_pitch_unless_reported(seed, per_second):
    notes = random_notes(150, per_second, seed)
    data, report = write_midi(score(notes))
    reported = {entry["note"]: entry["error_cents"] for entry in report["overflow"]}
    # One voice writes its notes in order of the score, so the n-th note-on is the n-th note.
    for index, (one, wanted) in enumerate(zip(listen(data), notes, strict=True)):
        error = 100 * (one.pitch - hz_to_midi(wanted.hz))
        assert abs(error) <= BUDGET_CENTS if index not in reported else error == pytest.approx(reported[index], abs=1e-9)


def test_notes_of_equal_bend_share_a_channel():
    tempered = [note(0.1 * place, midi_to_hz(60 + place)) for place in range(30)]
    data, report = write_midi(score(tempered))
    assert report["channels"] == 1
    assert report["overflow"] == []
    assert [one.pitch for one in listen(data)] == list(range(60, 90))


def test_a_key_that_still_sounds_takes_another_channel_and_past_fifteen_ends_before_its_restrike():
    repeated = [note(0.1 * place, 440.0, duration_s=9.0) for place in range(20)]
    data, report = write_midi(score(repeated))
    heard = listen(data)
    assert len({one.channel for one in heard}) == 15
    assert report["restruck"] == 5
    assert len(heard) == 20
    for channel in {one.channel for one in heard}:
        mine = [one for one in heard if one.channel == channel]
        assert all(a.end_s <= b.t_s for a, b in itertools.pairwise(mine))


def test_a_voice_without_microtones_keeps_its_channel_and_one_with_them_does_not():
    plain, odd = voice("plain", midi_channel=10, midi_program=12), voice("odd", midi_channel=3)
    notes = [
        note(0.0, 440.0, voice_id="plain"),
        note(0.0, 300.0, voice_id="odd"),
        note(1.0, 880.0, voice_id="plain"),
        note(1.0, 310.0, voice_id="odd"),
    ]
    data, report = write_midi(score(notes, plain, odd))
    heard = listen(data)
    assert [one.channel for one in heard if one.pitch in (69.0, 81.0)] == [9, 9]
    assert {one.program for one in heard if one.channel == 9} == {12}
    assert any("Voice odd" in sentence for sentence in report["not_kept"])
    assert report["overflow"] == []


def test_voices_of_different_sound_never_share_a_channel():
    loud, soft = voice("loud", midi_program=5), voice("soft", midi_program=40, gain_db=-12.0, pan=-1.0)
    notes = [note(0.3 * place, midi_to_hz(60 + place % 5), voice_id=("loud", "soft")[place % 2]) for place in range(40)]
    data, _ = write_midi(score(notes, loud, soft))
    by_program = {one.program: one for one in listen(data)}
    assert (by_program[5].volume, by_program[5].pan) == (127, 64)
    # General MIDI: -12 dB is 127 * 10^(-12/40), and hard left is 1.
    assert (by_program[40].volume, by_program[40].pan) == (64, 1)
    assert not {one.channel for one in listen(data) if one.program == 5} & {one.channel for one in listen(data) if one.program == 40}


def test_a_moving_pitch_is_bent_along_its_track():
    glide = [midi_to_hz(60 + 7.0 * place / 400) for place in range(401)]
    data, report = write_midi(score([note(0.0, glide[0], duration_s=2.0, track={"rate": 200.0, "hz": glide}), note(0.5, 440.0)]))
    file = read(data)
    step = seconds_per_tick(file)
    held = next(one for one in listen(data) if one.pitch == pytest.approx(60.0, abs=0.01))
    (track,) = report["tracks"]
    bends = [
        (tick * step, message.pitch) for tick, message in timed(file) if message.type == "pitchwheel" and message.channel == held.channel
    ]
    assert len(bends) == track["bends"] + 1
    for t_s, bend in bends:
        # Bends come on the values of the track, rounded to a tick and a step of the bend.
        assert held.key + bend * track["bend_range"] / 8192 == pytest.approx(60 + 3.5 * t_s, abs=0.004)
    assert report["overflow"] == []


def test_a_moving_pitch_without_a_free_channel_is_reported():
    held = [note(0.0, midi_to_hz(50 + 2.3217 * place), duration_s=5.0) for place in range(15)]
    glide = [midi_to_hz(60 + 0.01 * place) for place in range(201)]
    _, report = write_midi(score([*held, note(0.1, glide[0], track={"rate": 200.0, "hz": glide})]))
    assert [entry["note"] for entry in report["overflow"]] == [15]
    assert abs(report["overflow"][0]["error_cents"]) > 100.0


def test_pitches_no_key_reaches_are_reported():
    _, report = write_midi(score([note(0.0, 15900.0)]))
    assert report["overflow"][0]["error_cents"] == pytest.approx(100 * (127 + 2 * 8191 / 8192 - hz_to_midi(15900.0)), abs=1e-9)


@pytest.mark.parametrize("microtones", MICROTONES)
def test_real_scenes_have_as_many_note_ons_as_notes(microtones):
    for scene in (replace(trappist(duration_s=12.0), markers=(Marker(3.0, "three"),)), balls(1.0, 2.0, 3.0, duration_s=8.0)):
        built = build_score(scene, run(scene))
        data, report = write_midi(built, microtones)
        heard = listen(data)
        assert len(heard) == len(built.notes) == report["notes"] > 10
        if scene.solver == "kepler":
            assert report["overflow"] == []
            wanted = sorted(hz_to_midi(one.hz) for one in built.notes)
            budget = {"bend": BUDGET_CENTS, "mpe": EXPRESSIVE_CENTS, "mts": TUNED_CENTS}[microtones]
            assert sorted(one.pitch for one in heard) == pytest.approx(wanted, abs=budget / 100)


@pytest.mark.parametrize("microtones", MICROTONES)
def test_a_file_is_the_same_to_the_byte_when_written_again(microtones):
    scene = trappist(duration_s=6.0)
    built = build_score(scene, run(scene))
    again = Score.from_document(orjson.loads(orjson.dumps(built.document())))
    assert write_midi(built, microtones) == write_midi(again, microtones)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(1.0, 60.0))
def test_tunings_keep_every_pitch_for_as_long_as_it_sounds(seed, per_second):
    notes = random_notes(150, per_second, seed)
    data, report = write_midi(score(notes), "mts")
    heard = listen(data)
    # One voice writes its notes in order of the score, so the n-th note-on is the n-th note.
    assert [one.pitch for one in heard] == pytest.approx([hz_to_midi(one.hz) for one in notes], abs=TUNED_CENTS / 100)
    assert report["overflow"] == []
    assert report["restruck"] == 0
    assert report["max_error_cents"] <= TUNED_CENTS
    assert len({one.channel for one in heard}) == 1
    for tick, program, key, _ in tunings(read(data)):
        assert not any(one.tick < tick < one.end_tick for one in heard if (one.channel, one.key) == (program, key))


def test_voices_of_their_own_sound_have_their_own_channels_and_tunings():
    plain, odd, like = voice("plain", midi_channel=3), voice("odd", midi_program=40), voice("like")
    notes = [note(0.0, 440.0 + place, duration_s=5.0, voice_id=name) for place, name in enumerate(("plain", "odd", "like", "odd"))]
    data, report = write_midi(score(notes, plain, odd, like), "mts")
    heard = sorted(listen(data), key=lambda one: one.pitch)
    assert [one.pitch for one in heard] == pytest.approx([hz_to_midi(one.hz) for one in notes], abs=TUNED_CENTS / 100)
    assert heard[0].channel == heard[2].channel == 2
    assert heard[1].channel == heard[3].channel != 2
    assert [heard[1].program, heard[0].program] == [40, 11]
    assert report["not_kept"] == []


def test_a_tuned_key_follows_a_moving_pitch():
    glide = [midi_to_hz(60 + 30.0 * place / 400) for place in range(401)]
    data, report = write_midi(score([note(0.0, glide[0], duration_s=2.0, track={"rate": 200.0, "hz": glide})]), "mts")
    file = read(data)
    step = seconds_per_tick(file)
    found = [(tick * step, pitch) for tick, _, _, pitch in tunings(file)]
    assert len(found) == report["tracks"][0]["tunings"] + 1 > 90
    for t_s, pitch in found:
        # A tick is half a millisecond, in which this pitch moves by 0.8 cent.
        assert pitch == pytest.approx(60 + 15.0 * t_s, abs=0.005)


def test_the_tuned_range_ends_at_key_127_and_the_report_says_so():
    _, report = write_midi(score([note(0.0, 15900.0)]), "mts")
    highest = 127 + 16382 / 16384
    assert report["overflow"] == [{"note": 0, "channel": 1, "error_cents": pytest.approx(100 * (highest - hz_to_midi(15900.0)))}]


def test_expression_is_one_channel_a_note_in_a_zone_of_fifteen():
    pitches = [midi_to_hz(50.013 + 2 * place) for place in range(15)]
    data, report = write_midi(score([note(0.0, hz, duration_s=5.0) for hz in pitches], voice(midi_program=7)), "mpe")
    file = read(data)
    zone = [message for message in file.tracks[0] if not message.is_meta and message.channel == 0]
    assert [(one.control, one.value) for one in zone[:3]] == [(101, 0), (100, 6), (6, 15)]
    assert zone[-1].program == 7
    heard = listen(data)
    assert [one.pitch for one in heard] == pytest.approx([hz_to_midi(hz) for hz in pitches], abs=EXPRESSIVE_CENTS / 100)
    assert sorted(one.channel for one in heard) == list(range(1, 16))
    assert report["overflow"] == []
    _, report = write_midi(score([note(0.0, 1.1 * hz, duration_s=5.0) for hz in (*pitches, 440.0)]), "mpe")
    assert [entry["note"] for entry in report["overflow"]] == [15]


def test_expression_bends_as_far_as_four_octaves_and_says_what_lies_beyond():
    for octaves, beyond in ((7.9, []), (9.0, [0])):
        wide = [100.0, 100.0 * 2**octaves]
        _, report = write_midi(score([note(0.0, wide[0], track={"rate": 1.0, "hz": wide})], duration=2.0), "mpe")
        assert [entry["note"] for entry in report["overflow"]] == beyond


def test_an_empty_score_is_a_readable_file():
    data, report = write_midi(score([]))
    assert read(data).length == pytest.approx(10.0)
    assert report["notes"] == 0

"""Pitch, scales and tunings against published tables."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.errors import EngineError
from app.engine.music.harmony import Harmony
from app.engine.music.pitch import cents, convert, fifths, hz_to_midi, interval, key_class, midi_to_hz, note_name, note_to_midi
from app.engine.music.scales import SCALES, scale_cents
from app.engine.music.tunings import JUST, PYTHAGOREAN, RESONANCE, TUNINGS, resonance
from tests.engine.music.scenes import TRAPPIST_DAYS

# Published to four decimals (ISO 16 pitch, equal temperament), so they are right to half of the last one.
PUBLISHED = {0: 8.1758, 21: 27.5, 48: 130.8128, 60: 261.6256, 69: 440.0, 72: 523.2511, 108: 4186.009, 127: 12543.8540}


@pytest.mark.parametrize(("midi", "hz"), PUBLISHED.items())
def test_midi_numbers_have_their_published_frequencies(midi, hz):
    assert midi_to_hz(midi) == pytest.approx(hz, abs=6e-5)
    assert hz_to_midi(midi_to_hz(midi)) == pytest.approx(midi, abs=1e-12)


def test_a4_sounds_at_exactly_its_reference():
    assert midi_to_hz(69, 432.0) == 432.0
    assert hz_to_midi(415.0, 415.0) == 69.0


@pytest.mark.parametrize(
    ("note", "midi"),
    [("A4", 69), ("C4", 60), ("C#4", 61), ("Db4", 61), ("E#4", 65), ("Fb4", 64), ("B♯3", 60), ("C♭4", 59), ("G-1", 7), ("F𝄪2", 43)],
)
def test_note_names_and_their_enharmonics_are_one_pitch(note, midi):
    assert note_to_midi(note) == midi


@given(st.integers(-12, 140))
def test_the_name_of_a_midi_number_reads_back(midi):
    assert note_to_midi(note_name(midi)) == midi


def test_the_twelve_keys_and_their_enharmonics_have_their_classes():
    assert [key_class(key) for key in ("C", "Db", "D", "D♯", "Fb", "E#", "F#", "G", "Ab", "A", "B♭", "Cb")] == list(range(12))


def test_every_spelling_of_a_key_counts_its_sharps_and_flats_from_its_letter():
    signs = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1, "x": 2, "𝄪": 2, "##": 2, "♯♯": 2, "bb": -2, "𝄫": -2, "♭♭": -2, "♮": 0}
    for letter, place in zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11), strict=True):
        for sign, shift in signs.items():
            assert key_class(letter + sign) == key_class(letter.lower() + sign) == (place + shift) % 12
            # The octave belongs to the letter: Cb4 lies below C4, B#4 above B4.
            assert note_to_midi(f"{letter}{sign}4") == 60 + place + shift


def test_keys_lie_on_the_line_of_fifths_by_their_spelling():
    line = ["Fb", "Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#", "E#", "B#", "Fx"]
    assert [fifths(key) for key in line] == list(range(-8, 14))
    assert all((7 * fifths(key)) % 12 == key_class(key) for key in line)


def test_equal_spellings_of_a_key_give_the_same_pitches():
    for one, other in (("Cb", "B"), ("B#", "C"), ("E#", "F"), ("Fb", "E"), ("Fx", "G"), ("Abb", "G"), ("C##", "D"), ("Gb", "F#")):
        for tuning in ("equal", "just", "pythagorean", "harmonic"):
            pitches = [Harmony.read({"key": key, "tuning": {"type": tuning}}).degrees() for key in (one, other)]
            assert pitches[0] == pitches[1]


@pytest.mark.parametrize("wrong", ["", "H", "C4", "C#b#", "Am"])
def test_a_key_that_is_no_note_is_refused_by_name(wrong):
    with pytest.raises(EngineError) as refusal:
        key_class(wrong)
    assert refusal.value.field == "key"


def test_interval_names_round_halves_away_from_zero():
    assert [interval(size).name for size in (0, 49.9, 50, 149.9, 701.955, 1150, 1249)] == ["P1", "P1", "m2", "m2", "P5", "P1", "P1"]
    assert interval(1150).octaves == 1
    assert interval(-50).semitones == -1


def test_convert_gives_every_spelling_of_one_pitch():
    assert convert(note="C4")["hz"] == pytest.approx(261.6255653, abs=1e-7)
    told = convert(hz=441.0)
    assert (told["note"], told["midi"]) == ("A4", pytest.approx(69 + 12 * math.log2(441 / 440)))
    assert told["cents"] == pytest.approx(3.9302, abs=1e-4)
    assert convert(midi=60.5)["hz"] == pytest.approx(269.2918, abs=1e-4)
    fifth = convert(ratio="3:2")
    assert (fifth["cents"], fifth["interval"], fifth["octaves"]) == (pytest.approx(701.9550, abs=1e-4), "P5", 0)
    assert convert(ratio="3/2") == fifth == convert(ratio=1.5)


REFUSED = [
    ({}, "hz"),
    ({"hz": 1, "midi": 2}, "hz"),
    ({"hz": -1}, "hz"),
    ({"hz": math.inf}, "hz"),
    ({"hz": math.nan}, "hz"),
    ({"midi": 1e9}, "midi"),
    ({"midi": math.nan}, "midi"),
    ({"note": "X1"}, "note"),
    ({"ratio": "1:0"}, "ratio"),
    ({"ratio": "a"}, "ratio"),
    ({"ratio": -2.0}, "ratio"),
]


@pytest.mark.parametrize(("asked", "field"), REFUSED)
def test_convert_names_the_field_that_it_refuses(asked, field):
    with pytest.raises(EngineError) as refusal:
        convert(**asked)
    assert refusal.value.field == field


# Steps in semitones as in any primer of harmony (for instance Piston, Harmony, chapter 1; blues: the hexatonic blues scale).
STEPS = {
    "major": "2212221",
    "natural_minor": "2122122",
    "harmonic_minor": "2122131",
    "melodic_minor": "2122221",
    "dorian": "2122212",
    "phrygian": "1222122",
    "lydian": "2221221",
    "mixolydian": "2212212",
    "locrian": "1221222",
    "major_pentatonic": "22323",
    "minor_pentatonic": "32232",
    "blues": "321132",
    "whole_tone": "222222",
    "chromatic": "111111111111",
}


def test_every_scale_has_its_steps_and_all_are_distinct():
    found = {name: (*scale.semitones, 12) for name, scale in SCALES.items()}
    assert {name: "".join(str(b - a) for a, b in itertools.pairwise(s)) for name, s in found.items()} == STEPS
    assert len({scale.semitones for scale in SCALES.values()}) == 14


@pytest.mark.parametrize("wrong", [None, [], [100.0], [0.0, 1200.0], [0.0, 300.0, 200.0], [0.0, math.nan]])
def test_custom_scales_rise_from_zero_below_the_octave(wrong):
    assert scale_cents("custom", [0.0, 350.5, 700.0]) == (0.0, 350.5, 700.0)
    with pytest.raises(EngineError) as refusal:
        scale_cents("custom", wrong)
    assert refusal.value.field == "scale_cents"


def test_just_intonation_on_c_has_its_textbook_frequencies():
    # 24:27:30:32:36:40:45 with A4 at 440 Hz (Helmholtz).
    degrees = Harmony.read({"tuning": {"type": "just"}}).degrees()
    assert [degrees.hz(index) for index in range(8)] == pytest.approx([264, 297, 330, 352, 396, 440, 495, 528], rel=1e-15)


def test_pythagorean_steps_are_pure_fifths():
    for semitone, ratio in enumerate(PYTHAGOREAN):
        fifths = (semitone * 7 + 5) % 12 - 5
        power = Fraction(3, 2) ** fifths
        octaves = math.floor(math.log2(power))
        assert ratio == power / Fraction(2) ** octaves


def test_the_tables_of_ratios_are_those_of_their_names():
    for table in (JUST, PYTHAGOREAN, RESONANCE):
        assert [interval(cents(1.0, float(ratio))).semitones for ratio in table] == list(range(12))
    assert [str(RESONANCE[step]) for step in (1, 6, 10)] == ["16/15", "7/5", "9/5"]


@pytest.mark.parametrize("divisions", [1, 5, 12, 19, 31, 53, 72])
def test_equal_tuning_divides_the_octave_and_keeps_a4(divisions):
    steps = Harmony.read({"tuning": {"type": "equal", "divisions": divisions}}).steps()
    assert steps.hz(0) == 440.0
    assert all(cents(steps.hz(k), steps.hz(k + 1)) == pytest.approx(1200 / divisions, abs=1e-9) for k in range(-divisions, divisions))


KEYS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


@given(st.floats(16, 16000), st.sampled_from(list(SCALES)), st.sampled_from(["equal", "just", "pythagorean"]), st.integers(0, 11))
def test_quantization_finds_the_nearest_pitch_of_the_scale(hz, scale, tuning, key):
    harmony = Harmony.read(
        {"key": ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"][key], "scale": scale, "tuning": {"type": tuning}}
    )
    degrees = harmony.degrees()
    index = degrees.nearest(hz)
    every = [abs(cents(degrees.hz(other), hz)) for other in range(index - 15, index + 16)]
    assert abs(cents(degrees.hz(index), hz)) <= min(every) + 1e-8


def test_resonance_tuning_of_trappist_1_is_the_published_chain_of_ratios():
    periods = list(TRAPPIST_DAYS.values())
    physical = [130.81 * periods[-1] / period for period in periods]
    tuned = resonance(physical)
    chain = [tuned[hz] for hz in physical]
    ratios = [Fraction(high / low).limit_denominator(50) for high, low in itertools.pairwise(chain)]
    assert [f"{ratio.numerator}:{ratio.denominator}" for ratio in ratios] == ["8:5", "5:3", "3:2", "3:2", "4:3", "3:2"]
    assert [round(hz_to_midi(hz)) for hz in chain] == [91, 83, 74, 67, 60, 55, 48]
    assert cents(physical[0], chain[0]) == pytest.approx(-60.3, abs=0.05)
    assert tuned[physical[-1]] == physical[-1]


@given(st.lists(st.floats(50.0, 900.0), min_size=1, max_size=23), st.floats(16.0, 60.0))
def test_resonance_tuning_keeps_every_neighbouring_name(steps, lowest):
    pitches = [lowest]
    for step in steps:
        pitches.append(pitches[-1] * 2 ** (step / 1200))
    tuned = resonance(pitches)
    for low, high in itertools.pairwise(pitches):
        physical = cents(low, high)
        # At a half the name itself turns over; rounding decides there, so only clear ones are compared.
        if abs(physical / 100 % 1 - 0.5) > 1e-6:
            assert interval(cents(tuned[low], tuned[high])) == interval(physical)


@pytest.mark.parametrize("pitches", [[440.0], [440.0, 441.0], [100.0 * 1.1**k for k in range(25)]])
def test_resonance_tuning_refuses_too_few_too_many_and_too_close(pitches):
    with pytest.raises(EngineError) as refusal:
        resonance(pitches)
    assert refusal.value.field == "tuning"


@pytest.mark.parametrize(
    ("given_harmony", "field"),
    [
        ({"key": "H"}, "key"),
        ({"scale": "nice"}, "scale"),
        ({"scale": "major", "scale_cents": [0.0]}, "scale_cents"),
        ({"tempo_bpm": 10}, "tempo_bpm"),
        ({"a4_hz": 500}, "a4_hz"),
        ({"tuning": {"type": "odd"}}, "tuning.type"),
        ({"tuning": {"type": "equal", "divisions": 73}}, "tuning.divisions"),
        ({"tuning": {"type": "equal", "divisions": 12.5}}, "tuning.divisions"),
        ({"range": {"low_hz": 15}}, "range.low_hz"),
        ({"range": {"low_hz": 500, "high_hz": 400}}, "range.low_hz"),
        ({"quantize_pitch": "yes"}, "quantize_pitch"),
        ({"quantize_time": "1/3"}, "quantize_time"),
        ({"swing": 0.8}, "swing"),
        ({"time_signature": "4/5"}, "time_signature"),
        ({"max_notes_per_second": 0}, "max_notes_per_second"),
    ],
)
def test_harmony_names_the_field_that_it_refuses(given_harmony, field):
    with pytest.raises(EngineError) as refusal:
        Harmony.read(given_harmony)
    assert refusal.value.field == field


def test_what_is_served_about_scales_and_tunings_is_complete():
    assert all(scale.describe()["description"] and scale.describe()["cents"][0] == 0.0 for scale in SCALES.values())
    assert set(TUNINGS) == {"equal", "just", "pythagorean", "resonance", "harmonic", "custom"}
    assert TUNINGS["equal"].describe()["parameters"][0]["maximum"] == 72
    assert TUNINGS["just"].describe()["ratios"][7] == "3:2"

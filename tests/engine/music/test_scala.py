"""Scala files: the published examples, what the format allows, what is refused by line, and files that read back."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import tuning_library
from hypothesis import given
from hypothesis import strategies as st

from app.engine.errors import EngineError
from app.engine.music.harmony import Harmony
from app.engine.music.pitch import cents, midi_to_hz
from app.engine.music.scala import KeyboardMap, custom_tuning, key_pitches, keyboard_of, read_kbm, read_scl, write_kbm, write_scl
from app.engine.music.scales import SCALES
from app.engine.music.tunings import TUNINGS, degree_cents, degrees_of, read_degrees
from tests.engine.music.test_tunings import ALPHA_CENTS, BOHLEN_PIERCE, BOHLEN_PIERCE_CENTS, MEANTONE

MEANTONE_FILE = """! meanquar.scl
!
1/4-comma meantone scale. Pietro Aaron's temperament (1523)
 12
!
 76.04900
 193.15686
 310.26471
 5/4
 503.42157
 579.47057
 696.57843
 25/16
 889.73529
 1006.84314
 1082.89214
 2/1
"""
"""Quarter-comma meantone, the cents and ratios of the example in the description of the format."""

LINEAR = "! linear\n0\n0\n127\n60\n69\n440.0\n0\n"
WHITE = """! Seven notes on the white keys
! Size of map
12
0
127
60
69
440.000000
7
0
x
1
x
2
3
x
4
x
5
x
6
"""


def just(*lines: str) -> str:
    return "\n".join(["a scale", f"{len(lines)}", *lines, ""])


def test_meantone_has_its_published_cents():
    scale = read_scl(MEANTONE_FILE)
    assert scale.description == "1/4-comma meantone scale. Pietro Aaron's temperament (1523)"
    assert [degree_cents(degree) for degree in scale.degrees] == pytest.approx(MEANTONE, abs=6e-6)
    assert (scale.degrees[3], scale.degrees[11]) == (Fraction(5, 4), Fraction(2))


def test_pitches_are_spelled_as_the_format_allows():
    # The examples of valid lines in the description of the format, and what may follow them.
    lines = ("81/64", "408.0", "408.", "5", "-5.0", "10/20", "100.0 cents", "100.0 C#", "5/4   E\\", "\t3 / 2\t", ".5", "2/1 ! the octave")
    degrees = read_scl(just(*lines)).degrees
    assert degrees == (
        *(
            Fraction(81, 64),
            408.0,
            408.0,
            Fraction(5),
            -5.0,
            Fraction(1, 2),
            100.0,
            100.0,
            Fraction(5, 4),
            Fraction(3, 2),
            0.5,
            Fraction(2),
        ),
    )
    assert read_scl(just(f"{2**31}/{2**31 - 1}", "2/1")).degrees[0] == Fraction(2**31, 2**31 - 1)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_comments_line_ends_and_empty_descriptions_are_read(end):
    text = end.join(["\ufeff! file", "", "! between", " 2 ", "!", "3/2", "! 4/3", "2/1", "what follows", "is ignored"])
    assert read_scl(text).description == ""
    assert read_scl(text).degrees == (Fraction(3, 2), Fraction(2))
    assert read_scl(end.join(["name", "1", "2/1"])).degrees == (Fraction(2),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Line 1: the file ends before the description"),
        ("! only a comment", "Line 1: the file ends before the description"),
        ("name\n", "Line 1: the file ends before the number of notes"),
        ("name\ntwelve\n", "Line 2: the number of notes must be a whole number from 1 to 72"),
        ("name\n0\n", "Line 2: the number of notes"),
        ("name\n73\n", "Line 2: the number of notes"),
        ("name\n-1\n", "Line 2: the number of notes"),
        ("name\n9/8\n", "Line 2: the number of notes"),
        ("name\n\n2\n", "Line 2: the number of notes"),
        ("name\n2\n3/2\n", "Line 3: the file ends before pitch 2 of 2"),
        ("! c\nname\n! c\n2\n3/2\n! c\nfifth\n", "Line 7: expected a pitch"),
        (just("3/2/1", "2/1"), "Line 3: expected a pitch"),
        (just("1.2.3", "2/1"), "Line 3: expected a pitch"),
        (just("1e2", "2/1"), "Line 3: expected a pitch"),
        (just("3/x", "2/1"), "Line 3: expected a pitch"),
        (just("3/", "2/1"), "Line 3: expected a pitch"),
        (just(".", "2/1"), "Line 3: expected a pitch"),
        (just("", "2/1"), "Line 3: expected a pitch"),
        (just("٣/٢", "2/1"), "Line 3: expected a pitch"),
        (just("-5/4", "2/1"), "Line 3: a ratio must be of numbers above 0"),
        (just("5/-4", "2/1"), "Line 3: a ratio must be of numbers above 0"),
        (just("3/2", "2/0"), "Line 4: a ratio must be of numbers above 0"),
        (just("12001.0", "2/1"), "Line 3: a pitch must be in the range -12000 to 12000 cents"),
        (just("1025", "2/1"), "Line 3: a pitch must be in the range"),
        (just("3/2", "1/1"), "Line 4: the last pitch is the period"),
        (just("3/2", "-1200.0"), "Line 4: the last pitch is the period"),
    ],
)
def test_a_malformed_scale_is_refused_with_its_line(text, says):
    with pytest.raises(EngineError) as refusal:
        read_scl(text)
    assert refusal.value.message.startswith(says)
    assert refusal.value.field == "scl"


def test_pitches_in_any_order_and_below_the_root_are_brought_into_the_period():
    scale = read_scl(just("3/2", "5/4", "-100.0", "10/20", "3/1", "1200.0", "0.0", "2/1"))
    # -100 is 1100; 10/20 and 1200.0 are the octave; 3/1 is 3/2 again.
    assert custom_tuning(scale) == {"type": "custom", "degrees": ["5/4", "3/2", 1100.0, "2/1"]}


def test_a_linear_mapping_without_octaves_tunes_every_key():
    keys = key_pitches(read_scl(just("100.0", *(f"{100.0 * step}" for step in range(2, 13)))), read_kbm(LINEAR))
    assert [row["midi"] for row in keys] == list(range(128))
    assert [row["hz"] for row in keys] == pytest.approx([midi_to_hz(key) for key in range(128)], rel=1e-13)


def test_alpha_on_the_keys_is_one_step_each():
    scale = read_scl(just(f"{ALPHA_CENTS}"))
    hz = [row["hz"] for row in key_pitches(scale, read_kbm(LINEAR))]
    assert hz == pytest.approx([440.0 * 2.0 ** ((key - 69) * ALPHA_CENTS / 1200.0) for key in range(128)], rel=1e-13)
    assert custom_tuning(scale, read_kbm(LINEAR))["root_hz"] == pytest.approx(440.0 * 2.0 ** (-9 * ALPHA_CENTS / 1200.0), rel=1e-14)


def test_bohlen_pierce_on_the_keys_repeats_at_the_tritave():
    scale = read_scl(just(*BOHLEN_PIERCE))
    by_key = {row["midi"]: row["hz"] for row in key_pitches(scale, read_kbm(LINEAR))}
    assert by_key[69] == pytest.approx(440.0, rel=1e-14)
    assert [cents(by_key[60], by_key[60 + step]) for step in range(1, 14)] == pytest.approx(BOHLEN_PIERCE_CENTS, abs=6e-4)
    assert by_key[73] / by_key[60] == pytest.approx(3.0, rel=1e-13)
    assert custom_tuning(scale, read_kbm(LINEAR))["degrees"] == list(BOHLEN_PIERCE)


def test_seven_equal_steps_on_the_white_keys_leave_the_black_ones_silent():
    scale = read_scl(just(*(f"{1200.0 * step / 7}" for step in range(1, 7)), "2/1"))
    by_key = {row["midi"]: row["hz"] for row in key_pitches(scale, read_kbm(WHITE))}
    assert [key for key in range(60, 72) if by_key[key] is None] == [61, 63, 66, 68, 70]
    # A above middle C is the sixth white key: 5/7 of an octave above it.
    assert by_key[60] == pytest.approx(440.0 * 2.0 ** (-5 / 7), rel=1e-13)
    assert by_key[48] == pytest.approx(by_key[60] / 2.0, rel=1e-13)
    tuning = custom_tuning(scale, read_kbm(WHITE))
    assert tuning["root_hz"] == pytest.approx(by_key[60], rel=1e-13)
    assert len(tuning["degrees"]) == 7


def test_the_pitches_of_a_mapped_tuning_are_those_of_its_keys():
    # Three of five degrees, out of order and beyond the octave; the middle key itself is silent, the pattern rises by an octave.
    scale = read_scl(just("9/8", "386.3", "3/2", "7/4", "2/1"))
    keyboard = read_kbm("5\n40\n80\n60\n62\n300.5\n5\nx\n8\n2\n-1\n")
    tuning = custom_tuning(scale, keyboard)
    pitches = Harmony.read({"tuning": tuning}).steps()
    sounding = [row["hz"] for row in key_pitches(scale, keyboard) if row["hz"] is not None]
    assert len(sounding) == 24
    for hz in sounding:
        assert cents(hz, pitches.hz(pitches.nearest(hz))) == pytest.approx(0.0, abs=1e-9)
    assert {row["midi"]: row["hz"] for row in key_pitches(scale, keyboard)}[62] == pytest.approx(300.5, rel=1e-14)


def test_missing_entries_at_the_end_are_unmapped():
    keyboard = read_kbm("4\n0\n127\n60\n60\n261.6\n2\n0\n1\n")
    assert keyboard.entries == (0, 1, None, None)


def kbm(**given: str) -> str:
    fields = {"size": "3", "first": "0", "last": "127", "middle": "60", "reference": "60", "hz": "261.6", "octave": "3"}
    return "\n".join([*(fields | given).values(), "0", "1", "2", ""])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Line 1: the file ends before the size of the map"),
        (kbm(size="-1"), "Line 1: the size of the map must be a whole number from 0 to 128"),
        (kbm(size="2"), "Line 10: the map has 2 entries, and here is another"),
        (kbm(first="128"), "Line 2: the first MIDI note must be a whole number from 0 to 127"),
        (kbm(first="60", last="59"), "Line 3: the last MIDI note must not be below the first, 60"),
        (kbm(middle="C4"), "Line 4: the middle note must be"),
        (kbm(reference="200"), "Line 5: the reference note must be"),
        (kbm(hz="0"), "Line 6: the reference frequency must be a number from 0.001 to 100000 Hz"),
        (kbm(hz="nan"), "Line 6: the reference frequency"),
        (kbm(hz="-440.0"), "Line 6: the reference frequency"),
        (kbm(octave="x"), "Line 7: the degree of the formal octave"),
        (kbm(octave="-3"), "Line 7: the degree of the formal octave"),
        ("! c\n" + kbm().replace("\n2\n", "\ny\n"), "Line 11: an entry of the map must be x or a degree"),
        ("2\n0\n127\n60\n60\n261.6\n2\nx\n1\n", "Line 5: the reference note has no pitch"),
        ("0\n0\n127\n60\n60\n", "Line 5: the file ends before the reference frequency"),
    ],
)
def test_a_malformed_mapping_is_refused_with_its_line(text, says):
    with pytest.raises(EngineError) as refusal:
        read_kbm(text)
    assert refusal.value.message.startswith(says)
    assert refusal.value.field == "kbm"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1\n0\n127\n60\n60\n0.1\n0\n0\n", "1 to 20000 Hz"),
        ("1\n0\n127\n60\n60\n261.6\n99\n0\n", "The formal octave must be 0.001 to 12000 cents; it is 118800"),
        ("73\n0\n127\n0\n0\n9.0\n100\n" + "".join(f"{degree}\n" for degree in range(73)), "73 different pitches"),
    ],
)
def test_a_mapping_that_leaves_no_tuning_is_refused(text, says):
    scale = read_scl(just("2/1")) if "73" not in says else read_scl(just("1.0"))
    with pytest.raises(EngineError, match=says) as refusal:
        custom_tuning(scale, read_kbm(text))
    assert refusal.value.field == "kbm"


@given(
    st.text(),
    st.lists(
        st.one_of(st.floats(0.001, 12000.0), st.fractions(Fraction(1001, 1000), 1000, max_denominator=10**6)), min_size=1, max_size=72
    ),
)
def test_a_written_scale_reads_back_to_the_same_degrees(description, degrees):
    scale = read_scl(write_scl(description, degrees))
    assert scale.degrees == tuple(degrees)
    assert len(scale.description.splitlines()) <= 1


def test_every_tuning_and_scale_reads_back_to_the_same_cents():
    tables = [degrees_of({"type": name, "degrees": list(BOHLEN_PIERCE)}) for name in TUNINGS]
    tables += [(*scale.cents[1:], Fraction(2)) for scale in SCALES.values()]
    for table in tables:
        scale = read_scl(write_scl("! a name", table))
        assert scale.description == "! a name"
        assert [degree_cents(degree) for degree in scale.degrees] == [degree_cents(degree) for degree in table]
        assert read_degrees(custom_tuning(scale)["degrees"]) == table


@given(st.text(alphabet="!0123456789./- x\n\rabc", max_size=60))
def test_any_text_is_read_or_refused(text):
    for read in (read_scl, read_kbm):
        try:
            read(text)
        except EngineError as refusal:
            assert refusal.message.startswith("Line ")


@given(
    st.lists(st.sampled_from(["1.5", "3/2", "-700.0", "1/3", "12000.0", "1024", "0.0", "5/4"]), max_size=6),
    st.lists(st.one_of(st.just("x"), st.integers(-9999, 9999).map(str)), max_size=8),
    st.integers(0, 127),
    st.integers(0, 9999),
)
def test_any_mapping_gives_a_tuning_that_can_be_kept_or_is_refused(lines, entries, middle, octave):
    scale = read_scl(just(*lines, "1201.5"))
    try:
        keyboard = read_kbm("\n".join([str(len(entries)), "0", "127", str(middle), str(middle), "440", str(octave), *entries]))
        tuning = custom_tuning(scale, keyboard)
    except EngineError as refusal:
        assert refusal.field == "kbm"
        return
    assert Harmony.read({"tuning": tuning}).steps().factors[0] == 1.0
    pitches = [row["hz"] for row in key_pitches(scale, keyboard)]
    assert all(hz is None or math.isfinite(hz) for hz in pitches)


# --- another reader of the format ------------------------------------------------------------------------------------------------


def theirs(scl: str, kbm: str) -> dict[int, float | None]:
    """The frequency of each MIDI key by the tuning library of the Surge synthesizer team."""
    tuning = tuning_library.Tuning(tuning_library.parse_scl_data(scl), tuning_library.parse_kbm_data(kbm))
    return {key: tuning.frequency_for_midi_note(key) if tuning.is_midi_note_mapped(key) else None for key in range(128)}


def ours(scl: str, kbm: str) -> dict[int, float | None]:
    return {row["midi"]: row["hz"] for row in key_pitches(read_scl(scl), read_kbm(kbm))}


def assert_same(scl: str, kbm: str) -> None:
    mine, other = ours(scl, kbm), theirs(scl, kbm)
    for key, hz in mine.items():
        if hz is None:  # without pitch, or far out of hearing
            assert other[key] is None or not 1e-3 <= other[key] <= 1e5, key
        else:
            assert other[key] == pytest.approx(hz, rel=1e-9), key


def test_every_scale_and_tuning_that_we_write_sounds_the_same_in_another_reader():
    for scale in SCALES.values():
        assert_same(write_scl(scale.name, (*scale.cents[1:], Fraction(2))), LINEAR)
    for name in TUNINGS:
        if name != "custom":
            assert_same(write_scl(name, degrees_of({"type": name})), LINEAR)
    assert_same(write_scl("meantone", read_scl(MEANTONE_FILE).degrees), LINEAR)
    assert_same(write_scl("seven equal steps", [1200.0 * step / 7 for step in range(1, 8)]), WHITE)


TUNED = [
    {"type": "custom", "degrees": ["7/5", 884.4, "3/1"], "root_hz": 16.25},
    {"type": "custom", "degrees": [78.0], "root_hz": 440.0},
    {"type": "custom", "degrees": ["9/8", "5/4", "4/3", "3/2", "5/3", "15/8", "2/1"]},
    {"type": "custom", "degrees": [1200.0 * step / 31 for step in range(1, 32)], "root_hz": 261.6255653005986},
]


@pytest.mark.parametrize("tuning", TUNED)
def test_a_custom_tuning_and_its_keyboard_sound_as_the_harmony_does_in_another_reader(tuning):
    scl, kbm = write_scl("mine", read_degrees(tuning["degrees"])), write_kbm(keyboard_of(tuning))
    assert_same(scl, kbm)
    middle = read_kbm(kbm).middle
    pitches = Harmony.read({"tuning": tuning}).steps()
    there = theirs(scl, kbm)
    for index in range(-5, 30):
        if 0 <= middle + index < 128 and 1.0 < pitches.hz(index) < 20_000.0:
            assert there[middle + index] == pytest.approx(pitches.hz(index), rel=1e-9)


def test_the_root_sounds_on_the_key_nearest_to_it():
    assert keyboard_of(TUNED[1]).middle == 69
    assert keyboard_of({"type": "custom", "degrees": ["2/1"]}).middle == 60
    assert keyboard_of({"type": "custom", "degrees": ["2/1"], "root_hz": 1.0}).middle == 0
    assert keyboard_of({"type": "custom", "degrees": ["2/1"], "root_hz": 20000.0}).middle == 127


@given(
    st.lists(st.none() | st.integers(0, 30), max_size=12),
    st.integers(0, 127),
    st.floats(0.01, 20000.0),
    st.integers(0, 12),
)
def test_a_written_mapping_reads_back_to_the_same(entries, middle, hz, octave):
    keyboard = KeyboardMap(0, 127, middle, middle, hz, octave, (0, *entries) if entries else ())
    assert read_kbm(write_kbm(keyboard)) == keyboard

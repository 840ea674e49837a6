"""Tunings harmonic and custom against published cents, and what they do to a score and its MIDI file."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.errors import EngineError
from app.engine.music.harmony import Harmony
from app.engine.music.inversion import invert
from app.engine.music.mapping import build_score
from app.engine.music.midi import write_midi
from app.engine.music.pitch import cents, hz_to_midi
from app.engine.music.tunings import degree_cents, degrees_of, factor, read_degrees
from app.engine.physics.solvers import run
from tests.engine.music.scenes import balls, mapping, trappist
from tests.engine.music.test_midi import BUDGET_CENTS, listen

C4 = 261.6255653005986  # 440 Hz times 2^(-9/12)

MEANTONE = (76.049, 193.15686, 310.26471, 386.31371, 503.42157, 579.47057, 696.57843, 772.62743, 889.73529, 1006.84314, 1082.89214, 1200.0)
"""Quarter-comma meantone in cents, the example of the description of the Scala scale file format (five decimals)."""

BOHLEN_PIERCE = ("27/25", "25/21", "9/7", "7/5", "75/49", "5/3", "9/5", "49/25", "15/7", "7/3", "63/25", "25/9", "3/1")
BOHLEN_PIERCE_CENTS = (
    *(133.238, 301.847, 435.084, 582.512, 736.931, 884.359, 1017.596),
    *(1165.024, 1319.443, 1466.871, 1600.108, 1768.717, 1901.955),
)
"""The just scale of Bohlen and Pierce in the tritave (Mathews, Pierce, Reeves, Roberts 1988, J. Acoust. Soc. Am. 84, 1214)."""

ALPHA_CENTS = 77.965
"""One step of alpha (Carlos 1987, Tuning: At the Crossroads, Computer Music Journal 11(1), 29-43), to three decimals."""


def tuned(tuning, **given) -> Harmony:
    return Harmony.read({"tuning": tuning, "quantize_pitch": "tuning", **given})


def custom(*degrees, **given) -> dict:
    return {"type": "custom", "degrees": list(degrees), **given}


def test_meantone_by_its_fifths_has_its_published_cents():
    # Each fifth is the fourth root of 5: thirds of four fifths are pure (Aron 1523).
    fifth = 300.0 * math.log2(5.0)
    chain = sorted(fifth * place % 1200.0 for place in range(-3, 9) if place)
    pitches = tuned(custom(*chain, "2/1")).steps()
    heard = [cents(pitches.hz(0), pitches.hz(index)) for index in range(1, 13)]
    # The chain from E flat to G sharp; the published figures are right to half of their last decimal.
    assert heard == pytest.approx(MEANTONE, abs=6e-6)
    assert pitches.hz(0) == pytest.approx(C4, rel=1e-14)


def test_alpha_repeats_at_its_own_step_and_knows_no_octave():
    pitches = tuned(custom(ALPHA_CENTS), key="A").steps()
    assert pitches.hz(0) == 440.0
    # Nine steps are near the fifth and five near the major third, as Carlos made it; no number of steps is an octave.
    assert cents(440.0, pitches.hz(9)) == pytest.approx(9 * ALPHA_CENTS, abs=1e-9)
    assert cents(440.0, pitches.hz(9)) == pytest.approx(701.955, abs=0.3)
    assert cents(440.0, pitches.hz(5)) == pytest.approx(386.314, abs=3.6)
    assert min(abs(cents(440.0, pitches.hz(index)) - 1200.0) for index in range(40)) > 29


def test_31_equal_steps_are_those_of_equal_tuning():
    ours = tuned(custom(*(1200.0 * step / 31 for step in range(1, 32))), key="A").steps()
    equal = tuned({"type": "equal", "divisions": 31}, key="A").steps()
    assert [ours.hz(index) for index in range(-62, 62)] == pytest.approx([equal.hz(index) for index in range(-62, 62)], rel=1e-14)
    # The fifth of Huygens's 31 steps (1691): 696.774 cents.
    assert cents(ours.hz(0), ours.hz(18)) == pytest.approx(696.774, abs=5e-4)


def test_bohlen_pierce_repeats_at_the_tritave():
    harmony = tuned(custom(*BOHLEN_PIERCE, root_hz=220.0))
    pitches = harmony.steps()
    assert [cents(220.0, pitches.hz(index)) for index in range(1, 14)] == pytest.approx(BOHLEN_PIERCE_CENTS, abs=6e-4)
    assert (pitches.hz(0), pitches.hz(13), pitches.hz(26)) == (220.0, 660.0, 1980.0)
    assert pitches.hz(-13) == pytest.approx(220.0 / 3.0, rel=1e-15)
    assert pitches.hz(10) == pytest.approx(220.0 * 7.0 / 3.0, rel=1e-15)
    # A scale of the octave has no place in the tritave: every pitch is a degree.
    assert harmony.degrees() == pitches


def test_the_harmonic_series_stands_over_the_key_note():
    pitches = tuned({"type": "harmonic", "harmonics": 8}, key="A").steps()
    assert [pitches.hz(index) for index in range(9)] == [55.0 * harmonic for harmonic in range(8, 17)]
    # Every harmonic of A4 up to the sixteenth is there,.
    assert all(pitches.hz(pitches.nearest(440.0 * harmonic)) == pytest.approx(440.0 * harmonic, rel=1e-15) for harmonic in range(1, 17))
    assert tuned({"type": "harmonic"}).steps().hz(0) == pytest.approx(C4, rel=1e-14)
    assert len(degrees_of({"type": "harmonic"})) == 16
    # The eleventh harmonic: 551.318 cents above the key note.
    assert degree_cents(degrees_of({"type": "harmonic"})[5]) == pytest.approx(551.318, abs=5e-4)


def test_a_scale_takes_the_nearest_pitches_of_a_tuning_with_octaves():
    major = tuned({"type": "harmonic"}, scale="major").degrees()
    assert [Fraction(ratio).limit_denominator(16) for ratio in major.factors] == [
        Fraction(harmonic, 16) for harmonic in (16, 18, 20, 21, 24, 27, 30)
    ]
    meantone = tuned(custom(*MEANTONE), scale="major", key="A").degrees()
    assert [round(cents(1.0, ratio), 5) for ratio in meantone.factors] == [
        0,
        193.15686,
        386.31371,
        503.42157,
        696.57843,
        889.73529,
        1082.89214,
    ]
    own = tuned(custom(*MEANTONE, root_hz=300.0), scale="custom", scale_cents=[0.0, 350.0]).degrees()
    assert (own.hz(0), own.hz(2)) == (300.0, 600.0)
    assert cents(300.0, own.hz(1)) == pytest.approx(350.0, abs=1e-9)


@given(
    st.lists(st.floats(1.0, 900.0), min_size=1, max_size=72).filter(lambda steps: sum(steps) <= 12000.0),
    st.floats(16.0, 16000.0),
    st.floats(1.0, 20000.0),
)
def test_quantization_finds_the_nearest_pitch_of_any_period(steps, hz, root_hz):
    degrees = [sum(steps[: place + 1]) for place in range(len(steps))]
    pitches = tuned(custom(*degrees, root_hz=root_hz)).steps()
    index = pitches.nearest(hz)
    around = [pitches.hz(other) for other in range(index - len(steps) - 1, index + len(steps) + 2)]
    assert around == sorted(around)
    assert abs(cents(pitches.hz(index), hz)) <= min(abs(cents(other, hz)) for other in around) + 1e-8
    assert around[0] < hz < around[-1]


@pytest.mark.parametrize(
    ("degrees", "says"),
    [
        (None, "1 to 72 degrees"),
        ([], "1 to 72 degrees"),
        ("2/1", "1 to 72 degrees"),
        ([float(step) for step in range(1, 74)], "1 to 72 degrees"),
        ([0.0, 1200.0], "Degree 1 is 0 cents"),
        ([700.0, "3/2", "2/1", "2/1"], "Degree 4"),
        ([700.0, 500.0, 1200.0], "Degree 2 is 500 cents"),
        (["1/2"], "Degree 1 is -1200 cents"),
        ([12000.1], "0.001 to 12000 cents"),
        (["1025/1"], "0.001 to 12000 cents"),
        ([math.nan], "0.001 to 12000 cents"),
        ([10**400], "0.001 to 12000 cents"),
        (["3/0"], "a ratio as text"),
        (["-3/2"], "a ratio as text"),
        (["3/2/1"], "a ratio as text"),
        ([True], "a ratio as text"),
        ([None], "a ratio as text"),
        ([{"cents": 3}], "a ratio as text"),
    ],
)
def test_degrees_that_are_none_are_refused_with_the_range(degrees, says):
    with pytest.raises(EngineError, match=says) as refusal:
        Harmony.read({"tuning": {"type": "custom", "degrees": degrees}})
    assert refusal.value.field == "tuning.degrees"


def test_degrees_are_cents_or_exact_ratios():
    assert read_degrees([386.3, "3:2", "7/4", "2"]) == (386.3, Fraction(3, 2), Fraction(7, 4), Fraction(2))
    assert [factor(degree) for degree in read_degrees([600.0, "2/1"])] == [math.sqrt(2.0), 2.0]


@pytest.mark.parametrize(("value", "field"), [(0.5, "tuning.root_hz"), (20001, "tuning.root_hz")])
def test_the_root_has_a_range_in_hz(value, field):
    with pytest.raises(EngineError, match="1 to 20000 Hz") as refusal:
        Harmony.read({"tuning": custom("2/1", root_hz=value)})
    assert refusal.value.field == field


@pytest.mark.parametrize("tuning", [custom(*BOHLEN_PIERCE, root_hz=220.0), {"type": "harmonic", "harmonics": 11}, custom(ALPHA_CENTS)])
def test_a_score_and_its_midi_file_sound_at_the_pitches_of_the_tuning(tuning):
    scene = replace(trappist(duration_s=4.0), harmony={"tuning": tuning, "quantize_pitch": "tuning"})
    score = build_score(scene, run(scene))
    pitches = Harmony.read(scene.harmony).steps()
    free = build_score(replace(scene, harmony={}), run(scene))
    assert len(score.notes) == len(free.notes) > 7
    for note, physical in zip(score.notes, free.notes, strict=True):
        assert note.hz == pitches.hz(pitches.nearest(physical.hz))
        assert note.cents_error == pytest.approx(cents(physical.hz, note.hz), abs=1e-9)
    data, report = write_midi(score)
    assert not report["overflow"]
    asked = sorted(hz_to_midi(note.hz) for note in score.notes)
    assert sorted(one.pitch for one in listen(data)) == pytest.approx(asked, abs=BUDGET_CENTS / 100.0)


def test_a_pitch_of_a_custom_tuning_stands_for_the_values_that_lead_to_it():
    harmony = {"tuning": custom(*BOHLEN_PIERCE, root_hz=220.0), "quantize_pitch": "tuning"}
    pitched = mapping(domain={"type": "explicit", "min": 0.0, "max": 10.0}, range={"min": 100.0, "max": 1100.0})
    answer = invert(pitched, harmony, 660.0)
    below, above = 220.0 * 25 / 9, 660.0 * 27 / 25
    assert answer["value"] == pytest.approx(5.6)
    assert answer["interval"] == {
        "min": pytest.approx((math.sqrt(below * 660.0) - 100.0) / 100.0),
        "max": pytest.approx((math.sqrt(above * 660.0) - 100.0) / 100.0),
    }


def test_bodies_without_mappings_take_the_degrees_of_the_tuning():
    scene = balls(1.0, 2.0, 3.0, harmony={"tuning": custom(*BOHLEN_PIERCE, root_hz=100.0)})
    score = build_score(scene, run(scene))
    pitches = Harmony.read(scene.harmony).degrees()
    assert {note.hz for note in score.notes} <= {pitches.hz(index) for index in range(-40, 40)}

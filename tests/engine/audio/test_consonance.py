"""Sensory dissonance against what Plomp and Levelt measured and what Sethares published, and of whole scores."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from app.engine.audio.consonance import between, dissonance, roughness
from app.engine.audio.instruments.modal import bar_ratios
from app.engine.music.score import Note, Score

HARMONICS = np.arange(1.0, 7.0)
FALLING = 0.88 ** np.arange(6)


def note(hz, t_s=0.0, duration_s=1.0, voice="v", amplitude=1.0, track=None, brightness=None):
    return Note(t_s, duration_s, hz, 0.0, 0.0, 1.0, amplitude, 0.0, voice, {"body_id": "body"}, brightness, track)


def score(*notes, instrument="additive", duration_s=60.0, voices=None, **parameters):
    voices = voices or ({"id": "v", "instrument": instrument, "parameters": parameters},)
    return Score(tuple(sorted(notes, key=lambda one: one.t_s)), tuple(voices), (), 120.0, "4/4", 440.0, duration_s)


def value(*notes, **given):
    return dissonance(score(*notes, **given))["value"]


def minima(ratios, amplitude, base_hz, low, high):
    """Frequency ratios, to 0.001, at which two tones of these partials are less dissonant than beside them."""
    steps = np.arange(low, high, 0.001)
    curve = [between(base_hz * ratios, amplitude, step * base_hz * ratios, amplitude) for step in steps]
    return [float(round(steps[place], 3)) for place in range(1, len(steps) - 1) if curve[place - 1] > curve[place] < curve[place + 1]]


def test_two_sines_are_roughest_a_quarter_of_a_critical_band_apart_and_not_at_all_in_unison():
    for low in (100.0, 440.0, 2000.0):
        apart = np.linspace(0.0, low, 20001)
        curve = roughness(np.full(20001, low), low + apart)
        assert curve[0] == 0.0
        assert curve.max() == pytest.approx(1.0, abs=1e-6)
        # Sethares 1993: the maximum lies where s |f - g| is 0.22, by the same fit about 0.24 of the critical band.
        assert apart[curve.argmax()] == pytest.approx(0.2203 * (0.0207 * low + 18.96) / 0.24, rel=2e-3)
        assert curve[-1] < 0.15


def test_six_harmonics_have_the_minima_that_sethares_published():
    """Harmonic tones whose partials fall by 0.88, as in Sethares 1993: on middle C nothing but the just intervals."""
    published = [1.0, 6 / 5, 5 / 4, 4 / 3, 3 / 2, 5 / 3, 2.0]
    assert minima(HARMONICS, FALLING, 261.63, 0.98, 2.05) == pytest.approx(published, abs=0.0015)
    found = np.array(minima(HARMONICS, FALLING, 500.0, 0.98, 2.05))
    assert all(np.abs(found - ratio).min() < 0.0015 for ratio in published)


def test_a_free_bar_has_its_minima_where_its_own_partials_meet_and_none_at_the_fifth():
    ratios = np.array(bar_ratios(4))
    found = np.array(minima(ratios, np.ones(4), 400.0, 1.1, 2.95))
    for meeting in (ratios[1], ratios[2] / ratios[1], ratios[3] / ratios[2]):
        assert np.abs(found - meeting).min() < 0.002, meeting
    assert np.abs(found - 1.5).min() > 0.05
    assert np.abs(found - 2.0).min() > 0.02


@pytest.mark.parametrize("instrument", ["additive", "saw", "karplus_strong"])
@pytest.mark.parametrize("hz", [220.0, 261.6, 440.0])
def test_a_unison_has_none_and_an_octave_less_than_a_fifth_and_that_less_than_a_tritone(instrument, hz):
    unison, octave, fifth, tritone, second = (
        value(note(hz), note(hz * ratio), instrument=instrument) for ratio in (1.0, 2.0, 3 / 2, 45 / 32, 16 / 15)
    )
    assert unison == 0.0
    assert octave < fifth < tritone < second


def test_intervals_of_six_harmonics_on_middle_c_are_as_the_documentation_says():
    ratios = (2.0, 3 / 2, 45 / 32, 16 / 15)
    found = [value(note(261.6256), note(261.6256 * ratio), partials=6) for ratio in ratios]
    assert found == pytest.approx([0.002, 0.1, 0.28, 0.95], abs=0.005)


def test_notes_that_are_rough_in_themselves_are_at_least_as_smooth_as_their_unison():
    """Partials of a drum, crowded within critical bands: far apart two such notes clash less than one of them with itself."""
    crowded = np.array([1.0, 1.59, 2.14, 2.3, 2.65, 2.92, 3.16, 3.5])
    apart = [between(80.0 * crowded, np.ones(8), ratio * 80.0 * crowded, np.ones(8)) for ratio in (1.0, 4.0, 9.0)]
    assert apart == [0.0, 0.0, 0.0]
    assert roughness(80.0 * crowded[:, None], 80.0 * crowded[None, :]).sum() / 8 > 0.5


def test_instruments_sound_by_their_own_partials():
    # Two bars an octave apart clash where two harmonic tones agree; sines are beyond each other's critical band.
    octave = [value(note(330.0), note(660.0), instrument=name) for name in ("sine", "additive", "modal")]
    assert octave[0] < 0.03 and octave[1] < 0.03 < octave[2]
    ratio = float(bar_ratios(2)[1])
    assert value(note(330.0), note(330.0 * ratio), instrument="modal") < octave[2]


def test_a_score_is_the_mean_over_its_pairs_weighted_by_level_and_time():
    """Held tones of four partials, by the formula written out pair by pair."""
    random = np.random.default_rng(5)
    notes = [
        note(float(hz), float(t), float(length), amplitude=float(level))
        for hz, t, length, level in zip(
            random.uniform(200, 900, 14), random.uniform(0, 4, 14), random.uniform(0.3, 3, 14), random.uniform(0.1, 1, 14), strict=True
        )
    ]
    strength = [1 / n / math.sqrt(sum(1 / k**2 for k in range(1, 5))) for n in range(1, 5)]

    def rough(f, g):
        x = 0.24 / (0.0207 * min(f, g) + 18.96) * abs(f - g)
        return (math.exp(-3.51 * x) - math.exp(-5.75 * x)) / 0.17975648

    def crossed(one, other):
        pairs = itertools.product(range(4), repeat=2)
        return sum(strength[p] * strength[q] * rough(one * (p + 1), other * (q + 1)) for p, q in pairs)

    above = below = 0.0
    for one, other in itertools.combinations(notes, 2):
        shared = min(one.t_s + one.duration_s, other.t_s + other.duration_s) - max(one.t_s, other.t_s)
        weight = max(0.0, shared) * one.amplitude * other.amplitude
        above += weight * (crossed(one.hz, other.hz) - (crossed(one.hz, one.hz) + crossed(other.hz, other.hz)) / 2)
        below += weight
    assert value(*notes, partials=4) == pytest.approx(above / below, abs=1e-6)


def test_decaying_notes_weigh_by_what_is_left_of_them():
    """Strings of one mode falling 60 dB in T: the product of two levels over the time they share, in closed form."""
    modal = {"instrument": "modal", "resonator": "string", "partials": 1, "decay_s": 1.0}
    rate = 3 * math.log(10)
    first, near, late = note(440.0), note(466.2), note(590.0, t_s=0.5)

    def shared(start, one, other, lasting):
        return math.exp(-rate * (start - one)) * math.exp(-rate * (start - other)) * -math.expm1(-2 * rate * lasting) / (2 * rate)

    pairs = [(first, near, shared(0.0, 0, 0, 1.0)), (first, late, shared(0.5, 0, 0.5, 0.5)), (near, late, shared(0.5, 0, 0.5, 0.5))]
    alone = [(value(replace(a, t_s=0.0), replace(b, t_s=0.0), **modal), weight) for a, b, weight in pairs]
    mean = sum(found * weight for found, weight in alone) / sum(weight for _, weight in alone)
    assert value(first, near, late, **modal) == pytest.approx(mean, abs=2e-6)


def test_notes_that_do_not_sound_together_are_not_dissonant_and_none_is_no_number():
    apart = dissonance(score(note(440.0), note(466.2, t_s=1.0)))
    assert apart == {"value": None, "pairs": 0, "share": 1.0, "left_out": 0}
    assert dissonance(score())["value"] is None
    assert dissonance(score(note(440.0), note(466.2, t_s=0.9)))["pairs"] == 1


def test_voices_count_by_their_gain_and_not_at_all_where_they_cannot_play():
    voices = [{"id": name, "instrument": "sine", "gain_db": gain} for name, gain in (("a", 0.0), ("b", 0.0), ("c", -60.0))]
    loud = value(note(440.0, voice="a"), note(470.0, voice="b"), voices=voices)
    joined = value(note(440.0, voice="a"), note(470.0, voice="b"), note(2000.0, voice="c"), voices=voices)
    assert joined == pytest.approx(loud, rel=3e-3)
    own = {"id": "own", "instrument": "modal", "parameters": {"resonator": "own"}}
    found = dissonance(score(note(440.0, voice="a"), note(470.0, voice="own"), voices=[voices[0], own]))
    assert (found["pairs"], found["left_out"]) == (0, 1)


@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
def test_a_body_that_is_struck_where_none_of_its_modes_moves_is_left_out():
    own = {"id": "v", "instrument": "modal", "parameters": {"resonator": "own"}}
    still = {"body": {"ratio": [1.0, 2.7], "amplitude": [0.0, 0.0], "decay": [1.0, 2.0]}}
    found = dissonance(replace(score(note(440.0), note(470.0), voices=[own]), modes=still))
    assert (found["value"], found["left_out"]) == (None, 2)


def test_noise_has_no_partials_to_be_rough():
    voices = [{"id": "v", "instrument": "sine"}, {"id": "n", "instrument": "noise"}]
    found = dissonance(score(note(440.0), note(470.0), note(450.0, voice="n"), voices=voices))
    assert (found["value"], found["left_out"]) == (value(note(440.0), note(470.0), instrument="sine"), 1)


def test_a_note_that_moves_is_heard_where_it_is():
    """A sine gliding from a unison through the roughest distance to a fifth, beside one that stays."""
    rising = (440.0 + np.linspace(0.0, 220.0, 1601)).tolist()
    glide = note(440.0, duration_s=8.0, track={"rate": 200.0, "hz": rising})
    found = value(glide, note(440.0, duration_s=8.0), instrument="sine")
    across = roughness(np.full(1601, 440.0), np.array(rising))
    assert found == pytest.approx(float(across.mean()), abs=0.005)
    silent = replace(glide, track={"rate": 200.0, "hz": rising, "gain_db": [-120.0] * 800 + [0.0] * 801})
    assert value(silent, note(440.0, duration_s=8.0), instrument="sine") == pytest.approx(float(across[800:].mean()), abs=0.01)


def test_a_dense_score_is_measured_by_its_heaviest_pairs_alike_each_time():
    random = np.random.default_rng(2)
    notes = [note(float(hz), float(t), 1.5) for hz, t in zip(random.uniform(100, 1500, 3000), random.uniform(0, 50, 3000), strict=True)]
    found = dissonance(score(*notes, instrument="modal"))
    assert found == dissonance(score(*notes, instrument="modal"))
    assert 0.0 < found["share"] < 1.0
    # Pitches drawn alike everywhere: any third of them tells about the same.
    assert found["value"] == pytest.approx(value(*notes[:1000], instrument="modal"), abs=0.02)

"""A heard pitch leads back to the physical value that it stands for."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.errors import EngineError, OutOfRange, Unsupported
from app.engine.music.mapping import build_score, invert
from app.engine.physics.solvers import run
from tests.engine.music.scenes import DAY_S, TRAPPIST_DAYS, balls, mapping, of, trappist, voice

PITCH = {"source": of("speed"), "range": {"min": 110.0, "max": 880.0}}


def curve_of(name: str, exponent: float) -> dict[str, object]:
    return {"type": name, "exponent": exponent} if name == "power" else {"type": name}


def forward(name: str, exponent: float, low: float, high: float, value: float) -> float:
    """The place of a value, by the definition of the curve."""
    if name == "log":
        return math.log(value / low) / math.log(high / low)
    part = (value - low) / (high - low)
    return part**exponent if name == "power" else part


@given(
    st.sampled_from(["linear", "log", "power"]),
    st.floats(0.2, 5.0),
    st.floats(0.1, 10.0),
    st.floats(1.5, 100.0),
    st.floats(0.01, 0.99),
    st.sampled_from([1, -1]),
)
def test_a_pitch_inverts_to_the_value_that_made_it(name, exponent, low, ratio, share, polarity):
    high = low * ratio
    value = low + share * (high - low)
    part = forward(name, exponent, low, high, value)
    hz = 110.0 + 770.0 * (part if polarity == 1 else 1.0 - part)
    told = invert(mapping(**PITCH, curve=curve_of(name, exponent), polarity=polarity), {}, hz, (low, high))
    # A power flattens one end of the domain, so that the last bits of the pitch decide there.
    assert told == {"value": pytest.approx(value, rel=1e-6), "unit": "m/s"}


@given(st.floats(20.0, 15000.0))
def test_frequency_scale_inverts_to_frequency_and_period(hz):
    scaled = {"curve": {"type": "frequency_scale", "factor": 1e6}, "range": None}
    assert invert(mapping(**scaled, source=of("frequency")), {}, hz) == {"value": pytest.approx(hz / 1e6, rel=1e-15), "unit": "Hz"}
    assert invert(mapping(**scaled, source=of("period")), {}, hz) == {"value": pytest.approx(1e6 / hz, rel=1e-15), "unit": "s"}


@given(st.floats(0.0, 1.0), st.sampled_from(["major", "chromatic", "blues"]), st.sampled_from(["equal", "just"]))
def test_after_quantization_the_interval_holds_the_value_and_ends_where_another_pitch_begins(share, scale, tuning):
    harmony = {"quantize_pitch": "scale", "scale": scale, "tuning": {"type": tuning}}
    scene = replace(balls(1.0 + share, 1.0, 2.0, duration_s=0.5), voices=(voice(),), harmony=harmony)
    pitch = mapping(source=of("mass"), domain={"type": "explicit", "min": 1.0, "max": 2.0})
    note = next(
        note for note in build_score(replace(scene, mappings=(pitch,)), run(scene)).notes if note.provenance["value"] == 1.0 + share
    )
    told = invert(pitch, harmony, note.hz)
    low, high = told["interval"]["min"], told["interval"]["max"]
    assert (low is None or low <= 1.0 + share + 1e-12) and (high is None or high >= 1.0 + share - 1e-12)
    assert told["unit"] == "kg"
    for end, sign in ((low, -1), (high, 1)):
        if end is not None and 1.0 < end < 2.0:
            beyond = invert(pitch, harmony, 200.0 + 200.0 * (end + sign * 1e-6 - 1.0))
            assert beyond["value"] != told["value"]


def test_a_clamped_end_stands_for_everything_beyond_it():
    pitch = mapping(**PITCH)
    assert invert(pitch, {}, 880.0, (1.0, 5.0)) == {"value": 5.0, "unit": "m/s", "interval": {"min": 5.0, "max": None}}
    assert invert({**pitch, "polarity": -1}, {}, 880.0, (1.0, 5.0))["interval"] == {"min": None, "max": 1.0}
    assert invert({**pitch, "clamp": "drop"}, {}, 880.0, (1.0, 5.0)) == {"value": 5.0, "unit": "m/s"}


def test_a_mapping_with_one_pitch_stands_for_its_whole_domain():
    flat = mapping(source=of("speed"), range={"min": 220.0, "max": 220.0}, clamp="drop")
    assert invert(flat, {}, 220.0, (1.0, 5.0))["interval"] == {"min": 1.0, "max": 5.0}


def test_a_chain_of_mappings_inverts_to_the_physical_quantity():
    loud = mapping("loud", target="loudness", curve={"type": "log"}, range={"min": -40.0, "max": 0.0}, clamp="drop")
    pitch = mapping("pitch", source={"mapping_id": "loud"}, domain={"type": "explicit", "min": -40.0, "max": 0.0}, clamp="drop")
    scene = replace(balls(1.0, duration_s=2.0), voices=(voice(),), mappings=(loud, pitch), harmony={"max_notes_per_second": 200})
    score = build_score(scene, run(scene))
    for note in score.notes[:6]:
        told = invert(pitch, {}, note.hz, scene=scene, domains=score.report["domains"])
        assert told == {"value": pytest.approx(note.provenance["value"], rel=1e-9), "unit": "N*s"}


def test_resonance_tuning_inverts_among_the_pitches_of_the_score():
    harmony = {"tuning": {"type": "resonance"}, "quantize_pitch": "tuning"}
    scene = trappist(harmony=harmony)
    score = build_score(scene, run(scene))
    pitch = score.mappings[0]
    physical = [hz for row in score.report["intervals"] for hz in (row["low"], row["high"])]
    for note in score.notes[:7]:
        told = invert(pitch, harmony, note.hz, pitches=physical)
        assert told["value"] == pytest.approx(TRAPPIST_DAYS[note.provenance["body_id"]] * DAY_S, rel=1e-12)
    with pytest.raises(Unsupported) as refusal:
        invert(pitch, harmony, 440.0)
    assert refusal.value.field == "harmony.tuning"


def test_what_cannot_be_inverted_is_refused_by_field():
    for given_mapping, hz, domain, field in (
        (mapping(target="pan", range={"min": 0.0, "max": 1.0}), 440.0, None, "target"),
        (mapping(**PITCH), 440.0, None, "domain"),
        (mapping(source={"mapping_id": "other"}), 440.0, None, "source.mapping_id"),
    ):
        with pytest.raises(EngineError) as refusal:
            invert(given_mapping, {}, hz, domain)
        assert refusal.value.field == field
    with pytest.raises(OutOfRange, match="110 to 880 Hz") as refusal:
        invert(mapping(**PITCH), {}, 900.0, (1.0, 5.0))
    assert refusal.value.field == "hz"

"""Scores built from real runs: what is heard is what the physics did."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from app.engine.errors import EngineError, TooExpensive, Unsupported
from app.engine.music.mapping import build_score, content, default_content
from app.engine.music.score import Score
from app.engine.physics.events import KINDS
from app.engine.physics.scene import Body, Bounds, Keyframe, Marker, Orbit, Physics, Scene
from app.engine.physics.solvers import run
from tests.engine.music.scenes import CONTINUOUS, DAY_S, TRAPPIST_DAYS, balls, event, mapped, mapping, of, orbits, trappist, voice


def perform(scene: Scene) -> Score:
    return build_score(scene, run(scene))


def collisions(scene: Scene):
    """Time, body and impulse of each collision of a body with a bound."""
    events = run(scene).events
    rows = events.kind == KINDS.index("collision")
    return events.time[rows], events.body[rows], events.impulse[rows]


# --- default content -------------------------------------------------------------------------------------------------------------


def test_the_score_holds_the_neighbouring_period_ratios_of_trappist_1_exactly():
    report = perform(trappist()).report
    periods = [days * DAY_S for days in TRAPPIST_DAYS.values()]
    expected = [1200.0 * math.log2(longer / shorter) for shorter, longer in pairwise(periods)]
    rows = [row for row in report["intervals"] if row["voice_id"] == "default-orbits"]
    assert [row["cents"] for row in reversed(rows)] == expected
    assert [row["name"] for row in reversed(rows)] == ["m6", "M6", "P5", "P5", "P4", "P5"]
    assert [(row["high_body_id"], row["low_body_id"]) for row in reversed(rows)] == list(pairwise("bcdefgh"))


def test_bodies_that_pull_on_each_other_sound_as_orbits_do_and_unbound_ones_by_their_speed():
    drawn = trappist(duration_s=4.0)
    score = perform(replace(drawn, solver="nbody"))
    held = {note.provenance["body_id"]: note.hz for note in score.notes if note.track}
    # With the star held, a planet sees its mass alone: 8e24 / 1.786e29 of the period, and the mean motion of e = 0 to that order.
    alone = {note.provenance["body_id"]: note.hz for note in perform(drawn).notes if note.track}
    assert held == {name: pytest.approx(hz, rel=3e-4) for name, hz in alone.items()}
    apart = (Body("a", "a", mass=1.0), Body("b", "b", mass=1.0, position=(1.0, 0.0, 0.0), velocity=(0.0, 1.0, 0.0)))
    (note,) = [n for n in perform(replace(drawn, solver="nbody", physics=Physics(), bodies=apart)).notes if n.provenance["body_id"] == "b"]
    assert note.provenance["quantity"] == "speed"


def test_one_body_that_is_not_bound_does_not_silence_the_others():
    drawn = trappist(duration_s=4.0)
    comet = Body("comet", "comet", mass=1.0, position=(1e11, 0.0, 0.0), velocity=(0.0, 1e6, 0.0))
    given = replace(drawn, solver="nbody", bodies=(*drawn.bodies, comet))
    assert {note.provenance["body_id"] for note in perform(given).notes if note.track} == set("bcdefgh")
    pan = mapping(trigger=event("transit"), source=of("speed"), target="pan", range={"min": -1.0, "max": 1.0})
    # At the start the comet is on the line of transits; with no period its pitch is a degree of the scale.
    assert {note.provenance["body_id"] for note in perform(mapped(given, pan)).notes} == {*"bcdefgh", "comet"}


def test_orbits_sound_as_held_sines_in_proportion_with_the_slowest_at_c3():
    score = perform(trappist(duration_s=8.0))
    held = [note for note in score.notes if note.track]
    assert [(note.t_s, note.duration_s, note.cents_error) for note in held] == [(0.0, 8.0, 0.0)] * 7
    slowest = TRAPPIST_DAYS["h"] * DAY_S
    assert {note.provenance["body_id"]: note.hz for note in held} == {
        name: pytest.approx(130.81 * slowest / (days * DAY_S), rel=1e-15) for name, days in TRAPPIST_DAYS.items()
    }
    assert held[0].provenance == {
        "mapping_id": "default-orbit-pitch",
        "body_id": "h",
        "quantity": "period",
        "value": slowest,
        "unit": "s",
    }


def test_each_transit_strikes_the_pitch_of_its_orbit_12_db_softer():
    score = perform(trappist(duration_s=8.0))
    pitch = {note.provenance["body_id"]: note.hz for note in score.notes if note.track}
    strokes = [note for note in score.notes if not note.track]
    innermost = [note.t_s for note in strokes if note.provenance["body_id"] == "b"]
    assert innermost == pytest.approx([0.0, 2.0, 4.0, 6.0], abs=1e-12)
    assert all(note.hz == pitch[note.provenance["body_id"]] for note in strokes)
    assert [one["gain_db"] for one in score.voices] == [0.0, -12.0]


def test_resonance_tuning_in_a_score_moves_trappist_1_to_its_keys_and_reports_what_it_changed():
    scene = trappist(harmony={"tuning": {"type": "resonance"}, "quantize_pitch": "tuning"})
    score = perform(scene)
    held = [note for note in score.notes if note.track]
    assert [round(note.midi) for note in held] == [48, 55, 60, 67, 74, 83, 91]
    assert held[-1].cents_error == pytest.approx(-60.3, abs=0.05)
    assert not any(row["neighbours"] for row in score.report["interval_names_changed"])
    changed = {(row["low_body_id"], row["high_body_id"]) for row in score.report["interval_names_changed"]}
    assert changed == {("h", "d"), ("h", "b")}


def test_the_report_says_what_resonance_tuning_cost_trappist_1_and_what_it_kept():
    """The sizes that the tuning must hit are ratios of published periods; the ratios that it takes are of small whole numbers."""
    resonant = {"tuning": {"type": "resonance"}, "quantize_pitch": "tuning"}
    score = perform(trappist(harmony=resonant))
    rows = [row for row in score.report["intervals"] if row["voice_id"] == "default-orbits"]
    ratios = [8 / 5, 5 / 3, 3 / 2, 3 / 2, 4 / 3, 3 / 2]
    assert [row["tuned_cents"] for row in reversed(rows)] == pytest.approx([1200 * math.log2(ratio) for ratio in ratios], abs=1e-9)
    assert all((row["name"], row["octaves"]) == (row["tuned_name"], row["tuned_octaves"]) for row in rows)
    orbits_row, transits_row = score.report["tuning"]
    b, h = TRAPPIST_DAYS["b"], TRAPPIST_DAYS["h"]
    low = 1200 * math.log2(math.prod(ratios) / (h / b))
    worst = orbits_row["largest_note"]
    assert (orbits_row["largest_cents"], score.notes[worst].provenance["body_id"]) == (pytest.approx(low, abs=1e-9), "b")
    assert low == pytest.approx(-60.3, abs=0.05)
    held = [note.cents_error for note in score.notes if note.track]
    assert orbits_row["mean_cents"] == pytest.approx(np.mean(held), rel=1e-12)
    assert orbits_row["rms_cents"] == pytest.approx(np.sqrt(np.mean(np.square(held))), rel=1e-12)
    told = {name: orbits_row[name] for name in ("notes", "moved", "neighbours", "neighbours_changed", "others", "others_changed")}
    assert told == {"notes": 7, "moved": 6, "neighbours": 6, "neighbours_changed": 0, "others": 15, "others_changed": 2}
    assert transits_row["notes"] == len(score.notes) - 7
    untuned = perform(trappist()).report["tuning"]
    assert [(row["moved"], row["rms_cents"], row["others_changed"]) for row in untuned] == [(0, 0.0, 0)] * 2


def test_a_voice_without_notes_says_nothing_of_its_tuning():
    still = Physics(gravity=(0.0, 0.0, 0.0), bounds=None)
    (row,) = perform(mapped(balls(1.0, physics=still), mapping())).report["tuning"]
    assert (row["notes"], row["mean_cents"], row["largest_note"], row["neighbours"]) == (0, None, None, 0)


def test_orbits_too_far_apart_for_the_range_sound_octaves_lower_with_their_ratios_kept():
    # Neptune against Mercury: 684, so that Mercury would sound at 89 kHz.
    scene = orbits({"mercury": 88.0 * DAY_S, "neptune": 60190.0 * DAY_S}, duration_s=4.0)
    high, low = sorted((note.hz for note in perform(scene).notes if note.track), reverse=True)
    assert low == pytest.approx(130.81 / 8, rel=1e-12)
    assert high / low == pytest.approx(60190 / 88, rel=1e-14)


def test_bounces_sound_when_they_happen_and_as_loud_as_their_impulse():
    scene = balls(2.0, duration_s=4.0)
    times, _, impulses = collisions(scene)
    loud = 20.0 * np.log10(impulses / impulses.max())
    score = perform(scene)
    struck = score.notes[:8]
    assert [note.t_s for note in struck] == times[:8].tolist()
    assert [20.0 * math.log10(note.amplitude) for note in struck] == pytest.approx(loud[:8].tolist(), abs=1e-12)
    assert [note.velocity for note in struck] == pytest.approx((1.0 + loud[:8] / 40.0).tolist(), abs=1e-12)


def test_heavier_balls_sound_lower_on_the_degrees_of_the_scale_from_octave_3():
    scene = balls(1.0, 4.0, 2.0, 4.0, harmony={"key": "D", "scale": "dorian"})
    pitch = {note.provenance["body_id"]: note.hz for note in perform(scene).notes}
    d3, e3, f3, g3 = 146.8324, 164.8138, 174.6141, 195.9977
    assert pitch == pytest.approx({"ball1": d3, "ball3": e3, "ball2": f3, "ball0": g3}, abs=5e-5)


def test_balls_are_heard_where_they_are_between_the_walls():
    scene = balls(1.0, 1.0, 1.0)
    places = {note.provenance["body_id"]: note.pan for note in perform(scene).notes}
    # Walls at -1 m and 9 m; balls at 0, 1 and 2 m.
    assert places == pytest.approx({"ball0": -0.8, "ball1": -0.6, "ball2": -0.4}, abs=1e-12)


def test_faint_collisions_make_no_note_and_are_counted():
    scene = balls(1.0, duration_s=6.0)
    _, _, impulses = collisions(scene)
    levels = 20.0 * np.log10(impulses / impulses.max())
    score = perform(replace(scene, harmony={"max_notes_per_second": 200}))
    assert score.report["dropped"]["default-loudness"] == int((levels < -60.0).sum()) > 0
    softest = min(20.0 * math.log10(note.amplitude) for note in score.notes)
    assert softest >= -40.0 - 1e-9


def test_default_content_is_what_a_scene_without_mappings_plays_and_a_mapping_replaces_it():
    plain = balls(1.0)
    assert content(plain) == default_content(plain)
    assert list(perform(plain).mappings) == default_content(plain)["mappings"]
    own = mapped(plain, mapping())
    assert content(own) == {"voices": [voice()], "mappings": [mapping()]}


def test_a_voice_of_the_scene_plays_the_default_mappings():
    score = perform(replace(balls(1.0), voices=(voice("mine", instrument="sine"),)))
    assert {note.voice_id for note in score.notes} == {"mine"}
    assert [one["id"] for one in score.voices] == ["mine"]


def test_an_orbit_given_by_its_axis_sounds_at_its_period_by_keplers_third_law():
    star = Body("star", "star", mass=2e30, static=True)
    planets = [Body(name, name, mass=1e24, orbit=Orbit(axis, None)) for name, axis in (("near", 1e11), ("far", 4e11))]
    scene = Scene("s", "s", "kepler", 4.0, False, 1, Physics(time_scale=1e7, bounds=None), (star, *planets))
    pitch = {note.provenance["body_id"]: note.hz for note in perform(scene).notes if note.track}
    # Period goes with axis to the power 3/2: four times the axis, eight times the period.
    assert pitch == pytest.approx({"far": 130.81, "near": 8 * 130.81}, rel=1e-12)


def test_without_walls_balls_are_heard_between_the_outermost_of_them():
    scene = balls(1.0, 1.0, 1.0, physics=Physics(restitution=0.5))
    places = {note.provenance["body_id"]: note.pan for note in perform(scene).notes}
    assert places == {"ball0": -1.0, "ball1": 0.0, "ball2": 1.0}


def test_more_bodies_than_degrees_start_again_from_the_lowest():
    scene = balls(4.0, 3.0, 2.0, 1.0, harmony={"range": {"low_hz": 140.0, "high_hz": 300.0}, "scale": "whole_tone"})
    pitch = {note.provenance["body_id"]: note.midi for note in perform(scene).notes}
    # C3 lies below the range, so that the degrees begin at C4; D4 is the last below 300 Hz.
    assert [pitch[f"ball{place}"] for place in range(4)] == pytest.approx([60, 62, 60, 62], abs=1e-9)


# --- mappings -----------------------------------------------------------------------------------------------------------------------


def test_linear_log_and_power_curves_follow_their_closed_forms():
    scene = balls(1.0, duration_s=2.0, harmony={"max_notes_per_second": 200})
    _, _, impulses = collisions(scene)
    low, high = impulses.min(), impulses.max()
    linear = (impulses - low) / (high - low)
    expected = {
        "linear": linear,
        "log": np.log(impulses / low) / math.log(high / low),
        "power": linear**2.5,
    }
    for curve, places in expected.items():
        given = {"type": curve, "exponent": 2.5} if curve == "power" else {"type": curve}
        score = perform(mapped(scene, mapping(curve=given)))
        assert [note.hz for note in score.notes] == pytest.approx((200 + 200 * places).tolist(), rel=1e-12)


def test_negative_polarity_turns_a_mapping_round():
    scene = balls(1.0, duration_s=2.0)
    up, down = (perform(mapped(scene, mapping(polarity=sign))) for sign in (1, -1))
    assert [a.hz + b.hz for a, b in zip(up.notes, down.notes, strict=True)] == pytest.approx([600.0] * len(up.notes))


def test_an_explicit_domain_clamps_drops_or_refuses_what_lies_outside():
    scene = balls(1.0, duration_s=2.0, harmony={"max_notes_per_second": 200})
    _, _, impulses = collisions(scene)
    limit = float(np.median(impulses))
    outside = int((impulses > limit).sum())
    domain = {"type": "explicit", "min": 0.0, "max": limit}
    clamped = perform(mapped(scene, mapping(domain=domain)))
    assert clamped.report["clamped"] == {"mapping": outside}
    assert [note.hz for note in clamped.notes].count(400.0) >= outside
    dropped = perform(mapped(scene, mapping(domain=domain, clamp="drop")))
    assert dropped.report["dropped"]["mapping"] == outside
    assert len(dropped.notes) == len(clamped.notes) - outside
    with pytest.raises(EngineError, match="outside 0 to") as refusal:
        perform(mapped(scene, mapping(domain=domain, clamp="error")))
    assert refusal.value.field == "mappings.0.domain"


def test_a_percentile_domain_spans_the_middle_of_the_data():
    scene = balls(1.0, duration_s=3.0)
    _, _, impulses = collisions(scene)
    score = perform(mapped(scene, mapping(domain={"type": "percentile", "low": 25.0, "high": 75.0})))
    assert score.report["domains"]["mapping"] == pytest.approx(np.percentile(impulses, [25, 75]).tolist(), rel=1e-14)


def test_a_log_curve_over_data_that_reach_zero_is_refused_by_field():
    scene = mapped(balls(1.0), mapping(trigger=CONTINUOUS, source=of("speed"), curve={"type": "log"}))
    with pytest.raises(EngineError, match="above 0") as refusal:
        perform(scene)
    assert refusal.value.field == "mappings.0.domain"


def test_what_a_mapping_cannot_read_is_named_by_the_mapping_that_reads_it():
    good = mapping("good", target="pan", range={"min": -1.0, "max": 1.0}, trigger=event("marker"), source=of("position.x"))
    lost = mapping("lost", trigger=event("marker"), source=of("separation"))
    late = mapping("late", target="brightness", range={"min": 0.0, "max": 1.0}, trigger=event("marker"), source={"mapping_id": "lost"})
    scene = replace(balls(1.0, 1.0, 1.0), markers=(Marker(0.0, "m"),))
    for given, field in (((good, lost), "mappings.1."), ((late, good, lost), "mappings.2."), ((lost, late), "mappings.0.")):
        with pytest.raises(EngineError, match="two bodies") as refusal:
            perform(mapped(scene, *given))
        assert refusal.value.field == field + "source.quantity"


def test_a_mapping_of_values_without_a_frequency_is_named():
    still = mapping("still", trigger=CONTINUOUS, source=of("custom.f"), curve={"type": "frequency_scale", "factor": 2.0}, range=None)
    scene = balls(1.0, physics=Physics(custom={"f": {"value": 0.0, "unit": "Hz"}}))
    pan = mapping("pan", target="pan", range={"min": -1.0, "max": 1.0})
    with pytest.raises(EngineError, match="above 0 Hz") as refusal:
        perform(mapped(scene, pan, still))
    assert refusal.value.field == "mappings.1.source.quantity"


def test_a_collision_reads_the_state_that_the_body_arrives_with():
    scene = balls(3.0, duration_s=1.0)
    arrival = math.sqrt(2 * 9.80665 * 1.0)
    for quantity, value, unit in (("speed", arrival, "m/s"), ("kinetic_energy", 1.5 * arrival**2, "J"), ("position.y", 0.1, "m")):
        first = perform(mapped(scene, mapping(source=of(quantity)))).notes[0]
        assert first.provenance["value"] == pytest.approx(value, rel=1e-11)
        assert (first.provenance["quantity"], first.provenance["unit"]) == (quantity, unit)


def test_filters_choose_collisions_by_impulse_and_by_partner():
    low = Body("low", "low", "circle", {"radius": 0.1}, 1.0, position=(0.0, 0.5, 0.0))
    high = Body("high", "high", "circle", {"radius": 0.1}, 2.0, position=(0.0, 1.2, 0.0))
    scene = replace(balls(1.0, duration_s=1.0, restitution=0.9), bodies=(low, high), harmony={"max_notes_per_second": 200})
    events = run(scene).events
    pairs = int(((events.kind == 0) & (events.other >= 0)).sum())
    hits = int(((events.kind == 0) & (events.other < 0)).sum())
    assert pairs and hits
    plain = {"trigger": event("collision", **{"with": "body"}), "range": {"min": 200.0, "max": 400.0}, "source": of("mass")}
    assert len(perform(mapped(scene, mapping(**plain))).notes) == 2 * pairs
    plain["trigger"] = event("collision", **{"with": "bound"})
    report = perform(mapped(scene, mapping(**plain)))
    assert len(report.notes) + report.report["merged"]["voice"] + report.report["dropped"].get("mapping", 0) == hits
    strong = float(np.sort(events.impulse)[-2])
    plain["trigger"] = event("collision", min_impulse=strong)
    assert all(note.t_s in events.time[events.impulse >= strong] for note in perform(mapped(scene, mapping(**plain))).notes)


def test_two_bodies_that_meet_sound_together_as_a_chord():
    left = Body("left", "left", mass=1.0, shape="circle", size={"radius": 0.1}, position=(0.0, 1.0, 0.0), velocity=(1.0, 0.0, 0.0))
    right = Body("right", "right", mass=2.0, shape="circle", size={"radius": 0.1}, position=(1.2, 1.0, 0.0))
    free = Physics(gravity=(0.0, 0.0, 0.0), bounds=None)
    score = perform(replace(balls(1.0, physics=free), bodies=(left, right)))
    assert [note.provenance["body_id"] for note in score.notes] == ["right", "left"]
    assert [note.t_s for note in score.notes] == pytest.approx([1.0, 1.0], rel=1e-12)
    assert score.report["merged"] == {"default-strokes": 0}


def test_static_bodies_and_unselected_ones_make_no_note():
    scene = balls(1.0, 2.0, duration_s=2.0)
    score = perform(mapped(scene, mapping(source=of("impulse", ["ball1"]))))
    assert {note.provenance["body_id"] for note in score.notes} == {"ball1"}
    still = replace(scene, bodies=(replace(scene.bodies[0], static=True), scene.bodies[1]))
    assert {note.provenance["body_id"] for note in perform(mapped(still, mapping())).notes} == {"ball1"}


def test_a_mapping_can_read_the_output_of_another():
    scene = balls(1.0, duration_s=2.0)
    pitch = mapping("pitch", source=of("impulse"))
    pan = mapping("pan", source={"mapping_id": "pitch"}, target="pan", range={"min": -1.0, "max": 1.0})
    for note in perform(mapped(scene, pitch, pan)).notes:
        assert note.pan == pytest.approx((note.hz - 300.0) / 100.0, abs=1e-12)


def test_the_provenance_of_a_chain_is_the_physical_quantity_at_its_root():
    scene = balls(2.0, duration_s=1.0)
    rate = mapping("first", source=of("mass"), target="brightness", range={"min": 0.0, "max": 1.0})
    pitch = mapping("second", source={"mapping_id": "first"})
    note = perform(mapped(scene, rate, pitch)).notes[0]
    assert note.provenance == {"mapping_id": "second", "body_id": "ball0", "quantity": "mass", "value": 2.0, "unit": "kg"}
    assert note.brightness == 0.5


def test_muted_voices_are_left_out_and_a_solo_leaves_out_the_others():
    scene = balls(1.0, duration_s=2.0)
    voices = [voice("a"), voice("b", mute=True), voice("c")]
    mappings = [mapping(name, voice_id=name) for name in "abc"]
    assert {note.voice_id for note in perform(mapped(scene, *mappings, voices=voices)).notes} == {"a", "c"}
    voices[2]["solo"] = True
    score = perform(mapped(scene, *mappings, voices=voices))
    assert {note.voice_id for note in score.notes} == {"c"} == {one["id"] for one in score.voices}


def test_custom_parameters_and_their_keyframes_are_heard():
    custom = {"wind": {"value": 1.0, "unit": "m/s", "min": 0, "max": 10, "description": ""}}
    physics = Physics(restitution=1.0, bounds=Bounds((-1.0, 0.0, None), (9.0, None, None)), custom=custom)
    scene = mapped(
        balls(1.0, physics=physics, duration_s=2.0), mapping(source=of("custom.wind"), domain={"type": "explicit", "min": 0, "max": 10})
    )
    note = perform(scene).notes[0]
    assert (note.hz, note.provenance["unit"]) == (220.0, "m/s")


def test_temperature_follows_linear_keyframes():
    frames = (Keyframe(0.0, "temperature", 200.0, "linear"), Keyframe(2.0, "temperature", 400.0, "step"))
    domain = {"type": "explicit", "min": 0.0, "max": 1000.0}
    given = mapping(trigger=CONTINUOUS, source=of("temperature"), domain=domain, range={"min": 100.0, "max": 1100.0})
    scene = mapped(replace(balls(1.0, duration_s=3.0), keyframes=frames), given)
    track = perform(scene).notes[0].track
    assert track["rate"] == 200.0
    assert track["hz"][0] == 300.0
    assert track["hz"][200] == pytest.approx(400.0, rel=1e-14)
    assert track["hz"][450] == 500.0


def test_exponential_keyframes_keep_equal_ratios():
    frames = (Keyframe(1.0, "temperature", 100.0, "exp"), Keyframe(3.0, "temperature", 400.0, "step"))
    domain = {"type": "explicit", "min": 0.0, "max": 1000.0}
    given = mapping(trigger=event("marker"), source=of("temperature"), domain=domain)
    scene = replace(balls(1.0), keyframes=frames, markers=tuple(Marker(time, "m") for time in (0.0, 1.0, 2.0, 3.0, 4.0)))
    values = [note.provenance["value"] for note in perform(mapped(scene, given)).notes]
    assert values == pytest.approx([293.15, 100.0, 200.0, 400.0, 400.0], rel=1e-14)


def test_the_separation_of_two_balls_is_the_distance_of_their_centres_and_of_three_it_is_asked_for():
    given = mapping(trigger=event("marker"), source=of("separation"))
    scene = replace(balls(1.0, 1.0), markers=(Marker(0.0, "m"),))
    assert perform(mapped(scene, given)).notes[0].provenance["value"] == pytest.approx(math.hypot(1.0, 0.5), rel=1e-15)
    with pytest.raises(EngineError, match="two bodies") as refusal:
        perform(mapped(replace(balls(1.0, 1.0, 1.0), markers=(Marker(0.0, "m"),)), given))
    assert refusal.value.field == "mappings.0.source.quantity"


def test_a_voice_of_very_many_pitches_says_that_its_intervals_are_not_listed():
    times = tuple(Marker(0.02 * place, "m") for place in range(200))
    score = perform(mapped(replace(balls(1.0), markers=times), mapping(trigger=event("marker"), source=of("speed"))))
    assert score.report["intervals"] == []
    assert "intervals" in score.report["warnings"][0]


# --- continuous notes ---------------------------------------------------------------------------------------------------------------


def test_a_continuous_pitch_follows_the_motion_at_200_values_a_second():
    domain = {"type": "explicit", "min": 0.0, "max": 2.0}
    scene = mapped(balls(1.0, duration_s=2.0), mapping(trigger=CONTINUOUS, source=of("position.y"), domain=domain))
    (note,) = perform(scene).notes
    heights = run(scene).motion.at(np.arange(401) / 200.0)[0][:, 0, 1]
    assert (note.t_s, note.duration_s) == (0.0, 2.0)
    assert note.track["hz"] == pytest.approx((200.0 + 100.0 * heights).tolist(), rel=1e-14)
    assert note.hz == note.track["hz"][0]


def test_continuous_levels_and_places_have_tracks_and_dropped_values_are_silent():
    height = {"trigger": CONTINUOUS, "source": of("position.y"), "domain": {"type": "explicit", "min": 0.0, "max": 1.0}}
    loud = mapping("loud", **height, target="loudness", range={"min": -40.0, "max": 0.0}, clamp="drop")
    place = mapping("place", **height, target="pan", range={"min": -1.0, "max": 1.0})
    (note,) = perform(mapped(balls(1.0, duration_s=2.0), loud, place)).notes
    assert note.amplitude == 1.0
    assert note.track["gain_db"][0] == -120.0
    assert max(note.track["pan"]) == 1.0
    lowest = int(np.argmin(note.track["pan"]))
    assert note.track["gain_db"][lowest] == pytest.approx(-40.0 + 20.0 * (note.track["pan"][lowest] + 1.0), abs=1e-9)


def test_a_moving_brightness_keeps_its_first_value_and_says_so():
    given = mapping(trigger=CONTINUOUS, source=of("position.y"), target="brightness", range={"min": 0.0, "max": 1.0})
    score = perform(mapped(balls(1.0, duration_s=1.0), given))
    assert score.notes[0].brightness == 1.0
    assert any("brightness" in sentence for sentence in score.report["warnings"])


def test_a_constant_continuous_mapping_holds_its_value_without_a_track():
    given = mapping(trigger=CONTINUOUS, source=of("mass"))
    first, second = perform(mapped(balls(1.0, 2.0), given)).notes
    assert (first.hz, second.hz) == (200.0, 400.0)
    assert first.track == {"rate": 200.0}


def test_a_rate_strikes_whenever_its_integral_passes_a_whole_number():
    domain = {"type": "explicit", "min": 0.0, "max": 10.0}
    frames = (Keyframe(0.0, "temperature", 0.0, "linear"), Keyframe(10.0, "temperature", 10.0, "step"))
    rate = mapping(trigger=CONTINUOUS, source=of("temperature"), target="rate", domain=domain, range={"min": 0.0, "max": 10.0})
    scene = mapped(replace(balls(1.0, duration_s=6.0), keyframes=frames), rate)
    notes = perform(scene).notes
    # A rate of t Hz has made t^2 / 2 turns.
    assert [note.t_s for note in notes] == pytest.approx([math.sqrt(2 * k) for k in range(18)], abs=1e-9)
    assert all(a.t_s + a.duration_s == pytest.approx(b.t_s, abs=1e-12) for a, b in pairwise(notes))


def test_a_constant_rate_strikes_evenly_each_body_at_its_own():
    rate = mapping(trigger=CONTINUOUS, source=of("mass"), target="rate", range={"min": 2.0, "max": 4.0})
    notes = perform(mapped(balls(1.0, 2.0, duration_s=1.0), rate)).notes
    assert [note.t_s for note in notes if note.provenance["body_id"] == "ball0"] == [0.0, 0.5]
    assert [note.t_s for note in notes if note.provenance["body_id"] == "ball1"] == [0.0, 0.25, 0.5, 0.75]


def test_a_rate_that_would_strike_without_measure_is_refused():
    rate = mapping(trigger=CONTINUOUS, source=of("period"), target="rate", range={"min": 200.0, "max": 200.0})
    scene = mapped(orbits({f"{days}": days * DAY_S for days in range(10, 17)}, duration_s=600.0), rate)
    with pytest.raises(TooExpensive, match="limit") as refusal:
        perform(scene)
    assert refusal.value.field == "mappings.0.trigger"


def test_continuous_notes_end_where_the_solver_had_to_end():
    scene = balls(1.0, duration_s=3.0)
    done = run(scene)
    early = replace(done, events=replace(done.events, status="settled_at", settled_at=1.25))
    given = mapping(trigger=CONTINUOUS, source=of("speed"))
    (note,) = build_score(mapped(scene, given), early).notes
    assert note.duration_s == 1.25


def test_tracks_too_long_to_keep_are_refused_with_both_figures():
    slow = Physics(time_scale=1.0, bounds=None)
    scene = orbits({f"{days}": days * DAY_S for days in range(10, 50)}, duration_s=600.0, physics=slow)
    scene = mapped(scene, mapping(trigger=CONTINUOUS, source=of("speed")))
    with pytest.raises(TooExpensive, match="4000000") as refusal:
        perform(scene)
    assert refusal.value.field == "mappings.0.source.bodies"


# --- events from the motion and the timeline ----------------------------------------------------------------------------------------


def test_zero_crossings_are_upward_roots_of_the_motion():
    # Height over the middle of a circular orbit is a sin(2 pi t / P): upwards through 0 at every whole period.
    scene = orbits({"moon": 10.0 * DAY_S}, duration_s=9.0)
    scene = mapped(scene, mapping(trigger=event("zero_crossing", quantity="position.y"), source=of("mass"), clamp="clamp"))
    assert [note.t_s for note in perform(scene).notes] == pytest.approx([2.0, 4.0, 6.0, 8.0], rel=1e-12)


def test_thresholds_fire_on_the_way_up_at_the_exact_moment():
    scene = balls(1.0, duration_s=1.0, restitution=1.0)
    scene = mapped(scene, mapping(trigger=event("threshold", quantity="position.y", level=0.6), source=of("mass")))
    fall, half = math.sqrt(2 * 1.0 / 9.80665), math.sqrt(2 * 0.5 / 9.80665)
    assert [note.t_s for note in perform(scene).notes] == pytest.approx([2 * fall - half], rel=1e-12)


def test_a_threshold_passed_in_a_collision_fires_at_the_collision():
    # The floor gives a ball at rest in x no speed, but the ball that is hit jumps to its speed at once.
    ready = Body("ready", "ready", "circle", {"radius": 0.1}, position=(2.0, 1.0, 0.0))
    thrown = Body("thrown", "thrown", "circle", {"radius": 0.1}, position=(0.0, 1.0, 0.0), velocity=(1.0, 0.0, 0.0))
    free = Physics(gravity=(0.0, 0.0, 0.0), bounds=None)
    given = mapping(trigger=event("threshold", quantity="speed", level=0.5), source=of("mass", ["ready"]))
    (note,) = perform(mapped(replace(balls(1.0, physics=free), bodies=(ready, thrown)), given)).notes
    assert note.t_s == pytest.approx(1.8, rel=1e-12)


def test_hysteresis_keeps_a_threshold_from_firing_twice_without_leaving_it():
    # e = 0.05 makes the distance swing by 10 % of a; a level at the very bottom of the swing is not left by 1 % of it.
    swing = orbits({"moon": 10.0 * DAY_S}, duration_s=9.0, eccentricity=0.05)
    distance = np.linalg.norm(run(swing).motion.at(np.linspace(0, 9 * swing.physics.time_scale, 20000))[0][:, 1], axis=1)
    low, high = distance.min(), distance.max()

    def crossings(level: float) -> int:
        given = mapping(trigger=event("threshold", quantity="separation", level=level), source=of("mass"))
        return len(perform(mapped(swing, given)).notes)

    # The moon starts at periapsis: it rises through both levels in each of its five turns, but only the middle one is left by 1 %.
    assert crossings(float(0.5 * (low + high))) == 5
    assert crossings(float(low + 0.005 * (high - low))) == 1


def test_markers_sound_all_selected_bodies_at_their_time():
    scene = replace(balls(1.0, 2.0), markers=(Marker(2.5, "drop"), Marker(0.75, "start"), Marker(5.0, "past the end")))
    score = perform(mapped(scene, mapping(trigger=event("marker"), source=of("mass"))))
    assert [note.t_s for note in score.notes] == [0.75, 0.75, 2.5, 2.5]
    assert score.report["markers"][0] == {"time_s": 2.5, "name": "drop"}


def test_apsis_and_conjunction_events_sound_their_bodies():
    scene = orbits({"inner": 10.0 * DAY_S, "outer": 20.0 * DAY_S}, duration_s=8.0, eccentricity=0.1)
    apses = perform(mapped(scene, mapping(trigger=event("apsis"), source=of("period"))))
    inner = [note.t_s for note in apses.notes if note.provenance["body_id"] == "inner"]
    assert inner == pytest.approx([0.0, 2.0, 4.0, 6.0], abs=1e-12)
    meetings = perform(mapped(scene, mapping(trigger=event("conjunction"), source=of("mass"), target="pan", range={"min": 0, "max": 0.5})))
    assert {note.provenance["body_id"] for note in meetings.notes} == {"inner", "outer"}
    # They start together, and meet again after the synodic period of 4 s, each time with both bodies in it.
    assert [note.t_s for note in meetings.notes] == pytest.approx([0.0, 0.0, 4.0, 4.0], abs=0.1)


def test_the_angle_of_an_inclined_orbit_is_its_true_longitude():
    star = Body("star", "star", mass=2e30, static=True)
    tilted = Orbit(None, 10 * DAY_S, 0.3, inclination=1.0, longitude_of_node=2.0, argument_of_periapsis=1.5)
    scene = Scene(
        "s", "s", "kepler", 5.0, False, 1, Physics(time_scale=5 * DAY_S, bounds=None), (star, Body("p", "p", mass=1e20, orbit=tilted))
    )
    given = mapping(trigger=event("apsis"), source=of("angle"))
    note = perform(mapped(scene, given)).notes[0]
    # At periapsis the true longitude is node plus argument, here 3.5 rad.
    assert note.provenance["value"] == pytest.approx(3.5 - math.tau, abs=1e-9)


def test_the_acceleration_of_a_falling_ball_is_gravity_and_of_an_orbit_its_pull():
    falling = perform(mapped(balls(1.0, duration_s=1.0), mapping(source=of("acceleration")))).notes[0]
    assert falling.provenance["value"] == pytest.approx(9.80665, rel=1e-12)
    scene = orbits({"moon": 10.0 * DAY_S}, duration_s=3.0)
    moon = perform(mapped(scene, mapping(trigger=event("transit"), source=of("acceleration")))).notes[0]
    pull = 6.67430e-11 * (1.786e29 + 8e24)
    axis = (pull * (10.0 * DAY_S / math.tau) ** 2) ** (1 / 3)
    assert moon.provenance["value"] == pytest.approx(pull / axis**2, rel=1e-10)


# --- time and pitch grids, merging --------------------------------------------------------------------------------------------------


def test_notes_closer_than_allowed_are_merged_with_their_power_and_counted():
    scene = balls(1.0, duration_s=4.0)
    all_notes = perform(mapped(scene, mapping(), voices=[voice()])).notes
    free = perform(replace(mapped(scene, mapping()), harmony={"max_notes_per_second": 200})).notes
    slow = perform(replace(mapped(scene, mapping()), harmony={"max_notes_per_second": 2}))
    assert len(slow.notes) < len(all_notes) <= len(free)
    assert all(b.t_s - a.t_s >= 0.5 - 1e-9 for a, b in pairwise(slow.notes))
    total = len(slow.notes) + slow.report["merged"]["voice"]
    finest = perform(replace(mapped(scene, mapping()), harmony={"max_notes_per_second": 200}))
    assert total == len(finest.notes) + finest.report["merged"]["voice"]
    power = [sum(note.amplitude**2 for note in score.notes) for score in (slow, finest)]
    assert power[0] == pytest.approx(power[1], rel=1e-12)
    assert {note.t_s for note in slow.notes} <= {note.t_s for note in finest.notes}


def test_a_voice_never_has_more_notes_a_second_than_allowed_even_in_chords():
    together = [
        Body(f"b{i}", f"b{i}", "circle", {"radius": 0.1}, 1.0 + i, position=(float(i), 1.1, 0.0)) for i in range(9)
    ]  # Nine equal falls reach the floor at once, again and again.
    scene = replace(balls(1.0, duration_s=5.0, restitution=0.9), bodies=tuple(together), harmony={"max_notes_per_second": 6})
    times = np.array([note.t_s for note in perform(scene).notes])
    assert max(int(((times >= t) & (times < t + 1.0 - 1e-9)).sum()) for t in times) <= 6


def test_time_quantization_moves_notes_to_the_nearest_line_before_the_end():
    scene = mapped(balls(1.0, duration_s=4.0), mapping())
    free = perform(scene)
    grid = perform(replace(scene, harmony={"quantize_time": "1/8", "tempo_bpm": 120}))
    assert all(note.t_s % 0.25 == 0.0 and note.t_s < 4.0 for note in grid.notes)
    assert grid.notes[0].t_s == 0.5
    assert free.notes[0].t_s == pytest.approx(math.sqrt(2 / 9.80665), rel=1e-11)
    assert len({note.t_s for note in grid.notes}) == len(grid.notes)


def test_pitch_quantization_moves_to_the_scale_and_reports_the_error_of_each_note():
    scene = mapped(balls(1.0, 2.0, duration_s=2.0), mapping())
    free, tuned = perform(scene), perform(replace(scene, harmony={"quantize_pitch": "scale", "scale": "major"}))
    major = {0, 2, 4, 5, 7, 9, 11}
    for physical, sounding in zip(free.notes, tuned.notes, strict=True):
        assert round(sounding.midi) % 12 in major
        assert sounding.midi == pytest.approx(round(sounding.midi), abs=1e-9)
        assert sounding.cents_error == pytest.approx(1200 * math.log2(sounding.hz / physical.hz), abs=1e-9)
        assert abs(sounding.cents_error) <= 100.0 + 1e-9
    assert free.notes[0].cents_error == 0.0


@pytest.mark.parametrize(("tuning", "key_note"), [("equal", 261.6255653), ("just", 264.0)])
def test_a_custom_scale_keeps_its_cents_above_the_key_note_of_the_tuning(tuning, key_note):
    harmony = {"scale": "custom", "scale_cents": [0.0, 350.0, 702.0], "quantize_pitch": "scale", "tuning": {"type": tuning}}
    score = perform(replace(mapped(balls(1.0, 2.0, duration_s=2.0), mapping()), harmony=harmony))
    steps = {round(1200 * math.log2(note.hz / key_note) % 1200, 3) for note in score.notes}
    assert steps <= {0.0, 350.0, 702.0, 1200.0}
    assert len(steps) > 1


def test_a_moving_pitch_steps_along_the_scale():
    domain = {"type": "explicit", "min": 0.0, "max": 2.0}
    scene = mapped(balls(1.0, duration_s=1.0), mapping(trigger=CONTINUOUS, source=of("position.y"), domain=domain))
    (note,) = perform(replace(scene, harmony={"quantize_pitch": "scale", "scale": "whole_tone"})).notes
    sounding = {round(12 * math.log2(hz / 440.0), 6) % 12 for hz in note.track["hz"]}
    assert sounding <= {1.0, 3.0, 5.0, 7.0, 9.0, 11.0}


def test_quantization_to_a_just_tuning_takes_its_ratios():
    harmony = {"quantize_pitch": "tuning", "tuning": {"type": "just"}}
    scene = replace(mapped(balls(1.0, 2.0, duration_s=1.0), mapping(trigger=CONTINUOUS, source=of("mass"))), harmony=harmony)
    # G3 and G4 above C4 at 264 Hz, a pure fifth each.
    assert [note.hz for note in perform(scene).notes] == pytest.approx([198.0, 396.0], rel=1e-14)


def test_quantization_stays_within_the_range():
    scene = mapped(balls(1.0, 2.0, duration_s=1.0), mapping(trigger=CONTINUOUS, source=of("mass")))
    notes = perform(replace(scene, harmony={"quantize_pitch": "scale", "range": {"low_hz": 199.0, "high_hz": 390.0}})).notes
    # The nearest degrees, G3 at 196 Hz and G4 at 392 Hz, lie outside; A3 and F4 are the next within.
    assert [note.hz for note in notes] == pytest.approx([220.0, 349.2282], abs=5e-5)


def test_quantization_reports_the_intervals_whose_names_it_changed():
    # 2 : 1 in period sounds an octave; 1.03 : 1 is a clear half semitone, and one step of a five-step octave is neither.
    scene = orbits({"a": 100.0 * DAY_S, "b": 103.0 * DAY_S}, duration_s=2.0)
    tuned = replace(scene, harmony={"quantize_pitch": "tuning", "tuning": {"type": "equal", "divisions": 5}})
    (row,) = [one for one in perform(tuned).report["interval_names_changed"] if one["voice_id"] == "default-orbits"]
    assert (row["name"], row["tuned_name"], row["tuned_cents"]) == ("m2", "P1", 0.0)
    assert perform(scene).report["interval_names_changed"] == []


def test_resonance_tuning_refuses_a_moving_pitch_and_a_lonely_one():
    harmony = {"tuning": {"type": "resonance"}, "quantize_pitch": "tuning"}
    moving = mapped(balls(1.0, harmony=harmony), mapping(trigger=CONTINUOUS, source=of("speed")))
    with pytest.raises(Unsupported, match="moves") as refusal:
        perform(moving)
    assert refusal.value.field == "harmony.tuning"
    with pytest.raises(EngineError, match="2 to 24") as refusal:
        perform(balls(1.0, harmony=harmony))
    assert refusal.value.field == "harmony.tuning"


# --- the artefact -------------------------------------------------------------------------------------------------------------------


def test_notes_are_in_order_of_time_voice_and_pitch():
    voices = [voice("z"), voice("a")]
    mappings = [mapping(name, voice_id=name, trigger=event("marker"), source=of("mass")) for name in "az"]
    scene = replace(balls(1.0, 2.0), markers=(Marker(1.0, "m"),))
    notes = perform(mapped(scene, *mappings, voices=voices)).notes
    assert [(note.voice_id, note.hz) for note in notes] == [("z", 200.0), ("z", 400.0), ("a", 200.0), ("a", 400.0)]


def test_a_score_is_the_same_to_the_bit_when_built_again_and_when_read_back():
    scene = trappist(duration_s=5.0, harmony={"quantize_pitch": "scale", "tuning": {"type": "just"}})
    done = run(scene)
    score = build_score(scene, done)
    assert {build_score(scene, done).hash() for _ in range(3)} == {score.hash()}
    assert Score.from_document(score.document()).hash() == score.hash()


def test_a_scene_in_which_nothing_happens_gives_an_empty_score_and_says_why():
    still = Physics(gravity=(0.0, 0.0, 0.0), bounds=None)
    score = perform(mapped(balls(1.0, physics=still), mapping()))
    assert score.notes == ()
    assert "no collision notes" in score.report["warnings"][0]

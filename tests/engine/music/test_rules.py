"""Mappings are checked before they are written; every refusal names its field."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.engine.errors import EngineError, OutOfRange, Unsupported, WrongDimension
from app.engine.music.mapping import build_score, check_mappings, default_content, validate_mapping
from app.engine.physics.scene import Physics
from app.engine.physics.solvers import run
from tests.engine.music.scenes import CONTINUOUS, DAY_S, balls, event, mapping, of, orbits, trappist, voice

BALLS = replace(balls(1.0, 2.0), voices=(voice(),))
ORBITS = replace(orbits({"moon": 10.0 * DAY_S}), voices=(voice(),))

CONTINUOUS_FROM_IMPULSE = {"trigger": CONTINUOUS}
SCALED = {"curve": {"type": "frequency_scale", "factor": 1.0}, "range": None}

WRONG = [
    ({"voice_id": "nobody"}, "voice_id", EngineError),
    ({"target": "smell"}, "target", EngineError),
    ({"trigger": None}, "trigger", EngineError),
    ({"trigger": {"type": "sometimes"}}, "trigger.type", EngineError),
    ({"trigger": {"type": "event", "event": "boom"}}, "trigger.event", EngineError),
    ({"trigger": event("transit")}, "trigger.event", Unsupported),
    ({"trigger": {"type": "event", "event": "collision", "filter": [1]}}, "trigger.filter", EngineError),
    ({"source": of("impulse", 5)}, "source.bodies", EngineError),
    ({"trigger": event("collision", level=1.0)}, "trigger.filter.level", EngineError),
    ({"trigger": event("collision", min_impulse=-1.0)}, "trigger.filter.min_impulse", OutOfRange),
    ({"trigger": event("collision", **{"with": "wall"})}, "trigger.filter.with", EngineError),
    ({"trigger": event("zero_crossing"), "source": of("mass")}, "trigger.filter.quantity", EngineError),
    ({"trigger": event("zero_crossing", quantity="mass"), "source": of("mass")}, "trigger.filter.quantity", EngineError),
    ({"trigger": event("threshold", quantity="nothing", level=1.0), "source": of("mass")}, "trigger.filter.quantity", EngineError),
    ({"trigger": event("threshold", quantity="speed"), "source": of("mass")}, "trigger.filter.level", EngineError),
    ({"source": None}, "source", EngineError),
    ({"source": {"bodies": "all"}}, "source.quantity", EngineError),
    ({"source": of("colour")}, "source.quantity", EngineError),
    ({"source": of("custom.wind")}, "source.quantity", EngineError),
    ({"source": of("impulse", ["ghost"])}, "source.bodies", EngineError),
    ({"source": of("impulse", [])}, "source.bodies", EngineError),
    ({"source": {"mapping_id": "ghost"}}, "source.mapping_id", EngineError),
    ({"source": {"mapping_id": "mapping"}}, "source.mapping_id", EngineError),
    (CONTINUOUS_FROM_IMPULSE, "source.quantity", EngineError),
    ({"source": of("period")}, "source.quantity", Unsupported),
    ({"source": of("angle")}, "source.quantity", Unsupported),
    ({"curve": {"type": "spline"}}, "curve.type", EngineError),
    ({"curve": {"type": "power"}}, "curve.exponent", EngineError),
    ({"curve": {"type": "power", "exponent": 0}}, "curve.exponent", OutOfRange),
    ({"curve": {"type": "frequency_scale", "factor": 2.0}, "range": None}, "curve.type", WrongDimension),
    ({**SCALED, "target": "pan"}, "curve.type", EngineError),
    ({"domain": {"type": "guess"}}, "domain.type", EngineError),
    ({"domain": {"type": "explicit", "min": 0.0}}, "domain.max", EngineError),
    ({"domain": {"type": "explicit", "min": 2.0, "max": 1.0}}, "domain.min", EngineError),
    ({"domain": {"type": "explicit", "min": 0.0, "max": 1.0}, "curve": {"type": "log"}}, "domain.min", EngineError),
    ({"domain": {"type": "explicit", "min": {"value": 1.0, "unit": "kg"}, "max": 2.0}}, "domain.min", WrongDimension),
    ({"domain": {"type": "percentile", "low": -1.0, "high": 50.0}}, "domain.low", OutOfRange),
    ({"range": None}, "range", EngineError),
    ({"range": {"min": 200.0}}, "range.max", EngineError),
    ({"range": {"min": 400.0, "max": 200.0}}, "range.min", EngineError),
    ({"range": {"min": 10.0, "max": 200.0}}, "range.min", OutOfRange),
    ({"range": {"min": 100.0, "max": {"value": 1.0, "unit": "m"}}}, "range.max", WrongDimension),
    ({"range": {"min": 100.0, "max": float("nan")}}, "range.max", EngineError),
    ({"range": {"min": 100.0, "max": "high"}}, "range.max", EngineError),
    ({"target": "loudness", "range": {"min": -61.0, "max": 0.0}}, "range.min", OutOfRange),
    ({"target": "rate", "range": {"min": 1.0, "max": 2.0}}, "target", EngineError),
    ({"polarity": 0}, "polarity", EngineError),
    ({"clamp": "wrap"}, "clamp", EngineError),
]


@pytest.mark.parametrize(("change", "field", "kind"), WRONG)
def test_a_wrong_mapping_is_refused_by_the_name_of_its_field(change, field, kind):
    with pytest.raises(EngineError) as refusal:
        validate_mapping(mapping(**change), BALLS)
    assert refusal.value.field == field
    assert isinstance(refusal.value, kind)
    assert refusal.value.message


ORBITAL_WRONG = [
    ({"trigger": event("apsis"), "source": of("period")}, "trigger.event", Unsupported, "transit"),
    ({"trigger": event("collision")}, "trigger.event", Unsupported, "conjunction"),
    ({**SCALED, "trigger": CONTINUOUS, "source": of("period"), "range": {"min": 100, "max": 200}}, "range", EngineError, "factor"),
    ({**SCALED, "trigger": CONTINUOUS, "source": of("period"), "polarity": -1}, "polarity", EngineError, "ratio"),
    ({**SCALED, "trigger": CONTINUOUS, "source": of("speed")}, "curve.type", WrongDimension, "m/s"),
]


@pytest.mark.parametrize(("change", "field", "kind", "word"), ORBITAL_WRONG)
def test_a_mapping_that_an_orbit_cannot_honour_is_refused_with_a_way_out(change, field, kind, word):
    with pytest.raises(kind, match=word) as refusal:
        validate_mapping(mapping(**change), ORBITS)
    assert refusal.value.field == field


def test_an_eccentric_orbit_has_an_apsis():
    scene = replace(orbits({"moon": 10.0 * DAY_S}, eccentricity=1e-3), voices=(voice(),))
    validate_mapping(mapping(trigger=event("apsis"), source=of("period")), scene)


def test_mappings_that_read_each_other_in_a_circle_are_refused():
    first, second = (mapping(a, source={"mapping_id": b}) for a, b in (("one", "two"), ("two", "one")))
    with pytest.raises(EngineError, match="circle") as refusal:
        check_mappings(replace(BALLS, mappings=(first, second)))
    assert refusal.value.field == "mappings.0.source.mapping_id"
    root = mapping("two")
    check_mappings(replace(BALLS, mappings=(first, root)))
    with pytest.raises(EngineError, match="circle"):
        validate_mapping(second, replace(BALLS, mappings=(first, root)))


def test_an_impulse_at_the_end_of_a_chain_still_needs_a_collision():
    root = mapping("root")
    late = mapping("late", trigger=event("marker"), source={"mapping_id": "root"})
    with pytest.raises(EngineError, match="Only a collision") as refusal:
        validate_mapping(late, replace(BALLS, mappings=(root,)))
    assert refusal.value.field == "source.quantity"


def test_the_whole_scene_is_checked_with_the_place_of_the_mapping_in_the_field():
    good, bad = mapping("good"), mapping("bad", polarity=3)
    with pytest.raises(EngineError) as refusal:
        check_mappings(replace(BALLS, mappings=(good, bad)))
    assert refusal.value.field == "mappings.1.polarity"
    with pytest.raises(EngineError) as refusal:
        build_score(replace(BALLS, mappings=(good, bad)), run(BALLS))
    assert refusal.value.field == "mappings.1.polarity"


def test_ranges_and_domains_may_come_with_their_units():
    given = mapping(
        source=of("position.x"),
        domain={"type": "explicit", "min": {"value": -50, "unit": "cm"}, "max": {"value": 2, "unit": "m"}},
        range={"min": {"value": 0.2, "unit": "kHz"}, "max": 400},
    )
    scene = replace(BALLS, mappings=(given,))
    score = build_score(scene, run(scene))
    assert score.report["domains"] == {"mapping": [-0.5, 2.0]}
    # A ball at 0 m lies a fifth of the way from -0.5 m to 2 m.
    assert score.notes[0].hz == pytest.approx(240.0, rel=1e-12)
    quiet = mapping(target="loudness", range={"min": {"value": -30, "unit": "dB"}, "max": 0})
    validate_mapping(quiet, BALLS)


def test_every_kind_of_right_mapping_passes():
    custom = Physics(custom={"wind": {"value": 1.0, "unit": "m/s"}})
    scene = replace(BALLS, physics=custom)
    for change in (
        {"source": of("custom.wind")},
        {"source": of("speed", ["ball0"]), "curve": {"type": "power", "exponent": 2}},
        {"trigger": event("threshold", quantity="speed", level={"value": 3.6, "unit": "km/hour"}), "source": of("speed")},
        {"trigger": CONTINUOUS, "source": of("speed"), "target": "rate", "range": {"min": 0, "max": 8}},
        {"trigger": event("marker"), "source": of("temperature"), "target": "duration", "range": {"min": 0.1, "max": 2}},
    ):
        validate_mapping(mapping(**change), scene)


def test_default_content_passes_its_own_checks():
    for scene in (balls(1.0, 2.0), trappist()):
        default = default_content(scene)
        check_mappings(replace(scene, voices=tuple(default["voices"]), mappings=tuple(default["mappings"])))

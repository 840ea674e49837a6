"""Reference systems against the sky, and presets against their ranges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from app.engine import reference
from app.engine.catalogue import BODY, MATERIAL, ORBIT, PHYSICS
from app.engine.errors import EngineError
from app.engine.physics import presets, solvers
from app.engine.physics.events import KINDS
from tests.engine.physics.scenes import AU, reference_scene

DAY = 86400.0


@pytest.mark.parametrize("name", reference.SYSTEMS)
def test_period_axis_and_masses_of_every_reference_body_agree_within_one_percent(name: str) -> None:
    run = solvers.run(reference_scene(name), sample_hz=2.0)
    assert run.warnings == () and len(run.closed_form) == len(run.body_ids) - 1
    assert max(entry["error"] for entry in run.closed_form) < 1e-3
    assert np.isfinite(run.positions).all()


@pytest.mark.parametrize("name", reference.SYSTEMS)
def test_every_number_has_a_value_unit_source_and_epoch(name: str) -> None:
    for body in reference.system(name)["bodies"]:
        assert body["numbers"]
        for number in body["numbers"].values():
            assert number["source"] and number["epoch"] and number["unit_source"] and math.isfinite(number["si"])


@pytest.mark.parametrize("name", reference.SYSTEMS)
def test_scene_contents_are_in_the_ranges_of_the_catalogue(name: str) -> None:
    content = reference.as_scene_content(name)
    assert PHYSICS["time_scale"].check(content["physics"]["time_scale"])
    for body in content["bodies"]:
        BODY["mass"].check(body["mass"])
        assert 0 < len(body["citation"]) <= 500, "what a body's citation may hold"
        for element, quantity in ORBIT.items():
            if body["orbit"]:
                quantity.check(body["orbit"][element])


@pytest.mark.parametrize("name", reference.SYSTEMS)
def test_the_shortest_period_lasts_two_seconds(name: str) -> None:
    content = reference.as_scene_content(name)
    shortest = min(body["orbit"]["period"] for body in content["bodies"] if body["orbit"])
    assert shortest / content["physics"]["time_scale"] == pytest.approx(2.0, rel=1e-15)


def test_trappist_1_keeps_its_published_periods_and_their_resonances() -> None:
    published = [1.510826, 2.421937, 4.049219, 6.101013, 9.207540, 12.352446, 18.772866]
    run = solvers.run(reference_scene("trappist_1"), sample_hz=2.0)
    periods = run.quantities["period"][1:] / DAY
    assert periods == pytest.approx(published, rel=1e-15)
    ratios = [8 / 5, 5 / 3, 3 / 2, 3 / 2, 4 / 3, 3 / 2]
    assert periods[1:] / periods[:-1] == pytest.approx(ratios, rel=0.02)


def test_a_planet_of_trappist_1_transits_when_it_was_seen_to() -> None:
    run = solvers.run(reference_scene("trappist_1"), sample_hz=2.0)
    transits = run.events.time[(run.events.kind == KINDS.index("transit")) & (run.events.body == 2)] / DAY
    # Planet c: first observed at BJD 2457258.58728, which is 0.65612475 d after the epoch.
    assert transits[0] == pytest.approx(7258.58728 - 7257.93115525, abs=1e-7)


def test_earth_is_one_year_and_one_astronomical_unit_from_the_sun() -> None:
    run = solvers.run(reference_scene("solar_system"), sample_hz=2.0)
    earth = run.body_ids.index("Earth")
    assert run.quantities["period"][earth] / DAY == pytest.approx(365.256, abs=0.01)
    # Aphelion and perihelion are at 1.0167 and 0.9833 au; on 2000 January 1.5 Earth is near perihelion, at longitude 100.4 degrees.
    x, y, z = run.positions[0, earth] / AU
    assert math.hypot(x, y, z) == pytest.approx(0.98333, abs=1e-4)
    assert math.degrees(math.atan2(y, x)) == pytest.approx(100.37, abs=0.02) and abs(z) < 1e-5


def test_io_europa_and_ganymede_never_line_up() -> None:
    # The Laplace argument of the mean longitudes, L_Io - 3 L_Europa + 2 L_Ganymede, stays near 180 degrees.
    bodies = [body["orbit"] for body in reference.as_scene_content("galilean_moons")["bodies"][1:4]]
    io, europa, ganymede = (b["longitude_of_node"] + b["argument_of_periapsis"] + b["mean_anomaly"] for b in bodies)
    assert abs(math.degrees(math.remainder(io - 3 * europa + 2 * ganymede - math.pi, 2 * math.pi))) < 1.0


def test_an_unknown_system_is_refused_with_the_known_names() -> None:
    with pytest.raises(EngineError, match="trappist_1"):
        reference.system("vulcan")


def test_presets_are_in_range_and_have_sources() -> None:
    assert presets.GRAVITY["earth"]["value"] == 9.80665 and presets.GRAVITY["mars"]["value"] == 3.71
    for place in presets.GRAVITY.values():
        assert PHYSICS["gravity.y"].check(-place["value"]) <= 0 and place["source"]
    for material in presets.MATERIALS.values():
        assert material["source"]
        for name, quantity in MATERIAL.items():
            quantity.check(material[name])


def test_sound_in_steel_and_aluminium_runs_at_five_kilometres_per_second() -> None:
    speeds = {name: math.sqrt(m["youngs_modulus"] / m["density"]) for name, m in presets.MATERIALS.items()}
    assert speeds["steel"] == pytest.approx(5190, rel=0.01) and speeds["aluminium"] == pytest.approx(5090, rel=0.01)

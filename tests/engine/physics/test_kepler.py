"""Orbits against Kepler's laws and equation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from app.engine.errors import Contradiction, EngineError, Unsupported
from app.engine.physics import solvers
from app.engine.physics.events import KINDS
from app.engine.physics.scene import Keyframe
from app.engine.physics.solvers.kepler import eccentric_to_true, mean_to_eccentric, true_to_mean
from app.engine.physics.trajectory import Trajectory
from tests.engine.physics.scenes import AU, YEAR, ball, orbits, planet, star

GM_SUN = 6.67430e-11 * 1.98841e30
DAY = 86400.0


def of_kind(run: Trajectory, kind: str, body: int | None = None) -> np.ndarray:
    mine = run.events.kind == KINDS.index(kind)
    return run.events.time[mine if body is None else mine & (run.events.body == body)]


def test_keplers_equation_holds_to_1e_12_for_every_eccentricity() -> None:
    e, m = np.meshgrid(np.linspace(0.0, 0.99, 100), np.linspace(-4.0 * math.pi, 4.0 * math.pi, 2001))
    x = mean_to_eccentric(m, e)
    assert np.max(np.abs(x - e * np.sin(x) - m)) < 1e-12


def test_keplers_equation_holds_close_to_the_periapsis_of_a_long_ellipse() -> None:
    m = np.concatenate([[0.0], np.logspace(-12, 0, 500)])
    x = mean_to_eccentric(m, 0.99)
    assert np.max(np.abs(x - 0.99 * np.sin(x) - m)) < 1e-15
    assert x[0] == 0.0 and np.all(np.diff(x) > 0)


def test_the_anomalies_invert_each_other() -> None:
    for e in (0.0, 0.3, 0.9, 0.99):
        true = np.linspace(-9.0, 9.0, 301)
        mean = np.array([true_to_mean(nu, e) for nu in true.tolist()])
        assert eccentric_to_true(mean_to_eccentric(mean, e), e) == pytest.approx(true, abs=1e-12 / (1.0 - e))


def test_a_planet_is_where_the_ellipse_says() -> None:
    e, a = 0.6, AU
    run = solvers.run(orbits(star(), planet("p", YEAR, eccentricity=e), duration_s=1.0, time_scale=2 * YEAR))
    period = run.quantities["period"][1]
    a = run.quantities["semi_major_axis"][1]
    assert period == YEAR and a == pytest.approx((GM_SUN * (YEAR / (2 * math.pi)) ** 2) ** (1 / 3), rel=1e-14)
    places, speeds = run.motion.at(np.array([0.0, period / 2, period]))
    assert places[0, 1] == pytest.approx([a * (1 - e), 0, 0], rel=1e-14)
    assert places[1, 1] == pytest.approx([-a * (1 + e), 0, 0], rel=1e-12, abs=1e-3)
    assert places[2, 1] == pytest.approx(places[0, 1], rel=1e-12, abs=1e-3)
    # Vis-viva: v^2 = mu (2 / r - 1 / a).
    assert np.linalg.norm(speeds[0, 1]) == pytest.approx(math.sqrt(GM_SUN * (1 + e) / (1 - e) / a), rel=1e-12)


def test_velocity_and_acceleration_are_derivatives_of_the_place() -> None:
    moon = planet("moon", 27.3 * DAY, mass=7.3e22, parent="earth", eccentricity=0.05, inclination=0.1, longitude_of_node=2.0)
    earth = planet("earth", YEAR, mass=5.97e24, eccentricity=0.3, inclination=0.5, argument_of_periapsis=1.0, mean_anomaly=2.0)
    run = solvers.run(orbits(star(), moon, earth, duration_s=1.0, time_scale=YEAR))
    times, h = np.linspace(0.1, 0.9, 7) * YEAR, 100.0
    (before, slower), (after, faster) = run.motion.at(times - h), run.motion.at(times + h)
    _, speeds = run.motion.at(times)
    assert speeds == pytest.approx((after - before) / (2 * h), rel=1e-6, abs=1e-2)
    assert run.motion.acceleration(times) == pytest.approx((faster - slower) / (2 * h), rel=1e-5, abs=1e-9)


def test_an_inclined_orbit_crosses_the_plane_at_its_node() -> None:
    run = solvers.run(orbits(star(), planet("p", YEAR, inclination=0.4, longitude_of_node=0.7), duration_s=1.0, time_scale=YEAR))
    places, speeds = run.motion.at(np.array([0.0, YEAR / 4]))
    a = run.quantities["semi_major_axis"][1]
    assert places[0, 1] == pytest.approx([a * math.cos(0.7), a * math.sin(0.7), 0.0], rel=1e-12)
    assert places[1, 1, 2] == pytest.approx(a * math.sin(0.4), rel=1e-12) and speeds[0, 1, 2] > 0


def test_axis_and_period_follow_from_each_other() -> None:
    by_axis = solvers.run(orbits(star(), planet("p", None, AU), duration_s=1.0)).quantities["period"][1]
    assert by_axis == pytest.approx(2 * math.pi * math.sqrt(AU**3 / GM_SUN), rel=1e-14)
    both = solvers.run(orbits(star(), planet("p", by_axis * 1.009, AU), duration_s=1.0))
    assert both.quantities["period"][1] == by_axis * 1.009, "the period is authoritative"
    assert both.closed_form[0]["error"] == pytest.approx(0.009, rel=1e-9) and both.warnings == ()
    assert both.quantities["frequency"][1] == 1 / (by_axis * 1.009) and math.isnan(both.quantities["period"][0])


def test_the_planets_own_mass_counts_in_the_third_law() -> None:
    run = solvers.run(orbits(star(), planet("p", None, AU, mass=1.98841e30), duration_s=1.0))
    assert run.quantities["period"][1] == pytest.approx(2 * math.pi * math.sqrt(AU**3 / (2 * GM_SUN)), rel=1e-14)


def test_transit_comes_once_an_orbit_where_the_true_longitude_passes_zero() -> None:
    body = planet("p", 10.0, eccentricity=0.5, longitude_of_node=1.0, argument_of_periapsis=0.5, mean_anomaly=0.25)
    run = solvers.run(orbits(star(), body, duration_s=100.0))
    times = of_kind(run, "transit")
    assert len(times) == 10 and np.diff(times) == pytest.approx(10.0, rel=1e-12)
    places = run.motion.at(times)[0][:, 1]
    assert np.max(np.abs(np.arctan2(places[:, 1], places[:, 0]))) < 1e-12
    assert run.events.position[run.events.kind == KINDS.index("transit")] == pytest.approx(places)


def test_apsis_is_the_closest_point_and_a_circle_has_none() -> None:
    run = solvers.run(orbits(star(), planet("p", 10.0, eccentricity=0.2, mean_anomaly=-1.0), planet("c", 7.0), duration_s=50.0))
    times = of_kind(run, "apsis")
    assert set(run.events.body[run.events.kind == KINDS.index("apsis")]) == {1}
    assert times == pytest.approx(10.0 / (2 * math.pi) + 10.0 * np.arange(5), rel=1e-14)
    distance = np.linalg.norm(run.motion.at(times)[0][:, 1], axis=1)
    assert distance == pytest.approx(0.8 * run.quantities["semi_major_axis"][1], rel=1e-12)


def test_circular_orbits_meet_at_the_synodic_period() -> None:
    run = solvers.run(orbits(star(), planet("in", 3.0, mean_anomaly=1.0), planet("out", 7.0), duration_s=200.0))
    times = of_kind(run, "conjunction")
    synodic = 1.0 / (1.0 / 3.0 - 1.0 / 7.0)
    assert len(times) == math.floor(200.0 / synodic - (1 - 1 / (2 * math.pi))) + 1
    assert np.max(np.abs(np.diff(times) / synodic - 1.0)) < 1e-9
    assert times[0] == pytest.approx(synodic * (1 - 1 / (2 * math.pi)), rel=1e-12)


@pytest.mark.parametrize("periods", [(10.0, 15.0), (15.0, 10.0)])
def test_bodies_that_start_in_line_meet_at_the_start(periods: tuple[float, float]) -> None:
    run = solvers.run(orbits(star(), planet("a", periods[0]), planet("b", periods[1]), duration_s=61.0))
    assert of_kind(run, "conjunction") == pytest.approx([0.0, 30.0, 60.0], abs=1e-9)


def test_conjunctions_of_ellipses_have_equal_true_longitudes_and_none_is_missed() -> None:
    a = planet("a", 3.0, eccentricity=0.7, argument_of_periapsis=1.0)
    b = planet("b", 3.5, eccentricity=0.6, argument_of_periapsis=-2.0, mean_anomaly=1.0)
    run = solvers.run(orbits(star(), a, b, duration_s=100.0))
    times = of_kind(run, "conjunction")
    places = run.motion.at(times)[0]
    angles = np.arctan2(places[:, 1:, 1], places[:, 1:, 0])
    assert np.max(np.abs(np.angle(np.exp(1j * (angles[:, 0] - angles[:, 1]))))) < 1e-12
    fine = run.motion.at(np.linspace(0.0, 100.0, 400_001))[0]
    lead = np.angle(np.exp(1j * np.subtract(*np.arctan2(fine[:, 1:, 1], fine[:, 1:, 0]).T)))
    crossings = np.sum((np.sign(lead[1:]) != np.sign(lead[:-1])) & (np.abs(lead[1:]) < 1.0))
    assert len(times) == crossings, "retrograde meetings of eccentric orbits count as well"


def test_moons_meet_only_bodies_with_the_same_parent() -> None:
    run = solvers.run(
        orbits(star(), planet("p", 10.0, mass=1e25), planet("m", 1.0, parent="p"), planet("n", 2.0, parent="p"), duration_s=20.0)
    )
    pairs = run.events.kind == KINDS.index("conjunction")
    assert set(zip(run.events.body[pairs], run.events.other[pairs], strict=True)) == {(2, 3)}
    apart = np.linalg.norm(run.positions[:, 2] - run.positions[:, 1], axis=1)
    assert apart == pytest.approx(run.quantities["semi_major_axis"][2], rel=1e-9)


def test_energy_and_angular_momentum_stay() -> None:
    run = solvers.run(orbits(star(), planet("p", 10.0, mass=2.0, eccentricity=0.9), duration_s=95.0))
    assert run.conservation["energy"]["relative"] < 1e-12 and run.conservation["angular_momentum"]["relative"] < 1e-12
    a, e = run.quantities["semi_major_axis"][1], 0.9
    assert run.conservation["energy"]["initial"] == pytest.approx(-2.0 * GM_SUN / (2 * a), rel=1e-9)
    assert run.conservation["angular_momentum"]["initial"][2] == pytest.approx(2.0 * math.sqrt(GM_SUN * a * (1 - e * e)), rel=1e-9)


REFUSED = [
    (orbits(star(), planet("Earth", 1.02 * YEAR, AU), duration_s=1.0), "bodies.1.orbit.period", Contradiction, "Earth.*third law"),
    (orbits(star(), planet("p", None), duration_s=1.0), "bodies.1.orbit.period", EngineError, "semi_major_axis"),
    (orbits(planet("p", 1.0), duration_s=1.0), "bodies.0.orbit.parent_body_id", EngineError, "nothing to orbit"),
    (orbits(star(), planet("p", 1.0, parent="x"), duration_s=1.0), "bodies.1.orbit.parent_body_id", EngineError, "x"),
    (
        orbits(planet("p", 1.0, parent="q"), planet("q", 1.0, parent="p"), duration_s=1.0),
        "bodies.0.orbit.parent_body_id",
        Contradiction,
        "itself",
    ),
    (orbits(star(), ball("b", 0, 1), duration_s=1.0), "bodies.1.orbit", Unsupported, "static"),
    (
        orbits(star(), planet("p", 1.0), duration_s=1.0, gravitational_constant=0.0),
        "physics.gravitational_constant",
        Contradiction,
        "m\\^3",
    ),
    (orbits(star(), duration_s=1.0, constraints=({},)), "constraints.0", Unsupported, "particles"),
    (
        orbits(star(), duration_s=1.0, keyframes=(Keyframe(0.5, "gravity.y", 1.0),)),
        "timeline.keyframes.0.parameter",
        Unsupported,
        "gravity",
    ),
]


@pytest.mark.parametrize(("given", "field", "kind", "word"), REFUSED, ids=[f"{n} {case[1]}" for n, case in enumerate(REFUSED)])
def test_contradictory_or_incomplete_orbits_are_refused_by_name(given: object, field: str, kind: type[EngineError], word: str) -> None:
    with pytest.raises(kind, match=word) as caught:
        solvers.run(given)
    assert caught.value.field == field


def test_the_contradiction_names_both_periods() -> None:
    with pytest.raises(Contradiction) as caught:
        solvers.run(orbits(star(), planet("Earth", 400 * DAY, AU), duration_s=1.0))
    assert "34560000" in caught.value.message and "31558" in caught.value.message

"""Falling, bouncing and colliding, against closed forms and conservation laws."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from app.engine.errors import Contradiction, EngineError, OutOfRange, Unsupported
from app.engine.physics import solvers
from app.engine.physics.events import KINDS
from app.engine.physics.scene import Body, Bounds, Keyframe, Orbit
from app.engine.physics.solvers import ballistic_kernel as kernel
from app.engine.physics.solvers.ballistic import FreeFlight
from app.engine.physics.trajectory import Trajectory
from tests.engine.physics.scenes import OPEN, G, ball, drop, gas, scene

COLLISION, CONTACT, COLLAPSE = (KINDS.index(kind) for kind in ("collision", "contact", "collapse"))


def hits(run: Trajectory) -> np.ndarray:
    return run.events.time[run.events.kind == COLLISION]


@pytest.mark.parametrize("e", [0.5, 0.8, 0.99])
def test_every_bounce_comes_when_the_geometric_series_says(e: float) -> None:
    run = solvers.run(drop(e, duration_s=120.0), sample_hz=1.0)
    times = hits(run)
    first, n = math.sqrt(2.0 / G), np.arange(len(times))
    expected = first + 2.0 * first * e * (1.0 - e**n) / (1.0 - e)
    assert len(times) == math.floor(math.log(1e-6 / (2.0 * first)) / math.log(e)) + 1, "until the next flight is below a microsecond"
    # Rounding: each flight adds an error of a few ulp of its own length.
    assert np.max(np.abs(times / expected - 1.0)) < 1e-11


def test_every_bounce_rises_to_the_height_that_restitution_leaves() -> None:
    point = Body("point", "point", position=(0.0, 1.0, 0.0))
    run = solvers.run(scene(point, restitution=0.8))
    times, speeds = hits(run), run.events.speed[run.events.kind == COLLISION]
    fallen = 0.8 ** (2.0 * np.arange(len(times)))
    assert np.max(np.abs(speeds**2 / (2.0 * G) / fallen - 1.0)) < 1e-11
    apex = run.motion.at(times[:-1] + 0.8 * speeds[:-1] / G)[0][:, 0, 1]
    assert np.max(np.abs(apex / fallen[1:] - 1.0)) < 1e-11


def test_bounces_without_end_in_sight_end_in_contact() -> None:
    run = solvers.run(drop(0.8))
    assert run.events.kind[-1] == CONTACT
    first = math.sqrt(2.0 / G)
    assert run.events.time[-1] == pytest.approx(first * (1.0 + 2.0 * 0.8 / 0.2), rel=1e-9)
    positions, velocities = run.motion.at(np.array([9.9]))
    assert positions[0, 0, 1] == 0.1 and velocities[0, 0, 1] == 0.0
    assert run.events.status == "complete"


def test_a_ball_in_contact_slides_on_and_is_set_free_by_gravity_turning_up() -> None:
    frames = (Keyframe(5.0, "gravity.y", 2.0),)
    run = solvers.run(scene(ball("ball", 0.0, 0.1, v=(1.0, 0.0, 0.0)), keyframes=frames))
    positions, _ = run.motion.at(np.array([4.0, 7.0]))
    assert positions[:, 0] == pytest.approx(np.array([[4.0, 0.1, 0.0], [7.0, 0.1 + 4.0, 0.0]]), rel=1e-14)


def test_a_ball_started_a_hair_above_the_floor_does_not_bounce_for_ever() -> None:
    run = solvers.run(scene(ball("ball", 0.0, 0.1 + 1e-14), restitution=1.0))
    assert len(run.events) <= 2 and run.events.kind[-1] == CONTACT


def test_an_elastic_ball_with_damping_comes_to_rest() -> None:
    run = solvers.run(drop(1.0, linear_damping=100.0, duration_s=40.0), sample_hz=1.0)
    assert run.events.kind[-1] == CONTACT and run.conservation["energy"]["dissipated"] > 9.0


@pytest.mark.parametrize("k", [1e-12, 1e-9, 1e-5, 1e-3, 0.1, 1.0, 10.0, 100.0])
@pytest.mark.parametrize(("gap", "v"), [(1.0, 0.0), (3.0, 5.0), (0.0, 2.0), (2.0, -40.0)])
def test_a_damped_fall_ends_when_forty_digits_say(k: float, gap: float, v: float) -> None:
    t = kernel.reach(gap, v, G, k)
    with localcontext() as context:
        context.prec = 50
        rate, g, time = Decimal(k), Decimal(G), Decimal(t)
        decay = (-rate * time).exp()
        height = Decimal(gap) + (Decimal(v) + g / rate) * (1 - decay) / rate - g / rate * time
        slope = (Decimal(v) + g / rate) * decay - g / rate
        error = abs(float(height / slope)) / t
    assert error < 1e-12


@pytest.mark.parametrize("k", [1e-12, 1e-6, 0.5, 20.0, 100.0])
def test_damped_flight_follows_its_closed_form(k: float) -> None:
    run = solvers.run(scene(ball("ball", 0.0, 50.0, v=(3.0, 4.0, 0.0)), linear_damping=k, bounds=None, duration_s=2.0))
    with localcontext() as context:
        context.prec = 50
        rate, g = Decimal(k), Decimal(G)
        decay = (-rate * 2).exp()
        x = float(3 * (1 - decay) / rate)
        y = float(50 + (4 + g / rate) * (1 - decay) / rate - 2 * g / rate)
    assert run.positions[-1, 0, :2] == pytest.approx([x, y], rel=1e-12)


@pytest.mark.parametrize("g", [0.0, G])
def test_a_damped_head_on_collision_happens_at_the_logarithmic_time(g: float) -> None:
    pair = scene(ball("a", 0.0, 9.0, v=(1.0, 0.0, 0.0)), ball("b", 1.0, 9.0), gravity=(0.0, -g, 0.0), linear_damping=0.5)
    # The gap of 0.8 m closes along (1 - exp(-k t)) / k, also while both fall.
    assert hits(solvers.run(pair))[0] == pytest.approx(-math.log1p(-0.5 * 0.8) / 0.5, rel=1e-14)


def test_energy_survives_ten_thousand_elastic_collisions() -> None:
    run = solvers.run(gas(100, duration_s=65.0), sample_hz=1.0)
    assert len(hits(run)) > 10_000
    assert run.conservation["energy"]["relative"] < 1e-11
    assert run.conservation["momentum"]["relative"] < 1e-11
    assert run.warnings == ()


@pytest.mark.slow
def test_energy_and_every_momentum_survive_a_hundred_thousand_elastic_collisions() -> None:
    """Rounding alone changes them: 1e-11 is half an ulp (1.1e-16) for each of 1e5 collisions, were all of one sign; 1e-12 of the momenta
    that meet is ten thousand ulp for one collision."""
    run = solvers.run(gas(10, duration_s=4200.0), sample_hz=1e-3)
    assert len(hits(run)) > 100_000
    assert run.conservation["energy"]["relative"] < 1e-11
    rows = run.motion.segments
    same = np.flatnonzero(rows[1:, 0] == rows[:-1, 0]) + 1
    moment, place = np.unique(rows[same, 1], return_inverse=True)
    change, size = np.zeros((len(moment), 3)), np.zeros(len(moment))
    masses = run.masses[rows[same, 0].astype(int)]
    np.add.at(change, place, masses[:, None] * (rows[same, 5:8] - rows[same - 1, 5:8]))
    np.add.at(size, place, masses * (np.linalg.norm(rows[same, 5:8], axis=1) + np.linalg.norm(rows[same - 1, 5:8], axis=1)))
    pairs = np.isin(moment, run.events.time[run.events.other >= 0])
    assert pairs.sum() > 40_000
    assert (np.linalg.norm(change[pairs], axis=1) / size[pairs]).max() < 1e-12


@pytest.mark.parametrize("gravity", [0.0, -1e-9])
def test_balls_that_reach_a_static_circle_one_after_another_all_bounce(gravity: float) -> None:
    peg = Body("peg", "peg", "circle", {"radius": 0.5}, static=True)
    balls = [ball(f"ball {i}", *((2.0 + i) * np.array([math.cos(i), math.sin(i)])), v=(-math.cos(i), -math.sin(i), 0.0)) for i in range(3)]
    run = solvers.run(scene(peg, *balls, gravity=(0.0, gravity, 0.0), bounds=None, restitution=1.0, duration_s=3.5))
    assert hits(run) == pytest.approx([1.4, 2.4, 3.4], rel=1e-6)


def test_energy_and_momentum_balance_with_gravity_and_losses() -> None:
    run = solvers.run(gas(30, duration_s=1.5, gravity=(0.0, -G, 0.0), restitution=0.95), sample_hz=1.0)
    energy = run.conservation["energy"]
    assert energy["lost"] > 0.01 * energy["initial"] and energy["relative"] < 1e-12
    assert energy["lost"] == pytest.approx(run.events.energy.sum(), rel=1e-12)
    assert run.conservation["momentum"]["relative"] < 1e-12


def test_momentum_is_kept_in_each_collision_and_the_impulse_is_its_change() -> None:
    bodies = gas(40, duration_s=5.0, restitution=0.9).bodies
    heavy = [ball(b.name, *b.position[:2], radius=0.05, v=b.velocity, mass=10.0 ** (i % 5 - 2)) for i, b in enumerate(bodies)]
    run = solvers.run(scene(*heavy, gravity=(0.0, 0.0, 0.0), restitution=0.9, bounds=None, duration_s=5.0), sample_hz=1.0)
    rows, last, jumps = run.motion.segments, {}, {}
    for row in rows[np.argsort(rows[:, 1], kind="stable")]:
        body = int(row[0])
        if body in last:
            jumps.setdefault(row[1], []).append((run.masses[body], last[body], row[5:8]))
        last[body] = row[5:8]
    pairs = {time: change for time, change in jumps.items() if len(change) == 2}
    assert len(pairs) > 20
    impulses = dict(zip(run.events.time, run.events.impulse, strict=True))
    for time, change in pairs.items():
        moved = [mass * (after - before) for mass, before, after in change]
        size = sum(mass * (np.linalg.norm(before) + np.linalg.norm(after)) for mass, before, after in change)
        assert np.linalg.norm(moved[0] + moved[1]) < 1e-12 * size
        assert np.linalg.norm(moved[0]) == pytest.approx(impulses[time], abs=1e-12 * size)


def test_a_collision_carries_the_textbook_impulse_and_loss() -> None:
    run = solvers.run(
        scene(
            ball("a", 0.0, 1.0, v=(2.0, 0.0, 0.0), mass=3.0, restitution=0.9),
            ball("b", 1.0, 1.0, restitution=0.4),
            gravity=(0.0, 0.0, 0.0), bounds=None,
        )
    )  # fmt: skip
    e, reduced = math.sqrt(0.36), 0.75
    assert run.events.time[0] == pytest.approx(0.4, rel=1e-15)
    assert run.events.impulse[0] == pytest.approx((1.0 + e) * reduced * 2.0, rel=1e-14)
    assert run.events.energy[0] == pytest.approx(0.5 * (1.0 - 0.36) * reduced * 4.0, rel=1e-14)
    assert run.events.position[0] == pytest.approx([0.9, 1.0, 0.0], rel=1e-14)
    assert (run.events.body[0], run.events.other[0], run.events.speed[0]) == (0, 1, 2.0)


@pytest.mark.parametrize("count", [1, 2])
def test_a_cradle_passes_as_many_balls_out_as_come_in(count: int) -> None:
    moving = [ball(f"in {i}", -1.0 + 0.2 * i, 0.1, v=(1.0, 0.0, 0.0)) for i in range(count)]
    resting = [ball(f"rest {i}", 1.0 + 0.2 * i, 0.1) for i in range(5 - count)]
    run = solvers.run(scene(*moving, *resting, duration_s=3.0))
    speeds = run.velocities[-1, :, 0]
    assert speeds == pytest.approx([0.0] * (5 - count) + [1.0] * count, abs=1e-15)
    assert run.events.status == "complete"


def test_a_ball_bounces_off_a_static_circle_as_off_a_wall() -> None:
    peg = Body("peg", "peg", "circle", {"radius": 0.5}, position=(0.0, 1.0, 0.0), static=True)
    run = solvers.run(scene(ball("ball", 0.0, 3.0), peg, bounds=None, duration_s=2.0))
    first = math.sqrt(2.0 * 1.4 / G)
    assert hits(run) == pytest.approx(first * np.array([1.0, 3.0]), rel=1e-13)
    assert np.isinf(run.masses[1])


def test_a_slanted_hit_on_a_static_circle_obeys_the_law_of_reflection() -> None:
    peg = Body("peg", "peg", "circle", {"radius": 1.0}, static=True)
    run = solvers.run(scene(ball("ball", 5.0, math.sqrt(0.5), radius=1e-9, v=(-1.0, 0.0, 0.0)), peg, gravity=(0.0, 0.0, 0.0), bounds=None))
    assert run.velocities[-1, 0] == pytest.approx([0.0, 1.0, 0.0], abs=1e-8)


def test_a_ball_flies_over_a_resting_one_and_later_hits_it() -> None:
    resting, flying = ball("resting", 0.0, 0.1), ball("flying", 0.0, 2.0, restitution=0.25)
    run = solvers.run(scene(resting, flying, restitution=1.0, duration_s=0.7))
    fall = math.sqrt(2.0 * 1.7 / G)
    assert run.events.time[0] == pytest.approx(fall, rel=1e-13)
    # The floor holds the lower ball: it is as heavy as the floor along the vertical.
    assert run.events.impulse[0] == pytest.approx(1.5 * G * fall, rel=1e-12)
    assert run.positions[-1, 0] == pytest.approx([0.0, 0.1, 0.0])


def test_three_dimensions_bounce_on_all_six_sides() -> None:
    box = Bounds((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    point = Body("point", "point", position=(0.5, 0.5, 0.5), velocity=(1.0, 0.5, 0.25))
    run = solvers.run(scene(point, gravity=(0.0, 0.0, 0.0), bounds=box, duration_s=16.0))
    assert len(hits(run)) == 16 + 8 + 4
    assert run.positions[-1, 0] == pytest.approx([0.5, 0.5, 0.5], rel=1e-13)


def test_a_sensor_meets_nothing() -> None:
    run = solvers.run(scene(ball("ball", 0.0, 1.0), ball("sensor", 0.0, 0.5, sensor=True), duration_s=1.0))
    assert set(run.events.body) == {0}
    assert run.positions[-1, 1, 1] == pytest.approx(0.5 - 0.5 * G, rel=1e-14)


def test_a_tangential_pass_is_no_collision() -> None:
    run = solvers.run(scene(ball("a", 0.0, 1.0, v=(1.0, 0.0, 0.0)), ball("b", 2.0, 1.2), gravity=(0.0, 0.0, 0.0), bounds=None))
    assert len(run.events) == 0


def test_side_by_side_balls_of_different_bounce_do_not_settle_on_each_other() -> None:
    run = solvers.run(scene(ball("a", 0.0, 1.0, restitution=0.9), ball("b", 0.2, 1.0, restitution=0.2), duration_s=20.0), sample_hz=1.0)
    assert run.events.status == "complete"
    # They graze within rounding when they pass each other: no more than a millionth of a bounce.
    assert run.events.impulse[run.events.other == 1].max(initial=0.0) < 1e-6 * run.events.impulse.max()


def test_balls_that_settle_on_each_other_end_the_run_and_name_the_solver_for_it() -> None:
    run = solvers.run(scene(ball("low", 0.0, 0.1), ball("high", 0.0, 0.5), restitution=0.5))
    assert run.events.status == "settled_at" and 0 < run.events.settled_at < 2.0
    assert run.events.kind[-1] == COLLAPSE
    assert "rigid" in run.warnings[0] and run.warnings == run.events.warnings
    assert not run.velocities[-1].any(), "still after it"


@pytest.mark.parametrize(("count", "e"), [(30, 0.8), (60, 0.5)])
def test_a_settling_heap_ends_and_never_hangs(count: int, e: float) -> None:
    run = solvers.run(gas(count, duration_s=60.0, gravity=(0.0, -G, 0.0), restitution=e, fill=0.2), sample_hz=1.0)
    assert run.events.status == "settled_at" and np.isfinite(run.positions).all()


def test_balls_never_overlap_under_gravity_and_damping() -> None:
    run = solvers.run(gas(30, duration_s=4.0, gravity=(0.0, -G, 0.0), linear_damping=0.2), sample_hz=60.0)
    apart = np.linalg.norm(run.positions[:, :, None] - run.positions[:, None], axis=3)
    apart[:, np.arange(30), np.arange(30)] = 1.0
    assert apart.min() > 0.1 * (1.0 - 1e-10)


def test_cells_find_the_collisions_that_all_pairs_find() -> None:
    # Balls of very different size: the large ones are outside the cells and are tried with every body.
    bodies = list(gas(60, duration_s=1.0).bodies)
    big = ball("big", 2.0, -3.0, radius=1.0, v=(0.0, 3.0, 0.0), mass=50.0)
    run = solvers.run(scene(*bodies, big, gravity=(0.0, 0.0, 0.0), bounds=None, duration_s=3.0))
    apart = np.linalg.norm(run.positions[:, :, None] - run.positions[:, None], axis=3)
    radii = np.array([body.radius for body in (*bodies, big)])
    gaps = apart - radii[:, None] - radii[None]
    gaps[:, np.arange(61), np.arange(61)] = 1.0
    assert gaps.min() > -1e-12 and len(run.events) > 20


def test_gravity_steps_at_its_keyframe_and_the_work_is_accounted_for() -> None:
    frames = (Keyframe(1.0, "gravity.y", -1.0), Keyframe(2.0, "linear_damping", 0.5), Keyframe(0.0, "restitution", 0.5))
    run = solvers.run(scene(ball("ball", 0.0, 20.0), keyframes=frames[:1], duration_s=2.0))
    fallen = 0.5 * G + G * 1.0 + 0.5
    assert run.positions[-1, 0, 1] == pytest.approx(20.0 - fallen, rel=1e-14)
    assert run.conservation["energy"]["relative"] < 1e-14
    damped = solvers.run(scene(ball("ball", 0.0, 20.0, v=(1.0, 0.0, 0.0)), keyframes=frames, duration_s=3.0))
    assert damped.velocities[-1, 0, 0] == pytest.approx(math.exp(-0.5), rel=1e-14)


def test_accelerations_are_the_derivative_of_the_velocities() -> None:
    run = solvers.run(scene(ball("ball", 0.0, 50.0, v=(3.0, 4.0, 0.0)), linear_damping=0.7, bounds=None, duration_s=2.0))
    times, h = np.array([0.5, 1.0, 1.5]), 1e-5
    slope = (run.motion.at(times + h)[1] - run.motion.at(times - h)[1]) / (2.0 * h)
    assert run.motion.acceleration(times) == pytest.approx(slope, abs=1e-8)


def test_the_closed_form_report_compares_the_last_bounce() -> None:
    (entry,) = solvers.run(drop(0.8)).closed_form
    assert entry["error"] < 1e-11 and entry["unit"] == "s" and "bounce" in entry["what"]


def test_angular_momentum_is_reported_and_kept_where_nothing_outside_acts() -> None:
    run = solvers.run(scene(ball("a", 0.0, 0.0, v=(1.0, 0.1, 0.0)), ball("b", 1.0, 0.1), gravity=(0.0, 0.0, 0.0), bounds=None))
    assert len(run.events) == 1 and run.conservation["angular_momentum"]["relative"] < 1e-15
    assert "angular_momentum" not in solvers.run(drop(0.8)).conservation


REFUSED = [
    (scene(ball("a", 0, 1), air_density=1.2), "physics.air_density", Unsupported, "particles"),
    (scene(ball("a", 0, 1), constraints=({"kind": "spring"},)), "constraints.0", Unsupported, "rigid"),
    (scene(Body("b", "crate", "box", {"width": 1, "height": 1})), "bodies.0.shape", Unsupported, "crate"),
    (scene(ball("a", 0, 1), ball("b", 0.15, 1)), "bodies.0.position", EngineError, "overlap"),
    (scene(ball("a", 0, 1), ball("low", 3, 0.05)), "bodies.1.position", EngineError, "low"),
    (scene(ball("a", 0, 1, angular_velocity=1.0)), "bodies.0.angular_velocity", Unsupported, "rigid"),
    (scene(ball("a", 0, 1, orbit=Orbit(1.0, 1.0))), "bodies.0.orbit", Unsupported, "kepler"),
    (scene(bounds=Bounds((1.0, None, None), (0.0, None, None))), "physics.bounds.max.x", Contradiction, "no room"),
    (scene(keyframes=(Keyframe(1, "gravity.y", 0.0, "linear"),)), "timeline.keyframes.0.interpolation", Unsupported, "step"),
    (scene(keyframes=(Keyframe(1, "time_scale", 2.0),)), "timeline.keyframes.0.parameter", Unsupported, "time_scale"),
    (scene(keyframes=(Keyframe(1, "restitution", 2.0),)), "timeline.keyframes.0.value", OutOfRange, "0 to 1"),
]


@pytest.mark.parametrize(("given", "field", "kind", "word"), REFUSED, ids=[case[1] for case in REFUSED])
def test_what_the_solver_cannot_honour_is_refused_by_name(given: object, field: str, kind: type[EngineError], word: str) -> None:
    with pytest.raises(kind, match=word) as caught:
        solvers.run(given)
    assert caught.value.field == field


def test_touching_bodies_sensors_and_buried_static_circles_are_allowed() -> None:
    bump = Body("bump", "bump", "circle", {"radius": 0.5}, position=(5.0, -0.2, 0.0), static=True)
    solvers.check(scene(ball("a", 0, 0.1), ball("b", 0.2, 0.1), ball("s", 0.1, 0.1, sensor=True), bump))
    assert OPEN.minimum == (None, None, None)


@pytest.mark.parametrize("tiny", [5e-324, 1e-200, 1e-99, 1e-30])
def test_vanishing_gravity_and_damping_do_no_harm(tiny: float) -> None:
    peg = Body("peg", "peg", "circle", {"radius": 0.5}, position=(3.0, 1.0, 0.0), static=True)
    run = solvers.run(scene(ball("ball", 0.0, 1.0, v=(1.0, 0.0, 0.0)), peg, gravity=(tiny, -tiny, 0.0), linear_damping=tiny))
    assert hits(run) == pytest.approx([2.4], rel=1e-14) and run.events.status == "complete"


def test_a_body_too_slow_for_any_number_of_seconds_never_arrives() -> None:
    body = Body("snail", "snail", position=(0.0, 4.0, 0.0), velocity=(0.0, -2e-311, 0.0))
    run = solvers.run(scene(body, gravity=(0.0, 0.0, 0.0), duration_s=2.0))
    assert len(run.events) == 0 and run.positions[:, 0, 1] == pytest.approx(4.0)


def test_a_ball_flung_to_the_edge_of_the_allowed_numbers_stays_finite() -> None:
    fast = ball("fast", 9e14, 9e14, radius=1e10, v=(-299792458.0, -299792458.0, 0.0), mass=1e32)
    run = solvers.run(scene(fast, ball("slow", -9e14, 0.5, radius=0.5), duration_s=600.0, time_scale=1e4))
    assert np.isfinite(run.positions).all() and run.events.status == "complete"


@pytest.mark.parametrize("damping", [0.0, 0.7])
def test_places_of_all_bodies_at_once_are_those_of_the_motion_to_the_last_bit(damping: float) -> None:
    motion = solvers.run(gas(40, duration_s=3.0, linear_damping=damping, gravity=(0.0, -G, 0.0))).motion
    assert isinstance(motion, FreeFlight)
    times = np.concatenate([np.linspace(0.0, 3.0, 301), [0.0, 1e9]])
    assert (motion.places(times) == motion.at(times)[0]).all()

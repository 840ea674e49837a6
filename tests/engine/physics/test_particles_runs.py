"""Runs of springs and rods: breaks, moments, what is refused, and what any scene owes."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from app.engine.errors import Cancelled, Contradiction, EngineError, OutOfRange, TooExpensive, Unsupported
from app.engine.music.mapping import build_score, check_mappings, default_content
from app.engine.physics import solvers
from app.engine.physics.constraints import resolved
from app.engine.physics.scene import Bounds, Constraint, Keyframe, Orbit, Scene
from app.engine.physics.solvers.particles_motion import PiecewiseMotion
from tests.engine.physics.scenes import G, ball, scene
from tests.engine.physics.test_particles import (
    WEIGHTLESS,
    breaks,
    chain,
    compared,
    crossings,
    double_pendulum,
    motion_of,
    pendulum,
    point,
    rod,
    spring,
    tied,
)  # fmt: skip


def test_a_rod_breaks_at_the_angle_where_its_tension_says_so() -> None:
    # Let go from the horizontal, a bob at depth d hangs on 3 m g d / L (Goldstein, Poole & Safko 2002, chapter 1).
    run = solvers.run(tied(point("bob", 2.0, 0.0, mass=0.5), constraints=(rod("bob", break_force=10.0),), duration_s=3.0))
    (time,) = breaks(run)
    (place_,), (speed,) = (part[:, 0] for part in run.motion.at(np.array([time])))
    depth = 2.0 * 10.0 / (3.0 * 0.5 * G)
    assert place_[1] == pytest.approx(-depth, rel=1e-11)
    (row,) = run.events.rows(run.body_ids, 1.0)
    assert row["kind"] == "break" and row["body_id"] == "bob" and row["other_id"] is None and row["value"] == 0.0
    later = run.motion.at(np.array([time + 1.0]))[0][0, 0]
    assert later == pytest.approx(place_ + speed + np.array([0.0, -0.5 * G, 0.0]), abs=1e-11)
    assert "energy" not in run.conservation and run.closed_form == []


def test_a_spring_breaks_when_it_has_stretched_that_far() -> None:
    # x = 1 + 0.3 sin(10 t): a pull of 20 N is a stretch of 0.2 m.
    moving = point("bob", 1.0, 0.0, v=(3.0, 0.0, 0.0)), point("wall", 0.0, 0.0, static=True)
    link = spring("bob", "wall", rest_length=1.0, break_force=20.0)
    run = solvers.run(tied(*moving, constraints=(link,), gravity=WEIGHTLESS, duration_s=2.0))
    assert breaks(run) == pytest.approx([math.asin(2.0 / 3.0) / 10.0], rel=1e-11)
    assert run.velocities[-1, 0, 0] == pytest.approx(3.0 * math.sqrt(5.0) / 3.0, rel=1e-10) and run.events.other[0] == 1


@pytest.mark.parametrize(("share", "expected"), [(1.0 - 1e-6, 1), (1.0 + 1e-6, 0)])
def test_a_peak_between_two_steps_is_not_missed(share: float, expected: int) -> None:
    run = solvers.run(tied(point("bob", 1.0, 0.0), constraints=(rod("bob", break_force=3.0 * G * share),), duration_s=2.0))
    assert len(breaks(run)) == expected


def test_links_that_are_past_their_force_at_the_start_break_there_and_together() -> None:
    bodies = point("a", 0.0, -1.0), point("b", 1.0, -1.0), point("c", 2.0, -1.0)
    links = tuple(
        rod(name, anchor=(x, 0.0, 0.0), break_force=force) for name, x, force in (("a", 0.0, 5.0), ("b", 1.0, 5.0), ("c", 2.0, 20.0))
    )
    run = solvers.run(tied(*bodies, constraints=links, duration_s=1.0))
    assert breaks(run).tolist() == [0.0, 0.0] and run.events.body.tolist() == [0, 1]
    assert run.positions[-1, :, 1] == pytest.approx([-1.0 - 0.5 * G, -1.0 - 0.5 * G, -1.0], abs=1e-10)


def test_moments_are_roots_of_a_motion_as_good_as_its_steps() -> None:
    # x = 1 + 0.3 cos(10 t), its speed and its acceleration: all are crossed when the closed form says so.
    run = solvers.run(tied(point("bob", 1.3, 0.0), constraints=(spring("bob", rest_length=1.0),), gravity=WEIGHTLESS, duration_s=3.0))
    speed = crossings(lambda t: run.motion.at(t)[1][:, 0, 0] - 1.0, 3.0)
    pull = crossings(lambda t: run.motion.acceleration(t)[:, 0, 0] - 10.0, 3.0)
    turns = 2.0 * math.pi * np.arange(5)
    # -3 sin(10 t) rises through 1 at 10 t = pi + asin(1 / 3), -30 cos(10 t) through 10 at acos(-1 / 3).
    assert speed == pytest.approx((turns + math.pi + math.asin(1.0 / 3.0)) / 10.0, abs=1e-11)
    assert pull == pytest.approx((turns + math.acos(-1.0 / 3.0)) / 10.0, abs=1e-11)


def test_a_motion_comes_back_from_its_columns_and_stands_still_after_its_end() -> None:
    motion = motion_of(solvers.run(compared()[2]))
    again, times = PiecewiseMotion.of_columns(motion.columns()), np.linspace(0.0, 2.0, 50)
    assert all((one == other).all() for one, other in zip(motion.at(times), again.at(times), strict=True))
    places, speeds = again.at(np.array([2.0, 9.0]))
    assert (places[0] == places[1]).all() and speeds[0].any() and not speeds[1].any()
    assert not again.acceleration(np.array([9.0])).any()


def test_a_run_that_goes_on_from_the_middle_goes_on_the_same() -> None:
    whole = tied(
        point("a", 1.1, 0.0), point("b", 2.0, 0.5), constraints=(spring("a", k=30.0), rod("b", "a")), duration_s=4.0
    )  # fmt: skip
    run = solvers.run(whole)
    places, speeds = run.motion.at(np.array([1.5]))
    moved = [
        dataclasses.replace(body, position=tuple(place_), velocity=tuple(speed))
        for body, place_, speed in zip(whole.bodies, places[0].tolist(), speeds[0].tolist(), strict=True)
    ]
    later = solvers.run(dataclasses.replace(whole, bodies=tuple(moved), constraints=resolved(whole), duration_s=2.5))
    assert later.warnings == () and later.positions[-1] == pytest.approx(run.positions[-1], abs=1e-8)


def test_velocities_along_a_rod_are_taken_up_with_a_warning() -> None:
    run = solvers.run(tied(point("bob", 1.0, 0.0, v=(2.0, 1.0, 0.0)), constraints=(rod("bob"),), duration_s=1.0))
    assert run.velocities[0, 0] == pytest.approx([0.0, 1.0, 0.0]) and any("took up" in sentence for sentence in run.warnings)


def test_what_bodies_go_through_is_told() -> None:
    pair = ball("a", 0.0, 3.0), ball("b", 1.0, 3.0, v=(-2.0, 0.0, 0.0))
    run = solvers.run(scene(*pair, solver="particles", duration_s=1.0, bounds=Bounds((None, 1.0, None), (None, None, None))))
    assert run.positions[-1, :, 1] == pytest.approx(3.0 - 0.5 * G)
    assert [sentence.split(":")[0] for sentence in run.warnings] == [
        "Bounds do not act in the solver 'particles'", "Nothing collides in the solver 'particles'"
    ]  # fmt: skip
    # The floor that a scene has when nobody set one goes without saying.
    assert solvers.run(scene(pair[0], solver="particles", duration_s=1.0)).warnings == ()


def test_the_timestep_is_honoured_where_it_is_set() -> None:
    run = solvers.run(pendulum(30.0, duration_s=1.0, timestep=0.02))
    assert np.diff(motion_of(run).times) == pytest.approx(0.02, rel=1e-9)
    # Too long for the swing: said, or ended, never without numbers.
    wild = solvers.run(pendulum(170.0, duration_s=60.0, timestep=0.9))
    assert np.isfinite(wild.positions).all() and np.isfinite(wild.velocities).all() and wild.warnings != ()


def test_a_link_that_turns_faster_than_foreseen_has_its_steps_divided() -> None:
    # A light body on a heavy one: when the heavy one falls past, the light one is thrown round.
    whip = point("heavy", 1.0, 0.0, mass=50.0), point("light", 1.05, 0.0, mass=0.01)
    run = solvers.run(tied(*whip, constraints=(rod("heavy"), rod("light", "heavy")), duration_s=1.0), sample_hz=1.0)
    assert run.conservation["energy"]["relative"] < 1e-9 and run.warnings == ()


def test_a_scene_without_mappings_sounds_by_the_speeds_of_its_bodies() -> None:
    swinging = double_pendulum(60.0, periods=2.0)
    score = build_score(swinging, solvers.run(swinging))
    assert len(score.notes) == 2 and all(note.duration_s == swinging.duration_s for note in score.notes)


def test_notes_come_when_the_closed_form_says_that_a_body_passes() -> None:
    # x = 0.3 cos(10 t) about the origin rises through 0 at 10 t = 3 pi / 2.
    voice = default_content(tied())["voices"][0]
    mapping = {
        "id": "m", "voice_id": voice["id"], "target": "pitch", "range": {"min": 100.0, "max": 200.0},
        "trigger": {"type": "event", "event": "zero_crossing", "filter": {"quantity": "position.x"}},
        "source": {"bodies": "all", "quantity": "speed"}, "domain": {"type": "explicit", "min": 0.0, "max": 10.0},
    }  # fmt: skip
    swinging = tied(point("bob", 0.3, 0.0), constraints=(spring("bob", rest_length=0.0),), gravity=WEIGHTLESS, duration_s=2.5)
    swinging = dataclasses.replace(swinging, voices=(voice,), mappings=(mapping,))
    notes = build_score(swinging, solvers.run(swinging)).notes
    assert [note.t_s for note in notes] == pytest.approx((1.5 * math.pi + 2.0 * math.pi * np.arange(4)) / 10.0, rel=1e-10)


def test_a_collision_is_refused_as_a_trigger() -> None:
    trigger = {"type": "event", "event": "collision", "filter": {}}
    voice = default_content(tied())["voices"][0]
    mapping = {**default_content(tied())["mappings"][0], "voice_id": voice["id"], "trigger": trigger}
    with pytest.raises(Unsupported, match="particles has no collision events"):
        check_mappings(dataclasses.replace(tied(A), voices=(voice,), mappings=(mapping,)))


A, B = point("a", 1.0, 0.0), point("b", 2.0, 0.0)
HINGE = Constraint("h", "hinge", "a", "b")
REFUSED = [
    (tied(A, B, constraints=(HINGE,)), "constraints.0.kind", Unsupported, "rigid"),
    (tied(A, B, constraints=(dataclasses.replace(HINGE, kind="pin"),)), "constraints.0.kind", Unsupported, "rigid"),
    (tied(dataclasses.replace(A, shape="box", size={"width": 1.0, "height": 1.0})), "bodies.0.shape", Unsupported, "rigid"),
    (tied(dataclasses.replace(A, angular_velocity=1.0)), "bodies.0.angular_velocity", Unsupported, "rigid"),
    (tied(dataclasses.replace(A, orbit=Orbit(1.0, 1.0))), "bodies.0.orbit", Unsupported, "kepler"),
    (tied(dataclasses.replace(A, mass=math.nan)), "bodies.0.mass", EngineError, "kg"),
    (tied(dataclasses.replace(A, mass=0.0)), "bodies.0.mass", EngineError, "kg"),
    (tied(dataclasses.replace(A, position=(0.0, math.inf, 0.0))), "bodies.0.position", EngineError, "finite"),
    (tied(A, dataclasses.replace(B, velocity=(0.0, math.nan, 0.0))), "bodies.1.velocity", EngineError, "finite"),
    (tied(A, dataclasses.replace(B, shape="circle", size={})), "bodies.1.size.radius", EngineError, "radius"),
    (tied(A, constraints=(rod("a", "a"),)), "constraints.0.other_body_id", Contradiction, "itself"),
    (tied(A, constraints=(rod("a", "z"),)), "constraints.0.other_body_id", EngineError, "no body"),
    (tied(A, constraints=(rod("z"),)), "constraints.0.body_id", EngineError, "no body"),
    (tied(A, constraints=(rod("a", anchor=(1.0, 0.0, 0.0)),)), "constraints.0.rest_length", Contradiction, "0 m"),
    (tied(A, constraints=(rod("a", rest_length=1.1),)), "constraints.0.rest_length", Contradiction, "1.1 m"),
    (tied(A, constraints=(rod("a", rest_length=math.nan),)), "constraints.0.rest_length", OutOfRange, "m"),
    (tied(A, constraints=(rod("a", stiffness=1.0),)), "constraints.0.stiffness", Unsupported, "spring"),
    (tied(A, B, constraints=(rod("b", "a"), rod("a", break_force=-1.0))), "constraints.1.break_force", OutOfRange, "N"),
    (tied(A, constraints=(rod("a", anchor=(math.nan, 0.0, 0.0)),)), "constraints.0.anchor", EngineError, "finite"),
    (tied(A, constraints=(dataclasses.replace(spring("a"), stiffness=None),)), "constraints.0.stiffness", EngineError, "N/m"),
    (tied(A, constraints=(spring("a", k=math.inf),)), "constraints.0.stiffness", OutOfRange, "N/m"),
    (tied(A, constraints=(spring("a", damping=-1.0),)), "constraints.0.damping", OutOfRange, "N\\*s/m"),
    (tied(A, gravity=(0.0, math.nan, 0.0)), "physics.gravity.y", OutOfRange, "m/s"),
    (tied(A, linear_damping=math.inf), "physics.linear_damping", OutOfRange, "1/s"),
    (tied(A, air_density=-1.0), "physics.air_density", OutOfRange, "kg/m"),
    (tied(A, timestep=math.nan), "physics.timestep", OutOfRange, "s"),
    (tied(A, keyframes=(Keyframe(1.0, "restitution", 0.5),)), "timeline.keyframes.0.parameter", Unsupported, "restitution"),
    (tied(A, keyframes=(Keyframe(1.0, "gravity.x", 1e9),)), "timeline.keyframes.0.value", OutOfRange, "m/s"),
    (tied(A, constraints=(spring("a", k=1e9),), duration_s=600.0), "duration_s", TooExpensive, "limit"),
    (tied(A, duration_s=600.0, timestep=1e-9), "duration_s", TooExpensive, "limit"),
    (tied(A, constraints=(spring("a", k=1e9),), duration_s=600.0, time_scale=1e10), "duration_s", TooExpensive, "limit"),
]  # fmt: skip


@pytest.mark.parametrize(("given_scene", "field", "kind", "word"), REFUSED, ids=[f"{n} {case[1]}" for n, case in enumerate(REFUSED)])
def test_what_the_solver_cannot_honour_is_refused_by_name(given_scene: Scene, field: str, kind: type[EngineError], word: str) -> None:
    with pytest.raises(kind, match=word) as caught:
        solvers.run(given_scene)
    assert caught.value.field == field


def test_rods_that_leave_no_way_to_move_end_the_run_and_say_so() -> None:
    # A bob on two rods in one line cannot fall, nor can any force hold it: the rods would have to pull without bound.
    taut = tied(point("bob", 1.0, 0.0), constraints=(rod("bob"), dataclasses.replace(rod("bob", anchor=(2.0, 0.0, 0.0)), id="other")))
    run = solvers.run(taut)
    assert run.events.status == "settled_at" and any("no motion" in sentence for sentence in run.warnings)
    assert run.positions[:, 0] == pytest.approx(np.broadcast_to([1.0, 0.0, 0.0], (len(run.times), 3)), abs=1e-2)
    # With forces past the largest number it ends at once.
    light = tied(point("bob", 1.0, 0.0, mass=1e-305), constraints=(spring("bob", k=1e9, rest_length=0.5),), duration_s=0.1, timestep=0.01)
    dead = solvers.run(light)
    assert dead.events.settled_at == 0.0 and np.isfinite(dead.positions).all() and not dead.velocities.any()


def test_progress_grows_and_can_cancel() -> None:
    seen: list[float] = []
    solvers.run(chain(3, 1.0, duration_s=6.0, sag=0.3), seen.append, sample_hz=1.0)
    assert seen[0] == 0.0 and seen[-1] == 1.0 and seen == sorted(seen) and len(seen) > 3

    def cancel(fraction: float) -> None:
        if fraction > 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        solvers.run(chain(3, 1.0, duration_s=6.0, sag=0.3), cancel)


def test_bodies_alone_and_no_bodies_at_all_are_scenes_too() -> None:
    assert solvers.run(tied(duration_s=1.0)).positions.shape == (61, 0, 3)
    still = solvers.run(tied(dataclasses.replace(A, static=True), B, constraints=(rod("a"), spring("b", "a")), duration_s=0.5))
    assert not still.velocities[:, 0].any() and np.isinf(still.masses[0])

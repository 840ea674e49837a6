"""Springs, rods, pendula and chains against their closed forms, and what must stay."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.special

from app.engine.physics import solvers
from app.engine.physics.events import KINDS
from app.engine.physics.scene import Body, Constraint, Keyframe, Scene, Vector
from app.engine.physics.solvers.particles_motion import PiecewiseMotion
from app.engine.physics.trajectory import Trajectory
from tests.databases import COMPILED
from tests.engine.physics.scenes import G, ball, scene

ORIGIN = (0.0, 0.0, 0.0)
WEIGHTLESS = (0.0, 0.0, 0.0)


def tied(*bodies: Body, constraints: tuple[Constraint, ...] = (), duration_s: float = 10.0, **fields: Any) -> Scene:
    fields.setdefault("bounds", None)
    return scene(*bodies, solver="particles", duration_s=duration_s, constraints=constraints, **fields)


def point(name: str, x: float, y: float, z: float = 0.0, *, v: Vector = ORIGIN, **fields: Any) -> Body:
    return Body(name, name, position=(x, y, z), velocity=v, **fields)


def rod(body: str, other: str | None = None, **fields: Any) -> Constraint:
    """A distance between two bodies, or from the origin to one."""
    return Constraint(f"rod {body}", "distance", body, other, None if other else fields.pop("anchor", ORIGIN), **fields)


def spring(body: str, other: str | None = None, *, k: float = 100.0, **fields: Any) -> Constraint:
    """A spring between two bodies, or from the origin to one."""
    return Constraint(f"spring {body}", "spring", body, other, None if other else fields.pop("anchor", ORIGIN), stiffness=k, **fields)


def pendulum(degrees: float, *, length: float = 1.0, duration_s: float = 20.0, **fields: Any) -> Scene:
    angle = math.radians(degrees)
    bob = point("bob", length * math.sin(angle), -length * math.cos(angle))
    return tied(bob, constraints=(rod("bob"),), duration_s=duration_s, **fields)


def double_pendulum(degrees: float, *, periods: float, **fields: Any) -> Scene:
    """Two arms of 1 m with 1 kg each at rest, over so many periods 2 pi sqrt(L / g) of a small swing of one arm."""
    x, y = math.sin(math.radians(degrees)), -math.cos(math.radians(degrees))
    span = periods * 2.0 * math.pi / math.sqrt(G)
    bodies = point("upper", x, y), point("lower", 2.0 * x, 2.0 * y)
    scale = max(span / 100.0, 1.0)
    return tied(*bodies, constraints=(rod("upper"), rod("lower", "upper")), duration_s=span / scale, time_scale=scale, **fields)


def chain(count: int, length: float, *, duration_s: float, sag: float = 0.0) -> Scene:
    """A chain that hangs from the origin, or that is let go as a straight line at an angle of `sag` (rad) from the vertical."""
    a = length / count
    bodies = [point(str(n), a * (n + 1) * math.sin(sag), -a * (n + 1) * math.cos(sag), mass=0.01) for n in range(count)]
    links = [rod("0"), *(rod(str(n), str(n - 1)) for n in range(1, count))]
    return tied(*bodies, constraints=tuple(links), duration_s=duration_s)


def crossings(read: Callable[[np.ndarray], np.ndarray], end: float, looks: int = 4000) -> np.ndarray:
    """The times at which a function of an array of times rises through zero, as roots."""
    times = np.linspace(0.0, end, looks)
    values = read(times)
    steps = np.flatnonzero((values[:-1] < 0.0) & (values[1:] >= 0.0))
    return np.array(
        [scipy.optimize.brentq(lambda t: float(read(np.array([t]))[0]), times[s], times[s + 1], xtol=1e-14, rtol=1e-14) for s in steps]
    )


def place(run: Trajectory, axis: int, body: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    return lambda times: run.motion.at(times)[0][:, body, axis]


def breaks(run: Trajectory) -> np.ndarray:
    return run.events.time[run.events.kind == KINDS.index("break")]


def motion_of(run: Trajectory) -> PiecewiseMotion:
    assert isinstance(run.motion, PiecewiseMotion)
    return run.motion


@pytest.mark.parametrize("degrees", [5.0, 90.0, 170.0])
def test_a_pendulum_swings_in_the_period_of_the_elliptic_integral(degrees: float) -> None:
    run = solvers.run(pendulum(degrees), sample_hz=1.0)
    expected = 4.0 / math.sqrt(G) * float(scipy.special.ellipk(math.sin(math.radians(degrees) / 2.0) ** 2))
    # 5e-13 (measured): forty steps in the shortest turn, of order 8.
    assert np.diff(crossings(place(run, 0), 20.0)) == pytest.approx(expected, rel=1e-8)
    assert np.abs(np.diff(crossings(place(run, 0), 20.0)) / expected - 1.0).max() < 1e-11
    (entry,) = run.closed_form
    assert entry["expected"] == pytest.approx(expected, rel=1e-13) and entry["error"] < 1e-11
    assert run.quantities["period"] == pytest.approx([expected]) and run.quantities["frequency"] == pytest.approx([1.0 / expected])
    assert run.conservation["energy"]["relative"] < 1e-11 and run.warnings == ()


def test_a_pendulum_that_goes_over_the_top_turns_in_the_period_of_the_elliptic_integral() -> None:
    run = solvers.run(tied(point("bob", 0.0, -1.0, v=(7.0, 0.0, 0.0)), constraints=(rod("bob"),), duration_s=12.0), sample_hz=1.0)
    square = 49.0 / (4.0 * G)
    expected = 2.0 / math.sqrt(square * G) * float(scipy.special.ellipk(1.0 / square))
    assert np.diff(crossings(place(run, 0), 12.0)) == pytest.approx(expected, rel=1e-10)
    assert run.closed_form[0]["expected"] == pytest.approx(expected, rel=1e-13) and run.closed_form[0]["error"] < 1e-10


def test_a_conical_pendulum_goes_round_in_three_dimensions() -> None:
    # Equilibrium on a cone of half-angle a: omega^2 = g / (L cos a).
    radius, depth = 0.6, 0.8
    speed = radius * math.sqrt(G / depth)
    run = solvers.run(tied(point("bob", radius, -depth, v=(0.0, 0.0, speed)), constraints=(rod("bob"),)), sample_hz=20.0)
    angle = math.sqrt(G / depth) * run.times
    assert run.positions[:, 0] == pytest.approx(
        np.stack([radius * np.cos(angle), np.full_like(angle, -depth), radius * np.sin(angle)], axis=1), abs=1e-9
    )
    assert run.closed_form == [] and np.isnan(run.quantities["period"][0])


@pytest.mark.parametrize(("k", "mass", "damper", "loss"), [(100.0, 1.0, 0.0, 0.0), (100.0, 1.0, 0.5, 0.0), (40.0, 0.2, 0.1, 0.3)])
def test_a_damped_oscillator_has_its_period_and_its_logarithmic_decrement(k: float, mass: float, damper: float, loss: float) -> None:
    gamma = 0.5 * (damper / mass + loss)
    rate = math.sqrt(k / mass - gamma * gamma)
    hung = tied(point("bob", 0.0, -1.0, mass=mass), constraints=(spring("bob", k=k, damping=damper, rest_length=1.0),), linear_damping=loss)
    run = solvers.run(hung, sample_hz=1.0)
    rest = -1.0 - mass * G / k
    times = crossings(lambda t: run.motion.at(t)[0][:, 0, 1] - rest, 10.0)[:12]
    assert np.diff(times) == pytest.approx(2.0 * math.pi / rate, rel=1e-8)
    assert np.abs(np.diff(times) * rate / (2.0 * math.pi) - 1.0).max() < 1e-10
    speeds = run.motion.at(times)[1][:, 0, 1]
    assert np.log(speeds[:-1] / speeds[1:]) == pytest.approx(gamma * 2.0 * math.pi / rate, rel=1e-8, abs=1e-11)
    assert [entry["what"] for entry in run.closed_form] == ["period of bob", "logarithmic decrement of bob"][: 1 + (gamma > 0)]
    assert all(entry["error"] < 1e-10 for entry in run.closed_form)
    assert ("energy" in run.conservation) == (gamma == 0)


def test_a_chain_of_ten_masses_has_its_ten_normal_modes() -> None:
    # Between two walls, along the line: omega_j = 2 sqrt(k / m) sin(j pi / 22); Goldstein, Poole & Safko 2002, chapter 6.
    k, mass, count, span = 9.0, 0.5, 10, 24.0
    shape = np.array([[math.sin(math.pi * j * (n + 1) / (count + 1)) for n in range(count)] for j in range(1, count + 1)])
    start = 0.004 * shape.sum(axis=0)
    bodies = [point(str(n), n + 1.0 + start[n], 0.0, mass=mass) for n in range(count)]
    links = [spring(str(n), str(n - 1), k=k, rest_length=1.0) for n in range(1, count)]
    ends = spring("0", k=k, rest_length=1.0), spring("9", k=k, rest_length=1.0, anchor=(count + 1.0, 0.0, 0.0))
    run = solvers.run(tied(*bodies, constraints=(*ends, *links), gravity=WEIGHTLESS, duration_s=span), sample_hz=1.0)
    for j in range(1, count + 1):
        rate = 2.0 * math.sqrt(k / mass) * math.sin(math.pi * j / (2.0 * (count + 1)))
        times = crossings(lambda t, j=j: (run.motion.at(t)[0][:, :, 0] - np.arange(1, count + 1)) @ shape[j - 1], span, looks=600)
        assert np.mean(np.diff(times)) * rate / (2.0 * math.pi) == pytest.approx(1.0, abs=1e-8) and len(times) > 2
    assert run.conservation["energy"]["relative"] < 1e-10


MEASURED = """
import json
from app.engine.physics import solvers
from tests.engine.physics import test_particles
solvers.compiled(True)
print(json.dumps(test_particles.measured()))
"""


def energies(run: Trajectory) -> np.ndarray:
    """The energy (J) of a double pendulum at every step, above its lowest."""
    states = motion_of(run).states
    return 0.5 * np.square(states[:, :, 3:6]).sum(axis=(1, 2)) + G * (states[:, 0, 1] + states[:, 1, 1] + 3.0)


def measured() -> dict[str, Any]:
    """What is asked of compiled runs, and hashes to compare with plain ones."""
    found: dict[str, Any] = {"hashes": [solvers.run(one, sample_hz=10.0).hash() for one in compared()]}
    swung = energies(solvers.run(double_pendulum(90.0, periods=1000.0), sample_hz=0.1, limit=10**8))
    found["double pendulum"] = float(np.abs(swung / swung[0] - 1.0).max())
    # A spring of 1 rad/s over 1e5 periods, in 7.3 steps each.
    turns = 1e5
    oscillator = tied(
        point("bob", 1.3, 0.0), constraints=(spring("bob", k=1.0, rest_length=1.0),), gravity=WEIGHTLESS,
        duration_s=600.0, time_scale=turns * 2.0 * math.pi / 600.0, timestep=2.0 * math.pi / 7.3,
    )  # fmt: skip
    states = motion_of(solvers.run(oscillator, sample_hz=0.1, limit=10**8)).states
    off = 0.5 * np.square(states[:, 0, 3]) + 0.5 * np.square(states[:, 0, 0] - 1.0) - 0.5 * 0.09
    tenth = len(off) // 10
    found["trend"] = [float(abs(off[-tenth:].mean() - off[:tenth].mean())), float(np.abs(off).max()), len(off)]
    swing = pendulum(90.0, duration_s=600.0, time_scale=3e3 * 2.3682463 / 600.0, timestep=2.3682463 / 20.3)
    states = motion_of(solvers.run(swing, sample_hz=0.1, limit=10**8)).states
    off = 0.5 * np.square(states[:, 0, 3:6]).sum(axis=1) + G * states[:, 0, 1]
    tenth = len(off) // 10
    found["swing"] = [float(abs(off[-tenth:].mean() - off[:tenth].mean())), float(np.abs(off).max()), len(off)]
    run = solvers.run(chain(100, 5.0, duration_s=1.0, sag=1.0), sample_hz=1.0, limit=10**8)
    links = np.diff(motion_of(run).states[:, :, 0:3], axis=1, prepend=0.0)
    found["chain"] = [float(np.abs(np.linalg.norm(links, axis=2) / 0.05 - 1.0).max()), run.conservation["energy"]["relative"]]
    return found


def compared() -> list[Scene]:
    """Scenes of every kind of link, loss and change."""
    frames = (
        Keyframe(0.5, "gravity.y", -9.0, "linear"), Keyframe(1.0, "gravity.y", -1.0, "exp"), Keyframe(1.5, "gravity.y", -4.0),
        Keyframe(1.2, "linear_damping", 0.4), Keyframe(0.7, "air_density", 3.0, "linear"), Keyframe(1.7, "air_density", 1.0),
    )  # fmt: skip
    pair = ball("a", 1.0, 0.0), ball("b", 2.0, 0.0, z=0.3)
    links = rod("a", break_force=25.0), spring("b", "a", damping=0.3, k=20.0)
    return [
        pendulum(170.0, duration_s=3.0),
        double_pendulum(90.0, periods=1.0),
        tied(*pair, constraints=links, keyframes=frames, duration_s=2.0, air_density=1.2),
        tied(*pair, constraints=(spring("a", damping=0.1, k=20.0), links[1]), duration_s=1.0, air_density=1.2, linear_damping=0.1),
        chain(12, 1.0, duration_s=0.5, sag=0.5),
    ]


@pytest.fixture(scope="module")
def compiled() -> dict[str, Any]:
    """What another process measures on compiled runs."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(COMPILED)}
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_compiled_runs_in_another_process_give_the_bytes_of_plain_ones_here(compiled: dict[str, Any]) -> None:
    assert [solvers.run(one, sample_hz=10.0).hash() for one in compared()] == compiled["hashes"]


def test_a_double_pendulum_keeps_its_energy(compiled: dict[str, Any]) -> None:
    # At every step of 1,000 periods 2 pi sqrt(L / g), not the last alone; 3.2e-10 (measured), and no more than over 100.
    assert compiled["double pendulum"] < 1e-9


def test_over_a_hundred_thousand_periods_the_energy_has_no_trend(compiled: dict[str, Any]) -> None:
    trend, amplitude, rows = compiled["trend"]
    assert trend < 0.01 * amplitude and amplitude > 1e-9 and rows > 7e5


@pytest.mark.slow
def test_with_a_rod_too_the_energy_has_no_trend(compiled: dict[str, Any]) -> None:
    trend, amplitude, rows = compiled["swing"]
    assert trend < 0.01 * amplitude and rows > 6e4


def test_a_chain_of_a_hundred_links_keeps_their_lengths(compiled: dict[str, Any]) -> None:
    length, energy = compiled["chain"]
    assert length < 1e-10 and energy < 1e-9


def test_a_loop_of_rods_with_one_too_many_keeps_all_lengths() -> None:
    bodies = point("a", 1.0, -1.0), point("b", 2.0, -1.0), point("c", 2.0, -2.0, 0.3), point("d", 1.0, -2.0)
    braces = rod("a"), rod("b", "a"), rod("c", "b"), rod("d", "c"), rod("d", "a"), rod("c", "a"), rod("d", "b"), rod("b", "d")
    run = solvers.run(tied(*bodies, constraints=braces, duration_s=2.0), sample_hz=1.0)
    states = motion_of(run).states[:, :, 0:3]
    for one, other in ((0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3)):
        lengths = np.linalg.norm(states[:, one] - states[:, other], axis=1)
        assert np.abs(lengths / lengths[0] - 1.0).max() < 1e-10
    assert run.conservation["energy"]["relative"] < 1e-10 and run.warnings == ()


def test_two_free_bodies_keep_momentum_and_turn_at_their_own_rate() -> None:
    # A dumb-bell: v / L about the common centre, which goes straight on.
    bodies = point("a", 0.0, 0.0, mass=1.0, v=(0.5, 0.0, 0.0)), point("b", 1.0, 0.0, mass=3.0, v=(0.5, 2.0, 0.0))
    run = solvers.run(tied(*bodies, constraints=(rod("a", "b"),), gravity=WEIGHTLESS, duration_s=6.0), sample_hz=20.0)
    apart = run.positions[:, 1] - run.positions[:, 0]
    assert apart[:, 0] == pytest.approx(np.cos(2.0 * run.times), abs=1e-10)
    centre = (run.positions[:, 0] + 3.0 * run.positions[:, 1]) / 4.0
    assert centre[:, 1] == pytest.approx(1.5 * run.times, abs=1e-11)
    assert {name: run.conservation[name]["relative"] < 1e-12 for name in run.conservation} == dict.fromkeys(
        ("energy", "momentum", "angular_momentum"), True
    )


def test_dampers_between_bodies_keep_momentum() -> None:
    bodies = point("a", 0.0, 0.0, v=(0.0, 1.0, 0.0)), point("b", 1.2, 0.0, mass=2.0), point("c", 2.0, 0.3)
    links = spring("a", "b", damping=2.0, rest_length=1.0), spring("b", "c", damping=1.0), rod("c", "a")
    run = solvers.run(tied(*bodies, constraints=links, gravity=WEIGHTLESS, duration_s=3.0), sample_hz=1.0)
    assert "energy" not in run.conservation
    assert run.conservation["momentum"]["relative"] < 1e-12 and run.conservation["angular_momentum"]["relative"] < 1e-12


def test_a_falling_sphere_nears_its_terminal_speed() -> None:
    # v = v_t tanh(g t / v_t), v_t^2 = 2 m g / (rho C_d A).
    run = solvers.run(tied(ball("drop", 0.0, 0.0, radius=0.2), point("mote", 1.0, 0.0), air_density=1.2, duration_s=8.0), sample_hz=20.0)
    terminal = math.sqrt(2.0 * G / (1.2 * 0.47 * math.pi * 0.04))
    assert run.velocities[:, 0, 1] == pytest.approx(-terminal * np.tanh(G * run.times / terminal), rel=1e-10, abs=1e-12)
    # A point has no area.
    assert run.velocities[:, 1, 1] == pytest.approx(-G * run.times, rel=1e-12, abs=1e-13)


def test_drag_on_a_pendulum_agrees_with_an_independent_integration() -> None:
    given_scene = tied(ball("bob", 1.0, 0.0, radius=0.15), constraints=(rod("bob"),), air_density=1.2, linear_damping=0.1, duration_s=6.0)
    run = solvers.run(given_scene, sample_hz=10.0)
    area = 0.5 * 1.2 * 0.47 * math.pi * 0.15**2

    def law(_: float, y: np.ndarray) -> list[float]:
        return [y[1], -G * math.sin(y[0]) - area * abs(y[1]) * y[1] - 0.1 * y[1]]

    truth = scipy.integrate.solve_ivp(law, (0.0, 6.0), [math.pi / 2.0, 0.0], "DOP853", run.times, rtol=1e-12, atol=1e-13).y[0]
    # Drag has a kink in its second derivative where the bob turns back; the steps lose their order there.
    assert run.positions[:, 0, 0] == pytest.approx(np.sin(truth), abs=1e-7)


def test_linear_damping_is_an_exponential_loss_of_velocity() -> None:
    run = solvers.run(tied(point("a", 0.0, 0.0, v=(3.0, 0.0, 1.0)), linear_damping=2.0, gravity=WEIGHTLESS, duration_s=4.0), sample_hz=10.0)
    assert run.velocities[:, 0, 0] == pytest.approx(3.0 * np.exp(-2.0 * run.times), rel=1e-10)
    assert run.positions[:, 0, 2] == pytest.approx(0.5 * (1.0 - np.exp(-2.0 * run.times)), rel=1e-10, abs=1e-13)


def test_gravity_steps_and_ramps_with_its_keyframes() -> None:
    # 0 until 1 s, -2 from there to 2 s, then evenly to -4 at 3 s, then exponentially to -1 at 5 s; score seconds last two.
    frames = (
        Keyframe(1.0, "gravity.y", -2.0), Keyframe(2.0, "gravity.y", -2.0, "linear"), Keyframe(3.0, "gravity.y", -4.0, "exp"),
        Keyframe(5.0, "gravity.y", -1.0),
    )  # fmt: skip
    run = solvers.run(tied(point("a", 0.0, 0.0), gravity=WEIGHTLESS, keyframes=frames, duration_s=6.0, time_scale=2.0), sample_hz=1.0)
    rate = math.log(4.0) / 4.0
    speeds = [0.0, 0.0, -4.0, -10.0, -10.0 - 4.0 * (1.0 - math.exp(-2.0 * rate)) / rate, -10.0 - 3.0 / rate, -12.0 - 3.0 / rate]
    assert run.velocities[:, 0, 1] == pytest.approx(speeds, abs=1e-10)
    pulls = run.motion.acceleration(np.array([1.9, 2.1, 5.0, 7.0, 9.9, 10.1]))[:, 0, 1]
    assert pulls == pytest.approx([0.0, -2.0, -3.0, -4.0 * math.exp(-rate), -math.exp(0.1 * rate), -1.0], abs=1e-8)

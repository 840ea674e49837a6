"""Struck bodies against textbooks, standards and makers' tables, and what is heard of them."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from app.engine.errors import Cancelled, EngineError, TooExpensive
from app.engine.music.mapping import build_score
from app.engine.physics import solvers
from app.engine.physics.events import KINDS
from app.engine.physics.presets import MATERIALS
from app.engine.physics.resonators import BOUNDARIES, modes_of
from app.engine.physics.scene import Body, Constraint, Keyframe, Marker, Orbit, Physics, Scene
from app.engine.physics.solvers import resonator
from app.engine.physics.solvers.resonator_motion import RestingMotion
from app.engine.physics.trajectory import Trajectory
from tests.engine.physics.scenes import scene

INCH, POUND, POUND_FORCE = 0.0254, 0.45359237, 4.4482216152605

STEEL = {"preset": "steel"}
BAR = {"kind": "bar", "length": 0.2, "width": 0.03, "thickness": 0.006}
STRING = {"kind": "string", "length": 0.65, "tension": 70.0, "radius": 0.00015}
DRUM = {"kind": "membrane", "radius": 0.16, "thickness": 0.00019, "tension": 3000.0}
SHEET = {"kind": "membrane", "length": 0.3, "width": 0.2, "thickness": 0.00019, "tension": 3000.0}
PLATE = {"kind": "plate", "length": 0.3, "width": 0.2, "thickness": 0.002}
DISC = {"kind": "plate", "radius": 0.15, "thickness": 0.002, "boundary": "clamped"}
PIPE = {"kind": "pipe", "length": 0.6, "radius": 0.01}


def body(kind: dict[str, Any], name: str = "it", material: dict[str, Any] | None = STEEL, **fields: Any) -> Body:
    return Body(name, name, resonator=kind, material=material, **fields)


def rings(*bodies: Body, duration_s: float = 5.0, **fields: Any) -> Scene:
    return scene(*bodies, solver="resonator", duration_s=duration_s, **fields)


def frequencies(one: Body, **physics: Any) -> tuple[float, ...]:
    return modes_of(one, Physics(**physics), "bodies.0").natural


def strikes(run: Trajectory) -> list[tuple[float, int, float]]:
    assert set(run.events.kind.tolist()) <= {KINDS.index("collision"), KINDS.index("marker")}
    mine = run.events.kind == KINDS.index("collision")
    return list(zip(run.events.time[mine].tolist(), run.events.body[mine].tolist(), run.events.impulse[mine].tolist(), strict=True))


def test_a_guitar_string_sounds_the_note_that_its_maker_names() -> None:
    """Plain steel .010 in: unit weight 2.215e-5 lb/in, 16.2 lb at E4 = 329.63 Hz on a scale of 25.5 in; D'Addario, String
    Tension Specifications.

    The tension is given to three digits, half of the last of which is 2.7 cents.
    """
    string = {"kind": "string", "length": 25.5 * INCH, "tension": 16.2 * POUND_FORCE, "linear_density": 2.215e-5 * POUND / INCH}
    assert frequencies(body(string, material={"damping_ratio": 1e-3}))[0] == pytest.approx(329.63, rel=1.6e-3)
    # The same wire by its gauge and the density of steel. Music wire of this gauge may be off by 0.0002 in, 2 % of it and of the frequency.
    by_gauge = {"kind": "string", "length": 25.5 * INCH, "tension": 16.2 * POUND_FORCE, "radius": 0.005 * INCH}
    assert frequencies(body(by_gauge))[0] == pytest.approx(329.63, rel=0.02)


@pytest.mark.parametrize(("length", "thickness"), [(10.0, 0.25), (6.0, 0.25), (12.0, 0.1875), (7.5, 0.3125)])
def test_a_steel_bar_sounds_as_the_bars_of_an_organ_harp(length: float, thickness: float) -> None:
    """F = 209100 T / L^2 in Hz and inches for bars of 1018 steel, found "very close" on bars of an Aeolian organ harp.

    R. Vance, Mechanical Music Digest, 19 November 2003. Steels differ in E / rho by 2 %, so in frequency by 1 %.
    """
    bar = {"kind": "bar", "length": length * INCH, "width": 1.5 * INCH, "thickness": thickness * INCH}
    assert frequencies(body(bar))[0] == pytest.approx(209100.0 * thickness / length**2, rel=0.01)


def test_youngs_modulus_follows_from_a_bars_frequency_as_the_standard_has_it() -> None:
    """ASTM E1876: E = 0.9465 (m f^2 / b) (L^3 / t^3) T_1 with T_1 = 1 for thin bars."""
    bar = {"kind": "bar", "length": 0.1, "width": 0.01, "thickness": 0.001}
    steel, hz = MATERIALS["steel"], frequencies(body(bar))[0]
    mass = steel["density"] * 0.1 * 0.01 * 0.001
    assert 0.9465 * mass * hz**2 / 0.01 * (0.1 / 0.001) ** 3 == pytest.approx(steel["youngs_modulus"], rel=1e-4)


def test_a_cantilever_sounds_as_the_textbook_says() -> None:
    """f = pi c k / (8 L^2) (1.194^2, 2.988^2, 5^2, 7^2), k = h / sqrt 12: Kinsler et al. (1982), Fundamentals of Acoustics, 3.11."""
    steel = MATERIALS["steel"]
    unit = math.pi * math.sqrt(steel["youngs_modulus"] / steel["density"]) * 0.006 / math.sqrt(12.0) / (8.0 * 0.2**2)
    expected = [unit * factor**2 for factor in (1.194, 2.988, 5.0, 7.0)]
    assert frequencies(body({**BAR, "boundary": "cantilever"}))[:4] == pytest.approx(expected, rel=1e-3)


def test_a_stiff_string_is_stretched_as_the_textbook_says() -> None:
    """f_n = n f_0 sqrt(1 + B n^2), B = pi^3 E r^4 / (4 T L^2): Fletcher & Rossing (1998), section 2.18."""
    wire = {"kind": "string", "length": 0.5, "tension": 700.0, "radius": 0.0005}
    steel = MATERIALS["steel"]
    stiffness = math.pi**3 * steel["youngs_modulus"] * 0.0005**4 / (4.0 * 700.0 * 0.5**2)
    lowest = math.sqrt(700.0 / (steel["density"] * math.pi * 0.0005**2)) / (2.0 * 0.5)
    expected = [n * lowest * math.sqrt(1.0 + stiffness * n * n) for n in range(1, 33)]
    assert frequencies(body(wire)) == pytest.approx(expected, rel=1e-13)
    flexible = frequencies(body(wire, material={"density": steel["density"], "damping_ratio": 1e-4}))
    assert flexible == pytest.approx([n * lowest for n in range(1, 33)], rel=1e-13)


def test_a_drumhead_sounds_by_its_tension_per_metre_of_rim() -> None:
    """f_01 = 2.4048 / (2 pi a) sqrt(T / sigma): Fletcher & Rossing (1998), chapter 3; T = 3000 N / (2 pi 0.16 m)."""
    skin = MATERIALS["skin"]
    expected = 2.4048255577 / (2.0 * math.pi * 0.16) * math.sqrt(3000.0 / (2.0 * math.pi * 0.16) / (skin["density"] * 0.00019))
    assert frequencies(body(DRUM, material={"preset": "skin"}))[0] == pytest.approx(expected, rel=1e-9)
    square = {**SHEET, "width": 0.3}
    side = math.sqrt(3000.0 / 1.2 / (skin["density"] * 0.00019)) / (2.0 * 0.3)
    ratios = [math.sqrt(m * m + n * n) for m, n in ((1, 1), (1, 2), (2, 1), (2, 2))]
    assert frequencies(body(square, material={"preset": "skin"}))[:4] == pytest.approx([side * ratio for ratio in ratios], rel=1e-12)


def test_a_supported_plate_sounds_as_the_textbook_says() -> None:
    """f_mn = 0.453 c_L h ((m/a)^2 + (n/b)^2), c_L = sqrt(E / (rho (1 - nu^2))): Fletcher & Rossing (1998), chapter 3; three digits."""
    steel = MATERIALS["steel"]
    speed = math.sqrt(steel["youngs_modulus"] / (steel["density"] * (1.0 - steel["poisson"] ** 2)))
    expected = 0.453 * speed * 0.002 * ((1.0 / 0.3) ** 2 + (1.0 / 0.2) ** 2)
    assert frequencies(body(PLATE))[0] == pytest.approx(expected, rel=2e-3)
    # pi / (4 sqrt 3) is what the textbook rounds to 0.453.
    assert frequencies(body(PLATE))[0] == pytest.approx(expected / 0.453 * math.pi / (4.0 * math.sqrt(3.0)), rel=1e-13)


def test_a_pipe_sounds_by_the_air_in_it() -> None:
    """c / (2 (L + 2 0.6133 a)), Levine & Schwinger (1948), with c of the U.S. Standard Atmosphere, 1976: 340.294 m/s at 288.15 K."""
    found = frequencies(body(PIPE, material=None), temperature=288.15)
    assert found[:3] == pytest.approx([n * 340.294 / (2.0 * (0.6 + 2.0 * 0.6133 * 0.01)) for n in (1, 2, 3)], rel=2e-5)
    stopped = frequencies(body({**PIPE, "boundary": "stopped"}, material=None), temperature=288.15)
    assert stopped[:3] == pytest.approx([n * 340.294 / (4.0 * (0.6 + 0.6133 * 0.01)) for n in (1, 3, 5)], rel=2e-5)
    # Pitch goes with the root of the temperature, three cents for each degree about room temperature, and not with the pressure.
    warmer = frequencies(body(PIPE, material=None), temperature=289.15, pressure=50000.0)
    assert 1200.0 * math.log2(warmer[0] / found[0]) == pytest.approx(3.0, abs=0.01)


def test_a_wide_short_pipe_keeps_the_modes_whose_waves_are_wide() -> None:
    found = modes_of(body({"kind": "pipe", "length": 0.6, "radius": 0.05}, material=None), Physics(), "bodies.0")
    pipe = 0.6 + 2.0 * 0.6133 * 0.05
    assert 0 < len(found.names) < 32
    assert len(found.names) * math.pi / pipe * 0.05 <= 1.0 < (len(found.names) + 1) * math.pi / pipe * 0.05


def test_every_mode_loses_the_same_part_of_its_energy_in_a_turn() -> None:
    found = modes_of(body(BAR, material={**MATERIALS["steel"], "damping_ratio": 0.01}), Physics(), "bodies.0")
    assert set(found.damping) == {0.01}
    for hz, rate in zip(found.natural, found.decay, strict=True):
        # Down by 60 dB after 3 ln(10) / (2 pi 0.01) = 110 turns, whatever the mode.
        assert 3.0 * math.log(10.0) / rate * hz == pytest.approx(109.94, rel=1e-4)
    assert found.decay_time == pytest.approx(109.94 / found.natural[0], rel=1e-4)
    assert found.frequency[0] == pytest.approx(found.natural[0] * math.sqrt(1.0 - 1e-4), rel=1e-15)


def test_a_string_struck_at_an_eighth_lacks_every_eighth_mode() -> None:
    amplitude = modes_of(body(STRING), Physics(), "bodies.0").amplitude
    assert [n + 1 for n, part in enumerate(amplitude) if part < 1e-12] == [8, 16, 24, 32]
    assert math.fsum(amplitude) == pytest.approx(1.0, rel=1e-15)


def test_a_body_is_struck_by_its_velocity_and_by_markers() -> None:
    given_scene = rings(
        body(BAR, "bar", mass=0.5, velocity=(0.0, 3.0, 4.0)),
        body(BAR, "bar 2", mass=2.0, position=(1.0, 2.0, 3.0)),
        markers=(
            Marker(3.0, "everything"), Marker(1.0, "strike the BAR 2!"), Marker(2.0, "bar"), Marker(2.5, "bar and bar 2"),
            Marker(4.0, "barn"), Marker(5.0, "bar"),
        ),
        time_scale=10.0,
    )  # fmt: skip
    run = solvers.run(given_scene)
    expected = [(0.0, 0, 2.5), (10.0, 1, 2.0), (20.0, 0, 0.5), (25.0, 0, 0.5), (25.0, 1, 2.0)]
    # A name inside a longer word names nothing, and a marker that names nothing strikes all; the last one is past the end.
    assert strikes(run) == [*expected, (30.0, 0, 0.5), (30.0, 1, 2.0), (40.0, 0, 0.5), (40.0, 1, 2.0)]
    first = next(run.events.rows(run.body_ids, 10.0))
    assert (first["speed"], first["energy"], first["other_id"]) == (5.0, 6.25, None)
    assert np.array_equal(run.positions[-1], [(0.0, 0.0, 0.0), (1.0, 2.0, 3.0)])
    assert not run.velocities.any()
    assert run.steps == solvers.check(given_scene) == 9 + 64


def test_what_nothing_strikes_is_named() -> None:
    run = solvers.run(rings(body(BAR, "left"), body(BAR, "right", velocity=(1.0, 0.0, 0.0))))
    assert run.warnings == ("Nothing strikes left: give a body a velocity, or the timeline a marker of its name.",)


def test_thick_bars_and_plates_are_named() -> None:
    (said,) = solvers.run(rings(body({**BAR, "thickness": 0.03}, velocity=(1.0, 0.0, 0.0)))).warnings
    assert "thicker than a tenth" in said


def test_a_pipe_in_air_that_is_hardly_air_is_named() -> None:
    blown = body(PIPE, "organ", material=None, velocity=(1.0, 0.0, 0.0))
    assert solvers.run(rings(blown, temperature=250.0)).warnings == ()
    (said,) = solvers.run(rings(blown, temperature=2000.0)).warnings
    assert "'organ' is at 2000 K. From 200 to 600 K" in said


def test_every_kind_agrees_with_its_textbook() -> None:
    given_scene = rings(
        *(
            body(kind, f"{place}", velocity=(1.0, 0.0, 0.0))
            for place, kind in enumerate(
                (
                    *({**BAR, "boundary": ends} for ends in BOUNDARIES["bar"]), STRING, {**STRING, "boundary": "clamped"},
                    DRUM, SHEET, PLATE, DISC, PIPE, {**PIPE, "boundary": "stopped"},
                )
            )
        )
    )  # fmt: skip
    run = solvers.run(given_scene)
    rows = run.closed_form
    # Five modes each, and the four of the disc whose printed digits are the least exact.
    assert len(rows) == 5 * 11 + 4
    assert all(row["error"] < row["tolerance"] < 1e-3 for row in rows)
    assert max(row["error"] for row in rows if row["tolerance"] == 1e-6) < 1e-8
    assert all(row["source"] for row in rows)
    assert run.warnings == ()
    assert np.array_equal(run.quantities["period"], 1.0 / run.quantities["frequency"])


@pytest.mark.parametrize(
    ("one", "field", "words"),
    [
        (Body("a", "a"), "bodies.0.resonator", "string, bar, membrane, plate, pipe"),
        (body({"kind": "gong"}), "bodies.0.resonator.kind", "string, bar, membrane, plate, pipe"),
        (body({**BAR, "boundary": "open"}), "bodies.0.resonator.boundary", "free or clamped or supported or cantilever"),
        (body({**BAR, "tension": 3.0}), "bodies.0.resonator.tension", "length, width, thickness"),
        (body({**BAR, "length": None}), "bodies.0.resonator.length", "more than 0 to 1000 m"),
        (body({**BAR, "length": -1.0}), "bodies.0.resonator.length", "more than 0 to 1000 m"),
        (body({**BAR, "length": math.nan}), "bodies.0.resonator.length", "more than 0 to 1000 m"),
        (body({**BAR, "length": math.inf}), "bodies.0.resonator.length", "more than 0 to 1000 m"),
        (body({**BAR, "length": True}), "bodies.0.resonator.length", "more than 0 to 1000 m"),
        (body({**BAR, "thickness": 0.3}), "bodies.0.resonator.thickness", "at most 0.2 m"),
        (body({**BAR, "length": 1e-300, "thickness": 1e-300}), "bodies.0.resonator.length", "1e-06 to 1e+09 Hz"),
        (body(BAR, material=None), "bodies.0.material.density", "more than 0 to 30000 kg/m^3"),
        (body(BAR, material={"preset": "unobtainium"}), "bodies.0.material.preset", "steel"),
        (body(BAR, material={"density": 7860.0, "youngs_modulus": 2e11}), "bodies.0.material.damping_ratio", "0 to 1"),
        (body(BAR, material={**MATERIALS["steel"], "damping_ratio": 1.0}), "bodies.0.material.damping_ratio", "below 1"),
        (body(BAR, material={**MATERIALS["steel"], "youngs_modulus": 0.0}), "bodies.0.material.youngs_modulus", "more than 0 to 2e+12 Pa"),
        (body({**STRING, "tension": None}), "bodies.0.resonator.tension", "more than 0 to 1000000 N"),
        (body({**STRING, "radius": None}), "bodies.0.resonator.linear_density", "more than 0 to 100 kg/m"),
        (body({**DRUM, "length": 0.3}), "bodies.0.resonator.radius", "not both"),
        (body({**DRUM, "radius": None}), "bodies.0.resonator.length", "without a radius"),
        (body({**PLATE, "boundary": "free"}), "bodies.0.resonator.boundary", "rectangular (length and width) and supported"),
        (body({**DISC, "boundary": "supported"}), "bodies.0.resonator.boundary", "round (radius) and clamped"),
        (body({**PLATE, "thickness": 1.0}), "bodies.0.resonator.thickness", "at most 0.2 m"),
        (body(PLATE, material={**MATERIALS["steel"], "poisson": -1.0}), "bodies.0.material.poisson", "more than -1, to 0.5"),
        (body({**PIPE, "radius": 1.0}), "bodies.0.resonator.radius", "at most 0.313 m"),
        (body({**PIPE, "radius": 1e-7}), "bodies.0.resonator.radius", "below 1"),
        (body(BAR, mass=0.0), "bodies.0.mass", "kg"),
        (body(BAR, position=(math.nan, 0.0, 0.0)), "bodies.0.position.x", "m"),
        (body(BAR, velocity=(0.0, math.inf, 0.0)), "bodies.0.velocity.y", "m/s"),
        (body(BAR, static=True), "bodies.0.static", "not struck"),
        (body(BAR, orbit=Orbit(None, 1.0)), "bodies.0.orbit", "kepler"),
        (body(BAR, angular_velocity=1.0), "bodies.0.angular_velocity", "rigid"),
    ],
)
def test_what_cannot_ring_is_refused_and_named(one: Body, field: str, words: str) -> None:
    with pytest.raises(EngineError) as caught:
        solvers.run(rings(one))
    assert caught.value.field == field
    assert words in caught.value.message


def test_the_largest_radius_that_a_refusal_names_is_one_that_rings() -> None:
    for boundary in BOUNDARIES["pipe"]:
        with pytest.raises(EngineError) as caught:
            frequencies(body({**PIPE, "boundary": boundary, "radius": 2.0}))
        named = float(caught.value.message.split("at most ")[1].split(" m")[0])
        assert frequencies(body({**PIPE, "boundary": boundary, "radius": 0.99 * named}))
        with pytest.raises(EngineError):
            frequencies(body({**PIPE, "boundary": boundary, "radius": 1.01 * named}))


def test_scenes_that_do_not_fit_are_refused_and_named() -> None:
    pipe, bar = body(PIPE, "pipe", material=None), body(BAR)
    hot = (Keyframe(1.0, "temperature", 300.0),)
    for one, field in (
        (rings(pipe, temperature=0.0), "physics.temperature"),
        (rings(pipe, pressure=0.0), "physics.pressure"),
        (rings(pipe, temperature=math.nan), "physics.temperature"),
        (rings(pipe, keyframes=hot), "timeline.keyframes.0.parameter"),
        (rings(bar, keyframes=(Keyframe(1.0, "gravity.y", 0.0),)), "timeline.keyframes.0.parameter"),
        (rings(bar, constraints=(Constraint("c", "pin", "it"),)), "constraints.0"),
        (rings(bar, time_scale=0.0), "physics.time_scale"),
    ):
        with pytest.raises(EngineError) as caught:
            solvers.run(one)
        assert caught.value.field == field
    assert solvers.run(rings(bar, keyframes=hot, temperature=0.0, pressure=0.0)).steps == 32
    assert len(solvers.run(rings()).events) == 0


def test_more_strikes_than_allowed_are_refused_before_they_are_made() -> None:
    crowd = rings(*(body(BAR, f"bar {n}") for n in range(100)), markers=tuple(Marker(0.001 * n, "all") for n in range(4000)))
    with pytest.raises(TooExpensive):
        solvers.run(crowd)

    def cancel(fraction: float) -> None:
        if fraction > 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        solvers.run(dataclasses.replace(crowd, markers=()), cancel)


def test_the_motion_can_be_kept_in_columns() -> None:
    motion = resonator.motion_of(rings(body(BAR, position=(1.0, 2.0, 3.0))))
    again = RestingMotion.of_columns(motion.columns())
    for one, other in zip(motion.at(np.array([0.0, 1.0])), again.at(np.array([0.0, 1.0])), strict=True):
        assert np.array_equal(one, other)
    assert motion.acceleration(np.zeros(2)).shape == (2, 1, 3)


ORCHESTRA = rings(
    *(body(kind, str(n), velocity=(1.0, 0.0, 0.0)) for n, kind in enumerate((BAR, STRING, DRUM, SHEET, PLATE, DISC, PIPE))),
    markers=(Marker(1.0, "all"), Marker(2.0, "3")),
)

_HASHES = """
from app.engine.music.mapping import build_score
from app.engine.physics import solvers
from tests.engine.physics.test_resonator import ORCHESTRA
run = solvers.run(ORCHESTRA)
print(run.hash(), build_score(ORCHESTRA, run).hash())
"""


@pytest.mark.slow
def test_another_process_gives_the_same_bytes() -> None:
    run = solvers.run(ORCHESTRA)
    theirs = subprocess.run([sys.executable, "-c", _HASHES], capture_output=True, text=True, check=True).stdout.split()
    assert theirs == [run.hash(), build_score(ORCHESTRA, run).hash()]

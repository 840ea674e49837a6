"""Random scenes for every solver: small, of all that it takes and of some that it must refuse."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from app.engine.physics.presets import MATERIALS
from app.engine.physics.resonators import BOUNDARIES, DIMENSIONS
from app.engine.physics.scene import Body, Bounds, Constraint, Keyframe, Marker, Orbit, Scene
from app.engine.physics.solvers import rigid
from tests.engine.physics.scenes import G, orbits, scene

NUMBER = st.floats(-3.0, 3.0, allow_nan=False)
VECTOR = st.tuples(NUMBER, NUMBER, st.sampled_from([0.0, 0.0, 1.5]))
GM = 1.0 / 6.67430e-11
"""The mass (kg) whose gravitational parameter is 1 m^3/s^2."""


@st.composite
def flights(draw: st.DrawFn) -> Scene:
    """Up to six bodies of every kind that `ballistic` allows, in any gravity, with or without walls, damping and keyframes."""
    bodies = []
    for number in range(draw(st.integers(1, 6))):
        x, y, z = draw(VECTOR)
        radius = draw(st.sampled_from([0.0, 0.1, 0.5]))
        bodies.append(
            Body(
                str(number), str(number), "circle" if radius else "point", {"radius": radius} if radius else {},
                mass=draw(st.sampled_from([1e-3, 1.0, 50.0])), position=(1.5 * number + 0.1 * x, y + 4.0, z), velocity=draw(VECTOR),
                restitution=draw(st.sampled_from([None, 0.0, 0.5, 1.0])), static=draw(st.booleans()) and number > 0,
                sensor=draw(st.integers(0, 9)) == 0,
            )
        )  # fmt: skip
    walls = draw(
        st.sampled_from([None, Bounds(), Bounds((-1.0, 0.0, None), (10.0, 8.0, None)), Bounds((None, None, -1.0), (9.0, None, 3.0))])
    )
    frames = (Keyframe(draw(st.floats(0.0, 2.0)), "gravity.y", draw(NUMBER)),) if draw(st.booleans()) else ()
    return scene(
        *bodies,
        duration_s=2.0,
        gravity=(draw(st.sampled_from([0.0, 1.0])), draw(st.sampled_from([0.0, -G, 3.0])), 0.0),
        restitution=draw(st.sampled_from([0.0, 0.6, 1.0])),
        linear_damping=draw(st.sampled_from([0.0, 0.0, 1e-9, 0.5, 30.0])),
        bounds=walls,
        keyframes=frames,
    )


@st.composite
def ellipses(draw: st.DrawFn) -> Scene:
    """A star and up to five bodies on orbits of every form about it or about each other, given by axis, by period or by both."""
    bodies = [Body("0", "0", mass=draw(st.sampled_from([1.0, 5.0])) * GM, position=draw(VECTOR), static=draw(st.booleans()))]
    for number in range(1, draw(st.integers(1, 6))):
        axis = draw(st.sampled_from([None, 0.5, 1.0, 3.0]))
        period = draw(st.floats(0.5, 20.0)) if axis is None or draw(st.integers(0, 9)) == 0 else None
        orbit = Orbit(
            axis, period, eccentricity=draw(st.sampled_from([0.0, 0.0, 0.3, 0.9, 0.999])), mean_anomaly=draw(NUMBER),
            argument_of_periapsis=draw(NUMBER), inclination=draw(st.sampled_from([0.0, 0.0, 1.0, math.pi])),
            longitude_of_node=draw(NUMBER), parent_body_id=str(draw(st.sampled_from([0, 0, 0, number - 1]))),
        )  # fmt: skip
        mass = draw(st.sampled_from([1e-6, 1e-3, 1.0])) * GM
        bodies.append(Body(str(number), str(number), mass=mass, orbit=orbit))
    return orbits(*bodies, duration_s=draw(st.floats(0.1, 20.0)), time_scale=draw(st.sampled_from([1.0, 0.1, 3.0])))


@st.composite
def clusters(draw: st.DrawFn) -> Scene:
    """Two to five bodies of any kind that `nbody` takes, some static, some on orbits, some fast, some at rest."""
    bodies = []
    for number in range(draw(st.integers(2, 5))):
        place = (2.0 * number + 0.3 * draw(NUMBER), draw(NUMBER), draw(st.sampled_from([0.0, 0.0, 0.5])))
        speed = (draw(NUMBER), draw(NUMBER), draw(st.sampled_from([0.0, 0.0, 0.1])))
        body = Body(
            str(number), str(number), mass=draw(st.sampled_from([1e-6, 0.1, 1.0, 5.0])) * GM, position=place,
            velocity=speed if draw(st.booleans()) else (0.0, 0.0, 0.0), static=draw(st.integers(0, 4)) == 0,
        )  # fmt: skip
        if number and draw(st.integers(0, 3)) == 0:
            orbit = Orbit(draw(st.floats(0.5, 3.0)), None, draw(st.sampled_from([0.0, 0.3, 0.9])), draw(NUMBER), parent_body_id="0")
            body = dataclasses.replace(body, static=False, orbit=orbit)
        bodies.append(body)
    return scene(*bodies, solver="nbody", duration_s=2.0, timestep=draw(st.sampled_from([None, 0.02, 0.1])))


@st.composite
def networks(draw: st.DrawFn) -> Scene:
    """Up to five bodies with up to six links of every kind of `particles`, anywhere, in any air, with or without keyframes and breaks."""
    count = draw(st.integers(1, 5))
    bodies = []
    for number in range(count):
        spot = (number + 0.3 * draw(NUMBER), draw(NUMBER), draw(st.sampled_from([0.0, 0.0, 0.7])))
        speed = (draw(NUMBER), draw(NUMBER), 0.0) if draw(st.booleans()) else (0.0, 0.0, 0.0)
        round_ = draw(st.booleans())
        bodies.append(
            Body(
                str(number), str(number), "circle" if round_ else "point", {"radius": 0.2} if round_ else {},
                mass=draw(st.sampled_from([0.01, 1.0, 20.0])), position=spot, velocity=speed, static=draw(st.integers(0, 5)) == 0,
            )
        )  # fmt: skip
    links = []
    for number in range(draw(st.integers(0, 6))):
        body, other = str(draw(st.integers(0, count - 1))), draw(st.sampled_from([None, *(str(n) for n in range(count))]))
        anchor = (draw(NUMBER), draw(NUMBER), 0.0) if other is None else None
        breaking = draw(st.sampled_from([None, None, 5.0, 50.0]))
        one = Constraint(str(number), "distance", body, other, anchor, break_force=breaking)
        if draw(st.booleans()):
            length, damper = draw(st.sampled_from([None, 0.0, 1.0])), draw(st.sampled_from([0.0, 0.5, 5.0]))
            one = dataclasses.replace(one, kind="spring", stiffness=draw(st.sampled_from([1.0, 50.0])), rest_length=length, damping=damper)
        links.append(one)
    names, ways = ("gravity.y", "linear_damping", "air_density"), ("step", "linear", "exp")
    frames = [
        Keyframe(draw(st.floats(0.0, 0.6)), draw(st.sampled_from(names)), draw(st.floats(0.0, 3.0)), draw(st.sampled_from(ways)))
        for _ in range(draw(st.sampled_from([0, 0, 1, 3])))
    ]
    return scene(
        *bodies,
        solver="particles",
        constraints=tuple(links),
        keyframes=tuple(frames),
        duration_s=0.4,
        bounds=None,
        gravity=(0.0, draw(st.sampled_from([0.0, -G])), draw(st.sampled_from([0.0, 1.0]))),
        linear_damping=draw(st.sampled_from([0.0, 0.0, 0.5, 30.0])),
        air_density=draw(st.sampled_from([0.0, 0.0, 1.2])),
        timestep=draw(st.sampled_from([None, None, 0.01])),
    )


SIZES = st.sampled_from([0.05, 0.3, 0.8])
SHAPES = ("point", "circle", "box", "triangle", "concave")


@st.composite
def solids(draw: st.DrawFn, number: int) -> Body:
    """A body of a shape and size that `rigid` knows."""
    shape, size = draw(st.sampled_from(SHAPES)), draw(SIZES)
    outline = {
        "triangle": [[0, 0], [size, 0], [0.2 * size, size]],
        "concave": [[0, 0], [size, 0], [size, size], [0.5 * size, 0.3 * size], [0, size]],
    }
    given_size: dict[str, Any] = {
        "point": {}, "circle": {"radius": size}, "box": {"width": size, "height": 0.5 * size},
    }.get(shape) or ({"vertices": outline[shape]} if shape in outline else {})  # fmt: skip
    return Body(
        str(number), str(number), shape if shape not in outline else "polygon", given_size,
        mass=draw(st.sampled_from([1e-3, 1.0, 50.0])), position=(1.1 * number + 0.1 * draw(NUMBER), draw(NUMBER) + 4.0, 0.0),
        velocity=(draw(NUMBER), draw(NUMBER), 0.0), angle=draw(NUMBER), angular_velocity=draw(st.sampled_from([0.0, 0.0, 5.0])),
        restitution=draw(st.sampled_from([None, 0.0, 0.5, 1.0])), friction=draw(st.sampled_from([None, 0.0, 1.0])),
        static=draw(st.integers(0, 3)) == 0, sensor=draw(st.integers(0, 9)) == 0,
    )  # fmt: skip


@st.composite
def ties(draw: st.DrawFn, number: int, count: int) -> Constraint:
    """A constraint of any kind between any two of `count` bodies, or one of them and a place."""
    other = draw(st.sampled_from([None, *range(count)]))
    anchor = (draw(NUMBER), draw(NUMBER) + 4.0, 0.0) if other is None or draw(st.booleans()) else None
    return Constraint(
        str(number), draw(st.sampled_from(rigid.KINDS)), str(draw(st.integers(0, count - 1))), None if other is None else str(other),
        anchor=anchor, stiffness=draw(st.sampled_from([1.0, 300.0])), damping=draw(st.sampled_from([0.0, 2.0])),
        rest_length=draw(st.sampled_from([None, 0.0, 1.0])), break_force=draw(st.sampled_from([None, None, 1e-3, 30.0])),
    )  # fmt: skip


@st.composite
def heaps(draw: st.DrawFn) -> Scene:
    """Up to six rigid bodies of every kind, tied or not, in any gravity, with or without walls, drag and keyframes."""
    number = draw(st.integers(1, 6))
    frames = {
        0: (),
        1: (Keyframe(draw(st.floats(0.0, 0.5)), "gravity.y", draw(NUMBER)),),
        2: (Keyframe(0.0, "friction", 0.0, "linear"), Keyframe(0.4, "friction", 1.0), Keyframe(0.3, "restitution", 0.3)),
    }[draw(st.integers(0, 2))]
    return scene(
        *(draw(solids(n)) for n in range(number)),
        solver="rigid",
        constraints=tuple(draw(ties(n, number)) for n in range(draw(st.sampled_from([0, 0, 1, 2])))),
        duration_s=0.25,
        gravity=(draw(st.sampled_from([0.0, 1.0])), draw(st.sampled_from([0.0, -G, 3.0])), 0.0),
        restitution=draw(st.sampled_from([0.0, 0.6, 1.0])),
        friction=draw(st.sampled_from([0.0, 0.5])),
        linear_damping=draw(st.sampled_from([0.0, 0.0, 0.5, 30.0])),
        air_density=draw(st.sampled_from([0.0, 0.0, 1.2])),
        timestep=draw(st.sampled_from([None, 1 / 240, 0.02])),
        bounds=draw(st.sampled_from([None, Bounds(), Bounds((-1.0, 0.0, None), (8.0, 8.0, None))])),
        keyframes=frames,
    )


USUAL = {
    "length": (0.1, 5.0), "width": (0.05, 2.0), "thickness": (1e-4, 0.05), "radius": (1e-4, 0.5), "tension": (1.0, 1e5),
    "linear_density": (1e-5, 0.1),
}  # fmt: skip
"""Measures that most resonators could have, from small to large, in SI."""
ODD = st.one_of(st.none(), st.just(0.0), st.just(math.inf), st.floats(min_value=5e-324, max_value=1e6))


def measures(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """A resonator of a kind, mostly with what it needs; one in eight has a measure that is missing or far from anything usual."""
    found: dict[str, Any] = {name: draw(st.floats(*USUAL[name])) for name in DIMENSIONS[kind]}
    if kind in ("membrane", "plate"):
        for name in ("radius",) if draw(st.booleans()) else ("length", "width"):
            found.pop(name)
    if kind == "string":
        found["radius"] = draw(st.sampled_from([None, 1e-4, 1e-3, 0.02]))
    if kind == "pipe":
        found["radius"] *= 0.05
    if draw(st.integers(0, 7)) == 7:
        found[draw(st.sampled_from(DIMENSIONS[kind]))] = draw(ODD)
    ends = "clamped" if kind == "plate" and found.get("radius") else draw(st.sampled_from([None, *BOUNDARIES[kind]]))
    return {"kind": kind, **found, **({"boundary": ends} if ends else {})}


@st.composite
def orchestras(draw: st.DrawFn) -> Scene:
    """Up to four resonators of every kind and material, some of them impossible, struck or not, in any air."""
    bodies = []
    for number in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(sorted(BOUNDARIES)))
        numbers = {
            "density": draw(st.floats(10.0, 3e4)), "youngs_modulus": draw(st.floats(1e6, 2e12)),
            "poisson": draw(st.floats(-1.0, 0.5)), "damping_ratio": draw(st.sampled_from([0.0, 1e-4, 0.02, 0.99])),
        }  # fmt: skip
        material: dict[str, Any] | None = draw(st.sampled_from([*({"preset": name} for name in sorted(MATERIALS)), numbers, numbers]))
        if draw(st.integers(0, 15)) == 15:
            material = draw(st.sampled_from([None, {"density": 1000.0}, {**numbers, "damping_ratio": 1.0}, {"preset": "ice"}]))
        velocity = draw(st.tuples(*[st.sampled_from([0.0, 0.0, 1.0, -3.0, 1e-200])] * 3))
        bodies.append(
            Body(
                str(number), f"bar {number}", resonator=measures(draw, kind), material=material, mass=draw(st.floats(1e-9, 1e9)),
                velocity=velocity,
            )
        )  # fmt: skip
    markers = tuple(
        Marker(draw(st.floats(0.0, 3.0)), draw(st.sampled_from(["bar 0", "all", "BAR 1 and bar 2", "0", "."])))
        for _ in range(draw(st.integers(0, 5)))
    )
    usual = {"temperature": 293.15, "pressure": 101325.0}
    odd = {"temperature": draw(st.sampled_from([0.0, 1e-3, 1e4])), "pressure": draw(st.sampled_from([0.0, 1e-3, 1e7]))}
    air = odd if draw(st.integers(0, 7)) == 7 else usual
    pace = draw(st.sampled_from([1.0, 1e-6, 1e10]))
    return scene(*bodies, solver="resonator", duration_s=2.0, markers=markers, time_scale=pace, **air)


SCENES: Mapping[str, st.SearchStrategy[Scene]] = {
    "ballistic": flights(),
    "kepler": ellipses(),
    "nbody": clusters(),
    "particles": networks(),
    "resonator": orchestras(),
    "rigid": heaps(),
}

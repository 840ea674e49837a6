"""The modes of strings, bars, membranes and plates.

Reference: Fletcher & Rossing (1998), The Physics of Musical Instruments, 2nd ed., chapters 2 and 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.engine.catalogue import RESONATOR
from app.engine.errors import Contradiction, EngineError, OutOfRange, Unsupported
from app.engine.physics import modes
from app.engine.physics.resonators.kinds import MODES
from app.engine.physics.resonators.reading import Reader

STRING_AT, BAR_AT, RECTANGLE_AT, ROUND_AT = 0.125, 0.3, (0.3, 0.4), 0.75
"""Where a body is struck, in parts of its length, of length and width, or of its radius. Bars with a free end are struck at it, and the air
of a pipe at an open end."""

SLENDER = 0.1
"""Thickness over length past which a thin bar's or plate's frequencies are noticeably too high; a run then warns."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The modes before damping."""

    names: tuple[str, ...]
    ratio: tuple[float, ...]
    first: float
    shape: tuple[float, ...]
    stiffness: float = 0.0
    warnings: tuple[str, ...] = ()


def _string(read: Reader) -> Outline:
    """A string: f_n = x_n / (2 pi L) sqrt(T / mu) sqrt(1 + B (x_n / pi)^2), with x_n = n pi between supported ends."""
    length, tension = read.measure("length"), read.measure("tension")
    density, modulus = read.mattered("density"), read.mattered("youngs_modulus")
    linear, radius = read.measured("linear_density"), read.measured("radius")
    if linear is None:
        if radius is None or density is None:
            quantity = RESONATOR["linear_density"]
            raise read.refusal(
                EngineError,
                "linear_density",
                f"A string needs a linear_density in the range {quantity.range_text}, or a radius and a density of its material.",
            )
        linear = math.pi * radius * radius * density
    if radius is None and density is not None:
        radius = math.sqrt(linear / (math.pi * density))
    stiffness = 0.0
    if radius is not None and modulus is not None:
        stiffness = math.pi**3 * modulus * radius**4 / (4.0 * tension * length * length)
    roots = modes.string_roots(read.boundary == "clamped", stiffness, MODES)
    bent = [root * math.sqrt(1.0 + stiffness * (root / math.pi) ** 2) for root in roots]
    numbers = range(1, MODES + 1)
    return Outline(
        names=tuple(str(n) for n in numbers),
        ratio=tuple(one / bent[0] for one in bent),
        first=bent[0] / (math.tau * length) * math.sqrt(tension / linear),
        shape=tuple(2.0 * math.sin(math.pi * n * STRING_AT) ** 2 for n in numbers),
        stiffness=stiffness,
    )


def _bar(read: Reader) -> Outline:
    """A thin bar of rectangular section: f_n = b_n^2 / (2 pi L^2) h / sqrt(12) sqrt(E / rho); the width does not matter."""
    length, thickness = read.measure("length"), read.measure("thickness")
    density, modulus = read.matter("density"), read.matter("youngs_modulus")
    if thickness > length:
        raise read.refusal(Contradiction, "thickness", f"a bar bends along its length: thickness must be at most {length:g} m.")
    ends = read.boundary
    roots = modes.bar_roots(ends, MODES)
    place = {"free": 0.0, "cantilever": 1.0}.get(ends, BAR_AT)
    return Outline(
        names=tuple(str(n) for n in range(1, MODES + 1)),
        ratio=tuple((root / roots[0]) ** 2 for root in roots),
        first=roots[0] ** 2 / (math.tau * length * length) * thickness * math.sqrt(modulus / (12.0 * density)),
        shape=tuple(modes.bar_shape(ends, root, place) ** 2 for root in roots),
        warnings=_thick(read, thickness, length),
    )


def _membrane(read: Reader) -> Outline:
    """A membrane in vacuum: f = k / (2 pi) sqrt(T / sigma), T its tension per metre of rim and sigma its mass per area."""
    sides, radius = _outline(read)
    density, thickness, tension = read.matter("density"), read.measure("thickness"), read.measure("tension")
    rim = math.tau * radius if sides is None else 2.0 * (sides[0] + sides[1])
    speed = math.sqrt(tension / rim / (density * thickness))
    if sides is None:
        roots = modes.membrane_roots(MODES)
        shape = [modes.membrane_shape(root, ROUND_AT) for root in roots]
        first = roots[0].value / radius
    else:
        roots = modes.rectangle_roots(*sides, MODES)
        shape = [modes.rectangle_shape(root, *RECTANGLE_AT) for root in roots]
        first = roots[0].value
    ratio = tuple(root.value / roots[0].value for root in roots)
    return Outline(_pairs(roots), ratio, first / math.tau * speed, tuple(one * one for one in shape))


def _plate(read: Reader) -> Outline:
    """A thin plate: f = k^2 / (2 pi) sqrt(D / (rho h)), D = E h^3 / (12 (1 - nu^2))."""
    sides, radius = _outline(read)
    held = "clamped" if sides is None else "supported"
    if read.boundary != held:
        raise read.refusal(
            Unsupported,
            "boundary",
            f"plates are rectangular (length and width) and supported, or round (radius) and clamped; not {read.boundary}.",
        )
    density, modulus, poisson = read.matter("density"), read.matter("youngs_modulus"), read.matter("poisson")
    thickness, smallest = read.measure("thickness"), radius if sides is None else min(sides)
    if thickness > smallest:
        raise read.refusal(Contradiction, "thickness", f"a plate is thin: thickness must be at most {smallest:g} m.")
    if poisson <= -1.0:
        raise read.refusal(OutOfRange, "poisson", "Poisson's ratio of a plate must be more than -1, to 0.5.", "material")
    bending = thickness * math.sqrt(modulus / (12.0 * density * (1.0 - poisson * poisson)))
    if sides is None:
        roots = modes.round_plate_roots(MODES)
        shape = [modes.round_plate_shape(root, ROUND_AT) for root in roots]
        first = (roots[0].value / radius) ** 2
    else:
        roots = modes.rectangle_roots(*sides, MODES)
        shape = [modes.rectangle_shape(root, *RECTANGLE_AT) for root in roots]
        first = roots[0].value ** 2
    return Outline(
        names=_pairs(roots),
        ratio=tuple((root.value / roots[0].value) ** 2 for root in roots),
        first=first / math.tau * bending,
        shape=tuple(one * one for one in shape),
        warnings=_thick(read, thickness, smallest),
    )


def _pairs(roots: tuple[modes.Root, ...]) -> tuple[str, ...]:
    return tuple(f"({root.m}, {root.n})" for root in roots)


def _outline(read: Reader) -> tuple[tuple[float, float] | None, float]:
    """The sides of a rectangle, or None and the radius of a circle."""
    radius, sides = read.measured("radius"), [read.measured("length"), read.measured("width")]
    if radius is None:
        return (read.measure("length", " without a radius"), read.measure("width", " without a radius")), 0.0
    if sides != [None, None]:
        raise read.refusal(Contradiction, "radius", f"a {read.kind} has a radius, or a length and a width, not both.")
    return None, radius


def _thick(read: Reader, thickness: float, length: float) -> tuple[str, ...]:
    if thickness <= SLENDER * length:
        return ()
    return (
        f"Body {read.body.name!r} is thicker than a tenth of its size: the real frequencies of such a {read.kind} are lower than those "
        f"of thin ones, which it has here, and its high modes most so.",
    )


SOLIDS: Mapping[str, Callable[[Reader], Outline]] = {"string": _string, "bar": _bar, "membrane": _membrane, "plate": _plate}

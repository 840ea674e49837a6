"""What a body's resonator and material say about how it rings: the modes of a string, bar, membrane, plate or air column.

References
----------
Fletcher, Rossing (1998), The Physics of Musical Instruments, 2nd ed., sections 2.13 to 2.18, 3.2, 3.5, 3.6 and 8.2.
Cremer, Heckl, Petersson (2005), Structure-Borne Sound, 3rd ed., section 3.2 (loss factors that hardly depend on the frequency).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.engine.catalogue import MATERIAL, PHYSICS, RESONATOR
from app.engine.errors import Contradiction, EngineError, OutOfRange, Unsupported
from app.engine.physics import modes
from app.engine.physics.air import END_CORRECTION, Air, Pipe
from app.engine.physics.presets import MATERIALS
from app.engine.physics.scene import Body, Physics
from app.engine.quantity import Quantity

BOUNDARIES = {
    "string": ("supported", "clamped"),
    "bar": ("free", "clamped", "supported", "cantilever"),
    "membrane": ("clamped",),
    "plate": ("supported", "clamped", "free"),
    "pipe": ("open", "stopped"),
}
"""How each kind can be held, what is meant without a word first. All ends and edges alike, but for the cantilever, which is a bar clamped
at one end and free at the other, and the stopped pipe, which is open at one end."""

DIMENSIONS = {
    "string": ("length", "radius", "tension", "linear_density"),
    "bar": ("length", "width", "thickness"),
    "membrane": ("length", "width", "radius", "thickness", "tension"),
    "plate": ("length", "width", "radius", "thickness"),
    "pipe": ("length", "radius"),
}
"""What each kind has of the measures in `app.engine.catalogue.RESONATOR`."""

MODES = 32
"""Modes that are found of each body, the lowest; an air column has fewer where waves are no longer much wider than the pipe."""

STRING_AT, BAR_AT, RECTANGLE_AT, ROUND_AT = 0.125, 0.3, (0.3, 0.4), 0.75
"""Where a body is struck, in parts of its length, of length and width, or of its radius. Bars with a free end are struck at it, and the air
of a pipe at an open end."""

WIDEST = 1.0
"""Largest k a (radius times wave number) of a mode of an air column: its end correction and losses hold for waves wider than that."""

SLENDER = 0.1
"""Thickness over length past which a thin bar's or plate's frequencies are noticeably too high; a run then warns."""

SLOWEST, FASTEST = 1e-6, 1e9
"""Hz between which a first mode must lie."""


@dataclass(frozen=True, slots=True)
class Modes:
    """The modes of a body, the slowest first; all columns have the same length, at least 1.

    Attributes
    ----------
    boundary : how the body is held, of BOUNDARIES
    names : the numbers of each mode, as `2` or `(1, 1)`
    ratio : the frequency without damping over that of the first mode
    natural : Hz, without damping
    damping : damping ratios, below 1
    shape : the square of the mode's shape at the struck point, its mean square over the body being 1
    stiffness : of a string, B = pi^2 E I / (T L^2); else 0
    warnings : sentences for the user
    """

    boundary: str
    names: tuple[str, ...]
    ratio: tuple[float, ...]
    natural: tuple[float, ...]
    damping: tuple[float, ...]
    shape: tuple[float, ...]
    stiffness: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def frequency(self) -> tuple[float, ...]:
        """Hz, as they ring: f sqrt(1 - zeta^2)."""
        return tuple(f * math.sqrt(1.0 - z * z) for f, z in zip(self.natural, self.damping, strict=True))

    @property
    def decay(self) -> tuple[float, ...]:
        """Rates (1/s) at which the amplitudes fall: 2 pi f zeta."""
        return tuple(math.tau * f * z for f, z in zip(self.natural, self.damping, strict=True))

    @property
    def amplitude(self) -> tuple[float, ...]:
        """What each adds to the displacement of the struck point after a blow there, signless; their sum is 1.

        By modal superposition an impulse J on a body of mass M gives J phi_n^2 / (M w_n) exp(-decay t) sin(w_n t).
        """
        parts = [part / f for part, f in zip(self.shape, self.frequency, strict=True)]
        whole = math.fsum(parts)
        return tuple(part / whole for part in parts)

    @property
    def decay_time(self) -> float:
        """Seconds until the mode that rings longest has fallen by 60 dB; infinite without damping."""
        slowest = min(self.decay)
        return 3.0 * math.log(10.0) / slowest if slowest > 0.0 else math.inf


@dataclass(frozen=True, slots=True)
class _Found:
    """The modes before damping."""

    names: tuple[str, ...]
    ratio: tuple[float, ...]
    first: float
    shape: tuple[float, ...]
    stiffness: float = 0.0
    warnings: tuple[str, ...] = ()


class _Reader:
    """A body's resonator and material, read number by number; what is missing is refused with its path, range and unit."""

    def __init__(self, body: Body, path: str) -> None:
        self.body, self.path = body, path
        self.resonator: Mapping[str, Any] = body.resonator or {}
        self.material = _material(body.material, f"{path}.material")
        self.kind = str(self.resonator.get("kind"))
        self.boundary = ""

    def measure(self, name: str, why: str = "") -> float:
        """A measure of the resonator that must be there."""
        return self._needed(RESONATOR[name], self.resonator, "resonator", why)

    def matter(self, name: str) -> float:
        """A number of the material that must be there."""
        return self._needed(MATERIAL[name], self.material, "material")

    def measured(self, name: str) -> float | None:
        """A measure of the resonator, None where it is not given."""
        return self._given(RESONATOR[name], self.resonator, "resonator")

    def mattered(self, name: str) -> float | None:
        """A number of the material, None where it is not given."""
        return self._given(MATERIAL[name], self.material, "material")

    def refusal(self, kind: type[EngineError], name: str, text: str, part: str = "resonator") -> EngineError:
        """The error for a part of the body."""
        return kind(f"Body {self.body.name!r}: {text}", f"{self.path}.{part}.{name}")

    def _needed(self, quantity: Quantity, given: Mapping[str, Any], part: str, why: str = "") -> float:
        value = self._given(quantity, given, part)
        if value is None:
            whose = f"A {self.kind}{why} needs" if part == "resonator" else f"The material of a {self.kind} needs"
            name = quantity.name
            raise self.refusal(EngineError, name, f"{whose} a {name} in the range {quantity.range_text}.", part)
        return value

    def _given(self, quantity: Quantity, given: Mapping[str, Any], part: str) -> float | None:
        value = given.get(quantity.name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refusal(EngineError, quantity.name, f"{quantity.name} must be a number in the range {quantity.range_text}.", part)
        return quantity.check(float(value), f"{self.path}.{part}.{quantity.name}")


def modes_of(body: Body, physics: Physics, path: str) -> Modes:
    """The modes of a body's resonator.

    Parameters
    ----------
    physics : its temperature and pressure are those of the air in a pipe
    path : where the body is, for messages: `bodies.0`

    Raises
    ------
    EngineError : a measure or number that is missing, out of range or against another; `field` is its path
    """
    if body.resonator is None:
        raise EngineError(
            f"Body {body.name!r} has nothing that rings: give it a resonator of the kind {', '.join(BOUNDARIES)}.", f"{path}.resonator"
        )
    read = _Reader(body, path)
    _check_kind(read)
    if read.kind == "pipe":
        return _pipe(read, physics)
    found = _outlined(read)
    damping = read.matter("damping_ratio")
    if damping >= 1.0:
        raise read.refusal(OutOfRange, "damping_ratio", "a damping_ratio of 1 and more lets nothing ring; it must be below 1.", "material")
    return Modes(
        boundary=read.boundary,
        names=found.names,
        ratio=found.ratio,
        natural=tuple(found.first * ratio for ratio in found.ratio),
        damping=(damping,) * len(found.ratio),
        shape=found.shape,
        stiffness=found.stiffness,
        warnings=found.warnings,
    )


def _outlined(read: _Reader) -> _Found:
    """The modes of something solid. Numbers so far apart that no frequency comes out are refused."""
    try:
        found = _SOLID[read.kind](read)
    except (ZeroDivisionError, OverflowError):
        raise read.refusal(OutOfRange, "length", _unheard(math.nan)) from None
    if not SLOWEST <= found.first <= FASTEST:
        raise read.refusal(OutOfRange, "length", _unheard(found.first))
    return found


def _unheard(hz: float) -> str:
    return f"its first mode would be at {hz:.3g} Hz; size and material must bring it to {SLOWEST:g} to {FASTEST:g} Hz."


def _material(given: Mapping[str, Any] | None, path: str) -> Mapping[str, Any]:
    """The numbers of a material, of a preset those of its table."""
    preset = (given or {}).get("preset")
    if preset is None:
        return given or {}
    if preset not in MATERIALS:
        raise EngineError(f"Must be one of {', '.join(MATERIALS)}.", f"{path}.preset")
    return MATERIALS[preset]


def _check_kind(read: _Reader) -> None:
    if read.kind not in BOUNDARIES:
        raise read.refusal(EngineError, "kind", f"the kind of a resonator must be one of {', '.join(BOUNDARIES)}.")
    read.boundary = str(read.resonator.get("boundary") or BOUNDARIES[read.kind][0])
    if read.boundary not in BOUNDARIES[read.kind]:
        raise read.refusal(Unsupported, "boundary", f"a {read.kind} is {' or '.join(BOUNDARIES[read.kind])}, not {read.boundary}.")
    for name in RESONATOR:
        if name not in DIMENSIONS[read.kind] and read.measured(name) is not None:
            raise read.refusal(Contradiction, name, f"a {read.kind} has no {name}; it has {', '.join(DIMENSIONS[read.kind])}.")


def _string(read: _Reader) -> _Found:
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
    return _Found(
        names=tuple(str(n) for n in numbers),
        ratio=tuple(one / bent[0] for one in bent),
        first=bent[0] / (math.tau * length) * math.sqrt(tension / linear),
        shape=tuple(2.0 * math.sin(math.pi * n * STRING_AT) ** 2 for n in numbers),
        stiffness=stiffness,
    )


def _bar(read: _Reader) -> _Found:
    """A thin bar of rectangular section: f_n = b_n^2 / (2 pi L^2) h / sqrt(12) sqrt(E / rho); the width does not matter."""
    length, thickness = read.measure("length"), read.measure("thickness")
    density, modulus = read.matter("density"), read.matter("youngs_modulus")
    if thickness > length:
        raise read.refusal(Contradiction, "thickness", f"a bar bends along its length: thickness must be at most {length:g} m.")
    ends = read.boundary
    roots = modes.bar_roots(ends, MODES)
    place = {"free": 0.0, "cantilever": 1.0}.get(ends, BAR_AT)
    return _Found(
        names=tuple(str(n) for n in range(1, MODES + 1)),
        ratio=tuple((root / roots[0]) ** 2 for root in roots),
        first=roots[0] ** 2 / (math.tau * length * length) * thickness * math.sqrt(modulus / (12.0 * density)),
        shape=tuple(modes.bar_shape(ends, root, place) ** 2 for root in roots),
        warnings=_thick(read, thickness, length),
    )


def _membrane(read: _Reader) -> _Found:
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
    return _Found(_pairs(roots), ratio, first / math.tau * speed, tuple(one * one for one in shape))


def _plate(read: _Reader) -> _Found:
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
    return _Found(
        names=_pairs(roots),
        ratio=tuple((root.value / roots[0].value) ** 2 for root in roots),
        first=first / math.tau * bending,
        shape=tuple(one * one for one in shape),
        warnings=_thick(read, thickness, smallest),
    )


def _pairs(roots: tuple[modes.Root, ...]) -> tuple[str, ...]:
    return tuple(f"({root.m}, {root.n})" for root in roots)


def _outline(read: _Reader) -> tuple[tuple[float, float] | None, float]:
    """The sides of a rectangle, or None and the radius of a circle."""
    radius, sides = read.measured("radius"), [read.measured("length"), read.measured("width")]
    if radius is None:
        return (read.measure("length", " without a radius"), read.measure("width", " without a radius")), 0.0
    if sides != [None, None]:
        raise read.refusal(Contradiction, "radius", f"a {read.kind} has a radius, or a length and a width, not both.")
    return None, radius


def _thick(read: _Reader, thickness: float, length: float) -> tuple[str, ...]:
    if thickness <= SLENDER * length:
        return ()
    return (
        f"Body {read.body.name!r} is thicker than a tenth of its size: the real frequencies of such a {read.kind} are lower than those "
        f"of thin ones, which it has here, and its high modes most so.",
    )


def _pipe(read: _Reader, physics: Physics) -> Modes:
    """An air column: f_n = n c / (2 L') open at both ends, (2n - 1) c / (4 L') stopped, L' with the correction of each open end.

    Its losses are those of the air, unless its material gives a damping ratio in numbers; what the wall is made of does not matter.
    """
    air = _air(physics)
    pipe = Pipe(read.measure("length"), read.measure("radius"), read.boundary == "stopped")
    numbers = range(1, _plane_modes(read, pipe) + 1)
    given = None if "preset" in (read.body.material or {}) else read.mattered("damping_ratio")
    try:
        damping = tuple(pipe.damping_ratio(n, air) if given is None else given for n in numbers)
    except (ZeroDivisionError, OverflowError):
        damping = (math.inf,)
    if not max(damping) < 1.0:
        name, part = ("radius", "resonator") if given is None else ("damping_ratio", "material")
        raise read.refusal(OutOfRange, name, f"the damping ratio would be {max(damping):.3g}; nothing rings unless it is below 1.", part)
    natural = tuple(pipe.wave_number(n) * air.speed_of_sound / math.tau for n in numbers)
    if not SLOWEST <= natural[0] <= FASTEST:
        raise read.refusal(OutOfRange, "length", _unheard(natural[0]))
    harmonics = tuple(2 * n - 1 if pipe.stopped else n for n in numbers)
    return Modes(
        boundary=read.boundary,
        names=tuple(str(n) for n in harmonics),
        ratio=tuple(one / natural[0] for one in natural),
        natural=natural,
        damping=damping,
        shape=(2.0,) * len(natural),
    )


def _plane_modes(read: _Reader, pipe: Pipe) -> int:
    """How many modes have waves wide enough against the pipe; the first must."""
    width = pipe.wave_number(1) * pipe.radius
    if width > WIDEST:
        quarters = 0.5 * math.pi if pipe.stopped else math.pi
        radius = WIDEST * pipe.length / (quarters - WIDEST * pipe.open_ends * END_CORRECTION)
        raise read.refusal(
            Contradiction, "radius", f"a pipe of {pipe.length:g} m is longer than wide: its radius must be at most {radius:.3g} m."
        )
    if width * 2 * MODES <= WIDEST:
        return MODES
    return min(math.floor(0.5 * WIDEST / width + 0.5) if pipe.stopped else math.floor(WIDEST / width), MODES)


def _air(physics: Physics) -> Air:
    for name in ("temperature", "pressure"):
        PHYSICS[name].check(getattr(physics, name), f"physics.{name}")
        if getattr(physics, name) <= 0.0:
            unit = PHYSICS[name].unit
            raise Contradiction(f"A pipe needs air in it: the {name} must be more than 0 {unit}.", f"physics.{name}")
    return Air(physics.temperature, physics.pressure)


_SOLID: Mapping[str, Callable[[_Reader], _Found]] = {"string": _string, "bar": _bar, "membrane": _membrane, "plate": _plate}

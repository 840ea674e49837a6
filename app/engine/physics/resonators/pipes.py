"""The modes of the air in a pipe."""

from __future__ import annotations

import math

from app.engine.catalogue import PHYSICS
from app.engine.errors import Contradiction, OutOfRange
from app.engine.physics.air import END_CORRECTION, HEAT_RATIO, Air, Pipe
from app.engine.physics.resonators.kinds import MODES, Modes
from app.engine.physics.resonators.reading import Reader
from app.engine.physics.scene import Physics

WIDEST = 1.0
"""Largest k a (radius times wave number) of a mode of an air column. Its end correction and losses are those of long waves; towards this
limit the true correction falls, and the modes lie a little higher than they are found."""

ORDINARY_AIR = (200.0, 600.0)
"""Temperatures (K) between which air is nearly an ideal gas of constant specific heats; a pipe in other air warns."""


def pipe_modes(read: Reader, physics: Physics) -> Modes:
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
    read.check_first(natural[0])
    harmonics = tuple(2 * n - 1 if pipe.stopped else n for n in numbers)
    return Modes(
        boundary=read.boundary,
        names=tuple(str(n) for n in harmonics),
        ratio=tuple(one / natural[0] for one in natural),
        natural=natural,
        damping=damping,
        shape=(2.0,) * len(natural),
        warnings=_unusual(read, air),
    )


def _unusual(read: Reader, air: Air) -> tuple[str, ...]:
    low, high = ORDINARY_AIR
    if low <= air.temperature <= high:
        return ()
    return (
        f"The air in {read.body.name!r} is at {air.temperature:g} K. From {low:g} to {high:g} K the ratio of its specific heats is "
        f"{HEAT_RATIO:g} within 2 %, and the pitch right within 1 %; outside it is further off.",
    )


def _plane_modes(read: Reader, pipe: Pipe) -> int:
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

"""How a body rings, by its resonator and material: the modes of a string, bar, membrane, plate or air column.

References
----------
Fletcher, Rossing (1998), The Physics of Musical Instruments, 2nd ed., chapters 2, 3 and 8.
Cremer, Heckl, Petersson (2005), Structure-Borne Sound, 3rd ed., chapter 3 (loss factors, which hardly depend on the frequency).
"""

from __future__ import annotations

import math

from app.engine.errors import EngineError, OutOfRange
from app.engine.physics.resonators.kinds import BOUNDARIES, DIMENSIONS, MODES, Modes
from app.engine.physics.resonators.pipes import pipe_modes
from app.engine.physics.resonators.reading import Reader
from app.engine.physics.resonators.solids import SOLIDS, Outline
from app.engine.physics.scene import Body, Physics

__all__ = ["BOUNDARIES", "DIMENSIONS", "MODES", "Modes", "modes_of"]


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
    read = Reader(body, path)
    if read.kind == "pipe":
        return pipe_modes(read, physics)
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


def _outlined(read: Reader) -> Outline:
    """The modes of something solid. Numbers so far apart that no frequency comes out are refused."""
    try:
        found = SOLIDS[read.kind](read)
    except (ZeroDivisionError, OverflowError):
        read.check_first(math.nan)
        raise
    read.check_first(found.first)
    return found

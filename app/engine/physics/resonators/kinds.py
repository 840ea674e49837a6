"""What can ring: the kinds of resonators with their measures, and the modes of one."""

from __future__ import annotations

import math
from dataclasses import dataclass

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

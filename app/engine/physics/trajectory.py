"""Trajectories: where every body is at any time, and the samples and hash of a run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from app.engine.physics.events import Events


class Motion(Protocol):
    """The continuous motion that a solver found; exact or dense output, never a nearest sample."""

    def at(self, times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions (T, N, 3) in m and velocities (T, N, 3) in m/s at simulated times (T,) in s, any order."""
        ...

    def acceleration(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Accelerations (T, N, 3) in m/s^2 at simulated times (T,) in s; collisions are instants and do not show."""
        ...

    def columns(self) -> dict[str, Any]:
        """Arrays from which the solver restores the motion for its scene; none where it follows from the scene alone."""
        ...


@runtime_checkable
class Turning(Protocol):
    """The motion of bodies that turn, beside `Motion`."""

    def turned(self, times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Angles (T, N) in rad, not wrapped, and rates (T, N) in rad/s about z at simulated times (T,) in s, any order."""
        ...


@dataclass(frozen=True)
class Trajectory:
    """A finished run.

    Attributes
    ----------
    body_ids : ids in scene order; N bodies
    times : float64 (T,), simulated seconds, evenly spaced from 0 to the end of the run
    positions, velocities : float64 (T, N, 3), m and m/s
    masses : float64 (N,), kg; infinite for static bodies
    motion : the continuous motion behind the samples
    events : what happened, exactly when
    steps : work done, counted in solver steps or events
    conservation : {"energy": {"initial", "final", "drift", "relative"}, "momentum": ..., "angular_momentum": ...}; J, kg m/s, kg m^2/s
    closed_form : [{"what", "expected", "measured", "error", "unit", "source"}] where a textbook answer exists
    quantities : {name: float64 (N,)} of what stays constant for each body, such as `period` (s) and `frequency` (Hz); nan where undefined
    warnings : sentences for the user
    angles : float64 (T, N), rad, of a solver whose bodies turn; None of others
    """

    body_ids: tuple[str, ...]
    times: NDArray[np.float64]
    positions: NDArray[np.float64]
    velocities: NDArray[np.float64]
    masses: NDArray[np.float64]
    motion: Motion
    events: Events
    steps: int
    conservation: dict[str, Any] = field(default_factory=dict)
    closed_form: list[dict[str, Any]] = field(default_factory=list)
    quantities: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    angles: NDArray[np.float64] | None = None

    def hash(self) -> str:
        """SHA-256, in hex, over the little-endian columns of the samples and events in a fixed order."""
        digest = hashlib.sha256()
        events = self.events
        columns = (
            self.times, self.positions, self.velocities, events.time, events.kind, events.body, events.other,
            events.impulse, events.energy, events.speed, events.position, events.value, *(() if self.angles is None else (self.angles,)),
        )  # fmt: skip
        for column in columns:
            kind = "<i8" if column.dtype.kind == "i" else "<f8"
            digest.update(np.ascontiguousarray(column, dtype=kind).tobytes())
        return digest.hexdigest()

"""The motion of bodies that ring where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RestingMotion:
    """Bodies that stay at their `places` (N, 3), in m."""

    places: Array

    def at(self, times: Array) -> tuple[Array, Array]:
        """Positions (m) and velocities (m/s), (T, N, 3), at simulated times (T,)."""
        positions = np.repeat(self.places[None], len(times), axis=0)
        return positions, np.zeros_like(positions)

    def acceleration(self, times: Array) -> Array:
        """Accelerations (T, N, 3), m/s^2: none."""
        return np.zeros((len(times), *self.places.shape))

    def columns(self) -> dict[str, Array]:
        """What the motion is made of, to be kept in files."""
        return {"places": self.places}

    @classmethod
    def of_columns(cls, columns: Mapping[str, Array]) -> Self:
        """The motion that gave these columns."""
        return cls(columns["places"])

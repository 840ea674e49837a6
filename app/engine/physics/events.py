"""Events: the exact moments that music is made from, as flat columns of arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = ("collision", "contact", "collapse", "transit", "conjunction", "apsis", "zero_crossing", "threshold", "marker", "break")
"""Event kinds; an event's `kind` column is an index into this tuple. `contact` and `collapse` make no note. A
constraint that gives way is a `break` of its two bodies, `value` its index in the scene."""

BOUND = -1
"""`other` of a collision with a bound, and of every event that has one body only."""


@dataclass(frozen=True)
class Events:
    """Events in order of time, one row each; all columns have the same length n.

    Attributes
    ----------
    time : float64 (n,), simulated seconds, not decreasing
    kind : int64 (n,), index into KINDS
    body : int64 (n,), index of the body in the scene, -1 where there is none (marker)
    other : int64 (n,), index of the second body, BOUND (-1) otherwise
    impulse : float64 (n,), N s, along the normal; 0 where it has no meaning
    energy : float64 (n,), J, kinetic energy lost in the event
    speed : float64 (n,), m/s, approach speed along the normal before a collision
    position : float64 (n, 3), m, point of contact or place of the body
    value : float64 (n,), the event's own number: true longitude (rad), crossed level, marker's index; 0 otherwise
    status : `complete`, or `settled_at` when the solver ended early; then `settled_at` is the simulated time
    warnings : sentences for the user
    """

    time: NDArray[np.float64]
    kind: NDArray[np.int64]
    body: NDArray[np.int64]
    other: NDArray[np.int64]
    impulse: NDArray[np.float64]
    energy: NDArray[np.float64]
    speed: NDArray[np.float64]
    position: NDArray[np.float64]
    value: NDArray[np.float64]
    status: str = "complete"
    settled_at: float | None = None
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.time)

    def rows(self, body_ids: tuple[str, ...], time_scale: float) -> Iterator[dict[str, Any]]:
        """The events as JSON objects; `t_s` is score time, `time_s` simulated time."""
        for i in range(len(self)):
            body, other = int(self.body[i]), int(self.other[i])
            yield {
                "t_s": float(self.time[i]) / time_scale,
                "time_s": float(self.time[i]),
                "kind": KINDS[int(self.kind[i])],
                "body_id": body_ids[body] if body >= 0 else None,
                "other_id": body_ids[other] if other >= 0 else None,
                "impulse": float(self.impulse[i]),
                "energy": float(self.energy[i]),
                "speed": float(self.speed[i]),
                "position": dict(zip("xyz", self.position[i].tolist(), strict=True)),
                "value": float(self.value[i]),
            }

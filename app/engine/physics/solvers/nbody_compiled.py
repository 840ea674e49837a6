"""The steps of the n-body solver compiled by numba, strict: without fastmath they give the bytes of the plain ones."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable

from app.engine.physics.solvers import nbody_kernel as kernel

_STRICT: dict[str, Any] = {"error_model": "numpy", "_nrt": False}

for _function in (kernel.attract_pairs, kernel.attract_rows, kernel.drift, kernel.kick, kernel.write):
    register_jitable(forceinline=True, **_STRICT)(_function)
register_jitable(**_STRICT)(kernel.attract)

begin = numba.njit(cache=True, **_STRICT)(kernel.begin)
pefrl = numba.njit(cache=True, **_STRICT)(kernel.pefrl)
verlet = numba.njit(cache=True, **_STRICT)(kernel.verlet)


def column(numbers: list[float]) -> Any:
    """A list as an array of float64."""
    return np.array(numbers, dtype=np.float64)

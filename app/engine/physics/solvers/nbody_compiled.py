"""The steps of the n-body solver compiled by numba, strict: without fastmath they give the bytes of the plain ones."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable

from app.engine.physics.solvers import nbody_kernel as kernel

for _function in (kernel.attract_pairs, kernel.attract_rows, kernel.drift, kernel.kick, kernel.write):
    register_jitable(error_model="numpy", forceinline=True)(_function)

begin = numba.njit(cache=True, error_model="numpy")(kernel.begin)
pefrl = numba.njit(cache=True, error_model="numpy")(kernel.pefrl)
verlet = numba.njit(cache=True, error_model="numpy")(kernel.verlet)


def column(numbers: list[float]) -> Any:
    """A list as an array of float64."""
    return np.array(numbers, dtype=np.float64)

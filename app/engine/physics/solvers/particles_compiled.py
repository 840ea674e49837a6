"""The steps of the particles solver compiled by numba, strict: without fastmath they give the bytes of the plain ones.

Nothing in them makes an array, so that numba's counting of references (`_nrt`) is left out: with some forty arrays in a state it takes
forty times as long as the arithmetic.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable

from app.engine.physics.solvers import particles_kernel as kernel

_STRICT: dict[str, Any] = {"error_model": "numpy", "_nrt": False}

for _function in (
    kernel.parameter, kernel.attract, kernel.kick, kernel.drift, kernel.substitute, kernel.pull, kernel.point, kernel.project, kernel.tie,
    kernel.resist, kernel.slow, kernel.damp, kernel.rub, kernel.decay, kernel.rattle, kernel.turning, kernel.load, kernel.write,
    kernel.peak,
):  # fmt: skip
    register_jitable(forceinline=True, **_STRICT)(_function)

begin = numba.njit(cache=True, **_STRICT)(kernel.begin)
advance = numba.njit(cache=True, **_STRICT)(kernel.advance)
assemble = numba.njit(cache=True, **_STRICT)(kernel.assemble)


def floats(numbers: list[float]) -> Any:
    """A list as an array of float64."""
    return np.array(numbers, dtype=np.float64)


def integers(numbers: list[int]) -> Any:
    """A list as an array of int64."""
    return np.array(numbers, dtype=np.int64)

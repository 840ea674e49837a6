"""Matrix products whose bits do not depend on the number of threads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_UNSPLIT = 64**3
"""OpenBLAS gives a product of up to this many multiplications to one thread; larger ones may be summed in another order."""


def product(left: NDArray[np.float32], right: NDArray[np.float32], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """left (m, k) @ right (k, n), into `out` (m, n) if given, so many rows at a time that no product is split over threads."""
    out = np.empty((len(left), right.shape[1]), np.float32) if out is None else out
    rows = max(1, _UNSPLIT // right.size)
    for first in range(0, len(left), rows):
        np.matmul(left[first : first + rows], right, out=out[first : first + rows])
    return out

"""The loop of a plucked string compiled by numba, strict: without fastmath it gives the bytes of the plain one."""

from __future__ import annotations

from typing import Any

import numba

from app.engine.audio.instruments import karplus_kernel as kernel

_STRICT: dict[str, Any] = {"error_model": "numpy", "_nrt": False}

ring = numba.njit(cache=True, **_STRICT)(kernel.ring)

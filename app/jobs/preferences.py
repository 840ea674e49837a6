"""`Prefer: wait=N` (RFC 7240): how long a caller would rather wait than come back."""

from __future__ import annotations

import re
from typing import Any

from flask import request

LONGEST_WAIT_S = 30.0
PREFER: dict[str, Any] = {
    "in": "header",
    "name": "Prefer",
    "schema": {"type": "string"},
    "description": "`wait=N`: answer when the work has ended, or after N seconds (30 at most). See RFC 7240.",
}
_WAIT = re.compile(r'wait\s*=\s*"?(\d{1,9})"?', re.IGNORECASE)


def preferred_wait() -> float | None:
    """The seconds of the first `wait` preference of the request, 30 at most; None without a well-formed one.

    A preference that cannot be read is ignored, as RFC 7240 section 2 asks.
    """
    for header in request.headers.getlist("Prefer"):
        for preference in header.split(","):
            if match := _WAIT.fullmatch(preference.partition(";")[0].strip()):
                return min(float(match[1]), LONGEST_WAIT_S)
    return None

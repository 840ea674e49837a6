"""The library's own functions, called directly in the innermost loop.

pymunk's Python methods around them keep account of what callbacks add to a space and remove from it, and check what the solver has checked;
nothing is added or removed during these steps. Bodies and spaces are given by their handles.
"""

from __future__ import annotations

from typing import Any

import pymunk
from pymunk._chipmunk_cffi import lib

_LIBRARY: Any = lib

advance = _LIBRARY.cpSpaceStep
place_of, angle_of = _LIBRARY.cpBodyGetPosition, _LIBRARY.cpBodyGetAngle
velocity_of, spin_of = _LIBRARY.cpBodyGetVelocity, _LIBRARY.cpBodyGetAngularVelocity
put, turn = _LIBRARY.cpBodySetPosition, _LIBRARY.cpBodySetAngle
send, spin = _LIBRARY.cpBodySetVelocity, _LIBRARY.cpBodySetAngularVelocity


def handle_of(thing: pymunk.Body | pymunk.Space) -> Any:
    """What the library's functions know a body or a space by."""
    return thing._body if isinstance(thing, pymunk.Body) else thing._space

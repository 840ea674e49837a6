"""Strings, bars, membranes, plates and air columns that stay where they are and ring when they are struck.

Each body has a resonator and, unless that is a pipe, a material; `app.engine.physics.resonators` finds its modes. A body that is given a
velocity is struck at the start, as if it landed on a hard edge: by the impulse mass times speed. A marker of the timeline strikes every
body that it names, or all when it names none, with a hammer of the body's mass at STRIKE_SPEED. A strike is a `collision` event. Between
strikes every mode rings as exp(-zeta w t) sin(w sqrt(1 - zeta^2) t); modes do not disturb each other, and strikes add up.

Reference: Fletcher & Rossing (1998), The Physics of Musical Instruments, 2nd ed., chapters 1 to 3 and 8.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.catalogue import BODY, PHYSICS
from app.engine.errors import Contradiction, TooExpensive, Unsupported
from app.engine.physics.events import BOUND, KINDS
from app.engine.physics.resonators import Modes, modes_of
from app.engine.physics.scene import Body, Scene
from app.engine.physics.solvers import resonator_report as report
from app.engine.physics.solvers.resonator_motion import RestingMotion
from app.engine.physics.solvers.solution import Progress, Solution, check_constraints, check_keyframes, event_table, masses_of, named

NAME = "resonator"
DESCRIPTION = (
    "Strings, bars, membranes, plates and air columns, struck by their own velocity at the start and by markers: frequency and decay "
    "of each mode from material and size."
)
USES = frozenset({"pressure", "temperature", "time_scale"})

STRIKE_SPEED = 1.0
"""m/s of the hammer behind a marker."""

_AIR = ("temperature", "pressure")

Array = NDArray[np.float64]


def check(scene: Scene) -> None:
    """Refuse what this solver cannot honour. Raises EngineError whose `field` is the path of the offending value."""
    check_constraints(scene, NAME)
    check_keyframes(scene, frozenset(), NAME)
    PHYSICS["time_scale"].check(scene.physics.time_scale, "physics.time_scale")
    for index, body in enumerate(scene.bodies):
        _check_body(body, f"bodies.{index}")
        modes_of(body, scene.physics, f"bodies.{index}")
    _check_air(scene)


def _check_body(body: Body, path: str) -> None:
    BODY["mass"].check(body.mass, f"{path}.mass")
    for name in ("position", "velocity"):
        for axis, component in zip("xyz", getattr(body, name), strict=True):
            BODY[name].check(component, f"{path}.{name}.{axis}")
    if body.static:
        raise Contradiction(f"{named(body)} is static, and what is static is not struck; here all bodies stay in place.", f"{path}.static")
    if body.orbit is not None:
        raise Unsupported(f"{named(body)} has an orbit, and bodies of 'resonator' stay in place; use 'kepler' or 'nbody'.", f"{path}.orbit")
    if body.angular_velocity != 0:
        raise Unsupported(f"{named(body)} turns, and bodies of 'resonator' stay in place; use 'rigid'.", f"{path}.angular_velocity")


def _check_air(scene: Scene) -> None:
    """The air of a pipe stays as it is: a mode has one frequency for the whole scene."""
    if not any((body.resonator or {}).get("kind") == "pipe" for body in scene.bodies):
        return
    for index, frame in enumerate(scene.keyframes):
        if frame.parameter in _AIR:
            raise Unsupported(
                f"The pipes of a scene keep the air of its start: there can be no keyframes of {frame.parameter}.",
                f"timeline.keyframes.{index}.parameter",
            )


def estimate(scene: Scene) -> int:
    """The modes to be found and the strikes; it is exact."""
    strikes = sum(len(bodies) for _, bodies in _blows(scene)) + sum(_speed(body) > 0.0 for body in scene.bodies)
    return strikes + sum(len(modes.names) for modes in all_modes(scene))


def all_modes(scene: Scene) -> tuple[Modes, ...]:
    """The modes of every body of a scene that has passed `check`."""
    return tuple(modes_of(body, scene.physics, f"bodies.{index}") for index, body in enumerate(scene.bodies))


def motion_of(scene: Scene) -> RestingMotion:
    """The motion of every body of a scene."""
    return RestingMotion(np.array([body.position for body in scene.bodies], dtype=np.float64).reshape(-1, 3))


def restored(scene: Scene, columns: Mapping[str, NDArray[Any]]) -> RestingMotion:
    """The motion of a run of the scene, from what its `columns()` gave."""
    return RestingMotion.of_columns(columns)


def solve(scene: Scene, progress: Progress, limit: int) -> Solution:
    """Find the modes and the strikes. Raises TooExpensive past `limit` strikes, and whatever `progress` raises."""
    found: list[Modes] = []
    for index, body in enumerate(scene.bodies):
        found.append(modes_of(body, scene.physics, f"bodies.{index}"))
        progress(0.5 * (index + 1) / len(scene.bodies))
    rows = [_row(0.0, index, body, _speed(body)) for index, body in enumerate(scene.bodies) if _speed(body) > 0.0]
    for time, bodies in _blows(scene):
        if len(rows) + len(bodies) > limit:
            raise TooExpensive(f"More than {limit} strikes happen in the scene; take markers or bodies away.", "timeline.markers")
        rows += [_row(time, index, scene.bodies[index], STRIKE_SPEED) for index in bodies]
        progress(0.5 + 0.5 * min(time / (scene.duration_s * scene.physics.time_scale), 1.0))
    return Solution(
        motion=motion_of(scene),
        events=event_table(rows),
        masses=masses_of(scene),
        steps=len(rows) + sum(len(modes.names) for modes in found),
        closed_form=report.closed_form(scene, found),
        quantities=_quantities(found),
        warnings=_warnings(scene, found, {int(row[2]) for row in rows}),
    )


def _speed(body: Body) -> float:
    return math.hypot(*body.velocity)


def _row(time: float, index: int, body: Body, speed: float) -> tuple[float, ...]:
    """A strike: the impulse and the kinetic energy that come to rest in it."""
    impulse = body.mass * speed
    return (time, float(KINDS.index("collision")), float(index), float(BOUND), impulse, 0.5 * impulse * speed, speed, *body.position, 0.0)


def _blows(scene: Scene) -> Iterator[tuple[float, list[int]]]:
    """The simulated times (s) of the markers that count, in order, and the bodies that each of them strikes."""
    names = _names(scene)
    known: dict[str, list[int]] = {}
    for marker in sorted(scene.markers, key=lambda one: one.time_s):
        if marker.time_s >= scene.duration_s:
            return
        if marker.name not in known:
            known[marker.name] = _struck(marker.name, names) or list(range(len(scene.bodies)))
        yield marker.time_s * scene.physics.time_scale, known[marker.name]


def _names(scene: Scene) -> dict[str, list[int]]:
    """Bodies by what markers call them: name and id in small letters, the longest first."""
    found: dict[str, list[int]] = {}
    for index, body in enumerate(scene.bodies):
        for name in dict.fromkeys((body.name.casefold(), body.id.casefold())):
            if name:
                found.setdefault(name, []).append(index)
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def _struck(marker: str, names: dict[str, list[int]]) -> list[int]:
    """The bodies whose names stand in a marker's name as whole words; a name inside a longer one that stands there does not count."""
    text, found = marker.casefold(), set()
    for name, bodies in names.items():
        if name in text:
            rest = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "\0", text)
            if rest != text:
                text = rest
                found.update(bodies)
    return sorted(found)


def _quantities(found: list[Modes]) -> dict[str, Array]:
    frequency = np.array([modes.frequency[0] for modes in found], dtype=np.float64)
    longest = np.array([modes.decay_time for modes in found], dtype=np.float64)
    return {"frequency": frequency, "period": 1.0 / frequency, "decay_time": np.where(np.isfinite(longest), longest, np.nan)}


def _warnings(scene: Scene, found: list[Modes], struck: set[int]) -> tuple[str, ...]:
    """What the user should know about the run."""
    said = [sentence for modes in found for sentence in modes.warnings]
    silent = [body.name for index, body in enumerate(scene.bodies) if index not in struck]
    if silent:
        more = f" and {len(silent) - 5} more" if len(silent) > 5 else ""
        said.append(f"Nothing strikes {', '.join(silent[:5])}{more}: give a body a velocity, or the timeline a marker of its name.")
    return tuple(said)

"""Points tied by springs and rods under gravity, damping and drag, in equal steps of high order with continuous motion between.

Bodies do not turn. A circle is a point with the drag of a sphere: it passes through other bodies and through the bounds. Where nothing is
lost the steps are symplectic, and rods keep their lengths to rounding. A step is divided where a link turns faster than was foreseen.

References: those of `particles_kernel`; Goldstein, Poole & Safko (2002), Classical Mechanics, chapters 1 and 6.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from app.engine.catalogue import CONSTRAINT, PHYSICS
from app.engine.errors import Contradiction, EngineError, TooExpensive, Unsupported
from app.engine.physics.constraints import LINKS, resolved
from app.engine.physics.scene import Body, Constraint, Scene
from app.engine.physics.solvers import particles_forms as forms
from app.engine.physics.solvers import particles_kernel as kernel
from app.engine.physics.solvers import particles_report as report
from app.engine.physics.solvers.particles_laws import CHANGEABLE
from app.engine.physics.solvers.particles_links import Network
from app.engine.physics.solvers.particles_motion import PiecewiseMotion
from app.engine.physics.solvers.particles_run import Arithmetic, Run
from app.engine.physics.solvers.particles_steps import WEIGHTS, total
from app.engine.physics.solvers.solution import Progress, Solution, check_keyframes, event_table, masses_of, named

NAME = "particles"
DESCRIPTION = "Points tied by springs and rods under gravity, damping and drag: oscillators, pendula, chains. Nothing collides."
USES = CHANGEABLE | {"time_scale", "timestep"}

STATE_LIMIT = 2_500_000
"""Steps times bodies that a run may keep; each takes 72 bytes."""

SLACK = 1e-6
"""Share of a rod's length by which its ends may start at another distance; they are put right."""

_BREAKING = 4
_FEW_DIVIDED = 0.2


def check(scene: Scene) -> None:
    """Refuse what this solver cannot honour. Raises EngineError whose `field` is the path of the offending value."""
    check_keyframes(scene, CHANGEABLE, NAME, ramps=True)
    _check_physics(scene)
    for index, body in enumerate(scene.bodies):
        _check_body(body, f"bodies.{index}")
    at = {body.id: body for body in scene.bodies}
    for index, (given, constraint) in enumerate(zip(scene.constraints, resolved(scene), strict=True)):
        other = None if given.other_body_id is None else at[given.other_body_id]
        _check_constraint(given, f"constraints.{index}", at[given.body_id], other)
        _check_length(constraint, f"constraints.{index}", at[given.body_id], other)
    steps, size = total(scene, Network.of(scene)), max(len(scene.bodies), 1)
    if not steps * size <= STATE_LIMIT:
        raise TooExpensive(
            f"The scene would take {steps:.3g} steps; for {len(scene.bodies)} bodies the limit is {STATE_LIMIT // size}. "
            "Shorten duration_s, lower time_scale, or make links softer or longer and bodies heavier.",
            "duration_s",
        )


def _check_physics(scene: Scene) -> None:
    physics = scene.physics
    for axis, value in zip("xyz", physics.gravity, strict=True):
        PHYSICS[f"gravity.{axis}"].check(value, f"physics.gravity.{axis}")
    PHYSICS["linear_damping"].check(physics.linear_damping, "physics.linear_damping")
    PHYSICS["air_density"].check(physics.air_density, "physics.air_density")
    if physics.timestep is not None:
        PHYSICS["timestep"].check(physics.timestep, "physics.timestep")


def _check_body(body: Body, path: str) -> None:
    if body.shape not in ("point", "circle"):
        raise Unsupported(f"{named(body)} is a {body.shape}; 'particles' has points and circles: use 'rigid'.", f"{path}.shape")
    if body.orbit is not None:
        raise Unsupported(f"{named(body)} has an orbit, which 'particles' does not follow; use 'kepler' or 'nbody'.", f"{path}.orbit")
    if body.angular_velocity != 0:
        raise Unsupported(f"{named(body)} rotates, and bodies of 'particles' do not; use 'rigid'.", f"{path}.angular_velocity")
    if not (body.mass > 0 and math.isfinite(body.mass) and math.isfinite(1.0 / body.mass)):
        raise EngineError(f"{named(body)} needs a mass of more than 0 kg.", f"{path}.mass")
    if body.shape == "circle" and not (body.radius > 0 and math.isfinite(body.radius)):
        raise EngineError(f"{named(body)} is a circle and needs a radius of more than 0 m.", f"{path}.size.radius")
    for name in ("position", "velocity"):
        if not all(math.isfinite(component) for component in getattr(body, name)):
            raise EngineError(f"The {name} of {body.name!r} must be finite numbers.", f"{path}.{name}")


def _check_constraint(one: Constraint, path: str, body: Body, other: Body | None) -> None:
    if one.kind not in LINKS:
        raise Unsupported(f"The solver 'particles' has no {one.kind}, for its bodies do not turn; use 'rigid'.", f"{path}.kind")
    if other is body:
        raise Contradiction(f"{named(body)} cannot be tied to itself.", f"{path}.other_body_id")
    if other is None and not all(math.isfinite(x) for x in one.anchor or (math.nan,)):
        raise EngineError("The anchor must have finite coordinates in m.", f"{path}.anchor")
    for name in ("rest_length", "break_force"):
        value = getattr(one, name)
        if value is not None:
            CONSTRAINT[name].check(value, f"{path}.{name}")
    if one.kind == "spring":
        if one.stiffness is None:
            raise EngineError(f"A spring needs a stiffness, {CONSTRAINT['stiffness'].range_text}.", f"{path}.stiffness")
        CONSTRAINT["stiffness"].check(one.stiffness, f"{path}.stiffness")
        CONSTRAINT["damping"].check(one.damping, f"{path}.damping")
    else:
        for name in ("stiffness", "damping"):
            if getattr(one, name):
                raise Unsupported(f"A distance is rigid and has no {name}; use a spring.", f"{path}.{name}")


def _check_length(one: Constraint, path: str, body: Body, other: Body | None) -> None:
    if one.kind != "distance":
        return
    place = other.position if other is not None else one.anchor or (0.0, 0.0, 0.0)
    start, length = math.dist(body.position, place), one.rest_length or 0.0
    if not length > 0:
        raise Contradiction("A distance needs a length of more than 0 m: its ends start at the same place.", f"{path}.rest_length")
    if abs(start - length) > SLACK * length:
        raise Contradiction(
            f"The distance is to be {length:g} m, and its ends start {start:g} m apart; move them or leave rest_length out.",
            f"{path}.rest_length",
        )


def estimate(scene: Scene) -> int:
    """The work of a run: RATTLE steps by their `work`, with a fifth for steps that are divided, and some for breaks."""
    network = Network.of(scene)
    breakable = sum(math.isfinite(link.breaks) for link in network.links)
    divided = 0.0 if scene.physics.timestep is not None else _FEW_DIVIDED
    wanted = (1.0 + divided) * total(scene, network) + _BREAKING * breakable
    return math.ceil(min(wanted * len(WEIGHTS) * network.work(), 1e18))


PLAIN = Arithmetic(kernel.begin, kernel.advance, kernel.assemble, list, list)
_arithmetic = PLAIN


def compiled(enabled: bool) -> None:
    """Use the compiled kernel (True) or the plain one (False) from now on. Both give the same bytes; compiling needs numba."""
    global _arithmetic  # noqa: PLW0603  one switch for the process, set when a worker starts
    if not enabled:
        _arithmetic = PLAIN
        return
    from app.engine.physics.solvers import particles_compiled as fast  # noqa: PLC0415  140 MB that the web process does without

    _arithmetic = Arithmetic(fast.begin, fast.advance, fast.assemble, fast.floats, fast.integers)


def restored(scene: Scene, columns: Mapping[str, NDArray[Any]]) -> PiecewiseMotion:
    """The motion of a run of the scene, from what its `columns()` gave."""
    return PiecewiseMotion.of_columns(columns)


def solve(scene: Scene, progress: Progress, limit: int) -> Solution:
    """Run the scene to its end. Raises TooExpensive when more than `limit` links break, and whatever `progress` raises."""
    run = Run(scene, progress, _arithmetic)
    run.play()
    if len(run.broken) > limit:
        raise TooExpensive(f"More than {limit} links break in the scene; shorten duration_s.", "duration_s")
    motion = run.motion()
    return Solution(
        motion=motion,
        events=event_table(run.broken),
        masses=masses_of(scene),
        steps=math.ceil(run.stages * run.network.work()),
        settled_at=run.ended,
        conservation=report.conservation(scene, run.network, motion, broke=bool(run.broken)),
        closed_form=forms.closed_forms(scene, run.network, motion) if not run.broken else [],
        quantities=forms.quantities(scene, run.network),
        warnings=run.warnings(),
    )

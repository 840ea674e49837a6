"""What must hold of a scene and what it holds, whoever changes it. Unfinished content is allowed; contradictory content is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.changes.content import AXES
from app.changes.rule import Check, Removal
from app.engine.audio.instruments import instrument
from app.engine.audio.recordings import MOST_S
from app.engine.catalogue import BODY, CONSTRAINT, PHYSICS
from app.engine.errors import EngineError
from app.engine.music.mapping import validate_mapping
from app.engine.physics import scene as engine
from app.engine.physics.solvers import SOLVERS, kepler
from app.errors import Conflict
from app.physics_parameters.models import PhysicsParameters
from app.scenes import in_force
from app.scenes.materials import NO_SOUND, materials_of
from app.scenes.models import Body, Constraint, Scene, Voice
from app.scenes.models import Mapping as MappingRow
from app.scenes.refusals import by_engine, refused
from app.scenes.schemas import SHAPE_SIZES
from app.universes.rules import check_harmony, harmony_in_force

_SCENES: Any = Scene.__table__
_BODIES: Any = Body.__table__
_CONSTRAINTS: Any = Constraint.__table__
_VOICES: Any = Voice.__table__
_MAPPINGS: Any = MappingRow.__table__
_SETS: Any = PhysicsParameters.__table__

_READ_BY_MUSIC = frozenset({"temperature", "pressure"})
# What asks nothing of a solver that does not use the parameter.
_WITHOUT_EFFECT: dict[str, Any] = {
    **{f"gravity.{axis}": 0.0 for axis in AXES},
    "linear_damping": 0.0,
    "air_density": 0.0,
    "friction": 0.0,
    "gravitational_constant": 0.0,
    "bounds": {"min": dict.fromkeys(AXES), "max": dict.fromkeys(AXES)},
}
_KEPT = "bodies_for_mappings"
_HAS = {"spring": ("stiffness", "damping", "rest_length"), "distance": ("rest_length",), "hinge": (), "pin": ()}


def check_scene(check: Check) -> None:
    """A scene's set is its universe's, its harmony fits together, and its solver can honour its own set and its mappings."""
    before, after = check.before or {}, check.after
    chosen = after["physics_parameters_id"]
    if chosen is not None and chosen != before.get("physics_parameters_id"):
        _check_chosen(check, UUID(chosen))
    if after["harmony"] and after["harmony"] != before.get("harmony"):
        check_harmony(harmony_in_force(check.universe["harmony"], after["harmony"]))
    if check.before is not None and before["solver"] != after["solver"]:
        for row in check.session.execute(select(_SETS).where(_SETS.c.scene_id == check.id)).mappings():
            _refuse_solver(row, after["solver"])
        _check_mappings_of(check, before["solver"], after["solver"])


def check_honoured(parameters: Mapping[str, Any], solver: str) -> None:
    """Raises Invalid for a value of a scene's own set that its solver cannot honour, naming what can."""
    for name in _unhonoured(parameters, solver):
        others = [other for other, module in SOLVERS.items() if name in module.USES]
        instead = f"; use the solver {' or '.join(others)}" if others else ""
        used = ", ".join(sorted(SOLVERS[solver].USES))
        raise refused(name, f"The solver {solver} does not use it: leave it out{instead}. {solver} uses {used}.")


def check_body(check: Check) -> None:
    """A body's size fits its shape; its orbit is one, about a body of the same scene, by Kepler's third law."""
    _forget_bodies(check.session)
    _check_size(check.after["shape"], check.after["size"])
    before, orbit = check.before or {}, check.after["orbit"]
    if orbit is not None and any(check.after[name] != before.get(name) for name in ("orbit", "mass")):
        _check_orbit(check, orbit)


def check_constraint(check: Check) -> None:
    """A constraint has what its kind needs, and links different bodies of its scene, or a body and a fixed point."""
    after = check.after
    _check_kind(after)
    ids = [after["body_id"], *([after["other_body_id"]] if after["other_body_id"] else [])]
    if len(set(ids)) < len(ids):
        raise refused("other_body_id", "Must be another body than body_id.")
    for name in ("body_id", "other_body_id"):
        if after[name] is not None:
            _check_in_scene(check, _BODIES, name, after[name], "body")


def check_voice(check: Check) -> None:
    """A voice's parameters are those of its instrument, each in its range; a sound that they come to name is the universe's owner's.

    It may be deleted: undo and restores bring back what named it, and rendering refuses.
    """
    player = instrument(check.after["instrument"])
    with by_engine():
        given = player.validate(check.after["parameters"])
    before = (check.before or {}).get("parameters", {})
    for name in (reference.name for reference in player.references):
        if given[name] is not None and given[name] != before.get(name):
            _check_sound(check, name, given[name])


def _check_sound(check: Check, name: str, material_id: str) -> None:
    found = materials_of(check.session, check.universe_id, [material_id]).get(material_id)
    if found is None:
        raise refused(f"parameters.{name}", NO_SOUND)
    if found.duration_s > MOST_S:
        raise refused(f"parameters.{name}", f"Lasts {found.duration_s:.6g} s; at most {MOST_S:g} s can be played.")


def check_mapping(check: Check) -> None:
    """A mapping is one that the engine can follow in its scene: voice, bodies, quantities, dimensions, no circle; its readers too."""
    _check_in_scene(check, _VOICES, "voice_id", check.after["voice_id"], "voice")
    scene_id, mine = UUID(check.after["scene_id"]), {**check.after, "id": str(check.id)}
    changed = [name for name in ("target", "source") if check.before is not None and check.after[name] != check.before[name]]
    others = _mappings_in(check, scene_id) if changed or mine["source"].get("mapping_id") is not None else ()
    scene = _scene_for_mappings(check, scene_id, tuple(other for other in others if other["id"] != mine["id"]))
    with by_engine():
        validate_mapping(mine, _with(scene, mine))
    if changed and check.before is not None:
        old, new = (_with(scene, one) for one in ({**check.before, "id": mine["id"]}, mine))
        _refuse_misfits(changed[0], _readers_of(mine["id"], scene.mappings), old, new)


def may_remove_scene(removal: Removal) -> None:
    """Nothing outside a scene points into it, so it may always go."""


def may_remove_body(removal: Removal) -> None:
    """Raises Conflict while other bodies orbit this one, or mappings name it."""
    _forget_bodies(removal.session)
    scene_id, me = UUID(removal.document["scene_id"]), str(removal.id)
    orbits = select(_BODIES.c.name, _BODIES.c.orbit).where(_BODIES.c.scene_id == scene_id, _BODIES.c.orbit.is_not(None))
    moons = [row.name for row in removal.session.execute(orbits) if row.orbit.get("parent_body_id") == me]
    if moons:
        raise Conflict(f"Others orbit it: {', '.join(moons)}.")
    readers = [str(row.id) for row in _mappings_of(removal, scene_id) if me in _named_bodies(row.source)]
    if readers:
        raise Conflict(f"Mappings name it: {', '.join(readers)}.")


def may_remove(removal: Removal) -> None:
    """Raises Conflict while the mappings that go with a voice are read by mappings of other voices."""
    if "instrument" not in removal.document:
        return
    rows = _mappings_of(removal, UUID(removal.document["scene_id"]))
    going = {str(row.id) for row in rows if row.voice_id == removal.id}
    _refuse_readers([row for row in rows if str(row.id) not in going], going)


def may_remove_mapping(removal: Removal) -> None:
    """Raises Conflict while other mappings read this one."""
    _refuse_readers(_mappings_of(removal, UUID(removal.document["scene_id"])), {str(removal.id)})


def _check_chosen(check: Check, set_id: UUID) -> None:
    where = (_SETS.c.id == set_id, _SETS.c.universe_id == check.universe_id, _SETS.c.scene_id.is_(None))
    if check.session.scalar(select(_SETS.c.id).where(*where)) is None:
        raise refused("physics_parameters_id", "Must be a set of parameters of this universe itself.")


def _refuse_solver(row: Mapping[Any, Any], solver: str) -> None:
    values = {**row, "gravity": {axis: row[f"gravity_{axis}"] for axis in AXES}}
    name = next(_unhonoured(values, solver), None)
    if name is not None:
        raise refused(
            "solver", f"The solver {solver} does not use {name}, which the scene's set {row['name']!r} gives; take it out there first."
        )


def _unhonoured(parameters: Mapping[str, Any], solver: str) -> Iterator[str]:
    uses = SOLVERS[solver].USES | _READ_BY_MUSIC
    values = {**parameters, **{f"gravity.{axis}": parameters["gravity"][axis] for axis in AXES}}
    for name in (*PHYSICS, "bounds"):
        if values[name] is not None and name not in uses and values[name] != _WITHOUT_EFFECT.get(name):
            yield name


def _check_size(shape: str, size: Mapping[str, Any]) -> None:
    wanted = SHAPE_SIZES[shape]
    for name in wanted:
        if name not in size:
            words = "3 to 32 vertices [x, y]" if name == "vertices" else f"a {name} of {BODY[name].range_text}"
            raise refused(f"size.{name}", f"A {shape} needs {words}.")
    for name in size:
        if name not in wanted:
            raise refused(f"size.{name}", f"A {shape} has none.")
    if shape == "polygon" and _area(size["vertices"]) == 0:
        raise refused("size.vertices", "The vertices must enclose an area.")


def _area(vertices: list[list[float]]) -> float:
    """Twice the signed area of a polygon."""
    following = [*vertices[1:], vertices[0]]
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(vertices, following, strict=True))


def _check_orbit(check: Check, orbit: Mapping[str, Any]) -> None:
    if orbit.get("period") is None and orbit.get("semi_major_axis") is None:
        raise refused("orbit.period", "An orbit needs a period (s) or a semi_major_axis (m).")
    scene_id = UUID(check.after["scene_id"])
    where = [_BODIES.c.scene_id == scene_id, _BODIES.c.id != check.id]
    named = orbit.get("parent_body_id")
    if named is not None:
        _check_parents(check, scene_id, named)
        where.append(_BODIES.c.id == UUID(named))
    else:
        where.append(_BODIES.c.static.is_(True))
    heaviest = select(_BODIES.c.id, _BODIES.c.name, _BODIES.c.mass).where(*where).order_by(_BODIES.c.mass.desc()).limit(1)
    parent = check.session.execute(heaviest).first()
    if parent is not None:
        _check_third_law(check, scene_id, orbit, parent)


def _check_parents(check: Check, scene_id: UUID, named: str) -> None:
    """The parent is in the scene, and going from parent to parent never leads back; to a new body nothing leads."""
    if named != str(check.id):
        _check_in_scene(check, _BODIES, "orbit.parent_body_id", named, "body")
    if check.before is None and named != str(check.id):
        return
    rows = check.session.execute(select(_BODIES.c.id, _BODIES.c.orbit).where(_BODIES.c.scene_id == scene_id)).all()
    parents = {str(row.id): (row.orbit or {}).get("parent_body_id") for row in rows}
    parents[str(check.id)] = named
    at: str | None = named
    seen: set[str | None] = {str(check.id)}
    while at is not None and at not in seen:
        seen.add(at)
        at = parents.get(at)
    if at is not None:
        raise refused("orbit.parent_body_id", "A body may not orbit itself, through its parents either.")


def _check_third_law(check: Check, scene_id: UUID, orbit: Mapping[str, Any], parent: Any) -> None:
    if orbit.get("period") is None or orbit.get("semi_major_axis") is None:
        return
    chosen = check.session.scalar(select(_SCENES.c.physics_parameters_id).where(_SCENES.c.id == scene_id))
    constant = in_force.of_scene(check.session, check.universe_id, scene_id, chosen).values["gravitational_constant"]
    pair = (
        engine.Body(id="parent", name=parent.name, mass=parent.mass, static=True),
        engine.Body(
            id="self", name=check.after["name"], mass=check.after["mass"], orbit=engine_orbit({**orbit, "parent_body_id": "parent"})
        ),
    )
    with by_engine(cut="bodies.1."):
        kepler.ellipses(engine_scene(scene_id, "kepler", engine.Physics(gravitational_constant=constant), pair))


def engine_orbit(orbit: Mapping[str, Any]) -> engine.Orbit:
    """An orbit as the engine takes it, absent elements at their defaults."""
    given = {name: value for name, value in orbit.items() if value is not None}
    return engine.Orbit(**{"semi_major_axis": None, "period": None, **given})


def engine_scene(scene_id: UUID, solver: str, physics: engine.Physics, bodies: tuple[engine.Body, ...], **more: Any) -> engine.Scene:
    """A scene with no more than a check needs."""
    return engine.Scene(str(scene_id), "", solver, 1.0, False, 0, physics, bodies, **more)


def _check_kind(after: Mapping[str, Any]) -> None:
    kind = after["kind"]
    if kind == "spring" and after["stiffness"] is None:
        raise refused("stiffness", f"A spring needs it, {CONSTRAINT['stiffness'].range_text}.")
    for name in _HAS["spring"]:
        if after[name] is not None and name not in _HAS[kind]:
            raise refused(name, f"A {kind} has none.")
    links = [name for name in ("other_body_id", "anchor") if after[name] is not None]
    if not links:
        raise refused("other_body_id", "Needs another body, or an anchor.")
    if kind in ("spring", "distance") and len(links) > 1:
        raise refused("anchor", f"A {kind} goes to another body or to an anchor, not to both.")


def _check_in_scene(check: Check, table: Any, field: str, given: str, word: str) -> None:
    where = (table.c.id == UUID(given), table.c.scene_id == UUID(check.after["scene_id"]))
    if check.session.scalar(select(table.c.id).where(*where)) is None:
        raise refused(field, f"There is no such {word} in this scene.")


def _check_mappings_of(check: Check, old: str, new: str) -> None:
    """Refuse a solver that one of the scene's mappings cannot go with."""
    rows = _mappings_in(check, check.id)
    if rows:
        scene = _scene_for_mappings(check, check.id, rows)
        _refuse_misfits("solver", rows, replace(scene, solver=old), replace(scene, solver=new))


def _refuse_misfits(field: str, mappings: Iterable[Mapping[str, Any]], old: engine.Scene, new: engine.Scene) -> None:
    """Raises Invalid for a mapping that fits the old scene and not the new one; what never fitted is not the change's fault."""
    for mapping in mappings:
        misfit = _misfit(mapping, new)
        if misfit is not None and _misfit(mapping, old) is None:
            raise refused(field, f"The mapping {mapping['id']} would not fit ({misfit.field}: {misfit.message}) Change it first.")


def _misfit(mapping: Mapping[str, Any], scene: engine.Scene) -> EngineError | None:
    try:
        validate_mapping(mapping, scene)
    except EngineError as error:
        return error
    return None


def _readers_of(mapping_id: str, mappings: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The mappings that read a mapping, and those that read these, on and on."""
    reached = {mapping_id}
    waiting = [mapping for mapping in mappings if mapping["source"].get("mapping_id") is not None]
    while ready := [mapping for mapping in waiting if mapping["source"]["mapping_id"] in reached]:
        yield from ready
        reached |= {mapping["id"] for mapping in ready}
        waiting = [mapping for mapping in waiting if mapping["id"] not in reached]


def _mappings_in(check: Check, scene_id: UUID) -> tuple[dict[str, Any], ...]:
    rows = check.session.execute(select(_MAPPINGS).where(_MAPPINGS.c.scene_id == scene_id).order_by(_MAPPINGS.c.id)).mappings()
    return tuple({**row, "id": str(row["id"]), "voice_id": str(row["voice_id"])} for row in rows)


def _scene_for_mappings(check: Check, scene_id: UUID, mappings: tuple[dict[str, Any], ...]) -> engine.Scene:
    """The scene with these mappings, as far as they look at it: names, orbits, custom parameters. Their voices are known to be there."""
    columns = (_SCENES.c.solver, _SCENES.c.physics_parameters_id)
    scene = check.session.execute(select(*columns).where(_SCENES.c.id == scene_id)).one()
    physics = in_force.of_scene(check.session, check.universe_id, scene_id, scene.physics_parameters_id).values
    return engine_scene(
        scene_id,
        scene.solver,
        engine.Physics(custom=physics["custom"]),
        _bodies_for_mappings(check.session, scene_id),
        voices=tuple({"id": voice} for voice in {mapping["voice_id"] for mapping in mappings}),
        mappings=mappings,
    )


def _with(scene: engine.Scene, mapping: Mapping[str, Any]) -> engine.Scene:
    """A scene with one more mapping, and its voice."""
    return replace(scene, mappings=(*scene.mappings, mapping), voices=(*scene.voices, {"id": mapping["voice_id"]}))


def _bodies_for_mappings(session: Session, scene_id: UUID) -> tuple[engine.Body, ...]:
    """The bodies of a scene, read once in a transaction: a copy of it asks for each of its mappings.

    Whatever is about to change a body comes by `check_body` or `may_remove_body`, which forget them.
    """
    kept = session.info.get(_KEPT)
    if kept is not None and kept[:2] == (session.get_transaction(), scene_id):
        found: tuple[engine.Body, ...] = kept[2]
        return found
    columns = (_BODIES.c.id, _BODIES.c.name, _BODIES.c.mass, _BODIES.c.static, _BODIES.c.orbit)
    rows = session.execute(select(*columns).where(_BODIES.c.scene_id == scene_id).order_by(_BODIES.c.order_key, _BODIES.c.id))
    found = tuple(
        engine.Body(str(i), name, mass=mass, static=static, orbit=engine_orbit(orbit) if orbit else None)
        for i, name, mass, static, orbit in rows
    )
    session.info[_KEPT] = (session.get_transaction(), scene_id, found)
    return found


def _forget_bodies(session: Session) -> None:
    session.info.pop(_KEPT, None)


def _mappings_of(removal: Removal, scene_id: UUID) -> list[Any]:
    columns = (_MAPPINGS.c.id, _MAPPINGS.c.voice_id, _MAPPINGS.c.source)
    return list(removal.session.execute(select(*columns).where(_MAPPINGS.c.scene_id == scene_id)).all())


def _named_bodies(source: Mapping[str, Any]) -> list[str]:
    bodies = source.get("bodies", "all")
    return [] if bodies == "all" else bodies


def _refuse_readers(rows: list[Any], read: set[str]) -> None:
    readers = [str(row.id) for row in rows if row.source.get("mapping_id") in read]
    if readers:
        raise Conflict(f"Other mappings read it: {', '.join(readers)}.")

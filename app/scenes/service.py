"""What can be done with scenes and their parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import select

from app.access import Action, Actor
from app.changes.content import Document, document_of
from app.changes.editable import EDITABLE
from app.changes.intents import Intent, new_id
from app.changes.models import Change
from app.changes.service import Done, commit_change
from app.engine.errors import EngineError
from app.engine.music.mapping import check_mappings
from app.engine.music.scala import write_scl
from app.engine.music.tunings import degrees_of
from app.engine.physics.scene import Scene as EngineScene
from app.errors import Invalid
from app.extensions import db
from app.reference.styles import STYLES, harmony_of, parts_of, style
from app.scenes import copies, reading, snapshots
from app.scenes.models import Scene
from app.scenes.refusals import refused

_LOG: Any = Change.__table__
_SCENES: Any = Scene.__table__
_NEIGHBOURS = ("after_id", "before_id")


def snapshot(scene_id: UUID) -> Document:
    """Everything a performance of a scene depends on, as plain JSON with every default filled in. Raises NotFound."""
    return snapshots.snapshot(db.session(), scene_id)


def sequence(universe_id: UUID) -> Document:
    """Name and seed of a universe, and the snapshots of all its scenes in order, each with its `transition`. Raises NotFound."""
    return snapshots.sequence(db.session(), universe_id)


def effective(scene_id: UUID) -> Document:
    """Every value in force in a scene and where it comes from. Raises NotFound."""
    return snapshots.effective(db.session(), scene_id)


def tuning_file(scene_id: UUID) -> str:
    """The tuning in force in a scene as the text of a Scala file. Raises NotFound."""
    found = snapshot(scene_id)
    return write_scl(f"{found['name']}: {found['harmony']['tuning']['type']} tuning", degrees_of(found["harmony"]["tuning"]))


def create(universe_id: UUID, fields: Mapping[str, Any], head: Mapping[str, Any]) -> Done:
    """Add a scene to a universe; `head` holds the parts of an intent that every request carries."""
    return commit_change(creation("scenes", universe_id, fields, head))


def creation(collection: str, universe_id: UUID, fields: Mapping[str, Any], head: Mapping[str, Any]) -> Intent:
    """The intent to add a scene, or a part whose `fields` name its scene."""
    own, place = _placed(fields)
    entity_id = own.pop("id", None) or new_id(head["actor"], head["op_id"])
    return Intent(op="create", collection=collection, universe_id=universe_id, entity_id=entity_id, fields=own, **place, **_fresh(head))


def add(collection: str, scene_id: UUID, fields: Mapping[str, Any], head: Mapping[str, Any]) -> Done:
    """Add a part to a scene. Raises NotFound or Gone for the scene."""
    universe_id = reading.universe_of("scenes", scene_id)
    return commit_change(creation(collection, universe_id, {**fields, "scene_id": scene_id}, head))


def change(collection: str, entity_id: UUID, fields: Mapping[str, Any], head: Mapping[str, Any]) -> Done:
    """Change some properties of a scene or part or, given a neighbour alone, its place in the list."""
    return commit_change(alteration(collection, entity_id, fields, head))


def alteration(collection: str, entity_id: UUID, fields: Mapping[str, Any], head: Mapping[str, Any]) -> Intent:
    """The intent to change some properties, or the place. Raises Invalid for both at once."""
    own, place = _placed(fields)
    if not any(place.values()):
        return Intent(op="update", collection=collection, entity_id=entity_id, fields=own, **head)
    if own:
        raise Invalid(errors={name: ["A move changes nothing else; send the other fields by themselves."] for name in own})
    return Intent(op="move", collection=collection, entity_id=entity_id, **place, **head)


def replace(collection: str, entity_id: UUID, fields: Mapping[str, Any], head: Mapping[str, Any]) -> Done:
    """Set all properties of a scene or part."""
    return commit_change(Intent(op="update", collection=collection, entity_id=entity_id, fields=fields, replace=True, **head))


def remove(collection: str, entity_id: UUID, head: Mapping[str, Any]) -> Done:
    """Delete a scene or part, with what belongs to it."""
    return commit_change(Intent(op="delete", collection=collection, entity_id=entity_id, **head))


def reorder(universe_id: UUID, scene_ids: list[UUID], head: Mapping[str, Any]) -> Done:
    """Put the scenes of a universe in an order that names each exactly once."""
    return commit_change(Intent(op="batch", collection="scenes", universe_id=universe_id, fields={"order": scene_ids}, **_fresh(head)))


def duplicate(scene_id: UUID, name: str | None, head: Mapping[str, Any]) -> Done:
    """Copy a scene, with all that it holds, to the place after it; without a name the copy is called after it.

    Raises NotFound. A repeated key is answered with the first copy, whatever has become of the scene since.
    """
    actor, op_id = head["actor"], head["op_id"]
    copy_id = uuid4() if op_id is None else uuid5(scene_id, f"{actor.id} {op_id}")
    universe_id = reading.universe_of("scenes", scene_id)
    document = logged(universe_id, actor, op_id) or _copied(actor, scene_id, copy_id)
    subtree = {collection: children for collection, children in document.items() if collection in EDITABLE}
    fields = {key: value for key, value in document.items() if key not in EDITABLE and key != "order_key"}
    return commit_change(
        Intent(
            op="create",
            collection="scenes",
            universe_id=universe_id,
            entity_id=copy_id,
            fields={**fields, "name": name} if name is not None else fields,
            subtree=subtree,
            after_id=scene_id,
            **_fresh(head),
        )
    )


def apply_style(scene_id: UUID, name: str, head: Mapping[str, Any]) -> Done:
    """Let a scene sound in a style, as one change: its voices and mappings are then those of the style, and its harmony what that sets.

    A scene that sounds so already is left as it is. Raises NotFound or Gone for the scene, Invalid for a style that does not fit it.
    """
    universe_id = reading.universe_of("scenes", scene_id)
    parts = parts_of(name, scene_id)
    if logged(universe_id, head["actor"], head["op_id"]) is None:
        _check_style(head["actor"], scene_id, name, parts)
    return commit_change(
        Intent(
            op="batch",
            collection="scenes",
            universe_id=universe_id,
            entity_id=scene_id,
            fields={"harmony": harmony_of(name)},
            subtree=parts,
            **_fresh(head),
        )
    )


def _check_style(actor: Actor, scene_id: UUID, name: str, parts: Mapping[str, list[Document]]) -> None:
    """Raises NotFound, Forbidden or Invalid when the actor may not, or the style cannot go with the solver and bodies of the scene."""
    if db.session.scalar(select(_SCENES.c.id).where(_SCENES.c.id == scene_id)) is None:
        return  # the change will say that it is gone, to those who may know
    solver = reading.find(actor, "scenes", scene_id, Action.EDIT)["solver"]
    if solver not in style(name)["solvers"]:
        others = ", ".join(other for other in STYLES if solver in style(other)["solvers"])
        suited = ", ".join(style(name)["solvers"])
        raise refused("style", f"{name} is for scenes of the solver {suited}; this one's is {solver}. It may have {others}.")
    given = {**snapshot(scene_id), **{collection: [dict(one) for one in documents] for collection, documents in parts.items()}}
    try:
        check_mappings(EngineScene.from_snapshot(given))
    except EngineError as error:
        raise refused("style", f"{name} does not fit this scene: {error.message}") from None


def logged(universe_id: UUID, actor: Actor, op_id: UUID | None) -> Document | None:
    """What the first request with this key left in the log, for requests whose content depends on the state they find."""
    if op_id is None:
        return None
    mine = (_LOG.c.universe_id == universe_id, _LOG.c.actor_id == actor.id, _LOG.c.op_id == op_id)
    found: Document | None = db.session.scalar(select(_LOG.c.after).where(*mine))
    return found


def _copied(actor: Actor, scene_id: UUID, copy_id: UUID) -> Document:
    row = reading.find(actor, "scenes", scene_id)
    document = document_of(Scene, row)
    document["name"] = f"{document['name'][:95]} copy"
    return {**document, **copies.contents_of(db.session(), scene_id, copy_id)}


def _placed(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields without the neighbours, and the neighbours. Raises Invalid when both are given."""
    own = {name: value for name, value in fields.items() if name not in _NEIGHBOURS}
    place = {name: fields.get(name) for name in _NEIGHBOURS}
    if all(place.values()):
        raise Invalid(errors={"before_id": ["Give after_id or before_id, not both."]})
    return own, place


def _fresh(head: Mapping[str, Any]) -> dict[str, Any]:
    """The head of a request that makes something: there is nothing yet that If-Match could match."""
    return {**head, "if_match": None}

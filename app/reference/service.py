"""Real systems and templates: how they are told, and how they become universes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID, uuid5

import orjson

from app.changes.intents import Intent, new_id
from app.changes.order import spread
from app.changes.service import Done, create_universe
from app.database import dump_json
from app.engine.reference import SYSTEMS, system
from app.errors import NotFound
from app.physics_parameters.schemas import PhysicsParametersSchema
from app.physics_parameters.service import complete
from app.reference.schemas import canonical
from app.reference.templates import TEMPLATES, of_system, template
from app.scenes.copies import after_what_they_need
from app.scenes.schemas import BodySchema, ConstraintSchema, MappingSchema, SceneSchema, VoiceSchema
from app.schemas import BaseSchema
from app.universes.schemas import UniverseSchema, seed_of

Document = dict[str, Any]


def systems() -> list[Document]:
    """Every system, without its numbers."""
    return [
        {**{key: system(name)[key] for key in ("name", "title", "description", "epoch")}, "bodies": len(system(name)["bodies"])}
        for name in SYSTEMS
    ]


def described(name: str) -> Document:
    """A system with each number's value, unit, epoch and source. Raises NotFound."""
    if canonical(name) not in SYSTEMS:
        raise NotFound(f"There is no such system; there are {', '.join(SYSTEMS)}.")
    return system(canonical(name))


def create(name: str, title: str | None, head: Mapping[str, Any]) -> Done:
    """Make a universe of a system, with its physics and one scene, in one change. Raises EngineError for an unknown system."""
    return _create(of_system(canonical(name)), title, head)


def templates() -> list[Document]:
    """Every template, without its bodies and sounds."""
    return [_summary(name, template(name)) for name in TEMPLATES]


def described_template(name: str) -> Document:
    """A template with all that a universe made of it holds. Raises NotFound."""
    if canonical(name) not in TEMPLATES:
        raise NotFound(f"There is no such template; there are {', '.join(TEMPLATES)}.")
    content = template(canonical(name))
    parts = {part: content.get(part, []) for part in ("bodies", "constraints", "voices", "mappings")}
    return {**_summary(canonical(name), content), "physics": content["physics"], "scene": content["scene"], **parts}


def create_from_template(name: str, title: str | None, head: Mapping[str, Any]) -> Done:
    """Make a universe of a template, as one change."""
    return _create(template(canonical(name)), title, head)


def _summary(name: str, content: Document) -> Document:
    universe, scene = content["universe"], content["scene"]
    return {
        "name": name,
        "title": universe["name"],
        "description": universe["description"],
        "tags": universe["tags"],
        "solver": scene["solver"],
        "duration_s": scene["duration_s"],
    }


def _create(content: Document, title: str | None, head: Mapping[str, Any]) -> Done:
    universe_id = new_id(head["actor"], head["op_id"])
    universe = {**content["universe"], "name": title or content["universe"]["name"]}
    return create_universe(
        Intent(
            op="create",
            collection="universe",
            universe_id=universe_id,
            entity_id=universe_id,
            fields={**UniverseSchema().load(universe), "seed": seed_of(universe_id)},
            subtree=subtree(universe_id, content),
            **{**head, "if_match": None},
        )
    )


def subtree(universe_id: UUID, content: Mapping[str, Any]) -> dict[str, list[Document]]:
    """The documents of a universe that holds one scene; ids follow from its own.

    `content` is {"scene", "physics", "bodies"} and may have "constraints", "voices" and "mappings", in the shapes of the API. Orbits name
    their parent in `parent_name`, constraints their bodies in `body_name` and `other_body_name`, mappings their voice in `voice_name`;
    names are different.
    """
    scene_id = uuid5(universe_id, "scene")
    physics = PhysicsParametersSchema(partial=True).load(content["physics"])
    parameters = complete({"description": "", "custom": {}, **physics}, of_scene=False)
    scene = SceneSchema().load(content["scene"])
    held = {
        "bodies": _bodies(scene_id, content["bodies"]),
        "constraints": [_constraint(scene_id, one, key) for one, key in _in_order(content.get("constraints", []))],
        "voices": [_part(scene_id, VoiceSchema, voice, key) for voice, key in _in_order(content.get("voices", []))],
        "mappings": [_mapping(scene_id, mapping, key) for mapping, key in _in_order(content.get("mappings", []))],
    }
    return {
        "physics-parameters": [
            {"id": str(uuid5(universe_id, "physics")), "scene_id": None, "name": scene["name"], "active": True, **parameters}
        ],
        "scenes": [{**scene, "id": str(scene_id), "order_key": next(spread(1)), **held}],
    }


def _in_order(documents: list[Document]) -> Iterator[tuple[Document, str]]:
    return zip(documents, spread(len(documents)), strict=True)


def _bodies(scene_id: UUID, bodies: list[Document]) -> list[Document]:
    """Bodies, each after its parent."""
    found = [_part(scene_id, BodySchema, _with_parent(scene_id, body), key) for body, key in _in_order(bodies)]
    return after_what_they_need(found, lambda body: (body["orbit"] or {}).get("parent_body_id"))


def _with_parent(scene_id: UUID, body: Document) -> Document:
    if body.get("orbit") is None:
        return body
    orbit = dict(body["orbit"])
    parent_id = _id(scene_id, orbit.pop("parent_name"))
    return {**body, "orbit": {**orbit, "parent_body_id": parent_id}}


def _constraint(scene_id: UUID, constraint: Document, key: str) -> Document:
    given = dict(constraint)
    for name in ("body", "other_body"):
        if f"{name}_name" in given:
            given[f"{name}_id"] = _id(scene_id, given.pop(f"{name}_name"))
    return {**_part(scene_id, ConstraintSchema, given, key), "id": str(uuid5(scene_id, f"constraint {key}"))}


def _mapping(scene_id: UUID, mapping: Document, key: str) -> Document:
    given = dict(mapping)
    voice_id = _id(scene_id, given.pop("voice_name"))
    return {**_part(scene_id, MappingSchema, {**given, "voice_id": voice_id}, key), "id": str(uuid5(scene_id, f"mapping {key}"))}


def _part(scene_id: UUID, schema: type[BaseSchema], given: Document, key: str) -> Document:
    """The document of a part of a scene, as plain JSON."""
    loaded: Document = orjson.loads(dump_json(schema().load(given)))
    return {**loaded, "id": _id(scene_id, given.get("name", "")), "scene_id": str(scene_id), "order_key": key}


def _id(scene_id: UUID, name: str) -> str:
    """The id of what has this name in a scene."""
    return str(uuid5(scene_id, name))

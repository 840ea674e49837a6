"""Real systems: how they are told, and how they become universes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID, uuid5

import orjson

from app.changes.intents import Intent, new_id
from app.changes.order import spread
from app.changes.service import Done, create_universe
from app.database import dump_json
from app.engine.reference import SYSTEMS, as_scene_content, system
from app.errors import NotFound
from app.physics_parameters.service import complete
from app.reference.schemas import canonical
from app.scenes.copies import after_what_they_need
from app.scenes.schemas import BodySchema, MappingSchema, SceneSchema, VoiceSchema
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
    universe_id = new_id(head["actor"], head["op_id"])
    content = as_scene_content(canonical(name))
    own = UniverseSchema().load({"name": title or content["scene"]["name"], "description": content["scene"]["description"]})
    return create_universe(
        Intent(
            op="create",
            collection="universe",
            universe_id=universe_id,
            entity_id=universe_id,
            fields={**own, "unit_system": "astro", "seed": seed_of(universe_id)},
            subtree=subtree(universe_id, content),
            **{**head, "if_match": None},
        )
    )


def subtree(universe_id: UUID, content: Mapping[str, Any]) -> dict[str, list[Document]]:
    """The documents of a universe that holds one scene; ids follow from its own.

    `content` is {"scene", "physics", "bodies"} and may have "voices" and "mappings", in the shapes of the API. Bodies name
    their parent in `parent_name`, mappings their voice in `voice_name`; names are different.
    """
    scene_id = uuid5(universe_id, "scene")
    parameters = complete({"description": "", "custom": {}, **content["physics"]}, of_scene=False)
    scene = SceneSchema().load(content["scene"])
    held = {
        "bodies": _bodies(scene_id, content["bodies"]),
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


def _mapping(scene_id: UUID, mapping: Document, key: str) -> Document:
    given = dict(mapping)
    voice_id = _id(scene_id, given.pop("voice_name"))
    return {**_part(scene_id, MappingSchema, {**given, "voice_id": voice_id}, key), "id": str(uuid5(scene_id, f"mapping {key}"))}


def _part(scene_id: UUID, schema: type[BaseSchema], given: Document, key: str) -> Document:
    """The document of a body, voice or mapping, as plain JSON."""
    loaded: Document = orjson.loads(dump_json(schema().load(given)))
    return {**loaded, "id": _id(scene_id, given.get("name", "")), "scene_id": str(scene_id), "order_key": key}


def _id(scene_id: UUID, name: str) -> str:
    """The id of what has this name in a scene."""
    return str(uuid5(scene_id, name))

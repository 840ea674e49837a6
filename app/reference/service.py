"""Real systems: how they are told, and how they become universes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from app.changes.intents import Intent, new_id
from app.changes.order import spread
from app.changes.service import Done, create_universe
from app.engine.reference import SYSTEMS, as_scene_content, system
from app.errors import NotFound
from app.physics_parameters.service import complete
from app.scenes.schemas import BodySchema, SceneSchema
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


def canonical(name: str) -> str:
    """A system's name as the engine spells it: TRAPPIST-1 is trappist_1."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


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
    """The documents of a universe that holds one scene; ids follow from its own."""
    scene_id = uuid5(universe_id, "scene")
    parameters = complete({"description": "", "custom": {}, **content["physics"]}, of_scene=False)
    name = content["scene"]["name"]
    scene = {**SceneSchema().load(content["scene"]), "id": str(scene_id), "order_key": next(spread(1))}
    return {
        "physics-parameters": [{"id": str(uuid5(universe_id, "physics")), "scene_id": None, "name": name, "active": True, **parameters}],
        "scenes": [{**scene, "bodies": _bodies(scene_id, content["bodies"])}],
    }


def _bodies(scene_id: UUID, bodies: list[Document]) -> list[Document]:
    """Bodies in order, each after its parent."""
    ids = {body["name"]: str(uuid5(scene_id, body["name"])) for body in bodies}
    found = []
    for body, key in zip(bodies, spread(len(bodies)), strict=True):
        orbit = dict(body["orbit"]) if body["orbit"] is not None else None
        if orbit is not None:
            orbit["parent_body_id"] = ids[orbit.pop("parent_name")]
        loaded = BodySchema().load({**body, "orbit": orbit})
        if orbit is not None:
            loaded["orbit"] |= {"parent_body_id": orbit["parent_body_id"]}
        found.append({**loaded, "id": ids[body["name"]], "scene_id": str(scene_id), "order_key": key})
    return found

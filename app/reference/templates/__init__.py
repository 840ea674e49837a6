"""Templates: whole universes to begin with, each with its physics, one scene and what it sounds like.

A template is a JSON file beside this one, in the shapes of the API but for names in place of ids, or a reference system of the engine.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import orjson

from app.engine.reference import SYSTEMS, as_scene_content

TEMPLATES = (
    "bouncing_ball",
    "pendulum_wave",
    "newtons_cradle",
    "double_pendulum",
    "spring_chain",
    "box_of_gas",
    *SYSTEMS,
    "struck_bars",
    "drum",
)
"""Their names, in the order in which they are shown."""


def template(name: str) -> dict[str, Any]:
    """What a template holds: {"universe", "physics", "scene", "bodies"} and perhaps "constraints", "voices" and "mappings"."""
    return of_system(name) if name in SYSTEMS else _data(name)


def of_system(name: str) -> dict[str, Any]:
    """The same of a reference system. Raises EngineError with the names there are."""
    content = as_scene_content(name)
    scene = content["scene"]
    return {**content, "universe": {**{key: scene[key] for key in ("name", "description")}, "tags": ["orbits"], "unit_system": "astro"}}


@functools.cache
def _data(name: str) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads((Path(__file__).parent / f"{name}.json").read_bytes())
    return content

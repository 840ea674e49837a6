"""Styles: ways for a scene to sound, each with its voices, its mappings and what it sets of the harmony.

A style is a JSON file beside this one, in the shapes of the API but for names in place of ids, with the solvers whose scenes it suits.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import orjson

from app.changes.content import Document
from app.changes.order import spread
from app.database import dump_json
from app.engine.music.scales import CUSTOM
from app.scenes.schemas import MappingSchema, VoiceSchema
from app.universes.schemas import HarmonyOverrideSchema

STYLES = (
    "marimba",
    "harp",
    "glass_bells",
    "chiptune",
    "string_drift",
    "pulse",
    "spheres",
    "orrery",
    "resonant_hall",
    "seven_steps",
)
"""Their names, in the order in which they are shown."""


@functools.cache
def style(name: str) -> Document:
    """What a style holds: {"title", "description", "solvers", "harmony", "voices", "mappings"}."""
    content: Document = orjson.loads((Path(__file__).parent / f"{name}.json").read_bytes())
    return content


def described() -> list[Document]:
    """Every style with all that it gives a scene."""
    return [{"name": name, **style(name)} for name in STYLES]


def harmony_of(name: str) -> Document:
    """What a style sets of a scene's harmony, as a merge patch: a scale takes the place of one of the scene's own cents."""
    found: Document = HarmonyOverrideSchema().load(style(name)["harmony"])
    return {**found, "scale_cents": None} if found.get("scale", CUSTOM) != CUSTOM else found


def parts_of(name: str, scene_id: UUID) -> dict[str, list[Document]]:
    """The documents of a style's voices and mappings in a scene; their ids follow from the scene's and the style's name."""
    voices = [_part(scene_id, f"{name} voice {voice['name']}", VoiceSchema, voice) for voice in style(name)["voices"]]
    ids = {voice["name"]: voice["id"] for voice in voices}
    mappings = [
        _part(
            scene_id,
            f"{name} mapping {place}",
            MappingSchema,
            {key: value for key, value in mapping.items() if key != "voice_name"} | {"voice_id": ids[mapping["voice_name"]]},
        )
        for place, mapping in enumerate(style(name)["mappings"])
    ]
    return {"voices": _in_order(voices), "mappings": _in_order(mappings)}


def _part(scene_id: UUID, name: str, schema: Any, given: Document) -> Document:
    loaded: Document = orjson.loads(dump_json(schema().load(given)))
    return {**loaded, "id": str(uuid5(scene_id, f"style {name}")), "scene_id": str(scene_id)}


def _in_order(documents: list[Document]) -> list[Document]:
    return [{**one, "order_key": key} for one, key in zip(documents, spread(len(documents)), strict=True)]

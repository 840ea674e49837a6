"""What requests about scenes and their parts carry: bodies, queries and headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from app.reference.styles import STYLES
from app.schemas import BaseSchema, Text


class UniverseQuerySchema(BaseSchema):
    """The universe that a new scene is for, unless the body names it."""

    universe_id = fields.UUID()


class OrderSchema(BaseSchema):
    """All scenes of a universe, each once, in the order they shall have."""

    universe_id = fields.UUID(required=True)
    scene_ids = fields.List(fields.UUID(), required=True, validate=validate.Length(max=1000))


class OrderedSchema(ma.Schema):
    """The order of a universe's scenes."""

    universe_id = fields.UUID(required=True)
    scene_ids = fields.List(fields.UUID(), required=True)
    revision = fields.Integer(required=True)


class CopySchema(BaseSchema):
    """What a copy is called; without a name, after the scene."""

    name = Text(low=1, high=100)


class StyleSchema(BaseSchema):
    """The style that a scene is to sound in."""

    style = fields.String(required=True, validate=validate.OneOf(STYLES))


class StyledSchema(ma.Schema):
    """A scene that sounds in a style, and its universe's revision then."""

    scene_id = fields.UUID(required=True)
    style = fields.String(required=True, validate=validate.OneOf(STYLES))
    revision = fields.Integer(required=True)


class EffectiveSchema(ma.Schema):
    """Every value in force in a scene, each with `from`: scene, universe or default; body, for what a body sets itself."""

    scene_id = fields.UUID(required=True)
    universe_id = fields.UUID(required=True)
    solver = fields.String(required=True)
    duration_s = fields.Float(required=True)
    loop = fields.Boolean(required=True)
    seed = fields.String(required=True)
    physics = fields.Dict(required=True, metadata={"description": "By name: value, from, id of the set, and whether the solver uses it."})
    harmony = fields.Dict(required=True, metadata={"description": "By name: value, from."})
    bodies = fields.List(fields.Dict(), required=True)
    voices = fields.List(fields.Dict(), required=True)
    mappings = fields.List(fields.Dict(), required=True)


def new_of(schema: type[BaseSchema], **more: fields.Field[Any]) -> type[BaseSchema]:
    """The schema of a new entity: its own fields, an id if the caller chooses one, its neighbour in the list."""
    return _with(schema, "New", {"id": fields.UUID(), **_neighbours(), **more})


def patch_of(schema: type[BaseSchema]) -> type[BaseSchema]:
    """The schema of a change: some of the fields, or a neighbour alone, which moves the entity."""
    return _with(schema, "Placed", _neighbours())


def _neighbours() -> dict[str, fields.Field[Any]]:
    return {
        "after_id": fields.UUID(load_only=True, metadata={"description": "The entity that this one comes right after."}),
        "before_id": fields.UUID(load_only=True, metadata={"description": "The entity that this one comes right before."}),
    }


def _with(schema: type[BaseSchema], prefix: str, members: Mapping[str, Any]) -> type[BaseSchema]:
    made: type[BaseSchema] = type(f"{prefix}{schema.__name__}", (schema,), {**members, "__doc__": schema.__doc__})
    return made

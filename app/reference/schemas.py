"""Requests for reference systems and templates, and what is answered."""

from __future__ import annotations

import re

import marshmallow as ma
from marshmallow import fields

from app.engine.reference import SYSTEMS
from app.reference.templates import TEMPLATES
from app.schemas import BaseSchema, Text


def canonical(name: str) -> str:
    """A name as systems and templates are called: TRAPPIST-1 is trappist_1."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


class FromReferenceSchema(BaseSchema):
    """Which system to make a universe of, and what to call it."""

    system = Text(low=1, high=40, required=True, metadata={"examples": list(SYSTEMS)})
    name = Text(low=1, high=100)

    @ma.validates("system")
    def _known(self, value: str, **_: object) -> None:
        if canonical(value) not in SYSTEMS:
            raise ma.ValidationError(f"Must be one of {', '.join(SYSTEMS)}.")


class FromTemplateSchema(BaseSchema):
    """Which template to make a universe of, and what to call it."""

    template = Text(low=1, high=40, required=True, metadata={"examples": list(TEMPLATES)})
    name = Text(low=1, high=100)

    @ma.validates("template")
    def _known(self, value: str, **_: object) -> None:
        if canonical(value) not in TEMPLATES:
            raise ma.ValidationError(f"Must be one of {', '.join(TEMPLATES)}.")


class TemplateSummarySchema(ma.Schema):
    """A template without its bodies and sounds."""

    name = fields.String(required=True)
    title = fields.String(required=True)
    description = fields.String(required=True)
    tags = fields.List(fields.String(), required=True)
    solver = fields.String(required=True)
    duration_s = fields.Float(required=True, metadata={"description": "Length of its scene in score seconds."})


class TemplatesSchema(ma.Schema):
    """All templates."""

    items = fields.List(fields.Nested(TemplateSummarySchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class TemplateSchema(TemplateSummarySchema):
    """A template with all that a universe made of it holds; names stand where the API has ids."""

    physics = fields.Dict(required=True)
    scene = fields.Dict(required=True)
    bodies = fields.List(fields.Dict(), required=True)
    constraints = fields.List(fields.Dict(), required=True)
    voices = fields.List(fields.Dict(), required=True)
    mappings = fields.List(fields.Dict(), required=True)


class SystemSummarySchema(ma.Schema):
    """A system without its numbers."""

    name = fields.String(required=True)
    title = fields.String(required=True)
    description = fields.String(required=True)
    epoch = fields.String(required=True)
    bodies = fields.Integer(required=True, metadata={"description": "How many."})


class SystemsSchema(ma.Schema):
    """All systems."""

    items = fields.List(fields.Nested(SystemSummarySchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class ReferenceSystemSchema(ma.Schema):
    """A system with each number's value, unit, epoch and source."""

    name = fields.String(required=True)
    title = fields.String(required=True)
    description = fields.String(required=True)
    frame = fields.String(required=True)
    epoch = fields.String(required=True)
    bodies = fields.List(fields.Dict(), required=True)

"""What is asked of stored tunings, and how they are answered."""

from __future__ import annotations

from typing import ClassVar

import marshmallow as ma
from marshmallow import fields

from app.schemas import BaseSchema, Text
from app.universes.schemas import CustomTuningSchema, Entire


class NewTuningSchema(BaseSchema):
    """A custom tuning to keep: its degrees in cents or ratios, or the text of Scala files."""

    ALIASES: ClassVar = {"title": "name"}

    name = Text(low=1, high=100, required=True)
    description = Text(high=500, load_default="")
    tuning = Entire(CustomTuningSchema, required=True)


class StoredTuningSchema(ma.Schema):
    """A tuning that somebody keeps."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True)
    tuning = fields.Dict(required=True, metadata={"description": "As a harmony takes it."})
    notes = fields.Integer(required=True, metadata={"description": "Pitches in a period."})
    cents = fields.List(fields.Float(), required=True, metadata={"description": "Its degrees above 1/1 in cents, the period last."})
    created_at = fields.String(required=True, metadata={"format": "date-time"})

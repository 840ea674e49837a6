"""What is asked of stored tunings, and how they are answered."""

from __future__ import annotations

from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields

from app.engine.music.tunings import CUSTOM
from app.schemas import BaseSchema, Text
from app.universes.schemas import Entire, TuningSchema


class NewTuningSchema(BaseSchema):
    """A custom tuning to keep: its degrees in cents or ratios, or the text of Scala files."""

    ALIASES: ClassVar = {"title": "name"}

    name = Text(low=1, high=100, required=True)
    description = Text(high=500, load_default="")
    tuning = Entire(TuningSchema, required=True, metadata={"description": "As a harmony takes it, of the type custom."})

    @ma.validates("tuning")
    def _own(self, value: dict[str, Any], **_: Any) -> None:
        if value["type"] != CUSTOM:
            raise ma.ValidationError({"type": [f"Only a {CUSTOM} tuning is kept; the others have names."]})


class StoredTuningSchema(ma.Schema):
    """A tuning that somebody keeps."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True)
    tuning = fields.Dict(required=True, metadata={"description": "As a harmony takes it."})
    notes = fields.Integer(required=True, metadata={"description": "Pitches in a period."})
    cents = fields.List(fields.Float(), required=True, metadata={"description": "Its degrees above 1/1 in cents, the period last."})
    created_at = fields.String(required=True, metadata={"format": "date-time"})

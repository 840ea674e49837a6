"""What is asked of materials, and how they are answered."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from app.schemas import BaseSchema, Text


class UploadSchema(BaseSchema):
    """What the uploader says of a sound."""

    name = Text(low=1, high=100, required=True)
    license = Text(low=1, high=200, required=True, metadata={"description": "Under which it may be used: an SPDX identifier, or a URL."})


class AudioMaterialSchema(ma.Schema):
    """An uploaded sound, and what was measured in it."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    license = fields.String(required=True)
    format = fields.String(required=True, metadata={"enum": ["wav", "flac"]})
    bit_depth = fields.Raw(required=True, metadata={"enum": [16, 24, 32, "32f"]})
    sample_rate = fields.Integer(required=True, metadata={"description": "Hz"})
    channels = fields.Integer(required=True)
    frames = fields.Integer(required=True)
    duration_s = fields.Float(required=True)
    file_bytes = fields.Integer(required=True)
    sha256 = fields.String(required=True, metadata={"description": "Of the file.", "pattern": "^[0-9a-f]{64}$"})
    peak_dbtp = fields.Float(required=True, allow_none=True, metadata={"description": "True peak; null: silence."})
    lufs = fields.Float(required=True, allow_none=True, metadata={"description": "Integrated loudness; null: silence, or too short."})
    created_at = fields.String(required=True, metadata={"format": "date-time"})

"""How jobs are answered."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from app.jobs.models import STATES
from app.jobs.registry import TYPES
from app.schemas import BaseSchema, ErrorSchema


class JobSchema(ma.Schema):
    """A piece of work."""

    id = fields.UUID(required=True)
    type = fields.String(required=True, validate=validate.OneOf(TYPES))
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    progress = fields.Float(required=True, validate=validate.Range(0, 1), metadata={"description": "Part done, 0 to 1."})
    attempts = fields.Integer(required=True, metadata={"description": "How often a worker has begun it."})
    cancel_requested = fields.Boolean(required=True)
    error = fields.Nested(ErrorSchema, required=True, allow_none=True, metadata={"description": "Why it failed."})
    universe_id = fields.UUID(required=True, allow_none=True)
    subject_id = fields.UUID(required=True, metadata={"description": "The artefact that it makes."})
    result = fields.String(required=True, allow_none=True, metadata={"description": "Where the result is, once it has succeeded."})
    created_at = fields.String(required=True, metadata={"format": "date-time"})
    started_at = fields.String(required=True, allow_none=True, metadata={"format": "date-time"})
    finished_at = fields.String(required=True, allow_none=True, metadata={"format": "date-time"})


class JobWaitSchema(BaseSchema):
    """How long to wait for a job."""

    wait = fields.Float(
        load_default=0.0,
        validate=validate.Range(min=0, max=30),
        metadata={"description": "Answer when the job has ended, or after so many seconds."},
    )

"""What the service says about itself."""

from __future__ import annotations

from marshmallow import Schema, fields, validate


class HealthSchema(Schema):
    """Liveness."""

    status = fields.String(required=True, validate=validate.OneOf(["ok"]))


class CheckSchema(Schema):
    """One part that the service stands on."""

    name = fields.String(required=True, metadata={"description": "database, migrations, storage or jobs."})
    state = fields.String(required=True, validate=validate.OneOf(["ok", "warn"]))
    message = fields.String(required=True)


class ReadinessSchema(Schema):
    """Readiness: `degraded` serves requests, but some work waits."""

    status = fields.String(required=True, validate=validate.OneOf(["ready", "degraded"]))
    checks = fields.List(fields.Nested(CheckSchema), required=True)


class VersionSchema(Schema):
    """Which release this is."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    api_version = fields.String(required=True)
    engine_version = fields.String(required=True, metadata={"description": "Changes when the same scene and seed would sound different."})

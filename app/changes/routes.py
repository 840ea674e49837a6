"""The history of a universe."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import marshmallow as ma
import orjson
from flask import Response
from marshmallow import fields, validate

from app.access import Action
from app.auth.tokens import current_actor, guard
from app.changes import history
from app.extensions import db
from app.pages import page_schema
from app.schemas import BaseSchema, Blueprint, Text
from app.universes import reading

bp = Blueprint("history", __name__, url_prefix="/universes", description="What changed in a universe, when, and by whom.")
_LAST = 2**63 - 1


class HistoryQuerySchema(BaseSchema):
    """Which rows of the log: those after `since`, or from a `cursor` on, by an actor, about a path."""

    since = fields.Integer(validate=validate.Range(min=0, max=_LAST))
    cursor = fields.Integer(
        validate=validate.Range(min=0, max=_LAST), metadata={"description": "A next_cursor: the revision to go on from."}
    )
    limit = fields.Integer(load_default=20, validate=validate.Range(min=1, max=100))
    actor = fields.UUID()
    path = Text(high=80, metadata={"description": "`universe`, or a collection and an id: `bodies/3f...`."})

    @ma.validates_schema
    def _one_start(self, data: dict[str, Any], **_: Any) -> None:
        if "since" in data and "cursor" in data:
            raise ma.ValidationError("Give since or cursor, not both.", "cursor")


class ChangeSchema(ma.Schema):
    """A row of the log."""

    revision = fields.Integer(required=True)
    op = fields.String(required=True)
    path = fields.String(required=True)
    before = fields.Dict(required=True, allow_none=True)
    after = fields.Dict(required=True, allow_none=True)
    actor = fields.Dict(required=True, allow_none=True, metadata={"description": "id, and display_name while there is an account."})
    client_id = fields.String(required=True, allow_none=True)
    op_id = fields.UUID(required=True)
    undo_of = fields.Integer(required=True, allow_none=True)
    group = fields.String(required=True, allow_none=True)
    source = fields.String(required=True)
    at = fields.DateTime(required=True)


@bp.get("/<uuid:universe_id>/history")
@bp.doc(operationId="listHistory")
@guard()
@bp.arguments(HistoryQuerySchema, location="query")
@bp.response(200, page_schema(ChangeSchema))
def list_history(query: dict[str, Any], universe_id: UUID) -> Response:
    """The rows of a universe's log, the oldest first."""
    head = reading.revision_for(current_actor(), universe_id, Action.INSPECT)
    since = query.get("cursor", query.get("since", 0))
    rows, last = history.page(
        db.session(), universe_id, since=since, limit=query["limit"], actor=query.get("actor"), path=query.get("path")
    )
    answer = {"items": rows, "next_cursor": None if last is None else str(last)}
    response = Response(orjson.dumps(answer), content_type="application/json")
    response.headers["X-Universe-Revision"] = str(head)
    return response

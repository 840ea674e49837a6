"""The chat of a universe over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import marshmallow as ma
import orjson
from flask import Response
from marshmallow import fields, validate

from app.access import Action
from app.auth.tokens import current_actor, guard
from app.collaboration import chat
from app.collaboration.answers import ChatLineSchema
from app.pages import page_schema
from app.schemas import BaseSchema, Blueprint
from app.universes import reading

bp = Blueprint("chat", __name__, url_prefix="/universes", description="What people in a universe say to each other.")
_LAST = 2**63 - 1
_NUMBER = validate.Range(min=1, max=_LAST)


class ChatQuerySchema(BaseSchema):
    """Which lines: those before a number, or from a `cursor` on."""

    before = fields.Integer(validate=_NUMBER, metadata={"description": "The number of a line; without it the newest are answered."})
    cursor = fields.Integer(validate=_NUMBER, metadata={"description": "A next_cursor: the same as before."})
    limit = fields.Integer(load_default=20, validate=validate.Range(min=1, max=100))

    @ma.validates_schema
    def _one_start(self, data: dict[str, Any], **_: Any) -> None:
        if "before" in data and "cursor" in data:
            raise ma.ValidationError("Give before or cursor, not both.", "cursor")


@bp.get("/<uuid:universe_id>/chat")
@bp.doc(operationId="listChat")
@guard()
@bp.arguments(ChatQuerySchema, location="query")
@bp.response(200, page_schema(ChatLineSchema))
def list_chat(query: dict[str, Any], universe_id: UUID) -> Response:
    """The chat of a universe, the newest line first."""
    reading.revision_for(current_actor(), universe_id, Action.INSPECT)
    limit = query["limit"]
    rows = chat.lines_before(universe_id, query.get("cursor", query.get("before", _LAST)), limit + 1)
    items = [chat.told(row) for row in rows[:limit]]
    following = str(items[-1]["seq"]) if len(rows) > limit else None
    return Response(orjson.dumps({"items": items, "next_cursor": following}), content_type="application/json")

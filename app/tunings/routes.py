"""Stored tunings over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, jsonify, url_for

from app.auth.tokens import current_actor, guard
from app.changes.requests import MAKING, of_request
from app.pages import page_schema, query_of
from app.schemas import Blueprint
from app.tunings import service
from app.tunings.schemas import NewTuningSchema, StoredTuningSchema

bp = Blueprint("tunings", __name__, url_prefix="/audio/tunings/custom", description="Tunings that you keep.")

_KEY = MAKING[:1]


@bp.get("")
@bp.doc(operationId="listStoredTunings")
@guard()
@bp.arguments(query_of(service.LIBRARY), location="query")
@bp.response(200, page_schema(StoredTuningSchema))
def list_tunings(query: dict[str, Any]) -> dict[str, Any]:
    """The tunings that you keep, the newest first."""
    page = service.listed(current_actor()).page(query)
    return page.answer([service.shown(row) for row in page.rows])


@bp.post("")
@bp.doc(operationId="keepTuning", parameters=_KEY)
@guard()
@bp.arguments(NewTuningSchema)
@bp.response(201, StoredTuningSchema)
def keep_tuning(given: dict[str, Any]) -> Response:
    """Keep a custom tuning, given in cents and ratios or as Scala files; harmonies take copies of it."""
    made, replayed = service.keep(current_actor(), given, of_request()["op_id"])
    response = jsonify(made)
    response.status_code = 201
    response.headers["Location"] = url_for(".get_tuning", tuning_id=made["id"])
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


@bp.get("/<uuid:tuning_id>")
@bp.doc(operationId="getStoredTuning")
@guard()
@bp.response(200, StoredTuningSchema)
def get_tuning(tuning_id: UUID) -> dict[str, Any]:
    """A tuning that you keep."""
    return service.read(current_actor(), tuning_id)


@bp.delete("/<uuid:tuning_id>")
@bp.doc(operationId="deleteStoredTuning")
@guard()
@bp.response(204)
def delete_tuning(tuning_id: UUID) -> None:
    """Delete a tuning that you keep; what sounds in it has a copy."""
    service.delete(current_actor(), tuning_id)


@bp.get("/<uuid:tuning_id>/scale.scl")
@bp.doc(operationId="getStoredTuningScale")
@guard()
@bp.response(200, {"type": "string"}, content_type="text/plain", description="A Scala scale file.")
def get_scale(tuning_id: UUID) -> Response:
    """A tuning that you keep, as a Scala scale file."""
    return _file(service.scale_file(current_actor(), tuning_id), "scale.scl")


@bp.get("/<uuid:tuning_id>/keyboard.kbm")
@bp.doc(operationId="getStoredTuningKeyboard")
@guard()
@bp.response(200, {"type": "string"}, content_type="text/plain", description="A Scala keyboard mapping.")
def get_keyboard(tuning_id: UUID) -> Response:
    """The Scala keyboard mapping that goes with it: every MIDI key takes the next pitch, 1/1 lies on the key nearest to it."""
    return _file(service.keyboard_file(current_actor(), tuning_id), "keyboard.kbm")


def _file(text: str, name: str) -> Response:
    response = Response(text, content_type="text/plain; charset=utf-8")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response

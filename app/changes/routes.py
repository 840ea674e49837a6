"""The history of a universe."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import marshmallow as ma
import orjson
from flask import Response, request
from marshmallow import fields, validate

from app.access import Action
from app.auth.tokens import current_actor, guard
from app.changes import history, past, versions
from app.changes.requests import MAKING, READING, of_request, with_revision
from app.changes.restore import restore
from app.changes.undo import Undone, redo, undo
from app.extensions import db
from app.pages import page_schema, query_of
from app.schemas import BaseSchema, Blueprint, Text, Whole
from app.universes import reading
from app.universes.schemas import DocumentSchema

bp = Blueprint("history", __name__, url_prefix="/universes", description="What changed in a universe, when, and by whom; and ways back.")
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


class UndoneSchema(ma.Schema):
    """What was taken back."""

    revision = fields.Integer(required=True)
    undo_of = fields.Integer(
        required=True, metadata={"description": "The revision that was taken back; of several rows of a group the newest."}
    )
    skipped = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "What others have changed since, or a rule keeps: `bodies/3f...`, or `bodies/3f... velocity.x`."},
    )


class RangeQuerySchema(BaseSchema):
    """From which revision to which."""

    since = fields.Integer(data_key="from", required=True, validate=validate.Range(min=1, max=_LAST))
    until = fields.Integer(data_key="to", required=True, validate=validate.Range(min=1, max=_LAST))

    @ma.validates_schema
    def _forwards(self, data: dict[str, Any], **_: Any) -> None:
        if data["since"] > data["until"]:
            raise ma.ValidationError("Must not be before from.", "to")


class DifferenceSchema(ma.Schema):
    """What differs of one entity: made or deleted in full, else its properties by dotted path."""

    op = fields.String(required=True, validate=validate.OneOf(["create", "update", "delete"]))
    path = fields.String(required=True)
    before = fields.Dict(required=True, allow_none=True)
    after = fields.Dict(required=True, allow_none=True)


class DifferencesSchema(ma.Schema):
    """What differs between two revisions."""

    since = fields.Integer(data_key="from", required=True)
    until = fields.Integer(data_key="to", required=True)
    items = fields.List(fields.Nested(DifferenceSchema), required=True)


class RevisionSchema(BaseSchema):
    """Which revision."""

    revision = Whole(low=1, high=_LAST, required=True)


class RestoredSchema(ma.Schema):
    """Where the universe is now, and which revision its content is that of."""

    revision = fields.Integer(required=True)
    restored = fields.Integer(required=True)


class NewVersionSchema(BaseSchema):
    """A name for a revision, the newest unless another is given."""

    name = Text(low=1, high=100, required=True)
    revision = Whole(low=1, high=_LAST)


class NamedRevisionSchema(ma.Schema):
    """A named revision."""

    id = fields.UUID(required=True)
    universe_id = fields.UUID(required=True)
    revision = fields.Integer(required=True)
    name = fields.String(required=True)
    user_id = fields.UUID(required=True, allow_none=True, metadata={"description": "Who named it, while there is an account."})
    created_at = fields.DateTime(required=True)


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


@bp.post("/<uuid:universe_id>/undo")
@bp.doc(operationId="undo", parameters=MAKING)
@guard()
@bp.response(200, UndoneSchema)
@bp.alt_response(409, response="CONFLICT")
def undo_last(universe_id: UUID) -> Response:
    """Take back the last change that you made from this tab, as a new change; what others changed since stays."""
    return _undone(undo(universe_id, of_request()))


@bp.post("/<uuid:universe_id>/redo")
@bp.doc(operationId="redo", parameters=MAKING)
@guard()
@bp.response(200, UndoneSchema)
@bp.alt_response(409, response="CONFLICT")
def redo_last(universe_id: UUID) -> Response:
    """Do again what you last took back from this tab, unless you have made a new change since."""
    return _undone(redo(universe_id, of_request()))


@bp.get("/<uuid:universe_id>/at/<int:revision>")
@bp.doc(operationId="getDocumentAt", parameters=READING)
@guard()
@bp.response(200, DocumentSchema)
def read_at(universe_id: UUID, revision: int) -> Response:
    """The document as it was at a revision."""
    head = reading.revision_for(current_actor(), universe_id, Action.INSPECT)
    past.require_revision(universe_id, revision)
    response = reading.answer_at(universe_id, revision, "at", lambda one: past.document_at(one, revision))
    response.headers["X-Universe-Revision"] = str(head)
    return response


@bp.get("/<uuid:universe_id>/diff")
@bp.doc(operationId="getDiff")
@guard()
@bp.arguments(RangeQuerySchema, location="query")
@bp.response(200, DifferencesSchema)
def read_diff(query: dict[str, Any], universe_id: UUID) -> Response:
    """What differs between two revisions, members and share links included."""
    head = reading.revision_for(current_actor(), universe_id, Action.INSPECT)
    states = [past.state_of(universe_id, query[end]) for end in ("since", "until")]
    response = _json({"from": query["since"], "to": query["until"], "items": list(past.differences(*states))})
    response.headers["X-Universe-Revision"] = str(head)
    return response


@bp.post("/<uuid:universe_id>/restore")
@bp.doc(operationId="restore", parameters=MAKING)
@guard()
@bp.arguments(RevisionSchema)
@bp.response(200, RestoredSchema)
def restore_revision(given: dict[str, Any], universe_id: UUID) -> Response:
    """Put the content back to an earlier revision, as a new change; members, links and visibility stay."""
    head = of_request()
    for action in (Action.READ, Action.MANAGE):  # a deleted universe is not found by readers
        reading.revision_for(current_actor(), universe_id, action)
    done = restore(universe_id, given["revision"], head)
    return with_revision(_json({"revision": done.revision, "restored": given["revision"]}), done)


@bp.get("/<uuid:universe_id>/versions")
@bp.doc(operationId="listVersions")
@guard()
@bp.arguments(query_of(versions.LISTING), location="query")
@bp.response(200, page_schema(NamedRevisionSchema))
def list_versions(query: dict[str, Any], universe_id: UUID) -> Response:
    """The named revisions of a universe, the newest revision first."""
    reading.revision_for(current_actor(), universe_id, Action.INSPECT)
    page = versions.LISTING.page(query, {"universe_id": universe_id})
    return _json(page.answer([versions.version_json(row._mapping) for row in page.rows]))


@bp.post("/<uuid:universe_id>/versions")
@bp.doc(operationId="makeVersion", parameters=MAKING)
@guard()
@bp.arguments(NewVersionSchema)
@bp.response(201, NamedRevisionSchema)
@bp.alt_response(409, response="CONFLICT")
def make_version(given: dict[str, Any], universe_id: UUID) -> Response:
    """Name a revision, the newest unless you give another."""
    head = reading.revision_for(current_actor(), universe_id, Action.EDIT)
    made, repeated = versions.make(universe_id, given["name"], given.get("revision"), of_request())
    response = _json(made, 201)
    response.headers["X-Universe-Revision"] = str(head)
    response.headers["Location"] = f"{request.path}/{made['id']}"
    if repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return response


@bp.delete("/<uuid:universe_id>/versions/<uuid:version_id>")
@bp.doc(operationId="deleteVersion")
@guard()
@bp.response(204)
@bp.alt_response(410, response="GONE")
def delete_version(universe_id: UUID, version_id: UUID) -> Response:
    """Take the name of a revision away; the revision stays."""
    versions.remove(universe_id, version_id, current_actor())
    return Response(status=204)


def _undone(undone: Undone) -> Response:
    found = {"revision": undone.done.revision, "undo_of": undone.undo_of, "skipped": undone.skipped}
    return with_revision(_json(found), undone.done)


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status=status, content_type="application/json")

"""Uploaded sounds over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, jsonify, request, url_for

from app.audio.routes.answers import file_name, send
from app.auth.tokens import current_actor, guard
from app.engine.audio.files import FORMATS
from app.engine.audio.uploads import MOST_BYTES
from app.materials import service
from app.materials.schemas import AudioMaterialSchema, UploadSchema
from app.pages import page_schema, query_of
from app.schemas import Blueprint

bp = Blueprint("materials", __name__, url_prefix="/audio/materials", description="Sounds that you uploaded, to make music from.")

_BINARY = {"type": "string", "format": "binary"}
_SOUND = {"required": True, "content": {kind: {"schema": _BINARY} for kind in ("audio/wav", "audio/flac", "application/octet-stream")}}
_RANGE = {"in": "header", "name": "Range", "schema": {"type": "string"}, "description": "One range of bytes."}


@bp.post("")
@bp.doc(operationId="uploadMaterial", requestBody=_SOUND)
@guard()
@bp.arguments(UploadSchema, location="query")
@bp.response(201, AudioMaterialSchema)
@bp.alt_response(507, response="INSUFFICIENT_STORAGE")
def upload(about: dict[str, str]) -> Response:
    """Upload a WAV or FLAC file as the body, of at most 64 MiB and 600 s, with its licence."""
    request.max_content_length = MOST_BYTES + 1  # one more tells that there is more
    made = service.keep(current_actor(), about, request.stream.read)
    response = jsonify(made)
    response.status_code = 201
    response.headers["Location"] = url_for(".get_material", material_id=made["id"])
    return response


@bp.get("")
@bp.doc(operationId="listMaterials")
@guard()
@bp.arguments(query_of(service.MATERIALS), location="query")
@bp.response(200, page_schema(AudioMaterialSchema))
def list_materials(query: dict[str, Any]) -> dict[str, Any]:
    """Your uploaded sounds, the newest first."""
    page = service.listed(current_actor()).page(query)
    return page.answer([service.shown(row) for row in page.rows])


@bp.get("/<uuid:material_id>")
@bp.doc(operationId="getMaterial")
@guard()
@bp.response(200, AudioMaterialSchema)
def get_material(material_id: UUID) -> dict[str, Any]:
    """An uploaded sound, and what was measured in it."""
    return service.read_one(current_actor(), material_id)


@bp.get("/<uuid:material_id>/file")
@bp.doc(operationId="getMaterialFile", parameters=[_RANGE])
@guard()
@bp.response(200, _BINARY, content_type="audio/*", description="The sound file, as it came.")
@bp.alt_response(206, schema=_BINARY, content_type="audio/*", success=True, description="A part of the sound file.")
@bp.alt_response(304, success=True)
def get_file(material_id: UUID) -> Response:
    """The file as it came, whole or a range of it."""
    row = service.row_of(current_actor(), material_id)
    kind = FORMATS[row.format]
    name = file_name(row.name, kind.extension)
    return send(service.file_of(row), kind=kind.media_type, name=name, etag=row.sha256, sha256=row.sha256)


@bp.delete("/<uuid:material_id>")
@bp.doc(operationId="deleteMaterial")
@guard()
@bp.response(204)
def delete_material(material_id: UUID) -> None:
    """Delete an uploaded sound and its file."""
    service.delete(current_actor(), material_id)

"""Real systems and templates over HTTP."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from app.auth.tokens import guard
from app.changes.requests import MAKING, answer_with, of_request
from app.changes.service import Done
from app.reference import service
from app.reference.schemas import (
    FromReferenceSchema,
    FromTemplateSchema,
    ReferenceSystemSchema,
    SystemsSchema,
    TemplateSchema,
    TemplatesSchema,
)
from app.schemas import Blueprint
from app.universes.schemas import ShownUniverseSchema

bp = Blueprint("reference", __name__, url_prefix="/reference", description="Real systems, each number with its source, and templates.")
in_universes = Blueprint(
    "universes-from-reference", __name__, url_prefix="/universes", description="Universes made of real systems and of templates."
)
ROOMS = (bp, in_universes)


@bp.get("/systems")
@bp.doc(operationId="listReferenceSystems", security=[])
@bp.response(200, SystemsSchema)
def list_systems() -> dict[str, Any]:
    """The real systems there are."""
    return {"items": service.systems(), "next_cursor": None}


@bp.get("/systems/<name>")
@bp.doc(operationId="getReferenceSystem", security=[])
@bp.response(200, ReferenceSystemSchema)
def get_system(name: str) -> dict[str, Any]:
    """A real system: each number with its value, unit, epoch and source."""
    return service.described(name)


@bp.get("/templates")
@bp.doc(operationId="listTemplates", security=[])
@bp.response(200, TemplatesSchema)
def list_templates() -> dict[str, Any]:
    """The templates that there are to begin with."""
    return {"items": service.templates(), "next_cursor": None}


@bp.get("/templates/<name>")
@bp.doc(operationId="getTemplate", security=[])
@bp.response(200, TemplateSchema)
def get_template(name: str) -> dict[str, Any]:
    """A template with all that a universe made of it holds."""
    return service.described_template(name)


@in_universes.post("/from-reference")
@in_universes.doc(operationId="createUniverseFromReference", parameters=MAKING)
@guard()
@in_universes.arguments(FromReferenceSchema)
@in_universes.response(201, ShownUniverseSchema)
def create_from_reference(given: dict[str, str]) -> Response:
    """Make a universe of a real system, with its scene."""
    return _made(service.create(given["system"], given.get("name"), of_request()))


@in_universes.post("/from-template")
@in_universes.doc(operationId="createUniverseFromTemplate", parameters=MAKING)
@guard()
@in_universes.arguments(FromTemplateSchema)
@in_universes.response(201, ShownUniverseSchema)
def create_from_template(given: dict[str, str]) -> Response:
    """Make a universe of a template, with its scene."""
    return _made(service.create_from_template(given["template"], given.get("name"), of_request()))


def _made(done: Done) -> Response:
    return answer_with(done, 201, f"{request.path.rstrip('/').rpartition('/')[0]}/{done.entity_id}")

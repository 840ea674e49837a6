"""Real systems over HTTP."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from app.auth.tokens import guard
from app.changes.requests import MAKING, answer_with, of_request
from app.reference import service
from app.reference.schemas import FromReferenceSchema, ReferenceSystemSchema, SystemsSchema
from app.schemas import Blueprint
from app.universes.schemas import ShownUniverseSchema

bp = Blueprint("reference", __name__, url_prefix="/reference", description="Real systems, each number with its source.")
in_universes = Blueprint("universes-from-reference", __name__, url_prefix="/universes", description="Universes made of real systems.")
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


@in_universes.post("/from-reference")
@in_universes.doc(operationId="createUniverseFromReference", parameters=MAKING)
@guard()
@in_universes.arguments(FromReferenceSchema)
@in_universes.response(201, ShownUniverseSchema)
def create_from_reference(given: dict[str, str]) -> Response:
    """Make a universe of a real system, with its scene."""
    done = service.create(given["system"], given.get("name"), of_request())
    return answer_with(done, 201, f"{request.path.removesuffix('/').removesuffix('/from-reference')}/{done.entity_id}")

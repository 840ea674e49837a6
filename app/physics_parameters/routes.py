"""Physics parameters over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from flask import Response, url_for
from marshmallow import fields
from sqlalchemy import select

from app.access import visible_to
from app.auth.tokens import current_actor, guard
from app.changes.requests import CHANGING, MAKING, READING, answer_with, of_request
from app.engine.catalogue import CATALOGUE
from app.engine.physics.presets import GRAVITY, MATERIALS
from app.engine.physics.solvers import SOLVERS
from app.errors import Invalid
from app.extensions import db
from app.pages import Listing, page_schema, query_of
from app.physics_parameters import service
from app.physics_parameters.models import PhysicsParameters
from app.physics_parameters.schemas import (
    CatalogueSchema,
    InForceSchema,
    NewPhysicsParametersSchema,
    PhysicsParametersSchema,
    PresetsSchema,
    ScopeQuerySchema,
    ValidationSchema,
    ValidSchema,
)
from app.scenes import in_force, reading
from app.schemas import Blueprint
from app.universes.models import Universe
from app.universes.reading import revision_for

bp = Blueprint("physics-parameters", __name__, url_prefix="/physics-parameters", description="The physics of universes and scenes.")

_SETS: Any = PhysicsParameters.__table__
_SORTS = {name: _SETS.c[name] for name in ("created_at", "updated_at", "name")}
_LISTED = Listing(select(_SETS), key=_SETS.c.id, sorts=_SORTS, default="created_at")
_COLLECTION = "physics-parameters"


@bp.get("")
@bp.doc(operationId="listPhysicsParameters")
@guard(optional=True)
@bp.arguments(query_of(_LISTED, universe_id=fields.UUID(), scene_id=fields.UUID()), location="query")
@bp.response(200, page_schema(PhysicsParametersSchema))
def list_sets(query: dict[str, Any]) -> Response:
    """The sets of a universe and its scenes, those of one scene, or all that you see in lists."""
    universes: Any = Universe.__table__
    conditions = []
    if "scene_id" in query:
        reading.find(current_actor(), "scenes", query["scene_id"])
        conditions.append(_SETS.c.scene_id == query["scene_id"])
    if "universe_id" in query:
        revision_for(current_actor(), query["universe_id"])
        conditions.append(_SETS.c.universe_id == query["universe_id"])
    if not conditions:
        conditions.append(_SETS.c.universe_id.in_(select(universes.c.id).where(visible_to(current_actor()))))
    return reading.answer_page(_COLLECTION, _LISTED.where(*conditions).page(query))


@bp.post("")
@bp.doc(operationId="createPhysicsParameters", parameters=MAKING)
@guard()
@bp.arguments(ScopeQuerySchema, location="query")
@bp.arguments(NewPhysicsParametersSchema)
@bp.response(201, PhysicsParametersSchema)
def create_set(query: dict[str, UUID], given: dict[str, Any]) -> Response:
    """Add a set to a universe or a scene; the first one is active."""
    scene_id = given.pop("scene_id", None) or query.get("scene_id")
    universe_id = given.pop("universe_id", None) or query.get("universe_id")
    if universe_id is None and scene_id is not None:
        universe_id = reading.universe_of("scenes", scene_id)
    if universe_id is None:
        raise Invalid(errors={"universe_id": ["Give universe_id or scene_id."]})
    done = service.create(universe_id, scene_id, given, of_request())
    return answer_with(done, 201, url_for(".get_set", set_id=done.entity_id))


@bp.get("/catalogue")
@bp.doc(operationId="getCatalogue", security=[])
@bp.response(200, CatalogueSchema)
def get_catalogue() -> Response:
    """Every quantity with its unit, range, default and source, and what each solver uses."""
    quantities = {group: [one.describe() for one in found.values()] for group, found in CATALOGUE.items()}
    solvers = [{"name": name, "description": one.DESCRIPTION, "uses": sorted(one.USES)} for name, one in SOLVERS.items()]
    return _json({"quantities": quantities, "solvers": solvers})


@bp.get("/presets")
@bp.doc(operationId="getPresets", security=[])
@bp.response(200, PresetsSchema)
def get_presets() -> Response:
    """Gravity of known places, and materials, each with its source."""
    gravity = [{"name": name, **one, "gravity": {"x": 0.0, "y": 0.0 - one["value"], "z": 0.0}} for name, one in GRAVITY.items()]
    return _json({"gravity": gravity, "materials": [{"name": name, **one} for name, one in MATERIALS.items()]})


@bp.post("/validate")
@bp.doc(operationId="validatePhysicsParameters")
@guard(optional=True)
@bp.arguments(ValidationSchema(partial=True))
@bp.response(200, ValidSchema)
def validate_set(given: dict[str, Any]) -> Response:
    """Check parameters, with units and for a solver, and store nothing; what is not valid is answered with 422."""
    solver = given.pop("solver", None)
    service.validate(given, solver)
    return _json({"valid": True, "parameters": given})


@bp.get("/universe/<uuid:universe_id>")
@bp.doc(operationId="getPhysicsOfUniverse", parameters=READING)
@guard(optional=True)
@bp.response(200, InForceSchema)
@bp.alt_response(304, success=True)
def get_of_universe(universe_id: UUID) -> Response:
    """The parameters in force in a universe."""
    head = revision_for(current_actor(), universe_id)
    return _in_force(universe_id, None, in_force.of_universe(db.session(), universe_id), head)


@bp.get("/scene/<uuid:scene_id>")
@bp.doc(operationId="getPhysicsOfScene", parameters=READING)
@guard(optional=True)
@bp.response(200, InForceSchema)
@bp.alt_response(304, success=True)
def get_of_scene(scene_id: UUID) -> Response:
    """The parameters in force in a scene."""
    scene = reading.find(current_actor(), "scenes", scene_id)
    found = in_force.of_scene(db.session(), scene["universe_id"], scene_id, scene["physics_parameters_id"])
    return _in_force(scene["universe_id"], scene_id, found, scene["head"])


@bp.get("/<uuid:set_id>")
@bp.doc(operationId="getPhysicsParameters", parameters=READING)
@guard(optional=True)
@bp.response(200, PhysicsParametersSchema)
@bp.alt_response(304, success=True)
def get_set(set_id: UUID) -> Response:
    """A set of physics parameters."""
    return reading.answer_entity(current_actor(), _COLLECTION, set_id)


@bp.put("/<uuid:set_id>")
@bp.doc(operationId="replacePhysicsParameters", parameters=CHANGING)
@guard()
@bp.arguments(PhysicsParametersSchema)
@bp.response(200, PhysicsParametersSchema)
def replace_set(given: dict[str, Any], set_id: UUID) -> Response:
    """Set all parameters of a set."""
    return answer_with(service.replace(set_id, given, of_request()))


@bp.patch("/<uuid:set_id>")
@bp.doc(operationId="changePhysicsParameters", parameters=CHANGING)
@guard(deferred=True)
@bp.arguments(PhysicsParametersSchema(partial=True))
@bp.response(200, PhysicsParametersSchema)
def change_set(given: dict[str, Any], set_id: UUID) -> Response:
    """Change some parameters of a set."""
    return answer_with(service.change(set_id, given, of_request()))


@bp.delete("/<uuid:set_id>")
@bp.doc(operationId="deletePhysicsParameters", parameters=CHANGING)
@guard()
@bp.response(204)
def delete_set(set_id: UUID) -> Response:
    """Delete a set that no scene names."""
    return answer_with(service.delete(set_id, of_request()))


@bp.post("/<uuid:set_id>/apply")
@bp.doc(operationId="applyPhysicsParameters", parameters=MAKING)
@guard()
@bp.response(200, PhysicsParametersSchema)
def apply_set(set_id: UUID) -> Response:
    """Make a set the active one in place of the one that is."""
    return answer_with(service.apply(set_id, of_request()))


@bp.post("/<uuid:set_id>/reset")
@bp.doc(operationId="resetPhysicsParameters", parameters=CHANGING)
@guard()
@bp.response(200, PhysicsParametersSchema)
def reset_set(set_id: UUID) -> Response:
    """Put every parameter back to its default, or to what the universe says; custom parameters stay."""
    return answer_with(service.reset(set_id, of_request()))


def _in_force(universe_id: UUID, scene_id: UUID | None, found: in_force.InForce, head: int) -> Response:
    shown = {
        "universe_id": str(universe_id),
        "scene_id": str(scene_id) if scene_id else None,
        "values": found.values,
        "origins": found.origins,
    }
    return reading.tagged(shown, head, head)


def _json(value: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(value), content_type="application/json")

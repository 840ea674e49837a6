"""Scenes over HTTP, and the bodies, constraints, voices and mappings in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from flask import Response, request
from marshmallow import fields, validate
from sqlalchemy import bindparam, func, select, tuple_

from app.access import visible_to
from app.auth.tokens import current_actor, guard
from app.changes.requests import CHANGING, MAKING, READING, answer_with, of_request, with_revision
from app.changes.service import Done
from app.engine.physics.solvers import SOLVERS
from app.errors import Invalid
from app.pages import Listing, page_schema, query_of
from app.scenes import reading, service
from app.scenes.models import Scene
from app.scenes.requests import (
    CopySchema,
    EffectiveSchema,
    OrderedSchema,
    OrderSchema,
    StyledSchema,
    StyleSchema,
    UniverseQuerySchema,
    new_of,
    patch_of,
)
from app.scenes.schemas import BodySchema, ConstraintSchema, MappingSchema, SceneSchema, VoiceSchema
from app.schemas import BaseSchema, Blueprint, Text, read_json
from app.universes.models import Universe
from app.universes.reading import revision_for

bp = Blueprint("scenes", __name__, url_prefix="/scenes", description="Scenes: stretches of a universe's music.")
in_universes = Blueprint("universe-scenes", __name__, url_prefix="/universes", description="The scenes of a universe.")

_SCENES: Any = Scene.__table__
_EARLIER: Any = _SCENES.alias("earlier")
_POSITION = (
    select(func.count())
    .select_from(_EARLIER)
    .where(
        _EARLIER.c.universe_id == _SCENES.c.universe_id,
        tuple_(_EARLIER.c.order_key, _EARLIER.c.id) < tuple_(_SCENES.c.order_key, _SCENES.c.id),
    )
    .correlate(_SCENES)
    .scalar_subquery()
)
_SORTS = {name: _SCENES.c[name] for name in ("order_key", "name", "created_at", "updated_at", "duration_s")}
_LISTED = Listing(select(_SCENES, _POSITION.label("position")), key=_SCENES.c.id, sorts=_SORTS, default="order_key")
_IN_UNIVERSE = _LISTED.where(_SCENES.c.universe_id == bindparam("universe_id"))
_FILTERS: dict[str, fields.Field[Any]] = {
    "q": Text(low=1, high=100, metadata={"description": "Scenes whose name holds this text, in any case."}),
    "solver": fields.String(validate=validate.OneOf(list(SOLVERS))),
}
_Query = query_of(_LISTED, **_FILTERS)
_QueryOfAll = query_of(_LISTED, universe_id=fields.UUID(), **_FILTERS)
_Page = page_schema(SceneSchema)
_NewScene = new_of(SceneSchema)
_NewSceneAnywhere = type("NewSceneOfSchema", (_NewScene,), {"universe_id": fields.UUID(), "__doc__": _NewScene.__doc__})
_ScenePatch = patch_of(SceneSchema)
_COPY_BODY = {"required": False, "content": {"application/json": {"schema": CopySchema}}}


@bp.get("")
@bp.doc(operationId="listScenes")
@guard(optional=True)
@bp.arguments(_QueryOfAll, location="query")
@bp.response(200, _Page)
def list_scenes(query: dict[str, Any]) -> Response:
    """Scenes of one universe in their order, or of all that you see in lists."""
    if "universe_id" in query:
        return _page_of(query["universe_id"], query)
    universes: Any = Universe.__table__
    mine = select(universes.c.id).where(visible_to(current_actor()))
    return _page(_LISTED.where(_SCENES.c.universe_id.in_(mine)), query, {})


@bp.post("")
@bp.doc(operationId="createScene", parameters=MAKING)
@guard()
@bp.arguments(UniverseQuerySchema, location="query")
@bp.arguments(_NewSceneAnywhere)
@bp.response(201, SceneSchema)
def create_scene(query: dict[str, UUID], given: dict[str, Any]) -> Response:
    """Add a scene to the universe that the body, or the query, names."""
    universe_id = given.pop("universe_id", None) or query.get("universe_id")
    if universe_id is None:
        raise Invalid(errors={"universe_id": ["Missing data for required field."]})
    return _created(service.create(universe_id, given, of_request()))


@bp.post("/reorder")
@bp.doc(operationId="reorderScenes", parameters=MAKING)
@guard()
@bp.arguments(OrderSchema)
@bp.response(200, OrderedSchema)
def reorder_scenes(given: dict[str, Any]) -> Response:
    """Put the scenes of a universe in a new order."""
    done = service.reorder(given["universe_id"], given["scene_ids"], of_request())
    shown = {"universe_id": str(given["universe_id"]), "scene_ids": [str(one) for one in given["scene_ids"]], "revision": done.revision}
    return with_revision(Response(orjson.dumps(shown), content_type="application/json"), done)


@bp.get("/<uuid:scene_id>")
@bp.doc(operationId="getScene", parameters=READING)
@guard(optional=True)
@bp.response(200, SceneSchema)
@bp.alt_response(304, success=True)
def get_scene(scene_id: UUID) -> Response:
    """A scene, without what it holds."""
    return reading.answer_entity(current_actor(), "scenes", scene_id)


@bp.put("/<uuid:scene_id>")
@bp.doc(operationId="replaceScene", parameters=CHANGING)
@guard()
@bp.arguments(SceneSchema)
@bp.response(200, SceneSchema)
def replace_scene(given: dict[str, Any], scene_id: UUID) -> Response:
    """Set all of a scene's own fields."""
    return answer_with(service.replace("scenes", scene_id, given, of_request()))


@bp.patch("/<uuid:scene_id>")
@bp.doc(operationId="changeScene", parameters=CHANGING)
@guard()
@bp.arguments(_ScenePatch(partial=True))
@bp.response(200, SceneSchema)
def change_scene(given: dict[str, Any], scene_id: UUID) -> Response:
    """Change some of a scene's own fields, or move it with after_id or before_id alone."""
    return answer_with(service.change("scenes", scene_id, given, of_request()))


@bp.delete("/<uuid:scene_id>")
@bp.doc(operationId="deleteScene", parameters=CHANGING)
@guard()
@bp.response(204)
def delete_scene(scene_id: UUID) -> Response:
    """Delete a scene with all that it holds."""
    return answer_with(service.remove("scenes", scene_id, of_request()))


@bp.post("/<uuid:scene_id>/duplicate")
@bp.doc(operationId="duplicateScene", parameters=MAKING, requestBody=_COPY_BODY)
@guard()
@bp.response(201, SceneSchema)
def duplicate_scene(scene_id: UUID) -> Response:
    """Copy a scene with all that it holds to the place after it."""
    given = CopySchema().load(read_json(request)) if request.get_data() else {}
    return _created(service.duplicate(scene_id, given.get("name"), of_request()))


@bp.post("/<uuid:scene_id>/apply-style")
@bp.doc(operationId="applyStyle", parameters=MAKING)
@guard()
@bp.arguments(StyleSchema)
@bp.response(200, StyledSchema)
def apply_style(given: dict[str, str], scene_id: UUID) -> Response:
    """Give a scene the voices, mappings and harmony of a style, in place of its own voices and mappings, as one change."""
    done = service.apply_style(scene_id, given["style"], of_request())
    shown = {"scene_id": str(scene_id), "style": given["style"], "revision": done.revision}
    return with_revision(Response(orjson.dumps(shown), content_type="application/json"), done)


@bp.get("/<uuid:scene_id>/effective")
@bp.doc(operationId="getEffectiveScene", parameters=READING)
@guard(optional=True)
@bp.response(200, EffectiveSchema)
@bp.alt_response(304, success=True)
def get_effective(scene_id: UUID) -> Response:
    """Every value in force in a scene and where it comes from, with the voices and mappings that it plays."""
    row = reading.find(current_actor(), "scenes", scene_id)
    return reading.tagged(service.effective(scene_id), row["head"], row["head"])


@bp.get("/<uuid:scene_id>/tuning.scl")
@bp.doc(operationId="getSceneTuning", parameters=READING)
@guard(optional=True)
@bp.response(200, {"type": "string"}, content_type="text/plain", description="A Scala scale file.")
@bp.alt_response(304, success=True)
def get_tuning(scene_id: UUID) -> Response:
    """The tuning in force in a scene as a Scala file: all its pitches above the key note."""
    row = reading.find(current_actor(), "scenes", scene_id)
    response = Response(service.tuning_file(scene_id), content_type="text/plain; charset=utf-8")
    response.headers.set("Content-Disposition", "attachment", filename="tuning.scl")
    response.set_etag(str(row["head"]))
    response.make_conditional(request)
    response.headers["X-Universe-Revision"] = str(row["head"])
    return response


@in_universes.get("/<uuid:universe_id>/scenes")
@in_universes.doc(operationId="listScenesOfUniverse")
@guard(optional=True)
@in_universes.arguments(_Query, location="query")
@in_universes.response(200, _Page)
def list_scenes_of(query: dict[str, Any], universe_id: UUID) -> Response:
    """The scenes of a universe, in their order."""
    return _page_of(universe_id, query)


@in_universes.post("/<uuid:universe_id>/scenes")
@in_universes.doc(operationId="createSceneInUniverse", parameters=MAKING)
@guard()
@in_universes.arguments(_NewScene)
@in_universes.response(201, SceneSchema)
def create_scene_in(given: dict[str, Any], universe_id: UUID) -> Response:
    """Add a scene to a universe."""
    return _created(service.create(universe_id, given, of_request()))


def _page_of(universe_id: UUID, query: Mapping[str, Any]) -> Response:
    revision_for(current_actor(), universe_id)
    return _page(_IN_UNIVERSE, query, {"universe_id": universe_id})


def _page(listing: Listing, query: Mapping[str, Any], params: dict[str, Any]) -> Response:
    conditions = []
    if "q" in query:
        conditions.append(func.lower(_SCENES.c.name).contains(query["q"].lower(), autoescape=True))
    if "solver" in query:
        conditions.append(_SCENES.c.solver == query["solver"])
    return reading.answer_page("scenes", (listing.where(*conditions) if conditions else listing).page(query, params), "position")


def _created(done: Done) -> Response:
    return answer_with(done, 201, f"{_root()}/scenes/{done.entity_id}")


def _root() -> str:
    """The prefix that the caller used: /api or /api/v1."""
    return "/api/v1" if request.path.startswith("/api/v1/") else "/api"


class _Parts:
    """The routes of one kind of part: its list under a scene, and its items."""

    def __init__(self, collection: str, schema: type[BaseSchema], noun: str) -> None:
        self.collection, self.schema, self.noun = collection, schema, noun
        self.items = Blueprint(collection, __name__, url_prefix=f"/{collection}", description=f"The {collection} of scenes.")
        self._list()
        self._item()

    def _list(self) -> None:
        collection, schema, noun = self.collection, self.schema, self.noun
        listing = reading.parts_listing(collection)
        path = f"/<uuid:scene_id>/{collection}"

        def list_parts(query: dict[str, Any], scene_id: UUID) -> Response:
            reading.find(current_actor(), "scenes", scene_id)
            return reading.answer_page(collection, listing.page(query, {"scene_id": scene_id}))

        def add_part(given: dict[str, Any], scene_id: UUID) -> Response:
            done = service.add(collection, scene_id, given, of_request())
            return answer_with(done, 201, f"{_root()}/{collection}/{done.entity_id}")

        list_parts.__doc__ = f"The {collection} of a scene, in their order."
        add_part.__doc__ = f"Add a {noun.lower()} to a scene."
        listed = bp.response(200, page_schema(schema))(list_parts)
        listed = guard(optional=True)(bp.arguments(query_of(listing), location="query")(listed))
        bp.get(path, endpoint=f"list_{collection}")(bp.doc(operationId=f"list{collection.title()}")(listed))
        added = guard()(bp.arguments(new_of(schema))(bp.response(201, schema)(add_part)))
        bp.post(path, endpoint=f"add_{collection}")(bp.doc(operationId=f"add{noun}", parameters=MAKING)(added))

    def _item(self) -> None:
        collection, schema, noun, items = self.collection, self.schema, self.noun, self.items

        @items.get("/<uuid:part_id>")
        @items.doc(operationId=f"get{noun}", summary=f"A {noun.lower()}.", parameters=READING)
        @guard(optional=True)
        @items.response(200, schema)
        @items.alt_response(304, success=True)
        def get_part(part_id: UUID) -> Response:
            return reading.answer_entity(current_actor(), collection, part_id)

        @items.put("/<uuid:part_id>")
        @items.doc(operationId=f"replace{noun}", summary=f"Set all of a {noun.lower()}.", parameters=CHANGING)
        @guard()
        @items.arguments(schema)
        @items.response(200, schema)
        def replace_part(given: dict[str, Any], part_id: UUID) -> Response:
            return answer_with(service.replace(collection, part_id, given, of_request()))

        @items.patch("/<uuid:part_id>")
        @items.doc(
            operationId=f"change{noun}",
            summary=f"Change some of a {noun.lower()}, or move it with after_id or before_id alone.",
            parameters=CHANGING,
        )
        @guard()
        @items.arguments(patch_of(schema)(partial=True))
        @items.response(200, schema)
        def change_part(given: dict[str, Any], part_id: UUID) -> Response:
            return answer_with(service.change(collection, part_id, given, of_request()))

        @items.delete("/<uuid:part_id>")
        @items.doc(operationId=f"delete{noun}", summary=f"Delete a {noun.lower()}, with what belongs to it.", parameters=CHANGING)
        @guard()
        @items.response(204)
        def delete_part(part_id: UUID) -> Response:
            return answer_with(service.remove(collection, part_id, of_request()))


_PARTS = (
    _Parts("bodies", BodySchema, "Body"),
    _Parts("constraints", ConstraintSchema, "Constraint"),
    _Parts("voices", VoiceSchema, "Voice"),
    _Parts("mappings", MappingSchema, "Mapping"),
)
ROOMS = (bp, in_universes, *(part.items for part in _PARTS))

"""Universes, their harmony, members and share links; and what a share link opens."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from flask import Response, request
from sqlalchemy import bindparam, select

from app.access import Action
from app.auth.tokens import claimed_actor, current_actor, guard
from app.changes.requests import CHANGING, MAKING, READING, answer_with, of_request, with_revision
from app.changes.service import Done
from app.pages import Listing, page_schema, query_of
from app.schemas import Blueprint
from app.universes import links, listing, reading, service
from app.universes.models import Membership, ShareLink
from app.universes.schemas import (
    CollaboratorSchema,
    ContentsQuerySchema,
    DocumentSchema,
    HarmonySchema,
    InvitationSchema,
    JoinedSchema,
    ListedUniverseSchema,
    MadeShareLinkSchema,
    NewShareLinkSchema,
    NewUniverseSchema,
    RoleSchema,
    ShareLinkSchema,
    ShownUniverseSchema,
    TransferSchema,
    UniverseSchema,
    WholeUniverseSchema,
)
from app.users.models import User

bp = Blueprint("universes", __name__, url_prefix="/universes", description="Universes, their harmony, members and share links.")
shared = Blueprint("shared", __name__, url_prefix="/shared", description="What a share link opens.")
ROOMS = (bp, shared)

_USERS: Any = User.__table__
_HELD: Any = Membership.__table__
_MEMBERS = Listing(
    select(_USERS.c.id, _USERS.c.username, _USERS.c.display_name, _USERS.c.color, _HELD.c.role, _HELD.c.revision)
    .join(_HELD, _HELD.c.user_id == _USERS.c.id)
    .where(_HELD.c.universe_id == bindparam("universe_id")),
    key=_USERS.c.id,
    sorts={"created_at": _HELD.c.created_at, "role": _HELD.c.role, "username": _USERS.c.username_folded},
    default="created_at",
)
_LINKS: Any = ShareLink.__table__
_SHARE_LINKS = Listing(
    select(_LINKS).where(_LINKS.c.universe_id == bindparam("universe_id")),
    key=_LINKS.c.id,
    sorts={"created_at": _LINKS.c.created_at},
    default="-created_at",
)


@bp.get("")
@bp.doc(operationId="listUniverses")
@guard(optional=True, deferred=True)
@bp.arguments(listing.UniversesQuerySchema, location="query")
@bp.response(200, page_schema(ListedUniverseSchema))
def list_universes(query: dict[str, Any]) -> Response:
    """The universes you may see: your own, those shared with you, public ones."""
    return reading.listed(listing.page(claimed_actor(), query))


@bp.post("")
@bp.doc(operationId="createUniverse", parameters=MAKING)
@guard()
@bp.arguments(NewUniverseSchema)
@bp.response(201, ShownUniverseSchema)
def create(given: dict[str, Any]) -> Response:
    """Make a universe; you are its owner."""
    done = service.create(given, of_request())
    return answer_with(done, 201, _location(done.universe_id))


@bp.get("/<uuid:universe_id>")
@bp.doc(operationId="getUniverse", parameters=READING)
@guard(optional=True, deferred=True)
@bp.arguments(ContentsQuerySchema, location="query")
@bp.response(200, WholeUniverseSchema)
def read(query: dict[str, Any], universe_id: UUID) -> Response:
    """A universe with its active physics parameters and its scenes; include=contents adds what they hold."""
    if "include" in query:
        return reading.answer(claimed_actor(), universe_id, "contents", reading.with_contents)
    return reading.answer(claimed_actor(), universe_id, "scenes", reading.with_scenes)


@bp.put("/<uuid:universe_id>")
@bp.doc(operationId="replaceUniverse", parameters=CHANGING)
@guard()
@bp.arguments(UniverseSchema)
@bp.response(200, ShownUniverseSchema)
def replace(given: dict[str, Any], universe_id: UUID) -> Response:
    """Set all of a universe's own fields."""
    return answer_with(service.change(universe_id, given, of_request(), replace=True))


@bp.patch("/<uuid:universe_id>")
@bp.doc(operationId="changeUniverse", parameters=CHANGING)
@guard()
@bp.arguments(UniverseSchema(partial=True))
@bp.response(200, ShownUniverseSchema)
def change(given: dict[str, Any], universe_id: UUID) -> Response:
    """Change some of a universe's own fields."""
    return answer_with(service.change(universe_id, given, of_request()))


@bp.delete("/<uuid:universe_id>")
@bp.doc(operationId="deleteUniverse", parameters=CHANGING)
@guard()
@bp.response(204)
def delete(universe_id: UUID) -> Response:
    """Delete a universe; its owner can bring it back."""
    return answer_with(service.delete(universe_id, of_request()))


@bp.post("/<uuid:universe_id>/restore-deleted")
@bp.doc(operationId="restoreDeletedUniverse", parameters=MAKING)
@guard()
@bp.response(200, ShownUniverseSchema)
def restore_deleted(universe_id: UUID) -> Response:
    """Bring a deleted universe back."""
    return answer_with(service.bring_back(universe_id, of_request()))


@bp.get("/<uuid:universe_id>/harmony")
@bp.doc(operationId="getHarmony", parameters=READING)
@guard(optional=True)
@bp.response(200, HarmonySchema)
def read_harmony(universe_id: UUID) -> Response:
    """A universe's harmony."""
    return reading.answer(current_actor(), universe_id, "harmony", reading.harmony)


@bp.put("/<uuid:universe_id>/harmony")
@bp.doc(operationId="replaceHarmony", parameters=CHANGING)
@guard()
@bp.arguments(HarmonySchema)
@bp.response(200, HarmonySchema)
def replace_harmony(given: dict[str, Any], universe_id: UUID) -> Response:
    """Set a universe's harmony."""
    done = service.change(universe_id, {"harmony": given}, of_request())
    return _part(done, (done.entity or {})["harmony"])


@bp.get("/<uuid:universe_id>/document")
@bp.doc(operationId="getDocument", parameters=READING)
@guard(optional=True)
@bp.response(200, DocumentSchema)
def read_document(universe_id: UUID) -> Response:
    """All that people put into a universe, in one document that is the same for everybody."""
    return reading.answer(current_actor(), universe_id, "document", reading.document)


@bp.get("/<uuid:universe_id>/collaborators")
@bp.doc(operationId="listCollaborators")
@guard()
@bp.arguments(query_of(_MEMBERS), location="query")
@bp.response(200, page_schema(CollaboratorSchema))
def list_collaborators(query: dict[str, Any], universe_id: UUID) -> Response:
    """The members of a universe, the longest-standing first."""
    reading.revision_for(current_actor(), universe_id, Action.INSPECT)
    page = _MEMBERS.page(query, {"universe_id": universe_id})
    return _json(page.answer([service.member_json(row, row.role, row.revision) for row in page.rows]))


@bp.post("/<uuid:universe_id>/collaborators")
@bp.doc(operationId="addCollaborator", parameters=MAKING)
@guard()
@bp.arguments(InvitationSchema)
@bp.response(201, CollaboratorSchema)
def add_collaborator(given: dict[str, Any], universe_id: UUID) -> Response:
    """Make somebody a viewer or an editor of a universe."""
    reading.revision_for(current_actor(), universe_id, Action.MANAGE)  # who may not invite learns nothing about accounts
    user_id = service.person_of(given)
    done = service.invite(universe_id, user_id, given["role"], of_request())
    location = f"{_location(universe_id)}/collaborators/{user_id}"
    return _part(done, service.member(user_id, given["role"], done), 201, location)


@bp.patch("/<uuid:universe_id>/collaborators/<uuid:user_id>")
@bp.doc(operationId="changeCollaborator", parameters=CHANGING)
@guard()
@bp.arguments(RoleSchema)
@bp.response(200, CollaboratorSchema)
def change_collaborator(given: dict[str, Any], universe_id: UUID, user_id: UUID) -> Response:
    """Change a member's role."""
    done = service.give_role(universe_id, user_id, given["role"], of_request())
    return _part(done, service.member(user_id, given["role"], done))


@bp.delete("/<uuid:universe_id>/collaborators/<uuid:user_id>")
@bp.doc(operationId="removeCollaborator", parameters=CHANGING)
@guard()
@bp.response(204)
def remove_collaborator(universe_id: UUID, user_id: UUID) -> Response:
    """End a membership: the owner anybody's, everybody their own."""
    return with_revision(Response(status=204), service.remove(universe_id, user_id, of_request()))


@bp.post("/<uuid:universe_id>/transfer")
@bp.doc(operationId="transferUniverse", parameters=MAKING)
@guard()
@bp.arguments(TransferSchema)
@bp.response(200, CollaboratorSchema)
def transfer(given: dict[str, Any], universe_id: UUID) -> Response:
    """Make another member the owner; the owner becomes an editor."""
    done = service.transfer(universe_id, given["user_id"], of_request())
    return _part(done, service.member(given["user_id"], "owner", done))


@bp.get("/<uuid:universe_id>/share-links")
@bp.doc(operationId="listShareLinks")
@guard()
@bp.arguments(query_of(_SHARE_LINKS), location="query")
@bp.response(200, page_schema(ShareLinkSchema))
def list_share_links(query: dict[str, Any], universe_id: UUID) -> Response:
    """The share links of a universe, the newest first; never their tokens."""
    for action in (Action.INSPECT, Action.MANAGE):  # a deleted universe is not found by readers
        reading.revision_for(current_actor(), universe_id, action)
    page = _SHARE_LINKS.page(query, {"universe_id": universe_id})
    return _json(page.answer([links.link_json(row) for row in page.rows]))


@bp.post("/<uuid:universe_id>/share-links")
@bp.doc(operationId="makeShareLink", parameters=MAKING)
@guard()
@bp.arguments(NewShareLinkSchema)
@bp.response(201, MadeShareLinkSchema)
def make_share_link(given: dict[str, Any], universe_id: UUID) -> Response:
    """Make a share link; its token is shown in this answer and never again."""
    done, token = links.make(universe_id, given, of_request())
    location = f"{_location(universe_id)}/share-links/{done.entity_id}"
    response = _part(done, links.made(done, token), 201, location)
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.delete("/<uuid:universe_id>/share-links/<uuid:link_id>")
@bp.doc(operationId="revokeShareLink", parameters=CHANGING)
@guard()
@bp.response(204)
def revoke_share_link(universe_id: UUID, link_id: UUID) -> Response:
    """Revoke a share link; the memberships that it made end with it."""
    return with_revision(Response(status=204), links.revoke(universe_id, link_id, of_request()))


@shared.get("/<token>")
@shared.doc(operationId="getShared", security=[], parameters=READING)
@shared.response(200, DocumentSchema)
def read_shared(token: str) -> Response:
    """The document of the universe that a share link leads to, private ones too, while the link lives."""
    universe_id, revision = links.shown_by(token)
    return reading.answer_at(universe_id, revision, "document", reading.document)


@shared.post("/<token>/join")
@shared.doc(operationId="joinShared", parameters=MAKING)
@guard()
@shared.response(200, JoinedSchema)
def join_shared(token: str) -> Response:
    """Become a member by a share link; who is a member already keeps their role."""
    universe_id, done = links.use(token, of_request())
    role = done.entity["role"] if done and done.entity else links.role_in(universe_id, current_actor().id)
    response = _json({"universe_id": str(universe_id), "role": role})
    return response if done is None else with_revision(response, done)


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), content_type="application/json")


def _part(done: Done, value: Any, status: int = 200, location: str | None = None) -> Response:
    response = Response(orjson.dumps(value), status=status, content_type="application/json")
    response.headers["ETag"] = f'"{done.entity_revision}"'
    return with_revision(response, done, location)


def _location(universe_id: UUID) -> str:
    return f"{request.path.partition('/universes')[0]}/universes/{universe_id}"

"""The list of universes: who may see which, in one statement that tells their ids and revisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from marshmallow import fields, validate
from sqlalchemy import ColumnElement, bindparam, func, or_, select

from app.access import ANONYMOUS, Actor, visible_to
from app.errors import TokenInvalid
from app.extensions import db
from app.pages import Listing, Page, query_of
from app.schemas import Text
from app.universes.models import Membership, Universe

SCOPES = ("mine", "shared", "public")
_UNIVERSES: Any = Universe.__table__
_ME: Any = bindparam("me", type_=Membership.user_id.type)
_OWNER: Any = bindparam("owner", type_=Membership.user_id.type)
_SORTS = {name: _UNIVERSES.c[name] for name in ("updated_at", "created_at", "name")}


def _listing(who: Actor, *conditions: ColumnElement[bool]) -> Listing:
    statement = select(_UNIVERSES.c.id, _UNIVERSES.c.revision).where(visible_to(who), *conditions)
    return Listing(statement, key=_UNIVERSES.c.id, sorts=_SORTS, default="-updated_at")


def _holding(owner: bool, who: Any = _ME) -> ColumnElement[bool]:
    """SQL: whether somebody is a member, as the owner or as another."""
    role = Membership.role == "owner" if owner else Membership.role != "owner"
    mine: Any = select(Membership.user_id).where(Membership.universe_id == Universe.id, Membership.user_id == who, role)
    found: ColumnElement[bool] = mine.correlate(Universe).exists()
    return found


_PUBLIC = Universe.visibility == "public"
_CONDITIONS: dict[str | None, tuple[ColumnElement[bool], ...]] = {
    None: (),
    "mine": (_holding(True),),
    "shared": (_holding(False),),
    "public": (_PUBLIC,),
}
_BY_MEMBERS = {scope: _listing(Actor(_ME), *conditions) for scope, conditions in _CONDITIONS.items()}
_BY_ADMINS = {scope: _listing(Actor(_ME, admin=True), *conditions) for scope, conditions in _CONDITIONS.items()}
_BY_ANYBODY = _listing(ANONYMOUS)
_OWNED_BY_MEMBERS = _listing(Actor(_ME), _holding(True, _OWNER))
_OWNED_BY_ADMINS = _listing(Actor(_ME, admin=True), _holding(True, _OWNER))
_OWNED_BY_ANYBODY = _listing(ANONYMOUS, _holding(True, _OWNER))
OwnedQuerySchema = query_of(_OWNED_BY_ANYBODY)

UniversesQuerySchema = query_of(
    _BY_ANYBODY,
    scope=fields.String(validate=validate.OneOf(SCOPES)),
    q=Text(low=1, high=100, metadata={"description": "Words of the name or description."}),
    tag=Text(low=1, high=32),
)


def page(actor: Actor, query: Mapping[str, Any]) -> Page:
    """A page of the universes that an actor may see. Raises TokenInvalid for an anonymous one who asks for their own."""
    listing, params = _of(actor, query.get("scope"))
    if "q" in query:
        words = query["q"]
        listing = listing.where(
            or_(Universe.name.icontains(words, autoescape=True), Universe.description.icontains(words, autoescape=True))
        )
    if "tag" in query:
        listing = listing.where(_has_tag(query["tag"]))
    return listing.page(query, params)


def page_of(owner: UUID, actor: Actor, query: Mapping[str, Any]) -> Page:
    """A page of the universes that somebody owns, as far as an actor may see them."""
    if actor.id is None:
        return _OWNED_BY_ANYBODY.page(query, {"owner": owner})
    if actor.admin:
        return _OWNED_BY_ADMINS.page(query, {"owner": owner})
    return _OWNED_BY_MEMBERS.page(query, {"owner": owner, "me": actor.id})


def _of(actor: Actor, scope: str | None) -> tuple[Listing, dict[str, Any]]:
    if actor.id is None:
        if scope in ("mine", "shared"):
            raise TokenInvalid
        return _BY_ANYBODY, {}
    listings = _BY_ADMINS if actor.admin else _BY_MEMBERS
    needs_me = scope in ("mine", "shared") or not actor.admin
    return listings[scope], {"me": actor.id} if needs_me else {}


def _has_tag(tag: str) -> ColumnElement[bool]:
    each = func.json_each if db.engine.dialect.name == "sqlite" else func.json_array_elements_text
    values = each(Universe.tags).table_valued("value")
    return select(values.c.value).where(values.c.value == tag).exists()

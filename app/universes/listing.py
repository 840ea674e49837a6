"""The list of universes: who may see which, in one statement that tells their ids and revisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from marshmallow import fields, validate
from sqlalchemy import ColumnElement, bindparam, func, or_, select

from app.access import CALLER_IS_ADMIN, HOLDER, Actor, caller_params, confirmed, visible_to
from app.errors import TokenInvalid
from app.extensions import db
from app.pages import Listing, Page, query_of
from app.schemas import Text
from app.universes.models import Membership, Universe

SCOPES = ("mine", "shared", "public")
_UNIVERSES: Any = Universe.__table__
_CALLER: Any = bindparam("caller", type_=Membership.user_id.type)
_OWNER: Any = bindparam("owner", type_=Membership.user_id.type)
_SORTS = {name: _UNIVERSES.c[name] for name in ("updated_at", "created_at", "name")}


def _listing(*conditions: ColumnElement[bool], seen: ColumnElement[bool] | None = None) -> Listing:
    """The revisions, by id, of what the caller may see; in the same statement, whether their session lives.

    `seen` says more simply what they may see, where all that meets the conditions is seen by everybody.
    """
    visible = visible_to(Actor(_CALLER), CALLER_IS_ADMIN) if seen is None else seen
    statement = select(_UNIVERSES.c.revision, HOLDER).where(visible, *conditions)
    return Listing(statement, key=_UNIVERSES.c.id, sorts=_SORTS, default="-updated_at")


def _holding(owner: bool, who: Any = _CALLER) -> ColumnElement[bool]:
    """SQL: whether somebody is a member, as the owner or as another."""
    role = Membership.role == "owner" if owner else Membership.role != "owner"
    mine: Any = select(Membership.user_id).where(Membership.universe_id == Universe.id, Membership.user_id == who, role)
    found: ColumnElement[bool] = mine.correlate(Universe).exists()
    return found


_LISTINGS: dict[str | None, Listing] = {
    None: _listing(),
    "mine": _listing(_holding(True)),
    "shared": _listing(_holding(False)),
    "public": _listing(seen=visible_to(Actor(None))),
}
_OWNED = _listing(_holding(True, _OWNER))

OwnedQuerySchema = query_of(_OWNED)
UniversesQuerySchema = query_of(
    _LISTINGS[None],
    scope=fields.String(validate=validate.OneOf(SCOPES)),
    q=Text(low=1, high=100, metadata={"description": "Words of the name or description."}),
    tag=Text(low=1, high=32),
)


def page(actor: Actor, query: Mapping[str, Any]) -> Page:
    """A page of the universes that an actor may see.

    Raises TokenInvalid for an anonymous one who asks for their own, TokenRevoked when the actor's session has ended.
    """
    scope = query.get("scope")
    if actor.id is None and scope in ("mine", "shared"):
        raise TokenInvalid
    listing = _LISTINGS[scope]
    if "q" in query:
        words = query["q"]
        listing = listing.where(
            or_(Universe.name.icontains(words, autoescape=True), Universe.description.icontains(words, autoescape=True))
        )
    if "tag" in query:
        listing = listing.where(_has_tag(query["tag"]))
    return _seen_by(actor, listing.page(query, caller_params(actor)))


def page_of(owner: UUID, actor: Actor, query: Mapping[str, Any]) -> Page:
    """A page of the universes that somebody owns, as far as an actor may see them. Raises TokenRevoked."""
    return _seen_by(actor, _OWNED.page(query, {"owner": owner, **caller_params(actor)}))


def _seen_by(actor: Actor, page: Page) -> Page:
    """The page, once the actor's session is seen to live."""
    holder = page.rows[0].holder if page.rows else db.session.scalar(select(HOLDER), caller_params(actor))
    confirmed(actor, holder)
    return page


def _has_tag(tag: str) -> ColumnElement[bool]:
    each = func.json_each if db.engine.dialect.name == "sqlite" else func.json_array_elements_text
    values = each(Universe.tags).table_valued("value")
    return select(values.c.value).where(values.c.value == tag).exists()

"""Reading what scenes hold: who may, and how it is answered. Every room of content reads its entities this way."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from flask import Response, request
from sqlalchemy import bindparam, select, union_all

from app.access import Action, Actor, require
from app.changes.content import entity_json
from app.changes.editable import EDITABLE
from app.changes.models import Tombstone
from app.errors import NotFound
from app.extensions import db
from app.pages import Listing, Page
from app.universes.models import Membership, Universe

_UNIVERSES: Any = Universe.__table__
_MEMBERS: Any = Membership.__table__
_TOMBSTONES: Any = Tombstone.__table__


def find(actor: Actor, collection: str, entity_id: UUID, action: Action = Action.READ) -> Mapping[str, Any]:
    """The row of an entity that the actor may read, with `head`, its universe's revision.

    Raises NotFound for one that is unknown, deleted or not visible, Forbidden where the role is too low.
    """
    row = db.session.connection().execute(_statement(collection), {"id": entity_id, "user_id": actor.id}).mappings().first()
    if row is None:
        raise NotFound
    require(actor, action, visibility=row["visibility"], membership=row["member_role"], deleted=row["gone_at"] is not None)
    return {str(key): value for key, value in row.items()}


def answer_entity(actor: Actor, collection: str, entity_id: UUID) -> Response:
    """The response with one entity, its ETag the revision that last changed it; 304 to who has it already."""
    row = find(actor, collection, entity_id)
    return tagged(entity_json(EDITABLE[collection].model, row), row["revision"], row["head"])


def answer_page(collection: str, page: Page, *also: str) -> Response:
    """The response with a page of entities; `also` names further columns to show."""
    model = EDITABLE[collection].model
    items = [{**entity_json(model, row._mapping), **{name: row._mapping[name] for name in also}} for row in page.rows]
    return Response(orjson.dumps(page.answer(items)), content_type="application/json")


def tagged(value: Any, revision: int, head: int) -> Response:
    """A JSON value whose ETag is a revision, in a universe at revision `head`; 304 to who has it already."""
    if request.if_none_match.contains_weak(str(revision)):
        response = Response(status=304)
    else:
        response = Response(orjson.dumps(value), content_type="application/json")
    response.set_etag(str(revision))
    response.headers["X-Universe-Revision"] = str(head)
    return response


def universe_of(collection: str, entity_id: UUID) -> UUID:
    """The universe that an entity belongs or belonged to; whoever changes it is checked when the change is made. Raises NotFound."""
    table = EDITABLE[collection].table
    living = select(table.c.universe_id).where(table.c.id == entity_id)
    buried = select(_TOMBSTONES.c.universe_id).where(_TOMBSTONES.c.id == entity_id)
    found: UUID | None = db.session.scalar(union_all(living, buried))
    if found is None:
        raise NotFound
    return found


def parts_listing(collection: str) -> Listing:
    """The list of a scene's bodies, constraints, voices or mappings; bind `scene_id`."""
    table = EDITABLE[collection].table
    sorts = {name: table.c[name] for name in ("order_key", "name", "created_at", "updated_at") if name in table.c}
    statement = select(table).where(table.c.scene_id == bindparam("scene_id"))
    return Listing(statement, key=table.c.id, sorts=sorts, default="order_key")


@cache
def _statement(collection: str) -> Any:
    table = EDITABLE[collection].table
    mine = (_MEMBERS.c.universe_id == _UNIVERSES.c.id) & (_MEMBERS.c.user_id == bindparam("user_id"))
    seen = (
        _UNIVERSES.c.visibility,
        _UNIVERSES.c.deleted_at.label("gone_at"),
        _UNIVERSES.c.revision.label("head"),
        _MEMBERS.c.role.label("member_role"),
    )
    joined = table.join(_UNIVERSES, _UNIVERSES.c.id == table.c.universe_id).outerjoin(_MEMBERS, mine)
    return select(table, *seen).select_from(joined).where(table.c.id == bindparam("id"))

"""Share links: made and revoked by the owner, read through by anybody who holds the token, used by whoever logs in.

A token is 256 random bits; what is kept of it is its SHA-256, and it is looked up by that.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import and_, bindparam, select

from app.access import Action, Actor
from app.changes.intents import Intent
from app.changes.links import COLLECTION, document_of_link, refuse_dead
from app.changes.service import Done, commit_change
from app.database import now, timestamp
from app.errors import Gone, NotFound, TokenInvalid
from app.extensions import db
from app.universes.models import Membership, ShareLink, Universe

_TOKEN_BYTES = 32
_LINKS: Any = ShareLink.__table__
_UNIVERSES: Any = Universe.__table__
_MEMBERS: Any = Membership.__table__
_OF_TOKEN = (
    select(_LINKS, _UNIVERSES.c.revision.label("head"), _UNIVERSES.c.deleted_at, _MEMBERS.c.role.label("membership"))
    .join(_UNIVERSES, _UNIVERSES.c.id == _LINKS.c.universe_id)
    .outerjoin(_MEMBERS, and_(_MEMBERS.c.universe_id == _UNIVERSES.c.id, _MEMBERS.c.user_id == bindparam("caller")))
    .where(_LINKS.c.token_hash == bindparam("token_hash"))
)


def make(universe_id: UUID, fields: Mapping[str, Any], head: Mapping[str, Any]) -> tuple[Done, str | None]:
    """Make a link; `fields` are its role, expires_at and max_uses. Answers its token beside, None for a repeated request.

    Raises Invalid for an `expires_at` that has passed.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    link_id = uuid4() if head["op_id"] is None else uuid5(universe_id, f"{head['actor'].id} {head['op_id']}")
    own = {**fields, "expires_at": timestamp(fields["expires_at"])}
    done = _commit(universe_id, link_id, own, {**head, "if_match": None}, token_hash=_hash(token))
    return done, None if done.duplicate else token


def revoke(universe_id: UUID, link_id: UUID, head: Mapping[str, Any]) -> Done:
    """Revoke a link: nobody follows it any more, and the memberships that hang on it end at that revision."""
    return _commit(universe_id, link_id, {"revoked": True}, head)


def use(token: str, head: Mapping[str, Any]) -> tuple[UUID, Done | None]:
    """Make the actor of `head` a member of the universe that a token leads into; who is one stays as they are, with None.

    Raises NotFound for a token that is none, Gone for one of a link revoked, expired or used up or of a deleted
    universe, TokenInvalid for an anonymous actor.
    """
    actor: Actor = head["actor"]
    if actor.id is None:
        raise TokenInvalid
    link = _of_token(token, actor)
    universe_id: UUID = link.universe_id
    if link.deleted_at is not None:
        raise Gone
    if link.membership is not None:
        return universe_id, None
    intent = Intent(
        op="member",
        collection="members",
        universe_id=universe_id,
        entity_id=actor.id,
        fields={"link": str(link.id)},
        action=Action.READ,
        **{**head, "if_match": None},
    )
    return universe_id, commit_change(intent)


def shown_by(token: str) -> tuple[UUID, int]:
    """The universe that a token lets anybody read, and its revision. Raises NotFound or, for a link that is over, Gone."""
    link = _of_token(token, Actor())
    if link.deleted_at is not None:
        raise NotFound
    refuse_dead(link, now())
    return link.universe_id, link.head


def role_in(universe_id: UUID, user_id: UUID | None) -> str:
    """A member's role. Raises NotFound for somebody who is none."""
    mine = select(_MEMBERS.c.role).where(_MEMBERS.c.universe_id == universe_id, _MEMBERS.c.user_id == user_id)
    found: str | None = db.session.scalar(mine)
    if found is None:
        raise NotFound
    return found


def made(done: Done, token: str | None) -> dict[str, Any]:
    """A link as the answer to its creation shows it, as it then was."""
    created_at = db.session.scalar(select(_LINKS.c.created_at).where(_LINKS.c.id == done.entity_id))
    return _shown(done.entity_id, done.universe_id, done.entity or {}, done.entity_revision, created_at, token=token)


def link_json(row: Any) -> dict[str, Any]:
    """A link as it is listed."""
    return _shown(row.id, row.universe_id, document_of_link(row), row.revision, row.created_at)


def _shown(link_id: Any, universe_id: UUID, document: Mapping[str, Any], revision: int, created_at: Any, **more: Any) -> dict[str, Any]:
    own = {"id": str(link_id), "universe_id": str(universe_id), **document}
    return {**own, "revision": revision, "created_at": timestamp(created_at), **more}


def _commit(universe_id: UUID, link_id: UUID, fields: Mapping[str, Any], head: Mapping[str, Any], **more: Any) -> Done:
    return commit_change(
        Intent(
            op="member",
            collection=COLLECTION,
            universe_id=universe_id,
            entity_id=link_id,
            fields=fields,
            action=Action.MANAGE,
            **{**head, **more},
        )
    )


def _of_token(token: str, actor: Actor) -> Any:
    found = db.session.connection().execute(_OF_TOKEN, {"token_hash": _hash(token), "caller": actor.id}).first()
    if found is None:
        raise NotFound
    return found


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()

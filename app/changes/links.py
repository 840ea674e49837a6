"""Share links as the log has them: made, used and revoked by `member` rows, under the universe's lock.

A link's path is `share-links/<id>`, its document what `document_of_link` gives: never the token, nor its hash. Who uses
one becomes a member by a row of `members/<user>` that names the `link`; that row counts as a use of the link. Revoking
one ends, in the same row, the memberships that still hang on it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from app.access import Role
from app.changes.content import Document
from app.changes.entities import Applied, Turn, require_user
from app.changes.intents import Intent
from app.database import timestamp
from app.errors import Gone, Invalid, NotFound, PreconditionFailed
from app.universes.models import Membership, ShareLink

COLLECTION = "share-links"
_LINKS: Any = ShareLink.__table__
_MEMBERS: Any = Membership.__table__
_MEMBER_ROLES = (Role.VIEWER, Role.EDITOR, Role.OWNER)


def document_of_link(row: Any) -> Document:
    """What the log says of a link, given as a row of its table."""
    return {
        "role": row.role,
        "expires_at": timestamp(row.expires_at),
        "max_uses": row.max_uses,
        "uses": row.uses,
        "revoked_at": timestamp(row.revoked_at),
    }


def refuse_dead(link: Any, moment: datetime) -> None:
    """Raises Gone for a link that is revoked, expired or used up at a moment."""
    if link.revoked_at is not None:
        raise Gone("This link has been revoked.")
    if link.expires_at is not None and link.expires_at <= moment:
        raise Gone("This link has expired.")
    if link.max_uses is not None and link.uses >= link.max_uses:
        raise Gone("This link has been used up.")


def is_use(intent: Intent) -> bool:
    """Whether somebody uses a link. That takes no role: the link admits them."""
    return intent.op == "member" and intent.collection == "members" and "link" in intent.fields


def concerns_link(intent: Intent) -> bool:
    """Whether an intent is about a link, and not about a member alone."""
    return is_use(intent) or (intent.op == "member" and intent.collection == COLLECTION)


def apply_to_link(turn: Turn, intent: Intent) -> Applied:
    """Make, use or revoke a link. Raises NotFound, Gone, Invalid or PreconditionFailed."""
    if is_use(intent):
        return _use(turn, intent)
    return _revoke(turn, intent) if "revoked" in intent.fields else _make(turn, intent)


def _make(turn: Turn, intent: Intent) -> Applied:
    expires = intent.fields["expires_at"]
    if expires is not None and datetime.fromisoformat(expires) <= turn.moment:
        raise Invalid(errors={"expires_at": ["Must be in the future."]})
    document = {"role": intent.fields["role"], "expires_at": expires, "max_uses": intent.fields["max_uses"], "uses": 0, "revoked_at": None}
    values = {
        **document,
        "id": intent.entity_id,
        "universe_id": turn.universe_id,
        "token_hash": intent.token_hash,
        "expires_at": None if expires is None else datetime.fromisoformat(expires),
        "revision": turn.revision,
        "created_at": turn.moment,
    }
    turn.session.execute(insert(_LINKS).values(values))
    return Applied(None, document, document, turn.revision, intent.entity_id)


def _use(turn: Turn, intent: Intent) -> Applied:
    """Make the actor a member; one who is already stays as they are, whatever has become of the link."""
    if turn.role in _MEMBER_ROLES:
        return Applied(None, None, {"role": turn.role}, turn.revision - 1, intent.entity_id, noop=True)
    link = _read(turn, UUID(intent.fields["link"]))
    refuse_dead(link, turn.moment)
    require_user(turn.session, intent.entity_id)
    values = {"user_id": intent.entity_id, "role": link.role, "revision": turn.revision, "created_at": turn.moment, "link_id": link.id}
    turn.session.execute(insert(_MEMBERS).values(universe_id=turn.universe_id, **values))
    turn.session.execute(update(_LINKS).where(_LINKS.c.id == link.id).values(uses=link.uses + 1, revision=turn.revision))
    after = {"role": link.role, "link": str(link.id)}
    return Applied({"role": None, "link": None}, after, after, turn.revision, intent.entity_id)


def _revoke(turn: Turn, intent: Intent) -> Applied:
    """Mark a link revoked and end the memberships that hang on it, in one row."""
    link = _read(turn, intent.entity_id)
    if link.revoked_at is not None:
        return Applied(None, None, None, link.revision, link.id, noop=True)
    if not intent.accepts(link.revision):
        raise PreconditionFailed
    hanging = (_MEMBERS.c.universe_id == turn.universe_id, _MEMBERS.c.link_id == link.id)
    members = turn.session.execute(select(_MEMBERS.c.user_id, _MEMBERS.c.role).where(*hanging).order_by(_MEMBERS.c.user_id)).all()
    turn.session.execute(delete(_MEMBERS).where(*hanging))
    turn.session.execute(update(_LINKS).where(_LINKS.c.id == link.id).values(revoked_at=turn.moment, revision=turn.revision))
    steps = [_step(intent.path, {"revoked_at": None}, {"revoked_at": timestamp(turn.moment)})]
    for member in members:
        steps.append(_step(f"members/{member.user_id}", {"role": member.role, "link": str(link.id)}, {"role": None, "link": None}))
    return Applied(None, {"items": steps}, None, turn.revision, link.id, op="batch")


def _read(turn: Turn, link_id: UUID | None) -> Any:
    link = turn.session.execute(select(_LINKS).where(_LINKS.c.id == link_id, _LINKS.c.universe_id == turn.universe_id)).first()
    if link is None:
        raise NotFound
    return link


def _step(path: str, before: Document, after: Document) -> Document:
    return {"op": "member", "path": path, "before": before, "after": after}

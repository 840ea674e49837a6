"""Who may do what to a universe: one table of role and action."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, and_, bindparam, or_, select

from app.auth.models import LoginSession
from app.errors import Forbidden, Gone, NotFound, TokenInvalid, TokenRevoked
from app.universes.models import Membership, Universe
from app.users.models import User

_users: Any = User.__table__
_sessions: Any = LoginSession.__table__
LIVING = (
    select(_users.c.role)
    .join_from(_sessions, _users, _sessions.c.user_id == _users.c.id)
    .where(
        _sessions.c.id == bindparam("caller_session", type_=_sessions.c.id.type),
        _sessions.c.revoked_at.is_(None),
        _users.c.id == bindparam("caller", type_=_users.c.id.type),
        _users.c.is_active.is_(True),
    )
)
"""The account role of the caller of `caller_params`; no row when their session has ended or their user is gone or disabled."""
HOLDER = LIVING.scalar_subquery().label("holder")
"""SQL: the same as a column of another statement, NULL for no row."""
CALLER_IS_ADMIN: ColumnElement[bool] = LIVING.scalar_subquery() == "admin"


class Role(StrEnum):
    """What somebody is to a universe."""

    ANONYMOUS = "anonymous"
    STRANGER = "stranger"
    VIEWER = "viewer"
    EDITOR = "editor"
    OWNER = "owner"
    ADMIN = "admin"


class Action(StrEnum):
    """What can be done with a universe."""

    READ = "read"  # its content and its renders
    PERFORM = "perform"  # simulate it and render it to audio
    INSPECT = "inspect"  # its history and its members
    EDIT = "edit"  # its content
    MANAGE = "manage"  # its members, its visibility and its end


VISIBILITIES = ("private", "unlisted", "public")

_MEMBERS = {
    Role.VIEWER: {Action.READ, Action.PERFORM, Action.INSPECT},
    Role.EDITOR: {Action.READ, Action.PERFORM, Action.INSPECT, Action.EDIT},
    Role.OWNER: {Action.READ, Action.PERFORM, Action.INSPECT, Action.EDIT, Action.MANAGE},
    Role.ADMIN: {Action.READ, Action.INSPECT},
}
_OPEN = {**_MEMBERS, Role.ANONYMOUS: {Action.READ}, Role.STRANGER: {Action.READ, Action.PERFORM}}
ALLOWED: dict[str, dict[Role, set[Action]]] = {
    "private": {Role.ANONYMOUS: set(), Role.STRANGER: set(), **_MEMBERS},
    "unlisted": _OPEN,
    "public": _OPEN,
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking; `id` None is an anonymous caller."""

    id: UUID | None = None
    admin: bool = False
    session_id: UUID | None = None


ANONYMOUS = Actor()


def caller_params(actor: Actor) -> dict[str, UUID | None]:
    """The parameters of a statement with HOLDER."""
    return {"caller": actor.id, "caller_session": actor.session_id}


def holding(user_id: UUID | None) -> int:
    """The number of PostgreSQL's advisory lock on a user's sessions: shared by their changes, taken whole to end sessions."""
    return int.from_bytes(user_id.bytes[:8], "big", signed=True) if user_id else 0


def confirmed(actor: Actor, holder: str | None) -> Actor:
    """An actor whose HOLDER a statement has answered; one without a session, such as a command's, as it is.

    Raises TokenRevoked when the session has ended.
    """
    if actor.session_id is None:
        return actor
    if holder is None:
        raise TokenRevoked
    return replace(actor, admin=holder == "admin")


def role_of(actor: Actor, membership: str | None) -> Role:
    """The role of an actor whose membership in the universe is owner, editor, viewer or None."""
    if actor.id is None:
        return Role.ANONYMOUS
    if membership is not None:
        return Role(membership)
    return Role.ADMIN if actor.admin else Role.STRANGER


def require(actor: Actor, action: Action, *, visibility: str, membership: str | None, deleted: bool = False) -> Role:
    """The actor's role, when it allows the action.

    Raises NotFound for a universe the actor may not see (and TokenInvalid for an anonymous one who must log in),
    Forbidden for one they see but may not treat so; for a deleted one NotFound to readers and Gone to writers.
    """
    role = role_of(actor, membership)
    allowed = ALLOWED[visibility][role]
    if Action.READ not in allowed:
        raise NotFound
    if deleted:
        raise NotFound if action in (Action.READ, Action.PERFORM, Action.INSPECT) else Gone
    if action not in allowed:
        raise TokenInvalid if role is Role.ANONYMOUS else Forbidden
    return role


def allowed_to(role: Role, visibility: str, action: Action) -> bool:
    """Whether a role allows an action in a universe of a visibility."""
    return action in ALLOWED[visibility][role]


def membership_of(actor: Actor) -> ScalarSelect[str | None]:
    """SQL: the actor's membership role in the universe of the enclosing statement."""
    mine = select(Membership.role).where(Membership.universe_id == Universe.id, Membership.user_id == actor.id)
    return mine.correlate(Universe).scalar_subquery()


def visible_to(actor: Actor, admin: ColumnElement[bool] | None = None) -> ColumnElement[bool]:
    """SQL: the universes an actor may see in lists; unlisted ones are seen there by their members only.

    `admin` says in SQL whether the actor is an admin, where that is not known yet.
    """
    alive = Universe.deleted_at.is_(None)
    if actor.admin:
        return alive
    seen = [Universe.visibility == "public"]
    if actor.id is not None:
        seen.append(is_member(actor))
    if admin is not None:
        seen.append(admin)
    return and_(alive, or_(*seen))


def readable_by(actor: Actor) -> ColumnElement[bool]:
    """SQL: the universes an actor may read when they know the id: the same table, as a condition."""
    allowed: list[ColumnElement[bool]] = [
        Universe.visibility.in_([v for v in VISIBILITIES if Action.READ in ALLOWED[v][role_of(actor, None)]])
    ]
    if actor.id is not None:
        allowed.append(is_member(actor))
    return and_(Universe.deleted_at.is_(None), or_(*allowed))


def is_member(actor: Actor) -> ColumnElement[bool]:
    """SQL: whether the actor is a member of the universe of the enclosing statement."""
    mine: Any = select(Membership.user_id).where(Membership.universe_id == Universe.id, Membership.user_id == actor.id)
    found: ColumnElement[bool] = mine.correlate(Universe).exists()
    return found

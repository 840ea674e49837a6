"""Accounts: made, found, changed, ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.audit import service as audit
from app.changes.models import IdempotencyKey
from app.errors import Conflict, NotFound
from app.extensions import db
from app.pages import Listing
from app.unit_of_work import unit_of_work
from app.universes.models import Membership
from app.users.models import User

_users = User.__table__
_sorts = {"username": _users.c.username_folded, "created_at": _users.c.created_at}
_shown = select(_users.c.id, _users.c.username, _users.c.display_name, _users.c.bio, _users.c.color, _users.c.created_at)

PEOPLE = Listing(_shown.where(_users.c.is_active), key=_users.c.id, sorts=_sorts, default="username")
MATCHING = PEOPLE.where(
    or_(
        _users.c.username_folded.like(bindparam("pattern"), escape="\\"),
        func.lower(_users.c.display_name).like(bindparam("pattern"), escape="\\"),
    )
)


def add(session: Session, username: str, email: str, password_hash: str, role: str = "user") -> User:
    """A new user in the open unit of work. Raises Conflict naming the field that is taken."""
    refuse_taken(session, username, email)
    user = User(
        username=username,
        username_folded=username.casefold(),
        email=email,
        email_folded=email.casefold(),
        password_hash=password_hash,
        display_name=username,
        settings={},
        role=role,
    )
    session.add(user)
    session.flush()
    return user


def refuse_taken(session: Session, username: str, email: str, but: UUID | None = None) -> None:
    """Raises Conflict when somebody else, that is, other than `but`, has this name or address."""
    names, addresses = User.username_folded == username.casefold(), User.email_folded == email.casefold()
    others = session.execute(select(User.username_folded).where(or_(names, addresses), User.id.is_distinct_from(but))).scalars().all()
    if others:
        field = "username" if username.casefold() in others else "email"
        raise Conflict(f"This {field} is taken.", errors={field: ["Is taken."]})


def find(identifier: str) -> User:
    """The user of a name or an e-mail address, in any case. Raises NotFound."""
    folded = identifier.casefold()  # a name has no @, so the two cannot be confused
    user = db.session.execute(select(User).where(or_(User.username_folded == folded, User.email_folded == folded))).scalar_one_or_none()
    if user is None:
        raise NotFound(f"There is no user {identifier}.")
    return user


def get(user_id: UUID | None) -> User:
    """A user by id. Raises NotFound."""
    user = db.session.get(User, user_id) if user_id else None
    if user is None:
        raise NotFound
    return user


def profile(name: UUID | str) -> Any:
    """What everybody may see of an active user, by id or name. Raises NotFound."""
    which = _users.c.id == name if isinstance(name, UUID) else _users.c.username_folded == name.casefold()
    found = db.session.connection().execute(_shown.where(which, _users.c.is_active)).first()
    if found is None:
        raise NotFound
    return found


def pattern_of(text: str) -> str:
    """The LIKE pattern of names that contain a text."""
    escaped = text.casefold().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def change(user_id: UUID | None, fields: Mapping[str, Any]) -> User:
    """Change what somebody says of themselves. Raises Conflict naming the name or address that is taken."""
    with unit_of_work() as session:
        user = session.get(User, user_id, populate_existing=True)
        if user is None:
            raise NotFound
        email = user.email
        for name, value in fields.items():
            setattr(user, name, value)
        user.username_folded, user.email_folded = user.username.casefold(), user.email.casefold()
        with session.no_autoflush:
            refuse_taken(session, user.username, user.email, but=user.id)
            if user.email != email:
                audit.record("users.change_email", f"users/{user.id}", actor_id=user.id)
    return user


def set_flags(session: Session, user_id: UUID, **values: Any) -> None:
    """Set a user's `role` or `is_active`, in the open unit of work."""
    session.execute(update(User).where(User.id == user_id).values(**values))


def remove(user_id: UUID, *owners: str) -> bool:
    """Delete an account, its sessions and the remembered keys of its `owners`. False, and nothing is done, while it has memberships.

    Its row is locked before they are looked for, as an invitation locks it: one that came in between is seen, a later one finds
    nobody. What they did stays in the logs under their id, which no longer leads to anybody; the addresses it was done from go.
    """
    with unit_of_work() as session:
        session.execute(select(User.id).where(User.id == user_id).with_for_update())
        if session.scalar(select(Membership.universe_id).where(Membership.user_id == user_id).limit(1)) is not None:
            return False
        audit.record("users.delete", f"users/{user_id}", actor_id=user_id)
        audit.forget_addresses(session, user_id)
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.owner.in_([str(user_id), *owners])))
        session.execute(delete(User).where(User.id == user_id))
    return True

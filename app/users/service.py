"""Accounts: made, found, changed, ended."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.errors import Conflict, NotFound
from app.extensions import db
from app.users.models import User


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
    if not others:
        return
    field = "username" if username.casefold() in others else "email"
    raise Conflict(f"This {field} is taken.", errors={field: ["Is taken."]})


def find(identifier: str) -> User | None:
    """The user of a name or an e-mail address, in any case."""
    folded = identifier.casefold()  # a name has no @, so the two cannot be confused
    return db.session.execute(select(User).where(or_(User.username_folded == folded, User.email_folded == folded))).scalar_one_or_none()


def get(user_id: UUID | None) -> User:
    """A user by id. Raises NotFound."""
    user = db.session.get(User, user_id) if user_id else None
    if user is None:
        raise NotFound
    return user

"""Logging in and out. Passwords are hashed and compared before a transaction opens, never within one."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import ColumnElement, Select, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import rate_limits
from app.access import ANONYMOUS, Actor, holding
from app.audit.service import record, refusals
from app.auth import passwords, tokens
from app.auth.models import LoginSession
from app.changes.intents import op_id_of
from app.changes.service import recall, remember
from app.database import now
from app.errors import Conflict, Forbidden, InvalidCredentials, NotFound, TokenRevoked
from app.extensions import db
from app.unit_of_work import unit_of_work
from app.users import service as users
from app.users.models import User

REGISTRATION = "register"


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody let in: who, with which tokens, and whether a remembered registration was answered again."""

    user: User
    tokens: dict[str, Any]
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """Who somebody says they are."""

    id: UUID
    username: str
    email: str
    password_hash: str


@refusals("auth.register")
def register(username: str, email: str, password: str, *, device: str = "", key: str | None = None) -> Entry:
    """Make an account and log in to it.

    Raises Forbidden when registration is closed, Invalid for a weak password, Conflict for a name or address that is
    taken, OpIdReused for a key that served another registration, RateLimited.
    """
    rate_limits.hit("address", rate_limits.address())
    if not current_app.config["SETTINGS"].registration_open:
        raise Forbidden("Registration is closed.")
    passwords.refuse_weak(password, username, email)
    remembered = _Registration(username, email, password, key)
    password_hash = passwords.hashed(password)
    try:
        with unit_of_work() as session:
            before = remembered.recall(session)
            if before is None:
                user = users.add(session, username, email, password_hash)
                remembered.remember(session, user.id)
                record("auth.register", f"users/{user.id}", actor_id=user.id)
                return _entry(user, _open(session, user.id, device))
    except (Conflict, IntegrityError):  # another request registered the same between our look and our write
        before = remembered.recall(db.session())
        if before is None:
            users.refuse_taken(db.session(), username, email)
            raise
    return _register_again(before, password, device)


def log_in(identifier: str, password: str, *, device: str = "") -> Entry:
    """Open a session for the user of a name or e-mail address.

    Raises InvalidCredentials, after the same work, for a wrong name, a wrong password and a disabled user; RateLimited
    after too many failures. Failures are counted by what was typed: counting by user would tell which address
    belongs to which name.
    """
    folded = identifier.casefold()
    with refusals("auth.login"):
        rate_limits.hit("address", rate_limits.address())
        rate_limits.hit("login", folded)
    user = _known(or_(User.username_folded == folded, User.email_folded == folded))
    with refusals("auth.login", f"users/{user.id}" if user else None):
        entry = _enter(user, password, device)
    rate_limits.clear("login", folded)
    return entry


def refresh(token: object) -> Entry:
    """Trade a refresh token for a new pair. Each is good once; one that comes back ends its whole session.

    Raises TokenInvalid, TokenExpired or TokenRevoked.
    """
    claims = tokens.claims_of(token, "refresh")
    with unit_of_work() as session:
        login = session.execute(_live(LoginSession.id == claims.session_id).with_for_update()).scalar_one_or_none()
        user = session.get(User, claims.user_id)
        newest = login is not None and login.refresh_jti == claims.jti
        good = newest and user is not None and user.is_active
        if login is not None and good:
            _rotate(login)
        elif login is not None:
            revoke(session, login.user_id, LoginSession.id == login.id)
    if login is not None and not newest:
        with refusals("auth.refresh", f"sessions/{login.id}", login.user_id):
            raise TokenRevoked
    if login is None or user is None or not good:
        raise TokenRevoked
    return _entry(user, login)


def log_out(actor: Actor) -> None:
    """End the session of the request at hand."""
    with unit_of_work() as session:
        revoke(session, actor.id, LoginSession.id == actor.session_id)
        record("auth.logout", f"sessions/{actor.session_id}", actor_id=actor.id)


def log_out_everywhere(actor: Actor) -> None:
    """End all sessions of the actor."""
    with unit_of_work() as session:
        revoke(session, actor.id)
        record("auth.logout_all", f"users/{actor.id}", actor_id=actor.id)


def change_password(actor: Actor, current: str, new: str, *, device: str = "") -> Entry:
    """Set a new password, end all sessions, and open a new one: who knew the old password or held a token is out.

    Raises InvalidCredentials for a wrong current password, Invalid for a weak new one.
    """
    told = ("auth.change_password", f"users/{actor.id}")
    with refusals(*told, actor.id):
        user = check_password(actor.id, current)
        passwords.refuse_weak(new, user.username, user.email, field="new_password")
    password_hash = passwords.hashed(new)
    with unit_of_work() as session:
        set_password(session, user.id, password_hash)
        record(*told, actor_id=actor.id)
        login = _open(session, user.id, device)
        return _entry(session.get_one(User, user.id), login)


def set_password(session: Session, user_id: UUID, password_hash: str) -> None:
    """Store the hash of a new password and end the user's sessions, in the open unit of work."""
    session.execute(update(User).where(User.id == user_id).values(password_hash=password_hash))
    revoke(session, user_id)


def check_password(user_id: UUID | None, password: str) -> Known:
    """The user, if this is their password. Raises InvalidCredentials, and RateLimited after too many failures."""
    rate_limits.hit("login", user_id)
    user = _known(User.id == user_id)
    if user is None or not passwords.matches(user.password_hash, password):
        raise InvalidCredentials("The password is wrong.")
    rate_limits.clear("login", user_id)
    return user


def sessions_of(user_id: UUID | None) -> Select[LoginSession]:
    """SQL: the sessions of a user that are alive."""
    return _live(LoginSession.user_id == user_id).order_by(LoginSession.last_used_at.desc(), LoginSession.id)


def end_session(actor: Actor, session_id: UUID) -> None:
    """End one of the actor's own sessions; one that has ended already stays so. Raises NotFound for anybody else's."""
    with unit_of_work() as session:
        login = session.get(LoginSession, session_id)
        if login is None or login.user_id != actor.id:
            raise NotFound
        if revoke(session, actor.id, LoginSession.id == session_id):
            record("auth.logout", f"sessions/{session_id}", actor_id=actor.id)


def revoke(session: Session, user_id: UUID | None, *conditions: ColumnElement[bool]) -> int:
    """End the live sessions of a user that meet the conditions, in the open unit of work; how many there were.

    Changes that the user has under way end before that, so that none is committed by a session that has ended.
    """
    if session.connection().dialect.name == "postgresql":  # SQLite's one writer waits as it is
        session.execute(select(func.pg_advisory_xact_lock(holding(user_id))))
    of_user = (LoginSession.user_id == user_id, LoginSession.revoked_at.is_(None))
    ended = update(LoginSession).where(*of_user, *conditions).values(revoked_at=now())
    return int(session.execute(ended).rowcount)  # type: ignore[attr-defined]  # an UPDATE has it


def registration_owner(email: str) -> str:
    """Whose key a registration's is: a keyed hash, so that the table tells no address."""
    return _keyed_hash("registration-owner", email.casefold())


@dataclass(frozen=True, slots=True)
class _Registration:
    """What makes two registrations the same. The hash is keyed, since it covers a password."""

    username: str
    email: str
    password: str
    key: str | None

    def recall(self, session: Session) -> UUID | None:
        op_id = op_id_of(self.key, ANONYMOUS)
        if op_id is None:
            return None
        found = recall(session, REGISTRATION, registration_owner(self.email), op_id, self._hash())
        return UUID(found["user_id"]) if found else None

    def remember(self, session: Session, user_id: UUID) -> None:
        op_id = op_id_of(self.key, ANONYMOUS)
        if op_id is not None:
            remember(session, REGISTRATION, registration_owner(self.email), op_id, self._hash(), {"user_id": str(user_id)})

    def _hash(self) -> str:
        return _keyed_hash("registration", self.username, self.email, self.password)


def _keyed_hash(*parts: str) -> str:
    secret = current_app.config["SETTINGS"].secret_key.encode()
    return hmac.new(secret, "\0".join(parts).encode(), hashlib.sha256).hexdigest()


def _register_again(user_id: UUID, password: str, device: str) -> Entry:
    """Answer a registration once more, with fresh tokens: a login, so a password changed since is asked for."""
    entry = _enter(_known(User.id == user_id), password, device)
    return Entry(entry.user, entry.tokens, replayed=True)


def _known(which: ColumnElement[bool]) -> Known | None:
    """What a password is compared with. The transaction ends here: none waits for a hash."""
    row = db.session.execute(select(User.id, User.username, User.email, User.password_hash).where(which)).first()
    db.session.rollback()
    return Known(*row) if row else None


def _enter(user: Known | None, password: str, device: str) -> Entry:
    """Open a session if the password is right. Raises InvalidCredentials."""
    stored = user.password_hash if user else None
    if not passwords.matches(stored, password) or user is None or stored is None:
        raise InvalidCredentials
    fresh = passwords.hashed(password) if passwords.is_outdated(stored) else stored
    with unit_of_work() as session:
        unchanged = (User.id == user.id, User.password_hash == stored, User.is_active)
        found = session.execute(select(User).where(*unchanged).execution_options(populate_existing=True)).scalar_one_or_none()
        if found is None:
            raise InvalidCredentials
        found.password_hash = fresh
        login = _open(session, found.id, device)
        record("auth.login", f"users/{found.id}", actor_id=found.id)
    return _entry(found, login)


def _open(session: Session, user_id: UUID, device: str) -> LoginSession:
    """A new session of a user; their expired ones go."""
    session.execute(delete(LoginSession).where(LoginSession.user_id == user_id, LoginSession.expires_at < now()))
    login = LoginSession(id=uuid4(), user_id=user_id, device=device[:200])
    _rotate(login)
    session.add(login)
    return login


def _rotate(login: LoginSession) -> None:
    login.refresh_jti = uuid4()
    login.last_used_at = now()
    login.expires_at = login.last_used_at + current_app.config["JWT_REFRESH_TOKEN_EXPIRES"]


def _live(*conditions: ColumnElement[bool]) -> Select[LoginSession]:
    return select(LoginSession).where(LoginSession.revoked_at.is_(None), LoginSession.expires_at > now(), *conditions)


def _entry(user: User, login: LoginSession) -> Entry:
    return Entry(user, tokens.issue(user.id, login.id, login.refresh_jti))

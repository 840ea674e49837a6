"""The door: register, log in and out, and the sessions that are open."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from flask import request

from app.auth import service
from app.auth.schemas import EntrySchema, LoginSchema, PasswordChangeSchema, RefreshSchema, RegistrationSchema, SessionsSchema
from app.auth.tokens import bearer, current_actor, guard
from app.errors import Invalid
from app.extensions import db
from app.schemas import Blueprint, read_json
from app.users import service as users
from app.users.models import User
from app.users.schemas import UserSchema

bp = Blueprint("auth", __name__, url_prefix="/auth")

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEY_HEADER = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "Repeating a request with its key is safe for 24 hours.",
}
_TOKEN_BODY = {
    "description": "The refresh token, unless it is sent as `Authorization: Bearer`.",
    "content": {"application/json": {"schema": RefreshSchema}},
}


@bp.post("/register")
@bp.doc(operationId="register", security=[], parameters=[_KEY_HEADER])
@bp.arguments(RegistrationSchema)
@bp.response(201, EntrySchema)
@bp.alt_response(403, response="FORBIDDEN")
@bp.alt_response(409, response="CONFLICT")
def register(fields: dict[str, str]) -> Any:
    """Make an account, and log in to it."""
    entry = service.register(**fields, device=_device(), key=_idempotency_key())
    headers = {"Location": f"{request.path.rpartition('/auth/')[0]}/users/{entry.user.id}"}
    if entry.replayed:
        headers["Idempotent-Replayed"] = "true"
    return _shown(entry), 201, headers


@bp.post("/login")
@bp.doc(operationId="logIn", security=[])
@bp.arguments(LoginSchema)
@bp.response(200, EntrySchema)
@bp.alt_response(401, response="UNAUTHORIZED")
def log_in(fields: dict[str, str]) -> Any:
    """Log in by e-mail address or username."""
    identifier = fields.get("email") or fields["username"]
    return _shown(service.log_in(identifier, fields["password"], device=_device()))


@bp.post("/refresh")
@bp.doc(operationId="refresh", security=[{"bearer": []}, {}], requestBody=_TOKEN_BODY)
@bp.response(200, EntrySchema)
def refresh() -> Any:
    """Trade a refresh token for a new pair of tokens; it is good once."""
    return _shown(service.refresh(bearer() or _token_of_body()))


@bp.post("/logout")
@bp.doc(operationId="logOut")
@guard()
@bp.response(204)
def log_out() -> None:
    """End this session: its tokens are void at once."""
    service.log_out(current_actor())


@bp.post("/logout-all")
@bp.doc(operationId="logOutEverywhere")
@guard()
@bp.response(204)
def log_out_everywhere() -> None:
    """End all your sessions."""
    service.log_out_everywhere(current_actor())


@bp.get("/me")
@bp.doc(operationId="whoAmI")
@guard()
@bp.response(200, UserSchema)
def who_am_i() -> User:
    """You, as the token says."""
    return users.get(current_actor().id)


@bp.post("/change-password")
@bp.doc(operationId="changePassword")
@guard()
@bp.arguments(PasswordChangeSchema)
@bp.response(200, EntrySchema)
def change_password(fields: dict[str, str]) -> Any:
    """Change your password; all your sessions end, and a new one begins."""
    return _shown(service.change_password(current_actor(), fields["current_password"], fields["new_password"], device=_device()))


@bp.get("/sessions")
@bp.doc(operationId="listSessions")
@guard()
@bp.response(200, SessionsSchema)
def list_sessions() -> dict[str, Any]:
    """Where you are logged in."""
    actor = current_actor()
    found = db.session.execute(service.sessions_of(actor.id)).scalars().all()
    return {"items": [{**_columns(login), "current": login.id == actor.session_id} for login in found], "next_cursor": None}


@bp.delete("/sessions/<uuid:session_id>")
@bp.doc(operationId="endSession")
@guard()
@bp.response(204)
def end_session(session_id: UUID) -> None:
    """End one of your sessions."""
    service.end_session(current_actor(), session_id)


def _token_of_body() -> str | None:
    """The refresh token that a body holds; None without a body."""
    if not request.get_data(cache=True):
        return None
    token: str = RefreshSchema().load(read_json(request))["refresh_token"]
    return token


def _shown(entry: service.Entry) -> dict[str, Any]:
    return {"user": entry.user, **entry.tokens}


def _columns(login: Any) -> dict[str, Any]:
    return {name: getattr(login, name) for name in ("id", "device", "created_at", "last_used_at", "expires_at")}


def _device() -> str:
    return request.user_agent.string


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise Invalid(errors={"Idempotency-Key": ["Must be 1 to 255 visible ASCII characters."]})
    return key

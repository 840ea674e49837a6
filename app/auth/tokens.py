"""Who is asking: tokens are made here, and read here for requests and sockets alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any
from uuid import UUID

import jwt as pyjwt
from flask import current_app, g, request
from flask_jwt_extended import create_access_token, create_refresh_token

from app import rate_limits
from app.access import ANONYMOUS, LIVING, Actor, caller_params, confirmed
from app.errors import Problem, TokenExpired, TokenInvalid, TokenRevoked, answer
from app.extensions import db, jwt

REQUIRED = ("exp", "iat", "jti", "sub", "iss", "aud", "type", "sid")
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says, once its signature and every required claim have been checked. `expires` is in Unix seconds."""

    user_id: UUID
    session_id: UUID
    jti: UUID
    type: str
    expires: float


def issue(user_id: UUID, session_id: UUID, refresh_jti: UUID) -> dict[str, Any]:
    """A pair of tokens for a session, as an answer shows them."""
    sid = {"sid": str(session_id)}
    return {
        "access_token": create_access_token(str(user_id), additional_claims=sid),
        "refresh_token": create_refresh_token(str(user_id), additional_claims={**sid, "jti": str(refresh_jti)}),
        "token_type": "Bearer",
        "expires_in": int(current_app.config["JWT_ACCESS_TOKEN_EXPIRES"].total_seconds()),
    }


def claims_of(token: object, kind: str = "access") -> Claims:
    """The claims of a token of a kind, access or refresh.

    Raises TokenExpired, or TokenInvalid for every other fault. Whether its session lives is the matter of `actor_with`.
    """
    if not isinstance(token, str):
        raise TokenInvalid
    claims = _read(token, current_app.config["JWT_SECRET_KEY"])
    if claims.expires <= time.time():
        raise TokenExpired
    if claims.type != kind:
        raise TokenInvalid
    return claims


def actor_with(claims: Claims) -> Actor:
    """The actor of some claims. Raises TokenRevoked when their session has ended or their user is gone or disabled."""
    claimed = Actor(claims.user_id, False, claims.session_id)
    return confirmed(claimed, db.session.connection().execute(LIVING, caller_params(claimed)).scalar())


def actor_of(token: object) -> Actor:
    """The actor of an access token. Raises TokenInvalid, TokenExpired or TokenRevoked."""
    return actor_with(claims_of(token))


def current_actor() -> Actor:
    """Who sent the request at hand; only views behind `guard` may ask. Raises TokenRevoked, behind a deferred one."""
    if "actor" not in g:
        g.actor = actor_with(g.claims) if g.claims else ANONYMOUS
    actor: Actor = g.actor
    return actor


def claimed_actor() -> Actor:
    """Who the token says sent the request, whose session a deferred guard has not looked up yet; the log's commit does."""
    claims: Claims | None = g.claims
    if "actor" in g or claims is None:
        return current_actor()
    return Actor(claims.user_id, False, claims.session_id)


def confirm(holder: str | None) -> Actor:
    """The sender, once a statement has answered HOLDER for the claimed actor. Raises TokenRevoked."""
    g.actor = confirmed(claimed_actor(), holder)
    return current_actor()


def guard(*, optional: bool = False, deferred: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Admit a view's callers by their access token, note who they are and count their writes.

    An optional guard also admits callers without an Authorization header, as ANONYMOUS; a bad header is 401 all the same.
    A deferred one leaves it to the view to learn whether the session lives, in a statement that it needs anyway: HOLDER
    or commit_change().
    """
    security: list[dict[str, list[str]]] = [{"bearer": []}, {}] if optional else [{"bearer": []}]

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            token = bearer()
            g.claims = None if token is None and optional else claims_of(token)
            if not deferred:
                current_actor()
            if request.method in _WRITES:
                _count_write(g.claims)
            return view(*args, **kwargs)

        described = deepcopy(getattr(view, "_apidoc", {}))  # where flask-smorest keeps what decorators say of a view
        described.setdefault("manual_doc", {})["security"] = security
        guarded._apidoc = described  # type: ignore[attr-defined]
        return guarded

    return decorate


def bearer() -> str | None:
    """The token of the Authorization header, None without the header. Raises TokenInvalid for another scheme."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenInvalid
    return token.strip()


def _count_write(claims: Claims | None) -> None:
    if claims is None:
        rate_limits.hit("address", rate_limits.address())
    else:
        rate_limits.hit("writes", claims.user_id)


@lru_cache(maxsize=4096)
def _read(token: str, secret: str) -> Claims:
    """Checked claims; only good tokens are remembered, and their end is checked again at each use.

    PyJWT is asked itself: flask-jwt-extended would take a token without a type for an access token.
    """
    config = current_app.config
    try:
        found = pyjwt.decode(
            token,
            secret,
            algorithms=config["JWT_DECODE_ALGORITHMS"],
            audience=config["JWT_DECODE_AUDIENCE"],
            issuer=config["JWT_DECODE_ISSUER"],
            options={"require": list(REQUIRED)},
        )
        return Claims(UUID(found["sub"]), UUID(found["sid"]), UUID(found["jti"]), str(found["type"]), float(found["exp"]))
    except pyjwt.ExpiredSignatureError:
        raise TokenExpired from None
    except (pyjwt.InvalidTokenError, ValueError, AttributeError, TypeError):
        raise TokenInvalid from None


def _answer_in_our_shape() -> None:
    """flask-jwt-extended's own decorators, should a view ever use one, answer as ours does."""
    faults: tuple[tuple[Callable[..., Any], type[Problem]], ...] = (
        (jwt.unauthorized_loader, TokenInvalid),
        (jwt.invalid_token_loader, TokenInvalid),
        (jwt.token_verification_failed_loader, TokenInvalid),
        (jwt.needs_fresh_token_loader, TokenInvalid),
        (jwt.expired_token_loader, TokenExpired),
        (jwt.revoked_token_loader, TokenRevoked),
        (jwt.user_lookup_error_loader, TokenRevoked),
    )
    for loader, fault in faults:
        loader(lambda *_, fault=fault: answer(fault()))


_answer_in_our_shape()

"""The error families, and their one rendering for a response, an acknowledgement and a failed job."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from flask import Flask, Response, current_app, g, has_app_context, has_request_context, request
from marshmallow import ValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from app import metrics
from app.engine.errors import EngineError

log = structlog.get_logger(__name__)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_SERIALIZATION = ("40001", "40P01", "55P03", "57014")


class Problem(Exception):
    """Something the caller is told about: a status, a code, a sentence, and what went wrong by field."""

    status_code = 500
    code = "INTERNAL"
    message = "Something went wrong on our side."

    def __init__(
        self,
        message: str | None = None,
        *,
        errors: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message or self.message)
        self.message = message or self.message
        self.errors = errors
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        self.more = more


class BadPayload(Problem):
    status_code, code, message = 400, "BAD_PAYLOAD", "The request cannot be read."


class NotJoined(Problem):
    status_code, code, message = 400, "NOT_JOINED", "Join the universe first."


class TokenInvalid(Problem):
    status_code, code, message = 401, "TOKEN_INVALID", "A valid token is required."


class TokenExpired(Problem):
    status_code, code, message = 401, "TOKEN_EXPIRED", "The token has expired."


class TokenRevoked(Problem):
    status_code, code, message = 401, "TOKEN_REVOKED", "The token has been revoked."


class InvalidCredentials(Problem):
    status_code, code, message = 401, "INVALID_CREDENTIALS", "The name or password is wrong."


class Forbidden(Problem):
    status_code, code, message = 403, "FORBIDDEN", "Your role does not allow this."


class NotFound(Problem):
    status_code, code, message = 404, "NOT_FOUND", "There is nothing here that you may see."


class Conflict(Problem):
    status_code, code, message = 409, "CONFLICT", "The present state does not allow this."


class NothingToUndo(Problem):
    status_code, code, message = 409, "NOTHING_TO_UNDO", "There is nothing of yours left to take back, or to do again."


class UndoConflict(Problem):
    status_code, code, message = 409, "UNDO_CONFLICT", "Others have changed all of it since."


class Gone(Problem):
    status_code, code, message = 410, "GONE", "It has been deleted."


class PreconditionFailed(Problem):
    status_code, code, message = 412, "PRECONDITION_FAILED", "It has changed since; fetch it again."


class PayloadTooLarge(Problem):
    status_code, code, message = 413, "PAYLOAD_TOO_LARGE", "The request is too large."


class UnsupportedMediaType(Problem):
    status_code, code, message = 415, "UNSUPPORTED_MEDIA_TYPE", "Send JSON, with Content-Type: application/json."


class RangeNotSatisfiable(Problem):
    status_code, code, message = 416, "RANGE_NOT_SATISFIABLE", "The file has no such range."


class Invalid(Problem):
    status_code, code, message = 422, "VALIDATION_ERROR", "Some fields are not valid."


class OpIdReused(Problem):
    status_code, code, message = 422, "OP_ID_REUSED", "This key was used for another request."


class RateLimited(Problem):
    status_code, code, message = 429, "RATE_LIMITED", "Too many requests."


class RoomFull(Problem):
    status_code, code, message = 429, "ROOM_FULL", "There are as many connections in this universe as there may be."


class Busy(Problem):
    status_code, code, message = 503, "BUSY", "The universe is busy; try again."

    def __init__(self, message: str | None = None, *, retry_after: float | None = 1, **more: Any) -> None:
        super().__init__(message, retry_after=retry_after, **more)


class DatabaseUnavailable(Busy):
    code, message = "DB_UNAVAILABLE", "The database cannot be reached; try again."


class Draining(Busy):
    code, message = "DRAINING", "The server is shutting down; connect again."


class StorageFull(Problem):
    status_code, code, message = 507, "STORAGE_FULL", "The storage quota is used up."


def request_id() -> str | None:
    """The id of the request or event at hand."""
    return getattr(g, "request_id", None) if has_app_context() else None


def problem_of(error: BaseException) -> Problem:
    """The problem that an exception means to the caller; what is nobody's fault but ours becomes INTERNAL."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ValidationError):
        return Invalid(errors=error.messages_dict)
    if isinstance(error, EngineError):
        return Invalid(errors={error.field or "_schema": [error.message]})
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, PoolTimeout):
        return Busy()
    if isinstance(error, DBAPIError):
        return _of_database(error)
    return Problem()


def body(problem: Problem) -> dict[str, Any]:
    """The error object of a response, an acknowledgement or a failed job."""
    metrics.REFUSALS.labels(problem.code).inc()
    found: dict[str, Any] = {
        "status_code": problem.status_code,
        "code": problem.code,
        "message": problem.message,
        "request_id": request_id(),
    }
    if problem.errors:
        found["errors"] = _with_text_keys(problem.errors)
    if problem.retry_after is not None:
        found["retry_after"] = problem.retry_after
    return {**found, **problem.more}


def _with_text_keys(errors: Any) -> Any:
    """Errors as JSON takes them: the index of an item of a list, which names what is wrong with it, is text."""
    if isinstance(errors, Mapping):
        return {str(key): _with_text_keys(value) for key, value in errors.items()}
    return errors


def answer(error: BaseException) -> Response:
    """The HTTP response of an error: one shape, or RFC 9457's for who asks for it."""
    problem = problem_of(error)
    if problem.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request failed", code=problem.code, exc_info=error if problem.code == "INTERNAL" else None)
    found = {**body(problem), **_insides(error)}
    wants_problem = has_request_context() and "application/problem+json" in request.headers.get("Accept", "")
    response = Response(
        orjson.dumps(_rfc_9457(found) if wants_problem else found, default=str),
        status=problem.status_code,
        content_type="application/problem+json" if wants_problem else "application/json",
        headers=problem.headers,
    )
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(problem.retry_after)))
    if problem.status_code == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _insides(error: BaseException) -> dict[str, str]:
    """What went wrong on our side, while DEBUG is on."""
    original = getattr(error, "original_exception", None)
    return {"detail": f"{type(original).__name__}: {original}"} if original is not None and current_app.debug else {}


def acknowledgement(error: BaseException) -> dict[str, Any]:
    """The negative acknowledgement of a socket event."""
    problem = problem_of(error)
    if problem.code == "INTERNAL":
        log.error("event failed", exc_info=error)
    return {"ok": False, "error": body(problem)}


def register(app: Flask) -> None:
    """Answer our families, and what Flask, marshmallow and the database raise. Bare exceptions are left to Flask."""
    for family in (Problem, ValidationError, EngineError, HTTPException, DBAPIError, PoolTimeout):
        app.register_error_handler(family, answer)


def is_unique_breach(error: IntegrityError) -> bool:
    """Whether an integrity error is a duplicate key; triggers, foreign keys and NOT NULL arrive as the same class."""
    original: Any = error.orig
    return getattr(original, "pgcode", None) == "23505" or getattr(original, "sqlite_errorcode", None) in (1555, 2067)


def _of_http(error: HTTPException) -> Problem:
    named = {
        family.status_code: family for family in (BadPayload, Forbidden, NotFound, Conflict, Gone, PayloadTooLarge, UnsupportedMediaType)
    }
    status = error.code or 500
    headers = {key: value for key, value in error.get_headers() if key.lower() not in ("content-type", "content-length")}
    if status in named:
        return named[status](headers=headers)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(headers=headers)
    problem = Problem(error.name + ".", headers=headers)
    problem.status_code, problem.code = status, error.name.upper().replace(" ", "_")
    return problem


def _of_database(error: DBAPIError) -> Problem:
    if isinstance(error, IntegrityError) and is_unique_breach(error):
        return Conflict("Something with the same key exists already.")
    code = getattr(error.orig, "pgcode", None)
    if code in _SERIALIZATION or "database is locked" in str(error.orig):
        return Busy()
    damaged = getattr(error.orig, "sqlite_errorcode", None) in _DAMAGED
    if isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated or damaged:
        log.warning("database unavailable", error=str(error.orig))
        return DatabaseUnavailable()
    return Problem()


def _rfc_9457(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": f"/errors/{found['code']}",
        "title": HTTPStatus(found["status_code"]).phrase,
        "status": found["status_code"],
        "detail": found["message"],
        "instance": request.path,
        **{key: value for key, value in found.items() if key not in ("status_code", "message", "detail")},
    }

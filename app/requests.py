"""What happens around every request: its id, its log line, its headers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from flask import Flask, Response, current_app, g, request

from app.errors import Draining

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger(__name__)
_SHARED_TOKEN = re.compile(r"(?<=/shared/)/*[^/]+")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_READING = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-site",
    "Permissions-Policy": "geolocation=(), microphone=(), camera=()",
}


class Headed:
    """A WSGI application whose answers carry security headers, whoever makes them."""

    def __init__(self, application: WSGIApplication, headers: Mapping[str, str]) -> None:
        self.application, self.headers = application, list(headers.items())

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The answer of the application, with the headers that it did not set itself."""

        def start(status: str, headers: list[tuple[str, str]], *failure: Any) -> Any:
            own = {name.lower() for name, _ in headers}
            return start_response(status, [*headers, *(header for header in self.headers if header[0].lower() not in own)], *failure)

        return self.application(environ, start)


def follow_requests(app: Flask) -> None:
    """Give every request an id, security headers and a line in the log."""
    app.before_request(_begin)
    app.before_request(_refuse_while_going)
    app.after_request(_end)
    strict = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"} if app.config["SETTINGS"].production else {}
    app.wsgi_app = Headed(app.wsgi_app, {**_HEADERS, **strict})  # type: ignore[method-assign]


def _begin() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
    g.began = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _refuse_while_going() -> None:
    """A server that has been told to stop begins no new write. Raises Draining."""
    if request.method not in _READING and current_app.extensions["hub"].draining:
        raise Draining(retry_after=1)


def _end(response: Response) -> Response:
    headers = response.headers
    headers["X-Request-Id"] = g.get("request_id") or uuid4().hex
    if request.path.startswith("/api") and "Cache-Control" not in headers:
        headers["Cache-Control"] = "private, no-cache"
    log.info(
        "request",
        method=request.method,
        path=_SHARED_TOKEN.sub("hidden", request.path),
        status=response.status_code,
        ms=round((time.perf_counter() - g.get("began", time.perf_counter())) * 1000, 1),
    )
    return response

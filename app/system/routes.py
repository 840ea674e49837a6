"""The service about itself: is it alive, is it ready, which release, what can it do."""

from __future__ import annotations

import hashlib
import hmac
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
from flask import Response, current_app, make_response, render_template, request, send_from_directory, url_for
from prometheus_client import CONTENT_TYPE_LATEST

from app.auth.tokens import bearer
from app.collaboration.catalogue import catalogue
from app.collaboration.hub import measured
from app.engine import VERSION as ENGINE_VERSION
from app.errors import Busy, NotFound, TokenInvalid
from app.schemas import Blueprint
from app.system.checks import readiness, worst
from app.system.schemas import HealthSchema, ReadinessSchema, VersionSchema
from app.system.tables import rows

bp = Blueprint("system", __name__, description="The service about itself.", template_folder="templates")

_OWN_FILES = Path(__file__).parent / "static"
_SWAGGER_FILES = {"swagger-ui.css": "css", "swagger-ui-bundle.js": "js"}
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class NotReady(Busy):
    """Something that requests need is missing."""

    code, message = "NOT_READY", "The service cannot answer requests yet."


@bp.get("/health")
@bp.doc(operationId="getHealth", security=[])
@bp.response(200, HealthSchema)
def health() -> dict[str, str]:
    """Whether the process is alive."""
    return {"status": "ok"}


@bp.get("/ready")
@bp.doc(operationId="getReadiness", security=[])
@bp.response(200, ReadinessSchema)
@bp.alt_response(503, response="SERVICE_UNAVAILABLE")
def ready() -> dict[str, Any]:
    """Whether the service can do its work: database, migrations, storage, jobs, Redis."""
    checks = readiness()
    state = worst(checks)
    if state == "fail":
        raise NotReady(errors={check.name: [check.message] for check in checks if check.state == "fail"})
    return {"status": "ready" if state == "ok" else "degraded", "checks": checks}


@bp.get("/version")
@bp.doc(operationId="getVersion", security=[])
@bp.response(200, VersionSchema)
def version() -> dict[str, str]:
    """Which release this is."""
    config = current_app.config
    return {
        "name": config["API_TITLE"],
        "version": config["VERSION"],
        "api_version": config["API_VERSION"],
        "engine_version": ENGINE_VERSION,
    }


@bp.get("/metrics")
@bp.doc(operationId="getMetrics", security=[])
@bp.response(200, {"type": "string"}, content_type="text/plain", description="Figures in Prometheus' text format.")
@bp.alt_response(401, response="UNAUTHORIZED")
@bp.alt_response(404, response="NOT_FOUND")
def figures() -> Response:
    """What this process has done and how it is, for Prometheus; METRICS_TOKEN guards it."""
    settings = current_app.config["SETTINGS"]
    if settings.metrics_token:
        if not hmac.compare_digest((bearer() or "").encode(), settings.metrics_token.encode()):
            raise TokenInvalid
    elif settings.production:
        raise NotFound
    return Response(measured(current_app.extensions["hub"]), content_type=CONTENT_TYPE_LATEST)


@bp.get("/openapi.json")
@bp.doc(operationId="getDescription", security=[])
@bp.response(200, {"type": "object"}, description="An OpenAPI 3.1 document.")
@bp.alt_response(304, response="NOT_MODIFIED", success=True)
def description() -> Response:
    """The description of this API."""
    return _served(_description())


@bp.get("/events.json")
@bp.doc(operationId="getEvents", security=[])
@bp.response(200, {"type": "object"}, description="The events, and a JSON Schema (2020-12) with a definition for each payload.")
@bp.alt_response(304, response="NOT_MODIFIED", success=True)
def events() -> Response:
    """The catalogue of Socket.IO events."""
    return _served(_events()[1])


@bp.get("/docs")
@bp.doc(operationId="getDocs", security=[])
@bp.response(200, {"type": "string"}, content_type="text/html", description="A page.")
def docs() -> Response:
    """The description as a page to read and try; it needs no network."""
    here = request.blueprint
    page = render_template(
        "docs.html",
        title=current_app.config["API_TITLE"],
        description=url_for(f"{here}.description"),
        file=lambda name: url_for(f"{here}.docs_file", name=name),
    )
    return _page(page)


@bp.get("/docs/events")
@bp.doc(operationId="getEventDocs", security=[])
@bp.response(200, {"type": "string"}, content_type="text/html", description="A page.")
def event_docs() -> Response:
    """The catalogue of events as a page to read; it needs no network."""
    here, found = request.blueprint, _events()[0]
    page = render_template(
        "events.html",
        found=found,
        rows=lambda schema: list(rows(schema, found["$defs"])),
        description=url_for(f"{here}.events"),
        docs=url_for(f"{here}.docs"),
        file=lambda name: url_for(f"{here}.docs_file", name=name),
    )
    return _page(page)


@bp.get("/docs/<string:name>")
@bp.doc(operationId="getDocsFile", security=[])
@bp.response(200, {"type": "string"}, content_type="*/*", description="A style sheet or a script.")
@bp.alt_response(304, success=True)
def docs_file(name: str) -> Response:
    """A file of those pages."""
    if name in _SWAGGER_FILES:
        return send_from_directory(_swagger() / _SWAGGER_FILES[name], name, max_age=3600)
    if name in ("docs.js", "events.css"):
        return send_from_directory(_OWN_FILES, name, max_age=3600)
    raise NotFound


def _description() -> tuple[bytes, str]:
    """The document and its ETag, made once: an application's routes do not change."""
    known: tuple[bytes, str] | None = current_app.extensions.get("description")
    if known is None:
        api = current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
        known = current_app.extensions["description"] = _tagged(api.spec.to_dict())
    return known


def _events() -> tuple[dict[str, Any], tuple[bytes, str]]:
    """The catalogue of events, its text and its ETag, made once."""
    known: tuple[dict[str, Any], tuple[bytes, str]] | None = current_app.extensions.get("events")
    if known is None:
        config = current_app.config
        found = catalogue(config["API_TITLE"], config["VERSION"], config["SETTINGS"])
        known = current_app.extensions["events"] = found, _tagged(found)
    return known


def _tagged(document: dict[str, Any]) -> tuple[bytes, str]:
    text = orjson.dumps(document)
    return text, hashlib.sha256(text).hexdigest()[:32]


def _served(document: tuple[bytes, str]) -> Response:
    response = Response(document[0], content_type="application/json")
    response.set_etag(document[1])
    response.make_conditional(request)
    return response


def _page(text: str) -> Response:
    response = make_response(text)
    response.headers["Content-Security-Policy"] = _DOCS_POLICY
    return response


def _swagger() -> Path:
    """Where Swagger UI's files lie: in a package that is installed for them, and never imported."""
    package = find_spec("flask_openapi3_swagger")
    if package is None or not package.submodule_search_locations:
        raise NotFound("The page's files are not installed: pip install flask-openapi3-swagger.")
    return Path(package.submodule_search_locations[0]) / "templates" / "swagger"

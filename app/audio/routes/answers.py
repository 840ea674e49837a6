"""What the answers about artefacts share: waiting for them, and sending their files."""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Response, jsonify, request, send_file, url_for
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from app.audio.service import Started
from app.auth.tokens import current_actor
from app.changes.requests import of_request
from app.errors import NotFound, RangeNotSatisfiable
from app.extensions import db
from app.jobs import service as jobs
from app.jobs.models import FINAL
from app.jobs.preferences import PREFER, preferred_wait

KEY: dict[str, Any] = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "Repeating a request with its key is safe for 24 hours.",
}
STARTING = [PREFER, KEY]
_RANGE = re.compile(r"bytes\s*=\s*(?:(?=\d|-\d)(\d{0,18})-(\d{0,18}))", re.IGNORECASE)
_UNSAFE = re.compile(r"[^\w .()-]+")


def start(ask: Callable[..., Started], order: dict[str, Any]) -> Started:
    """Ask for an artefact on behalf of the request."""
    sent = of_request()
    return ask(sent["actor"], order, sent["op_id"])


def when_started(started: Started, name: str, shown: Callable[[], dict[str, Any]], place: str, default_wait: float = 0.0) -> Response:
    """201 with the artefact when its work ends within the preferred wait, else 202 with the place of the job."""
    preferred = preferred_wait()
    state = "succeeded"
    if started.job_id is not None:
        db.session.rollback()  # nothing is held while waiting
        state = jobs.wait(started.job_id, default_wait if preferred is None else preferred)
    ended = state in FINAL
    response = jsonify({name: shown(), "job": _job(started.job_id)})
    response.status_code = 201 if ended else 202
    response.headers["Location"] = place if ended else url_for(beside("jobs.get_job"), job_id=started.job_id)
    if preferred is not None:
        response.headers["Preference-Applied"] = f"wait={preferred:.0f}"
    if started.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def send(path: Path, *, kind: str, name: str, etag: str, sha256: str | None = None) -> Response:
    """A file as an attachment, with its tag and digest; whole, in part, or not at all when the caller has it."""
    response = send_file(path, mimetype=kind, as_attachment=True, download_name=name, etag=False, conditional=False, max_age=None)
    response.set_etag(etag)
    response.headers["Cache-Control"] = "private, no-cache"
    if sha256 is not None:
        response.headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"
    return _in_part(response)


def made(make: Callable[[], bytes], *, kind: str, name: str, etag: str) -> Response:
    """A file that is made when it is asked for, unless the caller has it."""
    known = request.if_none_match.contains_weak(etag)
    response = Response(b"" if known else make(), mimetype=kind)
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.set_etag(etag)
    response.headers["Cache-Control"] = "private, no-cache"
    return _in_part(response)


def file_name(name: str, extension: str) -> str:
    """A name that is safe as a file's on any system."""
    plain = _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).strip(" ._")[:80]
    return (plain or "audio") + extension


def _in_part(response: Response) -> Response:
    """The response, cut to the byte range that is asked for. RFC 9110 lets every range that is malformed, or not one, be ignored."""
    length = response.content_length or 0
    asked = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    environ = {key: value for key, value in request.environ.items() if key != "HTTP_RANGE"}
    if asked:
        environ["HTTP_RANGE"] = _plain_range(asked[1], asked[2], length)
    try:
        response.make_conditional(environ, accept_ranges=bool(environ.get("HTTP_RANGE")), complete_length=length)
    except RequestedRangeNotSatisfiable:
        raise RangeNotSatisfiable(headers={"Content-Range": f"bytes */{length}"}) from None
    response.headers["Accept-Ranges"] = "bytes"
    return response


def _plain_range(first: str, last: str, length: int) -> str:
    """A range as werkzeug understands it: a suffix longer than the file is the whole, an empty one is past its end."""
    if not first:
        return f"bytes={max(0, length - int(last)) if int(last) else length}-"
    return f"bytes={first}-{last}" if not last or int(first) <= int(last) else ""


def _job(job_id: UUID | None) -> dict[str, Any] | None:
    if job_id is None:
        return None
    try:
        return jobs.shown(jobs.read(current_actor(), job_id))
    except NotFound:
        return None  # a repeated request whose job's record has been purged


def beside(endpoint: str) -> str:
    """An endpoint under the prefix that the caller used."""
    return ("v1-" if (request.blueprint or "").startswith("v1-") else "") + endpoint

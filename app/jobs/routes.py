"""Jobs over HTTP: how far they are, and stopping or repeating them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from app.auth.tokens import current_actor, guard
from app.extensions import db
from app.jobs import service
from app.jobs.models import STATES
from app.jobs.registry import TYPES
from app.jobs.schemas import JobSchema, JobWaitSchema
from app.pages import page_schema, query_of
from app.schemas import Blueprint

bp = Blueprint("jobs", __name__, url_prefix="/jobs", description="Long work that workers do.")

_FILTERS: dict[str, fields.Field[Any]] = {
    "state": fields.String(validate=validate.OneOf(STATES)),
    "type": fields.String(validate=validate.OneOf(TYPES)),
    "universe_id": fields.UUID(),
}


@bp.get("")
@bp.doc(operationId="listJobs")
@guard()
@bp.arguments(query_of(service.JOBS, **_FILTERS), location="query")
@bp.response(200, page_schema(JobSchema))
def list_jobs(query: dict[str, Any]) -> dict[str, Any]:
    """Your jobs, the newest first; an administrator's list has everybody's."""
    page = service.listed(current_actor(), query).page(query)
    return page.answer([service.shown(row) for row in page.rows])


@bp.get("/<uuid:job_id>")
@bp.doc(operationId="getJob")
@guard()
@bp.arguments(JobWaitSchema, location="query")
@bp.response(200, JobSchema)
def get_job(query: dict[str, Any], job_id: UUID) -> dict[str, Any]:
    """A job; with `wait`, as it is when it has ended or the time is over."""
    actor = current_actor()
    found = service.read(actor, job_id)
    if query["wait"]:
        db.session.rollback()  # nothing is held while waiting
        service.wait(job_id, query["wait"])
        found = service.read(actor, job_id)
    return service.shown(found)


@bp.post("/<uuid:job_id>/cancel")
@bp.doc(operationId="cancelJob")
@guard()
@bp.response(200, JobSchema)
@bp.alt_response(409, response="CONFLICT")
def cancel_job(job_id: UUID) -> dict[str, Any]:
    """Cancel a job: at once while it waits, soon while it runs."""
    return service.shown(service.cancel(current_actor(), job_id))


@bp.post("/<uuid:job_id>/retry")
@bp.doc(operationId="retryJob")
@guard()
@bp.response(200, JobSchema)
@bp.alt_response(409, response="CONFLICT")
def retry_job(job_id: UUID) -> dict[str, Any]:
    """Queue a failed or cancelled job again."""
    return service.shown(service.retry(current_actor(), job_id))

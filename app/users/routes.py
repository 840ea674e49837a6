"""People: yourself, and what the others show."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response, jsonify

from app.audio import service as audio
from app.audit.service import refusals
from app.auth import service as auth
from app.auth.tokens import current_actor, guard
from app.errors import Invalid
from app.extensions import db
from app.materials.service import discard_all
from app.pages import page_schema, query_of
from app.schemas import Blueprint, Text, uuid_or_none
from app.universes import listing, reading
from app.universes.schemas import ListedUniverseSchema
from app.universes.service import hand_over_or_delete
from app.users import service
from app.users.export import everything_about
from app.users.models import User
from app.users.schemas import AccountSchema, ExportSchema, FarewellSchema, MeSchema, ProfileSchema, SettingsSchema, UserSchema

bp = Blueprint("users", __name__, url_prefix="/users")


@bp.get("/me")
@bp.doc(operationId="showMe")
@guard()
@bp.response(200, MeSchema)
def show_me() -> Response:
    """Your account."""
    return _shown(service.get(current_actor().id))


@bp.patch("/me")
@bp.doc(operationId="changeMe")
@guard()
@bp.arguments(AccountSchema(partial=True))
@bp.response(200, MeSchema)
@bp.alt_response(409, response="CONFLICT")
def change_me(fields: dict[str, Any]) -> Response:
    """Change some of your account; a new e-mail address needs your password."""
    return _shown(_change(fields))


@bp.put("/me")
@bp.doc(operationId="replaceMe")
@guard()
@bp.arguments(AccountSchema)
@bp.response(200, MeSchema)
@bp.alt_response(409, response="CONFLICT")
def replace_me(fields: dict[str, Any]) -> Response:
    """Say all of your account anew; a new e-mail address needs your password."""
    return _shown(_change(fields))


@bp.delete("/me")
@bp.doc(operationId="deleteMe")
@guard()
@bp.arguments(FarewellSchema)
@bp.response(204)
def delete_me(fields: dict[str, str]) -> None:
    """Delete your account. Universes of yours pass to their longest-standing editor, or go with you."""
    actor = current_actor()
    with refusals("users.delete", f"users/{actor.id}", actor.id):
        me = auth.check_password(actor.id, fields["password"])
    discard_all(me.id)
    hand_over_or_delete(me.id)
    while not service.remove(me.id, auth.registration_owner(me.email)):
        hand_over_or_delete(me.id)  # somebody has just made them a member of something


@bp.put("/me/settings")
@bp.doc(operationId="replaceMySettings")
@guard()
@bp.arguments(SettingsSchema)
@bp.response(200, SettingsSchema)
def replace_my_settings(fields: dict[str, Any]) -> dict[str, Any]:
    """Set your settings; those not given take their defaults."""
    service.change(current_actor().id, {"settings": fields})
    return fields


@bp.get("/me/export")
@bp.doc(operationId="exportMe")
@guard()
@bp.response(200, ExportSchema)
def export_me() -> Response:
    """Everything that is kept about you, as a file."""
    user = service.get(current_actor().id)
    response = jsonify(everything_about(user.id))
    response.headers["Content-Disposition"] = f'attachment; filename="{user.username}.json"'
    return response


@bp.get("/<name>")
@bp.doc(operationId="showProfile")
@guard(optional=True)
@bp.response(200, ProfileSchema)
def show_profile(name: str) -> Any:
    """What somebody shows of themselves, by id or username."""
    return service.profile(uuid_or_none(name) or name)


@bp.get("/<name>/universes")
@bp.doc(operationId="listUniversesOf")
@guard(optional=True)
@bp.arguments(listing.OwnedQuerySchema, location="query")
@bp.response(200, page_schema(ListedUniverseSchema))
def list_universes_of(query: dict[str, Any], name: str) -> Response:
    """The universes of somebody, by id or username: public ones, and those that you are a member of."""
    owner = service.profile(uuid_or_none(name) or name)
    return reading.listed(listing.page_of(owner.id, current_actor(), query))


@bp.get("")
@bp.doc(operationId="listPeople")
@guard()
@bp.arguments(query_of(service.PEOPLE, q=Text(high=100, metadata={"description": "Part of a name."})), location="query")
@bp.response(200, page_schema(ProfileSchema))
def list_people(query: dict[str, Any]) -> dict[str, Any]:
    """Find people by part of their name."""
    text = query.get("q")
    page = service.MATCHING.page(query, {"pattern": service.pattern_of(text)}) if text else service.PEOPLE.page(query)
    return page.answer(page.rows)


def _shown(me: User) -> Response:
    return jsonify({**UserSchema().dump(me), "usage": asdict(audio.usage(db.session(), me.id))})


def _change(fields: dict[str, Any]) -> User:
    me = service.get(current_actor().id)
    password = fields.pop("current_password", None)
    if "email" in fields and fields["email"].casefold() != me.email_folded:
        if password is None:
            raise Invalid(errors={"current_password": ["Is needed to change the e-mail address."]})
        with refusals("users.change_email", f"users/{me.id}", me.id):
            auth.check_password(me.id, password)
    return service.change(me.id, fields)

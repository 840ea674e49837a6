"""The served description of the API, made from the routes and their schemas."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import flask_smorest
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_cls
from flask import Flask
from marshmallow import Schema, fields, missing
from werkzeug.routing import BaseConverter

from app.outcomes import Outcomes, declare
from app.schemas import BaseSchema, Blueprint, ErrorSchema, Measure, Real, VectorField, described


class AnyUUID(BaseConverter):
    """A UUID in a path: with hyphens or without, in either case.

    The pattern is strict, because a rule of another method would make 405 of what is refused only on conversion.
    """

    regex = "[0-9A-Fa-f]{8}-?[0-9A-Fa-f]{4}-?[0-9A-Fa-f]{4}-?[0-9A-Fa-f]{4}-?[0-9A-Fa-f]{12}"
    part_isolating = True  # a regex of one's own would take the trailing slash too

    def to_python(self, value: str) -> UUID:
        """The UUID."""
        return UUID(value)

    def to_url(self, value: Any) -> str:
        """The usual spelling."""
        return str(value)


class Api(flask_smorest.Api):  # type: ignore[misc]
    """flask-smorest's description, with the error answers left to app.errors."""

    ERROR_SCHEMA = ErrorSchema
    DEFAULT_ERROR_RESPONSE_NAME = None  # every status is named where it can be answered

    def _register_error_handlers(self) -> None:
        """Errors have one rendering, registered by create_app()."""

    def _register_responses(self) -> None:
        declare(self.spec)


def describe(app: Flask) -> Api:
    """The API of an application, ready for `mount`."""
    marshmallow = marshmallow_plugin()
    api = Api(app, spec_kwargs={"marshmallow_plugin": marshmallow, "extra_plugins": [Outcomes()], "info": {"license": {"name": "MIT"}}})
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    api.register_converter(AnyUUID, lambda converter: {"type": "string", "format": "uuid"})
    teach(marshmallow)
    return api


def marshmallow_plugin() -> MarshmallowPlugin:
    """What describes schemas by the names that they have here. Once a specification has it, `teach` it our fields."""
    return MarshmallowPlugin(schema_name_resolver=_schema_name)


def teach(marshmallow: MarshmallowPlugin) -> None:
    """Say how our kinds of fields are described."""
    assert marshmallow.converter is not None  # noqa: S101  made when a specification took the plugin
    for attributes in (_own_fields, _null_in_patches):
        marshmallow.converter.add_attribute_function(attributes)  # type: ignore[no-untyped-call]


def mount(app: Flask, api: Api, blueprint: Blueprint) -> None:
    """Serve a room at /api, described, and the same handlers at /api/v1."""
    prefix = blueprint.url_prefix or ""
    api.register_blueprint(blueprint, url_prefix="/api" + prefix)
    app.register_blueprint(blueprint, url_prefix="/api/v1" + prefix, name="v1-" + blueprint.name)


def _schema_name(schema: Any) -> str:
    instance = schema if isinstance(schema, Schema) else None
    resolved: Any = resolve_schema_cls(schema)
    name: str = resolved.__name__.removesuffix("Schema")
    if instance is None:
        return name
    if instance.partial:
        name += "Patch"
    if instance.only is not None:
        name += "Of" + "".join(part.title() for part in sorted(instance.only))
    return name


def _own_fields(self: Any, field: fields.Field[Any], **_: Any) -> dict[str, Any]:
    if isinstance(field, Measure):
        return _measure(field)
    if isinstance(field, VectorField):
        nullable = field.nullable_components or _is_patch(field)
        inner = {axis: _nullable(_measure(part), nullable) for axis, part in field.inner.items()}
        return {"type": ["object", "null"] if field.allow_none else "object", "properties": inner, "additionalProperties": False}
    if isinstance(field, Real):
        return {"type": "number"}
    return dict(getattr(field, "DESCRIBED", {}))  # what apispec does not take from metadata


def _null_in_patches(self: Any, field: fields.Field[Any], ret: dict[str, Any], **_: Any) -> dict[str, Any]:
    """In a merge patch null stands for the default of a field that has one."""
    if field.allow_none or field.load_default is missing or not _is_patch(field):
        return {}
    if "$ref" in ret:
        return {"anyOf": [{"$ref": ret.pop("$ref")}, {"type": "null"}]}
    if "anyOf" in ret:
        return {"anyOf": [*ret["anyOf"], {"type": "null"}]}
    choices = {"enum": [*ret["enum"], None]} if "enum" in ret else {}
    return {"type": [ret["type"], "null"], **choices} if isinstance(ret.get("type"), str) else choices


def _is_patch(field: fields.Field[Any]) -> bool:
    """Whether a field is described as part of a merge patch, or of an object that patches merge into."""
    schema = getattr(field, "parent", None)
    if not isinstance(schema, Schema) or not (schema.partial is True or getattr(schema, "MERGED", False)):
        return False
    return not isinstance(schema, BaseSchema) or schema._unset(str(field.name)) is not None


def _measure(field: Measure) -> dict[str, Any]:
    return _nullable(described(field.quantity), field.allow_none)


def _nullable(schema: dict[str, Any], nullable: bool) -> dict[str, Any]:
    return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]} if nullable else schema

"""What a set of physics parameters looks like from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields

from app.changes.content import AXES
from app.engine.catalogue import PHYSICS
from app.engine.physics.solvers import SOLVERS
from app.engine.quantity import Quantity, dimension_of
from app.scenes.fields import OneOf
from app.schemas import PRINTED, BaseSchema, Flag, Measure, Real, Text, VectorField, described
from app.universes.schemas import Entire

CUSTOM_LIMIT = 32
MAY_BE_NULL = ("timestep",)
"""Parameters whose null is a value of its own, in a universe's set too; for bounds it means none."""

_CUSTOM_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_SIDE = Quantity("bounds", "x", "m", -1e15, 1e15, None, "A plane that bodies stay within.", "chosen for this service")
_DOWNWARD = Quantity("gravity", "g", "m/s^2", 0, 300, 9.80665, "Strength of gravity that points down.", "standard gravity, CGPM 1901")


class Gravity(fields.Field[dict[str, Any]]):
    """Gravity as a vector, or as a strength g >= 0 that points down: (0, -g, 0)."""

    _vector = VectorField(PHYSICS["gravity.x"], PHYSICS["gravity.y"], PHYSICS["gravity.z"], nullable_components=True)
    _strength = Measure(_DOWNWARD)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> dict[str, Any]:
        if isinstance(value, Mapping) and not {"value", "unit"} & set(value):
            return self._vector._deserialize(value, attr, data, **kwargs)
        return {"x": 0.0, "y": 0.0 - self._strength.deserialize(value), "z": 0.0}


_COMPONENT = {"anyOf": [*described(PHYSICS["gravity.y"])["anyOf"], {"type": "null"}]}


class BoundsSchema(BaseSchema):
    """A box; a side that is absent or null is open."""

    min = VectorField(_SIDE, nullable_components=True, load_default=lambda: dict.fromkeys(AXES))
    max = VectorField(_SIDE, nullable_components=True, load_default=lambda: dict.fromkeys(AXES))

    @ma.validates_schema
    def _has_room(self, data: dict[str, Any], **_: Any) -> None:
        for axis in AXES:
            low, high = data["min"][axis], data["max"][axis]
            if low is not None and high is not None and low >= high:
                raise ma.ValidationError({"max": {axis: [f"Must be above the minimum of {low:g} m."]}})


class CustomParameterSchema(BaseSchema):
    """A quantity of one's own, for mappings to read."""

    value = Real(required=True)
    unit = Text(high=40, load_default="1")
    min = Real(allow_none=True, load_default=None)
    max = Real(allow_none=True, load_default=None)
    description = Text(high=500, load_default="")

    @ma.validates("unit")
    def _known(self, unit: str, **_: Any) -> None:
        try:
            dimension_of(unit)
        except Exception as error:  # pint raises several unrelated families for what it cannot read
            raise ma.ValidationError(f"Unknown unit {unit!r}.") from error

    @ma.validates_schema
    def _in_range(self, data: dict[str, Any], **_: Any) -> None:
        low, high, value, unit = data["min"], data["max"], data["value"], data["unit"]
        if low is not None and high is not None and low > high:
            raise ma.ValidationError("min must not be above max.", "min")
        if (low is not None and value < low) or (high is not None and value > high):
            raise ma.ValidationError(f"Must be in its own range, {low} to {high} {unit}.", "value")


_CUSTOM_DESCRIBED = {
    "type": "object",
    "properties": {
        "value": {"type": "number"},
        "unit": {"type": "string", "maxLength": 40, "pattern": PRINTED, "default": "1"},
        "min": {"type": ["number", "null"], "default": None},
        "max": {"type": ["number", "null"], "default": None},
        "description": {"type": "string", "maxLength": 500, "pattern": PRINTED, "default": ""},
    },
    "required": ["value"],
    "additionalProperties": False,
}


class CustomParameters(fields.Field[dict[str, Any]]):
    """Custom parameters by name. In a merge patch null removes one."""

    DESCRIBED: ClassVar = {"propertyNames": {"pattern": f"^{_CUSTOM_NAME.pattern}$"}}

    def __init__(self, **kwargs: Any) -> None:
        described = {
            "type": "object",
            "additionalProperties": {"anyOf": [_CUSTOM_DESCRIBED, {"type": "null"}]},
            "maxProperties": CUSTOM_LIMIT,
            "description": "Up to 32 quantities {value, unit, min, max, description} by name; mappings read them as custom.NAME.",
        }
        super().__init__(metadata=described, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ma.ValidationError("Must be an object of custom parameters by name.")
        found: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name, given in value.items():
            if not _CUSTOM_NAME.fullmatch(name):
                errors[name] = ["A name has 1 to 40 letters, digits and underscores, and begins with no digit."]
            elif given is None and kwargs.get("partial"):
                found[name] = None
            else:
                self._load(name, given, found, errors)
        if errors:
            raise ma.ValidationError(errors)
        return found

    def _load(self, name: str, given: Any, found: dict[str, Any], errors: dict[str, Any]) -> None:
        try:
            found[name] = CustomParameterSchema().load(given)
        except ma.ValidationError as error:
            errors[name] = error.messages


def _value(name: str) -> Measure:
    """A parameter of a set: null where a scene's set leaves it to its universe's."""
    return Measure(PHYSICS[name], allow_none=True, load_default=None)


class PhysicsParametersSchema(BaseSchema):
    """A set of physics parameters, of a universe or of one of its scenes."""

    ALIASES: ClassVar = {
        "title": "name",
        "elasticity": "restitution",
        "collision_elasticity": "restitution",
        "air_resistance": "linear_damping",
    }

    id = fields.UUID(dump_only=True)
    universe_id = fields.UUID(dump_only=True)
    scene_id = fields.UUID(dump_only=True, allow_none=True)
    name = Text(low=1, high=100, required=True)
    description = Text(high=5000, load_default="")
    active = Flag()
    gravity = Gravity(
        load_default=lambda: dict.fromkeys(AXES),
        metadata={
            "description": "A vector in m/s^2, or a strength g of 0 to 300 m/s^2 that points down.",
            "anyOf": [
                {
                    "type": "object",
                    "properties": dict.fromkeys(AXES, _COMPONENT),
                    "additionalProperties": False,
                },
                *described(_DOWNWARD)["anyOf"],
            ],
        },
    )
    time_scale = _value("time_scale")
    linear_damping = _value("linear_damping")
    air_density = _value("air_density")
    restitution = _value("restitution")
    friction = _value("friction")
    temperature = _value("temperature")
    pressure = _value("pressure")
    gravitational_constant = _value("gravitational_constant")
    timestep = _value("timestep")
    bounds = Entire(BoundsSchema, allow_none=True)
    custom = CustomParameters(load_default=dict)
    revision = fields.Integer(dump_only=True)
    created_at = fields.DateTime(dump_only=True)
    updated_at = fields.DateTime(dump_only=True)

    def _unset(self, key: str) -> Any:
        """Custom parameters are removed one by one, so null for all of them is no value."""
        return None if key == "custom" else super()._unset(key)


class NewPhysicsParametersSchema(PhysicsParametersSchema):
    """A new set, of the universe or scene that it names, or the query."""

    id = fields.UUID()
    universe_id = fields.UUID()
    scene_id = fields.UUID(allow_none=True)


class ScopeQuerySchema(BaseSchema):
    """The universe, or the scene, that a set belongs to."""

    universe_id = fields.UUID()
    scene_id = fields.UUID()


class ValidationSchema(PhysicsParametersSchema):
    """Parameters to check, for a solver or for none in particular."""

    solver = OneOf(tuple(SOLVERS))


class ValidSchema(ma.Schema):
    """What was found to be valid, in SI."""

    valid = fields.Boolean(required=True)
    parameters = fields.Dict(required=True)


class InForceSchema(ma.Schema):
    """The parameters in force, and by dotted name where each comes from: scene, universe or default."""

    universe_id = fields.UUID(required=True)
    scene_id = fields.UUID(required=True, allow_none=True)
    values = fields.Dict(required=True)
    origins = fields.Dict(required=True)


class CatalogueSchema(ma.Schema):
    """Every quantity that can be set, and every solver with the parameters that it uses."""

    quantities = fields.Dict(required=True)
    solvers = fields.List(fields.Dict(), required=True)


class PresetsSchema(ma.Schema):
    """Ready values with their sources."""

    gravity = fields.List(fields.Dict(), required=True)
    materials = fields.List(fields.Dict(), required=True)

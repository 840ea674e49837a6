"""What scenes, bodies, constraints, voices and mappings look like from outside: one schema each, to load and to describe.

Loaded in full, every field is filled in; loaded partially, only what is given. What depends on other fields or on other
entities is checked by app.scenes.rules, which sees the whole.
"""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from typing import Any, ClassVar

import marshmallow as ma
from flask import current_app
from marshmallow import fields, validate

from app.changes.content import AXES
from app.engine.audio.automation import AUTOMATED, AUTOMATION_CURVES, MOMENT, MOST_POINTS
from app.engine.audio.instruments import INSTRUMENTS
from app.engine.catalogue import BODY, CATALOGUE, CONSTRAINT, PHYSICS, VOICE
from app.engine.music.rules import CURVES, DOMAINS, EVENTS, WITH
from app.engine.physics.presets import MATERIALS
from app.engine.physics.resonators import BOUNDARIES, DIMENSIONS
from app.engine.physics.solvers import SOLVERS
from app.engine.quantity import Quantity
from app.scenes.fields import OneOf, Variant, name_field
from app.scenes.models import CLAMPS, CONSTRAINT_KINDS, SHAPES, TARGETS
from app.schemas import BaseSchema, Flag, Measure, Real, Text, VectorField, Whole, described, measure
from app.universes.schemas import Entire, HarmonyOverrideSchema

COLOR = r"^#[0-9a-fA-F]{6}(?!\n)$"
VERTICES = (3, 32)
SHAPE_SIZES = {"point": (), "circle": ("radius",), "box": ("width", "height"), "polygon": ("vertices",)}
KEYFRAMED = tuple(name for name in PHYSICS if name != "timestep")
_OURS = "chosen for this service"
_HELD = "; ".join(f"{kind}: {', '.join(ends)}" for kind, ends in BOUNDARIES.items())
_MOMENT = Quantity("time_s", "t", "s", 0, 600, None, "A moment of the scene, in score seconds.", _OURS)
_GIVEN = described(_MOMENT)["anyOf"][1]
_ANY_NUMBER = [{"type": "number"}, _GIVEN]
_QUANTITY = r"^[a-z_]+(\.[A-Za-z0-9_]{1,40})?(?!\n)$"


class EntitySchema(BaseSchema):
    """What every entity of a scene shows beside its own fields."""

    id = fields.UUID(dump_only=True)
    universe_id = fields.UUID(dump_only=True)
    order_key = fields.String(dump_only=True)
    revision = fields.Integer(dump_only=True, metadata={"description": "The universe's revision that last changed it."})
    created_at = fields.DateTime(dump_only=True)
    updated_at = fields.DateTime(dump_only=True)


class PartSchema(EntitySchema):
    """What every part of a scene shows beside its own fields."""

    scene_id = fields.UUID(dump_only=True)


def zero_vector() -> dict[str, float]:
    """The vector of zeros."""
    return dict.fromkeys(AXES, 0.0)


class TransitionSchema(BaseSchema):
    """How the scene begins after the one before it."""

    MERGED: ClassVar = True

    type = OneOf(("cut", "crossfade"), load_default="cut")
    seconds = measure("scene", "transition.seconds")


class StorySchema(BaseSchema):
    """What the scene tells."""

    MERGED: ClassVar = True

    plot_point = Text(high=500, load_default="")
    text = Text(high=2000, load_default="")
    harmony_tie = measure("scene", "story.harmony_tie")


class KeyframeSchema(BaseSchema):
    """A value that a physics parameter takes at a moment."""

    time_s = Measure(_MOMENT, required=True)
    parameter = OneOf(KEYFRAMED, required=True)
    value = fields.Raw(required=True, metadata={"anyOf": _ANY_NUMBER, "description": "In the parameter's unit, unless it names one."})
    interpolation = OneOf(("step", "linear", "exp"), load_default="step")

    @ma.post_load
    def _in_range(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        try:
            return {**data, "value": Measure(PHYSICS[data["parameter"]]).deserialize(data["value"])}
        except ma.ValidationError as error:
            raise ma.ValidationError({"value": error.messages}) from None


class MarkerSchema(BaseSchema):
    """A named moment."""

    time_s = Measure(_MOMENT, required=True)
    name = Text(low=1, high=100, required=True)


class TimelineSchema(BaseSchema):
    """Changes of physics parameters and named moments, in score seconds."""

    keyframes = fields.List(fields.Nested(KeyframeSchema), load_default=list)
    markers = fields.List(fields.Nested(MarkerSchema), load_default=list)

    @ma.validates_schema
    def _few_enough(self, data: dict[str, Any], **_: Any) -> None:
        limit = current_app.config["SETTINGS"].max_keyframes
        count = len(data["keyframes"]) + len(data["markers"])
        if count > limit:
            raise ma.ValidationError(f"There may be at most {limit} keyframes and markers; these are {count}.", "keyframes")

    @ma.validates_schema
    def _unambiguous(self, data: dict[str, Any], **_: Any) -> None:
        moments = [(frame["parameter"], frame["time_s"]) for frame in data["keyframes"]]
        twice = next((moment for moment in moments if moments.count(moment) > 1), None) if len(set(moments)) < len(moments) else None
        if twice is not None:
            raise ma.ValidationError(f"{twice[0]} has two values at {twice[1]:g} s.", "keyframes")


class SceneSchema(EntitySchema):
    """A scene: one stretch of a universe's music, simulated by one solver."""

    ALIASES: ClassVar = {"title": "name"}

    position = fields.Integer(dump_only=True, metadata={"description": "The place among the universe's scenes, from 0; in lists."})
    name = name_field()
    description = Text(high=5000, load_default="")
    solver = OneOf(tuple(SOLVERS), load_default="ballistic")
    duration_s = measure("scene", "duration_s")
    loop = Flag(load_default=False)
    transition = fields.Nested(TransitionSchema, load_default=lambda: TransitionSchema().load({}))
    physics_parameters_id = fields.UUID(
        allow_none=True, load_default=None, metadata={"description": "A set of the universe to use in place of its active one."}
    )
    harmony = fields.Nested(HarmonyOverrideSchema, load_default=dict)
    timeline = Entire(TimelineSchema, load_default=lambda: {"keyframes": [], "markers": []})
    story = fields.Nested(StorySchema, load_default=lambda: StorySchema().load({}))

    def _unset(self, key: str) -> Any:
        """Overrides are taken back one by one, so null for all of them is no value."""
        return None if key == "harmony" else super()._unset(key)


class Vertex(fields.Tuple):
    """A corner [x, y] of a polygon, in m."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            (Measure(BODY["vertex"]), Measure(BODY["vertex"])),
            metadata={"type": "array", "items": described(BODY["vertex"]), "minItems": 2, "maxItems": 2},
            **kwargs,
        )


class SizeSchema(BaseSchema):
    """A size in m: {} for a point, radius for a circle, width and height for a box, vertices for a polygon."""

    radius = Measure(BODY["radius"])
    width = Measure(BODY["width"])
    height = Measure(BODY["height"])
    vertices = fields.List(Vertex(), validate=validate.Length(*VERTICES))


class MaterialSchema(BaseSchema):
    """A material: a preset's name, or its numbers."""

    preset = OneOf(tuple(MATERIALS))
    density = measure("material", "density", load_default=ma.missing)
    youngs_modulus = measure("material", "youngs_modulus", load_default=ma.missing)
    poisson = measure("material", "poisson", load_default=ma.missing)
    damping_ratio = measure("material", "damping_ratio", load_default=ma.missing)

    @ma.post_load
    def _complete(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        numbers = {name: data.get(name) for name in CATALOGUE["material"]}
        if "preset" not in data and all(value is None for value in numbers.values()):
            raise ma.ValidationError({"preset": ["Give a preset, or at least one of the material's numbers."]})
        if "preset" in data and len(data) > 1:
            raise ma.ValidationError({"preset": ["Give a preset or numbers, not both."]})
        return data if "preset" in data else numbers


class OrbitSchema(BaseSchema):
    """Keplerian elements about another body; a period, a semi-major axis, or both."""

    MERGED: ClassVar = True

    semi_major_axis = measure("orbit", "semi_major_axis")
    period = measure("orbit", "period")
    eccentricity = measure("orbit", "eccentricity")
    inclination = measure("orbit", "inclination")
    longitude_of_node = measure("orbit", "longitude_of_node")
    argument_of_periapsis = measure("orbit", "argument_of_periapsis")
    mean_anomaly = measure("orbit", "mean_anomaly")
    epoch = Text(high=60, allow_none=True, load_default=None)
    parent_body_id = fields.UUID(allow_none=True, load_default=None)


class ResonatorSchema(BaseSchema):
    """What rings: its kind, its measures and how its ends or edges are held. The solver `resonator` strikes it.

    A string needs length, tension and linear_density, or radius and a density of its material; a bar length and thickness; a membrane
    thickness, tension and radius, or length and width; a plate thickness and radius (clamped), or length and width (supported); a pipe
    length and radius.
    """

    kind = OneOf(tuple(BOUNDARIES), required=True)
    length = measure("resonator", "length")
    width = measure("resonator", "width")
    thickness = measure("resonator", "thickness")
    radius = measure("resonator", "radius")
    tension = measure("resonator", "tension")
    linear_density = measure("resonator", "linear_density")
    boundary = OneOf(
        tuple(dict.fromkeys(end for ends in BOUNDARIES.values() for end in ends)),
        metadata={"description": f"{_HELD}. By default the first."},
    )

    @ma.post_load
    def _complete(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        kind = data["kind"]
        errors = {
            name: [f"A {kind} has none."] for name in CATALOGUE["resonator"] if data[name] is not None and name not in DIMENSIONS[kind]
        }
        if kind in ("membrane", "plate") and data["radius"] is not None:
            errors |= {name: [f"A {kind} has none beside a radius."] for name in ("length", "width") if data[name] is not None}
        data.setdefault("boundary", BOUNDARIES[kind][0])
        if data["boundary"] not in BOUNDARIES[kind]:
            errors["boundary"] = [f"Must be one of {', '.join(BOUNDARIES[kind])} for a {kind}."]
        if errors:
            raise ma.ValidationError(errors)
        return data


class BodySchema(PartSchema):
    """A body. Its place in the scene's order is its index in a simulation."""

    ALIASES: ClassVar = {"title": "name", "elasticity": "restitution", "collision_elasticity": "restitution"}

    name = name_field()
    shape = OneOf(SHAPES, load_default="point")
    size = Entire(SizeSchema, load_default=dict)
    mass = measure("body", "mass")
    position = VectorField(BODY["position"], load_default=zero_vector)
    velocity = VectorField(BODY["velocity"], load_default=zero_vector)
    angle = measure("body", "angle")
    angular_velocity = measure("body", "angular_velocity")
    restitution = measure("body", "restitution")
    friction = measure("body", "friction")
    static = Flag(load_default=False)
    sensor = Flag(load_default=False)
    material = Entire(MaterialSchema, allow_none=True, load_default=None)
    orbit = fields.Nested(OrbitSchema, allow_none=True, load_default=None)
    resonator = Entire(ResonatorSchema, allow_none=True, load_default=None)
    color = Text(high=7, pattern=COLOR, message="Must be a colour such as #4f7cff.", load_default="#4f7cff")
    citation = Text(high=500, load_default="")


class Anchor(VectorField):
    """A fixed point, given whole."""

    def _deserialize(self, value: Any, attr: str | None, data: Dictionary[str, Any] | None, **kwargs: Any) -> dict[str, Any]:
        return super()._deserialize(value, attr, data, **{**kwargs, "partial": False})


class ConstraintSchema(PartSchema):
    """A spring, distance, hinge or pin between two bodies, or between a body and an anchor."""

    kind = OneOf(CONSTRAINT_KINDS, required=True)
    body_id = fields.UUID(required=True)
    other_body_id = fields.UUID(allow_none=True, load_default=None)
    anchor = Anchor(CONSTRAINT["anchor"], allow_none=True, load_default=None)
    stiffness = measure("constraint", "stiffness")
    damping = measure("constraint", "damping", allow_none=True, load_default=None)
    rest_length = measure("constraint", "rest_length")
    break_force = measure("constraint", "break_force")


class AdsrSchema(BaseSchema):
    """The envelope of a note."""

    MERGED: ClassVar = True

    attack_s = measure("voice", "adsr.attack_s")
    decay_s = measure("voice", "adsr.decay_s")
    sustain = measure("voice", "adsr.sustain")
    release_s = measure("voice", "adsr.release_s")


class InstrumentParameters(fields.Field[dict[str, Any]]):
    """Parameters of the voice's instrument, in their units. In a merge patch null returns one to its default."""

    DESCRIBED: ClassVar = {
        "properties": {
            **{choice.name: {"type": ["string", "null"]} for one in INSTRUMENTS.values() for choice in one.choices},
            **{number.name: {"anyOf": [*_ANY_NUMBER, {"type": "null"}]} for one in INSTRUMENTS.values() for number in one.quantities},
            **{
                reference.name: {"type": ["string", "null"], "format": "uuid"}
                for one in INSTRUMENTS.values()
                for reference in one.references
            },
        },
        "additionalProperties": False,
    }

    def _deserialize(self, value: Any, attr: str | None, data: Dictionary[str, Any] | None, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, Dictionary):
            raise ma.ValidationError("Must be an object of the instrument's parameters.")
        given = {name: one for name, one in value.items() if one is not None or kwargs.get("partial")}
        errors = {name: [error] for name, one in given.items() if (error := self._fault(name, one))}
        if errors:
            raise ma.ValidationError(errors)
        return {name: self._plain(name, one) for name, one in given.items()}

    def _fault(self, name: str, value: Any) -> str | None:
        """What is wrong with a parameter whatever the instrument; which ones it has is known when the voice is whole."""
        if not any(name in one.parameter_names for one in INSTRUMENTS.values()):
            return "No instrument has such a parameter."
        if isinstance(value, Dictionary):
            return self._fault_of_measure(name, value)
        return (
            None
            if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))
            else "Must be a number or a word."
        )

    def _fault_of_measure(self, name: str, value: Dictionary[str, Any]) -> str | None:
        quantity = quantity_of(name)
        if quantity is None:
            return "Must be a word."
        try:
            Measure(quantity).deserialize(value)
        except ma.ValidationError as error:
            return str(error.messages[0] if isinstance(error.messages, list) else error.messages)
        return None

    def _plain(self, name: str, value: Any) -> Any:
        quantity = quantity_of(name)
        return Measure(quantity).deserialize(value) if quantity and isinstance(value, Dictionary) else value


def quantity_of(parameter: str) -> Quantity | None:
    """The quantity of an instrument's parameter; instruments that share a name share its unit."""
    return next((known for one in INSTRUMENTS.values() for known in one.quantities if known.name == parameter), None)


class PointSchema(BaseSchema):
    """A value at a moment."""

    t_s = Measure(MOMENT, required=True)
    value = fields.Raw(required=True, metadata={"anyOf": _ANY_NUMBER, "description": "In the target's unit, unless it names one."})


class LaneSchema(BaseSchema):
    """How a setting of a voice moves with the score, instead of the voice's own: its first value before, its last one after.

    Renders play it; live playback keeps to the voice's own.
    """

    target = OneOf(AUTOMATED, required=True)
    curve = OneOf(AUTOMATION_CURVES, load_default="linear")
    points = fields.List(fields.Nested(PointSchema), required=True, validate=validate.Length(min=1, max=MOST_POINTS))

    @ma.post_load
    def _in_range(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        quantity, points = Measure(VOICE[data["target"]]), []
        for place, point in enumerate(data["points"]):
            try:
                points.append({**point, "value": quantity.deserialize(point["value"])})
            except ma.ValidationError as error:
                raise ma.ValidationError({"points": {place: {"value": error.messages}}}) from None
            if place and point["t_s"] <= data["points"][place - 1]["t_s"]:
                raise ma.ValidationError({"points": {place: {"t_s": ["Must be after the point before."]}}})
        return {**data, "points": points}


class VoiceSchema(PartSchema):
    """A voice: one instrument, and how it is played."""

    ALIASES: ClassVar = {"title": "name"}

    name = name_field()
    instrument = OneOf(tuple(INSTRUMENTS), load_default="modal")
    parameters = InstrumentParameters(load_default=dict, metadata={"type": "object", "description": "See GET /audio/instruments."})
    adsr = fields.Nested(AdsrSchema, load_default=lambda: AdsrSchema().load({}))
    gain_db = measure("voice", "gain_db")
    pan = measure("voice", "pan")
    midi_channel = measure("voice", "midi_channel")
    midi_program = measure("voice", "midi_program")
    mute = Flag(load_default=False)
    solo = Flag(load_default=False)
    automation = fields.List(
        Entire(LaneSchema), load_default=list, metadata={"description": "Lanes that move gain or pan with the score, one for each at most."}
    )

    @ma.validates_schema
    def _one_lane_each(self, data: dict[str, Any], **_: Any) -> None:
        targets = [lane["target"] for lane in data.get("automation") or []]
        if len(set(targets)) < len(targets):
            raise ma.ValidationError("There may be one lane for each target.", "automation")

    def _unset(self, key: str) -> Any:
        """Parameters return to their defaults one by one, so null for all of them is no value."""
        return None if key == "parameters" else super()._unset(key)


class FilterSchema(BaseSchema):
    """Which events of a kind sound."""

    min_impulse = Real(validate=validate.Range(min=0, error="Must be 0 N*s or more."))
    with_ = OneOf(WITH, data_key="with", attribute="with")
    quantity = Text(high=60, pattern=_QUANTITY, message="Must be the name of a quantity, such as speed or custom.wind.")
    level = Real()


class TriggerSchema(Variant):
    """What makes a note: a kind of event, or the whole scene."""

    TAKES: ClassVar = {"continuous": (), "event": ("event", "filter")}
    NEEDS: ClassVar = {"event": ("event",)}

    type = OneOf(("continuous", "event"), required=True)
    event = OneOf(EVENTS)
    filter = fields.Nested(FilterSchema)

    @ma.post_load
    def _complete(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"filter": {}, **data} if data["type"] == "event" else data


class Selector(fields.Field[Any]):
    """`all`, or the ids of some bodies."""

    _described: ClassVar = {"anyOf": [{"const": "all"}, {"type": "array", "items": {"type": "string", "format": "uuid"}, "minItems": 1}]}
    _ids = fields.List(fields.UUID(), validate=validate.Length(min=1, max=2000))

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata=self._described, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Dictionary[str, Any] | None, **kwargs: Any) -> Any:
        if value == "all":
            return "all"
        if not isinstance(value, list):
            raise ma.ValidationError("Must be all, or a list of ids of bodies.")
        return [str(one) for one in dict.fromkeys(self._ids.deserialize(value))]


class SourceSchema(BaseSchema):
    """What a mapping reads: a quantity of some bodies, or the output of another mapping."""

    bodies = Selector()
    quantity = Text(low=1, high=60, pattern=_QUANTITY, message="Must be the name of a quantity, such as speed or custom.wind.")
    mapping_id = fields.UUID()

    @ma.post_load
    def _complete(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if ("mapping_id" in data) == ("quantity" in data):
            raise ma.ValidationError({"quantity": ["Give a quantity, or the mapping_id of another mapping, one of them."]})
        if "mapping_id" in data:
            if "bodies" in data:
                raise ma.ValidationError({"bodies": ["A mapping that reads another reads its bodies."]})
            return {"mapping_id": str(data["mapping_id"])}
        return {"bodies": "all", **data}


class DomainSchema(Variant):
    """The values of the source that fill the range: given, those that occur, or percentiles of those."""

    TAKES: ClassVar = {"explicit": ("min", "max"), "data": (), "percentile": ("low", "high")}
    NEEDS: ClassVar = {"explicit": ("min", "max"), "percentile": ("low", "high")}

    type = OneOf(DOMAINS, required=True)
    min = Real()
    max = Real()
    low = Real(validate=validate.Range(0, 100, error="Must be in the range 0 to 100."))
    high = Real(validate=validate.Range(0, 100, error="Must be in the range 0 to 100."))


class RangeSchema(BaseSchema):
    """The target's values at the ends of the domain, in the target's unit."""

    min = Real(required=True)
    max = Real(required=True)


class CurveSchema(Variant):
    """How the domain becomes the range."""

    TAKES: ClassVar = {"linear": (), "log": (), "power": ("exponent",), "frequency_scale": ("factor",)}
    NEEDS: ClassVar = {"power": ("exponent",), "frequency_scale": ("factor",)}

    type = OneOf(CURVES, required=True)
    exponent = Real()
    factor = Real()


class MappingSchema(PartSchema):
    """How a physical quantity becomes a musical one."""

    voice_id = fields.UUID(required=True)
    trigger = Entire(TriggerSchema, load_default=lambda: {"type": "continuous"})
    source = Entire(SourceSchema, required=True)
    target = OneOf(TARGETS, required=True)
    domain = Entire(DomainSchema, load_default=lambda: {"type": "data"})
    range = Entire(RangeSchema, allow_none=True, load_default=None)
    curve = Entire(CurveSchema, load_default=lambda: {"type": "linear"})
    polarity = Whole(low=-1, high=1, load_default=1, metadata={"enum": [1, -1]})
    clamp = OneOf(CLAMPS, load_default="clamp")

"""What universes are made of as JSON: their own fields, their harmony, their members."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import marshmallow as ma
from marshmallow import fields, validate

from app.access import VISIBILITIES
from app.engine.errors import EngineError
from app.engine.music.harmony import QUANTIZE_PITCH, QUANTIZE_TIME
from app.engine.music.pitch import key_class
from app.engine.music.scala import MOST_CHARACTERS, custom_tuning, read_kbm, read_scl
from app.engine.music.scales import CUSTOM, SCALES, scale_cents
from app.engine.music.tunings import DIVISIONS, HARMONICS, MOST_DEGREES, ROOT_HZ, TUNINGS, read_degrees, spelled
from app.schemas import BaseSchema, Flag, Measure, Real, Seed, Text, Whole, measure

UNIT_SYSTEMS = ("si", "astro")
GIVEN_ROLES = ("viewer", "editor")
NOT_PUBLIC = "not_public"
"""What `is_public: false` asks of the visibility: unlisted stays, public becomes private."""

KEY = r"^[A-Ga-g][#♯x𝄪b♭𝄫♮]{0,2}(?!\n)$"
_TAGS = 20
_CLOSED = object()
_FIRST_YEAR, _LAST_YEAR = 1970, 9000


class Entire(fields.Nested):
    """A nested object that is one value: a merge patch gives all of it."""

    def _load(self, value: Any, partial: Any = None) -> Any:
        return super()._load(value, partial=False)


class Visibility(fields.String):
    """private, unlisted or public; the alias `is_public: false` loads as NOT_PUBLIC."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if value is _CLOSED:
            return NOT_PUBLIC
        if value not in VISIBILITIES:
            raise ma.ValidationError(f"Must be one of {', '.join(VISIBILITIES)}.")
        return str(value)


class Tags(fields.List[str]):
    """Up to 20 different labels."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Text(low=1, high=32), validate=validate.Length(max=_TAGS), metadata={"uniqueItems": True}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[str | None]:
        found = super()._deserialize(value, attr, data, **kwargs)
        if len({str(tag).casefold() for tag in found}) < len(found):
            raise ma.ValidationError("Must not name a tag twice.")
        return found


class ByEngine(fields.String):
    """Text that the engine can read; its own words say what is wrong."""

    def __init__(self, read: Callable[[str], object], **kwargs: Any) -> None:
        self.read = read
        super().__init__(validate=validate.Length(min=1, max=8), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        try:
            self.read(text)
        except EngineError as error:
            raise ma.ValidationError(error.message) from None
        return text


class ScalaFile(fields.String):
    """The text of a Scala file, line ends and all."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(min=1, max=MOST_CHARACTERS), **kwargs)


class TuningSchema(BaseSchema):
    """A tuning. Scala files given for a custom one are read into its degrees and root_hz."""

    TAKES: ClassVar[dict[str, tuple[str, ...]]] = {
        "equal": ("divisions",),
        "harmonic": ("harmonics",),
        "custom": ("degrees", "root_hz", "scl", "kbm"),
    }

    type = fields.String(required=True, validate=validate.OneOf(tuple(TUNINGS)))
    divisions = Measure(DIVISIONS)
    harmonics = Measure(HARMONICS)
    degrees = fields.List(
        fields.Raw(metadata={"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^[0-9]{1,40}([:/][0-9]{1,40})?(?!\\n)$"}]}),
        validate=validate.Length(min=1, max=MOST_DEGREES),
        metadata={
            "description": "For a custom tuning: rising degrees above 1/1, cents as numbers, ratios as text such as 3/2; the last is the "
            "period."
        },
    )
    root_hz = Measure(ROOT_HZ)
    scl = ScalaFile(load_only=True, metadata={"description": "For a custom tuning: a Scala scale file instead of degrees."})
    kbm = ScalaFile(load_only=True, metadata={"description": "A Scala keyboard mapping for scl: it says which degrees count, and root_hz."})

    @ma.post_load
    def _complete(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        kind = data["type"]
        for owner, names in self.TAKES.items():
            for name in names:
                if name in data and owner != kind:
                    raise ma.ValidationError(f"Only {owner} tuning has {name}.", name)
        if kind == "custom":
            return self._custom(data)
        return {**{"equal": {"divisions": 12}, "harmonic": {"harmonics": 16}}.get(kind, {}), **data}

    @staticmethod
    def _custom(data: dict[str, Any]) -> dict[str, Any]:
        if ("degrees" in data) == ("scl" in data):
            raise ma.ValidationError("Give degrees or scl, one of them.", "degrees")
        if "kbm" in data and ("root_hz" in data or "scl" not in data):
            raise ma.ValidationError("A keyboard mapping goes with scl and sets root_hz itself.", "kbm")
        own = {name: value for name, value in data.items() if name in ("type", "root_hz")}
        try:
            if "degrees" in data:
                return {**own, "degrees": [spelled(degree) for degree in read_degrees(data["degrees"])]}
            return {**own, **custom_tuning(read_scl(data["scl"]), read_kbm(data["kbm"]) if "kbm" in data else None)}
        except EngineError as error:
            raise ma.ValidationError(error.message, error.field.removeprefix("tuning.")) from None


class CustomTuningSchema(TuningSchema):
    """A custom tuning: its degrees, or Scala files that are read into them."""

    class Meta(BaseSchema.Meta):
        exclude = ("divisions", "harmonics")

    type = fields.String(load_default="custom", validate=validate.OneOf(("custom",)))


class PitchRangeSchema(BaseSchema):
    """The lowest and highest pitch that sound."""

    low_hz = measure("harmony", "range.low_hz")
    high_hz = measure("harmony", "range.high_hz")


class HarmonySchema(BaseSchema):
    """Key, scale, tuning, tempo and what is quantized. How the fields fit together is checked by app.universes.rules."""

    key = ByEngine(key_class, load_default="C", metadata={"pattern": KEY, "description": "A note from A to G with sharps or flats."})
    scale = fields.String(load_default="major", validate=validate.OneOf((*SCALES, CUSTOM)))
    scale_cents = fields.List(
        Real(),
        allow_none=True,
        load_default=None,
        validate=validate.Length(min=1, max=72),
        metadata={"description": "For the scale custom: degrees in cents above the key note, from 0, rising, below 1200."},
    )
    tempo_bpm = measure("harmony", "tempo_bpm")
    time_signature = Text(
        high=5, pattern=r"^[1-9][0-9]?/(1|2|4|8|16|32)(?!\n)$", message="Must be a time signature such as 4/4 or 6/8.", load_default="4/4"
    )
    a4_hz = measure("harmony", "a4_hz")
    tuning = Entire(TuningSchema, load_default=lambda: {"type": "equal", "divisions": 12})
    range = fields.Nested(PitchRangeSchema, load_default=lambda: PitchRangeSchema().load({}))
    quantize_pitch = fields.String(load_default="none", validate=validate.OneOf(QUANTIZE_PITCH))
    quantize_time = fields.String(load_default="none", validate=validate.OneOf(QUANTIZE_TIME))
    swing = measure("harmony", "swing")
    max_notes_per_second = measure("harmony", "max_notes_per_second")

    @ma.validates("scale_cents")
    def _rising(self, value: list[float] | None, **_: Any) -> None:
        if value is None:
            return
        try:
            scale_cents(CUSTOM, value)
        except EngineError as error:
            raise ma.ValidationError(error.message) from None


class HarmonyOverrideSchema(HarmonySchema):
    """What a scene sets differently: any of the fields; in a merge patch null takes one back."""

    range = Entire(PitchRangeSchema)

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """No field has a default here, and each may be null."""
        field_obj.load_default = ma.missing
        field_obj.allow_none = True

    @ma.post_load
    def _without_nulls(self, data: dict[str, Any], *, partial: Any = None, **_: Any) -> dict[str, Any]:
        return data if partial else {key: value for key, value in data.items() if value is not None}


class UniverseSchema(BaseSchema):
    """A universe's own fields. Without a seed, or with null, the universe gets one of its own."""

    ALIASES: ClassVar[dict[str, str]] = {"title": "name", "is_public": "visibility"}

    name = Text(low=1, high=100, required=True)
    description = Text(high=5000, load_default="")
    visibility = Visibility(load_default="private", metadata={"enum": list(VISIBILITIES)})
    forkable = Flag(load_default=False)
    tags = Tags(load_default=list)
    theme = Text(high=100, load_default="")
    genre = Text(high=100, load_default="")
    unit_system = fields.String(load_default="si", validate=validate.OneOf(UNIT_SYSTEMS))
    seed = Seed(load_default=None, allow_none=True)
    harmony = fields.Nested(HarmonySchema, load_default=lambda: HarmonySchema().load({}))

    def from_alias(self, alias: str, value: Any) -> Any:
        """`is_public` as a visibility."""
        if alias != "is_public":
            return value
        if not isinstance(value, bool):
            raise ma.ValidationError("Not a valid boolean.", alias)
        return "public" if value else _CLOSED


class NewUniverseSchema(UniverseSchema):
    """A new universe; its id may be chosen."""

    id = fields.UUID()


class PersonSchema(ma.Schema):
    """What is shown of somebody beside their work."""

    id = fields.UUID(required=True)
    username = fields.String(required=True)
    display_name = fields.String(required=True)
    color = fields.String(required=True)


class CollaboratorSchema(ma.Schema):
    """A member of a universe."""

    user = fields.Nested(PersonSchema, required=True)
    role = fields.String(required=True, validate=validate.OneOf(("owner", *GIVEN_ROLES)))
    revision = fields.Integer(required=True)


class InvitationSchema(BaseSchema):
    """Whom to make a member, by one of id, username and e-mail address, and as what."""

    user_id = fields.UUID()
    username = Text(low=1, high=40)
    email = Text(low=3, high=254)
    role = fields.String(load_default="viewer", validate=validate.OneOf(GIVEN_ROLES))

    @ma.validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        if len({"user_id", "username", "email"} & data.keys()) != 1:
            raise ma.ValidationError("Give user_id, username or email, one of them.", "user_id")


class RoleSchema(BaseSchema):
    """A member's new role."""

    role = fields.String(required=True, validate=validate.OneOf(GIVEN_ROLES))


class TransferSchema(BaseSchema):
    """The member who becomes the owner."""

    user_id = fields.UUID(required=True)


class Moment(fields.AwareDateTime):
    """A moment with its zone, kept to the millisecond in UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        found: datetime = super()._deserialize(value, attr, data, **kwargs)
        if not _FIRST_YEAR <= found.year <= _LAST_YEAR:  # what any zone can tell
            raise ma.ValidationError(f"Must be in a year from {_FIRST_YEAR} to {_LAST_YEAR}.")
        return found.astimezone(UTC)


class NewShareLinkSchema(BaseSchema):
    """A link: what it makes of who follows it, until when, and of how many."""

    role = fields.String(load_default="viewer", validate=validate.OneOf(GIVEN_ROLES))
    expires_at = Moment(allow_none=True, load_default=None, metadata={"description": "In the future; null for never."})
    max_uses = Whole(low=1, high=1_000_000, allow_none=True, load_default=None, metadata={"description": "null for any number."})


class ShareLinkSchema(ma.Schema):
    """A share link. Its token is shown in the answer to its creation alone."""

    id = fields.UUID(required=True)
    universe_id = fields.UUID(required=True)
    role = fields.String(required=True, validate=validate.OneOf(GIVEN_ROLES))
    expires_at = fields.DateTime(required=True, allow_none=True)
    max_uses = fields.Integer(required=True, allow_none=True)
    uses = fields.Integer(required=True, metadata={"description": "How many memberships it has made."})
    revoked_at = fields.DateTime(required=True, allow_none=True)
    revision = fields.Integer(required=True)
    created_at = fields.DateTime(required=True)


class MadeShareLinkSchema(ShareLinkSchema):
    """A new share link with its token, which is kept nowhere; null when the request is a repeated one."""

    token = fields.String(required=True, allow_none=True)


class JoinedSchema(ma.Schema):
    """Which universe a link led into, and as what."""

    universe_id = fields.UUID(required=True)
    role = fields.String(required=True, validate=validate.OneOf(("owner", *GIVEN_ROLES)))


class ContentsQuerySchema(BaseSchema):
    """Whether scenes come with what they hold."""

    include = fields.String(validate=validate.OneOf(["contents"]))


class ListedUniverseSchema(ma.Schema):
    """A universe as lists have it: without its harmony."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True)
    visibility = fields.String(required=True, validate=validate.OneOf(VISIBILITIES))
    is_public = fields.Boolean(required=True)
    forkable = fields.Boolean(required=True)
    tags = fields.List(fields.String(), required=True)
    theme = fields.String(required=True)
    genre = fields.String(required=True)
    unit_system = fields.String(required=True)
    seed = fields.String(required=True)
    deleted_at = fields.DateTime(required=True, allow_none=True)
    revision = fields.Integer(required=True)
    entity_revision = fields.Integer(required=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class ShownUniverseSchema(ListedUniverseSchema):
    """A universe as it is answered."""

    harmony = fields.Dict(required=True)


class WholeUniverseSchema(ShownUniverseSchema):
    """A universe with its active parameter set and its scenes."""

    physics_parameters = fields.Dict(required=True, allow_none=True)
    scenes = fields.List(fields.Dict(), required=True)


class DocumentSchema(ma.Schema):
    """All that people put into a universe, whoever asks."""

    id = fields.UUID(required=True)
    revision = fields.Integer(required=True)
    universe = fields.Dict(required=True)
    physics_parameters = fields.List(fields.Dict(), required=True)
    scenes = fields.List(fields.Dict(), required=True)


def seed_of(universe_id: UUID) -> str:
    """The seed of a universe that was given none: 64 bits of its random id, so that a repeated request draws the same."""
    high, low = divmod(universe_id.int, 2**64)
    return str(high ^ low)

"""What people say about themselves, and what is shown of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import email_validator
import marshmallow as ma
from flask import current_app
from marshmallow import fields, validate

from app.auth import passwords
from app.database import timestamp
from app.engine.music.tunings import CUSTOM, TUNINGS
from app.schemas import BaseSchema, Flag, Text

THEMES = ("system", "light", "dark")
USERNAME = r"^[A-Za-z0-9_-]{3,40}(?!\n)$"
COLOR = r"^#[0-9a-fA-F]{6}(?!\n)$"


class Email(Text):
    """An e-mail address that could be delivered to, as far as its spelling tells."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(low=3, high=254, metadata={"format": "email"}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            address = email_validator.validate_email(text, check_deliverability=False).normalized
        except email_validator.EmailNotValidError as error:
            raise ma.ValidationError(f"Must be an e-mail address: {error}") from None
        if len(address.casefold()) > 254:
            raise ma.ValidationError("Must be at most 254 characters long.")
        return address


class Password(fields.String):
    """A new password: any text, kept as it is typed."""

    def __init__(self, **kwargs: Any) -> None:
        length = {"minLength": passwords.SHORTEST, "maxLength": passwords.LONGEST, "format": "password", "pattern": r"^[^\x00]*$"}
        super().__init__(load_only=True, validate=passwords.check_length, metadata=length, **kwargs)


class GivenPassword(fields.String):
    """A password to be compared; whether it would be a good one does not matter."""

    def __init__(self, **kwargs: Any) -> None:
        length = validate.Length(min=1, max=passwords.LONGEST)
        kwargs = {"required": True, "metadata": {"format": "password"}, **kwargs}
        super().__init__(load_only=True, validate=length, **kwargs)


class Moment(fields.DateTime):
    """A time in UTC with milliseconds and `Z`."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return timestamp(value)


class SettingsSchema(BaseSchema):
    """A person's settings."""

    theme = fields.String(load_default="system", dump_default="system", validate=validate.OneOf(THEMES))
    notifications = Flag(load_default=True, dump_default=True)
    default_tuning = fields.String(
        load_default="equal", dump_default="equal", validate=validate.OneOf([name for name in TUNINGS if name != CUSTOM])
    )


class ProfileSchema(BaseSchema):
    """What everybody may see of a person."""

    id = fields.UUID(dump_only=True)
    username = Text(low=3, high=40, pattern=USERNAME, message="Must be letters, digits, _ and - only.", required=True)
    display_name = Text(high=80, load_default="")
    bio = Text(high=500, load_default="")
    color = Text(high=7, pattern=COLOR, message="Must be a colour such as #4f7cff.", load_default="#4f7cff")
    created_at = Moment(dump_only=True)


class QuotaSchema(ma.Schema):
    """How much somebody may keep and render."""

    storage_bytes = fields.Integer(required=True)
    render_seconds_per_day = fields.Integer(required=True)


def _quota() -> dict[str, int]:
    """The quota in force, the same for everybody."""
    settings = current_app.config["SETTINGS"]
    return {"storage_bytes": settings.storage_quota_bytes, "render_seconds_per_day": settings.render_quota_seconds}


class UserSchema(ProfileSchema):
    """What people see of themselves."""

    email = Email(required=True)
    settings = fields.Nested(SettingsSchema, dump_only=True)
    role = fields.String(dump_only=True)
    is_active = fields.Boolean(dump_only=True)
    quota = fields.Nested(QuotaSchema, dump_only=True, dump_default=_quota)
    updated_at = Moment(dump_only=True)


class UsageSchema(ma.Schema):
    """What somebody has used of their quota."""

    storage_bytes = fields.Integer(required=True, metadata={"description": "Files, those still being made by their estimate."})
    render_seconds_per_day = fields.Float(required=True, metadata={"description": "Sound asked for in the last 24 hours."})


class MeSchema(UserSchema):
    """What people see of themselves at their own address."""

    usage = fields.Nested(UsageSchema, dump_only=True)


class AccountSchema(UserSchema):
    """What people can change of themselves."""

    current_password = GivenPassword(required=False, metadata={"description": "Needed to change the e-mail address.", "format": "password"})


class FarewellSchema(BaseSchema):
    """The password of an account that is to end."""

    password = GivenPassword()


class ExportSchema(ma.Schema):
    """Everything that is kept about somebody: the rows of each table."""

    class Meta:
        unknown = ma.INCLUDE

    exported_at = fields.String(required=True)
    users = fields.List(fields.Dict(), required=True)

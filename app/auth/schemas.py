"""What is said at the door."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from app.schemas import BaseSchema, Text
from app.users.schemas import USERNAME, Email, GivenPassword, Moment, Password, UserSchema


class RegistrationSchema(BaseSchema):
    """A new account."""

    username = Text(low=3, high=40, pattern=USERNAME, message="Must be letters, digits, _ and - only.", required=True)
    email = Email(required=True)
    password = Password(required=True)


class LoginSchema(BaseSchema):
    """Who, by name or e-mail address (either field may hold either), and the password."""

    email = Text(low=1, high=254)
    username = Text(low=1, high=254)
    password = GivenPassword()

    @ma.validates_schema
    def _one_of_them(self, data: dict[str, Any], **_: Any) -> None:
        if ("email" in data) == ("username" in data):
            raise ma.ValidationError("Give email or username, one of them.", "email")


class RefreshSchema(BaseSchema):
    """A refresh token."""

    refresh_token = fields.String(required=True, validate=validate.Length(min=1, max=4096))


class PasswordChangeSchema(BaseSchema):
    """The password there is, and the one to be."""

    current_password = GivenPassword()
    new_password = Password(required=True)


class EntrySchema(ma.Schema):
    """A user and the tokens to act as them."""

    user = fields.Nested(UserSchema, required=True)
    access_token = fields.String(required=True)
    refresh_token = fields.String(required=True)
    token_type = fields.String(required=True, validate=validate.Equal("Bearer"))
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds until the access token expires."})


class SessionSchema(ma.Schema):
    """A device that somebody is logged in from."""

    id = fields.UUID(required=True)
    device = fields.String(required=True, metadata={"description": "The User-Agent of the login."})
    created_at = Moment(required=True)
    last_used_at = Moment(required=True)
    expires_at = Moment(required=True)
    current = fields.Boolean(required=True, metadata={"description": "Whether it is the one that asks."})


class SessionsSchema(ma.Schema):
    """All sessions, the last used first."""

    items = fields.List(fields.Nested(SessionSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)

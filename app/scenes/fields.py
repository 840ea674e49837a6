"""Fields and schemas that several kinds of content share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields, validate

from app.schemas import BaseSchema, Text


class OneOf(fields.String):
    """One of a few words."""

    def __init__(self, choices: Collection[str], **kwargs: Any) -> None:
        super().__init__(validate=validate.OneOf(list(choices), error=f"Must be one of {', '.join(choices)}."), **kwargs)


class Variant(BaseSchema):
    """An object whose `type` says which other fields it has.

    `TAKES` gives for each type the names of its fields; `NEEDS` those that must be given. What another type takes is refused.
    """

    TAKES: ClassVar[dict[str, tuple[str, ...]]]
    NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {}
    KIND: ClassVar[str] = "type"

    @ma.validates_schema
    def _fits(self, data: dict[str, Any], **_: Any) -> None:
        kind = data[self.KIND]
        errors = {name: [f"The {self.KIND} {kind} does not take it."] for name in data if name not in (self.KIND, *self.TAKES[kind])}
        errors |= {name: [f"The {self.KIND} {kind} needs it."] for name in self.NEEDS.get(kind, ()) if data.get(name) is None}
        if errors:
            raise ma.ValidationError(errors)


def name_field() -> Text:
    """The name that everything in a scene has."""
    return Text(low=1, high=100, required=True)

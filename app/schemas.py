"""What every schema shares: strict fields, quantities with units, pages of results, and the reading of requests."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

import flask_smorest
import marshmallow as ma
import orjson
from flask import Request, request
from marshmallow import fields, validate
from webargs.flaskparser import FlaskParser

from app.engine.catalogue import CATALOGUE
from app.engine.errors import EngineError
from app.engine.quantity import Quantity
from app.errors import BadPayload, Invalid, UnsupportedMediaType

_CONTROL = {chr(code) for code in range(32)} - {"\n", "\r", "\t"}
PRINTED = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$"
_COMPONENTS = ("x", "y", "z")
_SHORT_QUERY, _KEPT_QUERIES = 128, 512


class BaseSchema(ma.Schema):
    """A schema that refuses unknown fields and knows the names of older clients.

    `ALIASES` maps an alias to its canonical name; giving both is an error.
    """

    ALIASES: ClassVar[dict[str, str]] = {}

    class Meta:
        unknown = ma.RAISE

    @ma.pre_load
    def _canonical(self, data: Any, *, partial: bool | Any = None, **_: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        found = dict(data)
        for alias, name in self.ALIASES.items():
            if alias in found:
                if name in found:
                    raise ma.ValidationError(f"Give {name} or its alias {alias}, not both.", alias)
                found[name] = self.from_alias(alias, found.pop(alias))
        return {key: self._unset(key) if partial and value is None else value for key, value in found.items() if value is not ma.missing}

    def _unset(self, key: str) -> Any:
        """What null means in a merge patch: the default, where the field has one and takes no null."""
        field = self.fields.get(key)
        if field is None or field.allow_none or field.load_default is ma.missing:
            return None
        return field.load_default() if callable(field.load_default) else field.load_default

    def from_alias(self, alias: str, value: Any) -> Any:
        """The canonical field's value for the alias's; `missing` leaves the field alone."""
        return value


class Text(fields.String):
    """Text: trimmed, in Unicode normal form C, without control characters, of bounded length."""

    def __init__(self, *, low: int = 0, high: int, pattern: str | None = None, message: str | None = None, **kwargs: Any) -> None:
        checks: list[validate.Validator] = [validate.Length(min=low, max=high)]
        if pattern:
            checks.append(validate.Regexp(pattern, error=message or f"Must match {pattern}."))
        else:
            kwargs["metadata"] = {"pattern": PRINTED, **kwargs.get("metadata", {})}
        super().__init__(validate=checks, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = unicodedata.normalize("NFC", super()._deserialize(value, attr, data, **kwargs)).strip()
        if not _CONTROL.isdisjoint(text):
            raise ma.ValidationError("Must not contain control characters such as NUL.")
        return text


class Flag(fields.Boolean):
    """true or false, and nothing that merely looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Whole(fields.Integer):
    """A whole number in a range; text and booleans are refused."""

    def __init__(self, *, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(
            strict=True, validate=validate.Range(min=low, max=high, error=f"Must be a whole number from {low} to {high}."), **kwargs
        )

    def _validated(self, value: Any) -> Any:
        if isinstance(value, bool | str):
            raise self.make_error("invalid", input=value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON knows one kind of number
        return super()._validated(value)


class Real(fields.Float):
    """A finite double; text and booleans are refused."""

    def _validated(self, value: Any) -> Any:
        if isinstance(value, bool | str) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        try:
            number = float(value)
        except OverflowError:
            raise self.make_error("too_large", input=value) from None
        if not math.isfinite(number):
            raise self.make_error("special")
        return number


class Seed(fields.Field[str]):
    """A seed: a whole number of 64 bits, as a number or, past what a double holds, as its decimal digits; answered as digits."""

    LARGEST = 2**64 - 1

    def __init__(self, **kwargs: Any) -> None:
        spellings: list[dict[str, Any]] = [
            {"type": "integer", "minimum": 0, "maximum": 2**53},
            {"type": "string", "pattern": r"^[0-9]{1,20}(?!\n)$"},
            *([{"type": "null"}] if kwargs.get("allow_none") else []),
        ]
        words = f"A whole number from 0 to {self.LARGEST}; as text where a double would round it."
        super().__init__(metadata={"anyOf": spellings, "description": words}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        whole = int(value) if isinstance(value, float) and value.is_integer() else value  # to JSON, 7.0 is a whole number
        text = str(whole) if isinstance(whole, int) and not isinstance(whole, bool) else whole
        if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= self.LARGEST):
            raise ma.ValidationError(f"Must be a whole number from 0 to {self.LARGEST}, or its decimal digits.")
        return str(int(text))


class Measure(fields.Field[float]):
    """A quantity: a number in its unit, or {"value": number, "unit": text} in any unit of the same dimension."""

    def __init__(self, quantity: Quantity, **kwargs: Any) -> None:
        self.quantity = quantity
        kwargs.setdefault("metadata", {"description": f"{quantity.description} {quantity.range_text}."})
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float | int:
        try:
            number = self.quantity.read(value if isinstance(value, float) else self._given(value))
        except EngineError as error:
            raise ma.ValidationError(error.message) from None
        if self.quantity.integer:
            if number != int(number):
                raise ma.ValidationError(f"Must be a whole number in the range {self.quantity.range_text}.")
            return int(number)
        return number

    @staticmethod
    def _given(value: Any) -> Any:
        return _Given().load(value) if isinstance(value, Mapping) else Real().deserialize(value)


def described(quantity: Quantity) -> dict[str, Any]:
    """The JSON schema of a quantity: a number in its unit, or {"value": number, "unit": text} in any of the same dimension."""
    low = {"exclusiveMinimum" if quantity.above else "minimum": quantity.minimum}
    number = {"type": "integer" if quantity.integer else "number", **low, "maximum": quantity.maximum}
    example = min(1.0, quantity.maximum) if quantity.default is None else quantity.default
    given = {
        "type": "object",
        "properties": {
            "value": {"type": "number", "examples": [example]},
            "unit": {"type": "string", "maxLength": 40, "examples": [quantity.unit]},
        },
        "required": ["value", "unit"],
        "additionalProperties": False,
    }
    return {"anyOf": [number, given], "x-unit": quantity.unit}


class _Given(ma.Schema):
    value = Real(required=True)
    unit = fields.String(required=True, validate=validate.Length(max=40))

    class Meta:
        unknown = ma.RAISE


class VectorField(fields.Field[dict[str, float]]):
    """A vector {"x", "y", "z"} of quantities. Absent components are filled in unless the schema is partial."""

    def __init__(self, x: Quantity, y: Quantity | None = None, z: Quantity | None = None, **kwargs: Any) -> None:
        self.inner = {"x": Measure(x), "y": Measure(y or x), "z": Measure(z or x)}
        self.nullable_components = bool(kwargs.pop("nullable_components", False))
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ma.ValidationError('Must be an object {"x": number, "y": number, "z": number}.')
        errors: dict[str, Any] = {key: ["Unknown field."] for key in value if key not in _COMPONENTS}
        found: dict[str, Any] = {} if kwargs.get("partial") else {key: self.default_of(key) for key in _COMPONENTS}
        for key in _COMPONENTS:
            if key not in value:
                continue
            if value[key] is None:
                found[key] = self.default_of(key)
                continue
            try:
                found[key] = self.inner[key].deserialize(value[key])
            except ma.ValidationError as error:
                errors[key] = error.messages
        if errors:
            raise ma.ValidationError(errors)
        return found

    def default_of(self, component: str) -> float | None:
        """What an absent or null component becomes."""
        return None if self.nullable_components else self.inner[component].quantity.default


class PageSchema(BaseSchema):
    """The query of a list."""

    limit = fields.Integer(load_default=20, validate=validate.Range(min=1, max=100))
    cursor = fields.String(validate=[validate.Length(min=1, max=2000), validate.Regexp(r"^[A-Za-z0-9_.-]+(?!\n)$")])
    page = fields.Integer(validate=validate.Range(min=1, max=1_000_000))
    per_page = fields.Integer(validate=validate.Range(min=1, max=100))
    include = fields.String(validate=validate.OneOf(["total"]))

    @ma.validates_schema
    def _one_way(self, data: dict[str, Any], **_: Any) -> None:
        if "cursor" in data and ("page" in data or "per_page" in data):
            raise ma.ValidationError("Give cursor, or page and per_page, not both.", "cursor")


class ErrorSchema(ma.Schema):
    """Every error."""

    status_code = fields.Integer(required=True, metadata={"description": "The HTTP status."})
    code = fields.String(required=True, metadata={"description": "What went wrong, for programs."})
    message = fields.String(required=True, metadata={"description": "What went wrong, for people."})
    request_id = fields.String(required=True, allow_none=True)
    errors = fields.Dict(metadata={"description": "What is wrong, by field."})
    retry_after = fields.Float(metadata={"description": "Seconds to wait before trying again."})
    state = fields.String(metadata={"description": "Of a job that has not made its result."})
    progress = fields.Float(metadata={"description": "Part of that job that is done, 0 to 1."})
    cause = fields.Dict(allow_none=True, metadata={"description": "Why that job failed."})
    current = fields.Dict(metadata={"description": "The values that others have set since."})
    skipped = fields.List(fields.String(), metadata={"description": "Of an undo, what others have changed since."})


@cache
def _instance(schema: type[ma.Schema]) -> ma.Schema:
    """One instance of a schema for all requests: it keeps nothing of what it loads, and is slow to make."""
    return schema()


class NotFinite(BadPayload):
    """A body that would be JSON but for NaN, Infinity or a number beyond the doubles; `value` is what it says."""

    def __init__(self, message: str, value: Any) -> None:
        super().__init__(message)
        self.value = value


class Parser(FlaskParser):
    """Reads requests as the rest of the service does: strict JSON, no unknown query parameters, flat errors."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": ma.RAISE}  # noqa: RUF012  webargs declares it so

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._queries: dict[tuple[Any, bytes], dict[str, Any]] = {}

    def parse(self, argmap: Any, req: Request | None = None, *, location: str | None = None, **kwargs: Any) -> Any:
        """What a request says, as its schema loads it. One text of a query has one meaning, so that of short ones is kept."""
        query = request.query_string
        if location != "query" or len(query) > _SHORT_QUERY:
            return super().parse(argmap, req, location=location, **kwargs)
        found = self._queries.get((argmap, query))
        if found is None:
            found = super().parse(argmap, req, location=location, **kwargs)
            if len(self._queries) >= _KEPT_QUERIES:
                self._queries.clear()
            self._queries[argmap, query] = found
        return dict(found)

    def _get_schema(self, argmap: Any, req: Request) -> ma.Schema:
        return _instance(argmap) if isinstance(argmap, type) else super()._get_schema(argmap, req)

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        """The JSON of a request. A number that is none is refused as the schema refuses it: by field, with range and unit."""
        try:
            return super().load_json(req, schema)
        except NotFinite as error:
            if errors := schema.validate(error.value):
                raise Invalid(errors=errors) from None
            raise

    def _raw_load_json(self, req: Request) -> Any:
        return read_json(req)

    def handle_error(self, error: ma.ValidationError, req: Request, schema: ma.Schema, **kwargs: Any) -> Any:
        """Answer our own error."""
        messages = error.messages if isinstance(error.messages, dict) else {"_schema": error.messages}
        found = next(iter(messages.values()))
        raise Invalid(errors=found if isinstance(found, dict) else {"_schema": found})


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """flask-smorest's blueprint with our parser."""

    ARGUMENTS_PARSER = Parser()


def read_json(req: Request) -> Any:
    """The JSON body of a request.

    Raises UnsupportedMediaType without a JSON content type, BadPayload for text that is not strict JSON.
    """
    kind = req.mimetype
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaType
    text = req.get_data(cache=True)
    if req.content_length is None:
        req.stream.read(1)  # a chunked body is cut at the limit; asking for more is what answers 413
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        message = f"The body is not valid JSON: {error}."
    try:
        value = json.loads(text)  # takes NaN and Infinity, and what no answer could repeat:
        orjson.dumps(value)
    except (ValueError, TypeError, RecursionError):
        raise BadPayload(message) from None
    raise NotFinite(message, value)


def uuid_or_none(text: object) -> UUID | None:
    """The UUID of some text in any spelling, or None."""
    try:
        return UUID(str(text))
    except ValueError:
        return None


def measure(group: str, name: str, **kwargs: Any) -> Measure:
    """A field for a quantity of the catalogue, with the catalogue's default unless it is nullable."""
    quantity = CATALOGUE[group][name]
    if quantity.default is None:
        kwargs.setdefault("allow_none", True)
        kwargs.setdefault("load_default", None)
    elif not kwargs.get("required"):
        kwargs.setdefault("load_default", int(quantity.default) if quantity.integer else quantity.default)
    return Measure(quantity, **kwargs)

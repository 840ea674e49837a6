"""JSON Schemas as tables for a page: one row a field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Row:
    """A field: its dotted name, what it holds, whether it must be given, and what there is to say."""

    name: str
    kind: str
    required: bool
    description: str


def rows(schema: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str = "") -> Iterator[Row]:
    """The fields of an object's schema, and those of the objects in it."""
    found = _resolved(schema, definitions)
    for name, part in found.get("properties", {}).items():
        required = name in found.get("required", ())
        inner = _inner(part, definitions)
        yield Row(prefix + name, _kind(part, definitions), required, _words(part, definitions))
        if inner is not None and prefix.count(".") < _DEEPEST:
            yield from rows(inner, definitions, f"{prefix}{name}.")


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in schema:
        found: Mapping[str, Any] = definitions[schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def _choices(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = _resolved(schema, definitions)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in found:
            return [choice for part in found[several] for choice in _choices(part, definitions)]
    return [found]


def _inner(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The object whose fields are told below a field: itself, or the items of a list."""
    for choice in _choices(schema, definitions):
        one = _resolved(choice["items"], definitions) if "items" in choice else choice
        if one.get("properties"):
            return one
    return None


def _kind(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    return " or ".join(dict.fromkeys(_one_kind(choice, definitions) for choice in _choices(schema, definitions)))


def _one_kind(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join("null" if choice is None else str(choice) for choice in schema["enum"])
    given = schema.get("type", "anything")
    kinds = given if isinstance(given, list) else [given]
    if schema.get("format"):
        kinds = [schema["format"] if kind == "string" else kind for kind in kinds]
    if "items" in schema:
        kinds = [f"list of {_kind(schema['items'], definitions)}" if kind == "array" else kind for kind in kinds]
    return " or ".join(kinds) + _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    low = schema.get("minimum", schema.get("minLength", schema.get("minItems")))
    high = schema.get("maximum", schema.get("maxLength", schema.get("maxItems")))
    if low is None and high is None:
        return ""
    unit = " characters" if "maxLength" in schema or "minLength" in schema else " items" if "maxItems" in schema else ""
    return f", {'' if low is None else low} to {'' if high is None else high}{unit}" if high is not None else f", from {low}{unit}"


def _words(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    words: str = schema.get("description") or next((c["description"] for c in _choices(schema, definitions) if "description" in c), "")
    default = f"Default {schema['default']}." if schema.get("default") not in (None, "") else ""
    return " ".join(part for part in (words, default) if part)

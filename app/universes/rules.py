"""What must hold of a universe as a whole, whoever changes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.engine.errors import EngineError
from app.engine.music.harmony import Harmony
from app.engine.music.scales import CUSTOM
from app.errors import Invalid
from app.universes.schemas import NOT_PUBLIC


def settled(fields: Mapping[str, Any], visibility: str) -> dict[str, Any]:
    """A universe's fields with what `is_public: false` means for one of this visibility."""
    found = dict(fields)
    if found.get("visibility") == NOT_PUBLIC:
        found["visibility"] = "unlisted" if visibility == "unlisted" else "private"
    return found


def harmony_in_force(harmony: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """The harmony of a scene: the universe's, with what the scene sets. A scale brings its own cents or none."""
    found = {**harmony, **override}
    if found["scale"] != CUSTOM and "scale" in override:
        found["scale_cents"] = override.get("scale_cents")
    return found


def check_harmony(harmony: Mapping[str, Any]) -> None:
    """Raises Invalid naming the field of a harmony whose fields do not fit together, such as a range upside down."""
    try:
        Harmony.read(harmony)
    except EngineError as error:
        raise Invalid(errors={"harmony": _nested(error.field, error.message)}) from None


def _nested(path: str, message: str) -> dict[str, Any]:
    errors: Any = [message]
    for key in reversed((path or "_schema").split(".")):
        errors = {key: errors}
    found: dict[str, Any] = errors
    return found

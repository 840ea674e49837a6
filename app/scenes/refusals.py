"""How the rules of scenes and their physics say no."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.engine.errors import EngineError
from app.errors import Invalid


def refused(path: str, message: str) -> Invalid:
    """The error that a field, named by its dotted path, is answered with; nested as a schema nests its own."""
    errors: Any = [message]
    for key in reversed((path or "_schema").split(".")):
        errors = {key: errors}
    return Invalid(errors=errors)


@contextmanager
def by_engine(under: str = "", cut: str = "") -> Iterator[None]:
    """Turn the engine's refusals into ours: `cut` is taken off the front of the path, and `under` set before it."""
    try:
        yield
    except EngineError as error:
        path = f"{under}.{error.field.removeprefix(cut)}".strip(".")
        raise refused(path, error.message) from None

"""Holding what a server really sends against the catalogue of events, strictly: nothing undescribed either."""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from app.collaboration.catalogue import catalogue
from app.collaboration.events import BY_NAME
from app.config import Settings


@cache
def served() -> dict[str, Any]:
    """The catalogue."""
    return catalogue("Harmonic Universe", "0", Settings())


def check_told(name: str, payload: Any) -> None:
    """AssertionError unless the server may tell this."""
    assert name in served()["server"], f"the catalogue knows no event {name}"
    _hold(("told", name), served()["server"][name]["payload"], payload)


def check_answer(name: str, answer: dict[str, Any]) -> None:
    """AssertionError unless an event may be acknowledged so."""
    if name not in BY_NAME:
        _hold(("refusal", ""), {"$ref": "#/$defs/Refusal"}, answer)
        return
    _, refusal = served()["client"][BY_NAME[name].name]["acknowledgement"]["anyOf"]
    if answer.get("ok") is not True:
        _hold(("refusal", ""), refusal, answer)
        return
    described = served()["client"][BY_NAME[name].name]["acknowledgement"]["anyOf"][0]["allOf"][1]
    _hold(("answer", BY_NAME[name].name), described, {key: value for key, value in answer.items() if key != "ok"})


_VALIDATORS: dict[tuple[str, str], Draft202012Validator] = {}


def _hold(key: tuple[str, str], schema: dict[str, Any], value: Any) -> None:
    if key not in _VALIDATORS:
        _VALIDATORS[key] = Draft202012Validator({**schema, "$defs": _closed()})
    faults = [f"{'.'.join(map(str, fault.absolute_path))}: {fault.message}" for fault in _VALIDATORS[key].iter_errors(value)]
    assert not faults, f"{key[1]} is not as the catalogue says: {faults}"


@cache
def _closed() -> dict[str, Any]:
    """The definitions, with every object closed to what they do not name."""
    return {
        name: {**schema, "additionalProperties": False} if schema.get("properties") is not None else schema
        for name, schema in served()["$defs"].items()
    }

"""What schemathesis cannot know: which ids exist, that some requests end something, and rules that no schema states."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import requests
import schemathesis

KNOWN: dict[str, dict[str, list[str]]] = json.loads(os.environ.get("FUZZ_KNOWN", "{}"))
TOKEN = os.environ.get("FUZZ_TOKEN", "")
LEAVER: dict[str, str] = json.loads(os.environ.get("FUZZ_LEAVER", "{}"))

_COLLECTIONS = {"universe": "universes", "scene": "scenes", "other_body": "bodies", "body": "bodies", "parent_body": "bodies"}
_COLLECTIONS |= {"voice": "voices", "mapping": "mappings", "user": "collaborators", "physics_parameters": "physics-parameters"}
_ENDING = re.compile(r"/(cancel|retry|transfer|restore-deleted|apply-style)$")
_LOGGING_OUT = re.compile(r"/logout(-all)?$")
_PARTS = "/(scenes|bodies|constraints|voices|mappings)"
_SETS = "/physics-parameters"
_HARMONIES = "/(universes|scenes)"
_FITTING = (
    "^(Give a quantity, or|A mapping that reads another|The type \\w+ |An? \\w+ (filter|trigger|curve|source)|A source|A rate|"
    "Only a collision|frequency_scale |Needs a min and a max|"
    "\\w+ must (not )?be (above|below)|Mappings may not|\\S+ does not vary|\\S+ is no quantity)"
)
_STATE = (304, 401, 403, 404, 409, 410, 412, 416, 429, 507)
"""Answers that tell of the present state and of who asks, not of how the request is formed."""


@dataclass(frozen=True)
class Rule:
    """What a schema cannot state: its name, where it holds, how its refusal reads, and of what kind of value."""

    name: str
    operations: str
    says: str
    of: str = ""


EXCEPTIONS = (
    Rule("the range of a quantity in another unit", "", "^Must be (in|a whole number in) the range", "quantity"),
    Rule("units and their dimensions", "", "^(Unknown unit|'.*' is a unit of another dimension)"),
    Rule("text counts trimmed", "", "^(Shorter than minimum length|Length must be between)", "text"),
    Rule("null in a merge patch alone", "^(POST|PUT)", "^(Field may not be null|Invalid input type)", "null"),
    Rule("a cursor or a page", "GET", "^Give (cursor, or page and per_page|(since|before) or cursor), not both"),
    Rule("a cursor that the service made for the list", "GET", "^(Must be a next_cursor of this list|Belongs to the order)"),
    Rule("a stretch of time, or of revisions, in order", "GET .*/(trajectory|diff)", "^Must not be before from"),
    Rule("revisions that there are", "/(versions|restore|diff|at)", "^The newest revision is"),
    Rule("links that end in the future", "POST .*/share-links", "^Must be (in a year from|in the future)"),
    Rule("the range of a ratio in text", "POST .*/convert", "^Must be in the range 1e-12 to 1e\\+12\\.$", "text"),
    Rule("one spelling of a pitch", "POST .*/convert", "^Give exactly one of hz, midi, note and ratio"),
    Rule("e-mail or username at login", "POST .*/login", "^Give email or username, one of them"),
    Rule("passwords that are easy to guess", "POST .*/register", "^(This is one of the most common|Must not be your name)"),
    Rule("the password for a new e-mail address", "(PATCH|PUT) .*/users/me", "^Is needed to change the e-mail address"),
    Rule("one way to name a person", "POST .*/collaborators", "^Give user_id, username or email, one of them"),
    Rule("what is named is there", "", "^(There is no |Is not a member|Must be a set of parameters of this universe)"),
    Rule(
        "a universe named in the query or the body",
        "POST .*/(scenes|physics-parameters)$",
        "^(Missing data for|Give universe_id or scene_id)",
    ),
    Rule("seeds of 64 bits", "", "^Must be a whole number from 0 to (2\\^64 - 1|18446744073709551615)", "text"),
    Rule("addresses that mail could reach", "", "^Must be an e-mail address", "text"),
    Rule("what a solver uses", "", "^The solver \\w+ does not use"),
    Rule("tags that differ in more than case", "/universes", "^Must not name a tag twice"),
    Rule("systems and templates in any spelling", "POST .*/from-(reference|template)", "^Must be one of "),
    Rule("an exact permutation", "POST .*/reorder", "^Must name each of the \\d+ scenes? exactly once"),
    Rule("one neighbour, and a move alone", _PARTS, "^(Give after_id or before_id, not both|A move changes nothing else)"),
    Rule("bounds with room between", _SETS, "^Must be above the minimum of"),
    Rule("what a tuning has", "/(universes|scenes|tunings)", "^Only \\w+ tuning has "),
    Rule(
        "degrees of a custom tuning, rising, or Scala files",
        "/(universes|scenes|tunings)",
        "^(Give degrees or scl|A keyboard mapping goes with scl|Degree \\d+ (is|must be))",
    ),
    Rule("Scala files", "/(universes|scenes|tunings)", "^(Line \\d+: |The formal octave |The lowest degree |The map has )"),
    Rule("a style that suits the scene", "POST .*/apply-style", "^\\w+ (is for scenes of the solver|does not fit this scene)"),
    Rule("cents of a custom scale alone, and rising", _HARMONIES, "^(Only the scale custom|Must be 1 to 72 cents that start at 0)"),
    Rule("the range of a keyframe's own parameter", "/scenes", "^Must be in the range", "keyframe"),
    Rule("the parameters of a voice's own instrument", "/voices", "^(\\w+ has no such parameter|Must be)", "parameter"),
    Rule("a material's preset or numbers", "/bodies", "^Give a preset"),
    Rule(
        "what a shape or kind of resonator has", "/bodies", "^(A \\w+ (has none|needs)|Must be one of .* for a \\w+\\.|The vertices must)"
    ),
    Rule("orbits by period or axis, and their parents", "/bodies", "^(An orbit|Must be another body)"),
    Rule(
        "what a kind of constraint has and joins",
        "/constraints",
        "^(A \\w+ (has none|needs)|Needs another body, or an anchor|Must be another body)",
    ),
    Rule("bytes that are a sound", "POST .*/materials", "^Must be a WAV \\(RIFF\\) or FLAC file|^The file ends after"),
    Rule("what a format of sound files holds", "POST .*/(generate|render)", "^(WAV|FLAC|MP3) holds "),
    Rule(
        "scenes that can follow each other", "POST .*/render", "^(There must be a scene|Must be at most .* crossfade|All scenes together)"
    ),
    Rule("points of a lane in order, and lanes apart", "/voices", "^(Must be after the point before|There may be one lane for each)"),
    Rule("the range of a lane's own target", "/voices", "^Must be in the range", "point"),
    Rule("how the parts of a mapping fit together", "/mappings", _FITTING),
)


@schemathesis.auth(refresh_interval=None)
class Bearer:
    """The actor's token, for a request that ends a session that of a session for it; nobody has none, and gets none."""

    def get(self, case: Any, context: Any) -> str:
        return _fresh_token() if TOKEN and _LOGGING_OUT.search(case.path) else TOKEN

    def set(self, case: Any, data: str, context: Any) -> None:
        if data:
            case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Aim most requests at things that exist: those that end something at spare ones."""
    spare = case.method.upper() == "DELETE" or bool(_ENDING.search(case.path))
    for name, value in (case.path_parameters or {}).items():
        collection = re.sub(r"^(universe|scene)$", r"\1s", case.path.partition("{" + name + "}")[0].rstrip("/").rpartition("/")[2])
        case.path_parameters[name] = _aimed(collection, value, spare)
    for container in (case.query, case.body):
        if isinstance(container, dict):
            for name, value in container.items():
                if name.endswith("_id"):
                    container[name] = _aimed(_COLLECTIONS.get(name.removesuffix("_id"), ""), value, spare)
    if case.method.upper() == "POST" and case.path.endswith(("/simulate", "/score", "/suggest")):
        case.headers["Prefer"] = ", ".join(filter(None, (str(case.headers.get("Prefer", "")), "wait=0")))  # nobody does the work


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether a failure is one: a well-formed request may meet a state that forbids it, or a rule that no schema states."""
    if type(failure).__name__ == "AcceptedNegativeData":
        return not 400 <= response.status_code < 500  # refused for another reason, such as 410
    if type(failure).__name__ != "RejectedPositiveData":
        return True
    answer = response.json() if response.status_code == 422 else {}
    if response.status_code in _STATE or answer.get("code") == "OP_ID_REUSED":
        return False
    found = list(_leaves(answer.get("errors", {}), case.body))
    return not found or not all(_excepted(f"{case.method.upper()} {case.path}", *leaf) for leaf in found)


def _excepted(operation: str, text: str, given: Any, place: tuple[str, ...]) -> bool:
    kinds = {"", "text" if isinstance(given, str) else "", "null" if given is None else ""}
    if isinstance(given, dict) and given.keys() == {"value", "unit"}:
        kinds.add("quantity")
    kinds |= {kind for kind in ("keyframe", "parameter", "point") if f"{kind}s" in place}
    return any(rule.of in kinds and re.search(rule.operations, operation) and re.search(rule.says, text) for rule in EXCEPTIONS)


def _aimed(collection: str, value: Any, spare: bool) -> Any:
    ids = KNOWN.get(collection, {}).get("spare" if spare else "stay", [])
    draw = zlib.crc32(str(value).encode())
    return ids[draw // 10 % len(ids)] if ids and _is_uuid(value) and draw % 10 < 8 else value


def _is_uuid(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


def _leaves(errors: Any, given: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Every message of an error's `errors`, with the value that was given there, and where that is."""
    if isinstance(errors, dict):
        for key, one in errors.items():
            inner = given.get(key) if isinstance(given, dict) else given if key == "_schema" else None
            if isinstance(given, list) and key.isdigit() and int(key) < len(given):
                inner = given[int(key)]
            yield from _leaves(one, inner, (*place, key))
    else:
        yield from ((str(one), given, place) for one in (errors if isinstance(errors, list) else [errors]))


def _fresh_token() -> str:
    body = {"username": LEAVER["username"], "password": LEAVER["password"]}
    return str(requests.post(LEAVER["url"] + "/auth/login", json=body, timeout=30).json().get("access_token", ""))

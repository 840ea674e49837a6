"""What is made from a stored score when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import orjson
from flask import Response

from app.audio import service, tasks
from app.audio.artefacts import Artefact
from app.audio.routes.answers import file_name, made, send
from app.engine.music.midi import write_midi
from app.engine.music.picture import svg
from app.engine.music.score import Score as Notes
from app.extensions import db, offload

T = TypeVar("T")
Kept = tuple[type[Artefact], UUID]
"""The kind and id of what keeps a score: a score, or a render of all scenes."""

_KIND = "audio/midi"


def midi_file(kept: Kept, score_hash: str, name: str, microtones: str) -> Response:
    """The MIDI file of a finished score: the stored one with pitch bends, or one made now."""
    called = file_name(name, ".mid")
    if microtones == "bend":
        return send(service.path_of(*kept, tasks.MIDI), kind=_KIND, name=called, etag=f"{score_hash}.mid")
    return made(lambda: _midi(kept, microtones)[0], kind=_KIND, name=called, etag=f"{score_hash}.{microtones}.mid")


def midi_report(kept: Kept, microtones: str) -> dict[str, Any]:
    """What that file keeps."""
    return _midi(kept, microtones)[1]


def score_picture(kept: Kept, score_hash: str, name: str) -> Response:
    """A finished score as a piano roll."""
    return made(lambda: of_score(kept, svg).encode(), kind="image/svg+xml", name=file_name(name, " score.svg"), etag=f"{score_hash}.svg")


def of_score(kept: Kept, make: Callable[[Notes], T]) -> T:
    """What is made of the notes of a finished score, without holding up other requests. Raises NotFound."""
    path = service.path_of(*kept, tasks.NOTES)
    db.session.rollback()  # nothing is held while it is made
    return offload(lambda: make(Notes.from_document(orjson.loads(path.read_bytes()))))


def _midi(kept: Kept, microtones: str) -> tuple[bytes, dict[str, Any]]:
    return of_score(kept, lambda score: write_midi(score, microtones))

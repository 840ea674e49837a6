"""What is made from a stored score when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import orjson
from flask import Response

from app.audio import service, tasks
from app.audio.models import Score
from app.audio.routes.answers import file_name, made, send
from app.engine.music.midi import write_midi
from app.engine.music.picture import svg
from app.engine.music.score import Score as Notes
from app.extensions import db, offload

T = TypeVar("T")

_KIND = "audio/midi"


def midi_file(score_id: UUID, score_hash: str, name: str, microtones: str) -> Response:
    """The MIDI file of a finished score: the stored one with pitch bends, or one made now."""
    called = file_name(name, ".mid")
    if microtones == "bend":
        return send(service.path_of(Score, score_id, tasks.MIDI), kind=_KIND, name=called, etag=f"{score_hash}.mid")
    return made(lambda: _midi(score_id, microtones)[0], kind=_KIND, name=called, etag=f"{score_hash}.{microtones}.mid")


def midi_report(score_id: UUID, microtones: str) -> dict[str, Any]:
    """What that file keeps."""
    return _midi(score_id, microtones)[1]


def score_picture(score_id: UUID, score_hash: str, name: str) -> Response:
    """A finished score as a piano roll."""
    return made(
        lambda: of_score(score_id, svg).encode(), kind="image/svg+xml", name=file_name(name, " score.svg"), etag=f"{score_hash}.svg"
    )


def of_score(score_id: UUID, make: Callable[[Notes], T]) -> T:
    """What is made of the notes of a finished score, without holding up other requests. Raises NotFound."""
    path = service.path_of(Score, score_id, tasks.NOTES)
    db.session.rollback()  # nothing is held while it is made
    return offload(lambda: make(Notes.from_document(orjson.loads(path.read_bytes()))))


def _midi(score_id: UUID, microtones: str) -> tuple[bytes, dict[str, Any]]:
    return of_score(score_id, lambda score: write_midi(score, microtones))

"""Renders over HTTP: asking for them, listing them, and their files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from flask import Response, current_app, jsonify, request, url_for
from marshmallow import fields, validate

from app.audio import artefacts, service, tasks
from app.audio.models import AudioRender, Score
from app.audio.routes.answers import STARTING, file_name, made, send, start, when_started
from app.audio.routes.scores import Kept, midi_file, midi_report, score_picture
from app.audio.schemas import (
    FileQuerySchema,
    LinkSchema,
    MidiQuerySchema,
    MidiReportSchema,
    NameSchema,
    PictureQuerySchema,
    RenderOrderSchema,
    RenderReportSchema,
    RenderSchema,
    RowsSchema,
    SpectrogramQuerySchema,
    StartedRenderSchema,
    StemsSchema,
    TableQuerySchema,
    WaveformQuerySchema,
    WaveformSchema,
)
from app.auth.tokens import current_actor, guard
from app.database import now, timestamp
from app.engine.audio.files import FORMATS
from app.engine.audio.picture import spectrogram, waveform
from app.errors import NotFound
from app.extensions import db, offload
from app.jobs.models import STATES
from app.pages import page_schema, query_of
from app.schemas import Blueprint

bp = Blueprint("audio", __name__, url_prefix="/audio", description="Renders of scenes: sound files, MIDI files and tables.")

_FILTERS: dict[str, fields.Field[Any]] = {
    "universe_id": fields.UUID(),
    "scene_id": fields.UUID(),
    "status": fields.String(validate=validate.OneOf(STATES)),
}
_Query = query_of(service.RENDERS, **_FILTERS)
_Page = page_schema(RenderSchema)
_BINARY = {"type": "string", "format": "binary"}
_RANGE = {"in": "header", "name": "Range", "schema": {"type": "string"}, "description": "One range of bytes."}


@bp.post("/generate")
@bp.doc(operationId="generateAudio", parameters=STARTING)
@guard()
@bp.arguments(RenderOrderSchema)
@bp.response(201, StartedRenderSchema, description="The work has ended; `status` says how.")
@bp.alt_response(202, schema=StartedRenderSchema, success=True, description="The work goes on; Location is its job.")
@bp.alt_response(410, response="GONE")
def generate(order: dict[str, Any]) -> Response:
    """Render a scene to a sound file."""
    started = start(service.generate, order)
    place = url_for(".get_audio", audio_id=started.id)
    return when_started(started, "audio", lambda: service.read(AudioRender, current_actor(), started.id), place)


@bp.get("")
@bp.doc(operationId="listAudio")
@guard(optional=True)
@bp.arguments(_Query, location="query")
@bp.response(200, _Page)
def list_audio(query: dict[str, Any]) -> dict[str, Any]:
    """Your renders, or with `universe_id` or `scene_id` all that you may see of it; the newest first."""
    return _page(query)


@bp.get("/tracks")
@bp.doc(operationId="listTracks")
@guard(optional=True)
@bp.arguments(_Query, location="query")
@bp.response(200, _Page)
def list_tracks(query: dict[str, Any]) -> dict[str, Any]:
    """The same list by its older name."""
    return _page(query)


@bp.get("/<uuid:audio_id>")
@bp.doc(operationId="getAudio")
@guard(optional=True)
@bp.response(200, RenderSchema)
@bp.alt_response(304, success=True)
def get_audio(audio_id: UUID) -> Response:
    """A render: how it is, and what was measured in its file."""
    return _tagged(service.read(AudioRender, current_actor(), audio_id))


@bp.patch("/<uuid:audio_id>")
@bp.doc(operationId="renameAudio")
@guard()
@bp.arguments(NameSchema)
@bp.response(200, RenderSchema)
@bp.alt_response(410, response="GONE")
def rename_audio(given: dict[str, Any], audio_id: UUID) -> Response:
    """Give a render another name."""
    return _tagged(service.rename(current_actor(), audio_id, given["name"]))


@bp.delete("/<uuid:audio_id>")
@bp.doc(operationId="deleteAudio")
@guard()
@bp.response(204)
def delete_audio(audio_id: UUID) -> None:
    """Delete a render and its file; one that is being made is cancelled."""
    service.delete(current_actor(), audio_id)


@bp.get("/<uuid:audio_id>/file")
@bp.doc(operationId="getAudioFile", parameters=[_RANGE])
@guard(optional=True)
@bp.arguments(FileQuerySchema, location="query")
@bp.response(200, _BINARY, content_type="audio/*", description="The sound file.")
@bp.alt_response(409, response="CONFLICT")
@bp.alt_response(206, schema=_BINARY, content_type="audio/*", success=True, description="A part of the sound file.")
@bp.alt_response(304, success=True)
def get_file(query: dict[str, Any], audio_id: UUID) -> Response:
    """The sound file, whole or a range of it; a signed link needs no token."""
    link = query.get("link")
    row = service.signed_row(audio_id, link) if link else service.row_of(AudioRender, current_actor(), audio_id)
    kind = FORMATS[row.format]
    path = service.file_of(AudioRender, row, tasks.sound_name(row.format))
    return send(path, kind=kind.media_type, name=file_name(row.name, kind.extension), etag=row.sha256, sha256=row.sha256)


@bp.post("/<uuid:audio_id>/link")
@bp.doc(operationId="linkAudioFile")
@guard(optional=True)
@bp.response(200, LinkSchema)
@bp.alt_response(409, response="CONFLICT")
def link_file(audio_id: UUID) -> dict[str, Any]:
    """A link that opens the file for a while without a token, for a browser's player."""
    row = service.row_of(AudioRender, current_actor(), audio_id)
    service.file_of(AudioRender, row, tasks.sound_name(row.format))
    settings = current_app.config["SETTINGS"]
    place = url_for(".get_file", audio_id=audio_id, link=service.sign(audio_id))
    root = (settings.public_url or request.host_url).rstrip("/")
    return {"url": root + place, "expires_at": timestamp(now() + timedelta(seconds=settings.link_seconds))}


@bp.get("/<uuid:audio_id>/score")
@bp.doc(operationId="getAudioScore")
@guard(optional=True)
@bp.response(200, {"type": "object"}, description="The notes and where each comes from.")
@bp.alt_response(409, response="CONFLICT")
@bp.alt_response(304, success=True)
def get_score(audio_id: UUID) -> Response:
    """The score that was rendered: notes with their times, pitches and the physics they came from."""
    return _of_score(audio_id, tasks.NOTES, "application/json", ".json")


@bp.get("/<uuid:audio_id>/midi")
@bp.doc(operationId="getAudioMidi")
@guard(optional=True)
@bp.arguments(MidiQuerySchema, location="query")
@bp.response(200, _BINARY, content_type="audio/midi", description="A Standard MIDI File.")
@bp.alt_response(409, response="CONFLICT")
@bp.alt_response(304, success=True)
def get_midi(query: dict[str, str], audio_id: UUID) -> Response:
    """The score as a MIDI file; `microtones` says how it keeps them."""
    row = _finished(audio_id)
    return midi_file(_kept(row), row.score_hash, row.name, query["microtones"])


@bp.get("/<uuid:audio_id>/midi/report")
@bp.doc(operationId="getAudioMidiReport")
@guard(optional=True)
@bp.arguments(MidiQuerySchema, location="query")
@bp.response(200, MidiReportSchema)
@bp.alt_response(409, response="CONFLICT")
def get_midi_report(query: dict[str, str], audio_id: UUID) -> dict[str, Any]:
    """What the MIDI file keeps, and note by note what it cannot keep."""
    return midi_report(_kept(_finished(audio_id)), query["microtones"])


@bp.get("/<uuid:audio_id>/events.csv")
@bp.doc(operationId="getAudioTable")
@guard(optional=True)
@bp.response(200, {"type": "string"}, content_type="text/csv", description="One line a note.")
@bp.alt_response(409, response="CONFLICT")
@bp.alt_response(304, success=True)
def get_table(audio_id: UUID) -> Response:
    """The notes as a table: one line each."""
    return _of_score(audio_id, tasks.TABLE, "text/csv", ".csv")


@bp.get("/<uuid:audio_id>/events")
@bp.doc(operationId="getAudioEvents")
@guard(optional=True)
@bp.arguments(TableQuerySchema, location="query")
@bp.response(200, RowsSchema)
@bp.alt_response(200, schema={"type": "string"}, content_type="text/csv", success=True)
@bp.alt_response(409, response="CONFLICT")
@bp.alt_response(304, success=True)
def get_events(query: dict[str, Any], audio_id: UUID) -> Response:
    """The notes as JSON, or with `format=csv` as a table."""
    if query["format"] == "csv":
        return _of_score(audio_id, tasks.TABLE, "text/csv", ".csv")
    path, _ = _score_file(audio_id, tasks.NOTES)
    return jsonify({"items": orjson.loads(path.read_bytes())["notes"]})


@bp.get("/<uuid:audio_id>/report")
@bp.doc(operationId="getAudioReport")
@guard(optional=True)
@bp.response(200, RenderReportSchema, description="What was measured in the file, and how it agrees with the score.")
@bp.alt_response(409, response="CONFLICT")
def get_report(audio_id: UUID) -> Response:
    """What was measured in the finished file."""
    row = service.row_of(AudioRender, current_actor(), audio_id, AudioRender.report)
    service.check_finished(row)
    return jsonify(row.report)


@bp.get("/<uuid:audio_id>/stems")
@bp.doc(operationId="listAudioStems")
@guard(optional=True)
@bp.response(200, StemsSchema)
@bp.alt_response(409, response="CONFLICT")
def list_stems(audio_id: UUID) -> dict[str, Any]:
    """The files of the single voices, when the render was asked for with stems."""
    _, stems = _stems(audio_id)
    return {"items": [{**stem, "url": url_for(".get_stem", audio_id=audio_id, voice_id=stem["voice_id"])} for stem in stems]}


@bp.get("/<uuid:audio_id>/stems/<voice_id>")
@bp.doc(operationId="getAudioStem", parameters=[_RANGE])
@guard(optional=True)
@bp.response(200, _BINARY, content_type="audio/wav", description="The voice alone, in 32-bit floats.")
@bp.alt_response(206, schema=_BINARY, content_type="audio/wav", success=True, description="A part of it.")
@bp.alt_response(304, success=True)
@bp.alt_response(409, response="CONFLICT")
def get_stem(audio_id: UUID, voice_id: str) -> Response:
    """One voice alone as it goes into the mix, before loudness, limiter and dither; all of them add up to it."""
    row, stems = _stems(audio_id)
    stem = next((stem for stem in stems if stem["voice_id"] == voice_id), None)
    if stem is None:
        raise NotFound
    path = service.file_of(AudioRender, row, stem["file"])
    name = file_name(f"{row.name} - {stem['name'] or voice_id}", ".wav")
    return send(path, kind="audio/wav", name=name, etag=stem["sha256"], sha256=stem["sha256"])


@bp.get("/<uuid:audio_id>/waveform")
@bp.doc(operationId="getAudioWaveform")
@guard(optional=True)
@bp.arguments(WaveformQuerySchema, location="query")
@bp.response(200, WaveformSchema)
@bp.alt_response(409, response="CONFLICT")
def get_waveform(query: dict[str, Any], audio_id: UUID) -> dict[str, Any]:
    """Peaks to draw the sound by."""
    row = service.row_of(AudioRender, current_actor(), audio_id)
    return artefacts.fewer_peaks(orjson.loads(service.file_of(AudioRender, row, tasks.PEAKS).read_bytes()), query["points"])


@bp.get("/<uuid:audio_id>/waveform.png")
@bp.doc(operationId="drawAudioWaveform")
@guard(optional=True)
@bp.arguments(PictureQuerySchema, location="query")
@bp.response(200, _BINARY, content_type="image/png", description="A picture of the waveform.")
@bp.alt_response(409, response="CONFLICT")
@bp.alt_response(304, success=True)
def draw_waveform(query: dict[str, int], audio_id: UUID) -> Response:
    """The sound as a picture of its waveform."""
    row = _finished(audio_id)
    path = service.path_of(AudioRender, audio_id, tasks.PEAKS)
    size = query["width"], query["height"]
    return _drawn(row, lambda: waveform(orjson.loads(path.read_bytes()), *size), "waveform", size)


@bp.get("/<uuid:audio_id>/spectrogram.png")
@bp.doc(operationId="drawAudioSpectrogram")
@guard(optional=True)
@bp.arguments(SpectrogramQuerySchema, location="query")
@bp.response(200, _BINARY, content_type="image/png", description="A spectrogram.")
@bp.alt_response(409, response="CONFLICT")
@bp.alt_response(304, success=True)
def draw_spectrogram(query: dict[str, Any], audio_id: UUID) -> Response:
    """The sound as a picture of its spectrum over time."""
    row = _finished(audio_id)
    path = service.path_of(AudioRender, audio_id, tasks.sound_name(row.format))
    how = query["width"], query["height"], query["scale"], query["floor_db"]
    return _drawn(row, lambda: spectrogram(path, *how), "spectrogram", how)


@bp.get("/<uuid:audio_id>/score.svg")
@bp.doc(operationId="drawAudioScore")
@guard(optional=True)
@bp.response(200, {"type": "string"}, content_type="image/svg+xml", description="A piano roll.")
@bp.alt_response(409, response="CONFLICT")
@bp.alt_response(304, success=True)
def draw_score(audio_id: UUID) -> Response:
    """The score as a picture: a piano roll with every note at its exact pitch."""
    row = _finished(audio_id)
    return score_picture(_kept(row), row.score_hash, row.name)


def _drawn(row: Any, draw: Callable[[], bytes], what: str, how: tuple[Any, ...]) -> Response:
    """A picture of a sound, drawn without holding up other requests."""
    db.session.rollback()  # nothing is held while it is drawn
    tag = "-".join(map(str, (row.sha256, what, *how)))
    return made(lambda: offload(draw), kind="image/png", name=file_name(row.name, f" {what}.png"), etag=tag)


def _stems(audio_id: UUID) -> tuple[Any, list[dict[str, Any]]]:
    row = service.row_of(AudioRender, current_actor(), audio_id)
    service.check_finished(row)
    return row, orjson.loads(service.file_of(AudioRender, row, tasks.STEMS).read_bytes()) if row.stems else []


def _page(query: dict[str, Any]) -> dict[str, Any]:
    page = service.listed(current_actor(), query).page(query)
    return page.answer([artefacts.render_json(row) for row in page.rows])


def _tagged(found: dict[str, Any]) -> Response:
    response = jsonify(found)
    response.add_etag()
    response.make_conditional(request)
    return response


def _of_score(audio_id: UUID, name: str, kind: str, extension: str) -> Response:
    path, row = _score_file(audio_id, name)
    return send(path, kind=kind, name=file_name(row.name, extension), etag=f"{row.score_hash}{extension}")


def _score_file(audio_id: UUID, name: str) -> tuple[Any, Any]:
    row = _finished(audio_id)
    return service.path_of(*_kept(row), name), row


def _kept(row: Any) -> Kept:
    """Where the score of a render is: a piece of all scenes keeps its own."""
    return (AudioRender, row.id) if row.scene_id is None else (Score, row.score_id)


def _finished(audio_id: UUID) -> Any:
    row = service.row_of(AudioRender, current_actor(), audio_id)
    service.check_finished(row)
    return row

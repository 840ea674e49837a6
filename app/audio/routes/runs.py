"""Simulations and scores over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import orjson
from flask import Response, jsonify, request, url_for

from app.audio import service, tables, tasks
from app.audio.models import AudioRender, Score, Simulation, Suggestions
from app.audio.routes.answers import STARTING, beside, file_name, send, start, when_started
from app.audio.routes.scores import midi_file, midi_report, score_picture
from app.audio.schemas import (
    ConservationSchema,
    MidiQuerySchema,
    MidiReportSchema,
    PieceOrderSchema,
    RowsSchema,
    RunOrderSchema,
    ScoreSchema,
    SimulationSchema,
    StartedRenderSchema,
    StartedScoreSchema,
    StartedSimulationSchema,
    StartedSuggestionsSchema,
    SuggestionsSchema,
    SuggestOrderSchema,
    TrajectoryQuerySchema,
    TrajectorySchema,
)
from app.auth.tokens import current_actor, guard
from app.engine.physics.picture import svg
from app.engine.physics.scene import Scene
from app.schemas import Blueprint

bp = Blueprint("simulations", __name__, description="Runs of scenes, and the scores written from them.")

_SMALL_WAIT_S = 5.0


@bp.post("/scenes/<uuid:scene_id>/simulate")
@bp.doc(operationId="simulateScene", parameters=STARTING)
@guard()
@bp.arguments(RunOrderSchema)
@bp.response(201, StartedSimulationSchema, description="The work has ended; `status` says how.")
@bp.alt_response(202, schema=StartedSimulationSchema, success=True, description="The work goes on; Location is its job.")
@bp.alt_response(410, response="GONE")
def simulate(order: dict[str, Any], scene_id: UUID) -> Response:
    """Run a scene. Small runs end within the request."""
    started = start(service.simulate, {**order, "scene_id": scene_id})
    place = url_for(".get_simulation", simulation_id=started.id)
    return when_started(started, "simulation", lambda: service.read(Simulation, current_actor(), started.id), place, _SMALL_WAIT_S)


@bp.post("/scenes/<uuid:scene_id>/score")
@bp.doc(operationId="scoreScene", parameters=STARTING)
@guard()
@bp.arguments(RunOrderSchema)
@bp.response(201, StartedScoreSchema, description="The work has ended; `status` says how.")
@bp.alt_response(202, schema=StartedScoreSchema, success=True, description="The work goes on; Location is its job.")
@bp.alt_response(410, response="GONE")
def write_score(order: dict[str, Any], scene_id: UUID) -> Response:
    """Write the notes of a scene, without rendering them."""
    started = start(service.write_score, {**order, "scene_id": scene_id})
    place = url_for(".get_score", score_id=started.id)
    return when_started(started, "score", lambda: service.read(Score, current_actor(), started.id), place, _SMALL_WAIT_S)


@bp.post("/scenes/<uuid:scene_id>/suggest")
@bp.doc(operationId="suggestChanges", parameters=STARTING)
@guard()
@bp.arguments(SuggestOrderSchema)
@bp.response(201, StartedSuggestionsSchema, description="The work has ended; `status` says how.")
@bp.alt_response(202, schema=StartedSuggestionsSchema, success=True, description="The work goes on; Location is its job.")
@bp.alt_response(410, response="GONE")
def suggest(order: dict[str, Any], scene_id: UUID) -> Response:
    """Find changes that make a scene more consonant, each a merge patch to send. Nothing is changed."""
    started = start(service.suggest, {**order, "scene_id": scene_id})
    place = url_for(".get_suggestions", suggestions_id=started.id)
    return when_started(started, "suggestions", lambda: service.read(Suggestions, current_actor(), started.id), place, _SMALL_WAIT_S)


@bp.get("/suggestions/<uuid:suggestions_id>")
@bp.doc(operationId="getSuggestions")
@guard(optional=True)
@bp.response(200, SuggestionsSchema)
def get_suggestions(suggestions_id: UUID) -> Response:
    """What would make a scene more consonant, the best first."""
    return jsonify(service.read(Suggestions, current_actor(), suggestions_id))


@bp.post("/universes/<uuid:universe_id>/render")
@bp.doc(operationId="renderUniverse", parameters=STARTING)
@guard()
@bp.arguments(PieceOrderSchema)
@bp.response(201, StartedRenderSchema, description="The work has ended; `status` says how.")
@bp.alt_response(202, schema=StartedRenderSchema, success=True, description="The work goes on; Location is its job.")
@bp.alt_response(410, response="GONE")
def render_universe(order: dict[str, Any], universe_id: UUID) -> Response:
    """Render all scenes in order to one sound file, each beginning as its `transition` says."""
    started = start(service.generate_piece, {**order, "universe_id": universe_id})
    place = url_for(beside("audio.get_audio"), audio_id=started.id)
    return when_started(started, "audio", lambda: service.read(AudioRender, current_actor(), started.id), place)


@bp.get("/simulations/<uuid:simulation_id>")
@bp.doc(operationId="getSimulation")
@guard(optional=True)
@bp.response(200, SimulationSchema)
def get_simulation(simulation_id: UUID) -> Response:
    """A simulation and how far it is from the truth."""
    return jsonify(service.read(Simulation, current_actor(), simulation_id))


@bp.get("/simulations/<uuid:simulation_id>/trajectory")
@bp.doc(operationId="getTrajectory")
@guard(optional=True)
@bp.arguments(TrajectoryQuerySchema, location="query")
@bp.response(200, TrajectorySchema)
@bp.alt_response(200, schema={"type": "string"}, content_type="text/csv", success=True)
@bp.alt_response(200, schema={"type": "string", "format": "binary"}, content_type="application/octet-stream", success=True)
@bp.alt_response(200, schema={"type": "string"}, content_type="image/svg+xml", success=True)
@bp.alt_response(409, response="CONFLICT")
def get_trajectory(query: dict[str, Any], simulation_id: UUID) -> Response:
    """Where every body is at evenly spaced times; `format` csv as a table, npy for NumPy, svg as a picture of the paths."""
    row = service.row_of(Simulation, current_actor(), simulation_id, Simulation.snapshot)
    with np.load(service.file_of(Simulation, row, tasks.TRAJECTORY)) as stored:
        columns = tables.between({name: stored[name] for name in stored.files}, query.get("from_", -np.inf), query.get("to", np.inf))
    match query["format"]:
        case "csv":
            return _attached(tables.trajectory(columns), "text/csv; charset=utf-8", f"{simulation_id}.csv")
        case "npy":
            return _attached(tables.npy(columns), "application/octet-stream", f"{simulation_id}.npy")
        case "svg":
            colors = {body["id"]: body["color"] for body in row.snapshot["bodies"] if "color" in body}
            return _attached(svg(Scene.from_snapshot(row.snapshot), columns["positions"], colors), "image/svg+xml", f"{simulation_id}.svg")
    found = {**columns, "body_ids": columns["body_ids"].tolist()}
    return Response(orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY), content_type="application/json")


@bp.get("/simulations/<uuid:simulation_id>/events")
@bp.doc(operationId="getSimulationEvents")
@guard(optional=True)
@bp.response(200, RowsSchema)
@bp.alt_response(409, response="CONFLICT")
def get_events(simulation_id: UUID) -> Response:
    """What happened, exactly when."""
    row = service.row_of(Simulation, current_actor(), simulation_id)
    events = service.file_of(Simulation, row, tasks.EVENTS).read_bytes()
    return Response(b'{"items":' + events + b"}", content_type="application/json")


@bp.get("/simulations/<uuid:simulation_id>/conservation")
@bp.doc(operationId="getConservation")
@guard(optional=True)
@bp.response(200, ConservationSchema)
@bp.alt_response(409, response="CONFLICT")
def get_conservation(simulation_id: UUID) -> Response:
    """What was conserved and how well, and where a textbook's answer is known, how close the run is to it."""
    row = service.row_of(Simulation, current_actor(), simulation_id)
    service.check_finished(row)
    return jsonify({name: getattr(row, name) for name in ("conservation", "closed_form", "warnings")})


@bp.get("/scores/<uuid:score_id>")
@bp.doc(operationId="getScore")
@guard(optional=True)
@bp.response(200, ScoreSchema)
def get_score(score_id: UUID) -> Response:
    """A score, without its notes."""
    return jsonify(service.read(Score, current_actor(), score_id))


@bp.get("/scores/<uuid:score_id>/notes")
@bp.doc(operationId="getScoreNotes")
@guard(optional=True)
@bp.response(200, {"type": "object"}, description="The notes and where each comes from.")
@bp.alt_response(409, response="CONFLICT")
@bp.alt_response(304, success=True)
def get_notes(score_id: UUID) -> Response:
    """The notes of a score."""
    return _file(score_id, tasks.NOTES, "application/json", ".json")


@bp.get("/scores/<uuid:score_id>/midi")
@bp.doc(operationId="getScoreMidi")
@guard(optional=True)
@bp.arguments(MidiQuerySchema, location="query")
@bp.response(200, {"type": "string", "format": "binary"}, content_type="audio/midi", description="A Standard MIDI File.")
@bp.alt_response(409, response="CONFLICT")
@bp.alt_response(304, success=True)
def get_midi(query: dict[str, str], score_id: UUID) -> Response:
    """A score as a MIDI file; `microtones` says how it keeps them."""
    row = _finished(score_id)
    return midi_file((Score, score_id), row.score_hash, "score", query["microtones"])


@bp.get("/scores/<uuid:score_id>/midi/report")
@bp.doc(operationId="getScoreMidiReport")
@guard(optional=True)
@bp.arguments(MidiQuerySchema, location="query")
@bp.response(200, MidiReportSchema)
@bp.alt_response(409, response="CONFLICT")
def get_midi_report(query: dict[str, str], score_id: UUID) -> dict[str, Any]:
    """What the MIDI file of a score keeps, and note by note what it cannot keep."""
    _finished(score_id)
    return midi_report((Score, score_id), query["microtones"])


@bp.get("/scores/<uuid:score_id>/score.svg")
@bp.doc(operationId="drawScore")
@guard(optional=True)
@bp.response(200, {"type": "string"}, content_type="image/svg+xml", description="A piano roll.")
@bp.alt_response(409, response="CONFLICT")
@bp.alt_response(304, success=True)
def draw_score(score_id: UUID) -> Response:
    """A score as a picture: a piano roll with every note at its exact pitch."""
    return score_picture((Score, score_id), _finished(score_id).score_hash, "score")


@bp.get("/scores/<uuid:score_id>/events.csv")
@bp.doc(operationId="getScoreTable")
@guard(optional=True)
@bp.response(200, {"type": "string"}, content_type="text/csv", description="One line a note.")
@bp.alt_response(409, response="CONFLICT")
@bp.alt_response(304, success=True)
def get_table(score_id: UUID) -> Response:
    """The notes of a score as a table."""
    return _file(score_id, tasks.TABLE, "text/csv", ".csv")


def _file(score_id: UUID, name: str, kind: str, extension: str) -> Response:
    row = _finished(score_id)
    return send(service.path_of(Score, score_id, name), kind=kind, name=file_name("score", extension), etag=f"{row.score_hash}{extension}")


def _finished(score_id: UUID) -> Any:
    row = service.row_of(Score, current_actor(), score_id)
    service.check_finished(row)
    return row


def _attached(content: Any, content_type: str, name: str) -> Response:
    response = Response(content, content_type=content_type)
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.make_conditional(request)
    return response

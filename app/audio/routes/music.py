"""What can sound: instruments, scales, tunings, and the spellings of a pitch."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from flask import Response

from app.audio.schemas import PitchSchema, RowsSchema, ScalaFilesSchema, ScalaSchema, SpelledPitchSchema, StylesSchema, TuningQuerySchema
from app.auth.tokens import guard
from app.engine.audio import instruments
from app.engine.audio.rooms import ROOMS
from app.engine.music import scala
from app.engine.music.pitch import convert
from app.engine.music.scales import SCALES
from app.engine.music.tunings import CUSTOM, TUNINGS, degree_cents, degrees_of, read_degrees
from app.errors import NotFound
from app.reference import styles
from app.schemas import Blueprint
from app.universes.schemas import TuningSchema

bp = Blueprint("music", __name__, url_prefix="/audio", description="Instruments, scales, tunings and pitches.")


@bp.get("/instruments")
@bp.doc(operationId="listInstruments")
@guard(optional=True)
@bp.response(200, RowsSchema)
def list_instruments() -> dict[str, Any]:
    """Every instrument with its parameters."""
    return {"items": instruments.describe()}


@bp.get("/rooms")
@bp.doc(operationId="listRooms")
@guard(optional=True)
@bp.response(200, RowsSchema)
def list_rooms() -> dict[str, Any]:
    """Every room for reverberation with its size, walls and reverberation times."""
    return {"items": [room.describe() for room in ROOMS.values()]}


@bp.get("/scales")
@bp.doc(operationId="listScales")
@guard(optional=True)
@bp.response(200, RowsSchema)
def list_scales() -> dict[str, Any]:
    """Every scale with its steps."""
    return {"items": [scale.describe() for scale in SCALES.values()]}


@bp.get("/tunings")
@bp.doc(operationId="listTunings")
@guard(optional=True)
@bp.response(200, RowsSchema)
def list_tunings() -> dict[str, Any]:
    """Every tuning with its ratios and parameters."""
    return {"items": [tuning.describe() for tuning in TUNINGS.values()]}


@bp.get("/scales/<scale>.scl")
@bp.doc(operationId="getScaleFile")
@guard(optional=True)
@bp.response(200, {"type": "string"}, content_type="text/plain", description="A Scala scale file.")
def get_scale_file(scale: str) -> Response:
    """A scale as a Scala file, in equal temperament."""
    if scale not in SCALES:
        raise NotFound(f"There is no such scale; there are {', '.join(SCALES)}.")
    return _scl(f"{scale}: {SCALES[scale].description}", (*SCALES[scale].cents[1:], Fraction(2)), scale)


@bp.get("/tunings/<tuning>.scl")
@bp.doc(operationId="getTuningFile")
@guard(optional=True)
@bp.arguments(TuningQuerySchema, location="query")
@bp.response(200, {"type": "string"}, content_type="text/plain", description="A Scala scale file.")
def get_tuning_file(query: dict[str, int], tuning: str) -> Response:
    """A tuning as a Scala file: all its pitches above the key note. Custom ones are their scenes' own."""
    if tuning not in TUNINGS or tuning == CUSTOM:
        raise NotFound(f"There is no such tuning; there are {', '.join(known for known in TUNINGS if known != CUSTOM)}.")
    return _scl(f"{tuning}: {TUNINGS[tuning].description}", degrees_of(TuningSchema().load({"type": tuning, **query})), tuning)


@bp.post("/tunings/scala")
@bp.doc(operationId="readScalaFiles")
@guard(optional=True)
@bp.arguments(ScalaFilesSchema)
@bp.response(200, ScalaSchema)
def read_scala_files(given: dict[str, str]) -> dict[str, Any]:
    """A Scala scale file, and a keyboard mapping with it, as a custom tuning for a harmony, and the pitch of every mapped key."""
    scale = scala.read_scl(given["scl"])
    keyboard = scala.read_kbm(given["kbm"]) if "kbm" in given else None
    tuning = scala.custom_tuning(scale, keyboard)
    return {
        "description": scale.description,
        "notes": len(scale.degrees),
        "tuning": tuning,
        "cents": [degree_cents(degree) for degree in read_degrees(tuning["degrees"])],
        "keys": None if keyboard is None else scala.key_pitches(scale, keyboard),
    }


@bp.get("/styles")
@bp.doc(operationId="listStyles")
@guard(optional=True)
@bp.response(200, StylesSchema)
def list_styles() -> dict[str, Any]:
    """The styles that a scene can be given, each with the solvers it suits, its harmony, voices and mappings."""
    return {"items": styles.described()}


@bp.post("/convert")
@bp.doc(operationId="convertPitch")
@guard(optional=True)
@bp.arguments(PitchSchema)
@bp.response(200, SpelledPitchSchema)
def convert_pitch(given: dict[str, Any]) -> dict[str, Any]:
    """A pitch, or a ratio of two pitches, in every spelling."""
    return convert(**given)


def _scl(description: str, degrees: tuple[float | Fraction, ...], name: str) -> Response:
    response = Response(scala.write_scl(description, degrees), content_type="text/plain; charset=utf-8")
    response.headers.set("Content-Disposition", "attachment", filename=f"{name}.scl")
    return response

"""What can sound: instruments, scales, tunings, and the spellings of a pitch."""

from __future__ import annotations

from typing import Any

from app.audio.schemas import PitchSchema, RowsSchema, SpelledPitchSchema
from app.auth.tokens import guard
from app.engine.audio import instruments
from app.engine.music.pitch import convert
from app.engine.music.scales import SCALES
from app.engine.music.tunings import TUNINGS
from app.schemas import Blueprint

bp = Blueprint("music", __name__, url_prefix="/audio", description="Instruments, scales, tunings and pitches.")


@bp.get("/instruments")
@bp.doc(operationId="listInstruments")
@guard(optional=True)
@bp.response(200, RowsSchema)
def list_instruments() -> dict[str, Any]:
    """Every instrument with its parameters."""
    return {"items": instruments.describe()}


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


@bp.post("/convert")
@bp.doc(operationId="convertPitch")
@guard(optional=True)
@bp.arguments(PitchSchema)
@bp.response(200, SpelledPitchSchema)
def convert_pitch(given: dict[str, Any]) -> dict[str, Any]:
    """A pitch, or a ratio of two pitches, in every spelling."""
    return convert(**given)

"""Event tables: a score as rows, one per note, for spreadsheets and programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from typing import Any

from app.engine.music.score import Note, Score

_Cell = Callable[[int, Note], Any]

COLUMNS: Mapping[str, tuple[str, _Cell]] = {
    "note": ("", lambda index, note: index),
    "t": ("s", lambda index, note: note.t_s),
    "duration": ("s", lambda index, note: note.duration_s),
    "frequency": ("Hz", lambda index, note: note.hz),
    "midi": ("1", lambda index, note: note.midi),
    "cents_error": ("cent", lambda index, note: note.cents_error),
    "velocity": ("1", lambda index, note: note.velocity),
    "amplitude": ("1", lambda index, note: note.amplitude),
    "pan": ("1", lambda index, note: note.pan),
    "brightness": ("1", lambda index, note: note.brightness),
    "voice_id": ("", lambda index, note: note.voice_id),
    "mapping_id": ("", lambda index, note: note.provenance.get("mapping_id")),
    "body_id": ("", lambda index, note: note.provenance.get("body_id")),
    "quantity": ("", lambda index, note: note.provenance.get("quantity")),
    "value": ("", lambda index, note: note.provenance.get("value")),
    "unit": ("", lambda index, note: note.provenance.get("unit")),
}
"""Columns of the table with their units; the unit of `value` is in the column `unit`."""


def to_rows(score: Score) -> list[dict[str, Any]]:
    """The score as JSON rows, one per note, keyed by column; a continuous note has its values at the start."""
    return [{name: cell(index, note) for name, (_, cell) in COLUMNS.items()} for index, note in enumerate(score.notes)]


def to_csv(score: Score) -> bytes:
    """The score as CSV by RFC 4180 in UTF-8: a header with the units, then one row per note; numbers in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(f"{name} [{unit}]" if unit else name for name, (unit, _) in COLUMNS.items())
    for row in to_rows(score):
        writer.writerow("" if value is None else repr(value) if isinstance(value, float) else value for value in row.values())
    return text.getvalue().encode()

"""Artefacts as tables: comma-separated values with a header line, as RFC 4180 has them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOTE_COLUMNS = (
    "t_s", "duration_s", "hz", "midi", "cents_error", "velocity", "amplitude", "pan", "brightness", "voice_id",
    "mapping_id", "body_id", "quantity", "value", "unit",
)  # fmt: skip
TRAJECTORY_COLUMNS = ("time_s", "body_id", "x", "y", "z", "vx", "vy", "vz", "angle")


def notes(rows: Iterable[Mapping[str, Any]]) -> str:
    """One line for each note of a score, with the physics it came from."""
    return "".join(lines(NOTE_COLUMNS, ([_cell(row, name) for name in NOTE_COLUMNS] for row in rows)))


def between(columns: Mapping[str, NDArray[Any]], first: float, last: float) -> dict[str, NDArray[Any]]:
    """The columns of a stored trajectory from one simulated time (s) to another, both included."""
    chosen = (columns["times"] >= first) & (columns["times"] <= last)
    return {name: column if name == "body_ids" else np.ascontiguousarray(column[chosen]) for name, column in columns.items()}


def trajectory(columns: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """A line for each time and body: place in m, velocity in m/s, and of bodies that turn the angle in rad."""
    times, ids = columns["times"].tolist(), columns["body_ids"].tolist()
    angles = columns["angles"][:, :, None] if "angles" in columns else np.empty((*columns["positions"].shape[:2], 0))
    states = np.concatenate((columns["positions"], columns["velocities"], angles), axis=2).tolist()
    rows = ((time, body, *states[i][k]) for i, time in enumerate(times) for k, body in enumerate(ids))
    return lines(TRAJECTORY_COLUMNS if "angles" in columns else TRAJECTORY_COLUMNS[:-1], rows)


def npy(columns: Mapping[str, NDArray[Any]]) -> bytes:
    """One structured array in NumPy's file format, a row for each time.

    Fields: `time` (s), `position` (N, 3) in m, `velocity` (N, 3) in m/s, and of bodies that turn `angle` (N,) in rad; bodies in
    scene order.
    """
    named = {"time": "times", "position": "positions", "velocity": "velocities", "angle": "angles"}
    kept = {field: columns[name] for field, name in named.items() if name in columns}
    rows = np.empty(len(columns["times"]), dtype=[(field, "<f8", column.shape[1:]) for field, column in kept.items()])
    for field, column in kept.items():
        rows[field] = column
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    return buffer.getvalue()


def lines(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """The header and the rows, a line each. Numbers are written so that reading them gives the same double."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(header)
    for row in rows:
        writer.writerow(["" if value is None else repr(value) if isinstance(value, float) else value for value in row])
        yield _taken(buffer)
    yield _taken(buffer)


def _cell(row: Mapping[str, Any], name: str) -> Any:
    return row[name] if name in row else row["provenance"].get(name)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text

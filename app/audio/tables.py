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
TRAJECTORY_COLUMNS = ("time_s", "body_id", "x", "y", "z", "vx", "vy", "vz")


def notes(rows: Iterable[Mapping[str, Any]]) -> str:
    """One line for each note of a score, with the physics it came from."""
    return "".join(lines(NOTE_COLUMNS, ([_cell(row, name) for name in NOTE_COLUMNS] for row in rows)))


def trajectory(
    times: NDArray[np.float64], ids: Sequence[str], positions: NDArray[np.float64], velocities: NDArray[np.float64]
) -> Iterator[str]:
    """A line for each time and body: place in m, velocity in m/s."""
    places, speeds = positions.tolist(), velocities.tolist()
    rows = ((time, body, *places[i][k], *speeds[i][k]) for i, time in enumerate(times.tolist()) for k, body in enumerate(ids))
    return lines(TRAJECTORY_COLUMNS, rows)


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

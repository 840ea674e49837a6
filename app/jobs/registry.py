"""The roll-call of job types: what each does, and where its result is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

Progress = Callable[[float], None]
TYPES = ("render", "simulate", "score", "live", "suggest")


def _nothing(*_: Any) -> None:
    """Leave all as it is."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the work gave. `record` writes it in the transaction that ends the job; `discard` drops it when the job was lost."""

    record: Callable[[Session], None] = _nothing
    discard: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True)
class JobType:
    """A type of job.

    `work(subject_id, progress)` is called by a worker with no transaction open. It reports fractions from 0 to 1 to
    `progress`, which raises Cancelled when it is to stop, and raises EngineError or a Problem for what can never succeed.
    `path` is where the result is served, with `{}` for the subject's id; None when it is not.
    """

    path: str | None
    work: Callable[[UUID, Progress], Outcome]


@cache
def job_types() -> dict[str, JobType]:
    """Every job type by name. The rooms that do the work stand above this one, so they are asked late."""
    from app.audio import tasks as audio  # noqa: PLC0415
    from app.collaboration import live_tasks as live  # noqa: PLC0415

    return dict(zip(TYPES, (audio.RENDER, audio.SIMULATE, audio.SCORE, live.LIVE, audio.SUGGEST), strict=True))

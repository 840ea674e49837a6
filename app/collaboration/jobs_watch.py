"""Telling of jobs: how far they are, that they have ended, and that a file is there.

Workers are other processes, without a way to these connections; so each process that has connections looks at the jobs of
their users and universes, twice a second while some are under way and else once. The one who asked for a job is told on all
connections, and so is who is in the universe that it is about.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, bindparam, or_, select
from sqlalchemy.exc import SQLAlchemyError

from app.access import Action, allowed_to
from app.collaboration.hub import Connection, Hub
from app.database import now
from app.extensions import db
from app.jobs import service
from app.jobs.models import FINAL, Job

log = structlog.get_logger(__name__)
_BUSY_SECONDS, _IDLE_SECONDS = 0.5, 1.0
_OVERLAP = timedelta(seconds=30)
"""How far back each look goes: a job is seen to have ended a while after the time that its worker's clock gave."""
_GRACE = timedelta(seconds=3)
"""A connection is told of what ended so long before it was first seen: it came between two looks."""
_JOBS: Any = Job.__table__
_OURS = select(_JOBS).where(
    or_(_JOBS.c.user_id.in_(bindparam("users", expanding=True)), _JOBS.c.universe_id.in_(bindparam("universes", expanding=True))),
    or_(_JOBS.c.state.in_(["queued", "running"]), _JOBS.c.finished_at > bindparam("since", type_=_JOBS.c.finished_at.type)),
)
Scope = tuple[str, UUID | None]
"""A connection's sid, and the universe through which it hears of a job, None for its user's own."""


class JobsWatch:
    """The loop of one process."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._start = threading.Lock()
        self._running = False
        self._looked_at = now()
        self._seen: dict[Scope, datetime] = {}
        self._progress: dict[UUID, tuple[str, float]] = {}
        self._ended: dict[tuple[UUID, datetime], set[str]] = {}

    def start(self) -> None:
        """Begin, at the first connection; later calls do nothing."""
        with self._start:
            if not self._running:
                self._running = True
                self.hub.server.start_background_task(self._run)

    def _run(self) -> None:
        while True:
            self.hub.server.sleep(_BUSY_SECONDS if self._progress else _IDLE_SECONDS)
            try:
                with self.hub.app.app_context():
                    self.look()
            except SQLAlchemyError as error:
                log.warning("the watch over jobs waits for the database", error=str(error))
            except Exception:
                log.exception("the watch over jobs failed")

    def look(self) -> None:
        """Tell what is new of the jobs that concern somebody here."""
        moment = now()
        everybody = self.hub.everybody()
        self._note_new(everybody, moment)
        since = self._looked_at - _OVERLAP
        rows = self._rows(everybody, since) if everybody else []
        self._looked_at = moment
        self._ended = {key: sids for key, sids in self._ended.items() if key[1] > since}
        before, self._progress = self._progress, {}
        by_user: dict[UUID | None, list[Connection]] = {}
        for connection in everybody:
            by_user.setdefault(connection.actor.id, []).append(connection)
        for row in rows:
            scopes = self._scopes(row, by_user)
            if row.state in FINAL:
                self._tell_end(row, scopes)
                continue
            self._progress[row.id] = row.state, row.progress
            if before.get(row.id) != self._progress[row.id]:
                self._tell(scopes, "job_progress", {"job": _told(row)}, droppable=True)

    def _note_new(self, everybody: list[Connection], moment: datetime) -> None:
        """Note since when each connection hears of its user's jobs, and of those of each universe that it is in."""
        scopes = [(one.sid, scope) for one in everybody for scope in (None, *list(one.joined))]
        self._seen = {scope: self._seen.get(scope, moment) for scope in scopes}

    def _rows(self, everybody: list[Connection], since: datetime) -> list[Row[Any]]:
        users = list({connection.actor.id for connection in everybody})
        universes = [room.universe_id for room in self.hub.all_rooms()]
        found = list(db.session.connection().execute(_OURS, {"users": users, "universes": universes, "since": since}).all())
        db.session.rollback()
        return found

    def _scopes(self, row: Row[Any], by_user: dict[UUID | None, list[Connection]]) -> list[tuple[Connection, Scope]]:
        """Who hears of a job, and through what."""
        found: list[tuple[Connection, Scope]] = [(one, (one.sid, None)) for one in by_user.get(row.user_id, ())]
        if row.universe_id is not None:
            for connection in self.hub.in_room(row.universe_id):
                joined = connection.joined.get(row.universe_id)
                if joined is not None and allowed_to(joined.role, joined.visibility, Action.READ):
                    found.append((connection, (connection.sid, row.universe_id)))
        return found

    def _tell_end(self, row: Row[Any], scopes: list[tuple[Connection, Scope]]) -> None:
        """Tell each connection once that a job has ended; not those that came later."""
        told = self._ended.setdefault((row.id, row.finished_at), set())
        fresh = [
            (connection, scope)
            for connection, scope in scopes
            if connection.sid not in told and scope in self._seen and row.finished_at >= self._seen[scope] - _GRACE
        ]
        told.update(connection.sid for connection, _ in fresh)
        self._tell(fresh, "job_finished", {"job": _told(row)})
        if row.type == "render" and row.state == "succeeded":
            audio = {"universe_id": str(row.universe_id), "audio_id": str(row.subject_id), "url": f"/api/audio/{row.subject_id}/file"}
            self._tell(fresh, "audio_ready", audio)

    def _tell(self, scopes: Iterable[tuple[Connection, Scope]], event: str, payload: Any, *, droppable: bool = False) -> None:
        listeners = list({connection.sid: connection for connection, _ in scopes}.values())
        if listeners:
            self.hub.fan_out.send(listeners, event, payload, droppable=droppable)


def _told(row: Row[Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, UUID) else value for name, value in service.shown(row).items()}

"""The watch over open connections: tokens that end, sessions that are revoked, accounts that are closed."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from app.auth.models import LoginSession
from app.collaboration.hub import Connection, Hub
from app.database import timestamp
from app.extensions import db
from app.users.models import User

log = structlog.get_logger(__name__)
_INTERVAL_SECONDS = 0.5
_WARNING_SECONDS = 60
_SESSIONS: Any = LoginSession.__table__
_USERS: Any = User.__table__
_LIVING = (
    select(_SESSIONS.c.id)
    .join_from(_SESSIONS, _USERS, _SESSIONS.c.user_id == _USERS.c.id)
    .where(_SESSIONS.c.id.in_(bindparam("ids", expanding=True)), _SESSIONS.c.revoked_at.is_(None), _USERS.c.is_active.is_(True))
)


class Watch:
    """The loop of one process, looking at every connection each half second."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._start = threading.Lock()
        self._running = False

    def start(self) -> None:
        """Begin, at the first connection; later calls do nothing."""
        with self._start:
            if not self._running:
                self._running = True
                self.hub.server.start_background_task(self._run)
                if self.hub.bus is not None:
                    self.hub.bus.listen()

    def _run(self) -> None:
        while True:
            self.hub.server.sleep(_INTERVAL_SECONDS)
            try:
                with self.hub.app.app_context():
                    self.look()
            except SQLAlchemyError as error:
                log.warning("watch waits for the database", error=str(error))
            except Exception:
                log.exception("watch failed")

    def look(self) -> None:
        """Cut whose time is over, warn whose time is near, cut whose session has ended."""
        connections = self.hub.everybody()
        moment = time.time()
        for connection in connections:
            if moment >= connection.expires:
                self.hub.cut(connection, "TOKEN_EXPIRED")
            elif not connection.warned and moment >= connection.expires - _WARNING_SECONDS:
                connection.warned = True
                self._warn(connection)
        self._cut_revoked([one for one in connections if moment < one.expires])

    def _warn(self, connection: Connection) -> None:
        moment = timestamp(datetime.fromtimestamp(connection.expires, UTC))
        self.hub.tell_some([connection], "auth_expiring", {"expires_at": moment})

    def _cut_revoked(self, connections: list[Connection]) -> None:
        if not connections:
            return
        ids = {one.actor.session_id for one in connections}
        living = set(db.session.connection().execute(_LIVING, {"ids": list(ids)}).scalars())
        db.session.rollback()
        for connection in connections:
            if connection.actor.session_id not in living:
                self.hub.cut(connection, "TOKEN_REVOKED")

"""The guard: looks each second at what waits for every connection, and lets go of those that do not read it.

The library's queues have no end. Without a guard one client that stops reading would hold on to all that its rooms are told.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

import structlog

from app import metrics
from app.collaboration.fan_out import SLOW_PACKETS
from app.collaboration.hub import Connection, Hub

log = structlog.get_logger(__name__)
_INTERVAL_SECONDS = 1.0
_MANY_PACKETS = 256
_MOST_PACKETS = 2000
_MOST_BYTES = 8 * 1024 * 1024
_LOOKS_UNADMITTED = 15


class Guard:
    """The loop of one process. `cut` counts the connections that were let go, `longest` is the longest queue at the last look."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.cut = 0
        self.longest = 0
        self._start = threading.Lock()
        self._running = False
        self._late: set[str] = set()
        self._strangers: dict[str, int] = {}

    def start(self) -> None:
        """Begin, at the first connection; later calls do nothing."""
        with self._start:
            if not self._running:
                self._running = True
                self.hub.server.start_background_task(self._run)

    def _run(self) -> None:
        while True:
            self.hub.server.sleep(_INTERVAL_SECONDS)
            try:
                with self.hub.app.app_context():
                    self.look()
            except Exception:
                log.exception("guard failed")

    def look(self) -> None:
        """Spare the slow what is droppable, and let go of those that are too far behind, or never said who they are."""
        longest, late = 0, set()
        connections = self.hub.everybody()
        for connection in connections:
            packets = connection.line.packets()
            longest = max(longest, packets)
            connection.line.slow = packets > SLOW_PACKETS
            if packets > _MOST_PACKETS or (packets > SLOW_PACKETS and connection.line.size() > _MOST_BYTES):
                self._let_go(connection, packets)
            elif packets > _MANY_PACKETS:
                if connection.sid in self._late:
                    self._let_go(connection, packets)
                late.add(connection.sid)
        self._late, self.longest = late, longest
        self._send_strangers_away({connection.eio_sid for connection in connections})

    def _let_go(self, connection: Connection, packets: int) -> None:
        self.cut += 1
        metrics.SLOW_CLIENTS.inc()
        log.warning("slow client cut", packets=packets, user_id=str(connection.actor.id))
        for universe_id in list(connection.joined):
            told = {"universe_id": str(universe_id), "reason": "slow_client"}
            if not self.hub.fan_out.last_word(connection, "resync_required", told):
                break
        self.hub.fan_out.abandon(connection)

    def _send_strangers_away(self, admitted: Collection[str]) -> None:
        """Close what is open below Socket.IO but has not been admitted for a while: refused, cut, or never asked."""
        open_sockets: dict[str, Any] = dict(self.hub.server.eio.sockets)
        self._strangers = {sid: self._strangers.get(sid, 0) + 1 for sid in open_sockets if sid not in admitted}
        for sid, looks in list(self._strangers.items()):
            if looks > _LOOKS_UNADMITTED:
                self.hub.fan_out.shut(open_sockets[sid])

"""Going: when a server is told to stop, its clients are told to come back, what runs is finished, and all connections are closed."""

from __future__ import annotations

import random
import time

import structlog

from app.collaboration.hub import Hub

log = structlog.get_logger(__name__)
PATIENCE_SECONDS = 10.0
_LONGEST_RETRY_MS = 5000
_LOOK_SECONDS = 0.05
_PARTING_SECONDS = 1.0


def drain(hub: Hub) -> None:
    """Tell everybody, refuse new edits, wait for those that run, and close every connection. The second time does nothing.

    The clients are spread over five seconds, or all would come back at once to the server that is left.
    """
    if hub.draining:
        return
    hub.draining = True
    with hub.app.app_context():
        for connection in hub.everybody():
            hub.tell_some([connection], "draining", {"retry_in_ms": random.randint(0, _LONGEST_RETRY_MS)})
            hub.fan_out.push(connection)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while hub.handling and time.monotonic() < deadline:
            hub.server.sleep(_LOOK_SECONDS)
        hub.server.sleep(_LOOK_SECONDS)  # an edit's acknowledgement is queued a moment after its handler has ended
        if hub.handling:
            log.warning("edits still run", connections=len(hub.handling))
        _close(hub)


def _close(hub: Hub) -> None:
    """Close every connection in order, and cut off those that have not gone after a while."""
    sockets = list(hub.server.eio.sockets.values())
    for socket in sockets:
        socket.close(wait=False)
    deadline = time.monotonic() + _PARTING_SECONDS
    open_still = [socket for socket in sockets if hasattr(socket, "wire")]  # a polling client has asked already, or asks no more
    while time.monotonic() < deadline and any(socket.queue.qsize() > 1 for socket in open_still):
        hub.server.sleep(_LOOK_SECONDS)
    hub.server.sleep(_LOOK_SECONDS)
    for socket in sockets:
        hub.fan_out.shut(socket)

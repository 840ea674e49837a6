"""Several people in one universe at once: sockets, rooms, and the feeder that tells them what has been committed.

`collaborate()` binds it to an application. The hub, its loops and the bus belong to one process.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Flask

from app.changes import announcements
from app.collaboration import sockets
from app.collaboration.bus import Bus
from app.collaboration.feeder import Feeder
from app.collaboration.guard import Guard
from app.collaboration.hub import Hub
from app.collaboration.jobs_watch import JobsWatch
from app.collaboration.live import Live
from app.collaboration.presence import Presence
from app.collaboration.watch import Watch


def collaborate(app: Flask, server: Any) -> None:
    """Give an application its hub, with the feeder woken by every commit, here and in other processes."""
    hub = app.extensions["hub"] = Hub(app, server)
    hub.feeder, hub.watch, hub.guard, hub.presence, hub.live = Feeder(hub), Watch(hub), Guard(hub), Presence(hub), Live(hub)
    hub.jobs_watch = JobsWatch(hub)
    sockets.serve(hub)
    announcements.listen(app, hub.feeder.wake)
    announcements.listen(app, lambda universe_id, _: hub.live.wake(universe_id))
    if hub.settings.redis_url:
        bus = hub.bus = Bus(hub.settings.redis_url, hub.process_id, server.start_background_task, server.sleep)
        hub.presence.across(bus)
        hub.live.across(bus)
        bus.on("changed", lambda body: _woken(hub, UUID(body)))
        announcements.listen(app, lambda universe_id, _: bus.publish("changed", str(universe_id)))


def _woken(hub: Hub, universe_id: UUID) -> None:
    """Another process has committed something to a universe."""
    hub.feeder.wake(universe_id)
    hub.live.wake(universe_id)

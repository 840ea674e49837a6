"""The handlers of socket events: who is asking, what is well formed, how it is acknowledged. What they do lives in the other modules."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import structlog
from flask import g, request
from flask_socketio import ConnectionRefusedError as Refused
from marshmallow import Schema
from sqlalchemy import select

from app import rate_limits
from app.auth.tokens import Claims, actor_with, claims_of
from app.collaboration import chat, edits, live, playback, rooms
from app.collaboration.events import BY_NAME, CLIENT, Event
from app.collaboration.hub import Connection, Hub, current_hub
from app.database import timestamp
from app.errors import BadPayload, Draining, PayloadTooLarge, RateLimited, TokenInvalid, acknowledgement, body, problem_of
from app.extensions import db, socketio
from app.users.models import User

log = structlog.get_logger(__name__)
Handler = Callable[[Connection, Mapping[str, Any]], Mapping[str, Any] | None]
_USERS: Any = User.__table__
_WRITING = ("writes", "chat")
_SCHEMAS: dict[str, Schema] = {event.name: event.payload() for event in CLIENT}


def connect(*args: Any) -> None:
    """Admit who has a valid access token in `auth`; anything else is refused, whatever goes wrong."""
    hub = current_hub()
    _begin()
    if _sid() in hub.connections:
        raise BadPayload("This name of an event is reserved.")
    try:
        if hub.draining:
            raise Draining(retry_after=1)
        auth = args[0] if args else None
        claims = claims_of(auth.get("token") if isinstance(auth, dict) else None)
        connection = _admitted(hub, claims)
    except Exception as error:
        problem = problem_of(error)
        if problem.code == "INTERNAL":
            log.error("connect failed", exc_info=error)
        raise Refused(problem.code, body(problem)) from None
    hub.add(connection)
    hub.watch.start()
    hub.guard.start()
    hub.presence.start()
    hub.jobs_watch.start()


def disconnect(*args: Any) -> dict[str, Any] | None:
    """A connection has gone; a client's own event of this name is refused like any unknown one."""
    hub = current_hub()
    if hub.server.manager.is_connected(_sid(), "/"):
        _begin()
        return acknowledgement(BadPayload("This name of an event is reserved."))
    connection = hub.remove(_sid())
    if connection is not None:
        for universe_id in list(connection.joined):
            hub.departed(connection, universe_id)
    return None


def unknown(hub: Hub) -> dict[str, Any]:
    """Acknowledge an event that is not in the catalogue; also one by the name `*`, which the library hands over without its name."""
    with hub.app.app_context():
        _begin()
        return acknowledgement(BadPayload("There is no event of this name."))


def failed(error: Exception) -> dict[str, Any]:
    """Whatever a handler did not see coming is acknowledged; never does it admit a connection."""
    if request.event["message"] == "connect" and _sid() not in current_hub().connections:  # type: ignore[attr-defined]
        raise Refused("INTERNAL", body(problem_of(error)))
    return acknowledgement(error)


def receive(hub: Hub, event: Event, handle: Handler, sid: str, args: tuple[Any, ...]) -> dict[str, Any]:
    """One event: the checks that all share, in order, then its handler; always an acknowledgement."""
    received = time.time()
    with hub.app.app_context():
        _begin()
        hub.handling.add(sid)
        try:
            return {"ok": True, **_handled(hub, event, handle, sid, args, received)}
        except Exception as error:
            db.session.rollback()
            return acknowledgement(error)
        finally:
            hub.handling.discard(sid)


def _handled(hub: Hub, event: Event, handle: Handler, sid: str, args: tuple[Any, ...], received: float) -> Mapping[str, Any]:
    connection = hub.connections.get(sid)
    if connection is None:
        raise TokenInvalid
    payload = _the_one(args, hub.settings.max_event_bytes)
    connection.check_alive()
    if hub.draining and event.limit in _WRITING:
        raise Draining(retry_after=1)
    message = {"received": received, **_SCHEMAS[event.name].load(payload)}
    if event.limit is not None:
        rate_limits.hit(event.limit, connection.actor.id)
    if event.joined and event.action is not None:
        connection.require(message["universe_id"], event.action)
    return handle(connection, message) or {}


def clock_sync(connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
    """When this arrived and when it was answered, by this server's clock."""
    return {"t0": message["t0"], "t1": message["received"] * 1000, "t2": time.time() * 1000}


def reauthenticate(connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
    """Go on with a fresh token of the same user. Raises TokenInvalid, TokenExpired or TokenRevoked."""
    claims = claims_of(message["token"])
    if claims.user_id != connection.actor.id:
        raise TokenInvalid("The token is another user's.")
    connection.actor, connection.expires, connection.warned = actor_with(claims), claims.expires, False
    return {"expires_at": timestamp(datetime.fromtimestamp(claims.expires, UTC))}


def presence_update(connection: Connection, message: Mapping[str, Any]) -> None:
    """Tell the others where one is and what one has selected."""
    told = {name: message[name] for name in ("status", "cursor", "selection") if name in message}
    current_hub().presence.update(connection, message["universe_id"], told)


def preview(connection: Connection, message: Mapping[str, Any]) -> None:
    """Show the others values that are being dragged."""
    current_hub().presence.preview(connection, message["universe_id"], message["path"], message["fields_"])


HANDLERS: dict[str, Handler] = {
    "join_universe": rooms.join,
    "leave_universe": rooms.leave,
    "sync": rooms.sync,
    "edit": edits.edit,
    "parameter_update": edits.parameter_update,
    "undo": edits.undo,
    "redo": edits.redo,
    "presence_update": presence_update,
    "preview": preview,
    "transport": playback.transport,
    "simulation_start": live.simulation_start,
    "simulation_stop": live.simulation_stop,
    "chat_message": chat.say,
    "clock_sync": clock_sync,
    "reauthenticate": reauthenticate,
}


def _sid() -> str:
    """The id of the connection that sent the event at hand; flask-socketio sets it."""
    sid: str = request.sid  # type: ignore[attr-defined]
    return sid


def _begin() -> None:
    g.request_id = uuid4().hex
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _the_one(args: tuple[Any, ...], most: int) -> dict[str, Any]:
    """The payload: exactly one object of a moderate size."""
    if len(args) != 1 or not isinstance(args[0], dict):
        raise BadPayload("An event takes exactly one JSON object.")
    try:
        size = len(orjson.dumps(args[0]))
    except (TypeError, ValueError, RecursionError):
        raise BadPayload("The payload is not JSON.") from None
    if size > most:
        raise PayloadTooLarge(f"An event holds at most {most} bytes; this one has {size}.")
    return args[0]


def _admitted(hub: Hub, claims: Claims) -> Connection:
    actor = actor_with(claims)
    user = db.session.execute(select(_USERS.c.id, _USERS.c.display_name, _USERS.c.color).where(_USERS.c.id == actor.id)).one()
    if len(hub.of_user(actor.id)) >= hub.settings.connections_per_user:
        raise RateLimited(f"At most {hub.settings.connections_per_user} connections a user.", retry_after=5)
    sid = _sid()
    shown = {"id": str(user.id), "display_name": user.display_name, "color": user.color}
    return Connection(sid, hub.server.manager.eio_sid_from_sid(sid, "/"), actor, claims.expires, shown)


def serve(hub: Hub) -> None:
    """Give a hub's server the handlers of the catalogue.

    They bypass Flask-SocketIO, whose every event has a request with a route of its own: half the time of a preview.
    """
    for name, event in BY_NAME.items():
        if event.name in HANDLERS:
            hub.server.on(name, _served(hub, event, HANDLERS[event.name]))
    hub.server.on("*", lambda *_: unknown(hub))
    hub.server.eio.on("message", lambda eio_sid, data: _read(hub, eio_sid, data))


def _read(hub: Hub, eio_sid: str, data: Any) -> None:
    """Take in what came on a connection; what is no packet of the protocol ends it. Our own handlers raise nothing."""
    try:
        hub.server._handle_eio_message(eio_sid, data)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        log.info("a connection sent what is no packet", error=type(error).__name__)
        socket = hub.server.eio.sockets.get(eio_sid)
        if socket is not None:
            hub.fan_out.shut(socket)


def _served(hub: Hub, event: Event, handle: Handler) -> Callable[..., dict[str, Any]]:
    return lambda sid, *args: receive(hub, event, handle, sid, args)


socketio.on_event("connect", connect)
socketio.on_event("disconnect", disconnect)
socketio.on_error_default(failed)

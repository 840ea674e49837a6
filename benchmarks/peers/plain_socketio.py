"""The peer for sockets: a room and a persisted edit in plain Flask-SocketIO, as its documentation would have one write them.

Nobody's role is asked, nothing is counted, and an edit leaves one row of an events table. The emit follows the commit.
"""

from __future__ import annotations

from typing import Any

from engineio.async_drivers import eventlet as driver
from flask import Flask, request
from flask_jwt_extended import decode_token
from flask_socketio import SocketIO, emit, join_room
from marshmallow import Schema, ValidationError, fields, validate

from benchmarks.peers import plain_flask

driver._async["websocket"] = driver.WebSocketWSGI  # the library's own, where the product's worker has set another
socketio = SocketIO(async_mode="eventlet")
users: dict[str, int] = {}


class EditSchema(Schema):
    """An edit of one number."""

    universe_id = fields.Int(required=True)
    name = fields.Str(required=True, validate=validate.OneOf(plain_flask.NUMBERS))
    value = fields.Float(required=True, validate=validate.Range(min=-1e10, max=1e10))
    client_id = fields.Str()


edit_schema = EditSchema()


def create_app() -> Flask:
    """The peer's application."""
    app = plain_flask.create_app()
    socketio.init_app(app)
    return app


@socketio.on("connect")
def connect(auth: Any) -> bool:
    """Admit who has a token."""
    users[request.sid] = int(decode_token(auth["token"])["sub"])  # type: ignore[attr-defined]
    return True


@socketio.on("disconnect")
def disconnect(*_: Any) -> None:
    """Forget who has gone."""
    users.pop(request.sid, None)  # type: ignore[attr-defined]


@socketio.on("join_universe")
def join(message: dict[str, Any]) -> dict[str, Any]:
    """Enter a room."""
    join_room(str(message["universe_id"]))
    return {"ok": True}


@socketio.on("preview")
def preview(message: dict[str, Any]) -> None:
    """Pass it on to the others."""
    emit("preview", message, to=str(message["universe_id"]), include_self=False)


@socketio.on("edit")
def edit(message: dict[str, Any]) -> dict[str, Any]:
    """Store it, then tell the others."""
    try:
        given = edit_schema.load(message)
    except ValidationError as error:
        return {"ok": False, "errors": error.messages}
    session = plain_flask.db.session
    physics = session.get(plain_flask.Physics, given["universe_id"])
    if physics is None:
        return {"ok": False}
    setattr(physics, given["name"], given["value"])
    changed = {given["name"]: given["value"]}
    row = plain_flask.Event(universe_id=given["universe_id"], user_id=users[request.sid], kind="physics.patch", payload=changed)  # type: ignore[attr-defined]
    session.add(row)
    session.commit()
    emit("change", {**message, "revision": row.id}, to=str(given["universe_id"]), include_self=False)
    return {"ok": True, "revision": row.id}

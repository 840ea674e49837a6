"""What the server answers to events and tells of its own accord, as schemas.

They describe it at /events.json, and the tests hold what is really sent against them; nothing is made by them. Fields may be
added in later releases: a client ignores what it does not know.
"""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from app.access import Role
from app.changes.routes import ChangeSchema
from app.jobs.schemas import JobSchema
from app.schemas import ErrorSchema


class ToldSchema(ma.Schema):
    """Something that the server sends; a later release may send more."""

    class Meta:
        unknown = ma.EXCLUDE


def _said(description: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"description": description, **more}}


def _universe() -> fields.UUID:
    return fields.UUID(required=True)


def _moment() -> fields.String:
    return fields.String(required=True, metadata={"format": "date-time"})


def _role() -> fields.String:
    return fields.String(required=True, validate=validate.OneOf([role.value for role in Role if role is not Role.ANONYMOUS]))


def _connection() -> fields.String:
    return fields.String(required=True, **_said("The connection, as presence and previews name it."))


class ShownPersonSchema(ToldSchema):
    """Somebody as the others in a universe see them; who came by a share link is `Guest n`, without an id."""

    id = fields.String(required=True, allow_none=True)
    display_name = fields.String(required=True, allow_none=True)
    color = fields.String(required=True, allow_none=True)


class ShownCursorSchema(ToldSchema):
    """A place in a scene, in metres."""

    scene_id = fields.UUID(required=True)
    x = fields.Float(required=True)
    y = fields.Float(required=True)


class ShownSchema(ToldSchema):
    """What a connection tells of itself."""

    cid = _connection()
    user_id = fields.String(required=True, allow_none=True)
    status = fields.String(required=True, validate=validate.OneOf(["active", "idle", "away"]))
    cursor = fields.Nested(ShownCursorSchema, required=True, allow_none=True)
    selection = fields.List(fields.String(), required=True)
    user = fields.Nested(ShownPersonSchema)
    role = fields.String()


class PlayedLoopSchema(ToldSchema):
    """A stretch that is played again and again, in seconds of the scene."""

    start_s = fields.Float(required=True)
    end_s = fields.Float(required=True)


class PlaybackSchema(ToldSchema):
    """The playback that all share. Position at server time t while playing: position_s + rate * max(0, t - anchor_ms) / 1000."""

    seq = fields.Integer(required=True, **_said("Number of the command that made it; 0 before the first."))
    playing = fields.Boolean(required=True)
    position_s = fields.Float(required=True, **_said("Seconds of the scene, at anchor_ms."))
    rate = fields.Float(required=True, **_said("Times real time."))
    loop = fields.Nested(PlayedLoopSchema, required=True, allow_none=True)
    scene_id = fields.UUID(required=True, allow_none=True)
    anchor_ms = fields.Float(required=True, **_said("Unix time in ms at which the position is position_s."))
    start_at_ms = fields.Float(required=True, **_said("Unix time in ms at which all start."))
    by = fields.UUID(required=True, allow_none=True, **_said("Who gave the command."))


class RowSchema(ChangeSchema):
    """A row of the log, one revision after the row before."""

    class Meta:
        unknown = ma.EXCLUDE

    universe_id = _universe()


class LimitsSchema(ToldSchema):
    """What a client must keep below."""

    writes = fields.String(required=True, **_said("Of a user: edits, commands and REST's writes together."))
    chat = fields.String(required=True, **_said("Of a user."))
    joins = fields.String(required=True, **_said("Of a user: join_universe, sync, reauthenticate."))
    presence_per_second = fields.Integer(required=True, **_said("Of a user: presence and previews; what is more is merged."))
    presence_burst = fields.Integer(required=True)
    max_event_bytes = fields.Integer(required=True, **_said("Size of a payload."))
    batch_items = fields.Integer(required=True)


class NothingMoreSchema(ToldSchema):
    """An acknowledgement that says no more than ok."""


class JoinedSchema(ToldSchema):
    """The universe from `since` on, in the shortest form, and who is there."""

    universe_id = _universe()
    cid = _connection()
    role = _role()
    epoch = fields.UUID(required=True, **_said("Of the log; a changed one makes every earlier revision void."))
    revision = fields.Integer(required=True, **_said("What the client has applied once it has taken this in; in mode fetch, about it."))
    mode = fields.String(required=True, validate=validate.OneOf(["current", "changes", "snapshot", "fetch"]))
    changes = fields.List(fields.Nested(RowSchema), **_said("In mode changes: the rows after `since`, in order."))
    snapshot = fields.Dict(**_said("In mode snapshot: the document, as GET /universes/{universe_id}/document answers it."))
    snapshot_url = fields.String(**_said("In mode fetch: where to GET the document; its ETag is its revision. Then sync from there."))
    presence = fields.List(fields.Nested(ShownSchema), required=True)
    transport = fields.Nested(PlaybackSchema)
    chat_seq = fields.Integer(**_said("Number of the last line of the chat."))
    simulation = fields.Dict(allow_none=True, **_said("The live simulation in progress, as simulation_start answers it."))
    server_time_ms = fields.Float(required=True, **_said("Unix time in milliseconds."))
    limits = fields.Nested(LimitsSchema, required=True)


class EditedSchema(ToldSchema):
    """What became of an edit."""

    revision = fields.Integer(required=True, **_said("The universe's revision with this change."))
    entity_revision = fields.Integer(required=True, **_said("The revision that last changed the entity."))
    after = fields.Dict(required=True, allow_none=True, **_said("The touched properties, as stored."))
    overwrote = fields.List(fields.String(), required=True, **_said("Touched properties that others had changed after `base`."))
    duplicate = fields.Boolean(required=True, **_said("Whether this op_id had been applied before; this is that result."))
    noop = fields.Boolean(required=True, **_said("Whether nothing changed: then there is no row and no change event."))


class UndoneSchema(ToldSchema):
    """What was taken back, or made again."""

    revision = fields.Integer(required=True)
    undo_of = fields.Integer(required=True, **_said("The revision that the new one inverts."))
    skipped = fields.List(fields.String(), required=True, **_said("What others have changed since, and is left as they made it."))
    duplicate = fields.Boolean()


class LineSchema(ToldSchema):
    """A line that was taken into the chat."""

    id = fields.UUID(required=True)
    seq = fields.Integer(required=True, **_said("Number of the line in its universe."))
    created_at = _moment()
    duplicate = fields.Boolean()


class StreamSchema(ToldSchema):
    """A live simulation. Frame `tick` shows the scene at started_ms + tick * 1000 / rate_hz."""

    stream_id = fields.UUID(required=True)
    scene_id = fields.UUID(required=True)
    state = fields.String(required=True, validate=validate.OneOf(["preparing", "ready", "refused"]))
    body_ids = fields.List(fields.UUID(), required=True, **_said("The order of the bodies in a frame."))
    dimensions = fields.Integer(required=True, **_said("2: x and y of each body; 3: x, y and z."))
    rate_hz = fields.Integer(required=True, **_said("Frames a second."))
    duration_s = fields.Float(required=True, **_said("Of the scene."))
    revision = fields.Integer(required=True, **_said("Edits up to this one are in what plays; frames bear it too."))
    started_ms = fields.Float(required=True, **_said("Unix time in ms of frame 0."))
    t = fields.Float(required=True, allow_none=True, **_said("Seconds of the scene, now; null while another scene is played."))
    error = fields.Dict(**_said("Why it cannot be played, when refused, or why it is silent: code, message, errors."))


class StoppedSchema(ToldSchema):
    """The live simulation that has ended; null when there was none."""

    stream_id = fields.UUID(required=True, allow_none=True)


class ClocksSchema(ToldSchema):
    """Both clocks. With t3, when the client has this: offset = ((t1 - t0) + (t2 - t3)) / 2; the smallest round trip of 5 is best."""

    t0 = fields.Float(required=True, **_said("As sent."))
    t1 = fields.Float(required=True, **_said("Received, Unix time in ms."))
    t2 = fields.Float(required=True, **_said("Answered, Unix time in ms."))


class ExpiresSchema(ToldSchema):
    """When the token ends."""

    expires_at = _moment()


class EnteredSchema(ToldSchema):
    """A connection that has come or gone."""

    universe_id = _universe()
    cid = _connection()
    user = fields.Nested(ShownPersonSchema, required=True)
    role = _role()


class PresenceSchema(ToldSchema):
    """Who is where: those that changed, or when `full` everybody; drop whom nothing has been heard of for 45 s."""

    universe_id = _universe()
    full = fields.Boolean(required=True)
    users = fields.List(fields.Nested(ShownSchema), required=True)


class PreviewedSchema(ToldSchema):
    """Values that somebody is dragging; they are not stored."""

    universe_id = _universe()
    path = fields.String(required=True)
    fields_ = fields.Dict(required=True, data_key="fields")
    cid = _connection()


class ChatLineSchema(ToldSchema):
    """A line of the chat."""

    universe_id = _universe()
    id = fields.UUID(required=True)
    seq = fields.Integer(required=True)
    user = fields.Nested(ShownPersonSchema, required=True, allow_none=True)
    text = fields.String(required=True)
    at = _moment()
    op_id = fields.UUID(required=True)


class PlaybackToldSchema(PlaybackSchema):
    """The playback of a universe."""

    universe_id = _universe()


class StreamToldSchema(StreamSchema):
    """A live simulation that has begun, that has taken an edit in, or that has stopped: then only its ids and state are told."""

    universe_id = _universe()
    state = fields.String(required=True, validate=validate.OneOf(["preparing", "ready", "refused", "stopped"]))
    body_ids = fields.List(fields.UUID(), **_said("The order of the bodies in the frames that bear this revision."))
    dimensions = fields.Integer()
    rate_hz = fields.Integer()
    duration_s = fields.Float()
    revision = fields.Integer()
    started_ms = fields.Float()
    t = fields.Float(allow_none=True)


class FrameSchema(ToldSchema):
    """Where the bodies are, in the order told with the stream: little-endian float32, metres, body after body."""

    universe_id = _universe()
    stream_id = fields.UUID(required=True)
    tick = fields.Integer(required=True)
    t = fields.Float(required=True, **_said("Seconds of the scene."))
    at_ms = fields.Float(required=True, **_said("Unix time in ms at which it holds."))
    revision = fields.Integer(required=True, **_said("As told in the stream's state, with the order of the bodies."))
    positions = fields.Raw(required=True, **_said("A binary attachment."))


class SoundsSchema(ToldSchema):
    """Notes, told ahead of their time."""

    universe_id = _universe()
    stream_id = fields.UUID(required=True)
    tick = fields.Integer(required=True)
    t = fields.Float(required=True, allow_none=True, **_said("Seconds of the scene."))
    notes = fields.List(
        fields.Dict(),
        required=True,
        **_said(
            "A score's notes, each with its id and at_ms, the Unix time in ms at which it sounds. One told again is the same note; "
            "one whose time is past is held, and is begun in the middle."
        ),
    )
    retracted = fields.List(fields.Dict(), required=True, **_said("Notes told before that are not heard from a time on: id and at_ms."))
    tracks = fields.List(
        fields.Dict(),
        required=True,
        **_said("What held notes follow next: the id, t_s of the first value, how many a second (rate), and hz, gain_db or pan."),
    )


class RoleToldSchema(ToldSchema):
    """Your role in a universe, from now on."""

    universe_id = _universe()
    role = _role()


class RevokedSchema(ToldSchema):
    """Why you are out of a universe, or without universe_id disconnected."""

    universe_id = fields.UUID()
    code = fields.String(required=True)


class ResyncSchema(ToldSchema):
    """Why what you have may not be what is stored."""

    universe_id = fields.UUID()
    reason = fields.String(required=True, validate=validate.OneOf(["snapshot_restored", "epoch", "slow_client"]))


class JobToldSchema(ToldSchema):
    """A job, as GET /jobs/{job_id} answers it."""

    job = fields.Nested(JobSchema, required=True)


class AudioToldSchema(ToldSchema):
    """A render that can be fetched."""

    universe_id = _universe()
    audio_id = fields.UUID(required=True)
    url = fields.String(required=True)


class DrainingSchema(ToldSchema):
    """How long to wait before connecting again."""

    retry_in_ms = fields.Integer(required=True)


class WrongSchema(ToldSchema):
    """What went wrong with an event whose sender wanted no acknowledgement."""

    event = fields.String(required=True)
    error = fields.Nested(ErrorSchema, required=True)

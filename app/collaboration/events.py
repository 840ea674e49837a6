"""The catalogue of events: what clients may send, what they are told, who may, and how often.

The schemas here validate what arrives, and describe the events at /events.json; there is no second list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from app.access import Action
from app.collaboration import answers
from app.schemas import BaseSchema, Real, Text, Whole

LARGEST = 2**53
"""The largest revision or time that every client's numbers can hold."""
_LABEL = r"^[A-Za-z0-9._:-]{1,64}(?!\n)$"
_SAY_WHICH = "Give universe_id or share_token, and not both."


@dataclass(frozen=True, slots=True)
class Event:
    """An event from a client.

    `action` is what the sender's role in the universe must allow, None for an event about no universe; `joined` says whether
    the universe must have been joined on this connection. `limit` names the rate limit that its uses count in. `answer` is
    what a positive acknowledgement holds beside `ok`.
    """

    name: str
    payload: type[BaseSchema]
    description: str
    action: Action | None = None
    joined: bool = True
    alias: str | None = None
    limit: str | None = None
    answer: type[ma.Schema] = answers.NothingMoreSchema


@dataclass(frozen=True, slots=True)
class Told:
    """An event from the server. A droppable one may be left out for a client that reads too slowly."""

    name: str
    description: str
    payload: type[ma.Schema]
    droppable: bool = False


def universe_id() -> fields.UUID:
    """The universe that an event is about."""
    return fields.UUID(required=True)


def operation_id() -> fields.UUID:
    """The id of an operation, made by the client; sent again, it is answered with the first result."""
    return fields.UUID(required=True)


def label(**kwargs: Any) -> Text:
    """A short name chosen by the client: a tab, a gesture."""
    return Text(low=1, high=64, pattern=_LABEL, message="Must be 1 to 64 letters, digits or ._:-", **kwargs)


def revision(**kwargs: Any) -> Whole:
    """A revision of a universe."""
    return Whole(low=0, high=LARGEST, **kwargs)


class Nothing(BaseSchema):
    """No fields."""


class JoinSchema(BaseSchema):
    """Which universe; `since` and `epoch` are what the client has applied already."""

    universe_id = fields.UUID()
    share_token = Text(low=1, high=200)
    client_id = label()
    since = revision()
    epoch = fields.UUID()

    @ma.validates_schema
    def _one_name(self, data: dict[str, Any], **_: Any) -> None:
        if ("universe_id" in data) == ("share_token" in data):
            raise ma.ValidationError(_SAY_WHICH, "universe_id")


class UniverseSchema(BaseSchema):
    """Which universe."""

    universe_id = universe_id()


class SyncSchema(BaseSchema):
    """What the client has applied."""

    universe_id = universe_id()
    since = revision(required=True)
    epoch = fields.UUID(required=True)


class StepSchema(BaseSchema):
    """One operation on one entity."""

    op = fields.String(required=True, validate=validate.OneOf(["create", "update", "delete", "move"]))
    path = Text(low=1, high=80, required=True)
    fields_ = fields.Dict(data_key="fields", keys=fields.String())
    after_id = fields.UUID()
    before_id = fields.UUID()


class EditSchema(BaseSchema):
    """One operation, or with op `batch` up to 100 of them as one change."""

    universe_id = universe_id()
    op_id = operation_id()
    base = revision()
    op = fields.String(required=True, validate=validate.OneOf(["create", "update", "delete", "move", "batch"]))
    path = Text(high=80, load_default="")
    fields_ = fields.Dict(data_key="fields", keys=fields.String())
    after_id = fields.UUID()
    before_id = fields.UUID()
    items = fields.List(fields.Nested(StepSchema), validate=validate.Length(min=1, max=100))
    mode = fields.String(validate=validate.OneOf(["merge", "strict"]), load_default="merge")
    group = label()
    client_id = label()


class ParameterUpdateSchema(BaseSchema):
    """Some parameters of a set."""

    universe_id = universe_id()
    op_id = operation_id()
    base = revision()
    path = Text(low=1, high=80, required=True)
    parameters = fields.Dict(required=True, keys=fields.String())
    mode = fields.String(validate=validate.OneOf(["merge", "strict"]), load_default="merge")
    group = label()
    client_id = label()


class UndoSchema(BaseSchema):
    """Whose changes: this user's, made from this tab."""

    universe_id = universe_id()
    client_id = label(required=True)
    op_id = operation_id()


class CursorSchema(BaseSchema):
    """A place in a scene, in metres."""

    scene_id = fields.UUID(required=True)
    x = Real(required=True)
    y = Real(required=True)


class PresenceUpdateSchema(BaseSchema):
    """What the others see of this connection; what is absent stays as it is."""

    universe_id = universe_id()
    status = fields.String(validate=validate.OneOf(["active", "idle", "away"]))
    cursor = fields.Nested(CursorSchema, allow_none=True)
    selection = fields.List(Text(low=1, high=80), validate=validate.Length(max=50))


class PreviewSchema(BaseSchema):
    """Values while they are being dragged; they are not stored."""

    universe_id = universe_id()
    path = Text(low=1, high=80, required=True)
    fields_ = fields.Dict(required=True, data_key="fields", keys=fields.String(), validate=validate.Length(max=64))


class ChatMessageSchema(BaseSchema):
    """A line to everybody in the universe."""

    universe_id = universe_id()
    op_id = operation_id()
    text = Text(low=1, high=2000, required=True)


class LoopSchema(BaseSchema):
    """A stretch of the scene that is played again and again, in seconds."""

    start_s = Real(required=True, validate=validate.Range(min=0, max=86_400))
    end_s = Real(required=True, validate=validate.Range(min=0, max=86_400))

    @ma.validates_schema
    def _forwards(self, data: dict[str, Any], **_: Any) -> None:
        if data["end_s"] - data["start_s"] < 0.01:
            raise ma.ValidationError("Must be at least 0.01 s after start_s.", "end_s")


class TransportSchema(BaseSchema):
    """What to do with the playback that all share; `base_seq` refuses a command made on an older state."""

    universe_id = universe_id()
    action = fields.String(required=True, validate=validate.OneOf(["play", "pause", "stop", "seek", "loop"]))
    position_s = Real(validate=validate.Range(min=0, max=86_400, error="Must be from 0 to 86400 s."))
    rate = Real(validate=validate.Range(min=0.1, max=10, error="Must be from 0.1 to 10 times real time."))
    loop = fields.Nested(LoopSchema, allow_none=True)
    scene_id = fields.UUID(allow_none=True)
    base_seq = revision()


class SimulationStartSchema(BaseSchema):
    """Which scene to play live, and how many frames a second."""

    universe_id = universe_id()
    scene_id = fields.UUID(required=True)
    rate_hz = Whole(low=1, high=60, load_default=30)


class SimulationStopSchema(BaseSchema):
    """Which scene's live simulation to stop."""

    universe_id = universe_id()
    scene_id = fields.UUID()


class ClockSchema(BaseSchema):
    """When the client sent this, in milliseconds of its own clock."""

    t0 = Real(required=True)


class TokenSchema(BaseSchema):
    """A fresh access token of the same user."""

    token = fields.String(required=True, validate=validate.Length(min=1, max=4096))


CLIENT: tuple[Event, ...] = (
    Event("join_universe", JoinSchema, "Enter a universe and catch up.", Action.READ, False, "join", "joins", answers.JoinedSchema),
    Event("leave_universe", UniverseSchema, "Leave a universe.", Action.READ, True, "leave"),
    Event("sync", SyncSchema, "Catch up after a gap.", Action.READ, True, "resync", "joins", answers.JoinedSchema),
    Event("edit", EditSchema, "Change content.", Action.EDIT, True, "operation", "writes", answers.EditedSchema),
    Event(
        "parameter_update", ParameterUpdateSchema, "Change some physics parameters: an `edit` in fewer words.",
        Action.EDIT, True, None, "writes", answers.EditedSchema,
    ),
    Event("undo", UndoSchema, "Take back this tab's newest change or gesture.", Action.EDIT, True, None, "writes", answers.UndoneSchema),
    Event("redo", UndoSchema, "Make again what this tab undid last.", Action.EDIT, True, None, "writes", answers.UndoneSchema),
    Event("presence_update", PresenceUpdateSchema, "Tell where one is and what one has selected.", Action.READ, True, "cursor_update"),
    Event("preview", PreviewSchema, "Show values that are being dragged.", Action.EDIT),
    Event("chat_message", ChatMessageSchema, "Say something.", Action.INSPECT, True, None, "chat", answers.LineSchema),
    Event(
        "transport", TransportSchema, "Play, pause, stop, seek or loop for everybody.",
        Action.EDIT, True, None, "writes", answers.PlaybackSchema,
    ),
    Event(
        "simulation_start", SimulationStartSchema, "Play a scene live to everybody.",
        Action.EDIT, True, None, "writes", answers.StreamSchema,
    ),
    Event(
        "simulation_stop", SimulationStopSchema, "Stop playing live.", Action.EDIT, True, None, "writes", answers.StoppedSchema,
    ),
    Event("clock_sync", ClockSchema, "Compare clocks.", None, False, None, None, answers.ClocksSchema),
    Event("reauthenticate", TokenSchema, "Go on with a fresh token.", None, False, None, "joins", answers.ExpiresSchema),
)  # fmt: skip

SERVER: tuple[Told, ...] = (
    Told("change", "A row of the log; every connection is told of them in order.", answers.RowSchema),
    Told("user_joined", "A connection entered.", answers.EnteredSchema),
    Told("user_left", "A connection left.", answers.EnteredSchema),
    Told("presence", "Who is where.", answers.PresenceSchema, droppable=True),
    Told("preview", "Values being dragged.", answers.PreviewedSchema, droppable=True),
    Told("chat_message", "A line of the chat.", answers.ChatLineSchema),
    Told("transport_state", "The playback that all share.", answers.PlaybackToldSchema),
    Told("simulation_state", "What is played live, from now on.", answers.StreamToldSchema),
    Told("simulation_frame", "Where bodies are.", answers.FrameSchema, droppable=True),
    Told("simulation_event", "Sounds to come.", answers.SoundsSchema, droppable=True),
    Told("role_changed", "Your role is another one.", answers.RoleToldSchema),
    Told("access_revoked", "You are out.", answers.RevokedSchema),
    Told("resync_required", "Call `sync`, or after a disconnection join again.", answers.ResyncSchema),
    Told("job_progress", "A job goes on.", answers.JobToldSchema, droppable=True),
    Told("job_finished", "A job has ended.", answers.JobToldSchema),
    Told("audio_ready", "A file can be fetched.", answers.AudioToldSchema),
    Told("auth_expiring", "Reauthenticate before then.", answers.ExpiresSchema),
    Told("draining", "The server is going; connect again after a while.", answers.DrainingSchema),
    Told("error", "What went wrong with an event that took no acknowledgement.", answers.WrongSchema),
)  # fmt: skip

BY_NAME: dict[str, Event] = {
    **{event.name: event for event in CLIENT},
    **{event.alias: event for event in CLIENT if event.alias is not None},
}
"""Client events by every name they go by."""

"""The playback that all in a universe share: one state, on the server's clock, in which the latest command wins.

A state holds `playing`, `position_s` at `anchor_ms`, `rate`, `loop` and `scene_id`; position_at() tells the position at any
time from these alone, here and at every client. A command that leaves it playing takes effect at `anchor_ms` =
`start_at_ms`, a little ahead, so that all hear it together; until then who plays already goes on as before. Its position is
the one that the state before has then, so that a change of rate or loop does not jump. One that stops takes effect at once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from app.access import Action
from app.collaboration.beside import EMPTY, Beside, beside
from app.collaboration.hub import Connection, Hub, Room
from app.collaboration.models import RoomState
from app.errors import Conflict, Invalid
from app.extensions import db
from app.scenes.models import Scene

LEAD_MS = 250
_ROOMS: Any = RoomState.__table__
_SCENES: Any = Scene.__table__
_STATE = select(_ROOMS).where(_ROOMS.c.universe_id == bindparam("universe_id"))


def position_at(state: Mapping[str, Any], t_ms: float) -> float:
    """The position, in seconds of the scene, that a state has at a server time in Unix milliseconds."""
    position: float = state["position_s"]
    if state["playing"]:
        position += state["rate"] * max(0.0, t_ms - state["anchor_ms"]) / 1000
    return _looped(position, state["loop"])


def state_of(kept: Mapping[Any, Any]) -> dict[str, Any]:
    """The state as it is told, from the columns of a room's row."""
    anchor = kept["anchor_ms"]
    return {
        "seq": kept["transport_seq"],
        "playing": kept["playing"],
        "position_s": kept["position_s"],
        "rate": kept["rate"],
        "loop": kept["loop"],
        "scene_id": str(kept["scene_id"]) if kept["scene_id"] else None,
        "anchor_ms": anchor,
        "start_at_ms": anchor,
        "by": str(kept["by_id"]) if kept["by_id"] else None,
    }


def state_now(universe_id: UUID) -> dict[str, Any]:
    """The present state of a universe's playback."""
    kept = db.session.connection().execute(_STATE, {"universe_id": universe_id}).mappings().first()
    return state_of(kept or EMPTY)


def transport(connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
    """Obey a command; the new state. Raises Conflict for one made on an older state, and Invalid for what does not fit."""
    _check(message)
    actor = connection.actor
    with beside(actor, message["universe_id"], Action.EDIT) as room:
        before = state_of(room.kept)
        if message.get("base_seq", before["seq"]) != before["seq"]:
            raise Conflict("Somebody else was faster.", current=before)
        after = _after(room, before, message, round(time.time() * 1000))
        room.keep(**after, transport_seq=before["seq"] + 1, by_id=actor.id)
    return state_of({**after, "transport_seq": before["seq"] + 1, "by_id": actor.id})


def tell(hub: Hub, room: Room, head: Mapping[Any, Any]) -> None:
    """Tell a room of the playback, when the head of its universe counts a command that it has not heard of."""
    if (head["transport_seq"] or 0) <= room.transport_seq:
        return
    state = state_now(room.universe_id)
    db.session.rollback()
    if not hub.holds(room):
        return
    room.transport_seq = state["seq"]
    hub.tell(room.universe_id, "transport_state", {"universe_id": str(room.universe_id), **state})


def _check(message: Mapping[str, Any]) -> None:
    action = message["action"]
    if action == "seek" and "position_s" not in message:
        raise Invalid(errors={"position_s": ["A seek needs a position."]})
    if action == "loop" and "loop" not in message:
        raise Invalid(errors={"loop": ["Give the stretch to loop, or null to end looping."]})
    if action == "stop" and "position_s" in message:
        raise Invalid(errors={"position_s": ["A stop goes back to the beginning; pause or seek to be elsewhere."]})


def _after(room: Beside, before: Mapping[str, Any], message: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    """The state that a command makes of the one before, as columns."""
    action = message["action"]
    playing = before["playing"] if action in ("seek", "loop") else action == "play"
    anchor = now_ms + LEAD_MS if playing else now_ms
    scene_id = _scene(room, message)
    moved_on = before["scene_id"] is not None and str(scene_id) != before["scene_id"]
    loop = message.get("loop", None if moved_on else before["loop"])
    if "position_s" in message:
        position = message["position_s"]
        if loop and position >= loop["end_s"]:
            raise Invalid(errors={"position_s": ["Is past the end of the loop; end the loop with it."]})
    else:
        position = 0.0 if action == "stop" or moved_on else _looped(position_at(before, anchor), loop)
    return {
        "playing": playing,
        "position_s": position,
        "rate": message.get("rate", before["rate"]),
        "loop": loop,
        "scene_id": scene_id,
        "anchor_ms": anchor,
    }


def _scene(room: Beside, message: Mapping[str, Any]) -> UUID | None:
    """The scene to play: the one given, else the one before, unless that has been deleted. Raises Invalid for a strange one."""
    wanted: UUID | None = message.get("scene_id", room.kept["scene_id"])
    if wanted is None:
        return None
    living = select(_SCENES.c.id).where(_SCENES.c.id == wanted, _SCENES.c.universe_id == room.universe_id)
    if room.session.execute(living).first() is not None:
        return wanted
    if "scene_id" in message:
        raise Invalid(errors={"scene_id": ["Must be a scene of this universe."]})
    return None


def _looped(position: float, loop: Mapping[str, float] | None) -> float:
    if loop is None or position < loop["end_s"]:
        return position
    return loop["start_s"] + (position - loop["start_s"]) % (loop["end_s"] - loop["start_s"])

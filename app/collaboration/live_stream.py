"""A stream as this process plays it: frames at their moments, and notes ahead of theirs.

Frame `tick` shows the scene at server time `started_ms + tick * 1000 / rate_hz`, whoever computes it; while the scene stands
the frame is repeated once a second. Notes are told at least the playback's lead before they sound, but for those that an
edit, a command or a late start makes nearer: these are told at once.

A note has an `id` that it keeps wherever it is told again, and `at_ms`, the server time at which it sounds. One whose time
is past is held, and is begun in the middle. `retracted` names notes told before that are not heard from a server time on:
they no longer happen, or are held no longer. `tracks` are the values that held notes follow in the stretch being told.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import orjson
import structlog

from app.collaboration.live_course import Course, Leg
from app.engine.live import Beginning, Run, Snapshot
from app.errors import Problem
from app.extensions import offload

if TYPE_CHECKING:
    from app.collaboration.hub import Hub

log = structlog.get_logger(__name__)
AHEAD_MS = 1000
_STEP_MS = 100
_REPEAT_MS = 1000
_FRAMES_MS = 200
BACK_S = 0.1
_JUST_S = 1e-4
_RESUME_MS = 20


@dataclass(frozen=True)
class Take:
    """What plays: a scene as it was at a revision, its run from the beginning, and the one that the last edit began."""

    snapshot: Snapshot
    revision: int
    base: Run | None = None
    edited: Run | None = None
    beginning: Beginning | None = None
    problem: Problem | None = None

    @property
    def run(self) -> Run | None:
        """The run that people are told of."""
        return self.edited or self.base


@dataclass
class Told:
    """A note that has been told: where it is heard, in Unix ms, and whether it is held."""

    note: dict[str, Any]
    at_ms: float
    until_ms: float
    held: bool
    part: str


@dataclass
class Sounds:
    """What an event tells of."""

    notes: list[dict[str, Any]] = field(default_factory=list)
    retracted: list[dict[str, Any]] = field(default_factory=list)
    tracks: list[dict[str, Any]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.notes or self.retracted or self.tracks)


class Stream:
    """One stream, for as long as this process holds its lease. Only its own loop touches what it has told."""

    def __init__(self, hub: Hub, row: Any, course: Course) -> None:
        self.hub, self.course = hub, course
        self.universe_id: UUID = row.universe_id
        self.scene_id: UUID = row.scene_id
        self.stream_id: UUID = row.stream_id
        self.rate_hz: int = row.rate_hz
        self.started_ms: int = row.started_ms
        self.take: Take | None = None
        self.lease_end = 0.0
        self._next: Take | None = None
        self._anew = self._again = True
        self._ended = False
        self._told: dict[str, Told] = {}
        self._told_until = 0.0
        self._part = ""
        self._base_from = math.inf
        self._frames: dict[int, tuple[float, bytes]] = {}
        self._last: tuple[float, float] = (-1.0, 0.0)

    @property
    def held(self) -> bool:
        """Whether this process may still compute it."""
        return not self._ended and time.monotonic() < self.lease_end

    def end(self) -> None:
        """Play no more."""
        self._ended = True

    def install(self, take: Take) -> None:
        """Play another take from the next frame on."""
        self._next = take

    def moved(self) -> None:
        """The playback has another state: what was told ahead may not happen."""
        self._anew = True

    def repeat(self) -> None:
        """Tell again what is to come, for somebody who has just entered."""
        self._again = True

    def place(self, at_ms: float) -> float | None:
        """The score time at a server time; None while the playback is of another scene."""
        leg = self.course.leg(at_ms)
        return None if leg is None else leg.place(at_ms)

    def run_at(self, leg: Leg) -> Run | None:
        """The run that a stretch shows: the edited one, unless the scene has gone back before the edit."""
        take = self.take
        if take is None or take.base is None:
            return None
        edited = take.edited
        if edited is None or leg.from_ms >= self._base_from:
            return take.base
        if leg.begin_s < edited.start_s - BACK_S:
            self._base_from = leg.from_ms
            return take.base
        return edited

    def shown(self) -> dict[str, Any]:
        """What people are told of the stream."""
        return shown(self.take, self.rate_hz, self.course.duration_s)

    def play(self) -> None:
        """The loop: one frame after another for as long as the lease is held."""
        tick = 0
        while self.held:
            tick = max(tick + 1, math.ceil((time.time() * 1000 - self.started_ms) * self.rate_hz / 1000))
            self.hub.server.sleep(max(0.0, (self._moment(tick) - time.time() * 1000) / 1000))
            try:
                if self.held:
                    self._step(tick)
            except Exception:
                log.exception("live stream failed", universe_id=str(self.universe_id))
                self.hub.server.sleep(1)

    def tell(self, event: str, payload: dict[str, Any], *, droppable: bool = True) -> None:
        """Tell the room of this universe in every process."""
        whole = {"universe_id": str(self.universe_id), **payload}
        self.hub.live.tell(self.universe_id, event, whole, droppable=droppable)

    def _moment(self, tick: int) -> float:
        return self.started_ms + tick * 1000 / self.rate_hz

    def _step(self, tick: int) -> None:
        self._change()
        if self.take is None or self.take.base is None:
            return
        at_ms = self._moment(tick)
        self._forget_edit(at_ms)
        leg = self.course.leg(at_ms)
        if leg is not None:
            self._tell_frame(tick, at_ms, leg)
        self._tell_sounds(tick, at_ms)

    def _change(self) -> None:
        """Put a new take on: people are told of it before they see it."""
        following, self._next = self._next, None
        if following is None:
            return
        self.take = following
        self.course.duration_s, self.course.repeats = float(following.snapshot["duration_s"]), bool(following.snapshot["loop"])
        self._base_from, self._anew, self._last = math.inf, True, (-1.0, 0.0)
        self._frames.clear()
        self.hub.live.told_of(self)

    def _forget_edit(self, at_ms: float) -> None:
        """Once the scene has gone back before the edit, it plays as if from its beginning."""
        take, place = self.take, self.place(at_ms)
        if take is not None and take.edited is not None and place is not None and place < take.edited.start_s - BACK_S:
            self.take = replace(take, edited=None, beginning=None)
            self._frames.clear()
            self.hub.live.told_of(self)

    def _tell_frame(self, tick: int, at_ms: float, leg: Leg) -> None:
        t, frame = self._frame(tick, at_ms)
        if not frame or (not leg.moving and self._last[0] == t and at_ms - self._last[1] < _REPEAT_MS and not self._again):
            return
        self._last = (t, at_ms)
        assert self.take is not None  # noqa: S101  there is a frame
        self.tell(
            "simulation_frame",
            {
                "stream_id": str(self.stream_id), "tick": tick, "t": t, "at_ms": at_ms,
                "revision": self.take.revision, "positions": frame,
            },
        )  # fmt: skip

    def _frame(self, tick: int, at_ms: float) -> tuple[float, bytes]:
        """A frame, made together with the next ones."""
        if self._anew:
            self._frames.clear()
        if tick not in self._frames:
            last = tick + max(1, round(_FRAMES_MS * self.rate_hz / 1000))
            self._frames = dict(self._made(range(tick, last)))
        return self._frames.get(tick, (0.0, b""))

    def _made(self, ticks: range) -> Iterator[tuple[int, tuple[float, bytes]]]:
        wanted: list[tuple[Run, list[int], list[float]]] = []
        for tick in ticks:
            leg = self.course.leg(self._moment(tick))
            run = self.run_at(leg) if leg is not None else None
            if leg is None or run is None:
                continue
            if not wanted or wanted[-1][0] is not run:
                wanted.append((run, [], []))
            wanted[-1][1].append(tick)
            wanted[-1][2].append(leg.place(self._moment(tick)))
        for run, mine, times in wanted:
            yield from zip(mine, zip(times, offload(run.frames, np.array(times)), strict=True), strict=True)

    def _tell_sounds(self, tick: int, at_ms: float) -> None:
        now, target = time.time() * 1000, at_ms + AHEAD_MS
        anew, again = self._anew, self._again
        if not (anew or again) and target - self._told_until < _STEP_MS:
            return
        self._anew = self._again = False
        from_ms = min(now, target) if anew or again else self._told_until
        sounds = self._sounds(from_ms, target, anew=anew, again=again)
        self._told_until = target
        self._told = {identity: told for identity, told in self._told.items() if told.until_ms > now - 1000}
        if sounds:
            t = self.place(at_ms)
            head = {"stream_id": str(self.stream_id), "tick": tick, "t": t}
            self.tell("simulation_event", {**head, "notes": sounds.notes, "retracted": sounds.retracted, "tracks": sounds.tracks})

    def _sounds(self, from_ms: float, to_ms: float, *, anew: bool, again: bool) -> Sounds:
        """What is to be told of a stretch of server time: `anew` when what was told of it may be wrong, `again` to tell all of it."""
        sounds, happening = Sounds(), set()
        if anew or again:
            self._part = ""
        for leg in self.course.legs(from_ms, to_ms):
            self._end_held(leg, sounds)
            run = self.run_at(leg)
            if not leg.moving or run is None:
                self._part = leg.part
                continue
            for told in self._of(leg, run, sounds):
                identity = told.note["id"]
                happening.add(identity)
                before = self._told.get(identity)
                if again or before is None or before.until_ms + 1 < told.until_ms:
                    sounds.notes.append(told.note)
                self._told[identity] = told
            self._part = leg.part
        if anew:
            self._retract(from_ms, happening, sounds)
        return sounds

    def _end_held(self, leg: Leg, sounds: Sounds) -> None:
        """Held notes of the part before end where another begins."""
        for identity, told in self._told.items():
            if told.held and told.part != leg.part and told.at_ms < leg.from_ms < told.until_ms:
                told.until_ms = leg.from_ms
                sounds.retracted.append({"id": identity, "at_ms": leg.from_ms})

    def _of(self, leg: Leg, run: Run, sounds: Sounds) -> Iterator[Told]:
        """The notes of a stretch: those that begin in it and, where it is entered by a jump or anew, those that are held there."""
        fresh = leg.part != self._part
        low, high = np.searchsorted(run.onset, [leg.begin_s - (_JUST_S if fresh else 0.0), leg.end_s])
        chosen = list(range(int(low), int(high)))
        if fresh:
            chosen = [note for note in sorted(run.tracks) if note < low and run.until[note] > leg.begin_s] + chosen
        for note in chosen:
            yield self._told_note(leg, run, note)
        for note in run.tracks:
            if run.onset[note] < leg.end_s and run.until[note] > leg.begin_s:
                track = run.track(note, max(leg.begin_s, float(run.onset[note])), leg.end_s)
                if track is not None:
                    sounds.tracks.append({"id": f"{run.ids[note]}-{leg.part}", **track})

    def _told_note(self, leg: Leg, run: Run, note: int) -> Told:
        at_ms = leg.moment(float(run.onset[note]))
        row = {"id": f"{run.ids[note]}-{leg.part}", "at_ms": at_ms, **orjson.loads(run.notes[note])}
        return Told(row, at_ms, leg.moment(float(run.until[note])), note in run.tracks, leg.part)

    def _retract(self, from_ms: float, happening: set[str], sounds: Sounds) -> None:
        """Take back what was told and does not happen; what has begun rings on, unless it is held."""
        for identity in [one for one in self._told if one not in happening]:
            told = self._told[identity]
            if told.at_ms > from_ms or (told.held and told.until_ms > from_ms):
                sounds.retracted.append({"id": identity, "at_ms": max(from_ms, told.at_ms)})
                del self._told[identity]


def shown(take: Take | None, rate_hz: int, duration_s: float) -> dict[str, Any]:
    """What people are told of a stream, but for whose it is and where it is."""
    run = take.run if take is not None else None
    told: dict[str, Any] = {
        "state": "preparing" if take is None else "refused" if take.problem else "ready",
        "body_ids": run.body_ids if run else [],
        "dimensions": run.dimensions if run else 2,
        "rate_hz": rate_hz,
        "duration_s": duration_s,
        "revision": take.revision if take else 0,
    }
    silent = run.error if run else None
    if take is not None and take.problem is not None:
        told["error"] = {"code": take.problem.code, "message": take.problem.message, "errors": take.problem.errors}
    elif silent is not None:
        told["error"] = {"code": "VALIDATION_ERROR", "message": silent.message, "errors": {silent.field or "_schema": [silent.message]}}
    return told

"""Where a scene is at a server time: the playback's states one after another, as stretches in which time runs evenly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.collaboration.playback import position_at

State = Mapping[str, Any]
_KEPT = 8
_AFTER_MS = 1e-3  # a turn is looked at from just behind: Unix milliseconds have no finer digits to rely on
_SHORTEST_MS = 1e-2


@dataclass(frozen=True, slots=True)
class Leg:
    """A stretch of server time, in Unix ms, in which the scene goes evenly from `begin_s` to `end_s`, or stands.

    `part` is the same for stretches that follow each other without a jump or a command between them.
    """

    from_ms: float
    to_ms: float
    begin_s: float
    end_s: float
    rate: float
    part: str

    @property
    def moving(self) -> bool:
        """Whether the scene plays."""
        return self.rate > 0

    def place(self, at_ms: float) -> float:
        """The score time at a server time within."""
        return self.begin_s + self.rate * (at_ms - self.from_ms) / 1000 if self.moving else self.begin_s

    def moment(self, t_s: float) -> float:
        """The server time at a score time within, in Unix ms."""
        return self.from_ms + (t_s - self.begin_s) / self.rate * 1000


class Course:
    """The states of the playback that concern one scene. A command takes effect at its anchor; until then the one before goes on.

    A scene that is not repeated stands at its end. While the playback is of another scene there is no stretch.
    """

    def __init__(self, scene_id: str, duration_s: float, repeats: bool) -> None:
        self.scene_id, self.duration_s, self.repeats = scene_id, duration_s, repeats
        self._states: list[tuple[float, State]] = []

    @property
    def state(self) -> State | None:
        """The newest state."""
        return self._states[-1][1] if self._states else None

    def follow(self, state: State) -> bool:
        """Take on a state; whether it is a new one."""
        if self._states and self._states[-1][1]["seq"] == state["seq"]:
            return False
        since = float(state["anchor_ms"]) if self._states else -math.inf
        self._states = [*(one for one in self._states if one[0] < since), (since, state)][-_KEPT:]
        return True

    def legs(self, from_ms: float, to_ms: float) -> Iterator[Leg]:
        """The stretches between two server times, in order."""
        states = self._states
        for index, (since, state) in enumerate(states):
            until = states[index + 1][0] if index + 1 < len(states) else math.inf
            low, high = max(from_ms, since), min(to_ms, until)
            if low < high and state["scene_id"] in (None, self.scene_id):
                yield from self._of(state, low, high)

    def leg(self, at_ms: float) -> Leg | None:
        """The stretch that a server time is in."""
        return next(self.legs(at_ms, at_ms + 1), None)

    def _of(self, state: State, low: float, high: float) -> Iterator[Leg]:
        if not state["playing"]:
            yield self._standing(state, low, high)
            return
        if low < state["anchor_ms"]:
            yield self._standing(state, low, min(high, state["anchor_ms"]))
            low = state["anchor_ms"]
        while low < high:
            leg = self._next(state, low, high)
            yield leg
            low = leg.to_ms

    def _standing(self, state: State, low: float, high: float) -> Leg:
        place, _ = self._place(position_at(state, low))
        return Leg(low, high, place, place, 0.0, f"{state['seq']}-")

    def _next(self, state: State, low: float, high: float) -> Leg:
        """The stretch from `low` to the next jump, the end of the scene, or `high`."""
        behind = low + _AFTER_MS
        loops, position = self._looped(state, behind)
        place, repeats = self._place(position)
        rate: float = state["rate"]
        part = f"{state['seq']}-{loops}.{repeats}"
        left = self._left(state, position, place)
        turn = behind + max(left / rate * 1000, _SHORTEST_MS)
        to_ms = min(turn, high)
        if place >= self.duration_s:
            return Leg(low, to_ms, self.duration_s, self.duration_s, 0.0, part + "e")
        begin = self._begin(state, low, loops, repeats)
        end = place + left if turn <= high else self._place(position_at(state, high))[0]
        return Leg(low, to_ms, begin, end, rate, part)

    def _begin(self, state: State, low: float, loops: int, repeats: int) -> float:
        """Where a stretch begins: just at the start of what is repeated when it follows a jump."""
        before, position = self._looped(state, low)
        place, earlier = self._place(position)
        if before != loops or position_at(state, low + _AFTER_MS) < position:
            return self._place(float(state["loop"]["start_s"]))[0]
        return place if earlier == repeats else 0.0

    def _looped(self, state: State, at_ms: float) -> tuple[int, float]:
        """How often the playback's loop has been gone round, and the position."""
        loop, position = state["loop"], position_at(state, at_ms)
        raw = state["position_s"] + state["rate"] * max(0.0, at_ms - state["anchor_ms"]) / 1000
        if not loop or raw < loop["end_s"]:
            return 0, position
        return math.floor((raw - loop["start_s"]) / (loop["end_s"] - loop["start_s"])), position

    def _place(self, position: float) -> tuple[float, int]:
        """The score time of a position, and how often the scene has been repeated."""
        if self.repeats:
            return position % self.duration_s, math.floor(position / self.duration_s)
        return min(position, self.duration_s), 0

    def _left(self, state: State, position: float, place: float) -> float:
        """Score seconds until the next jump or the end; infinite for a scene that stands at its end for good."""
        loop = state["loop"]
        ahead = loop["end_s"] - position if loop and position < loop["end_s"] else math.inf
        if self.repeats or place < self.duration_s:
            ahead = min(ahead, self.duration_s - place)
        return max(ahead, 0.0)

"""The bytes of Standard MIDI Files 1.0: tracks of events at ticks, and the messages that are more than three bytes."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from operator import itemgetter

TICKS_PER_QUARTER = 960
CHANNELS = 16
PERCUSSION = 9
BEND_CENTRE = 8192

FIRST, END, SET, BEGIN = range(4)
"""Order of events at one tick: names, then what ends, then the channel is set, then notes begin."""

Event = tuple[int, bytes]
"""A place in time (`at`) and a message."""


def at(tick: int, order: int) -> int:
    """The place of an event among those of its track; events of one place stay in the order in which they were given."""
    return tick << 2 | order


def file(tracks: Sequence[bytes]) -> bytes:
    """A file of type 1."""
    values = (1, len(tracks), TICKS_PER_QUARTER)
    header = b"MThd" + (6).to_bytes(4, "big") + b"".join(value.to_bytes(2, "big") for value in values)
    return header + b"".join(b"MTrk" + len(track).to_bytes(4, "big") + track for track in tracks)


def track(events: Iterable[Event], end: int = 0) -> bytes:
    """Events in order with their delta times, and the end of the track not before the tick `end`."""
    parts: list[bytes] = []
    last = 0
    for place, message in sorted(events, key=itemgetter(0)):
        tick = place >> 2
        parts.append(variable(tick - last))
        parts.append(message)
        last = tick
    return b"".join((*parts, variable(max(0, end - last)), meta(0x2F, b"")))


def at_once(messages: Iterable[bytes]) -> bytes:
    """Messages of one tick as one."""
    return b"\x00".join(messages)


@functools.lru_cache(maxsize=1 << 14)
def variable(value: int) -> bytes:
    """A variable-length quantity: seven bits a byte, the high bit on all but the last."""
    found = [value & 0x7F]
    while value := value >> 7:
        found.append(0x80 | (value & 0x7F))
    return bytes(reversed(found))


def meta(kind: int, data: bytes) -> bytes:
    """A meta event."""
    return bytes((0xFF, kind)) + variable(len(data)) + data


def parameter(channel: int, number: int, coarse: int, fine: int | None = None) -> list[bytes]:
    """A registered parameter of a channel; then none is selected, so that later data entry is harmless."""
    values = [(101, number >> 7), (100, number & 0x7F), (6, coarse), *([] if fine is None else [(38, fine)]), (101, 127), (100, 127)]
    return [bytes((0xB0 | channel, controller, value)) for controller, value in values]


def bend(channel: int, steps: int) -> bytes:
    """Pitch bend in steps from the centre, -8192 to 8191."""
    value = steps + BEND_CENTRE
    return bytes((0xE0 | channel, value & 0x7F, value >> 7))


def tune(program: int, key: int, steps: int) -> bytes:
    """The real-time single note tuning change of the MIDI Tuning Standard: a key of a tuning program, in 2^-14 semitones over key 0."""
    return bytes((0xF0, 11, 0x7F, 0x7F, 0x08, 0x02, program, 1, key, steps >> 14, steps >> 7 & 0x7F, steps & 0x7F, 0xF7))

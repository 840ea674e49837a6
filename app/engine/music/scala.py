"""Scala files: scales (.scl) and keyboard mappings (.kbm), read and written.

References
----------
Manuel Op de Coul, Scala scale file format, and the keyboard mappings of the Scala help (huygens-fokker.org/scala).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from app.engine.errors import EngineError
from app.engine.music.pitch import hz_to_midi, midi_to_hz, round_half_away
from app.engine.music.tunings import CUSTOM, LEAST_CENTS, MOST_CENTS, MOST_DEGREES, ROOT_HZ, Degree, degree_cents, spelled

MOST_CHARACTERS = 100_000
_LINE_END = re.compile(r"\r\n|\n|\r")
_WORD = re.compile(r"[ \t]*(\S+)")
_PITCH = re.compile(
    r"[ \t]*(?:(?P<cents>[+-]?(?:[0-9]{1,20}\.[0-9]{0,40}|\.[0-9]{1,40}))"
    r"|(?P<over>[+-]?[0-9]{1,40})(?:[ \t]*/[ \t]*(?P<under>[+-]?[0-9]{1,40}))?)"
    r"(?![^ \t])(?![ \t]*/)"
)
_WHOLE = re.compile(r"-?[0-9]{1,6}")
_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,40})?")
_MOST_KEYS = 128
_MIDDLE_C = 60
_KEY_LIMITS = (0, _MOST_KEYS - 1)
_MOST_DEGREE = 9999
_LOWEST_HZ, _HIGHEST_HZ = 1e-3, 1e5
# Ratios over more periods, or of more digits, are told in cents.
_EXACT_PERIODS = 8
_LARGEST_TERM = 10**40


@dataclass(frozen=True, slots=True)
class ScaleFile:
    """A scale as its file has it: the degrees above 1/1 in the order of the file, the last of them the period."""

    description: str
    degrees: tuple[Degree, ...]

    def degree(self, number: int) -> Degree:
        """A degree by its number, in any period: 0 is 1/1."""
        periods, place = divmod(number, len(self.degrees))
        return _sum(self.degrees[place - 1] if place else Fraction(1), self.degrees[-1], periods)


@dataclass(frozen=True, slots=True)
class KeyboardMap:
    """A keyboard mapping: MIDI keys `first` to `last`, the key of its first entry, the one that sounds at `hz`, and the keys' degrees.

    `octave` is the degree by which the pattern of `entries` repeats, 0 the period of the scale; an entry of None is a key without pitch;
    without entries every key takes the next degree.
    """

    first: int
    last: int
    middle: int
    reference: int
    hz: float
    octave: int
    entries: tuple[int | None, ...]

    def degree(self, key: int, scale: ScaleFile) -> Degree | None:
        """The degree of a key above that of the middle key's 1/1; None without pitch."""
        if not self.entries:
            return scale.degree(key - self.middle)
        repeats, place = divmod(key - self.middle, len(self.entries))
        entry = self.entries[place]
        return None if entry is None else _sum(scale.degree(entry), self.period(scale), repeats)

    def period(self, scale: ScaleFile) -> Degree:
        """By how much the pattern rises from one repeat to the next."""
        return scale.degree(self.octave) if self.entries and self.octave else scale.degrees[-1]


class _Lines:
    """The lines of a file that are no comments, with their numbers."""

    def __init__(self, text: str, field: str) -> None:
        self.field = field
        self.number = 0
        lines = _LINE_END.split(text.removeprefix("\ufeff"))
        # What follows the last line end is a line only where something stands there.
        self._rows = [(number, line) for number, line in enumerate(lines, 1) if not line.startswith("!") and (line or number < len(lines))]
        self._last = max(1, len(lines) - (lines[-1] == ""))

    def next(self, what: str) -> str:
        """The next line. Raises EngineError at the end of the file."""
        if not self._rows:
            self.number = self._last
            raise self.refusal(f"the file ends before {what}")
        self.number, line = self._rows.pop(0)
        return line

    @property
    def ended(self) -> bool:
        return not any(line.strip() for _, line in self._rows)

    def whole(self, what: str, low: int, high: int) -> int:
        """The whole number that the next line begins with."""
        match = _WORD.match(self.next(what))
        if not match or not _WHOLE.fullmatch(match[1]) or not low <= int(match[1]) <= high:
            raise self.refusal(f"{what} must be a whole number from {low} to {high}")
        return int(match[1])

    def refusal(self, why: str) -> EngineError:
        return EngineError(f"Line {self.number}: {why}.", self.field)


def read_scl(text: str) -> ScaleFile:
    """The scale of a .scl file: a description, the number of notes, and as many pitches.

    A pitch with a period is in cents, others are ratios; what follows it is ignored, and so are lines after the last pitch. Pitches may
    stand in any order and below 1/1; the last is the period and lies above it. Raises EngineError with the number of the line.
    """
    lines = _Lines(text, "scl")
    description = lines.next("the description").strip()
    count = lines.whole("the number of notes", 1, MOST_DEGREES)
    degrees = tuple(_pitch(lines, place, count) for place in range(1, count + 1))
    if degree_cents(degrees[-1]) < LEAST_CENTS:
        raise lines.refusal(f"the last pitch is the period and must be at least {LEAST_CENTS:g} cents")
    return ScaleFile(description, degrees)


def read_kbm(text: str) -> KeyboardMap:
    """The mapping of a .kbm file: seven numbers, then a degree or x for each key; missing ones at the end are x.

    Raises EngineError with the number of the line.
    """
    lines = _Lines(text, "kbm")
    size = lines.whole("the size of the map", 0, _MOST_KEYS)
    first = lines.whole("the first MIDI note", *_KEY_LIMITS)
    last = lines.whole("the last MIDI note", *_KEY_LIMITS)
    if last < first:
        raise lines.refusal(f"the last MIDI note must not be below the first, {first}")
    middle = lines.whole("the middle note", *_KEY_LIMITS)
    reference = lines.whole("the reference note", *_KEY_LIMITS)
    where = lines.number
    hz = _frequency(lines)
    octave = lines.whole("the degree of the formal octave", 0, _MOST_DEGREE)
    entries = tuple(_entry(lines) for _ in range(size) if not lines.ended)
    entries += (None,) * (size - len(entries))
    if not lines.ended:
        lines.next("")
        raise lines.refusal(f"the map has {size} entries, and here is another")
    if entries and entries[(reference - middle) % size] is None:
        lines.number = where
        raise lines.refusal("the reference note has no pitch; its entry of the map is x")
    return KeyboardMap(first, last, middle, reference, hz, octave, entries)


def custom_tuning(scale: ScaleFile, keyboard: KeyboardMap | None = None) -> dict[str, Any]:
    """A scale file, and a keyboard mapping where there is one, as a custom tuning: all pitches of the scale, or of the mapped keys.

    Pitches are brought into one period, put in order, and equal ones are one. Raises EngineError where that leaves no tuning.
    """
    if keyboard is None:
        return {"type": CUSTOM, "degrees": _spelled(_within([scale.degree(n) for n in range(len(scale.degrees))], scale.degrees[-1]))}
    period = keyboard.period(scale)
    if not LEAST_CENTS <= degree_cents(period) <= MOST_CENTS:
        raise EngineError(f"The formal octave must be {LEAST_CENTS:g} to {MOST_CENTS:g} cents; it is {degree_cents(period):.9g}.", "kbm")
    count = len(keyboard.entries) or len(scale.degrees)
    keys = [keyboard.degree(keyboard.middle + place, scale) for place in range(count)]
    mapped = [degree for degree in keys if degree is not None]
    lowest = min(mapped, key=degree_cents)
    degrees = _within([_sum(degree, lowest, -1) for degree in mapped], period)
    if len(degrees) > MOST_DEGREES:
        raise EngineError(f"The map has {len(degrees)} different pitches; a tuning has {MOST_DEGREES} at most.", "kbm")
    return {"type": CUSTOM, "degrees": _spelled(degrees), "root_hz": _root_hz(keyboard, scale, lowest)}


def key_pitches(scale: ScaleFile, keyboard: KeyboardMap) -> list[dict[str, Any]]:
    """The frequency in Hz of each MIDI key of a mapping; None of keys without pitch, and beyond 0.001 Hz to 100 kHz."""
    sounding = keyboard.degree(keyboard.reference, scale)
    anchor = degree_cents(sounding) if sounding is not None else 0.0
    found = []
    for key in range(keyboard.first, keyboard.last + 1):
        degree = keyboard.degree(key, scale)
        octaves = math.nan if degree is None else math.log2(keyboard.hz) + (degree_cents(degree) - anchor) / 1200.0
        audible = math.log2(_LOWEST_HZ) <= octaves <= math.log2(_HIGHEST_HZ)
        found.append({"midi": key, "hz": 2.0**octaves if audible else None})
    return found


def write_scl(description: str, degrees: Sequence[Degree]) -> str:
    """A .scl file of degrees above 1/1, the period last, that reads back to the same degrees."""
    line = " ".join("".join(character if character.isprintable() else " " for character in description).split())
    pitches = [str(spelled(degree)) for degree in degrees]
    return "\n".join([f" {line}" if line.startswith("!") else line, f" {len(pitches)}", "!", *(f" {pitch}" for pitch in pitches), ""])


def keyboard_of(tuning: Mapping[str, Any]) -> KeyboardMap:
    """The keyboard mapping by which every MIDI key takes the next degree of a custom tuning.

    1/1 sounds on the key whose pitch of equal temperament (A4 = 440 Hz) is nearest to it; in a tuning without `root_hz` on middle C.
    """
    root = tuning.get("root_hz")
    hz = midi_to_hz(_MIDDLE_C) if root is None else float(root)
    key = min(max(round_half_away(hz_to_midi(hz)), 0), _MOST_KEYS - 1)
    return KeyboardMap(0, _MOST_KEYS - 1, key, key, hz, 0, ())


def write_kbm(keyboard: KeyboardMap) -> str:
    """A .kbm file that reads back to the same mapping."""
    entries = ["x" if entry is None else str(entry) for entry in keyboard.entries]
    rows = (
        ("Size of the map", len(entries)),
        ("First and last MIDI note", keyboard.first),
        (None, keyboard.last),
        ("Middle note, that of the first entry", keyboard.middle),
        ("Reference note and its frequency in Hz", keyboard.reference),
        (None, repr(float(keyboard.hz))),
        ("Degree of the formal octave", keyboard.octave),
    )
    lines = [line for what, value in rows for line in ([f"! {what}"] if what else []) + [str(value)]]
    return "\n".join([*lines, *(["! Degrees of the keys", *entries] if entries else []), ""])


def _pitch(lines: _Lines, place: int, count: int) -> Degree:
    match = _PITCH.match(lines.next(f"pitch {place} of {count}"))
    if not match:
        raise lines.refusal("expected a pitch: cents with a period such as 386.3, a ratio such as 5/4, or a whole number")
    degree: Degree
    if match["cents"]:
        degree = float(match["cents"])
    else:
        over, under = int(match["over"]), int(match["under"] or 1)
        if over <= 0 or under <= 0:
            raise lines.refusal("a ratio must be of numbers above 0")
        degree = Fraction(over, under)
    if abs(degree_cents(degree)) > MOST_CENTS:
        raise lines.refusal(f"a pitch must be in the range {-MOST_CENTS:g} to {MOST_CENTS:g} cents")
    return degree


def _frequency(lines: _Lines) -> float:
    match = _WORD.match(lines.next("the reference frequency"))
    if not match or not _DECIMAL.fullmatch(match[1]) or not _LOWEST_HZ <= float(match[1]) <= _HIGHEST_HZ:
        raise lines.refusal(f"the reference frequency must be a number from {_LOWEST_HZ:g} to {_HIGHEST_HZ:g} Hz")
    return float(match[1])


def _entry(lines: _Lines) -> int | None:
    match = _WORD.match(lines.next("an entry of the map"))
    if match and match[1] in ("x", "X"):
        return None
    if not match or not _WHOLE.fullmatch(match[1]) or abs(int(match[1])) > _MOST_DEGREE:
        raise lines.refusal(f"an entry of the map must be x or a degree from {-_MOST_DEGREE} to {_MOST_DEGREE}")
    return int(match[1])


def _root_hz(keyboard: KeyboardMap, scale: ScaleFile, lowest: Degree) -> float:
    sounding = keyboard.degree(keyboard.reference, scale)
    above = 0.0 if sounding is None else degree_cents(_sum(sounding, lowest, -1))
    octaves = math.log2(keyboard.hz) - above / 1200.0
    if not math.log2(ROOT_HZ.minimum) <= octaves <= math.log2(ROOT_HZ.maximum):
        raise EngineError(f"The lowest degree from the middle note on must sound in the range {ROOT_HZ.range_text}.", "kbm")
    return min(max(float(2.0**octaves), ROOT_HZ.minimum), ROOT_HZ.maximum)


def _sum(degree: Degree, period: Degree, times: int) -> Degree:
    """A degree raised by a number of periods; exact where both are ratios and the periods few."""
    if not times:
        return degree
    if isinstance(degree, Fraction) and isinstance(period, Fraction) and abs(times) <= _EXACT_PERIODS:
        exact = degree * period**times
        if max(exact.numerator, exact.denominator) < _LARGEST_TERM:
            return exact
    return degree_cents(degree) + times * degree_cents(period)


def _within(degrees: Sequence[Degree], period: Degree) -> tuple[Degree, ...]:
    """Degrees brought into the period above 1/1, rising and different, without 1/1 and with the period."""
    width = degree_cents(period)
    folded = sorted((_sum(degree, period, -math.floor(degree_cents(degree) / width)) for degree in degrees), key=degree_cents)
    kept: list[Degree] = []
    for degree in folded:
        below = degree_cents(kept[-1]) if kept else 0.0
        if degree_cents(degree) - below >= LEAST_CENTS and width - degree_cents(degree) >= LEAST_CENTS:
            kept.append(degree)
    return *kept, period


def _spelled(degrees: Sequence[Degree]) -> list[float | str]:
    return [spelled(degree) for degree in degrees]

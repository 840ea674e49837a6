"""Pitch in its four spellings: frequency in Hz, MIDI number, note name, and ratio or cents against another pitch.

MIDI 69 is A4 and sounds at `a4_hz`; 100 cents are one MIDI number; C4 is MIDI 60 (scientific pitch notation).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from app.engine.errors import EngineError, OutOfRange

A4_MIDI = 69
NOTE_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
INTERVAL_NAMES = ("P1", "m2", "M2", "m3", "M3", "P4", "TT", "P5", "m6", "M6", "m7", "M7")

_LOWEST_HZ, _HIGHEST_HZ = 1e-12, 1e12
_MIDI_LIMIT = 600.0
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"#": 1, "♯": 1, "x": 2, "𝄪": 2, "b": -1, "♭": -1, "𝄫": -2, "♮": 0}
_KEY = re.compile(r"([A-Ga-g])([#♯x𝄪b♭𝄫♮]{0,2})")
_NOTE = re.compile(_KEY.pattern + r"(-?\d{1,2})")
_RATIO = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)(?:\s*[:/]\s*(\d{1,15}(?:\.\d{1,15})?))?")


@dataclass(frozen=True, slots=True)
class Interval:
    """The name of an interval: the nearest whole number of semitones, by name and octaves."""

    semitones: int
    name: str
    octaves: int


def round_half_away(value: float) -> int:
    """The nearest whole number; halves go away from zero."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def hz_to_midi(hz: float, a4_hz: float = 440.0) -> float:
    """The float MIDI number of a frequency in Hz (> 0)."""
    return A4_MIDI + 12.0 * math.log2(hz / a4_hz)


def midi_to_hz(midi: float, a4_hz: float = 440.0) -> float:
    """The frequency, in Hz, of a float MIDI number."""
    return float(a4_hz * 2.0 ** ((midi - A4_MIDI) / 12.0))


def cents(low: float, high: float) -> float:
    """The interval from `low` up to `high` (both > 0, one unit) in cents; negative when it falls."""
    return 1200.0 * math.log2(high / low)


def interval(of_cents: float) -> Interval:
    """The name of an interval of so many cents: n = round(cents / 100), name n mod 12, octaves floor(n / 12)."""
    semitones = round_half_away(of_cents / 100.0)
    return Interval(semitones, INTERVAL_NAMES[semitones % 12], semitones // 12)


def key_class(key: str) -> int:
    """The pitch class, 0 (C) to 11 (B), of a key such as `C#`, `Db`, `E♯` or `Fb`. Raises EngineError."""
    match = _KEY.fullmatch(key.strip())
    if not match:
        raise EngineError("Must be a note from A to G with sharps or flats, such as C, F# or Bb.", "key")
    return (_LETTERS[match[1].upper()] + _shift(match[2])) % 12


def fifths(key: str) -> int:
    """The place of a key on the line of fifths, which tells spellings apart: C is 0, G 1, F -1, C# 7, Db -5. Raises EngineError."""
    match = _KEY.fullmatch(key.strip())
    if not match:
        raise EngineError("Must be a note from A to G with sharps or flats, such as C, F# or Bb.", "key")
    return "FCGDAEB".index(match[1].upper()) - 1 + 7 * _shift(match[2])


def note_to_midi(note: str) -> int:
    """The MIDI number of a note name with its octave, such as `A4`, `Db3` or `B♯-1`. Raises EngineError."""
    match = _NOTE.fullmatch(note.strip())
    if not match:
        raise EngineError("Must be a note name with its octave, such as A4, C#3 or Bb2.", "note")
    return 12 * (int(match[3]) + 1) + _LETTERS[match[1].upper()] + _shift(match[2])


def note_name(midi: int) -> str:
    """The name, spelled with sharps, of a whole MIDI number: 60 is `C4`."""
    return f"{NOTE_NAMES[midi % 12]}{midi // 12 - 1}"


def read_ratio(given: str | float) -> float:
    """A ratio given as `3:2`, `3/2`, `1.5` or a number. Raises EngineError unless it is positive and finite."""
    match = _RATIO.fullmatch(given.strip()) if isinstance(given, str) else None
    if isinstance(given, str) and not match:
        raise EngineError("Must be a ratio such as 3:2, 3/2 or 1.5.", "ratio")
    numerator, denominator = (float(match[1]), float(match[2] or 1.0)) if match else (float(given), 1.0)
    if denominator == 0.0 or not _LOWEST_HZ <= numerator / denominator <= _HIGHEST_HZ:
        raise OutOfRange(f"Must be in the range {_LOWEST_HZ:g} to {_HIGHEST_HZ:g}.", "ratio")
    return numerator / denominator


def convert(
    *,
    hz: float | None = None,
    midi: float | None = None,
    note: str | None = None,
    ratio: str | float | None = None,
    a4_hz: float = 440.0,
) -> dict[str, Any]:
    """One pitch, or one ratio of two pitches, in every spelling.

    Exactly one of `hz`, `midi`, `note` and `ratio` is given.

    Returns
    -------
    of a pitch : {"hz", "midi" (float), "note" (nearest name), "cents" (from that name, -50 to 50), "a4_hz"}
    of a ratio : {"ratio", "cents", "interval" (name), "octaves", "cents_off" (from the named interval)}

    Raises
    ------
    EngineError when none or several are given or one cannot be read; OutOfRange outside 1e-12 to 1e12 Hz.
    """
    if sum(value is not None for value in (hz, midi, note, ratio)) != 1:
        raise EngineError("Give exactly one of hz, midi, note and ratio.", "hz")
    if ratio is not None:
        return _describe_ratio(read_ratio(ratio))
    if note is not None:
        return _describe_midi(float(note_to_midi(note)), a4_hz)
    return _describe_midi(midi, a4_hz) if midi is not None else _describe_hz(float(hz or 0.0), a4_hz)


def _shift(accidentals: str) -> int:
    return sum(_ACCIDENTALS[mark] for mark in accidentals)


def _describe_midi(midi: float, a4_hz: float) -> dict[str, Any]:
    if not abs(midi) <= _MIDI_LIMIT:
        raise OutOfRange(f"Must be in the range {-_MIDI_LIMIT:g} to {_MIDI_LIMIT:g}.", "midi")
    return {**_describe_hz(midi_to_hz(midi, a4_hz), a4_hz, "midi"), **_nearest(midi)}


def _describe_hz(hz: float, a4_hz: float, field: str = "hz") -> dict[str, Any]:
    if not _LOWEST_HZ <= hz <= _HIGHEST_HZ:
        raise OutOfRange(f"Must be in the range {_LOWEST_HZ:g} to {_HIGHEST_HZ:g} Hz.", field)
    return {"hz": hz, **_nearest(hz_to_midi(hz, a4_hz)), "a4_hz": a4_hz}


def _nearest(midi: float) -> dict[str, Any]:
    key = round_half_away(midi)
    return {"midi": midi, "note": note_name(key), "cents": 100.0 * (midi - key)}


def _describe_ratio(ratio: float) -> dict[str, Any]:
    size = cents(1.0, ratio)
    named = interval(size)
    return {
        "ratio": ratio,
        "cents": size,
        "interval": named.name,
        "octaves": named.octaves,
        "cents_off": size - 100.0 * named.semitones,
    }

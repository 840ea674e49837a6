"""Tuned voices: the sounding pitch of every physical one, and what tuning did to the intervals between them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.engine.errors import EngineError, Unsupported
from app.engine.music.curves import Floats
from app.engine.music.harmony import Harmony
from app.engine.music.merging import Stroke
from app.engine.music.pitch import cents, interval
from app.engine.music.tunings import resonance

_MOST_LISTED = 128
_ALL_PAIRS = 24
# Cents of the physical values stand for those of the pitches only while they agree.
_AGREEMENT_CENTS = 1e-6


class TunedVoice:
    """The pitches of one voice: `sounding` gives the pitch that is heard for a physical one."""

    def __init__(self, voice_id: str, harmony: Harmony, notes: Iterable[Stroke], tracks: Sequence[Mapping[str, Floats]]) -> None:
        self.voice_id = voice_id
        self._by_pitch = {note.hz: note for note in sorted(notes, key=lambda note: (note.hz, -note.t_s))}
        self._harmony = harmony
        self._tuned = self._resonant(tracks) if harmony.resonant and self._by_pitch else {}

    def sounding(self, hz: float) -> float:
        """The sounding pitch, in Hz, of a physical pitch of this voice."""
        if hz not in self._tuned:
            self._tuned[hz] = self._harmony.sounding(hz)
        return self._tuned[hz]

    @property
    def warnings(self) -> list[str]:
        """What the lists of intervals leave out."""
        count = len(self._by_pitch)
        return (
            [f"Voice {self.voice_id} has {count} pitches; intervals are listed for {_MOST_LISTED} at most."] if count > _MOST_LISTED else []
        )

    def intervals(self) -> list[dict[str, Any]]:
        """Neighbouring distinct pitches: physical and tuned cents, and their names; empty past 128 pitches."""
        if len(self._by_pitch) > _MOST_LISTED:
            return []
        return [self._row(low, high) for low, high in itertools.pairwise(self._by_pitch.values())]

    def changed(self) -> list[dict[str, Any]]:
        """Intervals whose name differs between physical and tuned pitch; past 24 pitches, of neighbours alone."""
        if len(self._by_pitch) > _MOST_LISTED:
            return []
        notes = list(self._by_pitch.values())
        pairs = itertools.combinations(notes, 2) if len(notes) <= _ALL_PAIRS else itertools.pairwise(notes)
        neighbours = {(low.hz, high.hz) for low, high in itertools.pairwise(notes)}
        rows = [{**self._row(low, high), "neighbours": (low.hz, high.hz) in neighbours} for low, high in pairs]
        return [row for row in rows if (row["name"], row["octaves"]) != (row["tuned_name"], row["tuned_octaves"])]

    def summary(self, errors: Sequence[tuple[int, float]]) -> dict[str, Any]:
        """What tuning did to the voice, in one row: how far its notes moved, and how many interval names changed.

        `errors` are the cents by which its notes differ from the physics, each with its place in the score; of a note that moves, those of
        its first pitch. Means are over notes; what cannot be said is None: of no notes, or of more pitches than are compared.
        """
        sizes = [error for _, error in errors]
        count = len(sizes)
        worst = max(errors, key=lambda one: (abs(one[1]), -one[0]), default=None)
        pitches, changed = len(self._by_pitch), self.changed()
        listed = pitches <= _MOST_LISTED
        return {
            "voice_id": self.voice_id,
            "notes": count,
            "moved": sum(size != 0.0 for size in sizes),
            "mean_cents": math.fsum(sizes) / count if count else None,
            "rms_cents": math.sqrt(math.fsum(size * size for size in sizes) / count) if count else None,
            "largest_cents": worst[1] if worst else None,
            "largest_note": worst[0] if worst else None,
            "neighbours": max(pitches - 1, 0),
            "neighbours_changed": sum(row["neighbours"] for row in changed) if listed else None,
            "others": pitches * (pitches - 1) // 2 - max(pitches - 1, 0),
            "others_changed": sum(not row["neighbours"] for row in changed) if pitches <= _ALL_PAIRS else None,
        }

    def _resonant(self, tracks: Sequence[Mapping[str, Floats]]) -> dict[float, float]:
        if any("hz" in track for track in tracks):
            raise Unsupported("Resonance tuning needs pitches that stay; this voice has one that moves.", "harmony.tuning")
        try:
            return resonance(list(self._by_pitch))
        except EngineError as error:
            raise EngineError(f"Voice {self.voice_id}: {error.message}", "harmony.tuning") from None

    def _row(self, low: Stroke, high: Stroke) -> dict[str, Any]:
        physical, tuned = _physical_cents(low, high), cents(self.sounding(low.hz), self.sounding(high.hz))
        named, heard = interval(physical), interval(tuned)
        return {
            "voice_id": self.voice_id,
            "low": low.hz,
            "high": high.hz,
            "low_body_id": low.provenance["body_id"],
            "high_body_id": high.provenance["body_id"],
            "cents": physical,
            "name": named.name,
            "octaves": named.octaves,
            "tuned_cents": tuned,
            "tuned_name": heard.name,
            "tuned_octaves": heard.octaves,
        }


def _physical_cents(low: Stroke, high: Stroke) -> float:
    """The interval in cents, taken from the periods or frequencies themselves where the pitches are proportional to them."""
    of_pitches = cents(low.hz, high.hz)
    if not (low.proportional and high.proportional and low.provenance["quantity"] == high.provenance["quantity"]):
        return of_pitches
    values = float(low.provenance["value"]), float(high.provenance["value"])
    exact = cents(values[1], values[0]) if low.provenance["unit"] == "s" else cents(*values)
    return exact if abs(exact - of_pitches) < _AGREEMENT_CENTS else of_pitches

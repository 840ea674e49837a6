"""Suggestions: the small changes of harmony, mappings and voices that make a scene more consonant, found by trying them on one run.

Every candidate is heard: the scene is scored with it, and its dissonance measured as that of the scene itself. They are tried in a fixed
order, so the same scene gives the same suggestions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.engine.audio.consonance import dissonance
from app.engine.audio.instruments import INSTRUMENTS
from app.engine.errors import EngineError
from app.engine.music.harmony import Harmony
from app.engine.music.mapping import build_score
from app.engine.music.pitch import cents, key_class
from app.engine.music.scales import CUSTOM, SCALES
from app.engine.music.score import Score
from app.engine.perform import simulate
from app.engine.physics.scene import Scene
from app.engine.quantity import Quantity

Progress = Callable[[float], None]
Snapshot = Mapping[str, Any]

TARGETS = ("consonance",)
LIMIT = Quantity("limit", "n", "1", 1, 20, 5, "Most suggestions.", "chosen for this service", integer=True)

_KEYS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_TUNINGS: tuple[dict[str, Any], ...] = (
    {"type": "just"},
    {"type": "pythagorean"},
    {"type": "resonance"},
    {"type": "equal", "divisions": 12},
    {"type": "harmonic", "harmonics": 16},
)
_FACTORS = ((1 / 2, "an octave lower"), (2.0, "an octave higher"), (2 / 3, "a fifth lower"), (3 / 2, "a fifth higher"))
_SMOOTHER = ("brightness", "partials", "index")
_WHOLE_RANGE = 12.0
_SIMULATED = 0.3
_MOST_WORK, _FEWEST = 2_000_000, 12
_LEAST_WORK, _TRACK_WORK = 200, 50
_LEAST_GAIN, _LEAST_SHARE = 0.0005, 0.01


@dataclass(frozen=True, slots=True)
class Candidate:
    """A change to try: a merge patch for the scene, mapping or voice of that id, in words, and the scene's snapshot with it.

    `kind` is equal for changes of the same fields; `distance` is that of what does not move pitches.
    """

    collection: str
    id: str
    patch: Mapping[str, Any]
    words: str
    snapshot: Snapshot
    kind: str
    distance: float = 0.0


def suggest(snapshot: Snapshot, limit: int = 5, progress: Progress | None = None) -> dict[str, Any]:
    """What would make the scene of a snapshot more consonant; nothing is changed.

    Of changes of the same fields the best is kept. The best come first: by what they gain over 1 + distance, the distance being the root
    mean square of how far notes move in semitones, and for a parameter of an instrument the share of its range that it moves, times 12.

    Returns
    -------
    {"before": the dissonance as it is, None where no two notes sound together, "tried": how many changes were heard, "reason": why there
    are no suggestions, None where there are, "items": [{"change": {"collection", "id", "patch"}, "before", "after", "distance",
    "explanation"}]}

    Raises
    ------
    EngineError : as `simulate` and `build_score`, for a scene that cannot be run or scored
    """
    report = progress or (lambda _: None)
    simulation = simulate(snapshot, lambda fraction: report(_SIMULATED * fraction))
    known: dict[Any, Any] = {}
    now = build_score(simulation.scene, simulation.trajectory, known=known)
    before = dissonance(now)["value"]
    if before is None:
        silent = "No two notes sound together, so there is nothing to make consonant." if now.notes else "The scene has no notes."
        return {"before": None, "tried": 0, "reason": silent, "items": []}
    candidates = [one for _, one in zip(range(_allowed(now)), _candidates(snapshot), strict=False)]
    found: list[tuple[Candidate, dict[str, Any]]] = []
    tried = 0
    for place, candidate in enumerate(candidates):
        report(_SIMULATED + (1.0 - _SIMULATED) * place / len(candidates))
        try:
            score = build_score(Scene.from_snapshot(candidate.snapshot), simulation.trajectory, known=known)
        except EngineError:
            continue  # the scene cannot be so: pitches too close for resonance tuning, or out of range
        tried += 1
        after = dissonance(score)["value"]
        if after is not None and after < before - max(_LEAST_GAIN, _LEAST_SHARE * before):
            found.append((candidate, _suggestion(candidate, now, score, before, after)))
    items = _best(found, limit)
    reason = None if items else f"None of the {tried} changes that were tried makes it more consonant."
    return {"before": before, "tried": tried, "reason": reason, "items": items}


def _suggestion(candidate: Candidate, now: Score, score: Score, before: float, after: float) -> dict[str, Any]:
    moved = _moved_cents(now, score)
    distance = math.hypot(moved / 100.0, candidate.distance)
    notes = f"notes move by {moved:.1f} cents (root mean square)" if moved else "no pitch moves"
    return {
        "change": {"collection": candidate.collection, "id": candidate.id, "patch": dict(candidate.patch)},
        "before": before,
        "after": after,
        "distance": round(distance, 6),
        "explanation": f"{candidate.words}: dissonance falls from {before:.3f} to {after:.3f}, and {notes}.",
    }


def _best(found: list[tuple[Candidate, dict[str, Any]]], limit: int) -> list[dict[str, Any]]:
    def merit(one: tuple[Candidate, dict[str, Any]]) -> tuple[float, bytes]:
        item = one[1]
        return -(item["before"] - item["after"]) / (1.0 + item["distance"]), orjson.dumps(item["change"], option=orjson.OPT_SORT_KEYS)

    ranked: dict[str, dict[str, Any]] = {}
    for candidate, item in sorted(found, key=merit):
        ranked.setdefault(candidate.kind, item)
    return list(ranked.values())[:limit]


def _moved_cents(now: Score, score: Score) -> float:
    """The root mean square of how far the notes that are in both scores moved, in cents."""

    def named(one: Score) -> dict[Any, float]:
        return {(note.voice_id, note.t_s, note.provenance["body_id"], note.provenance["mapping_id"]): note.hz for note in one.notes}

    there = named(score)
    moves = [cents(hz, there[name]) for name, hz in named(now).items() if name in there]
    return math.sqrt(math.fsum(move * move for move in moves) / len(moves)) if moves else 0.0


def _allowed(score: Score) -> int:
    """How many candidates may be tried, by what each costs."""
    values = sum(len(column) for note in score.notes if note.track for column in note.track.values() if isinstance(column, list))
    return max(_FEWEST, _MOST_WORK // max(_LEAST_WORK, len(score.notes) + values // _TRACK_WORK))


def _candidates(snapshot: Snapshot) -> Iterator[Candidate]:
    yield from _harmonies(snapshot)
    yield from _voices(snapshot)
    yield from _mappings(snapshot)


def _harmonies(snapshot: Snapshot) -> Iterator[Candidate]:
    now = snapshot["harmony"]
    quantized = now.get("quantize_pitch", "none")
    tuning, scale = now.get("tuning") or {"type": "equal"}, now.get("scale", "major")

    def candidate(kind: str, words: str, **patch: Any) -> Candidate:
        return Candidate("scenes", str(snapshot["id"]), {"harmony": patch}, words, {**snapshot, "harmony": {**now, **patch}}, kind)

    for way, words in (("tuning", f"Moved to the pitches of {tuning['type']} tuning"), ("scale", f"Moved to the degrees of {scale}")):
        if way != quantized:
            yield candidate("quantize_pitch", words, quantize_pitch=way)
    if quantized != "none":
        yield candidate("quantize_pitch", "With the pitches that the physics gives", quantize_pitch="none")
    for other in _TUNINGS:
        if other["type"] != tuning["type"] and (other["type"] != "resonance" or quantized != "scale"):
            needed = {"quantize_pitch": "tuning"} if quantized == "none" else {}
            yield candidate("tuning", f"In {other['type']} tuning", tuning=other, **needed)
    own = {"scale_cents": None} if scale == CUSTOM else {}
    for name in SCALES:
        if name != scale:
            needed = {} if quantized == "scale" else {"quantize_pitch": "scale"}
            yield candidate("scale", f"On the scale {name}", scale=name, **own, **needed)
    for key in _KEYS:
        if key_class(key) != Harmony.read(now).key:
            yield candidate("key", f"In the key {key}", key=key)


def _voices(snapshot: Snapshot) -> Iterator[Candidate]:
    """Softer spectra: half or none of the brightness, fewer partials, half the index of modulation."""
    for place, voice in enumerate(snapshot["voices"]):
        for quantity in INSTRUMENTS[voice["instrument"]].quantities:
            value = voice["parameters"].get(quantity.name, quantity.default)
            if quantity.name not in _SMOOTHER or value is None:
                continue
            least = max(quantity.minimum, 1.0) if quantity.integer else quantity.minimum
            for less in dict.fromkeys((value / 2, least)):
                to = max(least, float(round(less)) if quantity.integer else less)
                if to < value:
                    yield _with_parameter(snapshot, place, quantity, int(to) if quantity.integer else to, float(value - to))


def _with_parameter(snapshot: Snapshot, place: int, quantity: Quantity, to: float, moved: float) -> Candidate:
    voice = snapshot["voices"][place]
    changed = {**voice, "parameters": {**voice["parameters"], quantity.name: to}}
    return Candidate(
        "voices",
        str(voice["id"]),
        {"parameters": {quantity.name: to}},
        f"With {quantity.name} {to:g} in the voice {voice['name']!r}",
        {**snapshot, "voices": _put(snapshot["voices"], place, changed)},
        f"voice {place} {quantity.name}",
        _WHOLE_RANGE * moved / (quantity.maximum - quantity.minimum),
    )


def _mappings(snapshot: Snapshot) -> Iterator[Candidate]:
    """Other registers: every pitch of a mapping an octave or a fifth lower or higher, or its range an octave wider."""
    for place, mapping in enumerate(snapshot["mappings"]):
        if mapping["target"] == "pitch":
            for factor, words in _FACTORS:
                yield _with_pitches(snapshot, place, factor, factor, f"With the pitches of a mapping {words}", f"mapping {place} register")
            if mapping.get("range"):
                yield _with_pitches(snapshot, place, 1.0, 2.0, "With the range of a mapping an octave wider", f"mapping {place} range")
                yield _with_pitches(snapshot, place, 1.0, 0.5, "With the range of a mapping an octave narrower", f"mapping {place} range")


def _with_pitches(snapshot: Snapshot, place: int, low: float, high: float, words: str, kind: str) -> Candidate:
    mapping = snapshot["mappings"][place]
    if mapping.get("range"):
        patch: dict[str, Any] = {"range": {"min": low * mapping["range"]["min"], "max": high * mapping["range"]["max"]}}
    else:
        patch = {"curve": {**mapping["curve"], "factor": low * mapping["curve"]["factor"]}}
    changed = {**snapshot, "mappings": _put(snapshot["mappings"], place, {**mapping, **patch})}
    return Candidate("mappings", str(mapping["id"]), patch, words, changed, kind)


def _put(rows: Any, place: int, row: Mapping[str, Any]) -> list[Any]:
    return [*rows[:place], row, *rows[place + 1 :]]

"""Writing MIDI files beside mido, in one run: `python -m benchmarks.midi`.

Each line is JSON: `case`, `notes_s` notes per CPU second, `mido_s` the same of mido, `times` ours over mido's. `serialization` is from
events at ticks to the bytes of a file; `export` from a score: mido is given the finished events and makes its messages of them.
"""

from __future__ import annotations

import io
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import mido

from app.engine.music import midi, smf
from app.engine.music.score import Note, Score

NOTES = 20_000
ROUNDS = 5


def dense(per_second: float, microtones: bool) -> Score:
    """Notes at random times on four voices, at any pitch or on the keys of a piano."""
    rng, t_s, notes = random.Random(7), 0.0, []
    for place in range(NOTES):
        t_s += rng.expovariate(per_second)
        hz = 440.0 * 2 ** (rng.uniform(-3, 3) if microtones else rng.randrange(-36, 36) / 12)
        notes.append(Note(t_s, 1.5, hz, 0.0, 0.0, rng.random(), 1.0, 0.0, f"v{place % 4}", {}))
    voices = tuple({"id": f"v{place}", "name": f"voice {place}", "instrument": "modal", "midi_program": 10 + place} for place in range(4))
    return Score(tuple(notes), voices, (), 120.0, "4/4", 440.0, t_s + 2.0)


def cpu(work: Callable[[], Any]) -> float:
    """The least CPU time of some rounds, in s."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def by_mido(tracks: list[list[tuple[int, bytes]]]) -> bytes:
    """The same file by mido, from delta times and messages."""
    file = mido.MidiFile(type=1, ticks_per_beat=smf.TICKS_PER_QUARTER)
    for events in tracks:
        file.tracks.append(mido.MidiTrack(mido.Message.from_bytes(message, time=delta) for delta, message in events))
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def main() -> None:
    """Measure and print."""
    for name, score in (
        ("8 notes/s, tempered", dense(8.0, False)),
        ("8 notes/s, microtonal", dense(8.0, True)),
        ("33 notes/s", dense(33.0, True)),
    ):
        for microtones in midi.MICROTONES:
            writer = midi.MICROTONES[microtones](score)
            given = mido.MidiFile(file=io.BytesIO(writer.file()))
            buffer = io.BytesIO()
            ours, theirs = cpu(writer.file), cpu(lambda given=given, buffer=buffer: given.save(file=buffer))
            tell(f"serialization, {microtones}, {name}", ours, theirs)
            tracks = [[(message.time, bytes(message.bytes())) for message in track if not message.is_meta] for track in given.tracks]
            whole = cpu(lambda score=score, microtones=microtones: midi.write_midi(score, microtones))
            tell(f"export, {microtones}, {name}", whole, cpu(lambda tracks=tracks: by_mido(tracks)))


def tell(case: str, ours: float, theirs: float) -> None:
    """Print one line."""
    print(json.dumps({"case": case, "notes_s": round(NOTES / ours), "mido_s": round(NOTES / theirs), "times": round(theirs / ours, 2)}))


if __name__ == "__main__":
    main()

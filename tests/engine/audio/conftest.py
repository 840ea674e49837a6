"""Scores made by hand, and their samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.engine.audio import files, mix
from app.engine.audio.instruments import INSTRUMENTS, Instrument
from app.engine.audio.recordings import Recording
from app.engine.music.score import Note, Score

MakeNote = Callable[..., Note]
MakeScore = Callable[..., Score]


MATERIAL = "0b1c0ffe-0000-4000-8000-000000000001"
_HUM = np.arange(88200) / 44100
RECORDING = Recording.of(sum(np.sin(2 * np.pi * 440.0 * n * _HUM + n) / n for n in range(1, 9)) * np.exp(-_HUM), 44100)


def voice_of(player: Instrument, **parameters: Any) -> tuple[dict[str, Any], ...]:
    """A voice of the instrument, that names a recording if it can."""
    return ({"id": "v", "instrument": player.name, "parameters": {**dict.fromkeys(_names(player), MATERIAL), **parameters}},)


def _names(player: Instrument) -> list[str]:
    return [reference.name for reference in player.references]


@pytest.fixture
def note() -> MakeNote:
    """A note at a time in s, with a pitch in Hz; other fields by name."""

    def make(t_s: float, hz: float, **fields: Any) -> Note:
        given = {"duration_s": 0.5, "midi": 0.0, "cents_error": 0.0, "velocity": 0.5, "amplitude": 1.0, "pan": 0.0, "voice_id": "v"}
        return Note(t_s=t_s, hz=hz, provenance={}, **(given | fields))

    return make


@pytest.fixture
def score_of() -> MakeScore:
    """A score of notes for one voice, or for several given ones."""

    def make(notes: list[Note], duration_s: float = 2.0, loop: bool = False, voices: tuple[Mapping[str, Any], ...] = ()) -> Score:
        in_order = tuple(sorted(notes, key=lambda one: one.t_s))
        given = voices or ({"id": "v", "instrument": "modal"},)
        return Score(in_order, given, (), 120.0, "4/4", 440.0, duration_s, loop=loop, recordings={MATERIAL: RECORDING})

    return make


@pytest.fixture
def mastered() -> Callable[..., NDArray[np.float32]]:
    """All samples of a score as float (2, frames), before dither."""

    def make(score: Score, settings: mix.Settings | None = None, chunk: int | None = None) -> NDArray[np.float32]:
        return np.concatenate(list(mix.lay_out(score, settings or mix.Settings()).mastered(chunk=chunk)), axis=1)

    return make


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., tuple[Path, files.Written]]:
    """A score written to a file."""

    def make(score: Score, settings: mix.Settings | None = None, name: str = "score") -> tuple[Path, files.Written]:
        chosen = settings or mix.Settings()
        path = tmp_path / f"{name}{files.FORMATS[chosen.format].extension}"
        samples = mix.lay_out(score, chosen).samples()
        kept = {name: getattr(chosen, name) for name in ("format", "bit_depth", "sample_rate", "quality")}
        return path, files.write(path, samples, **kept)

    return make


@pytest.fixture
def crowd(note: MakeNote, score_of: MakeScore) -> Score:
    """Sixty notes of every instrument that needs no recording in four seconds, some of them held and gliding, loud enough to be limited."""
    rng = np.random.default_rng(5)
    names = tuple(name for name, player in INSTRUMENTS.items() if not player.references)
    voices = tuple({"id": name, "instrument": name, "pan": 0.15 * place - 0.45, "gain_db": 6.0} for place, name in enumerate(names))
    notes = [
        note(float(rng.uniform(0, 3.9)), float(np.exp(rng.uniform(np.log(60), np.log(3000)))), voice_id=names[place % len(names)])
        for place in range(60)
    ]
    for place, name in enumerate(name for name in names if INSTRUMENTS[name].sustains):
        track = {"rate": 200, "hz": np.linspace(200, 300 + 50 * place, 401).tolist(), "pan": np.linspace(-1, 1, 801).tolist()}
        notes.append(note(0.0, 200.0, voice_id=name, duration_s=4.0, track=track))
    return score_of(notes, duration_s=4.0, voices=voices)

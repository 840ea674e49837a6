"""Rendering 60 s with 500 plucked notes on one core: `python benchmarks/plucked.py`, `... plain` without compiled loops.

The line is JSON: `case`, `cpu` seconds, `x_rt_core` seconds of audio per CPU second, `rss_mb` largest memory so far.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is imported

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from app.engine.audio import instruments, mix
from app.engine.music.score import Note, Score
from benchmarks.render import DURATION_S, NOTES, tell, write

SEED = 7


def plucked(notes: int) -> Score:
    """Plucked strings of 1.5 s at random times, from 60 to 1000 Hz, as many in every octave."""
    rng = np.random.default_rng(SEED)
    columns = zip(
        np.sort(rng.uniform(0, DURATION_S - 1.5, notes)).tolist(),
        np.exp(rng.uniform(np.log(60.0), np.log(1000.0), notes)).tolist(),
        (10 ** (rng.uniform(-24, 0, notes) / 20)).tolist(),
        rng.uniform(-1, 1, notes).tolist(),
        strict=True,
    )
    made = tuple(
        Note(t_s=t, duration_s=1.5, hz=hz, midi=0.0, cents_error=0.0, velocity=0.5, amplitude=level, pan=pan, voice_id="v", provenance={})
        for t, hz, level, pan in columns
    )
    return Score(made, ({"id": "v", "instrument": "karplus_strong"},), (), 120.0, "4/4", 440.0, DURATION_S)


def main() -> None:
    """Print the line, after a render that compiles what is not compiled yet."""
    way = "plain" if "plain" in sys.argv[1:] else "compiled"
    instruments.compiled(way == "compiled")
    settings = mix.Settings(format="wav", bit_depth="32f")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plucked.wav"
        write(plucked(2), settings, path)
        score = plucked(NOTES)
        tell(f"render {NOTES} plucked notes of 60 to 1000 Hz (seed {SEED}), {way}, wav 32f", lambda: write(score, settings, path))


if __name__ == "__main__":
    main()

"""Rendering a scene of 60 s with 500 struck notes on one core: `python benchmarks/render.py`.

Each line is JSON: `case`, `cpu` seconds, `x_rt_core` seconds of audio per CPU second, `rss_mb` largest memory so far.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is imported

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from app.engine.audio import files, mix
from app.engine.audio.verify import verify
from app.engine.music.score import Note, Score

DURATION_S = 60.0
NOTES = 500
ROUNDS = 3


def struck(notes: int) -> Score:
    """Struck bars of 8 modes and 1.5 s at random times, on five degrees of the scale over two octaves."""
    rng = np.random.default_rng(7)
    degrees = np.array([0, 2, 4, 7, 9])[rng.integers(0, 5, notes)] + 12 * rng.integers(0, 2, notes)
    columns = zip(
        np.sort(rng.uniform(0, DURATION_S - 1.5, notes)).tolist(),
        (65.40639132514966 * 2 ** (degrees / 12)).tolist(),
        (10 ** (rng.uniform(-24, 0, notes) / 20)).tolist(),
        rng.uniform(-1, 1, notes).tolist(),
        strict=True,
    )
    made = tuple(
        Note(
            t_s=t, duration_s=1.5, hz=hz, midi=0.0, cents_error=0.0, velocity=0.5, amplitude=level, pan=pan, voice_id="bars", provenance={}
        )
        for t, hz, level, pan in columns
    )
    return Score(made, ({"id": "bars", "instrument": "modal"},), (), 120.0, "4/4", 440.0, DURATION_S)


def write(score: Score, settings: mix.Settings, path: Path) -> files.Written:
    """The whole of the product's chain, from the score to the file."""
    samples = mix.lay_out(score, settings).samples()
    return files.write(path, samples, format=settings.format, bit_depth=settings.bit_depth, sample_rate=settings.sample_rate)


def tell(case: str, work: Callable[[], Any]) -> None:
    """Run `work` a few times and print the median of its CPU time."""
    spent = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    cpu = sorted(spent)[ROUNDS // 2]
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"case": case, "cpu": round(cpu, 3), "x_rt_core": round(DURATION_S / cpu, 1), "rss_mb": rss}), flush=True)


def main() -> None:
    """Print a line for each way of rendering, then for the measuring of the file."""
    score = struck(NOTES)
    with tempfile.TemporaryDirectory() as folder:
        for format, bit_depth in (("wav", 24), ("wav", 16), ("wav", "32f"), ("flac", 24)):
            settings = mix.Settings(format=format, bit_depth=bit_depth)
            path = Path(folder) / f"{bit_depth}.{format}"
            tell(f"render {NOTES} modal notes, {format} {bit_depth}", lambda path=path, settings=settings: write(score, settings, path))
        settings = mix.Settings()
        tell("verify the wav 24", lambda: verify(Path(folder) / "24.wav", score, settings))


if __name__ == "__main__":
    main()

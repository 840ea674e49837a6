"""Seconds of audio per CPU second beside other engines: `python -m benchmarks.audio --peer 'scsynth=COMMAND'`.

Three pieces of 60 s at 48 kHz in stereo. AU1: 64 held sines with attack, decay and release. AU2: 2,000 struck bars of 1.5 s and eight
partials each. AU3: AU2 in a concert hall, with the true-peak limiter at work. AU1 and AU2 are the sum of the notes as
the product renders it, in a file of 32-bit floats; AU3 goes through the whole chain of the product. Phases begin at 0, as the peers have
them. AU1 and AU2 are held against the sines themselves in double precision: `snr_db`.

A peer is a command, where {case} stands for au1, au2 or au3, that renders the same piece and prints one line of JSON with its `cpu`
seconds; it takes turns with the product, and a ratio is the quotient of the least CPU times. Without one the product is measured alone.
`long` is ten minutes with 20,000 struck notes to FLAC of 24 bits with a loudness target and the limiter at work, in a process of its own
that holds the engine without the web application.

Each line is JSON: `case`, `engine`, `cpu` (least of the rounds, s), `x_rt_core`, `rss_mb` (of `long`).
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is imported

import argparse
import json
import math
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import soundfile
from numpy.typing import NDArray

from app.engine.audio import files, mix
from app.engine.audio.rooms import Reverb
from app.engine.music.score import Note, Score

RATE, DURATION_S, ROUNDS = 48000, 60.0, 5
BAR = np.array([1.0, 2.7565, 5.4039, 8.9330, 13.3443, 18.6379, 24.8137, 31.8716])  # of a free bar
LOWEST_HZ, STRUCK_S = 65.40639132514966, 1.5
HELD = {"attack_s": 0.05, "decay_s": 0.2, "sustain": 0.7, "release_s": 1.0}
ENGINE_ALONE = """
import sys, types
from pathlib import Path
app = sys.modules["app"] = types.ModuleType("app")
app.__path__ = ["app"]
from benchmarks.audio import long
long(Path(sys.argv[1]))
"""
STRUCK = {"attack_s": 0.002, "decay_s": 0.0, "sustain": 1.0, "release_s": 0.005}


def piece(notes: list[Note], voice: dict[str, Any], duration_s: float, modes: dict[str, Any]) -> Score:
    """A score of one voice."""
    return Score(tuple(notes), ({"id": "one", **voice},), (), 120.0, "4/4", 440.0, duration_s, modes=modes)


def note(t_s: float, duration_s: float, hz: float, amplitude: float, pan: float, body: str) -> Note:
    """A note; `pan` from 0 to 1."""
    return Note(
        t_s=t_s, duration_s=duration_s, hz=hz, midi=0.0, cents_error=0.0, velocity=0.5, amplitude=amplitude, pan=2.0 * pan - 1.0,
        voice_id="one", provenance={"body_id": body},
    )  # fmt: skip


def au1() -> Score:
    """64 held sines, a semitone apart."""
    notes = [note(0.0, DURATION_S - HELD["release_s"], LOWEST_HZ * 2 ** (i / 12), 1 / 64, i * 0.6180339887 % 1.0, "") for i in range(64)]
    return piece(notes, {"instrument": "sine", "adsr": HELD, "parameters": {"start_phase": 0.0}}, DURATION_S, {})


def au2(count: int = 2000, duration_s: float = DURATION_S, loudest: float = 1.0) -> Score:
    """Struck bars on five degrees of a scale over two octaves, at random times that are multiples of 64 samples."""
    draw, place = np.random.default_rng(7), np.arange(1, 9)
    starts = np.sort(draw.integers(0, int((duration_s - STRUCK_S) * RATE / 64), count)) * 64 / RATE
    degrees = np.array([0, 2, 4, 7, 9])[draw.integers(0, 5, count)] + 12 * draw.integers(0, 2, count)
    levels, pans = draw.uniform(0.2, 1.0, count) * loudest, draw.uniform(0.0, 1.0, count)
    decay = 3 * math.log(10) / (STRUCK_S * (1 - 0.05 * (place - 1)))
    bar = {"ratio": BAR.tolist(), "amplitude": (1 / place / (1 / place).sum()).tolist(), "decay": decay.tolist()}
    gate_s = STRUCK_S - STRUCK["release_s"]
    notes = [
        note(float(t), gate_s, LOWEST_HZ * 2 ** (float(d) / 12), float(level), float(pan), "bar")
        for t, d, level, pan in zip(starts, degrees, levels, pans, strict=True)
    ]
    voice = {"instrument": "modal", "adsr": STRUCK, "parameters": {"resonator": "own", "start_phase": 0.0}}
    return piece(notes, voice, duration_s, {"bar": bar})


def write(score: Score, path: Path, chain: bool, **settings: Any) -> None:
    """The product's file: all of its chain, or the notes alone."""
    made = mix.lay_out(score, mix.Settings(sample_rate=RATE, **({"bit_depth": "32f", "tail_s": 0.0} | settings)))
    depth = made.settings.bit_depth
    samples = made.samples() if chain else files.quantized(made.bus(0, made.frames, RATE), depth, 0)
    files.write(path, samples, format=made.settings.format, bit_depth=depth, sample_rate=RATE)


CASES: dict[str, dict[str, Any]] = {
    "au1": {"score": au1, "chain": False},
    "au2": {"score": au2, "chain": False},
    "au3": {"score": lambda: au2(loudest=4.0), "chain": True, "reverb": Reverb(room="concert_hall")},
}


def rises(first: float, seconds: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """A raised cosine from 0 at `first` to 1 after whole samples of `length`."""
    length = math.ceil(length * RATE) / RATE
    return 0.5 - 0.5 * np.cos(np.pi * np.clip((seconds - first) / length, 0.0, 1.0)) if length else np.ones_like(seconds)


def reference(score: Score, partials: NDArray[np.float64], amplitudes: NDArray[np.float64], decays: NDArray[np.float64]) -> Any:
    """The piece in double precision, sine by sine, before any gain: (frames, 2)."""
    adsr = score.voices[0]["adsr"]
    out = np.zeros((round(score.duration_s * RATE), 2))
    for one in score.notes:
        t = np.arange(round((one.duration_s + adsr["release_s"]) * RATE)) / RATE
        level = rises(0.0, t, adsr["attack_s"]) * (1 - (1 - adsr["sustain"]) * rises(adsr["attack_s"], t, adsr["decay_s"]))
        level *= 1 - rises(one.duration_s, t, adsr["release_s"])
        wave = sum(a * np.exp(-d * t) * np.sin(2 * np.pi * one.hz * r * t) for r, a, d in zip(partials, amplitudes, decays, strict=True))
        first, angle = round(one.t_s * RATE), (one.pan + 1) * math.pi / 4
        out[first : first + len(t)] += np.outer(one.amplitude * level * wave, (math.cos(angle), math.sin(angle)))
    return out


def snr_db(score: Score, path: Path) -> float:
    """How far the file's difference from the reference is below it, at the gain that fits best."""
    mode = score.modes.get("bar", {"ratio": [1.0], "amplitude": [1.0], "decay": [0.0]})
    expected = reference(score, *(np.array(mode[name]) for name in ("ratio", "amplitude", "decay")))
    found, _ = soundfile.read(path, dtype="float64")
    gain = float(np.vdot(found, expected) / np.vdot(expected, expected))
    return float(10 * np.log10((gain * gain * np.vdot(expected, expected)) / np.square(found - gain * expected).sum()))


def tell(case: str, engine: str, cpu: float, duration_s: float = DURATION_S, **more: Any) -> None:
    """Print a line."""
    print(json.dumps({"case": case, "engine": engine, "cpu": round(cpu, 4), "x_rt_core": round(duration_s / cpu, 1), **more}), flush=True)


def long(path: Path) -> None:
    """Ten minutes, and the memory they take."""
    minutes = 10
    score = au2(2000 * minutes, DURATION_S * minutes)
    start = time.process_time()
    write(score, path, True, format="flac", bit_depth=24, loudness_lufs=-14.0)
    status = Path("/proc/self/status").read_text()
    tell("long", "product", time.process_time() - start, DURATION_S * minutes, rss_mb=int(status.split("VmHWM:")[1].split()[0]) // 1024)


def main() -> None:
    """Measure every case, the product and its peers in turn."""
    parser = argparse.ArgumentParser(description="Speed of rendering.")
    parser.add_argument("--peer", action="append", default=[], help="name=command, with {case}")
    parser.add_argument("--cases", nargs="*", default=[*CASES, "long"])
    given = parser.parse_args()
    peers = dict(one.split("=", 1) for one in given.peer)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "piece.wav"
        for case in given.cases:
            if case == "long":
                subprocess.run([sys.executable, "-c", ENGINE_ALONE, str(path)], check=True, cwd=Path(__file__).resolve().parent.parent)
                continue
            settings = dict(CASES[case])
            score, chain = settings.pop("score")(), settings.pop("chain")
            spent: dict[str, list[float]] = {name: [] for name in ("product", *peers)}
            for _ in range(ROUNDS):
                path.unlink(missing_ok=True)
                start = time.process_time()
                write(score, path, chain, **settings)
                spent["product"].append(time.process_time() - start)
                for name, command in peers.items():
                    done = subprocess.run(shlex.split(command.format(case=case)), capture_output=True, text=True, check=True)
                    spent[name].append(json.loads(done.stdout.splitlines()[-1])["cpu"])
            tell(case, "product", min(spent["product"]), **({} if chain else {"snr_db": round(snr_db(score, path), 1)}))
            for name in peers:
                tell(case, name, min(spent[name]), times=round(min(spent[name]) / min(spent["product"]), 2))


if __name__ == "__main__":
    main()

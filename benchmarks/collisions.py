"""Collisions per CPU second of gases of 10, 100 and 1,000 discs: `python -m benchmarks.collisions`.

The solver `ballistic`, compiled and plain, and pymunk alone in steps of 1/960 s take the same elastic discs, 5 % of a square box without
gravity, in turn, each in a process of its own, on one thread. Counted is every record of a collision, of two discs or of a disc and a wall,
each once: for `ballistic` an event, for pymunk the first contact of an arbiter. The CPU time is that of the whole run with its records
and without imports and compilation; places are sampled at the start and the end only. Each line is JSON: `case`, `discs`, `duration_s`
(simulated, longer for a faster program), `cpu` (least of the rounds, s), `collisions`, `per_cpu_s`; then the ratios to pymunk.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is imported

import json
import math
import random
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.environment import peer  # noqa: E402  found by the path that is added above

FILL, RADIUS, SPEEDS, STEPS_PER_S, ROUNDS = 0.05, 0.25, (2.0, 8.0), 960, 7
DURATION_S = {10: 400, 100: 100, 1000: 20}
LONGER = {"compiled": 25, "plain": 1, "pymunk": 1}
"""A run is long enough for the loop to take most of it."""


def gas(discs: int, duration_s: int) -> dict[str, Any]:
    """Discs of 1 kg on a grid, going at 2 to 8 m/s in all directions."""
    draw, rows = random.Random(3), math.ceil(math.sqrt(discs))
    side = math.sqrt(discs * math.pi * RADIUS**2 / FILL)
    pitch = side / rows
    courses = [(draw.uniform(*SPEEDS), draw.uniform(0.0, math.tau)) for _ in range(discs)]
    bodies = [
        ((i % rows + 0.5) * pitch, (i // rows + 0.5) * pitch, speed * math.cos(way), speed * math.sin(way))
        for i, (speed, way) in enumerate(courses)
    ]
    steps = duration_s * STEPS_PER_S
    return {
        "bodies": bodies, "radius": RADIUS, "side": side, "mass": 1.0, "iterations": 10,
        "step": 1.0 / STEPS_PER_S, "steps": steps, "every": steps, "duration_s": duration_s,
    }  # fmt: skip


def ours(given: dict[str, Any], compiled: bool) -> dict[str, Any]:
    """The solver's run, in this process."""
    import numpy as np

    from app.engine.physics import solvers
    from app.engine.physics.scene import Body, Bounds, Physics, Scene
    from app.engine.physics.solvers import ballistic

    bodies = tuple(
        Body(str(n), str(n), "circle", {"radius": RADIUS}, mass=given["mass"], position=(x, y, 0.0), velocity=(vx, vy, 0.0))
        for n, (x, y, vx, vy) in enumerate(given["bodies"])
    )
    box = Bounds((0.0, 0.0, None), (given["side"], given["side"], None))
    physics = Physics(gravity=(0.0, 0.0, 0.0), restitution=1.0, friction=0.0, bounds=box)
    ballistic.compiled(compiled)
    solvers.run(Scene("first", "First", "ballistic", 1e-3, False, 1, physics, bodies[:1]), sample_hz=1.0)  # compiles, or finds it compiled
    start = time.process_time()
    scene = Scene("gas", "Gas", "ballistic", float(given["duration_s"]), False, 1, physics, bodies)
    run = solvers.run(scene, sample_hz=1.0 / given["duration_s"], limit=10**8)
    cpu = time.process_time() - start
    return {"cpu": cpu, "collisions": int(np.count_nonzero(run.events.kind == 0))}


def main() -> None:
    """Print a line for each program and number of discs, and the ratios of collisions per CPU second."""
    commands = {name: [sys.executable, "-m", "benchmarks.collisions", name] for name in ("compiled", "plain")}
    commands["pymunk"] = [sys.executable, str(HERE / "peers" / "plain_pymunk.py")]
    for discs, duration_s in DURATION_S.items():
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                rounds[name].append(peer(command, gas(discs, duration_s * LONGER[name])))
        rate = {}
        for name, found in rounds.items():
            cpu, collisions = min(one["cpu"] for one in found), found[0]["collisions"]
            rate[name] = collisions / cpu
            told = {"case": name, "discs": discs, "duration_s": duration_s * LONGER[name], "cpu": round(cpu, 3), "collisions": collisions}
            print(json.dumps({**told, "per_cpu_s": round(rate[name])}), flush=True)
        ratios = {f"{name}_times_pymunk": round(rate[name] / rate["pymunk"], 2) for name in ("compiled", "plain")}
        print(json.dumps({"case": "ratios", "discs": discs, **ratios}), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(ours(json.load(sys.stdin), sys.argv[1] == "compiled")))
    else:
        main()

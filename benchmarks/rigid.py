"""A gas of 100 discs with its collisions recorded and sampled 60 times a second: `python -m benchmarks.rigid`.

The solver `rigid` with all that it does besides (moments of hits, energy, checks), pymunk alone and Box2D take the same steps in turn, each
in a process of its own, on one thread; Box2D, which is far from both, in one round of SLOW_EVERY. Each line is JSON: `case`, `step_s`,
`cpu` (least of the rounds, s), `collisions`; then the ratios.
Box2D is installed into an environment of its own on the first run.
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

from benchmarks.environment import peer, python_with  # noqa: E402  found by the path that is added above

DISCS, RADIUS, SIDE, DURATION_S, SAMPLE_HZ = 100, 0.25, 20.0, 20.0, 60
ROUNDS, SLOW_EVERY = 12, 4
STEPS_PER_S = (960, 240)


def gas(steps_per_s: int) -> dict[str, Any]:
    """Discs of 1 kg/m^2 on a grid, with speeds of 2 to 8 m/s in all directions."""
    draw, rows = random.Random(1), math.ceil(math.sqrt(DISCS))
    pitch, bodies = SIDE / (rows + 1), []
    for i in range(DISCS):
        angle, speed = draw.uniform(0.0, math.tau), draw.uniform(2.0, 8.0)
        bodies.append(((i % rows + 1) * pitch, (i // rows + 1) * pitch, speed * math.cos(angle), speed * math.sin(angle)))
    return {
        "bodies": bodies, "radius": RADIUS, "side": SIDE, "mass": math.pi * RADIUS**2, "iterations": 10,
        "step": 1.0 / steps_per_s, "steps": round(DURATION_S * steps_per_s), "every": steps_per_s // SAMPLE_HZ,
    }  # fmt: skip


def ours(given: dict[str, Any]) -> dict[str, Any]:
    """The solver's run, in this process."""
    import numpy as np

    from app.engine.physics import solvers
    from app.engine.physics.scene import Body, Bounds, Physics, Scene
    from app.engine.physics.solvers import rigid_steps  # noqa: F401  as the peers, without the time of the import

    bodies = tuple(
        Body(str(n), str(n), "circle", {"radius": RADIUS}, mass=given["mass"], position=(x, y, 0.0), velocity=(vx, vy, 0.0))
        for n, (x, y, vx, vy) in enumerate(given["bodies"])
    )
    box = Bounds((0.0, 0.0, None), (SIDE, SIDE, None))
    physics = Physics(gravity=(0.0, 0.0, 0.0), restitution=1.0, friction=0.0, bounds=box, timestep=given["step"])
    start = time.process_time()
    run = solvers.run(Scene("gas", "Gas", "rigid", DURATION_S, False, 1, physics, bodies), sample_hz=float(SAMPLE_HZ))
    cpu = time.process_time() - start
    return {"cpu": cpu, "collisions": int(np.count_nonzero(run.events.kind == 0)), "samples": len(run.times)}


def main() -> None:
    """Print a line for each program and length of step, and the ratios to the solver's CPU time."""
    commands = {
        "rigid": [sys.executable, "-m", "benchmarks.rigid", "ours"],
        "pymunk": [sys.executable, str(HERE / "peers" / "plain_pymunk.py")],
        "box2d": [python_with("box2d"), str(HERE / "peers" / "box2d.py")],
    }
    for steps_per_s in STEPS_PER_S:
        given = gas(steps_per_s)
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
        for number in range(ROUNDS):
            for name, command in commands.items():
                if name != "box2d" or number % SLOW_EVERY == 0:
                    rounds[name].append(peer(command, given))
        cpu = {name: min(one["cpu"] for one in found) for name, found in rounds.items()}
        for name, found in rounds.items():
            told = {"case": name, "step_s": given["step"], "cpu": round(cpu[name], 3), "collisions": found[0]["collisions"]}
            print(json.dumps(told), flush=True)
        ratios = {"times_box2d": round(cpu["box2d"] / cpu["rigid"], 2), "of_pymunk": round(cpu["rigid"] / cpu["pymunk"], 3)}
        print(json.dumps({"case": "ratios", "step_s": given["step"], **ratios}), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["ours"]:
        print(json.dumps(ours(json.load(sys.stdin))))
    else:
        main()

"""Bodies that pull on each other, 8 and 1,000 of them: `python -m benchmarks.nbody`.

The solver `nbody` and REBOUND take the same steps of the same scene in turn, each in a process of its own, on one thread. Both evaluate all
forces once a step: the solver by velocity Verlet, compiled and strict, as it steps more than 64 bodies; REBOUND by its `leapfrog` (drift,
kick, drift) and the gravity that it has by default, `basic`, which does not compensate its sums. `pefrl`, which the solver steps up to 64
bodies by, evaluates them five times a step. What is timed is the stepping alone, without compilation, events and samples; the solver's has
its start and the record of place, velocity and acceleration after each step in it, which REBOUND does not keep.

Each line is JSON: `case`, `kernel`, `bodies`, `steps`, `cpu` (least of the rounds, s), `steps_per_s`, `energy` (relative drift); then how
many times the steps per CPU second of REBOUND Verlet takes. REBOUND is installed into an environment of its own on the first run.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is imported

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
os.environ.setdefault("NUMBA_CACHE_DIR", str(HERE.parent / ".numba_cache"))  # read when numba is imported

from benchmarks.environment import peer, python_with  # noqa: E402  found by the path that is added above

STEPS = {8: 250_000, 1000: 300}
CASES = {8: ("verlet", "rebound", "pefrl"), 1000: ("verlet", "rebound")}
STEP_S, ROUNDS = 0.01, 9


def system(bodies: int) -> dict[str, Any]:
    """Light bodies on circles of growing size around a heavy one of mass 1, with a constant of gravitation of 1."""
    found = [(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)]
    for number in range(1, bodies):
        r, angle = 1.0 + 0.05 * number, 2.4 * number
        x, y, v = r * math.cos(angle), r * math.sin(angle), math.sqrt(1.0 / r)
        found.append((1e-7, x, y, 0.0, -v * y / r, v * x / r, 0.0))
    return {"bodies": found, "step": STEP_S, "steps": STEPS[bodies]}


def ours(given: dict[str, Any], name: str) -> dict[str, Any]:
    """The solver's steps by a scheme, in this process."""
    from app.engine.physics.scene import Body, Physics, Scene
    from app.engine.physics.solvers import nbody, nbody_report

    scheme = {"verlet": nbody.VERLET, "pefrl": nbody.PEFRL}[name]
    bodies = tuple(
        Body(str(n), str(n), mass=m, position=(x, y, z), velocity=(vx, vy, vz))
        for n, (m, x, y, z, vx, vy, vz) in enumerate(given["bodies"])
    )
    physics = Physics(gravitational_constant=1.0, timestep=given["step"])
    scene = Scene("bodies", "Bodies", "nbody", given["steps"] * given["step"], False, 1, physics, bodies)
    nbody.compiled(True)
    nbody.integrate(scene, scheme, 1, given["step"], lambda _: None)
    start = time.process_time()
    states, _ = nbody.integrate(scene, scheme, given["steps"], given["step"], lambda _: None)
    cpu = time.process_time() - start
    energy = nbody_report.conservation(scene, scheme.kernel(len(bodies)), states[0], states[-1])["energy"]
    return {"cpu": cpu, "energy": energy["relative"], "kernel": energy["kernel"]}


def main() -> None:
    """Print a line for each program and number of bodies, and the ratios of the steps per CPU second."""
    module = [sys.executable, "-m", "benchmarks.nbody"]
    commands = {
        "verlet": [*module, "verlet"],
        "rebound": [python_with("rebound"), str(HERE / "peers" / "plain_rebound.py")],
        "pefrl": [*module, "pefrl"],
    }
    for bodies, steps in STEPS.items():
        given = system(bodies)
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in CASES[bodies]}
        for _ in range(ROUNDS):
            for name, found in rounds.items():
                found.append(peer(commands[name], given))
        cpu = {name: min(one["cpu"] for one in found) for name, found in rounds.items()}
        for name, found in rounds.items():
            told = {"case": name, "kernel": found[0]["kernel"], "bodies": bodies, "steps": steps, "cpu": round(cpu[name], 4)}
            print(json.dumps({**told, "steps_per_s": round(steps / cpu[name]), "energy": found[0]["energy"]}), flush=True)
        print(json.dumps({"case": "ratios", "bodies": bodies, "times_rebound": round(cpu["rebound"] / cpu["verlet"], 2)}), flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(ours(json.load(sys.stdin), sys.argv[1])))
    else:
        main()

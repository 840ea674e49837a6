"""Bodies that pull on each other in REBOUND: the scene as JSON on standard input, one line of JSON on standard output."""

from __future__ import annotations

import json
import sys
import time

import rebound


def main() -> None:
    """Take the steps by `leapfrog` of second order, with the gravity that REBOUND has by default and nothing recorded."""
    scene = json.load(sys.stdin)
    simulation = rebound.Simulation()
    simulation.integrator = "leapfrog"
    simulation.G, simulation.dt = 1.0, scene["step"]
    for m, x, y, z, vx, vy, vz in scene["bodies"]:
        simulation.add(m=m, x=x, y=y, z=z, vx=vx, vy=vy, vz=vz)
    before = simulation.energy()
    start = time.process_time()
    simulation.steps(scene["steps"])
    cpu = time.process_time() - start
    kernel = f"leapfrog, gravity {simulation.gravity}, {rebound.__version__}"
    print(json.dumps({"cpu": cpu, "energy": abs(simulation.energy() / before - 1.0), "kernel": kernel}))


if __name__ == "__main__":
    main()

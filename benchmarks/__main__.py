"""Every benchmark, one after the other: `python -m benchmarks`."""

from __future__ import annotations

import subprocess
import sys

for name in ("render", "plucked", "audio", "rigid", "collisions", "nbody", "rest", "midi", "sockets"):
    print(f"# {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)

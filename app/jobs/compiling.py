"""Compiled solvers for workers: made once in a process of its own, while the first jobs run uncompiled with the same results.

Run as `python -m app.jobs.compiling MARKER`, it fills the folder that NUMBA_CACHE_DIR names.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from app.engine.physics import solvers
from app.engine.physics.scene import Body, Constraint, Physics, Scene
from app.engine.physics.solvers import nbody

_SOURCES = Path(solvers.__file__).parent


class Compiled:
    """The compiled solvers of a machine: NUMBA_CACHE_DIR, by default below the data. To be made before numba is imported."""

    def __init__(self, data_dir: str) -> None:
        self.folder = Path(os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(data_dir).resolve() / "compiled")))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.marker = self.folder / f"{_sources()}.ready"
        self.in_use = False

    def make_aside(self) -> subprocess.Popen[bytes] | None:
        """A process that compiles, at the lowest priority; None when all is there."""
        if self.marker.exists():
            return None
        return subprocess.Popen([sys.executable, "-m", __name__, str(self.marker)], preexec_fn=_step_back)  # noqa: PLW1509,S603  no thread runs yet

    def use(self) -> None:
        """Run solvers compiled from now on, if they are ready; to be called between jobs."""
        if not self.in_use and self.marker.exists():
            solvers.compiled(True)
            self.in_use = True


def _sources() -> str:
    """What the compiled code was made from, in short: it is made anew when that changes."""
    digest = hashlib.sha256(f"{sys.version} {version('numba')}".encode())
    for path in sorted(Path(solvers.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _step_back() -> None:
    os.nice(19)


def main(marker: Path) -> None:
    """Run a scene with every compiled solver, which compiles it into NUMBA_CACHE_DIR, and leave a marker that it is done."""
    solvers.compiled(True)
    ball = Body(id="ball", name="ball", shape="circle", size={"radius": 0.1}, position=(0.0, 1.0, 0.0))
    _run("ballistic", ball)
    _run("nbody", *(Body(id=str(n), name=str(n), position=(float(n), 0.0, 0.0)) for n in range(2)))
    _run("nbody", *(Body(id=str(n), name=str(n), position=(float(n), 0.0, 0.0)) for n in range(nbody.SMALL + 1)))
    _run("particles", ball, constraints=(Constraint("spring", "spring", "ball", anchor=(0.0, 0.0, 0.0), stiffness=1.0),))
    marker.touch()


def _run(solver: str, *bodies: Body, constraints: tuple[Constraint, ...] = ()) -> None:
    scene = Scene(
        id="", name="", solver=solver, duration_s=1.0, loop=False, seed=0, physics=Physics(), bodies=bodies, constraints=constraints
    )
    solvers.run(scene)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

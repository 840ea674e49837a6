"""Compiled solvers and instruments for workers: made once in a process aside, while the first jobs run plain with the same results.

Run as `python -m app.jobs.compiling`, it fills the folder that NUMBA_CACHE_DIR names.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from app.engine.audio import instruments
from app.engine.physics import solvers
from app.engine.physics.scene import Body, Constraint, Physics, Scene
from app.engine.physics.solvers import nbody

_MODULE = "app.jobs.compiling"


class Compiled:
    """The compiled solvers and instruments of a machine: NUMBA_CACHE_DIR, by default below the data. To be made before numba is imported.

    By default each release has a folder of its own: numba may fail to read what it kept of other sources.
    """

    def __init__(self, data_dir: str) -> None:
        sources = _sources()
        own = Path(data_dir).resolve() / "compiled" / sources
        self.folder = Path(os.environ.setdefault("NUMBA_CACHE_DIR", str(own)))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.marker = self.folder / f"{sources}.ready"
        self.in_use = False

    def make_aside(self) -> subprocess.Popen[bytes] | None:
        """A process that compiles, at the lowest priority; None when all is there."""
        if self.marker.exists():
            return None
        return subprocess.Popen([sys.executable, "-m", _MODULE], preexec_fn=_step_back)  # noqa: PLW1509,S603  no thread runs yet

    def use(self) -> None:
        """Run solvers and instruments compiled from now on, if they are ready; to be called between jobs."""
        if not self.in_use and self.marker.exists():
            solvers.compiled(True)
            instruments.compiled(True)
            self.in_use = True


def _sources() -> str:
    """What the compiled code was made from, in short: it is made anew when that changes."""
    digest = hashlib.sha256(f"{sys.version} {version('numba')}".encode())
    for package in (solvers, instruments):
        for path in sorted(Path(str(package.__file__)).parent.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _step_back() -> None:
    os.nice(19)


def main() -> int:
    """Compile what is missing in the folder that NUMBA_CACHE_DIR names, and leave a marker that it is there; the exit code.

    Each solver and instrument is compiled in a process of its own. Of several told to compile, one does and the others wait for it.
    """
    compiled = Compiled(".")
    with (compiled.folder / "compiling.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if compiled.marker.exists():
            return 0
        makers = [subprocess.Popen([sys.executable, "-m", _MODULE, name]) for name in (*_EXAMPLES, *_PLAYERS)]  # noqa: S603
        if sum(maker.wait() != 0 for maker in makers):
            return 1
        compiled.marker.touch()
        return 0


def compile_one(name: str) -> None:
    """Run scenes with a compiled solver, or play a compiled instrument, which compiles it into NUMBA_CACHE_DIR."""
    if name in _PLAYERS:
        instruments.compiled(True)
        player = instruments.instrument(name)
        player.render(instruments.Tone(440.0, 1000, 48000, player.validate({}), (0,)))
        return
    solvers.compiled(True)
    for bodies, constraints in _EXAMPLES[name]():
        shown = Scene("", "", name, duration_s=1.0, loop=False, seed=0, physics=Physics(), bodies=bodies, constraints=constraints)
        solvers.run(shown)


_Parts = tuple[tuple[Body, ...], tuple[Constraint, ...]]
_BALL = Body(id="ball", name="ball", shape="circle", size={"radius": 0.1}, position=(0.0, 1.0, 0.0))


def _ball() -> Iterator[_Parts]:
    yield (_BALL,), ()


def _points() -> Iterator[_Parts]:
    for count in (2, nbody.SMALL + 1):
        yield tuple(Body(id=str(n), name=str(n), position=(float(n), 0.0, 0.0)) for n in range(count)), ()


def _spring() -> Iterator[_Parts]:
    yield (_BALL,), (Constraint("spring", "spring", "ball", anchor=(0.0, 0.0, 0.0), stiffness=1.0),)


_EXAMPLES: Mapping[str, Callable[[], Iterator[_Parts]]] = {"ballistic": _ball, "nbody": _points, "particles": _spring}
_PLAYERS = ("karplus_strong",)


if __name__ == "__main__":
    if sys.argv[1:]:
        compile_one(sys.argv[1])
    else:
        sys.exit(main())

"""Compiled solvers for workers: made once in a process of its own, while the first jobs run uncompiled with the same results.

Run as `python -m app.jobs.compiling`, it fills the folder that NUMBA_CACHE_DIR names.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

from app.engine.physics import solvers
from app.engine.physics.scene import Body, Physics, Scene

_SOURCES = Path(solvers.__file__).parent


def folder(data_dir: str) -> Path:
    """Where compiled code is kept: NUMBA_CACHE_DIR, by default below the data; numba reads the variable when it is imported."""
    path = Path(os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(data_dir).resolve() / "compiled")))
    path.mkdir(parents=True, exist_ok=True)
    return path


def compile_aside() -> subprocess.Popen[bytes] | None:
    """A process that compiles what is not compiled yet, at the lowest priority."""
    if _marker().exists():
        return None
    return subprocess.Popen([sys.executable, "-m", __name__], preexec_fn=lambda: os.nice(19))  # noqa: PLW1509,S603  no thread runs yet


@cache
def _switch() -> None:
    solvers.compiled(True)


def use_compiled() -> None:
    """Run solvers compiled from now on, if that is ready; to be called between jobs."""
    if _marker().exists():
        _switch()


@cache
def _marker() -> Path:
    """The file that says that the present sources are compiled."""
    digest = hashlib.sha256(f"{sys.version} {version('numba')}".encode())
    for path in sorted(_SOURCES.glob("*.py")):
        digest.update(path.read_bytes())
    return Path(os.environ["NUMBA_CACHE_DIR"], f"{digest.hexdigest()[:16]}.ready")


def main() -> None:
    """Run a scene with every compiled solver, and say that it is done."""
    solvers.compiled(True)
    ball = Body(id="ball", name="ball", shape="circle", size={"radius": 0.1}, position=(0.0, 1.0, 0.0))
    solvers.run(Scene(id="", name="", solver="ballistic", duration_s=1.0, loop=False, seed=0, physics=Physics(), bodies=(ball,)))
    _marker().touch()


if __name__ == "__main__":
    main()

"""Which workers are at work: each keeps touching a file of its own in the storage, which servers and workers share."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

_FRESH_SECONDS = 15
_FORGET_SECONDS = 3600


def report(storage: Path) -> None:
    """Say that this process is at work, and forget those that have not been for long."""
    folder = storage / "workers"
    folder.mkdir(parents=True, exist_ok=True)
    _mine(folder).touch()
    for path, age in _ages(folder):
        if age > _FORGET_SECONDS:
            path.unlink(missing_ok=True)


def leave(storage: Path) -> None:
    """Say that this process works no more."""
    _mine(storage / "workers").unlink(missing_ok=True)


def at_work(storage: Path) -> int:
    """How many workers there are."""
    return sum(age <= _FRESH_SECONDS for _, age in _ages(storage / "workers"))


def _mine(folder: Path) -> Path:
    return folder / f"{socket.gethostname()}-{os.getpid()}"


def _ages(folder: Path) -> list[tuple[Path, float]]:
    found = []
    for path in folder.glob("*"):
        try:
            found.append((path, time.time() - path.stat().st_mtime))
        except FileNotFoundError:
            continue  # it has just left
    return found

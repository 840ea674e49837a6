"""Where artefacts' files are: a folder each, that appears as a whole or not at all.

A key is `<kind>/<id>`. Another kind of store would offer these same methods.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

from flask import current_app

_BLOCK = 1 << 20


class Storage:
    """Folders of files below `root`, on one file system, so that publishing is a rename."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def draft(self, owner: UUID) -> Iterator[Path]:
        """An empty folder to make files in, for a job; what earlier tries of that job left is removed, and this one at the end."""
        drafts = self.root / "drafts"
        drafts.mkdir(parents=True, exist_ok=True)
        for left in drafts.glob(f"{owner.hex}-*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = drafts / f"{owner.hex}-{uuid4().hex}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, draft: Path, key: str) -> int:
        """Put a folder of finished files in place, durably; its size in bytes. One left there by a lost worker is replaced."""
        size = 0
        for path in draft.iterdir():
            _flush(path)
            size += path.stat().st_size
        _flush(draft)
        place = self.root / key
        place.parent.mkdir(parents=True, exist_ok=True)
        self.delete(key)
        draft.rename(place)
        _flush(place.parent)
        return size

    def path(self, key: str, name: str) -> Path:
        """A file of a published folder. Raises FileNotFoundError."""
        path = self.root / key / name
        if not path.is_file():
            raise FileNotFoundError(path)
        return path

    def delete(self, key: str) -> None:
        """Remove a folder; none is fine too. It vanishes as a whole."""
        grave = self.root / "drafts" / uuid4().hex
        grave.parent.mkdir(parents=True, exist_ok=True)
        try:
            (self.root / key).rename(grave)
        except FileNotFoundError:
            return
        shutil.rmtree(grave, ignore_errors=True)


def storage() -> Storage:
    """The store of the application at hand."""
    return Storage(current_app.config["SETTINGS"].storage)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Orders: how a server has a worker solve a live simulation that is too large to be solved beside its sockets.

An order is a folder in the storage, which servers and workers share: the server puts the order there and makes a job of it,
the worker puts the runs there, and the server takes them and clears the folder away.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson

from app.engine import live as engine
from app.engine.live import Beginning, Run, Snapshot

_FOLDER, _ORDER = "live", "order.json"
_FORGET_SECONDS = 6 * 3600


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be solved: the parameters of `engine.live.perform`."""

    snapshot: Snapshot
    beginning: Beginning | None
    reference: Snapshot | None
    limit: int


def document(beginning: Beginning | None) -> dict[str, Any] | None:
    """A beginning as JSON."""
    return None if beginning is None else {"start_s": beginning.start_s, "state": dict(beginning.state), "broken": list(beginning.broken)}


def place(root: Path, order: Order) -> UUID:
    """Put an order down; its id. What servers that died left behind is removed."""
    _forget(root / _FOLDER)
    order_id = uuid4()
    folder = _folder(root, order_id)
    folder.mkdir(parents=True)
    text = {"snapshot": order.snapshot, "beginning": document(order.beginning), "reference": order.reference, "limit": order.limit}
    (folder / _ORDER).write_bytes(orjson.dumps(text))
    return order_id


def read(root: Path, order_id: UUID) -> Order:
    """The order of an id. Raises FileNotFoundError when nobody waits for it any more."""
    text: Mapping[str, Any] = orjson.loads((_folder(root, order_id) / _ORDER).read_bytes())
    return Order(text["snapshot"], Beginning(**text["beginning"]) if text["beginning"] else None, text["reference"], text["limit"])


def deliver(root: Path, order_id: UUID, base: Run, edited: Run | None) -> None:
    """Put the runs of an order where who placed it looks for them. Raises FileNotFoundError when nobody waits any more."""
    for name, run in (("base", base), ("edited", edited)):
        shutil.rmtree(_folder(root, order_id) / name, ignore_errors=True)  # a lost worker's
        if run is not None:
            engine.store(run, _folder(root, order_id) / name)


def collect(root: Path, order_id: UUID, order: Order) -> tuple[Run, Run | None]:
    """The runs of an order that has been delivered."""
    folder = _folder(root, order_id)
    base = engine.restore(folder / "base", order.snapshot, None)
    return base, None if order.beginning is None else engine.restore(folder / "edited", order.snapshot, order.beginning)


def clear(root: Path, order_id: UUID) -> None:
    """Take an order away."""
    shutil.rmtree(_folder(root, order_id), ignore_errors=True)


def _folder(root: Path, order_id: UUID) -> Path:
    return root / _FOLDER / order_id.hex


def _forget(folder: Path) -> None:
    for left in folder.glob("*"):
        if time.time() - left.stat().st_mtime > _FORGET_SECONDS:
            shutil.rmtree(left, ignore_errors=True)

"""Who wants to know that a universe has changed: told after the commit, outside any transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from flask import Flask, current_app

Row = Mapping[str, Any]
Listener = Callable[[UUID, Row | None], None]
_NAME = "universe_listeners"


def listen(app: Flask, listener: Listener) -> None:
    """Call `listener` with the id of every universe that this process commits something to, and the log's new row if there is one.

    It must not block. Announcements may come in another order than the commits they tell of.
    """
    app.extensions.setdefault(_NAME, []).append(listener)


def announce(universe_id: UUID, row: Row | None = None) -> None:
    """Something has been committed to a universe: a row of its log, or what is kept beside it."""
    for listener in current_app.extensions.get(_NAME, ()):
        listener(universe_id, row)

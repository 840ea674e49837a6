"""Restores, as doors ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.access import Action, Actor
from app.changes.intents import Intent
from app.changes.past import state_of
from app.changes.service import Done, commit_change

SYSTEM: Mapping[str, Any] = {"actor": Actor(), "source": "cli"}
"""The head of an operator's restore."""


def restore(universe_id: UUID, revision: int, head: Mapping[str, Any]) -> Done:
    """Put a universe's content back to what it was at a revision, as one new row of the log.

    Members, share links and visibility stay as they are. The caller may see the universe: what it was is read before
    the lock. Raises NotFound or Gone for a revision that is not there, and what commit_change() raises.
    """
    return commit_change(
        Intent(
            op="restore",
            collection="universe",
            universe_id=universe_id,
            fields={"revision": revision},
            state=state_of(universe_id, revision),
            action=Action.MANAGE,
            **{**head, "group": None, "if_match": None},
        )
    )

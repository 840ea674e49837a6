"""Undo and redo, as doors ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.changes.intents import Intent
from app.changes.service import Done, commit_change


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo or a redo came to.

    `undo_of` is the revision that was taken back, of several rows with one group the newest. `skipped` names what was
    left as it is, because others changed it since or a rule does not allow it: `bodies/<id>` for all of an entity,
    `bodies/<id> velocity.x` for a property.
    """

    done: Done
    undo_of: int
    skipped: list[str]


def undo(universe_id: UUID, head: Mapping[str, Any]) -> Undone:
    """Take back the newest change that the actor made from the client of `head`, as one new row of the log.

    `head` holds the parts of an intent that every request carries; its `group` and `if_match` have no meaning here.
    Raises NothingToUndo, UndoConflict when nothing of the change could be taken back, and what commit_change() raises.
    """
    return _commit("undo", universe_id, head)


def redo(universe_id: UUID, head: Mapping[str, Any]) -> Undone:
    """Take back the newest undo of the actor's from the client of `head`, unless they have made a new edit since.

    Raises as undo() does.
    """
    return _commit("redo", universe_id, head)


def _commit(op: str, universe_id: UUID, head: Mapping[str, Any]) -> Undone:
    done = commit_change(Intent(op=op, collection="universe", universe_id=universe_id, **{**head, "group": None, "if_match": None}))
    after = done.after or {}
    return Undone(done, done.undo_of or 0, after.get("skipped", []) if "items" in after else [])

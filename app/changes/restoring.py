"""Putting a universe's content back to what it was at a revision: one new row of the log, and nothing is erased."""

from __future__ import annotations

from app.changes.content import Document
from app.changes.editable import EDITABLE
from app.changes.entities import Applied, Turn
from app.changes.intents import Intent
from app.changes.rebuild import UNIVERSE, Present, rebuild

_KEPT = ("visibility", "deleted_at")
"""What a restore leaves as it is, with members and share links: who may see the universe is not put back."""


def put_back(turn: Turn, intent: Intent) -> Applied:
    """Bring the content to `intent.state`, that of an earlier revision."""
    present = Present(turn)
    wanted: dict[str, Document | None] = dict.fromkeys(present.load_all())
    wanted.update({path: document for path, document in intent.state.items() if path.partition("/")[0] in EDITABLE})
    own = present.document(UNIVERSE) or {}
    wanted[UNIVERSE] = {**intent.state[UNIVERSE], **{name: own[name] for name in _KEPT}}
    rebuilt = rebuild(turn, present, wanted, checked=False)
    if not rebuilt.steps:
        return Applied(None, None, None, turn.revision - 1, noop=True)
    after: Document = {"revision": intent.fields["revision"], "items": rebuilt.steps}
    return Applied(None, after, None, turn.revision, growth=rebuilt.growth, universe_values=rebuilt.universe_values)

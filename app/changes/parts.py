"""Giving a scene other parts at once: one row of the log, which an undo takes back as any."""

from __future__ import annotations

from uuid import UUID

from app.changes.content import Document, merge
from app.changes.entities import Applied, Turn
from app.changes.intents import Intent
from app.changes.rebuild import Present, kind_of, rebuild
from app.errors import Gone, Invalid


def give_parts(turn: Turn, intent: Intent) -> Applied:
    """Merge `intent.fields` into a scene, and put the documents of `intent.subtree` in place of all that it holds in their collections.

    What is there as it is wanted stays; without a difference nothing is done. Raises Gone for a scene that is deleted, and Invalid when
    a rule of the room does not let it be, and then nothing is stored.
    """
    present, path = Present(turn), f"scenes/{intent.entity_id}"
    scene = present.document(path)
    if scene is None:
        raise Gone
    wanted: dict[str, Document | None] = {path: merge(scene, intent.fields, kind_of(path).model)}
    wanted.update(dict.fromkeys(part for part in present.under(path) if part.partition("/")[0] in intent.subtree))
    for collection, documents in intent.subtree.items():
        for document in documents:
            wanted[f"{collection}/{UUID(document['id'])}"] = {key: value for key, value in document.items() if key != "id"}
    rebuilt = rebuild(turn, present, wanted, checked=True)
    if rebuilt.refused:
        raise Invalid(errors={"_schema": [f"The scene cannot have it so: {', '.join(rebuilt.refused)}."]})
    if not rebuilt.steps:
        return Applied(None, None, None, turn.revision - 1, noop=True)
    return Applied(None, {"items": rebuilt.steps}, None, turn.revision, growth=rebuilt.growth, universe_values=rebuilt.universe_values)

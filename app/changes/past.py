"""What a universe was at a revision, and what changed between two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError

from app.changes.content import Document, difference
from app.changes.history import apply_step, model_of, rows_between, steps_of
from app.changes.models import Snapshot
from app.changes.snapshots import EVERY, State, nearest, packed
from app.errors import Busy, Gone, NotFound
from app.extensions import db
from app.unit_of_work import unit_of_work
from app.universes.models import Universe

_UNIVERSES: Any = Universe.__table__
_SNAPSHOTS: Any = Snapshot.__table__
_IN_SCENES = ("bodies", "constraints", "voices", "mappings")


def require_revision(universe_id: UUID, revision: int) -> None:
    """Raises NotFound for a revision that a universe has not reached, Gone for one whose rows are compacted away."""
    found = db.session.execute(select(_UNIVERSES.c.revision, _UNIVERSES.c.floor).where(_UNIVERSES.c.id == universe_id)).first()
    if found is None or not 0 < revision <= found.revision:
        raise NotFound("There is no such revision.")
    if revision < found.floor and not _is_kept(universe_id, revision):
        raise Gone("This part of the history is kept no more.")


def state_of(universe_id: UUID, revision: int) -> State:
    """The state of a universe at a revision: the nearest snapshot before it, with the rows since.

    What is passed on the way at every EVERYth revision is kept for those who ask next. Raises NotFound or Gone.
    """
    require_revision(universe_id, revision)
    session, passed = db.session(), dict[int, bytes]()
    at, state = nearest(session, universe_id, revision)
    for row in rows_between(session, universe_id, at, revision):
        if row.revision != at + 1:
            break
        at = row.revision
        for step in steps_of(row):
            apply_step(state, step)
        if at % EVERY == 0:
            passed[at] = packed(state)
    if at != revision:
        raise Gone("This part of the history is kept no more.")  # it was compacted in this moment
    if passed:
        with suppress(Busy, DBAPIError):  # whoever asks next will do it
            _keep(universe_id, passed)
    return state


def document_at(universe_id: UUID, revision: int) -> tuple[int, Document]:
    """The document as of a revision, and the revision. Raises NotFound or Gone."""
    return revision, document_from(state_of(universe_id, revision), universe_id, revision)


def document_from(state: State, universe_id: UUID, revision: int) -> Document:
    """A universe's document, from its state: what GET .../document answered at that revision."""
    held: dict[str, dict[str, list[Document]]] = {}
    for collection in _IN_SCENES:
        for one in _in_order(state, collection):
            held.setdefault(one["scene_id"], {name: [] for name in _IN_SCENES})[collection].append(one)
    empty = {name: list[Document]() for name in _IN_SCENES}
    return {
        "id": str(universe_id),
        "revision": revision,
        "universe": {key: value for key, value in state["universe"].items() if key != "deleted_at"},
        "physics_parameters": sorted(_all(state, "physics-parameters"), key=lambda one: (one["name"], one["id"])),
        "scenes": [{**scene, **held.get(scene["id"], empty)} for scene in _in_order(state, "scenes")],
    }


def differences(before: State, after: State) -> Iterator[Document]:
    """What differs between two states, by path: what was made or deleted in full, of the rest the properties."""
    for path in sorted({*before, *after}):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        if old is None or new is None:
            yield {"op": "create" if old is None else "delete", "path": path, "before": old, "after": new}
        else:
            left, right = difference(old, new, model_of(path))
            yield {"op": "update", "path": path, "before": left, "after": right}


def _all(state: Mapping[str, Document], collection: str) -> Iterator[Document]:
    for path, document in state.items():
        name, _, identity = path.partition("/")
        if name == collection:
            yield {"id": identity, **document}


def _in_order(state: State, collection: str) -> list[Document]:
    return sorted(_all(state, collection), key=lambda one: (one["order_key"], one["id"]))


def _is_kept(universe_id: UUID, revision: int) -> bool:
    here = (_SNAPSHOTS.c.universe_id == universe_id, _SNAPSHOTS.c.revision == revision)
    return db.session.execute(select(_SNAPSHOTS.c.revision).where(*here)).first() is not None


def _keep(universe_id: UUID, states: Mapping[int, bytes]) -> None:
    """Store packed states, unless somebody else has or the log has been compacted since."""
    with unit_of_work() as session:
        floor = session.scalar(select(_UNIVERSES.c.floor).where(_UNIVERSES.c.id == universe_id).with_for_update())
        here = (_SNAPSHOTS.c.universe_id == universe_id, _SNAPSHOTS.c.revision.in_(list(states)))
        known = set(session.scalars(select(_SNAPSHOTS.c.revision).where(*here)))
        rows = [
            {"universe_id": universe_id, "revision": revision, "state": state}
            for revision, state in states.items()
            if revision not in known and revision > (floor or 0)
        ]
        if rows:
            session.execute(insert(_SNAPSHOTS), rows)

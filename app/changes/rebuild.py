"""Bringing some entities of a universe to given documents at once: what an undo and a restore are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select

from app.changes.content import Document, columns_from, difference, document_of
from app.changes.editable import EDITABLE, Editable
from app.changes.entities import Turn, bury, check_universe, size_of
from app.changes.models import Tombstone
from app.changes.rule import Check, Removal
from app.changes.storing import Write, carry_out
from app.errors import Problem
from app.universes.models import Universe

UNIVERSE = "universe"
REFERENCES = {"scene_id": "scenes", "body_id": "bodies", "other_body_id": "bodies", "voice_id": "voices"}
"""The properties that name another entity which must be there, with its collection. Who names one goes when it goes."""

_MODEL: Any = Universe
_TOMBSTONES: Any = Tombstone.__table__
_AT_ONCE = 500
_SETS = "physics-parameters"
_BUT_SETS = [collection for collection in EDITABLE if collection != _SETS]


def kind_of(path: str) -> Editable:
    """The kind of content that a path is about."""
    return EDITABLE[path.partition("/")[0]]


def id_of(path: str) -> UUID:
    """The id in a path."""
    return UUID(path.partition("/")[2])


def parents_of(document: Mapping[str, Any]) -> list[str]:
    """The paths of what an entity needs, the scene first."""
    return [f"{collection}/{document[name]}" for name, collection in REFERENCES.items() if document.get(name)]


class Present:
    """The documents of a universe as they are stored now, read as they are asked for."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self._known: dict[str, Document | None] = {UNIVERSE: document_of(_MODEL, turn.universe)}

    def document(self, path: str) -> Document | None:
        """What is stored at a path; None for nothing."""
        if path not in self._known:
            self.load([path])
        return self._known[path]

    def load(self, paths: Iterable[str]) -> None:
        """Read what is at some paths, several with one statement."""
        for collection, ids in _by_collection(path for path in paths if path not in self._known).items():
            self._known.update(dict.fromkeys(f"{collection}/{one}" for one in ids))
            table = EDITABLE[collection].table
            for some in _slices(ids):
                self._read(collection, table.c.id.in_(some))

    def load_all(self) -> list[str]:
        """Read everything but the universe's own fields; the paths of it."""
        return [path for collection in EDITABLE for path in self._read(collection)]

    def under(self, path: str) -> list[str]:
        """The paths of what goes when an entity goes."""
        found = []
        for collection, column in kind_of(path).children:
            found += self._read(collection, EDITABLE[collection].table.c[column] == id_of(path))
        return found

    def _read(self, collection: str, *which: Any) -> list[str]:
        kind, found = EDITABLE[collection], []
        rows = self.turn.session.execute(select(kind.table).where(kind.table.c.universe_id == self.turn.universe_id, *which))
        for row in rows.mappings():
            found.append(f"{collection}/{row['id']}")
            self._known[found[-1]] = document_of(kind.model, row)
        return found


@dataclass(slots=True)
class Rebuilt:
    """What was done: the steps for the log, and what the universe's row takes on. `refused` are the paths left as they were."""

    steps: list[Document] = field(default_factory=list)
    growth: int = 0
    universe_values: dict[str, Any] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Plan:
    """What is to be made, changed and deleted, by path; what is there now comes first."""

    made: dict[str, Document] = field(default_factory=dict)
    changed: dict[str, tuple[Document, Document]] = field(default_factory=dict)
    deleted: dict[str, Document] = field(default_factory=dict)


def rebuild(turn: Turn, present: Present, wanted: Mapping[str, Document | None], *, checked: bool) -> Rebuilt:
    """Bring entities to their wanted documents, None for no entity; whoever wants one gone wants gone what goes with it.

    What would lack a scene, body or voice that it needs is left as it was; with `checked` also what would break a rule
    of its room. Without it the wanted whole has stood before, which is why it may again.
    """
    present.load([*wanted, *(parent for document in wanted.values() if document for parent in parents_of(document))])
    refused: set[str] = set()
    while True:
        plan = _planned(present, wanted, refused)
        if not checked:
            values = _store(turn, plan, refused=None)
            break
        savepoint, broken = turn.session.connection().begin_nested(), set[str]()
        values = _store(turn, plan, broken)
        broken |= set(_broken(turn, plan, values))
        if not broken:
            savepoint.commit()
            break
        savepoint.rollback()
        refused |= _with_relatives(broken, plan.deleted)
    return Rebuilt(list(_steps(plan)), _growth(plan), values, [path for path in wanted if path in refused])


def _planned(present: Present, wanted: Mapping[str, Document | None], refused: set[str]) -> _Plan:
    plan = _Plan()
    for path, document in wanted.items():
        now = present.document(path)
        if path in refused or now == document:
            continue
        if document is None and now is not None:
            plan.deleted[path] = now
        elif document is not None and now is None:
            plan.made[path] = document
        elif document is not None and now is not None:
            plan.changed[path] = now, document
    while lost := [path for path, document in _stored(plan) if not _is_whole(present, plan, path, document)]:
        refused.update(lost)
        for path in lost:
            plan.made.pop(path, None)
            plan.changed.pop(path, None)
    return plan


def _stored(plan: _Plan) -> Iterator[tuple[str, Document]]:
    yield from plan.made.items()
    yield from ((path, document) for path, (_, document) in plan.changed.items())


def _is_whole(present: Present, plan: _Plan, path: str, document: Document) -> bool:
    """Whether all that an entity needs will be there."""
    if path == UNIVERSE:
        return True
    return all(
        parent in plan.made or (parent not in plan.deleted and present.document(parent) is not None) for parent in parents_of(document)
    )


def _with_relatives(broken: set[str], deleted: Mapping[str, Document]) -> set[str]:
    """Refused paths; where a deletion is refused, also those of what would have gone with it, and of what it goes with."""
    found, before = set(broken), -1
    while len(found) != before:
        before = len(found)
        for path, document in deleted.items():
            parents = [parent for parent in parents_of(document) if parent in deleted]
            if path in found:
                found.update(parents)
            elif any(parent in found for parent in parents):
                found.add(path)
    return found


def _store(turn: Turn, plan: _Plan, refused: set[str] | None) -> dict[str, Any]:
    """Write a plan; the new values of the universe's row.

    What is needed comes before who needs it, and a set that is active no more before the next one that is. With
    `refused` a set that would be a second active one is left out and named there, for the database would refuse it.
    """
    for collection in _BUT_SETS:
        _insert(turn, collection, plan)
    for path, (now, document) in plan.changed.items():
        if path != UNIVERSE and kind_of(path).collection != _SETS:
            _update(turn, path, now, document)
    for collection in reversed(EDITABLE):
        _remove(turn, collection, plan)
    sets = [path for path in plan.changed if path.startswith(f"{_SETS}/")]
    for path in sorted(sets, key=lambda one: plan.changed[one][1]["active"]):
        now, document = plan.changed[path]
        if refused is None or not _problem(EDITABLE[_SETS].check, Check(turn.session, turn.universe, id_of(path), now, document)):
            _update(turn, path, now, document)
        else:
            refused.add(path)
    _insert(turn, _SETS, plan, refused)
    return _universe_values(turn, plan)


def _insert(turn: Turn, collection: str, plan: _Plan, refused: set[str] | None = None) -> None:
    kind = EDITABLE[collection]
    wanted = {id_of(path): document for path, document in plan.made.items() if path.startswith(f"{collection}/")}
    for some in _slices(list(wanted)):
        buried = select(_TOMBSTONES.c.id, _TOMBSTONES.c.born_at).where(_TOMBSTONES.c.id.in_(some))
        born = {row.id: row.born_at for row in turn.session.execute(buried)}
        turn.session.execute(delete(_TOMBSTONES).where(_TOMBSTONES.c.id.in_(some)))
        rows = []
        for one in some:
            if refused is not None and _problem(kind.check, Check(turn.session, turn.universe, one, None, wanted[one])):
                refused.add(f"{collection}/{one}")
                continue
            rows.append(
                {
                    "id": one,
                    "universe_id": turn.universe_id,
                    "revision": turn.revision,
                    "created_at": born.get(one) or turn.moment,
                    "updated_at": turn.moment,
                    **columns_from(kind.model, wanted[one]),
                }
            )
            if collection == _SETS:  # the next one's check must see it
                turn.session.execute(insert(kind.table), rows)
                rows = []
        if rows:
            turn.session.execute(insert(kind.table), rows)


def _update(turn: Turn, path: str, now: Document, document: Document) -> None:
    kind = kind_of(path)
    names = {name.partition(".")[0] for name in difference(now, document, kind.model)[1]}
    values = {**columns_from(kind.model, document, names), "revision": turn.revision, "updated_at": turn.moment}
    carry_out(turn.session.connection(), Write(kind.table, id_of(path), values))


def _remove(turn: Turn, collection: str, plan: _Plan) -> None:
    table = EDITABLE[collection].table
    for some in _slices([id_of(path) for path in plan.deleted if path.startswith(f"{collection}/")]):
        bury(turn, table, table.c.id.in_(some))
        turn.session.execute(delete(table).where(table.c.id.in_(some)))


def _universe_values(turn: Turn, plan: _Plan) -> dict[str, Any]:
    if UNIVERSE not in plan.changed:
        return {}
    now, document = plan.changed[UNIVERSE]
    names = {name.partition(".")[0] for name in difference(now, document, _MODEL)[1]}
    return {**columns_from(_MODEL, document, names), "entity_revision": turn.revision}


def _broken(turn: Turn, plan: _Plan, values: Mapping[str, Any]) -> Iterator[str]:
    """The paths of a written plan that break a rule of their room.

    What came back with its scene is as it was when it went: nobody could reach it in between.
    """
    universe = {**turn.universe, **values}
    for path, document in plan.made.items():
        if not _comes_with_scene(path, document, plan.made) and _problem(
            kind_of(path).check, Check(turn.session, universe, id_of(path), None, document)
        ):
            yield path
    for path, (now, document) in plan.changed.items():
        if path == UNIVERSE:
            changed = {name.partition(".")[0] for name in difference(now, document, _MODEL)[1]}
            if _problem(partial(check_universe, turn, changed=changed), document):
                yield path
        elif _problem(kind_of(path).check, Check(turn.session, universe, id_of(path), now, document)):
            yield path
    for path, document in plan.deleted.items():
        if not _comes_with_scene(path, document, plan.deleted) and _problem(
            kind_of(path).may_remove, Removal(turn.session, universe, id_of(path), document)
        ):
            yield path
    yield from _too_many(turn, plan)


def _comes_with_scene(path: str, document: Document, others: Mapping[str, Document]) -> bool:
    return f"scenes/{document.get('scene_id')}" in others


def _too_many(turn: Turn, plan: _Plan) -> Iterator[str]:
    """What was made where there are now more than there may be."""
    counted: dict[tuple[str, Any], bool] = {}
    for path, document in plan.made.items():
        kind = kind_of(path)
        scene = document["scene_id"] if kind.parent == "scene_id" else None
        if (kind.collection, scene) not in counted:
            here = kind.table.c.scene_id == UUID(scene) if scene is not None else kind.table.c.universe_id == turn.universe_id
            count = turn.session.scalar(select(func.count()).select_from(kind.table).where(here)) or 0
            counted[kind.collection, scene] = count > getattr(turn.limits, kind.limit)
        if counted[kind.collection, scene]:
            yield path


def _problem(rule: Callable[[Any], None], asked: Any) -> bool:
    """Whether a rule says no."""
    try:
        rule(asked)
    except Problem:
        return True
    return False


def _steps(plan: _Plan) -> Iterator[Document]:
    """The steps of a plan as the log has them: what goes with an entity, or comes with it, is told in its own step."""
    for path, document in _nested(plan.deleted):
        yield {"op": "delete", "path": path, "before": document, "after": None}
    for path, (now, wanted) in plan.changed.items():
        before, after = difference(now, wanted, _MODEL if path == UNIVERSE else kind_of(path).model)
        yield {"op": "move" if after.keys() == {"order_key"} else "update", "path": path, "before": before, "after": after}
    for path, document in _nested(plan.made):
        yield {"op": "create", "path": path, "before": None, "after": document}


def _nested(entities: Mapping[str, Document]) -> Iterator[tuple[str, Document]]:
    held: dict[str, dict[str, list[Document]]] = {}
    roots = []
    for path in sorted(entities, key=lambda one: (list(EDITABLE).index(one.partition("/")[0]), one)):
        parent = next((one for one in parents_of(entities[path]) if one in entities), None)
        if parent is None:
            roots.append(path)
        else:
            collection, _, identity = path.partition("/")
            held.setdefault(parent, {}).setdefault(collection, []).append({"id": identity, **entities[path]})
    yield from ((path, {**entities[path], **held.get(path, {})}) for path in roots)


def _growth(plan: _Plan) -> int:
    changed = sum(size_of(document) - size_of(now) for now, document in plan.changed.values())
    return changed + sum(map(size_of, plan.made.values())) - sum(map(size_of, plan.deleted.values()))


def _by_collection(paths: Iterable[str]) -> dict[str, list[UUID]]:
    found: dict[str, list[UUID]] = {}
    for path in dict.fromkeys(paths):
        found.setdefault(path.partition("/")[0], []).append(id_of(path))
    return found


def _slices(ids: list[UUID]) -> Iterator[list[UUID]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))

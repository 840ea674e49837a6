"""Undo and redo: which rows of the log somebody takes back next, and what that makes of the universe.

Everything follows from the log. The rows that one client of one actor made are read in order, as two stacks: an edit
lies on the undone-next stack (with those of its group before it) and empties the other; a row whose `undo_of` is on
one of the stacks is taken from it, with what lies above, and is itself put on the other. So a row that takes an undo
back is what the next undo takes back. Restores, members, and the universe's making, end and return are not undoable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select

from app.access import ALLOWED, Action
from app.changes.content import Document, put
from app.changes.entities import Applied, Turn
from app.changes.history import Step, flatten_subtree, model_of, steps_of
from app.changes.intents import Intent
from app.changes.models import Change
from app.changes.rebuild import UNIVERSE, Present, Rebuilt, parents_of, rebuild
from app.errors import NothingToUndo, UndoConflict

MOST = 200
"""How many rows of somebody's are looked at: a hundred edits, and what took them back."""
REACH = 20_000
"""How many of the universe's last revisions they are looked for among: the lock is held meanwhile."""
_LOG: Any = Change.__table__
_MOST_PATHS = 400


@dataclass(slots=True)
class Unit:
    """Rows that are taken back together; `revisions` rise."""

    revisions: list[int]
    group: str | None = None

    @property
    def newest(self) -> int:
        return self.revisions[-1]


@dataclass(slots=True)
class Stacks:
    """What somebody takes back next, and what they do again next; the last comes first."""

    undo: list[Unit] = field(default_factory=list)
    redo: list[Unit] = field(default_factory=list)

    def edit(self, revision: int, group: str | None) -> None:
        """Somebody made an edit."""
        if group is not None and self.undo and self.undo[-1].group == group:
            self.undo[-1].revisions.append(revision)
        else:
            self.undo.append(Unit([revision], group))
        self.redo.clear()

    def take_back(self, revision: int, undo_of: int, is_undo: bool | None) -> None:
        """Somebody took a row back. `is_undo` says whether that was an undo where the row is on no stack; None is not known."""
        undone, done = (self.undo, self.redo), (self.redo, self.undo)
        for source, target in (undone, done):
            if any(unit.newest == undo_of for unit in source):
                while source.pop().newest != undo_of:
                    pass
                target.append(Unit([revision]))
                return
        if is_undo is None:
            self.undo.clear()
            self.redo.clear()
        else:
            (self.redo if is_undo else self.undo).append(Unit([revision]))


@dataclass(slots=True)
class _Inverse:
    """The documents that take some rows back, and the properties that are left as others made them."""

    wanted: dict[str, Document | None] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def step_back(turn: Turn, intent: Intent) -> Applied:
    """Take back, or do again, the newest change of the intent's actor and client that is open to it.

    A change that others have since taken back in full is passed over. Raises NothingToUndo, or UndoConflict when
    nothing of the change is left to take back.
    """
    stacks = stacks_of(turn, intent)
    for unit in reversed(stacks.undo if intent.op == "undo" else stacks.redo):
        rows = _rows(turn, intent, unit)
        present = Present(turn)
        inverse = _inverse_of(turn, intent, rows, present)
        wanted = {path: document for path, document in inverse.wanted.items() if document != present.document(path)}
        if wanted or inverse.skipped:
            checked = _others_wrote(turn, intent, rows[0].revision)
            return _applied(turn, unit, rebuild(turn, present, wanted, checked=checked), inverse.skipped)
    raise NothingToUndo


def stacks_of(turn: Turn, intent: Intent) -> Stacks:
    """The stacks of the intent's actor and client, by their last rows."""
    rows = _last_rows(turn, intent)
    within = {row.revision for row in rows}
    kinds = _kinds(turn, [row.revision for row in rows if row.undo_of is not None and row.undo_of not in within])
    stacks = Stacks()
    for row in rows:
        if row.undo_of is not None:
            stacks.take_back(row.revision, row.undo_of, kinds.get(row.revision))
        elif row.op == "restore":
            stacks.redo.clear()
        elif not _is_about_standing(row):
            stacks.edit(row.revision, row.group)
    if rows and stacks.undo and stacks.undo[0].group and stacks.undo[0].revisions[0] == rows[0].revision:
        stacks.undo[0].revisions[:0] = _earlier(turn, intent, rows[0])
    return stacks


def _mine(turn: Turn, intent: Intent) -> ColumnElement[bool]:
    return and_(
        _LOG.c.universe_id == turn.universe_id,
        _LOG.c.revision >= turn.revision - REACH,
        _LOG.c.actor_id == intent.actor.id,
        _LOG.c.client_id.is_not_distinct_from(intent.client_id),
        _LOG.c.op != "member",
    )


def _last_rows(turn: Turn, intent: Intent) -> list[Any]:
    """The last rows of somebody's, the oldest first; with what they did only where that decides."""
    after = case((or_(_LOG.c.op == "batch", _LOG.c.path == UNIVERSE), _LOG.c.after)).label("after")
    columns = (_LOG.c.revision, _LOG.c.op, _LOG.c.path, _LOG.c.undo_of, _LOG.c.group, after)
    found = select(*columns).where(_mine(turn, intent)).order_by(_LOG.c.revision.desc()).limit(MOST)
    return list(reversed(turn.session.execute(found).all()))


def _is_about_standing(row: Any) -> bool:
    """Whether a row is about the universe's being there, or about its members: that has ways of its own."""
    if row.op == "batch":
        return any(item["op"] == "member" for item in row.after["items"])
    return bool(row.path == UNIVERSE and (row.op != "update" or "deleted_at" in row.after))


def _earlier(turn: Turn, intent: Intent, first: Any) -> list[int]:
    """The revisions of a group's rows before the first one that was looked at."""
    mine = (_mine(turn, intent), _LOG.c.revision < first.revision)
    other = or_(_LOG.c.group.is_distinct_from(first.group), _LOG.c.undo_of.is_not(None))
    since = turn.session.scalar(select(func.max(_LOG.c.revision)).where(*mine, other)) or 0
    return list(turn.session.scalars(select(_LOG.c.revision).where(*mine, _LOG.c.revision > since).order_by(_LOG.c.revision)))


def _kinds(turn: Turn, revisions: list[int]) -> dict[int, bool]:
    """Whether rows that take rows back are undos. Each goes back to an edit, by an odd number of links for an undo.

    Where that edit is gone with the compacted part of the log, it is not known.
    """
    if not revisions:
        return {}
    links = (
        select(_LOG.c.revision.label("start"), _LOG.c.undo_of.label("target"), literal(1).label("links"))
        .where(_LOG.c.universe_id == turn.universe_id, _LOG.c.revision.in_(revisions))
        .cte(recursive=True)
    )
    links = links.union_all(
        select(links.c.start, _LOG.c.undo_of, links.c.links + 1)
        .join(_LOG, _LOG.c.revision == links.c.target)
        .where(_LOG.c.universe_id == turn.universe_id, _LOG.c.undo_of.is_not(None))
    )
    ends = select(links.c.start, func.max(links.c.links).label("links"), func.min(links.c.target).label("end")).group_by(links.c.start)
    return {row.start: row.links % 2 == 1 for row in turn.session.execute(ends) if row.end > turn.universe["floor"]}


def _rows(turn: Turn, intent: Intent, unit: Unit) -> list[Any]:
    """The rows of a unit, the oldest first."""
    within = _LOG.c.revision.between(unit.revisions[0], unit.newest)
    rows = turn.session.execute(select(_LOG).where(_mine(turn, intent), within).order_by(_LOG.c.revision))
    revisions = set(unit.revisions)
    return [row for row in rows if row.revision in revisions]


def _others_wrote(turn: Turn, intent: Intent, since: int) -> bool:
    """Whether anybody but this client wrote after a revision: if not, what is taken back leads to what has stood before."""
    elsewhere = or_(_of_others(intent), _LOG.c.client_id.is_distinct_from(intent.client_id))
    later = (_LOG.c.universe_id == turn.universe_id, _LOG.c.revision > since, _LOG.c.op != "member", elsewhere)
    return turn.session.execute(select(_LOG.c.revision).where(*later).limit(1)).first() is not None


def _of_others(intent: Intent) -> ColumnElement[bool]:
    """SQL: rows whose values an undo leaves alone: other people's, and what a restore made of the universe."""
    return or_(_LOG.c.actor_id.is_distinct_from(intent.actor.id), _LOG.c.op == "restore")


class _Touched:
    """What others have changed since a revision, by path: when, and which properties; None for all of it."""

    def __init__(self, turn: Turn, intent: Intent, since: int, paths: Iterable[str]) -> None:
        self._found: dict[str, list[tuple[int, list[str] | None]]] = {}
        here = [_LOG.c.universe_id == turn.universe_id, _LOG.c.revision > since, _LOG.c.op != "member", _of_others(intent)]
        wanted = list(dict.fromkeys(paths))
        if len(wanted) <= _MOST_PATHS:
            here.append(_LOG.c.path.in_([*wanted, ""]))
        for row in turn.session.execute(select(_LOG).where(*here)):
            for step in steps_of(row):
                for path, names in _touches(step):
                    self._found.setdefault(path, []).append((row.revision, names))

    def at_all(self, path: str, since: int) -> bool:
        """Whether any of an entity was changed after a revision."""
        return any(revision > since for revision, _ in self._found.get(path, ()))

    def property(self, path: str, name: str, since: int) -> bool:
        """Whether a dotted property, one within it or one around it was changed after a revision."""
        return any(
            revision > since and (names is None or any(overlap(name, other) for other in names))
            for revision, names in self._found.get(path, ())
        )


def _touches(step: Step) -> Iterator[tuple[str, list[str] | None]]:
    if step.path != UNIVERSE and step.op in ("create", "delete"):
        yield from ((path, None) for path in flatten_subtree(step.path, step.after or step.before or {}))
    elif step.op != "member":
        yield step.path, list(step.after or {})


def overlap(name: str, other: str) -> bool:
    """Whether two dotted properties are the same or one holds the other."""
    return name == other or name.startswith(other + ".") or other.startswith(name + ".")


def _inverse_of(turn: Turn, intent: Intent, rows: list[Any], present: Present) -> _Inverse:
    """What takes rows back, going from the newest to the oldest."""
    inverse = _Inverse()
    touched = _Touched(turn, intent, rows[0].revision, _concerned(rows, present))
    manages = Action.MANAGE in ALLOWED[turn.universe["visibility"]][turn.role]
    for row in reversed(rows):
        for step in reversed(list(steps_of(row))):
            if step.op == "create":
                _unmake(inverse, touched, present, step, row.revision)
            elif step.op == "delete":
                _bring_back(inverse, touched, present, step, row.revision)
            else:
                _revert(inverse, touched, present, step, row.revision, manages=manages)
    inverse.skipped = list(dict.fromkeys(inverse.skipped))
    return inverse


def _concerned(rows: list[Any], present: Present) -> Iterator[str]:
    """The paths whose later changes decide: of what the rows did, of what goes with that, and of what that goes with."""
    own: dict[str, Document] = {}
    for row in rows:
        for step in steps_of(row):
            if step.path != UNIVERSE and step.op in ("create", "delete"):
                own.update(flatten_subtree(step.path, step.after or step.before or {}))
                own.update((path, present.document(path) or {}) for path in present.under(step.path))
            else:
                own[step.path] = {}
    present.load(path for path in own if path != UNIVERSE)
    for path, document in own.items():
        yield path
        yield from parents_of(document or present.document(path) or {})


def _alive(inverse: _Inverse, present: Present, path: str) -> Document | None:
    return inverse.wanted[path] if path in inverse.wanted else present.document(path)


def _unmake(inverse: _Inverse, touched: _Touched, present: Present, step: Step, revision: int) -> None:
    """Delete what was made, with what it holds now, unless others changed any of that."""
    paths = dict.fromkeys([*flatten_subtree(step.path, step.after or {}), *present.under(step.path)])
    if any(touched.at_all(path, revision) for path in paths):
        inverse.skipped.append(step.path)
    else:
        inverse.wanted.update(dict.fromkeys(paths))


def _bring_back(inverse: _Inverse, touched: _Touched, present: Present, step: Step, revision: int) -> None:
    """Make again what was deleted, with what it held, unless others did so."""
    for path, document in flatten_subtree(step.path, step.before or {}).items():
        if not touched.at_all(path, revision) and _alive(inverse, present, path) is None:
            inverse.wanted[path] = document
        else:
            inverse.skipped.append(path)
            if path == step.path:
                return


def _revert(inverse: _Inverse, touched: _Touched, present: Present, step: Step, revision: int, *, manages: bool) -> None:
    """Give the properties of an entity the values that they had, but for those that others changed."""
    document = _alive(inverse, present, step.path)
    if document is None:
        inverse.skipped.append(step.path)
        return
    for name, value in (step.before or {}).items():
        may = manages or (step.path, name) != (UNIVERSE, "visibility")
        if may and not touched.property(step.path, name, revision):
            document = put(document, {name: value}, model_of(step.path))
        else:
            inverse.skipped.append(f"{step.path} {name}")
    inverse.wanted[step.path] = document


def _applied(turn: Turn, unit: Unit, rebuilt: Rebuilt, skipped: list[str]) -> Applied:
    left = [*skipped, *rebuilt.refused]
    if not rebuilt.steps:
        raise UndoConflict(skipped=left)
    found = Applied(
        None,
        None,
        None,
        turn.revision,
        growth=rebuilt.growth,
        undo_of=unit.newest,
        universe_values=rebuilt.universe_values,
    )
    if len(rebuilt.steps) == 1 and not left:
        (step,) = rebuilt.steps
        found.op, found.path, found.before, found.after = step["op"], step["path"], step["before"], step["after"]
    else:
        found.op, found.after = "batch", {"items": rebuilt.steps, **({"skipped": left} if left else {})}
    return found

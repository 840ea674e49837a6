"""The invariants of a universe's log and rows, held against each other; every breach is a sentence.

- I1 revisions follow each other without a gap, from the floor to the universe's revision
- I2 what the log adds up to equals what is stored
- I3 what was acknowledged is there: stored and remembered revisions name rows of the log
- I4 an actor's operation id occurs once
- I5 each actor was allowed at that revision, going by the log's own member rows. A row without an actor is the
  system's, and only a command or a job may write one; an administrator has no more rights here than anybody
- I6 `before` of a row equals what the rows before it add up to
- I7 an entity's revision is that of the last row that touched it, and tombstones stand where deletions were
- I8 nothing is stored that no row put there
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app.access import ALLOWED, Action, Role
from app.changes.content import Document, document_of
from app.changes.editable import EDITABLE
from app.changes.history import Step, apply_step, flatten_subtree, link_used, steps_of
from app.changes.links import document_of_link
from app.changes.models import Change, IdempotencyKey, Snapshot, Tombstone
from app.changes.snapshots import State, floor_of, unpacked
from app.errors import NotFound
from app.universes.models import Membership, ShareLink, Universe

_LOG: Any = Change.__table__
_KEYS: Any = IdempotencyKey.__table__
_TOMBSTONES: Any = Tombstone.__table__
_UNIVERSES: Any = Universe.__table__
_MEMBERS: Any = Membership.__table__
_LINKS: Any = ShareLink.__table__
_SNAPSHOTS: Any = Snapshot.__table__
_UNIVERSE: Any = Universe

_OWNERS_ALONE = frozenset({"visibility", "deleted_at"})
_SYSTEM = frozenset({"cli", "job"})
_EDITS = frozenset({"create", "update", "delete", "move", "batch"})


@dataclass(slots=True)
class Audit:
    """What has been read of a log so far: the state it adds up to, which revision touched what last, who made which edit,
    and the breaches found.
    """

    state: State = field(default_factory=dict)
    touched: dict[str, int] = field(default_factory=dict)
    buried: dict[str, int] = field(default_factory=dict)
    operations: set[tuple[UUID | None, UUID]] = field(default_factory=set)
    edits: dict[int, UUID | None] = field(default_factory=dict)
    revision: int = 0
    floor: int = 0
    breaches: list[str] = field(default_factory=list)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Session]:
    """A session that sees one moment of the database, also while others write.

    The transaction is told so, not the connection: the driver would keep that for whoever has the connection next.
    """
    server = engine.dialect.name == "postgresql"
    with engine.connect().execution_options(write=server) as connection, Session(connection) as session:
        if server:
            session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        yield session


def verify(session: Session, universe_id: UUID) -> list[str]:
    """Every breach of the invariants in a universe, read in one snapshot of the database. Raises NotFound for an unknown one."""
    universe = session.execute(select(_UNIVERSES).where(_UNIVERSES.c.id == universe_id)).mappings().first()
    if universe is None:
        raise NotFound
    audit = audit_from_floor(session, universe)
    kept = set(session.scalars(select(_SNAPSHOTS.c.revision).where(_SNAPSHOTS.c.universe_id == universe_id)))
    rows = select(_LOG).where(_LOG.c.universe_id == universe_id).order_by(_LOG.c.revision)
    for row in session.execute(rows.execution_options(yield_per=500)):
        read_row(audit, row)
        if row.revision in kept:
            _compare_snapshot(audit, session, universe_id)
    _compare_head(audit, universe)
    _compare_stored(audit, stored(session, universe))
    _compare_tombstones(audit, session, universe_id)
    _compare_keys(audit, session, universe_id)
    return audit.breaches


def audit_from_floor(session: Session, universe: Mapping[Any, Any]) -> Audit:
    """What is known before the first row of a log: nothing, or what was kept of the rows up to its floor."""
    revision = universe["floor"]
    floor = floor_of(session, universe["id"], revision) if revision else None
    if floor is not None:
        return Audit(floor.state, floor.touched, floor.buried, revision=revision, floor=revision)
    lost = [f"I1: the rows up to {revision} are gone, and what they added up to."] if revision else []
    return Audit(revision=revision, floor=revision, breaches=lost)


def read_row(audit: Audit, row: Any) -> None:
    """Check one row of the log against those before it, and take it in."""
    if row.revision != audit.revision + 1:
        audit.breaches.append(f"I1: revision {row.revision} follows {audit.revision}.")
    audit.revision = row.revision
    if (row.actor_id, row.op_id) in audit.operations:
        audit.breaches.append(f"I4: revision {row.revision} repeats operation {row.op_id} of {row.actor_id}.")
    audit.operations.add((row.actor_id, row.op_id))
    if row.undo_of is not None and not _is_undoable(audit, row):
        audit.breaches.append(f"I5: revision {row.revision} takes back {row.undo_of}, which is no edit of {row.actor_id}'s own.")
    if row.op in _EDITS:
        audit.edits[row.revision] = row.actor_id
    steps = list(steps_of(row))
    audit.breaches.extend(f"I5: revision {row.revision}: {fault}" for fault in _not_allowed(audit.state, row, steps))
    for step in steps:
        audit.breaches.extend(f"I6: revision {row.revision}: {fault}" for fault in _wrong_before(audit.state, step))
        _take_in(audit, row.revision, step)


def _is_undoable(audit: Audit, row: Any) -> bool:
    """Whether the row that another one takes back is an earlier edit of the same actor; of a compacted one nothing is known."""
    return bool(row.undo_of <= audit.floor or (row.undo_of < row.revision and audit.edits.get(row.undo_of, ...) == row.actor_id))


def stored(session: Session, universe: Mapping[Any, Any]) -> dict[str, tuple[Document, int]]:
    """Everything stored of a universe, by its path in the log, each with its revision."""
    found = {"universe": (document_of(_UNIVERSE, universe), universe["entity_revision"])}
    members = select(_MEMBERS).where(_MEMBERS.c.universe_id == universe["id"])
    for row in session.execute(members):
        link = {"link": str(row.link_id)} if row.link_id else {}
        found[f"members/{row.user_id}"] = ({"role": row.role, **link}, row.revision)
    for row in session.execute(select(_LINKS).where(_LINKS.c.universe_id == universe["id"])):
        found[f"share-links/{row.id}"] = (document_of_link(row), row.revision)
    for collection, kind in EDITABLE.items():
        for entity in session.execute(select(kind.table).where(kind.table.c.universe_id == universe["id"])).mappings():
            found[f"{collection}/{entity['id']}"] = (document_of(kind.model, entity), entity["revision"])
    return found


def _not_allowed(state: State, row: Any, steps: list[Step]) -> Iterator[str]:
    """Why the actor may not have made a row, judged by the state before it."""
    if row.actor_id is None:
        if row.source not in _SYSTEM:
            yield f"a row from {row.source} names no actor."
        return
    if "universe" not in state:
        if [step.op for step in steps] != ["create"] or steps[0].path != "universe":
            yield "the log does not begin with the universe's creation."
        return
    membership = state.get(f"members/{row.actor_id}")
    role = Role(membership["role"]) if membership else Role.STRANGER
    allowed = ALLOWED[state["universe"]["visibility"]][role]
    for step in steps:
        if link_used(step):
            yield from _not_admitted(state, row, step)
            continue
        action = Action.MANAGE if row.op == "restore" else _action_of(step, f"members/{row.actor_id}")
        if action not in allowed:
            yield f"{row.actor_id}, {role} at that time, made a change of {step.path} that takes {action}."


def _not_admitted(state: State, row: Any, step: Step) -> Iterator[str]:
    """Why a share link could not make the actor a member, judged by the state before."""
    link = state.get(link_used(step))
    if step.path != f"members/{row.actor_id}":
        yield f"{row.actor_id} used a share link for {step.path}."
    elif link is None:
        yield f"{step.path} used {link_used(step)}, which does not exist."
    elif step.path in state:
        yield f"{step.path} used {link_used(step)} as a member already."
    elif link["role"] != (step.after or {})["role"]:
        yield f"{step.path} used {link_used(step)}, which makes somebody {link['role']}, not {(step.after or {})['role']}."
    elif link["revoked_at"] or (link["max_uses"] is not None and link["uses"] >= link["max_uses"]) or _is_over(link, row.created_at):
        yield f"{step.path} used {link_used(step)}, which was revoked, expired or used up."


def _is_over(link: Document, moment: datetime) -> bool:
    return link["expires_at"] is not None and datetime.fromisoformat(link["expires_at"]) <= moment


def _action_of(step: Step, own_membership: str) -> Action:
    if step.op == "member":
        leaves = step.path == own_membership and (step.after or {}).get("role") is None
        return Action.INSPECT if leaves else Action.MANAGE
    if step.path == "universe" and _OWNERS_ALONE & (step.after or {}).keys():
        return Action.MANAGE
    return Action.EDIT


def _wrong_before(state: State, step: Step) -> Iterator[str]:
    if step.op == "create":
        yield from (f"{path} exists already." for path in flatten_subtree(step.path, step.after or {}) if path in state)
    elif step.op == "delete" and step.path != "universe":
        for path, document in flatten_subtree(step.path, step.before or {}).items():
            if state.get(path) != document:
                yield f"{path} was not what it is said to have been when deleted."
    elif step.op == "member" and step.before is None and step.path in state:
        yield f"{step.path} exists already."
    elif _must_exist(step) and step.path not in state:
        yield f"{step.path} does not exist."
    else:
        known = state.get(step.path, {})
        yield from (f"{step.path} {name} was not {old!r}." for name, old in (step.before or {}).items() if value_at(known, name) != old)


def _must_exist(step: Step) -> bool:
    """Whether a step that is no creation is about something that is there: somebody may become a member, a link is made first."""
    return step.op != "member" or (step.path.startswith("share-links/") and step.before is not None)


def value_at(document: Document, name: str) -> Any:
    """The value of a dotted property; None where there is none."""
    found: Any = document
    for key in name.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _take_in(audit: Audit, revision: int, step: Step) -> None:
    gone = step.op == "delete" and step.path != "universe"
    for path in _paths(step, gone):
        audit.touched[path] = revision
        if gone:
            audit.buried[path.rpartition("/")[2]] = revision
        else:
            audit.buried.pop(path.rpartition("/")[2], None)
    apply_step(audit.state, step)


def _paths(step: Step, gone: bool) -> list[str]:
    """The paths that a step touched."""
    if step.op == "create":
        return list(flatten_subtree(step.path, step.after or {}))
    if gone:
        return list(flatten_subtree(step.path, step.before or {}))
    return [step.path, link] if (link := link_used(step)) else [step.path]


def _compare_head(audit: Audit, universe: Mapping[Any, Any]) -> None:
    if audit.revision != universe["revision"]:
        audit.breaches.append(f"I1: the log ends at {audit.revision}, the universe is at {universe['revision']}.")


def _compare_snapshot(audit: Audit, session: Session, universe_id: UUID) -> None:
    """A stored state is what the log adds up to at its revision."""
    here = (_SNAPSHOTS.c.universe_id == universe_id, _SNAPSHOTS.c.revision == audit.revision)
    if unpacked(session.scalars(select(_SNAPSHOTS.c.state).where(*here)).one()) != audit.state:
        audit.breaches.append(f"I2: the stored state of revision {audit.revision} is not what the log adds up to.")


def _compare_stored(audit: Audit, found: Mapping[str, tuple[Document, int]]) -> None:
    for path in sorted({*audit.state, *found}):
        if path not in found:
            audit.breaches.append(f"I2: {path} is in the log, not in the database.")
        elif path not in audit.state:
            audit.breaches.append(f"I8: {path} is stored, and no row of the log put it there.")
        else:
            _compare_entity(audit, path, *found[path])


def _compare_entity(audit: Audit, path: str, document: Document, revision: int) -> None:
    logged = audit.state[path]
    for name in sorted({*logged, *document}):
        if logged.get(name) != document.get(name):
            audit.breaches.append(f"I2: {path} {name} is stored as {document.get(name)!r}; the log makes it {logged.get(name)!r}.")
    if revision != audit.touched[path]:
        audit.breaches.append(f"I7: {path} has revision {revision}; the last row that touched it is {audit.touched[path]}.")
    if revision > audit.revision:
        audit.breaches.append(f"I3: {path} has revision {revision}, which the log does not reach.")


def _compare_tombstones(audit: Audit, session: Session, universe_id: UUID) -> None:
    rows = session.execute(select(_TOMBSTONES).where(_TOMBSTONES.c.universe_id == universe_id))
    standing = {str(row.id): row.revision for row in rows}
    for identity in sorted({*standing, *audit.buried}):
        if standing.get(identity) != audit.buried.get(identity):
            told = f"deleted at {audit.buried[identity]}" if identity in audit.buried else "not deleted"
            audit.breaches.append(f"I7: {identity} is {told} in the log; its tombstone says {standing.get(identity)}.")


def _compare_keys(audit: Audit, session: Session, universe_id: UUID) -> None:
    """Remembered results of edits that changed nothing name revisions that were reached, and have no row of their own."""
    for row in session.execute(select(_KEYS).where(_KEYS.c.scope == str(universe_id))):
        if row.result["revision"] > audit.revision:
            audit.breaches.append(f"I3: key {row.op_id} was answered with revision {row.result['revision']}, which the log does not reach.")
        if any(operation == row.op_id and str(actor) == row.owner for actor, operation in audit.operations):
            audit.breaches.append(f"I3: key {row.op_id} is remembered as changing nothing, and has a row.")

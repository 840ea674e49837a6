"""Reading the log: the state it adds up to, and what an entity was at a revision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.orm import Session

from app.changes.content import Document, put
from app.changes.editable import EDITABLE
from app.changes.models import Change
from app.changes.snapshots import State, nearest
from app.database import timestamp
from app.universes.models import Universe
from app.users.models import User

SEVERAL = ("batch", "restore")
"""The operations whose rows have `items`."""
_LOG: Any = Change.__table__
_USERS: Any = User.__table__
_LAST = 2**63 - 1
_AT_ONCE = 500
_TOLD = select(_LOG, _USERS.c.display_name).outerjoin(_USERS, _USERS.c.id == _LOG.c.actor_id)
_ROWS_AFTER = (
    _TOLD.where(_LOG.c.universe_id == bindparam("universe_id"), _LOG.c.revision > bindparam("since"))
    .order_by(_LOG.c.revision)
    .limit(bindparam("most"))
)
_ROWS_BETWEEN = (
    select(_LOG)
    .where(_LOG.c.universe_id == bindparam("universe_id"), _LOG.c.revision > bindparam("since"), _LOG.c.revision <= bindparam("until"))
    .order_by(_LOG.c.revision)
    .limit(_AT_ONCE)
)


class Step(NamedTuple):
    """What one row, or one item of a batch, did."""

    op: str
    path: str
    before: Document | None
    after: Document | None


def steps_of(row: Any) -> Iterator[Step]:
    """The steps of a row of the log; a batch or a restore has several."""
    if row.op not in SEVERAL:
        yield Step(row.op, row.path, row.before, row.after)
        return
    for item in row.after["items"]:
        yield Step(item["op"], item["path"], item["before"], item["after"])


def fold(rows: Iterable[Any], state: State | None = None) -> State:
    """The state after some rows of a log, in order, applied to `state` (which is changed) or to nothing."""
    state = {} if state is None else state
    for row in rows:
        for step in steps_of(row):
            apply_step(state, step)
    return state


def apply_step(state: State, step: Step) -> None:
    """Apply one step to a state."""
    if step.op == "create":
        state.update(flatten_subtree(step.path, step.after or {}))
    elif step.op == "delete" and step.path != "universe":
        for path in flatten_subtree(step.path, step.before or {}):
            state.pop(path, None)
    elif step.op == "member" and step.path.startswith("members/") and (step.after or {}).get("role") is None:
        state.pop(step.path, None)
    else:
        state[step.path] = put(state.get(step.path, {}), step.after or {}, model_of(step.path))
    if (link := link_used(step)) in state:
        state[link] = {**state[link], "uses": state[link]["uses"] + 1}


def link_used(step: Step) -> str:
    """The path of the share link that a step used to make a member; empty for other steps."""
    link = (step.after or {}).get("link") if step.op == "member" and step.path.startswith("members/") else None
    return f"share-links/{link}" if link else ""


def flatten_subtree(path: str, document: Mapping[str, Any]) -> State:
    """A created or deleted entity and the children logged with it, each under its own path."""
    own = {key: value for key, value in document.items() if key not in EDITABLE and key != "members"}
    found = {path: own}
    for collection in EDITABLE:
        for child in document.get(collection, ()):
            found.update(flatten_subtree(f"{collection}/{child['id']}", {key: value for key, value in child.items() if key != "id"}))
    for user_id, role in document.get("members", {}).items():
        found[f"members/{user_id}"] = {"role": role}
    return found


def state_at(session: Session, universe_id: UUID, revision: int | None = None) -> State:
    """The state of a universe at a revision (None: the newest), from its log and its snapshots."""
    last = _LAST if revision is None else revision
    since, state = nearest(session, universe_id, last)
    return fold(rows_between(session, universe_id, since, last), state)


def rows_between(session: Session, universe_id: UUID, since: int, until: int) -> Iterator[Any]:
    """The rows of a log after a revision and up to another, in order, read some at a time; they need no transaction."""
    while since < until:
        rows = session.connection().execute(_ROWS_BETWEEN, {"universe_id": universe_id, "since": since, "until": until}).all()
        if not rows:
            return
        yield from rows
        since = rows[-1].revision


def rewind(session: Session, universe_id: UUID, path: str, document: Document, revision: int) -> Document:
    """What a living entity's document was at an earlier revision at which it existed already."""
    later = (
        select(_LOG)
        .where(_LOG.c.universe_id == universe_id, _LOG.c.revision > revision, or_(_LOG.c.path == path, _LOG.c.path == ""))
        .order_by(_LOG.c.revision.desc())
    )
    for row in session.execute(later):
        for step in reversed(list(steps_of(row))):
            if step.path != path or step.before is None:
                continue
            if step.op == "delete" and path != "universe":  # it has come back since
                document = flatten_subtree(path, step.before)[path]
            else:
                document = put(document, step.before, model_of(path))
    return document


def model_of(path: str) -> Any:
    """The model behind a path of the log."""
    collection = path.partition("/")[0]
    if collection in ("universe", "members", "share-links"):
        return Universe
    return EDITABLE[collection].model


def rows_after(session: Session, universe_id: UUID, revision: int, limit: int) -> list[Any]:
    """Up to `limit` rows of a log after a revision, in order, each with its actor's display name."""
    params = {"universe_id": universe_id, "since": revision, "most": limit}
    return list(session.connection().execute(_ROWS_AFTER, params).all())


def rows_after_each(session: Session, sent: Mapping[UUID, int], limit: int) -> dict[UUID, list[Any]]:
    """The same for several universes in one statement: the rows after each one's revision, at most `limit` in all."""
    behind = [and_(_LOG.c.universe_id == universe_id, _LOG.c.revision > revision) for universe_id, revision in sent.items()]
    found: dict[UUID, list[Any]] = {universe_id: [] for universe_id in sent}
    for row in session.connection().execute(_TOLD.where(or_(*behind)).order_by(_LOG.c.universe_id, _LOG.c.revision).limit(limit)):
        found[row.universe_id].append(row)
    return found


def page(
    session: Session, universe_id: UUID, *, since: int, limit: int, actor: UUID | None, path: str | None
) -> tuple[list[dict[str, Any]], int | None]:
    """Up to `limit` rows of the log after a revision, in order, and the revision to go on from, None after the last.

    With `path` only rows about that entity, also those where it is one of several.
    """
    statement = _TOLD.where(_LOG.c.universe_id == universe_id).order_by(_LOG.c.revision).limit(limit + 1)
    if actor is not None:
        statement = statement.where(_LOG.c.actor_id == actor)
    if path is not None:
        statement = statement.where(or_(_LOG.c.path == path, _LOG.c.path == ""))
    found: list[dict[str, Any]] = []
    while len(found) <= limit:
        rows = session.execute(statement.where(_LOG.c.revision > since)).all()
        found += [told(row) for row in rows if path is None or any(step.path == path for step in steps_of(row))]
        if len(rows) <= limit:
            break
        since = rows[-1].revision
    return found[:limit], found[limit - 1]["revision"] if len(found) > limit else None


def told(row: Any) -> dict[str, Any]:
    """A row of the log as answered; somebody whose account has gone is known by id alone."""
    actor = None if row.actor_id is None else {"id": str(row.actor_id), "display_name": row.display_name}
    return {
        "revision": row.revision,
        "op": row.op,
        "path": row.path,
        "before": row.before,
        "after": row.after,
        "actor": actor,
        "client_id": row.client_id,
        "op_id": str(row.op_id),
        "undo_of": row.undo_of,
        "group": row.group,
        "source": row.source,
        "at": timestamp(row.created_at),
    }

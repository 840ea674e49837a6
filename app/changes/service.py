"""commit_change(): the only way that a universe's content changes, whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import metrics
from app.access import HOLDER, Action, Role, caller_params, confirmed, require, role_of
from app.changes import history
from app.changes.announcements import announce
from app.changes.audited import record_change
from app.changes.content import Document, columns_from, document_of
from app.changes.entities import Applied, Turn, apply, insert_subtree, require_user, size_of, universe_json
from app.changes.intents import Intent
from app.changes.inverse import overlap, step_back
from app.changes.links import apply_to_link, concerns_link, is_use
from app.changes.models import Change, IdempotencyKey
from app.changes.opening import Opened, open_universe
from app.changes.parts import give_parts
from app.changes.restoring import put_back
from app.changes.storing import add_row, store
from app.database import now, timestamp
from app.errors import Conflict, Gone, Invalid, NotFound, OpIdReused, is_unique_breach
from app.unit_of_work import after_commit, unit_of_work
from app.universes import rules
from app.universes.models import Membership, Universe

_WITHOUT_ENTITY = ("delete", "batch", "undo", "redo", "restore")
KEY_LIFETIME = timedelta(hours=24)
_CREATIONS = "universes"
_MODEL: Any = Universe
_UNIVERSES: Any = Universe.__table__
_MEMBERS: Any = Membership.__table__
_LOG: Any = Change.__table__
_KEYS: Any = IdempotencyKey.__table__


@dataclass(frozen=True, slots=True)
class Done:
    """What a change came to.

    `entity` is the entity as it is answered (None once deleted), `entity_revision` the revision that last changed it,
    `revision` the universe's. `overwrote` lists the properties that others had changed after the caller's `base`;
    `undo_of` is the revision that an undo or a redo took back.
    """

    universe_id: UUID
    revision: int
    entity_id: UUID | None
    entity: Document | None
    entity_revision: int
    after: Document | None = None
    overwrote: list[str] = field(default_factory=list)
    duplicate: bool = False
    noop: bool = False
    undo_of: int | None = None


def commit_change(intent: Intent) -> Done:
    """Apply one intent and log it in one transaction; the universe's lock makes commit order revision order.

    Raises NotFound, Forbidden, Gone, OpIdReused, PreconditionFailed, Conflict, Invalid or Busy, and then nothing
    is stored. A repeated key is answered with the first result; an edit that changes nothing writes no row.
    """
    op_hash = intent.op_hash()
    with unit_of_work() as session:
        opened, role = _open(session, intent)
        universe = opened.universe
        if opened.seen and (known := _already_done(session, intent, universe, op_hash)) is not None:
            metrics.DUPLICATES.inc()
            return known
        turn = Turn(session, universe, universe["revision"] + 1, now(), role, opened.entity)
        try:
            applied = _apply(turn, intent)
        except Gone:
            if intent.op != "delete":
                raise
            return Done(universe["id"], universe["revision"], intent.entity_id, None, universe["revision"], noop=True)
        if applied.noop:
            done = _answer(universe["revision"], universe["id"], intent, applied, noop=True)
            _remember(session, intent, op_hash, done)
            return done
        overwrote = overwritten(session, intent, universe["id"], applied)
        row = row_of(intent, op_hash, universe["id"], turn, applied)
        store(session.connection(), row, _head(universe, turn, applied), applied.write)
        after_commit(announce, universe["id"], row)
        record_change(universe["id"], intent.actor.id, row["path"], applied.before, applied.after)
    metrics.COMMITS.labels(intent.source).inc()
    return _answer(turn.revision, universe["id"], intent, applied, overwrote=overwrote)


def _apply(turn: Turn, intent: Intent) -> Applied:
    if intent.op in ("undo", "redo"):
        return step_back(turn, intent)
    if intent.op == "restore":
        return put_back(turn, intent)
    if intent.op == "batch" and intent.subtree:
        return give_parts(turn, intent)
    return apply_to_link(turn, intent) if concerns_link(intent) else apply(turn, intent)


def create_universe(intent: Intent) -> Done:
    """Make a universe, with what it holds from the start, as row 1 of its log; the actor is its owner.

    `intent.entity_id` is the universe's id, `fields` its own fields, `subtree` the documents of its scenes and sets.
    A repeated key is answered with the first result. Raises OpIdReused, Conflict or Invalid.
    """
    rules.check_harmony(intent.fields["harmony"])
    try:
        return _create_universe(intent)
    except IntegrityError as error:
        if not is_unique_breach(error):
            raise
        return _create_universe(intent)  # somebody was first with the id or the key: their result, or a refusal


def _create_universe(intent: Intent) -> Done:
    op_hash = intent.op_hash()
    with unit_of_work() as session:
        if (known := _created_before(session, intent, op_hash)) is not None:
            return known
        require_user(session, intent.actor.id)
        moment = now()
        row = _universe_row(intent, moment)
        turn = Turn(session, row, 1, moment, Role.OWNER)
        session.execute(insert(_UNIVERSES).values(row))
        session.execute(
            insert(_MEMBERS).values(universe_id=row["id"], user_id=intent.actor.id, role="owner", revision=1, created_at=moment)
        )
        size = insert_subtree(turn, intent.subtree) + size_of(intent.fields)
        _refuse_large(turn, size)
        session.execute(update(_UNIVERSES).where(_UNIVERSES.c.id == row["id"]).values(content_bytes=size, updated_at=moment))
        after = {**document_of(_MODEL, row), "members": {str(intent.actor.id): "owner"}, **intent.subtree}
        applied = Applied(None, after, universe_json(row), 1, row["id"])
        write_row(session, intent, op_hash, row["id"], turn, applied)
        if intent.op_id is not None:
            remember(session, _CREATIONS, str(intent.actor.id), intent.op_id, op_hash, {"id": str(row["id"])})
    metrics.COMMITS.labels(intent.source).inc()
    return _answer(1, row["id"], intent, applied)


def _created_before(session: Session, intent: Intent, op_hash: str) -> Done | None:
    kept = recall(session, _CREATIONS, str(intent.actor.id), intent.op_id, op_hash) if intent.op_id else None
    universe = session.execute(select(_UNIVERSES).where(_UNIVERSES.c.id == intent.entity_id)).mappings().first()
    if universe is None:
        return None
    if kept is None:
        raise Conflict("This id is taken.", errors={"id": ["Is taken."]})
    first = session.execute(select(_LOG).where(_LOG.c.universe_id == universe["id"], _LOG.c.revision == 1)).one()
    return _replay(session, intent, universe, first)


def _universe_row(intent: Intent, moment: datetime) -> dict[str, Any]:
    document = {**rules.settled(intent.fields, "private"), "deleted_at": None}
    return {
        "id": intent.entity_id,
        **columns_from(_MODEL, document),
        "revision": 1,
        "entity_revision": 1,
        "epoch": uuid4(),
        "floor": 0,
        "content_bytes": 0,
        "created_at": moment,
        "updated_at": moment,
    }


def write_row(session: Session, intent: Intent, op_hash: str, universe_id: UUID, turn: Turn, applied: Applied) -> None:
    """Add the one row of a change to the log; once it is committed, those who follow the universe are woken."""
    add_row(session.connection(), row_of(intent, op_hash, universe_id, turn, applied))
    after_commit(announce, universe_id)


def row_of(intent: Intent, op_hash: str, universe_id: UUID, turn: Turn, applied: Applied) -> dict[str, Any]:
    """The one row of a change, for the log."""
    return {
        "universe_id": universe_id,
        "revision": turn.revision,
        "actor_id": intent.actor.id,
        "client_id": intent.client_id,
        "source": intent.source,
        "op_id": intent.op_id or uuid4(),
        "op_hash": op_hash,
        "op": applied.op or intent.op,
        "path": intent.path if applied.op is None else applied.path,
        "before": applied.before,
        "after": applied.after,
        "undo_of": applied.undo_of,
        "group": intent.group,
        "created_at": turn.moment,
    }


def overwritten(session: Session, intent: Intent, universe_id: UUID, applied: Applied) -> list[str]:
    """The touched properties that others changed after the intent's `base`. Raises Conflict in strict mode."""
    if intent.base is None or intent.op not in ("update", "move"):
        return []
    rows = select(_LOG).where(
        _LOG.c.universe_id == universe_id,
        _LOG.c.path.in_((intent.path, "")),
        _LOG.c.revision > intent.base,
        _LOG.c.revision <= applied.entity_revision,
        _LOG.c.actor_id.is_distinct_from(intent.actor.id),
    )
    steps = [step for row in session.execute(rows) for step in history.steps_of(row)]
    theirs = {name for step in steps if step.path == intent.path for name in step.after or {}}
    mine = {"order_key"} if intent.op == "move" else set(applied.after or {})
    found = sorted(name for name in mine if any(overlap(name, other) for other in theirs))
    if found and intent.strict:
        raise Conflict(
            "Others have changed it since.", errors={name: ["Changed by somebody else."] for name in found}, current=applied.before
        )
    return found


def _open(session: Session, intent: Intent) -> tuple[Opened, Role]:
    """The locked universe with what was read of it, and the actor's role in it.

    Raises NotFound, Forbidden, Gone, or TokenRevoked when the actor's session has ended.
    """
    found = open_universe(session, intent)
    if found is None:
        confirmed(intent.actor, session.connection().execute(select(HOLDER), caller_params(intent.actor)).scalar())
        raise NotFound
    if intent.is_system:
        if found.universe["deleted_at"] is not None:
            raise Gone
        return found, Role.OWNER
    actor, visibility = confirmed(intent.actor, found.holder), found.universe["visibility"]
    if is_use(intent):
        if found.universe["deleted_at"] is not None:
            raise Gone
        return found, role_of(actor, found.membership)
    require(actor, Action.READ, visibility=visibility, membership=found.membership)
    if found.universe["deleted_at"] is not None and not _may_when_deleted(intent):
        raise Gone
    return found, require(actor, intent.action, visibility=visibility, membership=found.membership)


def _may_when_deleted(intent: Intent) -> bool:
    """A deleted universe can be deleted again, brought back, and left."""
    if intent.collection == "universe":
        return intent.op == "delete" or "deleted_at" in intent.fields
    return intent.op == "member" and intent.entity_id == intent.actor.id and intent.fields["role"] is None


def _already_done(session: Session, intent: Intent, universe: Mapping[Any, Any], op_hash: str) -> Done | None:
    """What a key that was seen before came to; None when it has been forgotten since."""
    assert intent.op_id is not None  # noqa: S101  it was seen
    scope, owner = str(universe["id"]), str(intent.actor.id)
    mine = (_LOG.c.universe_id == universe["id"], _LOG.c.actor_id == intent.actor.id, _LOG.c.op_id == intent.op_id)
    row = session.execute(select(_LOG).where(*mine)).first()
    if row is not None:
        if row.op_hash != op_hash:
            raise OpIdReused
        return _replay(session, intent, universe, row)
    kept = recall(session, scope, owner, intent.op_id, op_hash)
    if kept is None:
        return None
    return Done(universe["id"], kept["revision"], intent.entity_id, kept["entity"], kept["entity_revision"], duplicate=True, noop=True)


def _replay(session: Session, intent: Intent, universe: Mapping[Any, Any], row: Any) -> Done:
    """The first result again, also when the entity has changed or gone since."""
    entity = None
    if intent.op == "member":
        entity = row.after
    elif intent.op not in _WITHOUT_ENTITY:
        entity = _entity_at(session, intent, universe, row)
    return Done(universe["id"], row.revision, intent.entity_id, entity, row.revision, after=row.after, duplicate=True, undo_of=row.undo_of)


def _entity_at(session: Session, intent: Intent, universe: Mapping[Any, Any], row: Any) -> Document:
    model: Any = history.model_of(intent.path)
    table = model.__table__
    live = session.execute(select(table).where(table.c.id == (intent.entity_id or universe["id"]))).mappings().first()
    if live is None:
        document = history.state_at(session, universe["id"], row.revision)[intent.path]
    else:
        document = history.rewind(session, universe["id"], intent.path, document_of(model, live), row.revision)
    own = {"is_public": document["visibility"] == "public", "entity_revision": row.revision} if model is Universe else {}
    return {
        "id": str(intent.entity_id or universe["id"]),
        **({} if model is Universe else {"universe_id": str(universe["id"])}),
        **document,
        **own,
        "revision": row.revision,
        "created_at": timestamp(live["created_at"] if live else row.created_at),
        "updated_at": timestamp(row.created_at),
    }


def _head(universe: Mapping[Any, Any], turn: Turn, applied: Applied) -> dict[str, Any]:
    """What the universe's row takes on, beside the revision. Raises Invalid for a universe grown too large."""
    size = universe["content_bytes"] + applied.growth
    if applied.growth > 0:
        _refuse_large(turn, size)
    return {"content_bytes": size, **applied.universe_values}


def _refuse_large(turn: Turn, size: int) -> None:
    if size > turn.limits.max_document_bytes:
        raise Invalid(errors={"_schema": [f"A universe holds at most {turn.limits.max_document_bytes} bytes; this would make it {size}."]})


def _answer(revision: int, universe_id: UUID, intent: Intent, applied: Applied, **more: Any) -> Done:
    entity_id = applied.entity_id or intent.entity_id
    told = {"after": applied.after, "undo_of": applied.undo_of, **more}
    return Done(universe_id, revision, entity_id, applied.entity, applied.entity_revision, **told)


def _remember(session: Session, intent: Intent, op_hash: str, done: Done) -> None:
    if intent.op_id is not None:
        result = {"revision": done.revision, "entity": done.entity, "entity_revision": done.entity_revision}
        remember(session, str(done.universe_id), str(intent.actor.id), intent.op_id, op_hash, result)


def recall(session: Session, scope: str, owner: str, op_id: UUID, op_hash: str) -> dict[str, Any] | None:
    """The remembered result of a key, or None. Raises OpIdReused when it was used for another request."""
    mine = (_KEYS.c.scope == scope, _KEYS.c.owner == owner, _KEYS.c.op_id == op_id, _KEYS.c.expires_at > now())
    row = session.execute(select(_KEYS.c.op_hash, _KEYS.c.result).where(*mine)).first()
    if row is None:
        return None
    if row.op_hash != op_hash:
        raise OpIdReused
    result: dict[str, Any] = row.result
    return result


def remember(session: Session, scope: str, owner: str, op_id: UUID, op_hash: str, result: Mapping[str, Any]) -> None:
    """Keep the result of a key for 24 hours, in the open transaction; expired keys go."""
    moment: datetime = now()
    session.execute(delete(_KEYS).where(_KEYS.c.expires_at <= moment))
    session.execute(
        insert(_KEYS).values(scope=scope, owner=owner, op_id=op_id, op_hash=op_hash, result=dict(result), expires_at=moment + KEY_LIFETIME)
    )

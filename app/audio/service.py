"""Asking for simulations, scores and renders, reading them, and taking renders away."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from flask import current_app
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer
from sqlalchemy import ColumnElement, Row, ScalarSelect, Select, func, select, update
from sqlalchemy.orm import Session

from app.access import Action, Actor, membership_of, readable_by, require
from app.audio import artefacts
from app.audio.artefacts import Artefact, key_of
from app.audio.models import AudioRender, Score, Simulation, Suggestions
from app.audio.storage import storage
from app.audit.service import record
from app.changes.intents import new_id
from app.changes.models import Tombstone
from app.changes.service import recall, remember
from app.config import Settings
from app.database import dump_json, now
from app.engine import VERSION
from app.engine.audio import mix
from app.engine.audio.rooms import Reverb
from app.engine.audio.sequence import passage_times
from app.errors import Conflict, Forbidden, Gone, NotFound, RateLimited, StorageFull, TokenExpired, TokenInvalid
from app.extensions import db
from app.jobs import service as jobs
from app.jobs.models import Job
from app.materials.models import AudioMaterial
from app.pages import Listing
from app.scenes import service as scenes
from app.scenes.materials import check_sounds
from app.scenes.models import Scene
from app.unit_of_work import after_commit, unit_of_work
from app.universes.models import Universe
from app.users.models import User

_DAY = timedelta(days=1)
_LINK_SALT = "audio-file"
_SETTINGS = ("sample_rate", "format", "bit_depth", "quality", "loudness_lufs")
_BYTES_PER_SAMPLE = {16: 2, 24: 3, "32f": 4, None: 2}


class NotReady(Conflict):
    """A file or result that is not there yet, or never will be."""

    message = "It is not finished."


@dataclass(frozen=True, slots=True)
class Started:
    """What was asked for: the artefact, its job (None when it was there already), and whether the request is a repeated one."""

    id: UUID
    job_id: UUID | None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What somebody has used of their quotas: bytes of files, and seconds of sound asked for in the last 24 hours."""

    storage_bytes: int
    render_seconds_per_day: float


def generate(actor: Actor, order: Mapping[str, Any], op_id: UUID | None = None) -> Started:
    """Ask for a scene to be rendered to an audio file.

    Raises NotFound, Gone, Forbidden, EngineError for settings that cannot be honoured, RateLimited or StorageFull past the quotas,
    OpIdReused.
    """

    def make(session: Session, render_id: UUID, universe_id: UUID) -> Started:
        snapshot = _snapshot(order)
        return _ask(session, actor, order, render_id, universe_id, snapshot, snapshot["duration_s"])

    return _once("generate", actor, order, op_id, make)


def generate_piece(actor: Actor, order: Mapping[str, Any], op_id: UUID | None = None) -> Started:
    """Ask for all scenes of a universe to be rendered one after another to one audio file. Raises as `generate`."""

    def make(session: Session, render_id: UUID, universe_id: UUID) -> Started:
        snapshot = scenes.sequence(universe_id)
        if order.get("seed") is not None:
            given = [{**scene, "seed": order["seed"]} for scene in snapshot["scenes"]]
            snapshot = {**snapshot, "seed": order["seed"], "scenes": given}
        _, ends = passage_times(*([scene[key] for scene in snapshot["scenes"]] for key in ("duration_s", "transition")))
        return _ask(session, actor, order, render_id, universe_id, snapshot, ends[-1])

    return _once("generate", actor, order, op_id, make)  # as renders of scenes: one key makes one render


def _ask(
    session: Session,
    actor: Actor,
    order: Mapping[str, Any],
    render_id: UUID,
    universe_id: UUID,
    snapshot: dict[str, Any],
    duration_s: float,
) -> Started:
    """Queue a render of a scene's or universe's snapshot."""
    check_sounds(snapshot)
    asked = {name: order[name] for name in _SETTINGS if order.get(name) is not None}
    settings = mix.Settings(**asked, seed=int(snapshot["seed"]), reverb=Reverb(**order["reverb"]) if order["reverb"] else None)
    voices = sum(len(scene["voices"]) or 1 for scene in snapshot.get("scenes", [snapshot]))
    estimate = _estimate(settings, duration_s, voices if order["stems"] else 0)
    _check_quotas(session, actor, duration_s, estimate)
    job = jobs.create("render", render_id, user_id=actor.id, universe_id=universe_id, cost_s=duration_s)
    session.add(
        AudioRender(
            **_made_from(snapshot, render_id, actor, universe_id, job),
            inputs_hash=artefacts.render_hash(snapshot, settings),
            name=order.get("name") or snapshot["name"],
            format=settings.format,
            sample_rate=settings.sample_rate,
            bit_depth=str(settings.bit_depth or ""),
            quality=settings.quality,
            channels=settings.channels,
            loudness_lufs=settings.loudness_lufs,
            reverb=order["reverb"],
            stems=order["stems"],
            license=order.get("license"),
            duration_s=duration_s,
            stored_bytes=estimate,
        )
    )
    return Started(render_id, job.id)


def simulate(actor: Actor, order: Mapping[str, Any], op_id: UUID | None = None) -> Started:
    """Ask for a scene to be run; an equal run of the universe that is finished is answered instead. Raises as `generate`."""

    def make(session: Session, simulation_id: UUID, universe_id: UUID) -> Started:
        snapshot = _snapshot(order)
        inputs = artefacts.simulation_hash(snapshot)
        if known := finished(session, Simulation, universe_id, inputs):
            return Started(known, None)
        _check_storage(session, actor, 0)
        job = jobs.create("simulate", simulation_id, user_id=actor.id, universe_id=universe_id)
        session.add(
            Simulation(
                **_made_from(snapshot, simulation_id, actor, universe_id, job),
                inputs_hash=inputs,
                solver=snapshot["solver"],
                duration_s=snapshot["duration_s"],
            )
        )
        return Started(simulation_id, job.id)

    return _once("simulate", actor, order, op_id, make)


def write_score(actor: Actor, order: Mapping[str, Any], op_id: UUID | None = None) -> Started:
    """Ask for the notes of a scene; an equal score of the universe that is finished is answered instead. Raises as `generate`."""

    def make(session: Session, score_id: UUID, universe_id: UUID) -> Started:
        snapshot = _snapshot(order)
        inputs = artefacts.score_hash(snapshot)
        if known := finished(session, Score, universe_id, inputs):
            return Started(known, None)
        _check_storage(session, actor, 0)
        job = jobs.create("score", score_id, user_id=actor.id, universe_id=universe_id)
        made = _made_from(snapshot, score_id, actor, universe_id, job)
        session.add(Score(**made, inputs_hash=inputs, duration_s=snapshot["duration_s"]))
        return Started(score_id, job.id)

    return _once("score", actor, order, op_id, make)


def suggest(actor: Actor, order: Mapping[str, Any], op_id: UUID | None = None) -> Started:
    """Ask what would make a scene more consonant; equal suggestions of the universe that are finished are answered instead.

    Nothing of the scene changes. Raises as `generate`.
    """

    def make(session: Session, suggestions_id: UUID, universe_id: UUID) -> Started:
        snapshot = _snapshot(order)
        inputs = artefacts.suggestions_hash(snapshot, order["target"], order["limit"])
        if known := finished(session, Suggestions, universe_id, inputs):
            return Started(known, None)
        job = jobs.create("suggest", suggestions_id, user_id=actor.id, universe_id=universe_id)
        made = _made_from(snapshot, suggestions_id, actor, universe_id, job)
        session.add(Suggestions(**made, inputs_hash=inputs, target=order["target"], most=order["limit"]))
        return Started(suggestions_id, job.id)

    return _once("suggest", actor, order, op_id, make)


def read(kind: type[Artefact], actor: Actor, artefact_id: UUID) -> dict[str, Any]:
    """An artefact as it is answered. Raises NotFound."""
    return artefacts.JSON[kind](row_of(kind, actor, artefact_id))


def row_of(kind: type[Artefact], actor: Actor, artefact_id: UUID, *more: Any) -> Row[Any]:
    """An artefact's row in a universe that the actor may read, with its state and job. Raises NotFound."""
    query = rows(kind, *more).where(kind.id == artefact_id, readable_by(actor))
    with db.engine.connect() as connection:
        found = connection.execute(query).one_or_none()
    if found is None:
        raise NotFound
    return found


def rows(kind: type[Artefact], *more: Any) -> Select[Any]:
    """SQL: artefacts with their state, progress and error, joined to their universes."""
    names = (*artefacts.COMMON, *artefacts.PLAIN[kind])
    columns = [getattr(kind, name) for name in names]
    query = select(*columns, *more, artefacts.status_of(kind).label("state"), Job.progress, Job.error)
    query = query.join(Universe, Universe.id == kind.universe_id).outerjoin(Job, Job.id == kind.job_id)
    return query.where(AudioRender.deleted_at.is_(None)) if kind is AudioRender else query


RENDERS = Listing(
    rows(AudioRender),
    key=AudioRender.__table__.c.id,
    sorts={name: AudioRender.__table__.c[name] for name in ("created_at", "updated_at", "name", "duration_s")},
    default="-created_at",
)


def listed(actor: Actor, filters: Mapping[str, Any]) -> Listing:
    """The actor's own renders, or with a universe or scene all that they may read of it. Raises TokenInvalid for nobody's own."""
    conditions: list[ColumnElement[bool]] = [readable_by(actor)]
    for name in ("universe_id", "scene_id"):
        if name in filters:
            conditions.append(getattr(AudioRender, name) == filters[name])
    if len(conditions) == 1:
        if actor.id is None:
            raise TokenInvalid
        conditions.append(AudioRender.user_id == actor.id)
    if "status" in filters:
        conditions.append(artefacts.status_of(AudioRender) == filters["status"])
    return RENDERS.where(*conditions)


def rename(actor: Actor, render_id: UUID, name: str) -> dict[str, Any]:
    """Give a render another name. Raises NotFound, Gone, Forbidden."""
    with unit_of_work() as session:
        if _owned(session, actor, render_id).deleted_at is not None:
            raise Gone
        session.execute(update(AudioRender).where(AudioRender.id == render_id).values(name=name))
    return read(AudioRender, actor, render_id)


def delete(actor: Actor, render_id: UUID) -> None:
    """Take a render and its file away, and cancel its job; once more does nothing. Raises NotFound, Forbidden."""
    with unit_of_work() as session:
        render = _owned(session, actor, render_id)
        if render.deleted_at is not None:
            return
        gone = {"deleted_at": now(), "snapshot": {}, "report": None, "stored_bytes": 0}
        session.execute(update(AudioRender).where(AudioRender.id == render_id).values(gone))
        jobs.withdraw(session, Job.id == render.job_id)
        record("audio.delete", f"audio/{render_id}", actor_id=actor.id)
        after_commit(storage().delete, key_of(AudioRender, render_id))


def check_finished(row: Row[Any]) -> None:
    """Raises NotReady, with its state, for an artefact that is not finished."""
    if row.finished_at is None:
        why = row.error["message"] if row.error else f"The work is {row.state}."
        raise NotReady(f"There is no file. {why}", state=row.state, progress=row.progress or 0.0, cause=row.error)


def file_of(kind: type[Artefact], row: Row[Any], name: str) -> Path:
    """The path of a file of a finished artefact. Raises NotReady, with its state, for another."""
    check_finished(row)
    return path_of(kind, row.id, name)


def path_of(kind: type[Artefact], artefact_id: UUID, name: str) -> Path:
    """The path of a file of an artefact known to be finished. Raises NotFound when it has just been taken away."""
    try:
        return storage().path(key_of(kind, artefact_id), name)
    except FileNotFoundError:
        raise NotFound from None


def sign(render_id: UUID) -> str:
    """A signed word that opens the file of a render for a while."""
    return _signer().dumps(render_id.hex)


def signed_row(render_id: UUID, word: str) -> Row[Any]:
    """The row of a render that a signed word opens. Raises TokenInvalid, TokenExpired, NotFound."""
    try:
        opened = _signer().loads(word, max_age=_settings().link_seconds)
    except SignatureExpired:
        raise TokenExpired("The link has expired.") from None
    except BadSignature:
        raise TokenInvalid("The link is not valid.") from None
    if opened != render_id.hex:
        raise TokenInvalid("The link is not valid.")
    with db.engine.connect() as connection:
        found = connection.execute(rows(AudioRender).where(AudioRender.id == render_id, Universe.deleted_at.is_(None))).one_or_none()
    if found is None:
        raise NotFound
    return found


def finished(
    session: Session, kind: type[Simulation] | type[Score] | type[Suggestions], universe_id: UUID, inputs: str, *more: ColumnElement[bool]
) -> UUID | None:
    """The finished artefact of a universe with the same inputs, if there is one."""
    same = (kind.universe_id == universe_id, kind.inputs_hash == inputs, kind.finished_at.is_not(None), *more)
    return session.execute(select(kind.id).where(*same).order_by(kind.finished_at).limit(1)).scalar_one_or_none()


def usage(session: Session, user_id: UUID) -> Usage:
    """What a user has used of their quotas, in one statement."""
    bytes_, seconds = session.execute(select(_stored_by(user_id), _rendered_by(user_id, now()))).one()
    return Usage(int(bytes_), float(seconds))


def _stored_by(user_id: UUID) -> ColumnElement[int]:
    """SQL: the bytes that a user's artefacts take, those still being made by their estimate."""
    sums = []
    for kind in (Simulation, Score, AudioRender):
        counted = artefacts.status_of(kind).not_in(("failed", "cancelled"))
        query = select(func.coalesce(func.sum(kind.stored_bytes), 0)).outerjoin(Job, Job.id == kind.job_id)
        sums.append(query.where(kind.user_id == user_id, counted).scalar_subquery())
    uploaded = select(func.coalesce(func.sum(AudioMaterial.file_bytes), 0))
    sums.append(uploaded.where(AudioMaterial.user_id == user_id, AudioMaterial.deleted_at.is_(None)).scalar_subquery())
    return sums[0] + sums[1] + sums[2] + sums[3]


def _rendered_by(user_id: UUID, moment: datetime) -> ScalarSelect[float]:
    """SQL: the seconds of sound that a user has asked for in the day before a moment."""
    return select(func.coalesce(func.sum(Job.cost_s), 0.0)).where(*_recent(user_id, moment)).scalar_subquery()


def _recent(user_id: UUID | None, moment: datetime) -> tuple[ColumnElement[bool], ...]:
    return Job.user_id == user_id, Job.cost_s > 0, Job.created_at > moment - _DAY


def _once(
    operation: str, actor: Actor, order: Mapping[str, Any], op_id: UUID | None, make: Callable[[Session, UUID, UUID], Started]
) -> Started:
    """Do what was asked in one transaction, or answer what a request with the same key was answered."""
    op_hash = hashlib.sha256(orjson.dumps(orjson.loads(dump_json(dict(order))), option=orjson.OPT_SORT_KEYS)).hexdigest()
    with unit_of_work() as session:
        universe_id = _may_perform(session, actor, order["scene_id"]) if "scene_id" in order else _may_play(session, actor, order)
        _lock_user(session, actor)
        if op_id and (known := recall(session, operation, str(actor.id), op_id, op_hash)):
            return Started(UUID(known["id"]), UUID(known["job_id"]) if known["job_id"] else None, replayed=True)
        started = make(session, new_id(actor, op_id), universe_id)
        if op_id:
            result = {"id": str(started.id), "job_id": str(started.job_id) if started.job_id else None}
            remember(session, operation, str(actor.id), op_id, op_hash, result)
    return started


def _may_play(session: Session, actor: Actor, order: Mapping[str, Any]) -> UUID:
    """The universe whose scenes the actor may perform. Raises NotFound, Forbidden, Gone."""
    query = select(Universe.id, Universe.visibility, Universe.deleted_at, membership_of(actor).label("membership"))
    found = session.execute(query.where(Universe.id == order["universe_id"])).one_or_none()
    if found is None:
        raise NotFound
    require(actor, Action.PERFORM, visibility=found.visibility, membership=found.membership, deleted=found.deleted_at is not None)
    universe_id: UUID = found.id
    return universe_id


def _may_perform(session: Session, actor: Actor, scene_id: UUID) -> UUID:
    """The universe of a scene that the actor may perform. Raises NotFound, Forbidden, Gone for a deleted scene of one they see."""
    query = select(Universe.id, Universe.visibility, Universe.deleted_at, membership_of(actor).label("membership"))
    found = session.execute(query.join(Scene, Scene.universe_id == Universe.id).where(Scene.id == scene_id)).one_or_none()
    action = Action.PERFORM
    if buried := found is None:
        buried_here = query.join(Tombstone, Tombstone.universe_id == Universe.id).where(Tombstone.id == scene_id)
        found, action = session.execute(buried_here).one_or_none(), Action.READ
    if found is None:
        raise NotFound
    require(actor, action, visibility=found.visibility, membership=found.membership, deleted=found.deleted_at is not None)
    if buried:
        raise Gone
    universe_id: UUID = found.id
    return universe_id


def _snapshot(order: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: order[name] for name in ("duration_s", "seed") if order.get(name) is not None}
    return {**scenes.snapshot(order["scene_id"]), **given}


def _made_from(snapshot: Mapping[str, Any], artefact_id: UUID, actor: Actor, universe_id: UUID, job: Job) -> dict[str, Any]:
    return {
        "id": artefact_id,
        "universe_id": universe_id,
        "scene_id": UUID(str(snapshot["id"])) if "id" in snapshot else None,
        "user_id": actor.id,
        "job_id": job.id,
        "engine_version": VERSION,
        "seed": str(snapshot["seed"]),
        "snapshot": snapshot,
    }


def _estimate(settings: mix.Settings, duration_s: float, stems: int) -> int:
    """About how large the file and so many stems will be, in bytes; a compressed one takes no more."""
    a_sample = _BYTES_PER_SAMPLE[settings.bit_depth] + stems * _BYTES_PER_SAMPLE["32f"]
    return round(duration_s * settings.sample_rate) * settings.channels * a_sample


def make_room(session: Session, actor: Actor, size: int) -> None:
    """Hold the actor's quota while a file of so many bytes is added. Raises StorageFull."""
    _lock_user(session, actor)
    _check_storage(session, actor, size)


def _lock_user(session: Session, actor: Actor) -> None:
    """Two requests of one person must not both take the last of a quota, nor both find a key unused."""
    session.execute(select(User.id).where(User.id == actor.id).with_for_update())


def _check_quotas(session: Session, actor: Actor, seconds: float, size: int) -> None:
    allowed, moment = _settings().render_quota_seconds, now()
    recent = select(Job.created_at, Job.cost_s).where(*_recent(actor.id, moment))
    spent = session.execute(recent.order_by(Job.created_at)).all()
    excess = sum(cost for _, cost in spent) + seconds - allowed
    if excess > 0:
        free_at = _freed(spent, excess) or moment + _DAY
        raise RateLimited(f"You may render {allowed} s of audio a day.", retry_after=max(1.0, (free_at - moment).total_seconds()))
    _check_storage(session, actor, size)


def _freed(spent: Sequence[Row[datetime, float]], excess: float) -> datetime | None:
    """When enough of what was spent is a day old."""
    for created_at, cost in spent:
        excess -= cost
        if excess <= 0:
            return created_at + _DAY
    return None


def _check_storage(session: Session, actor: Actor, size: int) -> None:
    allowed = _settings().storage_quota_bytes
    used = int(session.execute(select(_stored_by(actor.id))).scalar_one()) if actor.id else 0
    if used + size > allowed:
        raise StorageFull(f"Your files may take {allowed} bytes; they take {used}, and this needs about {size}.")


def _owned(session: Session, actor: Actor, render_id: UUID) -> Row[Any]:
    columns: tuple[Any, ...] = (AudioRender.user_id, AudioRender.job_id, AudioRender.deleted_at, membership_of(actor).label("membership"))
    query: Select[Any] = select(*columns).join(Universe, Universe.id == AudioRender.universe_id)
    query = query.where(AudioRender.id == render_id, readable_by(actor))
    found = session.execute(query.with_for_update(of=AudioRender)).one_or_none()
    if found is None:
        raise NotFound
    if actor.id is None or (found.user_id != actor.id and found.membership != "owner"):
        raise Forbidden
    return found


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(_settings().secret_key, salt=_LINK_SALT)


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings

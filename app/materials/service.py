"""Taking in sounds, reading them and taking them away. They are their uploader's alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update

from app.access import Actor
from app.audio.artefacts import bit_depth
from app.audio.service import make_room
from app.audio.storage import storage
from app.audit.service import record
from app.changes.intents import new_id
from app.database import now, timestamp
from app.engine.audio import uploads
from app.engine.audio.files import FORMATS
from app.engine.audio.recordings import Recording
from app.engine.errors import EngineError
from app.errors import NotFound, PayloadTooLarge
from app.extensions import db, offload
from app.materials.models import AudioMaterial
from app.pages import Listing
from app.scenes.materials import NO_SOUND, voices_of
from app.unit_of_work import after_commit, unit_of_work

_MEASURED = ("format", "sample_rate", "channels", "frames", "duration_s", "file_bytes", "sha256", "peak_dbtp", "lufs")
_SHOWN = ("name", "license", *_MEASURED)
_TABLE = AudioMaterial.__table__.c

MATERIALS = Listing(
    select(*_TABLE).where(AudioMaterial.deleted_at.is_(None)),
    key=_TABLE.id,
    sorts={name: _TABLE[name] for name in ("created_at", "name", "duration_s")},
    default="-created_at",
)


def keep(actor: Actor, about: Mapping[str, str], read: Callable[[int], bytes]) -> dict[str, Any]:
    """Take in a sound as `read` gives it, at most so many bytes a time. Nothing is left of one that is refused.

    Raises EngineError naming the part of the file that is wrong, PayloadTooLarge, StorageFull.
    """
    material_id = new_id(actor, None)
    db.session.rollback()  # nothing is held while the file comes
    with storage().draft(material_id) as draft:
        folder = draft / "material"
        folder.mkdir()
        try:
            taken = uploads.take_in(read, folder / "came")
        except uploads.TooLarge as error:
            raise PayloadTooLarge(error.message, errors={error.field: [error.message]}) from None
        found = offload(uploads.measure, folder / "came", taken)
        (folder / "came").rename(folder / _file_name(found.format))
        storage().publish(folder, _key(material_id))
    try:
        _add(actor, material_id, about, found)
    except BaseException:
        storage().delete(_key(material_id))
        raise
    return read_one(actor, material_id)


def read_one(actor: Actor, material_id: UUID) -> dict[str, Any]:
    """A material as it is answered. Raises NotFound."""
    return shown(row_of(actor, material_id))


def row_of(actor: Actor, material_id: UUID) -> Row[Any]:
    """A material of the actor's. Raises NotFound."""
    query = select(*_TABLE).where(AudioMaterial.id == material_id, AudioMaterial.user_id == actor.id, AudioMaterial.deleted_at.is_(None))
    found = db.session.execute(query).one_or_none()
    if found is None:
        raise NotFound
    return found


def file_of(row: Row[Any]) -> Path:
    """The path of a material's file. Raises NotFound when it has just been taken away."""
    try:
        return storage().path(_key(row.id), _file_name(row.format))
    except FileNotFoundError:
        raise NotFound from None


def recordings(snapshot: Mapping[str, Any]) -> dict[str, Recording]:
    """The sounds that the voices of a snapshot name, of a scene or a universe, by id.

    Raises EngineError naming the voice, for a sound that its owner does not have any more, or that cannot be played.
    """
    found: dict[str, Recording] = {}
    for field, voice in voices_of(snapshot):
        for material_id, sha256 in voice.get("sounds", {}).items():
            if material_id not in found:
                try:
                    found[material_id] = Recording.read(_played(material_id, sha256), sha256)
                except EngineError as error:
                    raise type(error)(error.message, f"{field}.parameters.material") from None
    return found


def _played(material_id: str, sha256: str | None) -> Path:
    with db.engine.connect() as connection:
        there = (AudioMaterial.id == UUID(material_id), AudioMaterial.deleted_at.is_(None))
        row = connection.execute(select(*_TABLE).where(*there)).one_or_none()
    if row is None or sha256 is None:
        raise EngineError(NO_SOUND)
    try:
        return file_of(row)
    except NotFound:
        raise EngineError(NO_SOUND) from None


def listed(actor: Actor) -> Listing:
    """The actor's own materials."""
    return MATERIALS.where(AudioMaterial.user_id == actor.id)


def delete(actor: Actor, material_id: UUID) -> None:
    """Take a material and its file away; once more does nothing. Raises NotFound."""
    with unit_of_work() as session:
        mine = AudioMaterial.id == material_id, AudioMaterial.user_id == actor.id
        found = session.execute(select(AudioMaterial.deleted_at).where(*mine).with_for_update()).one_or_none()
        if found is None:
            raise NotFound
        if found.deleted_at is None:
            session.execute(update(AudioMaterial).where(*mine).values(deleted_at=now()))
            record("materials.delete", f"audio/materials/{material_id}", actor_id=actor.id)
            after_commit(storage().delete, _key(material_id))


def discard_all(user_id: UUID) -> None:
    """Take all materials of somebody away, who is to be removed."""
    with unit_of_work() as session:
        theirs = AudioMaterial.user_id == user_id, AudioMaterial.deleted_at.is_(None)
        for material_id in session.execute(select(AudioMaterial.id).where(*theirs)).scalars().all():
            after_commit(storage().delete, _key(material_id))
        session.execute(update(AudioMaterial).where(*theirs).values(deleted_at=now()))


def shown(row: Any) -> dict[str, Any]:
    """A material as it is answered."""
    found = {name: getattr(row, name) for name in _SHOWN}
    return {"id": str(row.id), **found, "bit_depth": bit_depth(row.bit_depth), "created_at": timestamp(row.created_at)}


def _add(actor: Actor, material_id: UUID, about: Mapping[str, str], found: uploads.Material) -> None:
    with unit_of_work() as session:
        make_room(session, actor, found.file_bytes)
        measured = {name: getattr(found, name) for name in _MEASURED}
        session.add(
            AudioMaterial(
                id=material_id,
                user_id=actor.id,
                name=about["name"],
                license=about["license"],
                bit_depth=str(found.bit_depth),
                **measured,
            )
        )


def _key(material_id: UUID) -> str:
    return f"{AudioMaterial.__tablename__}/{material_id}"


def _file_name(format: str) -> str:
    return "sound" + FORMATS[format].extension

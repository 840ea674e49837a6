"""The uploaded sounds that voices name: only those of the universe's owner count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.changes.content import Document
from app.engine.audio.instruments import instrument
from app.engine.errors import EngineError
from app.materials.models import AudioMaterial
from app.universes.models import Membership

NO_SOUND = "Must be an uploaded sound that the owner of the universe has."


def materials_of(session: Session, universe_id: UUID, ids: Sequence[str]) -> dict[str, Row[UUID, str, float, datetime | None]]:
    """Those of the sounds of these ids that the universe's owner has or had: `sha256`, `duration_s` and `deleted_at` by id."""
    query = select(AudioMaterial.id, AudioMaterial.sha256, AudioMaterial.duration_s, AudioMaterial.deleted_at).join(
        Membership, Membership.user_id == AudioMaterial.user_id
    )
    theirs = (Membership.universe_id == universe_id, Membership.role == "owner")
    rows = session.execute(query.where(AudioMaterial.id.in_([UUID(one) for one in ids]), *theirs)).all() if ids else []
    return {str(row[0]): row for row in rows}


def named_by(voice: Mapping[str, Any]) -> dict[str, str | None]:
    """The parameters of a voice that name a sound, and what they name."""
    return {one.name: voice["parameters"].get(one.name) for one in instrument(voice["instrument"]).references}


def voices_of(snapshot: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The voices of a snapshot, of a scene or a universe, that are heard, each with its dotted place."""
    for number, scene in enumerate(snapshot.get("scenes", [snapshot])):
        under = f"scenes.{number}." if "scenes" in snapshot else ""
        solo = any(voice["solo"] for voice in scene["voices"])
        for place, voice in enumerate(scene["voices"]):
            if not voice["mute"] and (voice["solo"] or not solo):
                yield f"{under}voices.{place}", voice


def check_sounds(snapshot: Mapping[str, Any]) -> None:
    """Raises EngineError naming a voice of a snapshot that cannot sound, as it names no sound of the universe's owner."""
    for field, voice in voices_of(snapshot):
        for name, named in named_by(voice).items():
            if named is None or voice.get("sounds", {}).get(named) is None:
                raise EngineError(NO_SOUND, f"{field}.parameters.{name}")


def with_sounds(session: Session, universe_id: UUID, voices: Sequence[Document]) -> list[Document]:
    """The voices with `sounds`, where they can name some: the SHA-256 of the file by id, None where the owner has no such sound."""
    ids = [one for voice in voices for one in named_by(voice).values() if one]
    found = {one: row for one, row in materials_of(session, universe_id, ids).items() if row.deleted_at is None}
    return [
        {**voice, "sounds": {one: found[one].sha256 if one in found else None for one in named.values() if one}}
        if (named := named_by(voice))
        else voice
        for voice in voices
    ]

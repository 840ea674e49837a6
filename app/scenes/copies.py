"""Copies of scenes: the same content under new ids, with every reference inside it pointing to the copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.changes.content import Document, document_of
from app.changes.editable import EDITABLE

Rename = Callable[[str | None], str | None]
# Sets come first, and mappings after the voices that they play: each is checked as it is stored.
_COLLECTIONS = ("physics-parameters", "bodies", "constraints", "voices", "mappings")


def contents_of(session: Session, scene_id: UUID, copy_id: UUID) -> dict[str, list[Document]]:
    """The documents of all that a scene holds, as the contents of the scene `copy_id`; ids follow from the old ones."""
    held = {collection: _documents(session, collection, scene_id) for collection in _COLLECTIONS}
    ids = {one["id"]: str(uuid5(copy_id, one["id"])) for documents in held.values() for one in documents}

    def renamed(old: str | None) -> str | None:
        return ids.get(old, old) if old is not None else None

    copies = {name: [_pointing(name, one, renamed) for one in documents] for name, documents in held.items()}
    for documents in copies.values():
        for one in documents:
            one.update(id=renamed(one["id"]), scene_id=str(copy_id))
    copies["bodies"] = after_what_they_need(copies["bodies"], lambda body: (body["orbit"] or {}).get("parent_body_id"))
    copies["mappings"] = after_what_they_need(copies["mappings"], lambda mapping: mapping["source"].get("mapping_id"))
    return copies


def after_what_they_need(documents: list[Document], needs: Callable[[Document], str | None]) -> list[Document]:
    """Documents in an order in which each comes after the one whose id it needs."""
    waiting, order = list(documents), list[Document]()
    placed: set[str | None] = {None}
    known = {one["id"] for one in documents}
    while waiting:
        ready = [one for one in waiting if needs(one) in placed or needs(one) not in known]
        placed |= {one["id"] for one in ready}
        order += ready
        waiting = [one for one in waiting if one["id"] not in placed]
    return order


def _documents(session: Session, collection: str, scene_id: UUID) -> list[Document]:
    kind = EDITABLE[collection]
    rows = session.execute(select(kind.table).where(kind.table.c.scene_id == scene_id).order_by(kind.table.c.id)).mappings()
    return [{"id": str(row["id"]), **document_of(kind.model, row)} for row in rows]


def _pointing(collection: str, document: Mapping[str, Any], renamed: Rename) -> Document:
    """A document whose references point to the copies."""
    found = dict(document)
    for name in ("body_id", "other_body_id", "voice_id"):
        if name in found:
            found[name] = renamed(found[name])
    if found.get("orbit"):
        found["orbit"] = {**found["orbit"], "parent_body_id": renamed(found["orbit"].get("parent_body_id"))}
    if collection == "mappings":
        found["source"] = _source(found["source"], renamed)
    return found


def _source(source: Mapping[str, Any], renamed: Rename) -> Document:
    if "mapping_id" in source:
        return {"mapping_id": renamed(source["mapping_id"])}
    bodies = source["bodies"]
    return {**source, "bodies": bodies if bodies == "all" else [renamed(body) for body in bodies]}

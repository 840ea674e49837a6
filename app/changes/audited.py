"""Which changes of a universe the audit log tells of: its end and return, and who belongs to it. Its content has a log of its own."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from app.audit.service import record
from app.changes.content import Document


def record_change(universe_id: UUID, actor_id: UUID | None, path: str, before: Document | None, after: Document | None) -> None:
    """Add the events of one row of the log, given as the row has it, to the open unit of work."""
    items: list[Document] = [{"path": path, "before": before, "after": after}] if path else (after or {})["items"]
    for item in items:
        for action, place in _events(item["path"], item["before"] or {}, item["after"] or {}):
            record(action, f"universes/{universe_id}{place}", actor_id=actor_id)


def _events(path: str, before: Document, after: Document) -> Iterator[tuple[str, str]]:
    """The action, and the place within the universe, of what a step did."""
    if path == "universe" and "deleted_at" in after:
        yield ("universes.delete" if after["deleted_at"] else "universes.restore"), ""
    elif path.startswith("members/"):
        joins = after.get("link") is not None
        yield "members.join" if joins else _of_member(before["role"], after["role"]), f"/{path}"
    elif path.startswith("share-links/"):
        yield ("links.revoke" if after["revoked_at"] else "links.create"), f"/{path}"


def _of_member(before: str | None, after: str | None) -> str:
    if after == "owner":
        return "universes.transfer"
    if after is None:
        return "members.remove"
    return "members.invite" if before is None else "members.change"

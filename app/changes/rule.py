"""What a room's rules are given when the log asks whether a change may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Check:
    """A document about to be stored, inside the transaction that holds the universe's lock.

    `before` is None for a new entity. `universe` holds the universe's columns.
    """

    session: Session
    universe: Mapping[str, Any]
    id: UUID
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]

    @property
    def universe_id(self) -> UUID:
        found: UUID = self.universe["id"]
        return found


@dataclass(frozen=True, slots=True)
class Removal:
    """An entity about to be deleted."""

    session: Session
    universe: Mapping[str, Any]
    id: UUID
    document: Mapping[str, Any]

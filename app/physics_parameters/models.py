"""Sets of physics parameters, of a universe or of one of its scenes."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.changes.content import Content
from app.database import Base, within
from app.engine.catalogue import PHYSICS

_COLUMNS = {name: name.replace(".", "_") for name in PHYSICS}


class PhysicsParameters(Content, Base):
    """One set. A scene's set may leave values NULL: they come from the universe's active set, or the catalogue."""

    __tablename__ = "physics_parameters"
    __table_args__ = (
        *(constraint for name, column in _COLUMNS.items() for constraint in within(PHYSICS[name], column)),
        Index(
            "uq_physics_parameters_active_in_universe",
            "universe_id",
            unique=True,
            sqlite_where=text("active = 1 AND scene_id IS NULL"),
            postgresql_where=text("active AND scene_id IS NULL"),
        ),
        Index(
            "uq_physics_parameters_active_in_scene",
            "scene_id",
            unique=True,
            sqlite_where=text("active = 1"),
            postgresql_where=text("active"),
        ),
    )
    VECTORS: ClassVar = ("gravity",)
    ATOMIC: ClassVar = frozenset({"bounds"})
    OPEN: ClassVar = frozenset({"custom"})

    scene_id: Mapped[UUID | None] = mapped_column(ForeignKey("scenes.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(Text, default="")
    active: Mapped[bool] = mapped_column(default=False)
    gravity_x: Mapped[float | None]
    gravity_y: Mapped[float | None]
    gravity_z: Mapped[float | None]
    time_scale: Mapped[float | None]
    linear_damping: Mapped[float | None]
    air_density: Mapped[float | None]
    restitution: Mapped[float | None]
    friction: Mapped[float | None]
    temperature: Mapped[float | None]
    pressure: Mapped[float | None]
    gravitational_constant: Mapped[float | None]
    timestep: Mapped[float | None]
    bounds: Mapped[dict[str, Any] | None]
    custom: Mapped[dict[str, Any]] = mapped_column(default=dict)

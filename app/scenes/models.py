"""Scenes and what they hold: bodies, constraints, voices and mappings."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.changes.content import Content, Ordered
from app.database import Base, one_of, within
from app.engine.catalogue import BODY, CONSTRAINT, SCENE, VOICE

SHAPES = ("point", "circle", "box", "polygon")
CONSTRAINT_KINDS = ("spring", "distance", "hinge", "pin")
TARGETS = ("pitch", "loudness", "pan", "duration", "brightness", "rate")
CLAMPS = ("error", "clamp", "drop")


class Scene(Content, Ordered, Base):
    """A scene: one stretch of a universe's music, simulated by one solver."""

    __tablename__ = "scenes"
    __table_args__ = (*within(SCENE["duration_s"], "duration_s"), Index("ix_scenes_order", "universe_id", "order_key", "id"))
    ATOMIC: ClassVar = frozenset({"timeline", "harmony.tuning"})
    OPEN: ClassVar = frozenset({"harmony"})

    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(Text, default="")
    solver: Mapped[str] = mapped_column(String(40))
    duration_s: Mapped[float]
    loop: Mapped[bool] = mapped_column(default=False)
    transition: Mapped[dict[str, Any]]
    physics_parameters_id: Mapped[UUID | None]
    harmony: Mapped[dict[str, Any]] = mapped_column(default=dict)
    timeline: Mapped[dict[str, Any]]
    story: Mapped[dict[str, Any]]


class InScene(Content, Ordered):
    """Content of a scene, in an order of its own."""

    @declared_attr
    def scene_id(cls) -> Mapped[UUID]:  # noqa: N805  SQLAlchemy's convention
        """The scene it belongs to."""
        return mapped_column(ForeignKey("scenes.id", ondelete="CASCADE"), index=True)


class Body(InScene, Base):
    """A body. Its place in the scene's order is its index in a simulation."""

    __tablename__ = "bodies"
    __table_args__ = (
        one_of("shape", SHAPES),
        *within(BODY["mass"], "mass"),
        *within(BODY["position"], "position_x", "position_y", "position_z"),
        *within(BODY["velocity"], "velocity_x", "velocity_y", "velocity_z"),
        *within(BODY["angle"], "angle"),
        *within(BODY["angular_velocity"], "angular_velocity"),
        *within(BODY["restitution"], "restitution"),
        *within(BODY["friction"], "friction"),
    )
    VECTORS: ClassVar = ("position", "velocity")
    ATOMIC: ClassVar = frozenset({"size", "material", "resonator"})

    name: Mapped[str] = mapped_column(String(100))
    shape: Mapped[str] = mapped_column(String(10))
    size: Mapped[dict[str, Any]]
    mass: Mapped[float]
    position_x: Mapped[float]
    position_y: Mapped[float]
    position_z: Mapped[float]
    velocity_x: Mapped[float]
    velocity_y: Mapped[float]
    velocity_z: Mapped[float]
    angle: Mapped[float]
    angular_velocity: Mapped[float]
    restitution: Mapped[float | None]
    friction: Mapped[float | None]
    static: Mapped[bool]
    sensor: Mapped[bool]
    material: Mapped[dict[str, Any] | None]
    orbit: Mapped[dict[str, Any] | None]
    resonator: Mapped[dict[str, Any] | None]
    color: Mapped[str] = mapped_column(String(7))
    citation: Mapped[str] = mapped_column(String(500))


class Constraint(InScene, Base):
    """A spring, distance, hinge or pin between two bodies, or a body and an anchor."""

    __tablename__ = "constraints"
    __table_args__ = (
        one_of("kind", CONSTRAINT_KINDS),
        *within(CONSTRAINT["stiffness"], "stiffness"),
        *within(CONSTRAINT["damping"], "damping"),
        *within(CONSTRAINT["rest_length"], "rest_length"),
        *within(CONSTRAINT["break_force"], "break_force"),
    )
    ATOMIC: ClassVar = frozenset({"anchor"})

    kind: Mapped[str] = mapped_column(String(10))
    body_id: Mapped[UUID] = mapped_column(ForeignKey("bodies.id", ondelete="CASCADE"), index=True)
    other_body_id: Mapped[UUID | None] = mapped_column(ForeignKey("bodies.id", ondelete="CASCADE"), index=True)
    anchor: Mapped[dict[str, Any] | None]
    stiffness: Mapped[float | None]
    damping: Mapped[float | None]
    rest_length: Mapped[float | None]
    break_force: Mapped[float | None]


class Voice(InScene, Base):
    """A layer of a scene: one instrument and how it is played."""

    __tablename__ = "voices"
    __table_args__ = (
        *within(VOICE["gain_db"], "gain_db"),
        *within(VOICE["pan"], "pan"),
        *within(VOICE["midi_channel"], "midi_channel"),
        *within(VOICE["midi_program"], "midi_program"),
    )
    ATOMIC: ClassVar = frozenset({"automation"})
    OPEN: ClassVar = frozenset({"parameters"})

    name: Mapped[str] = mapped_column(String(100))
    instrument: Mapped[str] = mapped_column(String(40))
    parameters: Mapped[dict[str, Any]]
    adsr: Mapped[dict[str, Any]]
    gain_db: Mapped[float]
    pan: Mapped[float]
    midi_channel: Mapped[int | None]
    midi_program: Mapped[int | None]
    mute: Mapped[bool]
    solo: Mapped[bool]
    automation: Mapped[list[Any]]


class Mapping(InScene, Base):
    """How a physical quantity becomes a musical one."""

    __tablename__ = "mappings"
    __table_args__ = (one_of("target", TARGETS), one_of("clamp", CLAMPS))
    ATOMIC: ClassVar = frozenset({"trigger", "source", "domain", "range", "curve"})

    voice_id: Mapped[UUID] = mapped_column(ForeignKey("voices.id", ondelete="CASCADE"), index=True)
    trigger: Mapped[dict[str, Any]]
    source: Mapped[dict[str, Any]]
    target: Mapped[str] = mapped_column(String(12))
    domain: Mapped[dict[str, Any]]
    range: Mapped[dict[str, Any] | None]
    curve: Mapped[dict[str, Any]]
    polarity: Mapped[int]
    clamp: Mapped[str] = mapped_column(String(6))

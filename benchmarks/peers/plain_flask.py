"""The peer: the same three requests in plain Flask, as its documentation would have one write them.

Flask, Flask-SQLAlchemy's ORM, marshmallow and flask-jwt-extended, with no lock, no roles, no log and no idempotency
beyond one row of an events table for each change.
"""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, jsonify, request
from flask_jwt_extended import JWTManager, get_jwt_identity, jwt_required
from flask_sqlalchemy import SQLAlchemy
from marshmallow import Schema, ValidationError, fields, validate
from sqlalchemy import JSON, BigInteger, Boolean, DateTime, Float, ForeignKey, Integer, Text, or_, select
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship, selectinload

NUMBERS = (
    "gravity_x", "gravity_y", "gravity_z", "time_scale", "linear_damping", "air_density", "restitution", "friction",
    "temperature", "pressure", "gravitational_constant", "timestep",
)  # fmt: skip


class Base(DeclarativeBase):
    """The declarative base."""


db = SQLAlchemy(model_class=Base, engine_options={"pool_size": 32, "max_overflow": 0})
jwt = JWTManager()


def _now() -> datetime:
    return datetime.now(UTC)


class Universe(db.Model):  # type: ignore[name-defined,misc]
    """A universe."""

    __tablename__ = "universes"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    owner_id: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    is_public: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)
    physics: Mapped[Physics] = relationship(uselist=False, back_populates="universe")
    scenes: Mapped[list[Scene]] = relationship(order_by="Scene.position", back_populates="universe")


class Physics(db.Model):  # type: ignore[name-defined,misc]
    """Its physics parameters."""

    __tablename__ = "physics_parameters"
    universe_id: Mapped[int] = mapped_column(ForeignKey("universes.id"), primary_key=True)
    for _name in NUMBERS:
        locals()[_name] = mapped_column(Float(53), nullable=True)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now, onupdate=_now)
    universe: Mapped[Universe] = relationship(back_populates="physics")


class Scene(db.Model):  # type: ignore[name-defined,misc]
    """One of its scenes."""

    __tablename__ = "scenes"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    universe_id: Mapped[int] = mapped_column(ForeignKey("universes.id"), index=True)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    position: Mapped[int] = mapped_column(Integer)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)
    universe: Mapped[Universe] = relationship(back_populates="scenes")


class Event(db.Model):  # type: ignore[name-defined,misc]
    """One change."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    universe_id: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)


class SceneSchema(Schema):
    """A scene, as answered."""

    id = fields.Int()
    universe_id = fields.Int()
    name = fields.Str()
    description = fields.Str()
    position = fields.Int()
    settings = fields.Dict()
    created_at = fields.DateTime()
    updated_at = fields.DateTime()


PhysicsSchema = Schema.from_dict(
    {
        **{name: fields.Float(allow_none=True, validate=validate.Range(min=-1e10, max=1e10)) for name in NUMBERS},
        "updated_at": fields.DateTime(dump_only=True),
    },
    name="PhysicsSchema",
)


class UniverseItemSchema(Schema):
    """A universe in a list."""

    id = fields.Int()
    owner_id = fields.Int()
    name = fields.Str()
    description = fields.Str()
    is_public = fields.Bool()
    created_at = fields.DateTime()
    updated_at = fields.DateTime()


class UniverseSchema(UniverseItemSchema):
    """A universe with what it holds."""

    physics = fields.Nested(PhysicsSchema)
    scenes = fields.List(fields.Nested(SceneSchema))


universe_schema, list_schema, physics_schema = UniverseSchema(), UniverseItemSchema(many=True), PhysicsSchema(partial=True)


def create_app() -> Flask:
    """The peer's application."""
    app = Flask(__name__)
    app.config.update(SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"], JWT_SECRET_KEY=os.environ["SECRET_KEY"])
    db.init_app(app)
    jwt.init_app(app)
    app.get("/universes/<int:universe_id>")(jwt_required()(get_universe))
    app.get("/universes")(jwt_required()(list_universes))
    app.patch("/physics/<int:universe_id>")(jwt_required()(patch_physics))
    return app


def get_universe(universe_id: int) -> Any:
    """One universe with its physics parameters and scenes."""
    statement = select(Universe).where(Universe.id == universe_id).options(joinedload(Universe.physics), selectinload(Universe.scenes))
    universe = db.session.scalar(statement)
    if universe is None:
        return jsonify(error="not found"), 404
    if not universe.is_public and universe.owner_id != int(get_jwt_identity()):
        return jsonify(error="forbidden"), 403
    return jsonify(universe_schema.dump(universe))


def list_universes() -> Response:
    """A page of universes."""
    me, limit = int(get_jwt_identity()), min(max(request.args.get("limit", 50, type=int), 1), 100)
    statement = select(Universe).where(or_(Universe.is_public, Universe.owner_id == me)).order_by(Universe.id.desc()).limit(limit + 1)
    if cursor := request.args.get("cursor"):
        statement = statement.where(Universe.id < int(base64.urlsafe_b64decode(cursor)))
    rows = db.session.scalars(statement).all()
    following = base64.urlsafe_b64encode(str(rows[limit - 1].id).encode()).decode() if len(rows) > limit else None
    return jsonify(items=list_schema.dump(rows[:limit]), next_cursor=following)


def patch_physics(universe_id: int) -> Any:
    """Change some physics parameters."""
    try:
        given = physics_schema.load(request.get_json())
    except ValidationError as error:
        return jsonify(errors=error.messages), 422
    physics = db.session.get(Physics, universe_id)
    if physics is None:
        return jsonify(error="not found"), 404
    for name, value in given.items():
        setattr(physics, name, value)
    db.session.add(Event(universe_id=universe_id, user_id=int(get_jwt_identity()), kind="physics.patch", payload=given))
    db.session.commit()
    return jsonify(physics_schema.dump(physics))

"""Seeds: a demo user and three universes to listen to. Loading them again changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import orjson
from flask import current_app
from sqlalchemy import select

from app.access import Actor
from app.auth import passwords
from app.changes.intents import Intent
from app.changes.service import create_universe
from app.config import ConfigurationError
from app.extensions import db
from app.reference.service import subtree
from app.reference.templates import of_system
from app.unit_of_work import unit_of_work
from app.universes.models import Universe
from app.universes.schemas import UniverseSchema, seed_of
from app.users import service as users
from app.users.models import User

USERNAME, EMAIL = "demo", "demo@example.org"
DEVELOPMENT_PASSWORD = "orbits-that-sing"  # noqa: S105  never used in production
NAMESPACE = UUID("6f1d7f8e-52c1-4f3c-9f0a-0d4a3f5b7c21")
"""The namespace of the seeds' ids, which are the same in every installation."""

_FOLDER = Path(__file__).parent
_DEMOS = ("bouncing_balls", "eccentric_orbit", "trappist_1")


def load(progress: Callable[[float], None] | None = None) -> list[str]:
    """Make what is missing of the demo user and the demo universes; the names of what was made.

    `progress` is called with the fraction done, 0 to 1. Raises ConfigurationError in production without SEED_DEMO_PASSWORD,
    Conflict when somebody else has the demo user's address, ValidationError or Invalid for a password that is too weak.
    """
    report = progress or (lambda fraction: None)
    made: list[str] = []
    report(0.0)
    actor = _demo_user(made)
    for done, name in enumerate(_DEMOS, 1):
        if _load_universe(name, actor):
            made.append(name)
        report(done / len(_DEMOS))
    return made


def universe_id(name: str) -> UUID:
    """The id of a demo universe."""
    return uuid5(NAMESPACE, name)


def _demo_user(made: list[str]) -> Actor:
    known = db.session.scalar(select(User.id).where(User.username_folded == USERNAME))
    if known is None:
        password_hash = passwords.hashed(_password())
        with unit_of_work() as session:
            known = users.add(session, USERNAME, EMAIL, password_hash).id
        made.append(f"user {USERNAME}")
    return Actor(known)


def _password() -> str:
    settings = current_app.config["SETTINGS"]
    if settings.seed_demo_password:
        passwords.check_length(settings.seed_demo_password)
        passwords.refuse_weak(settings.seed_demo_password, USERNAME, EMAIL)
        return str(settings.seed_demo_password)
    if settings.production:
        raise ConfigurationError("SEED_DEMO_PASSWORD must be set to make the demo user in production.")
    return DEVELOPMENT_PASSWORD


def _load_universe(name: str, actor: Actor) -> bool:
    """Make one demo universe, with all that it holds, as one change; False when it has been made before, also if deleted since."""
    own_id = universe_id(name)
    if db.session.scalar(select(Universe.id).where(Universe.id == own_id)) is not None:
        return False
    content = _content(name)
    fields = UniverseSchema().load(content["universe"])
    create_universe(
        Intent(
            actor=actor,
            op="create",
            collection="universe",
            universe_id=own_id,
            entity_id=own_id,
            fields={**fields, "seed": fields["seed"] or seed_of(own_id)},
            subtree=subtree(own_id, content),
            source="cli",
        )
    )
    return True


def _content(name: str) -> Mapping[str, Any]:
    """What a demo universe holds, from its file, or from the engine's reference system."""
    path = _FOLDER / f"{name}.json"
    if path.exists():
        content: dict[str, Any] = orjson.loads(path.read_bytes())
        return content
    content = of_system(name)
    return {**content, "universe": {**content["universe"], "visibility": "public", "forkable": True, "tags": ["demo", "orbits"]}}

"""Seeds: what they make, that they make it once, and that it sounds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

import seeds
from app import create_app
from app.config import ConfigurationError
from app.engine.music.mapping import build_score
from app.engine.physics import solvers
from app.engine.physics.scene import Scene
from app.extensions import db
from app.scenes import service

DEMOS = ("bouncing_balls", "eccentric_orbit", "trappist_1")


@pytest.fixture
def seeded(app: Flask) -> Iterator[Flask]:
    """The application with its seeds."""
    with app.app_context():
        assert seeds.load() == ["user demo", *DEMOS]
    return app


def _rows(app: Flask) -> dict[str, list[tuple[object, ...]]]:
    with app.app_context(), db.engine.connect() as connection:
        return {table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=str) for table in db.metadata.sorted_tables}


def test_loading_twice_changes_nothing(seeded: Flask) -> None:
    before = _rows(seeded)
    with seeded.app_context():
        assert seeds.load() == []
    assert _rows(seeded) == before


def test_a_demo_that_was_deleted_does_not_come_back(seeded: Flask, client: FlaskClient) -> None:
    token = client.post("/api/auth/login", json={"username": "demo", "password": seeds.DEVELOPMENT_PASSWORD}).json["access_token"]
    path = f"/api/universes/{seeds.universe_id('bouncing_balls')}"
    assert client.delete(path, headers={"Authorization": f"Bearer {token}"}).status_code == 204
    with seeded.app_context():
        assert seeds.load() == []
    assert client.get(path).status_code == 404


def test_anybody_can_see_the_demos(seeded: Flask, client: FlaskClient) -> None:
    for name in DEMOS:
        universe = client.get(f"/api/universes/{seeds.universe_id(name)}").json
        assert universe["visibility"] == "public"
        assert len(universe["scenes"]) == 1


@pytest.mark.parametrize(
    ("name", "solver", "kinds"), [("bouncing_balls", "ballistic", {"collision"}), ("eccentric_orbit", "kepler", {"apsis"})]
)
def test_the_demos_sound(seeded: Flask, client: FlaskClient, name: str, solver: str, kinds: set[str]) -> None:
    scene_id = client.get(f"/api/universes/{seeds.universe_id(name)}/scenes").json["items"][0]["id"]
    with seeded.app_context():
        scene = Scene.from_snapshot(service.snapshot(UUID(scene_id)))
    assert scene.solver == solver
    trajectory = solvers.run(scene)
    assert trajectory.warnings == ()
    score = build_score(scene, trajectory)
    assert {mapping["trigger"].get("event", "continuous") for mapping in scene.mappings} >= kinds
    assert len(score.notes) > 10
    assert score.report["warnings"] == []


def test_progress_rises_from_nothing_to_all(app: Flask) -> None:
    told: list[float] = []
    with app.app_context():
        seeds.load(told.append)
    assert (told[0], told[-1]) == (0.0, 1.0)
    assert told == sorted(told)


def test_production_makes_no_demo_user_with_a_known_password(tmp_path: Path) -> None:
    given = {"SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz", "FLASK_ENV": "production"}
    app = create_app(given, data_dir=str(tmp_path), database_url=f"sqlite:///{tmp_path / 'p.db'}", log_level="error")
    with app.app_context():
        db.create_all()
        with pytest.raises(ConfigurationError, match="SEED_DEMO_PASSWORD"):
            seeds.load()
        assert db.session.scalar(sa.text("SELECT count(*) FROM users")) == 0
        db.session.remove()
        db.engine.dispose()
    app = create_app(
        {**given, "SEED_DEMO_PASSWORD": "a long demonstration"}, data_dir=str(tmp_path), database_url=f"sqlite:///{tmp_path / 'p.db'}"
    )
    with app.app_context():
        assert seeds.load() == ["user demo", *DEMOS]
        db.session.remove()
        db.engine.dispose()
    login = app.test_client().post("/api/auth/login", json={"username": "demo", "password": "a long demonstration"})
    assert login.status_code == 200

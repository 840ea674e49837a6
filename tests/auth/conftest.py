"""Applications with settings of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app import create_app
from app.extensions import db


@pytest.fixture
def app_with(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """An application with some settings, on its own empty database: app_with(rate_limits=True)."""
    made: list[Flask] = []

    def make(**settings: Any) -> Flask:
        url = f"sqlite:///{tmp_path / 'own.db'}"
        app = create_app({}, **{"flask_env": "testing", "database_url": url, "data_dir": str(tmp_path), "log_level": "warning", **settings})
        with app.app_context():
            db.create_all()
        made.append(app)
        return app

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()

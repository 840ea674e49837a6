"""Applications with settings of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask

from app import create_app
from app.extensions import db
from tests.conftest import QUICK_PASSWORDS


@contextmanager
def applications(folder: Path) -> Iterator[Callable[..., Flask]]:
    """A function that makes applications with some settings, all on one new database in a folder."""
    made: list[Flask] = []

    def make(**settings: Any) -> Flask:
        url = f"sqlite:///{folder / 'own.db'}"
        app = create_app(
            {},
            **{"flask_env": "testing", "database_url": url, "data_dir": str(folder), "log_level": "error", **QUICK_PASSWORDS, **settings},
        )
        with app.app_context():
            db.create_all()
        made.append(app)
        return app

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()

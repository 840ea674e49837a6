"""Fixtures of the audit log's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from app.audit.models import AuditEvent
from app.extensions import db
from tests.applications import applications


class Trail:
    """The events of an application, as they are stored."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def rows(self) -> list[AuditEvent]:
        """All events, in order."""
        with self.app.app_context():
            return list(db.session.scalars(sa.select(AuditEvent).order_by(AuditEvent.at, AuditEvent.id)))

    def told(self, prefix: str = "") -> list[tuple[str, str]]:
        """The actions that begin so, sorted, each with its outcome."""
        return sorted((row.action, row.outcome) for row in self.rows() if row.action.startswith(prefix))

    def one(self, action: str, outcome: str = "ok") -> AuditEvent:
        """The only event of an action and outcome."""
        (found,) = (row for row in self.rows() if (row.action, row.outcome) == (action, outcome))
        return found


@pytest.fixture
def trail(app: Flask) -> Trail:
    """The events of the application under test."""
    return Trail(app)


@pytest.fixture
def app_with(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Makes an application with some settings: app_with(trusted_proxies=1)."""
    with applications(tmp_path) as make:
        yield make

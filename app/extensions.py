"""The extensions: made here, bound to an application in create_app()."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from celery import Celery
from flask_jwt_extended import JWTManager
from flask_migrate import Migrate
from flask_socketio import SocketIO
from flask_sqlalchemy import SQLAlchemy

from app.database import Base

T = TypeVar("T")

db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})
migrate = Migrate()
jwt = JWTManager()
socketio = SocketIO()
celery = Celery("harmonic_universe")


class Offload:
    """Runs work that would hold up the event loop, such as hashing a password.

    Plain by default; the entry file of an eventlet server sets `run` to its thread pool.
    """

    def __init__(self) -> None:
        self.run: Callable[..., Any] = lambda work, *args: work(*args)

    def __call__(self, work: Callable[..., T], *args: Any) -> T:
        """The result of work(*args), without blocking other requests."""
        result: T = self.run(work, *args)
        return result


offload = Offload()

"""Harmonic Universe: create_app() is the one place that knows every room."""

# ruff: noqa: E402
from __future__ import annotations

import gc

gc.disable()  # reading so much code makes no garbage: looking for it took a fifth of every start

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from flask import Flask, Request, Response
from flask.json.provider import JSONProvider
from flask.sessions import SessionInterface, SessionMixin
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from app import cli, config, errors, logs, models, rate_limits
from app.database import dump_json, prepare
from app.extensions import celery, db, jwt, migrate, socketio
from app.jobs import queue
from app.openapi import AnyUUID, describe, mount
from app.requests import follow_requests

__version__ = "0.1.0"


class OrjsonProvider(JSONProvider):
    """Strict JSON: NaN is neither read nor written."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """JSON text."""
        return orjson.dumps(obj, default=str).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """The value of some JSON text."""
        return orjson.loads(s)


class NoCookies(SessionInterface):
    """No session in a cookie: who asks is known by their token alone."""

    def open_session(self, app: Flask, request: Request) -> None:
        """Nothing, so that Flask takes its null session."""

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Nothing to save."""


class HarmonicUniverse(Flask):
    """The application's class: Flask with our JSON and without cookies."""

    json_provider_class = OrjsonProvider
    session_interface = NoCookies()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: none of ours is a coroutine, and Flask asks seven times a request."""
        return func


def create_app(environ: dict[str, str] | None = None, **overrides: Any) -> Flask:
    """An application with every room, from the environment's settings; `overrides` win.

    Raises app.config.ConfigurationError for settings it must not start with.
    """
    settings = config.load(environ, **overrides)
    logs.configure(settings.log_level)
    app = HarmonicUniverse(__name__, static_folder=None)
    app.config.update(config.flask_config(settings), VERSION=__version__)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["uuid"] = AnyUUID
    config.make_folder(settings.storage)
    _bind(app, settings)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    errors.register(app)
    follow_requests(app)
    rate_limits.init_app(app)
    _open_rooms(app)
    cli.register(app)
    return app


def _bind(app: Flask, settings: config.Settings) -> None:
    options = app.config["SQLALCHEMY_ENGINE_OPTIONS"]
    options.update(json_serializer=dump_json, json_deserializer=orjson.loads)
    db.init_app(app)
    with app.app_context():
        prepare(db.engine)
    migrate.init_app(app, db, directory=str(Path(__file__).parent.parent / "migrations"))
    jwt.init_app(app)
    queue.bind(app, settings)
    from app.collaboration import collaborate  # noqa: PLC0415  its handlers are known before a server is made

    socketio.init_app(
        app,
        async_mode=settings.async_mode,
        async_handlers=False,
        manage_session=False,
        cors_allowed_origins=_admits(settings),
        transports=["websocket"] if settings.redis_url else None,  # long polling needs the same process each time
        json=app.json,
        max_http_buffer_size=262_144,
        ping_interval=15,
        ping_timeout=10,
    )
    collaborate(app, socketio.server)
    if settings.cors_origins:
        CORS(
            app,
            origins=list(settings.cors_origins),
            expose_headers=[
                "ETag",
                "Location",
                "Retry-After",
                "X-Request-Id",
                "X-Universe-Revision",
                "Idempotent-Replayed",
                "Content-Disposition",
            ],
            max_age=600,
        )


def _admits(settings: config.Settings) -> Callable[[str | None, dict[str, Any]], bool]:
    """Whether a browser's page may connect: one of our own origin, or of a listed one."""
    listed = {*settings.cors_origins, *([settings.public_url.rstrip("/")] if settings.public_url else [])}

    def admits(origin: str | None, environ: dict[str, Any]) -> bool:
        own = f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"
        return origin in listed or origin == own or "*" in listed

    return admits


def _open_rooms(app: Flask) -> None:
    from app.audio.routes import ROOMS as audio  # noqa: PLC0415  rooms import the extensions bound above
    from app.auth.routes import bp as auth  # noqa: PLC0415
    from app.changes.routes import bp as history  # noqa: PLC0415
    from app.collaboration.routes import bp as chat  # noqa: PLC0415
    from app.jobs.routes import bp as jobs  # noqa: PLC0415
    from app.materials.routes import bp as materials  # noqa: PLC0415
    from app.physics_parameters.routes import bp as physics  # noqa: PLC0415
    from app.reference.routes import ROOMS as reference  # noqa: PLC0415
    from app.scenes.routes import ROOMS as scenes  # noqa: PLC0415
    from app.system.routes import bp as system  # noqa: PLC0415
    from app.tunings.routes import bp as tunings  # noqa: PLC0415
    from app.universes.routes import ROOMS as universes  # noqa: PLC0415
    from app.users.routes import bp as users  # noqa: PLC0415

    api = describe(app)
    for room in (auth, users, *universes, history, chat, *scenes, physics, *reference, system, jobs, *audio, tunings, materials):
        mount(app, api, room)
    app.register_blueprint(system, name="root-system")


gc.freeze()  # what was read stays until the end, and is not looked through again: not even at the end, where that took longest
gc.set_threshold(50_000, 20, 50)
gc.enable()

__all__ = ["celery", "create_app", "models"]

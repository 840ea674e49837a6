"""The application for a production server: `gunicorn -k eventlet -w 1 wsgi:app`, or `-k gthread`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

from app import create_app
from app.extensions import offload, socketio


def mode_of_server() -> str:
    """The mode of the server that reads this file: our eventlet worker has patched the standard library before.

    Raises RuntimeError when ASYNC_MODE asks for the other one; an ordinary exception stops gunicorn, sys.exit() would make it try again.
    """
    patcher: Any = sys.modules.get("eventlet.patcher")
    mode = "eventlet" if patcher and patcher.is_monkey_patched("thread") else "threading"
    wanted = os.environ.get("ASYNC_MODE", "").strip() or mode
    if wanted != mode:
        raise RuntimeError(
            f"ASYNC_MODE is {wanted}, but this server runs in {mode} mode: use -k eventlet for eventlet, -k gthread for threading."
        )
    return mode


def drain_on_sigterm() -> None:
    """Close open sockets on SIGTERM: a waiting WebSocket would hold its thread until the server's patience ends."""
    previous: Any = signal.getsignal(signal.SIGTERM)

    def drain(signum: int, frame: FrameType | None) -> None:
        socketio.start_background_task(close_sockets)
        if callable(previous):
            previous(signum, frame)

    signal.signal(signal.SIGTERM, drain)


def close_sockets() -> None:
    """Disconnect every Socket.IO client."""
    engine = socketio.server.eio
    for connection in list(engine.sockets):
        engine.disconnect(connection)


mode = mode_of_server()
app = create_app(async_mode=mode)
if mode == "eventlet":
    from eventlet import tpool

    offload.run = tpool.execute
else:
    drain_on_sigterm()
if proxies := app.config["SETTINGS"].trusted_proxies:
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)  # type: ignore[method-assign]

"""gunicorn's settings. Nothing of the application may be imported at the top: it would load before the worker patches.

One worker a process, whatever its kind: Socket.IO keeps its clients in the process. More of them means more processes on more ports.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from gunicorn import util
from gunicorn.http.errors import ParseException
from gunicorn.workers import SUPPORTED_WORKERS

SUPPORTED_WORKERS.setdefault("eventlet", "gunicorn_eventlet.EventletWorker")  # gunicorn 26 dropped its own

bind = f"{os.environ.get('HOST') or '127.0.0.1'}:{os.environ.get('PORT') or '10000'}"
workers = 1
threads = 100  # gthread: one for each open WebSocket, and the requests beside them
worker_connections = 2000  # eventlet: likewise
timeout = 30
graceful_timeout = 13  # what runs has ten seconds to end; a server where nothing runs is gone at once
keepalive = 5
sendfile = False  # a green socket has none
control_socket_disable = True  # its thread would start before the fork, and it wants a writable home
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  the heartbeat must not wait for a disk


def write_error(sock: Any, status_int: int, reason: str, mesg: str) -> None:
    """Answer a request that is no HTTP in the shape of every other error; it never reaches the application."""
    code = "BAD_PAYLOAD" if status_int == 400 else reason.upper().replace(" ", "_")
    body = json.dumps({"status_code": status_int, "code": code, "message": mesg or reason, "request_id": None}).encode()
    head = f"HTTP/1.1 {status_int} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    util.write_nonblock(sock, head.encode() + body)


util.write_error = write_error


def post_worker_init(worker: Any) -> None:
    """Refuse to serve in another mode than ASYNC_MODE asks for; drain when the worker must go.

    An ordinary exception here stops gunicorn; sys.exit() would make it start worker after worker.
    """
    from app.errors import BadPayload, answer  # noqa: PLC0415
    from app.extensions import socketio  # noqa: PLC0415

    worker.wsgi.register_error_handler(ParseException, lambda error: answer(BadPayload()))  # a broken chunk shows when the body is read

    mode = socketio.server.eio.async_mode
    wanted = os.environ.get("ASYNC_MODE", "").strip() or mode
    if wanted != mode:
        raise RuntimeError(
            f"ASYNC_MODE is {wanted}, but this worker is of the {mode} kind: use -k eventlet for eventlet, -k gthread for threading."
        )
    from app.collaboration.draining import drain  # noqa: PLC0415

    hub = worker.wsgi.extensions["hub"]
    worker.drain = lambda: drain(hub)  # for the eventlet worker, which calls it
    if mode == "threading":
        drain_on_sigterm(worker, hub.server)


def worker_exit(server: Any, worker: Any) -> None:
    """End at once. Taking the interpreter apart is most of a second's work, and the system frees the same anyway."""
    ending = sys.exc_info()[1]
    if worker.booted and isinstance(ending, SystemExit) and not ending.code:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def drain_on_sigterm(worker: Any, server: Any) -> None:
    """Drain on SIGTERM: a waiting WebSocket would hold its thread until gunicorn's patience ends."""
    previous: Any = signal.getsignal(signal.SIGTERM)

    def on_sigterm(signum: int, frame: FrameType | None) -> None:
        server.start_background_task(worker.drain)
        previous(signum, frame)

    signal.signal(signal.SIGTERM, on_sigterm)

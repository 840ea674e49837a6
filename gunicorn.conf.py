"""gunicorn's settings. Nothing of the application may be imported here: it would load before the worker patches.

One worker a process, whatever its kind: Socket.IO keeps its clients in the process. More of them means more processes on more ports.
"""

from __future__ import annotations

import os
from pathlib import Path

from gunicorn.workers import SUPPORTED_WORKERS

SUPPORTED_WORKERS.setdefault("eventlet", "gunicorn_eventlet.EventletWorker")  # gunicorn 26 dropped its own

bind = f"{os.environ.get('HOST') or '127.0.0.1'}:{os.environ.get('PORT') or '10000'}"
workers = 1
threads = 100  # gthread: one for each open WebSocket, and the requests beside them
worker_connections = 2000  # eventlet: likewise
timeout = 30
graceful_timeout = 4
keepalive = 5
sendfile = False  # a green socket has none
control_socket_disable = True  # its thread would start before the fork, and it wants a writable home
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  the heartbeat must not wait for a disk

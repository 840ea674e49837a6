"""The development server and its job worker: `python run.py`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import click
from werkzeug.serving import WSGIRequestHandler, make_server

from app import create_app
from app.collaboration.draining import drain
from app.config import ConfigurationError, load

_STOP_SECONDS = 5


class Handler(WSGIRequestHandler):
    """Leaves the log to the application, and answers a request that is no HTTP in the shape of every other error."""

    default_request_version = "HTTP/1.0"  # else what cannot be read is taken for HTTP 0.9, and answered without a head
    error_content_type = "application/json"
    error_message_format = '{"status_code": %(code)d, "code": "BAD_PAYLOAD", "message": "The request cannot be read.", "request_id": null}'

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Nothing."""


def main() -> None:
    """Serve until interrupted, with a worker beside."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        if load().async_mode != "threading":
            raise ConfigurationError("ASYNC_MODE is eventlet, but this server is of threads: run gunicorn -k eventlet, or leave it out.")
        app = create_app(async_mode="threading")
    except ConfigurationError as error:
        sys.exit(f"run.py: {error}")
    settings = app.config["SETTINGS"]
    if settings.production:
        sys.exit("run.py is the development server; in production run `gunicorn -k eventlet -w 1 wsgi:app` and `flask worker`.")
    server = make_server(settings.host, settings.port, app, threaded=True, request_handler=Handler)
    worker = start_worker()
    click.echo(f"Harmonic Universe is at http://{settings.host}:{server.port} (API under /api, its description at /docs). Ctrl-C stops it.")
    try:
        server.serve_forever()
    finally:
        drain(app.extensions["hub"])
        stop(worker)


def start_worker() -> subprocess.Popen[bytes]:
    """A process that runs the queued jobs. Its standard input is our pipe, which closes however we end."""
    return subprocess.Popen([sys.executable, __file__, "worker"], stdin=subprocess.PIPE, cwd=Path(__file__).parent)  # noqa: S603


def stop(worker: subprocess.Popen[bytes]) -> None:
    """End the worker, with time to put its job back."""
    worker.terminate()
    try:
        worker.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def work() -> None:
    """Be the worker, for as long as the server lives."""
    from manage import cli  # noqa: PLC0415  the server has no use for the commands

    threading.Thread(target=_end_with_server, daemon=True).start()
    cli(["worker"])


def _end_with_server() -> None:
    os.read(sys.stdin.fileno(), 1)  # unbuffered: a buffer's lock, held here for ever, would make Python abort at its end
    os.kill(os.getpid(), signal.SIGKILL)  # nobody is left to wait for; the job's lease runs out and it is queued again


if __name__ == "__main__":
    work() if sys.argv[1:] == ["worker"] else main()

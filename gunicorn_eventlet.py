"""A gunicorn worker on green threads. It stays outside `app`: importing that package first would defeat the patching."""

# ruff: noqa: E402
from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import contextlib
import socket
from collections.abc import Iterator
from types import FrameType
from typing import Any

import eventlet.wsgi
from eventlet import hubs
from eventlet.greenio import GreenSocket
from gunicorn.workers.base_async import AsyncWorker


class EventletWorker(AsyncWorker):
    """One green thread for each connection, WebSockets included; they are closed first when the worker must go."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._websockets: set[Any] = set()

    def init_process(self) -> None:
        """Start, with an event loop of this process's own."""
        hubs.use_hub()
        super().init_process()

    def timeout_ctx(self) -> Any:
        """How long a kept connection may be silent."""
        return eventlet.Timeout(self.cfg.keepalive or None, False)

    def is_already_handled(self, respiter: Any) -> bool:
        """Whether the application has answered on the socket itself, as a WebSocket does."""
        if getattr(eventlet.wsgi.WSGI_LOCAL, "already_handled", None):
            raise StopIteration
        handled: bool = super().is_already_handled(respiter)
        return handled

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Quit; in a green thread, because the signal may arrive inside the event loop."""
        eventlet.spawn(super().handle_quit, sig, frame)

    def handle_usr1(self, sig: int, frame: FrameType | None) -> None:
        """Reopen the logs; likewise."""
        eventlet.spawn(super().handle_usr1, sig, frame)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> bool:
        """Answer one request."""
        with self._remembered(sock, req):
            more: bool = super().handle_request(listener_name, req, sock, addr)
            return more

    def run(self) -> None:
        """Accept connections until told to stop, then let the open ones finish."""
        pool = eventlet.GreenPool(self.worker_connections)
        acceptors = [eventlet.spawn(self._accept, GreenSocket(listener.sock), pool) for listener in self.sockets]
        while self.alive:
            self.notify()
            eventlet.sleep(0.5)
        for acceptor in acceptors:
            acceptor.kill()
        self._finish(pool)

    def _accept(self, listener: Any, pool: Any) -> None:
        listener.setblocking(1)
        while True:
            try:
                client, address = listener.accept()
            except OSError:
                if not self.alive:
                    return
                self.log.exception("accept failed")
                eventlet.sleep(0.1)
                continue
            pool.spawn(self.handle, listener, client, address)  # spawn_n would make every thread look like the main one

    def _finish(self, pool: Any) -> None:
        with eventlet.Timeout(self.cfg.graceful_timeout, False):
            for client in list(self._websockets):
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            while pool.running():
                self.notify()
                eventlet.sleep(0.05)

    @contextlib.contextmanager
    def _remembered(self, client: Any, req: Any) -> Iterator[None]:
        if any(name == "UPGRADE" and value.lower() == "websocket" for name, value in req.headers):
            self._websockets.add(client)
        try:
            yield
        finally:
            self._websockets.discard(client)

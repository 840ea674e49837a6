"""A gunicorn worker on green threads. It stays outside `app`: importing that package first would defeat the patching."""

# ruff: noqa: E402
from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import contextlib
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

import eventlet.wsgi
from engineio.async_drivers import eventlet as driver
from eventlet import hubs
from eventlet.greenio import GreenSocket
from eventlet.websocket import FailedConnectionError, RFC6455WebSocket
from gunicorn.workers.base_async import AsyncWorker

_AHEAD_BYTES = 65_536


class Ahead:
    """A socket that reads ahead: a frame is asked for in three or four parts, which mostly arrive together."""

    def __init__(self, sock: Any) -> None:
        self._sock, self._held, self._at = sock, b"", 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, count: int) -> bytes:
        """Up to `count` bytes; empty at the end."""
        if self._at == len(self._held):
            self._held, self._at = self._sock.recv(max(count, _AHEAD_BYTES)), 0
        data = self._held[self._at : self._at + count]
        self._at += len(data)
        return data


class WebSocket(RFC6455WebSocket):
    """Eventlet's, but quick to unmask, bounded in what it gathers, and writable without waiting."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(Ahead(sock), *args, **kwargs)
        self.direct = type(sock) is GreenSocket  # not one that encrypts: that has a buffer of its own
        self._raw = sock.fd

    def write_some(self, data: bytes) -> int:
        """Write frames without waiting; how many of their bytes were taken.

        None are while somebody else is writing. Who had a part of them taken must give the rest to write_rest(): until then nobody
        else can write. Raises OSError when the connection has ended.
        """
        if not self._sendlock.acquire(blocking=False):
            return 0
        taken = 0
        try:
            if self.websocket_closed:
                raise BrokenPipeError
            taken = self._raw.send(data)
        except BlockingIOError:
            return 0
        finally:
            if taken in (0, len(data)):
                self._sendlock.release()
        return taken

    def write_rest(self, data: bytes) -> None:
        """Write the rest of frames, waiting for the socket."""
        try:
            self.socket.sendall(data)
        finally:
            self._sendlock.release()

    def write(self, data: bytes) -> None:
        """Write frames, waiting for others and for the socket."""
        self._send(data)

    def close(self, close_data: Any = None) -> None:
        """Say that the connection ends, and end it; whoever reads from it is woken."""
        self._send_closing_frame(ignore_send_errors=True, close_data=close_data)
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _recv_frame(self, message: Any = None) -> Any:
        message = super()._recv_frame(message)
        if sum(map(len, message.data)) > self.max_frame_length:
            raise FailedConnectionError(1009, "The message is too large.")
        return message

    @staticmethod
    def _apply_mask(data: bytes, mask: Any, length: int | None = None, offset: int = 0) -> bytes:
        """Unmask as one large number; byte by byte a large message would hold up everybody for a quarter of a second."""
        turn = offset % 4
        key = (bytes(mask[turn:]) + bytes(mask[:turn])) * (len(data) // 4 + 1)
        return (int.from_bytes(data, "little") ^ int.from_bytes(key[: len(data)], "little")).to_bytes(len(data), "little")


class WebSockets(driver.WebSocketWSGI):
    """Opens WebSockets. It never compresses: it would do so again for each connection, and hold up the others meanwhile."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.support_legacy_versions = False

    def _negotiate_permessage_deflate(self, extensions: Any) -> None:
        return None

    def _handle_hybi_request(self, environ: Any) -> WebSocket:
        made = super()._handle_hybi_request(environ)
        return WebSocket(made.socket, environ, made.version, protocol=made.protocol, max_frame_length=made.max_frame_length)


driver._async["websocket"] = WebSockets


class EventletWorker(AsyncWorker):
    """One green thread for each connection, WebSockets included. `drain` closes those when the worker must go."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open: set[Any] = set()
        self._answering: set[Any] = set()
        self.drain: Callable[[], None] = lambda: None

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

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Answer the requests of one connection."""
        self._open.add(client)
        try:
            super().handle(listener, client, addr)
        finally:
            self._open.discard(client)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> bool:
        """Answer one request."""
        self._answering.add(sock)
        try:
            more: bool = super().handle_request(listener_name, req, sock, addr)
            return more
        finally:
            self._answering.discard(sock)

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
        """Let the application say farewell, close what nobody asks anything on, and let the rest be answered."""
        with eventlet.Timeout(self.cfg.graceful_timeout, False):
            try:
                self.drain()
            except Exception:
                self.log.exception("draining failed")
            for client in self._open - self._answering:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            while pool.running():
                self.notify()
                eventlet.sleep(0.05)

"""Sending one event to many connections. Everything that makes this fast stands in this one file.

The plain way is the library's: a packet goes into the queue of every connection, whose writer wakes up, packs it and sends it.
Five sixths of a busy room's time go there: a queue, a wake-up and a system call for each message and each client. The fast way
packs an event once, as the very bytes of its WebSocket frames, notes them down for each connection, and writes to each what it
has gathered when all that had come in has been handled: one system call for many messages, and no wake-up.

The fast way needs a WebSocket that can be written to without waiting, which only the eventlet server's is (`gunicorn_eventlet.py`).
Long polling, servers of threads and FAST_FAN_OUT=false take the plain way. What holds for both: every connection is sent its
events in the order of the calls, an event with attachments is never torn apart, and acknowledgements and pings go by the library's
queue, in no settled order with the events.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from engineio.async_drivers._websocket_wsgi import SimpleWebSocketWSGI
from engineio.packet import MESSAGE, NOOP
from engineio.packet import Packet as EnginePacket

from app.config import Settings

if TYPE_CHECKING:
    from app.collaboration.hub import Connection

log = structlog.get_logger(__name__)
_TEXT, _BINARY = 0x81, 0x82
_SHORT, _LONG = 126, 65_536
_PIECE_BYTES = 65_536
_REST = 4
_LONGEST_REST_SECONDS = 0.01
_SLOW_BYTES = 4 * 1024 * 1024
SLOW_PACKETS = 64
"""How many packets may wait for a connection before it is spared what is droppable."""


class Message(EnginePacket):  # type: ignore[misc]  # the library has no types
    """One event, packed once: as frames for the fast way, as one packet of the library's for the plain one."""

    def __init__(self, event: str, payload: Any) -> None:
        attachments: list[bytes] = []

        def apart(value: Any) -> Any:
            if isinstance(value, bytes | bytearray | memoryview):
                attachments.append(bytes(value))
                return {"_placeholder": True, "num": len(attachments) - 1}
            return str(value)

        text = orjson.dumps([event, payload], default=apart)
        self.parts = [b"45%d-%b" % (len(attachments), text) if attachments else b"42" + text, *attachments]
        super().__init__(MESSAGE, "")
        self._frames: bytes | None = None
        self._encoded: Any = None

    @property
    def frames(self) -> bytes:
        """The bytes of its WebSocket frames, one after the other (RFC 6455, section 5.2; a server masks nothing)."""
        if self._frames is None:
            self._frames = b"".join([_frame(_BINARY if n else _TEXT, part) for n, part in enumerate(self.parts)])
        return self._frames

    @property
    def size(self) -> int:
        """Its bytes, without the frames."""
        return sum(map(len, self.parts))

    def encode(self, b64: bool = False) -> Any:
        """For the library's writer: text, or parts that belong together; for a polling client everything as text."""
        if self._encoded is None:
            first = self.parts[0].decode()
            self._encoded = (first, *self.parts[1:]) if self.parts[1:] else first
        if b64 and self.parts[1:]:
            first, *attachments = self._encoded
            return "\x1e".join([first, *(EnginePacket(MESSAGE, part).encode(b64=True) for part in attachments)])
        return self._encoded


def _frame(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < _SHORT:
        head = bytes((kind, size))
    elif size < _LONG:
        head = bytes((kind, 126)) + size.to_bytes(2)
    else:
        head = bytes((kind, 127)) + size.to_bytes(8)
    return head + payload


class _Switch(EnginePacket):  # type: ignore[misc]
    """Goes through the library's queue as a packet that means nothing: once its turn comes, all before it has been sent."""

    def __init__(self, reached: Callable[[], None]) -> None:
        super().__init__(NOOP)
        self._reached = reached

    def encode(self, b64: bool = False) -> Any:
        """The packet's text. Whoever asks for it has sent everything that was queued before."""
        self._reached()
        return super().encode(b64)


class Wire:
    """The library's view of a WebSocket; remembered, so that others than the library find it, and it can be cut off."""

    def __init__(self, websocket: Any) -> None:
        self.websocket = websocket
        self.direct = getattr(websocket, "direct", False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.websocket, name)

    def send(self, message: Any) -> None:
        """Send a message, or several that belong together; the library's writer is the only one to call this."""
        for part in message if isinstance(message, tuple) else (message,):
            self.websocket.send(part)

    def abort(self) -> None:
        """End the connection at once, also for a writer that waits for it."""
        sock = self.websocket.ws.sock if hasattr(self.websocket, "ws") else self.websocket.socket
        try:
            sock.shutdown(2)
        except OSError:
            return


class Line:
    """What one connection is sent: its queue in the library, and in the fast way the frames that wait to be written.

    `switching` is set while its queue runs out, after which the fast way is open to it. `blocked` says that its socket takes no more
    for now, and a task of its own waits for it. `slow` spares it what is droppable.
    """

    __slots__ = ("blocked", "fast", "gone", "slow", "socket", "switching", "until_switched", "waiting")

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.waiting: list[bytes] = []
        self.until_switched: list[Message] = []
        self.fast = self.switching = self.blocked = self.slow = False
        self.gone = socket is None

    @property
    def wire(self) -> Wire | None:
        """Its WebSocket, None for a polling client."""
        found: Wire | None = getattr(self.socket, "wire", None)
        return found

    def put(self, packet: EnginePacket) -> None:
        """Into the library's queue, which never blocks."""
        if not self.socket.closed:
            self.socket.queue.put(packet)

    def packets(self) -> int:
        """How many packets wait."""
        return len(self.waiting) + len(self.until_switched) + self.blocked + (0 if self.gone else self.socket.queue.qsize())

    def size(self) -> int:
        """How many bytes wait, of events."""
        queued = [] if self.gone else list(self.socket.queue.queue)
        messages = [packet for packet in queued if isinstance(packet, Message)] + self.until_switched
        return sum(map(len, self.waiting)) + sum(message.size for message in messages)

    def forget(self) -> None:
        """Nothing more will be sent."""
        self.gone = True
        self.waiting, self.until_switched = [], []


class FanOut:
    """Sends events to connections, each in the order of the calls."""

    def __init__(self, server: Any, settings: Settings) -> None:
        self.server = server
        self.fast = settings.fast_fan_out and server.eio.async_mode == "eventlet"
        self._ready: list[Line] = []
        self._turns: Any = server.eio.create_queue()
        self._running = False
        server.eio._async = {**server.eio._async, "websocket": _remembering(server.eio._async["websocket"])}

    def opened(self, connection: Connection) -> None:
        """A connection has been admitted."""
        connection.line = Line(self.server.eio.sockets.get(connection.eio_sid))
        if self.fast and not self._running:
            self._running = True
            self.server.start_background_task(self._write)

    def closed(self, connection: Connection) -> None:
        """A connection has gone."""
        connection.line.forget()

    def send(
        self, connections: Iterable[Connection], event: str, payload: Any, *, skip: str | None = None, droppable: bool = False
    ) -> None:
        """Send an event to connections, but for the one with the sid `skip`; a droppable one not to those that are slow."""
        message = Message(event, payload)
        frames = message.frames if self.fast else b""
        idle, ready = not self._ready, self._ready
        for connection in connections:
            line = connection.line
            if connection.sid == skip or line.gone or (droppable and line.slow):
                continue
            if line.fast:
                if not line.waiting and not line.blocked:
                    ready.append(line)
                line.waiting.append(frames)
                if line.blocked and len(line.waiting) > SLOW_PACKETS:
                    line.slow = True
            elif self.fast and self._switches(line):
                line.until_switched.append(message)
            else:
                line.put(message)
                waiting = line.socket.queue.qsize()
                if waiting > SLOW_PACKETS and waiting * message.size > _SLOW_BYTES:
                    line.slow = True
        if idle and ready:
            self._turns.put(None)

    def push(self, connection: Connection) -> None:
        """Write what waits for a connection now, if its socket takes it: something of the library's is to come after it."""
        line = connection.line
        if line.switching:
            line.switching, packets, line.until_switched = False, line.until_switched, []
            for packet in packets:
                line.put(packet)
        elif line.fast and not line.blocked:
            self._write_line(line)

    def last_word(self, connection: Connection, event: str, payload: Any) -> bool:
        """Say one thing before a connection is cut off, ahead of what waits; whether its socket took it."""
        wire = connection.line.wire
        if wire is None or not wire.direct or connection.line.switching:
            return False
        frames = Message(event, payload).frames
        try:
            return bool(wire.websocket.write_some(frames) == len(frames))
        except OSError:
            return False

    def abandon(self, connection: Connection) -> None:
        """Close a connection that does not read, without waiting for it, and let go of all that waited for it."""
        connection.line.forget()
        self.shut(connection.line.socket)

    def shut(self, socket: Any) -> None:
        """Close what is open below Socket.IO, at once and with nothing more sent."""
        socket.close(wait=False, abort=True)
        self.server.eio.sockets.pop(socket.sid, None)
        self._empty(socket.queue)
        wire = getattr(socket, "wire", None)
        if wire is not None:
            wire.abort()

    def _empty(self, queue: Any) -> None:
        try:
            while True:
                queue.get(block=False)
                queue.task_done()
        except self.server.eio.get_queue_empty_exception():
            queue.put(None)  # the writer ends when it finds this

    def _switches(self, line: Line) -> bool:
        """Whether a connection can be served the fast way now; it is as soon as its queue is through."""
        if line.switching:
            return True
        wire = line.wire
        if wire is None or not wire.direct or not line.socket.upgraded:
            return False
        line.switching = True
        line.put(_Switch(lambda: self._switched(line)))
        return True

    def _switched(self, line: Line) -> None:
        if not line.switching:
            return  # what waited for this has been sent the plain way
        line.switching, line.fast = False, True
        line.waiting = [message.frames for message in line.until_switched]
        line.until_switched = []
        self._ready.append(line)
        self._turns.put(None)

    def _write(self) -> None:
        """The loop: after each turn, write to every connection what was gathered for it.

        It rests four times as long as it worked, so that what comes in is handled meanwhile; the busier, the more one write takes.
        """
        while True:
            self._turns.get()
            began = time.perf_counter()
            ready, self._ready = self._ready, []
            try:
                for line in ready:
                    if not line.blocked:
                        self._write_line(line)
            except Exception:
                log.exception("fan-out failed")
            self.server.sleep(min(_REST * (time.perf_counter() - began), _LONGEST_REST_SECONDS))

    def _write_line(self, line: Line) -> None:
        """Write what waits, as far as the socket takes it; the rest is left to a task of its own."""
        while line.waiting:
            data = _piece(line)
            try:
                taken = line.socket.wire.websocket.write_some(data)
            except OSError:
                line.forget()
                return
            if taken < len(data):
                line.blocked = True
                self.server.start_background_task(self._go_on, line, data, taken)
                return

    def _go_on(self, line: Line, data: bytes, taken: int) -> None:
        """Wait until a socket takes again, and write until nothing waits."""
        websocket = line.socket.wire.websocket
        try:
            if taken:
                websocket.write_rest(data[taken:])
            else:
                websocket.write(data)
            while line.waiting:
                websocket.write(_piece(line))
        except OSError:
            line.forget()
            line.socket.wire.abort()
        finally:
            line.blocked = False


def _piece(line: Line) -> bytes:
    """What is written at once: all that waits, but not much more than the socket's own buffer."""
    waiting = line.waiting
    if len(waiting) == 1:
        line.waiting = []
        return waiting[0]
    count = size = 0
    for frames in waiting:
        size += len(frames)
        if count and size > _PIECE_BYTES:
            break
        count += 1
    line.waiting = waiting[count:]
    return b"".join(waiting[:count])


def _remembering(make: Any) -> Callable[[Any, Any], Any]:
    """The library's maker of WebSockets, but that each connection's object knows its own.

    Beside threads it would put the pieces of a message together without an end; there it is told the limit.
    """

    def made(handler: Any, server: Any) -> Any:
        def handle(websocket: Any) -> Any:
            wire = handler.__self__.wire = Wire(websocket)
            return handler(wire)

        if make is SimpleWebSocketWSGI:
            return make(handle, server, max_message_size=server.max_http_buffer_size)
        return make(handle, server)

    return made

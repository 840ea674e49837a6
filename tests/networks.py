"""A network between a client and a server that fails when told to: a TCP proxy.

with Network(server.url) as network:
    client.connect(network.url)
    network.cut()       # connections end; new ones are refused until restored
    network.deafen()    # what the server sends is lost from now on, though the connection stands
    network.restore()
"""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit


class Network:
    """A way to a server, on a port of its own."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._refusing = self._deaf = self._mute = False
        self.lost_bytes = 0

    def __enter__(self) -> Network:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.close()
        self._end_all()

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        self._refusing = True
        self._end_all()

    def deafen(self) -> None:
        """Lose what the server sends."""
        self._deaf = True

    def silence(self) -> None:
        """Lose what either side sends."""
        self._deaf = self._mute = True

    def restore(self) -> None:
        """Let everything through again. Streams that have lost bytes are ended: they would be nonsense."""
        if self._deaf or self._mute:
            self._end_all()
        self._refusing = self._deaf = self._mute = False

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                near.close()
                continue
            try:
                far = socket.create_connection(self._target, 10)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._pairs.append((near, far))
            threading.Thread(target=self._carry, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, True), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, from_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._deaf if from_server else self._mute:
                    self.lost_bytes += len(data)
                else:
                    sink.sendall(data)
        end(source, sink)

    def _end_all(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            end(*pair)


def end(*sockets: socket.socket) -> None:
    """Shut sockets, also for threads that wait for them."""
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()

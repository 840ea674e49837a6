"""One client stops reading while its room is told 64 KB a hundred times a second.

    python -m tests.faults.slow_reader [--seconds 60] [--kind eventlet|gthread]

The server must let go of it, must not grow by more than 20 MB meanwhile, and the others must be told as quickly as before.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import websocket

from tests.servers import Server, start
from tests.sockets import Account, Peer, eventually

EVENT_BYTES = 64_000
PER_SECOND = 100
READERS = 3
GROWTH_BYTES = 20 * 2**20
_LIMITS = {"LOG_LEVEL": "warning", "CONNECTIONS_PER_USER": "50"}


class Stream:
    """A sender that shows previews at a steady rate, and readers that note how long each was under way."""

    def __init__(self, account: Account, universe_id: str) -> None:
        self._stack = ExitStack()
        self.universe_id = universe_id
        self.sender = self._stack.enter_context(account.connected())
        self.readers = [_Reader(account, universe_id) for _ in range(READERS)]
        self.sender.join(universe_id)

    def run(self, seconds: float) -> list[float]:
        """Send for a while; how many seconds each event took to each reader."""
        for reader in self.readers:
            reader.delays.clear()
        began, sent, pad = time.monotonic(), 0, "x" * EVENT_BYTES
        while (passed := time.monotonic() - began) < seconds:
            while sent < passed * PER_SECOND:
                fields = {"sent": time.monotonic(), "pad": pad}
                self.sender.client.emit("preview", {"universe_id": self.universe_id, "path": "universe", "fields": fields})
                sent += 1
            time.sleep(0.002)
        eventually(self._all_quiet, 120)
        return [delay for reader in self.readers for delay in reader.delays]

    def _all_quiet(self) -> bool:
        """Whether a second passes in which nothing arrives; a reader that falls behind is spared some, so none can be counted on."""
        known = [len(reader.delays) for reader in self.readers]
        time.sleep(1)
        return known == [len(reader.delays) for reader in self.readers]

    def close(self) -> None:
        """Disconnect all."""
        self._stack.close()
        for reader in self.readers:
            reader.raw.close()


class _Reader:
    """Reads as quickly as it can, in a thread of its own."""

    def __init__(self, account: Account, universe_id: str) -> None:
        self.raw = joined(account, universe_id)
        self.delays: list[float] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while text := self.raw.recv():
                if text == "2":
                    self.raw.send("3")
                elif text.startswith('42["preview"'):
                    at = text.index('"sent":') + 7
                    self.delays.append(time.monotonic() - float(text[at : text.index(",", at)]))
        except (OSError, websocket.WebSocketException):
            return


def joined(account: Account, universe_id: str, receive_buffer: int = 0) -> websocket.WebSocket:
    """A bare connection that has joined a universe and reads no further."""
    raw = websocket.create_connection(
        account.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket",
        timeout=30,
        suppress_origin=True,
        skip_utf8_validation=True,  # it would take this process longer than the server takes for everything
        sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)] if receive_buffer else [],
    )
    _until(raw, "0")
    raw.send("40" + json.dumps({"token": account.token}))
    _until(raw, "40")
    raw.send("420" + json.dumps(["join_universe", {"universe_id": universe_id}]))
    assert '"ok":true' in _until(raw, "430")
    return raw


def _until(raw: websocket.WebSocket, beginning: str) -> str:
    while not (text := str(raw.recv())).startswith(beginning):
        assert text
    return text


def run(kind: str, seconds: float, *, watched: str = "preview") -> dict[str, Any]:
    """The figures. `watched` is what the idle reader misses: previews, which it is spared, or changes, for which it is let go."""
    with start(kind, **_LIMITS) as server:
        account = Account(server.url, "ada")
        universe_id = account.make_universe()
        stream = Stream(account, universe_id)
        stream.run(min(seconds, 5))
        before = stream.run(seconds)
        settled = resident(server)
        stopped = joined(account, universe_id, receive_buffer=4096)
        largest = _Largest(server)
        flood = _Changes(account, universe_id) if watched == "change" else None
        after = stream.run(seconds)
        if flood is not None:
            eventually(lambda: "slow client cut" in server.log, 120)
            flood.stop()
        grown = largest.stop() - settled
        cut = server.log.count("slow client cut")
        stopped.close()
        stream.close()
    figures = {
        "kind": kind,
        "watched": watched,
        "events": len(after),
        "p95_before_ms": round(statistics.quantiles(before, n=20)[18] * 1000, 2),
        "p95_after_ms": round(statistics.quantiles(after, n=20)[18] * 1000, 2),
        "grown_mb": round(grown / 2**20, 1),
        "cut": cut,
    }
    assert grown <= GROWTH_BYTES, figures
    assert cut == (1 if flood is not None else 0), figures
    return figures


class _Changes:
    """An editor whose every change is large, as quickly as they are acknowledged; these must not be left out for anybody."""

    def __init__(self, account: Account, universe_id: str) -> None:
        self._peer: Peer = account.connect()
        self._peer.join(universe_id)
        self._universe_id, self._stop = universe_id, threading.Event()
        self._thread = threading.Thread(target=self._edit, daemon=True)
        self._thread.start()

    def _edit(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            text = chr(97 + number % 26) * 2000
            answer = self._peer.edit(self._universe_id, "universe", {"description": text})
            assert answer["ok"], answer
            self._peer.told.clear()

    def stop(self) -> None:
        """Stop, and disconnect."""
        self._stop.set()
        self._thread.join(30)
        self._peer.close()


class _Largest:
    """Looks at a server's memory until told to stop."""

    def __init__(self, server: Server) -> None:
        self._server, self._most, self._stop = server, 0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(0.1):
            self._most = max(self._most, resident(self._server))

    def stop(self) -> int:
        """The largest memory seen, in bytes."""
        self._stop.set()
        self._thread.join()
        return self._most


def resident(server: Server) -> int:
    """The memory of a server and its worker, in bytes."""
    pages = 0
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and (int(process.name) == server.process.pid or _parent(process) == server.process.pid):
            pages += int((process / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return -1


def main() -> None:
    """Run, and print the figures."""
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--kind", choices=("eventlet", "gthread"), default="eventlet")
    asked = options.parse_args()
    for watched in ("preview", "change"):
        print(json.dumps(run(asked.kind, asked.seconds, watched=watched)), flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Between the server processes: hints and ephemera over Redis. Nothing that must arrive goes this way.

Handlers never wait for Redis: what they publish is queued, sent by a loop of its own, and thrown away when Redis does
not answer. A hint that is lost costs a feeder's second, a lost cursor nothing.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import orjson
import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

log = structlog.get_logger(__name__)
_CHANNEL = "harmonic-universe"
_TIMEOUT_SECONDS = 0.3
_REST_SECONDS = 0.5
_WAITING = 10_000
Receiver = Callable[[Any], None]


class Bus:
    """One process's end. `on` registers what to do with each kind of message from the other processes."""

    def __init__(self, url: str, process_id: str, start_task: Callable[..., Any], sleep: Callable[[float], None]) -> None:
        self.process_id, self._start_task, self._sleep = process_id, start_task, sleep
        self._redis = Redis.from_url(
            url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, retry=Retry(NoBackoff(), 0)
        )
        self._waiting: queue.Queue[bytes] = queue.Queue(_WAITING)
        self._receivers: dict[str, Receiver] = {}
        self._when_listening: list[Callable[[], None]] = []
        self._started = self._listening = False
        self.answering = True

    def on(self, kind: str, receive: Receiver) -> None:
        """Call `receive` with the body of each message of a kind that another process publishes."""
        self._receivers[kind] = receive

    def when_listening(self, call: Callable[[], None]) -> None:
        """Call `call` each time that this end begins to hear the others, at first and after Redis was away."""
        self._when_listening.append(call)

    def listen(self) -> None:
        """Begin to receive; later calls do nothing."""
        if not self._listening:
            self._listening = True
            self._start_task(self._receive)

    def publish(self, kind: str, body: Any) -> None:
        """Send a message to the other processes, soon; never blocks."""
        if not self._started:
            self._started = True
            self._start_task(self._send)
        try:
            self._waiting.put_nowait(orjson.dumps([self.process_id, kind, body], default=str))
        except queue.Full:
            log.debug("bus is full", kind=kind)

    def _send(self) -> None:
        while True:
            message = self._waiting.get()
            try:
                self._redis.publish(_CHANNEL, message)
                self._up()
            except (RedisError, OSError) as error:
                self._down(error)
                self._sleep(_REST_SECONDS)
                self._forget()

    def _forget(self) -> None:
        """Throw away what was waiting: it is stale by now."""
        try:
            while True:
                self._waiting.get_nowait()
        except queue.Empty:
            return

    def _receive(self) -> None:
        while True:
            try:
                self._follow()
            except (RedisError, OSError) as error:
                self._down(error)
            except Exception:
                log.exception("bus failed")
            self._sleep(_REST_SECONDS)

    def _follow(self) -> None:
        with self._redis.pubsub() as listener:  # type: ignore[no-untyped-call]
            listener.subscribe(_CHANNEL)
            while True:
                message = listener.get_message(timeout=1.0)
                if message is not None and message["type"] == "message":
                    self._take(message["data"])
                elif message is not None and message["type"] == "subscribe":
                    for call in self._when_listening:
                        call()

    def _take(self, data: bytes) -> None:
        origin, kind, body = orjson.loads(data)
        receive = self._receivers.get(kind)
        if origin != self.process_id and receive is not None:
            receive(body)

    def _up(self) -> None:
        if not self.answering:
            self.answering = True
            log.info("redis answers again")

    def _down(self, error: Exception) -> None:
        if self.answering:
            self.answering = False
            log.warning("redis does not answer; other processes learn of changes within a second", error=str(error))

"""How often something may be done: moving windows, counted in Redis where there is one, else in this process."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from dataclasses import dataclass, field

import limits
import structlog
from flask import Flask, current_app, request
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.config import ConfigurationError, Settings
from app.errors import RateLimited

log = structlog.get_logger(__name__)
_REDIS_TIMEOUT_SECONDS = 0.3
_REDIS_REST_SECONDS = 5.0
_USES_BETWEEN_SWEEPS = 1000


class Memory(MemoryStorage):
    """The library's memory, with two faults mended: it keeps every key for ever, and one use may meet another's clear()."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()
        self._uses = 0

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Whether the window has room for one more use, which is then counted."""
        with self._turn:
            self._uses += 1
            if self._uses % _USES_BETWEEN_SWEEPS == 0:
                self._forget_idle()
            return super().acquire_entry(key, limit, expiry, amount)

    def clear(self, key: str) -> None:
        """Forget the uses of a key."""
        with self._turn:
            super().clear(key)

    def _forget_idle(self) -> None:
        for key in [key for key, events in list(self.events.items()) if not events]:
            self.events.pop(key, None)


@dataclass
class Limiter:
    """The limits of one application, by name."""

    enabled: bool
    items: dict[str, limits.RateLimitItem]
    here: MovingWindowRateLimiter
    shared: MovingWindowRateLimiter | None
    shared_errors: tuple[type[Exception], ...] = ()
    shared_from: float = field(default=0.0)

    def hit(self, name: str, *keys: object) -> None:
        """Count one use; a refused one is not counted. Raises RateLimited with the seconds until the window frees."""
        if not self.enabled:
            return
        wait = self._wait(self.items[name], [name, *map(str, keys)])
        if wait is not None:
            raise RateLimited(retry_after=wait)

    def clear(self, name: str, *keys: object) -> None:
        """Forget the uses of these keys."""
        for counter in (self.here, self.shared if self._shared_is_up() else None):
            if counter is None:
                continue
            try:
                counter.clear(self.items[name], name, *map(str, keys))
            except self.shared_errors as error:
                self._rest(error)

    def _wait(self, item: limits.RateLimitItem, keys: list[str]) -> float | None:
        if self.shared is not None and self._shared_is_up():
            try:
                return _use(self.shared, item, keys)
            except self.shared_errors as error:
                self._rest(error)
        return _use(self.here, item, keys)

    def _shared_is_up(self) -> bool:
        return time.monotonic() >= self.shared_from

    def _rest(self, error: Exception) -> None:
        """Count here for a while: a request must not wait for a Redis that does not answer."""
        self.shared_from = time.monotonic() + _REDIS_REST_SECONDS
        log.warning("rate limits are counted in this process", error=str(error))


def init_app(app: Flask) -> None:
    """Bind the limits of the application's settings. Raises ConfigurationError for a limit that cannot be read."""
    settings: Settings = app.config["SETTINGS"]
    named = {"login": "login_limit", "address": "address_limit", "writes": "write_limit", "chat": "chat_limit", "joins": "join_limit"}
    items = {name: _read(setting, settings) for name, setting in named.items()}
    items["refusals"] = limits.parse("1/minute")
    here = MovingWindowRateLimiter(Memory())
    shared = _redis(settings.redis_url) if settings.redis_url else None
    errors = shared.base_exceptions if shared else ()
    app.extensions["rate_limits"] = Limiter(
        enabled=settings.rate_limits,
        items=items,
        here=here,
        shared=MovingWindowRateLimiter(shared) if shared else None,
        shared_errors=errors if isinstance(errors, tuple) else (errors,),
    )


def hit(name: str, *keys: object) -> None:
    """Count one use of the limit `name` (login, address, writes, chat, joins or refusals) by `keys`.

    Raises RateLimited, whose `retry_after` is the number of seconds until the window really frees.
    """
    _limiter().hit(name, *keys)


def clear(name: str, *keys: object) -> None:
    """Forget the uses of the limit `name` by `keys`."""
    _limiter().clear(name, *keys)


def address() -> str:
    """The network that a request comes from: an IPv4 address, or the /64 that one IPv6 customer holds."""
    text = request.remote_addr or ""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return text
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def _limiter() -> Limiter:
    found: Limiter = current_app.extensions["rate_limits"]
    return found


def _use(counter: MovingWindowRateLimiter, item: limits.RateLimitItem, keys: list[str]) -> float | None:
    """None when the use was counted, else the seconds to wait."""
    if counter.hit(item, *keys):
        return None
    wait = counter.get_window_stats(item, *keys).reset_time - time.time()
    return max(math.ceil(wait * 1000) / 1000, 0.001)


def _redis(url: str) -> RedisStorage:
    return RedisStorage(
        url,
        socket_timeout=_REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=_REDIS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]  # handed on to redis.from_url, which takes it
    )


def _read(name: str, settings: Settings) -> limits.RateLimitItem:
    text = getattr(settings, name)
    try:
        return limits.parse(text)
    except ValueError:
        raise ConfigurationError(f"{name.upper()} must be such as '10/5 minutes', not {text!r}.") from None

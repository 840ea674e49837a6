"""Limits: how often, and how long to wait, truly."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from app import rate_limits
from app.config import ConfigurationError
from app.errors import RateLimited
from tests.applications import applications
from tests.databases import redis_or_skip

ADA = {"username": "ada", "email": "ada@example.org", "password": "correct horse battery"}


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Makes an application that limits: limited(login_limit="3/5 minutes")."""
    with applications(tmp_path) as make:
        yield make


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the wall clock, for the limits' library too."""
    shift, real = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: real() + shift[0])

    def forward(seconds: float) -> None:
        shift[0] += seconds

    return forward


def use(app: Flask, key: str, times: int, name: str = "login") -> list[float]:
    """The waits that were asked for, of some uses."""
    waits = []
    with app.app_context():
        for _ in range(times):
            try:
                rate_limits.hit(name, key)
            except RateLimited as refused:
                assert refused.retry_after is not None
                waits.append(refused.retry_after)
    return waits


def frees_when_it_says(app: Flask, clock: Callable[[float], None]) -> None:
    key = uuid4().hex
    assert use(app, key, 1) == []
    clock(100)
    assert use(app, key, 2) == []
    (wait,) = use(app, key, 1)
    assert wait == pytest.approx(200, abs=2), "the oldest of three uses in 300 s was 100 s ago"
    clock(wait - 2)
    assert len(use(app, key, 1)) == 1, "no sooner"
    clock(2.01)
    assert use(app, key, 1) == [], "and no later"
    (wait,) = use(app, key, 1)
    assert wait == pytest.approx(100, abs=2), "the next frees when the second use leaves the window; refusals do not count"


def test_a_window_frees_when_it_says(limited: Any, clock: Callable[[float], None]) -> None:
    frees_when_it_says(limited(login_limit="3/5 minutes"), clock)


def test_a_window_in_redis_frees_when_it_says_and_is_shared(limited: Any, clock: Callable[[float], None]) -> None:
    url = redis_or_skip()
    app, other = limited(login_limit="3/5 minutes", redis_url=url), limited(login_limit="3/5 minutes", redis_url=url)
    frees_when_it_says(app, clock)
    key = uuid4().hex
    use(app, key, 3)
    assert len(use(other, key, 1)) == 1
    with other.app_context():
        rate_limits.clear("login", key)
    assert use(app, key, 1) == []


def test_without_its_redis_a_process_counts_by_itself_and_does_not_wait(limited: Any) -> None:
    with socket.socket() as deaf:  # accepts connections, never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        app = limited(login_limit="3/5 minutes", redis_url=f"redis://127.0.0.1:{deaf.getsockname()[1]}/0")
        began = time.monotonic()
        assert len(use(app, "somebody", 10)) == 7
        with app.app_context():
            rate_limits.clear("login", "somebody")
        assert use(app, "somebody", 1) == []
        assert time.monotonic() - began < 4, "one timeout of 0.3 s, not one for each use"


def test_logins_are_throttled_by_the_name_that_is_tried(limited: Any, clock: Callable[[float], None]) -> None:
    client = limited(login_limit="3/5 minutes").test_client()
    client.post("/api/auth/register", json=ADA)

    def log_in(name: str, password: str = "wrong password") -> Any:
        return client.post("/api/auth/login", json={"username": name, "password": password})

    for name in ("ada", "nobody"):
        assert [log_in(name.upper() if i % 2 else name).status_code for i in range(4)] == [401, 401, 401, 429], name
    answer = log_in("ada", ADA["password"])
    assert (answer.status_code, answer.json["code"]) == (429, "RATE_LIMITED")
    seconds = int(answer.headers["Retry-After"])
    assert 290 <= seconds <= 300
    assert answer.json["retry_after"] <= seconds < answer.json["retry_after"] + 1
    clock(seconds)
    assert log_in("ada", ADA["password"]).status_code == 200


def test_whoever_knows_the_password_is_not_throttled(limited: Any) -> None:
    client = limited(login_limit="3/5 minutes").test_client()
    client.post("/api/auth/register", json=ADA)
    assert {client.post("/api/auth/login", json={"email": ADA["email"], "password": ADA["password"]}).status_code for _ in range(8)} == {
        200
    }


def test_an_address_is_throttled_whatever_names_it_tries(limited: Any) -> None:
    client = limited(address_limit="3/5 minutes").test_client()
    tried = [client.post("/api/auth/login", json={"username": f"user{i}", "password": "wrong password"}) for i in range(4)]
    assert [answer.status_code for answer in tried] == [401, 401, 401, 429]
    elsewhere = client.post("/api/auth/login", json={"username": "user9", "password": "x"}, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert elsewhere.status_code == 401
    assert client.post("/api/auth/register", json=ADA).status_code == 429


def test_a_customer_of_ipv6_is_one_address(limited: Any) -> None:
    app = limited()
    found = set()
    for text in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1", "192.0.2.1"):
        with app.test_request_context(environ_base={"REMOTE_ADDR": text}):
            found.add(rate_limits.address())
    assert found == {"2001:db8:1:2::/64", "2001:db8:1:3::/64", "192.0.2.1"}


def test_guessing_the_password_with_a_stolen_token_is_throttled(limited: Any) -> None:
    client = limited(login_limit="3/5 minutes").test_client()
    token = client.post("/api/auth/register", json=ADA).json["access_token"]
    change = {"current_password": "wrong password", "new_password": "staple of the battery"}
    headers = {"Authorization": f"Bearer {token}"}
    tried = [client.post("/api/auth/change-password", json=change, headers=headers).status_code for _ in range(4)]
    assert tried == [401, 401, 401, 429]


def test_writes_are_limited_by_user_and_reads_are_not(limited: Any, clock: Callable[[float], None]) -> None:
    client = limited(write_limit="5/2 seconds").test_client()
    ada = {"Authorization": "Bearer " + client.post("/api/auth/register", json=ADA).json["access_token"]}
    bob = {
        "Authorization": "Bearer "
        + client.post("/api/auth/register", json={**ADA, "username": "bob", "email": "bob@example.org"}).json["access_token"]
    }

    def write(who: dict[str, str]) -> Any:
        return client.put("/api/users/me/settings", json={"theme": "dark"}, headers=who)

    answers = [write(ada) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[-1].headers["Retry-After"] in ("1", "2")
    assert write(bob).status_code == 200
    assert {client.get("/api/users/me", headers=ada).status_code for _ in range(20)} == {200}
    clock(2)
    assert write(ada).status_code == 200


def test_limits_can_be_switched_off(limited: Any) -> None:
    assert use(limited(login_limit="1/5 minutes", rate_limits=False), "somebody", 5) == []


def test_a_limit_that_cannot_be_read_is_named_at_start(limited: Any) -> None:
    with pytest.raises(ConfigurationError, match="LOGIN_LIMIT"):
        limited(login_limit="often")


def test_keys_that_are_no_longer_used_are_forgotten(clock: Callable[[float], None]) -> None:
    memory = rate_limits.Memory()
    for number in range(2500):
        assert memory.acquire_entry(f"key {number}", 1, 1)
    clock(2)

    def swept() -> bool:
        for _ in range(1000):
            memory.acquire_entry("the one in use", 10**6, 60)
        return set(memory.events) == {"the one in use"}

    deadline = time.monotonic() + 10  # the library empties the windows in a thread of its own
    while not swept():
        assert time.monotonic() < deadline

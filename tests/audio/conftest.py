"""One worker for all tests of this room, and a scene that somebody owns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.applications import applications
from tests.conftest import Person
from tests.rendering import Worker, make_scene, make_universe, working


@pytest.fixture(scope="session")
def _worker(_app: Flask) -> Iterator[Worker]:
    with working(_app) as worker:
        yield worker


class Studio:
    """Somebody with a universe and a scene, and a worker to render it."""

    def __init__(self, app: Flask, owner: Any, visibility: str = "private") -> None:
        self.app, self.owner = app, owner
        self.universe_id = make_universe(owner, visibility)
        self.scene_id = make_scene(owner, self.universe_id)

    def order(self, wait: int = 30, by: Any = None, headers: dict[str, str] | None = None, **fields: Any) -> Any:
        """The answer to asking for a render of the scene."""
        order = {"scene_id": str(self.scene_id), **fields}
        return (by or self.owner).post("/audio/generate", json=order, headers={"Prefer": f"wait={wait}", **(headers or {})})

    def render(self, **fields: Any) -> dict[str, Any]:
        """A finished render."""
        answer = self.order(**fields)
        assert answer.status_code == 201, answer.text
        audio: dict[str, Any] = answer.json["audio"]
        assert audio["status"] == "succeeded", answer.text
        return audio


@pytest.fixture
def ada(app: Flask, person: Callable[[str], Any], _worker: Worker) -> Studio:
    """Ada's studio, with a worker."""
    return Studio(app, person("ada"))


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Callable[..., Studio]]:
    """Makes a studio of Ada's on an application of its own, without a worker; keywords are its settings."""
    with applications(tmp_path) as make:
        yield lambda **settings: _studio(make(rate_limits=False, **settings))


@pytest.fixture
def idle(apart: Callable[..., Studio]) -> Studio:
    """A studio without a worker: its renders stay queued."""
    return apart()


def _studio(app: Flask) -> Studio:
    return Studio(app, Person(app.test_client(), "ada"))

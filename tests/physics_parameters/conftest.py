"""Fixtures: somebody with a universe and a scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scenes.making import make_scene, make_universe


@pytest.fixture
def ada(person: Callable[[str], Any]) -> Any:
    """Ada, logged in."""
    return person("ada")


@pytest.fixture
def universe(ada: Any) -> str:
    """The id of a universe of Ada's."""
    return make_universe(ada)


@pytest.fixture
def scene(ada: Any, universe: str) -> dict[str, Any]:
    """A scene in it."""
    return make_scene(ada, universe)

"""Fixtures of the door's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.applications import applications


@pytest.fixture
def app_with(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Makes an application with some settings: app_with(registration_open=False)."""
    with applications(tmp_path) as make:
        yield make

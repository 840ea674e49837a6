"""`Prefer` as RFC 7240 has it: what cannot be read is ignored."""

from __future__ import annotations

import pytest
from flask import Flask

from app.jobs.preferences import preferred_wait


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=10", 10),
        ("respond-async, wait=10", 10),
        ("WAIT = 5", 5),
        ('wait="7"', 7),
        ("wait=3; foo=bar", 3),
        ("wait=0", 0),
        ("wait=600", 30),
        ("wait=2, wait=9", 2),
        ("wait=-1", None),
        ("wait=ten", None),
        ("wait=1.5", None),
        ("wait", None),
        ("waiting=4", None),
        ("", None),
    ],
)
def test_the_first_wait_that_can_be_read_counts(app: Flask, header: str, seconds: float | None) -> None:
    with app.test_request_context(headers={"Prefer": header}):
        assert preferred_wait() == seconds


def test_without_the_header_there_is_no_preference(app: Flask) -> None:
    with app.test_request_context():
        assert preferred_wait() is None

"""The laws of undo over random histories, short; `python -m tests.faults.undo_law` is the long run."""

from __future__ import annotations

import os

import pytest
from flask import Flask

from tests.faults import undo_law

SEQUENCES = int(os.environ.get("UNDO_LAW", "20"))


@pytest.mark.slow
def test_as_many_redos_as_undos_leave_the_document_as_it_was_and_nobody_s_later_value_is_touched(app: Flask) -> None:
    figures = undo_law.hold(app, sequences=SEQUENCES, histories=SEQUENCES // 2)
    assert figures["undos"] == figures["redos"] > SEQUENCES
    assert figures["with something skipped"] > 0

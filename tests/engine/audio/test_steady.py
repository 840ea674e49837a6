"""Sounds that hold still: their sum by tables against the sines themselves."""

from __future__ import annotations

import numpy as np
import pytest

from app.engine.audio.steady import Choir, Line, Member

RATE = 48000


def lines(count: int) -> list[Line]:
    rng = np.random.default_rng(3)
    return [
        Line(rng.uniform(30.0, 18000.0, 3), rng.uniform(-0.1, 0.1, 3), rng.uniform(0.0, 1.0, 3), (rng.uniform(), rng.uniform()))
        for _ in range(count)
    ]


@pytest.mark.parametrize(("first", "last"), [(0, 48000), (28_799_999, 28_800_700), (12345, 12346)])
def test_the_choir_is_the_sum_of_its_sines(first: int, last: int) -> None:
    """After ten minutes too: sum of level gain a sin(2 pi (f (t - start) + c)), to the last bits of single precision."""
    members = [Member(line, 7 * place, 1.0 / (1 + place)) for place, line in enumerate(lines(30))]
    times, expected = np.arange(first, last), np.zeros((2, last - first))
    for one in members:
        turns = np.outer(one.line.hz, (times - one.start) / RATE) + one.line.cycles[:, None]
        wave = one.level * (one.line.amplitude[:, None] * np.sin(2 * np.pi * (turns % 1.0))).sum(axis=0)
        expected += np.outer(one.line.gains, wave)
    found = Choir(members, RATE, last - first).span(first, last)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-6


def test_a_line_alone_is_what_it_is_in_the_choir() -> None:
    for line in lines(5):
        alone = np.outer(line.gains, line.alone(999, 5999, RATE))
        together = Choir([Member(line, 0, 1.0)], RATE, 5000).span(999, 5999)
        assert np.abs(alone - together).max() < 1e-6


def test_a_choir_knows_its_members() -> None:
    one, other = (Member(line, 0, 0.7) for line in lines(2))
    choir = Choir([one, other], RATE, 100)
    assert choir.sings([one, other])
    assert not choir.sings([one])
    assert not choir.sings([one, Member(other.line, 0, 0.6)])

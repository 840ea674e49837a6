"""Where a scene is at a server time, as stretches, against the position that the playback's state gives."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from app.collaboration.live_course import Course
from app.collaboration.playback import position_at

MOMENT = 1_790_000_000_000


def state(seq: int = 1, **given: Any) -> dict[str, Any]:
    """A state of the playback, playing from the beginning."""
    plain = {"seq": seq, "playing": True, "position_s": 0.0, "rate": 1.0, "loop": None, "scene_id": None, "anchor_ms": MOMENT}
    return {**plain, **given}


def course(*states: dict[str, Any], duration_s: float = 2.0, repeats: bool = False) -> Course:
    """The course of a scene through some states."""
    found = Course("scene", duration_s, repeats)
    for one in states:
        found.follow(one)
    return found


def test_a_scene_stands_until_it_starts_and_at_its_end() -> None:
    legs = list(course(state()).legs(MOMENT - 100, MOMENT + 2500))
    assert [(leg.begin_s, leg.end_s, leg.moving) for leg in legs] == [(0.0, 0.0, False), (0.0, 2.0, True), (2.0, 2.0, False)]
    assert [leg.from_ms for leg in legs] == [MOMENT - 100, MOMENT, MOMENT + 2000]


def test_a_scene_that_repeats_begins_again_exactly() -> None:
    legs = list(course(state(rate=2.0), repeats=True).legs(MOMENT, MOMENT + 2500))
    assert [(leg.begin_s, leg.end_s) for leg in legs] == [(0.0, 2.0), (0.0, 2.0), (0.0, 1.0)]
    assert len({leg.part for leg in legs}) == 3


def test_a_loop_goes_from_its_end_to_its_start() -> None:
    legs = list(course(state(position_s=0.5, loop={"start_s": 0.4, "end_s": 1.1})).legs(MOMENT, MOMENT + 1500))
    assert [(leg.begin_s, leg.end_s) for leg in legs] == [(0.5, 1.1), (0.4, 1.1), (0.4, pytest.approx(0.6))]


def test_a_command_takes_effect_at_its_anchor_and_what_was_before_goes_on_until_then() -> None:
    both = course(state(), state(2, position_s=1.5, anchor_ms=MOMENT + 250))
    legs = list(both.legs(MOMENT, MOMENT + 500))
    assert [(leg.begin_s, leg.end_s) for leg in legs] == [(0.0, 0.25), (1.5, 1.75)]
    assert both.follow(state(2, position_s=1.5, anchor_ms=MOMENT + 250)) is False


def test_another_scene_s_playback_is_none_of_this_one_s() -> None:
    assert list(course(state(scene_id="other")).legs(MOMENT, MOMENT + 100)) == []
    assert course(state(scene_id="scene")).leg(MOMENT) is not None


@pytest.mark.parametrize("seed", range(60))
def test_stretches_follow_each_other_without_gaps_and_agree_with_the_position(seed: int) -> None:
    draw = random.Random(seed)
    start, length = draw.uniform(0, 3), draw.uniform(0.01, 2)
    loop = {"start_s": start, "end_s": start + length} if draw.random() < 0.6 else None
    first = draw.uniform(0, loop["end_s"] - 1e-3 if loop else 3)
    one = state(position_s=first, rate=draw.choice([0.1, 1.0, draw.uniform(0.1, 10)]), loop=loop)
    duration, repeats = draw.uniform(0.5, 4), draw.random() < 0.5
    legs = list(course(one, duration_s=duration, repeats=repeats).legs(MOMENT - 50, MOMENT + 3000))
    assert (legs[0].from_ms, legs[-1].to_ms) == (MOMENT - 50, MOMENT + 3000)
    assert all(a.to_ms == b.from_ms for a, b in itertools.pairwise(legs))
    for leg in legs:
        assert leg.from_ms < leg.to_ms
        middle = (leg.from_ms + leg.to_ms) / 2
        position = position_at(one, middle)
        expected = position % duration if repeats else min(position, duration)
        assert leg.place(middle) == pytest.approx(expected, abs=1e-4)
        assert 0.0 <= leg.begin_s <= leg.end_s + 1e-9 <= duration + 1e-5
    for a, b in itertools.pairwise(legs):
        assert a.part != b.part or a.end_s == pytest.approx(b.begin_s)

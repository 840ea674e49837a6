"""Order keys: between any two there is another, and they sort as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.changes.order import LONGEST, between, spread


@given(st.lists(st.integers(min_value=0, max_value=10_000), min_size=1, max_size=60))
def test_keys_put_anywhere_in_a_list_keep_its_order(places: list[int]) -> None:
    keys: list[str] = []
    for place in places:
        index = place % (len(keys) + 1)
        low = keys[index - 1] if index else None
        high = keys[index] if index < len(keys) else None
        keys.insert(index, between(low, high))
    assert keys == sorted(set(keys))


@given(st.integers(min_value=0, max_value=2000))
def test_spread_keys_are_different_and_in_order(count: int) -> None:
    keys = list(spread(count))
    assert len(keys) == count
    assert keys == sorted(set(keys))
    assert all(len(key) <= 6 for key in keys)


def test_there_is_room_before_the_first_and_after_the_last_of_spread_keys() -> None:
    keys = list(spread(50))
    assert between(None, keys[0]) < keys[0]
    assert keys[-1] < between(keys[-1], None)


def test_a_thousand_entities_added_at_the_end_keep_short_keys() -> None:
    keys = [between(None, None)]
    for _ in range(1000):
        keys.append(between(keys[-1], None))
    assert keys == sorted(set(keys))
    assert max(map(len, keys)) <= 6  # only a list cut at one place again and again needs long keys


def test_only_cutting_one_place_a_hundred_times_makes_a_key_longer_than_the_limit() -> None:
    low, high = "i", "j"
    lengths = [len(high := between(low, high)) for _ in range(1000)]
    assert low < high
    assert max(lengths[:100]) <= LONGEST < lengths[-1]


def test_no_key_lies_between_a_key_and_one_before_it() -> None:
    with pytest.raises(ValueError, match="is not before"):
        between("b", "a")

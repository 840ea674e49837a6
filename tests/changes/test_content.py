"""Documents: what differs between two of them leads from either to the other."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.changes.content import difference, merge, put


class Model:
    """A document's shape: a vector, an atomic size, a custom object whose keys come and go, an object merged by key."""

    ATOMIC = frozenset({"size", "harmony.tuning"})
    OPEN = frozenset({"custom"})


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5)
values = st.none() | st.booleans() | numbers | st.text(max_size=4)
trees = st.recursive(
    values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3), max_leaves=6
)
vectors = st.fixed_dictionaries({"x": numbers, "y": numbers, "z": numbers})
documents = st.fixed_dictionaries(
    {
        "name": st.text(max_size=4),
        "gravity": vectors,
        "mass": st.none() | numbers,
        "size": trees,
        "orbit": st.none() | st.fixed_dictionaries({"period": st.none() | numbers, "epoch": st.none() | st.text(max_size=2)}),
        "harmony": st.fixed_dictionaries(
            {"key": st.sampled_from("ABC"), "tuning": trees, "range": st.fixed_dictionaries({"low": numbers})}
        ),
        "custom": st.dictionaries(st.sampled_from("pqrs"), trees.filter(lambda value: value is not None), max_size=3),
    }
)


@given(documents, documents)
def test_what_differs_leads_from_before_to_after_and_back(before: dict[str, Any], after: dict[str, Any]) -> None:
    old, new = difference(before, after, Model)
    assert put(before, new, Model) == after
    assert put(after, old, Model) == before
    assert old.keys() == new.keys()


@given(documents)
def test_nothing_differs_between_a_document_and_itself(document: dict[str, Any]) -> None:
    assert difference(document, document, Model) == ({}, {})


@given(documents, documents)
def test_a_document_merged_whole_is_put_in_place_but_for_open_keys_that_stay(before: dict[str, Any], after: dict[str, Any]) -> None:
    merged = merge(before, after, Model)
    assert merged == {**after, "custom": {**before["custom"], **after["custom"]}}


@given(documents, documents)
def test_neither_difference_nor_merge_nor_put_changes_what_it_is_given(before: dict[str, Any], after: dict[str, Any]) -> None:
    kept = repr(before), repr(after)
    old, new = difference(before, after, Model)
    merge(before, after, Model)
    put(put(before, new, Model), old, Model)
    assert (repr(before), repr(after)) == kept


def test_a_vector_is_merged_by_component() -> None:
    before = {"gravity": {"x": 0.0, "y": -9.8, "z": 0.0}}
    after = merge(before, {"gravity": {"y": -1.62}}, Model)
    assert difference(before, after, Model) == ({"gravity.y": -9.8}, {"gravity.y": -1.62})


def test_an_atomic_object_is_one_property() -> None:
    before = {"size": {"width": 1.0, "height": 2.0}}
    after = merge(before, {"size": {"radius": 3.0}}, Model)
    assert difference(before, after, Model) == ({"size": {"width": 1.0, "height": 2.0}}, {"size": {"radius": 3.0}})


def test_null_takes_a_key_out_of_an_open_object_alone() -> None:
    before = {"custom": {"p": 1.0, "q": 2.0}, "mass": 5.0}
    after = merge(before, {"custom": {"p": None}, "mass": None}, Model)
    assert after == {"custom": {"q": 2.0}, "mass": None}
    assert difference(before, after, Model) == ({"custom.p": 1.0, "mass": 5.0}, {"custom.p": None, "mass": None})

"""What must be done to turn one list into another."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.utils import _compute_changes
from lk_agents.utils.changes import ListChanges

LISTS = st.lists(st.sampled_from("abcdefgh"), unique=True)


def changes(old: str, new: str) -> ListChanges[str]:
    return _compute_changes(list(old), list(new), str)


@pytest.mark.parametrize(
    ("old", "new", "deleted", "added"),
    [
        ("", "", "", []),
        ("abc", "abc", "", []),
        ("abc", "", "abc", []),
        ("", "ab", "", [(None, "a"), ("a", "b")]),
        ("abc", "abcd", "", [("c", "d")]),
        ("abc", "axbc", "", [("a", "x")]),
        ("abc", "axybc", "", [("a", "x"), ("x", "y")]),
        ("abc", "ac", "b", []),
        ("abc", "bc", "a", []),
        ("abcd", "acbd", "c", [("a", "c")]),
        ("abc", "xabc", "abc", [(None, "x"), ("x", "a"), ("a", "b"), ("b", "c")]),
        ("abc", "cab", "ab", [("c", "a"), ("a", "b")]),
    ],
)
def test_changes_are_the_fewest_that_insert_only_after_something(
    old: str, new: str, deleted: str, added: list[tuple[str | None, str]]
) -> None:
    found = changes(old, new)

    assert len(found.to_delete) == len(deleted)
    if old != "abcd":  # of two items that change places either may stay
        assert (found.to_delete, found.to_add) == (list(deleted), added)


@given(old=LISTS, new=LISTS)
def test_applying_the_changes_gives_the_new_list(old: list[str], new: list[str]) -> None:
    found = _compute_changes(old, new, str)

    result = [item for item in old if item not in found.to_delete]
    for previous, item in found.to_add:
        if previous is None:
            assert result == [], "without a predecessor there must be nothing yet"
            result.append(item)
        else:
            result.insert(result.index(previous) + 1, item)
    assert result == new


@given(old=LISTS, new=LISTS)
def test_no_fewer_changes_would_do(old: list[str], new: list[str]) -> None:
    kept = len(old) - len(_compute_changes(old, new, str).to_delete)

    common = [item for item in new if item in old]
    best = 0
    if new and new[0] in old:
        best = max(
            size
            for size in range(1, len(common) + 1)
            for chosen in combinations(common, size)
            if chosen[0] == new[0] and list(chosen) == [item for item in old if item in chosen]
        )
    assert kept == best


def test_items_are_compared_by_their_key_and_the_old_ones_stay() -> None:
    old, new = [{"id": "a", "v": 1}], [{"id": "a", "v": 2}, {"id": "b", "v": 3}]
    found = _compute_changes(old, new, lambda item: str(item["id"]))

    assert found == ListChanges([], [(old[0], new[1])])


@pytest.mark.parametrize(("old", "new"), [("aa", "a"), ("a", "aa")])
def test_two_items_with_one_key_are_an_error(old: str, new: str) -> None:
    with pytest.raises(ValueError, match="'a'"):
        changes(old, new)

"""What must be done to turn one list into another."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["ListChanges", "_compute_changes"]

T = TypeVar("T")


@dataclass(frozen=True)
class ListChanges(Generic[T]):
    """Deletions, then insertions, each in order.

    :param to_delete: what to delete from the old list.
    :param to_add: what to insert, each with the item after which it comes; None only where the list is empty then.
    """

    to_delete: list[T]
    to_add: list[tuple[T | None, T]]


def _compute_changes(old_list: Sequence[T], new_list: Sequence[T], key_fnc: Callable[[T], Hashable]) -> ListChanges[T]:
    """Return the fewest changes that turn ``old_list`` into ``new_list``.

    Nothing can be inserted before the first item of a list, only after an item, or into an empty list: a conversation
    on a provider's server is changed that way. So where the first item of the new list is a new one, all of the old
    list is deleted. An item that changes its place among those that stay is deleted and inserted again.

    :param key_fnc: gives what tells an item from the others of its list.
    :raises ValueError: two items of one list have the same key.
    """
    old_places = _places(old_list, key_fnc, "old_list")
    _places(new_list, key_fnc, "new_list")
    staying = _staying([old_places.get(key_fnc(item)) for item in new_list])
    kept = set(staying.values())
    added: list[tuple[T | None, T]] = []
    previous: T | None = None
    for place, item in enumerate(new_list):
        if place in staying:
            previous = old_list[staying[place]]
        else:
            added.append((previous, item))
            previous = item
    return ListChanges([item for place, item in enumerate(old_list) if place not in kept], added)


def _places(items: Sequence[T], key_fnc: Callable[[T], Hashable], name: str) -> dict[Hashable, int]:
    places: dict[Hashable, int] = {}
    for place, item in enumerate(items):
        key = key_fnc(item)
        if key in places:
            raise ValueError(f"{name} has two items with the key {key!r}; each needs one of its own")
        places[key] = place
    return places


def _staying(old_places: Sequence[int | None]) -> dict[int, int]:
    """Return which items of the new list stay, with their place in the old one: as many as keep their order.

    :param old_places: for each item of the new list its place in the old one, None for a new item.
    """
    if not old_places or (first := old_places[0]) is None:
        return {}
    # The longest rising run that begins with the first item; ends[n] is where the best run of n + 1 items ends.
    ends: list[int] = []
    heights: list[int] = []
    before: dict[int, int | None] = {}
    for place, old_place in enumerate(old_places):
        if old_place is None or old_place < first:
            continue
        length = bisect_left(heights, old_place)
        before[place] = ends[length - 1] if length else None
        ends[length : length + 1] = [place]
        heights[length : length + 1] = [old_place]
    staying: dict[int, int] = {}
    at: int | None = ends[-1]
    while at is not None:
        old_place = old_places[at]
        assert old_place is not None
        staying[at] = old_place
        at = before[at]
    return staying

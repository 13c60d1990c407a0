"""How one conversation becomes another one: what is deleted, and what is put in, where. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lk_agents.foundation.errors import ConfigError

__all__ = ["Changes", "changes_between"]


class Changes(NamedTuple):
    """The ids that are deleted first, then those that are inserted, each behind another one; None for the beginning."""

    deleted: list[str]
    inserted: list[tuple[str | None, str]]


def changes_between(old: Sequence[str], new: Sequence[str]) -> Changes:
    """Return the least that leads from the ids ``old`` to ``new``, where nothing can be put before the first one.

    :raises ConfigError: an id comes twice in ``new``.
    """
    if len(set(new)) < len(new):
        twice = next(each for each in new if new.count(each) > 1)
        raise ConfigError(f"two messages of the conversation have the id {twice!r}; give each its own")
    if not new or new[0] not in old:
        return Changes(list(old), _behind_each_other(new, kept=set()))
    rest = old[old.index(new[0]) :]
    same = next((number for number, (one, other) in enumerate(zip(rest, new, strict=False)) if one != other), len(rest))
    place = {each: number for number, each in enumerate(new)}
    candidates = [each for each in rest[same:] if each in place]
    kept = {*rest[:same], *_longest_in_order(candidates, place)} & place.keys()
    return Changes([each for each in old if each not in kept], _behind_each_other(new, kept=kept))


def _behind_each_other(new: Sequence[str], *, kept: set[str]) -> list[tuple[str | None, str]]:
    before: list[str | None] = [None, *new]
    return [(behind, each) for behind, each in zip(before, new, strict=False) if each not in kept]


def _longest_in_order(candidates: Sequence[str], place: dict[str, int]) -> list[str]:
    """Return as many as possible of which each stands behind the one before it; of several choices, the first."""
    chains: list[list[str]] = []
    for each in candidates:
        fitting = [chain for chain in chains if place[chain[-1]] < place[each]]
        chains.append([*max(fitting, key=len, default=[]), each])
    return max(chains, key=len, default=[])

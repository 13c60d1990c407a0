"""Ids and chance have one source, which a test can repeat."""

import re

from hypothesis import given
from hypothesis import strategies as st

from lk_agents.foundation import ids


def test_ids_are_a_prefix_and_twelve_digits_and_differ() -> None:
    made = [ids.short_id("AJ_") for _ in range(200)]

    assert len(set(made)) == 200
    assert all(re.fullmatch(r"AJ_[0-9a-f]{12}", one) for one in made)


def test_the_same_seed_gives_the_same_ids_and_another_one_others() -> None:
    def first(seed: int) -> tuple[str, float]:
        with ids.use_chance(seed):
            return ids.short_id(), ids.jitter(1.0)

    assert first(1) == first(1)
    assert first(1) != first(2)
    assert ids.short_id() != ids.short_id()


@given(st.floats(min_value=0, max_value=1e6), st.floats(min_value=0, max_value=1))
def test_jitter_stays_within_its_share(seconds: float, share: float) -> None:
    moved = ids.jitter(seconds, share=share)

    assert seconds * (1 - share) - 1e-6 <= moved <= seconds * (1 + share) + 1e-6


def test_system_chance_fills_its_range() -> None:
    chance = ids._SystemChance()

    assert all(0 <= chance.random() < 1 for _ in range(100))
    assert {chance.getrandbits(3) for _ in range(500)} == set(range(8))
    assert chance.getrandbits(0) == 0

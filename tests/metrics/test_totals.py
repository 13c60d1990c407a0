"""Sums and histograms: they add up, whatever process they come from, and stay few."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lk_agents.metrics.catalog import CATALOG
from lk_agents.metrics.totals import OTHER, SERIES_BOUND, Totals, labels_of

STT = "lk_agents_stt_duration_seconds\tacme\tm"
BOUNDS = CATALOG["lk_agents_stt_duration_seconds"].bounds


def test_counts_add_up() -> None:
    totals = Totals()
    totals.count("turns", "spoken")
    totals.count("turns", "spoken", by=2.5)
    totals.count("turns", "failed")

    assert totals.copy()[0] == {"lk_agents_turns_total\tspoken": 3.5, "lk_agents_turns_total\tfailed": 1.0}


def test_a_counter_never_goes_back() -> None:
    totals = Totals()
    totals.count("turns", "spoken")
    totals.count("turns", "spoken", by=-5)

    assert totals.copy()[0] == {"lk_agents_turns_total\tspoken": 1.0}


def test_a_histogram_has_its_sum_and_a_figure_in_the_bucket_of_each_value() -> None:
    totals = Totals()
    for seconds in (BOUNDS[0], BOUNDS[1], BOUNDS[-1] + 1):
        totals.observe("stt_duration", seconds, "acme", "m")

    spread = totals.copy()[1][STT]
    assert spread[0] == BOUNDS[0] + BOUNDS[1] + BOUNDS[-1] + 1
    assert spread[1:3] == [1, 1]
    assert spread[-1] == 1
    assert sum(spread[1:]) == 3


def test_what_was_done_ahead_took_no_time() -> None:
    totals = Totals()
    totals.observe("turn_llm_requested", -0.3)

    (spread,) = totals.copy()[1].values()
    assert (spread[0], spread[1]) == (0.0, 1)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.floats(0, 100)), max_size=30), st.integers(0, 30))
def test_what_is_told_in_parts_adds_up_to_the_whole(values: list[tuple[str, float]], cut: int) -> None:
    whole, parts, child = Totals(), Totals(), Totals()
    for number, (provider, seconds) in enumerate(values):
        if number == cut:
            parts.add(*child.take())
        for totals in (whole, child):
            totals.count("tts_characters", provider, "", by=round(seconds))
            totals.observe("tts_ttfb", float(round(seconds)), provider, "")
    parts.add(*child.take())

    assert parts.copy() == whole.copy()


def test_taking_begins_again_at_nothing() -> None:
    totals = Totals()
    totals.count("turns", "spoken")
    totals.take()

    assert totals.take() == ({}, {})


def test_what_no_catalog_knows_is_left_out() -> None:
    totals = Totals()
    totals.add(
        {"lk_agents_nothing_total": 1.0, "lk_agents_turns_total": 1.0, "lk_agents_turns_total\tspoken": -1.0, STT: 1.0},
        {"lk_agents_turns_total\tspoken": [1.0], STT: [1.0, 2.0], f"{STT}\tmore": [0.0] * (len(BOUNDS) + 2)},
    )

    assert totals.copy() == ({}, {})


def test_a_histogram_with_a_figure_below_nothing_is_left_out() -> None:
    totals = Totals()
    totals.add({}, {STT: [1.0, -1.0, *([0.0] * len(BOUNDS))]})

    assert totals.copy() == ({}, {})


def test_beyond_the_bound_there_is_only_other() -> None:
    totals = Totals()
    for number in range(SERIES_BOUND + 50):
        totals.count("dead_air_alarms", f"stage {number}")

    counts = totals.copy()[0]
    assert len(counts) == SERIES_BOUND + 1
    assert counts[f"lk_agents_dead_air_alarms_total\t{OTHER}"] == 50


def test_the_bound_does_not_count_the_same_labels_twice() -> None:
    totals = Totals()
    for _ in range(SERIES_BOUND + 50):
        totals.count("dead_air_alarms", "playout")
        totals.take()
    totals.count("dead_air_alarms", "playout")

    assert list(totals.copy()[0]) == ["lk_agents_dead_air_alarms_total\tplayout"]


def test_a_label_may_hold_anything_and_is_kept_short() -> None:
    totals = Totals()
    totals.count("dead_air_alarms", "a\tb\nc " + "x" * 500)

    (key,) = totals.copy()[0]
    name, (label,) = labels_of(key)
    assert name == "lk_agents_dead_air_alarms_total"
    assert label.startswith("a b c x")
    assert len(label) == 80

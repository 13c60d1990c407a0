"""What can be set for Flux, whether it fits together, and how it is spelt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents_deepgram import FluxOptions
from lk_agents_deepgram.flux_options import FluxExtras, configured
from lk_agents_deepgram.plugin import FLUX_EXTRAS

DEFAULT = [
    ("model", "flux-general-en"),
    ("encoding", "linear16"),
    ("sample_rate", "16000"),
    ("eot_threshold", "0.7"),
    ("eot_timeout_ms", "3000"),
]
MULTI = "flux-general-multi"


def test_by_default_a_connection_asks_for_these_values() -> None:
    assert FluxOptions().query() == DEFAULT


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"model": "flux-next-en"}, [("model", "flux-next-en")]),
        ({"sample_rate": 8000}, [("sample_rate", "8000")]),
        ({"eot_threshold": 0.85}, [("eot_threshold", "0.85")]),
        ({"eot_threshold": 1.0}, [("eot_threshold", "1")]),
        ({"eager_eot_threshold": 0.4}, [("eager_eot_threshold", "0.4")]),
        ({"eot_timeout_ms": 5000}, [("eot_timeout_ms", "5000")]),
        ({"keyterm": "Ada L"}, [("keyterm", "Ada L")]),
        ({"keyterm": ["Ada", "Bob"]}, [("keyterm", "Ada"), ("keyterm", "Bob")]),
        ({"tags": ["a", "b"]}, [("tag", "a"), ("tag", "b")]),
        ({"model": MULTI, "language_hint": "es"}, [("language_hint", "es")]),
        ({"model": MULTI, "language_hint": ["en", "es"]}, [("language_hint", "en"), ("language_hint", "es")]),
        ({"mip_opt_out": True}, [("mip_opt_out", "true")]),
        ({"numerals": True}, [("numerals", "true")]),
        ({"profanity_filter": True}, [("profanity_filter", "true")]),
    ],
    ids=str,
)
def test_each_option_is_spelt_as_deepgram_wants_it(options: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    query = FluxOptions().changed(**options).query()
    names = {name for name, _ in expected} | ({"model"} if "model" in options else set())

    assert set(expected) <= set(query)
    assert [pair for pair in query if pair[0] not in names] == [pair for pair in DEFAULT if pair[0] not in names]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"model": ""}, "model is empty"),
        ({"sample_rate": 0}, "sample_rate is 0 Hz"),
        ({"eot_threshold": 0.4}, "eot_threshold is 0.4; it must be from 0.5 to 1"),
        ({"eot_threshold": 1.1}, "eot_threshold is 1.1"),
        ({"eager_eot_threshold": 0.2}, "eager_eot_threshold is 0.2; it must be from 0.3 to 0.9"),
        ({"eager_eot_threshold": 0.8}, r"above eot_threshold \(0.7\)"),
        ({"eot_timeout_ms": 499}, "eot_timeout_ms is 499; it must be from 500 to 60000"),
        ({"eot_timeout_ms": 60_001}, "eot_timeout_ms is 60001"),
        ({"language_hint": "es"}, "'es' is named, but the model 'flux-general-en' knows English only"),
        ({"tags": ["x" * 129]}, "1 to 128 characters"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_with_the_remedy(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        FluxOptions().changed(**options)


def test_none_leaves_an_option_and_an_empty_list_empties_it() -> None:
    options = FluxOptions().changed(keyterm=["Ada"], eager_eot_threshold=0.4)

    assert options.changed(keyterm=None, eager_eot_threshold=None) == options
    assert options.changed(keyterm=[], eager_eot_threshold=0) == FluxOptions()


@pytest.mark.parametrize(
    ("options", "language", "expected"),
    [
        ({}, None, "en"),
        ({}, "en-US", "en"),
        ({"model": MULTI}, None, "multi"),
        ({"model": MULTI}, "fr", "fr"),
        ({"model": MULTI, "language_hint": ["fr", "es"]}, None, "multi"),
        ({"model": MULTI, "language_hint": ["fr", "es"]}, "es", "es"),
    ],
)
def test_what_is_spoken_may_be_said_for_one_stream(options: dict[str, Any], language: str, expected: str) -> None:
    assert FluxOptions().changed(**options).speaking(language).language == expected


def test_a_language_that_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="use 'flux-general-multi'"):
        FluxOptions().speaking("de")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"eot_threshold": 0.8}, {"thresholds": {"eot_threshold": 0.8}}),
        (
            {"eager_eot_threshold": 0.5, "eot_timeout_ms": 900},
            {"thresholds": {"eager_eot_threshold": 0.5, "eot_timeout_ms": 900}},
        ),
        ({"keyterm": ["Ada"]}, {"keyterms": ["Ada"]}),
        ({"keyterm": []}, {"keyterms": []}),
        ({"language_hint": ["es"]}, {"language_hints": ["es"]}),
        ({"numerals": True}, {"numerals": True}),
    ],
    ids=str,
)
def test_what_flux_can_change_on_the_way_is_a_message(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    before = FluxOptions(model=MULTI, keyterm=("Bob",), eager_eot_threshold=0.4)
    message = configured(before, before.changed(**changes))

    assert message is not None
    assert json.loads(message) == {"type": "Configure", **expected}


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "flux-next-en"},
        {"sample_rate": 8000},
        {"tags": ["a"]},
        {"mip_opt_out": True},
        {"eager_eot_threshold": 0},
        {"profanity_filter": True, "eot_threshold": 0.8},
    ],
    ids=str,
)
def test_everything_else_needs_another_connection(changes: dict[str, Any]) -> None:
    before = FluxOptions(eager_eot_threshold=0.4)

    assert configured(before, before.changed(**changes)) is None


def test_the_options_named_for_looking_up_are_the_extra_ones() -> None:
    assert sorted(FluxExtras.__annotations__) == sorted(FLUX_EXTRAS)

"""What can be set, whether it fits together, and how it is spelt in a query."""

from __future__ import annotations

from typing import Any

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents_deepgram import STTOptions
from lk_agents_deepgram.options import ENGLISH_ONLY_MODELS, http_url, websocket_url
from lk_agents_deepgram.plugin import EXTRA_OPTIONS

DEFAULT_LIVE = {
    "model": ["nova-2-general"],
    "punctuate": ["true"],
    "smart_format": ["true"],
    "no_delay": ["true"],
    "interim_results": ["true"],
    "encoding": ["linear16"],
    "vad_events": ["true"],
    "sample_rate": ["16000"],
    "channels": ["1"],
    "endpointing": ["25"],
    "filler_words": ["true"],
    "profanity_filter": ["false"],
    "numerals": ["false"],
    "mip_opt_out": ["false"],
    "language": ["en-US"],
}


def collected(query: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in query:
        found.setdefault(name, []).append(value)
    return found


def live(**options: Any) -> dict[str, list[str]]:
    return collected(STTOptions().changed(**options).live_query())


def test_by_default_a_live_query_has_these_values() -> None:
    assert live() == DEFAULT_LIVE


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"model": "nova-3"}, {"model": ["nova-3"]}),
        ({"language": "de"}, {"language": ["de"]}),
        ({"interim_results": False}, {"interim_results": ["false"]}),
        ({"punctuate": False}, {"punctuate": ["false"]}),
        ({"smart_format": False}, {"smart_format": ["false"]}),
        ({"sample_rate": 8000}, {"sample_rate": ["8000"]}),
        ({"no_delay": False}, {"no_delay": ["false"]}),
        ({"endpointing_ms": 0}, {"endpointing": ["false"]}),
        ({"endpointing_ms": 300}, {"endpointing": ["300"]}),
        ({"filler_words": False}, {"filler_words": ["false"]}),
        ({"keywords": [("Ada", 1.5), ("Bob", 2)]}, {"keywords": ["Ada:1.5", "Bob:2"]}),
        ({"model": "nova-3", "keyterms": ["Ada L", "Bob"]}, {"model": ["nova-3"], "keyterm": ["Ada L", "Bob"]}),
        ({"profanity_filter": True}, {"profanity_filter": ["true"]}),
        ({"numerals": True}, {"numerals": ["true"]}),
        ({"mip_opt_out": True}, {"mip_opt_out": ["true"]}),
        ({"enable_diarization": True}, {"diarize": ["true"]}),
        ({"tags": ["a", "b"]}, {"tag": ["a", "b"]}),
        ({"redact": ["pci", "ssn"]}, {"redact": ["pci", "ssn"]}),
        ({"utterance_end_ms": 1000}, {"utterance_end_ms": ["1000"]}),
        ({"vad_events": False}, {"vad_events": ["false"]}),
        ({"dictation": True}, {"dictation": ["true"]}),
        ({"replace": [("a", "b"), ("c", "d")]}, {"replace": ["a:b", "c:d"]}),
        ({"search": ["one two"]}, {"search": ["one two"]}),
    ],
    ids=str,
)
def test_each_option_is_spelt_as_deepgram_wants_it(options: dict[str, Any], expected: dict[str, list[str]]) -> None:
    assert live(**options) == DEFAULT_LIVE | expected


def test_a_recording_is_asked_for_with_these_values() -> None:
    assert collected(STTOptions().recording_query()) == {
        "model": ["nova-2-general"],
        "punctuate": ["true"],
        "detect_language": ["false"],
        "smart_format": ["true"],
        "filler_words": ["true"],
        "profanity_filter": ["false"],
        "numerals": ["false"],
        "language": ["en-US"],
    }


def test_where_the_language_is_to_be_detected_none_is_named() -> None:
    query = collected(STTOptions(detect_language=True).recording_query())

    assert query["detect_language"] == ["true"]
    assert "language" not in query


def test_a_recording_is_kept_out_of_the_improvement_program_too() -> None:
    assert collected(STTOptions(mip_opt_out=True).recording_query())["mip_opt_out"] == ["true"]


@pytest.mark.parametrize("language", ["en", "en-US"])
@pytest.mark.parametrize("model", sorted(ENGLISH_ONLY_MODELS))
def test_an_english_model_is_used_for_english(model: str, language: str) -> None:
    assert STTOptions(model=model, language=language).model_in_use == model


@pytest.mark.parametrize("language", ["de", "en-GB", "multi"])
@pytest.mark.parametrize("model", sorted(ENGLISH_ONLY_MODELS))
def test_an_english_model_is_replaced_for_another_language(model: str, language: str) -> None:
    assert STTOptions(model=model, language=language).live_query()[0] == ("model", "nova-2-general")


def test_an_english_model_is_replaced_where_any_language_may_come() -> None:
    assert STTOptions(model="nova-2-meeting", detect_language=True).model_in_use == "nova-2-general"


def test_other_models_are_used_for_every_language() -> None:
    assert STTOptions(model="nova-3-general", language="de").model_in_use == "nova-3-general"


def test_a_replaced_model_comes_back_with_its_language() -> None:
    german = STTOptions(model="nova-2-meeting").changed(language="de")

    assert german.changed(language="en").model_in_use == "nova-2-meeting"


def test_none_leaves_an_option_and_an_empty_list_empties_it() -> None:
    options = STTOptions().changed(keywords=[("Ada", 1.5)], numerals=True)

    assert options.changed(keywords=None, numerals=None) == options
    assert options.changed(keywords=[]).keywords == ()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"model": "nova-3", "keywords": [("Ada", 1.0)]}, "'nova-3' takes none; use keyterms"),
        ({"model": "nova-3-general", "keywords": [("Ada", 1.0)]}, "'nova-3-general' takes none"),
        ({"keyterms": ["Ada"]}, "'nova-2-general' takes none; use keywords"),
        ({"sample_rate": 0}, "sample_rate is 0 Hz"),
        ({"endpointing_ms": -1}, "endpointing_ms is -1"),
        ({"utterance_end_ms": -1}, "utterance_end_ms is -1"),
        ({"utterance_end_ms": 1000, "interim_results": False}, "set interim_results=True"),
        ({"tags": ["x" * 129]}, "1 to 128 characters"),
        ({"tags": [""]}, "1 to 128 characters"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_with_the_remedy(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        STTOptions().changed(**options)


def test_keyterms_are_handed_on_to_models_that_are_not_known() -> None:
    assert live(model="my-own-model", keyterms=["Ada"])["keyterm"] == ["Ada"]


def test_the_options_named_for_looking_up_are_the_extra_ones() -> None:
    from lk_agents_deepgram.options import ExtraOptions

    assert sorted(ExtraOptions.__annotations__) == sorted(EXTRA_OPTIONS)


@pytest.mark.parametrize("given", ["https://api.deepgram.com/v1/listen", "wss://api.deepgram.com/v1/listen"])
def test_the_address_may_be_that_of_a_socket_or_of_a_page(given: str) -> None:
    assert websocket_url(given) == "wss://api.deepgram.com/v1/listen"
    assert http_url(given) == "https://api.deepgram.com/v1/listen"

"""What the plugin offers, and what loading it costs."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest
from importlib_metadata import entry_points

import lk_agents_deepgram
from lk_agents.foundation.errors import ConfigError
from lk_agents.hooks.lookup import create_by_name
from lk_agents.hooks.provider_records import Provider, STTProvider, TTSProvider, TurnDetectorProvider
from lk_agents_deepgram import STT, TTS, FluxTurnDetector, SpeechStream, SpeechStreamv2, STTv2, plugin

UPDATABLE = [
    "language",
    "model",
    "interim_results",
    "punctuate",
    "smart_format",
    "sample_rate",
    "no_delay",
    "endpointing_ms",
    "filler_words",
    "keywords",
    "keyterms",
    "profanity_filter",
    "numerals",
    "mip_opt_out",
]
FLUX_UPDATABLE = [
    "model",
    "eot_threshold",
    "eager_eot_threshold",
    "eot_timeout_ms",
    "keyterm",
    "tags",
    "language_hint",
    "mip_opt_out",
    "numerals",
]
TTS_SURFACE = [
    "model",
    "encoding",
    "sample_rate",
    "api_key",
    "base_url",
    "use_streaming",
    "word_tokenizer",
    "http_session",
]


def keywords_of(function: Any) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]


def loaded_by(code: str) -> list[str]:
    script = f"import sys\n{code}\nprint(*sorted(sys.modules))"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()


def test_the_entry_point_names_the_plugin_module() -> None:
    (found,) = entry_points(group="lk_agents", name="deepgram")

    assert found.load() is plugin


def test_loading_the_plugin_loads_no_client_and_no_module_that_puts_it_in_use() -> None:
    loaded = loaded_by(
        "import lk_agents_deepgram.plugin as p\np.lk_agents_register_plugin()\nlist(p.lk_agents_register_stt())\n"
        "list(p.lk_agents_register_tts())\nlist(p.lk_agents_register_turn_detector())\n"
        "list(p.lk_agents_preload_modules())"
    )

    assert {"aiohttp", "numpy", "livekit", "lk_agents.stt", "lk_agents.streams"} & set(loaded) == set()
    assert [name for name in loaded if name.startswith("lk_agents_deepgram.")] == ["lk_agents_deepgram.plugin"]


@pytest.mark.parametrize("module", ["stt", "flux_stt", "tts", "turn_detector"])
def test_what_it_offers_is_imported_without_client_and_media_library(module: str) -> None:
    assert {"aiohttp", "livekit", "numpy"} & set(loaded_by(f"import lk_agents_deepgram.{module}")) == set()


def test_the_modules_named_for_preloading_can_be_imported_and_open_no_thread() -> None:
    code = (
        "import threading, importlib\nfrom lk_agents_deepgram import plugin\n"
        "[importlib.import_module(name) for name in plugin.lk_agents_preload_modules()]\n"
        "assert len(threading.enumerate()) == 1"
    )

    assert set(plugin.lk_agents_preload_modules()) <= set(loaded_by(code))


def test_every_exported_name_can_be_had() -> None:
    assert [name for name in lk_agents_deepgram.__all__ if not hasattr(lk_agents_deepgram, name)] == []
    assert set(lk_agents_deepgram.__all__) <= set(dir(lk_agents_deepgram))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="SST"):
        lk_agents_deepgram.SST  # noqa: B018


def test_the_plugin_introduces_itself() -> None:
    introduced = plugin.lk_agents_register_plugin()

    assert (introduced.title, introduced.package) == ("Deepgram", "lk_agents_deepgram")
    assert introduced.version == lk_agents_deepgram.__version__
    assert introduced.missing_files() == ()
    assert introduced.logger is not None
    assert introduced.logger.name == "lk_agents_deepgram"


def test_the_recogniser_can_be_had_by_its_name_with_model_and_extra_options() -> None:
    options = {"api_key": "key", "enable_diarization": True}
    stt: Any = create_by_name(STTProvider, "deepgram/nova-3", options=options)

    assert isinstance(stt, STT)
    assert (stt.model, stt.provider, stt.opts.enable_diarization) == ("nova-3", "deepgram", True)
    assert stt.label == "lk_agents_deepgram.stt.STT"


def test_the_recogniser_of_turns_can_be_had_by_its_name() -> None:
    options = {"api_key": "key", "keyterm": "Ada", "language_hint": "es"}
    stt: Any = create_by_name(STTProvider, "deepgram-flux/flux-general-multi", options=options)

    assert isinstance(stt, STTv2)
    assert (stt.model, stt.provider, stt.opts.language_hint) == ("flux-general-multi", "deepgram", ("es",))
    assert stt.label == "lk_agents_deepgram.flux_stt.STTv2"


def test_the_synthesizer_can_be_had_by_its_name() -> None:
    tts: Any = create_by_name(TTSProvider, "deepgram/aura-luna-en", options={"api_key": "key", "speed": 1.2})

    assert isinstance(tts, TTS)
    assert (tts.model, tts.provider, tts.opts.speed) == ("aura-luna-en", "deepgram", 1.2)
    assert tts.label == "lk_agents_deepgram.tts.TTS"


def test_the_turn_detector_can_be_had_by_its_name_for_a_recogniser() -> None:
    detector = create_by_name(TurnDetectorProvider, "deepgram-flux", options={"stt": STTv2(api_key="key")})

    assert isinstance(detector, FluxTurnDetector)
    with pytest.raises(ConfigError, match="stt"):
        create_by_name(TurnDetectorProvider, "deepgram-flux", options={})


@pytest.mark.parametrize(
    ("kind", "name"), [(STTProvider, "deepgram"), (STTProvider, "deepgram-flux"), (TTSProvider, "deepgram")]
)
def test_without_a_key_looking_it_up_says_what_lacks(kind: type[Provider], name: str) -> None:
    with pytest.raises(ConfigError, match="DEEPGRAM_API_KEY"):
        create_by_name(kind, name, options={})


@pytest.mark.parametrize("kind", [STT, STTv2])
def test_without_a_key_making_one_says_what_lacks(kind: type[Any]) -> None:
    with pytest.raises(ConfigError, match="DEEPGRAM_API_KEY"):
        kind()


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        (STT, UPDATABLE),
        (SpeechStream, UPDATABLE),
        (STTv2, FLUX_UPDATABLE),
        (SpeechStreamv2, FLUX_UPDATABLE),
        (TTS, ["model", "sample_rate"]),
    ],
)
def test_these_options_can_be_updated(owner: type[Any], expected: list[str]) -> None:
    assert keywords_of(owner.update_options) == expected


def test_a_synthesizer_is_made_with_these_options() -> None:
    assert keywords_of(TTS) == TTS_SURFACE


@pytest.mark.parametrize("kind", [STT, STTv2])
def test_a_misspelt_option_is_refused(kind: type[Any]) -> None:
    with pytest.raises(TypeError, match="smart_fromat"):
        kind(api_key="key", smart_fromat=True)

"""Providers by name: who is found, what is refused, and what the message says."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lk_agents.foundation.errors import ConfigError, PluginError
from lk_agents.foundation.settings import Settings
from lk_agents.hooks import LLMProvider, STTProvider, TTSProvider
from lk_agents.hooks.current import use_registry
from lk_agents.hooks.lookup import create_by_name, offers
from lk_agents.hooks.provider_records import Provider
from lk_agents.hooks.registry import PluginRegistry

Install = Callable[..., None]

ENGINE = """
    class STT:
        def __init__(self, *, model="base", language="en", api_key=None, _internal=0):
            self.model, self.language, self.api_key = model, language, api_key

        @classmethod
        def load(cls, path):
            return path
"""
PLUGIN = """
    from lk_agents.hooks import STTProvider, hookimpl

    @hookimpl
    def lk_agents_register_stt():
        return [STTProvider("{name}", build="{package}.engine:STT", requires_env={env})]
"""


def _files(package: str, name: str, env: str = "()") -> dict[str, str]:
    plugin = PLUGIN.format(name=name, package=package, env=env)
    return {f"{package}/__init__.py": "", f"{package}/plugin.py": plugin, f"{package}/engine.py": ENGINE}


def _loaded(*names: str) -> PluginRegistry:
    return PluginRegistry.load(Settings(plugins=frozenset(names)))


def _registry(*providers: Provider, hook: str = "lk_agents_register_stt") -> PluginRegistry:
    registry = PluginRegistry(Settings())
    registry.add_own({hook: lambda: providers}, name="mine")
    return registry


def _stt(spec: str, registry: PluginRegistry, **options: Any) -> Any:
    return create_by_name(STTProvider, spec, registry=registry, options=options)


def _build(*, model: str = "base", language: str = "en", api_key: str | None = None) -> dict[str, Any]:
    return {"model": model, "language": language, "api_key": api_key}


def _anything(**options: Any) -> dict[str, Any]:
    return options


ACME = STTProvider("acme", build=_build)


# --- what is built ---------------------------------------------------------------------------------


def test_a_provider_is_built_with_its_options() -> None:
    assert _stt("acme", _registry(ACME), language="de") == {"model": "base", "language": "de", "api_key": None}


def test_what_stands_behind_the_first_slash_is_the_model() -> None:
    assert _stt("acme/org/large-v3", _registry(ACME))["model"] == "org/large-v3"


def test_the_current_registry_is_asked_where_none_is_given() -> None:
    with use_registry(_registry(ACME)):
        assert create_by_name(STTProvider, "acme", options={})["model"] == "base"


def test_one_name_may_be_of_several_kinds() -> None:
    registry = _registry(ACME)
    registry.add_own({"lk_agents_register_tts": lambda: TTSProvider("acme", build=lambda: "voice")}, name="other")

    assert create_by_name(TTSProvider, "acme", registry=registry, options={}) == "voice"
    assert _stt("acme", registry)["model"] == "base"


def test_a_place_is_imported_only_when_its_provider_is_built(install: Install) -> None:
    install("acme-dist", {"acme": "acme_pkg.plugin"}, _files("acme_pkg", "acme"))
    install("other-dist", {"other": "other_pkg.plugin"}, _files("other_pkg", "other"))
    registry = _loaded("acme", "other")

    assert [offer.label for offer in offers(STTProvider, registry)] == [
        "acme (acme-dist 1.0)",
        "other (other-dist 1.0)",
    ]
    assert "acme_pkg.engine" not in sys.modules

    built = _stt("acme/fast", registry, language="de")

    assert (built.model, built.language) == ("fast", "de")
    assert "other_pkg.engine" not in sys.modules


def test_a_place_may_be_inside_of_a_class(install: Install) -> None:
    install("acme-dist", {}, {"acme_pkg.py": ENGINE})

    assert _stt("acme", _registry(STTProvider("acme", build="acme_pkg:STT.load")), path="here") == "here"


def test_each_plugin_is_asked_once() -> None:
    asked: list[str] = []

    def hook(name: str) -> Callable[[], Sequence[Provider]]:
        def function() -> Sequence[Provider]:
            asked.append(name)
            return [STTProvider(name, build=_build)]

        return function

    registry = PluginRegistry(Settings())
    registry.add_own({"lk_agents_register_stt": hook("one")}, name="first")
    _stt("one", registry)
    _stt("one", registry)
    registry.add_own({"lk_agents_register_stt": hook("two")}, name="second")
    _stt("two", registry)

    assert asked == ["one", "two"]


# --- who is refused --------------------------------------------------------------------------------


def test_an_unknown_provider_is_refused_with_the_nearest_name_and_all_names() -> None:
    registry = _registry(ACME, STTProvider("other", build=_build))

    with pytest.raises(PluginError) as caught:
        _stt("Acmee", registry)

    assert str(caught.value) == (
        "there is no STT provider 'Acmee'; installed plugins offer: 'acme', 'other'; did you mean 'acme'?"
    )


def test_where_nothing_is_installed_the_message_says_so() -> None:
    with pytest.raises(PluginError) as caught:
        create_by_name(LLMProvider, "acme", registry=PluginRegistry(Settings()), options={})

    assert str(caught.value) == (
        "there is no LLM provider 'acme'; installed plugins offer: none; install one that does: their names begin with "
        "'lk-agents-', and 'lk-agents plugins' shows what is there"
    )


@pytest.mark.parametrize("spec", ["", "/large", "acme/", None, 3])
def test_a_text_that_names_nothing_is_refused(spec: Any) -> None:
    with pytest.raises(ConfigError, match=r"names no STT provider; .*'provider/model'"):
        _stt(spec, _registry(ACME))


def test_one_name_twice_is_refused_with_both_plugins_and_the_remedy(install: Install) -> None:
    install("one-dist", {"one": "one_pkg.plugin"}, _files("one_pkg", "acme"), version="1.1")
    install("two-dist", {"two": "two_pkg.plugin"}, _files("two_pkg", "acme"), version="2.2")
    install("fine-dist", {"fine": "fine_pkg.plugin"}, _files("fine_pkg", "fine"))
    registry = _loaded("one", "two", "fine")

    with pytest.raises(PluginError) as caught:
        _stt("acme", registry)

    assert str(caught.value) == (
        "the STT provider 'acme' is offered twice, by the plugin one (one-dist 1.1) and by the plugin two "
        "(two-dist 2.2); disable all but one with LK_AGENTS_DISABLED_PLUGINS"
    )
    assert _stt("fine", registry).model == "base"


def test_a_disabled_plugin_leaves_its_name_to_the_other(install: Install) -> None:
    install("one-dist", {"one": "one_pkg.plugin"}, _files("one_pkg", "acme"))
    install("two-dist", {"two": "two_pkg.plugin"}, _files("two_pkg", "acme"))
    registry = PluginRegistry.load(
        Settings(plugins=frozenset({"one", "two"}), disabled_plugins=frozenset({"two-dist"}))
    )

    assert type(_stt("acme", registry)).__module__ == "one_pkg.engine"


def test_a_plugin_that_fails_is_logged_once_and_the_others_work(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise OSError("no disk")

    registry = _registry(ACME)
    registry.add_own({"lk_agents_register_stt": fail}, name="failing")

    with caplog.at_level(logging.ERROR, "lk_agents"):
        assert _stt("acme", registry)["model"] == "base"
        with pytest.raises(PluginError, match="the plugin failing failed in lk_agents_register_stt, see the log"):
            _stt("unknown", registry)

    assert [record.__dict__["plugin"] for record in caplog.records] == ["failing"]


def test_a_record_of_another_kind_is_logged_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    registry = _registry(TTSProvider("voice", build=_build), ACME)

    with caplog.at_level(logging.ERROR, "lk_agents"):
        assert [offer.provider for offer in offers(STTProvider, registry)] == [ACME]

    (record,) = caplog.records
    assert (record.__dict__["wanted"], record.__dict__["given"]) == ("STTProvider", "TTSProvider")


def test_of_a_broken_plugin_of_that_name_the_message_says_what_is_wrong(install: Install) -> None:
    install("acme-dist", {"acme": "acme_mod"}, {"acme_mod.py": "import no_such_module"}, version="3.0")

    with pytest.raises(PluginError, match=r"no STT provider 'acme'.*acme-dist 3\.0.*no_such_module"):
        _stt("acme", _loaded("acme"))


def test_of_a_disabled_plugin_of_that_name_the_message_names_the_setting(install: Install) -> None:
    install("acme-dist", {"acme": "acme_pkg.plugin"}, _files("acme_pkg", "acme"))

    with pytest.raises(PluginError, match=r"LK_AGENTS_PLUGINS keeps the plugin acme \(acme-dist 1\.0\) out"):
        _stt("acme", _loaded("other"))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        ("no_such_package.stt:STT", "ModuleNotFoundError"),
        ("json:NoSuchName", "AttributeError"),
        ("string:digits", "is no function or class"),
    ],
)
def test_a_place_with_nothing_to_call_is_the_plugins_fault(build: str, words: str) -> None:
    with pytest.raises(PluginError, match=words) as caught:
        _stt("acme", _registry(STTProvider("acme", build=build)))

    assert "the plugin mine" in str(caught.value)
    assert repr(build) in str(caught.value)


def test_a_build_that_returns_nothing_is_the_plugins_fault() -> None:
    def forgetful() -> None:
        """Build, and forget to return."""

    with pytest.raises(PluginError, match="'acme' of the plugin mine was built as None"):
        _stt("acme", _registry(STTProvider("acme", build=forgetful)))


def test_what_the_provider_itself_raises_is_not_changed() -> None:
    def fail() -> None:
        raise ZeroDivisionError("of the engine")

    with pytest.raises(ZeroDivisionError, match="of the engine"):
        _stt("acme", _registry(STTProvider("acme", build=fail)))


# --- options ---------------------------------------------------------------------------------------


def test_a_model_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="the model of the STT provider 'acme' is given twice"):
        _stt("acme/large", _registry(ACME), model="large")


def test_a_model_for_a_provider_without_models_is_refused() -> None:
    registry = _registry(STTProvider("acme", build=lambda language="en": language))

    with pytest.raises(ConfigError, match="'acme' has no models to choose from; write 'acme' instead of 'acme/large'"):
        _stt("acme/large", registry)


def test_an_unknown_option_is_refused_with_the_nearest_and_all_options_and_no_value() -> None:
    with pytest.raises(ConfigError) as caught:
        _stt("acme", _registry(ACME), api_kye="hush")

    assert str(caught.value) == (
        "the STT provider 'acme' has no option 'api_kye'; its options are: api_key, language, model; "
        "did you mean 'api_key'?"
    )


def test_private_parameters_are_no_options(install: Install) -> None:
    install("acme-dist", {"acme": "acme_pkg.plugin"}, _files("acme_pkg", "acme"))

    with pytest.raises(ConfigError, match="has no option '_internal'"):
        _stt("acme", _loaded("acme"), _internal=1)


def test_a_lacking_option_is_named() -> None:
    def build(*, voice: str, model: str) -> str:
        return voice + model

    registry = _registry(STTProvider("acme", build=build))

    with pytest.raises(ConfigError, match=r"cannot do without these options: voice, model$"):
        _stt("acme", registry)
    assert _stt("acme/b", registry, voice="a") == "ab"


def test_a_build_that_takes_anything_is_given_everything() -> None:
    assert _stt("acme/large", _registry(STTProvider("acme", build=_anything)), x=1) == {"model": "large", "x": 1}


def test_a_build_that_takes_anything_may_say_what_it_takes() -> None:
    registry = _registry(STTProvider("acme", build=_anything, options=("language", "model")))

    assert _stt("acme/large", registry, language="de") == {"model": "large", "language": "de"}
    with pytest.raises(ConfigError, match="has no option 'voice'; its options are: language, model"):
        _stt("acme", registry, voice="x")


def test_a_build_that_does_not_tell_its_parameters_is_given_everything() -> None:
    assert _stt("acme", _registry(STTProvider("acme", build=dict)), x=1) == {"x": 1}


# --- the environment -------------------------------------------------------------------------------


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("ACME_API_KEY", "ACME_REGION"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


NEEDING = STTProvider("acme", build=_build, requires_env=("ACME_API_KEY", "ACME_REGION"))


def test_lacking_variables_are_named_with_the_options_in_their_place(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ACME_API_KEY", "")

    with pytest.raises(ConfigError) as caught:
        _stt("acme", _registry(NEEDING))

    assert str(caught.value) == (
        "the STT provider 'acme' needs the environment variable ACME_API_KEY or api_key= "
        "and the environment variable ACME_REGION; none is set"
    )


def test_no_value_of_the_environment_is_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ACME_API_KEY", "hush-hush")

    with pytest.raises(ConfigError, match="ACME_REGION") as caught:
        _stt("acme", _registry(NEEDING))
    assert "hush" not in str(caught.value)
    assert "ACME_API_KEY" not in str(caught.value)


def test_variables_that_are_set_are_enough(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ACME_API_KEY", "key")
    environment.setenv("ACME_REGION", "eu")

    assert _stt("acme", _registry(NEEDING))["api_key"] is None


@pytest.mark.usefixtures("environment")
def test_an_option_that_ends_the_variables_name_takes_its_place() -> None:
    registry = _registry(STTProvider("acme", build=_build, requires_env=("ACME_API_KEY",)))

    assert _stt("acme", registry, api_key="mine")["api_key"] == "mine"
    for nothing in (None, ""):
        with pytest.raises(ConfigError, match="needs the environment variable ACME_API_KEY"):
            _stt("acme", registry, api_key=nothing)


@pytest.mark.usefixtures("environment")
def test_a_mapping_says_which_options_take_a_variables_place() -> None:
    provider = STTProvider("acme", build=_anything, requires_env={"ACME_API_KEY": ("api_key", "client")})
    registry = _registry(provider)

    assert _stt("acme", registry, client="C") == {"client": "C"}
    with pytest.raises(ConfigError, match="ACME_API_KEY or api_key= or client=; none is set"):
        _stt("acme", registry)


def test_an_unknown_option_is_told_before_a_lacking_variable() -> None:
    with pytest.raises(ConfigError, match="did you mean 'api_key'"):
        _stt("acme", _registry(NEEDING), api_kye="x")

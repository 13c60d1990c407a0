"""A record that makes no sense is refused where it is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.hooks import (
    Command,
    InferenceRunnerRecord,
    LLMProvider,
    Load,
    Reject,
    ServerInfo,
    STTProvider,
    VADProvider,
)
from lk_agents.hooks.provider_records import PROVIDER_KINDS


async def _later() -> None:
    """What nobody would await."""


WRONG: dict[str, Callable[[Any], object]] = {
    "Reject.reason is ''": lambda _: Reject(""),
    "Load.value is nan": lambda _: Load(float("nan"), "gpu"),
    "Load.value is inf": lambda _: Load(float("inf"), "gpu"),
    "Load.value is -0.1": lambda _: Load(-0.1, "gpu"),
    "Load.value is True": lambda _: Load(True, "gpu"),
    "Load.value is '0.5'": lambda text: Load(text("0.5"), "gpu"),
    "Load.name is ' '": lambda _: Load(0.5, " "),
    "Command.name is 'Warm Up'": lambda _: Command("Warm Up", print),  # type: ignore[arg-type]
    "Command.name is 'warm--up'": lambda _: Command("warm--up", print),  # type: ignore[arg-type]
    "Command.build is 3": lambda value: Command("warm-up", value(3)),
    "ServerInfo.url is 'http://x'": lambda _: ServerInfo("http://x", "key", "secret"),
    "ServerInfo.api_key is ''": lambda _: ServerInfo("ws://x", "", "secret"),
    "ServerInfo.api_secret is empty": lambda _: ServerInfo("ws://x", "key", ""),
    "STTProvider.name is 'Acme'": lambda _: STTProvider("Acme", print),
    "VADProvider.name is ''": lambda _: VADProvider("", print),
    "STTProvider.name is 'a/b'": lambda _: STTProvider("a/b", print),
    "STTProvider.build is 3": lambda value: STTProvider("acme", value(3)),
    "STTProvider.build is 'acme.stt'": lambda _: STTProvider("acme", "acme.stt"),
    "STTProvider.build is a coroutine function": lambda _: STTProvider("acme", _later),
    "LLMProvider.requires_env is 'ACME_API_KEY'": lambda _: LLMProvider("acme", print, requires_env="ACME_API_KEY"),
    "LLMProvider.requires_env holds 'ACME KEY'": lambda _: LLMProvider("acme", print, requires_env=("ACME KEY",)),
    "LLMProvider.requires_env['KEY'] is 'key'": lambda _: LLMProvider("acme", print, requires_env={"KEY": "key"}),
    "LLMProvider.options is None": lambda value: LLMProvider("acme", print, options=value(None)),
    "LLMProvider.options holds 3": lambda value: LLMProvider("acme", print, options=value((3,))),
    "InferenceRunnerRecord.method is ''": lambda _: InferenceRunnerRecord("", dict),
    "InferenceRunnerRecord.build is None": lambda value: InferenceRunnerRecord("turn", value(None)),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_record_is_refused_with_its_value(message: str) -> None:
    def untyped(value: Any) -> Any:
        return value

    with pytest.raises(ConfigError) as caught:
        WRONG[message](untyped)
    assert message in str(caught.value)


def test_a_load_above_one_is_allowed() -> None:
    assert Load(2, "gpu").value == 2


def test_a_servers_secret_is_not_shown() -> None:
    assert "hush" not in repr(ServerInfo("ws://x", "key", "hush"))


@pytest.mark.parametrize("kind", PROVIDER_KINDS)
def test_records_of_providers_with_the_same_fields_are_equal_within_their_kind(kind: type[STTProvider]) -> None:
    record = kind("acme", build="acme:make", help="Acme's.")

    assert record == kind("acme", build="acme:make", help="Acme's.")
    assert [record == other("acme", build="acme:make", help="Acme's.") for other in PROVIDER_KINDS].count(True) == 1

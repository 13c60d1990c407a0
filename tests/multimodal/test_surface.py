"""The names that programs written for the older framework use, with their parameters and defaults."""

from __future__ import annotations

import inspect
import subprocess
import sys
from inspect import Parameter
from typing import Any, get_args

import pytest
from tests.multimodal.calls import Call

from lk_agents import multimodal
from lk_agents.foundation.errors import ConfigError
from lk_agents.multimodal import MultimodalAgent
from lk_agents.realtime import RealtimeCapabilities
from lk_agents.testing.providers import ScriptedRealtime

REQUIRED = Parameter.empty
AGENT = {
    "model": REQUIRED,
    "vad": None,
    "chat_ctx": None,
    "fnc_ctx": None,
    "transcription": None,
    "max_text_response_retries": 5,
    "loop": None,
    "noise_cancellation": None,
}
EVENTS = {
    "user_started_speaking",
    "user_stopped_speaking",
    "agent_started_speaking",
    "agent_stopped_speaking",
    "user_speech_committed",
    "agent_speech_committed",
    "agent_speech_interrupted",
    "function_calls_collected",
    "function_calls_finished",
    "metrics_collected",
}
METHODS: dict[str, dict[str, Any]] = {
    "chat_ctx_copy": {},
    "generate_reply": {"on_duplicate": "cancel_existing"},
    "interrupt": {},
    "set_chat_ctx": {"ctx": REQUIRED},
    "start": {"room": REQUIRED, "participant": None},
    "on": {"event": REQUIRED, "callback": None},
    "once": {"event": REQUIRED, "callback": None},
    "off": {"event": REQUIRED, "callback": REQUIRED},
    "emit": {"event": REQUIRED, "args": REQUIRED},
}


@pytest.mark.parametrize(
    "name", ["AgentTranscriptionOptions", "MultimodalAgent", "_RealtimeAPI", "_RealtimeAPISession"]
)
def test_multimodal_has_the_names(name: str) -> None:
    assert name in multimodal.__all__
    assert getattr(multimodal, name).__name__ == name


@pytest.mark.parametrize("name", multimodal.__all__)
def test_every_name_can_be_had(name: str) -> None:
    assert getattr(multimodal, name) is not None
    assert name in dir(multimodal)


def test_the_agent_takes_the_parameters_with_their_defaults_in_their_order_and_by_name_only() -> None:
    found = inspect.signature(MultimodalAgent).parameters
    named = [one for one in found.values() if one.kind is not Parameter.VAR_KEYWORD]

    assert {one.name: one.default for one in named} == AGENT
    assert [one.name for one in named] == list(AGENT)
    assert {one.kind for one in named} == {Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("method", METHODS)
def test_the_agent_has_the_methods(method: str) -> None:
    found = inspect.signature(getattr(MultimodalAgent, method)).parameters

    assert {name: one.default for name, one in found.items() if name != "self"} == METHODS[method]


@pytest.mark.parametrize("method", ["set_chat_ctx", "aclose"])
def test_these_methods_of_the_agent_are_awaited(method: str) -> None:
    assert inspect.iscoroutinefunction(getattr(MultimodalAgent, method))


@pytest.mark.parametrize("method", ["start", "interrupt", "generate_reply", "chat_ctx_copy"])
def test_these_methods_of_the_agent_are_not_awaited(method: str) -> None:
    assert not inspect.iscoroutinefunction(getattr(MultimodalAgent, method))


@pytest.mark.parametrize("name", ["vad", "fnc_ctx"])
def test_the_agent_has_the_properties_of_which_one_can_be_set(name: str) -> None:
    found = inspect.getattr_static(MultimodalAgent, name)

    assert isinstance(found, property)
    assert (found.fset is not None) == (name == "fnc_ctx")


def test_the_agent_has_the_events() -> None:
    assert set(get_args(multimodal.EventTypes)) >= EVENTS


def test_a_setting_that_does_not_exist_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(TypeError, match="did you mean 'dead_air_timeout'"):
        MultimodalAgent(model=ScriptedRealtime(), dead_air_timout=3)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="max_text_response_retries"):
        MultimodalAgent(model=ScriptedRealtime(), max_text_response_retries=-1)


async def test_before_it_is_started_it_has_no_conversation(lk_clock: object) -> None:
    vad: Any = object()
    agent = MultimodalAgent(model=ScriptedRealtime(), vad=vad)

    assert agent.vad is vad
    assert (agent.fnc_ctx, agent.state, agent.chat_ctx_copy().messages) == (None, "", [])
    agent.interrupt()
    with pytest.raises(RuntimeError, match="not in a conversation"):
        agent.generate_reply()
    with pytest.raises(ConfigError, match="on_duplicate is 'both'"):
        agent.generate_reply("both")  # type: ignore[arg-type]
    await agent.aclose()
    with pytest.raises(RuntimeError, match="the conversation has ended"):
        agent.generate_reply()
    with pytest.raises(RuntimeError, match="started already"):
        agent.start(None)  # type: ignore[arg-type]


def test_an_event_that_does_not_exist_is_refused_with_those_that_do() -> None:
    agent = MultimodalAgent(model=ScriptedRealtime())

    with pytest.raises(ConfigError, match=r"MultimodalAgent has no event 'no_such_event'; it has .*, reconnecting, "):
        agent.on("no_such_event", print)  # type: ignore[call-overload]


class OlderSession:
    """A session with what the older protocol asks for, and no more."""

    playout_complete = None
    fnc_ctx = None
    server_vad_enabled = False

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._init_sync_task = inner._init_sync_task

    def __getattr__(self, name: str) -> Any:
        if name in {"creates_responses", "aclose"}:
            raise AttributeError(name)
        return getattr(self._inner, name)


class OlderModel:
    """A model that is made with nothing of ours."""

    class capabilities:  # noqa: N801  as the protocol names it
        supports_truncate = True
        input_audio_sample_rate = None

    def __init__(self) -> None:
        self.inner = ScriptedRealtime(["Good day."])

    def session(self, *, chat_ctx: Any = None, fnc_ctx: Any = None) -> Any:
        return OlderSession(self.inner.session(chat_ctx=chat_ctx, fnc_ctx=fnc_ctx))


async def test_a_model_that_is_made_for_the_older_protocol_works(lk_clock: object) -> None:
    older: Any = OlderModel()
    call = Call(caller=None)
    call.agent = MultimodalAgent(model=older)
    told: list[str] = []
    call.agent.on("agent_speech_committed", told.append)
    call.start()
    call.agent.generate_reply()
    await call.run(3.0)
    await older.inner.aclose()

    assert told == ["Good day."]
    assert RealtimeCapabilities(supports_truncate=True).output_audio_sample_rate == 24_000


MODULES = """
import sys
from lk_agents.{one} import {name}
print([module for module in sys.modules if module.startswith("lk_agents.{other}")])
"""


@pytest.mark.parametrize(
    ("one", "name", "other"),
    [("multimodal", "MultimodalAgent", "pipeline"), ("pipeline", "VoicePipelineAgent", "multimodal")],
)
def test_a_program_of_one_kind_loads_nothing_of_the_other(one: str, name: str, other: str) -> None:
    code = MODULES.format(one=one, name=name, other=other)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"

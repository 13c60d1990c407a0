"""Each hook once, as a plugin writes it and as the framework calls it; named ``test_hook_<name>``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import click
import pytest

import lk_agents
from lk_agents.foundation.errors import HookError, PluginError
from lk_agents.foundation.settings import Settings
from lk_agents.hooks import (
    Command,
    InferenceRunnerRecord,
    JobFinished,
    JobLost,
    Load,
    Reject,
    ServerInfo,
    WorkerInfo,
)
from lk_agents.hooks.invoke import collect, first_refusal, notify, run_each, tell
from lk_agents.hooks.lookup import create_by_name
from lk_agents.hooks.markers import Scope
from lk_agents.hooks.provider_records import (
    PROVIDER_KINDS,
    InterruptionProvider,
    LLMProvider,
    Provider,
    RealtimeProvider,
    STTProvider,
    TokenizerProvider,
    TTSProvider,
    TurnDetectorProvider,
    VADProvider,
)
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.inference_runner import all_runners
from lk_agents.plugin import Plugin
from lk_agents.voice.records import Outcome, SessionInfo, TurnRecord

WORKER = SimpleNamespace(id="AW_1")
LOST = JobLost(job_id="AJ_1", room_name="lobby", metadata="{}", cause="process_lost", exit_code=-9, stacks="…")
FINISHED = JobFinished(job_id="AJ_1", room_name="lobby", success=True, cause="shutdown")
SESSION = SessionInfo(id="AS_1", room_name="lobby", llm="acme.LLM")
TURN = TurnRecord(turn=1, speech="SP_1", timestamp=1.0, outcome=Outcome.SPOKEN, first_played=0.7)
INFO = WorkerInfo(worker_id="AW_1", url="ws://localhost")


class RecordingPlugin:
    """A plugin with every hook; events are written down, decisions are what the test set."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.refuse: str | None = None

    @lk_agents.hookimpl
    def lk_agents_register_plugin(self) -> Plugin:
        return Plugin("Recording", "1.0", "recording_plugin")

    @lk_agents.hookimpl
    async def lk_agents_filter_request(self, request: Any) -> Reject | None:
        self.seen.append(("filter", request))
        return Reject(self.refuse) if self.refuse else None

    @lk_agents.hookimpl
    def lk_agents_compute_load(self, worker: Any) -> Load:
        self.seen.append(("load", worker))
        return Load(0.4, name="seats")

    @lk_agents.hookimpl
    def lk_agents_preload_modules(self) -> Iterable[str]:
        return ("json", "math")

    @lk_agents.hookimpl
    def lk_agents_preload_weights(self) -> None:
        self.seen.append(("weights", None))

    @lk_agents.hookimpl
    def lk_agents_prewarm(self, proc: Any) -> None:
        proc.userdata["recording"] = "warm"

    @lk_agents.hookimpl
    def lk_agents_register_inference_runners(self) -> Iterable[InferenceRunnerRecord]:
        yield InferenceRunnerRecord("turn", dict)

    @lk_agents.hookimpl
    def lk_agents_worker_starting(self, worker: Any) -> None:
        self.seen.append(("starting", worker))

    @lk_agents.hookimpl
    async def lk_agents_worker_registered(self, worker: Any, info: WorkerInfo) -> None:
        self.seen.append(("registered", info))

    @lk_agents.hookimpl
    async def lk_agents_worker_draining(self, worker: Any) -> None:
        self.seen.append(("draining", worker))

    @lk_agents.hookimpl
    def lk_agents_worker_stopped(self) -> None:
        self.seen.append(("stopped", None))

    @lk_agents.hookimpl
    async def lk_agents_job_starting(self, ctx: Any) -> None:
        self.seen.append(("job starting", ctx))

    @lk_agents.hookimpl
    async def lk_agents_job_finished(self, ctx: Any, result: JobFinished) -> None:
        self.seen.append(("job finished", result))

    @lk_agents.hookimpl
    async def lk_agents_job_lost(self, record: JobLost) -> None:
        self.seen.append(("job lost", record))

    @lk_agents.hookimpl
    async def lk_agents_session_started(self, session: SessionInfo) -> None:
        self.seen.append(("session started", session))

    @lk_agents.hookimpl
    def lk_agents_turn_finished(self, record: TurnRecord) -> None:
        self.seen.append(("turn finished", record))

    @lk_agents.hookimpl
    async def lk_agents_metrics(self, record: Any) -> None:
        self.seen.append(("metrics", record))

    @lk_agents.hookimpl
    def lk_agents_register_stt(self) -> Iterable[STTProvider]:
        yield STTProvider("acme", build=_engine("stt"))

    @lk_agents.hookimpl
    def lk_agents_register_tts(self) -> Iterable[TTSProvider]:
        yield TTSProvider("acme", build=_engine("tts"))

    @lk_agents.hookimpl
    def lk_agents_register_llm(self) -> Iterable[LLMProvider]:
        yield LLMProvider("acme", build=_engine("llm"))

    @lk_agents.hookimpl
    def lk_agents_register_vad(self) -> Iterable[VADProvider]:
        yield VADProvider("acme", build=_engine("vad"))

    @lk_agents.hookimpl
    def lk_agents_register_realtime(self) -> Iterable[RealtimeProvider]:
        yield RealtimeProvider("acme", build=_engine("realtime"))

    @lk_agents.hookimpl
    def lk_agents_register_tokenizer(self) -> Iterable[TokenizerProvider]:
        yield TokenizerProvider("acme", build=_engine("tokenizer"))

    @lk_agents.hookimpl
    def lk_agents_register_turn_detector(self) -> Iterable[TurnDetectorProvider]:
        yield TurnDetectorProvider("acme", build=_engine("turn_detector"))

    @lk_agents.hookimpl
    def lk_agents_register_interruption(self) -> Iterable[InterruptionProvider]:
        yield InterruptionProvider("acme", build=_engine("interruption"))

    @lk_agents.hookimpl
    def lk_agents_register_commands(self) -> Iterable[Command]:
        yield Command("recording-show", build=lambda: click.Command("recording-show"), help="Show it.")

    @lk_agents.hookimpl
    def lk_agents_dev_server(self) -> AbstractAsyncContextManager[ServerInfo]:
        return _server()


def _engine(kind: str) -> Callable[..., tuple[str, str]]:
    def build(*, model: str = "standard") -> tuple[str, str]:
        return kind, model

    return build


@asynccontextmanager
async def _server() -> AsyncIterator[ServerInfo]:
    yield ServerInfo("ws://127.0.0.1:7880", "key", "secret")


@pytest.fixture
def plugin() -> RecordingPlugin:
    return RecordingPlugin()


@pytest.fixture
def registry(plugin: RecordingPlugin) -> PluginRegistry:
    registry = PluginRegistry(Settings())
    registry.decide_in_use([plugin])
    return registry


def _values(registry: PluginRegistry, hook: str, **arguments: Any) -> list[Any]:
    return [result.value for result in collect(registry, hook, **arguments)]


def test_hook_register_plugin_gives_the_record_of_each_plugin(registry: PluginRegistry) -> None:
    before = list(Plugin.registered_plugins)
    try:
        (record,) = registry.register_plugins()

        assert (record.title, record.package) == ("Recording", "recording_plugin")
        assert Plugin.registered_plugins == [*before, record]
        assert registry.plugins()[0].record is record
    finally:
        Plugin.registered_plugins[:] = before


async def test_hook_filter_request_passes_or_refuses(registry: PluginRegistry, plugin: RecordingPlugin) -> None:
    assert await first_refusal(registry, "lk_agents_filter_request", request="R") is None
    plugin.refuse = "full house"

    assert await first_refusal(registry, "lk_agents_filter_request", request="R") == Reject("full house")
    assert plugin.seen == [("filter", "R")] * 2


def test_hook_compute_load_gives_value_and_name(registry: PluginRegistry, plugin: RecordingPlugin) -> None:
    assert _values(registry, "lk_agents_compute_load", worker=WORKER) == [Load(0.4, "seats")]
    assert plugin.seen == [("load", WORKER)]


def test_hook_preload_modules_gives_names(registry: PluginRegistry) -> None:
    assert _values(registry, "lk_agents_preload_modules") == ["json", "math"]


def test_hook_preload_weights_is_called(registry: PluginRegistry, plugin: RecordingPlugin) -> None:
    assert _values(registry, "lk_agents_preload_weights") == []
    assert plugin.seen == [("weights", None)]


def test_hook_prewarm_prepares_the_process(registry: PluginRegistry) -> None:
    proc = SimpleNamespace(userdata={})

    run_each(registry, "lk_agents_prewarm", proc=proc)

    assert proc.userdata == {"recording": "warm"}


def test_hook_prewarm_fails_the_start_naming_the_plugin(registry: PluginRegistry) -> None:
    with pytest.raises(HookError, match="RecordingPlugin' failed in lk_agents_prewarm: AttributeError"):
        run_each(registry, "lk_agents_prewarm", proc=None)


def test_hook_register_inference_runners_gives_runners(registry: PluginRegistry) -> None:
    assert all_runners(registry) == (InferenceRunnerRecord("turn", dict),)


def test_hook_register_inference_runners_refuses_one_method_twice(registry: PluginRegistry) -> None:
    registry.add_own(
        {"lk_agents_register_inference_runners": lambda: [InferenceRunnerRecord("turn", list)]}, name="second"
    )

    with pytest.raises(
        PluginError, match=r"'turn' is offered twice, by the plugin .*RecordingPlugin' and by the plugin"
    ):
        all_runners(registry)


@pytest.mark.parametrize("worker", [WORKER])
async def test_hook_worker_starting_is_told(registry: PluginRegistry, plugin: RecordingPlugin, worker: object) -> None:
    await notify(registry, "lk_agents_worker_starting", worker=worker)

    assert plugin.seen == [("starting", worker)]


async def test_hook_worker_registered_is_told_the_servers_answer(
    registry: PluginRegistry, plugin: RecordingPlugin
) -> None:
    await notify(registry, "lk_agents_worker_registered", worker=WORKER, info=INFO)

    assert plugin.seen == [("registered", INFO)]


async def test_hook_worker_draining_is_told(registry: PluginRegistry, plugin: RecordingPlugin) -> None:
    await notify(registry, "lk_agents_worker_draining", worker=WORKER)

    assert plugin.seen == [("draining", WORKER)]


async def test_hook_worker_stopped_may_leave_out_parameters(registry: PluginRegistry, plugin: RecordingPlugin) -> None:
    await notify(registry, "lk_agents_worker_stopped", worker=WORKER)

    assert plugin.seen == [("stopped", None)]


async def test_hook_job_starting_is_told(registry: PluginRegistry, plugin: RecordingPlugin) -> None:
    await notify(registry, "lk_agents_job_starting", ctx="C")

    assert plugin.seen == [("job starting", "C")]


async def test_hook_job_finished_is_told_the_outcome(registry: PluginRegistry, plugin: RecordingPlugin) -> None:
    await notify(registry, "lk_agents_job_finished", ctx="C", result=FINISHED)

    assert plugin.seen == [("job finished", FINISHED)]


async def test_hook_job_lost_is_told_cause_and_stacks(registry: PluginRegistry, plugin: RecordingPlugin) -> None:
    await notify(registry, "lk_agents_job_lost", record=LOST)

    assert plugin.seen == [("job lost", LOST)]


async def test_hook_metrics_is_told_what_was_measured(registry: PluginRegistry, plugin: RecordingPlugin) -> None:
    tell(registry, "lk_agents_metrics", record="M")
    await notify(registry, "lk_agents_job_finished", ctx="C", result=FINISHED)

    assert ("metrics", "M") in plugin.seen


async def test_hook_session_started_is_told_who_takes_part(registry: PluginRegistry, plugin: RecordingPlugin) -> None:
    tell(registry, "lk_agents_session_started", session=SESSION)
    await notify(registry, "lk_agents_job_finished", ctx="C", result=FINISHED)

    assert ("session started", SESSION) in plugin.seen


async def test_hook_turn_finished_is_told_what_became_of_it(registry: PluginRegistry, plugin: RecordingPlugin) -> None:
    tell(registry, "lk_agents_turn_finished", record=TURN)

    assert plugin.seen == [("turn finished", TURN)]


def _built(registry: PluginRegistry, kind: type[Provider]) -> Any:
    return create_by_name(kind, "acme/fast", registry=registry, options={})


def test_hook_register_stt_offers_speech_to_text(registry: PluginRegistry) -> None:
    assert _built(registry, STTProvider) == ("stt", "fast")


def test_hook_register_tts_offers_text_to_speech(registry: PluginRegistry) -> None:
    assert _built(registry, TTSProvider) == ("tts", "fast")


def test_hook_register_llm_offers_language_models(registry: PluginRegistry) -> None:
    assert _built(registry, LLMProvider) == ("llm", "fast")


def test_hook_register_vad_offers_voice_detection(registry: PluginRegistry) -> None:
    assert _built(registry, VADProvider) == ("vad", "fast")


def test_hook_register_realtime_offers_speech_to_speech(registry: PluginRegistry) -> None:
    assert _built(registry, RealtimeProvider) == ("realtime", "fast")


def test_hook_register_tokenizer_offers_splitters_of_text(registry: PluginRegistry) -> None:
    assert _built(registry, TokenizerProvider) == ("tokenizer", "fast")


def test_hook_register_turn_detector_offers_ends_of_turns(registry: PluginRegistry) -> None:
    assert _built(registry, TurnDetectorProvider) == ("turn_detector", "fast")


def test_hook_register_interruption_offers_strategies(registry: PluginRegistry) -> None:
    assert _built(registry, InterruptionProvider) == ("interruption", "fast")


def test_hook_register_commands_builds_only_what_is_run(registry: PluginRegistry) -> None:
    (command,) = _values(registry, "lk_agents_register_commands")

    assert (command.name, command.help) == ("recording-show", "Show it.")
    assert command.build().name == "recording-show"


async def test_hook_dev_server_offers_a_server_that_is_not_started(registry: PluginRegistry) -> None:
    (server,) = _values(registry, "lk_agents_dev_server")

    async with server as info:
        assert info == ServerInfo("ws://127.0.0.1:7880", "key", "secret")


def test_hooks_that_run_for_all_installed_plugins_are_these() -> None:
    registry = PluginRegistry(Settings())

    assert {hook for hook in registry.hooks if registry.rules(hook).scope is Scope.INSTALLED} == {
        "lk_agents_register_plugin",
        "lk_agents_register_commands",
        "lk_agents_dev_server",
        *(f"lk_agents_register_{kind.kind}" for kind in PROVIDER_KINDS),
    }


def test_hooks_that_may_await_are_these() -> None:
    registry = PluginRegistry(Settings())
    events = {f"lk_agents_worker_{event}" for event in ("starting", "registered", "draining", "stopped")}
    events |= {f"lk_agents_job_{event}" for event in ("starting", "finished", "lost")}
    events |= {"lk_agents_session_started", "lk_agents_turn_finished", "lk_agents_metrics"}

    assert {hook for hook in registry.hooks if registry.rules(hook).may_await} == {"lk_agents_filter_request", *events}

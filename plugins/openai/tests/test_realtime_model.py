"""A model is built for OpenAI or for Azure, shows its key to nobody else, and holds its sessions."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai_bench import KEY
from openai_fake import REALTIME, bearer
from realtime_fake import World, realtime_script

from lk_agents.foundation.errors import APIError, APIStatusError, ConfigError
from lk_agents.foundation.secret import Secret
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.testing.conformance.frame import overheard
from lk_agents.testing.conformance.realtime_cases import Watch
from lk_agents.testing.providers.realtime import RealtimeAnswer
from lk_agents.testing.vendor import Fault, FaultKind, Script, VendorServer
from lk_agents_openai import realtime
from lk_agents_openai.realtime import RealtimeModel, RealtimeSession, SemanticVadOptions, ServerVadOptions

ONCE = APIConnectOptions(max_retry=0, timeout=5.0)
AZURE = {"azure_deployment": "voice", "azure_endpoint": "https://some.openai.azure.com", "api_version": "1"}


@asynccontextmanager
async def spoken_with(
    script: Script, *, fault: Fault | None = None, **options: Any
) -> AsyncIterator[tuple[RealtimeModel, VendorServer]]:
    async with VendorServer(script, fault=fault) as vendor:
        given = {"base_url": f"{vendor.url}/v1", "api_key": KEY, "conn_options": ONCE, **options}
        model = RealtimeModel(**given)
        try:
            yield model, vendor
        finally:
            await model.aclose()


async def answer_of(session: RealtimeSession) -> str:
    watch = Watch(session)
    try:
        session.create_response()
        await watch.until("response_done")
        await watch.until_true(lambda: watch.parts[0].ended)
    finally:
        await watch.aclose()
    return watch.parts[0].text


# --- OpenAI ----------------------------------------------------------------------------------------------------------


def test_what_is_not_said_is_what_openai_has_today() -> None:
    opts = RealtimeModel(api_key=KEY)._opts

    assert (opts.model, opts.voice) == ("gpt-realtime", "marin")
    assert opts.turn_detection == SemanticVadOptions(eagerness="medium")
    assert opts.input_audio_transcription == realtime.DEFAULT_INPUT_AUDIO_TRANSCRIPTION


def test_older_servers_get_what_they_had() -> None:
    opts = RealtimeModel(api_key=KEY, dialect="beta")._opts

    assert (opts.model, opts.voice) == ("gpt-4o-realtime-preview", "alloy")
    assert opts.turn_detection == realtime.DEFAULT_SERVER_VAD_OPTIONS == ServerVadOptions(0.5, 300, 500, True)


def test_without_a_key_there_is_no_model() -> None:
    with pytest.raises(ValueError, match="OPENAI_API_KEY"):
        RealtimeModel()


def test_the_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere/v1")

    assert RealtimeModel()._place.socket_url("/realtime") == "wss://elsewhere/v1/realtime"


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="'tempo'"):
        RealtimeModel(api_key=KEY, tempo=1)  # type: ignore[call-arg]


def test_it_can_cut_and_hears_and_speaks_at_24_khz() -> None:
    capabilities = RealtimeModel(api_key=KEY).capabilities

    assert capabilities.supports_truncate
    assert capabilities.input_audio_sample_rate is None
    assert capabilities.output_audio_sample_rate == realtime.api_proto.SAMPLE_RATE == 24_000


@pytest.mark.e2e
async def test_a_session_speaks_todays_dialect_at_the_address_of_the_model() -> None:
    world = World()
    async with spoken_with(realtime_script(world, key=KEY, query={"model": "mine"}), model="mine") as (model, vendor):
        assert await answer_of(model.session()) == "Good day."

        (exchange,) = vendor.journal
        assert "openai-beta" not in exchange.headers
        assert world.line.session["model"] == "mine"


@pytest.mark.e2e
async def test_a_session_may_differ_from_its_model_and_from_others() -> None:
    world = World()
    async with spoken_with(realtime_script(world, key=KEY)) as (model, _):
        one = model.session(instructions="Be brief.", turn_detection=None, input_audio_transcription=None)
        two = model.session()
        await asyncio.gather(one._init_sync_task, two._init_sync_task)
        told = [line.session for line in world.lines]

        assert sorted(each["instructions"] for each in told) == ["", "Be brief."]
        assert (one.server_vad_enabled, two.server_vad_enabled) == (False, True)


@pytest.mark.e2e
async def test_a_model_knows_the_sessions_that_are_not_over() -> None:
    async with spoken_with(realtime_script(World(), key=KEY)) as (model, _):
        one, two = model.session(), model.session()
        await asyncio.gather(one._init_sync_task, two._init_sync_task)
        assert model.sessions == [one, two]
        await one.aclose()
        assert model.sessions == [two]
        assert two.logging_extra()["session_id"].startswith("sess_")
        await model.aclose()
        assert model.sessions == []


@pytest.mark.e2e
async def test_a_session_can_be_changed_while_it_is_held() -> None:
    world = World([RealtimeAnswer(text="Good day.")])
    async with spoken_with(realtime_script(world, key=KEY)) as (model, _):
        session = model.session()
        watch = Watch(session)
        updated: list[Any] = []
        session.on("session_updated", updated.append)
        session.on("session_updated", lambda _: watch._news.set())
        await session._init_sync_task
        await answer_of(session)
        session.session_update(instructions="Be brief.", turn_detection=ServerVadOptions(silence_duration_ms=200))
        await watch.until_true(lambda: len(updated) > 1)  # the first one is of the beginning
        update = world.line.received[-1]["session"]
        await watch.aclose()

        assert set(update) == {"type", "instructions", "audio"}  # the voice cannot be told again
        assert [each.instructions for each in updated] == ["", "Be brief."]
        with pytest.raises(ConfigError, match="modalities"):
            session.session_update(modalities=["smell"])


# --- Azure -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({**AZURE, "azure_endpoint": None}, "AZURE_OPENAI_ENDPOINT"),
        ({**AZURE, "api_version": None}, "OPENAI_API_VERSION"),
        ({**AZURE}, "AZURE_OPENAI_API_KEY"),
        ({**AZURE, "api_key": KEY, "base_url": "https://elsewhere"}, "both given"),
    ],
)
def test_what_azure_cannot_do_without_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        RealtimeModel.with_azure(**given)


def test_azure_is_set_up_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://some.openai.azure.com/")
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-04-01-preview")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    model = RealtimeModel.with_azure(azure_deployment="voice")

    assert model._place.socket_url("/realtime") == "wss://some.openai.azure.com/openai/realtime"
    assert dict(model._place.query) == {"api-version": "2025-04-01-preview", "deployment": "voice"}
    assert (model.provider, model.model, model._rules.dialect) == ("azure", "voice", "beta")


@pytest.mark.e2e
@pytest.mark.parametrize("given", [{"api_key": KEY}, {"entra_token": KEY}, {"entra_token": lambda: KEY}, "both"])
async def test_azure_is_shown_the_key_the_token_or_both(given: Any) -> None:
    credentials: dict[str, Any] = {"api_key": KEY, "entra_token": KEY} if given == "both" else given
    headers: dict[str, Any] = {}
    if "api_key" in credentials:
        headers["api-key"] = Secret(KEY)
    if "entra_token" in credentials:
        headers.update(bearer(KEY))
    query = {"api-version": "1", "deployment": "voice"}
    script = Script().socket("/openai/realtime", World(beta=True).talk, query=query, headers=headers)
    async with VendorServer(script) as vendor:
        model = RealtimeModel.with_azure(
            azure_deployment="voice", azure_endpoint=vendor.url, api_version="1", conn_options=ONCE, **credentials
        )
        assert await answer_of(model.session()) == "Good day."
        await model.aclose()


@pytest.mark.e2e
async def test_azure_speaks_todays_dialect_where_there_is_no_version() -> None:
    world = World()
    script = Script().socket(
        "/openai/v1/realtime", world.talk, query={"model": "voice"}, headers={"api-key": Secret(KEY)}
    )
    async with VendorServer(script) as vendor:
        model = RealtimeModel.with_azure(
            azure_deployment="voice", azure_endpoint=vendor.url, api_key=KEY, dialect="ga", conn_options=ONCE
        )
        assert await answer_of(model.session()) == "Good day."
        await model.aclose()

    assert "model" not in world.line.session


# --- the key ---------------------------------------------------------------------------------------------------------


@pytest.mark.e2e
async def test_the_key_is_in_no_log_error_address_or_representation() -> None:
    fault = Fault(kind=FaultKind.QUOTE)
    with overheard() as heard:
        async with spoken_with(realtime_script(World(), key=KEY), fault=fault) as (model, vendor):
            session = model.session()
            with pytest.raises(APIError) as caught:
                await session._init_sync_task
            heard.tell(model)
            heard.tell(session)
            heard.tell(caught.value)
            (exchange,) = vendor.journal
    shown = [*heard._texts, exchange.raw_query, *traceback.format_exception(caught.value)]

    assert not [text for text in shown if KEY in text]


@pytest.mark.e2e
async def test_a_refusal_keeps_its_status_and_its_request() -> None:
    fault = Fault(kind=FaultKind.STATUS, status=403)
    async with spoken_with(realtime_script(World(), key=KEY), fault=fault) as (model, _):
        with pytest.raises(APIStatusError) as caught:
            await model.session()._init_sync_task

    assert caught.value.status_code == 403
    assert not caught.value.retryable
    assert caught.value.provider == model.label


@pytest.mark.e2e
async def test_what_is_said_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = World([RealtimeAnswer(text="A secret word.", calls=[("unknown", {"of": "a secret word"})])])
    async with spoken_with(Script().socket(REALTIME, world.talk, query=None)) as (model, _):
        await answer_of(model.session(instructions="A secret word."))

    assert not [record for record in caplog.records if "secret word" in f"{record.getMessage()} {vars(record)}"]

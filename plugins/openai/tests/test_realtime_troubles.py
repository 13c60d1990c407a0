"""What goes wrong with a session's connection or its server, and what is told of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from openai_fake import error, event
from realtime_bench import CALLER, RATE, RULES, VAD, Vendor, held
from realtime_fake import World

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.llm import ChatContext
from lk_agents.testing.clock import VirtualClock
from lk_agents.testing.providers.realtime import RealtimeAnswer
from lk_agents.testing.providers.speech import voice
from lk_agents.utils.audio import silence_frame
from lk_agents_openai.realtime import RealtimeError

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")

SLOW = RealtimeAnswer(text="One two three four five six seven.", pace=1.0)
GIVEN = ChatContext().append(text="Be kind.", role="system")


# --- a connection that is lost ---------------------------------------------------------------------------------------


async def test_a_lost_connection_is_followed_by_one_that_knows_what_was_said() -> None:
    """Before, the session stayed dead."""
    async with held(World([RealtimeAnswer(text="Good day."), SLOW, SLOW]), chat_ctx=GIVEN) as desk:
        desk.session.create_response()
        await desk.answered()
        desk.vendor.socket.lose(1011)
        lost = await desk.watch.until("reconnecting")
        await desk.watch.until("reconnected")

        assert isinstance(lost, APIConnectionError)
        assert "1011" in str(lost)
        assert desk.world.line.texts() == [("system", "Be kind."), ("assistant", "Good day.")]
        assert [each.id for each in desk.session.chat_ctx_copy().messages] == [
            item["id"] for item in desk.world.line.items
        ]


async def test_what_was_being_said_is_over_and_what_was_said_of_it_is_kept() -> None:
    async with held(World([SLOW, RealtimeAnswer(text="Again.")])) as desk:
        desk.session.create_response()
        await desk.watch.until("response_content_added")
        await asyncio.sleep(0.35)
        desk.vendor.socket.lose()
        await desk.watch.until("reconnected")

        told = desk.watch.names("reconnecting", "response_done", "reconnected")
        assert told == ["reconnecting", "response_done", "reconnected"]
        assert desk.watch.told("response_done")[0].status == "cancelled"
        assert desk.world.line.texts() == [("assistant", "One two three four")]
        desk.session.create_response()
        await desk.answered(2)
        assert desk.spoken()[-1] == "Again."


async def test_what_was_asked_for_and_has_not_begun_is_asked_for_again() -> None:
    async with held() as desk:
        desk.vendor.tasks[0].cancel()
        asked = desk.session.response.create()
        await asyncio.sleep(0.1)
        desk.vendor.socket.lose()
        await desk.answered()

        assert asked.result() is True
        assert desk.spoken() == ["Good day."]


async def test_a_response_that_is_asked_for_meanwhile_comes_once_there_is_a_connection() -> None:
    async with held() as desk:
        desk.vendor.connect_seconds = 3.0
        desk.vendor.socket.lose()
        await desk.watch.until("reconnecting")
        desk.session.create_response()
        await desk.answered()

        assert desk.spoken() == ["Good day."]


async def test_what_the_user_has_said_last_is_given_again_as_sound_where_nobody_has_understood_it() -> None:
    world = World([SLOW], caller=CALLER)
    async with held(world, replace(VAD, input_audio_transcription=None)) as desk:
        send, silent = desk.vendor.socket.send, "conversation.item.input_audio_transcription"

        async def without_transcripts(message: Any) -> None:
            if not message["type"].startswith(silent):
                await send(message)

        desk.vendor.socket.send = without_transcripts  # type: ignore[method-assign]
        await desk.say()
        await desk.watch.until("response_created")
        desk.vendor.socket.lose()
        await desk.watch.until("reconnected")

        question = desk.world.line.items[0]
        sound = next(part["audio"] for part in question["content"])
        assert question["role"] == "user"
        assert len(sound) * 3 / 4 / 2 / RATE == pytest.approx(0.3 + 0.6 + 0.5, abs=0.15)  # padding, speech, silence


async def test_where_speech_has_ended_is_told_across_connections() -> None:
    async with held(World(caller=CALLER), VAD) as desk:
        for _ in range(100):
            desk.session._push_audio(silence_frame(0.02, RATE))
        await asyncio.sleep(0.1)
        desk.vendor.socket.lose()
        await desk.watch.until("reconnected")
        await desk.say()

        assert await desk.watch.until("input_speech_stopped") == pytest.approx(2.0 + 0.8, abs=0.03)


async def test_a_connection_that_never_lasts_is_given_up() -> None:
    async with held() as desk:
        for _ in range(10):
            await asyncio.sleep(2.0)
            desk.vendor.socket.lose()
        closed = await desk.watch.until("closed")

        assert isinstance(closed, APIConnectionError)
        assert len(desk.vendor.sockets) == 3


async def test_connections_that_have_lasted_are_not_counted() -> None:
    async with held(seconds=300.0) as desk:
        for _ in range(8):
            await asyncio.sleep(11.0)
            desk.vendor.socket.lose()
        await asyncio.sleep(5.0)

        assert not desk.watch.told("closed")
        assert len(desk.vendor.sockets) == 9


async def test_a_session_that_cannot_begin_is_over_after_its_attempts(lk_clock: VirtualClock) -> None:
    refusals: list[APIError] = [APIStatusError("busy", status_code=503) for _ in range(5)]
    async with held(vendor=Vendor(refusals=refusals), connected=False) as desk:
        with pytest.raises(APIConnectionError, match="failed 3 times"):
            await desk.session._init_sync_task

        assert len(refusals) == 2
        assert len(desk.watch.told("closed")) == 1
        assert desk.watch.names("reconnecting") == []


async def test_what_cannot_help_is_not_tried_again() -> None:
    refusals: list[APIError] = [APIStatusError("no", status_code=401)]
    async with held(vendor=Vendor(refusals=refusals), connected=False) as desk:
        with pytest.raises(APIStatusError):
            await desk.session._init_sync_task

        assert desk.vendor.sockets == []


async def test_a_server_that_says_nothing_is_given_up_in_time(lk_clock: VirtualClock) -> None:
    async def silent(_: Any) -> None:
        await asyncio.sleep(1_000)

    world = World()
    world.talk = silent  # type: ignore[assignment,method-assign]
    rules = replace(RULES, conn_options=APIConnectOptions(max_retry=0, timeout=5.0))
    async with held(world, rules=rules, connected=False) as desk:
        with pytest.raises(APITimeoutError, match="within 5 s"):
            await desk.session._init_sync_task

        assert lk_clock.monotonic() == pytest.approx(5.0, abs=0.1)


async def test_a_server_that_takes_nothing_is_left(lk_clock: VirtualClock) -> None:
    async with held() as desk:
        desk.vendor.socket.takes.clear()
        desk.session._push_audio(silence_frame(0.02, RATE))
        lost = await desk.watch.until("reconnecting")

        assert isinstance(lost, APITimeoutError)
        assert lost.phase == "send"
        assert lk_clock.monotonic() == pytest.approx(5.0, abs=0.1)
        desk.session.create_response()
        await desk.answered()


async def test_audio_that_is_not_taken_is_dropped_but_for_the_last_ten_seconds() -> None:
    async with held() as desk:
        desk.vendor.socket.takes.clear()
        assert desk.session._line is not None
        outgoing = desk.session._line.connection.outgoing
        for _ in range(1_500):
            desk.session._push_audio(silence_frame(0.02, RATE))

        assert outgoing.dropped_seconds == pytest.approx(20.0, abs=0.05)
        desk.vendor.socket.takes.set()


async def test_audio_without_a_connection_is_not_kept() -> None:
    async with held(vendor=Vendor(connect_seconds=1.0), connected=False) as desk:
        for frame in voice(CALLER, 2.0, sample_rate=RATE):
            desk.session._push_audio(frame)
        await desk.session._init_sync_task
        await asyncio.sleep(0.5)

        assert not desk.vendor.sent("input_audio_buffer.append")


# --- what the server reports -----------------------------------------------------------------------------------------


async def test_what_the_server_reports_is_told_and_the_session_goes_on() -> None:
    async with held() as desk:
        await desk.vendor.socket.send(error("rate_limit_exceeded", kind="server_error"))
        told: RealtimeError = await desk.watch.until("error")

        assert isinstance(told, APIError)
        assert (told.type, told.code, told.message) == ("server_error", "rate_limit_exceeded", "that cannot be")
        assert told.retryable
        desk.session.create_response()
        await desk.answered()


@pytest.mark.parametrize("code", ["response_cancel_not_active", "input_audio_buffer_commit_empty"])
async def test_what_the_server_had_not_to_do_is_no_error(code: str) -> None:
    async with held() as desk:
        await desk.vendor.socket.send(error(code))
        await asyncio.sleep(0.5)

        assert not desk.watch.told("error")


async def test_a_stop_that_comes_too_late_is_no_error_where_there_is_no_code_for_it() -> None:
    async with held() as desk:
        problem = {"type": "invalid_request_error", "message": "Cancellation failed: no active response found"}
        await desk.vendor.socket.send(event("error", error=problem))
        await asyncio.sleep(0.5)

        assert not desk.watch.told("error")


@pytest.mark.parametrize("code", ["insufficient_quota", "account_deactivated"])
async def test_what_stays_wrong_ends_the_session(code: str) -> None:
    async with held() as desk:
        await desk.vendor.socket.send(error(code))
        closed = await desk.watch.until("closed")

        assert closed.code == code
        assert len(desk.vendor.sockets) == 1


async def test_a_session_that_has_expired_is_followed_by_another_one() -> None:
    async with held(chat_ctx=GIVEN) as desk:
        await desk.vendor.socket.send(error("session_expired"))
        await desk.watch.until("reconnected")

        assert not desk.watch.told("error")
        assert desk.world.line.texts() == [("system", "Be kind.")]


async def test_the_retired_dialect_is_refused_for_good() -> None:
    """OpenAI takes the connection, says so, and closes it."""
    vendor = Vendor(asked_in_beta=True)
    async with held(vendor=vendor, connected=False) as desk:
        with pytest.raises(RealtimeError) as caught:
            await desk.session._init_sync_task

        assert caught.value.code == "beta_api_shape_disabled"
        assert len(vendor.sockets) == 1


async def test_a_request_that_the_server_refuses_is_told_and_costs_the_next_one_nothing() -> None:
    async with held() as desk:
        send = desk.vendor.socket.send

        async def refuse(message: Any) -> None:
            desk.vendor.socket.send = send  # type: ignore[method-assign]
            await send(error("invalid_value", caused_by=desk.vendor.sent("response.create")[-1]["event_id"]))

        desk.vendor.socket.send = refuse  # type: ignore[method-assign]
        assert await desk.session.response.create() is False
        assert [each.code for each in desk.watch.told("error")] == ["invalid_value"]


async def test_a_request_to_which_nothing_comes_is_given_up(lk_clock: VirtualClock) -> None:
    async with held() as desk:
        desk.vendor.tasks[0].cancel()
        assert await desk.session.response.create() is False

        assert lk_clock.monotonic() == pytest.approx(5.0, abs=0.1)
        assert isinstance(desk.watch.told("error")[0], APITimeoutError)


async def test_a_server_that_does_not_stop_is_left(lk_clock: VirtualClock) -> None:
    async with held(World([replace(SLOW, seconds=60.0), RealtimeAnswer(text="New.")])) as desk:
        desk.session.create_response()
        await desk.watch.until("response_content_added")
        desk.vendor.tasks[0].cancel()
        desk.session.create_response("cancel_existing")
        await desk.watch.until("reconnected")
        await desk.answered(2)

        assert desk.spoken()[-1] == "New."


async def test_what_nobody_understands_is_named_and_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    async with held() as desk:
        for text in ("{", '{"type": "response.done"}', '{"type": "error", "error": 7}', '{"type": "of_the_future"}'):
            await desk.vendor.socket.send(text)
        desk.session.create_response()
        await desk.answered()

    noted = [record.detail for record in caplog.records if "passed over" in record.message]  # type: ignore[attr-defined]
    assert len(noted) == 4
    assert "response" in noted[1]
    assert "$.error" in noted[2]
    assert noted[3] == "of_the_future"


async def test_the_end_of_a_response_that_nobody_knows_is_passed_over() -> None:
    """It comes behind an interruption."""
    async with held() as desk:
        send = desk.vendor.socket.send
        await send(event("response.output_audio.delta", response_id="old", item_id="i", delta="AAAA"))
        await send(event("response.done", response={"id": "old", "status": "cancelled"}))
        desk.session.create_response()
        await desk.answered()

        assert len(desk.watch.told("response_done")) == 1
        assert desk.spoken() == ["Good day."]

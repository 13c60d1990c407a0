"""A session does what agents need: it hears, speaks, is stopped, and tells what has happened."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import Any

import pytest
from realtime_bench import CALLER, OPTIONS, RATE, VAD, held
from realtime_fake import World

from lk_agents.metrics.records import MultimodalLLMMetrics
from lk_agents.testing.clock import VirtualClock
from lk_agents.testing.providers.realtime import RealtimeAnswer
from lk_agents.testing.providers.speech import Heard, tone, voice
from lk_agents.utils.audio import silence_frame
from lk_agents_openai.realtime import RealtimeOutput, SemanticVadOptions, ServerVadOptions

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")

SLOW = RealtimeAnswer(text="One two three four five six seven.", pace=4.0)
LATER = RealtimeAnswer(text="I am here.", first_seconds=0.5)
TWICE = (Heard("hello there", 0.2, 0.8), Heard("and again", 3.0, 3.6))


async def test_a_greeting_is_spoken_and_part_of_the_conversation() -> None:
    async with held() as desk:
        desk.session.create_response()
        await desk.answered()

        assert desk.spoken() == ["Good day."]
        assert desk.conversation() == [("assistant", "Good day.")]
        assert [part.content.text for part in desk.watch.parts] == ["Good day."]


# --- what the user says ----------------------------------------------------------------------------------------------


async def test_a_turn_that_the_server_hears_is_answered_and_understood() -> None:
    async with held(World(caller=CALLER), VAD) as desk:
        assert desk.session.server_vad_enabled
        assert desk.session.creates_responses
        await desk.say()
        await desk.answered()

        told = desk.watch.names("input_speech_started", "input_speech_stopped", "input_speech_committed")
        assert told == ["input_speech_started", "input_speech_stopped", "input_speech_committed"]
        assert desk.conversation() == [("user", "hello there"), ("assistant", "Good day.")]
        assert not desk.vendor.sent("response.create")


async def test_where_speech_has_ended_is_told_in_seconds_of_all_that_was_given() -> None:
    async with held(World(caller=TWICE), VAD) as desk:
        await desk.say(TWICE, 5.0)
        await desk.watch.until("response_done", 2)

        assert desk.watch.told("input_speech_stopped") == pytest.approx([0.8, 3.6], abs=0.03)


async def test_a_server_that_judges_by_meaning_does_not_tell_where_speech_has_ended() -> None:
    opts = replace(OPTIONS, turn_detection=SemanticVadOptions())
    async with held(World(caller=CALLER), opts) as desk:
        await desk.say()
        await desk.answered()

        assert desk.watch.told("input_speech_stopped") == [None]


async def test_a_server_that_hears_may_leave_the_answer_to_the_program() -> None:
    opts = replace(OPTIONS, turn_detection=ServerVadOptions(create_response=False))
    async with held(World(caller=CALLER), opts) as desk:
        assert desk.session.server_vad_enabled
        assert not desk.session.creates_responses
        await desk.say()
        await asyncio.sleep(2.0)
        assert not desk.watch.told("response_created")

        desk.session.create_response()
        await desk.answered()
        assert desk.spoken() == ["Good day."]


async def test_a_turn_that_the_program_ends_is_committed_and_answered() -> None:
    async with held(World(caller=CALLER)) as desk:
        assert not desk.session.server_vad_enabled
        await desk.say()
        desk.session.commit_audio_buffer()
        desk.session.create_response()
        await desk.answered()

        assert desk.conversation() == [("user", "hello there"), ("assistant", "Good day.")]


@pytest.mark.parametrize("seconds", [0.0, 0.09])
async def test_less_than_can_be_an_item_is_not_committed(seconds: float) -> None:
    async with held() as desk:
        if seconds:
            desk.session._push_audio(silence_frame(seconds, RATE))
        desk.session.commit_audio_buffer()
        desk.session.create_response()
        await desk.answered()

        assert not desk.vendor.sent("input_audio_buffer.commit")
        assert not desk.watch.told("error")


async def test_silence_that_keeps_the_model_speaking_ends_no_turn() -> None:
    written = RealtimeAnswer(text="I write.", as_text=True)
    async with held(World([written, RealtimeAnswer(text="I speak.")], CALLER)) as desk:
        desk.session.create_response()
        content = await desk.watch.until("response_content_done")
        for frame in voice(CALLER, 1.0, sample_rate=RATE):
            desk.session._push_audio(frame)
        desk.session._recover_from_text_response(content.item_id)
        await desk.answered(2)
        desk.session.commit_audio_buffer()
        await desk.watch.until("input_speech_transcription_completed")

        assert desk.conversation() == [("assistant", "I speak."), ("user", "hello there")]


async def test_a_session_tells_that_the_server_has_taken_what_it_is_to_be() -> None:
    updated: list[Any] = []
    async with held(connected=False) as desk:
        desk.session.on("session_updated", updated.append)
        await desk.session._init_sync_task

    assert updated == [OPTIONS]


async def test_what_is_not_wanted_of_the_audio_is_cleared() -> None:
    async with held(World(caller=CALLER)) as desk:
        await desk.say()
        desk.session.input_audio_buffer.clear()
        desk.session.input_audio_buffer.commit()
        desk.session.create_response()
        await desk.answered()

        assert desk.conversation() == [("assistant", "Good day.")]
        assert len(desk.vendor.sent("input_audio_buffer.clear")) == 1


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (48_000, 2), (24_000, 1)])
async def test_audio_of_any_kind_is_given_as_the_server_takes_it(rate: int, channels: int) -> None:
    async with held() as desk:
        for _ in range(50):
            desk.session.input_audio_buffer.append(silence_frame(0.02, rate, channels))
            await asyncio.sleep(0.02)
        appended = desk.vendor.sent("input_audio_buffer.append")

    samples = sum(len(base64.b64decode(each["audio"])) for each in appended) // 2
    assert samples == pytest.approx(RATE, rel=0.05)


async def test_what_was_not_understood_is_told() -> None:
    message = {"type": "transcription_error", "code": "audio_unintelligible", "message": "too quiet", "param": None}
    async with held() as desk:
        await desk.vendor.socket.send(
            {
                "type": "conversation.item.input_audio_transcription.failed",
                "event_id": "e",
                "item_id": "item_x",
                "content_index": 0,
                "error": message,
            }
        )
        failed = await desk.watch.until("input_speech_transcription_failed")

    assert (failed.item_id, failed.message) == ("item_x", "too quiet")


# --- responses -------------------------------------------------------------------------------------------------------


async def test_a_response_comes_word_by_word_and_piece_by_piece(lk_clock: VirtualClock) -> None:
    async with held(World([SLOW])) as desk:
        desk.session.create_response()
        content = await desk.watch.until("response_content_added")
        first = await anext(aiter(content.audio_stream))

        assert (first.sample_rate, first.num_channels) == (RATE, 1)
        assert lk_clock.monotonic() < 0.1
        await desk.answered()
        seconds = first.duration + sum(frame.duration for frame in desk.watch.parts[0].frames)
        assert seconds == pytest.approx(2.0, abs=0.11)


async def test_audio_that_is_cut_within_a_sample_is_put_together() -> None:
    sound = bytes(tone(480, RATE).data.cast("B"))
    async with held() as desk:
        at = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0, "event_id": "e"}
        send = desk.vendor.socket.send
        await send({"type": "response.created", "event_id": "e", "response": {"id": "r", "status": "in_progress"}})
        for piece in (sound[:101], sound[101:102], sound[102:555], sound[555:]):
            delta = base64.b64encode(piece).decode()
            await send({"type": "response.output_audio.delta", **at, "delta": delta})
        await send({"type": "response.done", "event_id": "e", "response": {"id": "r", "status": "completed"}})
        await desk.answered()

    assert b"".join(bytes(frame.data.cast("B")) for frame in desk.watch.parts[0].frames) == sound


async def test_a_response_is_told_with_all_that_it_consists_of() -> None:
    outputs: list[tuple[str, RealtimeOutput]] = []
    calling = RealtimeAnswer(text="Let me look.", calls=[("get_weather", {"city": "Rome"})])
    async with held(World([calling])) as desk:
        for event in ("response_output_added", "response_output_done"):
            desk.session.on(event, lambda output, event=event: outputs.append((event[16:], output)))
        desk.session.create_response()
        response = await desk.watch.until("response_done")

    assert [(event, output.type) for event, output in outputs[:4]] == [
        ("added", "message"),
        ("done", "message"),
        ("added", "function_call"),
        ("done", "function_call"),
    ]
    assert [output.type for output in response.output] == ["message", "function_call"]
    assert response.output[0].content == [desk.watch.parts[0].content]
    assert response.done_fut.done()
    assert all(output.done_fut.done() for output in response.output)
    assert response.usage.total_tokens == 33


async def test_the_audio_of_a_response_is_given_up_when_it_is_done() -> None:
    kept: list[int] = []
    async with held() as desk:
        desk.session.on("response_content_done", lambda content: kept.append(len(content.audio)))
        desk.session.create_response()
        await desk.answered()

    assert kept[0] > 0
    content: Any = desk.watch.parts[0].content
    assert content.audio == []


async def test_responses_that_wait_are_made_one_after_the_other() -> None:
    """Before, all that waited were asked for at once, and refused."""
    answers = [SLOW, *(RealtimeAnswer(text=f"Number {number}.") for number in range(3))]
    async with held(World(answers)) as desk:
        asked = [desk.session.response.create() for _ in range(4)]
        await desk.answered(4)

        assert desk.watch.names("response_created", "response_done") == ["response_created", "response_done"] * 4
        assert [each.result() for each in asked] == [True] * 4
        assert not desk.watch.told("error")


async def test_a_written_answer_comes_as_text_and_ends() -> None:
    """Before, nothing came of it, and whoever read it waited for ever."""
    async with held(World([RealtimeAnswer(text="I write this.", as_text=True)])) as desk:
        desk.session.create_response()
        await desk.answered()
        (part,) = desk.watch.parts

        assert (part.content.content_type, part.text, part.content.text) == ("text", "I write this.", "I write this.")
        assert part.frames == []


async def test_nothing_is_kept_of_responses_that_are_over() -> None:
    """Before, all of it was kept as long as the session."""
    async with held(World([SLOW, LATER])) as desk:
        desk.session.create_response()
        await desk.watch.until("response_content_added")
        desk.session.create_response("cancel_existing")
        await desk.answered(2)

        assert desk.session._generations._open == {}
        assert not desk.session._requests.are_under_way


async def test_what_is_stopped_ends_at_once_and_what_comes_late_of_it_is_not_given() -> None:
    async with held(World([SLOW, LATER])) as desk:
        desk.session.create_response()
        content = await desk.watch.until("response_content_added")
        await asyncio.sleep(0.1)
        desk.session.cancel_response()
        assert content.audio_stream.closed
        assert content.text_stream.closed
        desk.session.create_response()
        await desk.answered(2)

        assert [each.status for each in desk.watch.told("response_done")] == ["cancelled", "completed"]
        assert desk.spoken()[1:] == ["I am here."]
        assert len(desk.watch.told("response_content_done")) == 1


async def test_a_response_that_is_stopped_before_it_begins_is_not_told_of() -> None:
    async with held(World([SLOW, LATER])) as desk:
        desk.session.create_response()
        desk.session.create_response("cancel_existing")
        await desk.answered()

        assert desk.spoken() == ["I am here."]
        assert len(desk.watch.told("response_created")) == 1
        assert [each.cancelled for each in desk.watch.told("metrics_collected")] == [True, False]


async def test_what_waits_is_not_asked_for_any_more_once_all_is_stopped() -> None:
    async with held(World([SLOW])) as desk:
        desk.session.create_response()
        await desk.watch.until("response_created")
        waits = desk.session.response.create()
        desk.session.cancel_response()
        await desk.watch.until("response_done")
        await asyncio.sleep(1.0)

        assert waits.result() is False
        assert len(desk.vendor.sent("response.create")) == 1


async def test_a_server_that_answers_by_itself_meanwhile_is_waited_for() -> None:
    world = World([LATER, RealtimeAnswer(text="And this.")], caller=CALLER)
    async with held(world, VAD) as desk:
        for frame in voice(CALLER, 1.4, sample_rate=RATE):
            desk.session._push_audio(frame)
        desk.session.create_response()  # the server begins with its own at the same moment
        await desk.answered(2)

        assert desk.spoken() == ["I am here.", "And this."]
        assert not desk.watch.told("error")


async def test_the_user_stops_the_response_by_speaking() -> None:
    world = World([replace(SLOW, seconds=20.0, pace=1.0), LATER], caller=TWICE)
    async with held(world, VAD) as desk:
        await desk.say(TWICE, 5.0)
        await desk.answered(2)

        first, second = desk.watch.told("response_done")
        assert (first.status, first.status_details.reason) == ("cancelled", "turn_detected")
        assert second.status == "completed"


async def test_every_response_is_measured(lk_clock: VirtualClock) -> None:
    async with held(World([LATER])) as desk:
        desk.session.create_response()
        record: MultimodalLLMMetrics = await desk.watch.until("metrics_collected")

    assert record.ttft == pytest.approx(0.5, abs=0.01)
    assert (record.prompt_tokens, record.completion_tokens, record.total_tokens) == (30, 3, 33)
    assert (record.cached_prompt_tokens, record.input_token_details.audio_tokens) == (6, 10)
    assert (record.label, record.provider, record.model) == ("the model", "openai", "gpt-realtime")
    assert record.error is None


@pytest.mark.parametrize(("status", "reason"), [("failed", None), ("incomplete", "max_output_tokens")])
async def test_a_response_that_fails_is_told_and_measured_as_such(status: str, reason: str | None) -> None:
    async with held(World([RealtimeAnswer(text="I", status=status)])) as desk:  # type: ignore[arg-type]
        desk.session.create_response()
        await desk.answered()
        (record,) = desk.watch.told("metrics_collected")

        assert desk.watch.told("response_done")[0].status == status
        assert (record.error.type, record.error.reason) == (status, reason)


async def test_a_response_without_any_sound_has_no_first_token() -> None:
    async with held(World([RealtimeAnswer(calls=[("nothing", {})])])) as desk:
        desk.session.create_response()
        await desk.watch.until("response_done")

        assert desk.watch.told("metrics_collected")[0].ttft == -1.0


async def test_a_response_can_be_asked_for_with_words_of_its_own() -> None:
    async with held() as desk:
        asked = desk.session.response.create(
            instructions="Greet.", modalities=["text"], conversation="none", metadata={"for": "test"}
        )
        await desk.watch.until("response_done")
        (sent,) = desk.vendor.sent("response.create")

        assert asked.result() is True
        fields = {name: value for name, value in sent["response"].items() if name != "metadata"}
        assert fields == {"instructions": "Greet.", "output_modalities": ["text"], "conversation": "none"}
        assert desk.watch.told("response_done")[0].metadata["for"] == "test"


async def test_a_failing_listener_does_not_end_the_session() -> None:
    def wrong(_one: object, _two: object) -> None:
        raise AssertionError

    async with held() as desk:
        desk.session.on("response_created", wrong)
        desk.session.create_response()
        await desk.answered()

        assert desk.spoken() == ["Good day."]

"""The scripted speech-to-speech model: what it says, what is done to it, and what is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from livekit import rtc

from lk_agents.foundation.errors import APIStatusError
from lk_agents.llm import ChatContext
from lk_agents.testing.providers import (
    Break,
    Heard,
    RealtimeAnswer,
    ScriptedContent,
    ScriptedRealtime,
    ScriptError,
    voice,
)


@pytest.fixture
async def model() -> AsyncIterator[ScriptedRealtime]:
    model = ScriptedRealtime(["Good morning.", "And good night."])
    yield model
    await model.aclose()


async def said(content: ScriptedContent) -> tuple[str, float]:
    text = "".join([piece async for piece in content.text_stream])
    return text, sum([frame.duration async for frame in content.audio_stream])


async def test_answers_are_said_in_order_as_text_and_audio(model: ScriptedRealtime) -> None:
    session = model.session()
    contents: list[ScriptedContent] = []
    session.on("response_content_added", contents.append)

    for _ in range(2):
        session.create_response()
        await asyncio.sleep(0.05)

    texts = [await said(content) for content in contents]
    assert [text for text, _ in texts] == ["Good morning.", "And good night."]
    assert [seconds for _, seconds in texts] == [pytest.approx(0.06 * 13, abs=0.02), pytest.approx(0.06 * 15, abs=0.02)]


async def test_what_was_said_is_in_the_conversation(model: ScriptedRealtime) -> None:
    session = model.session(chat_ctx=ChatContext().append(text="hello", role="user"))
    done: list[ScriptedContent] = []
    session.on("response_content_done", done.append)

    session.create_response()
    await asyncio.sleep(0.05)

    context = session.chat_ctx_copy()
    assert [(message.role, message.content) for message in context.messages] == [
        ("user", "hello"),
        ("assistant", "Good morning."),
    ]
    assert context.messages[-1].id == done[0].item_id


async def test_what_it_hears_is_kept_and_a_turn_is_committed_by_the_agent(model: ScriptedRealtime) -> None:
    session = model.session()
    committed = asyncio.Event()
    session.on("input_speech_committed", committed.set)
    frame = rtc.AudioFrame(bytes(960), 24_000, 1, 480)

    session._push_audio(frame)
    session.commit_audio_buffer()

    assert session.heard == [frame]
    assert committed.is_set()
    assert not session.server_vad_enabled


async def test_a_response_that_is_cancelled_ends_its_streams(model: ScriptedRealtime) -> None:
    session = model.session()
    contents: list[ScriptedContent] = []
    session.on("response_content_added", contents.append)
    session.create_response()
    while not contents:
        await asyncio.sleep(0)

    session.cancel_response()
    async with asyncio.timeout(1):
        _, seconds = await said(contents[0])

    assert session.cancelled == 1
    assert seconds < 0.7
    session.cancel_response()  # nothing is under way any more
    assert session.cancelled == 1


@pytest.mark.parametrize(
    ("on_duplicate", "left", "cancelled"), [("cancel_new", 1, 0), ("cancel_existing", 0, 1), ("keep_both", 0, 0)]
)
async def test_a_second_response_does_as_it_is_told(
    model: ScriptedRealtime, on_duplicate: str, left: int, cancelled: int
) -> None:
    session = model.session()
    session.create_response()
    await asyncio.sleep(0)

    session.create_response(on_duplicate)  # type: ignore[arg-type]

    assert (len(model.answers), session.cancelled) == (left, cancelled)


async def test_a_cut_is_recorded_and_a_text_rewritten(model: ScriptedRealtime) -> None:
    session = model.session()
    session.create_response()
    await asyncio.sleep(0.05)
    item = session.chat_ctx_copy().messages[-1].id
    assert item

    session._truncate_conversation_item(item_id=item, content_index=0, audio_end_ms=300)
    session._update_conversation_item_content(item_id=item, content="Good")

    assert session.truncated == [(item, 300)]
    assert session.chat_ctx_copy().messages[-1].content == "Good"


async def test_the_conversation_can_be_replaced(model: ScriptedRealtime) -> None:
    session = model.session()

    await session.set_chat_ctx(ChatContext().append(text="anew", role="user"))

    assert [message.content for message in session.chat_ctx_copy().messages] == ["anew"]


async def test_an_answer_too_many_and_one_that_is_left_are_errors(model: ScriptedRealtime) -> None:
    session = model.session()
    with pytest.raises(ScriptError, match="good night"):
        model.assert_done()

    session.create_response()
    session.create_response()

    model.assert_done()
    with pytest.raises(ScriptError, match="nothing is left to say"):
        session.create_response()


async def test_closing_ends_what_is_being_said(lk_no_leaks: None) -> None:
    model = ScriptedRealtime(["Good morning."])
    session = model.session()
    session.create_response()
    await asyncio.sleep(0)

    await session.aclose()
    await session.aclose()


CALLER = [Heard("what is the weather", 0.5, 1.5), Heard("thank you", 3.0, 3.5)]


async def test_its_server_hears_when_the_user_has_finished_and_answers() -> None:
    model = ScriptedRealtime(["It is sunny.", "Goodbye."], caller=CALLER)
    session = model.session()
    told: list[tuple[str, object]] = []
    for event in ("input_speech_started", "input_speech_stopped", "input_speech_committed", "response_created"):
        session.on(event, lambda *what, event=event: told.append((event, what[0] if what else None)))
    texts: list[str] = []
    session.on("input_speech_transcription_completed", lambda said: texts.append(said.transcript))

    for frame in voice(CALLER, 5.0, sample_rate=24_000):
        session._push_audio(frame)
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    await model.aclose()

    assert [event for event, _ in told] == [
        "input_speech_started",
        "input_speech_stopped",
        "input_speech_committed",
        "response_created",
    ] * 2
    positions = [what for event, what in told if event == "input_speech_stopped"]
    assert positions == [pytest.approx(1.5, abs=0.05), pytest.approx(3.5, abs=0.05)]
    assert texts == ["what is the weather", "thank you"]


async def test_a_connection_is_lost_and_made_again() -> None:
    model = ScriptedRealtime(["Good morning."], breaks=[Break(1)])
    session = model.session()
    told: list[str] = []
    for event in ("reconnecting", "reconnected", "response_content_done"):
        session.on(event, lambda *_, event=event: told.append(event))

    session.create_response()
    await asyncio.sleep(0.05)
    await model.aclose()

    assert told == ["reconnecting", "reconnected"]
    model.assert_done()


async def test_a_session_that_cannot_begin_tells_it() -> None:
    model = ScriptedRealtime(breaks=[Break(0, error=APIStatusError("no", status_code=401))])
    session = model.session()
    closed: list[object] = []
    session.on("closed", closed.append)

    with pytest.raises(APIStatusError):
        await session._init_sync_task
    await model.aclose()

    assert [type(each) for each in closed] == [APIStatusError]


async def test_an_answer_may_be_written_fail_or_stop_coming() -> None:
    answers = [RealtimeAnswer(text="I write.", as_text=True), RealtimeAnswer(status="failed")]
    model = ScriptedRealtime([*answers, RealtimeAnswer(text="Never.", stall_at=0.0)])
    session = model.session()
    contents: list[ScriptedContent] = []
    statuses: list[str] = []
    session.on("response_content_added", contents.append)
    session.on("response_done", lambda response: statuses.append(response.status))

    for _ in range(3):
        session.create_response()
    await asyncio.sleep(0.05)
    session.die()
    await model.aclose()

    assert [(content.content_type, content.text) for content in contents] == [("text", "I write.")]
    assert statuses == ["completed", "failed", "cancelled"]

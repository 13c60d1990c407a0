"""What was heard, and what the model is told was heard, wherever the agent is interrupted."""

from __future__ import annotations

import pytest
from tests.multimodal.calls import LONG, Call

from lk_agents.testing.providers import RealtimeAnswer

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")

SECONDS = len(LONG) * 0.06
WORDS = LONG.split()
TENTHS = [round(0.1 * tenth, 1) for tenth in range(1, int(SECONDS * 10))]
RATE = 24_000


def words_at(seconds: float) -> float:
    """Return how many words were spoken by then, if all letters take equally long."""
    spoken, at = 0.0, 0.0
    for word in WORDS:
        length = (len(word) + 1) * 0.06
        spoken += min(max((seconds - at) / length, 0.0), 1.0)
        at += length
    return spoken


@pytest.mark.parametrize("at", TENTHS)
async def test_the_model_is_cut_at_the_sample_that_was_heard_last(at: float) -> None:
    call = Call([LONG], caller=None)
    call.start()
    call.agent.generate_reply()
    await call.until(at)
    call.agent.interrupt()
    await call.run(at + 2.0)

    heard_samples = len(call.io.audio_out.played_audio) // 2
    ((item, milliseconds),) = call.session.truncated
    assert milliseconds == heard_samples * 1000 // RATE
    assert milliseconds == pytest.approx(at * 1000, abs=2)
    (told,) = call.told("agent_speech_interrupted") or [""]
    assert call.conversation()[-1] == ("assistant", told)
    assert call.agent.chat_ctx_copy().messages[-1].id == item
    heard = told.removesuffix("...").split()
    assert WORDS[: len(heard)] == [word if word in WORDS else f"{word}." for word in heard]
    assert abs(len(heard) - words_at(at)) <= 1.5


@pytest.mark.parametrize("at", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("pace", [None, 1.0])
async def test_a_response_under_way_is_stopped_and_one_that_is_done_is_not(at: float, pace: float | None) -> None:
    call = Call([RealtimeAnswer(text=LONG, pace=pace, first_seconds=0.02)], caller=None)
    call.start()
    call.agent.generate_reply()
    await call.until(at)
    call.agent.interrupt()
    await call.run(at + 8.0)

    is_done = pace is None and at > 0.0
    assert call.session.cancelled == (0 if is_done else 1)
    assert call.outcomes() == ["dropped" if at == 0.0 else "interrupted"]
    assert call.at("agent_stopped_speaking") == ([] if at == 0.0 else [pytest.approx(at)])


async def test_what_waits_behind_a_reply_is_cut_to_nothing() -> None:
    call = Call([LONG, "And another thing.", "And one more."], caller=None)
    call.start()
    for _ in range(3):
        call.agent.generate_reply("keep_both")
    await call.until(1.0)
    call.agent.interrupt()
    await call.run(4.0)

    assert [milliseconds for _, milliseconds in call.session.truncated] == [1000, 0, 0]
    said = [content for role, content in call.conversation() if role == "assistant"]
    assert said == [call.told("agent_speech_interrupted")[0], "", ""]
    assert call.outcomes() == ["interrupted", "dropped", "dropped"]
    assert call.events().count("agent_started_speaking") == 1


async def test_audio_that_comes_late_of_an_interrupted_response_is_not_heard() -> None:
    from lk_agents.testing.providers import ScriptedContent

    call = Call([RealtimeAnswer(text=LONG, pace=1.0)], caller=None)
    parts: list[ScriptedContent] = []
    call.start()
    call.session.on("response_content_added", parts.append)
    call.agent.generate_reply()
    await call.until(1.0)
    call.agent.interrupt()
    late = ScriptedContent("too late", response_id=parts[0].response_id)
    call.session.emit("response_content_added", late)
    late.text_stream.close()
    late.audio_stream.close()
    await call.run(3.0)

    assert len(call.told("turn_finished")) == 1


async def test_interrupting_an_agent_that_is_silent_changes_nothing() -> None:
    call = Call(caller=None)
    call.agent.interrupt()
    await call.until(1.0)
    call.agent.interrupt()
    await call.run(2.0)

    assert call.session.cancelled == 0
    assert call.events() == []

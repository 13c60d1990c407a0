"""Hearing with a recogniser that cannot listen, and is asked about recordings."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.voice.listening import HELLO, ONCE, Listening

from lk_agents.foundation.errors import APIConnectionError, APITimeoutError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.metrics.records import STTMetrics
from lk_agents.stt import SpeechEvent
from lk_agents.testing import VirtualClock
from lk_agents.testing.providers import Break, BreakKind, Heard, ScriptedSTT, ScriptedVAD
from lk_agents.utils.audio import AudioBuffer
from lk_agents.voice import signals as s

pytestmark = pytest.mark.usefixtures("lk_clock", "lk_no_leaks")

W = 0.032
RESUMED = [Heard("one two", 1.0, 2.0), Heard("three", 2.4, 3.0)]
SPOKEN_AGAIN = [Heard("one two", 1.0, 2.0), Heard("three", 4.0, 4.5)]


def recogniser(script: list[Heard] | None = None, **options: Any) -> ScriptedSTT:
    return ScriptedSTT([HELLO] if script is None else script, streaming=False, **options)


async def test_it_is_asked_02_s_after_the_last_sound_and_not_again_at_the_end() -> None:
    stt = recogniser(recognition_seconds=0.1)
    async with Listening(stt) as user:
        user.say([HELLO], 3.5)
        await asyncio.sleep(3.6)

    (final,), (closed,) = user.of(s.Final), user.of(s.RecognitionClosed)
    assert (final.text, final.key, final.language) == ("hello there", 1, "en")
    assert final.at == closed.at == pytest.approx(2.2 + 0.1, abs=0.011)
    assert len(stt.calls) == 1


async def test_what_it_is_told_comes_in_the_order_that_keeps_the_decision_waiting() -> None:
    async with Listening(recogniser(recognition_seconds=0.1)) as user:
        user.say([HELLO], 3.5)
        await asyncio.sleep(3.6)

    assert user.kinds() == [
        "VoiceRunBegan",
        "SpeechStarted",
        "RecognitionOpened",
        "VoiceRunEnded",
        "Final",
        "RecognitionClosed",
        "SpeechStopped",
    ]


async def test_it_hears_the_utterance_from_a_little_before_its_onset_to_the_present() -> None:
    stt = recogniser()
    async with Listening(stt) as user:
        user.say([HELLO], 3.5)
        await asyncio.sleep(3.6)

    assert stt.calls[0].audio_seconds == pytest.approx(0.3 + 1.0 + 0.2, abs=2 * W)


async def test_events_of_the_recogniser_are_handed_on_with_their_key() -> None:
    async with Listening(recogniser()) as user:
        user.say([HELLO], 3.5)
        await asyncio.sleep(3.6)

    ((event, key),) = user.speech_events
    assert (event.alternatives[0].text, key) == ("hello there", 1)


async def test_speech_that_goes_on_drops_the_recognition_and_replaces_its_text() -> None:
    stt = recogniser(RESUMED, recognition_seconds=0.5)
    async with Listening(stt) as user:
        user.say(RESUMED, 4.5)
        await asyncio.sleep(4.6)

    assert user.texts() == [(1, "one two three")]
    assert [each.audio_seconds for each in stt.calls] == pytest.approx([1.5, 2.5], abs=2 * W)
    assert [each.key for each in user.of(s.RecognitionOpened)] == [1, 1]
    assert [each.key for each in user.of(s.RecognitionClosed)] == [1, 1]


async def test_a_text_that_had_come_is_replaced_under_its_key_when_the_speech_goes_on() -> None:
    async with Listening(recogniser(RESUMED)) as user:
        user.say(RESUMED, 4.5)
        await asyncio.sleep(4.6)

    assert user.texts() == [(1, "one two"), (1, "one two three")]


async def test_after_the_end_another_utterance_has_another_key() -> None:
    async with Listening(recogniser(SPOKEN_AGAIN)) as user:
        user.say(SPOKEN_AGAIN, 6.0)
        await asyncio.sleep(6.1)

    assert user.texts() == [(1, "one two"), (2, "three")]


async def test_after_the_decision_what_follows_is_another_utterance_before_the_end_too() -> None:
    async with Listening(recogniser(RESUMED)) as user:
        user.say(RESUMED, 4.5)
        await asyncio.sleep(2.3)
        user.hearing.utterance_taken()
        await asyncio.sleep(2.3)

    assert user.texts() == [(1, "one two"), (2, "three")]
    assert len(user.of(s.SpeechStopped)) == 1


@pytest.mark.parametrize("kind", [s.Final, s.RecognitionClosed])
async def test_the_decision_may_come_while_the_text_is_being_posted(kind: type) -> None:
    def decide(event: s.Input) -> None:
        if isinstance(event, kind):
            user.hearing.utterance_taken()

    async with Listening(recogniser(RESUMED)) as user:
        user.then = decide
        user.say(RESUMED, 4.5)
        await asyncio.sleep(4.6)

    assert user.texts() == [(1, "one two"), (2, "three")]
    assert [each.key for each in user.of(s.RecognitionClosed)] == [1, 2]


async def test_a_final_that_comes_after_the_decision_keeps_its_key() -> None:
    async with Listening(recogniser(SPOKEN_AGAIN, recognition_seconds=1.0)) as user:
        user.say(SPOKEN_AGAIN, 6.5)
        await asyncio.sleep(2.5)
        user.hearing.utterance_taken()
        await asyncio.sleep(4.1)

    assert user.texts() == [(1, "one two"), (2, "three")]


async def test_without_speculation_it_is_asked_at_the_end() -> None:
    stt = recogniser()
    async with Listening(stt, speculative=False) as user:
        user.say([HELLO], 3.5)
        await asyncio.sleep(3.6)

    assert user.of(s.Final)[0].at == pytest.approx(63 * W + 18 * W)
    assert user.of(s.RecognitionOpened)[0].at == user.of(s.VoiceRunEnded)[0].at
    assert len(stt.calls) == 1


async def test_a_recording_in_which_nothing_is_said_has_an_empty_final() -> None:
    async with Listening(recogniser([])) as user:
        user.say([HELLO], 3.5)
        await asyncio.sleep(3.6)

    assert user.texts() == [(1, "")]


async def test_a_click_that_the_detector_does_not_take_for_speech_is_not_recognised() -> None:
    stt = recogniser([])
    async with Listening(stt, vad=ScriptedVAD([(1.0, 1.03)])) as user:
        user.say([], 3.0)
        await asyncio.sleep(3.1)

    assert user.kinds() == ["VoiceRunBegan", "VoiceRunEnded"]
    assert not stt.calls


async def test_an_utterance_of_more_than_a_minute_is_recognised_in_pieces_without_losing_a_sample() -> None:
    long = Heard("very long", 1.0, 75.0)
    stt = recogniser([long])
    async with Listening(stt) as user:
        user.say([long], 76.5)
        await asyncio.sleep(76.6)

    assert [each.key for each in user.of(s.Final)] == [1, 2]
    assert stt.calls[0].audio_seconds == pytest.approx(60.0, abs=2 * W)
    assert sum(each.audio_seconds for each in stt.calls) == pytest.approx(0.3 + 74.0 + 0.2, abs=2 * W)


async def test_every_request_is_counted_in_the_metrics() -> None:
    stt = recogniser(RESUMED)
    metrics: list[STTMetrics] = []
    stt.on("metrics_collected", metrics.append)
    async with Listening(stt) as user:
        user.say(RESUMED, 4.5)
        await asyncio.sleep(4.6)

    assert [each.audio_duration for each in metrics] == [each.audio_seconds for each in stt.calls]
    assert len(metrics) == 2


# --- what goes wrong --------------------------------------------------------------------------------------------------


async def test_a_recognition_that_fails_is_closed_without_a_text_and_tried_again_at_the_end() -> None:
    stt = recogniser(breaks=[Break(0.0, error=APIConnectionError("no"))])
    async with Listening(stt) as user:
        user.say([HELLO], 3.5)
        await asyncio.sleep(3.6)

    ((at, stage, error),) = user.errors
    assert at == pytest.approx(2.2, abs=0.011)
    assert stage == "stt"
    assert isinstance(error, APIConnectionError)
    assert user.texts() == [(1, "hello there")]
    assert user.of(s.Final)[0].at == pytest.approx(63 * W + 18 * W)
    assert len(user.of(s.RecognitionOpened)) == len(user.of(s.RecognitionClosed)) == 2


async def test_a_recogniser_that_is_broken_is_asked_again_with_the_next_utterance() -> None:
    stt = recogniser(SPOKEN_AGAIN, breaks=[Break(0.0, error=TypeError("a bug"), times=2)])
    async with Listening(stt) as user:
        user.say(SPOKEN_AGAIN, 6.0)
        await asyncio.sleep(6.1)

    assert [type(error) for _, _, error in user.errors] == [TypeError, TypeError]
    assert user.texts() == [(2, "three")]
    assert len(user.of(s.RecognitionOpened)) == len(user.of(s.RecognitionClosed)) == 3


class Deaf(ScriptedSTT):
    """Does not keep to its time-out."""

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
    ) -> SpeechEvent:
        await asyncio.sleep(1000.0)
        return await super()._recognize_impl(buffer, language=language, conn_options=conn_options)


async def test_a_recogniser_that_does_not_keep_to_its_time_is_given_up() -> None:
    async with Listening(Deaf([HELLO], streaming=False), speculative=False) as user:
        user.say([HELLO], 3.5)
        await asyncio.sleep(10.0)

    ((at, _, error),) = user.errors
    assert isinstance(error, APITimeoutError)
    assert at == pytest.approx(63 * W + 18 * W + ONCE.timeout)
    assert len(user.of(s.RecognitionClosed)) == 1


async def test_a_restart_asks_again_what_is_being_asked() -> None:
    stt = recogniser(breaks=[Break(0.0, BreakKind.STALL)])
    async with Listening(stt) as user:
        user.say([HELLO], 3.0)
        await asyncio.sleep(2.5)
        user.hearing.restart_stt()
        await asyncio.sleep(0.6)

    assert user.texts() == [(1, "hello there")]
    assert stt.calls[0].audio_seconds == stt.calls[1].audio_seconds
    assert len(user.of(s.RecognitionOpened)) == len(user.of(s.RecognitionClosed)) == 1
    assert not user.errors


async def test_a_last_utterance_without_silence_behind_it_is_recognised_when_its_input_ends() -> None:
    async with Listening(recogniser()) as user:
        user.say([HELLO], 2.0).end()
        await asyncio.sleep(2.1)

    assert user.texts() == [(1, "hello there")]
    assert user.of(s.Final)[0].at == pytest.approx(2.0, abs=W)
    assert user.kinds()[-2:] == ["Final", "RecognitionClosed"]


async def test_a_microphone_muted_in_mid_speech_lets_it_be_recognised(lk_clock: VirtualClock) -> None:
    async with Listening(recogniser()) as user:
        user.say([HELLO], 1.984)
        await asyncio.sleep(3.0)

    assert user.texts() == [(1, "hello there")]
    assert user.of(s.Final)[0].at == pytest.approx(1.984 + 0.5)
    assert user.of(s.VoiceRunEnded)[0].last_speech_at == pytest.approx(1.984, abs=0.011)
    assert lk_clock.monotonic() == pytest.approx(3.0)

"""Hearing while inputs come and go and providers fail."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from livekit import rtc
from tests.voice.listening import HELLO, Listening

from lk_agents.foundation.errors import APIConnectionError, APIError
from lk_agents.testing.audio import MemoryAudioIn
from lk_agents.testing.providers import Break, BreakKind, Heard, ScriptedSTT, ScriptedVAD
from lk_agents.testing.providers.speech import voice
from lk_agents.vad import VAD, VADCapabilities, VADEvent, VADEventType, VADStream
from lk_agents.voice import signals as s

pytestmark = pytest.mark.usefixtures("lk_clock", "lk_no_leaks")

W = 0.032
LONG = Heard("a speech of many words", 1.0, 6.0)


def gone() -> APIError:
    return APIConnectionError("gone", retryable=False)


# --- inputs -----------------------------------------------------------------------------------------------------------


async def test_a_track_muted_in_mid_speech_ends_run_and_speech_after_half_a_second() -> None:
    async with Listening(ScriptedSTT([LONG])) as user:
        user.say([LONG], 2.0)
        await asyncio.sleep(2.7)

    ended, stopped = user.of(s.VoiceRunEnded)[0], user.of(s.SpeechStopped)[0]
    heard_until = 63 * W
    assert (ended.at, stopped.at) == pytest.approx((heard_until + 0.5, heard_until + 0.5))
    assert ended.last_speech_at == pytest.approx(heard_until, abs=W)


async def test_a_track_muted_in_mid_speech_lets_the_recogniser_finish_what_it_has() -> None:
    async with Listening(ScriptedSTT([LONG])) as user:
        user.say([LONG], 4.0)
        await asyncio.sleep(5.0)

    assert user.texts() == [(1, "a speech of")]


async def test_speech_after_a_mute_is_a_new_run_and_a_new_start_at_its_own_time() -> None:
    async with Listening(ScriptedSTT([LONG], by_sound=True)) as user:
        microphone = user.say([LONG], 2.0)
        await asyncio.sleep(5.0)
        microphone.feed(voice([LONG], 8.0, frame_seconds=W)[63:])
        await asyncio.sleep(7.0)

    first, second = user.of(s.VoiceRunBegan)
    assert first.onset_at == pytest.approx(1.0, abs=0.011)
    assert second.onset_at == pytest.approx(5.0, abs=W)
    assert len(user.of(s.SpeechStarted)) == len(user.of(s.SpeechStopped)) == 2
    assert user.of(s.VoiceRunEnded)[1].last_speech_at == pytest.approx(5.0 + 6.0 - 63 * W, abs=0.011)


async def test_silence_after_a_mute_brings_no_second_end() -> None:
    async with Listening(ScriptedSTT([LONG])) as user:
        microphone = user.say([LONG], 2.0)
        await asyncio.sleep(5.0)
        microphone.feed(voice([], 2.0, frame_seconds=W))
        await asyncio.sleep(2.5)

    assert len(user.of(s.SpeechStarted)) == len(user.of(s.SpeechStopped)) == 1
    assert len(user.of(s.VoiceRunBegan)) == len(user.of(s.VoiceRunEnded)) == 1


async def test_a_track_unpublished_in_mid_speech_ends_everything_at_once() -> None:
    async with Listening(ScriptedSTT([LONG])) as user:
        user.say([LONG], 8.0)
        await asyncio.sleep(3.0)
        user.inputs.switch(None)
        await asyncio.sleep(0.1)

    assert user.of(s.VoiceRunEnded)[0].at == user.of(s.SpeechStopped)[0].at == pytest.approx(3.0, abs=1e-3)


async def test_a_last_utterance_without_silence_behind_it_is_understood_when_its_track_ends() -> None:
    async with Listening(ScriptedSTT([HELLO])) as user:
        user.say([HELLO], 2.05).end()
        await asyncio.sleep(2.2)

    assert user.texts() == [(1, "hello there")]
    assert user.of(s.VoiceRunEnded)[0].last_speech_at == pytest.approx(2.0, abs=0.011)


async def test_a_track_replaced_in_mid_turn_begins_another_run_of_the_same_recognition() -> None:
    stt = ScriptedSTT([LONG], by_sound=True)
    async with Listening(stt) as user:
        user.say([LONG], 8.0)
        await asyncio.sleep(3.0)
        rest = voice([LONG], 8.0, sample_rate=48_000, frame_seconds=W)[94:]
        user.open(sample_rate=48_000).feed(rest)
        await asyncio.sleep(5.5)

    first, second = user.of(s.VoiceRunBegan)
    assert user.of(s.VoiceRunEnded)[0].at == pytest.approx(3.0, abs=1e-3)
    assert second.onset_at == pytest.approx(3.0, abs=0.02)
    assert user.of(s.VoiceRunEnded)[1].last_speech_at == pytest.approx(3.0 + 6.0 - 94 * W, abs=0.02)
    assert first.onset_at == pytest.approx(1.0, abs=0.011)
    assert len(stt.calls) == 1
    assert not user.errors


async def test_a_participant_who_comes_back_is_heard_again() -> None:
    async with Listening(ScriptedSTT([HELLO], by_sound=True)) as user:
        user.say([], 1.0)
        await asyncio.sleep(1.0)
        user.inputs.switch(None)
        await asyncio.sleep(30.0)
        user.say([HELLO], 3.0)
        await asyncio.sleep(3.1)

    assert user.of(s.VoiceRunBegan)[0].onset_at == pytest.approx(32.0, abs=0.011)
    assert user.texts() == [(1, "hello there")]


class Broken(MemoryAudioIn):
    """Fails after its frames."""

    async def __anext__(self) -> rtc.AudioFrame:
        try:
            return await super().__anext__()
        except StopAsyncIteration:
            raise OSError("no such device") from None


async def test_an_input_that_fails_counts_as_ended_and_the_next_one_is_heard() -> None:
    async with Listening(ScriptedSTT([HELLO], by_sound=True)) as user:
        broken = Broken()
        broken.feed(voice([HELLO], 1.5, frame_seconds=W))
        broken.end()
        user.inputs.switch(broken)
        await asyncio.sleep(2.0)
        user.say([HELLO], 3.0)
        await asyncio.sleep(3.1)

    assert len(user.of(s.VoiceRunBegan)) == len(user.of(s.VoiceRunEnded)) == 2


# --- the recogniser's stream ------------------------------------------------------------------------------------------


async def test_a_recogniser_that_fails_is_told_of_and_its_successor_hears_what_was_not_final() -> None:
    script = [Heard("one", 0.5, 1.0), Heard("two three", 2.0, 3.0)]
    stt = ScriptedSTT(script, by_sound=True, breaks=[Break(2.6, error=gone)])
    async with Listening(stt) as user:
        user.say(script, 5.0)
        await asyncio.sleep(5.1)

    ((at, stage, error),) = user.errors
    assert at == pytest.approx(2.6, abs=W)
    assert (stage, str(error)) == ("stt", "gone")
    assert user.texts() == [(1, "one"), (2, "two three")]


async def test_a_recogniser_that_keeps_failing_is_asked_at_ever_longer_intervals() -> None:
    stt = ScriptedSTT([], breaks=[Break(error=gone, times=9)])
    async with Listening(stt) as user:
        user.say([], 100.0)
        await asyncio.sleep(60.0)

    moments = [at for at, _, _ in user.errors]
    waits = [after - before for before, after in pairwise(moments)]
    assert waits == pytest.approx([0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0], abs=2 * W)


async def test_success_resets_the_interval() -> None:
    script = [Heard("one", 2.0, 2.5), Heard("two", 5.0, 5.5)]
    stt = ScriptedSTT(script, by_sound=True, breaks=[Break(error=gone, times=2), Break(5.2, error=gone)])
    async with Listening(stt) as user:
        user.say(script, 8.0)
        await asyncio.sleep(8.1)

    assert user.texts() == [(1, "one"), (2, "two")]
    assert len(user.errors) == 3
    assert user.of(s.Final)[-1].at < user.errors[-1][0] + 0.6


async def test_a_stream_that_ends_by_itself_has_failed() -> None:
    stt = ScriptedSTT([HELLO], by_sound=True, breaks=[Break(1.5, BreakKind.END)])
    async with Listening(stt) as user:
        user.say([HELLO], 4.0)
        await asyncio.sleep(4.1)

    ((_, stage, _),) = user.errors
    assert stage == "stt"
    assert user.texts() == [(1, "hello there")]


async def test_a_recogniser_that_cannot_be_opened_is_asked_again() -> None:
    class Reluctant(ScriptedSTT):
        refusals = 2

        def stream(self, **options: Any) -> Any:
            self.refusals -= 1
            if self.refusals >= 0:
                raise ValueError("not yet")
            return super().stream(**options)

    async with Listening(Reluctant([HELLO], by_sound=True)) as user:
        user.say([HELLO], 4.0)
        await asyncio.sleep(4.1)

    assert [str(error) for _, _, error in user.errors] == 2 * ["not yet"]
    assert user.texts() == [(1, "hello there")]


async def test_a_restart_gives_a_stalled_recognisers_successor_the_audio_since_the_last_final() -> None:
    script = [Heard("one", 0.5, 1.0), Heard("two three", 2.0, 3.0)]
    stt = ScriptedSTT(script, by_sound=True, breaks=[Break(2.2, BreakKind.STALL)])
    async with Listening(stt) as user:
        user.say(script, 8.0)
        await asyncio.sleep(6.0)
        assert user.texts() == [(1, "one")]

        user.hearing.restart_stt()
        await asyncio.sleep(0.1)

    assert user.texts() == [(1, "one"), (2, "two three")]
    assert not user.errors
    assert len(stt.calls) == 2


async def test_a_restart_while_the_recogniser_is_waited_for_asks_it_at_once() -> None:
    stt = ScriptedSTT([], breaks=[Break(error=gone, times=5)])
    async with Listening(stt) as user:
        user.say([], 20.0)
        await asyncio.sleep(10.0)
        calls = len(stt.calls)
        user.hearing.restart_stt()
        await asyncio.sleep(0.1)

        assert len(stt.calls) == calls + 1


async def test_restarts_in_the_same_moment_are_one() -> None:
    stt = ScriptedSTT([HELLO], by_sound=True)
    async with Listening(stt) as user:
        user.say([HELLO], 4.0)
        await asyncio.sleep(1.5)
        for _ in range(3):
            user.hearing.restart_stt()
        await asyncio.sleep(2.6)

    assert user.texts() == [(1, "hello there")]
    assert len(stt.calls) == 2


# --- the detector's stream --------------------------------------------------------------------------------------------


async def test_a_detector_that_fails_in_mid_speech_leaves_nothing_open_and_its_successor_hears_the_rest() -> None:
    vad = ScriptedVAD(breaks=[Break(3.0, error=gone)])
    async with Listening(ScriptedSTT([LONG]), vad=vad) as user:
        user.say([LONG], 8.0)
        await asyncio.sleep(3.3)
        assert [type(each) for each in user.posted[-2:]] == [s.VoiceRunEnded, s.SpeechStopped]
        assert [stage for _, stage, _ in user.errors] == ["vad"]

        await asyncio.sleep(5.0)

    _, second = user.of(s.VoiceRunBegan)
    assert second.at == pytest.approx(3.5, abs=2 * W)
    assert second.onset_at == pytest.approx(3.0, abs=2 * W)
    assert user.of(s.VoiceRunEnded)[1].last_speech_at == pytest.approx(6.0, abs=0.011)
    assert len(user.of(s.SpeechStarted)) == len(user.of(s.SpeechStopped)) == 2


async def test_a_detector_whose_stream_ends_by_itself_has_failed() -> None:
    vad = ScriptedVAD(breaks=[Break(1.5, BreakKind.END)])
    async with Listening(ScriptedSTT([LONG]), vad=vad) as user:
        user.say([LONG], 8.0)
        await asyncio.sleep(8.1)

    ((_, stage, error),) = user.errors
    assert stage == "vad"
    assert "ended by itself" in str(error)
    assert user.of(s.VoiceRunEnded)[1].last_speech_at == pytest.approx(6.0, abs=0.011)


class Fragile(VAD):
    """Breaks whenever it hears the loudest of all samples; everything else is speech.

    :param late_seconds: how far it lags behind.
    """

    def __init__(self, *, late_seconds: float = 0.0) -> None:
        super().__init__(capabilities=VADCapabilities(update_interval=W))
        self.late_seconds = late_seconds

    def stream(self) -> VADStream:
        return _FragileStream(self, self.late_seconds)


class _FragileStream(VADStream):
    def __init__(self, vad: VAD, late_seconds: float) -> None:
        super().__init__(vad)
        self._late_seconds = late_seconds

    async def _main_task(self) -> None:
        judged = 0.0
        heard_at = asyncio.get_running_loop().time()
        async for item in self._input_ch:
            if isinstance(item, self._FlushSentinel):
                continue
            if max(item.data) == 32_767:
                raise ArithmeticError("too loud")
            judged += item.duration
            await asyncio.sleep(heard_at + judged + self._late_seconds - asyncio.get_running_loop().time())
            event = VADEvent(VADEventType.INFERENCE_DONE, 0, judged, 0.0, 0.0, [item], probability=0.9)
            self._event_ch.send_nowait(event)


async def test_audio_that_breaks_the_detector_again_is_left_out() -> None:
    async with Listening(ScriptedSTT(), vad=Fragile()) as user:
        microphone = user.say([LONG], 2.016)
        microphone.feed([rtc.AudioFrame(b"\xff\x7f" * 512, 16_000, 1, 512)])
        microphone.feed(voice([LONG], 6.0, frame_seconds=W))
        await asyncio.sleep(8.1)

    assert [stage for _, stage, _ in user.errors] == ["vad", "vad"]
    broke_at = user.errors[0][0]
    assert user.errors[1][0] == pytest.approx(broke_at + 0.5)
    assert user.of(s.VoiceRunBegan)[1].onset_at == pytest.approx(broke_at + 1.5, abs=2 * W)


async def test_what_the_detector_has_yet_to_judge_is_waited_for_when_the_input_ends() -> None:
    async with Listening(ScriptedSTT(), vad=Fragile(late_seconds=0.5)) as user:
        user.say([LONG], 2.016).end()
        await asyncio.sleep(4.0)

    (ended,) = user.of(s.VoiceRunEnded)
    assert len(user.of(s.VoiceRunBegan)) == 1
    assert ended.at == pytest.approx(2.5, abs=W)
    assert ended.last_speech_at == pytest.approx(2.016)


class Tired(ScriptedVAD):
    """Cannot be opened the second time."""

    opened = 0

    def stream(self) -> VADStream:
        self.opened += 1
        if self.opened == 2:
            raise gone()
        return super().stream()


@pytest.mark.parametrize("min_speech_duration", [0.05, 10.0])
async def test_a_detector_that_comes_back_when_no_audio_comes_any_more_leaves_nothing_open(
    min_speech_duration: float,
) -> None:
    vad = Tired(breaks=[Break(1.5, error=gone)], min_speech_duration=min_speech_duration)
    async with Listening(ScriptedSTT([LONG]), vad=vad) as user:
        user.say([LONG], 1.7)
        await asyncio.sleep(5.0)

    _, second = user.of(s.VoiceRunBegan)
    assert (second.at, second.onset_at) == pytest.approx((3.0, 1.5), abs=2 * W)
    assert user.of(s.VoiceRunEnded)[1].at == pytest.approx(3.1, abs=2 * W)
    assert len(user.of(s.SpeechStarted)) == len(user.of(s.SpeechStopped))

"""What the turn machine is told of the user's audio, when nothing goes wrong."""

from __future__ import annotations

import asyncio

import pytest
from livekit import rtc
from tests.voice.listening import HELLO, DictatedSTT, Listening

from lk_agents.foundation.errors import ConfigError
from lk_agents.stt import SpeechEventType as Kind
from lk_agents.testing import VirtualClock
from lk_agents.testing.audio import MemoryAudioIn
from lk_agents.testing.providers import Heard, ScriptedSTT, ScriptedVAD
from lk_agents.testing.providers.speech import voice
from lk_agents.utils.audio import calculate_audio_duration
from lk_agents.voice import signals as s
from lk_agents.voice.hearing import Hearing, HearingOptions

pytestmark = pytest.mark.usefixtures("lk_clock", "lk_no_leaks")

W = 0.032


async def test_a_run_is_told_with_its_windows_from_its_first_sound_to_its_last() -> None:
    async with Listening(ScriptedSTT([HELLO])) as user:
        user.say([HELLO], 3.5)
        await asyncio.sleep(3.6)

    (began,), (ended,) = user.of(s.VoiceRunBegan), user.of(s.VoiceRunEnded)
    windows = user.of(s.VoiceWindow)
    assert began.onset_at == pytest.approx(1.0, abs=0.01)
    assert ended.onset_at == began.onset_at
    assert ended.last_speech_at == pytest.approx(2.0, abs=0.011)
    assert [each.is_speech for each in windows] == 32 * [True] + 2 * [False]
    assert windows[0].at == began.at == pytest.approx(32 * W)
    assert ended.at == windows[-1].at
    assert windows[-1].last_speech_at == ended.last_speech_at


async def test_the_detectors_start_and_end_are_told_once_each() -> None:
    async with Listening(ScriptedSTT([HELLO])) as user:
        user.say([HELLO], 3.5)
        await asyncio.sleep(3.6)

    (started,), (stopped,) = user.of(s.SpeechStarted), user.of(s.SpeechStopped)
    assert started.at == pytest.approx(33 * W)
    assert stopped.at == pytest.approx(63 * W + 18 * W)
    assert user.kinds(s.Interim, s.Final) == ["VoiceRunBegan", "SpeechStarted", "VoiceRunEnded", "SpeechStopped"]


async def test_moments_are_those_of_the_audio_however_late_it_arrives() -> None:
    async with Listening(ScriptedSTT([HELLO])) as user:
        await asyncio.sleep(100.0)
        user.say([HELLO], 3.5)
        await asyncio.sleep(3.6)

    assert user.of(s.VoiceRunBegan)[0].onset_at == pytest.approx(101.0, abs=0.01)


async def test_every_final_of_a_turn_has_a_key_of_its_own() -> None:
    script = [Heard("one two", 1.0, 1.5, ends_speech=False), Heard("three", 1.7, 2.0)]
    async with Listening(ScriptedSTT(script)) as user:
        user.say(script, 3.5)
        await asyncio.sleep(3.6)

    assert user.texts() == [(1, "one two"), (2, "three")]
    assert [each.text for each in user.of(s.Interim)] == ["one"]
    assert {each.language for each in user.of(s.Interim)} == {each.language for each in user.of(s.Final)} == {"en"}


async def test_events_of_the_recogniser_carry_the_key_that_their_transcript_will_have() -> None:
    stt = DictatedSTT()
    async with Listening(stt) as user:
        user.say([], 0.1)
        for kind in (Kind.INTERIM_TRANSCRIPT, Kind.FINAL_TRANSCRIPT, Kind.INTERIM_TRANSCRIPT):
            stt.tell(kind, "hello")
        await asyncio.sleep(0.2)

    assert [key for _, key in user.speech_events] == [1, 1, 2]


async def test_a_final_without_any_text_is_told_so_that_it_withdraws_the_interim() -> None:
    stt = DictatedSTT()
    async with Listening(stt) as user:
        user.say([], 0.1)
        stt.tell(Kind.INTERIM_TRANSCRIPT, "hm")
        stt.tell(Kind.FINAL_TRANSCRIPT)
        stt.tell(Kind.FINAL_TRANSCRIPT, "  ")
        await asyncio.sleep(0.2)

    assert user.texts() == [(1, ""), (2, "")]


async def test_a_preflight_transcript_is_an_interim_and_a_resumed_turn_keeps_it_open() -> None:
    stt = DictatedSTT()
    async with Listening(stt) as user:
        user.say([], 0.1)
        stt.tell(Kind.PREFLIGHT_TRANSCRIPT, "hello")
        stt.tell(Kind.TURN_RESUMED)
        stt.tell(Kind.TURN_RESUMED, "hello there")
        await asyncio.sleep(0.2)

    assert [each.text for each in user.of(s.Interim)] == ["hello", "hello there"]
    assert len(user.posted) == 2


@pytest.mark.parametrize("able", [True, False])
async def test_the_end_of_a_turn_is_told_if_the_recogniser_can_judge_it(able: bool) -> None:
    stt = DictatedSTT(end_of_turn=able)
    async with Listening(stt) as user:
        user.say([], 0.1)
        stt.tell(Kind.FINAL_TRANSCRIPT, "hello")
        stt.tell(Kind.END_OF_TURN)
        await asyncio.sleep(0.2)

    assert user.kinds() == (["Final", "EndOfTurn"] if able else ["Final"])


async def test_every_event_of_the_detector_is_handed_on_before_what_follows_from_it() -> None:
    order: list[str] = []
    vad = ScriptedVAD()
    hearing = Hearing(
        vad=vad,
        stt=ScriptedSTT([HELLO]),
        post=lambda event: order.append(type(event).__name__),
        on_vad_event=lambda event: order.append(event.type),
    )
    user = Listening(ScriptedSTT(), vad=vad)
    user.hearing = hearing
    async with user:
        user.say([HELLO], 1.1)
        await asyncio.sleep(1.2)

    began = order.index("VoiceRunBegan")
    assert order[began - 1 : began + 2] == ["inference_done", "VoiceRunBegan", "VoiceWindow"]
    assert order.index("start_of_speech") == order.index("SpeechStarted") - 1


async def test_options_of_the_detector_may_change_in_mid_speech() -> None:
    vad = ScriptedVAD()
    async with Listening(ScriptedSTT([HELLO]), vad=vad) as user:
        user.say([HELLO], 3.5)
        await asyncio.sleep(1.5)
        vad.min_silence_duration = 0.2
        await asyncio.sleep(2.1)

    assert user.of(s.SpeechStopped)[0].at == pytest.approx(63 * W + 7 * W)


async def test_stereo_at_48_khz_is_converted_once_and_its_moments_are_right() -> None:
    mono = voice([HELLO], 3.5, sample_rate=48_000, frame_seconds=0.01)
    stereo = [
        rtc.AudioFrame(b"".join(2 * bytes(mono[i].data)[2 * j : 2 * j + 2] for j in range(480)), 48_000, 2, 480)
        for i in range(len(mono))
    ]
    stt = ScriptedSTT([HELLO])
    async with Listening(stt) as user:
        user.open(sample_rate=48_000, num_channels=2).feed(stereo)
        await asyncio.sleep(3.8)

    assert user.of(s.VoiceRunBegan)[0].onset_at == pytest.approx(1.0, abs=0.011)
    assert user.of(s.VoiceRunEnded)[0].last_speech_at == pytest.approx(2.0, abs=0.011)
    assert user.texts() == [(1, "hello there")]
    assert {(frame.sample_rate, frame.num_channels) for frame in user.hearing.recent_audio()} == {(16_000, 1)}


async def test_the_last_8_seconds_are_remembered() -> None:
    async with Listening(ScriptedSTT()) as user:
        user.say([], 3.2)
        await asyncio.sleep(3.3)
        assert calculate_audio_duration(list(user.hearing.recent_audio())) == pytest.approx(3.2)

        user.say([], 32.0)
        await asyncio.sleep(33.0)
        assert calculate_audio_duration(list(user.hearing.recent_audio())) == pytest.approx(8.0, abs=1.1 * W)


class Roundabout(MemoryAudioIn):
    """Hands frames from task to task before they come."""

    async def __anext__(self) -> rtc.AudioFrame:
        frame = await super().__anext__()
        for _ in range(5):
            await asyncio.sleep(0)
        return frame


async def test_the_loop_blocked_for_a_second_ends_nothing(lk_clock: VirtualClock) -> None:
    long = Heard("a longer speech", 1.0, 4.0)
    async with Listening(ScriptedSTT([long])) as user:
        microphone = Roundabout()
        microphone.feed(voice([long], 5.5, frame_seconds=W))
        user.inputs.switch(microphone)
        await asyncio.sleep(2.0)
        lk_clock.advance(1.0)
        await asyncio.sleep(2.6)

    (ended,) = user.of(s.VoiceRunEnded)
    assert (ended.onset_at, ended.last_speech_at) == pytest.approx((1.0, 4.0), abs=0.011)
    assert len(user.of(s.SpeechStarted)) == len(user.of(s.SpeechStopped)) == 1


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_closing_ends_it_in_mid_speech_any_number_of_times_and_closes_the_input() -> None:
    user = Listening(ScriptedSTT([HELLO], streaming=False))
    async with user:
        microphone = user.say([HELLO], 3.5)
        await asyncio.sleep(1.5)
        await asyncio.gather(user.hearing.aclose(), user.hearing.aclose())
        assert user.task is not None
        await user.task
    posted = len(user.posted)
    user.hearing.utterance_taken()
    user.hearing.restart_stt()

    assert len(user.posted) == posted
    assert await anext(microphone, None) is None


async def test_a_cancelled_run_has_closed_everything() -> None:
    user = Listening(ScriptedSTT([HELLO]))
    async with user:
        microphone = user.say([HELLO], 3.5)
        await asyncio.sleep(1.5)
        assert user.task is not None
        user.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await user.task

    assert await anext(microphone, None) is None


async def test_it_goes_on_until_it_is_closed_when_there_are_no_more_inputs() -> None:
    async with Listening(ScriptedSTT()) as user:
        await user.inputs.aclose()
        await asyncio.sleep(10.0)
        assert user.task is not None
        assert not user.task.done()


async def test_what_a_callback_raises_is_raised_by_the_run() -> None:
    def fail(event: s.Input) -> None:
        raise LookupError(type(event).__name__)

    async with Listening(ScriptedSTT([HELLO])) as user:
        user.then = fail
        user.say([HELLO], 3.5)
        await asyncio.sleep(2.0)
        assert user.task is not None
        with pytest.raises(LookupError, match="VoiceRunBegan"):
            await user.task


async def test_it_listens_once() -> None:
    async with Listening(ScriptedSTT()) as user:
        await asyncio.sleep(0.1)
        with pytest.raises(RuntimeError, match="make another one"):
            await user.hearing.run(user.inputs)


async def test_one_that_was_closed_before_it_listened_does_not_begin() -> None:
    user = Listening(ScriptedSTT())
    await user.hearing.aclose()
    async with user:
        assert user.task is not None
        await asyncio.wait_for(user.task, 1.0)


async def test_a_negative_pause_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"speculative_silence_seconds is -0\.1"):
        HearingOptions(speculative_silence_seconds=-0.1)

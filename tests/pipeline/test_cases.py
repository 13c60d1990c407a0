"""Cases that are easy to forget, each with a whole agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import numpy as np
import pytest
from livekit import rtc
from tests.pipeline.calls import MakeCall, asked, model_of, windows, words_heard

from lk_agents.foundation.errors import APIStatusError, ConfigError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.media import EndPolicy, RoomSessionIO
from lk_agents.pipeline import SpeechOutcome
from lk_agents.testing import VirtualClock
from lk_agents.testing.providers import Answer, Heard, ScriptedLLM, ScriptedSTT, ScriptedTTS, ScriptedVAD, voice
from lk_agents.testing.providers.speech import tone
from lk_agents.testing.room import FakePublication, FakeRoom
from lk_agents.testing.room_media import FakeRoomMedia
from lk_agents.testing.session_io import MemorySessionIO
from lk_agents.tts import ChunkedStream

ENDPOINTING = 0.5
PATIENCE = 2.0
"""So much longer an interim that is not final is waited for."""
QUIET = 0.5
"""Without a frame for so long, what the user was saying is over."""
SILENT = windows(60)
DECISION = SILENT + ENDPOINTING
COUNT = Heard("Count for me", windows(30), SILENT)
LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen."
LENGTH = len(LONG) * 0.06
ALIKE = 0.002


# --- what the recogniser does ----------------------------------------------------------------------------------------


async def test_several_finals_in_a_turn_are_one_question(lk_session: MakeCall) -> None:
    caller = [
        Heard("I would like", windows(30), windows(55), final_seconds=0.1),
        Heard("a table", windows(63), windows(80), final_seconds=0.1),
        Heard("for two", windows(90), windows(110), final_seconds=0.1),
    ]
    call = await lk_session(caller, ["Gladly."]).run()

    assert call.said() == ["I would like a table for two"]
    assert call.at("agent_started_speaking") == [pytest.approx(windows(110) + ENDPOINTING, abs=ALIKE)]
    assert len(model_of(call).calls) == 1


async def test_a_final_that_comes_after_the_decision_replaces_a_reply_that_was_hardly_heard(
    lk_session: MakeCall,
) -> None:
    late = Heard("from one", windows(45), SILENT, final_seconds=1.0)
    caller = [Heard("Count for me", windows(30), windows(44), final_seconds=0.1), late]
    stt = ScriptedSTT(caller, interim_results=False)
    llm = ScriptedLLM([Answer("One.", when="from one"), LONG])
    call = await lk_session(caller, stt=stt, llm=llm, vad=ScriptedVAD([(windows(30), SILENT)])).run()

    assert [asked(call, request)[-1] for request in (0, 1)] == [
        "user: Count for me",
        "user: Count for me from one",
    ]
    assert call.at("agent_started_speaking") == [
        pytest.approx(DECISION, abs=ALIKE),
        pytest.approx(SILENT + 1.0, abs=0.032),
    ]
    assert call.said() == ["Count for me from one"]
    assert call.heard() == ["One."]


async def test_an_interim_that_is_never_made_final_counts_after_a_while(lk_session: MakeCall) -> None:
    caller = [Heard("Count for me please", windows(30), SILENT, final_seconds=60.0)]
    call = await lk_session(caller, [LONG]).run(12)

    assert call.at("agent_started_speaking") == [pytest.approx(DECISION + PATIENCE, abs=ALIKE)]
    assert call.said() == ["Count for me"]  # the last word was never told


async def test_a_final_that_says_more_than_the_interim_that_counted_is_answered_instead(lk_session: MakeCall) -> None:
    caller = [Heard("Count for me", windows(30), SILENT, final_seconds=3.0)]
    call = await lk_session(caller, [Answer("One.", when="for me"), LONG]).run(14)

    assert [asked(call, request)[-1] for request in (0, 1)] == ["user: Count for", "user: Count for me"]
    assert call.at("agent_started_speaking") == [
        pytest.approx(DECISION + PATIENCE, abs=ALIKE),
        pytest.approx(SILENT + 3.0, abs=0.032),
    ]
    assert call.said() == ["Count for me"]
    assert call.heard() == ["One."]


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_last_utterance_without_silence_behind_it_is_answered(lk_session: MakeCall, streaming: bool) -> None:
    stt = ScriptedSTT([COUNT], streaming=streaming, by_sound=streaming)
    call = lk_session([], [LONG], stt=stt, vad=ScriptedVAD())
    call.start()
    call.io.say(voice([COUNT], SILENT, frame_seconds=0.032))
    call.io.voice.end()
    await call.run(12)

    assert call.said() == ["Count for me"]
    assert call.at("agent_started_speaking") == [pytest.approx(DECISION, abs=0.04)]


# --- the user's track ------------------------------------------------------------------------------------------------

FIRST, SECOND = Heard("my name is Ada", windows(10), windows(50)), Heard("and yours", windows(8), windows(40))


def apart(make: MakeCall, *, streaming: bool = True, **options: Any) -> Any:
    """Return a call whose two utterances are fed by the test, each to a track of its own."""
    stt = ScriptedSTT([FIRST, Heard("and yours", 10.0, 10.96)], streaming=streaming, by_sound=streaming)
    answers = [Answer("Bob.", when="yours"), "Hello Ada.", "Hello Ada."]
    call = make([], answers, stt=stt, vad=ScriptedVAD(), **options)
    call.start()
    return call


def spoken(index: int, seconds: float = 4.0, *, sample_rate: int = 16_000, channels: int = 1) -> list[rtc.AudioFrame]:
    """Return the sound of one of both utterances, which begins at 0.32 s or before."""
    script = [FIRST, SECOND]
    script[1 - index] = Heard("nothing", seconds + 1.0, seconds + 2.0)
    frames = voice(script, seconds, sample_rate=sample_rate, frame_seconds=0.032)
    return [_in_channels(frame, channels) for frame in frames]


def _in_channels(frame: rtc.AudioFrame, channels: int) -> rtc.AudioFrame:
    samples = np.repeat(np.frombuffer(frame.data, dtype=np.int16), channels)
    return rtc.AudioFrame(samples.tobytes(), frame.sample_rate, channels, frame.samples_per_channel)


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_track_that_is_muted_in_mid_turn_ends_it_and_what_was_said_is_answered(
    lk_session: MakeCall, streaming: bool
) -> None:
    call = apart(lk_session, streaming=streaming)
    call.io.say(spoken(0)[:55])  # 0.16 s behind the last sound nothing comes any more
    await call.until(8.0)

    assert call.said() == ["my name is Ada"]
    assert call.at("user_stopped_speaking") == [pytest.approx(windows(50) + ENDPOINTING, abs=0.17)]

    call.io.say(spoken(1))
    await call.run(16.0)
    assert call.said() == ["my name is Ada", "and yours"]
    assert call.heard() == ["Hello Ada.", "Bob."]


async def test_a_track_that_is_muted_in_the_middle_of_a_word_does_not_leave_the_user_speaking(
    lk_session: MakeCall,
) -> None:
    call = apart(lk_session)
    call.io.say(spoken(0)[:40])
    await call.until(8.0)

    assert len(call.at("user_stopped_speaking")) == 1
    assert call.at("user_stopped_speaking")[0] <= windows(40) + QUIET + 0.02
    (heard,) = call.said()
    assert "my name is Ada".startswith(heard)
    await call.aclose()


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_track_that_is_unpublished_in_mid_turn_ends_it_and_the_next_one_is_heard(
    lk_session: MakeCall, streaming: bool
) -> None:
    call = apart(lk_session, streaming=streaming)
    call.io.say(spoken(0))
    await call.until(windows(55))
    call.io.close_voice()
    await call.until(8.0)
    assert call.said() == ["my name is Ada"]

    call.io.open_voice()
    call.io.say(spoken(1))
    await call.run(16.0)
    assert call.heard() == ["Hello Ada.", "Bob."]


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (48_000, 1), (48_000, 2), (8_000, 1)])
@pytest.mark.parametrize("streaming", [True, False])
async def test_a_track_that_is_replaced_in_mid_turn_by_one_of_another_kind_continues_it(
    lk_session: MakeCall, rate: int, channels: int, streaming: bool
) -> None:
    call = apart(lk_session, streaming=streaming)
    call.io.say(spoken(0))
    await call.until(windows(52))
    call.io.open_voice(sample_rate=rate, num_channels=channels)
    call.io.say(spoken(1, sample_rate=rate, channels=channels))
    await call.run(12.0)

    assert call.said() == ["my name is Ada and yours"]
    assert call.heard() == ["Bob."]
    assert call.at("agent_started_speaking") == [pytest.approx(windows(52 + 40) + ENDPOINTING, abs=0.08)]


# --- a participant who reconnects ------------------------------------------------------------------------------------


class Room:
    """A room with a caller, and the agent's conversation in it."""

    def __init__(self, make: MakeCall, **how: Any) -> None:
        self.fake, self.media = FakeRoom(), FakeRoomMedia()
        self._make, self._how = make, how

    async def begin(self) -> Any:
        await self.fake.connect("ws://nowhere", "token")
        self.fake.join("caller")
        self.microphone = self.fake.publish("caller")
        io = RoomSessionIO(cast("rtc.Room", self.fake), media=self.media, **self._how)
        stt = ScriptedSTT([FIRST, Heard("and yours", 10.0, 10.96)], by_sound=True)
        answers = [Answer("Bob.", when="yours"), LONG]
        call = self._make([], answers, io=io, stt=stt, vad=ScriptedVAD())
        call.start()
        await call.until(0.1)
        return call

    @staticmethod
    def speak(microphone: FakePublication, index: int) -> None:
        assert microphone.track is not None
        assert microphone.track.voice is not None
        microphone.track.voice.feed(spoken(index, 3.0))


async def test_a_participant_who_reconnects_in_mid_reply_hears_the_rest_and_is_heard_again(
    lk_session: MakeCall,
) -> None:
    room = Room(lk_session, end_policy=EndPolicy.GRACE, grace_seconds=5.0)
    call = await room.begin()
    room.speak(room.microphone, 0)
    await call.until(4.0)
    assert call.agent.state == "speaking"
    room.fake.leave("caller")
    await call.until(5.0)
    room.fake.join("caller")
    again = room.fake.publish("caller")
    await call.until(9.0)
    room.speak(again, 1)
    await call.run(14.0)

    assert call.heard() == [LONG, "Bob."]
    assert call.said() == ["my name is Ada", "and yours"]
    assert room.media.voice.audio_out.position() == pytest.approx(LENGTH + len("Bob.") * 0.06, abs=0.01)


async def test_a_participant_who_stays_away_ends_the_conversation_and_the_reply(lk_session: MakeCall) -> None:
    room = Room(lk_session, end_policy=EndPolicy.GRACE, grace_seconds=1.0)
    call = await room.begin()
    room.speak(room.microphone, 0)
    await call.until(4.0)
    room.fake.leave("caller")
    await call.until(5.5)

    assert len(call.at("closed")) == 1
    assert [record.outcome.value for record in call.told("turn_finished")] == ["interrupted"]
    (heard,) = call.heard()
    assert LONG.startswith(heard.removesuffix("..."))
    assert room.fake.listeners() == 0


async def test_a_room_that_reconnects_in_mid_reply_changes_nothing(lk_session: MakeCall) -> None:
    room = Room(lk_session)
    call = await room.begin()
    room.speak(room.microphone, 0)
    await call.until(4.0)
    room.fake.begin_reconnect()
    await call.until(5.0)
    room.fake.finish_reconnect()
    await call.run(10.0)

    assert call.heard() == [LONG]


# --- other rules in mid-speech ---------------------------------------------------------------------------------------


async def test_another_delay_counts_for_the_turn_that_has_begun(lk_session: MakeCall) -> None:
    call = lk_session([COUNT], [LONG])
    call.start()
    await call.until(windows(50))
    call.agent.update_options(min_endpointing_delay=1.5)
    await call.run()

    assert call.at("agent_started_speaking") == [pytest.approx(SILENT + 1.5, abs=ALIKE)]


async def test_another_delay_counts_while_the_old_one_is_running(lk_session: MakeCall) -> None:
    call = lk_session([COUNT], [LONG])
    call.start()
    await call.until(SILENT + 0.4)
    call.agent.update_options(min_endpointing_delay=0.8)
    await call.run()

    assert call.at("agent_started_speaking") == [pytest.approx(SILENT + 0.8, abs=ALIKE)]


async def test_another_limit_for_interruptions_counts_for_the_speech_that_is_heard(lk_session: MakeCall) -> None:
    caller = [COUNT, Heard("that is enough now", windows(120), windows(160))]
    call = lk_session(caller, [Answer(LONG, when="Count"), "Well."])
    call.start()
    await call.until(windows(121))
    call.agent.update_options(interrupt_speech_duration=0.9)
    await call.run()

    assert call.at("agent_stopped_speaking")[0] == pytest.approx(windows(120) + 0.9, abs=ALIKE)


async def test_rules_that_are_none_are_refused_and_nothing_is_changed(lk_session: MakeCall) -> None:
    call = lk_session([COUNT], [LONG])
    with pytest.raises(ConfigError, match="min_endpointing_delay"):
        call.agent.update_options(min_endpointing_delay=-1.0, interrupt_min_words=9)
    with pytest.raises(TypeError, match="did you mean 'min_endpointing_delay'"):
        call.agent.update_options(min_endpoint_delay=1.0)  # type: ignore[call-arg]
    await call.run()

    assert call.at("agent_started_speaking") == [pytest.approx(DECISION, abs=ALIKE)]


# --- texts that are hard to speak ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "  \n ", "\U0001f600\U0001f44d", "***", "# ", "...", "\u200b"])
async def test_a_reply_without_anything_to_speak_is_over_at_once(lk_session: MakeCall, text: str) -> None:
    call = lk_session([], [Answer([text] if text else "", when="first"), "Yes."])
    call.start()
    call.io.text.write("first")
    await call.until(0.5)

    assert call.agent.state == "listening"
    assert call.at("agent_started_speaking") == []
    assert [record.outcome.value for record in call.told("turn_finished")] == ["silent"]
    assert call.told("error") == []
    call.io.text.write("second")
    await call.run(3.0)
    assert call.said() == ["first", "second"]
    assert call.heard()[-1] == "Yes."


@pytest.mark.parametrize("text", ["", "  \n ", "\U0001f600\U0001f44d", "***", "...", "\u200b"])
async def test_whoever_says_nothing_that_can_be_spoken_need_not_wait(lk_session: MakeCall, text: str) -> None:
    call = lk_session([])
    call.start()
    async with asyncio.timeout(1.0):
        assert await (await call.agent.say(text)) is SpeechOutcome.EMPTY
        assert await (await call.agent.say(pieces(text, text))) is SpeechOutcome.EMPTY
        assert await (await call.agent.say("Yes.")) is SpeechOutcome.FINISHED
    await call.aclose()


async def pieces(*texts: str) -> AsyncIterator[str]:
    for text in texts:
        yield text


class Limited(ScriptedTTS):
    """Takes whole texts, and only short ones."""

    def __init__(self) -> None:
        super().__init__(streaming=False)

    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        if len(text) > 200:
            raise APIStatusError(f"{len(text)} characters are too many", status_code=400)
        return super().synthesize(text, conn_options=conn_options)


async def test_a_reply_of_any_length_is_heard_where_each_sentence_is_short_enough(lk_session: MakeCall) -> None:
    text = " ".join(f"This is the sentence number {number} of this reply." for number in range(20))
    call = lk_session([], [text], tts=Limited())
    call.start()
    call.io.text.write("first")
    await call.run(60.0)

    assert call.heard() == [text]
    assert call.told("error") == []


async def test_a_sentence_that_is_longer_than_the_synthesizer_takes_ends_the_reply_behind_those_before(
    lk_session: MakeCall,
) -> None:
    text = "I will tell you all of it. " + "this goes on and on, " * 20 + "and ends."
    call = lk_session([], [Answer(text, when="first"), "Yes."], tts=Limited())
    call.start()
    call.io.text.write("first")
    await call.until(10.0)

    assert call.agent.state == "listening"
    assert [error.stage for error in call.told("error")] == ["tts"]
    assert call.heard() == ["I will tell you all of it."]
    call.io.text.write("second")
    await call.run(13.0)
    assert call.heard()[-1] == "Yes."


# --- clocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ppm", [200.0, -200.0])
async def test_a_loudspeaker_whose_clock_drifts_does_not_change_what_was_heard(
    lk_session: MakeCall, ppm: float
) -> None:
    text = " ".join(f"word{number:03d}" for number in range(130))  # 62 s
    tts = ScriptedTTS()
    call = lk_session([], tts=tts, io=MemorySessionIO(drift_ppm=ppm))
    call.start()
    speech = await call.agent.say(text)
    await call.until(60.0)
    call.agent.interrupt()
    await speech
    played = call.io.audio_out.position()
    await call.aclose()

    assert played == pytest.approx(60.0 * (1 + ppm / 1e6), abs=0.002)
    assert len(speech.played_text.split()) == words_heard(tts, text, played)


async def test_a_loop_that_is_blocked_during_a_reply_loses_nothing_of_it(
    lk_session: MakeCall, lk_clock: VirtualClock
) -> None:
    call = lk_session([COUNT], [LONG])
    call.start()
    await call.until(DECISION + 2.0)
    lk_clock.advance(1.0)
    await call.run(15.0)

    assert call.heard() == [LONG]
    assert call.io.audio_out.position() == pytest.approx(LENGTH, abs=0.01)
    assert call.told("dead_air") == []
    assert call.told("error") == []


@pytest.mark.parametrize("at", [40, 55, 62, 70])
async def test_a_loop_that_is_blocked_while_the_user_speaks_neither_cuts_nor_doubles_the_turn(
    lk_session: MakeCall, lk_clock: VirtualClock, at: int
) -> None:
    call = lk_session([COUNT], [LONG, LONG])
    call.start()
    await call.until(windows(at))
    lk_clock.advance(1.0)
    await call.run(15.0)

    assert call.said() == ["Count for me"]
    assert call.heard() == [LONG]
    assert len(call.told("turn_finished")) == 1
    assert call.told("error") == []


# --- recorded speech -------------------------------------------------------------------------------------------------


async def test_a_recording_is_heard_instead_of_the_text_which_is_remembered(lk_session: MakeCall) -> None:
    tts = ScriptedTTS()
    recording = [tone(4_410, 44_100, 2) for _ in range(20)]
    call = lk_session([], tts=tts)
    call.start()
    speech = await call.agent.say("Welcome to the bank.", audio=recording)
    assert await speech is SpeechOutcome.FINISHED
    await call.aclose()

    assert tts.spoken == []
    assert call.heard() == ["Welcome to the bank."]
    assert call.io.audio_out.position() == pytest.approx(2.0, abs=0.01)
    sound = np.frombuffer(call.io.audio_out.played_audio, dtype=np.int16)
    assert np.abs(sound).max() > 1_000


async def test_a_recording_that_is_interrupted_is_remembered_by_an_estimate(lk_session: MakeCall) -> None:
    async def recorded() -> AsyncIterator[rtc.AudioFrame]:
        for _ in range(200):
            yield tone(480, 24_000)

    call = lk_session([])
    call.start()
    speech = await call.agent.say("One two three four five six seven eight nine ten.", audio=recorded())
    await call.until(2.0)
    call.agent.interrupt()
    assert await speech is SpeechOutcome.INTERRUPTED
    await call.aclose()

    assert speech.heard_alignment == "estimate"
    (heard,) = call.heard()
    assert 2 <= len(heard.split()) <= 8

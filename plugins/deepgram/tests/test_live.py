"""Live recognition against a Deepgram that is strict with its clients."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import numpy as np
import pytest
from deepgram_bench import KEY, ONCE, SPEECH, WORDS, bench, bounds, feed_slowly, read_until, speech, texts, words
from deepgram_fake import REQUEST_ID, Manner, metadata, results
from livekit import rtc

from lk_agents.foundation.errors import APIError, ConfigError
from lk_agents.stt import SpeechEvent, SpeechEventType
from lk_agents.testing.providers.speech import voice
from lk_agents.testing.vendor import VendorSocket
from lk_agents_deepgram import STT, AudioEnergyFilter
from lk_agents_deepgram.outgoing import CLOSE_STREAM, FINALIZE, KEEP_ALIVE

START = SpeechEventType.START_OF_SPEECH
INTERIM = SpeechEventType.INTERIM_TRANSCRIPT
FINAL = SpeechEventType.FINAL_TRANSCRIPT
END = SpeechEventType.END_OF_SPEECH
USAGE = SpeechEventType.RECOGNITION_USAGE

pytestmark = pytest.mark.usefixtures("lk_no_leaks")


async def test_what_is_said_is_told_as_start_interims_finals_and_end() -> None:
    async with bench() as desk:
        events = await desk.hear()

    assert texts(events) == ["hello over there", "how are you today"]
    assert bounds(events) == [START, END, START, END]
    assert texts(events, INTERIM)[:2] == ["hello", "hello over"]
    assert {event.request_id for event in events if event.type is FINAL} == {REQUEST_ID}


async def test_times_of_transcripts_and_words_are_those_of_the_stream() -> None:
    async with bench() as desk:
        events = await desk.hear()

    for event, said in zip([each for each in events if each.type is FINAL], SPEECH, strict=True):
        data = event.alternatives[0]
        assert (data.start_time, data.end_time) == pytest.approx((said.start, said.end), abs=0.06)
        assert [each.text for each in data.words] == said.text.split()
        assert data.words[-1].end_time == data.end_time


async def test_a_connection_shows_the_key_in_its_header_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with bench() as desk, desk.stt.stream(conn_options=ONCE) as stream:
        stream.push_frame(speech()[0])
        stream.end_input()
        async for _ in stream:
            pass
        journal = desk.vendor.journal
        shown = [repr(desk.stt), repr(stream), repr(desk.stt.opts), caplog.text, journal[0].raw_query]

    assert KEY not in "".join(shown)


async def test_the_connection_asks_for_what_is_set() -> None:
    async with bench(language="de", numerals=True, model="nova-3", keyterms=["Ada L", "Bob"]) as desk:
        await desk.hear(speech(0.5))

    query = desk.vendor.journal[0].query
    assert query == [*STT(api_key=KEY, language="de", numerals=True, model="nova-3").opts.live_query(), *query[-2:]]
    assert query[-2:] == [("keyterm", "Ada L"), ("keyterm", "Bob")]


async def test_the_first_and_last_words_are_keep_alive_and_close_stream() -> None:
    async with bench() as desk:
        await desk.hear()

    said = desk.vendor.journal[0].received
    assert (said[0], said[-2], said[-1]) == (KEEP_ALIVE, FINALIZE, CLOSE_STREAM)


async def test_a_flush_is_finalized_before_any_more_audio_comes() -> None:
    async with bench() as desk, desk.stt.stream(conn_options=ONCE) as stream:
        for frame in speech(0.7):
            stream.push_frame(frame)
        stream.flush()
        async with asyncio.timeout(5):
            events = await read_until(stream, FINAL)

    assert texts(events) == ["hello"]


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
async def test_audio_of_any_rate_is_understood(rate: int) -> None:
    async with bench() as desk:
        events = await desk.hear(speech(rate=rate))

    assert words(events) == WORDS


async def test_of_several_channels_the_mean_is_sent() -> None:
    def doubled(frame: rtc.AudioFrame) -> rtc.AudioFrame:
        samples = np.frombuffer(frame.data, np.int16).repeat(2)
        return rtc.AudioFrame(samples.tobytes(), frame.sample_rate, 2, frame.samples_per_channel)

    async with bench() as desk:
        events = await desk.hear([doubled(frame) for frame in speech()])

    assert words(events) == WORDS


@pytest.mark.parametrize(
    "manner",
    [
        Manner(speech_started="missing"),
        Manner(speech_started="doubled"),
        Manner(speech_started="late"),
        Manner(speech_final=False, utterance_end=True),
        Manner(utterance_end=True),
        Manner(answers_finalize=False),
        Manner(empty_finals=True),
    ],
    ids=str,
)
async def test_whatever_its_manners_are_the_same_is_told(manner: Manner) -> None:
    async with bench(manner) as desk:
        events = await desk.hear()

    assert texts(events) == ["hello over there", "how are you today"]
    assert bounds(events) == [START, END, START, END]


async def test_speech_that_nobody_ends_is_ended_with_the_stream() -> None:
    async with bench(Manner(speech_final=False)) as desk:
        events = await desk.hear()

    assert bounds(events) == [START, END]
    assert words(events) == WORDS


async def test_of_several_languages_each_transcript_names_its_own() -> None:
    async with bench(Manner(languages=("fr", "en")), language="multi") as desk:
        events = await desk.hear()

    assert {event.alternatives[0].language for event in events if event.type is FINAL} == {"fr"}


async def test_a_stream_may_have_a_language_of_its_own() -> None:
    async with bench(language="en-US") as desk:
        events = await desk.hear(language="fr")

    assert desk.queries[0]["language"] == "fr"
    assert {event.alternatives[0].language for event in events if event.type is FINAL} == {"fr"}


async def test_speakers_are_told_where_they_are_told_apart() -> None:
    async with bench(Manner(speaker=1), enable_diarization=True) as desk:
        events = await desk.hear()

    assert desk.queries[0]["diarize"] == "true"
    assert {event.alternatives[0].speaker_id for event in events if event.type is FINAL} == {"1"}


async def test_a_language_cannot_be_detected_while_listening() -> None:
    async with STT(api_key=KEY, detect_language=True) as stt:
        with pytest.raises(ConfigError, match="recordings only"):
            stt.stream()


# --- what is measured ------------------------------------------------------------------------------------------------


async def test_all_audio_is_measured_every_5_seconds_at_each_flush_and_at_the_end() -> None:
    metrics: list[Any] = []
    async with bench() as desk:
        desk.stt.on("metrics_collected", metrics.append)
        events = await desk.hear(speech(6.0))

    assert [each.audio_duration for each in metrics] == pytest.approx([5.0, 1.0])
    assert {(each.streamed, each.provider, each.model) for each in metrics} == {(True, "deepgram", "nova-2-general")}
    assert [event.recognition_usage is not None for event in events if event.type is USAGE] == [True, True]


async def test_audio_that_was_sent_is_measured_when_the_stream_is_closed() -> None:
    metrics: list[Any] = []
    async with bench() as desk:
        desk.stt.on("metrics_collected", metrics.append)
        async with desk.stt.stream(conn_options=ONCE) as stream:
            for frame in speech(2.0):
                stream.push_frame(frame)
            await read_until(stream, FINAL)

    assert sum(each.audio_duration for each in metrics) == pytest.approx(2.0, abs=0.3)


async def test_silence_that_is_not_sent_is_not_measured_and_does_not_shift_time() -> None:
    metrics: list[Any] = []
    async with bench(energy_filter=AudioEnergyFilter(min_silence=0.3)) as desk:
        desk.stt.on("metrics_collected", metrics.append)
        events = await desk.hear(speech(6.0))

    finals = [event.alternatives[0] for event in events if event.type is FINAL]
    assert [each.text for each in finals] == ["hello over there", "how are you today"]
    assert [each.start_time for each in finals] == pytest.approx([0.4, 2.2], abs=0.06)
    assert sum(each.audio_duration for each in metrics) == pytest.approx(0.3 + 0.8 + 0.3 + 1.2 + 0.3, abs=0.2)


async def test_a_long_silence_that_is_not_sent_is_not_measured_by_guessing() -> None:
    metrics: list[Any] = []
    async with bench(energy_filter=AudioEnergyFilter(min_silence=0.3)) as desk:
        desk.stt.on("metrics_collected", metrics.append)
        async with desk.stt.stream(conn_options=ONCE) as stream:
            for _ in range(3):
                for frame in voice([], 6.0):
                    await stream.feed(frame)
            stream.end_input()
            async for _ in stream:
                pass

    assert sum(each.audio_duration for each in metrics) == pytest.approx(0.3, abs=0.05)


async def test_streams_do_not_share_the_state_of_their_filter() -> None:
    given = AudioEnergyFilter(min_silence=0.3)
    async with bench(energy_filter=given) as desk:
        first, second = await asyncio.gather(desk.hear(), desk.hear())

    assert words(first) == words(second) == WORDS
    assert given.update(speech(0.1)[0]) is AudioEnergyFilter.State.SPEAKING  # as patient as it was made


# --- other options while it listens ----------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0.02, 0.3, 0.7, 1.0, 1.5, 2.5, 3.3])
async def test_new_options_open_another_connection_and_no_word_is_lost_or_doubled(at: float) -> None:
    async with bench() as desk, desk.stt.stream(conn_options=ONCE) as stream:
        await feed_slowly(stream, until=at)
        await asyncio.sleep(0.05)
        desk.stt.update_options(language="fr", numerals=True)
        await feed_slowly(stream, since=at, until=10)
        stream.end_input()
        events = [event async for event in stream]

    assert words(events) == WORDS
    assert [(each["language"], each["numerals"]) for each in desk.queries] == [("en-US", "false"), ("fr", "true")]
    finals = [event.alternatives[0] for event in events if event.type is FINAL]
    assert finals[-1].end_time == pytest.approx(SPEECH[-1].end, abs=0.06)
    assert bounds(events) == [START, END] * (len(bounds(events)) // 2)


async def test_new_options_before_the_first_audio_are_those_of_the_only_connection() -> None:
    async with bench() as desk, desk.stt.stream(conn_options=ONCE) as stream:
        await asyncio.sleep(0)
        desk.stt.update_options(language="fr")
        await feed_slowly(stream, until=10)
        stream.end_input()
        assert words([event async for event in stream]) == WORDS

    assert [each["language"] for each in desk.queries] == ["fr"]


async def test_a_new_sample_rate_is_used_by_a_stream_that_listens() -> None:
    async with bench() as desk, desk.stt.stream(conn_options=ONCE) as stream:
        await feed_slowly(stream, until=0.7)
        await asyncio.sleep(0.05)
        stream.update_options(sample_rate=8000)
        await feed_slowly(stream, since=0.7, until=10)
        stream.end_input()
        events = [event async for event in stream]

    assert words(events) == WORDS
    assert [each["sample_rate"] for each in desk.queries] == ["16000", "8000"]
    assert desk.stt.opts.sample_rate == 16000


async def test_options_that_stay_the_same_open_no_connection() -> None:
    async with bench() as desk, desk.stt.stream(conn_options=ONCE) as stream:
        await feed_slowly(stream, until=0.7)
        desk.stt.update_options(language="en-US", keywords=None)
        await feed_slowly(stream, since=0.7, until=10)
        stream.end_input()
        assert words([event async for event in stream]) == WORDS

    assert len(desk.vendor.journal) == 1


async def test_options_are_remembered_for_streams_to_come() -> None:
    async with bench() as desk:
        desk.stt.update_options(numerals=True)
        await desk.hear(speech(0.5))

    assert desk.queries[0]["numerals"] == "true"


async def test_whether_there_are_interims_is_told_as_it_is_set() -> None:
    async with STT(api_key=KEY) as stt:
        assert stt.capabilities.interim_results
        stt.update_options(interim_results=False)
        assert not stt.capabilities.interim_results


async def test_another_model_alone_does_not_fall_back() -> None:
    async with STT(api_key=KEY, language="en-US") as stt:
        stt.update_options(model="nova-2-meeting")

        assert (stt.opts.model_in_use, stt.model) == ("nova-2-meeting", "nova-2-meeting")


async def test_another_language_alone_makes_an_english_model_fall_back(caplog: pytest.LogCaptureFixture) -> None:
    async with STT(api_key=KEY, model="nova-2-meeting") as stt:
        stt.update_options(language="de")

        assert stt.model == "nova-2-general"
    assert "does not know the language" in caplog.text


async def test_options_that_do_not_fit_change_nothing() -> None:
    async with STT(api_key=KEY) as stt, stt.stream() as stream:
        with pytest.raises(ConfigError):
            stt.update_options(numerals=True, keyterms=["Ada"])

        assert (stt.opts.numerals, stream.opts.numerals) == (False, False)


# --- what Deepgram may say besides -----------------------------------------------------------------------------------


def saying(*messages: Any) -> Any:
    """Say these as soon as audio comes, then behave."""

    async def talk(peer: VendorSocket) -> None:
        said = False
        async for message in peer:
            if isinstance(message, bytes) and not said:
                said = True
                for each in messages:
                    await peer.send(each)
            elif isinstance(message, str) and "CloseStream" in message:
                await peer.send(results("well", duration=9.0, is_final=True, speech_final=True))
                await peer.send(metadata(1.0))
                return

    return talk


async def heard_of(*messages: Any) -> list[SpeechEvent]:
    async with bench(talk=saying(*messages)) as desk:
        return await desk.hear(speech(0.2))


@pytest.mark.parametrize(
    "message",
    ["{not json", "[]", {"type": "Results"}, {"type": "Results", "channel": {"alternatives": 7}}, b"\0\1"],
    ids=str,
)
async def test_what_cannot_be_understood_is_logged_and_passed_over(
    message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert texts(await heard_of(message)) == ["well"]
    assert caplog.text.count("passed over") == 1


async def test_a_message_of_an_unknown_type_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    unknown = {"type": "Turn"}

    assert texts(await heard_of(unknown, unknown, {"type": "Other"}, unknown)) == ["well"]
    assert caplog.text.count("unknown type") == 2


async def test_an_error_message_is_an_error() -> None:
    with pytest.raises(APIError) as caught:
        await heard_of({"type": "Error", "variant": "SchemaError", "description": "no such field", "message": "m"})

    error = caught.value
    assert "no such field" in str(error)
    assert (error.code, error.phase, error.retryable) == ("SchemaError", "receive", True)
    assert error.provider == "lk_agents_deepgram.stt.STT"

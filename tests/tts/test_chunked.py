"""One text, spoken: retries, limits, metrics, and what is checked on the way out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from livekit import rtc
from tests.tts.speakers import (
    ONCE,
    RATE,
    Ears,
    Fault,
    Speaker,
    about,
    frame_of,
    heard,
    pause,
    read,
    read_until_error,
    stall,
)

from lk_agents.foundation.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    PluginError,
)
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.words import TimedWord
from lk_agents.testing import VirtualClock
from lk_agents.tts import ChunkedStream, SynthesizedAudio

THRICE = APIConnectOptions(max_retry=3)


class Odd(Speaker):
    """Sends whatever it is told, once for each attempt."""

    def __init__(self, *pieces: SynthesizedAudio, masks: bool = False) -> None:
        super().__init__(streaming=False)
        self.pieces = pieces
        self.masks = masks

    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        return _OddText(tts=self, input_text=text, conn_options=conn_options)


class _OddText(ChunkedStream):
    _tts: Odd

    async def _run(self) -> None:
        self._tts.attempts += 1
        try:
            for piece in self._tts.pieces:
                await asyncio.sleep(0.1)
                self._event_ch.send_nowait(piece)
        except Exception as error:
            if self._tts.masks:  # as many plugins do
                raise APIConnectionError from error
            raise


async def test_the_audio_of_a_text_comes_in_order() -> None:
    tts = Speaker()

    assert heard(await read(tts.synthesize("hello there"))) == "hello there"
    assert tts.asked == ["hello there"]


async def test_three_retries_make_four_attempts(lk_clock: VirtualClock) -> None:
    tts = Speaker(Fault())

    audio, error = await read_until_error(tts.synthesize("hello", conn_options=THRICE))

    assert audio == []
    assert tts.attempts == 4
    assert isinstance(error, APIConnectionError)
    assert isinstance(error.__cause__, APIConnectionError)
    assert (error.provider, error.attempts) == (tts.label, 4)
    assert lk_clock.monotonic() == pytest.approx(0.1 + 2 + 2)


async def test_an_error_that_a_retry_cannot_help_is_not_retried() -> None:
    async def refuse() -> None:
        raise APIStatusError("no", status_code=400)

    tts = Speaker(Fault(deed=refuse))

    _, error = await read_until_error(tts.synthesize("hello", conn_options=THRICE))

    assert tts.attempts == 1
    assert isinstance(error, APIStatusError)


async def test_audio_that_was_heard_is_not_repeated_by_a_retry() -> None:
    tts = Speaker(Fault(at=1), None)

    audio, error = await read_until_error(tts.synthesize("hello there", conn_options=THRICE))

    assert heard(audio) == "hello"
    assert isinstance(error, APIError)
    assert not error.retryable
    assert tts.attempts == 1


async def test_a_failure_before_any_audio_is_made_good(lk_clock: VirtualClock) -> None:
    tts = Speaker(Fault(), None)

    assert heard(await read(tts.synthesize("hello", conn_options=THRICE))) == "hello"


async def test_what_is_no_api_error_ends_the_stream_at_once() -> None:
    async def stumble() -> None:
        raise TimeoutError("of the plugin's own")

    tts = Speaker(Fault(deed=stumble))

    _, error = await read_until_error(tts.synthesize("hello", conn_options=THRICE))

    assert isinstance(error, TimeoutError)
    assert not isinstance(error, APIError)
    assert tts.attempts == 1


# --- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "  \n\t", "👍🏽 🎉", "**", "---\n```\n", "…", "\u200b", "?!"])
async def test_a_text_that_says_nothing_is_not_sent(text: str) -> None:
    tts = Speaker()
    ears = Ears.on(tts)

    assert await read(tts.synthesize(text)) == []
    assert tts.attempts == 0
    assert ears.metrics == []


@pytest.mark.parametrize("text", ["a", "7", "你", "ส", "**bold**", "♪ ok"])
async def test_a_text_with_a_letter_or_a_digit_is_sent(text: str) -> None:
    tts = Speaker()

    await read(tts.synthesize(text))

    assert tts.asked == [text]


async def test_no_audio_for_a_text_is_an_error(lk_clock: VirtualClock) -> None:
    tts = Speaker(silent=True)

    _, error = await read_until_error(tts.synthesize("hello", conn_options=APIConnectOptions(max_retry=1)))

    assert isinstance(error, APIConnectionError)
    assert error.phase == "first_output"
    assert error.retryable
    assert tts.attempts == 2


class ShortSpeaker(Speaker):
    max_text_characters = 30


async def test_a_text_longer_than_the_provider_takes_is_spoken_in_parts() -> None:
    tts = ShortSpeaker()
    ears = Ears.on(tts)
    text = "This is the first sentence. This is the second one. And a third."

    stream = tts.synthesize(text)
    audio = await read(stream)

    assert tts.asked == ["This is the first sentence.", "This is the second one.", "And a third."]
    assert heard(audio) == "".join(tts.asked)
    assert stream.input_text == text
    assert [(record.characters_count, record.audio_duration) for record in ears.metrics] == [(len(text), about(0.62))]


async def test_a_part_that_fails_is_repeated_alone(lk_clock: VirtualClock) -> None:
    tts = ShortSpeaker(None, Fault(), None)

    audio = await read(tts.synthesize("This is the first sentence. This is the second one.", conn_options=THRICE))

    assert tts.asked == ["This is the first sentence.", *["This is the second one."] * 2]
    assert heard(audio) == "This is the first sentence.This is the second one."


async def test_each_part_has_all_retries(lk_clock: VirtualClock) -> None:
    tts = ShortSpeaker(Fault(), None, Fault(), None)

    audio = await read(
        tts.synthesize(
            "This is the first sentence. This is the second one.", conn_options=APIConnectOptions(max_retry=1)
        )
    )

    assert heard(audio) == "This is the first sentence.This is the second one."


async def test_an_error_after_a_part_was_heard_is_not_worth_a_retry() -> None:
    tts = ShortSpeaker(None, Fault())

    _, error = await read_until_error(
        tts.synthesize("This is the first sentence. This is the second one.", conn_options=ONCE)
    )

    assert isinstance(error, APIError)
    assert not error.retryable


class _TimedText(ChunkedStream):
    async def _run(self) -> None:
        words = [TimedWord(self._input_text.split()[0], 0.0, 0.02)]
        self._event_ch.send_nowait(SynthesizedAudio(frame_of(self._input_text), "", words=words))


class TimedSpeaker(ShortSpeaker):
    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        return _TimedText(tts=self, input_text=text, conn_options=conn_options)


async def test_times_of_words_count_from_the_start_of_the_text_also_in_its_parts() -> None:
    audio = await read(TimedSpeaker().synthesize("This is the first sentence. Now the second one."))

    assert [(word.text, word.start_time) for piece in audio for word in piece.words or ()] == [
        ("This", 0.0),
        ("Now", about(0.27)),
    ]


# --- limits -----------------------------------------------------------------------------------------------------------


async def test_a_provider_that_gives_no_audio_in_time_is_asked_again(lk_clock: VirtualClock) -> None:
    tts = Speaker(stall(), None)

    audio = await read(tts.synthesize("hello", conn_options=APIConnectOptions(max_retry=1, timeout=3)))

    assert heard(audio) == "hello"
    assert lk_clock.monotonic() == pytest.approx(3 + 0.1)


@pytest.mark.parametrize(("at", "phase"), [(0, "first_output"), (1, "idle")])
async def test_a_provider_that_falls_silent_ends_in_a_timeout(lk_clock: VirtualClock, at: int, phase: str) -> None:
    tts = Speaker(stall(at))

    _, error = await read_until_error(
        tts.synthesize("hello there", conn_options=APIConnectOptions(max_retry=0, timeout=3))
    )

    assert isinstance(error, APITimeoutError)
    assert error.phase == phase
    assert lk_clock.monotonic() == pytest.approx(3)


async def test_a_slow_provider_that_keeps_giving_audio_is_left_alone(lk_clock: VirtualClock) -> None:
    tts = Speaker(frame_seconds=2.5)

    audio = await read(tts.synthesize("a" * 50, conn_options=APIConnectOptions(max_retry=0, timeout=3)))

    assert len(heard(audio)) == 50
    assert lk_clock.monotonic() == pytest.approx(25)


class Waiting(Speaker):
    """Waits for room, as a provider should."""

    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        return _WaitingText(tts=self, input_text=text, conn_options=conn_options)


class _WaitingText(ChunkedStream):
    _tts: Waiting

    async def _run(self) -> None:
        for frame in self._tts.frames(self._input_text):
            self._tts.asked.append("")
            await self._event_ch.send(SynthesizedAudio(frame, ""))


async def test_synthesis_waits_while_30_s_are_unread_and_that_is_no_silence(lk_clock: VirtualClock) -> None:
    tts = Waiting(characters=100)
    stream = tts.synthesize("a" * 5_000, conn_options=APIConnectOptions(max_retry=0, timeout=3))
    await asyncio.sleep(60)

    assert len(tts.asked) == 31  # 30 s wait for the reader, one piece for them
    assert len(heard(await read(stream))) == 5_000


# --- what the provider gives ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize(
    "frame", [rtc.AudioFrame(bytes(40), 8_000, 1, 20), rtc.AudioFrame(bytes(40), RATE, 2, 10)], ids=["rate", "channels"]
)
async def test_a_frame_of_another_format_is_named_as_the_plugins_defect(frame: rtc.AudioFrame, masks: bool) -> None:
    tts = Odd(SynthesizedAudio(frame, ""), masks=masks)

    _, error = await read_until_error(tts.synthesize("hello", conn_options=THRICE))

    assert isinstance(error, PluginError)
    assert "1 channel(s) at 1000 Hz" in str(error)
    assert f"{frame.num_channels} channel(s) at {frame.sample_rate} Hz" in str(error)
    assert tts.attempts == 1


async def test_frames_without_samples_are_dropped_and_are_no_first_output(lk_clock: VirtualClock) -> None:
    tts = Odd(SynthesizedAudio(frame_of(""), ""), SynthesizedAudio(frame_of("hi"), ""))
    ears = Ears.on(tts)

    audio = await read(tts.synthesize("hi"))

    assert [heard([piece]) for piece in audio] == ["hi"]
    assert ears.metrics[0].ttfb == pytest.approx(0.2)


# --- metrics and ends -------------------------------------------------------------------------------------------------


async def test_one_record_tells_of_a_text_that_was_spoken(lk_clock: VirtualClock) -> None:
    tts = Speaker(frame_seconds=0.5)
    ears = Ears.on(tts)

    await read(tts.synthesize("hello there"))

    (record,) = ears.metrics
    assert (record.ttfb, record.duration, record.audio_duration) == pytest.approx((0.5, 1.5, 0.11))
    assert (record.characters_count, record.label, record.request_id) == (11, tts.label, "request-1")
    assert (record.cancelled, record.streamed, record.error) == (False, False, None)


async def test_one_record_tells_of_a_text_that_failed(lk_clock: VirtualClock) -> None:
    tts = Speaker(Fault())
    ears = Ears.on(tts)

    await read_until_error(tts.synthesize("hello", conn_options=THRICE))

    (record,) = ears.metrics
    assert (record.ttfb, record.audio_duration, record.cancelled) == (-1, 0, False)
    assert record.error is not None
    assert (record.error.provider, record.error.attempts) == (tts.label, 4)


async def test_closing_before_the_first_audio_raises_nothing_and_counts_as_cancelled(lk_clock: VirtualClock) -> None:
    tts = Speaker(stall())
    ears = Ears.on(tts)

    async with tts.synthesize("hello") as stream:
        await asyncio.sleep(1)
        await stream.aclose()

        assert await read(stream) == []
    (record,) = ears.metrics
    assert (record.ttfb, record.audio_duration, record.cancelled, record.error) == (-1, 0, True, None)


async def test_a_stream_that_is_closed_at_once_counts_as_cancelled() -> None:
    tts = Speaker()
    ears = Ears.on(tts)

    await tts.synthesize("hello").aclose()

    assert [record.cancelled for record in ears.metrics] == [True]


async def test_the_state_of_the_stream_can_be_asked() -> None:
    stream = Speaker().synthesize("hello")

    before = stream.done
    with pytest.raises(asyncio.InvalidStateError):
        _ = stream.exception
    await read(stream)

    assert (before, stream.done, stream.exception) == (False, True, None)


async def test_the_error_that_ended_the_stream_can_be_asked() -> None:
    stream = Speaker(Fault()).synthesize("hello", conn_options=ONCE)
    _, error = await read_until_error(stream)

    assert stream.exception is error


async def test_a_closed_stream_ended_without_an_error() -> None:
    stream = Speaker().synthesize("hello")
    await stream.aclose()

    assert stream.exception is None


async def test_all_audio_can_be_collected_as_one_frame() -> None:
    frame = await Speaker().synthesize("hello there").collect()

    assert heard([SynthesizedAudio(frame, "")]) == "hello there"


@pytest.mark.parametrize("make", [lambda: Speaker().synthesize(" "), lambda: Speaker().synthesize("")])
async def test_collecting_no_audio_is_an_error(make: Callable[[], ChunkedStream]) -> None:
    with pytest.raises(ValueError, match="gave no audio to collect"):
        await make().collect()


async def test_collecting_raises_what_ended_the_stream() -> None:
    with pytest.raises(APIConnectionError):
        await Speaker(Fault()).synthesize("hello", conn_options=ONCE).collect()


async def test_the_synthesizers_own_options_are_the_default(lk_clock: VirtualClock) -> None:
    tts = Speaker(Fault(), conn_options=APIConnectOptions(max_retry=1))

    await read_until_error(tts.synthesize("hello"))

    assert tts.attempts == 2


async def test_a_pause_of_the_provider_within_its_time_is_nothing(lk_clock: VirtualClock) -> None:
    tts = Speaker(pause(9, at=1))

    assert heard(await read(tts.synthesize("hello there"))) == "hello there"

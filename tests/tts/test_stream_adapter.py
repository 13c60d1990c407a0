"""Streaming over synthesizers that take whole texts: sentence by sentence, one ahead."""

from __future__ import annotations

import asyncio

import pytest
from tests.tts.members import push, whole
from tests.tts.speakers import (
    ONCE,
    Ears,
    Fault,
    Speaker,
    about,
    frame_of,
    heard,
    read,
    read_until_error,
    segments,
    stall,
)

from lk_agents.foundation.errors import APIConnectionError, APIError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.words import TimedWord
from lk_agents.testing import VirtualClock
from lk_agents.tokenize.basic import SentenceTokenizer
from lk_agents.tts import ChunkedStream, StreamAdapter, SynthesizedAudio

TEXT = "The first one. The second is longer. And a third."
SENTENCES = ["The first one.", "The second is longer.", "And a third."]


def adapted(tts: Speaker) -> StreamAdapter:
    return StreamAdapter(tts=tts, sentence_tokenizer=SentenceTokenizer(min_sentence_len=5))


async def test_sentences_are_synthesized_one_by_one_and_in_order() -> None:
    tts = whole()

    audio = await read(push(adapted(tts).stream(), TEXT))

    assert tts.asked == SENTENCES
    assert segments(audio) == ["".join(SENTENCES)]


async def test_pieces_of_a_known_last_sentence_pass_through_as_they_are() -> None:
    audio = await read(push(adapted(whole()).stream(), "Hello there."))

    assert [piece.frame.samples_per_channel for piece in audio] == [50, 50, 20]


@pytest.mark.parametrize("characters", [1, 5, 1_000])
@pytest.mark.parametrize("size", [1, 3, 1_000])
async def test_segments_stay_segments_however_text_and_audio_come(size: int, characters: int) -> None:
    stream = adapted(whole(characters=characters)).stream()
    for text in (TEXT, "Bye."):
        for at in range(0, len(text), size):
            stream.push_text(text[at : at + size])
        stream.flush()
    stream.end_input()

    assert segments(await read(stream)) == ["".join(SENTENCES), "Bye."]


async def test_the_first_piece_of_each_sentence_carries_its_text() -> None:
    audio = await read(push(adapted(whole()).stream(), TEXT))

    assert [piece.delta_text for piece in audio if piece.delta_text] == SENTENCES


async def test_a_sentence_is_spoken_before_the_next_one_is_known(lk_clock: VirtualClock) -> None:
    stream = adapted(whole()).stream()
    for token in ("The first one.", " And"):
        stream.push_text(token)
    await asyncio.sleep(1)

    spoken = [await anext(stream) for _ in range(3)]

    # All but the last 10 ms, which wait until it is known whether the segment goes on.
    assert heard(spoken) == "The first one"
    await stream.aclose()


async def test_what_waits_goes_out_when_the_segment_ends(lk_clock: VirtualClock) -> None:
    stream = adapted(whole()).stream()
    stream.push_text("The first one. ")
    stream.push_text("A")  # which ends the sentence before it
    await asyncio.sleep(1)
    early = [await anext(stream) for _ in range(3)]
    stream.push_text(" and B.")
    stream.end_input()

    assert segments([*early, *await read(stream)]) == ["The first one.A and B."]


async def test_the_segment_ends_although_its_text_was_complete_long_after_its_audio(lk_clock: VirtualClock) -> None:
    stream = adapted(whole()).stream()
    stream.push_text("The first one. ")
    stream.push_text("…")
    await asyncio.sleep(1)
    stream.flush()
    await asyncio.sleep(1)
    stream.push_text("Bye.")
    stream.end_input()

    assert segments(await read(stream)) == ["The first one.", "Bye."]


async def test_the_next_sentence_is_synthesized_while_one_is_read(lk_clock: VirtualClock) -> None:
    tts = whole(characters=1_000, frame_seconds=1)

    await read(push(adapted(tts).stream(), TEXT))

    assert lk_clock.monotonic() == about(2)  # the first two at the same time, then the third


async def test_no_more_than_one_sentence_is_synthesized_ahead(lk_clock: VirtualClock) -> None:
    tts = whole(stall(at=1))
    stream = push(adapted(tts).stream(), TEXT)
    await asyncio.sleep(1)

    assert tts.asked == SENTENCES[:2]
    await stream.aclose()


async def test_the_callers_options_reach_the_synthesizer(lk_clock: VirtualClock) -> None:
    tts = whole(Fault())
    options = APIConnectOptions(max_retry=1, timeout=7)

    _, error = await read_until_error(push(adapted(tts).stream(conn_options=options), "Hello."))

    assert set(tts.options) == {options}
    assert tts.attempts == 2  # and not twice as many: the adapter does not try again itself
    assert isinstance(error, APIConnectionError)
    assert error.attempts == 2
    assert error.provider == tts.label


async def test_without_options_the_synthesizers_own_count(lk_clock: VirtualClock) -> None:
    tts = Speaker(Fault(), streaming=False, conn_options=APIConnectOptions(max_retry=2))

    await read_until_error(push(adapted(tts).stream(), "Hello."))

    assert tts.attempts == 3


async def test_the_wrapped_synthesizer_stays_open() -> None:
    tts = whole()
    async with adapted(tts) as adapter:
        await read(push(adapter.stream(), "Hello."))
        await adapter.stream().aclose()

    assert tts.closed == 0


async def test_metrics_are_the_wrapped_synthesizers_one_for_each_sentence() -> None:
    tts = whole()
    adapter = adapted(tts)
    ears = Ears.on(adapter)

    await read(push(adapter.stream(), TEXT))

    assert [(record.label, record.streamed) for record in ears.metrics] == [(tts.label, False)] * 3
    assert sum(record.characters_count for record in ears.metrics) == sum(map(len, SENTENCES))


async def test_a_closed_adapter_emits_no_more_metrics() -> None:
    tts = whole()
    adapter = adapted(tts)
    ears = Ears.on(adapter)
    await adapter.aclose()

    await read(tts.synthesize("Hello."))

    assert ears.metrics == []


async def test_a_whole_text_goes_to_the_wrapped_synthesizer_as_it_is() -> None:
    tts = whole()

    await read(adapted(tts).synthesize(TEXT, conn_options=ONCE))

    assert tts.asked == [TEXT]
    assert tts.options == [ONCE]


async def test_the_adapter_is_prepared_by_preparing_the_wrapped_synthesizer() -> None:
    tts = whole()
    adapter = adapted(tts)
    adapter.prewarm()

    assert tts.prewarmed == 1
    assert (adapter.sample_rate, adapter.num_channels) == (tts.sample_rate, tts.num_channels)
    assert adapter.capabilities.streaming


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("sentence", range(3))
async def test_a_failure_at_any_piece_ends_the_stream_and_repeats_nothing(
    lk_clock: VirtualClock, sentence: int, at: int
) -> None:
    tts = whole(*[None] * sentence, Fault(at))

    audio, error = await read_until_error(push(adapted(tts).stream(conn_options=ONCE), TEXT))

    assert isinstance(error, APIError)
    assert "".join(SENTENCES).startswith(heard(audio))
    assert not error.retryable or not audio


async def test_closing_early_closes_what_is_being_synthesized(lk_clock: VirtualClock) -> None:
    tts = whole(stall(at=1))
    ears = Ears.on(tts)
    stream = push(adapted(tts).stream(), TEXT)
    await asyncio.sleep(1)
    await stream.aclose()

    assert [record.cancelled for record in ears.metrics] == [True, True]


@pytest.mark.parametrize("text", ["", " ", "👍", "**\n**"])
async def test_nothing_is_asked_for_a_text_that_says_nothing(text: str) -> None:
    tts = whole()

    assert await read(push(adapted(tts).stream(), text)) == []
    assert tts.asked == []


async def test_sentences_that_say_nothing_are_left_out() -> None:
    tts = whole()

    await read(push(adapted(tts).stream(), "The first one. — — — — —! The second is longer."))

    assert tts.asked[-1].endswith("The second is longer.")
    assert all(any(map(str.isalnum, text)) for text in tts.asked)


class Timed(Speaker):
    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        return _TimedText(tts=self, input_text=text, conn_options=conn_options)


class _TimedText(ChunkedStream):
    async def _run(self) -> None:
        words = [TimedWord(self._input_text.split()[0], 0.0, 0.03)]
        self._event_ch.send_nowait(SynthesizedAudio(frame_of(self._input_text), "", words=words))


async def test_times_of_words_count_from_the_start_of_the_segment() -> None:
    audio = await read(push(adapted(Timed(streaming=False)).stream(), TEXT, "Bye now."))

    words = [word for piece in audio for word in piece.words or ()]
    assert [(word.text, word.start_time) for word in words] == [
        ("The", 0.0),
        ("The", about(0.14)),
        ("And", about(0.35)),
        ("Bye", 0.0),
    ]


class Broken(SentenceTokenizer):
    def stream(self, *, language: str | None = None) -> None:  # type: ignore[override]
        raise ZeroDivisionError


async def test_a_tokenizer_that_fails_ends_the_stream() -> None:
    adapter = StreamAdapter(tts=whole(), sentence_tokenizer=Broken())

    _, error = await read_until_error(push(adapter.stream(), "Hello."))

    assert isinstance(error, ZeroDivisionError)


async def test_a_very_long_text_goes_through() -> None:
    text = "This is a sentence of some length. " * 1_800  # 63,000 characters

    audio = await read(push(adapted(whole(characters=10_000)).stream(), text))

    assert len(segments(audio)[0]) == 34 * 1_800

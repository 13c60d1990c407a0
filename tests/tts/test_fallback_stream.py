"""Streams through the fallback adapter: segments, sentences, slow members, ends."""

from __future__ import annotations

import asyncio

import pytest
from tests.tts.members import SENTENCES, TEXT, Tone, changes_of, fallback, push
from tests.tts.speakers import (
    MARK,
    RATE,
    Ears,
    Fault,
    Speaker,
    about,
    heard,
    pause,
    read,
    read_until_error,
    segments,
    stall,
)

from lk_agents.foundation.errors import APIConnectionError, StreamInputError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.testing import VirtualClock
from lk_agents.tokenize.basic import SentenceTokenizer
from lk_agents.tts import SynthesizedAudio, SynthesizeStream


def seconds(audio: list[SynthesizedAudio]) -> float:
    return sum(piece.frame.duration for piece in audio)


async def test_segments_pass_through_as_they_are() -> None:
    member = Speaker()
    adapter = fallback(member)

    audio = await read(push(adapter.stream(), "Hello there.", "Bye."))

    assert segments(audio) == ["Hello there.", "Bye."]
    assert [piece.frame.samples_per_channel for piece in audio] == [50, 50, 20, 40]
    assert member.attempts == 1


async def test_sentences_are_given_to_a_member_one_by_one() -> None:
    member = Speaker()

    audio = await read(push(fallback(member).stream(), TEXT, "Bye."))

    assert member.asked == [*SENTENCES, "Bye."]
    assert segments(audio) == ["".join(SENTENCES), "Bye."]


@pytest.mark.parametrize("size", [1, 3, 1_000])
@pytest.mark.parametrize("characters", [1, 5, 1_000])
async def test_segments_stay_segments_however_text_and_audio_come(size: int, characters: int) -> None:
    stream = fallback(Speaker(characters=characters)).stream()
    for text in (TEXT, "Bye.", TEXT):
        for at in range(0, len(text), size):
            stream.push_text(text[at : at + size])
        stream.flush()
    stream.end_input()

    assert segments(await read(stream)) == ["".join(SENTENCES), "Bye.", "".join(SENTENCES)]


async def test_a_sentence_is_spoken_before_the_next_one_is_known(lk_clock: VirtualClock) -> None:
    stream = fallback(Speaker()).stream()
    stream.push_text("The first one. And")
    await asyncio.sleep(1)

    assert heard([await anext(stream) for _ in range(3)]) == "The first one"
    stream.push_text(" now more.")
    stream.end_input()
    assert heard(await read(stream)) == ".And now more."


async def test_the_end_of_a_segment_may_show_long_after_its_audio(lk_clock: VirtualClock) -> None:
    stream = fallback(Speaker()).stream()
    stream.push_text("The first one. ")
    stream.push_text("…")
    await asyncio.sleep(100)
    stream.flush()
    await asyncio.sleep(100)
    stream.push_text("Bye.")
    stream.end_input()

    assert segments(await read(stream)) == ["The first one.", "Bye."]


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(15))
async def test_wherever_a_member_fails_no_finished_sentence_is_said_twice(lk_clock: VirtualClock, at: int) -> None:
    adapter = fallback(Speaker(Fault(at)), Speaker())

    audio = await read(push(adapter.stream(), TEXT, "Bye."))

    # What was heard before the fault: whole sentences, then the beginning of one, which is repeated.
    left, before, broken = at, "", ""
    for sentence in SENTENCES:
        frames = -(-len(sentence) // 5)
        if left < frames:
            broken = sentence[: left * 5]
            break
        left, before = left - frames, before + sentence
    assert segments(audio) == [before + broken + "".join(SENTENCES)[len(before) :], "Bye."]
    await adapter.aclose()


@pytest.mark.parametrize("at", range(15))
async def test_wherever_a_member_falls_silent_no_finished_sentence_is_said_twice(
    lk_clock: VirtualClock, at: int
) -> None:
    adapter = fallback(Speaker(stall(at)), Speaker(), attempt_timeout=2)

    audio = await read(push(adapter.stream(), TEXT))

    said = heard(audio)
    assert said.endswith(SENTENCES[-1])
    assert all(said.count(sentence) == 1 for sentence in SENTENCES)
    assert lk_clock.monotonic() <= 2 + 0.001
    await adapter.aclose()


async def test_the_second_segment_is_spoken_by_the_next_member(lk_clock: VirtualClock) -> None:
    first, second = Speaker(Fault(at=1)), Speaker()
    adapter = fallback(first, second)
    changes = changes_of(adapter)

    audio = await read(push(adapter.stream(), "One.", "Two.", "Three."))

    assert segments(audio) == ["One.", "Two.", "Three."]
    assert second.asked == ["Two.", "Three."]
    assert changes[0] == (first, False)
    await adapter.aclose()


async def test_a_fault_while_the_text_is_still_coming_loses_nothing(lk_clock: VirtualClock) -> None:
    adapter = fallback(Speaker(Fault(at=3)), Speaker())
    stream = adapter.stream()
    reader = asyncio.create_task(read(stream))
    for word in TEXT.split(" "):
        stream.push_text(word + " ")
        await asyncio.sleep(0.5)
    stream.end_input()

    assert segments(await reader) == ["".join(SENTENCES)]
    await adapter.aclose()


async def test_a_first_segment_is_kept_when_all_members_fail_at_the_second(lk_clock: VirtualClock) -> None:
    class Once(Speaker):
        """Has a voice for one segment."""

        def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
            return _OnceStream(tts=self, conn_options=conn_options)

    class _OnceStream(SynthesizeStream):
        _tts: Once

        async def _run(self) -> None:
            text = ""
            async for item in self._input_ch:
                if isinstance(item, str):
                    text += item
                    continue
                for frame in self._tts.frames(text):
                    self._event_ch.send_nowait(SynthesizedAudio(frame, "", is_final=True))
                self._tts.silent, text = True, ""

    adapter = fallback(Once(characters=1_000))

    audio, error = await read_until_error(push(adapter.stream(), "One.", "Two."))

    assert segments(audio) == ["One."]
    assert isinstance(error, APIConnectionError)
    await adapter.aclose()


async def test_a_member_that_has_recovered_is_asked_again_within_a_stream(lk_clock: VirtualClock) -> None:
    first, second = Speaker(Fault(), None), Speaker(Fault(at=1))
    adapter = fallback(first, second)
    stream = adapter.stream()
    reader = asyncio.create_task(read(stream))
    for text in ("One.", "Two.", "Three."):
        stream.push_text(text)
        stream.flush()
        await asyncio.sleep(10)
    stream.end_input()

    assert segments(await reader) == ["One.", "Two.", "Three."]
    await adapter.aclose()


@pytest.mark.parametrize(
    ("broken_after", "limit", "expected"),
    [(2.9, 3.0, 2.8 + 5), (3.1, 3.0, 3.0 + 0.01), (4.0, None, 3.9 + 5), (0.2, 0.0, 0.1 + 0.01), (0.0, 0.0, 5)],
)
async def test_what_was_heard_for_long_enough_is_not_repeated(
    lk_clock: VirtualClock, broken_after: float, limit: float | None, expected: float
) -> None:
    adapter = fallback(Tone(5, RATE, break_after=broken_after), Tone(5, RATE), no_fallback_after_audio_duration=limit)

    audio = await read(push(adapter.stream(), "Hello."))

    # Tone holds one piece of 100 ms back; a segment that is cut short ends with 10 ms of silence.
    assert seconds(audio) == about(expected)
    assert [piece.is_final for piece in audio] == [False] * (len(audio) - 1) + [True]
    await adapter.aclose()


async def test_a_stream_that_ends_within_a_sentence_drops_the_rest_and_takes_no_more(lk_clock: VirtualClock) -> None:
    adapter = fallback(Speaker(Fault(at=2)), Speaker(), no_fallback_after_audio_duration=0.05)
    stream = adapter.stream()
    for text in ("Hello there, you.", "More of it."):
        stream.push_text(text)
        stream.flush()

    assert segments(await read(stream)) == [f"Hello ther{MARK}"]
    with pytest.raises(StreamInputError):
        stream.push_text("more")
    await adapter.aclose()


# --- time -------------------------------------------------------------------------------------------------------------


async def test_a_pause_between_segments_is_no_timeout(lk_clock: VirtualClock) -> None:
    member = Speaker()
    adapter = fallback(member, attempt_timeout=0.25)
    changes = changes_of(adapter)
    stream = adapter.stream()
    reader = asyncio.create_task(read(stream))
    for text in ("One.", "Two."):
        stream.push_text(text)
        await asyncio.sleep(1)
        stream.flush()
        await asyncio.sleep(1)
    stream.end_input()
    audio = await reader

    assert segments(audio) == ["One.", "Two."]
    assert len({piece.segment_id for piece in audio}) == 2
    assert [piece.is_final for piece in audio].count(True) == 2
    assert changes == []


async def test_a_second_segment_that_was_flushed_early_has_its_own_timer(lk_clock: VirtualClock) -> None:
    first, second = Speaker(stall(at=1)), Speaker()
    adapter = fallback(first, second, attempt_timeout=0.25)

    audio = await read(push(adapter.stream(), "One.", "Two."))

    assert segments(audio) == ["One.", "Two."]
    assert second.asked == ["Two."]
    assert lk_clock.monotonic() == about(0.25)
    await adapter.aclose()


async def test_silent_members_time_out_and_are_probed(lk_clock: VirtualClock) -> None:
    members = [Speaker(pause(0.5)), Speaker(pause(0.5))]
    adapter = fallback(*members, attempt_timeout=0.1)
    changes = changes_of(adapter)

    _, error = await read_until_error(push(adapter.stream(), "Hello."))

    assert isinstance(error, APIConnectionError)
    assert changes == [(member, False) for member in members]
    await asyncio.sleep(1)
    assert [member.attempts > 1 for member in members] == [True, True]
    await adapter.aclose()


async def test_a_member_that_is_slow_for_all_its_retries_is_left_in_time(lk_clock: VirtualClock) -> None:
    adapter = fallback(Speaker(stall()), Speaker(), attempt_timeout=2, max_retry_per_tts=5, retry_interval=0)

    assert segments(await read(push(adapter.stream(), "Hello."))) == ["Hello."]
    assert lk_clock.monotonic() == about(2)
    await adapter.aclose()


async def test_a_reader_that_takes_its_time_makes_no_member_slow(lk_clock: VirtualClock) -> None:
    adapter = fallback(Tone(50, RATE), attempt_timeout=1)
    changes = changes_of(adapter)
    stream = push(adapter.stream(), "Hello.", "Hello.")
    audio = []
    async for piece in stream:
        audio.append(piece)
        await asyncio.sleep(piece.frame.duration)

    assert seconds(audio) == about(100)
    assert changes == []


async def test_a_member_may_end_by_itself(lk_clock: VirtualClock) -> None:
    ended = []

    async def put_the_connection_back() -> None:
        await asyncio.sleep(0.5)
        ended.append(True)

    member = Speaker(Fault(at=100, deed=put_the_connection_back), frame_seconds=0.1)

    await read(push(fallback(member).stream(), "Hello."))

    assert ended == [True]


async def test_a_member_that_does_not_end_is_left_after_a_second(lk_clock: VirtualClock) -> None:
    adapter = fallback(Speaker(stall(at=100)))
    changes = changes_of(adapter)

    assert segments(await read(push(adapter.stream(), "Hello."))) == ["Hello."]
    assert lk_clock.monotonic() == about(1)
    assert changes == []


async def test_a_member_that_does_not_end_when_the_input_does_is_left_after_a_second(lk_clock: VirtualClock) -> None:
    stream = fallback(Speaker(stall(at=100))).stream()
    stream.push_text("Hello.")
    stream.flush()
    await asyncio.sleep(5)
    stream.end_input()

    assert segments(await read(stream)) == ["Hello."]
    assert lk_clock.monotonic() == about(6)


# --- rates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [16_000, 24_000])
async def test_resampled_segments_are_as_long_as_they_were_and_only_their_last_piece_is_final(rate: int) -> None:
    adapter = fallback(Tone(5, rate), sample_rate=48_000)

    audio = await read(push(adapter.stream(), "Hello.", "Bye."))

    ids = list(dict.fromkeys(piece.segment_id for piece in audio))
    for segment_id in ids:
        pieces = [piece for piece in audio if piece.segment_id == segment_id]
        assert seconds(pieces) == pytest.approx(5, abs=0.001)
        assert [piece.is_final for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert len(ids) == 2
    assert {piece.frame.sample_rate for piece in audio} == {48_000}


async def test_a_resampler_keeps_nothing_of_an_attempt_that_failed(lk_clock: VirtualClock) -> None:
    member = Tone(5, 16_000, break_after=1.0)
    adapter = fallback(member, sample_rate=48_000)
    await read_until_error(push(adapter.stream(), "Hello."))
    member.break_after = None

    audio = await read(push(adapter.stream(), "Hello."))

    assert seconds(audio) == pytest.approx(5, abs=0.001)
    await adapter.aclose()


async def test_streams_at_the_same_time_do_not_share_a_resampler() -> None:
    adapter = fallback(Tone(2, 16_000), sample_rate=48_000)

    both = await asyncio.gather(*(read(push(adapter.stream(), "Hello.")) for _ in range(2)))

    assert [seconds(audio) for audio in both] == [pytest.approx(2, abs=0.001)] * 2


# --- the rest ---------------------------------------------------------------------------------------------------------


async def test_metrics_are_the_members_one_for_each_sentence(lk_clock: VirtualClock) -> None:
    member = Speaker()
    adapter = fallback(member)
    ears = Ears.on(adapter)

    await read(push(adapter.stream(), TEXT))

    assert [(record.characters_count, record.label) for record in ears.metrics] == [
        (len(sentence), member.label) for sentence in SENTENCES
    ]
    assert all(record.streamed for record in ears.metrics)


@pytest.mark.parametrize("texts", [(), ("",), ("  ",), ("👍", "**")], ids=lambda texts: ascii("|".join(texts)))
async def test_nobody_is_asked_when_there_is_nothing_to_say(texts: tuple[str, ...]) -> None:
    member = Speaker()

    assert await read(push(fallback(member).stream(), *texts)) == []
    assert member.attempts == 0


async def test_closing_early_closes_the_member_that_speaks(lk_clock: VirtualClock) -> None:
    member = Speaker(stall(at=1))
    adapter = fallback(member)
    ears = Ears.on(adapter)
    stream = push(adapter.stream(), TEXT)
    await asyncio.sleep(1)
    await stream.aclose()

    assert [record.cancelled for record in ears.metrics] == [True]  # it had not taken the next sentence


async def test_closing_while_text_is_awaited_leaves_nothing_behind(lk_clock: VirtualClock) -> None:
    stream = fallback(Speaker()).stream()
    stream.push_text("Hello.")
    stream.flush()
    await asyncio.sleep(1)
    await stream.aclose()

    assert segments(await read(stream)) == ["Hello."]


async def test_a_member_gets_one_sentence_ahead(lk_clock: VirtualClock) -> None:
    taken = []

    class Taking(Speaker):
        def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
            return _TakingStream(tts=self, conn_options=conn_options)

    class _TakingStream(SynthesizeStream):
        async def _run(self) -> None:
            async for item in self._input_ch:
                if isinstance(item, str):
                    taken.append(item)  # noqa: PERF401  what was taken so far counts

    stream = push(fallback(Taking()).stream(), TEXT)
    await asyncio.sleep(1)
    await stream.aclose()

    assert taken == SENTENCES[:2]


class BrokenTokenizer(SentenceTokenizer):
    def stream(self, *, language: str | None = None) -> None:  # type: ignore[override]
        raise ZeroDivisionError


async def test_a_tokenizer_that_fails_ends_the_stream_and_blames_no_member() -> None:
    adapter = fallback(Speaker(), sentence_tokenizer=BrokenTokenizer())
    changes = changes_of(adapter)

    _, error = await read_until_error(push(adapter.stream(), "Hello."))

    assert isinstance(error, ZeroDivisionError)
    assert changes == []


async def test_a_member_that_refuses_its_text_has_failed(lk_clock: VirtualClock) -> None:
    class Refusing(Speaker):
        def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
            stream = super().stream(conn_options=conn_options)
            stream.push_text("Something else.")
            stream.end_input()
            return stream

    adapter = fallback(Refusing(), Speaker())

    assert segments(await read(push(adapter.stream(), "Hello."))) == ["Hello."]
    await adapter.aclose()


async def test_a_member_whose_stream_cannot_be_opened_has_failed(lk_clock: VirtualClock) -> None:
    class Closed(Speaker):
        def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
            raise RuntimeError("no key")

    adapter = fallback(Closed(), Speaker())

    assert segments(await read(push(adapter.stream(), "Hello."))) == ["Hello."]
    await adapter.aclose()

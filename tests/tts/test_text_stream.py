"""Text in, speech out: segments, what is sent to the provider, replay, and ends."""

from __future__ import annotations

import asyncio

import pytest
from tests.tts.members import push
from tests.tts.speakers import (
    MARK,
    ONCE,
    Fault,
    Speaker,
    frame_of,
    frames_of,
    heard,
    read,
    read_until_error,
    segments,
    stall,
)

from lk_agents.foundation.errors import APIConnectionError, APIError, PluginError, StreamInputError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.testing import VirtualClock
from lk_agents.tts import SynthesizedAudio, SynthesizeStream

THRICE = APIConnectOptions(max_retry=3)


async def test_each_flushed_text_is_a_segment() -> None:
    tts = Speaker()

    audio = await read(push(tts.stream(), "hello there", "bye"))

    assert segments(audio) == ["hello there", "bye"]
    assert tts.attempts == 1


async def test_the_text_of_a_segment_may_come_in_pieces() -> None:
    stream = Speaker().stream()
    for token in ("hel", "lo", " ", "there"):
        stream.push_text(token)
    stream.end_input()

    assert segments(await read(stream)) == ["hello there"]


class Unnamed(Speaker):
    """Gives its segments no names."""

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
        return _UnnamedStream(tts=self, conn_options=conn_options)


class _UnnamedStream(SynthesizeStream):
    _tts: Unnamed

    async def _run(self) -> None:
        text = ""
        async for item in self._input_ch:
            if isinstance(item, str):
                text += item
            else:
                self._event_ch.send_nowait(SynthesizedAudio(frame_of(text), "", is_final=True))
                text = ""


async def test_segments_that_the_provider_does_not_name_get_a_name() -> None:
    assert segments(await read(push(Unnamed().stream(), "one", "two"))) == ["one", "two"]


# --- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "texts", [(), ("",), (" ",), ("\n", "  "), ("👍",), ("**", "…")], ids=lambda texts: ascii("|".join(texts))
)
async def test_without_anything_to_say_nobody_is_asked(texts: tuple[str, ...]) -> None:
    tts = Speaker()

    assert await read(push(tts.stream(), *texts)) == []
    assert tts.attempts == 0


async def test_texts_that_say_nothing_are_no_segments() -> None:
    tts = Speaker()

    audio = await read(push(tts.stream(), " ", "one", "", "**", "two", "\n"))

    assert segments(audio) == ["one", "two"]
    assert tts.asked == ["one", "two"]


async def test_flushing_without_text_changes_nothing() -> None:
    tts = Speaker()
    stream = tts.stream()
    stream.flush()
    stream.push_text("one")
    stream.flush()
    stream.flush()
    stream.end_input()

    assert segments(await read(stream)) == ["one"]


async def test_the_marks_before_the_first_letter_belong_to_the_text() -> None:
    tts = Speaker()
    stream = tts.stream()
    for token in ("“", "…", "yes", "”", "!"):
        stream.push_text(token)
    stream.end_input()
    await read(stream)

    assert tts.asked == ["“…yes”!"]


async def test_marks_without_end_do_not_pile_up() -> None:
    tts = Speaker()
    stream = tts.stream()
    for _ in range(100_000):
        stream.push_text(" * ")
    stream.push_text("yes")
    stream.end_input()
    await read(stream)

    assert len(tts.asked[0]) < 300
    assert tts.asked[0].endswith(" * yes")


async def test_the_provider_is_asked_when_there_is_something_to_say(lk_clock: VirtualClock) -> None:
    tts = Speaker()
    stream = tts.stream()
    await asyncio.sleep(100)
    assert tts.attempts == 0

    push(stream, "hello")

    assert segments(await read(stream)) == ["hello"]


async def test_more_text_than_the_stream_holds_is_refused() -> None:
    stream = Speaker(stall()).stream()
    stream.push_text("a" * 65_000)

    with pytest.raises(StreamInputError, match="more than it holds"):
        stream.push_text("a" * 1_000)
    await stream.aclose()


# --- replay -----------------------------------------------------------------------------------------------------------


async def test_a_retry_gets_the_text_again(lk_clock: VirtualClock) -> None:
    tts = Speaker(Fault(), Fault(), None)
    stream = tts.stream(conn_options=THRICE)
    for token in ("hel", "lo"):
        stream.push_text(token)
    stream.end_input()

    assert segments(await read(stream)) == ["hello"]
    assert tts.asked == ["hello"] * 3


@pytest.mark.parametrize("at", range(7))
async def test_wherever_the_provider_fails_nothing_is_said_twice(lk_clock: VirtualClock, at: int) -> None:
    tts = Speaker(Fault(at), None)

    audio, error = await read_until_error(push(tts.stream(conn_options=THRICE), "first", "second one", "third"))

    # Frames of five characters: 1 + 2 + 1. Only within the second segment has something been heard of the unfinished.
    if at == 2:
        assert heard(audio) == "firstsecon"
        assert isinstance(error, APIError)
        assert not error.retryable
    else:
        assert error is None
        assert segments(audio) == ["first", "second one", "third"]


async def test_text_that_nobody_had_flushed_is_replayed_as_well(lk_clock: VirtualClock) -> None:
    tts = Speaker(Fault(at=1), None)
    stream = tts.stream(conn_options=THRICE)
    stream.push_text("one")
    stream.flush()
    stream.push_text("two")
    stream.flush()
    stream.push_text("thr")
    await asyncio.sleep(1)
    stream.push_text("ee")
    stream.end_input()

    assert segments(await read(stream)) == ["one", "two", "three"]


async def test_each_segment_has_all_retries(lk_clock: VirtualClock) -> None:
    tts = Speaker(Fault(), Fault(1), Fault(), Fault(1), Fault(), None)

    audio = await read(push(tts.stream(conn_options=APIConnectOptions(max_retry=2)), "one", "two", "three"))

    assert segments(audio) == ["one", "two", "three"]
    assert tts.attempts == 6


async def test_a_connection_that_breaks_between_segments_is_made_anew_when_there_is_text(
    lk_clock: VirtualClock,
) -> None:
    async def break_when_idle() -> None:
        raise APIConnectionError("idle for too long")

    class Idle(Speaker):
        def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
            return _IdleStream(tts=self, conn_options=conn_options)

    class _IdleStream(SynthesizeStream):
        _tts: Idle

        async def _run(self) -> None:
            self._tts.attempts += 1
            text = await self._input_ch.recv()
            await self._input_ch.recv()
            assert isinstance(text, str)
            self._event_ch.send_nowait(SynthesizedAudio(frame_of(text), "", is_final=True))
            await break_when_idle()

    tts = Idle()
    stream = tts.stream(conn_options=APIConnectOptions(max_retry=1))
    spoken = asyncio.create_task(read(stream))
    for number in range(5):
        stream.push_text(f"segment {number}")
        stream.flush()
        await asyncio.sleep(100)
    stream.end_input()

    assert segments(await spoken) == [f"segment {number}" for number in range(5)]
    assert tts.attempts == 5


async def test_a_failure_after_everything_was_spoken_is_none() -> None:
    tts = Speaker(Fault(at=100))

    assert segments(await read(push(tts.stream(conn_options=ONCE), "hello"))) == ["hello"]


# --- segments without an end, or without audio ------------------------------------------------------------------------


async def test_a_segment_without_audio_is_an_error(lk_clock: VirtualClock) -> None:
    tts = Speaker(silent=True)

    audio, error = await read_until_error(push(tts.stream(conn_options=APIConnectOptions(max_retry=1)), "hello"))

    assert audio == []
    assert isinstance(error, APIConnectionError)
    assert error.retryable
    assert tts.attempts == 2


class Forgetful(Speaker):
    """Flags no last piece.

    :param names: whether its segments have names of their own.
    :param returns: whether it returns after each segment.
    """

    def __init__(self, *, names: bool = True, returns: bool = False) -> None:
        super().__init__()
        self.names = names
        self.returns = returns

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
        return _ForgetfulStream(tts=self, conn_options=conn_options)


class _ForgetfulStream(SynthesizeStream):
    _tts: Forgetful

    async def _run(self) -> None:
        self._tts.attempts += 1
        text = ""
        async for item in self._input_ch:
            if isinstance(item, str):
                text += item
                continue
            for frame in frames_of(text, 5):
                await self._event_ch.send(
                    SynthesizedAudio(frame, "", segment_id=f"named {text}" if self._tts.names else "")
                )
            text = ""
            if self._tts.returns:
                return


async def test_a_segment_whose_last_piece_is_not_flagged_ends_with_10_ms_of_silence() -> None:
    audio = await read(push(Forgetful().stream(), "first", "second one"))

    assert segments(audio) == [f"first{MARK}", f"second one{MARK}"]


async def test_a_provider_may_return_after_each_segment() -> None:
    tts = Forgetful(names=False, returns=True)

    assert segments(await read(push(tts.stream(), "first", "second one"))) == [f"first{MARK}", f"second one{MARK}"]
    assert tts.attempts == 2


class BySentence(Speaker):
    """Flags the end of each of its pieces, as if each were a segment, and the last one with an empty frame.

    Its first attempt takes everything and fails.
    """

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
        return _BySentenceStream(tts=self, conn_options=conn_options)


class _BySentenceStream(SynthesizeStream):
    _tts: BySentence

    async def _run(self) -> None:
        if self._tts.next_fault() is not None:
            async for _ in self._input_ch:
                pass
            raise APIConnectionError
        async for item in self._input_ch:
            said = item if isinstance(item, str) else ""
            self._event_ch.send_nowait(SynthesizedAudio(frame_of(said), "", is_final=True, segment_id="the same"))


@pytest.mark.parametrize("faults", [[], [Fault(), None]])
async def test_a_piece_is_final_only_if_all_text_of_the_segment_was_taken(
    lk_clock: VirtualClock, faults: list[Fault | None]
) -> None:
    stream = BySentence(*faults).stream()
    for text in ("One. ", "Two. ", "Three."):
        stream.push_text(text)
    stream.end_input()

    assert segments(await read(stream)) == [f"One. Two. Three.{MARK}"]


class Empty(Speaker):
    """Ends each segment with an empty frame, without anything before it."""

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
        return _EmptyStream(tts=self, conn_options=conn_options)


class _EmptyStream(SynthesizeStream):
    async def _run(self) -> None:
        async for item in self._input_ch:
            if not isinstance(item, str):
                self._event_ch.send_nowait(SynthesizedAudio(frame_of(""), "", is_final=True))


async def test_an_empty_last_frame_is_no_audio() -> None:
    audio, error = await read_until_error(push(Empty().stream(conn_options=ONCE), "hello", "there"))

    assert audio == []
    assert isinstance(error, APIConnectionError)


class Early(Speaker):
    """Ends before it has taken everything."""

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
        return _EarlyStream(tts=self, conn_options=conn_options)


class _EarlyStream(SynthesizeStream):
    async def _run(self) -> None:
        text = await self._input_ch.recv()
        assert isinstance(text, str)
        self._event_ch.send_nowait(SynthesizedAudio(frame_of(text), ""))


async def test_ending_within_a_segment_is_an_error() -> None:
    audio, error = await read_until_error(push(Early().stream(conn_options=THRICE), "hello"))

    assert heard(audio) == "hello"
    assert isinstance(error, APIConnectionError)
    assert not error.retryable


class _CutStream(SynthesizeStream):
    """Says the first text, and half of the second, and ends as if that had been all."""

    async def _run(self) -> None:
        cut = False
        async for item in self._input_ch:
            if isinstance(item, str):
                cut = item == "two"
                self._event_ch.send_nowait(SynthesizedAudio(frame_of(item[:2]), ""))
                if not cut:
                    self._event_ch.send_nowait(SynthesizedAudio(frame_of(item[2:]), ""))
            elif not cut:
                self._event_ch.send_nowait(SynthesizedAudio(frame_of("."), "", is_final=True))


async def test_a_provider_that_flags_last_pieces_has_ended_within_a_segment_without_one() -> None:
    audio, error = await read_until_error(push(_CutStream(tts=Unnamed(), conn_options=THRICE), "one", "two"))

    assert heard(audio) == "one.tw"
    assert isinstance(error, APIConnectionError)
    assert not error.retryable


async def test_audio_after_the_last_piece_of_a_segment_is_handed_on() -> None:
    class Chatty(_UnnamedStream):
        async def _run(self) -> None:
            await super()._run()
            self._event_ch.send_nowait(SynthesizedAudio(frame_of("!"), "", segment_id="more"))
            self._event_ch.send_nowait(SynthesizedAudio(frame_of(""), "", segment_id="more"))

    audio = await read(push(Chatty(tts=Unnamed()), "hello"))

    assert heard(audio) == "hello!"


async def test_a_frame_of_another_format_is_the_plugins_defect() -> None:
    class Wrong(_UnnamedStream):
        async def _run(self) -> None:
            self._event_ch.send_nowait(SynthesizedAudio(frame_of("a", rate=8_000), ""))

    _, error = await read_until_error(push(Wrong(tts=Unnamed()), "hello"))

    assert isinstance(error, PluginError)

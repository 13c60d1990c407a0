"""Checks of several streams of a recogniser, of their readers and of their ends, while nothing goes wrong."""

from __future__ import annotations

import asyncio

import pytest

from lk_agents.foundation.errors import StreamInputError
from lk_agents.stt import SpeechEvent
from lk_agents.testing.conformance.frame import (
    POINTS,
    close_at_once,
    collected,
    failed_with,
    is_overridden,
    read,
    skip_unless,
)
from lk_agents.testing.conformance.stt_cases import FINAL, FRAMES_PER_SECOND, STTKit, push, read_until

__all__ = ["STTReaderChecks"]


class STTReaderChecks(STTKit):
    """What every recogniser that listens must do for whoever reads it."""

    def test_options_that_change_while_it_listens_lose_nothing(self) -> None:
        """Between two utterances, and all is heard once."""
        skip_unless(is_overridden(self, STTKit, "change_options"), "it has no options to change while it listens")

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _), stt.stream(conn_options=self.options) as stream:
                first = self._first_recording()
                push(stream, first)
                events: list[SpeechEvent] = await read_until(stream, FINAL)
                await self.change_options(stt, stream)
                push(stream, self.audio()[len(first) :])
                stream.end_input()
                self._require_heard_all([*events, *await collected(stream)])

        self._run(story)

    def test_two_streams_at_once_are_kept_apart(self) -> None:
        """Each hears its own audio."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _):

                async def listen(seconds: float) -> list[SpeechEvent]:
                    async with stt.stream(conn_options=self.options) as stream:
                        push(stream, self.audio()[: round(seconds * FRAMES_PER_SECOND)])
                        stream.end_input()
                        return await collected(stream)

                middle = (self.utterances[0].end + self.utterances[1].start) / 2
                first, both = await asyncio.gather(listen(middle), listen(self.audio_seconds))
            self._require_heard(first, self.utterances[:1])
            self._require_heard_all(both)

        self._run(story)

    def test_a_reader_that_gives_up_waiting_loses_nothing(self) -> None:
        """It is cancelled while it waits for the next event, and reads on."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _), stt.stream(conn_options=self.options) as stream:
                error = await failed_with(asyncio.wait_for(anext(stream), 0.05))
                assert isinstance(error, TimeoutError), f"it should have been waiting, but {error!r}"
                push(stream, self.audio())
                stream.end_input()
                self._require_heard_all(await collected(stream))

        self._run(story)

    @pytest.mark.parametrize("point", POINTS)
    def test_a_stream_that_is_closed_three_times_at_once_ends(self, point: str | int) -> None:
        """What it had given can still be read; then it ends without an error."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _):
                stream = stt.stream(conn_options=self.options)
                if point != "at once":
                    push(stream, self.audio())
                if isinstance(point, int):
                    await read(stream, point)
                await close_at_once(stream.aclose)
                await collected(stream)
                with pytest.raises(StreamInputError):
                    stream.push_frame(self.audio()[0])

        self._run(story)

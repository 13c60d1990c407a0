"""The responses under way: from the server's messages about them to what programs see, part by part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents_openai.realtime.api_proto import NUM_CHANNELS, SAMPLE_RATE
from lk_agents_openai.realtime.messages import (
    AudioDelta,
    OutputItemAdded,
    OutputItemDone,
    PartAdded,
    PartDone,
    PartOf,
    ResponseCreated,
    ResponseDone,
    TextDelta,
    TextDone,
    TranscriptDelta,
    TranscriptDone,
)
from lk_agents_openai.realtime.records import RealtimeContent, RealtimeOutput, RealtimeResponse, RealtimeToolCall

if TYPE_CHECKING:
    from lk_agents_openai.realtime.message_parts import Item, ItemPart

__all__ = ["Generations"]

MOST_AUDIO_SECONDS: Final = 600.0
"""What nobody stops and nobody hears: more audio of one part is not kept."""
BYTES_PER_SAMPLE: Final = 2

Kind = Literal["text", "audio"]
Place = tuple[str, int]


@dataclass(eq=False)
class _Part:
    """A part while it comes.

    :param rest: half a sample, whose other half is in the next piece.
    """

    content: RealtimeContent
    rest: bytes = b""
    seconds: float = 0.0
    is_done: bool = False

    def close(self) -> None:
        """Let its streams end."""
        self.content.text_stream.close()
        self.content.audio_stream.close()


@dataclass(eq=False)
class _Generation:
    """A response while it comes.

    :param is_told: whether programs know of it.
    :param is_stopped: whether nothing more of it is wanted.
    """

    response: RealtimeResponse
    began_at: float
    is_told: bool = True
    is_stopped: bool = False
    first_at: float | None = None
    parts: dict[Place, _Part] = field(default_factory=dict)
    outputs: dict[str, RealtimeOutput] = field(default_factory=dict)


class Generations:
    """Follows every response from its creation to its end, and keeps nothing of it afterwards.

    Needs a running event loop.

    :param tell: emits an event of the session.
    :param on_said: a part is whole.
    :param on_call: a call is whole: its item, and the response that it belongs to.
    :param on_over: a response is over; with the seconds until its first part, None if there was none, and those until
        its end.
    """

    def __init__(
        self,
        *,
        tell: Callable[..., None],
        on_said: Callable[[RealtimeContent], None],
        on_call: Callable[[Item, str], None],
        on_over: Callable[[RealtimeResponse, float | None, float], None],
    ) -> None:
        self._tell = tell
        self._on_said = on_said
        self._on_call = on_call
        self._on_over = on_over
        self._open: dict[str, _Generation] = {}

    def hear(self, message: Any) -> None:
        """Take a message about a response; what comes of one that is not known, or is stopped, is passed over."""
        match message:
            case OutputItemAdded():
                self._output_added(message)
            case OutputItemDone():
                self._output_done(message)
            case PartAdded():
                self._part(message, _kind_of(message.part))
            case AudioDelta():
                self._hear_audio(message)
            case TranscriptDelta():
                self._hear_text(message, message.delta, "audio")
            case TextDelta():
                self._hear_text(message, message.delta, "text")
            case TranscriptDone():
                self._complete_text(message, message.transcript, "audio")
            case TextDone():
                self._complete_text(message, message.text, "text")
            case PartDone():
                self._part_done(message)
            case PartOf():  # all of the audio
                if (part := self._known_part(message)) is not None:
                    part.content.audio_stream.close()

    # --- a response --------------------------------------------------------------------------------------------------

    def created(self, message: ResponseCreated, *, is_wanted: bool) -> None:
        """A response begins.

        :param is_wanted: whether it is told of; otherwise it is stopped already.
        """
        told = message.response
        if told.id in self._open:
            return  # it was told twice
        response = RealtimeResponse(
            id=told.id,
            status=told.status or "in_progress",
            status_details=None,
            output=[],
            usage=None,
            done_fut=asyncio.get_running_loop().create_future(),
            _created_timestamp=clock.wall_seconds(),
            metadata=told.metadata,
        )
        self._open[told.id] = _Generation(response, clock.monotonic(), is_told=is_wanted, is_stopped=not is_wanted)
        if is_wanted:
            self._tell("response_created", response)

    def done(self, message: ResponseDone) -> None:
        """A response has ended."""
        told = message.response
        generation = self._open.pop(told.id, None)
        if generation is None:
            return  # behind an interruption, some come that were never begun
        response = generation.response
        response.status = told.status or "completed"
        response.status_details, response.usage = told.status_details, told.usage
        response.metadata = told.metadata or response.metadata
        self._conclude(generation)

    def unfinished(self) -> list[RealtimeContent]:
        """Return the parts that are not whole."""
        return [part.content for each in self._open.values() for part in each.parts.values() if not part.is_done]

    def stop(self) -> None:
        """Nothing more is wanted of what is under way: its streams end now."""
        for generation in self._open.values():
            generation.is_stopped = True
            for part in generation.parts.values():
                part.close()

    def abandon(self) -> None:
        """There is nobody any more who could end what is under way: all of it has."""
        self.stop()
        generations, self._open = list(self._open.values()), {}
        for generation in generations:
            generation.response.status = "cancelled"
            self._conclude(generation)

    def _conclude(self, generation: _Generation) -> None:
        response, now = generation.response, clock.monotonic()
        for part in generation.parts.values():
            part.close()
        for output in generation.outputs.values():
            _settle(output.done_fut)
        _settle(response.done_fut)
        if generation.is_told:
            self._tell("response_done", response)
        first = None if generation.first_at is None else generation.first_at - generation.began_at
        self._on_over(response, first, now - generation.began_at)
        for part in generation.parts.values():
            part.content.audio.clear()

    # --- what it consists of -----------------------------------------------------------------------------------------

    def _output_added(self, message: OutputItemAdded) -> None:
        generation = self._wanted(message.response_id)
        if generation is None:
            return
        is_call = message.item.type == "function_call"
        output = RealtimeOutput(
            response_id=message.response_id,
            item_id=message.item.id,
            output_index=message.output_index,
            role=message.item.role or "assistant",
            type="function_call" if is_call else "message",
            content=[],
            done_fut=asyncio.get_running_loop().create_future(),
        )
        generation.outputs[message.item.id] = output
        generation.response.output.append(output)
        self._tell("response_output_added", output)

    def _output_done(self, message: OutputItemDone) -> None:
        generation = self._wanted(message.response_id)
        if generation is None:
            return
        item = message.item
        output = generation.outputs.get(item.id)
        if item.type == "function_call" and item.status in {None, "completed"}:
            for part in generation.parts.values():
                call = RealtimeToolCall(item.name or "", item.arguments or "", item.call_id or "")
                part.content.tool_calls.append(call)
            self._on_call(item, message.response_id)
        if output is not None:
            _settle(output.done_fut)
            self._tell("response_output_done", output)

    def _part(self, place: PartOf, kind: Kind) -> _Part | None:
        """Return a part; one that was not told of begins with whatever comes of it first."""
        generation = self._wanted(place.response_id)
        if generation is None:
            return None
        known = generation.parts.get((place.item_id, place.content_index))
        if known is not None:
            return known
        content = RealtimeContent(
            response_id=place.response_id,
            item_id=place.item_id,
            output_index=place.output_index,
            content_index=place.content_index,
            content_type=kind,
        )
        part = generation.parts[place.item_id, place.content_index] = _Part(content)
        if generation.first_at is None:
            generation.first_at = clock.monotonic()
            generation.response._first_token_timestamp = clock.wall_seconds()  # noqa: SLF001  its public name
        if (output := generation.outputs.get(place.item_id)) is not None:
            output.content.append(content)
        self._tell("response_content_added", content)
        return part

    def _known_part(self, place: PartOf) -> _Part | None:
        generation = self._wanted(place.response_id)
        return None if generation is None else generation.parts.get((place.item_id, place.content_index))

    def _hear_audio(self, message: AudioDelta) -> None:
        part = self._part(message, "audio")
        if part is None or part.content.audio_stream.closed:
            return
        samples = part.rest + message.delta
        whole = len(samples) - len(samples) % BYTES_PER_SAMPLE
        part.rest = samples[whole:]
        if not whole:
            return
        from livekit import rtc

        frame = rtc.AudioFrame(samples[:whole], SAMPLE_RATE, NUM_CHANNELS, whole // BYTES_PER_SAMPLE)
        part.seconds += frame.duration
        if part.seconds > MOST_AUDIO_SECONDS:
            logger.warning("a response is too long; the rest of it is not heard", extra={"seconds": part.seconds})
            part.close()
            return
        part.content.audio.append(frame)
        part.content.audio_stream.send_nowait(frame)

    def _hear_text(self, place: PartOf, text: str, kind: Kind) -> None:
        part = self._part(place, kind)
        if part is None or part.content.text_stream.closed or not text:
            return
        part.content.text += text
        part.content.text_stream.send_nowait(text)

    def _complete_text(self, place: PartOf, whole: str | None, kind: Kind) -> None:
        """All of the text is known: give what of it has not come yet."""
        part = self._part(place, kind)
        if part is None or part.content.text_stream.closed:
            return
        content = part.content
        if whole and whole.startswith(content.text):
            self._hear_text(place, whole[len(content.text) :], kind)
        content.text_stream.close()

    def _part_done(self, message: PartDone) -> None:
        part = self._part(message, _kind_of(message.part))
        if part is None or part.is_done:
            return
        part.is_done = True
        self._complete_text(message, message.part.transcript or message.part.text, part.content.content_type)
        part.close()
        self._on_said(part.content)
        self._tell("response_content_done", part.content)

    def _wanted(self, response_id: str) -> _Generation | None:
        generation = self._open.get(response_id)
        return None if generation is None or generation.is_stopped else generation


def _kind_of(part: ItemPart) -> Kind:
    return "audio" if part.type in {"audio", "output_audio"} else "text"


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

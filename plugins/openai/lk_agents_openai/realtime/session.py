"""One conversation with a model that hears and speaks itself, over one connection after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.ids import short_id
from lk_agents.foundation.types import NOT_GIVEN, NotGivenOr
from lk_agents.llm.chat_context import ChatContext
from lk_agents.realtime.model import OnDuplicate
from lk_agents_openai.chat_format import encode_pictures
from lk_agents_openai.realtime.api_proto import NUM_CHANNELS, SAMPLE_RATE
from lk_agents_openai.realtime.commands import ConversationCommands, InputAudioBuffer, ResponseCommands
from lk_agents_openai.realtime.connected import ConnectedSession

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.llm import FunctionContext
    from lk_agents.utils.audio import Resampler

__all__ = ["RealtimeSession"]

LEAST_COMMIT_SECONDS: Final = 0.1
"""OpenAI refuses to make an item of less."""

Wire = dict[str, Any]


class RealtimeSession(ConnectedSession):
    """One conversation; made by :meth:`RealtimeModel.session`, in a running event loop.

    It does what :class:`lk_agents.realtime.RealtimeSession` says. Beyond the events told there it emits
    ``session_updated`` (:class:`RealtimeSessionOptions`), ``response_output_added`` and ``response_output_done``
    (:class:`RealtimeOutput`); its parts are :class:`RealtimeContent`, its responses :class:`RealtimeResponse`, and what
    the server reports as wrong is a :class:`RealtimeError`.

    A connection that is lost is followed by another one, which is told what was said before; so is one that is 50
    minutes old, as soon as nobody speaks: OpenAI ends it after an hour. Of what has no text, only what the user has
    said last is told.

    :param opts: how the model is to behave.
    :param rules: how the session is held.
    :param connect: opens a socket.
    :param label: the model's, for errors and metrics.
    :param provider: whose model it is.
    """

    _resampler: Resampler | None = None

    # --- what it is --------------------------------------------------------------------------------------------------

    @cached_property
    def conversation(self) -> ConversationCommands:
        """Changes the conversation, item by item."""
        return ConversationCommands(self)

    @cached_property
    def response(self) -> ResponseCommands:
        """Lets the model speak."""
        return ResponseCommands(self)

    @cached_property
    def input_audio_buffer(self) -> InputAudioBuffer:
        """Lets the model hear."""
        return InputAudioBuffer(self)

    @property
    def fnc_ctx(self) -> FunctionContext | None:
        """The functions that the model may call. Setting it tells the server; it counts from the next response on."""
        return self._fnc_ctx

    @fnc_ctx.setter
    def fnc_ctx(self, fnc_ctx: FunctionContext | None) -> None:
        self._fnc_ctx = fnc_ctx
        self._tell_session()

    @property
    def server_vad_enabled(self) -> bool:
        """Whether the server decides when the user's turn has ended."""
        return self._opts.turn_detection is not None

    @property
    def creates_responses(self) -> bool:
        """Whether the server answers by itself when the user's turn has ended."""
        return self._opts.creates_responses

    def logging_extra(self) -> dict[str, Any]:
        """Return what tells this session apart in logs: the server's id of it, for its support."""
        return {"session_id": "" if self._line is None else self._line.connection.session_id}

    def session_update(
        self,
        *,
        modalities: Any = None,
        instructions: str | None = None,
        voice: str | None = None,
        input_audio_format: Any = None,
        output_audio_format: Any = None,
        input_audio_transcription: NotGivenOr[Any] = NOT_GIVEN,
        turn_detection: NotGivenOr[Any] = NOT_GIVEN,
        tool_choice: Any = None,
        temperature: float | None = None,
        max_response_output_tokens: Any = None,
    ) -> None:
        """Change what is given, of the options of :meth:`RealtimeModel.session`; the server is told at once.

        :raises ConfigError: a value cannot be used; then nothing has changed.
        """
        given = {name: value for name, value in locals().items() if name != "self"}
        self._opts = self._opts.changed(given)
        self._tell_session()

    # --- the conversation --------------------------------------------------------------------------------------------

    def chat_ctx_copy(self) -> ChatContext:
        """Return the conversation as the server has it. What nobody knows as text yet has None as its content."""
        return ChatContext(messages=self._conversation.messages())

    async def set_chat_ctx(self, new_ctx: ChatContext) -> None:
        """Make the server's conversation this one; returns when the server has confirmed every change.

        Cancelled, it stops waiting; what was begun goes on.

        :raises APIError: it did not, in time or at all.
        :raises ConfigError: an id comes twice, or a picture is neither an address nor a video frame.
        """
        async with self._setting:
            await self._until_connected()
            messages = new_ctx.copy().messages
            await encode_pictures(messages)
            changes = self._conversation.become(messages)
            self.pulse.beat()
        if changes:
            await asyncio.wait(changes)
        for change in changes:
            change.result()

    def _truncate_conversation_item(self, *, item_id: str, content_index: int, audio_end_ms: int) -> None:
        self._conversation.truncate(item_id, content_index, audio_end_ms)
        self.pulse.beat()

    def _update_conversation_item_content(self, *, item_id: str, content: Any = None) -> None:
        self._conversation.rewrite(item_id, content)
        self.pulse.beat()

    def _recover_from_text_response(self, item_id: str) -> None:
        self._conversation.delete(item_id)
        self._conversation.create_filler()
        self.create_response("keep_both")

    # --- what the user says ------------------------------------------------------------------------------------------

    def _push_audio(self, frame: rtc.AudioFrame) -> None:
        if self._line is None:
            return  # who gives audio keeps it as long as there is no connection
        for piece in self._converted(frame):
            samples = bytes(piece.data.cast("B")[: 2 * piece.samples_per_channel])
            self._user.voice.push(samples)
            self._line.connection.outgoing.put_audio(samples)

    def _converted(self, frame: rtc.AudioFrame) -> Sequence[rtc.AudioFrame]:
        if self._resampler is None:
            if (frame.sample_rate, frame.num_channels) == (SAMPLE_RATE, NUM_CHANNELS):
                return (frame,)
            from lk_agents.utils.audio import Resampler

            self._resampler = Resampler(SAMPLE_RATE, mono=True)
        return self._resampler.push(frame)

    def commit_audio_buffer(self) -> None:
        """End the user's turn where the server does not decide that; nothing, if it is less than 100 ms."""
        if self._line is None or self._user.voice.uncommitted_seconds < LEAST_COMMIT_SECONDS:
            return
        self._user.voice.commit()
        self._send({"type": "input_audio_buffer.commit", "event_id": short_id("event_")})

    def _clear_audio(self) -> None:
        self._user.voice.clear()
        self._send({"type": "input_audio_buffer.clear", "event_id": short_id("event_")})

    # --- responses ---------------------------------------------------------------------------------------------------

    def create_response(self, on_duplicate: OnDuplicate = "keep_both") -> None:
        """Ask for a response.

        :raises ConfigError: there is no such way.
        """
        self._ask(self._bare_request(), on_duplicate)

    def cancel_response(self) -> None:
        """Stop the response under way, and do not ask for those that wait behind it; nothing if there is none."""
        self._fall_silent()
        self._requests.stop()
        self.pulse.beat()

    def _ask(self, fields: Wire, on_duplicate: OnDuplicate) -> asyncio.Future[bool]:
        if on_duplicate == "cancel_existing":
            self._fall_silent()
        asked = self._requests.ask(fields, on_duplicate)
        self.pulse.beat()
        return asked

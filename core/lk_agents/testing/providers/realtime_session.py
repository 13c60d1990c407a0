"""One conversation with the scripted speech-to-speech model."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, get_args

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIConnectionError, APIError, APITimeoutError, ConfigError
from lk_agents.foundation.ids import short_id
from lk_agents.llm import (
    CalledFunction,
    ChatContext,
    ChatMessage,
    FunctionCallError,
    FunctionContext,
    _create_ai_function_info,
)
from lk_agents.metrics.publish import publish
from lk_agents.realtime import RealtimeSession, RealtimeTranscription, RealtimeTranscriptionFailed
from lk_agents.realtime.model import OnDuplicate
from lk_agents.testing.providers.realtime import OUTPUT_RATE, RealtimeAnswer, ScriptedContent, ScriptedResponse
from lk_agents.testing.providers.realtime_server import ServerEar, connect, measured, names_of
from lk_agents.testing.providers.script import NEVER
from lk_agents.testing.providers.speech import tone
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.testing.providers.realtime import ScriptedRealtime

__all__ = ["ScriptedRealtimeSession"]

FRAME_SECONDS: Final = 0.02


class ScriptedRealtimeSession(RealtimeSession):
    """One conversation; what the agent does to it is recorded."""

    def __init__(self, model: ScriptedRealtime, chat_ctx: ChatContext, fnc_ctx: FunctionContext | None) -> None:
        super().__init__()
        self._model = model
        self._chat_ctx = chat_ctx
        self._fnc_ctx = fnc_ctx
        self._tasks: set[asyncio.Task[None]] = set()
        self._responses: list[asyncio.Task[None]] = []
        self._begun = 0
        self._closed = self._has_told = False
        self._ear = None if model.caller is None else ServerEar(model.caller, model.silence_seconds)
        self.heard: list[rtc.AudioFrame] = []
        """What it was given."""
        self.truncated: list[tuple[str, int]] = []
        """Each item that was cut, and after how many milliseconds."""
        self.cancelled = 0
        """How many responses were stopped."""
        self.asked = 0
        """How many responses were asked for by the agent."""
        self.committed = 0
        """How many turns of the user have ended."""
        self.recovered = 0
        """How often it was brought back from text."""
        self.functions = [names_of(fnc_ctx)]
        """The names of the functions that its server was told of, each time."""
        self._connected = asyncio.Event()
        self._attempt = model.breaks.attempt()
        self._init_sync_task = self._spawn(self._connect_first(), "lk-scripted-sync")

    @property
    def fnc_ctx(self) -> FunctionContext | None:
        """The functions that the model may call."""
        return self._fnc_ctx

    @fnc_ctx.setter
    def fnc_ctx(self, fnc_ctx: FunctionContext | None) -> None:
        self._fnc_ctx = fnc_ctx
        self.functions.append(names_of(fnc_ctx))

    @property
    def server_vad_enabled(self) -> bool:
        """Whether its script says what the user says."""
        return self._ear is not None

    @property
    def creates_responses(self) -> bool:
        """Whether its server answers by itself."""
        return self.server_vad_enabled and self._model.creates_responses

    # --- the conversation --------------------------------------------------------------------------------------------

    async def set_chat_ctx(self, ctx: ChatContext) -> None:
        """Take the conversation over.

        :raises APIError: it is closed, or not connected in time.
        """
        await self._until_connected()
        self._chat_ctx = ctx.copy()

    def chat_ctx_copy(self) -> ChatContext:
        """Return the conversation."""
        return self._chat_ctx.copy()

    def _truncate_conversation_item(self, *, item_id: str, content_index: int, audio_end_ms: int) -> None:  # noqa: ARG002  there is one
        self.truncated.append((item_id, audio_end_ms))

    def _update_conversation_item_content(self, *, item_id: str, content: Any = None) -> None:
        for message in self._chat_ctx.messages:
            if message.id == item_id:
                message.content = content

    def _recover_from_text_response(self, item_id: str) -> None:
        self.recovered += 1
        self._chat_ctx.messages = [each for each in self._chat_ctx.messages if each.id != item_id]
        self._ask()

    # --- what the user says ------------------------------------------------------------------------------------------

    def _push_audio(self, frame: rtc.AudioFrame) -> None:
        if self._closed:
            return
        self.heard.append(frame)
        for event in () if self._ear is None else self._ear.take(frame):
            if event == "started":
                self.emit("input_speech_started")
            else:
                assert self._ear is not None
                self.emit("input_speech_stopped", self._ear.spoken_until)
                self.commit_audio_buffer()
                if self.creates_responses:
                    self._ask()

    def commit_audio_buffer(self) -> None:
        """End the user's turn."""
        self.committed += 1
        item = ChatMessage(role="user")
        self._chat_ctx.messages.append(item)
        self.emit("input_speech_committed")
        if self._ear is not None:
            self._spawn(self._understand(item.id, self._ear.taken()), "lk-scripted-transcript")

    async def _understand(self, item_id: str, text: str) -> None:
        await asyncio.sleep(self._model.transcript_seconds or 0.0)
        if self._model.transcript_seconds is None:
            self.emit("input_speech_transcription_failed", RealtimeTranscriptionFailed(item_id, "not understood"))
        else:
            self.emit("input_speech_transcription_completed", RealtimeTranscription(item_id, text))

    # --- responses ---------------------------------------------------------------------------------------------------

    def create_response(self, on_duplicate: OnDuplicate = "keep_both") -> None:
        """Say the next answer.

        :raises ScriptError: there is none left.
        :raises ConfigError: there is no such way.
        """
        if on_duplicate not in get_args(OnDuplicate):
            raise ConfigError(f"on_duplicate is {on_duplicate!r}; it must be one of {', '.join(get_args(OnDuplicate))}")
        busy = any(not (each.done() or each.cancelling()) for each in self._responses)
        if busy and on_duplicate == "cancel_new":
            return
        if busy and on_duplicate == "cancel_existing":
            self.cancel_response()
        self.asked += 1
        self._ask()

    def cancel_response(self) -> None:
        """Stop the response under way, and those that wait behind it."""
        stopped = [each for each in self._responses if not (each.done() or each.cancelling())]
        for each in stopped:
            each.cancel()
        self.cancelled += len(stopped)

    def _ask(self) -> None:
        if self._closed:
            return
        answer = self._model.next_answer()
        self._responses = [each for each in self._responses if not each.done()]
        before = self._responses[-1] if self._responses else None
        self._responses.append(self._spawn(self._respond(answer, before), "lk-scripted-response"))

    async def _respond(self, answer: RealtimeAnswer, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        await self._connected.wait()
        self._begun += 1
        response, began_at = ScriptedResponse(), clock.monotonic()
        self.emit("response_created", response)
        first_at: float | None = None
        error: APIError | None = None
        try:
            await asyncio.sleep(answer.first_seconds)
            await (asyncio.sleep(NEVER) if answer.stall_at == 0 else self._attempt.pass_(self._begun - 0.5))
            first_at = clock.monotonic()
            if answer.text:
                await self._say(answer, response.id)
            for name, arguments in answer.calls:
                self._begin_call(name, arguments)
            response.status = answer.status
        except asyncio.CancelledError:
            response.status = "cancelled"
            raise
        except APIError as lost:
            error, response.status = lost, "failed"
        finally:
            publish(self, measured(self._model.label, response, answer, began_at=began_at, first_at=first_at))
            if error is None:
                self.emit("response_done", response)
        if error is not None:
            self.lose_connection(error)

    async def _say(self, answer: RealtimeAnswer, response_id: str) -> None:
        kind: Any = "text" if answer.as_text else "audio"
        content = ScriptedContent(answer.text, response_id=response_id, content_type=kind)
        item = ChatMessage(role="assistant", id=content.item_id, content=answer.text)
        self._chat_ctx.messages.append(item)
        self.emit("response_content_added", content)
        try:
            for index, word in enumerate(answer.text.split(" ")):
                content.text_stream.send_nowait(word if index == 0 else f" {word}")
            content.text_stream.close()
            if not answer.as_text:
                await self._speak(answer, content)
        finally:
            content.text_stream.close()
            content.audio_stream.close()
        self.emit("response_content_done", content)

    async def _speak(self, answer: RealtimeAnswer, content: ScriptedContent) -> None:
        for index in range(math.ceil(answer.audio_seconds / FRAME_SECONDS)):
            if answer.stall_at is not None and index * FRAME_SECONDS >= answer.stall_at:
                await asyncio.sleep(NEVER)
            content.audio_stream.send_nowait(tone(round(FRAME_SECONDS * OUTPUT_RATE), OUTPUT_RATE))
            await asyncio.sleep(0.0 if answer.pace is None else FRAME_SECONDS / answer.pace)
            if index == 0:
                await self._attempt.pass_(self._begun)

    # --- functions ---------------------------------------------------------------------------------------------------

    def _begin_call(self, name: str, arguments: Mapping[str, Any]) -> None:
        call_id = short_id("call_")
        try:
            info = _create_ai_function_info(self._fnc_ctx or FunctionContext(), call_id, name, json.dumps(arguments))
        except FunctionCallError as error:
            self._chat_ctx.messages.append(
                ChatMessage(role="tool", name=name, tool_call_id=call_id, content=f"Error: {error}")
            )
            self._ask()
            return
        self._chat_ctx.messages.append(ChatMessage.create_tool_calls([info]))
        self.emit("function_calls_collected", [info])
        self._spawn(self._finish_call(info.execute()), "lk-scripted-call")

    async def _finish_call(self, called: CalledFunction) -> None:
        try:
            await asyncio.wait([called.task])
        finally:
            called.task.cancel()  # the session is closed
        if self.playout_complete is not None:
            await self.playout_complete.wait()
        message = ChatMessage.create_tool_from_called_function(called)
        message.content = "" if message.content is None else str(message.content)
        self._chat_ctx.messages.append(message)
        if called.exception is not None or called.result is not None:
            self._ask()
        self.emit("function_calls_finished", [called])

    # --- the connection ----------------------------------------------------------------------------------------------

    def lose_connection(self, error: APIError | None = None, *, seconds: float = 0.0, for_good: bool = False) -> None:
        """Let the connection be lost, and another one be made.

        :param error: what has happened; None for a renewal that was planned.
        :param seconds: how long that takes.
        :param for_good: there is no other one: the session is over then.
        """
        self._connected.clear()
        for each in self._responses:
            if each is not asyncio.current_task():
                each.cancel()
        self.emit("reconnecting", error)
        self._spawn(self._connect_again(seconds, for_good=for_good), "lk-scripted-reconnect")

    def die(self, error: APIError | None = None) -> None:
        """Let the session be over."""
        self._end(error or APIConnectionError("scripted fault", retryable=False))

    async def aclose(self) -> None:
        """End the session."""
        self._closed = True
        tasks = [each for each in self._tasks if each is not asyncio.current_task()]
        await cancel_and_wait(*tasks)
        self._end(None)

    async def _connect_first(self) -> None:
        await asyncio.sleep(self._model.sync_seconds)
        try:
            self._attempt = await connect(self._model, self._attempt)
        except APIError as error:
            self._end(error)
            raise
        self._connected.set()

    async def _connect_again(self, seconds: float, *, for_good: bool) -> None:
        await asyncio.sleep(seconds)
        self._attempt = self._model.breaks.attempt()
        try:
            if for_good:
                raise APIConnectionError("there is no other connection", retryable=False)
            self._attempt = await connect(self._model, self._attempt)
        except APIError as error:
            self._end(error)
            return
        self._connected.set()
        self.emit("reconnected")

    async def _until_connected(self) -> None:
        if self._closed:
            raise APIConnectionError("the session is closed", retryable=False)
        try:
            async with asyncio.timeout(self._model.connect_seconds):
                await self._connected.wait()
        except TimeoutError as error:
            raise APITimeoutError("the scripted server does not answer") from error

    def _end(self, error: APIError | None) -> None:
        self._closed = True
        if not self._has_told:
            self._has_told = True
            for each in self._responses:
                each.cancel()
            self.emit("closed", error)

    def _spawn(self, work: Any, name: str) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

"""A speech-to-speech model that answers what its script says."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from lk_agents.foundation.ids import short_id
from lk_agents.llm import ChatContext, FunctionContext
from lk_agents.realtime import RealtimeCapabilities, RealtimeModel, RealtimeSession
from lk_agents.testing.providers.script import ScriptError
from lk_agents.testing.providers.speech import tone
from lk_agents.utils.aio.channel import Chan
from lk_agents.utils.aio.tasks import TaskSet, cancel_and_wait

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.realtime.model import OnDuplicate

__all__ = ["ScriptedContent", "ScriptedRealtime", "ScriptedRealtimeSession"]

OUTPUT_RATE: Final = 24_000
FRAME_SECONDS: Final = 0.02
SECONDS_PER_CHARACTER: Final = 0.06


@dataclass
class ScriptedContent:
    """One part of a response; see :class:`lk_agents.realtime.RealtimeContent`."""

    text: str
    response_id: str = field(default_factory=lambda: short_id("resp_"))
    item_id: str = field(default_factory=lambda: short_id("item_"))
    output_index: int = 0
    content_index: int = 0
    content_type: Literal["text", "audio"] = "audio"
    text_stream: Chan[str] = field(default_factory=Chan)
    audio_stream: Chan[rtc.AudioFrame] = field(default_factory=Chan)


class ScriptedRealtime(RealtimeModel):
    """Answers one text after the other, each spoken as a tone of a length by its characters.

    :param answers: what it says, in order.
    :param supports_truncate: whether its server can cut what was not heard.
    """

    def __init__(self, answers: Sequence[str] = (), *, supports_truncate: bool = True) -> None:
        self._capabilities = RealtimeCapabilities(
            supports_truncate=supports_truncate, input_audio_sample_rate=OUTPUT_RATE
        )
        self.answers = list(answers)
        """What has not been said yet."""
        self.sessions: list[ScriptedRealtimeSession] = []

    @property
    def capabilities(self) -> RealtimeCapabilities:
        """What it can do."""
        return self._capabilities

    def session(
        self, *, chat_ctx: ChatContext | None = None, fnc_ctx: FunctionContext | None = None
    ) -> ScriptedRealtimeSession:
        """Begin a conversation."""
        session = ScriptedRealtimeSession(self, chat_ctx or ChatContext(), fnc_ctx)
        self.sessions.append(session)
        return session

    async def aclose(self) -> None:
        """Close all sessions."""
        for session in self.sessions:
            await session.aclose()

    def assert_done(self) -> None:
        """Check that everything was said.

        :raises ScriptError: an answer is left.
        """
        if self.answers:
            raise ScriptError(f"{self.label}: never said: {self.answers}")


class ScriptedRealtimeSession(RealtimeSession):
    """One conversation; what the agent does to it is recorded."""

    def __init__(self, model: ScriptedRealtime, chat_ctx: ChatContext, fnc_ctx: FunctionContext | None) -> None:
        super().__init__()
        self._model = model
        self._chat_ctx = chat_ctx
        self._fnc_ctx = fnc_ctx
        self._tasks = TaskSet()
        self._response: asyncio.Task[None] | None = None
        self._init_sync_task = self._tasks.create_task(asyncio.sleep(0), name="lk-scripted-sync")
        self.heard: list[rtc.AudioFrame] = []
        self.truncated: list[tuple[str, int]] = []
        """Each item that was cut, and after how many milliseconds."""
        self.cancelled = 0
        """How many responses were stopped."""

    @property
    def fnc_ctx(self) -> FunctionContext | None:
        """The functions that the model may call."""
        return self._fnc_ctx

    @fnc_ctx.setter
    def fnc_ctx(self, fnc_ctx: FunctionContext | None) -> None:
        self._fnc_ctx = fnc_ctx

    @property
    def server_vad_enabled(self) -> bool:
        """Never: a test says when a turn has ended."""
        return False

    async def set_chat_ctx(self, ctx: ChatContext) -> None:
        """Take the conversation over."""
        self._chat_ctx = ctx.copy()

    def chat_ctx_copy(self) -> ChatContext:
        """Return the conversation."""
        return self._chat_ctx.copy()

    def _push_audio(self, frame: rtc.AudioFrame) -> None:
        self.heard.append(frame)

    def commit_audio_buffer(self) -> None:
        """End the user's turn."""
        self.emit("input_speech_committed")

    def create_response(self, on_duplicate: OnDuplicate = "keep_both") -> None:
        """Say the next answer.

        :raises ScriptError: there is none left.
        """
        busy = self._response is not None and not self._response.done()
        if busy and on_duplicate == "cancel_new":
            return
        if busy and on_duplicate == "cancel_existing":
            self.cancel_response()
        if not self._model.answers:
            raise ScriptError(f"{self._model.label}: nothing is left to say")
        content = ScriptedContent(self._model.answers.pop(0))
        self._response = self._tasks.create_task(self._say(content), name="lk-scripted-response")

    def cancel_response(self) -> None:
        """Stop the response under way."""
        if self._response is not None and not self._response.done():
            self._response.cancel()
            self.cancelled += 1

    def _truncate_conversation_item(self, *, item_id: str, content_index: int, audio_end_ms: int) -> None:  # noqa: ARG002  there is one
        self.truncated.append((item_id, audio_end_ms))

    def _update_conversation_item_content(self, *, item_id: str, content: Any = None) -> None:
        for message in self._chat_ctx.messages:
            if message.id == item_id:
                message.content = content

    async def aclose(self) -> None:
        """End the session."""
        if self._response is not None:
            await cancel_and_wait(self._response)
        await self._tasks.aclose()

    async def _say(self, content: ScriptedContent) -> None:
        self.emit("response_content_added", content)
        try:
            for index, word in enumerate(content.text.split(" ")):
                content.text_stream.send_nowait(word if index == 0 else f" {word}")
            seconds = len(content.text) * SECONDS_PER_CHARACTER
            for _ in range(math.ceil(seconds / FRAME_SECONDS)):
                content.audio_stream.send_nowait(tone(round(FRAME_SECONDS * OUTPUT_RATE), OUTPUT_RATE))
                await asyncio.sleep(0)
        finally:
            content.text_stream.close()
            content.audio_stream.close()
        self._chat_ctx.append(text=content.text, role="assistant")
        self._chat_ctx.messages[-1].id = content.item_id
        self.emit("response_content_done", content)

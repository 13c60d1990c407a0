"""The interface of speech-to-speech models."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit import rtc

from lk_agents.realtime import RealtimeCapabilities, RealtimeModel, RealtimeSession


class Session(RealtimeSession):
    """The least that a session is."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[rtc.AudioFrame] = []
        self.closed = 0

    fnc_ctx = None
    server_vad_enabled = True

    async def set_chat_ctx(self, ctx: Any) -> None:
        self.ctx = ctx

    def chat_ctx_copy(self) -> Any:
        return self.ctx

    def _push_audio(self, frame: rtc.AudioFrame) -> None:
        self.heard.append(frame)

    def commit_audio_buffer(self) -> None:
        self.emit("input_speech_committed")

    def create_response(self, on_duplicate: str = "keep_both") -> None:
        self.emit("response_content_added", on_duplicate)

    def cancel_response(self) -> None:
        self.emit("agent_speech_stopped")

    async def aclose(self) -> None:
        self.closed += 1


class Model(RealtimeModel):
    """A model of such sessions."""

    capabilities = RealtimeCapabilities(supports_truncate=False)

    def session(self, *, chat_ctx: Any = None, fnc_ctx: Any = None) -> Session:
        return Session()

    async def aclose(self) -> None:
        await asyncio.sleep(0)


async def test_a_model_needs_no_more_than_the_abstract_methods() -> None:
    model = Model()
    session = model.session()
    events: list[Any] = []
    session.on("response_content_added", events.append)

    session.create_response("cancel_new")
    session._truncate_conversation_item(item_id="i", content_index=0, audio_end_ms=10)

    assert events == ["cancel_new"]
    assert model.label.endswith(".Model")
    assert model.capabilities.output_audio_sample_rate == 24_000


def test_a_session_that_lacks_a_method_cannot_be_built() -> None:
    class Half(RealtimeSession):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]

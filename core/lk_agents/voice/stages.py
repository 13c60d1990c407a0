"""The stages of a speech, from the request to the model to the last sample that was heard."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Stage"]


class Stage(StrEnum):
    """Something that happens at most once in a speech. Moments are seconds of ``foundation.clock.monotonic()``."""

    LLM_REQUESTED = "llm_requested"
    """The language model was asked."""
    FIRST_TOKEN = "first_token"  # noqa: S105  no secret
    """The first piece of text, or the first call of a function, came."""
    FIRST_SENTENCE = "first_sentence"
    """The first sentence was complete."""
    TEXT_COMPLETE = "text_complete"
    """No more text comes."""
    TTS_REQUESTED = "tts_requested"
    """The synthesizer got the first text that can be spoken."""
    FIRST_AUDIO = "first_audio"
    """The first audio came."""
    FIRST_PLAYED = "first_played"
    """The first audio went to the sink."""
    LAST_PLAYED = "last_played"
    """The last audio was heard, or the speech was cut."""
    TOOL_STARTED = "tool_started"
    """The first function was called."""
    TOOL_FINISHED = "tool_finished"
    """All functions have ended."""

"""One question per file, in the order of the report."""

from __future__ import annotations

from typing import Final

from benchmarks.question import Question
from benchmarks.questions import (
    burst,
    chunks,
    cold_memory,
    contexts,
    conversation,
    faults,
    fork,
    four_conversations,
    hearing,
    idle_cpu,
    imports,
    job_memory,
    latency,
    sentences,
    silero,
    six_conversations,
    start,
    turns,
    warm_memory,
)

__all__ = ["QUESTIONS"]

QUESTIONS: Final[tuple[Question, ...]] = (
    warm_memory.QUESTION,
    cold_memory.QUESTION,
    job_memory.QUESTION,
    start.QUESTION,
    fork.QUESTION,
    latency.QUESTION,
    burst.QUESTION,
    idle_cpu.QUESTION,
    hearing.QUESTION,
    silero.QUESTION,
    sentences.QUESTION,
    chunks.QUESTION,
    contexts.QUESTION,
    imports.QUESTION,
    conversation.QUESTION,
    turns.QUESTION,
    four_conversations.QUESTION,
    six_conversations.QUESTION,
    faults.QUESTION,
)

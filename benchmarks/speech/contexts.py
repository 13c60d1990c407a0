"""What each turn of a conversation does with the chat context: a copy, and a message at its end."""

from __future__ import annotations

from typing import Final

from benchmarks.speech.dialects import Dialect
from benchmarks.speech.meter import CPUTime

__all__ = ["run"]

TEXT: Final = "Something that was said in one of many turns, of middling length."


def run(dialect: Dialect, *, lengths: list[int], messages: int) -> dict[str, float]:
    """Measure for each length.

    :param messages: how many are copied at each length, all turns together.
    """
    answer: dict[str, float] = {}
    for length in lengths:
        context = dialect.part("llm").ChatContext()
        for number in range(length):
            dialect.append(context, "assistant" if number % 2 else "user", TEXT)
        turns, turn = max(1, messages // length), None
        with CPUTime() as meter:
            for _ in range(turns):
                turn = context.copy()
                dialect.append(turn, "user", TEXT)
        answer |= {f"us_{length}": meter.seconds / turns * 1e6, f"messages_{length}": len(dialect.messages(turn))}
        answer[f"untouched_{length}"] = len(dialect.messages(context)) == length
    return answer

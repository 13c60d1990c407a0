"""Sentences found in text that comes in tokens of four characters, as a language model's does."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Final

from benchmarks.speech.dialects import Dialect
from benchmarks.speech.meter import CPUTime
from benchmarks.speech.texts import english, mixed

__all__ = ["run"]

TOKEN: Final = 4
TOKENS_AT_ONCE: Final = 50
"""After that many the reader has its turn."""


def run(dialect: Dialect, *, characters: int) -> dict[str, float]:
    answer: dict[str, float] = {}
    for name, text in (("english", english(characters)), ("mixed", mixed(characters))):
        seconds, found = asyncio.run(_cut(dialect.sentences(), text))
        answer |= {
            f"{name}_seconds_per_million": seconds / len(text) * 1e6,
            f"{name}_sentences": len(found),
            f"{name}_longest": max(map(len, found)),
            f"{name}_whole": _characters("".join(found)) == _characters(text),
        }
    return answer


def _characters(text: str) -> Counter[str]:
    """Return how often each character occurs, without white space; the order of quotation marks may change."""
    return Counter("".join(text.split()))


async def _cut(tokenizer: Any, text: str) -> tuple[float, list[str]]:
    tokens = [text[start : start + TOKEN] for start in range(0, len(text), TOKEN)]
    stream, meter = tokenizer.stream(), CPUTime()

    async def read() -> list[str]:
        return [each.token async for each in stream]

    with meter:
        reading = asyncio.create_task(read(), name="read")
        for number, token in enumerate(tokens):
            stream.push_text(token)
            if number % TOKENS_AT_ONCE == 0:
                await asyncio.sleep(0)
        stream.end_input()
        found = await reading
    await stream.aclose()
    return meter.seconds, found

"""What the scripted providers do under every framework: what the agent says, and how it sounds.

Only the standard library: what is imported here is part of the agent's process.
"""

from __future__ import annotations

import array
import functools
import math
import re
from typing import Final

__all__ = [
    "ENDPOINTING_SECONDS",
    "INTERRUPT_SECONDS",
    "RATE",
    "REPLY_SECONDS",
    "SPACING",
    "TONES",
    "answer",
    "question",
    "spoken",
    "tone_of",
]

ENDPOINTING_SECONDS: Final = 0.5
"""How long every agent waits before it takes its turn."""
INTERRUPT_SECONDS: Final = 0.5
"""How long a caller must speak to silence any of the agents."""

RATE: Final = 24_000
PARTS: Final = 3
"""Sentences of an answer."""
PART_SECONDS: Final = 1.2
REPLY_SECONDS: Final = PARTS * PART_SECONDS
SPACING: Final = 75
"""Hz between two tones. Each is a multiple of it, so that one block holds whole periods of all of them."""
TONES: Final = tuple(SPACING * factor for factor in range(8, 24))
"""Hz. An answer has the next tone, so that a caller can tell it from the one before."""

_LOUDNESS: Final = 16_000
_BLOCK: Final = RATE // SPACING
_BLOCKS: Final = round(PART_SECONDS * SPACING)


def question(seconds: float) -> str:
    """Return what the recogniser understands in so much audio."""
    return f"that is what somebody says in {seconds:.1f} seconds"


def answer(number: int) -> str:
    """Return what the model says to the request with that number: three sentences."""
    return " ".join(f"This is part {part} of answer {number} to the caller." for part in range(1, PARTS + 1))


def tone_of(number: int) -> int:
    """Return how the answer to the request with that number sounds, in Hz."""
    return TONES[number % len(TONES)]


def spoken(text: str) -> bytes:
    """Return the sound of one or more sentences of an answer: its tone, as long as there are sentences."""
    found = re.search(r"answer (\d+)", text)
    if found is None:
        raise ValueError(f"{text!r} is part of no answer")
    return _block(tone_of(int(found[1]))) * (_BLOCKS * len(re.findall(r"This is part", text)))


@functools.cache
def _block(tone: int) -> bytes:
    step = 2 * math.pi * tone / RATE
    return array.array("h", [round(_LOUDNESS * math.sin(step * index)) for index in range(_BLOCK)]).tobytes()

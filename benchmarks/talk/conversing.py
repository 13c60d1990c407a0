"""Conversations as callers hold them: wait until the agent has finished, speak, listen; now and then interrupt it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import cycle, islice
from typing import Any, Final

from benchmarks.talk.caller import Caller
from benchmarks.talk.sound import phrases

__all__ = ["converse", "story"]

APART_SECONDS: Final = 0.7
MOMENT_SECONDS: Final = 0.15
"""After a phrase was given away, what is heard is no answer to its end."""
PATIENCE_SECONDS: Final = 8.0
"""After that nobody waits for an answer any more."""
PAUSE_SECONDS: Final = 1.0
"""An agent that is quiet for so long has finished."""
LONGEST_ANSWER_SECONDS: Final = 20.0
LISTENING_SECONDS: Final = 0.9
"""Of the agent's speech, before it is interrupted."""
STEP_SECONDS: Final = 0.13
"""Each interruption comes so much later than the one before, so that they find the agent anywhere in a frame."""
STEPS: Final = 4


async def converse(caller: Caller, interruptions: Sequence[bool], *, number: int) -> None:
    """Hold one conversation.

    :param interruptions: for each phrase, whether it is said while the agent answers the one before.
    :param number: of the caller: everybody begins at another time and with another phrase.
    """
    words = islice(cycle(phrases()), number, None)
    await asyncio.sleep(number * APART_SECONDS)
    for index, (phrase, interrupts) in enumerate(zip(words, interruptions, strict=False)):
        if interrupts:
            await asyncio.sleep(LISTENING_SECONDS + index % STEPS * STEP_SECONDS)
        else:
            await caller.hears_nothing(lasting=PAUSE_SECONDS, seconds=LONGEST_ANSWER_SECONDS)
        await caller.say(phrase, interrupts=interrupts)
        await caller.hears(time.monotonic() + MOMENT_SECONDS, seconds=PATIENCE_SECONDS)
    await caller.hears_nothing(lasting=PAUSE_SECONDS, seconds=LONGEST_ANSWER_SECONDS)


def story(caller: Caller) -> dict[str, Any]:
    """Return what was said and heard."""
    return {
        "said": [asdict(each) for each in caller.said()],
        "heard": [asdict(each) for each in caller.heard()],
        "late": caller.late(),
    }

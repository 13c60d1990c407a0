"""Waiting for what nobody tells: files that others append to, processes that end, lists that a server keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["comes_true"]

LOOK_SECONDS: Final = 0.02
"""Between two looks. The clocks of those who are looked at are what counts, so this is nobody's latency."""


async def comes_true(condition: Callable[[], bool], seconds: float) -> bool:
    """Look until the condition holds; return False if it does not within ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  there is nothing that could be awaited
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        return condition()
    return True

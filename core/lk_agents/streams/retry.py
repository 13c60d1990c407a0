"""How often a provider is asked again, after which wait, and what is raised in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from lk_agents.foundation.errors import APIConnectionError, APIError
from lk_agents.foundation.log import logger
from lk_agents.foundation.types import APIConnectOptions

__all__ = ["Retries", "with_retries"]

T = TypeVar("T")


class Retries:
    """Counts the attempts of one request or stream and decides about the next one.

    :param options: how many retries there are and how far apart.
    :param label: who is asked, for log and error.
    """

    def __init__(self, options: APIConnectOptions, *, label: str) -> None:
        self._options = options
        self._label = label
        self._used = 0
        self.attempts = 1
        """How often it was tried, the attempt under way included."""

    def renew(self) -> None:
        """Give the full number of retries back: the attempt was a good one before it failed."""
        self._used = 0

    async def wait_after(self, error: APIError) -> None:
        """Return when it is time for the next attempt.

        The wait is 0.1 s at first, later ``retry_interval``, or as long as the provider asked for, if that is no
        longer than ``timeout``.

        :raises APIError: there is no next attempt: ``error`` itself if it cannot help or none was wanted, else an
            :class:`APIConnectionError` with ``error`` as its cause.
        """
        error.located(provider=self._label)
        asked = error.retry_after_seconds
        error.attempts = max(error.attempts, self.attempts)  # an adapter hands on what a provider tried more often
        too_long = asked is not None and asked > self._options.timeout
        if not error.retryable or self._options.max_retry == 0 or too_long:
            raise error
        if self._used >= self._options.max_retry:
            raise _given_up(error, self._label, self.attempts) from error
        wait_seconds = self._options._interval_for_retry(self._used)  # noqa: SLF001  its rule is the contract's
        if asked is not None:
            wait_seconds = max(wait_seconds, asked)
        self._used += 1
        logger.warning(
            "a provider failed and is tried again",
            extra={
                "provider": self._label,
                "attempt": self.attempts,
                "error": type(error).__name__,
                "phase": error.phase,
                "code": error.code,
                "wait_seconds": round(wait_seconds, 3),
            },
        )
        self.attempts += 1
        await asyncio.sleep(wait_seconds)


async def with_retries(call: Callable[[], Awaitable[T]], options: APIConnectOptions, *, label: str) -> T:
    """Await ``call()`` until it succeeds or :class:`Retries` says that is enough.

    Only an :class:`APIError` is tried again; anything else is the caller's at once.
    """
    retries = Retries(options, label=label)
    while True:
        try:
            return await call()
        except APIError as error:
            await retries.wait_after(error)


def _given_up(error: APIError, label: str, attempts: int) -> APIConnectionError:
    final = APIConnectionError(f"{label} failed {attempts} times; the last time: {error}", retryable=error.retryable)
    final.located(provider=error.provider).located_like(error)
    final.attempts = attempts
    final.body = error.body
    return final

"""When to try the server again, and when to give up; pure, the time is handed in."""

from __future__ import annotations

from typing import Final

from lk_agents.foundation.ids import jitter

__all__ = ["Backoff"]

FIRST_DELAY_SECONDS: Final = 0.5
STEP_SECONDS: Final = 2.0
LONGEST_DELAY_SECONDS: Final = 10.0

SHORT_DELAY_SECONDS: Final = 1.5
OUTAGE_SHARE: Final = 1 / 3
"""A server that was away for seconds is found again within seconds: a delay is no longer than this share of the outage
so far, or than the short delay if that is more."""

HEALTHY_SECONDS: Final = 10.0
"""A connection counts as a success only after it has been registered so long: a server that takes every connection
and drops it must not be hammered."""

PATIENCE_SECONDS: Final = 60.0
"""Nobody gives up in the first minute of an outage: a server needs that long to start anew."""


class Backoff:
    """Counts failed connections in a row.

    :param max_retry: how many failures in a row, while no job runs, are borne.
    :param now: monotonic seconds of the first attempt.
    """

    def __init__(self, max_retry: int, *, now: float) -> None:
        self._max_retry = max_retry
        self._outage_began = now
        self._registered_at: float | None = None
        self._idle_failures = 0
        self.failures = 0

    def registered(self, now: float) -> None:
        """Note that the server has registered the worker."""
        self._registered_at = now

    def failed(self, now: float, *, jobs_running: bool) -> float | None:
        """Note that an attempt failed or a connection ended.

        :returns: seconds to wait before the next attempt, or None to give up.
        """
        if self._registered_at is not None and now - self._registered_at >= HEALTHY_SECONDS:
            self.failures = self._idle_failures = 0
            self._outage_began = now
        self._registered_at = None
        self.failures += 1
        if not jobs_running:
            self._idle_failures += 1
            if self._idle_failures > self._max_retry and now - self._outage_began >= PATIENCE_SECONDS:
                return None
        delay = min(STEP_SECONDS * (self.failures - 1), LONGEST_DELAY_SECONDS) or FIRST_DELAY_SECONDS
        within_reason = max(SHORT_DELAY_SECONDS, (now - self._outage_began) * OUTAGE_SHARE)
        return min(jitter(min(delay, within_reason)), LONGEST_DELAY_SECONDS)

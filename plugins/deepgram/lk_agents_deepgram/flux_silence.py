"""Notices a Flux that takes audio and tells nothing: it owes four messages a second, whatever is said."""

from __future__ import annotations

from typing import Final

from lk_agents.foundation import clock

__all__ = ["FluxSilence"]

PAUSE_SECONDS: Final = 1.0
"""Where no audio was sent for so long, nothing is owed for what came before."""


class FluxSilence:
    """Measures how long nothing was told of audio that goes out; for one connection."""

    def __init__(self) -> None:
        self._sent_at = clock.monotonic()
        self._owed_since: float | None = None

    def sent(self) -> float:
        """Note that audio goes out; returns the seconds for which it has gone out without an answer."""
        now = clock.monotonic()
        if self._owed_since is None or now - self._sent_at > PAUSE_SECONDS:
            self._owed_since = now
        self._sent_at = now
        return now - self._owed_since

    def told(self) -> None:
        """Note that something was told."""
        self._owed_since = None

"""Where audio lies in time: a provider counts from its first sample, a stream from its own."""

from __future__ import annotations

from typing import Final

__all__ = ["TimeAxis"]

TOUCHING_SECONDS: Final = 0.001
"""Frames that follow each other within a millisecond follow each other: the rest is rounding."""


class TimeAxis:
    """Maps the seconds of one provider session to those of the stream.

    A new session begins at zero with the first audio it is given, wherever that lies in the stream; audio that was
    dropped on the way leaves a jump. Pure: nothing here waits or reads a clock.
    """

    def __init__(self) -> None:
        self._given_seconds = 0.0
        self._next_position = -1.0
        self._jumps: list[tuple[float, float]] = []

    def restart(self) -> None:
        """Begin a new session: the next audio is its zero."""
        self.__init__()  # type: ignore[misc]

    def gave(self, position: float, seconds: float) -> None:
        """Note that audio of ``seconds``, lying at ``position`` of the stream, went to the provider."""
        if abs(position - self._next_position) > TOUCHING_SECONDS:
            self._jumps.append((self._given_seconds, position - self._given_seconds))
        self._given_seconds += seconds
        self._next_position = position + seconds

    def to_stream(self, provider_seconds: float) -> float:
        """Return the position in the stream of a moment of the provider's; unchanged before any audio was given."""
        shift = 0.0
        for since, jump in self._jumps:
            if since > provider_seconds:
                break
            shift = jump
        return provider_seconds + shift

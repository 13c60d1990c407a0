"""What the streams of this package have in common: segments, and a bound on the text that waits."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from lk_agents.foundation.ids import short_id
from lk_agents.tokenize.tokenizer import TokenData, TokenStream
from lk_agents.utils.aio.channel import ChanFull

__all__ = ["WAITING_CHARS", "SegmentedStream"]

WAITING_CHARS: Final = 64 * 1024
"""How many characters may wait in one stream, held back or not yet read."""


class SegmentedStream(TokenStream):
    """A stream that numbers its segments and counts what waits in it."""

    def __init__(self) -> None:
        super().__init__()
        self._segment_id = short_id()
        self._unread = 0

    @abstractmethod
    def _held_chars(self) -> int:
        """Return how many characters are held back."""

    async def __anext__(self) -> TokenData:
        data = await super().__anext__()
        self._unread -= len(data.token)
        return data

    def _admit(self, text: str) -> None:
        """Check that ``text`` may be pushed now.

        :raises RuntimeError: the stream is closed.
        :raises ChanFull: too much would wait.
        """
        self._check_not_closed()
        waiting = self._unread + self._held_chars()
        if waiting + len(text) > WAITING_CHARS:
            raise ChanFull(
                f"{len(text)} more characters do not fit into this {type(self).__name__}: {waiting} wait in it and "
                f"{WAITING_CHARS} may; read its tokens while you push, or push less at once"
            )

    def _send(self, token: str) -> None:
        self._unread += len(token)
        self._event_ch.send_nowait(TokenData(self._segment_id, token))

    def _begin_segment(self) -> None:
        self._segment_id = short_id()

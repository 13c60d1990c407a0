"""The functions that the session calls for its model, as far as a conversation has to know of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lk_agents.foundation import clock
from lk_agents.voice.tools import ToolResult, wants_answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_agents.llm import CalledFunction
    from lk_agents.voice.attention import Attention
    from lk_agents.voice.live_speech import LiveSpeech

__all__ = ["Calls"]


@dataclass(slots=True)
class _Round:
    """The calls of one speech.

    :param open: how many run.
    :param wants_answer: whether the model is asked about one that has ended.
    :param is_answered: whether it has said something about it, before the session told that it has ended.
    """

    live: LiveSpeech
    open: int = 0
    wants_answer: bool = False
    is_answered: bool = False


class Calls:
    """Counts the calls of each speech: how long they take, and whether an answer follows."""

    def __init__(self, attention: Attention) -> None:
        self._attention = attention
        self._rounds: dict[str, _Round] = {}

    def are_open(self, live: LiveSpeech) -> bool:
        """Tell whether a function that a speech has called runs."""
        found = self._rounds.get(live.id)
        return found is not None and found.open > 0

    @property
    def unanswered(self) -> LiveSpeech | None:
        """The oldest speech whose functions run, and of which the model has not said anything."""
        found = self._oldest()
        return None if found is None or found.is_answered else found.live

    def begin(self, live: LiveSpeech, count: int) -> None:
        """So many functions begin that a speech has called."""
        found = self._rounds.setdefault(live.id, _Round(live))
        found.open += count
        now = clock.monotonic()
        for _ in range(count):
            self._attention.tool_started(live)
            if live.waterfall is not None:
                live.waterfall.tool_started(now)

    def end(self, called: Sequence[CalledFunction]) -> tuple[LiveSpeech, bool] | None:
        """Functions have ended, of the oldest speech of which any run.

        :returns: once all of its functions have ended: the speech, and whether the model is asked what to say about it.
        """
        results = [ToolResult(each.call_info, each, each.exception) for each in called]
        return self._end(len(called), wants_answer=wants_answer(results))

    def cancel(self, count: int) -> tuple[LiveSpeech, bool] | None:
        """The server takes so many calls back; returns as :meth:`end`."""
        return self._end(count, wants_answer=False)

    def answered(self, live: LiveSpeech) -> None:
        """The model says something behind the calls of a speech."""
        if (found := self._rounds.get(live.id)) is not None:
            found.is_answered = True

    def forget(self, live: LiveSpeech) -> None:
        """A speech is over."""
        self._rounds.pop(live.id, None)

    def _end(self, count: int, *, wants_answer: bool) -> tuple[LiveSpeech, bool] | None:
        found = self._oldest()
        if found is None:
            return None
        now, live = clock.monotonic(), found.live
        for _ in range(min(count, found.open)):
            found.open -= 1
            self._attention.tool_finished(live, now)
            if live.waterfall is not None:
                live.waterfall.tool_finished(now)
        found.wants_answer |= wants_answer
        if found.open:
            return None
        del self._rounds[live.id]
        return live, found.wants_answer and not found.is_answered

    def _oldest(self) -> _Round | None:
        return next((each for each in self._rounds.values() if each.open), None)

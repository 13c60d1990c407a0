"""Keeps the model's own conversation true: its items say what was heard, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lk_agents.foundation import clock
from lk_agents.voice import signals as s
from lk_agents.voice.history import CUT_MARK
from lk_agents.voice.speech_handle import SpeechOutcome

if TYPE_CHECKING:
    from lk_agents.multimodal.api import _RealtimeAPISession
    from lk_agents.realtime import RealtimeContent
    from lk_agents.voice.conversation import Talk
    from lk_agents.voice.live_speech import LiveSpeech
    from lk_agents.voice.utterance import Utterance

__all__ = ["Items"]

_WHOLE = (SpeechOutcome.FINISHED, SpeechOutcome.EMPTY)


class _Place(NamedTuple):
    item_id: str
    content_index: int


class Items:
    """Cuts what was not heard at the server, and rewrites the texts of items; tells the program what was said.

    Models that keep no items are left alone: they tell themselves what was said.

    :param truncates: whether the server keeps items that can be cut and rewritten.
    :param sample_rate: Hz of what the model says.
    """

    def __init__(self, talk: Talk, session: _RealtimeAPISession, *, truncates: bool, sample_rate: int) -> None:
        self._talk = talk
        self._session = session
        self._truncates = truncates
        self._rate = sample_rate
        self._places: dict[str, _Place] = {}

    def add(self, live: LiveSpeech, content: RealtimeContent) -> None:
        """A speech has what the model says there."""
        self._places[live.id] = _Place(content.item_id, content.content_index)

    def user_said(self, item_id: str, text: str) -> None:
        """What the user has said was understood."""
        if self._truncates:
            self._session._update_conversation_item_content(item_id=item_id, content=text)  # noqa: SLF001  its protocol
        self._talk.emit("user_speech_committed", text)

    def unheard(self, live: LiveSpeech) -> None:
        """A speech is over; if nothing was written down of it, nothing of it was heard."""
        place = self._places.pop(live.id, None)
        if place is not None and self._truncates:
            self._cut(place, 0.0)
            self._rewrite(place, "")

    # --- what speeches tell ------------------------------------------------------------------------------------------

    def watch_question(self, live: LiveSpeech) -> None:
        """The server has written down what the user has said; from the moment on that it is answered, it is settled."""
        self._talk.post(s.UserCommitted(clock.monotonic(), live.id))

    def question(self, live: LiveSpeech, *, finished: bool = False) -> None:
        """The server writes down what the user says."""

    def tools(self, live: LiveSpeech) -> None:
        """The session writes down what functions did."""

    def speech(self, live: LiveSpeech, utterance: Utterance) -> None:
        """Let the server and the local copy say what was heard, and tell of it."""
        place = self._places.pop(live.id, None)
        if place is None or not self._truncates:
            return
        is_whole, text = utterance.outcome in _WHOLE, utterance.played_text
        if not is_whole:
            self._cut(place, utterance.played_seconds)
            text += CUT_MARK if text else ""
        if text or not is_whole:
            self._rewrite(place, text)
        if text:
            self._talk.emit("agent_speech_committed" if is_whole else "agent_speech_interrupted", text)

    def _cut(self, place: _Place, seconds: float) -> None:
        self._session._truncate_conversation_item(  # noqa: SLF001  its protocol
            item_id=place.item_id,
            content_index=place.content_index,
            audio_end_ms=round(seconds * self._rate) * 1000 // self._rate,  # not past the last sample
        )

    def _rewrite(self, place: _Place, text: str) -> None:
        self._session._update_conversation_item_content(item_id=place.item_id, content=text)  # noqa: SLF001  its protocol

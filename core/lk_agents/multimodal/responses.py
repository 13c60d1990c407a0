"""Which reply each response of the model is: those that are waited for, those that come by themselves."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIError
from lk_agents.foundation.ids import short_id
from lk_agents.multimodal.calls import Calls
from lk_agents.voice import signals as s
from lk_agents.voice.conversation import SessionError
from lk_agents.voice.records import Mark
from lk_agents.voice.signals import SpeechKind
from lk_agents.voice.speech_handle import SpeechOutcome
from lk_agents.voice.turn_span import begin_turn_span
from lk_agents.voice.waterfall import Waterfall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_agents.llm import CalledFunction
    from lk_agents.multimodal.items import Items
    from lk_agents.realtime import RealtimeContent, RealtimeResponse
    from lk_agents.voice.attention import Attention
    from lk_agents.voice.conversation import Talk
    from lk_agents.voice.floor import Floor
    from lk_agents.voice.live_speech import LiveSpeech
    from lk_agents.voice.speeches import Speeches
    from lk_agents.voice.turn_reports import TurnReports

__all__ = ["Responses"]

REMEMBERED: Final = 64
"""Of so many responses that are not wanted any more it is known that what comes late of them is not, either."""


class Responses:
    """Brings what the model says to the reply that waits for it, in the order in which replies were asked for.

    A reply waits from the end of the user's turn, or from the moment at which the program asks, until audio of a
    response comes. A response that nobody waits for is a turn of its own. What functions are told about, and further
    parts of a response, come behind the reply to which they belong.

    :param items: told where in the model's conversation each speech stands.
    :param floor: the line of speeches.
    """

    def __init__(
        self,
        talk: Talk,
        speeches: Speeches,
        attention: Attention,
        *,
        items: Items,
        reports: TurnReports,
        floor: Floor,
        on_waiting: Callable[[], None],
    ) -> None:
        self._talk = talk
        self._speeches = speeches
        self._attention = attention
        self._items = items
        self._reports = reports
        self._floor = floor
        self._on_waiting = on_waiting
        self._calls = Calls(attention)
        self._waiting: deque[LiveSpeech] = deque()
        self._of: dict[str, LiveSpeech] = {}
        self._unwanted: deque[str] = deque(maxlen=REMEMBERED)
        self._recovering: set[str] = set()
        self._latest: LiveSpeech | None = None
        self._newest: LiveSpeech | None = None  # the reply to the last turn
        self._turn = 0
        self._turn_is_open = False

    @property
    def turn(self) -> int:
        """Counts the turns; those that the program begins, too."""
        return self._turn

    @property
    def are_waited_for(self) -> bool:
        """Whether a reply waits for a response."""
        return bool(self._waiting)

    @property
    def are_to_be_asked_for(self) -> bool:
        """Whether a reply waits for a response, and not for a function."""
        return any(not self._calls.are_open(live) for live in self._waiting)

    def understood(self, text: str) -> None:
        """Something that the user has said is understood, mostly while it is answered."""
        if self._newest is not None and self._newest.waterfall is not None:
            self._newest.waterfall.user_characters += len(text)

    # --- who waits ---------------------------------------------------------------------------------------------------

    def begin_turn(self) -> None:
        """The user begins to speak, or to write."""
        if not self._turn_is_open:
            self._turn += 1
            self._turn_is_open = True

    def expect(self, *, last_speech_at: float | None = None) -> LiveSpeech:
        """A turn is over: the model is to answer it.

        :param last_speech_at: when the user's last sample was spoken; None if the user did not speak.
        """
        self.begin_turn()
        self._turn_is_open = False
        now, speech = clock.monotonic(), short_id("SP_")
        live = self.begin(s.BeginReply(speech, self._turn, ""), spoken_until=last_speech_at)
        self.decided(s.TurnDecided(self._turn, speech, last_speech_at, None, decided_at=now))
        self._talk.post(s.SpeechAdded(now, speech, SpeechKind.SAY, True))
        return live

    def begin(self, command: s.BeginReply, *, spoken_until: float | None) -> LiveSpeech:
        """Register the reply to a turn, which may not be decided yet.

        :param spoken_until: when the user's last sample was spoken, as far as is known; None if there was none.
        """
        self._turn = max(self._turn, command.turn)
        live = self._speeches.create(command.speech, SpeechKind.REPLY, turn=command.turn)
        live.waterfall = Waterfall(turn=command.turn, speech=command.speech)
        self._newest = live
        live.span = begin_turn_span(command, spoken_until=spoken_until)
        return live

    def decided(self, command: s.TurnDecided) -> bool:
        """A turn is over; its reply waits from now on. Tells whether the model is to be asked for it.

        It was asked before where the decision was taken back, and nothing more was said.
        """
        live = self._speeches.get(command.speech)
        if live is None or live.waterfall is None:
            return False
        self._attention.decided(command, has_words=True)
        self._reports.turn_decided(command)
        live.waterfall.decided(command.decided_at, last_speech_at=command.last_speech_at, last_final_at=None)
        if live.decided:
            return False
        live.decided = True
        live.waterfall.mark(Mark.LLM_REQUESTED, command.decided_at)
        self._wait(live)
        return True

    def forget(self) -> None:
        """What was asked for is not wanted any more: nothing of it that comes late is heard."""
        self._unwanted.extend(self._of)
        self._of.clear()

    def withdraw(self, live: LiveSpeech) -> bool:
        """What comes of the responses of a reply from now on is not heard; tells whether any may be under way."""
        responses = [each for each, of in self._of.items() if of is live]
        for response in responses:
            del self._of[response]
            self._unwanted.append(response)
        return bool(responses) or live in self._waiting

    def over(self, live: LiveSpeech) -> None:
        """A speech is over."""
        if live in self._waiting:
            self._waiting.remove(live)
        self._calls.forget(live)
        self._recovering.discard(live.id)
        if self._latest is live:
            self._latest = None

    # --- what the model says -----------------------------------------------------------------------------------------

    def created(self, response: RealtimeResponse) -> None:
        """A response begins."""
        if response.id not in self._unwanted and (live := self._unserved()) is not None:
            self._of[response.id] = self._latest = live

    def take(self, content: RealtimeContent) -> None:
        """A part of a response is there: let it be heard, if it is audio and wanted."""
        if content.response_id in self._unwanted or content.content_type == "text":
            return
        live = self._whose(content.response_id)
        self._waiting.remove(live)
        self._recovering.discard(live.id)
        self._of[content.response_id] = self._latest = live
        self._items.add(live, content)
        self._speeches.speak(live, content.text_stream, audio=content.audio_stream)

    def recovers(self, response_id: str) -> None:
        """A response was text; another one will come in its place."""
        live = self._of.pop(response_id, None) or (self._waiting[0] if self._waiting else None)
        if live is not None:
            self._recovering.add(live.id)

    def failed(self, response_id: str, error: Exception) -> None:
        """A response cannot be heard."""
        live = self._of.pop(response_id, None) or (self._waiting[0] if self._waiting else None)
        if live is not None and live in self._waiting:
            self._speeches.end_unheard(live, SpeechOutcome.FAILED, error)

    def done(self, response: RealtimeResponse) -> None:
        """A response has ended; if nothing of it can be heard, and nothing follows, the reply is over."""
        live = self._of.pop(response.id, None)
        if live is None or live not in self._waiting or live.id in self._recovering or self._calls.are_open(live):
            return
        match response.status:
            case "failed" | "incomplete":
                error = APIError(f"the model's response ended as {response.status}").located(phase="receive")
                self._talk.emit("error", SessionError("realtime", error, live.id))
                self._speeches.end_unheard(live, SpeechOutcome.FAILED, error)
            case "cancelled":
                self._speeches.end_unheard(live, SpeechOutcome.CANCELLED)
            case _:
                self._speeches.end_unheard(live, SpeechOutcome.EMPTY)

    # --- functions ---------------------------------------------------------------------------------------------------

    def called(self, count: int) -> None:
        """The model has called functions, and the session makes the calls."""
        live = self._latest or (self._waiting[0] if self._waiting else None)
        if live is not None:
            self._calls.begin(live, count)

    def functions_finished(self, called: Sequence[CalledFunction]) -> None:
        """They have ended."""
        self._functions_over(self._calls.end(called))

    def functions_cancelled(self, count: int) -> None:
        """The server takes calls back."""
        self._functions_over(self._calls.cancel(count))

    def goes_on(self, live: LiveSpeech) -> bool:
        """Tell whether a speech whose audio is over has functions that run."""
        return self._calls.are_open(live)

    def _functions_over(self, over: tuple[LiveSpeech, bool] | None) -> None:
        if over is None:
            return
        live, wants_answer = over
        if live in self._waiting:
            self._unbind(live)
            if not wants_answer:
                self._speeches.end_unheard(live, SpeechOutcome.EMPTY)
            return
        if wants_answer:
            self._under(live)
        utterance = live.utterance
        if utterance is not None and utterance.is_silent and utterance.outcome is not None:
            self._speeches.conclude(live, utterance.outcome, utterance.error)

    # --- small things ------------------------------------------------------------------------------------------------

    def _whose(self, response_id: str) -> LiveSpeech:
        """Return the reply to which a part of a response belongs; it waits."""
        known = self._of.get(response_id)
        if known is None and (known := self._unserved()) is None:
            asking = self._calls.unanswered
            if asking is None:
                return self.expect()
            self._calls.answered(asking)
            return self._under(asking)
        self._calls.answered(known)
        return known if known in self._waiting else self._under(known)

    def _unserved(self) -> LiveSpeech | None:
        """Return the first reply that waits and has no response yet."""
        served = {live.id for live in self._of.values()}
        return next((live for live in self._waiting if live.id not in served), None)

    def _under(self, live: LiveSpeech) -> LiveSpeech:
        """Return a new speech that is heard behind another one, if that is still in line, and before all else."""
        under = self._speeches.create(short_id("SP_"), SpeechKind.ANSWER, turn=live.turn)
        under.waterfall, under.span = live.waterfall, live.span
        entry = self._floor.get(live.id)
        parent = None if entry is None or entry.superseded or live.concluded else live.id
        if parent is not None:
            live.handle.add_nested_speech(under.handle)
        self._attention.due(under)
        kind = SpeechKind.SAY if parent is None else SpeechKind.ANSWER
        self._wait(under)
        self._talk.post(s.SpeechAdded(clock.monotonic(), under.id, kind, True, parent=parent))
        return under

    def _wait(self, live: LiveSpeech) -> None:
        self._waiting.append(live)
        self._on_waiting()

    def _unbind(self, live: LiveSpeech) -> None:
        for response in [each for each, of in self._of.items() if of is live]:
            del self._of[response]

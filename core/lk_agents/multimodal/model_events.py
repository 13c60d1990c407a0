"""What a session tells, and what follows from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import APIError
from lk_agents.foundation.log import logger
from lk_agents.utils.events import EventEmitter
from lk_agents.voice.conversation import SessionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_agents.llm import CalledFunction, FunctionCallInfo
    from lk_agents.metrics.records import MultimodalLLMMetrics
    from lk_agents.multimodal.items import Items
    from lk_agents.multimodal.session import MultimodalSession
    from lk_agents.realtime import RealtimeContent, RealtimeTranscription

__all__ = ["ModelEvents", "as_error"]


REMEMBERED: Final = 16
"""Of so many parts of responses it is known whether they came with text."""


class ModelEvents:
    """Listens to a session from the moment on at which it is made.

    Parts of responses that come before there is anything to play them with wait for :meth:`begin`.

    :param emit: emits an event of the agent.
    :param max_text_retries: how many answers in text in a row are brought back to audio.
    """

    def __init__(
        self, session: MultimodalSession, items: Items, emit: Callable[..., None], *, max_text_retries: int
    ) -> None:
        self._session = session
        self._items = items
        self._emit = emit
        self._max_text_retries = max_text_retries
        self._texts = 0
        self._early: list[RealtimeContent] | None = []
        self._parts: deque[RealtimeContent] = deque(maxlen=REMEMBERED)
        self._closed = False
        responses = session.responses
        handlers: dict[str, Callable[..., None]] = {
            "input_speech_started": session.turns.user_started,
            "input_speech_stopped": session.turns.user_stopped,
            "input_speech_committed": session.transcripts.user_is_done,
            "input_speech_transcription_completed": self._user_said,
            "input_speech_transcription_failed": self._not_understood,
            "response_created": responses.created,
            "response_content_added": self._part_added,
            "response_content_done": self._part_done,
            "response_done": responses.done,
            "agent_speech_transcription_completed": self._agent_said,
            "agent_speech_stopped": session.turns.interrupt,
            "function_calls_collected": self._calls_collected,
            "function_calls_finished": self._calls_finished,
            "function_calls_cancelled": self._calls_cancelled,
            "metrics_collected": self._measured,
            "reconnecting": session.turns.connection_lost,
            "reconnected": session.turns.connected_again,
            "error": self._failed,
            "closed": session.model_closed,
        }
        self._handlers: EventEmitter[str] = EventEmitter()  # hands each what it takes, and survives its errors
        for event, handler in handlers.items():
            self._handlers.on(event, handler)
            session.model.on(event, self._passing_on(event))

    def begin(self) -> None:
        """There is something to play with."""
        early, self._early = self._early, None
        for content in early or ():
            self._session.responses.take(content)

    def close(self) -> None:
        """Listen no more. Any number of times."""
        self._closed = True

    def _passing_on(self, event: str) -> Callable[..., None]:
        def pass_on(*told: Any) -> None:
            if not self._closed:
                self._handlers.emit(event, *told)

        return pass_on

    # --- what the user says ------------------------------------------------------------------------------------------

    def _user_said(self, understood: RealtimeTranscription) -> None:
        self._session.transcripts.user_said(understood.transcript)
        self._session.responses.understood(understood.transcript)
        self._items.user_said(understood.item_id, understood.transcript)

    def _not_understood(self, *_: Any) -> None:
        self._session.transcripts.user_said("")

    # --- what the model says -----------------------------------------------------------------------------------------

    def _part_added(self, content: RealtimeContent) -> None:
        self._parts.append(content)
        if self._early is not None:
            self._early.append(content)
        else:
            self._session.responses.take(content)

    def _part_done(self, content: RealtimeContent) -> None:
        if content.content_type != "text":
            self._texts = 0
        elif self._texts < self._max_text_retries:
            self._texts += 1
            logger.warning("the model has answered in text and is brought back to audio", extra={"count": self._texts})
            self._session.responses.recovers(content.response_id)
            self._session.model._recover_from_text_response(content.item_id)  # noqa: SLF001  its protocol
        else:
            error = RuntimeError(f"the model answers in text, again after {self._texts} attempts to bring it to audio")
            self._emit("error", SessionError("realtime", error))
            self._session.responses.failed(content.response_id, error)

    def _agent_said(self, said: RealtimeTranscription) -> None:
        shown = any(each.item_id == said.item_id and each.text for each in self._parts)
        if not shown:  # else it was, word by word, while it was heard
            self._session.transcripts.agent_said(said.transcript)
        self._emit("agent_speech_committed", said.transcript)

    # --- functions, measurements, faults -----------------------------------------------------------------------------

    def _calls_collected(self, calls: Sequence[FunctionCallInfo]) -> None:
        self._session.responses.called(len(calls))
        self._emit("function_calls_collected", calls)

    def _calls_finished(self, called: Sequence[CalledFunction]) -> None:
        self._emit("function_calls_finished", called)
        self._session.responses.functions_finished(called)

    def _calls_cancelled(self, ids: Sequence[str]) -> None:
        self._session.responses.functions_cancelled(len(ids))

    def _measured(self, record: MultimodalLLMMetrics) -> None:
        self._emit("metrics_collected", record)

    def _failed(self, problem: Any) -> None:
        error = as_error(problem)
        logger.warning("the model reports an error", extra={"error": type(error).__name__})
        self._emit("error", SessionError("realtime", error))


def as_error(problem: Any) -> Exception:
    """Return what a session has told as an error: itself, or one with its message."""
    if isinstance(problem, Exception):
        return problem
    error = APIError(str(getattr(problem, "message", None) or "the session has failed"))
    return error.located(code=getattr(problem, "code", None))

"""A speech-to-speech model that answers what its script says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from lk_agents.foundation.ids import short_id
from lk_agents.llm import ChatContext, FunctionContext
from lk_agents.realtime import RealtimeCapabilities, RealtimeModel
from lk_agents.testing.providers.script import Break, Breaks, ScriptError
from lk_agents.utils.aio.channel import Chan

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.testing.providers.realtime_session import ScriptedRealtimeSession
    from lk_agents.testing.providers.speech import Heard

__all__ = ["OUTPUT_RATE", "RealtimeAnswer", "ScriptedContent", "ScriptedRealtime", "ScriptedResponse"]

OUTPUT_RATE: Final = 24_000
SECONDS_PER_CHARACTER: Final = 0.06


@dataclass(frozen=True, kw_only=True)
class RealtimeAnswer:
    """A response, and how it comes.

    :param text: what it says.
    :param calls: the functions that it calls behind that: name and arguments.
    :param as_text: it is written, not spoken.
    :param first_seconds: how long the model thinks about it.
    :param pace: how much faster than it is spoken its audio comes; None for at once.
    :param seconds: of its audio; by default by its characters.
    :param stall_at: after so many seconds of audio nothing more comes, and it does not end; 0 for not even a part.
    :param status: how it ends.
    """

    text: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    as_text: bool = False
    first_seconds: float = 0.0
    pace: float | None = None
    seconds: float | None = None
    stall_at: float | None = None
    status: Literal["completed", "failed", "incomplete"] = "completed"

    @property
    def audio_seconds(self) -> float:
        """How long its audio is."""
        return len(self.text) * SECONDS_PER_CHARACTER if self.seconds is None else self.seconds


@dataclass
class ScriptedResponse:
    """A response; see :class:`lk_agents.realtime.RealtimeResponse`."""

    id: str = field(default_factory=lambda: short_id("resp_"))
    status: str = "in_progress"


@dataclass
class ScriptedContent:
    """One part of a response; see :class:`lk_agents.realtime.RealtimeContent`."""

    text: str
    response_id: str = field(default_factory=lambda: short_id("resp_"))
    item_id: str = field(default_factory=lambda: short_id("item_"))
    output_index: int = 0
    content_index: int = 0
    content_type: Literal["text", "audio"] = "audio"
    text_stream: Chan[str] = field(default_factory=Chan)
    audio_stream: Chan[rtc.AudioFrame] = field(default_factory=Chan)


class ScriptedRealtime(RealtimeModel):
    """Answers one text after the other, each spoken as a tone of a length by its characters.

    :param answers: what it says, in order.
    :param supports_truncate: whether its server can cut what was not heard.
    :param caller: what the user says, by the sound of ``voice()``: its server hears when a turn has ended, and answers.
        Without, the program says when.
    :param creates_responses: whether its server answers by itself then.
    :param transcript_seconds: how much later it is understood; None for never.
    :param sync_seconds: how long it takes to connect.
    :param connect_seconds: after so long a connection that is not made is given up.
    :param breaks: what goes wrong; ``at`` counts the responses of a session that have begun: 0 is the connection, which
        is tried three times. An error is a lost connection then, and a stall lets nothing more come.
    """

    def __init__(
        self,
        answers: Iterable[RealtimeAnswer | str] = (),
        *,
        supports_truncate: bool = True,
        caller: Sequence[Heard] | None = None,
        creates_responses: bool = True,
        transcript_seconds: float | None = 0.0,
        sync_seconds: float = 0.0,
        connect_seconds: float = 10.0,
        breaks: Iterable[Break] = (),
    ) -> None:
        self._capabilities = RealtimeCapabilities(
            supports_truncate=supports_truncate, input_audio_sample_rate=OUTPUT_RATE
        )
        self.answers = [RealtimeAnswer(text=each) if isinstance(each, str) else each for each in answers]
        """What has not been said yet."""
        self.caller = None if caller is None else tuple(caller)
        self.creates_responses = creates_responses
        self.silence_seconds = 0.5
        """How long the user must be silent for the server to take a turn for over."""
        self.transcript_seconds = transcript_seconds
        self.sync_seconds = sync_seconds
        self.connect_seconds = connect_seconds
        self.breaks = Breaks(breaks)
        """What goes wrong; counts the connections."""
        self.sessions: list[ScriptedRealtimeSession] = []

    @property
    def capabilities(self) -> RealtimeCapabilities:
        """What it can do."""
        return self._capabilities

    def session(
        self, *, chat_ctx: ChatContext | None = None, fnc_ctx: FunctionContext | None = None
    ) -> ScriptedRealtimeSession:
        """Begin a conversation."""
        from lk_agents.testing.providers.realtime_session import ScriptedRealtimeSession

        session = ScriptedRealtimeSession(self, ChatContext() if chat_ctx is None else chat_ctx.copy(), fnc_ctx)
        self.sessions.append(session)
        return session

    def next_answer(self) -> RealtimeAnswer:
        """Take the next answer out of the script.

        :raises ScriptError: there is none left.
        """
        if not self.answers:
            raise ScriptError(f"{self.label}: nothing is left to say")
        return self.answers.pop(0)

    async def aclose(self) -> None:
        """Close all sessions."""
        for session in self.sessions:
            await session.aclose()

    def assert_done(self) -> None:
        """Check that everything was said, and everything went wrong that should.

        :raises ScriptError: something is left.
        """
        left = [each.text for each in self.answers] + self.breaks.unused()
        if left:
            raise ScriptError(f"{self.label}: never said, or never happened: {left}")

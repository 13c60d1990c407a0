"""What the tests of conversations with one model share: a call in memory, and what has happened in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, get_args

from lk_agents.foundation import clock
from lk_agents.llm import FunctionContext, TypeInfo, ai_callable
from lk_agents.multimodal import MultimodalAgent
from lk_agents.multimodal.agent import EventTypes
from lk_agents.testing.providers import Heard, RealtimeAnswer, ScriptedRealtime, ScriptedRealtimeSession, voice
from lk_agents.testing.session_io import MemorySessionIO

RATE = 24_000
LONG = "One two three four five six seven eight nine ten eleven twelve."
QUESTION = Heard("Hello there", 1.0, 2.0)
DECIDED = 2.5
"""When the server knows that the question is over."""
NOT_TOLD = frozenset({"metrics_collected", "agent_state_changed", "turn_finished"})


class Functions(FunctionContext):
    """Functions that the model may call; each call is recorded.

    :param seconds: how long they take.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.asked: list[str] = []

    @ai_callable()
    async def weather(self, place: Annotated[str, TypeInfo("where")]) -> str:
        """Look at the weather."""
        self.asked.append(place)
        await asyncio.sleep(self.seconds)
        return f"sunny in {place}"

    @ai_callable()
    async def note(self, text: Annotated[str, TypeInfo("what")]) -> None:
        """Remember something."""
        self.asked.append(text)

    @ai_callable()
    async def fail(self) -> str:
        """Fail."""
        raise RuntimeError("the service is down")


class Call:
    """One conversation in memory. Moments are seconds since it began.

    :param answers: what the model says.
    :param caller: what the user says; the model's server hears it. None for a model that does not hear when.
    :param model: instead of one that is made of these.
    :param options: of the agent.
    """

    def __init__(
        self,
        answers: Iterable[RealtimeAnswer | str] = (),
        *,
        caller: Sequence[Heard] | None = (QUESTION,),
        model: ScriptedRealtime | None = None,
        io: MemorySessionIO | None = None,
        **options: Any,
    ) -> None:
        self.caller = tuple(caller or ())
        self.model = model or ScriptedRealtime(answers, caller=caller)
        self.io = io or MemorySessionIO(voice_rate=RATE)
        self.agent = MultimodalAgent(model=self.model, **options)
        self.log: list[tuple[float, str, Any]] = []
        self.began_at = 0.0
        self._has_begun = False
        for event in get_args(EventTypes):
            self.agent.on(event, self._note(event))

    @property
    def now(self) -> float:
        return clock.monotonic() - self.began_at

    @property
    def session(self) -> ScriptedRealtimeSession:
        return self.model.sessions[0]

    def start(self) -> None:
        """Let it begin; the caller speaks."""
        self.began_at, self._has_begun = clock.monotonic(), True
        self.agent.start_with(self.io)
        if self.caller:
            self.io.say(voice(self.caller, max(each.end for each in self.caller) + 10.0, sample_rate=RATE))

    async def until(self, at: float) -> None:
        """Let time pass until that moment; begin, if nobody has."""
        if not self._has_begun:
            self.start()
        await asyncio.sleep(max(at - self.now, 0.0))

    async def run(self, seconds: float) -> Call:
        """Hold it for so long, then hang up."""
        await self.until(seconds)
        await self.agent.aclose()
        return self

    # --- what has happened -------------------------------------------------------------------------------------------

    def at(self, event: str) -> list[float]:
        """Return when it happened, each time."""
        return [at for at, name, _ in self.log if name == event]

    def told(self, event: str) -> list[Any]:
        """Return what came with it, each time."""
        return [told for _, name, told in self.log if name == event]

    def events(self) -> list[str]:
        """Return the names of what has happened, in order, without states, measurements and the end."""
        return [name for _, name, _ in self.log if name not in NOT_TOLD and name != "closed"]

    def conversation(self) -> list[tuple[str, Any]]:
        """Return what the model's conversation says."""
        return [(each.role, each.content) for each in self.agent.chat_ctx_copy().messages]

    def shown(self, participant: str) -> list[tuple[str, bool]]:
        """Return what is shown of what somebody says, and whether it is final."""
        return [(each.text, each.final) for each in self.io.text.shown if each.participant == participant]

    def states(self) -> list[tuple[float, str]]:
        """Return what the agent was shown to do."""
        return [(round(each.at - self.began_at, 3), each.state) for each in self.io.states]

    def outcomes(self) -> list[str]:
        """Return how the turns ended."""
        return [str(each.outcome) for each in self.told("turn_finished")]

    def _note(self, event: str) -> Callable[..., None]:
        return lambda *told: self.log.append((round(self.now, 6), event, told[0] if told else None))

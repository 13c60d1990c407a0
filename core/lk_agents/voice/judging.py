"""Asking those who judge turns and interruptions, and telling the turn machine what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents.turns.evidence import Decision, Evidence
from lk_agents.turns.judges import checked, decide
from lk_agents.turns.strategies import InstantInterruption
from lk_agents.utils.aio.tasks import cancel_and_wait
from lk_agents.voice.signals import AskInterruption, AskTurnDetector, InterruptionVerdict, TurnVerdict

if TYPE_CHECKING:
    from lk_agents.turns.judges import InterruptionStrategy, TurnDetector
    from lk_agents.voice.own_voice import OwnVoice
    from lk_agents.voice.signals import Input

__all__ = ["Judging"]


class Judging:
    """Puts the machine's questions to a turn detector and to an interruption strategy, one of each at a time.

    A newer question about the turn ends the older one. A strategy that is still thinking is left to it: what it says
    also answers a newer question about the same words.

    :param detector: None for none: then it is not asked.
    :param own_voice: knows what is only the agent's own voice.
    :param complete: adds to evidence what only the session knows: the conversation, the agent's state, its speech.
    :param post: told the verdicts.
    """

    def __init__(
        self,
        *,
        detector: TurnDetector | None,
        strategy: InterruptionStrategy,
        own_voice: OwnVoice,
        complete: Callable[[Evidence], Evidence],
        post: Callable[[Input], None],
    ) -> None:
        self._detector = detector
        self.strategy = strategy
        self._own_voice = own_voice
        self._complete = complete
        self._post = post
        self._turn_task: asyncio.Task[None] | None = None
        self._strategy_task: asyncio.Task[None] | None = None
        self._newest: AskInterruption | None = None

    def ask_about_turn(self, question: AskTurnDetector) -> None:
        """Ask whether the turn has ended; without somebody who can judge, it has."""
        if self._turn_task is not None:
            self._turn_task.cancel()
            self._turn_task = None
        if self._detector is None or not self._understands(self._detector, question.language):
            self._post(TurnVerdict(clock.monotonic(), question.serial, Decision.ACT))
            return
        self._turn_task = asyncio.get_running_loop().create_task(
            self._judge_turn(self._detector, question), name="lk-turn-detector"
        )

    def ask_about_interruption(self, question: AskInterruption) -> None:
        """Ask whether the user interrupts; what is only the agent's own voice is asked about nobody."""
        evidence = self._evidence(question)
        if self._own_voice.is_heard(evidence):
            self._post(InterruptionVerdict(clock.monotonic(), question.serial, Decision.IGNORE, is_echo=True))
        elif self._own_voice.may_be_heard(evidence):
            return  # the next words, or the silence behind these, are another question
        elif isinstance(self.strategy, InstantInterruption):
            self._post(InterruptionVerdict(clock.monotonic(), question.serial, self._judge_now(evidence)))
        else:
            self._newest = question
            if self._strategy_task is None or self._strategy_task.done():
                self._strategy_task = asyncio.get_running_loop().create_task(
                    self._judge_interruption(question, evidence), name="lk-interruption"
                )

    async def aclose(self) -> None:
        """End what is being judged; the judges themselves are their owners'."""
        await cancel_and_wait(*(task for task in (self._turn_task, self._strategy_task) if task is not None))

    # --- asking ------------------------------------------------------------------------------------------------------

    @staticmethod
    def _understands(detector: TurnDetector, language: str) -> bool:
        try:
            return detector.supports_language(language or None)
        except Exception:  # noqa: BLE001  a plugin's error must not silence the agent
            logger.exception("a turn detector failed", extra={"judge": detector.label})
            return False

    async def _judge_turn(self, detector: TurnDetector, question: AskTurnDetector) -> None:
        now = clock.monotonic()
        silence = 0.0 if question.last_speech_at is None else max(now - question.last_speech_at, 0.0)
        evidence = Evidence(
            turn=question.turn,
            silence_seconds=silence,
            text=question.text,
            final=True,
            language=question.language or None,
        )
        verdict = await decide(detector, self._complete(evidence), default=Decision.ACT)
        self._post(TurnVerdict(clock.monotonic(), question.serial, verdict.decision))

    def _judge_now(self, evidence: Evidence) -> Decision:
        assert isinstance(self.strategy, InstantInterruption)
        try:
            return checked(self.strategy.judge_now(evidence), self.strategy)
        except Exception:  # noqa: BLE001  a plugin's error must not make the agent deaf
            logger.exception("an interruption strategy failed", extra={"judge": self.strategy.label})
            return Decision.ACT

    async def _judge_interruption(self, question: AskInterruption, evidence: Evidence) -> None:
        """Answer the newest question, once what the strategy says holds for it too.

        That the user interrupts, stands whatever is said next; so does the default where the strategy takes too long.
        """
        while True:
            verdict = await decide(self.strategy, evidence, default=Decision.ACT)
            newest = self._newest or question
            stands = verdict.decision is Decision.ACT and newest.turn == question.turn
            if stands or newest.text == question.text:
                self._post(InterruptionVerdict(clock.monotonic(), newest.serial, verdict.decision))
                if self._newest is newest or self._newest is None:
                    return
                newest = self._newest  # it was asked when the verdict was told
            question, evidence = newest, self._evidence(newest)

    def _evidence(self, question: AskInterruption) -> Evidence:
        return self._complete(
            Evidence(
                turn=question.turn,
                speech_seconds=question.speech_seconds,
                silence_seconds=question.silence_seconds,
                speaking=question.speaking,
                text=question.text,
                final=question.final,
                language=question.language or None,
            )
        )

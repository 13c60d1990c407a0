"""What is done when a conversation falls silent where it should not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from lk_agents.foundation.errors import DeadAirError
from lk_agents.foundation.log import logger
from lk_agents.voice.dead_air import Action, actions_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livekit import rtc

    from lk_agents.voice.attention import Attention
    from lk_agents.voice.conversation import Talk
    from lk_agents.voice.live_speech import LiveSpeech
    from lk_agents.voice.speech_handle import SpeechHandle
    from lk_agents.voice.speeches import Speeches
    from lk_agents.voice.watchdog import DeadAir

__all__ = ["FirstAid", "SayRecorded"]

GOODBYE_SECONDS = 10.0


class SayRecorded(Protocol):
    """Says something that was recorded."""

    def __call__(
        self, audio: Sequence[rtc.AudioFrame], *, under: str | None, allow_interruptions: bool
    ) -> SpeechHandle:
        """Put it in line, before the audio of the speech ``under``."""


class FirstAid:
    """Reports dead air, and does what the policy says about it.

    :param restart_stt: lets the recogniser begin anew.
    :param retry: makes a speech anew, if nothing of it was heard.
    :param end: ends the session, for a reason.
    :param measure: takes the alarm as a measurement.
    """

    def __init__(
        self,
        conversation: Talk,
        speeches: Speeches,
        attention: Attention,
        *,
        restart_stt: Callable[[], None],
        retry: Callable[[LiveSpeech], object],
        say: SayRecorded,
        end: Callable[[str], None],
        measure: Callable[[DeadAir], None],
    ) -> None:
        self._conversation = conversation
        self._speeches = speeches
        self._attention = attention
        self._restart_stt = restart_stt
        self._retry = retry
        self._say = say
        self._end = end
        self._measure = measure
        self._goodbye: asyncio.Task[None] | None = None

    def alarm(self, alarm: DeadAir) -> None:
        """Nothing is heard: say so, and do something about it."""
        options = self._conversation.options
        actions = actions_for(options.dead_air_policy, alarm)
        logger.warning(
            "dead air",
            extra={
                "stage": alarm.stage.value,
                "seconds": round(alarm.seconds, 3),
                "turn": alarm.turn,
                "speech": alarm.speech,
                "count": alarm.count,
                "actions": ",".join(actions),
            },
        )
        live = self._speeches.get(alarm.speech)
        if live is not None and live.waterfall is not None:
            live.waterfall.dead_air(alarm)
        self._measure(alarm)
        self._conversation.emit("dead_air", alarm)
        for action in actions:
            self._do(action, alarm)

    async def aclose(self) -> None:
        """Do nothing more."""
        if self._goodbye is not None:
            self._goodbye.cancel()
            await asyncio.wait([self._goodbye])

    def _do(self, action: Action, alarm: DeadAir) -> None:
        live = self._speeches.get(alarm.speech)
        match action:
            case Action.FILLER if self._conversation.options.filler:
                self._say(self._conversation.options.filler, under=alarm.speech or None, allow_interruptions=True)
            case Action.RETRY if live is not None:
                self._retry(live)
            case Action.REBUILD:
                self._restart_stt()
            case Action.GIVE_UP:
                self._attention.gave_up(alarm)
                if live is not None:
                    self._speeches.give_up(live, DeadAirError(_words(alarm)))
            case Action.END:
                self._say_goodbye(alarm)

    def _say_goodbye(self, alarm: DeadAir) -> None:
        if self._goodbye is None:
            self._goodbye = asyncio.get_running_loop().create_task(self._leave(alarm), name="lk-goodbye")

    async def _leave(self, alarm: DeadAir) -> None:
        if self._conversation.options.goodbye:
            spoken = self._say(self._conversation.options.goodbye, under=None, allow_interruptions=False)
            try:
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await spoken.wait_for_playout()
            except TimeoutError:
                logger.warning("the recorded goodbye was not heard in time")
        self._end(_words(alarm))


def _words(alarm: DeadAir) -> str:
    return f"nothing was heard for {alarm.seconds:.1f} s: {alarm.stage.value} did not come"

"""Watches over a conversation that it does not fall silent: the event loop's side of the watchdog."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from lk_agents.foundation import clock

if TYPE_CHECKING:
    from lk_agents.voice.live_speech import LiveSpeech
    from lk_agents.voice.records import Mark
    from lk_agents.voice.signals import TurnDecided
    from lk_agents.voice.watchdog import DeadAir, UserState, Watchdog

__all__ = ["Attention"]


class Attention:
    """Tells the watchdog what happens and looks when it wants to. Build it in a running event loop.

    What only bridges a silence is not told: the silence counts all the same.

    :param on_alarm: told of dead air.
    :param heard: gives the speech that is being heard.
    """

    def __init__(
        self, watchdog: Watchdog, *, on_alarm: Callable[[DeadAir], None], heard: Callable[[], LiveSpeech | None]
    ) -> None:
        self._watchdog = watchdog
        self._on_alarm = on_alarm
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    # --- what happens ------------------------------------------------------------------------------------------------

    def user(self, state: UserState) -> None:
        """Tell what is known of the user."""
        self._watchdog.user(clock.monotonic(), state)
        self._arm()

    def audience(self, *, present: bool) -> None:
        """Tell whether anybody can hear the agent."""
        self._watchdog.audience(clock.monotonic(), present=present)
        self._arm()

    def decided(self, command: TurnDecided, *, has_words: bool) -> None:
        """A turn is over; one in which nothing was understood is waited for from now on only."""
        spoken_at = command.last_speech_at if has_words else None
        self._watchdog.turn_decided(
            command.decided_at, turn=command.turn, speech=command.speech, last_speech_at=spoken_at
        )
        self._arm()

    def due(self, live: LiveSpeech) -> None:
        """Something is to be said that is no reply."""
        if not live.is_filler:
            self._watchdog.speech_due(clock.monotonic(), turn=live.turn, speech=live.id)
            self._arm()

    def mark(self, live: LiveSpeech, mark: Mark, at: float) -> None:
        """A speech has reached a stage."""
        if not live.is_filler:
            self._watchdog.mark(at, live.id, mark)
            self._arm()

    def restarted(self, live: LiveSpeech) -> None:
        """A speech is made anew."""
        self._watchdog.restarted(live.id)
        self._arm()

    def paused(self, live: LiveSpeech) -> None:
        """A speech waits until it is clear whether it is interrupted."""
        if not live.is_filler:
            self._watchdog.paused(live.id)
            self._arm()

    def resumed(self, live: LiveSpeech) -> None:
        """It goes on."""
        if not live.is_filler:
            self._watchdog.resumed(clock.monotonic(), live.id)
            self._arm()

    def tool_started(self, live: LiveSpeech) -> None:
        """Functions of a speech begin."""
        self._watchdog.tool_started(live.id)
        self._arm()

    def tool_finished(self, live: LiveSpeech, at: float) -> None:
        """They have ended."""
        self._watchdog.tool_finished(at, live.id)
        self._arm()

    def silent(self, live: LiveSpeech) -> None:
        """The audio of a speech is over."""
        if not live.is_filler:
            self._watchdog.silent(clock.monotonic(), live.id)
            self._arm()

    def closed(self, live: LiveSpeech) -> None:
        """A speech is over."""
        if not live.is_filler:
            self._watchdog.closed(live.id)
            self._arm()

    def gave_up(self, alarm: DeadAir) -> None:
        """What an alarm was about is given up."""
        self._watchdog.gave_up(alarm)
        self._arm()

    def close(self) -> None:
        """Look no more. Any number of times."""
        self._closed = True
        self._cancel()

    # --- looking -----------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        due = None if self._closed else self._watchdog.next_deadline
        if due is None:
            self._cancel()
            return
        due_at = self._loop.time() + max(due - clock.monotonic(), 0.0)
        if self._timer is None or self._timer.when() > due_at:  # one that comes too early sets the next
            self._cancel()
            self._timer = self._loop.call_at(due_at, self._look)

    def _look(self) -> None:
        self._timer = None
        now = clock.monotonic()
        live = self._heard()
        if live is not None and live.utterance is not None and not live.is_filler:
            self._watchdog.position(
                now, live.id, live.utterance.played_seconds, has_audio=live.utterance.has_unplayed_audio
            )
        alarm = self._watchdog.check(now)
        if alarm is not None:
            self._on_alarm(alarm)
        self._arm()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

"""What every way from the user's audio to text is told, and has to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Literal, TypeAlias

from lk_agents.foundation.errors import ConfigError

if TYPE_CHECKING:
    from typing import Any

    from livekit import rtc

    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.stt.events import SpeechEvent
    from lk_agents.voice.signals import Input

__all__ = ["HearingOptions", "HearingStage", "Reports", "Understanding", "best_of", "tell_nobody"]

HearingStage: TypeAlias = Literal["stt", "vad"]
"""What of it has failed."""


@dataclass(frozen=True, kw_only=True)
class HearingOptions:
    """How the user is listened to. Durations are seconds.

    :param speculative: whether a recogniser of recordings is asked as soon as the user pauses, instead of when the
        detector is sure that the speech is over.
    :param speculative_silence_seconds: how long such a pause is, from the last sample of speech.
    :param language: what is spoken; None for the recogniser's own setting.
    :param conn_options: how often and how patiently the recogniser is asked; None for its own setting.
    :raises ConfigError: the pause is negative.
    """

    speculative: bool = True
    speculative_silence_seconds: float = 0.2
    language: str | None = None
    conn_options: APIConnectOptions | None = None

    def __post_init__(self) -> None:
        if not self.speculative_silence_seconds >= 0:
            raise ConfigError(
                f"speculative_silence_seconds is {self.speculative_silence_seconds!r}; it must be 0 or more"
            )

    def for_recogniser(self) -> dict[str, Any]:
        """Return what a recogniser's methods are given beside the audio."""
        given: dict[str, Any] = {"language": self.language}
        if self.conn_options is not None:
            given["conn_options"] = self.conn_options
        return given


def tell_nobody(*_: object) -> None:
    """Take whatever is told, and do nothing."""


def best_of(event: SpeechEvent) -> tuple[str, str]:
    """Return what was most likely said, and its language; two empty texts for nothing."""
    if not event.alternatives:
        return "", ""
    best = event.alternatives[0]
    return best.text.strip(), best.language


@dataclass(frozen=True, kw_only=True)
class Reports:
    """Whom hearing tells what; see :class:`~lk_agents.voice.hearing.Hearing`."""

    post: Callable[[Input], None]
    error: Callable[[HearingStage, Exception], None] = tell_nobody
    speech_event: Callable[[SpeechEvent, int], None] = tell_nobody


class Understanding:
    """Turns speech into text. This one does nothing; what follows the voice and what does not differ in what they use.

    Positions are seconds of the audio.
    """

    def __init__(self) -> None:
        self._keys = count(1)

    async def run(self) -> None:
        """Work until cancelled; then call :meth:`aclose`."""

    def push(self, frame: rtc.AudioFrame) -> None:
        """Take a frame, which is in the memory already."""

    def run_began(self, onset: float) -> None:
        """A run of voice has begun; the turn machine knows it."""

    def run_went_on(self) -> None:
        """It goes on."""

    def run_ended(self, *, last_speech: float, last_speech_at: float, is_speech: bool) -> None:
        """It is over; the turn machine does not know it yet.

        :param last_speech: the position of its last sound.
        :param last_speech_at: the moment of its last sound.
        :param is_speech: whether the detector holds that somebody speaks.
        """

    def speech_ended(self) -> None:
        """The detector says END; the turn machine does not know it yet."""

    def paused(self) -> None:
        """No audio comes for a while, or ever; runs and speech are over."""

    def taken(self) -> None:
        """The turn was decided."""

    def restart(self) -> None:
        """Let the recogniser begin anew with what it has not finished."""

    async def aclose(self) -> None:
        """Return when everything is closed."""

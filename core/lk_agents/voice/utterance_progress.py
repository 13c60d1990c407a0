"""How far a speech has come, and what has gone wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents.voice.stages import Stage

__all__ = ["FailedPart", "Progress"]

FailedPart: TypeAlias = Literal["text", "callback", "audio", "playout"]
"""What has failed: the source of the text, what changes it, the synthesizer (or the recording), the sink."""


class Progress:
    """Keeps when each stage was reached, and the first fault; tells whoever wants to know.

    :param on_ready: called once, when the first audio is there, or when it is known that there will be none.
    :param on_stage: told of each stage, once.
    :param on_function_call: called once, at the first call that a model asks for.
    """

    def __init__(
        self,
        *,
        on_ready: Callable[[], None],
        on_stage: Callable[[Stage, float], None],
        on_function_call: Callable[[], None],
    ) -> None:
        self._on_ready = on_ready
        self._on_stage = on_stage
        self._on_function_call = on_function_call
        self.is_ready = False
        """Whether there is audio, or it is known that there will be none."""
        self.has_function_calls = False
        """Whether a model has asked for calls."""
        self.stages: dict[Stage, float] = {}
        """When each stage was reached."""
        self.error: Exception | None = None
        """What has failed first."""
        self.failed_part: FailedPart | None = None
        """Which part that was."""

    def ready(self) -> None:
        """Say that there is audio, or will be none."""
        if not self.is_ready:
            self.is_ready = True
            self._on_ready()

    def see_call(self) -> None:
        """Say that a model asks for a call."""
        if not self.has_function_calls:
            self.has_function_calls = True
            self.reach(Stage.FIRST_TOKEN)
            self._on_function_call()

    def reach(self, stage: Stage) -> bool:
        """Say that a stage is reached; False if it was before."""
        if stage in self.stages:
            return False
        self.stages[stage] = at = clock.monotonic()
        self._on_stage(stage, at)
        return True

    def fail(self, part: FailedPart, error: Exception) -> None:
        """Say that a part has failed. The first fault is for the owner of the speech to report."""
        logger.debug(
            "a part of a speech has failed", extra={"part": part, "error": type(error).__name__}, exc_info=error
        )
        if self.error is None:
            self.error, self.failed_part = error, part

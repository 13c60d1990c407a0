"""Small public types that several parts share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar

from lk_agents.foundation.errors import ConfigError

__all__ = [
    "ATTRIBUTE_AGENT_STATE",
    "DEFAULT_API_CONNECT_OPTIONS",
    "NOT_GIVEN",
    "APIConnectOptions",
    "AgentState",
    "NotGiven",
    "NotGivenOr",
]

ATTRIBUTE_AGENT_STATE: Final = "lk.agent.state"
"""Key of the participant attribute that carries the agent's state."""

AgentState = Literal["initializing", "listening", "thinking", "speaking"] | str  # noqa: PYI051  names what exists
"""What an agent is doing; any other text is allowed."""

T = TypeVar("T")


class NotGiven:
    """Type of :data:`NOT_GIVEN`: a parameter that was left out, where None means something."""

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Final = NotGiven()

NotGivenOr: TypeAlias = T | NotGiven


@dataclass(frozen=True)
class APIConnectOptions:
    """How often and how patiently a provider is asked.

    :param max_retry: further attempts after the first one; 0 for none.
    :param retry_interval: seconds between attempts after the first retry, which comes after 0.1 s.
    :param timeout: seconds one attempt may take; above 0.
    :raises ConfigError: if a value is negative, endless or no number, or a time-out of 0.
    """

    max_retry: int = 3
    retry_interval: float = 2.0
    timeout: float = 10.0

    def __post_init__(self) -> None:
        for name in ("max_retry", "retry_interval"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"APIConnectOptions.{name} is {getattr(self, name)!r}; it must be 0 or more")
        if not 0 < self.timeout < math.inf:
            raise ConfigError(f"APIConnectOptions.timeout is {self.timeout!r}; it must be a number of seconds above 0")

    def _interval_for_retry(self, num_retries: int) -> float:
        """Return the seconds to wait before retry number ``num_retries`` (0 is the first)."""
        return 0.1 if num_retries == 0 else self.retry_interval


DEFAULT_API_CONNECT_OPTIONS: Final = APIConnectOptions()

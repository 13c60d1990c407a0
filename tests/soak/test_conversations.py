"""Long conversations, and several at once, in real speech: what holds for short ones holds for them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:  # agents, callers and benchmarks are found by name in processes of their own
    sys.path.append(ROOT)

pytest.register_assert_rewrite("tests.e2e.conversation_checks")

from tests.e2e.conversation_checks import ConversationChecks  # noqa: E402
from tests.e2e.conversations import Held, hold  # noqa: E402

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

TWENTY_TURNS = [number % 5 in {2, 4} for number in range(20)]
"""Eight of them interrupt."""
FIVE_TURNS = [False, True, False, True, False]


@pytest.fixture(scope="class")
def held(request: pytest.FixtureRequest) -> Held:
    """The conversations of a class, when they are over."""
    return asyncio.run(hold(*request.cls.PLAN))


class TestTwentyTurns(ConversationChecks):
    """One conversation, in which the caller interrupts eight times."""

    PLAN = (1, TWENTY_TURNS)

    def test_the_caller_has_interrupted_eight_times(self, held: Held) -> None:
        assert sum(turn.silencing is not None for turn in held.calls[0].talk.turns) == 8


class TestFourConversationsAtOnce(ConversationChecks):
    """Four callers, each with two interruptions."""

    PLAN = (4, FIVE_TURNS)

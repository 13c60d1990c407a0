"""Two conversations at once, with real speech: each phrase is answered, one interrupts the answer before."""

from __future__ import annotations

import asyncio

import pytest

pytest.register_assert_rewrite("tests.e2e.conversation_checks")

from tests.e2e.conversation_checks import ConversationChecks  # noqa: E402
from tests.e2e.conversations import Held, hold  # noqa: E402

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def held() -> Held:
    """The conversations, when they are over."""
    return asyncio.run(hold(2, [False, True]))


class TestTwoConversationsAtOnce(ConversationChecks):
    """Held once, for all of these tests."""

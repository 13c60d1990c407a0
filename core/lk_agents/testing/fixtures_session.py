"""The fixture ``lk_session``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from lk_agents.testing.fixtures_clock import async_fixture

if TYPE_CHECKING:
    from lk_agents.testing.clock import VirtualClock
    from lk_agents.testing.session import ScriptedCall

__all__ = ["lk_session"]


@async_fixture
async def lk_session(lk_clock: VirtualClock) -> AsyncIterator[Callable[..., ScriptedCall]]:  # noqa: ARG001  for its time
    """Give what makes calls between a scripted caller and an agent, in virtual time; see :class:`ScriptedCall`.

    Example::

        async def test_it_answers(lk_session):
            call = await lk_session([Heard("Hello there", 1.0, 2.0)], ["Hello to you."]).run()

            assert call.said() == ["Hello there"]
            assert call.heard() == ["Hello to you."]
            assert call.at("agent_started_speaking") == [pytest.approx(2.5, abs=0.05)]

    Calls that are still going on when the test ends are hung up.
    """
    from lk_agents.testing.session import ScriptedCall

    calls: list[ScriptedCall] = []

    def make(*args: Any, **kwargs: Any) -> ScriptedCall:
        calls.append(ScriptedCall(*args, **kwargs))
        return calls[-1]

    yield make
    for call in calls:
        await call.aclose()

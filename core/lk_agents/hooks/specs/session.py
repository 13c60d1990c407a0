"""The events of a conversation: it has begun, a turn is over, something was measured."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from lk_agents.hooks.markers import Scope, hookspec

if TYPE_CHECKING:
    from lk_agents.metrics.records import AgentMetrics
    from lk_agents.voice.records import SessionInfo, TurnRecord


@hookspec(scope=Scope.IN_USE, may_await=True)
def lk_agents_session_started(session: SessionInfo) -> Awaitable[None] | None:
    """Take note that an agent begins to listen.

    Called once for each agent that is started, when its surroundings are ready and before it hears anything. May be a
    coroutine function; nobody waits for it.

    Example::

        @lk_agents.hookimpl
        def lk_agents_session_started(session: SessionInfo) -> None:
            dashboard.show(session.id, room=session.room_name, model=session.llm)

    :param session: who takes part, and which engines do the work.
    :returns: nothing.

    Errors: an error or overrun is logged with the plugin's name; the conversation goes on.

    Called in: the job's process. For: plugins in use. Since: 0.1.
    """


@hookspec(scope=Scope.IN_USE, may_await=True)
def lk_agents_turn_finished(record: TurnRecord) -> Awaitable[None] | None:
    """Take note that a turn is over: answered, interrupted, without anything to say, or failed.

    Called once for each reply that was begun, when nothing more of it will be heard and its functions have ended. The
    record says how long each stage took and which of them stalled; it holds nothing that anybody has said. A plain
    function is called in the middle of the conversation: only note the record and be quick. May be a coroutine
    function; then nobody waits for it. What is under way when the job ends gets the time of ``lk_agents_job_finished``.

    Example::

        @lk_agents.hookimpl
        def lk_agents_turn_finished(record: TurnRecord) -> None:
            if record.first_played is not None:
                histogram.observe(record.first_played)

    :param record: the turn; :meth:`TurnRecord.to_dict` makes JSON of it.
    :returns: nothing.

    Errors: an error or overrun is logged with the plugin's name; the conversation goes on.

    Called in: the job's process. For: plugins in use. Since: 0.1.
    """


@hookspec(scope=Scope.IN_USE, may_await=True)
def lk_agents_metrics(record: AgentMetrics) -> Awaitable[None] | None:
    """Take note of a measurement: of a recognition, a synthesis, an answer of a model, a turn, a silence too long.

    Called for each record of ``lk_agents.metrics``, where it was measured, so that nothing is counted twice: once per
    request, and about once per second for voice activity detection. A plain function is called in the middle of the
    conversation: only note the record and be quick. May be a coroutine function; then nobody waits for it, several
    may be under way at the same time, and a plugin with 100 of them under way is not called until it has caught up.
    What is under way when the job ends gets the time of ``lk_agents_job_finished``.

    Example::

        @lk_agents.hookimpl
        def lk_agents_metrics(record: AgentMetrics) -> None:
            if isinstance(record, TTSMetrics):
                prices.add(record.provider, characters=record.characters_count)

    :param record: what was measured; the same object for everybody, so do not change it.
    :returns: nothing.

    Errors: an error or overrun is logged with the plugin's name; the conversation goes on.

    Called in: the job's process. For: plugins in use. Since: 0.1.
    """

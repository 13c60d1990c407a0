"""The hook that can refuse a job before the user's own request function is asked."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from lk_agents.hooks.markers import Scope, hookspec

if TYPE_CHECKING:
    from lk_agents.hooks.records import Reject
    from lk_agents.job.request import JobRequest


@hookspec(scope=Scope.IN_USE, may_await=True)
def lk_agents_filter_request(request: JobRequest) -> Reject | Awaitable[Reject | None] | None:
    """Refuse a job that this worker should not take.

    Called when the server offers a job, before ``WorkerOptions.request_fnc``. A filter can only refuse: the first
    refusal ends the round, and the server asks the next worker. If no filter refuses, ``request_fnc`` decides. May
    be a coroutine function; all filters together have the worker's answering deadline (1.5 s by default), because a
    late answer keeps the caller waiting.

    Example::

        @lk_agents.hookimpl
        async def lk_agents_filter_request(request: JobRequest) -> Reject | None:
            if request.room.name.startswith("internal-"):
                return Reject("internal rooms are served elsewhere")
            return None

    :param request: the job as offered: its id, room, publisher and agent name. Do not accept or reject it here.
    :returns: None to let it pass, or a ``Reject`` with the reason.

    Errors: an error, a wrong result or an overrun refuses the job and is logged with the plugin's name: a filter that
    cannot answer must not let everything through.

    Called in: the worker. For: plugins in use. Since: 0.1.
    """

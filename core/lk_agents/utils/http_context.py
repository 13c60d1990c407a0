"""The HTTP session that everything within one job shares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import aiohttp

__all__ = ["HttpSessions", "http_session"]


class _JobSession:
    """Makes the session of one job when it is first asked for."""

    def __init__(self) -> None:
        self.session: aiohttp.ClientSession | None = None
        self.ended = False

    def __call__(self) -> aiohttp.ClientSession:
        if self.ended:  # a task that outlived its job still has the job's context: nobody would close a new session
            raise RuntimeError("the job has ended, and its HTTP session with it")
        if self.session is None or self.session.closed:
            import aiohttp

            self.session = aiohttp.ClientSession(trust_env=True)  # the proxies that the environment names
        return self.session


_current: ContextVar[_JobSession | None] = ContextVar("agent_http_session", default=None)


def http_session() -> aiohttp.ClientSession:
    """Return the job's HTTP session; the same one for all callers, closed when the job ends: never close it.

    :raises RuntimeError: there is no job here, or it has ended. Give the plugin a session of your own then.
    """
    if (job_session := _current.get()) is None:
        raise RuntimeError(
            "there is no HTTP session outside of a job: pass your own to the plugin, for example "
            "http_session=aiohttp.ClientSession(), and close it when you are done"
        )
    return job_session()


class _Closable(Protocol):
    def aclose(self) -> Awaitable[None]: ...


class HttpSessions:
    """The HTTP session of one provider: the user's, else the job's, else one of its own.

    :param given: the user's; None for none.
    """

    def __init__(self, given: aiohttp.ClientSession | None) -> None:
        self._given = given
        self._own: aiohttp.ClientSession | None = None

    def get(self) -> aiohttp.ClientSession:
        """Return a session; needs a running event loop."""
        if self._given is not None:
            return self._given
        try:
            return http_session()
        except RuntimeError:  # not in a job
            if self._own is None or self._own.closed:
                import aiohttp

                self._own = aiohttp.ClientSession(trust_env=True)
            return self._own

    async def aclose(self, *streams: _Closable) -> None:
        """Close the one of its own, if there is one, and before it the streams that talk over it."""
        if self._own is None or self._own.closed:
            return
        for stream in streams:
            await stream.aclose()
        await self._own.close()


def _new_session_ctx() -> Callable[[], aiohttp.ClientSession]:
    """Begin a job: from here on, in this context and the tasks it starts, :func:`http_session` works.

    :returns: what makes or returns the session.
    """
    job_session = _JobSession()
    _current.set(job_session)
    return job_session


async def _close_http_ctx() -> None:
    """End a job: close its session if one was made. Doing it again, or without a job, does nothing."""
    job_session = _current.get()
    if job_session is None:
        return
    _current.set(None)
    job_session.ended = True
    if job_session.session is not None:
        await job_session.session.close()

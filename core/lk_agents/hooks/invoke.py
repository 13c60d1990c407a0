"""Calls hooks: one rule for all of them.

The implementations are walked in the order of :meth:`PluginRegistry.implementations`. Where the hook allows it, an
implementation may return an awaitable, which is awaited under a deadline. An error is logged with the plugin's name
and stops nobody else, except where the caller's decision hangs on it: a refusal (:func:`first_refusal`) and a start
(:func:`run_each`).
"""

from __future__ import annotations

import asyncio
import inspect
import reprlib
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from lk_agents.foundation.clock import monotonic
from lk_agents.foundation.errors import HookError, PluginError
from lk_agents.foundation.log import logger
from lk_agents.hooks.records import Reject

if TYPE_CHECKING:
    from lk_agents.hooks.info import Implementation
    from lk_agents.hooks.registry import PluginRegistry

__all__ = [
    "DEADLINE_SECONDS",
    "Outcome",
    "Result",
    "collect",
    "collect_async",
    "first_refusal",
    "notify",
    "outcome_of",
    "outcomes",
    "run_each",
    "tell",
]

DEADLINE_SECONDS: Final = 10.0
"""How long the implementations of a hook may take where the caller does not say."""

CANCEL_SECONDS: Final = 1.0
"""How long an implementation may take to follow its cancellation before it is given up."""

TOLD_BOUND: Final = 100
"""How many calls of one plugin may be under way that nobody waits for."""

_PLUGIN_ERRORS: Final = (Exception, SystemExit, asyncio.CancelledError)
"""What a call may end with; a cancellation there is the implementation's own, since ours arrives at our awaits."""

ValueT = TypeVar("ValueT")

_given_up: Final[set[asyncio.Task[Any]]] = set()
"""Implementations that ignored their cancellation; kept so that they are not collected while they run."""

_told: Final[dict[asyncio.Task[None], str]] = {}
"""What :func:`tell` left under way, with the plugins' names; kept until it ends."""

_behind: Final[set[str]] = set()
"""Plugins that are told nothing for now, because they have not caught up."""


@dataclass(frozen=True)
class Result(Generic[ValueT]):
    """One value, and which plugin gave it."""

    plugin: str
    value: ValueT


@dataclass(frozen=True)
class Outcome:
    """What came of one implementation: its values, or its error."""

    plugin: str
    values: Sequence[Any] = ()
    error: Exception | None = None


def outcomes(registry: PluginRegistry, hook: str, **arguments: Any) -> list[Outcome]:
    """Call a hook whose implementations are plain functions; tells results and errors apart.

    An iterable is taken as several values (a text is one), None as no value.

    :raises PluginError: there is no such hook, or it has other parameters.
    """
    return [outcome_of(registry, each, **arguments) for each in _implementations(registry, hook, arguments)]


def outcome_of(registry: PluginRegistry, implementation: Implementation, **arguments: Any) -> Outcome:
    """Call one implementation of such a hook, for callers that run each in a thread of its own."""
    call = _Call(registry, implementation, arguments)
    try:
        return Outcome(implementation.plugin, call.plain_values())
    except Exception as error:  # noqa: BLE001  told in the outcome
        return Outcome(implementation.plugin, error=error)


def collect(registry: PluginRegistry, hook: str, **arguments: Any) -> list[Result[Any]]:
    """Call a hook whose implementations are plain functions, and return what all of them give, one by one.

    Errors are logged; of a plugin with an error nothing is returned.

    :raises PluginError: there is no such hook, or it has other parameters.
    """
    found = []
    for outcome in outcomes(registry, hook, **arguments):
        if outcome.error is not None:
            _log_failure(hook, outcome.plugin, outcome.error)
        found += [Result(outcome.plugin, value) for value in outcome.values]
    return found


def run_each(registry: PluginRegistry, hook: str, **arguments: Any) -> None:
    """Call a hook of which every implementation must succeed; the first error ends it.

    :raises HookError: an implementation failed; the text names the plugin.
    :raises PluginError: there is no such hook, or it has other parameters.
    """
    for implementation in _implementations(registry, hook, arguments):
        try:
            _Call(registry, implementation, arguments).plain_values()
        except Exception as error:
            raise HookError(_failure_text(hook, implementation.plugin, error)) from error


async def collect_async(
    registry: PluginRegistry, hook: str, *, deadline_seconds: float = DEADLINE_SECONDS, **arguments: Any
) -> list[Result[Any]]:
    """Call a hook whose implementations may await, and return what all of them give, one by one.

    All are called at once in their order, then what they returned is awaited together, so that a slow one takes no
    time from the others. Errors and overruns are logged; of such a plugin nothing is returned.

    Cancelling it cancels what is still awaited.

    :raises PluginError: there is no such hook, or it has other parameters.
    """
    calls = [_Call(registry, each, arguments) for each in _implementations(registry, hook, arguments)]
    await _finish(calls, deadline_seconds)
    found = []
    for call in calls:
        if call.error is not None:
            _log_failure(hook, call.plugin, call.error)
        else:
            found += [Result(call.plugin, value) for value in call.values]
    return found


async def notify(
    registry: PluginRegistry, hook: str, *, deadline_seconds: float = DEADLINE_SECONDS, **arguments: Any
) -> None:
    """Tell of an event; the same as :func:`collect_async`, whatever the implementations return.

    In what is left of the time it then waits for what :func:`tell` has left under way on this loop, so that at the end
    of a job plugins can finish what they were told before.

    :raises PluginError: there is no such hook, or it has other parameters.
    """
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + deadline_seconds
    await collect_async(registry, hook, deadline_seconds=deadline_seconds, **arguments)
    if told := [task for task in list(_told) if task.get_loop() is loop]:
        await asyncio.wait(told, timeout=max(0.0, ends_at - loop.time()))


def tell(registry: PluginRegistry, hook: str, *, deadline_seconds: float = DEADLINE_SECONDS, **arguments: Any) -> None:
    """Tell of an event where nobody can wait for the plugins; returns at once.

    Plain functions are called before it returns. What others return is awaited in tasks that this module holds until
    they end, under the deadline; the end of the event loop cancels them. Errors and overruns are logged. A plugin
    that has 100 of them under way is not told of further events until it has caught up, which is logged.

    :raises PluginError: there is no such hook, or it has other parameters.
    """
    for implementation in _implementations(registry, hook, arguments):
        if _is_behind(implementation.plugin, hook):
            continue
        call = _Call(registry, implementation, arguments)
        if (task := call.begin()) is not None:
            follower = task.get_loop().create_task(_follow(hook, call, task, deadline_seconds), name="lk-hook-follower")
            _told[follower] = call.plugin
            follower.add_done_callback(_told.pop)
        elif call.error is not None:
            _log_failure(hook, call.plugin, call.error)


def _is_behind(plugin: str, hook: str) -> bool:
    under_way = list(_told.values()).count(plugin)
    if under_way <= TOLD_BOUND // 2:
        _behind.discard(plugin)
    elif under_way >= TOLD_BOUND and plugin not in _behind:
        _behind.add(plugin)
        logger.warning(
            "a plugin does not keep up with what it is told; further events are left out until it does",
            extra={"hook": hook, "plugin": plugin, "under_way": under_way},
        )
    return plugin in _behind


async def _follow(hook: str, call: _Call, task: asyncio.Task[Any], seconds: float) -> None:
    await _settle({task: call}, asyncio.get_running_loop().time() + seconds, seconds)
    if call.error is not None:
        _log_failure(hook, call.plugin, call.error)


async def first_refusal(
    registry: PluginRegistry, hook: str, *, deadline_seconds: float = DEADLINE_SECONDS, **arguments: Any
) -> Reject | None:
    """Ask one implementation after the other whether it refuses; the first refusal ends it.

    An error, a result that is neither None nor ``Reject``, or running out of time refuses too, naming the plugin.

    :param deadline_seconds: for all implementations together.
    :raises PluginError: there is no such hook, or it has other parameters.
    """
    ends_at = asyncio.get_running_loop().time() + deadline_seconds
    for implementation in _implementations(registry, hook, arguments):
        call = _Call(registry, implementation, arguments)
        await _finish([call], ends_at - asyncio.get_running_loop().time())
        if call.error is None and asyncio.get_running_loop().time() > ends_at:
            call.error = TimeoutError(f"blocked the event loop beyond the deadline of {deadline_seconds} s")
        if call.error is not None:
            _log_failure(hook, call.plugin, call.error)
            return Reject(_failure_text(hook, call.plugin, call.error))
        for value in call.values:
            if isinstance(value, Reject):
                return value
            wrong = HookError(f"returned {reprlib.repr(value)}, which is neither None nor a Reject")
            _log_failure(hook, call.plugin, wrong)
            return Reject(_failure_text(hook, call.plugin, wrong))
    return None


class _Call:
    """One call of one implementation, from its arguments to its values."""

    def __init__(self, registry: PluginRegistry, implementation: Implementation, arguments: Mapping[str, Any]) -> None:
        self._implementation = implementation
        self._arguments = arguments
        self._registry = registry
        self._traced = registry.settings.trace_hooks
        self._started_at = monotonic()
        self.plugin = implementation.plugin
        self.values: Sequence[Any] = ()
        self.error: Exception | None = None

    def plain_values(self) -> Sequence[Any]:
        """Call the function and return its values.

        :raises Exception: what it raises.
        """
        try:
            with self._registry.noting_imports(self._implementation):
                result = self._implementation.call(self._arguments)
                if inspect.isawaitable(result):
                    _close(result)
                    raise HookError(f"returned an awaitable; {self._implementation.hook} is called as a plain function")
                self.values = _flat(result)
        except _PLUGIN_ERRORS as error:
            self.error = _as_error(error)
            raise self.error from error.__cause__
        finally:
            self.trace()
        return self.values

    def begin(self) -> asyncio.Task[Any] | None:
        """Call the function; returns a task for what is to be awaited, None if its values are there, or its error."""
        try:
            result = self._implementation.call(self._arguments)
            if inspect.isawaitable(result):
                return self._start(result)
            self.values = _flat(result)
        except _PLUGIN_ERRORS as error:
            self.error = _as_error(error)
        self.trace()
        return None

    def _start(self, result: Awaitable[Any]) -> asyncio.Task[Any]:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:
            _close(result)
            raise HookError("returned an awaitable where no event loop runs") from error
        return loop.create_task(_awaited(result), name=f"{self._implementation.hook}:{self.plugin}")

    def settle(self, task: asyncio.Task[Any], seconds: float) -> None:
        """Take values or error of the task that :meth:`begin` gave."""
        if not task.done() or task.cancelled():
            # An implementation that is cancelled without our doing is an error like any other.
            late = not task.done() or task.cancelling() > 0
            self.error = TimeoutError(f"did not end within {seconds:.3g} s") if late else HookError("cancelled itself")
        else:
            try:
                self.values = _flat(task.result())
            except _PLUGIN_ERRORS as error:
                self.error = _as_error(error)
        self.trace()

    def trace(self) -> None:
        """Log the call if the user asked for it."""
        if not self._traced:
            return
        told = {"error": repr(self.error)} if self.error is not None else {"result": _short.repr(self.values)}
        logger.info(
            "hook called",
            extra={
                "hook": self._implementation.hook,
                "plugin": self.plugin,
                "arguments": {name: _short.repr(value) for name, value in self._arguments.items()},
                "seconds": round(monotonic() - self._started_at, 6),
                **told,
            },
        )


async def _finish(calls: Sequence[_Call], seconds: float) -> None:
    """Make the calls and wait for them; each then has its values or its error."""
    ends_at = asyncio.get_running_loop().time() + seconds
    waiting = {task: call for call in calls if (task := call.begin()) is not None}
    if waiting:
        await _settle(waiting, ends_at, seconds)


async def _settle(waiting: Mapping[asyncio.Task[Any], _Call], ends_at: float, seconds: float) -> None:
    try:
        await asyncio.wait(waiting, timeout=max(0.0, ends_at - asyncio.get_running_loop().time()))
    finally:  # also when we are cancelled: nothing of the plugins' is left running
        await _cancel([task for task in waiting if not task.done()])
    for task, call in waiting.items():
        call.settle(task, seconds)


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
        task.add_done_callback(_look_at)
    if not tasks:
        return
    _, stubborn = await asyncio.wait(tasks, timeout=CANCEL_SECONDS)
    for task in stubborn:
        logger.error("a hook implementation ignores its cancellation and is given up", extra={"task": task.get_name()})
        _given_up.add(task)
        task.add_done_callback(_given_up.discard)


def _look_at(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # else asyncio reports an error that nobody retrieved


async def _awaited(result: Awaitable[Any]) -> Any:
    try:
        return await result
    except SystemExit as error:  # a task that ends with it would end the whole loop
        raise _as_error(error) from error


def _as_error(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else HookError(f"raised {error!r}")


def _close(result: Any) -> None:
    if inspect.iscoroutine(result):
        result.close()  # else Python warns that nobody awaited it


def _flat(result: Any) -> Sequence[Any]:
    if result is None:
        return ()
    if isinstance(result, Iterable) and not isinstance(result, str | bytes | Mapping):
        return tuple(result)
    return (result,)


def _implementations(registry: PluginRegistry, hook: str, arguments: Mapping[str, Any]) -> list[Implementation]:
    parameters = registry.parameters(hook)
    if set(parameters) != set(arguments):
        raise PluginError(f"{hook} takes ({', '.join(parameters)}), and was called with ({', '.join(arguments)})")
    return registry.implementations(hook)


def _failure_text(hook: str, plugin: str, error: Exception) -> str:
    return f"the plugin {plugin!r} failed in {hook}: {type(error).__name__}: {error}"


def _log_failure(hook: str, plugin: str, error: Exception) -> None:
    logger.error("a hook implementation failed", extra={"hook": hook, "plugin": plugin}, exc_info=error)


_short: Final = reprlib.Repr()
_short.maxother = _short.maxstring = 200

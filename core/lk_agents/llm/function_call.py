"""A call that a model has asked for: what it says, and what comes of it."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lk_agents.utils.aio.threads import call_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from lk_agents.llm.annotations import FunctionArgInfo

__all__ = ["CalledFunction", "FunctionCallInfo", "FunctionInfo"]


@dataclass(frozen=True)
class FunctionInfo:
    """A function that a model may call.

    :param auto_retry: kept as given; nothing acts on it.
    :param callable: what is called, with the arguments by name.
    :param arguments: its parameters by name, in the order of their declaration.
    """

    name: str
    description: str
    auto_retry: bool
    callable: Callable[..., Any]
    arguments: dict[str, FunctionArgInfo]


@dataclass(frozen=True)
class FunctionCallInfo:
    """A call that a model has asked for.

    :param tool_call_id: the provider's id of the call, which its result must carry.
    :param raw_arguments: the arguments as the model wrote them, in JSON.
    :param arguments: what they were read as; those that were left out, and have a default, are missing.
    """

    tool_call_id: str
    function_info: FunctionInfo
    raw_arguments: str
    arguments: dict[str, Any]

    def execute(self) -> CalledFunction:
        """Begin the call at once and return it; its task is the caller's to await or cancel.

        A coroutine function runs in the task itself, any other function in a thread of its own with a copy of this
        context (the context variables). Cancelling the task then stops the waiting and drops the result, but the
        thread runs on: a plain function cannot be stopped.
        """
        function = self.function_info.name
        name = f"lk-function {function}"
        call = partial(self.function_info.callable, **self.arguments)
        task = asyncio.get_running_loop().create_task(_call(call, function, thread=name), name=name)
        called = CalledFunction(self, task)
        task.add_done_callback(called._fill)  # noqa: SLF001  the first callback: whoever awaits the task sees it filled
        return called


@dataclass
class CalledFunction:
    """A call that has begun.

    :param task: ends when the call does; with the result of the function, or what it raised.
    :param result: what the function returned, once the task is done.
    :param exception: what it raised, a cancellation included, once the task is done; a ``RuntimeError`` in place of
        what would end the program, such as ``SystemExit``.
    """

    call_info: FunctionCallInfo
    task: asyncio.Task[Any]
    result: Any | None = None
    exception: BaseException | None = None

    def _fill(self, task: asyncio.Task[Any]) -> None:
        self.exception = asyncio.CancelledError() if task.cancelled() else task.exception()
        if self.exception is None:
            self.result = task.result()


async def _call(call: partial[Any], function: str, *, thread: str) -> Any:
    try:
        if _is_async(call.func):
            result = call()
        else:
            result = await call_in_thread(partial(_contained, call, function), name=thread)
        return await result if inspect.isawaitable(result) else result
    except (Exception, asyncio.CancelledError, GeneratorExit):  # the last: it is this coroutine that is closed
        raise
    except BaseException as error:  # a task that ends with SystemExit or KeyboardInterrupt ends the whole loop
        raise RuntimeError(_words(error, function)) from error


def _contained(call: partial[Any], function: str) -> Any:
    """Call in a thread, and raise what a future takes."""
    try:
        return call()
    except BaseException as error:
        if isinstance(error, Exception) and not isinstance(error, StopIteration):
            raise
        raise RuntimeError(_words(error, function)) from error


def _words(error: BaseException, function: str) -> str:
    return f"{function} raised {error!r}"


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004  its kind is asked

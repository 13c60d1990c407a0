"""Named events with callbacks, called one after the other."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar, overload

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger

__all__ = ["EventEmitter"]

EventT = TypeVar("EventT", bound=str)
CallbackT = TypeVar("CallbackT", bound=Callable[..., Any])


def _is_async(callback: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(getattr(callback, "__call__", None))  # noqa: B004  its kind is asked, not whether it exists


def _positional_count(callback: Callable[..., Any]) -> int | None:
    """Return how many positional arguments ``callback`` takes; None for any number."""
    try:
        parameters = inspect.signature(callback).parameters.values()
    except (ValueError, TypeError):  # some built-in functions do not tell
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return sum(
        parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD} for parameter in parameters
    )


class _Handler:
    """One registered callback; ``spent`` once a ``once`` handler has been called."""

    __slots__ = ("callback", "count", "once", "spent")

    def __init__(self, callback: Callable[..., Any], *, once: bool) -> None:
        self.callback = callback
        self.count = _positional_count(callback)
        self.once = once
        self.spent = False

    def call(self, args: tuple[Any, ...]) -> None:
        self.callback(*(args if self.count is None else args[: self.count]))


class EventEmitter(Generic[EventT]):
    """Calls registered callbacks by the name of an event, in the order in which they were registered.

    Callbacks are plain functions; to do asynchronous work, start a task inside one. A callback is kept once per
    event: registering it again changes nothing, except that :meth:`on` makes a callback of :meth:`once` stay.
    Not thread-safe: use it from one thread.
    """

    EVENTS: ClassVar[tuple[str, ...]] = ()
    """The events that there are, for a class that knows them all; others are refused then. Empty: any may come.

    A subclass with events of its own adds their names.
    """

    def __init__(self) -> None:
        self._handlers: dict[EventT, dict[Callable[..., Any], _Handler]] = {}

    def emit(self, event: EventT, *args: Any) -> None:
        """Call every callback of ``event``; those that take fewer positional arguments get the first ones only.

        The round is fixed when it begins: callbacks added or removed meanwhile do not change it. The exception of
        one callback is logged and the next one is called; a ``TypeError`` goes to the caller and ends the round,
        because it mostly means that the callback's parameters do not fit the event.

        :raises TypeError: a callback cannot be called with these arguments, or raised one itself.
        """
        for handler in tuple(self._handlers.get(event, {}).values()):
            if handler.once:
                if handler.spent:
                    continue  # an earlier callback of this round emitted the same event
                handler.spent = True
                self._remove(event, handler)
            try:
                handler.call(args)
            except TypeError:
                raise
            except Exception:  # noqa: BLE001  one listener must not silence the others; the error is logged
                logger.exception("a callback failed", extra={"event": event, "callback": repr(handler.callback)})

    @overload
    def on(self, event: EventT, callback: CallbackT) -> CallbackT: ...

    @overload
    def on(self, event: EventT, callback: None = None) -> Callable[[CallbackT], CallbackT]: ...

    def on(self, event: EventT, callback: CallbackT | None = None) -> CallbackT | Callable[[CallbackT], CallbackT]:
        """Call ``callback`` at every ``event``; without ``callback``, return a decorator.

        :returns: ``callback`` itself.
        :raises ConfigError: there is no such event; it names those of :attr:`EVENTS`.
        :raises ValueError: ``callback`` is a coroutine function.
        """
        return self._register(event, callback, once=False)

    @overload
    def once(self, event: EventT, callback: CallbackT) -> CallbackT: ...

    @overload
    def once(self, event: EventT, callback: None = None) -> Callable[[CallbackT], CallbackT]: ...

    def once(self, event: EventT, callback: CallbackT | None = None) -> CallbackT | Callable[[CallbackT], CallbackT]:
        """Call ``callback`` at the next ``event`` only; without ``callback``, return a decorator.

        :returns: ``callback`` itself, which :meth:`off` takes as well.
        :raises ConfigError: there is no such event; it names those of :attr:`EVENTS`.
        :raises ValueError: ``callback`` is a coroutine function.
        """
        return self._register(event, callback, once=True)

    def off(self, event: EventT, callback: Callable[..., Any]) -> None:
        """Call ``callback`` no more at ``event``; an unknown event or callback is ignored."""
        handler = self._handlers.get(event, {}).get(callback)
        if handler is not None:
            self._remove(event, handler)

    def _register(
        self, event: EventT, callback: CallbackT | None, *, once: bool
    ) -> CallbackT | Callable[[CallbackT], CallbackT]:
        if self.EVENTS and event not in self.EVENTS:
            raise ConfigError(f"{type(self).__name__} has no event {event!r}; it has {', '.join(self.EVENTS)}")
        if callback is None:

            def decorate(function: CallbackT) -> CallbackT:
                self._add(event, function, once=once)
                return function

            return decorate
        self._add(event, callback, once=once)
        return callback

    def _add(self, event: EventT, callback: Callable[..., Any], *, once: bool) -> None:
        if _is_async(callback):
            raise ValueError(
                f"{callback!r} is a coroutine function, which nobody would await here; register a plain function "
                f"and start the work in it with asyncio.create_task()"
            )
        handlers = self._handlers.setdefault(event, {})
        known = handlers.get(callback)
        if known is None:
            handlers[callback] = _Handler(callback, once=once)
        elif not once:
            known.once = False

    def _remove(self, event: EventT, handler: _Handler) -> None:
        handlers = self._handlers.get(event, {})
        if handlers.get(handler.callback) is handler:
            del handlers[handler.callback]
        if not handlers:
            self._handlers.pop(event, None)

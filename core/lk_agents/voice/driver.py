"""The event loop's side of the turn machine: it is told one thing at a time, and woken in time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents.voice.signals import Command, Input, Tick

if TYPE_CHECKING:
    from lk_agents.voice.turn import TurnMachine

__all__ = ["TurnDriver"]


class TurnDriver:
    """Owns a turn machine. Whatever happens is posted here, by anybody on the loop, and is done when ``post`` returns.

    What is posted while something is being done comes after it: the machine sees one thing after the other. Build it
    in a running event loop.

    :param execute: does what the machine asks for, at once; what takes longer it only begins. An error in it is logged
        and ends nothing.
    :param on_handled: told of each input once it is handled, and all that it asks for is done.
    """

    def __init__(
        self, machine: TurnMachine, execute: Callable[[Command], None], *, on_handled: Callable[[Input], None]
    ) -> None:
        self.machine = machine
        self._execute = execute
        self._on_handled = on_handled
        self._inputs: deque[Input] = deque()
        self._busy = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def post(self, event: Input) -> None:
        """Tell the machine what has happened, and do what it asks for. After :meth:`close` nothing happens."""
        if self._closed:
            return
        self._inputs.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._inputs and not self._closed:
                next_input = self._inputs.popleft()
                for command in self.machine.handle(next_input):
                    self._do(command)
                self._on_handled(next_input)
        finally:
            self._busy = False
        self._set_timer()

    def close(self) -> None:
        """Tell the machine nothing more. Any number of times."""
        self._closed = True
        self._inputs.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _do(self, command: Command) -> None:
        try:
            self._execute(command)
        except Exception:  # noqa: BLE001  what comes after it is done all the same
            logger.exception("a step of a conversation failed", extra={"step": type(command).__name__})

    def _set_timer(self) -> None:
        due = None if self._closed else self.machine.next_deadline
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_later(max(due - clock.monotonic(), 0.0), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.post(Tick(clock.monotonic()))

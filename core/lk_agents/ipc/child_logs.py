"""Logs of a child: each record goes to the worker at once, which re-emits it through its own logger of that name.

So levels, handlers and format are set once, in the worker, and no line before a SIGKILL is lost.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Protocol

from lk_agents.ipc.messages import LogLine

__all__ = ["LineWriter", "LogForwarding", "SideHandler", "emit_line", "in_silence", "levels_in_force"]

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_PLAIN: Final = (str, int, float, bool, type(None))
_silent: ContextVar[bool] = ContextVar("lk_agents_silent", default=False)


@contextmanager
def in_silence() -> Iterator[None]:
    """Send no line of this context, and of the tasks that it starts, to the worker."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)


class LineWriter(Protocol):
    """What takes lines to the worker."""

    def send(self, message: LogLine, *, level: int) -> None:
        """Send a line of that level, or drop it."""


class SideHandler(logging.Handler):
    """Sends each record through the side channel, once there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.side: LineWriter | None = None
        self.fields: Callable[[], Mapping[str, Any]] = dict

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record now; one that cannot be sent is reported as logging reports such things."""
        if self.side is None:
            return
        try:
            line = line_of(record, self.fields())
            if not _silent.get():
                self.side.send(line, level=record.levelno)
        except Exception:  # noqa: BLE001  what logging.Handler asks for
            self.handleError(record)


def line_of(record: logging.LogRecord, fields: Mapping[str, Any] | None = None) -> LogLine:
    """Return the record, with ``fields`` beside its own, as plain data; values that are none become their ``repr``."""
    exception = record.exc_text or ""
    if record.exc_info and not exception:
        exception = "".join(traceback.format_exception(*record.exc_info)).rstrip()
    if record.stack_info:
        exception = f"{exception}\n{record.stack_info}".lstrip()
    return LogLine(
        level=record.levelno,
        logger=record.name,
        text=record.getMessage(),
        created=record.created,
        exception=exception,
        extras={
            key: _plain(value)
            for key, value in {**(fields or {}), **vars(record)}.items()
            if key not in _STANDARD and key[0] != "_"
        },
    )


def _plain(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return repr(value)


class LogForwarding:
    """Makes every logger of this process send to the worker.

    Handlers that a process inherited are dropped: they are the worker's, and it runs them. Handlers that user code
    adds later in a child are its own. A zygote builds this before it freezes its memory, so that a child only has to
    say where lines go: whatever a child changes costs it a page.
    """

    def __init__(self) -> None:
        self._handler = SideHandler()
        named = [each for each in logging.Logger.manager.loggerDict.values() if isinstance(each, logging.Logger)]
        for each in named:
            if each.handlers:
                each.handlers[:] = [] if each.propagate else [self._handler]
        logging.getLogger().handlers[:] = [self._handler]
        self._levels = levels_in_force()

    def begin(
        self, side: LineWriter, levels: dict[str, int], fields: Callable[[], Mapping[str, Any]] | None = None
    ) -> None:
        """Send through ``side`` from now on, at the worker's levels.

        :param fields: returns what every line of this process carries at that moment.
        """
        self._handler.side = side
        if fields is not None:
            self._handler.fields = fields
        if levels == self._levels:
            return
        for name, level in levels.items():
            target = logging.getLogger(name or None)
            if target.level != level:
                target.setLevel(level)


def levels_in_force() -> dict[str, int]:
    """Return the level of each logger of this process that has one, ``""`` for the root."""
    levels = {"": logging.getLogger().level}
    for name, existing in list(logging.Logger.manager.loggerDict.items()):
        if isinstance(existing, logging.Logger) and existing.level != logging.NOTSET:
            levels[name] = existing.level
    return levels


def emit_line(line: LogLine, fields: dict[str, Any]) -> None:
    """Re-emit a child's log line in the worker, with ``fields`` (``pid``, ``job_id``) beside its own extras."""
    target = logging.getLogger(line.logger)
    if not target.isEnabledFor(line.level):
        return
    record = target.makeRecord(target.name, line.level, "(child process)", 0, line.text, (), None)
    record.created = line.created
    record.msecs = (line.created % 1) * 1000
    record.exc_text = line.exception or None
    for key, value in {**line.extras, **fields}.items():
        if key not in _STANDARD:
            setattr(record, key, value)
    target.handle(record)

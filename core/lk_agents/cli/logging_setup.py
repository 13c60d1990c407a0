"""Logs of a command: coloured lines for a person, one JSON object a line for a machine.

Only the command line calls this, because only it owns the process. A user's file that has set up the root logger
keeps its own set-up: then levels are set, and nothing else.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from types import TracebackType
from typing import Any, Final, Literal, TextIO, TypeAlias

from lk_agents.cli.redaction import Redactor
from lk_agents.foundation.log import logger

__all__ = [
    "TURN_FINISHED",
    "JsonFormatter",
    "LogFormat",
    "TextFormatter",
    "is_terminal",
    "level_plugin_loggers",
    "set_up_logging",
    "temporary_logging",
]

LogFormat: TypeAlias = Literal["json", "text"]

_NOISY: Final = (
    "anthropic",
    "aiobotocore",
    "asyncio",
    "botocore",
    "httpcore",
    "httpx",
    "openai",
    "watchfiles",
    "websockets.client",
)

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

TURN_FINISHED: Final = "turn finished"
"""What ``lk_agents.voice`` logs of each turn, with the stages as extra fields."""

_DEEPEST: Final = 8
"""How deep a value is shown that JSON cannot hold as it is."""

_COLOURS: Final[Mapping[str, str]] = {
    "DEBUG": "\033[36m",
    "INFO": "\033[32m",
    "WARNING": "\033[33m",
    "ERROR": "\033[31m",
    "CRITICAL": "\033[1;31m",
    "DEV": "\033[35m",
}
_GRAY: Final = "\033[90m"
_RESET: Final = "\033[0m"


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD and not key.startswith("_")}


def _to_json(value: object) -> str | None:
    """Turn what JSON does not know into text, None if even that fails."""
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, TracebackType):
        return "".join(traceback.format_tb(value)).strip()
    try:
        return str(value)
    except Exception:  # noqa: BLE001  a log line must not fail because an object cannot describe itself
        return None


def _dumps(value: Mapping[str, Any]) -> str:
    try:
        return json.dumps(value, default=_to_json, allow_nan=False)
    except (TypeError, ValueError, RecursionError):  # keys that are no text, circles, infinities
        return json.dumps(_plain(value))


def _plain(value: Any, depth: int = 0) -> Any:
    """Return what JSON can hold of ``value``."""
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if depth < _DEEPEST and isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    return _to_json(value)


class JsonFormatter(logging.Formatter):
    """One ASCII JSON object: message, level, name, exc_info, stack_info, extras, timestamp (UTC)."""

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {"message": "", "level": record.levelname, "name": record.name}
        if isinstance(record.msg, dict):
            line.update(record.msg)
        else:
            line["message"] = record.getMessage()
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exc_info"] = record.exc_text
        if record.stack_info:
            line["stack_info"] = self.formatStack(record.stack_info)
        line.update(_extras(record))
        # the record's own time is converted here; no clock is read
        line["timestamp"] = datetime.fromtimestamp(record.created, tz=UTC).isoformat()
        return self._redact(_dumps(line))


class TextFormatter(logging.Formatter):
    """``time - LEVEL name - message {extras}``, with colours on demand; tracebacks follow.

    :param tables: show the extras of a finished turn as a table below the line.
    """

    def __init__(self, redact: Callable[[str], str] = str, *, colours: bool = False, tables: bool = False) -> None:
        super().__init__()
        self._redact = redact
        self._colours = colours
        self._tables = tables

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the base class's name
        """Return the first line."""
        level, extras = f"{record.levelname:<4}", _extras(record)
        if self._tables and record.msg == TURN_FINISHED and (table := self._table(extras)) is not None:
            return f"{record.asctime} - {level} {record.name} - {record.message}\n{table}"
        rest = _dumps(extras) if extras else ""
        if self._colours:
            level = f"{_COLOURS.get(record.levelname, '')}{level}{_RESET}"
            rest = f"{_GRAY}{rest}" if rest else ""
        head = f"{record.asctime} - {level} {record.name} - {record.message}"
        end = _RESET if self._colours else ""
        return f"{head} {rest}{end}" if rest else f"{head}{end}"

    def _table(self, extras: Mapping[str, Any]) -> str | None:
        from lk_agents.cli.turn_table import logged_turn

        return logged_turn(extras, colours=self._colours)

    def usesTime(self) -> bool:  # noqa: N802  the base class's name
        """Say that lines carry the time."""
        return True

    def format(self, record: logging.LogRecord) -> str:
        """Return the line and what follows it."""
        return self._redact(super().format(record))


def is_terminal(stream: TextIO) -> bool:
    """Whether a person reads ``stream``."""
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def _handler(log_format: LogFormat | None, redactor: Redactor, no_color: bool) -> logging.Handler:
    stream = sys.stderr
    terminal = is_terminal(stream)
    chosen = log_format or ("text" if terminal else "json")
    handler = logging.StreamHandler(stream)
    if chosen == "json":
        handler.setFormatter(JsonFormatter(redactor))
    else:
        handler.setFormatter(TextFormatter(redactor, colours=terminal and not no_color, tables=terminal))
    return handler


def _level_if_unset(names: Iterable[str | logging.Logger], level: int) -> None:
    for name in names:
        target = logging.getLogger(name) if isinstance(name, str) else name
        if target.level == logging.NOTSET:
            target.setLevel(level)


def set_up_logging(
    level: str, log_format: LogFormat | None, redactor: Redactor, *, no_color: bool = False
) -> logging.Handler | None:
    """Install one handler on the root logger, unless the user's code has put its own there.

    :param level: a level's name in any case; applied to the framework's logger only where the user set none.
    :param log_format: None for text on a terminal and JSON otherwise.
    :returns: the handler, or None if the root logger was the user's already.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    if _temporary is not None:  # this is called from the file that is being loaded
        _temporary.end()
    _level_if_unset((logger,), number)
    _level_if_unset(_NOISY, logging.WARNING)
    root = logging.getLogger()
    if root.handlers:
        return None
    handler = _handler(log_format, redactor, no_color)
    root.addHandler(handler)
    root.setLevel(number)
    return handler


def level_plugin_loggers(level: str) -> None:
    """Give plugins' loggers the level where they have none: those of today, and those registered later."""
    from lk_agents.plugin import Plugin

    number = logging.getLevelNamesMapping()[level.upper()]

    def give(plugin: Plugin) -> None:
        if plugin.logger is not None:
            _level_if_unset((plugin.logger,), number)

    for plugin in Plugin.registered_plugins:
        give(plugin)
    Plugin.emitter.on("plugin_registered", give)


class _Temporary:
    """The framework's lines while the user's file is loaded; ended once, by whoever comes first."""

    def __init__(self, handler: logging.Handler, level: int) -> None:
        self._handler = handler
        self._level = level
        self._before = logger.level
        logger.addHandler(handler)
        logger.setLevel(level)

    def end(self) -> None:
        """Put back what was before, as far as the user's file has not changed it. Idempotent."""
        global _temporary
        _temporary = None
        logger.removeHandler(self._handler)
        if logger.level == self._level:
            logger.setLevel(self._before)
            self._level = -1


_temporary: _Temporary | None = None  # owned by temporary_logging


@contextmanager
def temporary_logging(
    level: str, log_format: LogFormat | None, redactor: Redactor, *, no_color: bool = False
) -> Iterator[None]:
    """Show the framework's lines while the user's file is loaded, without touching the root logger.

    The file may then still call ``logging.basicConfig``, which does nothing where a handler exists. It ends early
    when the file's ``run_app`` sets up logging for good.
    """
    global _temporary
    temporary = _temporary = _Temporary(
        _handler(log_format, redactor, no_color), logging.getLevelNamesMapping()[level.upper()]
    )
    try:
        yield
    finally:
        temporary.end()

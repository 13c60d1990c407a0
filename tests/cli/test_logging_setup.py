from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import pytest

from lk_agents.cli.logging_setup import JsonFormatter, TextFormatter, set_up_logging, temporary_logging
from lk_agents.cli.redaction import Redactor
from lk_agents.foundation.log import DEV_LEVEL, logger


def record(msg: object = "hello", level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    return logging.getLogger("some.name").makeRecord(
        "some.name",
        level,
        "file.py",
        1,
        msg,
        (),
        None,
        extra=extra or None,
    )


@contextmanager
def bare_loggers() -> Iterator[None]:
    """The root logger as a fresh process has it; afterwards everything is as before."""
    root = logging.getLogger()
    handlers, level, own = root.handlers[:], root.level, logger.level
    root.handlers[:] = []
    logger.setLevel(logging.NOTSET)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logger.setLevel(own)


class NoText:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_a_json_line_has_its_keys_in_order() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        made = record(room="demo", count=2)
        made.exc_info = sys.exc_info()
        made.stack_info = "Stack: here"

    line = json.loads(JsonFormatter().format(made))

    assert list(line) == ["message", "level", "name", "exc_info", "stack_info", "room", "count", "timestamp"]
    assert line["message"] == "hello"
    assert line["level"] == "INFO"
    assert "ValueError: broken" in line["exc_info"]
    assert line["timestamp"].endswith("+00:00")


def test_a_json_line_is_ascii_and_one_line() -> None:
    line = JsonFormatter().format(record("naïve\nline"))

    assert line.isascii()
    assert "\n" not in line


def test_the_items_of_a_message_that_is_a_dict_replace_level_and_name() -> None:
    line = json.loads(JsonFormatter().format(record({"level": "odd", "other": 1})))

    assert line["message"] == ""
    assert line["level"] == "odd"
    assert line["name"] == "some.name"
    assert line["other"] == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (date(2024, 2, 29), "2024-02-29"),
        (ValueError("x"), "x"),
        (ValueError, "<class 'ValueError'>"),
        (NoText(), None),
        ({1: 2}, {"1": 2}),
        (float("inf"), "inf"),
        ({"deep": [float("nan"), (1, None)]}, {"deep": ["nan", [1, None]]}),
    ],
)
def test_a_value_that_json_does_not_know_is_shown_as_text(value: object, shown: object) -> None:
    assert json.loads(JsonFormatter().format(record(value=value)))["value"] == shown


def test_a_circle_does_not_break_the_line() -> None:
    circle: dict[str, object] = {}
    circle["me"] = circle

    assert json.loads(JsonFormatter().format(record(value=circle)))["message"] == "hello"


def test_a_text_line_for_a_person_has_colours_and_gray_extras() -> None:
    line = TextFormatter(colours=True).format(record("hello", DEV_LEVEL, room="demo"))

    assert ' - \033[35mDEV \033[0m some.name - hello \033[90m{"room": "demo"}\033[0m' in line


def test_a_text_line_without_colours_has_no_escapes() -> None:
    line = TextFormatter().format(record("hello", room="demo"))

    assert line.endswith('INFO some.name - hello {"room": "demo"}')
    assert "\033" not in line


@pytest.mark.parametrize("formatter", [JsonFormatter, TextFormatter])
def test_secrets_in_tracebacks_messages_and_extras_are_cut_out(formatter: type[JsonFormatter]) -> None:
    redact = Redactor()
    redact.add("canary-secret")
    try:
        raise ValueError("refused canary-secret")
    except ValueError:
        made = record("sent canary-secret", header="canary-secret")
        made.exc_info = sys.exc_info()

    assert "canary" not in formatter(redact).format(made)


def test_the_root_logger_of_the_user_is_left_alone() -> None:
    with bare_loggers():
        root = logging.getLogger()
        own = logging.StreamHandler(io.StringIO())
        root.addHandler(own)

        assert set_up_logging("INFO", "json", Redactor()) is None
        assert root.handlers == [own]
        assert logger.level == logging.INFO


def test_without_a_handler_the_root_logger_gets_ours(capsys: pytest.CaptureFixture[str]) -> None:
    with bare_loggers():
        set_up_logging("debug", None, Redactor())

        logging.getLogger("anything").debug("said")

        assert json.loads(capsys.readouterr().err)["message"] == "said"  # no terminal, so JSON
        assert logging.getLogger("httpx").level == logging.WARNING


def test_a_level_that_the_user_chose_stays() -> None:
    with bare_loggers():
        logger.setLevel(logging.ERROR)

        set_up_logging("DEBUG", "json", Redactor())

        assert logger.level == logging.ERROR


def test_while_a_file_loads_the_root_logger_stays_free() -> None:
    with bare_loggers():
        with temporary_logging("INFO", "json", Redactor()):
            assert logging.getLogger().handlers == []
            assert logger.isEnabledFor(logging.INFO)
        assert logger.handlers == []


def test_the_set_up_that_a_loading_file_makes_replaces_the_temporary_one() -> None:
    with bare_loggers():
        with temporary_logging("DEBUG", "json", Redactor()):
            handler = set_up_logging("INFO", "json", Redactor())

            assert logger.handlers == []
            assert logger.level == logging.INFO
        assert logging.getLogger().handlers == [handler]
        assert logger.level == logging.INFO


def test_a_level_that_the_loading_file_sets_stays() -> None:
    with bare_loggers():
        with temporary_logging("DEBUG", "json", Redactor()):
            logger.setLevel(logging.ERROR)
        assert logger.level == logging.ERROR


def finished_turn() -> logging.LogRecord:
    """Return the line of a turn as the framework logs it, with what a job adds."""
    from lk_agents.voice.records import Outcome, TurnRecord
    from lk_agents.voice.waterfall import log_turn

    kept: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    handler, level = Keeping(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        log_turn(
            TurnRecord(turn=2, speech="SP_1", timestamp=1.0, outcome=Outcome.SPOKEN, decision=0.5, first_played=0.75)
        )
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    (record,) = kept
    record.job_id = "AJ_1"
    return record


def test_on_a_terminal_a_finished_turn_is_a_table() -> None:
    line, title, _, *rows = TextFormatter(tables=True).format(finished_turn()).splitlines()

    assert line.endswith("- INFO lk_agents - turn finished")
    assert title.split() == ["turn", "2:", "spoken"]
    assert [row.split()[-4:] for row in rows] == [["500", "ms", "500", "ms"], ["750", "ms", "250", "ms"]]


def test_elsewhere_a_finished_turn_is_a_line_with_fields() -> None:
    for formatter in (TextFormatter(), JsonFormatter()):
        (line,) = formatter.format(finished_turn()).splitlines()
        assert '"decision": 0.5' in line
        assert '"job_id": "AJ_1"' in line


def test_a_line_of_the_same_words_that_is_no_turn_stays_a_line() -> None:
    record = logging.makeLogRecord({"msg": "turn finished", "levelname": "INFO", "name": "mine", "player": "black"})

    (line,) = TextFormatter(tables=True).format(record).splitlines()
    assert line.endswith('- turn finished {"player": "black"}')

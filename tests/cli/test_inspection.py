"""``plugins``, ``doctor``, ``download-files`` and the commands of plugins, as a user types them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lk_agents.cli.serve import FAILED, FINE, USAGE
from lk_agents.testing.server import FakeLiveKitServer, Faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Bench

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


def site(bench: Bench) -> Path:
    return bench.folder / "site"


async def run(bench: Bench, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run ``lk-agents`` with the bench's plugins alone."""
    there = ",".join(info.name.removeprefix("lk_agents_").partition("-")[0] for info in site(bench).glob("*.dist-info"))
    plugins = environment.pop("LK_AGENTS_PLUGINS", there)
    full = bench.environment(PYTHONPATH=str(site(bench)), LK_AGENTS_PLUGINS=plugins, **environment)
    async with bench.running("-m", "lk_agents", *arguments, environment=full) as command:
        return await command.end()


async def run_json(bench: Bench, *arguments: str, **environment: str) -> tuple[int, Any]:
    code, output = await run(bench, *arguments, "--json", "--log-level", "CRITICAL", **environment)
    return code, json.loads(output)


def server_of(bench: Bench) -> FakeLiveKitServer:
    assert bench.server is not None
    return bench.server


# --- plugins ---------------------------------------------------------------------------------------


async def test_plugins_lists_working_disabled_and_broken_ones(bench: Bench, installed: Callable[[str], None]) -> None:
    installed("files")
    installed("broken")

    code, rows = await run_json(bench, "plugins")
    by_name = {row["name"]: row for row in rows}

    assert code == FINE
    assert by_name["files"]["distribution"] == "lk-agents-files"
    assert by_name["files"]["version"] == "1.2.3"
    assert by_name["files"]["hooks"] == ["lk_agents_register_plugin"]
    assert by_name["files"]["missing_files"] == ["model.bin"]
    assert by_name["files"]["in_use"] is None
    assert "needs a newer acme" in by_name["broken"]["error"]
    assert by_name["server"]["disabled"] == "LK_AGENTS_PLUGINS"


async def test_plugins_says_what_a_file_uses(bench: Bench, installed: Callable[[str], None]) -> None:
    installed("files")
    installed("commands")
    bench.write('options = WorkerOptions(entry, plugins=["files"])')

    code, rows = await run_json(bench, "plugins", "my_agent.py")
    by_name = {row["name"]: row["in_use"] for row in rows}

    assert code == FINE
    assert by_name["files"] is True
    assert by_name["commands"] is False


async def test_plugins_shows_what_each_plugin_offers(bench: Bench, installed: Callable[[str], None]) -> None:
    installed("providers")
    installed("files")

    _, rows = await run_json(bench, "plugins")
    _, table = await run(bench, "plugins")

    assert {row["name"]: row["offers"] for row in rows if not row["disabled"]} == {
        "providers": ["stt acme", "turn_detector acme"],
        "files": [],
    }
    assert "turn_detector acme" in table


async def test_the_table_of_plugins_is_readable_without_a_terminal(
    bench: Bench, installed: Callable[[str], None]
) -> None:
    installed("files")

    code, output = await run(bench, "plugins")

    assert code == FINE
    assert "1 missing" in output
    assert "\033" not in output


# --- doctor ----------------------------------------------------------------------------------------


async def test_doctor_finds_nothing_wrong_in_a_good_set_up(bench: Bench, installed: Callable[[str], None]) -> None:
    installed("commands")
    bench.write()

    code, report = await run_json(bench, "doctor", "my_agent.py")
    by_name = {check["name"]: check for check in report["checks"]}

    assert report["problems"] == 0, report
    assert code == FINE
    assert "runs version 0.0.0-fake" in by_name["server"]["detail"]
    assert by_name["api_secret"]["detail"] == "from LIVEKIT_API_SECRET"
    assert server_of(bench).broken_rules == []


@pytest.mark.parametrize(
    ("environment", "name", "words"),
    [
        ({"LIVEKIT_API_SECRET": ""}, "api_secret", "set LIVEKIT_API_SECRET"),
        ({"LIVEKIT_API_KEY": ""}, "api_key", "set LIVEKIT_API_KEY"),
        ({"LIVEKIT_URL": ""}, "url", "set LIVEKIT_URL"),
        ({"LIVEKIT_API_SECRET": "canary-of-a-secret-that-is-wrong"}, "server", "must be a pair"),
        ({"LIVEKIT_URL": "ws://127.0.0.1:1"}, "server", "check LIVEKIT_URL"),
        ({"LIVEKIT_URL": "no url at all"}, "server", "check LIVEKIT_URL"),
    ],
)
async def test_doctor_names_each_finding_with_its_remedy(
    bench: Bench, environment: dict[str, str], name: str, words: str
) -> None:
    code, report = await run_json(bench, "doctor", **environment)
    (problem,) = [check for check in report["checks"] if check["status"] == "problem"]

    assert code == FAILED
    assert problem["name"] == name
    assert words in problem["remedy"]
    assert "canary" not in json.dumps(report)


async def test_doctor_finds_broken_plugins_missing_files_and_wrong_options(
    bench: Bench, installed: Callable[[str], None]
) -> None:
    installed("files")
    installed("broken")
    bench.write('options = WorkerOptions(entry, max_jobs=0, plugins=["files"])')

    code, report = await run_json(bench, "doctor", "my_agent.py", "--no-server")
    problems = {check["name"]: check for check in report["checks"] if check["status"] == "problem"}

    assert code == FAILED
    assert set(problems) == {"plugin files", "plugin broken", "options"}
    assert problems["plugin files"]["remedy"] == "lk-agents download-files files"
    assert "needs a newer acme" in problems["plugin broken"]["detail"]
    assert "max_jobs" in problems["options"]["detail"]


async def test_doctor_of_a_server_that_does_not_take_workers(bench: Bench) -> None:
    server_of(bench).faults = Faults(refuse_status=404)

    code, output = await run(bench, "doctor")

    assert code == FAILED
    assert "HTTP 404" in output
    assert "1 problem found." in output


async def test_the_file_itself_can_be_asked_what_is_wrong(bench: Bench) -> None:
    bench.write()
    async with bench.running("my_agent.py", "doctor") as command:
        code, output = await command.end()

    assert code == FINE, output
    assert "Nothing is wrong." in output


# --- download-files --------------------------------------------------------------------------------


async def test_downloads_what_is_missing_and_nothing_twice(bench: Bench, installed: Callable[[str], None]) -> None:
    installed("files")

    first = await run(bench, "download-files")
    second = await run(bench, "download-files")

    assert first[0] == second[0] == FINE, first
    assert "Every file is there." in first[1]
    assert "Nothing to download" in second[1]
    assert (site(bench) / "downloads.txt").read_text() == "downloaded\n"


async def test_each_plugin_that_failed_is_named_and_the_others_are_fetched(
    bench: Bench, installed: Callable[[str], None]
) -> None:
    installed("files")
    installed("failing")
    installed("broken")

    code, output = await run(bench, "download-files")

    assert code == FAILED
    assert "failed: Failing (lk_agents_failing): the disk is full" in output
    assert "failed: " in output
    assert "needs a newer acme" in output
    assert (site(bench) / "model.bin").exists()


@pytest.mark.parametrize("name", ["files", "lk-agents-files", "lk_agents_files"])
async def test_a_plugin_may_be_named_in_each_of_its_ways(
    bench: Bench, installed: Callable[[str], None], name: str
) -> None:
    installed("files")
    installed("failing")

    code, output = await run(bench, "download-files", name)

    assert code == FINE, output


async def test_a_name_of_no_plugin_is_an_error_that_lists_those_that_are(
    bench: Bench, installed: Callable[[str], None]
) -> None:
    installed("files")

    code, output = await run(bench, "download-files", "filse")

    assert code == FAILED
    assert "no plugin 'filse'; installed are: files" in output


async def test_doctor_finds_a_misspelt_name_in_the_environment(bench: Bench, installed: Callable[[str], None]) -> None:
    installed("commands")

    code, report = await run_json(bench, "doctor", "--no-server", LK_AGENTS_DISABLED_PLUGINS="comands")

    assert code == FAILED
    (problem,) = (check for check in report["checks"] if check["status"] == "problem")
    assert "LK_AGENTS_DISABLED_PLUGINS names 'comands'" in problem["detail"]
    assert "did you mean 'commands'" in problem["detail"]


# --- commands of plugins ---------------------------------------------------------------------------


async def test_commands_of_plugins_are_listed_and_run(bench: Bench, installed: Callable[[str], None]) -> None:
    installed("commands")
    installed("broken")

    code, output = await run(bench, "--help")
    assert code == FINE
    assert "say-it  Say it, in one line." in output
    assert "A name that is taken" not in output

    code, output = await run(bench, "say-it")
    assert code == FINE
    assert output.endswith("said\n")


async def test_a_command_of_nobody_is_wrong_usage(bench: Bench) -> None:
    code, output = await run(bench, "no-such-command")

    assert code == USAGE
    assert "no-such-command" in output


# --- secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["start", "my_agent.py"],
        ["dev", "my_agent.py", "--no-watch"],
        ["connect", "my_agent.py", "--room", "r", "--no-watch"],
        ["plugins", "my_agent.py"],
        ["doctor", "my_agent.py"],
        ["download-files"],
        ["--help"],
    ],
    ids=lambda arguments: arguments[0],
)
async def test_no_command_prints_the_secret(bench: Bench, arguments: list[str]) -> None:
    canary = "canary-secret-of-more-than-32-characters"
    server_of(bench).faults = Faults(refuse_status=401)
    bench.write(
        """
        async def request(req): ...

        import logging

        class Shows(WorkerOptions):
            def validate_config(self, devmode):
                logging.getLogger("mine").warning("I show %s", self.api_secret)

        if __name__ == "__main__":
            cli.run_app(Shows(entry, request_fnc=request, port=0, host="127.0.0.1"))
        """
    )
    _, output = await run(bench, *arguments, LIVEKIT_API_SECRET=canary)

    assert output
    assert canary not in output
    if arguments[0] in {"start", "dev", "connect"}:
        assert "I show [redacted]" in output

"""``start`` as a user types it, in both of its forms, against a server that speaks the workers' protocol."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

import pytest

from lk_agents.cli.serve import FAILED, FINE, USAGE
from lk_agents.testing.server import FakeLiveKitServer, Faults

if TYPE_CHECKING:
    from tests.cli.conftest import Bench, Form

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

ALL_FORMS = ["python my_agent.py", "lk-agents with run_app", "lk-agents with options", "lk-agents with a name"]
SOON = 30.0

IGNORES_THE_END = """
async def entry(ctx):
    async def slow():
        note("slow callback")
        await asyncio.sleep(3600)
    ctx.add_shutdown_callback(slow)
    note(f"job {ctx.job.room.name}")
    await asyncio.sleep(3600)
"""


def server_of(bench: Bench) -> FakeLiveKitServer:
    assert bench.server is not None
    return bench.server


@pytest.mark.parametrize("form", ALL_FORMS, indirect=True)
async def test_every_form_serves_drains_and_ends_with_zero(bench: Bench, form: Form) -> None:
    text, arguments = form
    server = server_of(bench)
    file = bench.write(text)
    async with bench.running(*arguments("start", file), "--log-level", "DEBUG") as command:
        await server.wait_worker(seconds=SOON)
        dispatch = await server.dispatch("the-room")
        assert dispatch.outcome == "assigned"
        await bench.until(lambda lines: lines == ["job the-room v1 other"])

        command.signal(signal.SIGTERM)
        await server.until(lambda: not server.workers or server.workers[-1].full, seconds=1.0)  # it drains
        await server.workers[-1].terminate(dispatch.job.id)
        code, output = await command.end()

        assert code == FINE, output
        assert bench.lines() == ["job the-room v1 other", "over the-room"]
        assert output.count('"the worker is closed"') == 1  # no terminal, so JSON
        await command.nothing_is_left()


@pytest.mark.parametrize("form", ALL_FORMS, indirect=True)
async def test_x25_every_form_says_by_its_exit_code_that_the_worker_failed(bench: Bench, form: Form) -> None:
    text, arguments = form
    server_of(bench).faults = Faults(refuse_status=401)
    async with bench.running(*arguments("start", bench.write(text))) as command:
        code, output = await command.end()

    assert code == FAILED, output
    assert server_of(bench).api_key in output, "the message names the key"


@pytest.mark.parametrize("form", ALL_FORMS, indirect=True)
async def test_every_form_says_what_is_missing_in_the_set_up(bench: Bench, form: Form) -> None:
    text, arguments = form
    environment = bench.environment(LIVEKIT_API_SECRET="")
    async with bench.running(*arguments("start", bench.write(text)), environment=environment) as command:
        code, output = await command.end()

    assert code == USAGE, output
    assert "LIVEKIT_API_SECRET" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("form", ALL_FORMS, indirect=True)
async def test_every_form_refuses_an_unknown_option(bench: Bench, form: Form) -> None:
    text, arguments = form
    async with bench.running(*arguments("start", bench.write(text)), "--no-such-thing") as command:
        code, output = await command.end()

    assert code == USAGE
    assert "--no-such-thing" in output


async def test_a_file_that_raises_shows_its_own_traceback_and_no_secret(bench: Bench) -> None:
    bench.write("raise ValueError('the canary is ' + os.environ['LIVEKIT_API_SECRET'])")
    async with bench.running("-m", "lk_agents", "start", "my_agent.py") as command:
        code, output = await command.end()

    assert code == FAILED
    assert "ValueError: the canary is [redacted]" in output
    assert "my_agent.py" in output
    assert "app_loading" not in output, "our own frames tell nobody anything"


@pytest.mark.parametrize("limit", ["1", "0"])
async def test_x02_jobs_over_the_drain_time_are_ended_with_their_callbacks(bench: Bench, limit: str) -> None:
    server = server_of(bench)
    bench.write()
    async with bench.running("my_agent.py", "start", "--drain-timeout", limit) as command:
        await server.wait_worker(seconds=SOON)
        await server.dispatch("the-room")
        await bench.until(lambda lines: len(lines) == 1)

        command.signal(signal.SIGINT)
        code, output = await command.end()

        assert code == FINE, output
        assert bench.lines()[-1] == "over the-room"
        await command.nothing_is_left()


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
async def test_a_second_signal_ends_everything_within_five_seconds(bench: Bench, first: signal.Signals) -> None:
    server = server_of(bench)
    bench.write(before=IGNORES_THE_END)
    async with bench.running("my_agent.py", "start") as command:
        await server.wait_worker(seconds=SOON)
        await server.dispatch("the-room")
        await bench.until(lambda lines: len(lines) == 1)

        command.signal(first)
        await server.until(lambda: not server.workers or server.workers[-1].full)
        command.signal(signal.SIGINT)
        asked_at = time.monotonic()
        code, output = await command.end()

        assert code == FAILED, output
        assert time.monotonic() - asked_at < 5.0
        await command.nothing_is_left(1.0)


async def test_a_second_signal_ends_a_worker_whose_loop_is_blocked(bench: Bench) -> None:
    server = server_of(bench)
    bench.write(
        """
        import time

        async def request(req):
            note("blocked")
            while True:
                try:
                    time.sleep(3600)
                except Exception:
                    pass

        if __name__ == "__main__":
            cli.run_app(WorkerOptions(entry, request_fnc=request, port=0, host="127.0.0.1"))
        """
    )
    async with bench.running("my_agent.py", "start") as command:
        await server.wait_worker(seconds=SOON)
        offering = asyncio.create_task(server.dispatch("the-room"))
        await bench.until(lambda lines: lines == ["blocked"])

        command.signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        command.signal(signal.SIGTERM)
        asked_at = time.monotonic()
        code, _ = await command.end()

        assert code == FAILED
        assert time.monotonic() - asked_at < 5.0
        await command.nothing_is_left(1.0)
        await offering


async def test_an_env_file_is_there_from_the_start_and_is_not_needed_twice(bench: Bench) -> None:
    server = server_of(bench)
    (bench.folder / "my.env").write_text(
        f"LIVEKIT_URL={server.url}\nLIVEKIT_API_KEY={server.api_key}\nLIVEKIT_API_SECRET={server.api_secret}\nMINE=x\n"
    )
    bench.write(before="note(f\"loaded with {os.environ.get('MINE')}\")")
    bare = {name: value for name, value in bench.environment().items() if not name.startswith("LIVEKIT_")}
    async with bench.running(
        "-m", "lk_agents", "start", "my_agent.py", "--env-file", "my.env", environment=bare
    ) as command:
        await server.wait_worker(seconds=SOON)
        command.signal(signal.SIGTERM)
        code, output = await command.end()

    assert code == FINE, output
    assert bench.lines() == ["loaded with x"]


async def test_the_file_itself_may_be_given_an_env_file(bench: Bench) -> None:
    server = server_of(bench)
    (bench.folder / "my.env").write_text(f"LIVEKIT_API_SECRET={server.api_secret}\n")
    bench.write()
    bare = {name: value for name, value in bench.environment().items() if name != "LIVEKIT_API_SECRET"}
    async with bench.running("my_agent.py", "start", "--env-file", "my.env", environment=bare) as command:
        await server.wait_worker(seconds=SOON)
        command.signal(signal.SIGTERM)
        code, output = await command.end()

    assert code == FINE, output


async def test_flags_come_before_the_environment_and_that_before_the_code(bench: Bench) -> None:
    server = server_of(bench)
    bench.write(
        """
        if __name__ == "__main__":
            options = WorkerOptions(
                entry, port=0, host="127.0.0.1", ws_url="ws://127.0.0.1:1", api_key="of-code", api_secret="of-code"
            )
            cli.run_app(options)
        """
    )
    environment = bench.environment(LIVEKIT_API_SECRET="wrong-secret-of-the-environment-0000")
    async with bench.running(
        "my_agent.py", "start", "--api-secret", server.api_secret, environment=environment
    ) as command:
        await server.wait_worker(seconds=SOON)  # its address and key are the environment's
        command.signal(signal.SIGTERM)
        code, output = await command.end()

    assert code == FINE, output
    assert "every user of this machine can read" in output
    assert server.api_secret not in output


async def test_a_signal_while_the_file_is_loading_ends_the_command(bench: Bench) -> None:
    bench.write(before="import time\nnote('loading')\ntime.sleep(3600)")
    async with bench.running("-m", "lk_agents", "start", "my_agent.py") as command:
        await bench.until(lambda lines: lines == ["loading"])
        command.signal(signal.SIGINT)
        code, output = await command.end()

    assert code != FINE
    assert "Aborted" in output


async def test_the_users_own_log_set_up_stays(bench: Bench) -> None:
    server = server_of(bench)
    bench.write(before="import logging\nlogging.basicConfig(format='MINE %(message)s', level=logging.INFO)")
    for arguments in (["my_agent.py", "start"], ["-m", "lk_agents", "start", "my_agent.py"]):
        async with bench.running(*arguments) as command:
            await server.wait_worker(seconds=SOON)
            command.signal(signal.SIGTERM)
            code, output = await command.end()

        assert code == FINE, output
        assert "MINE the worker is closed" in output

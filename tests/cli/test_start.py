"""``start`` as a user types it, in both of its forms, against a server that speaks the workers' protocol."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
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

    assert code == FAILED, output
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
    assert "every user of this machine could read" in output
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


async def test_a_signal_to_every_process_drains_as_one_to_the_command_does(bench: Bench) -> None:
    server = server_of(bench)
    bench.write()
    async with bench.running("my_agent.py", "start") as command:
        await server.wait_worker(seconds=SOON)
        dispatch = await server.dispatch("the-room")
        await bench.until(lambda lines: len(lines) == 1)

        command.remember_tree()
        for process in command.tree:
            process.terminate()
        command.signal(signal.SIGTERM)
        await server.until(lambda: server.workers[-1].full, seconds=SOON)
        await asyncio.sleep(1.0)
        assert len(bench.lines()) == 1, "the job goes on"
        await server.workers[-1].terminate(dispatch.job.id)
        code, output = await command.end()

        assert code == FINE, output
        assert bench.lines()[-1] == "over the-room"
        await command.nothing_is_left()


BUSY = {
    "a starting process": "def prewarm(proc):\n    import time\n    note('busy')\n    time.sleep(3600)",
    "code that catches everything": """
        def prewarm(proc): ...

        def load():
            import psutil, time
            note("busy")
            end = time.monotonic() + 2
            while time.monotonic() < end:
                try:
                    psutil.cpu_percent()
                except Exception:
                    pass
            return 0.1
    """,
}


@pytest.mark.parametrize("before", list(BUSY.values()), ids=list(BUSY))
async def test_a_signal_is_heard_whatever_runs(bench: Bench, before: str) -> None:
    server = server_of(bench)
    load = ", load_fnc=load" if "def load" in before else ""
    options = f"WorkerOptions(entry, prewarm_fnc=prewarm, num_idle_processes=1, port=0, host='127.0.0.1'{load})"
    bench.write(f"if __name__ == '__main__':\n    cli.run_app({options})\n", before=before)
    async with bench.running("my_agent.py", "start") as command:
        worker = await server.wait_worker(seconds=SOON)
        await bench.until(lambda lines: "busy" in lines)
        command.signal(signal.SIGTERM)
        await server.until(lambda: worker.full or not server.workers, seconds=1.0)
        code, output = await command.end()

        assert code == FINE, output
        await command.nothing_is_left()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals")
@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
async def test_on_a_terminal_lines_are_for_a_person(bench: Bench, environment: dict[str, str], coloured: bool) -> None:
    server_of(bench).faults = Faults(refuse_status=401)
    bench.write()
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "my_agent.py",
        "start",
        cwd=bench.folder,
        env=bench.environment(**environment),
        stderr=theirs,
    )
    os.close(theirs)
    assert await asyncio.wait_for(process.wait(), SOON) == FAILED
    printed = os.read(ours, 65536).decode()
    os.close(ours)

    assert " lk_agents - starting worker " in printed
    assert ("\033[32mINFO\033[0m" in printed) is coloured
    assert ("\033" in printed) is coloured


async def test_a_worker_loads_nothing_that_only_other_commands_need(bench: Bench) -> None:
    bench.write(
        before="""
        async def entry(ctx):
            note(",".join(sorted({"rich", "watchfiles", "dotenv"} & {name.split(".")[0] for name in sys.modules})))
        """
    )
    server = server_of(bench)
    async with bench.running("my_agent.py", "start") as command:
        await server.wait_worker(seconds=SOON)
        await server.dispatch("the-room")
        assert await bench.until(lambda lines: len(lines) == 1) == [""]
        command.signal(signal.SIGTERM)
        await command.end()


async def test_run_app_with_something_else_than_options_says_so(bench: Bench) -> None:
    bench.write("cli.run_app(entry)")
    async with bench.running("my_agent.py", "start") as command:
        code, output = await command.end()

    assert code == FAILED
    assert "give it a WorkerOptions" in output

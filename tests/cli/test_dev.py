"""``dev`` and ``connect`` as a user types them: the watcher, real workers, jobs that outlive a change of the code."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import jwt
import psutil
import pytest

from lk_agents.cli.serve import FAILED, FINE, USAGE
from lk_agents.testing.server import FakeLiveKitServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Bench, Form

    from lk_agents.hooks.records import ServerInfo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

RUN_APP_FORMS = ["python my_agent.py", "lk-agents with run_app", "lk-agents with options"]
SOON = 30.0


def server_of(bench: Bench) -> FakeLiveKitServer:
    assert bench.server is not None
    return bench.server


@pytest.mark.parametrize("form", RUN_APP_FORMS, indirect=True)
async def test_a_running_job_goes_on_with_the_new_code(bench: Bench, form: Form) -> None:
    text, arguments = form
    server = server_of(bench)
    file = bench.write(text)
    async with bench.running(*arguments("dev", file), "--log-level", "INFO") as command:
        await server.wait_worker(seconds=SOON)
        await server.dispatch("the-room")
        await bench.until(lambda lines: lines == ["job the-room v1 other"])

        bench.write(text, before="VERSION = 2")
        lines = await bench.until(lambda lines: len(lines) == 3)
        assert lines == ["job the-room v1 other", "over the-room", "job the-room v2 other"]

        command.signal(signal.SIGINT)
        code, output = await command.end()
        assert code == FINE, output
        await command.nothing_is_left()


async def test_a_file_that_cannot_be_loaded_is_shown_and_the_next_save_carries_the_jobs_on(bench: Bench) -> None:
    server = server_of(bench)
    bench.write()
    async with bench.running("-m", "lk_agents", "dev", "my_agent.py") as command:
        await server.wait_worker(seconds=SOON)
        await server.dispatch("the-room")
        await bench.until(lambda lines: len(lines) == 1)

        bench.write("note('trying')\nimport no_such_module_at_all")
        await bench.until(lambda lines: lines[1:] == ["over the-room", "trying"])
        await command.prints("the next save starts it again")
        bench.write(before="VERSION = 3")
        await bench.until(lambda lines: lines[-1] == "job the-room v3 other")

        command.signal(signal.SIGTERM)
        code, output = await command.end()
    assert code == FINE, output
    assert "No module named 'no_such_module_at_all'" in output


async def test_x27_a_job_whose_token_has_expired_is_carried_over(bench: Bench) -> None:
    server = server_of(bench)
    bench.write(before="ORIGINAL = entry\nasync def entry(ctx):\n    note(ctx._info.token)\n    await ORIGINAL(ctx)\n")
    async with bench.running("-m", "lk_agents", "dev", "my_agent.py") as command:
        worker = await server.wait_worker(seconds=SOON)
        job = server.make_job("the-room")
        answer = await worker.ask(job)
        claims = jwt.decode(server.mint_token(job, answer, worker), server.api_secret, algorithms=["HS256"])
        expired = jwt.encode(claims | {"exp": 1_000_000}, server.api_secret, algorithm="HS256")
        await worker.assign(job, expired)
        await bench.until(lambda lines: len(lines) == 2)

        bench.write(before="VERSION = 2")
        await bench.until(lambda lines: lines[-1] == "job the-room v2 other")
        command.signal(signal.SIGTERM)
        assert (await command.end())[0] == FINE


async def test_one_ctrl_c_of_a_terminal_reaches_both_processes_and_counts_once(bench: Bench) -> None:
    server = server_of(bench)
    bench.write()
    async with bench.running("my_agent.py", "dev") as command:
        await server.wait_worker(seconds=SOON)
        await server.dispatch("the-room")
        await bench.until(lambda lines: len(lines) == 1)
        (worker,) = [
            child for child in psutil.Process(command.process.pid).children() if "--reload-fd" in child.cmdline()
        ]

        command.signal(signal.SIGINT)
        os.kill(worker.pid, signal.SIGINT)
        code, output = await command.end()

        assert code == FINE, output
        assert bench.lines()[-1] == "over the-room"
        await command.nothing_is_left()


async def test_a_killed_watcher_leaves_nothing_behind(bench: Bench) -> None:
    server = server_of(bench)
    bench.write()
    async with bench.running("my_agent.py", "dev") as command:
        await server.wait_worker(seconds=SOON)
        await server.dispatch("the-room")
        await bench.until(lambda lines: len(lines) == 1)

        command.signal(signal.SIGKILL)
        await command.end()
        lines = await bench.until(lambda lines: lines[-1] == "over the-room")
        assert len(lines) == 2
        await command.nothing_is_left(SOON)


async def test_the_env_file_of_the_folder_is_read_and_a_change_of_it_counts(bench: Bench) -> None:
    server = server_of(bench)
    env = bench.folder / ".env"
    env.write_text(f"LIVEKIT_API_SECRET={server.api_secret}\nMINE=one\n")
    bench.write(before="note(f\"loaded with {os.environ.get('MINE')}\")")
    bare = {name: value for name, value in bench.environment().items() if name != "LIVEKIT_API_SECRET"}
    async with bench.running("-m", "lk_agents", "dev", "my_agent.py", environment=bare) as command:
        await server.wait_worker(seconds=SOON)
        env.write_text(f"LIVEKIT_API_SECRET={server.api_secret}\nMINE=two\n")
        await bench.until(lambda lines: lines == ["loaded with one", "loaded with two"])
        command.signal(signal.SIGTERM)
        assert (await command.end())[0] == FINE


async def test_without_watching_the_env_file_of_the_folder_is_read_too(bench: Bench) -> None:
    server = server_of(bench)
    (bench.folder / ".env").write_text(f"LIVEKIT_API_SECRET={server.api_secret}\n")
    bench.write()
    bare = {name: value for name, value in bench.environment().items() if name != "LIVEKIT_API_SECRET"}
    async with bench.running("my_agent.py", "dev", "--no-watch", environment=bare) as command:
        await server.wait_worker(seconds=SOON)
        command.signal(signal.SIGTERM)
        assert (await command.end())[0] == FINE


@pytest.mark.parametrize("form", RUN_APP_FORMS, indirect=True)
async def test_in_process_runs_jobs_in_this_very_process(bench: Bench, form: Form) -> None:
    text, arguments = form
    server = server_of(bench)
    file = bench.write(text)
    async with bench.running(*arguments("dev", file), "--in-process") as command:
        await server.wait_worker(seconds=SOON)
        await server.dispatch("the-room")
        await bench.until(lambda lines: lines == ["job the-room v1 same"])
        command.remember_tree()
        assert not command.tree
        command.signal(signal.SIGTERM)
        code, output = await command.end()

    assert code == FINE, output
    assert bench.lines()[-1] == "over the-room"


@pytest.mark.parametrize("watch", ["--watch", "--no-watch"])
async def test_connect_takes_one_job_for_the_room(bench: Bench, watch: str) -> None:
    server = server_of(bench)
    bench.write()
    async with bench.running("-m", "lk_agents", "connect", "my_agent.py", "--room", "mine", watch) as command:
        await bench.until(lambda lines: lines == ["job mine v1 other"])
        if watch == "--watch":
            bench.write(before="VERSION = 2")
            await bench.until(lambda lines: lines[-1] == "job mine v2 other")
        command.signal(signal.SIGTERM)
        assert (await command.end())[0] == FINE
    assert sum(line.startswith("job") for line in bench.lines()) == (2 if watch == "--watch" else 1), "called only once"
    assert server.broken_rules == []


@pytest.mark.parametrize("form", RUN_APP_FORMS, indirect=True)
async def test_connect_needs_a_room(bench: Bench, form: Form) -> None:
    text, arguments = form
    async with bench.running(*arguments("connect", bench.write(text))) as command:
        code, output = await command.end()

    assert code == USAGE
    assert "--room" in output


async def test_a_server_of_its_own_has_its_own_address(bench: Bench) -> None:
    bench.write()
    async with bench.running("my_agent.py", "dev", "--server", "--url", "ws://h") as command:
        code, output = await command.end()

    assert code == FAILED
    assert "leave out --url" in output


async def test_a_server_that_no_plugin_offers_is_named_with_the_remedy(bench: Bench) -> None:
    bench.write()
    environment = bench.environment(LK_AGENTS_PLUGINS="")
    async with bench.running("my_agent.py", "dev", "--server", environment=environment) as command:
        code, output = await command.end()

    assert code == FAILED
    assert "pip install lk-agents-server" in output


async def test_with_a_real_server_the_new_code_joins_the_same_room_as_the_same_agent(
    lk_server: ServerInfo, bare_bench: Bench
) -> None:
    from livekit import api

    bench = bare_bench
    options = "WorkerOptions(entry, agent_name='carried', port=0, host='127.0.0.1')"
    end = f"if __name__ == '__main__':\n    cli.run_app({options})\n"
    joins = """
ORIGINAL = entry
async def entry(ctx):
    await ctx.connect()
    note(ctx.agent.identity)
    await ORIGINAL(ctx)
"""
    bench.write(end, before=joins)
    environment = bench.environment(
        LIVEKIT_URL=lk_server.url, LIVEKIT_API_KEY=lk_server.api_key, LIVEKIT_API_SECRET=lk_server.api_secret
    )
    async with (
        api.LiveKitAPI(lk_server.url, lk_server.api_key, lk_server.api_secret) as server,
        bench.running("my_agent.py", "dev", environment=environment) as command,
    ):
        await command.prints("the worker is registered")
        await server.agent_dispatch.create_dispatch(
            api.CreateAgentDispatchRequest(agent_name="carried", room="carried-room")
        )
        await bench.until(lambda lines: lines[1:] == ["job carried-room v1 other"])

        bench.write(end, before=f"VERSION = 2\n{joins}")
        lines = await bench.until(lambda lines: lines[-1] == "job carried-room v2 other")
        there = await server.room.list_participants(api.ListParticipantsRequest(room="carried-room"))

        assert lines[0] == lines[3], "the same identity"
        assert [participant.identity for participant in there.participants] == [lines[0]], "one agent"
        command.signal(signal.SIGTERM)
        assert (await command.end())[0] == FINE
        await command.nothing_is_left()


@pytest.mark.parametrize("watch", ["--watch", "--no-watch"])
async def test_a_server_of_its_own_lives_as_long_as_the_command(
    lk_server: ServerInfo, bare_bench: Bench, watch: str
) -> None:
    assert lk_server.url, "there is a plugin that can offer one"
    bench = bare_bench
    bench.write()
    async with bench.running("my_agent.py", "dev", "--server", watch) as command:
        await command.prints("the worker is registered")
        command.signal(signal.SIGINT)
        code, output = await command.end()

        assert code == FINE, output
        await command.nothing_is_left()


async def test_a_change_in_a_plugin_that_is_installed_in_editable_mode_counts(
    bench: Bench, installed: Callable[[str], None]
) -> None:
    server = server_of(bench)
    installed("commands")
    site = bench.folder / "site"
    (bench.folder / "elsewhere").mkdir()
    origin = {"url": site.as_uri(), "dir_info": {"editable": True}}
    (site / "lk_agents_commands-1.2.3.dist-info" / "direct_url.json").write_text(json.dumps(origin))
    bench.file = bench.folder / "elsewhere" / "my_agent.py"
    bench.write(before="note('loaded')")
    environment = bench.environment(PYTHONPATH=str(site))
    async with bench.running("elsewhere/my_agent.py", "dev", environment=environment) as command:
        await server.wait_worker(seconds=SOON)
        plugin = site / "lk_agents_commands.py"
        plugin.write_text(plugin.read_text() + "# changed\n")
        await command.prints("lk_agents_commands.py")
        await server.until(lambda: len(server.connections) == 2 and server.workers, seconds=SOON)
        command.signal(signal.SIGTERM)
        code, output = await command.end()

    assert code == FINE, output

"""``console --text`` from a pipe, where nobody reads it to its end."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from tests.cli.test_console_runs import FORMS, run

from lk_agents.cli.serve import FAILED, FINE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

PROGRAM = """
import asyncio
from lk_agents import JobContext, WorkerOptions
from lk_agents.media import session_io_for
from my_talker import Talker, RATE

async def hold(ctx, text, *, reads):
    io = session_io_for(ctx.room)
    await io.start(sample_rate=RATE, num_channels=1)
    talker = Talker(io)
    if reads:
        ctx.create_task(talker.read(), name="read")
    await talker.say(text, 0.1)
    return io

async def entrypoint(ctx: JobContext) -> None:
    await ctx.connect()
    {body}

options = WorkerOptions(entrypoint)
"""


def program(folder: Path, body: str) -> list[str]:
    shutil.copy(Path(__file__).with_name("toy_talker.py"), folder / "my_talker.py")
    file = folder / "my_agent.py"
    file.write_text(PROGRAM.replace("{body}", body))
    return [*FORMS["lk-agents FILE"](file), "--text", "--end-silence", "0.5"]


@pytest.mark.parametrize(
    ("body", "typed", "unread"),
    [
        ("", "", 0),
        ("", "one\ntwo\n", 2),
        ("io = await hold(ctx, 'bye', reads=False); await io.aclose()", "one\n", 1),
        ("io = await hold(ctx, 'bye', reads=False); await io.aclose(); await asyncio.Event().wait()", "", 0),
    ],
    ids=["returns", "returns, with lines", "closes", "closes, and waits for ever"],
)
async def test_it_ends_when_no_conversation_takes_the_lines(tmp_path: Path, body: str, typed: str, unread: int) -> None:
    code, said, err = await run(*program(tmp_path, body), "--log-format", "json", typed=typed)

    assert code == FINE
    assert said == (["agent: bye"] if body else [])
    assert (f'"lines": {unread}' in err or f'"lines":{unread}' in err) == bool(unread), err


@pytest.mark.parametrize(("typed", "unread"), [("", 0), ("one\ntwo\n", 2)])
async def test_it_fails_when_the_entrypoint_neither_begins_a_conversation_nor_returns(
    tmp_path: Path, typed: str, unread: int
) -> None:
    command = [*program(tmp_path, "await asyncio.Event().wait()"), "--begin-within", "0.5"]
    code, said, err = await run(*command, "--log-format", "text", typed=typed)

    assert (code, said) == (FAILED, [])
    assert "the entrypoint has neither begun a conversation nor returned" in err
    assert "--begin-within" in err
    assert ("no conversation has read all that was typed" in err) == bool(unread)


async def test_a_conversation_that_has_begun_is_not_asked_when_it_began(tmp_path: Path) -> None:
    body = "await hold(ctx, 'hello', reads=True); await asyncio.Event().wait()"
    command = [*program(tmp_path, body), "--begin-within", "0.3"]
    code, said, err = await run(*command, typed="one\n")

    assert (code, err) == (FINE, "")
    assert said == ["agent: hello", "you: one", "agent: you wrote one"]


async def test_a_conversation_that_begins_late_gets_the_lines(tmp_path: Path) -> None:
    command = program(tmp_path, "await asyncio.sleep(1.5); await hold(ctx, 'hello', reads=True)")
    code, said, err = await run(*command, typed="one\n")

    assert (code, err) == (FINE, "")
    assert said == ["agent: hello", "you: one", "agent: you wrote one"]


async def test_the_next_conversation_gets_the_lines_too(tmp_path: Path) -> None:
    body = "io = await hold(ctx, 'first', reads=False); await io.aclose(); await asyncio.sleep(0.1); "
    code, said, err = await run(*program(tmp_path, body + "await hold(ctx, 'hello', reads=True)"), typed="one\n")

    assert (code, err) == (FINE, "")
    assert said == ["agent: first", "agent: hello", "you: one", "agent: you wrote one"]


async def test_a_job_that_ends_itself_does_not_wait_for_the_lines(tmp_path: Path) -> None:
    async with asyncio.timeout(15):
        code, said, err = await run(*program(tmp_path, "ctx.shutdown('done')"), typed="one\n")

    assert (code, said, err) == (FINE, [], "")

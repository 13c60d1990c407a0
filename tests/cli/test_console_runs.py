"""``console`` as a user runs it: with a pipe, with files, at a terminal, with devices."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import termios
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.media.console import fake_sounddevice
from tests.media.console.props import loud, loud_parts, read_channels, silence, write_wav

from lk_agents.cli.serve import FAILED, FINE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

SOON = 20.0
FORMS: Mapping[str, Callable[[Path], list[str]]] = {
    "python FILE": lambda file: [str(file), "console"],
    "lk-agents FILE": lambda file: ["-m", "lk_agents", "console", str(file)],
    "lk-agents FILE:NAME": lambda file: ["-m", "lk_agents", "console", f"{file}:options"],
}


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    """The toy's file, in a folder of its own."""
    return Path(shutil.copy(Path(__file__).with_name("toy_talker.py"), tmp_path / "my_agent.py"))


def journal(agent: Path) -> list[str]:
    return agent.with_name("journal.txt").read_text().splitlines()


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LIVEKIT_", "LK_", "TOY_"))}
    return {**kept, "TERM": "xterm", **more}


async def run(
    *arguments: str, typed: str | None = None, seconds: float = SOON, **variables: str
) -> tuple[int, list[str], str]:
    """Run Python with these arguments; return the exit code, what was printed, and what went to the error output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=environment(**variables),
        stdin=asyncio.subprocess.DEVNULL if typed is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate(None if typed is None else typed.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode().splitlines(), err.decode()


@pytest.mark.parametrize("form", FORMS)
async def test_a_conversation_through_a_pipe(agent: Path, form: str) -> None:
    code, said, err = await run(*FORMS[form](agent), "--text", "--end-silence", "0.5", typed="one\n\ntwo\n")

    assert (code, err) == (FINE, "")
    assert said == ["agent: hello", "you: one", "agent: you wrote one", "you: two", "agent: you wrote two"]
    assert journal(agent) == ["console- console console-user agent-console-", "same process", "over: the user has left"]


async def test_a_conversation_with_files(agent: Path, tmp_path: Path) -> None:
    question = write_wav(tmp_path / "in.wav", silence(1.0) + loud(0.8) + silence(1.2) + loud(0.4))
    heard, both = tmp_path / "out.wav", tmp_path / "both.wav"
    code, said, err = await run(
        *FORMS["lk-agents FILE"](agent),
        *("--input", str(question), "--output", str(heard), "--record", str(both), "--end-silence", "1.0"),
    )

    assert (code, err) == (FINE, "")
    assert said == ["agent: hello", "agent: I heard 0.8 s", "agent: I heard 0.4 s"]
    assert journal(agent)[-1] == "over: the input is over"
    rate, (voice,) = read_channels(heard)
    assert [round(end - begin, 1) for begin, end in loud_parts(voice, rate)] == [0.4, 0.4, 0.4]
    rate, (user, right) = read_channels(both)
    assert [round(end - begin, 1) for begin, end in loud_parts(user, rate)] == [0.8, 0.4]
    begins = [begin for begin, _ in loud_parts(voice, rate)]
    assert [begin for begin, _ in loud_parts(right, rate)] == pytest.approx(begins, abs=0.05)
    for (_, asked), (answered, _) in zip(loud_parts(user, rate), loud_parts(right, rate)[1:], strict=True):
        assert 0.2 <= answered - asked <= 1.0


async def test_an_input_file_that_is_none_is_told_in_words(agent: Path, tmp_path: Path) -> None:
    code, said, err = await run(*FORMS["python FILE"](agent), "--input", str(tmp_path / "missing.wav"))

    assert (code, said) == (FAILED, [])
    assert err.startswith("Error: ")
    assert "ffmpeg" in err


@pytest.mark.parametrize(
    ("breaks", "told"), [("prewarm", "the model is not there"), ("entrypoint", "the agent is broken")]
)
async def test_an_agent_that_fails_is_an_exit_code_and_a_traceback(agent: Path, breaks: str, told: str) -> None:
    code, said, err = await run(
        *FORMS["python FILE"](agent), "--text", "--log-format", "text", typed="", TOY_BREAKS=breaks
    )

    assert (code, said) == (FAILED, [])
    assert f"ValueError: {told}" in err


async def test_the_table_of_a_turn_is_printed(agent: Path) -> None:
    code, said, _ = await run(*FORMS["python FILE"](agent), "--text", "--end-silence", "0.5", typed="", TOY_TURN="yes")

    assert code == FINE
    assert [line.split() for line in said if "ms" in line] == [
        ["turn", "decided", "500", "ms", "500", "ms"],
        ["first", "frame", "played", "750", "ms", "250", "ms"],
    ]


async def test_conversations_come_one_after_the_other(agent: Path) -> None:
    code, said, _ = await run(
        *FORMS["python FILE"](agent), "--text", "--end-silence", "0.5", typed="one\n", TOY_AGAIN="yes"
    )

    assert code == FINE
    assert said == ["agent: first", "agent: hello", "you: one", "agent: you wrote one"]
    assert any(line.startswith("refused: the console has one microphone") for line in journal(agent))


async def test_the_variables_of_an_env_file_are_there(agent: Path) -> None:
    agent.with_name(".env").write_text("TOY_GREETING=welcome\n")
    _, said, _ = await run(*FORMS["python FILE"](agent), "--text", "--end-silence", "0.5", typed="")

    assert said == ["agent: welcome"]


async def test_microphone_and_speaker(agent: Path) -> None:
    fake = Path(fake_sounddevice.__file__).read_text()
    samples = f"said += {silence(1.5)!r} + {loud(0.64)!r}\n"
    agent.with_name("sounddevice.py").write_text(f"{fake}\n{samples}")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *FORMS["python FILE"](agent),
        env=environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SOON):
            said = [await process.stdout.readline() for _ in range(2)]
            process.send_signal(signal.SIGINT)
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert code == FINE
    assert said[0] == b"agent: hello\n"
    assert re.fullmatch(rb"agent: I heard 0\.[67] s\n", said[1])  # the echo canceller lets a little ring out
    assert journal(agent)[-1] == "over: asked to stop at the console"


# --- at a terminal ---------------------------------------------------------------------------------------------------


class Terminal:
    """A terminal in which the command runs in the foreground."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()
        os.set_blocking(self.ours, False)
        self.before = termios.tcgetattr(self.theirs)
        self.seen = ""
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.ours, self._read)

    def _read(self) -> None:
        try:
            self.seen += os.read(self.ours, 65536).decode(errors="replace")
        except BlockingIOError:
            return
        self._news.set()

    async def shows(self, text: str) -> None:
        """Wait until the terminal has shown ``text``."""
        async with asyncio.timeout(SOON):
            while text not in self.seen:
                self._news.clear()
                await self._news.wait()

    def type(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def is_as_it_was(self) -> bool:
        """Tell whether modes and cursor are those from before."""
        hidden = self.seen.count("\x1b[?25l") - self.seen.count("\x1b[?25h")
        return termios.tcgetattr(self.theirs) == self.before and not hidden and "\x1b[?1049h" not in self.seen

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.ours)
        os.close(self.ours)
        os.close(self.theirs)


@asynccontextmanager
async def at_terminal(
    agent: Path, *arguments: str, **variables: str
) -> AsyncIterator[tuple[Terminal, asyncio.subprocess.Process]]:
    """Run the command in a terminal of its own session, as a shell does, so that Ctrl-C comes as a signal."""
    terminal = Terminal()
    start = (
        "import os, sys, fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", start, sys.executable, str(agent), "console", "--text", *arguments),
        env=environment(**variables),
        stdin=terminal.theirs,
        stdout=terminal.theirs,
        stderr=terminal.theirs,
        start_new_session=True,
    )
    try:
        yield terminal, process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        terminal.close()


async def end_of(process: asyncio.subprocess.Process, seconds: float = SOON) -> int:
    async with asyncio.timeout(seconds):
        return await process.wait()


async def test_a_conversation_at_a_terminal_ends_with_the_end_of_the_input(agent: Path) -> None:
    async with at_terminal(agent) as (terminal, process):
        await terminal.shows("agent: \x1b")
        await terminal.shows("[listening]")
        terminal.type("good morning\n")
        await terminal.shows("you wrote good morning")
        terminal.type("\x04")

        assert await end_of(process) == FINE
        assert terminal.is_as_it_was()
        assert terminal.seen.endswith("\r\x1b[K")  # the line of the shell begins at its left
        assert terminal.seen.count("good morning") == 2  # typed, and answered: not printed once more


async def test_ctrl_c_ends_the_job_with_its_callbacks(agent: Path) -> None:
    async with at_terminal(agent) as (terminal, process):
        await terminal.shows("[listening]")
        terminal.type("\x03")

        assert await end_of(process) == FINE
        assert terminal.is_as_it_was()
        assert journal(agent)[-1] == "over: asked to stop at the console"


async def test_a_second_ctrl_c_ends_it_at_once(agent: Path) -> None:
    async with at_terminal(agent, TOY_HANGS="yes") as (terminal, process):
        await terminal.shows("[listening]")
        terminal.type("\x03")
        async with asyncio.timeout(SOON):
            while "over: asked to stop at the console" not in journal(agent):
                await asyncio.sleep(0.02)
        assert process.returncode is None
        terminal.type("\x03")

        assert await end_of(process, seconds=5.0) == FAILED
        assert terminal.is_as_it_was()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT, signal.SIGHUP])
async def test_a_terminal_is_as_it_was_however_the_command_ends(agent: Path, number: signal.Signals) -> None:
    async with at_terminal(agent) as (terminal, process):
        await terminal.shows("[listening]")
        terminal.type("half a li")
        process.send_signal(number)

        assert await end_of(process) == -number
        assert terminal.is_as_it_was()


async def test_an_agent_that_fails_leaves_the_terminal_as_it_was(agent: Path) -> None:
    async with at_terminal(agent, TOY_BREAKS="entrypoint") as (terminal, process):
        assert await end_of(process) == FAILED
        assert terminal.is_as_it_was()

"""The example for the console holds a conversation by keyboard, and one by voice, through the real command."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest
from tests.media.console.props import loud, loud_parts, read_channels, silence, write_wav

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "console_agent.py"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

GREETING = "agent: Hello, I repeat what I am told."


async def console(*arguments: str, typed: str = "") -> list[str]:
    """Run the command, which must end well, and return what it has printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lk_agents", "console", str(EXAMPLE), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(45):
            out, err = await process.communicate(typed.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, err) == (0, b"")
    return out.decode().splitlines()


def conversation(printed: list[str]) -> list[str]:
    return [line for line in printed if line.startswith(("you: ", "agent: "))]


async def test_a_conversation_by_keyboard() -> None:
    printed = await console("--text", "--end-silence", "1", typed="good morning\nhow are you?\n")

    assert conversation(printed) == [
        GREETING,
        "you: good morning",
        "agent: You said: good morning",
        "you: how are you?",
        "agent: You said: how are you?",
    ]
    assert [line for line in printed if line.startswith("turn ")] == ["turn 1: spoken", "turn 2: spoken"]


async def test_a_conversation_by_voice(tmp_path: Path) -> None:
    question = write_wav(tmp_path / "in.wav", silence(2.5) + loud(1.5) + silence(3.5) + loud(1.5))
    both = tmp_path / "both.wav"
    printed = await console("--input", str(question), "--record", str(both), "--end-silence", "3")

    assert conversation(printed)[0] == GREETING
    assert [re.sub(r"\d", "N", line) for line in conversation(printed)[1:]] == [
        "you: something of N seconds.",
        "agent: You said: something of N seconds.",
    ] * 2
    stages = [line.strip().split("  ")[0] for line in printed if line.endswith(" ms  ")]
    assert stages[:2] + stages[6:7] == ["turn decided", "last text", "first frame played"]
    rate, (user, agent) = read_channels(both)
    asked = [end for _, end in loud_parts(user, rate)]
    assert len(asked) == 2
    for end in asked:
        answered = min(begin for begin, _ in loud_parts(agent, rate) if begin > end - 0.1)
        assert 0.45 <= answered - end <= 2.0  # after the endpointing delay; how soon is another question

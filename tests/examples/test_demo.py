"""The demo as its users run it: all of it happens, each failure is said, nothing stays behind."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Self

import pytest

from demo.timeline import STEPS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DEADLINE_SECONDS = 30
MARK = "LK_DEMO_TEST"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

HUMMING_AGENT = """
import asyncio

import numpy as np
from livekit import rtc

from lk_agents import JobContext, WorkerOptions, cli


async def entrypoint(ctx: JobContext) -> None:
    await ctx.connect()
    source = rtc.AudioSource(16000, 1)
    await ctx.agent.publish_track(rtc.LocalAudioTrack.create_audio_track("hum", source))
    hum = (np.sin(np.arange(320) * 2 * np.pi * 400 / 16000) * 3000).astype(np.int16).tobytes()
    while True:
        await source.capture_frame(rtc.AudioFrame(hum, 16000, 1, 320))


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint, port=0))
"""


class Demo:
    """One run of the demo, and every process that comes of it."""

    def __init__(self, *arguments: str) -> None:
        self._mark = uuid.uuid4().hex
        self._process = subprocess.Popen(
            [sys.executable, "-m", "demo", *arguments],
            cwd=EXAMPLES,
            env={**os.environ, MARK: self._mark, "COLUMNS": "120"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def end(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Wait for the end, and return the exit code; ``output`` has what was printed."""
        rest, _ = self._process.communicate(timeout=seconds)
        self.output += rest
        return self._process.returncode

    def read_until(self, text: str) -> None:
        """Read what the demo prints until ``text`` comes."""
        assert self._process.stdout
        for line in self._process.stdout:
            self.output += line
            if text in line:
                return
        pytest.fail(f"the demo ended without saying {text!r}:\n{self.output}")

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal to its whole group, as Ctrl-C does."""
        os.killpg(self._process.pid, number)

    def left_behind(self) -> list[str]:
        """Return the commands of processes that still run and came of this demo."""
        found = []
        for environment in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"{MARK}={self._mark}".encode() in environment.read_bytes():
                    found.append((environment.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue  # ended meanwhile, or somebody else's
        return found


def test_the_caller_hears_himself_within_half_a_minute() -> None:
    started = time.monotonic()
    with Demo() as demo:
        code = demo.end()

    assert code == 0, demo.output
    assert time.monotonic() - started < DEADLINE_SECONDS
    for step in STEPS:
        assert step.label in demo.output
    assert "never" not in demo.output
    assert demo.left_behind() == []


def test_an_agent_that_answers_with_something_else_fails_the_demo(tmp_path: Path) -> None:
    agent = tmp_path / "humming.py"
    agent.write_text(HUMMING_AGENT)
    with Demo(str(agent)) as demo:
        code = demo.end(60)

    assert code == 1, demo.output
    assert "the caller did not hear himself" in demo.output
    assert "this never happened: first frame heard" in demo.output
    assert demo.left_behind() == []


def test_an_agent_that_cannot_be_loaded_fails_the_demo_with_its_error(tmp_path: Path) -> None:
    agent = tmp_path / "broken.py"
    agent.write_text("import does_not_exist\n")
    with Demo(str(agent)) as demo:
        code = demo.end()

    assert code == 1
    assert "before it was registered" in demo.output
    assert "does_not_exist" in demo.output
    assert demo.left_behind() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["starting a worker", "a caller joins"])
def test_an_interrupted_demo_leaves_nothing_behind(number: signal.Signals, moment: str) -> None:
    with Demo() as demo:
        demo.read_until(moment)
        time.sleep(0.5)
        demo.interrupt(number)
        code = demo.end()

    assert code == 130, demo.output
    assert "Traceback" not in demo.output
    assert demo.left_behind() == []


@pytest.mark.soak
@pytest.mark.parametrize("round_", range(10))
def test_the_demo_succeeds_again_and_again(round_: int) -> None:
    with Demo() as demo:
        code = demo.end()

    assert code == 0, demo.output
    assert demo.left_behind() == []

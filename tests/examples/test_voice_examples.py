"""The examples that talk do so: one by keyboard, with functions; one in a room, with real speech."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from livekit import api

from demo.agent_worker import AgentWorker, LogLine
from lk_agents_server import LiveKitServer, ServerOptions

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # callers are found by name
    sys.path.append(str(ROOT))

from benchmarks.talk.sound import phrases  # noqa: E402
from tests.e2e.talkers import Talkers  # noqa: E402

EXAMPLES = ROOT / "examples"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


async def test_the_agent_with_tools_says_what_the_function_found() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lk_agents", "console", str(EXAMPLES / "tools_agent.py"), "--text"),
        "--end-silence=1",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(45):
            out, _ = await process.communicate(b"good morning\nwhere is 17?\n")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert process.returncode == 0
    assert [line for line in out.decode().splitlines() if line.startswith(("you: ", "agent: "))] == [
        "you: good morning",
        "agent: Which number is on its label?",
        "you: where is 17?",
        "agent: Let me look.",
        "agent: Parcel 17 has left the harbour.",
    ]


SHORT = min(range(len(phrases())), key=lambda number: len(phrases()[number].samples))
"""The number of the shortest phrase; it lasts two seconds."""


async def test_the_agent_in_a_room_greets_answers_and_ends_its_job_with_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    async with (
        LiveKitServer(ServerOptions(departure_timeout=60)) as server,
        AgentWorker.running(EXAMPLES / "voice_agent.py", server.env()) as worker,
        Talkers.ready() as talkers,
    ):
        await worker.wait_ready(seconds=20)
        token = api.AccessToken(server.api_key, server.api_secret).with_identity("ada")
        token.with_grants(api.VideoGrants(room_join=True, room="lobby"))
        await talkers.do("ada", "join", server.url, token.to_jwt(), seconds=40)
        await talkers.do("ada", "hears_nothing")
        await talkers.do("ada", "say", SHORT)
        assert await talkers.do("ada", "hears")
        await talkers.do("ada", "hears_nothing")
        seen = await talkers.do("ada", "seen")
        await talkers.do("ada", "leave")
        ended = await worker.wait_logged("the job had ended", _is("a job has ended"), seconds=20)

    answered = await worker.wait_logged("an answer", _is("answered"), seconds=1)
    assert answered["outcome"] == "spoken"
    said, answer = [each["text"] for each in seen["shown"] if each["final"]][-2:]
    assert re.fullmatch(r"something of [23] seconds\.", said), said
    assert answer == f"You said: {said}"
    assert (ended["success"], ended["reason"]) == (True, "the participant has left")


def _is(message: str) -> Callable[[LogLine], bool]:
    def matches(line: LogLine) -> bool:
        return line.get("message") == message

    return matches

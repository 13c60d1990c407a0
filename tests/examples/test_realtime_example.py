"""The example whose model hears and speaks itself does so in a room, with the plugin's scripted server as its model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from livekit import api

from demo.agent_worker import AgentWorker, LogLine
from lk_agents.testing.providers import Heard, RealtimeAnswer
from lk_agents.testing.vendor import VendorServer
from lk_agents_server import LiveKitServer, ServerOptions

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # callers are found by name
    sys.path.append(str(ROOT))

from benchmarks.talk.sound import phrases  # noqa: E402
from tests.e2e.talkers import Talkers  # noqa: E402

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

KEY = "key-that-nobody-may-see"
QUESTION = "Where is parcel 17?"
SAID = ["Good day.", "Let me look.", "Parcel 17 has left the harbour."]
SHORT = min(range(len(phrases())), key=lambda number: len(phrases()[number].samples))
"""The number of the shortest phrase; it lasts two seconds."""


def clerk() -> Any:
    """Return a model that greets, calls the function at whatever is loud, and tells about it."""
    openai_fake: Any = import_module("openai_fake")  # of the plugin's tests, which pytest has on its path
    realtime_fake: Any = import_module("realtime_fake")

    class LoudEar(openai_fake.Ear):  # type: ignore[misc]
        """Takes whatever is loud for the question."""

        def place(self, sound: Any) -> tuple[int, float]:
            return 0, 0.5

        def _words(self) -> list[str]:
            return QUESTION.split()

    answers = [
        RealtimeAnswer(text=SAID[0], pace=4.0),
        RealtimeAnswer(text=SAID[1], pace=4.0, calls=[("find_parcel", {"number": 17})]),
        RealtimeAnswer(text=SAID[2], pace=4.0),
    ]
    return realtime_fake.World(answers, [Heard(QUESTION, 0.0, 1.0)], ear=LoudEar)


async def test_it_greets_answers_what_it_hears_with_what_its_function_finds_and_goes_with_the_caller() -> None:
    world = clerk()
    script = import_module("realtime_fake").realtime_script(world, key=KEY, query={"model": "gpt-realtime"})
    async with (
        VendorServer(script) as openai,
        LiveKitServer(ServerOptions(departure_timeout=60)) as server,
        AgentWorker.running(
            ROOT / "examples" / "realtime_agent.py",
            {**server.env(), "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{openai.url}/v1"},
        ) as worker,
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

    said = [(each["who"] == "ada", each["text"]) for each in seen["shown"] if each["final"]]
    assert said == [(False, SAID[0]), (True, QUESTION), (False, SAID[1]), (False, SAID[2])]
    assert world.functions == [["find_parcel"]]
    assert world.line.texts()[-2:] == [
        ("function_call_output", "Parcel 17 has left the harbour."),
        ("assistant", SAID[2]),
    ]
    assert (ended["success"], ended["reason"]) == (True, "the participant has left")


def _is(message: str) -> Callable[[LogLine], bool]:
    def matches(line: LogLine) -> bool:
        return line.get("message") == message

    return matches

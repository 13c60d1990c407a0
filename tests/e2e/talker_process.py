"""The process of those who talk with agents: reads orders as lines of JSON, and answers each with one.

Everybody obeys one order after the other; different people do so at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path
from typing import Any

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.append(ROOT)

from benchmarks.talk.caller import Caller  # noqa: E402
from benchmarks.talk.conversing import story  # noqa: E402
from benchmarks.talk.sound import phrases  # noqa: E402
from livekit import rtc  # noqa: E402

JOIN_SECONDS = 30.0
SETTLE_SECONDS = 1.0
"""From the tracks' subscription until sound passes in both directions."""
PAUSE_SECONDS = 1.0
"""An agent that is quiet for so long has finished."""
LONGEST_ANSWER_SECONDS = 20.0
PATIENCE_SECONDS = 8.0
"""After that nobody waits for an answer any more."""
MOMENT_SECONDS = 0.1
"""After a phrase was given away, what is heard is no answer to its end."""
LISTENING_SECONDS = 1.8
"""Of the agent's speech, before it is interrupted: what is cut then was heard long enough to be remembered."""
STEP_SECONDS = 0.13
STEPS = 4
AHEAD = -10
"""Callers have machines of their own: where they may, they go before the agents."""

PHRASES = phrases()
"""Made before anybody is in a room: it takes longer than a microphone may wait."""

Order = tuple[str, Sequence[Any]]


class Talker:
    """One person, who may come and go."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._orders: asyncio.Queue[Order] = asyncio.Queue()
        self._caller: Caller | None = None
        self._states: list[str] = []
        self._shown: dict[str, dict[str, Any]] = {}

    def give(self, order: str, arguments: Sequence[Any]) -> None:
        self._orders.put_nowait((order, arguments))

    async def live(self) -> None:
        """Obey. Not in a room there are but two orders: to join one, and to say what was seen."""
        while True:
            order, arguments = await self._orders.get()
            if order == "join":
                await self._visit(*arguments)
            else:
                await self._obey(order, arguments)

    async def _visit(self, url: str, token: str) -> None:
        """Stay in a room until told to leave it."""
        try:
            async with Caller.joined(url, token, seconds=JOIN_SECONDS) as caller:
                self._watch(caller.room)
                await asyncio.sleep(SETTLE_SECONDS)
                self._caller = caller
                self._tell(result=True)
                while True:
                    order, arguments = await self._orders.get()
                    if order == "leave":
                        break
                    await self._obey(order, arguments)
                self._caller = None
            self._tell(result=True)
        except Exception as error:
            self._caller = None
            self._tell(error=f"{type(error).__name__}: {error}")

    async def _obey(self, order: str, arguments: Sequence[Any]) -> None:
        try:
            result = await getattr(self, order)(*arguments)
        except Exception as error:
            self._tell(error=f"{type(error).__name__}: {error}")
        else:
            self._tell(result=result)

    def _tell(self, **what: Any) -> None:
        sys.stdout.write(json.dumps({"name": self._name, **what}) + "\n")
        sys.stdout.flush()

    # --- what is seen -------------------------------------------------------------------------------------------------

    def _watch(self, room: rtc.Room) -> None:
        room.on("participant_attributes_changed", self._on_attributes)
        room.on("transcription_received", self._on_transcription)
        for participant in room.remote_participants.values():
            self._on_attributes(participant.attributes, participant)

    def _on_attributes(self, changed: dict[str, str], _participant: rtc.Participant) -> None:
        if "lk.agent.state" in changed:
            self._states.append(changed["lk.agent.state"])

    def _on_transcription(
        self, segments: list[rtc.TranscriptionSegment], participant: rtc.Participant | None, *_: object
    ) -> None:
        for each in segments:
            who = participant.identity if participant else ""
            self._shown[each.id] = {"who": who, "text": each.text, "final": each.final}

    async def seen(self) -> dict[str, Any]:
        """Return the states of the agent, and the last form of each piece of transcript, in the order of the first."""
        return {"states": self._states, "shown": list(self._shown.values())}

    async def heard(self) -> list[dict[str, Any]]:
        """Return what was heard since the last time that the room was joined."""
        return [asdict(each) for each in self._in_room().heard()]

    # --- what is done -------------------------------------------------------------------------------------------------

    async def converse(self, interruptions: Sequence[bool], number: int) -> dict[str, Any]:
        """Hold a conversation, and return what was said and heard, as the benchmarks' callers do.

        :param interruptions: for each phrase, whether it is said while the agent answers the one before.
        :param number: of the caller: everybody begins at another time and with another phrase.
        """
        caller = self._in_room()
        await asyncio.sleep(number * 0.7)
        words = islice(cycle(PHRASES), number, None)
        for index, (phrase, interrupts) in enumerate(zip(words, interruptions, strict=False)):
            if interrupts:
                await asyncio.sleep(LISTENING_SECONDS + index % STEPS * STEP_SECONDS)
            else:
                await self.hears_nothing()
            await caller.say(phrase, interrupts=interrupts)
            await self.hears()
        await self.hears_nothing()
        return story(caller)

    async def say(self, number: int) -> None:
        """Say a phrase."""
        await self._in_room().say(PHRASES[number])

    async def say_and_mute(self, number: int, seconds: float) -> None:
        """Say the beginning of a phrase, and mute the microphone in the middle of it."""
        saying = asyncio.create_task(self._in_room().say(PHRASES[number]))
        await asyncio.sleep(seconds)
        self._track().mute()
        await saying

    async def unmute(self) -> None:
        """Be heard again."""
        self._track().unmute()

    async def say_and_replace(self, number: int, seconds: float) -> None:
        """Say a phrase, and publish the microphone anew in the middle of it."""
        me = self._in_room().room.local_participant
        saying = asyncio.create_task(self._in_room().say(PHRASES[number]))
        await asyncio.sleep(seconds)
        (old,) = me.track_publications.values()
        await me.unpublish_track(old.sid)
        track = rtc.LocalAudioTrack.create_audio_track("another voice", self._in_room()._source)
        await me.publish_track(track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE))
        await saying

    async def write(self, text: str) -> None:
        """Type a message."""
        await self._in_room().room.local_participant.send_text(text, topic="lk.chat")

    async def hears(self) -> bool:
        """Wait for something loud; return whether there was."""
        return await self._in_room().hears(time.monotonic() + MOMENT_SECONDS, seconds=PATIENCE_SECONDS)

    async def hears_nothing(self) -> bool:
        """Wait until the agent has finished; return whether it has."""
        return await self._in_room().hears_nothing(lasting=PAUSE_SECONDS, seconds=LONGEST_ANSWER_SECONDS)

    def _in_room(self) -> Caller:
        if self._caller is None:
            raise RuntimeError(f"{self._name} is in no room")
        return self._caller

    def _track(self) -> rtc.LocalAudioTrack:
        (publication,) = self._in_room().room.local_participant.track_publications.values()
        assert isinstance(publication.track, rtc.LocalAudioTrack)
        return publication.track


async def main() -> None:
    talkers: dict[str, tuple[Talker, asyncio.Task[None]]] = {}
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        name, order, arguments = json.loads(line)
        if name not in talkers:
            talker = Talker(name)
            talkers[name] = talker, asyncio.create_task(talker.live(), name=name)
        talkers[name][0].give(order, arguments)
    tasks = [task for _, task in talkers.values()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    with contextlib.suppress(PermissionError):  # only root may
        os.nice(AHEAD)
    asyncio.run(main())
    # The media library's threads may still call into an interpreter that takes itself apart, which aborts the process.
    os._exit(0)

"""An agent without providers: answers whatever is heard or typed by a tone and a line of text."""

from __future__ import annotations

import array
import asyncio
import os
from pathlib import Path

from livekit import rtc

from lk_agents import JobContext, JobProcess, WorkerOptions, cli
from lk_agents.foundation.errors import PlayoutError
from lk_agents.media import SessionIO, TextSegment, session_io_for

RATE = 24_000
FRAME = RATE // 50
JOURNAL = Path(__file__).with_name("journal.txt")


def note(text: str) -> None:
    with JOURNAL.open("a") as file:
        file.write(text + "\n")


def prewarm(proc: JobProcess) -> None:
    if os.environ.get("TOY_BREAKS") == "prewarm":
        raise ValueError("the model is not there")
    proc.userdata["warm"] = os.getpid()


class Talker:
    def __init__(self, io: SessionIO) -> None:
        self.io = io
        self.count = 0
        self.turn = asyncio.Lock()

    async def say(self, text: str, seconds: float = 0.4) -> None:
        async with self.turn:
            self.count += 1
            await self.io.show_state("speaking")
            await self.show(text.split(maxsplit=1)[0], final=False)
            tone = array.array("h", [6_000 if n // 30 % 2 else -6_000 for n in range(FRAME)]).tobytes()
            for _ in range(round(seconds * 50)):
                await self.io.audio_out.capture_frame(rtc.AudioFrame(tone, RATE, 1, FRAME))
            await self.io.audio_out.wait_for_playout()
            await self.show(text, final=True)
            await self.io.show_state("listening")

    async def show(self, text: str, *, final: bool) -> None:
        await self.io.text.publish(TextSegment(participant=self.io.agent, id=f"{self.count}", text=text, final=final))

    async def read(self) -> None:
        async for message in self.io.text:
            await self.say(f"you wrote {message.text}")

    async def listen(self) -> None:
        async for voice in self.io.audio_inputs():
            loud = silent = 0
            async for frame in voice:
                if max(map(abs, frame.data)) > 500:
                    loud, silent = loud + 1, 0
                elif loud and (silent := silent + 1) == 8:
                    asyncio.create_task(self.say(f"I heard {loud * 32 / 1000:.1f} s"))  # noqa: RUF006  it ends soon
                    loud = 0


async def entrypoint(ctx: JobContext) -> None:
    async def over(reason: str) -> None:
        note(f"over: {reason}")
        if "TOY_HANGS" in os.environ:
            await asyncio.sleep(3600)

    ctx.add_shutdown_callback(over)
    await ctx.connect()
    user = await ctx.wait_for_participant()
    note(f"{ctx.job.id[:8]} {ctx.room.name} {user.identity} {ctx.agent.identity[:14]}")
    note("same process" if ctx.proc.userdata["warm"] == os.getpid() else "another process")
    if os.environ.get("TOY_BREAKS") == "entrypoint":
        raise ValueError("the agent is broken")
    if "TOY_AGAIN" in os.environ:
        await begin_again(ctx)
    io = session_io_for(ctx.room)
    await io.start(sample_rate=RATE, num_channels=1)
    talker = Talker(io)
    ctx.create_task(talker.read(), name="read")
    ctx.create_task(talker.listen(), name="listen")
    await talker.say(os.environ.get("TOY_GREETING", "hello"))
    if "TOY_TURN" in os.environ:
        tell_a_turn()


async def begin_again(ctx: JobContext) -> None:
    """Hold a conversation of its own before the other, beside which there is no place for another one."""
    io = session_io_for(ctx.room)
    try:
        session_io_for(ctx.room)
    except PlayoutError as error:
        note(f"refused: {error}")
    await io.start(sample_rate=RATE, num_channels=1)
    await Talker(io).say("first")
    await io.aclose()
    await asyncio.sleep(0.1)


def tell_a_turn() -> None:
    from lk_agents.voice.announce import turn_finished
    from lk_agents.voice.records import Outcome, TurnRecord

    turn_finished(
        TurnRecord(turn=1, speech="SP_1", timestamp=0.0, outcome=Outcome.SPOKEN, decision=0.5, first_played=0.75)
    )


options = WorkerOptions(entrypoint, prewarm_fnc=prewarm)

if __name__ == "__main__":
    cli.run_app(options)
